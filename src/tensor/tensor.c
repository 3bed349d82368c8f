/* Element types, shapes and dense host tensors.
 *
 * Shapes come from files and recipes, so the one function that turns a shape into a byte count is
 * checked; everything else may then multiply freely. A dimension of 0 makes the count 0, but the
 * other dimensions must still have a product that fits: partial products can then never wrap. */
#include "tensor/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[BAL_DTYPE_COUNT] = {
    [BAL_F32] = {"f32", 4}, [BAL_F64] = {"f64", 8}, [BAL_I32] = {"i32", 4},
    [BAL_I64] = {"i64", 8}, [BAL_U8] = {"u8", 1},
};

size_t bal_dtype_size(bal_dtype dtype) {
    return (unsigned)dtype < BAL_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

const char *bal_dtype_name(bal_dtype dtype) {
    return (unsigned)dtype < BAL_DTYPE_COUNT ? dtypes[dtype].name : "unknown";
}

bool bal_shape_equal(const bal_shape *a, const bal_shape *b) {
    if (a->rank != b->rank) return false;
    for (int32_t i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i]) return false;
    }
    return true;
}

int64_t bal_shape_count(const bal_shape *shape) {
    int64_t count = 1;
    for (int32_t i = 0; i < shape->rank; i++)
        count *= shape->dim[i];
    return count;
}

bool bal_shape_bytes(const bal_shape *shape, bal_dtype dtype, size_t *ret_bytes) {
    if (shape->rank < 0 || shape->rank > BAL_RANK_MAX) return false;
    if ((unsigned)dtype >= BAL_DTYPE_COUNT) return false;
    int64_t bytes = (int64_t)dtypes[dtype].size;
    bool empty = false;
    for (int32_t i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0) return false;
        if (shape->dim[i] == 0) {
            empty = true;
        } else if (!bal_i64_mul(bytes, shape->dim[i], &bytes)) {
            return false;
        }
    }
    if ((uint64_t)bytes > SIZE_MAX) return false;
    *ret_bytes = empty ? 0 : (size_t)bytes;
    return true;
}

char *bal_shape_text(const bal_shape *shape, char *buffer, size_t size) {
    size_t used = 0;
    int32_t rank = shape->rank < BAL_RANK_MAX ? shape->rank : BAL_RANK_MAX;
    if (size == 0) return buffer;
    buffer[0] = '\0';
    for (int32_t i = -1; i <= rank; i++) {
        int written;
        if (i < 0) {
            written = snprintf(buffer + used, size - used, "[");
        } else if (i >= rank) {
            written = snprintf(buffer + used, size - used, "]");
        } else {
            written = snprintf(buffer + used, size - used, i > 0 ? ",%" PRId64 : "%" PRId64,
                               shape->dim[i]);
        }
        if (written < 0 || (size_t)written >= size - used) break;
        used += (size_t)written;
    }
    return buffer;
}

bal_status bal_tensor_init(bal_tensor *tensor, bal_dtype dtype, bal_shape shape, bal_error *err) {
    size_t bytes;
    if (!bal_shape_bytes(&shape, dtype, &bytes)) {
        char text[128];
        return bal_fail(
            err, BAL_EOVERFLOW,
            "no tensor can have shape %s and type %s: dimensions must be at least 0, at "
            "most %d of them, and their product must fit 63 bits",
            bal_shape_text(&shape, text, sizeof text), bal_dtype_name(dtype), BAL_RANK_MAX);
    }
    void *data = bal_calloc(bytes, 1);
    if (!data) return bal_fail_memory(err, bytes);
    *tensor = (bal_tensor){.dtype = dtype, .shape = shape, .data = data, .owned = true};
    return BAL_OK;
}

void bal_tensor_release(bal_tensor *tensor) {
    if (!tensor) return;
    if (tensor->owned) bal_free(tensor->data);
    memset(tensor, 0, sizeof *tensor);
}
