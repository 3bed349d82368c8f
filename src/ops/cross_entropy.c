/* cross_entropy: softmax cross-entropy on logits, with class weights by class id, ignored rows and
 * label smoothing; and its gradient.
 *
 * With −log p_c = nll_c, ε the smoothing, and sums over the rows whose label y is not −1:
 *
 *     loss = Σ_rows [ (1−ε)·w_y·nll_y + ε/C·Σ_c w_c·nll_c ] / Σ_rows w_y
 *
 * which is what PyTorch computes (divisor of hard labels also when smoothing). Gradient: with the
 * row's coefficients a_c = (1−ε)·w_y·[c = y] + ε/C·w_c the row's term is Σ_c a_c·nll_c, and d nll_k
 * / d z_c = p_c − [c = k], so
 *
 *     d loss / d z_c = (p_c·Σ_k a_k − a_c) / Σ_rows w_y. */
#include "ops/losses.h"
#include "ops/op_table.h"
#include "ops/ops.h"

enum { ATTR_SMOOTHING, ATTR_COUNT };
static const bal_attr_spec attrs[ATTR_COUNT] = {{"label_smoothing", BAL_ATTR_FLOAT}};

static bal_status check(const bal_graph *graph, const bal_node *node, bal_error *err) {
    BAL_TRY(bal_rule_labels(graph, node, "class_weight", err));
    return bal_rule_range(node, ATTR_SMOOTHING, 0, 1, err);
}

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(check(graph, node, err));
    return bal_infer_loss_outputs(graph, node, ret_shape, ret_dtype, err);
}

/* Σ_c w_c·nll_c */
static double weighted_nll(const bal_softmax_row *row, const bal_operand *weight, int64_t classes) {
    double sum = 0;
    for (int64_t c = 0; c < classes; c++)
        sum += bal_label_weight(weight, (int32_t)c, classes) * bal_softmax_row_nll(row, c);
    return sum;
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *logits = &args->in[BAL_LOSS_PREDICTION];
    const bal_operand *weight = &args->in[BAL_LOSS_WEIGHT];
    const int32_t *labels = args->in[BAL_LOSS_TRUTH].data;
    double smoothing = args->node->attr[ATTR_SMOOTHING].f;
    int64_t batch = logits->shape.dim[0], classes = logits->shape.dim[1];
    double sum = 0, weight_sum = 0;
    for (int64_t b = 0; b < batch; b++) {
        if (labels[b] == BAL_LABEL_IGNORED) continue;
        double w = bal_label_weight(weight, labels[b], classes);
        weight_sum += w;
        if (isnan(w)) continue;
        bal_softmax_row row = bal_softmax_row_of(logits, b);
        sum += (1 - smoothing) * w * bal_softmax_row_nll(&row, labels[b]);
        if (smoothing > 0) sum += smoothing / (double)classes * weighted_nll(&row, weight, classes);
    }
    bal_loss_store(args, sum, weight_sum);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_loss_grad(graph, node, &bal_op_cross_entropy_grad, grad_out, ret_grad_in);
}

const bal_op bal_op_cross_entropy = {
    .name = "cross_entropy",
    .summary = "mean softmax cross-entropy of logits, weighted by class id",
    .source = "weighted mean and label smoothing as in PyTorch; smoothing: Szegedy et al. 2016",
    .min_in = BAL_LOSS_N_IN,
    .max_in = BAL_LOSS_N_IN,
    .n_out = 2,
    .optional_in = 1u << BAL_LOSS_WEIGHT,
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

static void reference_grad(const bal_kernel_args *args) {
    const bal_operand *logits = &args->in[BAL_LOSS_PREDICTION];
    const bal_operand *weight = &args->in[BAL_LOSS_WEIGHT];
    const int32_t *labels = args->in[BAL_LOSS_TRUTH].data;
    double smoothing = args->node->attr[ATTR_SMOOTHING].f;
    double factor = bal_loss_grad_factor(args);
    int64_t batch = logits->shape.dim[0], classes = logits->shape.dim[1];
    double smooth_sum = 0; /* Σ_c ε/C·w_c */
    for (int64_t c = 0; c < classes; c++)
        smooth_sum += smoothing / (double)classes * bal_label_weight(weight, (int32_t)c, classes);
    for (int64_t b = 0; b < batch; b++) {
        if (labels[b] == BAL_LABEL_IGNORED || factor == 0) {
            bal_loss_grad_fill_row(args, b, 0);
            continue;
        }
        bal_softmax_row row = bal_softmax_row_of(logits, b);
        double hard = (1 - smoothing) * bal_label_weight(weight, labels[b], classes);
        for (int64_t c = 0; c < classes; c++) {
            double p = exp(-bal_softmax_row_nll(&row, c));
            double a = smoothing / (double)classes * bal_label_weight(weight, (int32_t)c, classes) +
                       (c == labels[b] ? hard : 0);
            bal_set_real(&args->out[0], row.start + c, factor * (p * (hard + smooth_sum) - a));
        }
    }
}

const bal_op bal_op_cross_entropy_grad = {
    .name = "cross_entropy_grad",
    .summary = "gradient of cross_entropy with respect to the logits",
    .source = "see cross_entropy",
    .min_in = BAL_LOSS_N_IN + BAL_LOSS_GRAD_EXTRA,
    .max_in = BAL_LOSS_N_IN + BAL_LOSS_GRAD_EXTRA,
    .n_out = 1,
    .optional_in = 1u << BAL_LOSS_WEIGHT,
    .inplace_in = 1u << BAL_LOSS_PREDICTION,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

bal_value bal_cross_entropy(bal_graph *g, bal_value logits, bal_value labels,
                            bal_value class_weight, double label_smoothing) {
    return bal_graph_add(g, &bal_op_cross_entropy, (bal_value[]){logits, labels, class_weight},
                         BAL_LOSS_N_IN, (bal_attr[]){{.f = label_smoothing}});
}
