/* activity_max: how large each unit has ever been since its peak was last reset, for the guard's
 * dead-unit signal: a unit whose peak stays 0 over an evaluation does nothing.
 *
 *     peak_d ← max(peak_d, max over rows |x_·d|)          peak [D], x [..,D]
 *
 * NaN counts as infinite: a broken unit is not a dead one. */
#include <math.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

enum { PEAK, X, N_IN };

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_real(graph, node, X, "x", err));
    bal_shape x = bal_input_shape(graph, node, X);
    return bal_rule_real_shape(graph, node, PEAK, "peak", BAL_SHAPE1(x.dim[x.rank - 1]), err);
}

static bool mutates(const bal_node *node, int32_t input) {
    return input == PEAK;
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *x = &args->in[X];
    bal_axis_view view = bal_last_axis_view(&x->shape);
    for (int64_t d = 0; d < view.length; d++) {
        double peak = bal_get_real(&args->in[PEAK], d);
        for (int64_t row = 0; row < view.outer; row++) {
            double size = fabs(bal_get_real(x, row * view.length + d));
            peak = fmax(peak, isnan(size) ? INFINITY : size);
        }
        bal_set_real(&args->in[PEAK], d, peak);
    }
}

const bal_op bal_op_activity_max = {
    .name = "activity_max",
    .summary = "largest size seen per unit",
    .source = "",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 0,
    .flags = BAL_OP_EFFECT,
    .infer = infer,
    .reference = reference,
    .mutates = mutates,
    .tolerance = 1e-7,
};

void bal_activity_max(bal_graph *g, bal_value peak, bal_value x) {
    bal_graph_add(g, &bal_op_activity_max, (bal_value[]){peak, x}, N_IN, NULL);
}
