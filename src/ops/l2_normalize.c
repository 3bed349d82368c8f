/* l2_normalize: each row divided by its Euclidean length, and its gradient op l2_normalize_grad.
 *
 *     y = x / max(‖x‖, epsilon)         per row of x [..,D]
 *
 * A row shorter than epsilon is scaled by 1/epsilon, so a row of zeros stays one. Gradient: for
 * ‖x‖ > epsilon, dy_i/dx_j = ([i = j] − y_i·y_j)/‖x‖, which takes the component along y out of the
 * incoming gradient g:
 *     dx = (g − y·⟨y, g⟩) / ‖x‖,   and dx = g / epsilon for a shorter row. */
#include <math.h>

#include "ops/norms.h"
#include "ops/ops.h"
#include "ops/op_table.h"

enum { GRAD_DY, GRAD_Y, GRAD_NORM, GRAD_N_IN };
enum { ATTR_EPSILON, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {[ATTR_EPSILON] = {"epsilon", BAL_ATTR_FLOAT}};

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_real(graph, node, 0, "x", err));
    BAL_TRY(bal_rule_epsilon(node, ATTR_EPSILON, err));
    ret_shape[0] = bal_input_shape(graph, node, 0);
    ret_shape[1] = BAL_SHAPE1(bal_last_axis_view(&ret_shape[0]).outer);
    ret_dtype[0] = ret_dtype[1] = bal_graph_float_type(graph);
    return BAL_OK;
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[0];
    double epsilon = args->node->attr[ATTR_EPSILON].f;
    bal_axis_view view = bal_last_axis_view(&x->shape);
    for (int64_t row = 0; row < view.outer; row++) {
        int64_t start = row * view.length, end = start + view.length;
        double squares = 0;
        for (int64_t i = start; i < end; i++)
            squares += bal_get_real(x, i) * bal_get_real(x, i);
        double norm = sqrt(squares);
        double divisor = norm < epsilon ? epsilon : norm; /* NaN stays */
        for (int64_t i = start; i < end; i++)
            bal_set_real(&args->out[0], i, bal_get_real(x, i) / divisor);
        bal_set_real(&args->out[1], row, norm);
    }
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    if (!bal_norm_grad_is_plain(graph, node, grad_out, 1)) return;
    bal_value in[GRAD_N_IN] = {
        [GRAD_DY] = grad_out[0], [GRAD_Y] = node->out[0], [GRAD_NORM] = node->out[1]};
    ret_grad_in[0] = bal_graph_add(graph, &bal_op_l2_normalize_grad, in, GRAD_N_IN, node->attr);
}

const bal_op bal_op_l2_normalize = {
    .name = "l2_normalize",
    .summary = "rows divided by their length",
    .source = "",
    .min_in = 1,
    .max_in = 1,
    .n_out = 2,
    .inplace_in = 1u << 0,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-5,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_real(graph, node, GRAD_DY, "dy", err));
    BAL_TRY(bal_rule_epsilon(node, ATTR_EPSILON, err));
    *ret_shape = bal_input_shape(graph, node, GRAD_DY);
    *ret_dtype = bal_graph_float_type(graph);
    BAL_TRY(bal_rule_real_shape(graph, node, GRAD_Y, "y", *ret_shape, err));
    return bal_rule_real_shape(graph, node, GRAD_NORM, "norm",
                               BAL_SHAPE1(bal_last_axis_view(ret_shape).outer), err);
}

static void reference_grad(const bal_kernel_args *args) {
    const bal_operand *dy = &args->in[GRAD_DY], *y = &args->in[GRAD_Y];
    double epsilon = args->node->attr[ATTR_EPSILON].f;
    bal_axis_view view = bal_last_axis_view(&dy->shape);
    for (int64_t row = 0; row < view.outer; row++) {
        int64_t start = row * view.length, end = start + view.length;
        double norm = bal_get_real(&args->in[GRAD_NORM], row), along = 0;
        bool is_short = norm < epsilon;
        for (int64_t i = start; i < end; i++)
            along += bal_get_real(dy, i) * bal_get_real(y, i);
        for (int64_t i = start; i < end; i++) {
            double g = bal_get_real(dy, i);
            double dx = is_short ? g / epsilon : (g - bal_get_real(y, i) * along) / norm;
            bal_set_real(&args->out[0], i, dx);
        }
    }
}

const bal_op bal_op_l2_normalize_grad = {
    .name = "l2_normalize_grad",
    .summary = "gradient of l2_normalize",
    .source = "",
    .min_in = GRAD_N_IN,
    .max_in = GRAD_N_IN,
    .n_out = 1,
    .inplace_in = 1u << GRAD_DY | 1u << GRAD_Y,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-5,
};

bal_value bal_l2_normalize(bal_graph *g, bal_value x, double epsilon) {
    return bal_graph_add(g, &bal_op_l2_normalize, &x, 1,
                         (bal_attr[ATTR_COUNT]){[ATTR_EPSILON].f = epsilon});
}
