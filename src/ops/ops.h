/* The ops and their builder functions.
 *
 * Shape letters: B batch, D features in, C classes or features out, K outputs of a value head,
 * V vocabulary, N any count. "f" is the graph's float type. Where a second operand "broadcasts",
 * its shape is equal, [1], or equal to the trailing dimensions of the first.
 *
 * Random ops take `rng`, an i64 [2] input {seed, step}; each call site gets its own stream number,
 * so a draw is a pure function of (seed, step, stream, element): nothing to save, exact resume. The
 * draw rule is stated and coded in ops/draw.h; an element is kept when its 32 bits are at least
 * round(rate * 2^32).
 */
#ifndef BAL_OPS_OPS_H
#define BAL_OPS_OPS_H

#include "graph/graph.h"
#include "graph/op.h"

/** All ops, NULL-terminated; the one place that lists them (ops/op_table.c). */
extern const bal_op *const bal_op_table[];

/** Find by name in bal_op_table; NULL if unknown. */
const bal_op *bal_op_find(const char *name);

/* ---- arithmetic: add.c sub.c mul.c div.c neg.c scale.c exp.c log.c sqrt.c square.c abs.c ---- */
bal_value bal_add(bal_graph *g, bal_value a, bal_value b); /* b broadcasts */
bal_value bal_sub(bal_graph *g, bal_value a, bal_value b);
bal_value bal_mul(bal_graph *g, bal_value a, bal_value b);
bal_value bal_div(bal_graph *g, bal_value a, bal_value b);
bal_value bal_neg(bal_graph *g, bal_value x);
/** factor · x + offset */
bal_value bal_scale(bal_graph *g, bal_value x, double factor, double offset);
bal_value bal_exp(bal_graph *g, bal_value x);
bal_value bal_log(bal_graph *g, bal_value x);
bal_value bal_sqrt(bal_graph *g, bal_value x);
bal_value bal_square(bal_graph *g, bal_value x);
bal_value bal_abs(bal_graph *g, bal_value x);

/* ---- activations: relu.c leaky_relu.c gelu.c sigmoid.c tanh.c ---- */
/* bal_activation numbers them, see graph/op.h. */
const char *bal_activation_name(bal_activation activation);
bal_value bal_relu(bal_graph *g, bal_value x);
bal_value bal_leaky_relu(bal_graph *g, bal_value x, double slope);
bal_value bal_gelu(bal_graph *g, bal_value x);
bal_value bal_sigmoid(bal_graph *g, bal_value x);
bal_value bal_tanh(bal_graph *g, bal_value x);
/** One of the above by number; BAL_ACT_NONE returns x. */
bal_value bal_activate(bal_graph *g, bal_value x, bal_activation activation, double slope);

/* ---- dense: matmul.c linear.c linear_act.c(fused) ---- */
/** op(a)·op(b); a [M,K] or [K,M] when transpose_a, b [K,N] or [N,K] when transpose_b → [M,N]. */
bal_value bal_matmul(bal_graph *g, bal_value a, bal_value b, bool transpose_a, bool transpose_b);
/** x [B,D] · weightᵀ [C,D] + bias [C] (optional) → [B,C]. PyTorch's weight layout. */
bal_value bal_linear(bal_graph *g, bal_value x, bal_value weight, bal_value bias);
/** Fused linear and activation (not gelu: its gradient needs the input). attrs: activation, slope.
 */
bal_value bal_linear_act(bal_graph *g, bal_value x, bal_value weight, bal_value bias,
                         bal_activation activation, double slope);

/* ---- shape: reshape.c concat.c slice.c ---- */
/** Same elements, other shape; one dimension may be -1. */
bal_value bal_reshape(bal_graph *g, bal_value x, bal_shape shape);
bal_value bal_concat(bal_graph *g, const bal_value *parts, int32_t n_parts, int32_t axis);
bal_value bal_slice(bal_graph *g, bal_value x, int32_t axis, int64_t start, int64_t length);

/* ---- reductions: reduce_sum.c reduce_mean.c reduce_max.c expand.c ---- */
/** Over one axis (which disappears; the last remaining axis of a rank-1 gives [1]) or, axis < 0,
 * over everything → [1]. reduce_max's gradient goes to the first maximum. */
bal_value bal_reduce_sum(bal_graph *g, bal_value x, int32_t axis);
bal_value bal_reduce_mean(bal_graph *g, bal_value x, int32_t axis);
bal_value bal_reduce_max(bal_graph *g, bal_value x, int32_t axis);
/** The inverse of a reduction's shape change: repeat x along a new axis, or a [1] to `shape`. */
bal_value bal_expand(bal_graph *g, bal_value x, int32_t axis, bal_shape shape);

/* ---- softmax.c log_softmax.c: over the last axis ---- */
bal_value bal_softmax(bal_graph *g, bal_value x);
bal_value bal_log_softmax(bal_graph *g, bal_value x);

/* ---- normalisation: batch_norm.c batch_norm_inference.c batch_norm_running.c layer_norm.c
 *      l2_normalize.c ---- */
/** Training form (Ioffe & Szegedy 2015), x [B,D] over B: outputs y [B,D], mean [D], variance [D]
 *  (biased). y = (x − mean) / √(variance + epsilon) · gamma + beta. */
bal_value bal_batch_norm(bal_graph *g, bal_value x, bal_value gamma, bal_value beta,
                         double epsilon);
/** y from running statistics. */
bal_value bal_batch_norm_inference(bal_graph *g, bal_value x, bal_value gamma, bal_value beta,
                                   bal_value running_mean, bal_value running_variance,
                                   double epsilon);
/** Effect: running ← (1 − momentum)·running + momentum·batch, the variance unbiased by B/(B−1)
 *  (PyTorch's rule). Does nothing for B < 2 or where gate [1] (optional) is not finite. */
void bal_batch_norm_running(bal_graph *g, bal_value running_mean, bal_value running_variance,
                            bal_value mean, bal_value variance, bal_value gate, double momentum,
                            int64_t batch);
/** Over the last axis, x [..,D]; outputs y, mean [rows], rstd [rows] (Ba et al. 2016). */
bal_value bal_layer_norm(bal_graph *g, bal_value x, bal_value gamma, bal_value beta,
                         double epsilon);
/** x / max(‖x‖₂, epsilon) over the last axis; outputs y, norm [rows]. */
bal_value bal_l2_normalize(bal_graph *g, bal_value x, double epsilon);

/* ---- dropout.c norm_act_dropout.c(fused) embedding.c ---- */
/** Inverted dropout: kept elements × 1/(1−rate); outputs y, mask u8 (1 = kept). */
bal_value bal_dropout(bal_graph *g, bal_value x, bal_value rng, double rate);
/** Fused batch_norm → activation → dropout. rng optional (rate 0). Outputs y, mean, variance, mask.
 */
bal_value bal_norm_act_dropout(bal_graph *g, bal_value x, bal_value gamma, bal_value beta,
                               bal_value rng, double epsilon, bal_activation activation,
                               double slope, double rate, int64_t stream);
/** Rows of table [V,D] by ids i32 [N] → [N,D]. An id outside 0..V−1 gives a row of NaN. */
bal_value bal_embedding(bal_graph *g, bal_value table, bal_value ids);

/* ---- losses: each has outputs loss [1] and weight_sum [1] (what the mean divided by). Labels,
 * targets and weights are data: gradients go to logits and predictions only. ---- */
/** Softmax cross-entropy on logits [B,C], labels i32 [B] (−1: ignore), class_weight f [C] optional,
 *  by class id. loss = Σ w_y·(−log p_y) / Σ w_y; 0 when Σ is 0. cross_entropy.c */
bal_value bal_cross_entropy(bal_graph *g, bal_value logits, bal_value labels,
                            bal_value class_weight, double label_smoothing);
/** Sigmoid cross-entropy on logits [B,K], target f [B,K] in 0..1 (NaN: ignore), class_weight f [2]
 *  {negative, positive} optional; weight of an element = t·w₁ + (1−t)·w₀; divides by Σ weights.
 *  binary_cross_entropy.c */
bal_value bal_binary_cross_entropy(bal_graph *g, bal_value logits, bal_value target,
                                   bal_value class_weight);
/** Focal loss (Lin et al. 2017, arXiv 1708.02002): −α_y(1−p_y)^γ log p_y with softmax p, mean over
 *  labelled rows; alpha f [C] optional. focal.c */
bal_value bal_focal(bal_graph *g, bal_value logits, bal_value labels, bal_value alpha,
                    double gamma);
/** The sigmoid form on logits [B,K], hard or soft target f [B,K] (NaN: ignore), alpha f [2]
 *  {negative, positive} optional: for t in {0,1} −α_t(1−p_t)^γ log p_t; soft targets mix the two
 * sides linearly. Mean over valid elements. binary_focal.c */
bal_value bal_binary_focal(bal_graph *g, bal_value logits, bal_value target, bal_value alpha,
                           double gamma);
/** Mean of (prediction − target)² over elements, NaN targets ignored. squared_error.c */
bal_value bal_squared_error(bal_graph *g, bal_value prediction, bal_value target);
/** Mean Huber loss (Huber 1964): ½d² for |d| ≤ delta, else delta(|d| − ½delta); NaN targets
 *  ignored. huber.c */
bal_value bal_huber(bal_graph *g, bal_value prediction, bal_value target, double delta);

/** All in the units of prediction and target. */
typedef struct bal_threshold_huber_options {
    double threshold;                  /* of the decision; a target on it counts as above */
    double delta;                      /* error up to which both parts are squared, > 0 */
    double margin;                     /* how far from the threshold a prediction is safe, ≥ 0 */
    double below_weight, above_weight; /* of the second part, by the target's side, ≥ 0 */
} bal_threshold_huber_options;

/** Mean of huber(x − t) + weight of t's side · huber(how far x is past the line a margin before the
 *  threshold, seen from t); NaN targets ignored. threshold_huber.c */
bal_value bal_threshold_huber(bal_graph *g, bal_value prediction, bal_value target,
                              const bal_threshold_huber_options *options);

/* ---- updates: global_norm.c sgd_update.c adam_update.c activity_max.c ---- */
/** √Σ‖grad‖² over all → [1], accumulated in double in fixed blocks. */
bal_value bal_global_norm(bal_graph *g, const bal_value *grads, int32_t n_grads);

/** Positions in the hyper-parameter input of an update, f [BAL_HYPER_COUNT]. */
enum {
    BAL_HYPER_LR,
    BAL_HYPER_CLIP,        /* largest allowed global norm; 0: no clipping */
    BAL_HYPER_CORRECTION1, /* 1 / (1 − β₁ᵗ) */
    BAL_HYPER_CORRECTION2, /* 1 / (1 − β₂ᵗ) */
    BAL_HYPER_COUNT = 4
};

/** Effect: for each i, with g = grad·min(1, clip/norm) (+ l2·p): v ← momentum·v + g;
 *  p ← p − lr·(nesterov ? g + momentum·v : v) − lr·decay·p. velocities NULL when momentum is 0.
 *  Nothing at all is written when norm [1] is not finite. */
void bal_sgd_update(bal_graph *g, bal_value hyper, bal_value norm, const bal_value *params,
                    const bal_value *velocities, const bal_value *grads, int32_t n, double momentum,
                    bool nesterov, double l2, double decay);
/** Effect: Adam (Kingma & Ba 2015) with L2 in the gradient (`l2`) and/or decoupled decay (AdamW,
 *  Loshchilov & Hutter 2019), PyTorch's order: p ← p − lr·decay·p; g ← clipped grad + l2·p;
 *  m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; p ← p − lr·c₁·m / (√(v·c₂) + ε).
 *  Nothing at all is written when norm is not finite. Inputs: hyper, norm, then (p, m, v, g) per i.
 */
void bal_adam_update(bal_graph *g, bal_value hyper, bal_value norm, const bal_value *params,
                     const bal_value *first, const bal_value *second, const bal_value *grads,
                     int32_t n, double beta1, double beta2, double epsilon, double l2,
                     double decay);
/** Effect: peak [D] ← max(peak, max over rows |x|), x [B,D]; NaN counts as infinite. For the
 *  dead-unit signal. */
void bal_activity_max(bal_graph *g, bal_value peak, bal_value x);

#endif
