/* Cases of dense layers, normalisation, dropout and embedding. Sizes other than n are small, odd
 * and unlike each other, so that a swapped dimension shows. */
#include "ops/case_lists.h"
#include "ops/op_table.h"

#define EPSILON 1e-5
#define FLAG(k) (1u << (k))
#define FIXED(t, shape) op_fixed(t, shape, OP_FILL_NORMAL)
#define REAL(t, shape) op_real(t, shape, OP_FILL_NORMAL)

static bal_value add_node(op_trial *t, const bal_op *op, const bal_value *in, int32_t n_in,
                          const bal_attr *attrs) {
    return bal_graph_add(t->graph, op, in, n_in, attrs);
}

/* ---- linear: n in every place ---- */

static void linear(op_trial *t, int64_t B, int64_t D, int64_t C, bool bias) {
    bal_value x = REAL(t, BAL_SHAPE2(B, D)), weight = REAL(t, BAL_SHAPE2(C, D));
    bal_linear(t->graph, x, weight, bias ? REAL(t, BAL_SHAPE1(C)) : BAL_NO_VALUE);
}

static void linear_rows(op_trial *t, int64_t n) {
    linear(t, n, 3, 5, true);
}

static void linear_inputs(op_trial *t, int64_t n) {
    linear(t, 3, n, 5, true);
}

static void linear_outputs(op_trial *t, int64_t n) {
    linear(t, 3, 5, n, true);
}

static void linear_no_bias(op_trial *t, int64_t n) {
    linear(t, n, n + 1, n + 2, false);
}

static void linear_act(op_trial *t, int64_t B, int64_t D, int64_t C, bal_activation activation) {
    bal_value x = REAL(t, BAL_SHAPE2(B, D)), weight = REAL(t, BAL_SHAPE2(C, D));
    bal_value bias = REAL(t, BAL_SHAPE1(C));
    bal_linear_act(t->graph, x, weight, bias, activation, 0.125);
}

static void linear_act_none(op_trial *t, int64_t n) {
    linear_act(t, 3, n, 5, BAL_ACT_NONE);
}

static void linear_act_relu(op_trial *t, int64_t n) {
    linear_act(t, 3, n, 5, BAL_ACT_RELU);
}

static void linear_act_leaky_relu(op_trial *t, int64_t n) {
    linear_act(t, n, 3, 5, BAL_ACT_LEAKY_RELU);
}

static void linear_act_sigmoid(op_trial *t, int64_t n) {
    linear_act(t, 3, 5, n, BAL_ACT_SIGMOID);
}

static void linear_act_tanh(op_trial *t, int64_t n) {
    linear_act(t, n, 5, 3, BAL_ACT_TANH);
}

static void linear_act_no_bias(op_trial *t, int64_t n) {
    bal_value x = REAL(t, BAL_SHAPE2(5, n)), weight = REAL(t, BAL_SHAPE2(3, n));
    bal_linear_act(t->graph, x, weight, BAL_NO_VALUE, BAL_ACT_TANH, 0);
}

/* ---- batch norm ---- */

static void batch_norm(op_trial *t, int64_t B, int64_t D) {
    bal_value x = REAL(t, BAL_SHAPE2(B, D)), gamma = REAL(t, BAL_SHAPE1(D));
    bal_batch_norm(t->graph, x, gamma, REAL(t, BAL_SHAPE1(D)), EPSILON);
}

static void batch_norm_rows(op_trial *t, int64_t n) {
    batch_norm(t, n, 3);
}

static void batch_norm_columns(op_trial *t, int64_t n) {
    batch_norm(t, 5, n);
}

/* Values of both signs for gamma, mean and dy; 0.5 and more for the variance. */
static void batch_norm_grad(op_trial *t, int64_t B, int64_t D) {
    bal_shape column = BAL_SHAPE1(D);
    bal_value in[] = {FIXED(t, BAL_SHAPE2(B, D)), FIXED(t, column), FIXED(t, column),
                      op_fixed(t, column, OP_FILL_POSITIVE), FIXED(t, BAL_SHAPE2(B, D))};
    add_node(t, &bal_op_batch_norm_grad, in, 5, (bal_attr[]){{.f = EPSILON}});
}

static void batch_norm_grad_rows(op_trial *t, int64_t n) {
    batch_norm_grad(t, n, 3);
}

static void batch_norm_grad_columns(op_trial *t, int64_t n) {
    batch_norm_grad(t, 5, n);
}

static void batch_norm_inference(op_trial *t, int64_t B, int64_t D) {
    bal_value x = REAL(t, BAL_SHAPE2(B, D)), gamma = REAL(t, BAL_SHAPE1(D));
    bal_value beta = REAL(t, BAL_SHAPE1(D)), mean = REAL(t, BAL_SHAPE1(D));
    bal_value variance = op_real(t, BAL_SHAPE1(D), OP_FILL_POSITIVE);
    bal_batch_norm_inference(t->graph, x, gamma, beta, mean, variance, EPSILON);
}

static void batch_norm_inference_rows(op_trial *t, int64_t n) {
    batch_norm_inference(t, n, 3);
}

static void batch_norm_inference_columns(op_trial *t, int64_t n) {
    batch_norm_inference(t, 5, n);
}

static void batch_norm_running(op_trial *t, int64_t n, int64_t batch, bool gated) {
    bal_shape column = BAL_SHAPE1(n);
    bal_value running_mean = op_state(t, column, OP_FILL_NORMAL);
    bal_value running_variance = op_state(t, column, OP_FILL_POSITIVE);
    bal_value mean = FIXED(t, column), variance = op_fixed(t, column, OP_FILL_POSITIVE);
    bal_value gate = gated ? FIXED(t, BAL_SHAPE1(1)) : BAL_NO_VALUE;
    bal_batch_norm_running(t->graph, running_mean, running_variance, mean, variance, gate, 0.1,
                           batch);
}

static void batch_norm_running_plain(op_trial *t, int64_t n) {
    batch_norm_running(t, n, 17, false);
}

static void batch_norm_running_gated(op_trial *t, int64_t n) {
    batch_norm_running(t, n, 2, true);
}

static void batch_norm_running_one_row(op_trial *t, int64_t n) {
    batch_norm_running(t, n, 1, false);
}

/* ---- layer norm, l2 ---- */

static void layer_norm(op_trial *t, bal_shape shape, int64_t D) {
    bal_value x = REAL(t, shape), gamma = REAL(t, BAL_SHAPE1(D));
    bal_layer_norm(t->graph, x, gamma, REAL(t, BAL_SHAPE1(D)), EPSILON);
}

static void layer_norm_rows(op_trial *t, int64_t n) {
    layer_norm(t, BAL_SHAPE2(n, 5), 5);
}

static void layer_norm_columns(op_trial *t, int64_t n) {
    layer_norm(t, BAL_SHAPE2(3, n), n);
}

static void layer_norm_block(op_trial *t, int64_t n) {
    layer_norm(t, BAL_SHAPE3(2, 3, n), n);
}

static void layer_norm_vector(op_trial *t, int64_t n) {
    layer_norm(t, BAL_SHAPE1(n), n);
}

static void layer_norm_grad(op_trial *t, int64_t rows, int64_t D) {
    bal_value in[] = {FIXED(t, BAL_SHAPE2(rows, D)), FIXED(t, BAL_SHAPE1(D)),
                      FIXED(t, BAL_SHAPE1(rows)), op_fixed(t, BAL_SHAPE1(rows), OP_FILL_POSITIVE),
                      FIXED(t, BAL_SHAPE2(rows, D))};
    add_node(t, &bal_op_layer_norm_grad, in, 5, (bal_attr[]){{.f = EPSILON}});
}

static void layer_norm_grad_rows(op_trial *t, int64_t n) {
    layer_norm_grad(t, n, 5);
}

static void layer_norm_grad_columns(op_trial *t, int64_t n) {
    layer_norm_grad(t, 3, n);
}

static void l2_normalize_rows(op_trial *t, int64_t n) {
    bal_l2_normalize(t->graph, op_real(t, BAL_SHAPE2(n, 3), OP_FILL_OFF_ZERO), 1e-12);
}

static void l2_normalize_columns(op_trial *t, int64_t n) {
    bal_l2_normalize(t->graph, op_real(t, BAL_SHAPE3(2, 3, n), OP_FILL_OFF_ZERO), 1e-12);
}

/* A row of one element is never longer than 1. */
static void l2_normalize_short(op_trial *t, int64_t n) {
    bal_l2_normalize(t->graph, op_real(t, BAL_SHAPE2(n, 1), OP_FILL_UNIT), 1);
}

static void l2_normalize_grad(op_trial *t, int64_t rows, int64_t D, double epsilon) {
    bal_value in[] = {FIXED(t, BAL_SHAPE2(rows, D)), FIXED(t, BAL_SHAPE2(rows, D)),
                      op_fixed(t, BAL_SHAPE1(rows), OP_FILL_POSITIVE)};
    add_node(t, &bal_op_l2_normalize_grad, in, 3, (bal_attr[]){{.f = epsilon}});
}

static void l2_normalize_grad_columns(op_trial *t, int64_t n) {
    l2_normalize_grad(t, 3, n, 1e-12);
}

static void l2_normalize_grad_mixed(op_trial *t, int64_t n) {
    l2_normalize_grad(t, n, 3, 1); /* norms from 0.5 to 2.5: some rows are short */
}

/* ---- dropout, and fused with norm and activation ---- */

static void dropout_usual(op_trial *t, int64_t n) {
    bal_value x = REAL(t, BAL_SHAPE2(3, n));
    bal_dropout(t->graph, x, op_rng(t), 0.3);
}

static void dropout_none(op_trial *t, int64_t n) {
    bal_value x = REAL(t, BAL_SHAPE1(n));
    bal_dropout(t->graph, x, op_rng(t), 0);
}

static void dropout_second_stream(op_trial *t, int64_t n) {
    bal_value x = REAL(t, BAL_SHAPE2(n, 5)), rng = op_rng(t);
    bal_dropout(t->graph, bal_dropout(t->graph, x, rng, 0.5), rng, 0.75);
}

static void dropout_grad(op_trial *t, int64_t n) {
    bal_value in[] = {FIXED(t, BAL_SHAPE2(n, 3)),
                      op_whole(t, BAL_U8, BAL_SHAPE2(n, 3), OP_FILL_BELOW, 2)};
    add_node(t, &bal_op_dropout_grad, in, 2, (bal_attr[]){{.f = 0.4}});
}

/* Two or three rows that happen to be close have a variance next to 0 and derivatives that no
 * difference meets; the sizes here avoid it. With a kink, gamma is small against beta, so that
 * whole columns stay on one side of it; columns on both sides at once are in the golden cases of
 * test_norms.c. */
static void norm_act_dropout(op_trial *t, int64_t B, int64_t D, bal_activation activation,
                             double rate) {
    bool kink = activation == BAL_ACT_RELU || activation == BAL_ACT_LEAKY_RELU;
    bal_value x = REAL(t, BAL_SHAPE2(B, D)), gamma = REAL(t, BAL_SHAPE1(D));
    bal_value beta = op_real(t, BAL_SHAPE1(D), kink ? OP_FILL_OFF_ZERO : OP_FILL_NORMAL);
    bal_value rng = rate > 0 ? op_rng(t) : BAL_NO_VALUE;
    if (kink) gamma = bal_scale(t->graph, gamma, 0.02, 0);
    bal_norm_act_dropout(t->graph, x, gamma, beta, rng, EPSILON, activation, 0.125, rate, 6);
}

static void norm_act_dropout_norm_only(op_trial *t, int64_t n) {
    norm_act_dropout(t, 5, n, BAL_ACT_NONE, 0);
}

static void norm_act_dropout_relu(op_trial *t, int64_t n) {
    norm_act_dropout(t, 5, n, BAL_ACT_RELU, 0.3);
}

static void norm_act_dropout_relu_rows(op_trial *t, int64_t n) {
    norm_act_dropout(t, n, 3, BAL_ACT_RELU, 0.5);
}

static void norm_act_dropout_leaky_relu(op_trial *t, int64_t n) {
    norm_act_dropout(t, 5, n, BAL_ACT_LEAKY_RELU, 0);
}

static void norm_act_dropout_gelu(op_trial *t, int64_t n) {
    norm_act_dropout(t, 5, n, BAL_ACT_GELU, 0.25);
}

static void norm_act_dropout_sigmoid(op_trial *t, int64_t n) {
    norm_act_dropout(t, n + 2, 5, BAL_ACT_SIGMOID, 0.25);
}

static void norm_act_dropout_tanh(op_trial *t, int64_t n) {
    norm_act_dropout(t, n + 2, 3, BAL_ACT_TANH, 0);
}

static void norm_act_dropout_grad(op_trial *t, int64_t B, int64_t D, bal_activation activation,
                                  double rate) {
    bal_shape column = BAL_SHAPE1(D), matrix = BAL_SHAPE2(B, D);
    bal_value x = FIXED(t, matrix), gamma = FIXED(t, column), beta = FIXED(t, column);
    bal_value mean = FIXED(t, column), variance = op_fixed(t, column, OP_FILL_POSITIVE);
    bal_value mask = rate > 0 ? op_whole(t, BAL_U8, matrix, OP_FILL_BELOW, 2) : BAL_NO_VALUE;
    bal_value in[] = {x, gamma, beta, mean, variance, mask, FIXED(t, matrix)};
    bal_attr attr[] = {{.f = EPSILON}, {.i = activation}, {.f = 0.125}, {.f = rate}};
    add_node(t, &bal_op_norm_act_dropout_grad, in, 7, attr);
}

static void norm_act_dropout_grad_relu(op_trial *t, int64_t n) {
    norm_act_dropout_grad(t, 5, n, BAL_ACT_RELU, 0.3);
}

static void norm_act_dropout_grad_leaky_relu(op_trial *t, int64_t n) {
    norm_act_dropout_grad(t, n, 3, BAL_ACT_LEAKY_RELU, 0);
}

static void norm_act_dropout_grad_gelu(op_trial *t, int64_t n) {
    norm_act_dropout_grad(t, n, 5, BAL_ACT_GELU, 0.5);
}

static void norm_act_dropout_grad_sigmoid(op_trial *t, int64_t n) {
    norm_act_dropout_grad(t, 5, n, BAL_ACT_SIGMOID, 0.25);
}

static void norm_act_dropout_grad_tanh(op_trial *t, int64_t n) {
    norm_act_dropout_grad(t, 3, n, BAL_ACT_TANH, 0.25);
}

/* ---- embedding ---- */

static void embedding_wide(op_trial *t, int64_t n) {
    bal_value table = REAL(t, BAL_SHAPE2(5, n));
    bal_embedding(t->graph, table, op_whole(t, BAL_I32, BAL_SHAPE1(7), OP_FILL_BELOW, 5));
}

static void embedding_many(op_trial *t, int64_t n) {
    bal_value table = REAL(t, BAL_SHAPE2(n, 3));
    bal_embedding(t->graph, table, op_whole(t, BAL_I32, BAL_SHAPE1(2 * n), OP_FILL_BELOW, n));
}

static void embedding_grad(op_trial *t, int64_t N, int64_t D, op_fill fill) {
    bal_value in[] = {op_whole(t, BAL_I32, BAL_SHAPE1(N), fill, 5), FIXED(t, BAL_SHAPE2(N, D))};
    add_node(t, &bal_op_embedding_grad, in, 2, (bal_attr[]){{.i = 5}});
}

static void embedding_grad_wide(op_trial *t, int64_t n) {
    embedding_grad(t, 7, n, OP_FILL_BELOW);
}

static void embedding_grad_unknown(op_trial *t, int64_t n) {
    embedding_grad(t, n, 3, OP_FILL_IGNORED);
}

#define STATISTICS (FLAG(1) | FLAG(2))

const op_case op_cases_layers[] = {
    {"linear", "n rows", linear_rows, 0},
    {"linear", "n inputs", linear_inputs, 0},
    {"linear", "n outputs", linear_outputs, 0},
    {"linear", "without bias", linear_no_bias, 0},
    {"linear_act", "none", linear_act_none, 0},
    {"linear_act", "relu", linear_act_relu, 0},
    {"linear_act", "leaky relu", linear_act_leaky_relu, 0},
    {"linear_act", "sigmoid", linear_act_sigmoid, 0},
    {"linear_act", "tanh", linear_act_tanh, 0},
    {"linear_act", "without bias", linear_act_no_bias, 0},
    {"batch_norm", "n rows", batch_norm_rows, STATISTICS},
    {"batch_norm", "n columns", batch_norm_columns, STATISTICS},
    {"batch_norm_grad", "n rows", batch_norm_grad_rows, 0},
    {"batch_norm_grad", "n columns", batch_norm_grad_columns, 0},
    {"batch_norm_inference", "n rows", batch_norm_inference_rows, 0},
    {"batch_norm_inference", "n columns", batch_norm_inference_columns, 0},
    {"batch_norm_running", "plain", batch_norm_running_plain, 0},
    {"batch_norm_running", "gated", batch_norm_running_gated, 0},
    {"batch_norm_running", "one row", batch_norm_running_one_row, 0},
    {"layer_norm", "n rows", layer_norm_rows, STATISTICS},
    {"layer_norm", "n columns", layer_norm_columns, STATISTICS},
    {"layer_norm", "block", layer_norm_block, STATISTICS},
    {"layer_norm", "vector", layer_norm_vector, STATISTICS},
    {"layer_norm_grad", "n rows", layer_norm_grad_rows, 0},
    {"layer_norm_grad", "n columns", layer_norm_grad_columns, 0},
    {"l2_normalize", "n rows", l2_normalize_rows, FLAG(1)},
    {"l2_normalize", "n columns", l2_normalize_columns, FLAG(1)},
    {"l2_normalize", "short rows", l2_normalize_short, FLAG(1)},
    {"l2_normalize_grad", "n columns", l2_normalize_grad_columns, 0},
    {"l2_normalize_grad", "short rows among them", l2_normalize_grad_mixed, 0},
    {"dropout", "usual", dropout_usual, FLAG(1)},
    {"dropout", "rate 0", dropout_none, FLAG(1)},
    {"dropout", "second stream", dropout_second_stream, FLAG(1)},
    {"dropout_grad", "usual", dropout_grad, 0},
    {"norm_act_dropout", "norm only", norm_act_dropout_norm_only, STATISTICS | FLAG(3)},
    {"norm_act_dropout", "relu, dropout", norm_act_dropout_relu, STATISTICS | FLAG(3)},
    {"norm_act_dropout", "relu, dropout, n rows", norm_act_dropout_relu_rows, STATISTICS | FLAG(3)},
    {"norm_act_dropout", "leaky relu", norm_act_dropout_leaky_relu, STATISTICS | FLAG(3)},
    {"norm_act_dropout", "gelu, dropout", norm_act_dropout_gelu, STATISTICS | FLAG(3)},
    {"norm_act_dropout", "sigmoid, dropout", norm_act_dropout_sigmoid, STATISTICS | FLAG(3)},
    {"norm_act_dropout", "tanh", norm_act_dropout_tanh, STATISTICS | FLAG(3)},
    {"norm_act_dropout_grad", "relu", norm_act_dropout_grad_relu, 0},
    {"norm_act_dropout_grad", "leaky relu, no mask", norm_act_dropout_grad_leaky_relu, 0},
    {"norm_act_dropout_grad", "gelu", norm_act_dropout_grad_gelu, 0},
    {"norm_act_dropout_grad", "sigmoid", norm_act_dropout_grad_sigmoid, 0},
    {"norm_act_dropout_grad", "tanh", norm_act_dropout_grad_tanh, 0},
    {"embedding", "wide rows", embedding_wide, 0},
    {"embedding", "many rows", embedding_many, 0},
    {"embedding_grad", "wide rows", embedding_grad_wide, 0},
    {"embedding_grad", "unknown ids among them", embedding_grad_unknown, 0},
    {0},
};
