/* Cases of losses and updates. Sizes other than n are small, odd and unlike each other, so that a
 * swapped dimension shows. */
#include <math.h>

#include "ops/case_lists.h"
#include "ops/op_table.h"

#define WEIGHT_SUM_OUTPUT (1u << 1)

/* ---- softmax losses: logits [B,C], labels [B] ---- */

typedef enum { PLAIN, WEIGHTED } weighting;

static const double class_weights[] = {0.5, 2, 1.25, 1, 3};
static const double sum_of_weights[] = {11.5};
static const double incoming[] = {0.75};

static bal_value vector(op_trial *t, int64_t n) {
    return op_listed(t, BAL_SHAPE1(n), class_weights, 5);
}

static void cross_entropy(op_trial *t, int64_t B, int64_t C, weighting w, double smoothing) {
    bal_value logits = op_real(t, BAL_SHAPE2(B, C), OP_FILL_NORMAL);
    bal_value labels = op_whole(t, BAL_I32, BAL_SHAPE1(B), OP_FILL_IGNORED, C);
    bal_cross_entropy(t->graph, logits, labels, w ? vector(t, C) : BAL_NO_VALUE, smoothing);
}

static void cross_entropy_classes(op_trial *t, int64_t n) {
    cross_entropy(t, 5, n, PLAIN, 0);
}

static void cross_entropy_rows(op_trial *t, int64_t n) {
    cross_entropy(t, n, 3, WEIGHTED, 0);
}

static void cross_entropy_smoothed(op_trial *t, int64_t n) {
    cross_entropy(t, 5, n, WEIGHTED, 0.1);
}

static void focal(op_trial *t, int64_t B, int64_t C, weighting w, double gamma) {
    bal_value logits = op_real(t, BAL_SHAPE2(B, C), OP_FILL_NORMAL);
    bal_value labels = op_whole(t, BAL_I32, BAL_SHAPE1(B), OP_FILL_IGNORED, C);
    bal_focal(t->graph, logits, labels, w ? vector(t, C) : BAL_NO_VALUE, gamma);
}

static void focal_classes(op_trial *t, int64_t n) {
    focal(t, 5, n, PLAIN, 2);
}

static void focal_rows(op_trial *t, int64_t n) {
    focal(t, n, 3, WEIGHTED, 1.5);
}

static void focal_gamma_zero(op_trial *t, int64_t n) {
    focal(t, 5, n, WEIGHTED, 0);
}

static void focal_gamma_half(op_trial *t, int64_t n) {
    focal(t, 5, n + 1, PLAIN, 0.5);
}

static void softmax_grad(op_trial *t, const bal_op *op, int64_t B, int64_t C, double option) {
    bal_value in[] = {op_fixed(t, BAL_SHAPE2(B, C), OP_FILL_NORMAL),
                      op_whole(t, BAL_I32, BAL_SHAPE1(B), OP_FILL_IGNORED, C), vector(t, C),
                      op_listed(t, BAL_SHAPE1(1), sum_of_weights, 1),
                      op_listed(t, BAL_SHAPE1(1), incoming, 1)};
    bal_graph_add(t->graph, op, in, 5, (bal_attr[]){{.f = option}});
}

static void cross_entropy_grad_classes(op_trial *t, int64_t n) {
    softmax_grad(t, &bal_op_cross_entropy_grad, 5, n, 0);
}

static void cross_entropy_grad_rows(op_trial *t, int64_t n) {
    softmax_grad(t, &bal_op_cross_entropy_grad, n, 3, 0.1);
}

static void focal_grad_classes(op_trial *t, int64_t n) {
    softmax_grad(t, &bal_op_focal_grad, 5, n, 2);
}

static void focal_grad_rows(op_trial *t, int64_t n) {
    softmax_grad(t, &bal_op_focal_grad, n, 3, 0.5);
}

/* ---- sigmoid losses and regression: prediction and target [B,K] ---- */

static const double hard_targets[] = {1, 0, 0, NAN, 1, 1, 0};
static const double soft_targets[] = {0.25, 1, 0.5, NAN, 0, 0.875, 0.125};
static const double values[] = {0.5, -1.5, 3, NAN, 0, -0.25, 2};

static void binary(op_trial *t, bool is_focal, bal_shape shape, const double *targets, weighting w,
                   double gamma) {
    bal_value logits = op_real(t, shape, OP_FILL_NORMAL);
    bal_value target = op_listed(t, shape, targets, 7), weight = BAL_NO_VALUE;
    if (w) weight = vector(t, 2);
    if (is_focal) {
        bal_binary_focal(t->graph, logits, target, weight, gamma);
    } else {
        bal_binary_cross_entropy(t->graph, logits, target, weight);
    }
}

static void binary_cross_entropy_hard(op_trial *t, int64_t n) {
    binary(t, false, BAL_SHAPE2(n, 3), hard_targets, WEIGHTED, 0);
}

static void binary_cross_entropy_soft(op_trial *t, int64_t n) {
    binary(t, false, BAL_SHAPE2(3, n), soft_targets, PLAIN, 0);
}

static void binary_cross_entropy_soft_weighted(op_trial *t, int64_t n) {
    binary(t, false, BAL_SHAPE2(n, 1), soft_targets, WEIGHTED, 0);
}

static void binary_focal_hard(op_trial *t, int64_t n) {
    binary(t, true, BAL_SHAPE2(n, 3), hard_targets, WEIGHTED, 2);
}

static void binary_focal_soft(op_trial *t, int64_t n) {
    binary(t, true, BAL_SHAPE2(3, n), soft_targets, PLAIN, 0.5);
}

static void binary_focal_gamma_zero(op_trial *t, int64_t n) {
    binary(t, true, BAL_SHAPE2(n, 1), soft_targets, WEIGHTED, 0);
}

static void squared_error(op_trial *t, int64_t n) {
    bal_value prediction = op_real(t, BAL_SHAPE2(3, n), OP_FILL_NORMAL);
    bal_squared_error(t->graph, prediction, op_listed(t, BAL_SHAPE2(3, n), values, 7));
}

static void huber(op_trial *t, int64_t n, double delta) {
    bal_value prediction = op_real(t, BAL_SHAPE2(n, 3), OP_FILL_NORMAL);
    bal_huber(t->graph, prediction, op_listed(t, BAL_SHAPE2(n, 3), values, 7), delta);
}

static void huber_narrow(op_trial *t, int64_t n) {
    huber(t, n, 0.5);
}

static void huber_wide(op_trial *t, int64_t n) {
    huber(t, n, 100);
}

/* Targets on both sides of 0.25, within the margin and on the threshold itself. */
static const double sided[] = {0.5, -1.5, 0.25, NAN, 0, -0.25, 2};
static const bal_threshold_huber_options sharp = {0.25, 0.75, 0.5, 3, 1.5};
static const bal_threshold_huber_options one_sided = {0.25, 100, 0, 2, 0};

static void threshold_huber(op_trial *t, int64_t n, const bal_threshold_huber_options *options) {
    bal_value prediction = op_real(t, BAL_SHAPE2(n, 3), OP_FILL_NORMAL);
    bal_threshold_huber(t->graph, prediction, op_listed(t, BAL_SHAPE2(n, 3), sided, 7), options);
}

static void threshold_huber_sharp(op_trial *t, int64_t n) {
    threshold_huber(t, n, &sharp);
}

static void threshold_huber_one_sided(op_trial *t, int64_t n) {
    threshold_huber(t, n, &one_sided);
}

static void threshold_huber_grad(op_trial *t, int64_t n) {
    bal_value in[] = {
        op_fixed(t, BAL_SHAPE2(3, n), OP_FILL_NORMAL), op_listed(t, BAL_SHAPE2(3, n), sided, 7),
        op_listed(t, BAL_SHAPE1(1), sum_of_weights, 1), op_listed(t, BAL_SHAPE1(1), incoming, 1)};
    bal_graph_add(t->graph, &bal_op_threshold_huber_grad, in, 4,
                  (bal_attr[]){{.f = 0.25}, {.f = 0.75}, {.f = 0.5}, {.f = 3}, {.f = 1.5}});
}

static void element_grad(op_trial *t, const bal_op *op, bal_shape shape, const double *targets,
                         bool weighted, double option) {
    bal_value in[5];
    int32_t n_in = 0;
    in[n_in++] = op_fixed(t, shape, OP_FILL_NORMAL);
    in[n_in++] = op_listed(t, shape, targets, 7);
    if (weighted) in[n_in++] = vector(t, 2);
    in[n_in++] = op_listed(t, BAL_SHAPE1(1), sum_of_weights, 1);
    in[n_in++] = op_listed(t, BAL_SHAPE1(1), incoming, 1);
    bal_graph_add(t->graph, op, in, n_in, (bal_attr[]){{.f = option}});
}

static void binary_cross_entropy_grad(op_trial *t, int64_t n) {
    element_grad(t, &bal_op_binary_cross_entropy_grad, BAL_SHAPE2(3, n), soft_targets, true, 0);
}

static void binary_focal_grad(op_trial *t, int64_t n) {
    element_grad(t, &bal_op_binary_focal_grad, BAL_SHAPE2(n, 3), soft_targets, true, 2);
}

static void squared_error_grad(op_trial *t, int64_t n) {
    element_grad(t, &bal_op_squared_error_grad, BAL_SHAPE2(n, 3), values, false, 0);
}

static void huber_grad(op_trial *t, int64_t n) {
    element_grad(t, &bal_op_huber_grad, BAL_SHAPE2(3, n), values, false, 0.5);
}

/* ---- updates ---- */

static void global_norm(op_trial *t, int64_t n) {
    bal_value grads[] = {op_fixed(t, BAL_SHAPE2(n, 3), OP_FILL_NORMAL),
                         op_fixed(t, BAL_SHAPE1(1), OP_FILL_NORMAL),
                         op_fixed(t, BAL_SHAPE1(n), OP_FILL_NORMAL)};
    bal_global_norm(t->graph, grads, 3);
}

static void global_norm_blocks(op_trial *t, int64_t n) {
    bal_value grad = op_fixed(t, BAL_SHAPE2(331, n), OP_FILL_NORMAL);
    bal_global_norm(t->graph, &grad, 1);
}

/* A learning rate that shows, clipping by half, corrections of the third step. */
static const double hyper_clipped[] = {0.05, 2, 3.69, 333.7};
static const double hyper_free[] = {0.01, 0, 1.5, 20.5};
static const double norm_of_grads[] = {4};

/* Two parameters, [3,n] and [n]. With `members` 2: param, grad; 3: and velocity; 4: both moments.
 */
static void make_groups(op_trial *t, int64_t n, int32_t members, bal_value ret_tensors[4][2]) {
    bal_shape shapes[] = {BAL_SHAPE2(3, n), BAL_SHAPE1(n)};
    for (int32_t i = 0; i < 2; i++) {
        ret_tensors[0][i] = op_state(t, shapes[i], OP_FILL_NORMAL);
        if (members > 2) ret_tensors[1][i] = op_state(t, shapes[i], OP_FILL_NORMAL);
        if (members > 3) ret_tensors[2][i] = op_state(t, shapes[i], OP_FILL_POSITIVE);
        ret_tensors[3][i] = op_fixed(t, shapes[i], OP_FILL_NORMAL);
    }
}

static bal_value hyper_of(op_trial *t, const double *numbers) {
    return op_listed(t, BAL_SHAPE1(BAL_HYPER_COUNT), numbers, BAL_HYPER_COUNT);
}

static bal_value norm_of(op_trial *t) {
    return op_listed(t, BAL_SHAPE1(1), norm_of_grads, 1);
}

static void sgd_update_plain(op_trial *t, int64_t n) {
    bal_value tensors[4][2], hyper = hyper_of(t, hyper_free), norm = norm_of(t);
    make_groups(t, n, 2, tensors);
    bal_sgd_update(t->graph, hyper, norm, tensors[0], NULL, tensors[3], 2, 0, false, 0.1, 0);
}

static void sgd_update_momentum(op_trial *t, int64_t n) {
    bal_value tensors[4][2], hyper = hyper_of(t, hyper_clipped), norm = norm_of(t);
    make_groups(t, n, 3, tensors);
    bal_sgd_update(t->graph, hyper, norm, tensors[0], tensors[1], tensors[3], 2, 0.9, false, 0,
                   0.1);
}

static void sgd_update_nesterov(op_trial *t, int64_t n) {
    bal_value tensors[4][2], hyper = hyper_of(t, hyper_clipped), norm = norm_of(t);
    make_groups(t, n, 3, tensors);
    bal_sgd_update(t->graph, hyper, norm, tensors[0], tensors[1], tensors[3], 2, 0.9, true, 0.1,
                   0.1);
}

static void adam_update(op_trial *t, int64_t n, const double *hyper_numbers, double l2,
                        double decay) {
    bal_value tensors[4][2], hyper = hyper_of(t, hyper_numbers), norm = norm_of(t);
    make_groups(t, n, 4, tensors);
    bal_adam_update(t->graph, hyper, norm, tensors[0], tensors[1], tensors[2], tensors[3], 2, 0.9,
                    0.999, 1e-8, l2, decay);
}

static void adam_update_plain(op_trial *t, int64_t n) {
    adam_update(t, n, hyper_free, 0, 0);
}

static void adam_update_l2(op_trial *t, int64_t n) {
    adam_update(t, n, hyper_clipped, 0.1, 0);
}

static void adam_update_decoupled(op_trial *t, int64_t n) {
    adam_update(t, n, hyper_clipped, 0, 0.1);
}

static void activity_max(op_trial *t, int64_t n) {
    bal_value peak = op_state(t, BAL_SHAPE1(n), OP_FILL_POSITIVE);
    bal_activity_max(t->graph, peak, op_fixed(t, BAL_SHAPE2(5, n), OP_FILL_NORMAL));
}

static void activity_max_block(op_trial *t, int64_t n) {
    bal_value peak = op_state(t, BAL_SHAPE1(3), OP_FILL_POSITIVE);
    bal_activity_max(t->graph, peak, op_fixed(t, BAL_SHAPE3(2, n, 3), OP_FILL_NORMAL));
}

const op_case op_cases_losses[] = {
    {"cross_entropy", "n classes", cross_entropy_classes, WEIGHT_SUM_OUTPUT},
    {"cross_entropy", "n rows, weighted", cross_entropy_rows, WEIGHT_SUM_OUTPUT},
    {"cross_entropy", "smoothed", cross_entropy_smoothed, WEIGHT_SUM_OUTPUT},
    {"cross_entropy_grad", "n classes", cross_entropy_grad_classes, 0},
    {"cross_entropy_grad", "n rows, smoothed", cross_entropy_grad_rows, 0},
    {"focal", "n classes", focal_classes, WEIGHT_SUM_OUTPUT},
    {"focal", "n rows, alpha", focal_rows, WEIGHT_SUM_OUTPUT},
    {"focal", "gamma 0", focal_gamma_zero, WEIGHT_SUM_OUTPUT},
    {"focal", "gamma 1/2", focal_gamma_half, WEIGHT_SUM_OUTPUT},
    {"focal_grad", "n classes", focal_grad_classes, 0},
    {"focal_grad", "n rows, gamma 1/2", focal_grad_rows, 0},
    {"binary_cross_entropy", "hard, weighted", binary_cross_entropy_hard, WEIGHT_SUM_OUTPUT},
    {"binary_cross_entropy", "soft", binary_cross_entropy_soft, WEIGHT_SUM_OUTPUT},
    {"binary_cross_entropy", "soft, weighted", binary_cross_entropy_soft_weighted,
     WEIGHT_SUM_OUTPUT},
    {"binary_cross_entropy_grad", "soft, weighted", binary_cross_entropy_grad, 0},
    {"binary_focal", "hard, alpha", binary_focal_hard, WEIGHT_SUM_OUTPUT},
    {"binary_focal", "soft, gamma 1/2", binary_focal_soft, WEIGHT_SUM_OUTPUT},
    {"binary_focal", "soft, gamma 0", binary_focal_gamma_zero, WEIGHT_SUM_OUTPUT},
    {"binary_focal_grad", "soft, alpha", binary_focal_grad, 0},
    {"squared_error", "with holes", squared_error, WEIGHT_SUM_OUTPUT},
    {"squared_error_grad", "with holes", squared_error_grad, 0},
    {"huber", "narrow", huber_narrow, WEIGHT_SUM_OUTPUT},
    {"huber", "wide", huber_wide, WEIGHT_SUM_OUTPUT},
    {"huber_grad", "narrow", huber_grad, 0},
    {"threshold_huber", "both sides", threshold_huber_sharp, WEIGHT_SUM_OUTPUT},
    {"threshold_huber", "one side, no margin", threshold_huber_one_sided, WEIGHT_SUM_OUTPUT},
    {"threshold_huber_grad", "both sides", threshold_huber_grad, 0},
    {"global_norm", "three gradients", global_norm, 0},
    {"global_norm", "several blocks", global_norm_blocks, 0},
    {"sgd_update", "plain, l2", sgd_update_plain, 0},
    {"sgd_update", "momentum, decoupled decay", sgd_update_momentum, 0},
    {"sgd_update", "nesterov, both decays", sgd_update_nesterov, 0},
    {"adam_update", "plain", adam_update_plain, 0},
    {"adam_update", "l2, clipped", adam_update_l2, 0},
    {"adam_update", "decoupled decay, clipped", adam_update_decoupled, 0},
    {"activity_max", "n columns", activity_max, 0},
    {"activity_max", "block", activity_max_block, 0},
    {0},
};
