/* Activations by number: what recipes, layers and the fused ops name by one attribute. */
#include "ops/ops.h"

const char *bal_activation_name(bal_activation activation) {
    static const char *const names[BAL_ACT_COUNT] = {
        [BAL_ACT_NONE] = "none", [BAL_ACT_RELU] = "relu",       [BAL_ACT_LEAKY_RELU] = "leaky_relu",
        [BAL_ACT_GELU] = "gelu", [BAL_ACT_SIGMOID] = "sigmoid", [BAL_ACT_TANH] = "tanh",
    };
    return (unsigned)activation < BAL_ACT_COUNT ? names[activation] : "unknown";
}

bal_value bal_activate(bal_graph *g, bal_value x, bal_activation activation, double slope) {
    switch (activation) {
    case BAL_ACT_NONE:
        return x;
    case BAL_ACT_RELU:
        return bal_relu(g, x);
    case BAL_ACT_LEAKY_RELU:
        return bal_leaky_relu(g, x, slope);
    case BAL_ACT_GELU:
        return bal_gelu(g, x);
    case BAL_ACT_SIGMOID:
        return bal_sigmoid(g, x);
    case BAL_ACT_TANH:
        return bal_tanh(g, x);
    case BAL_ACT_COUNT:
        break;
    }
    bal_graph_fail(g, BAL_EINVAL, "activation must be a number from 0 to %d, but is %d",
                   BAL_ACT_COUNT - 1, (int)activation);
    return BAL_NO_VALUE;
}
