/* Splits: which rows train, validate and test. Pure functions of rows, labels, options and seed. */
#ifndef BAL_DATA_SPLIT_H
#define BAL_DATA_SPLIT_H

#include <stdint.h>

#include "base/sink.h"
#include "data/table.h"

typedef enum bal_split_part {
    BAL_SPLIT_TRAIN,
    BAL_SPLIT_VAL,
    BAL_SPLIT_TEST,
    BAL_SPLIT_COUNT
} bal_split_part;
const char *bal_split_name(bal_split_part part); /* "train", "val", "test" */

typedef struct bal_split {
    int64_t *rows[BAL_SPLIT_COUNT]; /* ascending row numbers */
    int64_t count[BAL_SPLIT_COUNT];
} bal_split;

typedef struct bal_split_options {
    const char *kind;                 /* stratified | random | sequential | group | time */
    double fraction[BAL_SPLIT_COUNT]; /* train > 0, none negative, sum ≤ 1 (+1e-9) */
    const bal_column *column;         /* group, time */
    int64_t embargo; /* sequential, time: rows left out between a part and the next */
    uint64_t seed;
} bal_split_options;

/** Split `rows` rows. labels: ids of the first class head (−1: none), for stratified.
 *
 *  random, sequential  Sizes by largest remainder.
 *  stratified          Every class is shared out by the fractions, each of its counts rounded up or
 *                      down so that the totals come out right, but at least one row for each part
 *                      wanted. A class with fewer rows than parts fills train, then val, then test,
 *                      and is named in the log. Rows without a label are one more class that may be
 *                      missing anywhere. NULL labels: random, logged.
 *  group               Rows of one group (equal values of `column`) stay together; the largest
 *                      groups are placed first, each where most is lacking; no part stays empty
 *                      while there are groups for it.
 *  time                Sorted by `column` and cut in order; equal times are not cut apart.
 *
 *  An embargo is taken off before the rest is shared out by the fractions. A row that looks `w`
 * rows back shares nothing with a part that ends `w` rows before it.
 *
 *  Errors  BAL_EDATA when train is empty, when a part with a fraction gets no row although there
 *          are 10, when the embargo leaves nothing, for a missing value in `column`; BAL_ERECIPE
 * for a kind, fractions or a column that make no sense. */
BAL_WARN_UNUSED bal_status bal_split_init(bal_split *split, const bal_split_options *options,
                                          int64_t rows, const int32_t *labels, int32_t classes,
                                          const char *const *class_names, const bal_log_sink *log,
                                          bal_error *err);
void bal_split_release(bal_split *split);

/** Exactly `wanted` (or all) of `rows`, ascending, into ret_rows with room for as many; stratified
 *  by labels[row], a row of every class where there is room for that; NULL labels: at random. For
 *  development mode. */
BAL_WARN_UNUSED bal_status bal_split_subset(const int64_t *rows, int64_t n_rows,
                                            const int32_t *labels, int32_t classes, int64_t wanted,
                                            uint64_t seed, int64_t *ret_rows, int64_t *ret_count,
                                            bal_error *err);

#endif
