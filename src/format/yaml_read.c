/* Reading YAML: libfyaml's event stream (Debian's 0.7.12) into the tree of yaml.h.
 *
 * Events rather than libfyaml's documents, because they carry the position of every token, leave
 * duplicate keys and aliases to us, and let us stop at the first thing beyond a limit. What
 * libfyaml lets through and we do not is looked for before it sees the text: bytes that are not
 * UTF-8 (it reads them as nothing) and control characters. Its diagnostics are collected, never
 * printed.
 *
 * The reader keeps one frame per open container. An anchor is a name for a node; an alias puts a
 * deep copy of that node in its place, counted against BAL_YAML_NODES_MAX, which is what stops a
 * "billion laughs" document. */
#include <libfyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/yaml.h"

typedef struct position {
    int line, column;
} position;

typedef struct frame {
    bal_yaml_node *node;
    const char *key; /* of the entry whose value comes next; NULL: a key comes next */
    position key_at;
    bool flow; /* in brackets */
} frame;

typedef struct anchor {
    const char *name;
    const bal_yaml_node *node;
} anchor;

typedef struct reader {
    bal_arena *arena;
    const char *source;
    const char *bytes;
    size_t length;
    struct fy_diag *diag;
    struct fy_parser *parser;
    bal_yaml_node *root;
    frame frames[BAL_YAML_DEPTH_MAX];
    int depth; /* open containers */
    int documents;
    size_t nodes;
    anchor anchors[BAL_YAML_ANCHORS_MAX];
    int anchor_count;
    position last;                 /* start of the latest token, for values that have none */
    const bal_yaml_node **entries; /* scratch: one mapping's entries, sorted */
    size_t entry_capacity;
    bal_text text; /* scratch: one token */
    bal_error *err;
} reader;

static bal_status fail_at(const reader *r, position at, const char *format, ...) BAL_PRINTF(3, 4);

static bal_status fail_at(const reader *r, position at, const char *format, ...) {
    char message[sizeof r->err->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return bal_fail(r->err, BAL_EFORMAT, "%s:%d:%d: %s", r->source, at.line, at.column, message);
}

static bal_status fail_memory(const reader *r) {
    return bal_fail_memory(r->err, sizeof(bal_yaml_node));
}

/* ---- before libfyaml sees the text ---- */

/* c-printable of YAML 1.2.2 §5.1 on one valid UTF-8 character, without the tab and without the
 * three characters that end a line for readers of YAML 1.1 (U+0085, U+2028, U+2029); a byte order
 * mark only at the start. */
static bool is_printable(const unsigned char *c, bool at_start) {
    if (c[0] < 0x20) return c[0] == '\n' || c[0] == '\r';
    if (c[0] == 0x7F) return false;
    if (c[0] == 0xC2) return c[1] >= 0xA0;
    if (c[0] == 0xE2 && c[1] == 0x80) return c[2] != 0xA8 && c[2] != 0xA9;
    if (c[0] == 0xEF && c[1] == 0xBB && c[2] == 0xBF) return at_start;
    if (c[0] == 0xEF && c[1] == 0xBF) return c[2] < 0xBE;
    return true;
}

static unsigned code_point(const unsigned char *c) {
    if (c[0] < 0x80) return c[0];
    if (c[0] < 0xE0) return (c[0] & 0x1Fu) << 6 | (c[1] & 0x3Fu);
    return (c[0] & 0x0Fu) << 12 | (c[1] & 0x3Fu) << 6 | (c[2] & 0x3Fu);
}

/* libfyaml drops directives that it does not know, misspelt ones too. */
static bool is_directive(const char *line, size_t length) {
    static const char known[] = "%YAML 1.2";
    size_t n = sizeof known - 1;
    if (length == 0 || line[0] != '%') return false;
    return length < n || memcmp(line, known, n) != 0 || (length > n && !strchr(" \r\n", line[n]));
}

/* Refuses what libfyaml cannot be trusted with. Line breaks are \n, \r\n and \r.
 * Tabs: YAML allows some and libfyaml frees a list entry twice while it complains about others.
 * Empty lines: those at the end of a block scalar are kept on the stack, which a million overflow.
 */
static bal_status check_text(const reader *r) {
    const char *bytes = r->bytes;
    size_t length = r->length, valid = bal_text_utf8_valid(bytes, length);
    position at = {1, 1};
    int empty_lines = 0;
    bool empty = true;
    for (size_t i = 0; i < valid; i++) {
        const unsigned char *c = (const unsigned char *)bytes + i;
        if ((*c & 0xC0) == 0x80) continue;
        if (at.column == 1 && is_directive(bytes + i, length - i))
            return fail_at(r, at, "a directive; only %%YAML 1.2 is understood");
        if (*c == '\t') return fail_at(r, at, "a tab; use spaces (in double quotes \\t)");
        if (!is_printable(c, i == 0))
            return fail_at(r, at,
                           "control character U+%04X in the text; remove it, or write it in "
                           "double quotes as \\u%04X",
                           code_point(c), code_point(c));
        bool line_ends = *c == '\n' || (*c == '\r' && (i + 1 == valid || c[1] != '\n'));
        if (!line_ends) {
            empty = empty && (*c == ' ' || *c == '\r');
            at.column++;
            continue;
        }
        empty_lines = empty ? empty_lines + 1 : 0;
        if (empty_lines > BAL_YAML_EMPTY_LINES_MAX)
            return fail_at(r, at, "more than %d empty lines in a row", BAL_YAML_EMPTY_LINES_MAX);
        at = (position){at.line + 1, 1};
        empty = true;
    }
    if (valid == length) return BAL_OK;
    return fail_at(r, at, "byte 0x%02X is not UTF-8; save the file with UTF-8 encoding",
                   (unsigned char)bytes[valid]);
}

/* ---- nodes into their place ---- */

static frame *top(reader *r) {
    return r->depth > 0 ? &r->frames[r->depth - 1] : NULL;
}

static bal_status count_nodes(reader *r, position at, size_t more) {
    r->nodes += more;
    if (r->nodes <= BAL_YAML_NODES_MAX) return BAL_OK;
    return fail_at(r, at, "more than %d values (aliases count as often as they are used)",
                   BAL_YAML_NODES_MAX);
}

static void link_entry(frame *parent, bal_yaml_node *node) {
    bal_yaml_append(parent->node, node);
    node->key = parent->key;
    node->key_line = parent->key_at.line;
    node->key_column = parent->key_at.column;
    parent->key = NULL;
}

static void place(reader *r, bal_yaml_node *node, position at) {
    frame *parent = top(r);
    node->source = r->source;
    node->line = at.line;
    node->column = at.column;
    if (!parent)
        r->root = node;
    else
        link_entry(parent, node);
}

static bool wants_key(reader *r) {
    const frame *parent = top(r);
    return parent && parent->node->kind == BAL_YAML_MAPPING && !parent->key;
}

static bal_status take_key(reader *r, const char *text, bool quoted, position at) {
    if (!quoted && text[0] == '\0')
        return fail_at(r, at, "an entry without a key; write `key: value`");
    if (!quoted && strcmp(text, "<<") == 0)
        return fail_at(r, at, "merge keys (<<) are not part of YAML 1.2; repeat the entries here");
    if (strlen(text) > BAL_YAML_KEY_MAX)
        return fail_at(r, at, "a key of %zu bytes; at most %d are allowed", strlen(text),
                       BAL_YAML_KEY_MAX);
    frame *parent = top(r);
    parent->key = bal_arena_strdup(r->arena, text);
    parent->key_at = at;
    return parent->key ? BAL_OK : fail_memory(r);
}

/* ---- tokens ---- */

/* The text of a token, by libfyaml's iterator. Its fy_token_get_text would do, were it not for the
 * length it guesses beforehand: too short for some quoted scalars, which are then cut, end in
 * uninitialised bytes and leak. The result lives until the next call. */
static bool collect_text(bal_text *text, struct fy_token *token) {
    bal_text_clear(text);
    bal_text_puts(text, "");
    struct fy_token_iter *iterator = fy_token_iter_create(token);
    if (!iterator) return false;
    const struct fy_iter_chunk *chunk = NULL;
    int failure = 0;
    while ((chunk = fy_token_iter_chunk_next(iterator, chunk, &failure)) != NULL)
        bal_text_append(text, chunk->str, chunk->len);
    fy_token_iter_destroy(iterator);
    return failure == 0;
}

/* What a token covers in the file; empty when that is not known. */
static size_t token_source(const reader *r, struct fy_token *token, const char **ret_start) {
    const struct fy_mark *start = fy_token_start_mark(token), *end = fy_token_end_mark(token);
    *ret_start = r->bytes;
    if (!start || !end || end->input_pos > r->length || start->input_pos > end->input_pos) return 0;
    *ret_start = r->bytes + start->input_pos;
    return end->input_pos - start->input_pos;
}

/* In single quotes '' stands for one; libfyaml makes three of two such pairs in a row. A block
 * scalar without a visible character it may end with an uninitialised one. */
static bal_status check_token(const reader *r, struct fy_token *token, position at) {
    enum fy_scalar_style style = fy_token_scalar_style(token);
    const char *source;
    size_t length = token_source(r, token, &source), visible = 0;
    if (style == FYSS_SINGLE_QUOTED && memmem(source, length, "''''", 4))
        return fail_at(r, at, "several quotes in a row in single quotes; use double quotes");
    if (style != FYSS_LITERAL && style != FYSS_FOLDED) return BAL_OK;
    while (visible < length && strchr(" \r\n", source[visible]))
        visible++;
    if (visible == length) return fail_at(r, at, "an empty block of text (| or >); write \"\"");
    return BAL_OK;
}

static bal_status read_token(reader *r, struct fy_token *token, position at,
                             const char **ret_text) {
    bal_text *text = &r->text;
    BAL_TRY(check_token(r, token, at));
    bool complete = collect_text(text, token);
    if (bal_text_failed(text)) return fail_memory(r);
    if (!complete) return fail_at(r, at, "text that cannot be read; check quotes and escapes");
    if (strlen(text->data) != text->length ||
        bal_text_utf8_valid(text->data, text->length) != text->length)
        return fail_at(r, at, "an escape that stands for NUL or half a character");
    *ret_text = text->data;
    return BAL_OK;
}

/* ---- anchors and aliases ---- */

static bal_status add_anchor(reader *r, struct fy_token *token, const bal_yaml_node *node,
                             position at) {
    if (!token) return BAL_OK;
    const char *text;
    BAL_TRY(read_token(r, token, at, &text));
    if (r->anchor_count == BAL_YAML_ANCHORS_MAX)
        return fail_at(r, at, "more than %d anchors", BAL_YAML_ANCHORS_MAX);
    const char *name = bal_arena_strdup(r->arena, text);
    if (!name) return fail_memory(r);
    r->anchors[r->anchor_count++] = (anchor){name, node};
    return BAL_OK;
}

/* The latest anchor of that name: YAML allows a name to be given again. */
static const bal_yaml_node *find_anchor(const reader *r, const char *name) {
    for (int i = r->anchor_count; i-- > 0;)
        if (strcmp(r->anchors[i].name, name) == 0) return r->anchors[i].node;
    return NULL;
}

/* Nodes and levels of a tree. */
static void measure(const bal_yaml_node *node, int depth, size_t *nodes, int *deepest) {
    ++*nodes;
    if (node->kind >= BAL_YAML_SEQUENCE) depth++;
    if (depth > *deepest) *deepest = depth;
    bal_yaml_each (child, node)
        measure(child, depth, nodes, deepest);
}

static bal_status on_alias(reader *r, const struct fy_event *event, position at) {
    const char *name;
    BAL_TRY(read_token(r, event->alias.anchor, at, &name));
    if (wants_key(r)) return fail_at(r, at, "an alias (*%s) as a key; write the key out", name);
    const bal_yaml_node *node = find_anchor(r, name);
    if (!node) return fail_at(r, at, "alias *%s has no anchor &%s before it", name, name);
    for (int i = 0; i < r->depth; i++)
        if (r->frames[i].node == node)
            return fail_at(r, at, "alias *%s stands inside its own anchor", name);
    size_t nodes = 0;
    int deepest = r->depth;
    measure(node, r->depth, &nodes, &deepest);
    if (deepest > BAL_YAML_DEPTH_MAX)
        return fail_at(r, at, "nested deeper than %d levels", BAL_YAML_DEPTH_MAX);
    BAL_TRY(count_nodes(r, at, nodes));
    bal_yaml_node *copy = bal_yaml_copy(r->arena, node);
    if (!copy) return fail_memory(r);
    position defined = {node->line, node->column};
    place(r, copy, defined);
    return BAL_OK;
}

/* ---- duplicate keys ---- */

static bool stands_before(const bal_yaml_node *a, const bal_yaml_node *b) {
    return a->key_line != b->key_line ? a->key_line < b->key_line : a->key_column < b->key_column;
}

static int compare_entries(const void *left, const void *right) {
    const bal_yaml_node *a = *(const bal_yaml_node *const *)left;
    const bal_yaml_node *b = *(const bal_yaml_node *const *)right;
    int order = strcmp(a->key, b->key);
    return order ? order : stands_before(a, b) ? -1 : stands_before(b, a);
}

/* By sorting, because comparing each with each would take minutes for a hostile megabyte. Of
 * several duplicates the first in the file is reported. */
static bal_status check_keys(reader *r, const bal_yaml_node *map) {
    if (!bal_reserve(r->entries, r->entry_capacity, map->count)) return fail_memory(r);
    size_t count = 0;
    bal_yaml_each (child, map)
        r->entries[count++] = child;
    if (count > 1) qsort(r->entries, count, sizeof *r->entries, compare_entries);
    const bal_yaml_node *first = NULL, *again = NULL;
    for (size_t i = 1; i < count; i++) {
        const bal_yaml_node *a = r->entries[i - 1], *b = r->entries[i];
        if (strcmp(a->key, b->key) != 0 || (again && stands_before(again, b))) continue;
        first = a;
        again = b;
    }
    if (!again) return BAL_OK;
    position at = {again->key_line, again->key_column};
    return fail_at(r, at, "key '%s' again; it already stands at %d:%d, keep one of them",
                   again->key, first->key_line, first->key_column);
}

/* ---- events ---- */

static bal_status refuse_tag(const reader *r, struct fy_token *tag, position at) {
    if (!tag) return BAL_OK;
    return fail_at(r, at, "tags (!) are not supported; put a value in quotes to make it text");
}

static bal_status on_scalar(reader *r, const struct fy_event *event, position at) {
    BAL_TRY(refuse_tag(r, event->scalar.tag, at));
    struct fy_token *token = event->scalar.value;
    const char *text = "";
    if (token) BAL_TRY(read_token(r, token, at, &text));
    bool quoted = token && fy_token_scalar_style(token) != FYSS_PLAIN;
    if (wants_key(r)) {
        if (event->scalar.anchor) return fail_at(r, at, "an anchor (&) on a key; remove it");
        return take_key(r, text, quoted, at);
    }
    BAL_TRY(count_nodes(r, at, 1));
    bal_yaml_node *node = bal_yaml_new_scalar(r->arena, text, quoted);
    if (!node) return fail_memory(r);
    place(r, node, at);
    return add_anchor(r, event->scalar.anchor, node, at);
}

static bal_status open_container(reader *r, bal_yaml_kind kind, struct fy_token *name,
                                 struct fy_token *tag, position at) {
    BAL_TRY(refuse_tag(r, tag, at));
    if (wants_key(r)) return fail_at(r, at, "a list or mapping as a key; keys are plain text");
    if (r->depth == BAL_YAML_DEPTH_MAX)
        return fail_at(r, at, "nested deeper than %d levels", BAL_YAML_DEPTH_MAX);
    BAL_TRY(count_nodes(r, at, 1));
    bal_yaml_node *node =
        kind == BAL_YAML_MAPPING ? bal_yaml_new_map(r->arena) : bal_yaml_new_seq(r->arena);
    if (!node) return fail_memory(r);
    place(r, node, at);
    r->frames[r->depth++] = (frame){.node = node};
    return add_anchor(r, name, node, at);
}

static void note_flow(reader *r, struct fy_event *event) {
    const struct fy_mark *mark = fy_event_start_mark(event);
    if (!mark || mark->input_pos >= r->length) return;
    char bracket = r->bytes[mark->input_pos];
    top(r)->flow = bracket == '[' || bracket == '{';
}

/* libfyaml counts from 0 and puts the mark of a quoted scalar or alias behind the quote or star. */
static position event_position(const reader *r, struct fy_event *event) {
    const struct fy_mark *mark = fy_event_start_mark(event);
    if (!mark) return r->last;
    position at = {mark->line + 1, mark->column + 1};
    bool behind = event->type == FYET_ALIAS;
    if (event->type == FYET_SCALAR && event->scalar.value) {
        enum fy_scalar_style style = fy_token_scalar_style(event->scalar.value);
        behind = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
    }
    if (behind && at.column > 1) at.column--;
    return at;
}

static bal_status on_event(reader *r, struct fy_event *event) {
    position at = event_position(r, event);
    bal_status status = BAL_OK;
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (r->documents++ > 0)
            status = fail_at(r, at, "a second document begins here; one is allowed");
        break;
    case FYET_SCALAR:
        status = on_scalar(r, event, at);
        break;
    case FYET_ALIAS:
        status = on_alias(r, event, at);
        break;
    case FYET_SEQUENCE_START:
        status = open_container(r, BAL_YAML_SEQUENCE, event->sequence_start.anchor,
                                event->sequence_start.tag, at);
        break;
    case FYET_MAPPING_START:
        status = open_container(r, BAL_YAML_MAPPING, event->mapping_start.anchor,
                                event->mapping_start.tag, at);
        break;
    case FYET_MAPPING_END:
        status = check_keys(r, top(r)->node);
        r->depth--;
        break;
    case FYET_SEQUENCE_END:
        r->depth--;
        break;
    default:
        break;
    }
    bool opened = event->type == FYET_SEQUENCE_START || event->type == FYET_MAPPING_START;
    if (opened && status == BAL_OK) note_flow(r, event);
    r->last = at;
    return status;
}

/* libfyaml's own complaint; its lines and columns count from 1. In brackets it is often noticed
 * only at the end of the file that one is missing, so the last one opened is named. */
static bal_status fail_syntax(reader *r) {
    char opened[64] = "";
    const frame *last = top(r);
    if (last && last->flow)
        snprintf(opened, sizeof opened, " (in brackets opened at %d:%d)", last->node->line,
                 last->node->column);
    void *iterator = NULL;
    const struct fy_diag_error *error;
    while ((error = fy_diag_errors_iterate(r->diag, &iterator)) != NULL) {
        if (error->type < FYET_ERROR || !error->msg) continue;
        position at = {error->line > 0 ? error->line : r->last.line,
                       error->column > 0 ? error->column : r->last.column};
        return fail_at(r, at, "%s%s", error->msg, opened);
    }
    return fail_at(r, r->last, "not understood as YAML from here on%s", opened);
}

static bal_status read_events(reader *r) {
    for (bool ended = false; !ended;) {
        struct fy_event *event = fy_parser_parse(r->parser);
        if (!event) return fail_syntax(r);
        ended = event->type == FYET_STREAM_END;
        bal_status status = on_event(r, event);
        fy_parser_event_free(r->parser, event);
        if (status != BAL_OK) return status;
    }
    if (fy_parser_get_stream_error(r->parser)) return fail_syntax(r);
    return BAL_OK;
}

static bal_status open_parser(reader *r) {
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag_config.colorize = false;
    r->diag = fy_diag_create(&diag_config);
    if (!r->diag) return fail_memory(r);
    fy_diag_set_collect_errors(r->diag, true);
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 |
                                           FYPCF_JSON_NONE | FYPCF_DISABLE_ACCELERATORS,
                                  .diag = r->diag};
    r->parser = fy_parser_create(&config);
    if (!r->parser || fy_parser_set_string(r->parser, r->bytes, r->length) != 0)
        return fail_memory(r);
    return BAL_OK;
}

static bal_status read_document(reader *r) {
    BAL_TRY(check_text(r));
    if (r->length > 0) {
        BAL_TRY(open_parser(r));
        BAL_TRY(read_events(r));
    }
    if (r->root) return BAL_OK;
    bal_yaml_node *empty = bal_yaml_new_null(r->arena);
    if (!empty) return fail_memory(r);
    place(r, empty, (position){1, 1});
    return BAL_OK;
}

bal_status bal_yaml_parse(bal_arena *arena, const char *bytes, size_t length, const char *source,
                          bal_yaml_node **ret_root, bal_error *err) {
    reader r = {.arena = arena, .bytes = bytes, .length = length, .last = {1, 1}, .err = err};
    r.source = bal_arena_strdup(arena, source);
    if (!r.source) return fail_memory(&r);
    bal_status status = read_document(&r);
    if (r.parser) fy_parser_destroy(r.parser);
    if (r.diag) fy_diag_destroy(r.diag);
    bal_free(r.entries);
    bal_text_release(&r.text);
    if (status == BAL_OK) *ret_root = r.root;
    return status;
}

bal_status bal_yaml_read(bal_arena *arena, const char *path, size_t max_bytes,
                         bal_yaml_node **ret_root, bal_error *err) {
    char *bytes = NULL;
    size_t length = 0;
    BAL_TRY(bal_file_read(path, max_bytes ? max_bytes : BAL_YAML_BYTES_MAX, &bytes, &length, err));
    bal_status status = bal_yaml_parse(arena, bytes, length, path, ret_root, err);
    bal_free(bytes);
    return status;
}

bal_status bal_yaml_from_text(bal_arena *arena, const char *text, const char *source,
                              bal_yaml_node **ret_node, bal_error *err) {
    return bal_yaml_parse(arena, text, strlen(text), source, ret_node, err);
}
