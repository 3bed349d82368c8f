/* JSON documents through jansson. jansson checks the grammar, UTF-8 and duplicate keys; what it
 * leaves to us is a bound on nesting (its own limit of 2048 levels is recursion on the stack), the
 * allocation hooks, and number formatting that does not lose digits or depend on the locale. */
#include "format/json.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

/* jansson reports some failed allocations as syntax errors, so the hook remembers them. */
static _Thread_local size_t refused_bytes;

static void *hook_malloc(size_t size) {
    void *block = bal_calloc(1, size);
    if (!block) refused_bytes = size;
    return block;
}

/* Blocks from bal_calloc come from malloc and are freed by free, so values that the program made
 * with jansson's default functions before this runs stay valid. */
static void install_hooks(void) {
    json_malloc_t current_malloc = NULL;
    json_free_t current_free = NULL;
    json_get_alloc_funcs(&current_malloc, &current_free);
    if (current_malloc == malloc && current_free == free)
        json_set_alloc_funcs(hook_malloc, bal_free);
}

void bal_json_setup(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install_hooks);
}

/* Nesting of brackets outside strings, whether or not the rest is JSON. */
static bal_status check_depth(const char *bytes, size_t length, const char *source,
                              bal_error *err) {
    int depth = 0, line = 1, column = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if ((c & 0xC0) != 0x80) column++;
        if (c == '\n') {
            line++;
            column = 0;
        } else if (in_string && c == '\\') {
            if (i + 1 < length && bytes[i + 1] != '\n') i++, column++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == '[' || c == '{')) {
            if (++depth > BAL_JSON_DEPTH_MAX)
                return bal_fail(err, BAL_EFORMAT, "%s:%d:%d: nested deeper than %d levels", source,
                                line, column, BAL_JSON_DEPTH_MAX);
        } else if (!in_string && (c == ']' || c == '}')) {
            depth--;
        }
    }
    return BAL_OK;
}

bal_status bal_json_parse(const char *bytes, size_t length, const char *source, json_t **ret_value,
                          bal_error *err) {
    bal_json_setup();
    BAL_TRY(check_depth(bytes, length, source, err));
    json_error_t failure;
    refused_bytes = 0;
    json_t *value = json_loadb(bytes, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &failure);
    if (refused_bytes > 0) { /* also with a value: jansson 2.14 drops a character that way */
        json_decref(value);
        return bal_fail_memory(err, refused_bytes);
    }
    if (value) {
        *ret_value = value;
        return BAL_OK;
    }
    int line = failure.line > 0 ? failure.line : 1;
    int column = failure.column > 0 ? failure.column : 1;
    return bal_fail(err, BAL_EFORMAT, "%s:%d:%d: %s", source, line, column, failure.text);
}

bal_status bal_json_read(const char *path, size_t max_bytes, json_t **ret_value, bal_error *err) {
    char *bytes = NULL;
    size_t length = 0;
    BAL_TRY(bal_file_read(path, max_bytes ? max_bytes : BAL_JSON_BYTES_MAX, &bytes, &length, err));
    bal_status status = bal_json_parse(bytes, length, path, ret_value, err);
    bal_free(bytes);
    return status;
}

static bool write_value(bal_json_out *out, const json_t *value);

/* jansson's iteration takes non-const trees but changes nothing. */
static bool write_object(bal_json_out *out, json_t *object) {
    bal_json_out_object(out);
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        bal_json_out_key(out, json_object_iter_key(i));
        if (!write_value(out, json_object_iter_value(i))) return false;
    }
    bal_json_out_object_end(out);
    return true;
}

static bool write_array(bal_json_out *out, const json_t *array) {
    bool scalars = true;
    for (size_t i = 0; i < json_array_size(array) && scalars; i++) {
        const json_t *item = json_array_get(array, i);
        scalars = !json_is_array(item) && !json_is_object(item);
    }
    if (scalars)
        bal_json_out_row(out);
    else
        bal_json_out_array(out);
    for (size_t i = 0; i < json_array_size(array); i++)
        if (!write_value(out, json_array_get(array, i))) return false;
    bal_json_out_array_end(out);
    return true;
}

static bool write_value(bal_json_out *out, const json_t *value) {
    bool container = json_is_object(value) || json_is_array(value);
    if (container && out->depth == BAL_JSON_DEPTH_MAX) return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return write_object(out, (json_t *)value);
    case JSON_ARRAY:
        return write_array(out, value);
    case JSON_STRING:
        bal_json_out_bytes(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        bal_json_out_integer(out, json_integer_value(value));
        break;
    case JSON_REAL:
        bal_json_out_number(out, json_real_value(value));
        break;
    case JSON_TRUE:
        bal_json_out_bool(out, true);
        break;
    case JSON_FALSE:
        bal_json_out_bool(out, false);
        break;
    case JSON_NULL:
        bal_json_out_null(out);
        break;
    }
    return true;
}

bal_status bal_json_write(const json_t *value, int indent, bal_text *text, bal_error *err) {
    bal_json_out out;
    bal_json_out_init(&out, text, indent);
    if (!write_value(&out, value))
        return bal_fail(err, BAL_EOVERFLOW, "JSON to be written is nested deeper than %d levels",
                        BAL_JSON_DEPTH_MAX);
    if (bal_text_failed(text)) return bal_fail_memory(err, text->length);
    return BAL_OK;
}

bool bal_json_number(const json_t *value, double *ret_number) {
    if (json_is_number(value)) {
        *ret_number = json_number_value(value);
        return true;
    }
    if (!json_is_string(value)) return false;
    const char *name = json_string_value(value);
    if (strcmp(name, "NaN") == 0)
        *ret_number = NAN;
    else if (strcmp(name, "Infinity") == 0)
        *ret_number = INFINITY;
    else if (strcmp(name, "-Infinity") == 0)
        *ret_number = -INFINITY;
    else
        return false;
    return true;
}

json_t *bal_json_new_number(double value) {
    bal_json_setup();
    if (isfinite(value)) return json_real(value);
    return json_string(isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}
