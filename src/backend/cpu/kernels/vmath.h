/* Elementary functions on vectors, accurate to about one unit in the last place of f32.
 *
 * exp, log and tanh follow Cephes (Moshier, netlib.org/cephes, single precision); the tail of the
 * normal distribution follows the Chebyshev fit of Press et al., Numerical Recipes, section 6.2
 * (relative error below 1.2e-7 everywhere). NaN goes in and comes out, infinities behave as in C.
 */
#ifndef BAL_BACKEND_CPU_KERNELS_VMATH_H
#define BAL_BACKEND_CPU_KERNELS_VMATH_H

#include "backend/cpu/kernels/vec.h"

/** 2^n for whole n in −126 … 127. */
INLINE vf vf_power_of_two(vi n) {
    return (vf)((n + 127) << 23);
}

INLINE vf vf_exp(vf x) {
    const float high = 89.0f, low = -105.0f; /* beyond: infinity and zero by themselves */
    x = vf_select(vf_gt(x, vf_set(high)), vf_set(high), x);
    x = vf_select(vf_lt(x, vf_set(low)), vf_set(low), x);
    /* x = n·ln 2 + r, |r| ≤ ½ ln 2; adding 1.5·2^23 rounds to a whole number */
    const vf shift = vf_set(12582912.0f);
    vf n = (x * 1.44269504088896341f + shift) - shift;
    vf r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    /* in two factors, so that results near both ends of the range come out right; NaN makes n
     * anything, but p is NaN then */
    vi whole = __builtin_convertvector(n, vi);
    vi half = whole >> 1;
    return p * vf_power_of_two(half) * vf_power_of_two(whole - half);
}

INLINE vf vf_log(vf x) {
    /* denormals are scaled up first */
    vm tiny = vf_lt(x, vf_set(1.17549435e-38f));
    vf scaled = vf_select(tiny, x * 8388608.0f, x);
    vi bits = (vi)scaled;
    vi exponent = ((bits >> 23) & 0xFF) - 126;
    exponent = vi_select(tiny, exponent - 23, exponent);
    vf m = (vf)((bits & 0x007FFFFF) | 0x3F000000); /* ½ ≤ m < 1 */
    vm small = vf_lt(m, vf_set(0.707106781186547524f));
    vf e = __builtin_convertvector(vi_select(small, exponent - 1, exponent), vf);
    m = vf_select(small, m + m, m) - 1.0f;
    vf z = m * m;
    vf p = m * 7.0376836292e-2f - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    vf y = p * m * z + e * -2.12194440e-4f;
    y = y - z * 0.5f;
    y = m + y + e * 0.693359375f;
    y = vf_select(vf_eq(x, (vf){0}), vf_set(-INFINITY), y);
    y = vf_select(vf_lt(x, (vf){0}), vf_set(NAN), y);
    return vf_select(vf_lt(x, vf_set(INFINITY)), y, x); /* infinity and NaN */
}

INLINE vf vf_tanh(vf x) {
    vf size = vf_abs(x), z = x * x;
    vf p = z * -5.70498872745e-3f + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    p = p * z * x + x;
    vf far = 1.0f - 2.0f / (vf_exp(size + size) + 1.0f);
    vf sign = (vf)((vi)x & vi_set(INT32_MIN));
    far = (vf)((vi)far | (vi)sign);
    return vf_select(vf_lt(size, vf_set(0.625f)), p, far);
}

/** 1/(1 + e^−x) */
INLINE vf vf_sigmoid(vf x) {
    vf e = vf_exp(vf_set(0) - vf_abs(x));
    vf r = 1.0f / (e + 1.0f);
    return vf_select(vf_lt(x, (vf){0}), e * r, r);
}

/** Φ(x), the standard normal distribution function. */
INLINE vf vf_normal_cdf(vf x) {
    vf z = vf_abs(x) * 0.70710678118654752f;
    vf t = 1.0f / (z * 0.5f + 1.0f);
    vf p = t * 0.17087277f - 0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t - 1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t - 0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t - 1.26551223f;
    vf tail = t * 0.5f * vf_exp(p - z * z); /* Φ(−|x|) */
    return vf_select(vf_gt(x, (vf){0}), 1.0f - tail, tail);
}

/** φ(x), its density. */
INLINE vf vf_normal_density(vf x) {
    return vf_exp(x * x * -0.5f) * 0.39894228040143268f;
}

#endif
