/* Shared parts of the reference kernels; see reference.h. */
#include "ops/reference.h"

bal_axis_view bal_axis_view_of(const bal_shape *shape, int32_t axis) {
    bal_axis_view view = {1, 1, 1};
    for (int32_t d = 0; d < shape->rank; d++) {
        if (axis < 0 || d == axis) {
            view.length *= shape->dim[d];
        } else if (d < axis) {
            view.outer *= shape->dim[d];
        } else {
            view.inner *= shape->dim[d];
        }
    }
    return view;
}

bal_axis_view bal_last_axis_view(const bal_shape *shape) {
    return bal_axis_view_of(shape, shape->rank - 1);
}

void bal_reference_map(const bal_kernel_args *args, bal_map_fn function) {
    int64_t count = bal_operand_count(&args->out[0]);
    for (int64_t i = 0; i < count; i++) {
        double x = bal_get_real(&args->in[0], i);
        bal_set_real(&args->out[0], i, function(x, args->node->attr));
    }
}

void bal_reference_map2(const bal_kernel_args *args, bal_map2_fn function) {
    int64_t count = bal_operand_count(&args->out[0]);
    int64_t count_b = bal_operand_count(&args->in[1]);
    for (int64_t i = 0; i < count; i++) {
        double a = bal_get_real(&args->in[0], i);
        double b = bal_get_real(&args->in[1], bal_broadcast_index(i, count_b));
        bal_set_real(&args->out[0], i, function(a, b, args->node->attr));
    }
}
