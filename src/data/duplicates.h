/* Rows that come more than once: rows of one part of a split whose features, all of them, are those
 * of a row of another part. What a model does with such a row tests its memory. */
#ifndef BAL_DATA_DUPLICATES_H
#define BAL_DATA_DUPLICATES_H

#include "data/split.h"

typedef struct bal_duplicates {
    int64_t rows[BAL_SPLIT_COUNT]; /* of each part whose features are those of a training row */
    int64_t inside;                /* training rows whose features are those of one before them */
    int64_t row, twin;             /* the first row of val or test, and its twin in train; −1 */
} bal_duplicates;

/** Compare features x [*, features], bit by bit. rows[BAL_SPLIT_TRAIN] is 0. BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_duplicates_find(const float *x, int32_t features,
                                               const bal_split *split,
                                               bal_duplicates *ret_duplicates, bal_error *err);

#endif
