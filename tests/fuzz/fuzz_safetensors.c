/* An accepted file has named tensors that can be found and whose bytes can all be read, and they
 * make up the whole data section. */
#include <stdlib.h>
#include <string.h>

#include "format/safetensors.h"
#include "fuzz.h"

static volatile unsigned sink;

static void visit(const bal_safetensors *file, size_t size) {
    size_t total = 0;
    for (size_t i = 0; i < bal_safetensors_count(file); i++) {
        const bal_safetensor *tensor = bal_safetensors_at(file, i);
        const unsigned char *data = tensor->data;
        size_t wanted;
        if (bal_safetensors_find(file, tensor->name) != tensor || !tensor->type_name) abort();
        if (tensor->dtype != BAL_DTYPE_COUNT) {
            if (!bal_shape_bytes(&tensor->shape, tensor->dtype, &wanted)) abort();
            if (wanted != tensor->bytes || (uintptr_t)data % bal_dtype_size(tensor->dtype)) abort();
        }
        for (size_t byte = 0; byte < tensor->bytes; byte++)
            sink += data[byte];
        total += tensor->bytes;
    }
    if (total > size) abort();
    const char *value = bal_safetensors_metadata(file, "k");
    if (value) sink += (unsigned)strlen(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bal_error err = {0};
    bal_safetensors *file = NULL;
    bal_status status =
        bal_safetensors_open_memory(size ? (const void *)data : "", size, "f", &file, &err);
    if (status == BAL_OK)
        visit(file, size);
    else if (status != BAL_EFORMAT || strncmp(err.message, "f: ", 3) != 0)
        abort();
    bal_safetensors_close(file);
    return 0;
}
