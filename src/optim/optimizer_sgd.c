/* sgd: plain gradient descent, p ← p − lr·(g + l2·p). */
#include "ops/ops.h"
#include "optim/optimizer_table.h"

static void build(bal_graph *graph, bal_value hyper, bal_value norm, const bal_value *params,
                  const bal_value *const *moments, const bal_value *grads, int32_t n,
                  const bal_optimizer_options *options) {
    if (!bal_optimizer_takes_l2(graph, options, "sgd")) return;
    bal_sgd_update(graph, hyper, norm, params, NULL, grads, n, 0, false, options->l2, 0);
}

const bal_optimizer bal_optimizer_sgd = {
    .name = "sgd",
    .summary = "plain gradient descent",
    .source = "Robbins & Monro 1951",
    .n_moments = 0,
    .build = build,
};
