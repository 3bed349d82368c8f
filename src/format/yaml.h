/* YAML 1.2 documents as a small tree that knows where everything stands.
 *
 * The tree is ours, not libfyaml's: nodes and text live in a bal_arena, are complete when a read
 * returns, and are read through plain struct members. Scalars stay text; the reader of a key asks
 * for the type it wants, by the rules of the core schema (YAML 1.2.2 §10.3), so that `3.0e-4` is a
 * number, `no` is a word, and the label `null` in quotes is the text null.
 *
 * Accepted: one document of block or flow style, comments, anchors and aliases (an alias becomes a
 * copy). Refused, always with "source:line:column: …": tags, merge keys, several documents, keys
 * that are not plain text or come twice, NUL and other control characters, text that is not UTF-8,
 * and anything beyond the limits below. Lines and columns count from 1; columns count characters.
 *
 * Errors  BAL_EFORMAT malformed or beyond a limit, BAL_ENOMEM, and those of bal_file_read.
 * libfyaml allocates on its own with malloc; its memory is bounded by a multiple of the input. */
#ifndef BAL_FORMAT_YAML_H
#define BAL_FORMAT_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ballast/status.h"
#include "base/arena.h"
#include "base/text.h"

#define BAL_YAML_BYTES_MAX ((size_t)1 << 20)
#define BAL_YAML_DEPTH_MAX 64
#define BAL_YAML_NODES_MAX 200000 /* after aliases are expanded */
#define BAL_YAML_ANCHORS_MAX 100
#define BAL_YAML_KEY_MAX 250          /* bytes */
#define BAL_YAML_EMPTY_LINES_MAX 1000 /* in a row */

typedef enum bal_yaml_kind {
    BAL_YAML_NULL, /* null, ~ or nothing, not in quotes */
    BAL_YAML_SCALAR,
    BAL_YAML_SEQUENCE,
    BAL_YAML_MAPPING
} bal_yaml_kind;

typedef struct bal_yaml_node {
    bal_yaml_kind kind;
    bool quoted;        /* scalar in quotes or a block scalar: text, whatever it looks like */
    const char *text;   /* UTF-8; as written for null; "" for containers */
    const char *key;    /* of a mapping's entry; NULL for everything else */
    const char *source; /* file name or description; NULL when built by a program */
    int line, column;   /* of the value; 0 when built by a program */
    int key_line, key_column;
    size_t count;                       /* children */
    struct bal_yaml_node *first, *last; /* children in order */
    struct bal_yaml_node *next;         /* sibling */
} bal_yaml_node;

/** Read one document from a file of at most max_bytes (0: BAL_YAML_BYTES_MAX). An empty document is
 * a null node. */
BAL_WARN_UNUSED bal_status bal_yaml_read(bal_arena *arena, const char *path, size_t max_bytes,
                                         bal_yaml_node **ret_root, bal_error *err);

/** The same from memory; `source` names it in messages and is copied. */
BAL_WARN_UNUSED bal_status bal_yaml_parse(bal_arena *arena, const char *bytes, size_t length,
                                          const char *source, bal_yaml_node **ret_root,
                                          bal_error *err);

/** One value from a command line (`[1,2]` of `model.hidden=[1,2]`); `source` says whence. */
BAL_WARN_UNUSED bal_status bal_yaml_from_text(bal_arena *arena, const char *text,
                                              const char *source, bal_yaml_node **ret_node,
                                              bal_error *err);

/** The value of a key; NULL when there is none or `map` is not a mapping (NULL included). */
bal_yaml_node *bal_yaml_get(const bal_yaml_node *map, const char *key);

/** Loop over the children of a node; `child` is declared here: bal_yaml_each (item, list) {...} */
#define bal_yaml_each(child, node)                                                                 \
    for (bal_yaml_node *child = (node)->first; child; child = child->next)

/* Typed reading: false, with the output untouched, when the scalar is of another type. */
bool bal_yaml_text(const bal_yaml_node *node, const char **ret_text); /* any scalar but null */
bool bal_yaml_bool(const bal_yaml_node *node, bool *ret_value);
bool bal_yaml_i64(const bal_yaml_node *node, int64_t *ret_value);   /* 12, -3, 0x1f, 0o17 */
bool bal_yaml_number(const bal_yaml_node *node, double *ret_value); /* ints too; .nan, .inf */

/** "null", "true or false", "an integer", "a number", "text", "a list", "a mapping": for messages
 *  like "wanted an integer, found a list". */
const char *bal_yaml_describe(const bal_yaml_node *node);

/** bal_fail with "source:line:column: " of the node (of its key when at_key) in front. */
bal_status bal_yaml_fail(bal_error *err, bal_status status, const bal_yaml_node *node, bool at_key,
                         const char *format, ...) BAL_PRINTF(5, 6);

/* Building. Constructors return NULL when out of memory; append and set return false when out of
 * memory or given a NULL node, so that a chain of calls is checked once at its end. */
bal_yaml_node *bal_yaml_new_null(bal_arena *arena);
/** A scalar as it would be written: `quoted` false leaves its type to the schema. */
bal_yaml_node *bal_yaml_new_scalar(bal_arena *arena, const char *text, bool quoted);
/** Text that stays text: quoted where it would read as null, a boolean or a number. */
bal_yaml_node *bal_yaml_new_text(bal_arena *arena, const char *text);
bal_yaml_node *bal_yaml_new_number(bal_arena *arena, double value);
bal_yaml_node *bal_yaml_new_integer(bal_arena *arena, int64_t value);
bal_yaml_node *bal_yaml_new_bool(bal_arena *arena, bool value);
bal_yaml_node *bal_yaml_new_map(bal_arena *arena);
bal_yaml_node *bal_yaml_new_seq(bal_arena *arena);
/** Deep copy, positions included, key left out: a node is in one container at a time. Text is
 * shared with the original, so the copy must not outlive the original's arena. */
bal_yaml_node *bal_yaml_copy(bal_arena *arena, const bal_yaml_node *node);

bool bal_yaml_append(bal_yaml_node *sequence, bal_yaml_node *node);
/** Add an entry, or replace the one of that key where it stands (its key's position is kept). A key
 *  longer than BAL_YAML_KEY_MAX is refused with false. */
bool bal_yaml_set(bal_arena *arena, bal_yaml_node *map, const char *key, bal_yaml_node *node);
/** Take an entry out; false when there is none. */
bool bal_yaml_remove(bal_yaml_node *map, const char *key);

/** Whether two trees say the same: kinds, keys in order, text and its type; not positions, and all
 *  spellings of null are one. */
bool bal_yaml_equal(const bal_yaml_node *a, const bal_yaml_node *b);

/** Append readable YAML: block style, short lists in brackets. Reads back as an equal tree.
 *  Errors  BAL_EOVERFLOW beyond BAL_YAML_DEPTH_MAX levels, BAL_EINVAL for text that is not UTF-8,
 *  BAL_ENOMEM; on failure the text is unspecified. */
BAL_WARN_UNUSED bal_status bal_yaml_write(const bal_yaml_node *root, bal_text *text,
                                          bal_error *err);

#endif
