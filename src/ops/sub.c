/* sub: y = a − b, b broadcasting.
 *
 * Gradient: dy/da = 1 and dy/db = −1, so a gets the incoming gradient and b its negated sum over
 * the elements that b was repeated for. The sum comes first: it is negated where it is smallest. */
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

static double apply(double a, double b, const bal_attr *attr) {
    return a - b;
}

static void reference(const bal_kernel_args *args) {
    bal_reference_map2(args, apply);
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_value total = bal_reduce_to(graph, grad_out[0], bal_input_shape(graph, node, 1));
    ret_grad_in[0] = grad_out[0];
    ret_grad_in[1] = bal_neg(graph, total);
}

const bal_op bal_op_sub = {
    .name = "sub",
    .summary = "a - b, b broadcasting",
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

bal_value bal_sub(bal_graph *g, bal_value a, bal_value b) {
    return bal_graph_add(g, &bal_op_sub, (bal_value[]){a, b}, 2, NULL);
}
