/* mul: y = a · b element by element, b broadcasting.
 *
 * Gradient, with g = dL/dy: dL/da = g · b, and dL/db = Σ g · a over the elements that b was
 * repeated for. */
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static double apply(double a, double b, const bal_attr *attr) {
    return a * b;
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map2(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_value a = node->in[0], b = node->in[1], g = grad_out[0];
    ret_grad_in[0] = bal_mul(graph, g, b);
    ret_grad_in[1] = bal_reduce_to(graph, bal_mul(graph, g, a), bal_graph_shape(graph, b));
}

const bal_op bal_op_mul = {
    .name = "mul",
    .summary = "a * b element by element, b broadcasting",
    .source = "",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .inplace_in = 1u << 0 | 1u << 1,
    .infer = bal_infer_broadcast,
    .grad = grad,
    .reference = reference,
    .tolerance = 2e-7,
};

bal_value bal_mul(bal_graph *g, bal_value a, bal_value b) {
    return bal_graph_add(g, &bal_op_mul, (bal_value[]){a, b}, 2, NULL);
}
