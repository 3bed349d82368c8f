/* Shared parts of shape rules and gradients; see rules.h. */
#include "ops/rules.h"

#include <math.h>
#include <stdio.h>

#include "ops/ops.h"

#define SHAPE_TEXT_MAX 128

bool bal_has_input(const bal_node *node, int32_t index) {
    return index < node->n_in && bal_value_is_some(node->in[index]);
}

bal_shape bal_input_shape(const bal_graph *graph, const bal_node *node, int32_t index) {
    return bal_graph_shape(graph, node->in[index]);
}

bal_dtype bal_input_dtype(const bal_graph *graph, const bal_node *node, int32_t index) {
    return bal_graph_info(graph, node->in[index])->dtype;
}

/* "f32[5]" of an input, for the "but is" half of a sentence. */
static const char *given_text(const bal_graph *graph, const bal_node *node, int32_t index,
                              char buffer[SHAPE_TEXT_MAX + 8]) {
    char shape_text[SHAPE_TEXT_MAX];
    bal_shape shape = bal_input_shape(graph, node, index);
    snprintf(buffer, SHAPE_TEXT_MAX + 8, "%s%s",
             bal_dtype_name(bal_input_dtype(graph, node, index)),
             bal_shape_text(&shape, shape_text, sizeof shape_text));
    return buffer;
}

bal_status bal_rule_type(const bal_graph *graph, const bal_node *node, int32_t index,
                         const char *what, bal_dtype wanted, bal_error *err) {
    char given[SHAPE_TEXT_MAX + 8];
    if (bal_input_dtype(graph, node, index) == wanted) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "%s must be of type %s, but is %s", what,
                    bal_dtype_name(wanted), given_text(graph, node, index, given));
}

bal_status bal_rule_real(const bal_graph *graph, const bal_node *node, int32_t index,
                         const char *what, bal_error *err) {
    return bal_rule_type(graph, node, index, what, bal_graph_float_type(graph), err);
}

bal_status bal_rule_rank(const bal_graph *graph, const bal_node *node, int32_t index,
                         const char *what, int32_t wanted, bal_error *err) {
    char given[SHAPE_TEXT_MAX + 8];
    if (bal_input_shape(graph, node, index).rank == wanted) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "%s must have %d dimension%s, but is %s", what, (int)wanted,
                    wanted == 1 ? "" : "s", given_text(graph, node, index, given));
}

bal_status bal_rule_shape(const bal_graph *graph, const bal_node *node, int32_t index,
                          const char *what, bal_shape wanted, bal_error *err) {
    char given[SHAPE_TEXT_MAX + 8], text[SHAPE_TEXT_MAX];
    bal_shape shape = bal_input_shape(graph, node, index);
    if (bal_shape_equal(&shape, &wanted)) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "%s must be %s, but is %s", what,
                    bal_shape_text(&wanted, text, sizeof text),
                    given_text(graph, node, index, given));
}

bal_status bal_rule_real_shape(const bal_graph *graph, const bal_node *node, int32_t index,
                               const char *what, bal_shape wanted, bal_error *err) {
    BAL_TRY(bal_rule_real(graph, node, index, what, err));
    return bal_rule_shape(graph, node, index, what, wanted, err);
}

bal_status bal_rule_range(const bal_node *node, int32_t attr, double low, double high,
                          bal_error *err) {
    double value = node->attr[attr].f;
    if (isfinite(value) && value >= low && value <= high) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "%s must be a number from %g to %g, but is %g",
                    node->op->attrs[attr].name, low, high, value);
}

bal_status bal_rule_axis(int64_t axis, const bal_shape *shape, bal_error *err) {
    char text[SHAPE_TEXT_MAX];
    if (axis >= 0 && axis < shape->rank) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "axis must be one of 0 to %d, the axes of %s, but is %lld",
                    (int)shape->rank - 1, bal_shape_text(shape, text, sizeof text),
                    (long long)axis);
}

bal_status bal_rule_axis_or_all(int64_t axis, const bal_shape *shape, bal_error *err) {
    return axis == -1 ? BAL_OK : bal_rule_axis(axis, shape, err);
}

bal_status bal_infer_same(BAL_INFER_PARAMS) {
    bal_shape shape = bal_input_shape(graph, node, 0);
    for (int32_t i = 0; i < node->n_in; i++) {
        char what[32];
        if (!bal_has_input(node, i)) continue;
        snprintf(what, sizeof what, "input %d", (int)i);
        BAL_TRY(bal_rule_real(graph, node, i, what, err));
        BAL_TRY(bal_rule_shape(graph, node, i, what, shape, err));
    }
    for (int32_t k = 0; k < node->op->n_out; k++) {
        ret_shape[k] = shape;
        ret_dtype[k] = bal_graph_float_type(graph);
    }
    return BAL_OK;
}

bal_status bal_infer_broadcast(BAL_INFER_PARAMS) {
    char given_a[SHAPE_TEXT_MAX + 8], given_b[SHAPE_TEXT_MAX + 8];
    bal_shape a = bal_input_shape(graph, node, 0), b = bal_input_shape(graph, node, 1);
    BAL_TRY(bal_rule_real(graph, node, 0, "a", err));
    BAL_TRY(bal_rule_real(graph, node, 1, "b", err));
    if (!bal_shape_broadcasts(&a, &b)) {
        return bal_fail(err, BAL_EINVAL,
                        "b must have the shape of a (%s), its trailing dimensions, or [1], "
                        "but is %s",
                        given_text(graph, node, 0, given_a), given_text(graph, node, 1, given_b));
    }
    *ret_shape = a;
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

bal_status bal_infer_reduction(BAL_INFER_PARAMS) {
    bal_shape x = bal_input_shape(graph, node, 0);
    int64_t axis = node->attr[0].i;
    BAL_TRY(bal_rule_real(graph, node, 0, "x", err));
    BAL_TRY(bal_rule_axis_or_all(axis, &x, err));
    *ret_shape = bal_shape_without(&x, (int32_t)axis);
    *ret_dtype = bal_graph_float_type(graph);
    return BAL_OK;
}

bool bal_shape_broadcasts(const bal_shape *a, const bal_shape *b) {
    if (b->rank == 1 && b->dim[0] == 1) return true;
    if (b->rank > a->rank) return false;
    for (int32_t d = 0; d < b->rank; d++) {
        if (b->dim[d] != a->dim[a->rank - b->rank + d]) return false;
    }
    return true;
}

bal_shape bal_shape_without(const bal_shape *shape, int32_t axis) {
    if (axis < 0 || shape->rank == 1) return BAL_SHAPE1(1);
    bal_shape rest = {.rank = shape->rank - 1};
    for (int32_t d = 0; d < rest.rank; d++)
        rest.dim[d] = shape->dim[d < axis ? d : d + 1];
    return rest;
}

void bal_shape_to_attrs(const bal_shape *shape, bal_attr ret_attrs[BAL_SHAPE_ATTRS]) {
    ret_attrs[0].i = shape->rank;
    for (int32_t d = 0; d < BAL_RANK_MAX; d++)
        ret_attrs[1 + d].i = d < shape->rank ? shape->dim[d] : 0;
}

bal_status bal_rule_shape_attrs(const bal_attr *attrs, bal_shape *ret_shape, bal_error *err) {
    if (attrs[0].i < 1 || attrs[0].i > BAL_RANK_MAX) {
        return bal_fail(err, BAL_EINVAL,
                        "the wanted shape must have 1 to %d dimensions, but has %lld", BAL_RANK_MAX,
                        (long long)attrs[0].i);
    }
    bal_shape shape = {.rank = (int32_t)attrs[0].i};
    for (int32_t d = 0; d < shape.rank; d++) {
        shape.dim[d] = attrs[1 + d].i;
        if (shape.dim[d] < -1) {
            return bal_fail(err, BAL_EINVAL, "dimension %d of the wanted shape must not be %lld",
                            (int)d, (long long)shape.dim[d]);
        }
    }
    *ret_shape = shape;
    return BAL_OK;
}

/* d/db Σ_i g_i·f(b_(i mod n)) collects every i that met the same element of b. With the trailing
 * dimensions of b flattened to n, that is the column sum of g seen as [count/n, n]. */
bal_value bal_reduce_to(bal_graph *graph, bal_value value, bal_shape shape) {
    bal_shape from = bal_graph_shape(graph, value);
    if (!bal_value_is_some(value) || bal_shape_equal(&from, &shape)) return value;
    int64_t n = bal_shape_count(&shape);
    if (n == 1) {
        bal_value total = bal_reduce_sum(graph, value, -1);
        return shape.rank == 1 ? total : bal_reshape(graph, total, shape);
    }
    int64_t rows = bal_shape_count(&from) / n;
    value = bal_reshape(graph, value, BAL_SHAPE2(rows, n));
    value = bal_reduce_sum(graph, value, 0);
    return shape.rank == 1 ? value : bal_reshape(graph, value, shape);
}
