/* The optimiser table, and what optimisers share. */
#include "optim/optimizer.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "ops/ops.h"
#include "optim/optimizer_table.h"

#define OPTIMIZER_ENTRY(symbol) &symbol,
const bal_optimizer *const bal_optimizer_table[] = {BAL_OPTIMIZER_LIST(OPTIMIZER_ENTRY) NULL};
#undef OPTIMIZER_ENTRY

const bal_optimizer *bal_optimizer_find(const char *name) {
    for (size_t i = 0; bal_optimizer_table[i]; i++) {
        if (strcmp(bal_optimizer_table[i]->name, name) == 0) return bal_optimizer_table[i];
    }
    return NULL;
}

void bal_optimizer_hyper(const bal_optimizer_options *options, double lr, int64_t updates_done,
                         double *ret_hyper) {
    double t = (double)updates_done + 1;
    ret_hyper[BAL_HYPER_LR] = lr;
    ret_hyper[BAL_HYPER_CLIP] = options->clip_norm;
    ret_hyper[BAL_HYPER_CORRECTION1] = 1 / (1 - pow(options->beta1, t));
    ret_hyper[BAL_HYPER_CORRECTION2] = 1 / (1 - pow(options->beta2, t));
}

bool bal_optimizer_takes_l2(bal_graph *graph, const bal_optimizer_options *options,
                            const char *name) {
    if (options->weight_decay == 0) return true;
    bal_graph_fail(graph, BAL_ERECIPE,
                   "optimizer %s: weight_decay is %g, but only adamw decays weights apart from the "
                   "gradient; use l2, or adamw",
                   name, options->weight_decay);
    return false;
}

bool bal_optimizer_has_betas(bal_graph *graph, const bal_optimizer_options *options,
                             const char *name) {
    const double betas[] = {options->beta1, options->beta2};
    for (int i = 0; i < 2; i++) {
        if (betas[i] >= 0 && betas[i] < 1) continue;
        bal_graph_fail(graph, BAL_ERECIPE,
                       "optimizer %s: beta%d is %g; wanted 0 or more and below 1 (%s is usual)",
                       name, i + 1, betas[i], i == 0 ? "0.9" : "0.999");
        return false;
    }
    return true;
}
