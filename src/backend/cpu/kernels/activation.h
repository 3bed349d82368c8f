/* Activations on vectors, for the fused kernels and the plain ones alike; the same rules as the ops
 * of these names (src/ops/relu.c and its siblings), NaN and kinks included. `activation` is a
 * constant wherever these are called from a kernel's inner loop, so the choice costs nothing there.
 */
#ifndef BAL_BACKEND_CPU_KERNELS_ACTIVATION_H
#define BAL_BACKEND_CPU_KERNELS_ACTIVATION_H

#include "backend/cpu/kernels/vmath.h"
#include "graph/op.h"

INLINE vf vf_activate(const bal_activation activation, float slope, vf x) {
    switch (activation) {
    case BAL_ACT_RELU:
        return vf_select(vf_le(x, (vf){0}), (vf){0}, x);
    case BAL_ACT_LEAKY_RELU:
        return vf_select(vf_gt(x, (vf){0}), x, x * slope);
    case BAL_ACT_GELU:
        return x * vf_normal_cdf(x);
    case BAL_ACT_SIGMOID:
        return vf_sigmoid(x);
    case BAL_ACT_TANH:
        return vf_tanh(x);
    case BAL_ACT_NONE:
    case BAL_ACT_COUNT:
        break;
    }
    return x;
}

/** σ'(x) = e/(1 + e)² with e = e^−|x|; y(1 − y) would lose all digits where y is near 1. It is 0
 * for x outside low … high, where the op's definition in double has it 0; inside it is never 0, so
 * that an infinite gradient stays infinite. */
INLINE vf vf_sigmoid_slope(vf x, float low, float high) {
    vf size = vf_abs(x);
    size = vf_select(vf_gt(size, vf_set(80)), vf_set(80), size);
    vf e = vf_exp((vf){0} - size), r = 1.0f / (e + 1.0f), slope = e * r * r;
    slope = vf_select(vf_gt(x, vf_set(high)), (vf){0}, slope);
    return vf_select(vf_lt(x, vf_set(low)), (vf){0}, slope);
}

/** g · activation'(x) from x. */
INLINE vf vf_activate_grad(const bal_activation activation, float slope, vf g, vf x) {
    switch (activation) {
    case BAL_ACT_RELU:
        return vf_select(vf_le(x, (vf){0}), (vf){0}, g);
    case BAL_ACT_LEAKY_RELU:
        return vf_select(vf_gt(x, (vf){0}), g, g * slope);
    case BAL_ACT_GELU:
        return g * (vf_normal_cdf(x) + x * vf_normal_density(x));
    case BAL_ACT_SIGMOID:
        return g * vf_sigmoid_slope(x, -745.0f, 37.0f);
    case BAL_ACT_TANH: /* tanh'(x) = 4·σ'(2x) */
        return g * (vf_sigmoid_slope(x + x, -38.0f, 38.0f) * 4.0f);
    case BAL_ACT_NONE:
    case BAL_ACT_COUNT:
        break;
    }
    return g;
}

#endif
