/* See tiny_ops.h. */
#include "tiny_ops.h"

#include "base/error.h"

static int64_t count(const bal_operand *operand) {
    return bal_shape_count(&operand->shape);
}

/* Output 0 (and 1, where there is one) like input 0. */
static bal_status infer_like_first(const bal_graph *graph, const bal_node *node,
                                   bal_shape *ret_shape, bal_dtype *ret_dtype, bal_error *err) {
    const bal_value_info *x = bal_graph_info(graph, node->in[0]);
    for (int32_t k = 0; k < node->n_out; k++) {
        ret_shape[k] = x->shape;
        ret_dtype[k] = x->dtype;
    }
    return BAL_OK;
}

static bal_status infer_same(const bal_graph *graph, const bal_node *node, bal_shape *ret_shape,
                             bal_dtype *ret_dtype, bal_error *err) {
    bal_shape a = bal_graph_shape(graph, node->in[0]), b = bal_graph_shape(graph, node->in[1]);
    char a_text[128], b_text[128];
    if (!bal_shape_equal(&a, &b))
        return bal_fail(err, BAL_EINVAL, "b must be %s like a, is %s",
                        bal_shape_text(&a, a_text, sizeof a_text),
                        bal_shape_text(&b, b_text, sizeof b_text));
    return infer_like_first(graph, node, ret_shape, ret_dtype, err);
}

/* ---- add, mul, scale ---- */

static void add_grad(bal_graph *g, const bal_node *node, const bal_value *grad_out,
                     bal_value *ret_grad_in) {
    ret_grad_in[0] = grad_out[0];
    ret_grad_in[1] = grad_out[0];
}

static void add_run(const bal_kernel_args *args) {
    const double *a = args->in[0].data, *b = args->in[1].data;
    double *y = args->out[0].data;
    for (int64_t i = 0; i < count(&args->out[0]); i++)
        y[i] = a[i] + b[i];
}

static const bal_op add_op = {.name = "add",
                              .min_in = 2,
                              .max_in = 2,
                              .n_out = 1,
                              .inplace_in = 3,
                              .flags = BAL_OP_ELEMENTWISE,
                              .infer = infer_same,
                              .grad = add_grad,
                              .reference = add_run};

bal_value tiny_add(bal_graph *g, bal_value a, bal_value b) {
    return bal_graph_add(g, &add_op, (bal_value[]){a, b}, 2, NULL);
}

static void mul_grad(bal_graph *g, const bal_node *node, const bal_value *grad_out,
                     bal_value *ret_grad_in) {
    ret_grad_in[0] = tiny_mul(g, grad_out[0], node->in[1]);
    ret_grad_in[1] = tiny_mul(g, grad_out[0], node->in[0]);
}

static void mul_run(const bal_kernel_args *args) {
    const double *a = args->in[0].data, *b = args->in[1].data;
    double *y = args->out[0].data;
    for (int64_t i = 0; i < count(&args->out[0]); i++)
        y[i] = a[i] * b[i];
}

static const bal_op mul_op = {.name = "mul",
                              .min_in = 2,
                              .max_in = 2,
                              .n_out = 1,
                              .inplace_in = 3,
                              .flags = BAL_OP_ELEMENTWISE,
                              .infer = infer_same,
                              .grad = mul_grad,
                              .reference = mul_run};

bal_value tiny_mul(bal_graph *g, bal_value a, bal_value b) {
    return bal_graph_add(g, &mul_op, (bal_value[]){a, b}, 2, NULL);
}

static void scale_grad(bal_graph *g, const bal_node *node, const bal_value *grad_out,
                       bal_value *ret_grad_in) {
    ret_grad_in[0] = tiny_scale(g, grad_out[0], node->attr[0].f, 0);
}

static void scale_run(const bal_kernel_args *args) {
    const double *x = args->in[0].data;
    double *y = args->out[0].data;
    for (int64_t i = 0; i < count(&args->out[0]); i++)
        y[i] = args->node->attr[0].f * x[i] + (double)args->node->attr[1].i;
}

static const bal_attr_spec scale_attrs[] = {{"factor", BAL_ATTR_FLOAT}, {"plus", BAL_ATTR_INT}};
static const bal_op scale_op = {.name = "scale",
                                .min_in = 1,
                                .max_in = 1,
                                .n_out = 1,
                                .inplace_in = 1,
                                .attrs = scale_attrs,
                                .n_attrs = 2,
                                .infer = infer_like_first,
                                .grad = scale_grad,
                                .reference = scale_run};

bal_value tiny_scale(bal_graph *g, bal_value x, double factor, int64_t plus) {
    bal_attr attrs[] = {{.f = factor}, {.i = plus}};
    return bal_graph_add(g, &scale_op, &x, 1, attrs);
}

/* ---- sum, spread ---- */

static void spread_run(const bal_kernel_args *args) {
    double *y = args->out[0].data;
    for (int64_t i = 0; i < count(&args->out[0]); i++)
        y[i] = *(const double *)args->in[0].data;
}

static bal_status spread_infer(const bal_graph *graph, const bal_node *node, bal_shape *ret_shape,
                               bal_dtype *ret_dtype, bal_error *err) {
    *ret_shape = bal_graph_shape(graph, node->in[1]);
    *ret_dtype = bal_graph_info(graph, node->in[0])->dtype;
    return BAL_OK;
}

static const bal_op spread_op = {.name = "spread",
                                 .min_in = 2,
                                 .max_in = 2,
                                 .n_out = 1,
                                 .infer = spread_infer,
                                 .reference = spread_run};

static bal_status sum_infer(const bal_graph *graph, const bal_node *node, bal_shape *ret_shape,
                            bal_dtype *ret_dtype, bal_error *err) {
    *ret_shape = BAL_SHAPE1(1);
    *ret_dtype = bal_graph_info(graph, node->in[0])->dtype;
    return BAL_OK;
}

static void sum_grad(bal_graph *g, const bal_node *node, const bal_value *grad_out,
                     bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_graph_add(g, &spread_op, (bal_value[]){grad_out[0], node->in[0]}, 2, NULL);
}

static void sum_run(const bal_kernel_args *args) {
    const double *x = args->in[0].data;
    double total = 0;
    for (int64_t i = 0; i < count(&args->in[0]); i++)
        total += x[i];
    *(double *)args->out[0].data = total;
}

static const bal_op sum_op = {.name = "sum",
                              .min_in = 1,
                              .max_in = 1,
                              .n_out = 1,
                              .infer = sum_infer,
                              .grad = sum_grad,
                              .reference = sum_run};

bal_value tiny_sum(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &sum_op, &x, 1, NULL);
}

/* ---- parts ---- */

static void parts_grad(bal_graph *g, const bal_node *node, const bal_value *grad_out,
                       bal_value *ret_grad_in) {
    bal_value twice = BAL_NO_VALUE, square = BAL_NO_VALUE;
    if (bal_value_is_some(grad_out[0])) twice = tiny_scale(g, grad_out[0], 2, 0);
    if (bal_value_is_some(grad_out[1]))
        square = tiny_mul(g, tiny_scale(g, node->in[0], 2, 0), grad_out[1]);
    if (bal_value_is_some(twice) && bal_value_is_some(square))
        ret_grad_in[0] = tiny_add(g, twice, square);
    else
        ret_grad_in[0] = bal_value_is_some(twice) ? twice : square;
}

static void parts_run(const bal_kernel_args *args) {
    const double *x = args->in[0].data;
    double *twice = args->out[0].data, *square = args->out[1].data;
    for (int64_t i = 0; i < count(&args->out[0]); i++) {
        square[i] = x[i] * x[i];
        twice[i] = 2 * x[i];
    }
}

static const bal_op parts_op = {.name = "parts",
                                .min_in = 1,
                                .max_in = 1,
                                .n_out = 2,
                                .inplace_in = 1,
                                .infer = infer_like_first,
                                .grad = parts_grad,
                                .reference = parts_run};

bal_value tiny_parts(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &parts_op, &x, 1, NULL);
}

/* ---- pick ---- */

static void pick_grad(bal_graph *g, const bal_node *node, const bal_value *grad_out,
                      bal_value *ret_grad_in) {
    ret_grad_in[bal_value_is_some(node->in[1]) ? 1 : 0] = grad_out[0];
}

static void pick_run(const bal_kernel_args *args) {
    const double *from = args->in[1].data ? args->in[1].data : args->in[0].data;
    double *y = args->out[0].data;
    for (int64_t i = 0; i < count(&args->out[0]); i++)
        y[i] = from[i];
}

static const bal_op pick_op = {.name = "pick",
                               .min_in = 2,
                               .max_in = 2,
                               .n_out = 1,
                               .optional_in = 2,
                               .infer = infer_like_first,
                               .grad = pick_grad,
                               .reference = pick_run};

bal_value tiny_pick(bal_graph *g, bal_value x, bal_value y) {
    return bal_graph_add(g, &pick_op, (bal_value[]){x, y}, 2, NULL);
}

/* ---- opaque, misshapen ---- */

static void copy_run(const bal_kernel_args *args) {
    const double *x = args->in[0].data;
    double *y = args->out[0].data;
    for (int64_t i = 0; i < count(&args->out[0]); i++)
        y[i] = x[i];
}

static size_t opaque_workspace(const bal_graph *graph, const bal_node *node) {
    bal_shape shape = bal_graph_shape(graph, node->in[0]);
    return (size_t)bal_shape_count(&shape) * sizeof(double);
}

static const bal_op opaque_op = {.name = "opaque",
                                 .min_in = 1,
                                 .max_in = 1,
                                 .n_out = 1,
                                 .infer = infer_like_first,
                                 .reference = copy_run,
                                 .workspace = opaque_workspace};

bal_value tiny_opaque(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &opaque_op, &x, 1, NULL);
}

static void misshapen_grad(bal_graph *g, const bal_node *node, const bal_value *grad_out,
                           bal_value *ret_grad_in) {
    ret_grad_in[0] = bal_graph_scalar(g, 1);
}

static const bal_op misshapen_op = {.name = "misshapen",
                                    .min_in = 1,
                                    .max_in = 1,
                                    .n_out = 1,
                                    .infer = infer_like_first,
                                    .grad = misshapen_grad,
                                    .reference = copy_run};

bal_value tiny_misshapen(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &misshapen_op, &x, 1, NULL);
}

/* ---- store, noise ---- */

static bal_status store_infer(const bal_graph *graph, const bal_node *node, bal_shape *ret_shape,
                              bal_dtype *ret_dtype, bal_error *err) {
    return BAL_OK;
}

static bool store_mutates(const bal_node *node, int32_t input) {
    return input == 0;
}

static void store_run(const bal_kernel_args *args) {
    double *target = args->in[0].data;
    const double *x = args->in[1].data;
    for (int64_t i = 0; i < count(&args->in[0]); i++)
        target[i] = x[i];
}

static const bal_op store_op = {.name = "store",
                                .min_in = 2,
                                .max_in = 2,
                                .flags = BAL_OP_EFFECT,
                                .infer = store_infer,
                                .mutates = store_mutates,
                                .reference = store_run};

void tiny_store(bal_graph *g, bal_value target, bal_value x) {
    bal_graph_add(g, &store_op, (bal_value[]){target, x}, 2, NULL);
}

static void noise_run(const bal_kernel_args *args) {
    const double *x = args->in[0].data;
    double *y = args->out[0].data;
    for (int64_t i = 0; i < count(&args->out[0]); i++)
        y[i] = x[i] + (double)args->node->attr[0].i;
}

static const bal_attr_spec noise_attrs[] = {{"stream", BAL_ATTR_INT}};
static const bal_op noise_op = {.name = "noise",
                                .min_in = 2,
                                .max_in = 2,
                                .n_out = 1,
                                .flags = BAL_OP_RANDOM,
                                .attrs = noise_attrs,
                                .n_attrs = 1,
                                .infer = infer_like_first,
                                .reference = noise_run};

bal_value tiny_noise(bal_graph *g, bal_value x, bal_value rng) {
    bal_attr stream = {.i = bal_graph_next_stream(g)};
    return bal_graph_add(g, &noise_op, (bal_value[]){x, rng}, 2, &stream);
}

const bal_op *const tiny_table[] = {&add_op,       &mul_op,   &scale_op, &sum_op,
                                    &spread_op,    &parts_op, &pick_op,  &opaque_op,
                                    &misshapen_op, &store_op, &noise_op, NULL};
const bal_op *const tiny_table_without_add[] = {&mul_op, &scale_op, &sum_op, &spread_op, NULL};
