/* The loss table, and what losses share. */
#include "loss/loss.h"

#include <stddef.h>
#include <string.h>

#include "loss/loss_table.h"

#define LOSS_ENTRY(symbol) &symbol,
const bal_loss *const bal_loss_table[] = {BAL_LOSS_LIST(LOSS_ENTRY) NULL};
#undef LOSS_ENTRY

const bal_loss *bal_loss_find(const char *name) {
    for (size_t i = 0; bal_loss_table[i]; i++) {
        if (strcmp(bal_loss_table[i]->name, name) == 0) return bal_loss_table[i];
    }
    return NULL;
}

bool bal_loss_takes(bal_graph *graph, const char *name, unsigned takes, bal_value class_weight,
                    const bal_loss_options *options) {
    if (!(takes & BAL_LOSS_TAKES_WEIGHT) && bal_value_is_some(class_weight)) {
        bal_graph_fail(graph, BAL_ERECIPE,
                       "loss %s: a value head has no classes to weigh; use class_weights: none",
                       name);
        return false;
    }
    if (!(takes & BAL_LOSS_TAKES_SMOOTHING) && options->label_smoothing != 0) {
        bal_graph_fail(graph, BAL_ERECIPE,
                       "loss %s: label_smoothing is %g, but only cross_entropy smooths labels; "
                       "leave it out",
                       name, options->label_smoothing);
        return false;
    }
    return true;
}
