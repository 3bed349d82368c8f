/* How many rows of each class go where: the arithmetic of stratified splits. Private to src/data/.
 */
#ifndef BAL_DATA_STRATA_H
#define BAL_DATA_STRATA_H

#include <stdbool.h>
#include <stdint.h>

#include "data/split.h"

/** Rows sorted by class, each class's rows ascending. */
typedef struct bal_strata {
    int32_t classes;
    int64_t *rows;
    int64_t *start; /* [classes + 2]: class c is rows[start[c]] … rows[start[c + 1] − 1]; class
                     * `classes` holds the unlabelled */
} bal_strata;

/** labels[row] for row 0 … rows − 1; NULL: all unlabelled. */
BAL_WARN_UNUSED bal_status bal_strata_init(bal_strata *strata, const int32_t *labels, int64_t rows,
                                           int32_t classes, bal_error *err);
void bal_strata_release(bal_strata *strata);
static inline int64_t bal_strata_size(const bal_strata *strata, int32_t class_id) {
    return strata->start[class_id + 1] - strata->start[class_id];
}

/** n rows by fractions, largest remainder first, so that they sum to round(n · Σ fractions). Ties
 * go to the earlier part. */
void bal_apportion(const double fraction[BAL_SPLIT_COUNT], int64_t n,
                   int64_t ret_count[BAL_SPLIT_COUNT]);

/** Counts of every class, see bal_split_init. ret_count[classes + 1][BAL_SPLIT_COUNT]. */
void bal_strata_apportion(const bal_strata *strata, const double fraction[BAL_SPLIT_COUNT],
                          int64_t (*ret_count)[BAL_SPLIT_COUNT]);

/** Whether a class has fewer rows than there are parts with a fraction. */
bool bal_strata_too_small(const double fraction[BAL_SPLIT_COUNT], int64_t n);

/** `wanted` of all rows: ret_count[classes + 1] in proportion, at least one of each class where
 *  `wanted` allows, summing to `wanted`. */
BAL_WARN_UNUSED bal_status bal_strata_sample(const bal_strata *strata, int64_t wanted,
                                             int64_t *ret_count, bal_error *err);

#endif
