/* The .npy reader. What was read is written out and read again: it must be the same, and from then
 * on the bytes must be, too. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/npy.h"
#include "fuzz.h"

static void require(bool promise) {
    if (!promise) abort();
}

static void append(bal_text *out, const bal_npy_array *array) {
    bal_status status = array->text ? bal_npy_append_text(out, (const char *const *)array->text,
                                                          &array->shape, NULL)
                                    : bal_npy_append(out, &array->tensor, NULL);
    require(status == BAL_OK && !bal_text_failed(out));
}

static void check_round_trip(const bal_npy_array *array) {
    bal_text first = {0}, second = {0};
    bal_npy_array again;
    append(&first, array);
    require(bal_npy_parse(first.data, first.length, "again", &again, NULL) == BAL_OK);
    require(bal_shape_equal(&again.shape, &array->shape));
    require((again.text != NULL) == (array->text != NULL));
    require(again.tensor.dtype == array->tensor.dtype);
    append(&second, &again);
    require(first.length == second.length);
    require(memcmp(first.data, second.data, first.length) == 0);
    bal_npy_release(&again);
    bal_text_release(&first);
    bal_text_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bal_npy_array array;
    bal_tensor tensor = {0};
    bal_error err = {0};
    if (bal_npy_parse(data, size, "fuzz", &array, &err) != BAL_OK) {
        require(err.status != BAL_OK && err.message[0] != '\0');
        return 0;
    }
    require((array.text != NULL) != (array.tensor.data != NULL));
    check_round_trip(&array);
    bal_status status = bal_npy_to_f32(&array, &tensor, &err);
    require(status == BAL_OK || status == BAL_EDATA);
    bal_tensor_release(&tensor);
    status = bal_npy_to_i64(&array, &tensor, &err);
    require(status == BAL_OK || status == BAL_EDATA);
    bal_tensor_release(&tensor);
    bal_npy_release(&array);
    return 0;
}
