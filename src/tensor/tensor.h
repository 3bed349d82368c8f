/* Element types, shapes and dense host tensors.
 *
 * A bal_tensor is a plain row-major block with a type and a shape; it owns its data or borrows it.
 * Kernels do not see it: they get pointers. It is what readers produce and writers take. */
#ifndef BAL_TENSOR_TENSOR_H
#define BAL_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ballast/status.h"

typedef enum bal_dtype { BAL_F32, BAL_F64, BAL_I32, BAL_I64, BAL_U8, BAL_DTYPE_COUNT } bal_dtype;

size_t bal_dtype_size(bal_dtype dtype);
const char *bal_dtype_name(bal_dtype dtype); /* "f32", "f64", "i32", "i64", "u8" */

#define BAL_RANK_MAX 6

typedef struct bal_shape {
    int32_t rank;
    int64_t dim[BAL_RANK_MAX];
} bal_shape;

/** BAL_SHAPE2(32, 126) is the shape [32,126]. */
#define BAL_SHAPE1(a) ((bal_shape){1, {(a)}})
#define BAL_SHAPE2(a, b) ((bal_shape){2, {(a), (b)}})
#define BAL_SHAPE3(a, b, c) ((bal_shape){3, {(a), (b), (c)}})
#define BAL_SHAPE4(a, b, c, d) ((bal_shape){4, {(a), (b), (c), (d)}})

bool bal_shape_equal(const bal_shape *a, const bal_shape *b);
/** Product of the dimensions (1 for rank 0); for shapes already validated. */
int64_t bal_shape_count(const bal_shape *shape);
/** Checked: false when a dimension is negative, rank is out of range or the byte size overflows. */
bool bal_shape_bytes(const bal_shape *shape, bal_dtype dtype, size_t *ret_bytes);
/** "[32,126]" into buffer (at least 128 bytes). Returns buffer. */
char *bal_shape_text(const bal_shape *shape, char *buffer, size_t size);

typedef struct bal_tensor {
    bal_dtype dtype;
    bal_shape shape;
    void *data;
    bool owned; /* data is freed by bal_tensor_release */
} bal_tensor;

/** Zeroed tensor that owns its data. */
BAL_WARN_UNUSED bal_status bal_tensor_init(bal_tensor *tensor, bal_dtype dtype, bal_shape shape,
                                           bal_error *err);
void bal_tensor_release(bal_tensor *tensor);
static inline int64_t bal_tensor_count(const bal_tensor *tensor) {
    return bal_shape_count(&tensor->shape);
}

#endif
