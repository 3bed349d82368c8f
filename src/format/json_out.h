/* Streaming JSON output onto a bal_text: begin, key, value, end, with no tree in between.
 *
 * Most of what Ballast writes (metrics, incidents, summaries, safetensors headers) is known in the
 * order in which it is written, so no json_t is needed. Output is deterministic and independent of
 * the locale: the same calls give the same bytes on every machine.
 *
 * Numbers: shortest text that reads back as the same double, always with a point or an exponent
 * ("1.0", "3e-04" never "1"), so that a reader sees the type that was written. JSON has no NaN; a
 * non-finite number is written as the string "NaN", "Infinity" or "-Infinity", which
 * bal_json_number of format/json.h reads back.
 * Strings: bytes that are not UTF-8 become U+FFFD, so that the output is always valid JSON.
 *
 * Ownership: the text is the caller's. A failed allocation sticks to it (bal_text_failed).
 * Unbalanced calls, a missing key and nesting deeper than BAL_JSON_DEPTH_MAX are bugs of the caller
 * and asserted. */
#ifndef BAL_FORMAT_JSON_OUT_H
#define BAL_FORMAT_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define BAL_JSON_DEPTH_MAX 64

/* Layouts that are not a number of spaces per level. */
#define BAL_JSON_TIGHT (-1) /* {"a":1,"b":[2]} */
#define BAL_JSON_LINE 0     /* {"a": 1, "b": [2]} */

typedef struct bal_json_out {
    bal_text *text;
    int indent; /* BAL_JSON_TIGHT, BAL_JSON_LINE, or spaces per level */
    int depth;  /* open containers */
    bool after_key;
    uint64_t objects; /* bit d: container d is an object */
    uint64_t started; /* bit d: container d has an item */
    uint64_t rows;    /* bit d: container d and all inside it stay on one line */
} bal_json_out;

void bal_json_out_init(bal_json_out *out, bal_text *text, int indent);

void bal_json_out_object(bal_json_out *out);
void bal_json_out_object_end(bal_json_out *out);
void bal_json_out_array(bal_json_out *out);
/** An array on one line whatever the indentation: for lists of numbers. Ends like an array. */
void bal_json_out_row(bal_json_out *out);
void bal_json_out_array_end(bal_json_out *out);

void bal_json_out_key(bal_json_out *out, const char *key);

/** NULL is written as null. */
void bal_json_out_string(bal_json_out *out, const char *string);
void bal_json_out_bytes(bal_json_out *out, const char *bytes, size_t length);
void bal_json_out_number(bal_json_out *out, double value);
void bal_json_out_integer(bal_json_out *out, int64_t value);
void bal_json_out_bool(bal_json_out *out, bool value);
void bal_json_out_null(bal_json_out *out);

/** Key and value in one call. */
void bal_json_out_named_string(bal_json_out *out, const char *key, const char *string);
void bal_json_out_named_number(bal_json_out *out, const char *key, double value);
void bal_json_out_named_integer(bal_json_out *out, const char *key, int64_t value);
void bal_json_out_named_bool(bal_json_out *out, const char *key, bool value);
/** "key": [a, b, c] on one line. */
void bal_json_out_named_numbers(bal_json_out *out, const char *key, const double *values,
                                size_t count);

#endif
