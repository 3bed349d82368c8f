/* dropout: each element is dropped with probability `rate` and kept times 1/(1 − rate) otherwise,
 * so that the mean stays ("inverted" dropout; Srivastava et al. 2014); and its gradient op
 * dropout_grad. Which elements are kept is drawn by the rule of draw.h and noted in the mask, 1
 * byte per element.
 *
 * A dropped element is 0 whatever it was, NaN included. Gradient: y = mask·x/(1 − rate), so
 * dx = mask·dy/(1 − rate). */
#include "ops/draw.h"
#include "ops/drop.h"
#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/op_table.h"

enum { X, RNG, N_IN };
enum { GRAD_DY, GRAD_MASK, GRAD_N_IN };
enum { ATTR_RATE, ATTR_STREAM, ATTR_COUNT, ATTR_GRAD_COUNT = ATTR_STREAM };

static const bal_attr_spec attrs[ATTR_COUNT] = {
    [ATTR_RATE] = {"rate", BAL_ATTR_FLOAT},
    [ATTR_STREAM] = {"stream", BAL_ATTR_INT},
};

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_real(graph, node, X, "x", err));
    BAL_TRY(bal_rule_rng(graph, node, RNG, err));
    BAL_TRY(bal_rule_rate(node, ATTR_RATE, err));
    BAL_TRY(bal_rule_stream(node, ATTR_STREAM, err));
    ret_shape[0] = ret_shape[1] = bal_input_shape(graph, node, X);
    ret_dtype[0] = bal_graph_float_type(graph);
    ret_dtype[1] = BAL_U8;
    return BAL_OK;
}

static void reference(const bal_kernel_args *args) {
    const bal_attr *attr = args->node->attr;
    bal_draw draw = bal_draw_of(args->in[RNG].data, attr[ATTR_STREAM].i);
    uint64_t threshold = bal_draw_threshold(attr[ATTR_RATE].f);
    double factor = 1 / (1 - attr[ATTR_RATE].f);
    uint8_t *mask = args->out[1].data;
    int64_t count = bal_operand_count(&args->in[X]);
    for (int64_t i = 0; i < count; i++) {
        mask[i] = bal_draw_bits(&draw, (uint64_t)i) >= threshold;
        bal_set_real(&args->out[0], i, mask[i] ? factor * bal_get_real(&args->in[X], i) : 0);
    }
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_value in[GRAD_N_IN] = {[GRAD_DY] = grad_out[0], [GRAD_MASK] = node->out[1]};
    ret_grad_in[X] = bal_graph_add(graph, &bal_op_dropout_grad, in, GRAD_N_IN, node->attr);
}

const bal_op bal_op_dropout = {
    .name = "dropout",
    .summary = "drop elements at random and scale up the rest",
    .source = "Srivastava et al. 2014, JMLR 15",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 2,
    .inplace_in = 1u << X,
    .flags = BAL_OP_RANDOM,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-6,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    bal_shape shape = bal_input_shape(graph, node, GRAD_DY);
    BAL_TRY(bal_rule_real(graph, node, GRAD_DY, "dy", err));
    BAL_TRY(bal_rule_mask(graph, node, GRAD_MASK, shape, err));
    BAL_TRY(bal_rule_rate(node, ATTR_RATE, err));
    *ret_shape = shape;
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

static void reference_grad(const bal_kernel_args *args) {
    double factor = 1 / (1 - args->node->attr[ATTR_RATE].f);
    const uint8_t *mask = args->in[GRAD_MASK].data;
    int64_t count = bal_operand_count(&args->in[GRAD_DY]);
    for (int64_t i = 0; i < count; i++)
        bal_set_real(&args->out[0], i, mask[i] ? factor * bal_get_real(&args->in[GRAD_DY], i) : 0);
}

const bal_op bal_op_dropout_grad = {
    .name = "dropout_grad",
    .summary = "dy where kept, scaled up",
    .source = "Srivastava et al. 2014, JMLR 15",
    .min_in = GRAD_N_IN,
    .max_in = GRAD_N_IN,
    .n_out = 1,
    .inplace_in = 1u << GRAD_DY,
    .flags = BAL_OP_ELEMENTWISE,
    .attrs = attrs,
    .n_attrs = ATTR_GRAD_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .tolerance = 1e-6,
};

bal_value bal_dropout(bal_graph *g, bal_value x, bal_value rng, double rate) {
    bal_attr attr[ATTR_COUNT] = {
        [ATTR_RATE].f = rate,
        [ATTR_STREAM].i = bal_graph_next_stream(g),
    };
    return bal_graph_add(g, &bal_op_dropout, (bal_value[]){x, rng}, N_IN, attr);
}
