/* JSON documents through jansson: reading with the place of every error, and writing trees.
 *
 * What is known in order is better written with format/json_out.h; this is for JSON that comes from
 * outside (configuration, earlier runs, metadata inside model files).
 *
 * Ownership: a json_t read here belongs to the caller, who gives it back with json_decref.
 * jansson's allocations go through base/memory.h: the first call here installs the hooks, unless
 * the program has already installed its own. */
#ifndef BAL_FORMAT_JSON_H
#define BAL_FORMAT_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "ballast/status.h"
#include "base/text.h"
#include "format/json_out.h"

#define BAL_JSON_BYTES_MAX ((size_t)64 << 20)

/** Route jansson's memory through base/memory.h; done once, safe to call from any thread. Needed
 *  only by code that builds a json_t before calling anything else here. */
void bal_json_setup(void);

/** Read one JSON document: RFC 8259, any value at the top, duplicate keys and \u0000 refused, at
 *  most BAL_JSON_DEPTH_MAX levels.
 *  Errors  BAL_EFORMAT with "source:line:column: …", the last character that was looked at (columns
 *  count characters), BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_json_parse(const char *bytes, size_t length, const char *source,
                                          json_t **ret_value, bal_error *err);

/** bal_json_parse on a file of at most max_bytes (0: BAL_JSON_BYTES_MAX). */
BAL_WARN_UNUSED bal_status bal_json_read(const char *path, size_t max_bytes, json_t **ret_value,
                                         bal_error *err);

/** Read a file with one document per line into an array; a missing file gives an empty one. Errors
 *  as bal_json_parse, with the line. */
BAL_WARN_UNUSED bal_status bal_json_read_lines(const char *path, json_t **ret_rows, bal_error *err);

/** Append a value to `text` in the layout of json_out.h, keys in insertion order, no newline at the
 *  end. Errors  BAL_ENOMEM; BAL_EOVERFLOW beyond BAL_JSON_DEPTH_MAX levels (cycles too); on failure
 *  the text is unspecified. */
BAL_WARN_UNUSED bal_status bal_json_write(const json_t *value, int indent, bal_text *text,
                                          bal_error *err);

/** A number, or one of the strings "NaN", "Infinity", "-Infinity"; false for anything else. */
bool bal_json_number(const json_t *value, double *ret_number);

/** A real that may be non-finite: the string of json_out.h then. NULL when out of memory. */
json_t *bal_json_new_number(double value);

#endif
