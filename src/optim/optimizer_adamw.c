/* adamw: Adam with weight decay apart from the gradient, p ← p − lr·weight_decay·p, so that all
 * weights decay at one rate, however large their gradients are. */
#include "ops/ops.h"
#include "optim/optimizer_table.h"

static void build(bal_graph *graph, bal_value hyper, bal_value norm, const bal_value *params,
                  const bal_value *const *moments, const bal_value *grads, int32_t n,
                  const bal_optimizer_options *options) {
    if (options->l2 != 0) {
        bal_graph_fail(
            graph, BAL_ERECIPE,
            "optimizer adamw: l2 is %g, but adamw decays weights apart from the gradient; "
            "use weight_decay, or adam",
            options->l2);
        return;
    }
    if (!bal_optimizer_has_betas(graph, options, "adamw")) return;
    bal_adam_update(graph, hyper, norm, params, moments[0], moments[1], grads, n, options->beta1,
                    options->beta2, options->epsilon, 0, options->weight_decay);
}

const bal_optimizer bal_optimizer_adamw = {
    .name = "adamw",
    .summary = "Adam with weight decay apart from the gradient",
    .source = "Loshchilov & Hutter 2019, arXiv 1711.05101",
    .n_moments = 2,
    .moment_suffix = {"first_moment", "second_moment"},
    .build = build,
};
