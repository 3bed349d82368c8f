/* Computing features of a series, each in O(1) per row (quantiles: O(log n)), whatever its length.
 *
 * A row before value t is computed from values t − window … t − 1 and from nothing else: changing
 * later values changes no bit of it, and neither does what came before the window. */
#ifndef BAL_DATA_SERIES_COMPUTE_H
#define BAL_DATA_SERIES_COMPUTE_H

#include "ballast/status.h"
#include "data/series_feature.h"

typedef struct bal_series_values {
    const double *value;  /* [count], finite; thresholds are of these */
    const double *scaled; /* [count], lags and statistics are of these: the same, or logarithms */
    int64_t count;
    int32_t window;
} bal_series_values;

/** One feature for rows 0 … rows − 1, where row r stands before value window + r (the last row may
 *  stand behind the last value): ret_x[r * stride]. `rows` ≤ count − window + 1, lengths ≤ window.
 *  Errors  BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_series_compute(const bal_series_values *values,
                                              const bal_series_feature *feature, int64_t rows,
                                              float *ret_x, int64_t stride, bal_error *err);

#endif
