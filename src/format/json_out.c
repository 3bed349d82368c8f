/* Streaming JSON output (RFC 8259). The state of the nesting is three bit sets, one bit a level, so
 * that the writer lives on the stack and never allocates by itself. */
#include "format/json_out.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool level_bit(uint64_t bits, int depth) {
    return depth > 0 && (bits >> (depth - 1) & 1);
}

static void set_level_bit(uint64_t *bits, int depth, bool on) {
    uint64_t mask = (uint64_t)1 << (depth - 1);
    *bits = on ? *bits | mask : *bits & ~mask;
}

void bal_json_out_init(bal_json_out *out, bal_text *text, int indent) {
    *out = (bal_json_out){.text = text, .indent = indent};
}

static bool on_one_line(const bal_json_out *out) {
    return out->indent <= 0 || level_bit(out->rows, out->depth);
}

static void break_line(bal_json_out *out) {
    bal_text_puts(out->text, "\n");
    for (int i = 0; i < out->depth * out->indent; i++)
        bal_text_puts(out->text, " ");
}

/* The separator and layout before an item of the innermost container. */
static void begin_item(bal_json_out *out) {
    if (out->depth == 0) return;
    bool first = !level_bit(out->started, out->depth);
    set_level_bit(&out->started, out->depth, true);
    if (!first) bal_text_puts(out->text, ",");
    if (!on_one_line(out))
        break_line(out);
    else if (!first && out->indent != BAL_JSON_TIGHT)
        bal_text_puts(out->text, " ");
}

static void begin_value(bal_json_out *out) {
    if (level_bit(out->objects, out->depth)) {
        assert(out->after_key);
        out->after_key = false;
    } else {
        begin_item(out);
    }
}

static void open_container(bal_json_out *out, const char *bracket, bool object, bool row) {
    assert(out->depth < BAL_JSON_DEPTH_MAX);
    begin_value(out);
    bal_text_puts(out->text, bracket);
    bool inherited = level_bit(out->rows, out->depth);
    out->depth++;
    set_level_bit(&out->objects, out->depth, object);
    set_level_bit(&out->started, out->depth, false);
    set_level_bit(&out->rows, out->depth, row || inherited);
}

static void close_container(bal_json_out *out, const char *bracket, bool object) {
    assert(out->depth > 0 && level_bit(out->objects, out->depth) == object && !out->after_key);
    bool broken = level_bit(out->started, out->depth) && !on_one_line(out);
    out->depth--;
    if (broken) break_line(out);
    bal_text_puts(out->text, bracket);
}

void bal_json_out_object(bal_json_out *out) {
    open_container(out, "{", true, false);
}

void bal_json_out_object_end(bal_json_out *out) {
    close_container(out, "}", true);
}

void bal_json_out_array(bal_json_out *out) {
    open_container(out, "[", false, false);
}

void bal_json_out_row(bal_json_out *out) {
    open_container(out, "[", false, true);
}

void bal_json_out_array_end(bal_json_out *out) {
    close_container(out, "]", false);
}

/* Escapes as short as RFC 8259 allows; '/' and non-ASCII text stay as they are. */
static void put_escaped(bal_text *text, const char *bytes, size_t length) {
    static const char named[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                 ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    size_t plain = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        bal_text_append(text, bytes + plain, i - plain);
        plain = i + 1;
        if (named[c])
            bal_text_append(text, (const char[]){'\\', named[c]}, 2);
        else
            bal_text_printf(text, "\\u%04x", c);
    }
    bal_text_append(text, bytes + plain, length - plain);
}

static void put_string(bal_text *text, const char *bytes, size_t length) {
    bal_text_puts(text, "\"");
    while (length > 0) {
        size_t valid = bal_text_utf8_valid(bytes, length);
        put_escaped(text, bytes, valid);
        if (valid < length) {
            bal_text_puts(text, "\xEF\xBF\xBD");
            valid++;
        }
        bytes += valid;
        length -= valid;
    }
    bal_text_puts(text, "\"");
}

void bal_json_out_key(bal_json_out *out, const char *key) {
    assert(level_bit(out->objects, out->depth) && !out->after_key);
    begin_item(out);
    put_string(out->text, key, strlen(key));
    bal_text_puts(out->text, out->indent == BAL_JSON_TIGHT ? ":" : ": ");
    out->after_key = true;
}

void bal_json_out_bytes(bal_json_out *out, const char *bytes, size_t length) {
    begin_value(out);
    put_string(out->text, bytes, length);
}

void bal_json_out_string(bal_json_out *out, const char *string) {
    if (string)
        bal_json_out_bytes(out, string, strlen(string));
    else
        bal_json_out_null(out);
}

void bal_json_out_number(bal_json_out *out, double value) {
    begin_value(out);
    if (!isfinite(value)) {
        bal_text_puts(out->text, isnan(value) ? "\"NaN\""
                                 : value > 0  ? "\"Infinity\""
                                              : "\"-Infinity\"");
        return;
    }
    char buffer[32];
    bal_text_format_double(value, buffer);
    bal_text_puts(out->text, buffer);
    if (!strpbrk(buffer, ".e")) bal_text_puts(out->text, ".0");
}

void bal_json_out_integer(bal_json_out *out, int64_t value) {
    begin_value(out);
    bal_text_printf(out->text, "%" PRId64, value);
}

void bal_json_out_bool(bal_json_out *out, bool value) {
    begin_value(out);
    bal_text_puts(out->text, value ? "true" : "false");
}

void bal_json_out_null(bal_json_out *out) {
    begin_value(out);
    bal_text_puts(out->text, "null");
}

void bal_json_out_named_string(bal_json_out *out, const char *key, const char *string) {
    bal_json_out_key(out, key);
    bal_json_out_string(out, string);
}

void bal_json_out_named_number(bal_json_out *out, const char *key, double value) {
    bal_json_out_key(out, key);
    bal_json_out_number(out, value);
}

void bal_json_out_named_integer(bal_json_out *out, const char *key, int64_t value) {
    bal_json_out_key(out, key);
    bal_json_out_integer(out, value);
}

void bal_json_out_named_bool(bal_json_out *out, const char *key, bool value) {
    bal_json_out_key(out, key);
    bal_json_out_bool(out, value);
}

void bal_json_out_named_numbers(bal_json_out *out, const char *key, const double *values,
                                size_t count) {
    bal_json_out_key(out, key);
    bal_json_out_row(out);
    for (size_t i = 0; i < count; i++)
        bal_json_out_number(out, values[i]);
    bal_json_out_array_end(out);
}
