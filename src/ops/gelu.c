/* gelu: y = x·Φ(x), Φ the standard normal distribution function; and its gradient op gelu_grad. The
 * exact form, not the tanh approximation (Hendrycks & Gimpel 2016, arXiv 1606.08415, equation 1).
 *
 * Φ(x) = ½·erfc(−x/√2): erfc keeps the relative accuracy of the lower tail that 1 + erf loses. At
 * −Inf the product −Inf·0 is NaN, though the limit is 0: an infinite activation is a broken model
 * and is not smoothed over.
 *
 * Gradient, by the product rule with Φ' = φ, φ(x) = e^(−x²/2)/√(2π): dy/dx = Φ(x) + x·φ(x). It
 * needs the input: gelu is not monotonic, so y does not determine x. */
#include <math.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

#define SOURCE "Hendrycks & Gimpel 2016, arXiv 1606.08415"
#define SQRT_HALF 0.70710678118654752440       /* 1/sqrt(2) */
#define INV_SQRT_TWO_PI 0.39894228040143267794 /* 1/sqrt(2 pi) */

static double normal_cdf(double x) {
    return 0.5 * erfc(-x * SQRT_HALF);
}

static double normal_density(double x) {
    return INV_SQRT_TWO_PI * exp(-0.5 * x * x);
}

static double apply(double x, const bal_attr *attr) {
    return x * normal_cdf(x);
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    ret_grad_in[0] =
        bal_graph_add(graph, &bal_op_gelu_grad, (bal_value[]){grad_out[0], node->in[0]}, 2, NULL);
}

const bal_op bal_op_gelu = {
    .name = "gelu",
    .summary = "x * Phi(x), exact",
    .source = SOURCE,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .inplace_in = 1u << 0,
    .flags = BAL_OP_ELEMENTWISE,
    .infer = bal_infer_same,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-6,
};

static double apply_grad(double g, double x, const bal_attr *attr) {
    return g * (normal_cdf(x) + x * normal_density(x));
}

static void reference_grad(const bal_kernel_args *args) {
    bal_reference_map2(args, apply_grad);
}

const bal_op bal_op_gelu_grad = {
    .name = "gelu_grad",
    .summary = "g * (Phi(x) + x * phi(x))",
    .source = SOURCE,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .inplace_in = 1u << 0 | 1u << 1,
    .flags = BAL_OP_ELEMENTWISE,
    .infer = bal_infer_same,
    .reference = reference_grad,
    .tolerance = 1e-6,
};

bal_value bal_gelu(bal_graph *g, bal_value x) {
    return bal_graph_add(g, &bal_op_gelu, &x, 1, NULL);
}
