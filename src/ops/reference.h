/* What the reference kernels share.
 *
 * A reference kernel is the meaning of its op: one thread, no tuning, every element read as a
 * double, computed in double and rounded once when it is stored. So the f32 form differs from the
 * f64 form by the rounding of inputs and outputs only, and the tolerance of an op bounds what a
 * faster kernel may add to that. NaN and infinities go through as IEEE arithmetic takes them; where
 * an op decides otherwise, its file says so.
 *
 * Aliasing: where a descriptor allows output 0 in the storage of an input (`inplace_in`), its
 * kernel must read everything an element needs before it writes that element. The two maps below
 * do. */
#ifndef BAL_OPS_REFERENCE_H
#define BAL_OPS_REFERENCE_H

#include "graph/op.h"

/** Element i of an f32 or f64 operand. */
static inline double bal_get_real(const bal_operand *operand, int64_t i) {
    return operand->dtype == BAL_F64 ? ((const double *)operand->data)[i]
                                     : (double)((const float *)operand->data)[i];
}

/** Store with one rounding to the operand's type. */
static inline void bal_set_real(const bal_operand *operand, int64_t i, double value) {
    if (operand->dtype == BAL_F64) {
        ((double *)operand->data)[i] = value;
    } else {
        ((float *)operand->data)[i] = (float)value;
    }
}

static inline int64_t bal_operand_count(const bal_operand *operand) {
    return bal_shape_count(&operand->shape);
}

/** Whether an optional input was given / an output has storage. */
static inline bool bal_operand_given(const bal_operand *operand) {
    return operand->data != NULL;
}

/** Which element of an operand of `count` elements meets element i of a larger one it broadcasts
 * to. One rule for all three forms (equal shape, [1], trailing dimensions), since storage is
 * row-major. */
static inline int64_t bal_broadcast_index(int64_t i, int64_t count) {
    return i % count;
}

/** A shape seen from one axis: element (o, j, i) lies at (o·length + j)·inner + i. */
typedef struct bal_axis_view {
    int64_t outer;  /* product of the dimensions before the axis */
    int64_t length; /* of the axis */
    int64_t inner;  /* product of the dimensions after it */
} bal_axis_view;

/** `axis` < 0: the whole shape as one axis. */
bal_axis_view bal_axis_view_of(const bal_shape *shape, int32_t axis);

/** The same for the last axis: `outer` rows of `length`, inner 1. */
bal_axis_view bal_last_axis_view(const bal_shape *shape);

/** out[0][i] = function(in[0][i], attributes). */
typedef double (*bal_map_fn)(double x, const bal_attr *attr);
void bal_reference_map(const bal_kernel_args *args, bal_map_fn function);

/** out[0][i] = function(in[0][i], in[1][i], attributes), in[1] broadcasting. */
typedef double (*bal_map2_fn)(double a, double b, const bal_attr *attr);
void bal_reference_map2(const bal_kernel_args *args, bal_map2_fn function);

#endif
