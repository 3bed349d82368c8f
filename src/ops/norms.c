/* Shared parts of the batch normalisation ops; see norms.h. */
#include "ops/norms.h"

#define EPSILON_MIN 1e-30

bal_status bal_rule_epsilon(const bal_node *node, int32_t attr, bal_error *err) {
    return bal_rule_range(node, attr, EPSILON_MIN, 1, err);
}

bal_status bal_rule_columns(const bal_graph *graph, const bal_node *node, int32_t first,
                            int32_t count, const char *const *names, bal_error *err) {
    BAL_TRY(bal_rule_real(graph, node, 0, "x", err));
    BAL_TRY(bal_rule_rank(graph, node, 0, "x", 2, err));
    bal_shape column = BAL_SHAPE1(bal_input_shape(graph, node, 0).dim[1]);
    for (int32_t i = 0; i < count; i++)
        BAL_TRY(bal_rule_real_shape(graph, node, first + i, names[i], column, err));
    return BAL_OK;
}

bool bal_norm_grad_is_plain(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                            int32_t first) {
    for (int32_t k = first; k < node->n_out; k++) {
        if (!bal_value_is_some(grad_out[k])) continue;
        bal_graph_fail(graph, BAL_EUNSUPPORTED,
                       "output %d of %s is a by-product without gradient; compute it with other "
                       "ops where a loss depends on it",
                       (int)k, node->op->name);
        return false;
    }
    return bal_value_is_some(grad_out[0]);
}

void bal_column_moments(const bal_operand *x, int64_t column, double *ret_mean,
                        double *ret_variance) {
    int64_t B = x->shape.dim[0], D = x->shape.dim[1];
    double sum = 0, squares = 0;
    for (int64_t b = 0; b < B; b++)
        sum += bal_get_real(x, b * D + column);
    double mean = sum / (double)B;
    for (int64_t b = 0; b < B; b++) {
        double d = bal_get_real(x, b * D + column) - mean;
        squares += d * d;
    }
    *ret_mean = mean;
    *ret_variance = squares / (double)B;
}

void bal_column_norm_grad(const bal_kernel_args *args, int64_t column, const bal_norm_column *norm,
                          bal_upstream_fn upstream) {
    const bal_operand *x = &args->in[0];
    int64_t B = x->shape.dim[0], D = x->shape.dim[1];
    double sum = 0, projection = 0; /* Σ g and Σ g·x̂ */
    for (int64_t i = column; i < B * D; i += D) {
        double unit = (bal_get_real(x, i) - norm->mean) * norm->rstd;
        double g = upstream(args, i, unit * norm->gamma + norm->beta);
        sum += g;
        projection += g * unit;
    }
    for (int64_t i = column; i < B * D; i += D) {
        double unit = (bal_get_real(x, i) - norm->mean) * norm->rstd;
        double g = upstream(args, i, unit * norm->gamma + norm->beta);
        double dx = g - sum / (double)B - unit * projection / (double)B;
        bal_set_real(&args->out[0], i, norm->gamma * norm->rstd * dx);
    }
    bal_set_real(&args->out[1], column, projection);
    bal_set_real(&args->out[2], column, sum);
}
