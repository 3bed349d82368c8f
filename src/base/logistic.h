/* The logistic function and the softplus, in forms that overflow for no x and keep small results
 * accurate. Losses, metrics and the reference kernels must agree on them, so they stand here once.
 */
#ifndef BAL_BASE_LOGISTIC_H
#define BAL_BASE_LOGISTIC_H

#include <math.h>

/** σ(x) = 1/(1 + e^−x), down to the denormals. */
static inline double bal_sigmoid_of(double x) {
    double e = exp(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

/** log(1 + e^x) = −log σ(−x). */
static inline double bal_softplus_of(double x) {
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

#endif
