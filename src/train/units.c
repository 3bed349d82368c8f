/* Units of a data set. See train/units.h. */
#include "train/units.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/order_key.h"

bal_shuffle_kind bal_units_of(const bal_recipe *recipe) {
    const char *split = recipe->data.split.kind;
    if (strcmp(split, "group") == 0) return BAL_SHUFFLE_GROUPS;
    bool ordered = strcmp(split, "time") == 0 || strcmp(split, "sequential") == 0 ||
                   strcmp(recipe->data.kind, "sequence") == 0;
    return ordered ? BAL_SHUFFLE_BLOCKS : BAL_SHUFFLE_ROWS;
}

typedef struct cell {
    const bal_column *column;
    int64_t row;
} cell;

static int compare_cells(const void *a, const void *b) {
    const cell *x = a, *y = b;
    if (x->column->is_text) {
        const char *s = x->column->text[x->row], *t = y->column->text[y->row];
        return strcmp(s ? s : "", t ? t : "");
    }
    const int64_t *whole = x->column->whole;
    const bal_order_key s = {x->column->number[x->row], whole ? whole[x->row] : 0};
    const bal_order_key t = {y->column->number[y->row], whole ? whole[y->row] : 0};
    return bal_order_key_compare(s, t);
}

bal_status bal_units_rank(const bal_table *table, const char *name, int64_t **ret_rank,
                          bal_error *err) {
    const bal_column *column = name[0] ? bal_table_column(table, name) : NULL;
    size_t n = (size_t)table->rows;
    int64_t at = 0;
    *ret_rank = NULL;
    if (!column) return BAL_OK;
    cell *cells = bal_calloc(n, sizeof *cells);
    int64_t *rank = bal_calloc(n, sizeof *rank);
    if (!cells || !rank) {
        bal_free(cells);
        bal_free(rank);
        return bal_fail_memory(err, n * sizeof *cells);
    }
    for (size_t i = 0; i < n; i++)
        cells[i] = (cell){column, (int64_t)i};
    qsort(cells, n, sizeof *cells, compare_cells);
    for (size_t i = 0; i < n; i++) {
        if (i > 0) at += compare_cells(&cells[i - 1], &cells[i]) != 0;
        rank[cells[i].row] = at;
    }
    bal_free(cells);
    *ret_rank = rank;
    return BAL_OK;
}
