/* Activations of one number; see activation_at.h. */
#include "ops/activation_at.h"

#include <math.h>

#include "base/logistic.h"

#define SQRT_HALF 0.70710678118654752440       /* 1/sqrt(2) */
#define INV_SQRT_TWO_PI 0.39894228040143267794 /* 1/sqrt(2 pi) */
#define SLOPE_MAX 1e6

bal_status bal_rule_activation(const bal_node *node, int32_t activation_attr, int32_t slope_attr,
                               bal_error *err) {
    int64_t activation = node->attr[activation_attr].i;
    if (activation < 0 || activation >= BAL_ACT_COUNT)
        return bal_fail(err, BAL_EINVAL, "activation must be a number from 0 to %d, but is %lld",
                        BAL_ACT_COUNT - 1, (long long)activation);
    if (activation != BAL_ACT_LEAKY_RELU) return BAL_OK;
    return bal_rule_range(node, slope_attr, 0, SLOPE_MAX, err);
}

static double normal_cdf(double x) {
    return 0.5 * erfc(-x * SQRT_HALF);
}

double bal_activation_at(bal_activation activation, double slope, double x) {
    switch (activation) {
    case BAL_ACT_RELU:
        return x <= 0 ? 0 : x;
    case BAL_ACT_LEAKY_RELU:
        return x > 0 ? x : slope * x;
    case BAL_ACT_GELU:
        return x * normal_cdf(x);
    case BAL_ACT_SIGMOID:
        return bal_sigmoid_of(x);
    case BAL_ACT_TANH:
        return tanh(x);
    case BAL_ACT_NONE:
    case BAL_ACT_COUNT:
        break;
    }
    return x;
}

double bal_activation_grad_at(bal_activation activation, double slope, double g, double x,
                              double y) {
    switch (activation) {
    case BAL_ACT_RELU:
        return y <= 0 ? 0 : g;
    case BAL_ACT_LEAKY_RELU:
        return y > 0 ? g : slope * g;
    case BAL_ACT_GELU:
        return g * (normal_cdf(x) + x * INV_SQRT_TWO_PI * exp(-0.5 * x * x));
    case BAL_ACT_SIGMOID:
        return g * y * (1 - y);
    case BAL_ACT_TANH:
        return g * (1 - y * y);
    case BAL_ACT_NONE:
    case BAL_ACT_COUNT:
        break;
    }
    return g;
}
