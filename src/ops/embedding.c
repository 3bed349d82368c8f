/* embedding: rows of a table by number, and its gradient op embedding_grad.
 *
 *     y_n = table[ids_n]          table [V,D], ids i32 [N] → y [N,D]
 *
 * A kernel cannot report a bad id, so one outside 0..V−1 gives a row of NaN, which the guard sees;
 * it has no row in the table and so no gradient. Gradient: a row of the table is used by every n
 * with its id, so dtable[v] = Σ_{n: ids_n = v} dy_n, added in order of n: the sum does not depend
 * on threads. */
#include <math.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"
#include "ops/op_table.h"

enum { TABLE, IDS, N_IN };
enum { GRAD_IDS, GRAD_DY, GRAD_N_IN };
enum { ATTR_ROWS, ATTR_COUNT };

static const bal_attr_spec attrs[ATTR_COUNT] = {[ATTR_ROWS] = {"rows", BAL_ATTR_INT}};

static bal_status infer(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_real(graph, node, TABLE, "table", err));
    BAL_TRY(bal_rule_rank(graph, node, TABLE, "table", 2, err));
    BAL_TRY(bal_rule_type(graph, node, IDS, "ids", BAL_I32, err));
    BAL_TRY(bal_rule_rank(graph, node, IDS, "ids", 1, err));
    *ret_shape = BAL_SHAPE2(bal_input_shape(graph, node, IDS).dim[0],
                            bal_input_shape(graph, node, TABLE).dim[1]);
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

static void reference(const bal_kernel_args *args) {
    const bal_operand *table = &args->in[TABLE];
    const int32_t *ids = args->in[IDS].data;
    int64_t V = table->shape.dim[0], D = table->shape.dim[1];
    int64_t N = bal_operand_count(&args->in[IDS]);
    for (int64_t n = 0; n < N; n++) {
        bool known = ids[n] >= 0 && ids[n] < V;
        for (int64_t d = 0; d < D; d++)
            bal_set_real(&args->out[0], n * D + d,
                         known ? bal_get_real(table, ids[n] * D + d) : NAN);
    }
}

static void grad(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in) {
    bal_value in[GRAD_N_IN] = {[GRAD_IDS] = node->in[IDS], [GRAD_DY] = grad_out[0]};
    bal_attr attr[ATTR_COUNT] = {[ATTR_ROWS].i = bal_input_shape(graph, node, TABLE).dim[0]};
    ret_grad_in[TABLE] = bal_graph_add(graph, &bal_op_embedding_grad, in, GRAD_N_IN, attr);
}

const bal_op bal_op_embedding = {
    .name = "embedding",
    .summary = "rows of a table by number",
    .source = "",
    .min_in = N_IN,
    .max_in = N_IN,
    .n_out = 1,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .tolerance = 1e-7,
};

/* ---- gradient ---- */

static bal_status infer_grad(BAL_INFER_PARAMS) {
    BAL_TRY(bal_rule_type(graph, node, GRAD_IDS, "ids", BAL_I32, err));
    BAL_TRY(bal_rule_rank(graph, node, GRAD_IDS, "ids", 1, err));
    BAL_TRY(bal_rule_rank(graph, node, GRAD_DY, "dy", 2, err));
    int64_t N = bal_input_shape(graph, node, GRAD_IDS).dim[0];
    int64_t D = bal_input_shape(graph, node, GRAD_DY).dim[1];
    BAL_TRY(bal_rule_real_shape(graph, node, GRAD_DY, "dy", BAL_SHAPE2(N, D), err));
    *ret_shape = BAL_SHAPE2(node->attr[ATTR_ROWS].i, D);
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

/* One row of the table in double. */
static size_t workspace_grad(const bal_graph *graph, const bal_node *node) {
    return (size_t)bal_input_shape(graph, node, GRAD_DY).dim[1] * sizeof(double);
}

/* The row that ids[first] names; nothing when an earlier n named it already. */
static void add_row(const bal_kernel_args *args, int64_t first) {
    const int32_t *ids = args->in[GRAD_IDS].data;
    double *sum = args->workspace;
    int64_t N = bal_operand_count(&args->in[GRAD_IDS]), D = args->out[0].shape.dim[1];
    for (int64_t n = 0; n < first; n++)
        if (ids[n] == ids[first]) return;
    for (int64_t d = 0; d < D; d++)
        sum[d] = 0;
    for (int64_t n = first; n < N; n++) {
        if (ids[n] != ids[first]) continue;
        for (int64_t d = 0; d < D; d++)
            sum[d] += bal_get_real(&args->in[GRAD_DY], n * D + d);
    }
    for (int64_t d = 0; d < D; d++)
        bal_set_real(&args->out[0], ids[first] * D + d, sum[d]);
}

static void reference_grad(const bal_kernel_args *args) {
    const int32_t *ids = args->in[GRAD_IDS].data;
    int64_t N = bal_operand_count(&args->in[GRAD_IDS]), V = args->node->attr[ATTR_ROWS].i;
    int64_t count = bal_operand_count(&args->out[0]);
    for (int64_t i = 0; i < count; i++)
        bal_set_real(&args->out[0], i, 0);
    for (int64_t n = 0; n < N; n++)
        if (ids[n] >= 0 && ids[n] < V) add_row(args, n);
}

const bal_op bal_op_embedding_grad = {
    .name = "embedding_grad",
    .summary = "sum of dy by table row",
    .source = "",
    .min_in = GRAD_N_IN,
    .max_in = GRAD_N_IN,
    .n_out = 1,
    .attrs = attrs,
    .n_attrs = ATTR_COUNT,
    .infer = infer_grad,
    .reference = reference_grad,
    .workspace = workspace_grad,
    .tolerance = 1e-5,
};

bal_value bal_embedding(bal_graph *g, bal_value table, bal_value ids) {
    return bal_graph_add(g, &bal_op_embedding, (bal_value[]){table, ids}, N_IN, NULL);
}
