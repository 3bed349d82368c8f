/* threshold_huber: a Huber loss that also minds on which side of a threshold the prediction lands.
 * For values that a decision hangs on: an estimate of 1.6 for a truth of 1.4 costs the same as one
 * of 1.2 to any plain regression loss, but at a threshold of 1.5 only the first decides wrongly.
 *
 * With prediction x, target t, threshold θ, margin m ≥ 0 and H the Huber function of width delta
 * (½v² where |v| ≤ delta, delta·(|v| − ½delta) beyond; Huber 1964), each known target costs
 *
 *     H(x − t) + below_weight · H(v),   v = max(0, x − max(t, θ − m))   where t < θ
 *     H(x − t) + above_weight · H(v),   v = max(0, min(t, θ + m) − x)   where t ≥ θ
 *
 * and the loss is the mean over the targets that are not NaN.
 *
 * A target on the threshold counts as above. v is how far the prediction has gone from its target's
 * side past the line θ ∓ m, a margin before the threshold. A target within the margin moves the
 * line to itself, so that a perfect prediction costs nothing whatever the target, and is the only
 * one that does. H(v) sets in with slope 0 there: in x the loss is convex and continuously
 * differentiable everywhere, the threshold included (where the prediction crosses it, nothing
 * special happens: the cost has been growing since the margin). In t it jumps at θ, as sides do.
 *
 * Gradient: clamp(x − t, ±delta) + below_weight · min(v, delta), or − above_weight · min(v, delta),
 * over the count. The squared hinge on a margin is that of Lee & Mangasarian 2001 (SSVM). */
#include "ops/losses.h"
#include "ops/op_table.h"
#include "ops/ops.h"

enum { N_IN = 2 };
enum { ATTR_THRESHOLD, ATTR_DELTA, ATTR_MARGIN, ATTR_BELOW_WEIGHT, ATTR_ABOVE_WEIGHT, ATTR_COUNT };
static const bal_attr_spec attrs[ATTR_COUNT] = {{"threshold", BAL_ATTR_FLOAT},
                                                {"delta", BAL_ATTR_FLOAT},
                                                {"margin", BAL_ATTR_FLOAT},
                                                {"below_weight", BAL_ATTR_FLOAT},
                                                {"above_weight", BAL_ATTR_FLOAT}};

static bal_status check(const bal_graph *graph, const bal_node *node, bal_error *err) {
    double delta = node->attr[ATTR_DELTA].f;
    BAL_TRY(bal_rule_values(graph, node, err));
    if (!isfinite(node->attr[ATTR_THRESHOLD].f))
        return bal_fail(err, BAL_EINVAL, "threshold must be a finite number, but is %g",
                        node->attr[ATTR_THRESHOLD].f);
    if (!(isfinite(delta) && delta > 0))
        return bal_fail(err, BAL_EINVAL, "delta must be a number above 0, but is %g", delta);
    for (int32_t i = ATTR_MARGIN; i < ATTR_COUNT; i++) {
        double number = node->attr[i].f;
        if (!(isfinite(number) && number >= 0))
            return bal_fail(err, BAL_EINVAL, "%s must be 0 or a number above it, but is %g",
                            attrs[i].name, number);
    }
    return BAL_OK;
}

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(check(graph, node, err));
    return bal_infer_loss_outputs(graph, node, ret_shape, ret_dtype, err);
}

/* How far x is past the line of t's side; positive towards larger x, negative towards smaller, 0
 * when not past it. */
static double past_line(const bal_attr *attr, double x, double t) {
    double threshold = attr[ATTR_THRESHOLD].f, margin = attr[ATTR_MARGIN].f;
    if (t < threshold) {
        double line = t > threshold - margin ? t : threshold - margin;
        return x > line ? x - line : 0;
    }
    double line = t < threshold + margin ? t : threshold + margin;
    return x < line ? x - line : 0;
}

static double side_weight(const bal_attr *attr, double t) {
    return attr[t < attr[ATTR_THRESHOLD].f ? ATTR_BELOW_WEIGHT : ATTR_ABOVE_WEIGHT].f;
}

static void add_term(const bal_kernel_args *args, double x, double t, double *sum,
                     double *weight_sum) {
    const bal_attr *attr = args->node->attr;
    double delta = attr[ATTR_DELTA].f, past = past_line(attr, x, t);
    *sum += bal_huber_of(x - t, delta) + side_weight(attr, t) * bal_huber_of(past, delta);
    *weight_sum += 1;
}

static void reference(const bal_kernel_args *args) {
    bal_loss_over_targets(args, add_term);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_loss_grad(graph, node, &bal_op_threshold_huber_grad, grad_out, ret_grad_in);
}

const bal_op bal_op_threshold_huber = {
    .name = "threshold_huber",
    .summary = "mean Huber loss, and more for landing on the wrong side of a threshold",
    .source = "Huber 1964; Lee & Mangasarian 2001 (squared hinge)",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 2,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    BAL_TRY(check(graph, node, err));
    return bal_infer_loss_grad(graph, node, ret_shape, ret_dtype, err);
}

static double slope(const bal_kernel_args *args, double x, double t, double factor) {
    const bal_attr *attr = args->node->attr;
    double delta = attr[ATTR_DELTA].f, past = past_line(attr, x, t);
    return factor * (bal_huber_slope_of(x - t, delta) +
                     side_weight(attr, t) * bal_huber_slope_of(past, delta));
}

static void reference_grad(const bal_kernel_args *args) {
    bal_loss_grad_over_targets(args, slope);
}

const bal_op bal_op_threshold_huber_grad = {
    .name = "threshold_huber_grad",
    .summary = "gradient of threshold_huber with respect to the prediction",
    .source = "Huber 1964; Lee & Mangasarian 2001 (squared hinge)",
    .min_in = N_IN + BAL_LOSS_GRAD_EXTRA,
    .max_in = N_IN + BAL_LOSS_GRAD_EXTRA,
    .n_out = 1,
    .inplace_in = 1u << BAL_LOSS_PREDICTION | 1u << BAL_LOSS_TRUTH,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

/* Targets of a single-precision graph are rounded, so its threshold must be too, or a target on the
 * threshold would fall to a side by chance. */
bal_value bal_threshold_huber(bal_graph *g, bal_value prediction, bal_value target,
                              const bal_threshold_huber_options *options) {
    double threshold = options->threshold;
    if (bal_graph_float_type(g) == BAL_F32) threshold = (double)(float)threshold;
    return bal_graph_add(g, &bal_op_threshold_huber, (bal_value[]){prediction, target}, N_IN,
                         (bal_attr[ATTR_COUNT]){
                             [ATTR_THRESHOLD].f = threshold,
                             [ATTR_DELTA].f = options->delta,
                             [ATTR_MARGIN].f = options->margin,
                             [ATTR_BELOW_WEIGHT].f = options->below_weight,
                             [ATTR_ABOVE_WEIGHT].f = options->above_weight,
                         });
}
