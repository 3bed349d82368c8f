/* Reading .npy arrays; see npy.h for what becomes of which type, npy_header.c for the header.
 *
 * The common case, numbers that are stored as we keep them, moves the data to the front of the
 * block that holds the file and keeps that block. Everything else is converted element by element,
 * and an array in Fortran order is then permuted once. */
#include "format/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/npy_header.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are read and written as little-endian memory"
#endif

static const size_t file_bytes_max = SIZE_MAX / 4;

/* --- numbers --- */

/* Store one element, given as the bits of the file; false when the value does not fit. */
typedef bool (*convert_fn)(uint64_t bits, void *to);

/* IEEE 754 half precision: 1 sign, 5 exponent, 10 fraction bits. */
static bool convert_f2(uint64_t bits, void *to) {
    uint32_t sign = (uint32_t)(bits >> 15 & 1) << 31;
    uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023, word;
    if (exponent == 0) {
        float subnormal = (float)fraction * 0x1p-24f; /* exact; zero, too */
        memcpy(&word, &subnormal, 4);
    } else {
        word = (exponent == 31 ? 255u : exponent + 127 - 15) << 23 | fraction << 13;
    }
    word |= sign;
    memcpy(to, &word, 4);
    return true;
}

static bool convert_4(uint64_t bits, void *to) {
    uint32_t value = (uint32_t)bits;
    memcpy(to, &value, 4);
    return true;
}

static bool convert_8(uint64_t bits, void *to) {
    memcpy(to, &bits, 8);
    return true;
}

static bool convert_i1(uint64_t bits, void *to) {
    int32_t value = ((int32_t)bits ^ 0x80) - 0x80; /* sign extension of 8 bits */
    memcpy(to, &value, 4);
    return true;
}

static bool convert_i2(uint64_t bits, void *to) {
    int32_t value = ((int32_t)bits ^ 0x8000) - 0x8000;
    memcpy(to, &value, 4);
    return true;
}

static bool convert_u1(uint64_t bits, void *to) {
    *(uint8_t *)to = (uint8_t)bits;
    return true;
}

static bool convert_u8(uint64_t bits, void *to) {
    memcpy(to, &bits, 8);
    return bits <= INT64_MAX;
}

static bool convert_b1(uint64_t bits, void *to) {
    *(uint8_t *)to = bits != 0;
    return true;
}

typedef struct number_type {
    size_t size;
    convert_fn convert;
    bal_dtype dtype;
    char kind;
    bool same; /* stored as we keep it */
} number_type;

static const number_type number_types[] = {
    {2, convert_f2, BAL_F32, 'f', false}, {4, convert_4, BAL_F32, 'f', true},
    {8, convert_8, BAL_F64, 'f', true},   {1, convert_i1, BAL_I32, 'i', false},
    {2, convert_i2, BAL_I32, 'i', false}, {4, convert_4, BAL_I32, 'i', true},
    {8, convert_8, BAL_I64, 'i', true},   {1, convert_u1, BAL_U8, 'u', true},
    {2, convert_4, BAL_I32, 'u', false},  {4, convert_8, BAL_I64, 'u', false},
    {8, convert_u8, BAL_I64, 'u', false}, {1, convert_b1, BAL_U8, 'b', false},
};

static const number_type *find_number_type(const bal_npy_header *header) {
    for (size_t i = 0; i < sizeof number_types / sizeof *number_types; i++) {
        if (number_types[i].kind == header->kind && number_types[i].size == header->item_size)
            return &number_types[i];
    }
    return NULL;
}

static uint64_t load_bits(const char *at, size_t size, bool big_endian) {
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++) {
        bits |= (uint64_t)(unsigned char)at[i] << 8 * (big_endian ? size - 1 - i : i);
    }
    return bits;
}

static bal_status convert_numbers(const bal_npy_header *header, const number_type *type,
                                  const char *from, char *to, bal_error *err) {
    size_t size = type->size, stride = bal_dtype_size(type->dtype);
    for (size_t i = 0; i < header->count; i++) {
        uint64_t bits = load_bits(from + i * size, size, header->big_endian);
        if (type->convert(bits, to + i * stride)) continue;
        return bal_fail(err, BAL_EDATA,
                        "element %zu is %" PRIu64
                        ", more than int64 holds; save x.astype('int64') or "
                        "x.astype('float64')",
                        i, bits);
    }
    return BAL_OK;
}

/* --- memory order --- */

/* Copy elements from Fortran order (first index fastest) to row-major order. */
static void permute(const char *from, char *to, size_t size, const bal_npy_header *header) {
    const bal_shape *shape = &header->shape;
    size_t stride[BAL_RANK_MAX], index[BAL_RANK_MAX] = {0}, source = 0, next = 1;
    for (int32_t d = 0; d < shape->rank; d++) {
        stride[d] = next;
        next *= (size_t)shape->dim[d];
    }
    for (size_t i = 0; i < header->count; i++) {
        memcpy(to + i * size, from + source * size, size);
        for (int32_t d = shape->rank - 1; d >= 0; d--) {
            source += stride[d];
            if (++index[d] < (size_t)shape->dim[d]) break;
            source -= index[d] * stride[d];
            index[d] = 0;
        }
    }
}

/* Replace the block of `count` elements by its row-major copy. */
static bal_status to_row_major(void **block, size_t size, const bal_npy_header *header,
                               bal_error *err) {
    if (!header->fortran_order || header->shape.rank < 2 || header->count == 0) return BAL_OK;
    char *ordered = bal_calloc(header->count, size);
    if (!ordered) return bal_fail_memory(err, header->count * size);
    permute(*block, ordered, size, header);
    bal_free(*block);
    *block = ordered;
    return BAL_OK;
}

static bal_status read_numbers(const bal_npy_header *header, char **block, bal_npy_array *array,
                               bal_error *err) {
    const number_type *type = find_number_type(header);
    if (!type) return bal_fail(err, BAL_EINTERNAL, "type '%s' has no conversion", header->dtype);
    size_t size = bal_dtype_size(type->dtype), bytes;
    if (!bal_size_mul(header->count, size, &bytes)) return bal_fail_memory(err, SIZE_MAX);
    void *data;
    if (type->same && !header->big_endian) {
        data = *block;
        *block = NULL;
        memmove(data, (char *)data + header->data_offset, bytes);
    } else {
        data = bal_calloc(header->count, size);
        if (!data) return bal_fail_memory(err, bytes);
        bal_status status = convert_numbers(header, type, *block + header->data_offset, data, err);
        if (status != BAL_OK) {
            bal_free(data);
            return status;
        }
    }
    array->tensor = (bal_tensor){type->dtype, header->shape, data, true};
    return to_row_major(&array->tensor.data, size, header, err);
}

/* --- text --- */

/* Bytes of a Unicode character in UTF-8; 0 when the number is none. */
static size_t utf8_size(uint32_t c) {
    if (c >= 0xD800 && c < 0xE000) return 0;
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : c < 0x110000 ? 4 : 0;
}

static char *utf8_put(char *to, uint32_t c) {
    size_t size = utf8_size(c);
    static const unsigned char leads[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    for (size_t i = size; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)(leads[size] | c);
    return to + size;
}

/* Elements are padded with zeros; these are not part of the text. */
static size_t unpadded(const bal_npy_header *header, const char *item) {
    size_t size = header->item_size, unit = header->kind == 'U' ? 4 : 1;
    static const char zeros[4];
    while (size > 0 && memcmp(item + size - unit, zeros, unit) == 0)
        size -= unit;
    return size;
}

static bal_status fail_text(size_t index, const char *problem, bal_error *err) {
    return bal_fail(err, BAL_EDATA, "text element %zu %s; correct it before saving", index,
                    problem);
}

/* Bytes of one element as UTF-8. */
static bal_status measure_text(const bal_npy_header *header, const char *item, size_t index,
                               size_t *ret_size, bal_error *err) {
    size_t stored = unpadded(header, item), size = 0;
    if (header->kind == 'S') {
        if (memchr(item, '\0', stored)) return fail_text(index, "holds a NUL character", err);
        if (bal_text_utf8_valid(item, stored) < stored)
            return fail_text(index, "is not UTF-8", err);
        *ret_size = stored;
        return BAL_OK;
    }
    for (size_t at = 0; at < stored; at += 4) {
        uint32_t c = (uint32_t)load_bits(item + at, 4, header->big_endian);
        size_t step = utf8_size(c);
        if (c == 0) return fail_text(index, "holds a NUL character", err);
        if (step == 0) return fail_text(index, "holds a number that is no Unicode character", err);
        size += step;
    }
    *ret_size = size;
    return BAL_OK;
}

/* Write one element and a NUL; returns what follows it. */
static char *copy_text(const bal_npy_header *header, const char *item, char *to) {
    size_t stored = unpadded(header, item);
    if (header->kind == 'S') {
        memcpy(to, item, stored);
        to += stored;
    } else {
        for (size_t at = 0; at < stored; at += 4)
            to = utf8_put(to, (uint32_t)load_bits(item + at, 4, header->big_endian));
    }
    *to = '\0';
    return to + 1;
}

static bal_status read_text(const bal_npy_header *header, const char *bytes, bal_npy_array *array,
                            bal_error *err) {
    const char *items = bytes + header->data_offset;
    size_t pool_size = header->count, size = 0; /* a NUL each */
    for (size_t i = 0; i < header->count; i++) {
        BAL_TRY(measure_text(header, items + i * header->item_size, i, &size, err));
        pool_size += size;
    }
    array->pool = bal_calloc(pool_size, 1);
    array->text = bal_calloc(header->count, sizeof *array->text);
    if (!array->pool || !array->text) return bal_fail_memory(err, pool_size);
    char *to = array->pool;
    for (size_t i = 0; i < header->count; i++) {
        array->text[i] = to;
        to = copy_text(header, items + i * header->item_size, to);
    }
    void *list = array->text;
    bal_status status = to_row_major(&list, sizeof *array->text, header, err);
    array->text = list;
    return status;
}

/* --- the whole --- */

bal_status bal_npy_parse_block(char *block, size_t size, const char *name, bal_npy_array *ret_array,
                               bal_error *err) {
    bal_npy_header header = {0};
    bal_npy_array array = {0};
    bal_status status = bal_npy_header_parse(block, size, name, &header, err);
    if (status == BAL_OK) {
        status = header.kind == 'U' || header.kind == 'S'
                     ? read_text(&header, block, &array, err)
                     : read_numbers(&header, &block, &array, err);
        if (status != BAL_OK) bal_error_prefix(err, "%s", name);
    }
    bal_free(block);
    if (status != BAL_OK) {
        bal_npy_release(&array);
        return status;
    }
    memcpy(array.dtype, header.dtype, sizeof array.dtype);
    array.shape = header.shape;
    *ret_array = array;
    return BAL_OK;
}

bal_status bal_npy_parse(const void *bytes, size_t size, const char *name, bal_npy_array *ret_array,
                         bal_error *err) {
    char *copy = bal_strndup(bytes, size);
    if (!copy) return bal_fail_memory(err, size);
    return bal_npy_parse_block(copy, size, name, ret_array, err);
}

bal_status bal_npy_read(const char *path, bal_npy_array *ret_array, bal_error *err) {
    char *bytes;
    size_t size;
    BAL_TRY(bal_file_read(path, file_bytes_max, &bytes, &size, err));
    return bal_npy_parse_block(bytes, size, path, ret_array, err);
}

void bal_npy_release(bal_npy_array *array) {
    if (!array) return;
    bal_tensor_release(&array->tensor);
    bal_free(array->text);
    bal_free(array->pool);
    memset(array, 0, sizeof *array);
}
