/* What an op is: one descriptor per op, in src/ops/, listed once in the op table.
 *
 * To add one: copy the file of a similar op, fill the descriptor, add its line to the table, add a
 * case to its test. Dumps, model files, gradient checks and kernel checks follow from the table. */
#ifndef BAL_GRAPH_OP_H
#define BAL_GRAPH_OP_H

#include "graph/graph.h"

typedef enum bal_attr_kind { BAL_ATTR_INT, BAL_ATTR_FLOAT } bal_attr_kind;

typedef struct bal_attr_spec {
    const char *name; /* snake_case, as stored in model files */
    bal_attr_kind kind;
} bal_attr_spec;

/** One operand as a kernel sees it, row-major and dense. An input not given has no data (NULL). */
typedef struct bal_operand {
    void *data;
    bal_dtype dtype;
    bal_shape shape;
} bal_operand;

/** What a kernel gets. Kernels allocate nothing, fail never (everything was checked at compile
 *  time) and write only to `out`, to mutated inputs and to `workspace`. */
typedef struct bal_kernel_args {
    const bal_node *node; /* for op and attributes */
    int32_t n_in, n_out;
    bal_operand *in;
    bal_operand *out;
    void *workspace; /* 64-byte aligned, op->workspace bytes or what the kernel asked for */
} bal_kernel_args;

typedef void (*bal_kernel_fn)(const bal_kernel_args *args);

enum {
    BAL_OP_EFFECT = 1 << 0,      /* writes to inputs (see mutates); never pruned */
    BAL_OP_RANDOM = 1 << 1,      /* takes an rng input and has a "stream" attribute */
    BAL_OP_ELEMENTWISE = 1 << 2, /* out[i] depends on in[..][i] only */
    BAL_OP_FUSED = 1 << 3        /* made by the fusion pass; has an unfused equal */
};

/** Element-wise activations that fused ops take by number (attribute "activation"; stored in model
 *  files, so never renumber). The fusion pass and ops/ agree on them here. */
typedef enum bal_activation {
    BAL_ACT_NONE,
    BAL_ACT_RELU,
    BAL_ACT_LEAKY_RELU,
    BAL_ACT_GELU, /* exact: x·Φ(x) (Hendrycks & Gimpel 2016) */
    BAL_ACT_SIGMOID,
    BAL_ACT_TANH,
    BAL_ACT_COUNT
} bal_activation;

struct bal_op {
    const char *name;    /* snake_case, unique */
    const char *summary; /* one line */
    const char *source;  /* paper, equation or spec; "" for arithmetic */
    int32_t min_in;
    int32_t max_in; /* -1: any number */
    int32_t n_out;
    uint32_t optional_in; /* bit i: input i may be BAL_NO_VALUE */
    uint32_t inplace_in;  /* bit i: output 0 may share input i's storage (same size and type) */
    unsigned flags;
    const bal_attr_spec *attrs;
    int32_t n_attrs;

    /** Shape and type rule: reads inputs through the graph, writes ret_shape/ret_dtype for each
     *  output. On a mismatch returns bal_fail(err, BAL_EINVAL, "..."): wanted and given. */
    bal_status (*infer)(const bal_graph *graph, const bal_node *node, bal_shape *ret_shape,
                        bal_dtype *ret_dtype, bal_error *err);

    /** Append nodes for the gradients. grad_out[k] is BAL_NO_VALUE where output k has none. Set
     *  ret_grad_in[i] for the inputs that have one (preset to BAL_NO_VALUE). NULL: not
     *  differentiable (gradient ops, updates). */
    void (*grad)(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                 bal_value *ret_grad_in);

    /** Plain kernel for f32 and f64, one thread, sums in double; the meaning of the op. */
    bal_kernel_fn reference;

    /** Bytes of scratch the reference needs; NULL: none. */
    size_t (*workspace)(const bal_graph *graph, const bal_node *node);

    /** Whether input i, a parameter or state, is written; NULL: none is. Only with
     *  BAL_OP_EFFECT. */
    bool (*mutates)(const bal_node *node, int32_t input);

    /** Largest relative difference allowed between a f32 kernel and the reference in f64, measured
     *  against the largest magnitude of the output. */
    double tolerance;
};

#endif
