/* Writing .npy arrays, byte for byte as numpy.save does; see npy.h.
 *
 * Version 1.0, little-endian, row-major. The header is padded so that the data begins at a multiple
 * of 64 and, as NumPy does since 1.23, so that the first dimension could grow to 21 digits in
 * place. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/npy.h"

enum { DATA_ALIGN = 64, PREFIX_BYTES = 10, GROWTH_DIGITS = 21, UTF32_BYTES = 4 };

static const char *const type_names[BAL_DTYPE_COUNT] = {
    [BAL_F32] = "<f4", [BAL_F64] = "<f8", [BAL_I32] = "<i4", [BAL_I64] = "<i8", [BAL_U8] = "|u1",
};

static void append_spaces(bal_text *text, size_t count) {
    for (size_t i = 0; i < count; i++)
        bal_text_append(text, " ", 1);
}

/* Everything before the data. A shape of 6 dimensions fits the 16-bit length many times over. */
static void append_header(bal_text *out, const char *type, const bal_shape *shape) {
    bal_text dict = {0};
    bal_text_printf(&dict, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    for (int32_t i = 0; i < shape->rank; i++) {
        bal_text_printf(&dict, i > 0 ? ", %" PRId64 : "%" PRId64, shape->dim[i]);
    }
    bal_text_puts(&dict, shape->rank == 1 ? ",), }" : "), }");
    if (shape->rank > 0) {
        int digits = snprintf(NULL, 0, "%" PRId64, shape->dim[0]);
        append_spaces(&dict, (size_t)(GROWTH_DIGITS - digits));
    }
    size_t used = PREFIX_BYTES + dict.length + 1;
    append_spaces(&dict, DATA_ALIGN - used % DATA_ALIGN);
    bal_text_append(&dict, "\n", 1);

    const unsigned char prefix[PREFIX_BYTES] = {0x93,
                                                'N',
                                                'U',
                                                'M',
                                                'P',
                                                'Y',
                                                1,
                                                0,
                                                (unsigned char)(dict.length & 0xff),
                                                (unsigned char)(dict.length >> 8)};
    bal_text_append(out, (const char *)prefix, PREFIX_BYTES);
    if (dict.data) bal_text_append(out, dict.data, dict.length);
    out->failed |= bal_text_failed(&dict);
    bal_text_release(&dict);
}

static bal_status check_tensor(const bal_tensor *tensor, size_t *ret_bytes, bal_error *err) {
    if (bal_shape_bytes(&tensor->shape, tensor->dtype, ret_bytes)) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "a tensor to be saved has a shape that no tensor can have");
}

bal_status bal_npy_append(bal_text *out, const bal_tensor *tensor, bal_error *err) {
    size_t bytes;
    BAL_TRY(check_tensor(tensor, &bytes, err));
    append_header(out, type_names[tensor->dtype], &tensor->shape);
    bal_text_append(out, tensor->data, bytes);
    return BAL_OK;
}

bal_status bal_npy_write(const char *path, const bal_tensor *tensor, bal_error *err) {
    size_t bytes;
    bal_text header = {0};
    bal_file_writer file = {0};
    BAL_TRY(check_tensor(tensor, &bytes, err));
    append_header(&header, type_names[tensor->dtype], &tensor->shape);
    bal_status status = BAL_OK;
    if (bal_text_failed(&header)) BAL_TRY_OUT(bal_fail_memory(err, DATA_ALIGN));
    BAL_TRY_OUT(bal_file_writer_open(&file, path, err));
    bal_file_writer_put(&file, header.data, header.length);
    bal_file_writer_put(&file, tensor->data, bytes);
    status = bal_file_writer_commit(&file, err);
out:
    bal_text_release(&header);
    return status;
}

/* --- text --- */

/* Number of characters of valid UTF-8. */
static size_t count_characters(const char *text) {
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

/* The next character of valid UTF-8. */
static uint32_t next_character(const char **text) {
    const unsigned char *at = (const unsigned char *)*text;
    uint32_t c = *at++;
    if (c >= 0xC0) c &= c >= 0xF0 ? 0x07 : c >= 0xE0 ? 0x0F : 0x1F;
    while ((*at & 0xC0) == 0x80)
        c = c << 6 | (*at++ & 0x3F);
    *text = (const char *)at;
    return c;
}

/* Characters of the longest text, at least 1, as NumPy has it. */
static bal_status find_width(const char *const *text, size_t count, size_t *ret_width,
                             bal_error *err) {
    size_t width = 1;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(text[i]);
        if (bal_text_utf8_valid(text[i], length) < length)
            return bal_fail(err, BAL_EDATA, "text element %zu to be saved is not UTF-8", i);
        size_t characters = count_characters(text[i]);
        if (characters > width) width = characters;
    }
    *ret_width = width;
    return BAL_OK;
}

static void encode(const char *const *text, size_t count, size_t width, unsigned char *to) {
    for (size_t i = 0; i < count; i++) {
        unsigned char *item = to + i * width * UTF32_BYTES;
        for (const char *at = text[i]; *at; item += UTF32_BYTES) {
            uint32_t c = next_character(&at);
            for (int byte = 0; byte < UTF32_BYTES; byte++)
                item[byte] = (unsigned char)(c >> 8 * byte);
        }
    }
}

bal_status bal_npy_append_text(bal_text *out, const char *const *text, const bal_shape *shape,
                               bal_error *err) {
    size_t count, width = 0, bytes;
    char type[32];
    if (!bal_shape_bytes(shape, BAL_U8, &count))
        return bal_fail(err, BAL_EINVAL, "text to be saved has a shape that no array can have");
    BAL_TRY(find_width(text, count, &width, err));
    if (width > INT32_MAX / UTF32_BYTES || !bal_size_mul(count, width * UTF32_BYTES, &bytes))
        return bal_fail(err, BAL_EOVERFLOW,
                        "%zu texts of %zu characters are too much for one array", count, width);
    unsigned char *items = bal_calloc(bytes, 1);
    if (!items) return bal_fail_memory(err, bytes);
    encode(text, count, width, items);
    snprintf(type, sizeof type, "<U%zu", width);
    append_header(out, type, shape);
    bal_text_append(out, (const char *)items, bytes);
    bal_free(items);
    return BAL_OK;
}

bal_status bal_npy_write_text(const char *path, const char *const *text, const bal_shape *shape,
                              bal_error *err) {
    bal_text bytes = {0};
    bal_status status = bal_npy_append_text(&bytes, text, shape, err);
    if (status == BAL_OK && bal_text_failed(&bytes)) status = bal_fail_memory(err, bytes.length);
    if (status == BAL_OK) status = bal_file_replace(path, bytes.data, bytes.length, err);
    bal_text_release(&bytes);
    return status;
}
