/* The list of all optimisers: the one place that registers them. Each line names the descriptor
 * that optimizer_NAME.c defines. */
#ifndef BAL_OPTIM_OPTIMIZER_TABLE_H
#define BAL_OPTIM_OPTIMIZER_TABLE_H

#include "optim/optimizer.h"

/* clang-format off */
#define BAL_OPTIMIZER_LIST(X) \
    X(bal_optimizer_sgd) \
    X(bal_optimizer_momentum) \
    X(bal_optimizer_adam) \
    X(bal_optimizer_adamw)
/* clang-format on */

#define BAL_OPTIMIZER_DECLARE(symbol) extern const bal_optimizer symbol;
BAL_OPTIMIZER_LIST(BAL_OPTIMIZER_DECLARE)
#undef BAL_OPTIMIZER_DECLARE

/** For kinds whose decay is l2: false, with the graph failed, when weight_decay is given instead.
 */
bool bal_optimizer_takes_l2(bal_graph *graph, const bal_optimizer_options *options,
                            const char *name);

/** For Adam's kind: false, with the graph failed, unless both betas are in [0, 1). At 1 a moment
 * would never see a gradient, and its bias correction would be infinite. */
bool bal_optimizer_has_betas(bal_graph *graph, const bal_optimizer_options *options,
                             const char *name);

#endif
