/* The list of all losses: the one place that registers them. Each line names the descriptor that
 * loss_NAME.c defines. */
#ifndef BAL_LOSS_LOSS_TABLE_H
#define BAL_LOSS_LOSS_TABLE_H

#include "loss/loss.h"

/* clang-format off */
#define BAL_LOSS_LIST(X) \
    X(bal_loss_cross_entropy) \
    X(bal_loss_binary_cross_entropy) \
    X(bal_loss_focal) \
    X(bal_loss_squared_error) \
    X(bal_loss_huber) \
    X(bal_loss_threshold_huber)
/* clang-format on */

#define BAL_LOSS_DECLARE(symbol) extern const bal_loss symbol;
BAL_LOSS_LIST(BAL_LOSS_DECLARE)
#undef BAL_LOSS_DECLARE

/** What a loss can make use of. */
enum { BAL_LOSS_TAKES_WEIGHT = 1 << 0, BAL_LOSS_TAKES_SMOOTHING = 1 << 1 };

/** False, with the graph failed, when something was given that the loss would have to ignore. */
bool bal_loss_takes(bal_graph *graph, const char *name, unsigned takes, bal_value class_weight,
                    const bal_loss_options *options);

#endif
