/* Feature scaling, fitted on the training rows only and saved with the model:
 * y = (x − shift) / scale. */
#ifndef BAL_DATA_SCALER_H
#define BAL_DATA_SCALER_H

#include <stdint.h>

#include "ballast/status.h"

typedef struct bal_scaler {
    char kind[16]; /* standard | minmax | none */
    int32_t features;
    float *shift;           /* mean (standard), minimum (minmax), 0 (none) */
    float *scale;           /* population standard deviation, range, 1; a constant feature gets 1 */
    float *fill;            /* what replaces a missing value: the training mean */
    int32_t constant;       /* how many features were constant */
    double *quartile_range; /* interquartile range before scaling, of a sample of the training rows;
                               NaN: too few values. NULL when not fitted */
} bal_scaler;

/** Fit to the rows listed of x [*, features]: two passes in double, NaN left out.
 *  Errors  BAL_EDATA for an unknown kind, and when a feature has no value in any of the rows,
 *          naming it (names may be NULL). */
BAL_WARN_UNUSED bal_status bal_scaler_fit(bal_scaler *scaler, const char *kind, const float *x,
                                          int32_t features, const int64_t *rows, int64_t n_rows,
                                          const char *const *names, bal_error *err);

/** From saved values [features], copied; `constant` and `quartile_range` are not known then.
 * BAL_EDATA for an unknown kind, for values that are not finite and for scales that are not
 * positive. */
BAL_WARN_UNUSED bal_status bal_scaler_set(bal_scaler *scaler, const char *kind, int32_t features,
                                          const float *shift, const float *scale, const float *fill,
                                          bal_error *err);

/** Scale x [n_rows, features] in place; NaN becomes fill before. */
void bal_scaler_apply(const bal_scaler *scaler, float *x, int64_t n_rows);
void bal_scaler_release(bal_scaler *scaler);

#endif
