/* The header of a .npy file (NumPy Enhancement Proposal 1; numpy.lib.format).
 *
 * After the magic "\x93NUMPY", a version and a length comes one Python dictionary, padded with
 * blanks and ended by a line feed:
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 *
 * NumPy evaluates it as Python; we accept exactly these three keys, each once and in any order,
 * with the literals NumPy writes. Versions 1 to 3 differ in the width of the length and in the
 * encoding of field names, which only structured arrays have. */
#include "format/npy_header.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

enum { MAGIC_BYTES = 6, VERSION_END = 8, NAME_BYTES_MAX = 31 };

/* The dictionary being read. */
typedef struct cursor {
    const char *at, *begin, *end;
    const char *name;
    bal_error *err;
} cursor;

static bal_status fail_at(const cursor *cur, const char *wanted) {
    char found[24] = "the end";
    if (cur->at < cur->end) {
        unsigned char c = (unsigned char)*cur->at;
        snprintf(found, sizeof found, c >= 0x20 && c < 0x7f ? "'%c'" : "byte 0x%02X", c);
    }
    return bal_fail(cur->err, BAL_EFORMAT, "%s: npy header, character %td: wanted %s, found %s",
                    cur->name, cur->at - cur->begin + 1, wanted, found);
}

static void skip_blanks(cursor *cur) {
    while (cur->at < cur->end && (*cur->at == ' ' || *cur->at == '\n'))
        cur->at++;
}

/* Whether the next character is this one; steps over it. */
static bool accept(cursor *cur, char c) {
    skip_blanks(cur);
    if (cur->at == cur->end || *cur->at != c) return false;
    cur->at++;
    return true;
}

static bool accept_word(cursor *cur, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(cur->end - cur->at) < length || memcmp(cur->at, word, length) != 0) return false;
    cur->at += length;
    return true;
}

/* A string literal without escapes: keys and type names need none. */
static bal_status read_string(cursor *cur, char ret_string[NAME_BYTES_MAX + 1]) {
    skip_blanks(cur);
    char quote = cur->at < cur->end ? *cur->at : '\0';
    if (quote != '\'' && quote != '"') return fail_at(cur, "a string");
    const char *first = ++cur->at;
    while (cur->at < cur->end && *cur->at != quote && *cur->at != '\\')
        cur->at++;
    size_t length = (size_t)(cur->at - first);
    if (length > NAME_BYTES_MAX || !accept(cur, quote))
        return fail_at(cur, "the end of a short string");
    memcpy(ret_string, first, length);
    ret_string[length] = '\0';
    return BAL_OK;
}

static bal_status read_bool(cursor *cur, bool *ret_value) {
    skip_blanks(cur);
    bool value = accept_word(cur, "True");
    if (!value && !accept_word(cur, "False")) return fail_at(cur, "True or False");
    *ret_value = value;
    return BAL_OK;
}

static bal_status read_dimension(cursor *cur, int64_t *ret_dimension) {
    skip_blanks(cur);
    const char *first = cur->at;
    while (cur->at < cur->end && *cur->at >= '0' && *cur->at <= '9')
        cur->at++;
    if (cur->at == first) return fail_at(cur, "a number");
    if (!bal_text_parse_i64(first, (size_t)(cur->at - first), ret_dimension)) {
        cur->at = first;
        return fail_at(cur, "a number below 2^63");
    }
    accept_word(cur, "L"); /* written by Python 2 */
    return BAL_OK;
}

/* (), (3,) or (3, 4): Python's tuples. */
static bal_status read_shape(cursor *cur, bal_shape *ret_shape) {
    bal_shape shape = {0};
    bool comma = true;
    if (!accept(cur, '(')) return fail_at(cur, "'('");
    while (!accept(cur, ')')) {
        if (!comma) return fail_at(cur, "',' or ')'");
        if (shape.rank == BAL_RANK_MAX) {
            return bal_fail(cur->err, BAL_EUNSUPPORTED,
                            "%s: the array has more than %d dimensions; reshape it before saving",
                            cur->name, BAL_RANK_MAX);
        }
        BAL_TRY(read_dimension(cur, &shape.dim[shape.rank]));
        shape.rank++;
        comma = accept(cur, ',');
    }
    if (shape.rank == 1 && !comma) return fail_at(cur, "',' before ')' in a tuple of one");
    *ret_shape = shape;
    return BAL_OK;
}

/* --- the type --- */

/* What to do about the types we do not have. */
static const struct {
    char kind;
    const char *what, *instead;
} unsupported[] = {
    {'O', "Python objects, which only a pickle can hold",
     "text with x.astype(str), numbers with x.astype('float32')"},
    {'c', "complex numbers", "x.real and x.imag as two arrays"},
    {'M', "dates", "x.astype('int64')"},
    {'m', "time spans", "x.astype('int64')"},
    {'V', "raw bytes (bfloat16 is stored so, too)", "x.astype('float32')"},
    {'g', "long doubles", "x.astype('float64')"},
};

static bal_status fail_type(const cursor *cur, const char *dtype) {
    char kind = dtype[0] && strchr("<>|=", dtype[0]) ? dtype[1] : dtype[0];
    const char *what = "a type that is neither number nor text";
    const char *instead = "x.astype('float64') or x.astype(str)";
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) {
        if (unsupported[i].kind != kind) continue;
        what = unsupported[i].what;
        instead = unsupported[i].instead;
    }
    return bal_fail(cur->err, BAL_EUNSUPPORTED,
                    "%s: the array is of type '%s': %s cannot be read; save %s instead", cur->name,
                    dtype, what, instead);
}

static bool known_size(char kind, int64_t size) {
    switch (kind) {
    case 'f':
        return size == 2 || size == 4 || size == 8;
    case 'i':
    case 'u':
        return size == 1 || size == 2 || size == 4 || size == 8;
    case 'b':
        return size == 1;
    case 'U':
    case 'S':
        return size >= 1 && size <= INT32_MAX;
    default:
        return false;
    }
}

static bal_status read_type(cursor *cur, bal_npy_header *header) {
    char dtype[NAME_BYTES_MAX + 1] = "";
    int64_t size = 0;
    skip_blanks(cur);
    if (cur->at < cur->end && (*cur->at == '[' || *cur->at == '(')) {
        return bal_fail(cur->err, BAL_EUNSUPPORTED,
                        "%s: the array has named fields; save each as an array of its own, as in "
                        "numpy.savez(path, a=x['a'], b=x['b'])",
                        cur->name);
    }
    BAL_TRY(read_string(cur, dtype));
    size_t length = strlen(dtype);
    if (length < 3 || length >= sizeof header->dtype || !strchr("<>|=", dtype[0]) ||
        !bal_text_parse_i64(dtype + 2, length - 2, &size) || !known_size(dtype[1], size))
        return fail_type(cur, dtype);
    memcpy(header->dtype, dtype, length + 1);
    header->kind = dtype[1];
    header->item_size = (size_t)size * (dtype[1] == 'U' ? 4 : 1);
    header->big_endian = dtype[0] == '>';
    return BAL_OK;
}

/* --- the dictionary --- */

static bal_status read_entry(cursor *cur, bal_npy_header *header, unsigned *seen) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    char key[NAME_BYTES_MAX + 1] = "";
    unsigned which = 0;
    const char *first = cur->at;
    BAL_TRY(read_string(cur, key));
    while (which < 3 && strcmp(key, keys[which]) != 0)
        which++;
    if (which == 3 || *seen & 1u << which) {
        cur->at = first;
        return fail_at(cur, "each of 'descr', 'fortran_order' and 'shape' once");
    }
    *seen |= 1u << which;
    if (!accept(cur, ':')) return fail_at(cur, "':'");
    if (which == 0) return read_type(cur, header);
    if (which == 1) return read_bool(cur, &header->fortran_order);
    return read_shape(cur, &header->shape);
}

static bal_status read_dictionary(cursor *cur, bal_npy_header *header) {
    unsigned seen = 0;
    bool comma = true;
    if (!accept(cur, '{')) return fail_at(cur, "'{'");
    while (!accept(cur, '}')) {
        if (!comma) return fail_at(cur, "',' or '}'");
        BAL_TRY(read_entry(cur, header, &seen));
        comma = accept(cur, ',');
    }
    if (seen != 7) return fail_at(cur, "'descr', 'fortran_order' and 'shape' before the end");
    skip_blanks(cur);
    return cur->at == cur->end ? BAL_OK : fail_at(cur, "nothing after '}'");
}

/* --- the frame around it --- */

/* Where the dictionary begins and ends. */
static bal_status find_dictionary(const char *bytes, size_t size, cursor *cur) {
    if (size < VERSION_END || memcmp(bytes, "\x93NUMPY", MAGIC_BYTES) != 0) {
        return bal_fail(cur->err, BAL_EFORMAT,
                        "%s: not a .npy array: it does not begin with the mark \\x93NUMPY",
                        cur->name);
    }
    const unsigned char *version = (const unsigned char *)bytes + MAGIC_BYTES;
    if (version[0] < 1 || version[0] > 3 || version[1] != 0) {
        return bal_fail(cur->err, BAL_EUNSUPPORTED,
                        "%s: npy format version %u.%u; versions 1.0, 2.0 and 3.0 can be read",
                        cur->name, version[0], version[1]);
    }
    size_t width = version[0] == 1 ? 2 : 4, length = 0;
    size_t begin = VERSION_END + width;
    for (size_t i = 0; i < width && size >= begin; i++)
        length |= (size_t)(unsigned char)bytes[VERSION_END + i] << 8 * i;
    if (size < begin || length > size - begin) {
        return bal_fail(cur->err, BAL_EFORMAT,
                        "%s: the npy header of %zu bytes is cut short; the file has %zu bytes",
                        cur->name, length, size);
    }
    cur->begin = cur->at = bytes + begin;
    cur->end = cur->begin + length;
    return BAL_OK;
}

/* The shape must account for every byte of the file before anything is allocated for it. */
static bal_status check_size(const cursor *cur, size_t size, bal_npy_header *header) {
    char shape[128];
    size_t data, found = size - header->data_offset;
    if (!bal_shape_bytes(&header->shape, BAL_U8, &header->count) ||
        !bal_size_mul(header->count, header->item_size, &data)) {
        return bal_fail(cur->err, BAL_EFORMAT, "%s: shape %s of type %s is larger than any memory",
                        cur->name, bal_shape_text(&header->shape, shape, sizeof shape),
                        header->dtype);
    }
    if (data == found) return BAL_OK;
    return bal_fail(cur->err, BAL_EFORMAT,
                    "%s: shape %s of type %s takes %zu bytes, found %zu; the file is %s", cur->name,
                    bal_shape_text(&header->shape, shape, sizeof shape), header->dtype, data, found,
                    data > found ? "cut short" : "longer than its array");
}

bal_status bal_npy_header_parse(const char *bytes, size_t size, const char *name,
                                bal_npy_header *ret_header, bal_error *err) {
    bal_npy_header header = {0};
    cursor cur = {.name = name, .err = err};
    BAL_TRY(find_dictionary(bytes, size, &cur));
    BAL_TRY(read_dictionary(&cur, &header));
    header.data_offset = (size_t)(cur.end - bytes);
    BAL_TRY(check_size(&cur, size, &header));
    *ret_header = header;
    return BAL_OK;
}
