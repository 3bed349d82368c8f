/* What comes more than once: rows of one part of a split whose features, all of them, are those of
 * a row of another part, and stretches of a series. What a model does with such a row tests its
 * memory. */
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

typedef struct bal_repeats {
    int64_t windows;   /* different ones that come more than once */
    int64_t copies;    /* windows that have come before: occurrences but the first of each */
    int64_t at, twin;  /* where the first copy begins, and what it copies; −1 */
    int64_t last, run; /* where the last copy begins; values of the longest stretch copied whole */
} bal_repeats;

/** Compare all windows of `width` consecutive values, bit by bit; windows of one value throughout
 *  do not count, since standing still is no copy. Runs: of copies one behind the other. BAL_ENOMEM.
 */
BAL_WARN_UNUSED bal_status bal_repeats_find(const double *value, int64_t count, int32_t width,
                                            bal_repeats *ret_repeats, bal_error *err);

/** The width, at least `least`, at which fewer than `chance` pairs of windows are expected to be
 *  equal in a series of independent values distributed as these are; 0 where none below `count`
 *  is wide enough. BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_repeats_width(const double *value, int64_t count, int32_t least,
                                             double chance, int32_t *ret_width, bal_error *err);

#endif
