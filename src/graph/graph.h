/* The graph: the one intermediate representation between models and devices.
 *
 * A graph is a list of nodes in execution order. Each node applies an op (graph/op.h) to values and
 * makes new values. Models, losses, differentiation and optimisers append nodes; passes replace or
 * kill them; backends compile what is left; exporters read it. Shapes are static.
 *
 * Ownership: the graph owns its nodes, values, names and constants (one arena). Values are small
 * handles, valid for the life of their graph.
 *
 * Errors stick: the first failing builder call records one sentence in the graph (node, wanted and
 * given shapes) and returns BAL_NO_VALUE; builder calls given BAL_NO_VALUE where a value is
 * required do nothing after that. So model code reads as straight lines and is checked once, by
 * bal_graph_check. */
#ifndef BAL_GRAPH_GRAPH_H
#define BAL_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "tensor/tensor.h"

typedef struct bal_graph bal_graph;
typedef struct bal_op bal_op;
typedef struct bal_node bal_node;

typedef struct bal_value {
    int32_t id;
} bal_value;

#define BAL_NO_VALUE ((bal_value){-1})
static inline bool bal_value_is_some(bal_value value) {
    return value.id >= 0;
}

typedef enum bal_value_kind {
    BAL_VALUE_INPUT,     /* set by the caller before each run (batch, labels, learning rate) */
    BAL_VALUE_CONSTANT,  /* fixed at build time; the graph holds the bytes */
    BAL_VALUE_PARAMETER, /* trained; lives in a bal_store under its name */
    BAL_VALUE_STATE,     /* not trained, but kept between runs (statistics, moments); in a store */
    BAL_VALUE_COMPUTED   /* output of a node; planned memory */
} bal_value_kind;

/** What is known of a value. Pointers stay valid while the graph lives. */
typedef struct bal_value_info {
    bal_value_kind kind;
    bal_dtype dtype;
    bal_shape shape;
    const char *name;     /* inputs, parameters, states: unique; else may be NULL */
    const void *constant; /* bytes of a constant */
    int32_t node;         /* producer of a computed value, else -1 */
    int32_t output;       /* which of its outputs */
} bal_value_info;

/** Op attributes: whole numbers (also flags and enums) or reals, meaning fixed by op->attrs. */
typedef union bal_attr {
    int64_t i;
    double f;
} bal_attr;

#define BAL_ATTR_MAX 12
#define BAL_OUT_MAX 4

/** One application of an op. `in` entries are BAL_NO_VALUE where an optional input is not given. */
struct bal_node {
    const bal_op *op; /* NULL: removed by a pass */
    int32_t n_in;
    int32_t n_out;
    bal_value *in;
    bal_value out[BAL_OUT_MAX];
    bal_attr attr[BAL_ATTR_MAX];
};

/** New empty graph over a NULL-terminated table of ops (bal_op_table of ops/ops.h). `float_type` is
 *  the type of real numbers in it: BAL_F32 to train and predict, BAL_F64 to check gradients. */
BAL_WARN_UNUSED bal_status bal_graph_new(const bal_op *const *ops, bal_dtype float_type,
                                         bal_graph **ret_graph, bal_error *err);
void bal_graph_free(bal_graph *graph);

bal_dtype bal_graph_float_type(const bal_graph *graph);

/** The op called `name` in the graph's table, or NULL. */
const bal_op *bal_graph_find_op(const bal_graph *graph, const char *name);

/* ---- building ---- */

bal_value bal_graph_input(bal_graph *graph, const char *name, bal_dtype dtype, bal_shape shape);
bal_value bal_graph_parameter(bal_graph *graph, const char *name, bal_shape shape);
bal_value bal_graph_state(bal_graph *graph, const char *name, bal_dtype dtype, bal_shape shape);
/** Copies the bytes. */
bal_value bal_graph_constant(bal_graph *graph, bal_dtype dtype, bal_shape shape, const void *bytes);
/** A [1] constant of the graph's float type. */
bal_value bal_graph_scalar(bal_graph *graph, double number);

/** Append a node. `attrs` has op->n_attrs entries (NULL when the op has none). Checks arity, types
 *  and shapes through the op's rule. Returns the first output; others through bal_graph_output. Ops
 *  without outputs (updates) return BAL_NO_VALUE also on success. */
bal_value bal_graph_add(bal_graph *graph, const bal_op *op, const bal_value *in, int32_t n_in,
                        const bal_attr *attrs);

/** Sibling: output `index` of the node that made `first` (its output 0). */
bal_value bal_graph_output(const bal_graph *graph, bal_value first, int32_t index);

/** Give a computed value a name (for dumps, heads, lookups). Names of a graph are unique. */
void bal_graph_set_name(bal_graph *graph, bal_value value, const char *format, ...)
    BAL_PRINTF(3, 4);

/** A fresh stream number for a random op (0, 1, 2, ...): each call site draws its own numbers.
 *  Numbers that nodes already carry (a graph rebuilt from a file) are not handed out again. */
int64_t bal_graph_next_stream(bal_graph *graph);

/** A name prefix put before names of parameters, states and values made until the matching pop,
 *  with a dot between: push "encoder", parameter "weight" → "encoder.weight". Inputs are not
 *  prefixed. */
void bal_graph_push_scope(bal_graph *graph, const char *format, ...) BAL_PRINTF(2, 3);
void bal_graph_pop_scope(bal_graph *graph);

/** Record a failure by hand (model code that finds its options impossible). First one wins. */
void bal_graph_fail(bal_graph *graph, bal_status status, const char *format, ...) BAL_PRINTF(3, 4);

/** The sticky error, if any. */
BAL_WARN_UNUSED bal_status bal_graph_check(const bal_graph *graph, bal_error *err);

/* ---- reading ---- */

int32_t bal_graph_node_count(const bal_graph *graph);
const bal_node *bal_graph_node(const bal_graph *graph, int32_t index);
int32_t bal_graph_value_count(const bal_graph *graph);
/** BAL_NO_VALUE gives an empty description (rank 0, no name). */
const bal_value_info *bal_graph_info(const bal_graph *graph, bal_value value);
/** Shape of a value; a rank-0 shape for BAL_NO_VALUE (so that failed builds do not crash). */
bal_shape bal_graph_shape(const bal_graph *graph, bal_value value);
/** The value of that name, or BAL_NO_VALUE (also when a pass has removed its node). */
bal_value bal_graph_find(const bal_graph *graph, const char *name);

/** Readable listing, one node per line: `%7 f32[32,512] = relu(%6)`, names and attributes included;
 *  removed nodes are left out. */
void bal_graph_dump(const bal_graph *graph, bal_text *out);

/* ---- differentiation (graph/differentiate.c) ---- */

/** Append nodes computing d(loss)/d(wrt[i]) by reverse accumulation (Baur & Strassen 1983). `loss`
 *  is a [1] value. ret_grads[i] is BAL_NO_VALUE where loss does not depend on wrt[i]. */
void bal_graph_differentiate(bal_graph *graph, bal_value loss, const bal_value *wrt, int32_t n_wrt,
                             bal_value *ret_grads);

/* ---- passes ---- */

/** Remove nodes that neither a root nor an op with an effect needs (graph/prune.c). */
void bal_graph_prune(bal_graph *graph, const bal_value *roots, int32_t n_roots);

/** Replace chains by fused ops: linear → activation; batch_norm → activation → dropout
 *  (graph/fuse.c). Values in `keep` stay computed, and ids of values that remain do not change; but
 *  the fused node has its own order of outputs, so get handles of siblings (bal_graph_output)
 *  before. Run before differentiation. */
void bal_graph_fuse(bal_graph *graph, const bal_value *keep, int32_t n_keep);

/** Memory plan: an offset in one block for every computed value of the live nodes
 *  (graph/plan.c). */
typedef struct bal_plan {
    size_t *value_offset;     /* by value id; SIZE_MAX where not planned */
    size_t *workspace_offset; /* by node index; SIZE_MAX where none */
    size_t bytes;             /* size of the block */
    size_t bytes_unshared;    /* what it would be without reuse */
} bal_plan;

#define BAL_PLAN_ALIGN 64

/** Plan with buffer reuse (greedy by size, Pisarchyk & Lee 2020) and in-place outputs where the op
 *  allows. `keep` values stay readable after the run. `workspace_bytes` gives the scratch of each
 *  node by node index, as the chosen kernels want it; NULL: what the ops' references want. */
BAL_WARN_UNUSED bal_status bal_plan_init(bal_plan *plan, const bal_graph *graph,
                                         const bal_value *keep, int32_t n_keep,
                                         const size_t *workspace_bytes, bal_error *err);
void bal_plan_release(bal_plan *plan);

/** Replay a plan and look for trouble: BAL_EINTERNAL names two things that are needed at the same
 *  time and overlap without being an allowed in-place pair. For tests and debugging. */
BAL_WARN_UNUSED bal_status bal_plan_verify(const bal_plan *plan, const bal_graph *graph,
                                           const bal_value *keep, int32_t n_keep,
                                           const size_t *workspace_bytes, bal_error *err);

#endif
