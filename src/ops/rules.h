/* What shape rules and gradients share.
 *
 * A shape rule (`infer` of an op) reads a node's inputs through the graph and either yields the
 * types and shapes of its outputs or refuses with one sentence: operand, what was wanted, what was
 * given, e.g. "bias must be [4], but is f32[5]" (the graph puts op and operands before it). The
 * checks below write those sentences.
 *
 * In the checks, `index` is the position of the input and `what` its name in the documentation of
 * the op ("x", "bias", "labels"). Optional inputs that were not given must be skipped by the caller
 * (bal_has_input). */
#ifndef BAL_OPS_RULES_H
#define BAL_OPS_RULES_H

#include "base/error.h"
#include "graph/op.h"

/* Every rule has this signature, which is bal_op.infer. */
#define BAL_INFER_PARAMS                                                                           \
    const bal_graph *graph, const bal_node *node, bal_shape *ret_shape, bal_dtype *ret_dtype,      \
        bal_error *err

/** Whether input `index` is there. */
bool bal_has_input(const bal_node *node, int32_t index);
bal_shape bal_input_shape(const bal_graph *graph, const bal_node *node, int32_t index);
bal_dtype bal_input_dtype(const bal_graph *graph, const bal_node *node, int32_t index);

/* ---- checks of one input ---- */

BAL_WARN_UNUSED bal_status bal_rule_type(const bal_graph *graph, const bal_node *node,
                                         int32_t index, const char *what, bal_dtype wanted,
                                         bal_error *err);
/** Of the graph's float type. */
BAL_WARN_UNUSED bal_status bal_rule_real(const bal_graph *graph, const bal_node *node,
                                         int32_t index, const char *what, bal_error *err);
BAL_WARN_UNUSED bal_status bal_rule_rank(const bal_graph *graph, const bal_node *node,
                                         int32_t index, const char *what, int32_t wanted,
                                         bal_error *err);
BAL_WARN_UNUSED bal_status bal_rule_shape(const bal_graph *graph, const bal_node *node,
                                          int32_t index, const char *what, bal_shape wanted,
                                          bal_error *err);
/** Of the graph's float type and of this shape. */
BAL_WARN_UNUSED bal_status bal_rule_real_shape(const bal_graph *graph, const bal_node *node,
                                               int32_t index, const char *what, bal_shape wanted,
                                               bal_error *err);

/* ---- checks of attributes ---- */

/** A finite number in [low, high]. */
BAL_WARN_UNUSED bal_status bal_rule_range(const bal_node *node, int32_t attr, double low,
                                          double high, bal_error *err);
/** One of 0..rank−1. */
BAL_WARN_UNUSED bal_status bal_rule_axis(int64_t axis, const bal_shape *shape, bal_error *err);
/** The same or -1, which stands for the whole shape (builders store every negative axis as -1). */
BAL_WARN_UNUSED bal_status bal_rule_axis_or_all(int64_t axis, const bal_shape *shape,
                                                bal_error *err);

/* ---- rules used as they are ---- */

/** Every given input is real and of the shape of input 0; so is every output. */
bal_status bal_infer_same(BAL_INFER_PARAMS);
/** Two real inputs, the second broadcasting to the first; the output is like the first. */
bal_status bal_infer_broadcast(BAL_INFER_PARAMS);
/** One real input x and attribute 0 an axis (-1: all): x without that axis. */
bal_status bal_infer_reduction(BAL_INFER_PARAMS);

/* ---- shapes ---- */

/** Whether `b` broadcasts to `a`: equal, [1], or equal to a's trailing dimensions. */
bool bal_shape_broadcasts(const bal_shape *a, const bal_shape *b);
/** `shape` without `axis`; [1] for a rank-1 shape or axis < 0. */
bal_shape bal_shape_without(const bal_shape *shape, int32_t axis);

/* A shape as attributes: the rank and then BAL_RANK_MAX dimensions, unused ones 0. */
#define BAL_SHAPE_ATTRS (1 + BAL_RANK_MAX)
/* clang-format off */
#define BAL_SHAPE_ATTR_SPECS                                    \
    {"rank", BAL_ATTR_INT},                                     \
    {"dim0", BAL_ATTR_INT}, {"dim1", BAL_ATTR_INT},             \
    {"dim2", BAL_ATTR_INT}, {"dim3", BAL_ATTR_INT},             \
    {"dim4", BAL_ATTR_INT}, {"dim5", BAL_ATTR_INT}
/* clang-format on */
void bal_shape_to_attrs(const bal_shape *shape, bal_attr ret_attrs[BAL_SHAPE_ATTRS]);
/** Refuses a rank outside 1..BAL_RANK_MAX and dimensions below -1. */
BAL_WARN_UNUSED bal_status bal_rule_shape_attrs(const bal_attr *attrs, bal_shape *ret_shape,
                                                bal_error *err);

/* ---- gradients ---- */

/** The transpose of broadcasting: sum `value` down to `shape`, which broadcasts to its own. */
bal_value bal_reduce_to(bal_graph *graph, bal_value value, bal_shape shape);

#endif
