/* adam: steps scaled by running means of the gradient and its square. l2 is added to the gradient,
 * and so is scaled with it; for decay that is not, see optimizer_adamw.c. */
#include "ops/ops.h"
#include "optim/optimizer_table.h"

static void build(bal_graph *graph, bal_value hyper, bal_value norm, const bal_value *params,
                  const bal_value *const *moments, const bal_value *grads, int32_t n,
                  const bal_optimizer_options *options) {
    if (!bal_optimizer_takes_l2(graph, options, "adam")) return;
    if (!bal_optimizer_has_betas(graph, options, "adam")) return;
    bal_adam_update(graph, hyper, norm, params, moments[0], moments[1], grads, n, options->beta1,
                    options->beta2, options->epsilon, options->l2, 0);
}

const bal_optimizer bal_optimizer_adam = {
    .name = "adam",
    .summary = "adaptive moments, l2 in the gradient",
    .source = "Kingma & Ba 2015, arXiv 1412.6980",
    .n_moments = 2,
    .moment_suffix = {"first_moment", "second_moment"},
    .build = build,
};
