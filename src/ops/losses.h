/* What the loss ops share: shape rules, gradients, loops over targets, and the softmax of a row.
 *
 * Inputs of a loss are prediction and truth (logits [B,C] and labels i32 [B], or logits [B,K] and a
 * target of the same shape), and for classifiers an optional vector per class. Outputs are loss [1]
 * and weight_sum [1], the number the mean divided by. Its gradient op takes the inputs of the loss,
 * then weight_sum and dloss, has the same attributes, and recomputes what it needs: keeping the
 * probabilities would cost more memory traffic than it saves arithmetic.
 *
 * Truth is data: no gradient flows into labels, targets or weights.
 *
 * What is ignored (label −1, target NaN) is skipped by a branch, never multiplied by zero, so that
 * a NaN in an ignored row stays there. Where nothing is left, loss and gradient are 0. Any other
 * label outside 0..C−1 is a fault of the caller that a kernel cannot report: it makes loss,
 * weight_sum and the whole gradient NaN. */
#ifndef BAL_OPS_LOSSES_H
#define BAL_OPS_LOSSES_H

#include <math.h>

#include "base/logistic.h"
#include "ops/reference.h"
#include "ops/rules.h"

#define BAL_LABEL_IGNORED (-1)

/** Positions of the inputs, and how many more the gradient op has at the end. */
enum { BAL_LOSS_PREDICTION, BAL_LOSS_TRUTH, BAL_LOSS_WEIGHT, BAL_LOSS_N_IN };
#define BAL_LOSS_GRAD_EXTRA 2

/** Largest focusing exponent: already at a tenth of it only hopeless rows have a gradient. */
#define BAL_FOCAL_GAMMA_MAX 100

/* ---- shape rules. Loss and gradient op begin with the same inputs and have the same attributes,
 * so that one check serves both (`check` in each file); then comes what differs. ---- */

/** logits [B,C], labels i32 [B], weight [C]. */
BAL_WARN_UNUSED bal_status bal_rule_labels(const bal_graph *graph, const bal_node *node,
                                           const char *weight_name, bal_error *err);
/** logits [B,K], target [B,K], weight [2]. */
BAL_WARN_UNUSED bal_status bal_rule_targets(const bal_graph *graph, const bal_node *node,
                                            const char *weight_name, bal_error *err);
/** prediction and target of one shape. */
BAL_WARN_UNUSED bal_status bal_rule_values(const bal_graph *graph, const bal_node *node,
                                           bal_error *err);

/** The rest of a loss's rule: outputs loss [1], weight_sum [1]. */
bal_status bal_infer_loss_outputs(BAL_INFER_PARAMS);
/** The rest of a gradient op's rule: weight_sum [1] and dloss [1] → an output like the prediction.
 */
bal_status bal_infer_loss_grad(BAL_INFER_PARAMS);

/* ---- gradients ---- */

/** Append `grad_op` for the prediction of a loss; a gradient of weight_sum is 0 and adds nothing.
 */
void bal_loss_grad(bal_graph *graph, const bal_node *node, const bal_op *grad_op,
                   const bal_value *grad_out, bal_value *ret_grad_in);

/* ---- kernels ---- */

/** Write loss = sum / weight_sum, 0 when there is nothing to average. */
void bal_loss_store(const bal_kernel_args *args, double sum, double weight_sum);
/** dloss / weight_sum, what each gradient is multiplied by; 0 when there was nothing to average. */
double bal_loss_grad_factor(const bal_kernel_args *args);

/* Where each prediction meets one target, a loss and its gradient are these two loops around a
 * function of its own. */

/** Add the term of prediction x and target t (not NaN) to a sum, and what it counts in the mean to
 *  another. */
typedef void (*bal_loss_term_fn)(const bal_kernel_args *args, double x, double t, double *sum,
                                 double *weight_sum);
void bal_loss_over_targets(const bal_kernel_args *args, bal_loss_term_fn add_term);

/** factor · d term / dx. Of an element whose target is NaN the gradient is 0. x and t are read
 *  before the output is written, which may have their storage. */
typedef double (*bal_loss_slope_fn)(const bal_kernel_args *args, double x, double t, double factor);
void bal_loss_grad_over_targets(const bal_kernel_args *args, bal_loss_slope_fn slope);

/** Write one number to all classes of row b of a gradient: 0 for a row that is ignored, NaN for one
 *  whose label is no class. */
void bal_loss_grad_fill_row(const bal_kernel_args *args, int64_t b, double value);

/** Weight of a label that is not ignored: by class id, 1 without weights, NaN outside 0..C−1. */
double bal_label_weight(const bal_operand *weight, int32_t label, int64_t classes);

/** A row of logits z, ready for log p_c = z_c − max − log Σ e^(z − max), which no size of logits
 *  overflows. */
typedef struct bal_softmax_row {
    const bal_operand *logits;
    int64_t start;  /* of the row */
    double max;     /* of z */
    double log_sum; /* log Σ e^(z − max), between 0 and log C */
} bal_softmax_row;

bal_softmax_row bal_softmax_row_of(const bal_operand *logits, int64_t row);

/** −log p_c */
static inline double bal_softmax_row_nll(const bal_softmax_row *row, int64_t c) {
    return row->log_sum - (bal_get_real(row->logits, row->start + c) - row->max);
}

/** The huber function of width delta: ½v² where |v| ≤ delta, delta·(|v| − ½delta) beyond. */
static inline double bal_huber_of(double v, double delta) {
    double size = fabs(v);
    return size <= delta ? 0.5 * size * size : delta * (size - 0.5 * delta);
}

/** Its derivative: v between −delta and delta; NaN stays. */
static inline double bal_huber_slope_of(double v, double delta) {
    return v > delta ? delta : v < -delta ? -delta : v;
}

#endif
