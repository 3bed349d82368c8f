/* One pass over the JSON header of a safetensors file (RFC 8259 restricted to what the format
 * needs: objects, strings, and lists of non-negative integers). */
#include "format/safetensors_header.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

const bal_safetensors_type bal_safetensors_types[] = {{"BOOL", 8, BAL_DTYPE_COUNT},
                                                      {"F4", 4, BAL_DTYPE_COUNT},
                                                      {"F6_E2M3", 6, BAL_DTYPE_COUNT},
                                                      {"F6_E3M2", 6, BAL_DTYPE_COUNT},
                                                      {"U8", 8, BAL_U8},
                                                      {"I8", 8, BAL_DTYPE_COUNT},
                                                      {"F8_E5M2", 8, BAL_DTYPE_COUNT},
                                                      {"F8_E4M3", 8, BAL_DTYPE_COUNT},
                                                      {"F8_E8M0", 8, BAL_DTYPE_COUNT},
                                                      {"F8_E4M3FNUZ", 8, BAL_DTYPE_COUNT},
                                                      {"F8_E5M2FNUZ", 8, BAL_DTYPE_COUNT},
                                                      {"I16", 16, BAL_DTYPE_COUNT},
                                                      {"U16", 16, BAL_DTYPE_COUNT},
                                                      {"F16", 16, BAL_DTYPE_COUNT},
                                                      {"BF16", 16, BAL_DTYPE_COUNT},
                                                      {"I32", 32, BAL_I32},
                                                      {"U32", 32, BAL_DTYPE_COUNT},
                                                      {"F32", 32, BAL_F32},
                                                      {"C64", 64, BAL_DTYPE_COUNT},
                                                      {"F64", 64, BAL_F64},
                                                      {"I64", 64, BAL_I64},
                                                      {"U64", 64, BAL_DTYPE_COUNT},
                                                      {NULL, 0, BAL_DTYPE_COUNT}};

typedef struct scanner {
    const char *start, *at, *end;
    const char *source;
    bal_arena *arena;
    bal_text string; /* scratch: the string being read */
    bal_error *err;
} scanner;

static bal_status fail(const scanner *s, const char *format, ...) BAL_PRINTF(2, 3);

static bal_status fail(const scanner *s, const char *format, ...) {
    char message[sizeof s->err->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return bal_fail(s->err, BAL_EFORMAT, "%s: header byte %zu: %s", s->source,
                    (size_t)(s->at - s->start), message);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(scanner *s) {
    while (s->at < s->end && is_space(*s->at))
        s->at++;
}

/* Take a punctuation mark if it comes next. */
static bool take(scanner *s, char mark) {
    skip_space(s);
    if (s->at == s->end || *s->at != mark) return false;
    s->at++;
    return true;
}

static bal_status expect(scanner *s, char mark) {
    if (take(s, mark)) return BAL_OK;
    if (s->at == s->end) return fail(s, "wanted '%c', found the end of the header", mark);
    return fail(s, "wanted '%c', found byte 0x%02X", mark, (unsigned char)*s->at);
}

static bal_status scan_hex(scanner *s, unsigned *ret_value) {
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = s->at < s->end ? *s->at : '\0';
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) return fail(s, "four hexadecimal digits must follow \\u");
        value = value << 4 | digit;
        s->at++;
    }
    *ret_value = value;
    return BAL_OK;
}

static void put_utf8(bal_text *text, unsigned code) {
    char c[4] = {(char)(0xF0 | code >> 18), (char)(0x80 | (code >> 12 & 0x3F)),
                 (char)(0x80 | (code >> 6 & 0x3F)), (char)(0x80 | (code & 0x3F))};
    int first = 0;
    if (code < 0x80) {
        first = 3;
        c[3] = (char)code;
    } else if (code < 0x800) {
        first = 2;
        c[2] = (char)(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        first = 1;
        c[1] = (char)(0xE0 | code >> 12);
    }
    bal_text_append(text, c + first, (size_t)(4 - first));
}

/* After "\u": one unit of UTF-16, or two that belong together. */
static bal_status scan_unicode_escape(scanner *s) {
    unsigned code, low;
    BAL_TRY(scan_hex(s, &code));
    if (code == 0) return fail(s, "a string holds the character NUL");
    if (code >= 0xD800 && code < 0xE000) {
        bool pair = code < 0xDC00 && s->end - s->at >= 2 && s->at[0] == '\\' && s->at[1] == 'u';
        if (!pair) return fail(s, "a string holds half a character (\\u%04x)", code);
        s->at += 2;
        BAL_TRY(scan_hex(s, &low));
        if (low < 0xDC00 || low >= 0xE000)
            return fail(s, "a string holds half a character (\\u%04x)", code);
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    put_utf8(&s->string, code);
    return BAL_OK;
}

static bal_status scan_escape(scanner *s) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (s->at == s->end) return fail(s, "a string does not end");
    char c = *s->at++;
    if (c == 'u') return scan_unicode_escape(s);
    const char *known = c ? strchr(names, c) : NULL;
    if (!known) return fail(s, "unknown escape in a string (byte 0x%02X)", (unsigned char)c);
    bal_text_append(&s->string, &values[known - names], 1);
    return BAL_OK;
}

/* A string into s->string, valid until the next. */
static bal_status scan_string(scanner *s) {
    BAL_TRY(expect(s, '"'));
    bal_text_clear(&s->string);
    bal_text_puts(&s->string, "");
    for (;;) {
        const char *run = s->at;
        while (s->at < s->end && *s->at != '"' && *s->at != '\\' && (unsigned char)*s->at >= 0x20)
            s->at++;
        bal_text_append(&s->string, run, (size_t)(s->at - run));
        if (s->at == s->end) return fail(s, "a string does not end");
        char c = *s->at++;
        if (c == '"') break;
        if (c != '\\') return fail(s, "control character 0x%02X in a string", (unsigned char)c);
        BAL_TRY(scan_escape(s));
    }
    if (bal_text_failed(&s->string)) return bal_fail_memory(s->err, s->string.length);
    return BAL_OK;
}

static bal_status keep_string(scanner *s, const char **ret_string) {
    BAL_TRY(scan_string(s));
    const char *kept = bal_arena_strndup(s->arena, s->string.data, s->string.length);
    if (!kept) return bal_fail_memory(s->err, s->string.length);
    *ret_string = kept;
    return BAL_OK;
}

/* A non-negative integer that fits int64_t, without sign, leading zeros, fraction or exponent. */
static bal_status scan_count(scanner *s, uint64_t *ret_value) {
    skip_space(s);
    const char *first = s->at;
    int64_t value = 0;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
        if (!bal_i64_mul(value, 10, &value) || !bal_i64_add(value, *s->at - '0', &value))
            return fail(s, "a number does not fit 63 bits");
    }
    if (s->at == first) return fail(s, "wanted a non-negative integer");
    bool malformed = (*first == '0' && s->at - first > 1) ||
                     (s->at < s->end && strchr(".eE+-", *s->at) && *s->at);
    if (malformed) return fail(s, "a number is not written as a plain integer");
    *ret_value = (uint64_t)value;
    return BAL_OK;
}

/* ---- the entries ---- */

enum { SEEN_DTYPE = 1, SEEN_SHAPE = 2, SEEN_OFFSETS = 4, SEEN_ALL = 7 };

static bal_status scan_dtype(scanner *s, bal_safetensors_entry *entry) {
    BAL_TRY(scan_string(s));
    for (const bal_safetensors_type *type = bal_safetensors_types; type->name; type++) {
        if (strcmp(type->name, s->string.data) != 0) continue;
        entry->tensor.type_name = type->name;
        entry->tensor.dtype = type->ours;
        entry->bits = type->bits;
        return BAL_OK;
    }
    return fail(s, "tensor '%s' has the unknown dtype '%.40s'", entry->tensor.name, s->string.data);
}

static bal_status scan_shape(scanner *s, bal_safetensors_entry *entry) {
    bal_shape *shape = &entry->tensor.shape;
    BAL_TRY(expect(s, '['));
    if (take(s, ']')) return BAL_OK;
    do {
        uint64_t dim;
        BAL_TRY(scan_count(s, &dim));
        if (shape->rank == BAL_RANK_MAX)
            return fail(s, "tensor '%s' has more than %d dimensions", entry->tensor.name,
                        BAL_RANK_MAX);
        shape->dim[shape->rank++] = (int64_t)dim;
    } while (take(s, ','));
    return expect(s, ']');
}

static bal_status scan_offsets(scanner *s, bal_safetensors_entry *entry) {
    BAL_TRY(expect(s, '['));
    BAL_TRY(scan_count(s, &entry->begin));
    BAL_TRY(expect(s, ','));
    BAL_TRY(scan_count(s, &entry->end));
    return expect(s, ']');
}

static bal_status scan_member(scanner *s, bal_safetensors_entry *entry, int *seen) {
    BAL_TRY(scan_string(s));
    const char *key = s->string.data;
    int bit = strcmp(key, "dtype") == 0          ? SEEN_DTYPE
              : strcmp(key, "shape") == 0        ? SEEN_SHAPE
              : strcmp(key, "data_offsets") == 0 ? SEEN_OFFSETS
                                                 : 0;
    if (bit == 0)
        return fail(s, "tensor '%s' has the unknown key '%.40s'", entry->tensor.name, key);
    if (*seen & bit) return fail(s, "tensor '%s' has the key '%s' twice", entry->tensor.name, key);
    *seen |= bit;
    BAL_TRY(expect(s, ':'));
    if (bit == SEEN_DTYPE) return scan_dtype(s, entry);
    return bit == SEEN_SHAPE ? scan_shape(s, entry) : scan_offsets(s, entry);
}

/* The offsets must span exactly shape × type. */
static bal_status check_entry(const scanner *s, bal_safetensors_entry *entry) {
    bal_safetensor *tensor = &entry->tensor;
    if (entry->begin > entry->end)
        return fail(s, "tensor '%s' ends before it begins (%llu, %llu)", tensor->name,
                    (unsigned long long)entry->begin, (unsigned long long)entry->end);
    int64_t bits = entry->bits;
    bool fits = true;
    for (int i = 0; i < tensor->shape.rank && fits; i++)
        fits = bal_i64_mul(bits, tensor->shape.dim[i], &bits);
    if (!fits) return fail(s, "tensor '%s' has a shape whose size overflows", tensor->name);
    if (bits % 8 != 0)
        return fail(s, "tensor '%s' of %s does not end at a whole byte", tensor->name,
                    tensor->type_name);
    if (entry->end - entry->begin != (uint64_t)bits / 8)
        return fail(s, "tensor '%s': shape and dtype make %lld bytes, data_offsets span %llu",
                    tensor->name, (long long)(bits / 8),
                    (unsigned long long)(entry->end - entry->begin));
    tensor->bytes = (size_t)bits / 8;
    return BAL_OK;
}

static bal_status scan_entry(scanner *s, bal_safetensors_header *header, const char *name) {
    bal_safetensors_entry entry = {.tensor = {.name = name}};
    int seen = 0;
    BAL_TRY(expect(s, '{'));
    do {
        BAL_TRY(scan_member(s, &entry, &seen));
    } while (take(s, ','));
    BAL_TRY(expect(s, '}'));
    if (seen != SEEN_ALL) return fail(s, "tensor '%s' lacks dtype, shape or data_offsets", name);
    BAL_TRY(check_entry(s, &entry));
    if (!bal_reserve(header->entries, header->entry_capacity, header->entry_count + 1))
        return bal_fail_memory(s->err, (header->entry_count + 1) * sizeof entry);
    header->entries[header->entry_count++] = entry;
    return BAL_OK;
}

static bal_status scan_metadata(scanner *s, bal_safetensors_header *header) {
    BAL_TRY(expect(s, '{'));
    if (take(s, '}')) return BAL_OK;
    do {
        bal_safetensors_pair pair;
        BAL_TRY(keep_string(s, &pair.key));
        BAL_TRY(expect(s, ':'));
        BAL_TRY(keep_string(s, &pair.value));
        if (!bal_reserve(header->pairs, header->pair_capacity, header->pair_count + 1))
            return bal_fail_memory(s->err, (header->pair_count + 1) * sizeof pair);
        header->pairs[header->pair_count++] = pair;
    } while (take(s, ','));
    return expect(s, '}');
}

static bal_status scan_header(scanner *s, bal_safetensors_header *header) {
    bool has_metadata = false;
    if (s->at == s->end || *s->at != '{') return fail(s, "the header does not begin with '{'");
    BAL_TRY(expect(s, '{'));
    if (!take(s, '}')) {
        do {
            const char *name;
            BAL_TRY(keep_string(s, &name));
            BAL_TRY(expect(s, ':'));
            if (strcmp(name, "__metadata__") != 0) {
                BAL_TRY(scan_entry(s, header, name));
                continue;
            }
            if (has_metadata) return fail(s, "the key '__metadata__' comes twice");
            has_metadata = true;
            BAL_TRY(scan_metadata(s, header));
        } while (take(s, ','));
        BAL_TRY(expect(s, '}'));
    }
    while (s->at < s->end && *s->at == ' ')
        s->at++;
    if (s->at < s->end) return fail(s, "something other than spaces follows the header's '}'");
    return BAL_OK;
}

bal_status bal_safetensors_parse_header(const char *text, size_t length, const char *source,
                                        bal_arena *arena, bal_safetensors_header *header,
                                        bal_error *err) {
    scanner s = {.start = text,
                 .at = text,
                 .end = text + length,
                 .source = source,
                 .arena = arena,
                 .err = err};
    size_t valid = bal_text_utf8_valid(text, length);
    if (valid < length) {
        s.at = text + valid;
        return fail(&s, "byte 0x%02X is not UTF-8", (unsigned char)text[valid]);
    }
    bal_status status = scan_header(&s, header);
    bal_text_release(&s.string);
    return status;
}

void bal_safetensors_release_header(bal_safetensors_header *header) {
    bal_free(header->entries);
    bal_free(header->pairs);
    *header = (bal_safetensors_header){0};
}
