/* momentum: gradient descent on a running sum of gradients, v ← momentum·v + g, in Polyak's form or
 * Nesterov's. As in PyTorch, the learning rate is outside v: a drop of the rate acts at once. */
#include "ops/ops.h"
#include "optim/optimizer_table.h"

static void build(bal_graph *graph, bal_value hyper, bal_value norm, const bal_value *params,
                  const bal_value *const *moments, const bal_value *grads, int32_t n,
                  const bal_optimizer_options *options) {
    if (!bal_optimizer_takes_l2(graph, options, "momentum")) return;
    if (options->momentum == 0) {
        bal_graph_fail(graph, BAL_ERECIPE,
                       "optimizer momentum: momentum is 0; wanted a number between 0 and 1 (0.9 is "
                       "usual), or the optimizer sgd");
        return;
    }
    bal_sgd_update(graph, hyper, norm, params, moments[0], grads, n, options->momentum,
                   options->nesterov, options->l2, 0);
}

const bal_optimizer bal_optimizer_momentum = {
    .name = "momentum",
    .summary = "gradient descent with momentum, Nesterov's on request",
    .source = "Polyak 1964; Sutskever et al. 2013",
    .n_moments = 1,
    .moment_suffix = {"velocity"},
    .build = build,
};
