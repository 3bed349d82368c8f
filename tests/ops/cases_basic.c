/* Cases of the ops from arithmetic to softmax. Sizes other than n are small, odd and unlike each
 * other, so that a swapped dimension shows. */
#include "ops/case_lists.h"
#include "ops/op_table.h"

/* ---- element by element, one operand ---- */

#define UNARY_BUILDERS(name, fill)                                                                 \
    static void name##_vector(op_trial *t, int64_t n) {                                            \
        bal_##name(t->graph, op_real(t, BAL_SHAPE1(n), fill));                                     \
    }                                                                                              \
    static void name##_block(op_trial *t, int64_t n) {                                             \
        bal_##name(t->graph, op_real(t, BAL_SHAPE3(2, n, 3), fill));                               \
    }
#define UNARY_CASES(name)                                                                          \
    {#name, "vector", name##_vector, 0}, {                                                         \
#name, "block", name##_block, 0                                                            \
    }

UNARY_BUILDERS(neg, OP_FILL_NORMAL)
UNARY_BUILDERS(exp, OP_FILL_NORMAL)
UNARY_BUILDERS(log, OP_FILL_POSITIVE)
UNARY_BUILDERS(sqrt, OP_FILL_POSITIVE)
UNARY_BUILDERS(square, OP_FILL_NORMAL)
UNARY_BUILDERS(abs, OP_FILL_OFF_ZERO)
UNARY_BUILDERS(relu, OP_FILL_OFF_ZERO)
UNARY_BUILDERS(gelu, OP_FILL_NORMAL)
UNARY_BUILDERS(sigmoid, OP_FILL_NORMAL)
UNARY_BUILDERS(tanh, OP_FILL_NORMAL)

static void scale_affine(op_trial *t, int64_t n) {
    bal_scale(t->graph, op_real(t, BAL_SHAPE2(n, 3), OP_FILL_NORMAL), -1.75, 0.3);
}

static void scale_zero(op_trial *t, int64_t n) {
    bal_scale(t->graph, op_real(t, BAL_SHAPE1(n), OP_FILL_NORMAL), 0.0, 2.0);
}

static void leaky_relu_usual(op_trial *t, int64_t n) {
    bal_leaky_relu(t->graph, op_real(t, BAL_SHAPE2(3, n), OP_FILL_OFF_ZERO), 0.01);
}

static void leaky_relu_steep(op_trial *t, int64_t n) {
    bal_leaky_relu(t->graph, op_real(t, BAL_SHAPE1(n), OP_FILL_OFF_ZERO), 1.5);
}

/* ---- gradient ops of element-wise ops: (gradient, x or y) ---- */

static void pair(op_trial *t, const bal_op *op, bal_shape shape, op_fill fill, double slope) {
    bal_value g = op_fixed(t, shape, OP_FILL_NORMAL), v = op_fixed(t, shape, fill);
    bal_attr attr = {.f = slope};
    bal_graph_add(t->graph, op, (bal_value[]){g, v}, 2, op->n_attrs ? &attr : NULL);
}

static void abs_grad(op_trial *t, int64_t n) {
    pair(t, &bal_op_abs_grad, BAL_SHAPE2(n, 3), OP_FILL_OFF_ZERO, 0.0);
}

static void relu_grad(op_trial *t, int64_t n) {
    pair(t, &bal_op_relu_grad, BAL_SHAPE2(n, 3), OP_FILL_OFF_ZERO, 0.0);
}

static void leaky_relu_grad(op_trial *t, int64_t n) {
    pair(t, &bal_op_leaky_relu_grad, BAL_SHAPE2(n, 3), OP_FILL_OFF_ZERO, 0.125);
}

static void gelu_grad(op_trial *t, int64_t n) {
    pair(t, &bal_op_gelu_grad, BAL_SHAPE2(n, 3), OP_FILL_NORMAL, 0.0);
}

static void sigmoid_grad(op_trial *t, int64_t n) {
    pair(t, &bal_op_sigmoid_grad, BAL_SHAPE2(n, 3), OP_FILL_UNIT, 0.0);
}

static void tanh_grad(op_trial *t, int64_t n) {
    pair(t, &bal_op_tanh_grad, BAL_SHAPE2(n, 3), OP_FILL_UNIT, 0.0);
}

/* ---- element by element, two operands ---- */

#define BINARY_BUILDERS(name, fill_b)                                                              \
    static void name##_same(op_trial *t, int64_t n) {                                              \
        bal_value a = op_real(t, BAL_SHAPE2(n, 3), OP_FILL_NORMAL);                                \
        bal_##name(t->graph, a, op_real(t, BAL_SHAPE2(n, 3), fill_b));                             \
    }                                                                                              \
    static void name##_row(op_trial *t, int64_t n) {                                               \
        bal_value a = op_real(t, BAL_SHAPE2(3, n), OP_FILL_NORMAL);                                \
        bal_##name(t->graph, a, op_real(t, BAL_SHAPE1(n), fill_b));                                \
    }                                                                                              \
    static void name##_matrix(op_trial *t, int64_t n) {                                            \
        bal_value a = op_real(t, BAL_SHAPE4(2, 3, n, 2), OP_FILL_NORMAL);                          \
        bal_##name(t->graph, a, op_real(t, BAL_SHAPE2(n, 2), fill_b));                             \
    }                                                                                              \
    static void name##_scalar(op_trial *t, int64_t n) {                                            \
        bal_value a = op_real(t, BAL_SHAPE2(n, 5), OP_FILL_NORMAL);                                \
        bal_##name(t->graph, a, op_real(t, BAL_SHAPE1(1), fill_b));                                \
    }                                                                                              \
    static void name##_itself(op_trial *t, int64_t n) {                                            \
        bal_value a = op_real(t, BAL_SHAPE1(n), fill_b);                                           \
        bal_##name(t->graph, a, a);                                                                \
    }
#define BINARY_CASES(name)                                                                         \
    {#name, "same shape", name##_same, 0}, {#name, "row", name##_row, 0},                          \
        {#name, "trailing matrix", name##_matrix, 0}, {#name, "scalar", name##_scalar, 0}, {       \
#name, "with itself", name##_itself, 0                                                     \
    }

BINARY_BUILDERS(add, OP_FILL_NORMAL)
BINARY_BUILDERS(sub, OP_FILL_NORMAL)
BINARY_BUILDERS(mul, OP_FILL_NORMAL)
BINARY_BUILDERS(div, OP_FILL_POSITIVE)

/* ---- matmul: every pair of flags, n in every place ---- */

static void matmul(op_trial *t, int64_t m, int64_t k, int64_t n, bool transpose_a,
                   bool transpose_b) {
    bal_shape a = transpose_a ? BAL_SHAPE2(k, m) : BAL_SHAPE2(m, k);
    bal_shape b = transpose_b ? BAL_SHAPE2(n, k) : BAL_SHAPE2(k, n);
    bal_value left = op_real(t, a, OP_FILL_NORMAL), right = op_real(t, b, OP_FILL_NORMAL);
    bal_matmul(t->graph, left, right, transpose_a, transpose_b);
}

static void matmul_plain(op_trial *t, int64_t n) {
    matmul(t, n, n + 1, n + 2, false, false);
}
static void matmul_left(op_trial *t, int64_t n) {
    matmul(t, n, n + 1, n + 2, true, false);
}
static void matmul_right(op_trial *t, int64_t n) {
    matmul(t, n, n + 1, n + 2, false, true);
}
static void matmul_both(op_trial *t, int64_t n) {
    matmul(t, n, n + 1, n + 2, true, true);
}
static void matmul_tall(op_trial *t, int64_t n) {
    matmul(t, n, 3, 2, false, true);
}
static void matmul_wide(op_trial *t, int64_t n) {
    matmul(t, 2, 3, n, false, false);
}
static void matmul_deep(op_trial *t, int64_t n) {
    matmul(t, 3, n, 2, true, false);
}
static void matmul_outer(op_trial *t, int64_t n) {
    matmul(t, n, 1, 5, false, false);
}

static void matmul_itself(op_trial *t, int64_t n) {
    bal_value a = op_real(t, BAL_SHAPE2(n, 3), OP_FILL_NORMAL);
    bal_matmul(t->graph, a, a, true, false);
}

/* ---- shape ---- */

static void reshape_open(op_trial *t, int64_t n) {
    bal_reshape(t->graph, op_real(t, BAL_SHAPE3(2, n, 3), OP_FILL_NORMAL), BAL_SHAPE2(-1, 6));
}

static void reshape_flat(op_trial *t, int64_t n) {
    bal_reshape(t->graph, op_real(t, BAL_SHAPE2(5, n), OP_FILL_NORMAL), BAL_SHAPE1(5 * n));
}

static void concat_rows(op_trial *t, int64_t n) {
    bal_value parts[] = {op_real(t, BAL_SHAPE2(n, 3), OP_FILL_NORMAL),
                         op_real(t, BAL_SHAPE2(2, 3), OP_FILL_NORMAL)};
    bal_concat(t->graph, parts, 2, 0);
}

static void concat_columns(op_trial *t, int64_t n) {
    bal_value parts[] = {op_real(t, BAL_SHAPE2(3, 1), OP_FILL_NORMAL),
                         op_real(t, BAL_SHAPE2(3, n), OP_FILL_NORMAL),
                         op_real(t, BAL_SHAPE2(3, 2), OP_FILL_NORMAL)};
    bal_concat(t->graph, parts, 3, 1);
}

static void concat_middle(op_trial *t, int64_t n) {
    bal_value x = op_real(t, BAL_SHAPE3(2, 3, n), OP_FILL_NORMAL);
    bal_value parts[] = {x, op_real(t, BAL_SHAPE3(2, 1, n), OP_FILL_NORMAL), x};
    bal_concat(t->graph, parts, 3, 1);
}

static void concat_single(op_trial *t, int64_t n) {
    bal_value x = op_real(t, BAL_SHAPE1(n), OP_FILL_NORMAL);
    bal_concat(t->graph, &x, 1, 0);
}

static void slice_start(op_trial *t, int64_t n) {
    bal_slice(t->graph, op_real(t, BAL_SHAPE1(n + 2), OP_FILL_NORMAL), 0, 0, n);
}

static void slice_rows(op_trial *t, int64_t n) {
    bal_slice(t->graph, op_real(t, BAL_SHAPE2(n + 3, 2), OP_FILL_NORMAL), 0, 1, n);
}

static void slice_columns(op_trial *t, int64_t n) {
    bal_slice(t->graph, op_real(t, BAL_SHAPE3(2, n + 1, 3), OP_FILL_NORMAL), 1, 1, n);
}

static void slice_all(op_trial *t, int64_t n) {
    bal_slice(t->graph, op_real(t, BAL_SHAPE2(3, n), OP_FILL_NORMAL), 1, 0, n);
}

/* Attributes of slice_grad: axis, start, length of x along the axis. */
static void slice_grad(op_trial *t, bal_shape shape, int64_t axis, int64_t start, int64_t length) {
    bal_value g = op_fixed(t, shape, OP_FILL_NORMAL);
    bal_attr attrs[] = {{.i = axis}, {.i = start}, {.i = length}};
    bal_graph_add(t->graph, &bal_op_slice_grad, &g, 1, attrs);
}

static void slice_grad_rows(op_trial *t, int64_t n) {
    slice_grad(t, BAL_SHAPE2(n, 3), 0, 2, n + 3);
}

static void slice_grad_columns(op_trial *t, int64_t n) {
    slice_grad(t, BAL_SHAPE3(2, n, 3), 1, 0, n + 1);
}

static void expand_fill(op_trial *t, int64_t n) {
    bal_expand(t->graph, op_real(t, BAL_SHAPE1(1), OP_FILL_NORMAL), -1, BAL_SHAPE2(n, 3));
}

static void expand_first(op_trial *t, int64_t n) {
    bal_expand(t->graph, op_real(t, BAL_SHAPE1(n), OP_FILL_NORMAL), 0, BAL_SHAPE2(3, n));
}

static void expand_last(op_trial *t, int64_t n) {
    bal_expand(t->graph, op_real(t, BAL_SHAPE1(3), OP_FILL_NORMAL), 1, BAL_SHAPE2(3, n));
}

static void expand_middle(op_trial *t, int64_t n) {
    bal_expand(t->graph, op_real(t, BAL_SHAPE2(2, n), OP_FILL_NORMAL), 1, BAL_SHAPE3(2, 5, n));
}

static void expand_vector(op_trial *t, int64_t n) {
    bal_expand(t->graph, op_real(t, BAL_SHAPE1(1), OP_FILL_NORMAL), 0, BAL_SHAPE1(n));
}

/* ---- reductions ---- */

#define REDUCTION_BUILDERS(name, fill)                                                             \
    static void name##_vector(op_trial *t, int64_t n) {                                            \
        bal_##name(t->graph, op_real(t, BAL_SHAPE1(n), fill), 0);                                  \
    }                                                                                              \
    static void name##_all(op_trial *t, int64_t n) {                                               \
        bal_##name(t->graph, op_real(t, BAL_SHAPE2(n, 3), fill), -1);                              \
    }                                                                                              \
    static void name##_first(op_trial *t, int64_t n) {                                             \
        bal_##name(t->graph, op_real(t, BAL_SHAPE2(n, 3), fill), 0);                               \
    }                                                                                              \
    static void name##_middle(op_trial *t, int64_t n) {                                            \
        bal_##name(t->graph, op_real(t, BAL_SHAPE3(2, n, 3), fill), 1);                            \
    }                                                                                              \
    static void name##_last(op_trial *t, int64_t n) {                                              \
        bal_##name(t->graph, op_real(t, BAL_SHAPE2(3, n), fill), 1);                               \
    }
#define REDUCTION_CASES(name)                                                                      \
    {#name, "vector", name##_vector, 0}, {#name, "all", name##_all, 0},                            \
        {#name, "first axis", name##_first, 0}, {#name, "middle axis", name##_middle, 0}, {        \
#name, "last axis", name##_last, 0                                                         \
    }

REDUCTION_BUILDERS(reduce_sum, OP_FILL_NORMAL)
REDUCTION_BUILDERS(reduce_mean, OP_FILL_NORMAL)
REDUCTION_BUILDERS(reduce_max, OP_FILL_DISTINCT)

static void reduce_max_grad(op_trial *t, bal_shape reduced, bal_shape shape, int64_t axis) {
    bal_value g = op_fixed(t, reduced, OP_FILL_NORMAL), x = op_fixed(t, shape, OP_FILL_DISTINCT);
    bal_attr attr = {.i = axis};
    bal_graph_add(t->graph, &bal_op_reduce_max_grad, (bal_value[]){g, x}, 2, &attr);
}

static void reduce_max_grad_all(op_trial *t, int64_t n) {
    reduce_max_grad(t, BAL_SHAPE1(1), BAL_SHAPE2(3, n), -1);
}

static void reduce_max_grad_middle(op_trial *t, int64_t n) {
    reduce_max_grad(t, BAL_SHAPE2(2, 3), BAL_SHAPE3(2, n, 3), 1);
}

/* ---- softmax ---- */

#define SOFTMAX_BUILDERS(name)                                                                     \
    static void name##_vector(op_trial *t, int64_t n) {                                            \
        bal_##name(t->graph, op_real(t, BAL_SHAPE1(n), OP_FILL_NORMAL));                           \
    }                                                                                              \
    static void name##_wide(op_trial *t, int64_t n) {                                              \
        bal_##name(t->graph, op_real(t, BAL_SHAPE2(3, n), OP_FILL_NORMAL));                        \
    }                                                                                              \
    static void name##_tall(op_trial *t, int64_t n) {                                              \
        bal_##name(t->graph, op_real(t, BAL_SHAPE3(2, n, 5), OP_FILL_NORMAL));                     \
    }
#define SOFTMAX_CASES(name)                                                                        \
    {#name, "vector", name##_vector, 0}, {#name, "wide rows", name##_wide, 0}, {                   \
#name, "many rows", name##_tall, 0                                                         \
    }

SOFTMAX_BUILDERS(softmax)
SOFTMAX_BUILDERS(log_softmax)

static void softmax_grad(op_trial *t, int64_t n) {
    pair(t, &bal_op_softmax_grad, BAL_SHAPE2(3, n), OP_FILL_UNIT, 0.0);
}

static void softmax_grad_tall(op_trial *t, int64_t n) {
    pair(t, &bal_op_softmax_grad, BAL_SHAPE2(n, 5), OP_FILL_UNIT, 0.0);
}

static void log_softmax_grad(op_trial *t, int64_t n) {
    pair(t, &bal_op_log_softmax_grad, BAL_SHAPE2(3, n), OP_FILL_NORMAL, 0.0);
}

static void log_softmax_grad_tall(op_trial *t, int64_t n) {
    pair(t, &bal_op_log_softmax_grad, BAL_SHAPE2(n, 5), OP_FILL_NORMAL, 0.0);
}

const op_case op_cases_basic[] = {
    BINARY_CASES(add),
    BINARY_CASES(sub),
    BINARY_CASES(mul),
    BINARY_CASES(div),
    UNARY_CASES(neg),
    {"scale", "affine", scale_affine, 0},
    {"scale", "factor 0", scale_zero, 0},
    UNARY_CASES(exp),
    UNARY_CASES(log),
    UNARY_CASES(sqrt),
    UNARY_CASES(square),
    UNARY_CASES(abs),
    {"abs_grad", "pair", abs_grad, 0},
    UNARY_CASES(relu),
    {"relu_grad", "pair", relu_grad, 0},
    {"leaky_relu", "usual slope", leaky_relu_usual, 0},
    {"leaky_relu", "slope above 1", leaky_relu_steep, 0},
    {"leaky_relu_grad", "pair", leaky_relu_grad, 0},
    UNARY_CASES(gelu),
    {"gelu_grad", "pair", gelu_grad, 0},
    UNARY_CASES(sigmoid),
    {"sigmoid_grad", "pair", sigmoid_grad, 0},
    UNARY_CASES(tanh),
    {"tanh_grad", "pair", tanh_grad, 0},
    {"matmul", "plain", matmul_plain, 0},
    {"matmul", "a transposed", matmul_left, 0},
    {"matmul", "b transposed", matmul_right, 0},
    {"matmul", "both transposed", matmul_both, 0},
    {"matmul", "tall", matmul_tall, 0},
    {"matmul", "wide", matmul_wide, 0},
    {"matmul", "deep", matmul_deep, 0},
    {"matmul", "outer product", matmul_outer, 0},
    {"matmul", "with itself", matmul_itself, 0},
    {"reshape", "one dimension open", reshape_open, 0},
    {"reshape", "flat", reshape_flat, 0},
    {"concat", "rows", concat_rows, 0},
    {"concat", "columns", concat_columns, 0},
    {"concat", "one part twice", concat_middle, 0},
    {"concat", "single part", concat_single, 0},
    {"slice", "start", slice_start, 0},
    {"slice", "rows", slice_rows, 0},
    {"slice", "columns", slice_columns, 0},
    {"slice", "all of it", slice_all, 0},
    {"slice_grad", "rows", slice_grad_rows, 0},
    {"slice_grad", "columns", slice_grad_columns, 0},
    {"expand", "one element", expand_fill, 0},
    {"expand", "new first axis", expand_first, 0},
    {"expand", "new last axis", expand_last, 0},
    {"expand", "new middle axis", expand_middle, 0},
    {"expand", "[1] to a vector", expand_vector, 0},
    REDUCTION_CASES(reduce_sum),
    REDUCTION_CASES(reduce_mean),
    REDUCTION_CASES(reduce_max),
    {"reduce_max_grad", "all", reduce_max_grad_all, 0},
    {"reduce_max_grad", "middle axis", reduce_max_grad_middle, 0},
    SOFTMAX_CASES(softmax),
    {"softmax_grad", "wide rows", softmax_grad, 0},
    {"softmax_grad", "many rows", softmax_grad_tall, 0},
    SOFTMAX_CASES(log_softmax),
    {"log_softmax_grad", "wide rows", log_softmax_grad, 0},
    {"log_softmax_grad", "many rows", log_softmax_grad_tall, 0},
    {0},
};
