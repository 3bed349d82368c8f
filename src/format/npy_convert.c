/* Arrays as f32 (features) or i64 (labels), whatever type they were saved in; see npy.h.
 *
 * Rounding to f32 is what training wants. What would change a value beyond rounding is refused: a
 * finite number that becomes infinite, a label that is not whole. NaN and infinity stay in f32 and
 * have no place in i64. */
#include <inttypes.h>
#include <math.h>

#include "base/error.h"
#include "format/npy.h"

/* One element as f32; false when a finite value becomes infinite. */
static bool f32_at(const bal_tensor *tensor, int64_t i, float *ret_value) {
    const void *data = tensor->data;
    switch (tensor->dtype) {
    case BAL_F32:
        *ret_value = ((const float *)data)[i];
        return true;
    case BAL_F64:
        *ret_value = (float)((const double *)data)[i];
        return isfinite(*ret_value) || !isfinite(((const double *)data)[i]);
    case BAL_I32:
        *ret_value = (float)((const int32_t *)data)[i];
        return true;
    case BAL_I64:
        *ret_value = (float)((const int64_t *)data)[i];
        return true;
    case BAL_U8:
        *ret_value = (float)((const uint8_t *)data)[i];
        return true;
    case BAL_DTYPE_COUNT:
        break;
    }
    return false;
}

static bool whole_number(double value, int64_t *ret_value) {
    if (!(value >= -0x1p63 && value < 0x1p63) || value != floor(value)) return false;
    *ret_value = (int64_t)value;
    return true;
}

/* One element as i64; false when it is not whole or does not fit. */
static bool i64_at(const bal_tensor *tensor, int64_t i, int64_t *ret_value) {
    const void *data = tensor->data;
    switch (tensor->dtype) {
    case BAL_F32:
        return whole_number((double)((const float *)data)[i], ret_value);
    case BAL_F64:
        return whole_number(((const double *)data)[i], ret_value);
    case BAL_I32:
        *ret_value = ((const int32_t *)data)[i];
        return true;
    case BAL_I64:
        *ret_value = ((const int64_t *)data)[i];
        return true;
    case BAL_U8:
        *ret_value = ((const uint8_t *)data)[i];
        return true;
    case BAL_DTYPE_COUNT:
        break;
    }
    return false;
}

/* For messages: only floating types have values that do not convert. */
static double float_at(const bal_tensor *tensor, int64_t i) {
    return tensor->dtype == BAL_F32 ? (double)((const float *)tensor->data)[i]
                                    : ((const double *)tensor->data)[i];
}

static bal_status start(const bal_npy_array *array, bal_dtype dtype, bal_tensor *ret_tensor,
                        bal_error *err) {
    if (array->tensor.data) return bal_tensor_init(ret_tensor, dtype, array->shape, err);
    return bal_fail(err, BAL_EDATA, "wanted an array of numbers, found one of text (%s)",
                    array->dtype);
}

bal_status bal_npy_to_f32(const bal_npy_array *array, bal_tensor *ret_tensor, bal_error *err) {
    bal_tensor tensor = {0};
    BAL_TRY(start(array, BAL_F32, &tensor, err));
    float *to = tensor.data;
    int64_t count = bal_tensor_count(&tensor), done = 0;
    while (done < count && f32_at(&array->tensor, done, &to[done]))
        done++;
    if (done == count) {
        *ret_tensor = tensor;
        return BAL_OK;
    }
    bal_tensor_release(&tensor);
    return bal_fail(err, BAL_EDATA,
                    "element %" PRId64 " is %g, more than float32 holds; scale the data", done,
                    float_at(&array->tensor, done));
}

bal_status bal_npy_to_i64(const bal_npy_array *array, bal_tensor *ret_tensor, bal_error *err) {
    bal_tensor tensor = {0};
    BAL_TRY(start(array, BAL_I64, &tensor, err));
    int64_t *to = tensor.data;
    int64_t count = bal_tensor_count(&tensor), done = 0;
    while (done < count && i64_at(&array->tensor, done, &to[done]))
        done++;
    if (done == count) {
        *ret_tensor = tensor;
        return BAL_OK;
    }
    bal_tensor_release(&tensor);
    return bal_fail(err, BAL_EDATA, "element %" PRId64 " is %g, wanted a whole number of 64 bits",
                    done, float_at(&array->tensor, done));
}
