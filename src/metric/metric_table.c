/* The metric table, and the search by name that recipes and reports use. */
#include "metric/metric_table.h"

#include <stddef.h>
#include <string.h>

#define METRIC_ENTRY(symbol) &symbol,
const bal_metric *const bal_metric_table[] = {BAL_METRIC_LIST(METRIC_ENTRY) NULL};
#undef METRIC_ENTRY

bool bal_metric_of_head(const bal_metric *metric, bal_head_kind kind, bool has_payoff) {
    if (!(metric->kinds & BAL_HEAD_BIT(kind)) || (metric->needs_payoff && !has_payoff))
        return false;
    return !metric->per_class || (metric->first_class && kind == BAL_HEAD_BINARY);
}

const bal_metric *bal_metric_find(const char *name) {
    for (size_t i = 0; bal_metric_table[i]; i++) {
        if (strcmp(bal_metric_table[i]->name, name) == 0) return bal_metric_table[i];
    }
    return NULL;
}
