/* Splits: which rows train, validate and test. Deterministic in (options, labels, seed). */
#ifndef BAL_DATA_SPLIT_H
#define BAL_DATA_SPLIT_H

#include <stdint.h>

#include "base/sink.h"
#include "data/table.h"

typedef enum bal_split_part { BAL_SPLIT_TRAIN, BAL_SPLIT_VAL, BAL_SPLIT_TEST, BAL_SPLIT_COUNT } bal_split_part;
const char *bal_split_name(bal_split_part part); /* "train", "val", "test" */

typedef struct bal_split {
    int64_t *rows[BAL_SPLIT_COUNT]; /* ascending row numbers */
    int64_t count[BAL_SPLIT_COUNT];
} bal_split;

typedef struct bal_split_options {
    const char *kind; /* stratified | random | sequential | group | time */
    double fraction[BAL_SPLIT_COUNT]; /* sum ≤ 1 (+1e-9) */
    const bal_column *column; /* group, time */
    uint64_t seed;
} bal_split_options;

/** labels: ids of the first class head, for stratified (NULL: falls back to random, logged). A class too
 *  small for every split keeps its rows in train first, then val, then test, and is named in the log with
 *  class_names. Largest-remainder rounding, so that totals are exact. Rows with label −1 are split at
 *  random among themselves. group: whole groups stay together, sizes approximated greedily, deterministic.
 *  time: sorted by the column, cut in order, equal times never straddle a cut. BAL_EDATA when train is
 *  empty, or a non-zero fraction gets no row although rows ≥ 10. */
BAL_WARN_UNUSED bal_status bal_split_init(bal_split *split, const bal_split_options *options,
                                          int64_t rows, const int32_t *labels, int32_t classes,
                                          const char *const *class_names, const bal_log_sink *log,
                                          bal_error *err);
void bal_split_release(bal_split *split);

/** A stratified subset of `wanted` rows of `rows` (development mode), ascending. */
BAL_WARN_UNUSED bal_status bal_split_subset(const int64_t *rows, int64_t n_rows, const int32_t *labels,
                                            int32_t classes, int64_t wanted, uint64_t seed,
                                            int64_t *ret_rows, int64_t *ret_count, bal_error *err);

#endif
