/* focal: the focal loss on softmax logits, and its gradient.
 *
 *     loss = Σ_rows −α_y·(1−p_y)^γ·log p_y / number of rows          (label y not −1)
 *
 * p is the plain, unweighted softmax, α only scales the row, and the mean is over rows, not over α:
 * Lin et al. 2017 (arXiv 1708.02002, section 3). Taking p from a weighted cross-entropy, as some
 * implementations do, changes which examples count as easy. γ = 0 is cross-entropy with α outside
 * the divisor.
 *
 * Gradient: with q = 1 − p_y, d(−q^γ·log p)/dp = γ·q^(γ−1)·log p − q^γ/p, and
 * dp_y/dz_c = p_y·([c = y] − p_c), so
 *
 *     d row / d z_c = α_y·q^γ·(γ·p_y·log(p_y)/q − 1)·([c = y] − p_c) / number of rows.
 *
 * q is summed over the other classes and not taken as 1 − p_y, so that an easy row keeps its small
 * gradient; log(p)/q goes to −1 as q goes to 0, which makes every γ ≥ 0 safe, below 1 too. */
#include "ops/losses.h"
#include "ops/op_table.h"
#include "ops/ops.h"

enum { ATTR_GAMMA, ATTR_COUNT };
static const bal_attr_spec attrs[ATTR_COUNT] = {{"gamma", BAL_ATTR_FLOAT}};

static bal_status check(const bal_graph *graph, const bal_node *node, bal_error *err) {
    BAL_TRY(bal_rule_labels(graph, node, "alpha", err));
    return bal_rule_range(node, ATTR_GAMMA, 0, BAL_FOCAL_GAMMA_MAX, err);
}

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(check(graph, node, err));
    return bal_infer_loss_outputs(graph, node, ret_shape, ret_dtype, err);
}

/* q = 1 − p_y as the sum of the other probabilities. */
static double others(const bal_softmax_row *row, int64_t y, int64_t classes) {
    double q = 0;
    for (int64_t c = 0; c < classes; c++)
        if (c != y) q += exp(-bal_softmax_row_nll(row, c));
    return q;
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *logits = &args->in[BAL_LOSS_PREDICTION];
    const int32_t *labels = args->in[BAL_LOSS_TRUTH].data;
    double gamma = args->node->attr[ATTR_GAMMA].f;
    int64_t batch = logits->shape.dim[0], classes = logits->shape.dim[1];
    double sum = 0, rows = 0;
    for (int64_t b = 0; b < batch; b++) {
        if (labels[b] == BAL_LABEL_IGNORED) continue;
        bool known = labels[b] >= 0 && labels[b] < classes;
        rows += known ? 1 : NAN;
        if (!known) continue;
        bal_softmax_row row = bal_softmax_row_of(logits, b);
        sum += bal_label_weight(&args->in[BAL_LOSS_WEIGHT], labels[b], classes) *
               pow(others(&row, labels[b], classes), gamma) * bal_softmax_row_nll(&row, labels[b]);
    }
    bal_loss_store(args, sum, rows);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_loss_grad(graph, node, &bal_op_focal_grad, grad_out, ret_grad_in);
}

const bal_op bal_op_focal = {
    .name = "focal",
    .summary = "mean focal loss of softmax logits, alpha by class id",
    .source = "Lin et al. 2017, arXiv 1708.02002",
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

/* q^γ·(γ·p·log(p)/q − 1) */
static double slope(const bal_softmax_row *row, int64_t y, int64_t classes, double gamma) {
    double nll = bal_softmax_row_nll(row, y), p = exp(-nll), q = others(row, y, classes);
    if (p == 0) return -pow(q, gamma); /* p·log p is 0 there, 0·∞ is not */
    double ratio = q == 0 ? -1 : (q < 0.5 ? log1p(-q) : -nll) / q;
    return pow(q, gamma) * (gamma * p * ratio - 1);
}

static void reference_grad(const bal_kernel_args *args) {
    const bal_operand *logits = &args->in[BAL_LOSS_PREDICTION];
    const int32_t *labels = args->in[BAL_LOSS_TRUTH].data;
    double gamma = args->node->attr[ATTR_GAMMA].f, factor = bal_loss_grad_factor(args);
    int64_t batch = logits->shape.dim[0], classes = logits->shape.dim[1];
    for (int64_t b = 0; b < batch; b++) {
        int64_t y = labels[b];
        bool ignored = y == BAL_LABEL_IGNORED || factor == 0;
        if (ignored || y < 0 || y >= classes) {
            bal_loss_grad_fill_row(args, b, ignored ? 0 : NAN);
            continue;
        }
        bal_softmax_row row = bal_softmax_row_of(logits, b);
        double q = others(&row, y, classes);
        double scale = factor * bal_label_weight(&args->in[BAL_LOSS_WEIGHT], labels[b], classes) *
                       slope(&row, y, classes, gamma);
        for (int64_t c = 0; c < classes; c++) {
            double toward = c == y ? q : -exp(-bal_softmax_row_nll(&row, c)); /* [c = y] − p_c */
            bal_set_real(&args->out[0], row.start + c, scale * toward);
        }
    }
}

const bal_op bal_op_focal_grad = {
    .name = "focal_grad",
    .summary = "gradient of focal with respect to the logits",
    .source = "see focal",
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

bal_value bal_focal(bal_graph *g, bal_value logits, bal_value labels, bal_value alpha,
                    double gamma) {
    return bal_graph_add(g, &bal_op_focal, (bal_value[]){logits, labels, alpha}, BAL_LOSS_N_IN,
                         (bal_attr[ATTR_COUNT]){[ATTR_GAMMA].f = gamma});
}
