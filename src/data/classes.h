/* Class lists: from labels (text or numbers) to class ids and back. The list is saved with the
 * model.
 *
 * Labels are compared as text, a number as its shortest decimal form. So that 7, 7.0 and "07" of
 * different files are one class, a label that is not in the list as it stands is looked for once
 * more as a number, unless several classes are that number ("1" and "01"). */
#ifndef BAL_DATA_CLASSES_H
#define BAL_DATA_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#include "data/table.h"

#define BAL_CLASSES_MAX 65536

typedef struct bal_class_list {
    char **names; /* ids are positions. Numbers sort as numbers, text by bytes */
    int32_t count;
} bal_class_list;

/** Collect the classes of a column over all rows, missing labels left out.
 *  Errors  BAL_EDATA when there is no class, only one, or more than BAL_CLASSES_MAX; for a number
 *          that is not whole, which is named as no class. */
BAL_WARN_UNUSED bal_status bal_class_list_build(bal_class_list *list, const bal_column *column,
                                                int64_t rows, bal_error *err);

/** A given list (recipe or model file), copied. BAL_EDATA for a name that comes twice, for fewer
 *  than two or too many. */
BAL_WARN_UNUSED bal_status bal_class_list_set(bal_class_list *list, const char *const *names,
                                              int32_t count, bal_error *err);
void bal_class_list_release(bal_class_list *list);

int32_t bal_class_list_find(const bal_class_list *list, const char *name); /* −1 unknown */

/** Ids [rows] of a column's labels, −1 for missing. A label not in the list is BAL_EDATA naming
 *  label, row and the nearest known class; or, when skip_unknown, −1 and counted in *ret_unknown
 *  (may be NULL). */
BAL_WARN_UNUSED bal_status bal_class_list_encode(const bal_class_list *list,
                                                 const bal_column *column, int64_t rows,
                                                 bool skip_unknown, int32_t *ret_ids,
                                                 int64_t *ret_unknown, bal_error *err);

/** counts[c] += rows with id c among `rows_used` (NULL: all n). */
void bal_class_counts(const int32_t *ids, const int64_t *rows_used, int64_t n, int32_t classes,
                      int64_t *counts);

#endif
