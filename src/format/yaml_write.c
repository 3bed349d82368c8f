/* Writing YAML that people read and every reader understands the same way.
 *
 * Mappings and long lists are in block style, two spaces a level; a list of scalars, or of small
 * groups of them, goes in brackets when it fits the line. A scalar is written plain only when it
 * consists of characters that mean nothing in YAML, else in double quotes with escapes: stricter
 * than the grammar, so that no context (key, flow, first column) has to be looked at. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "format/yaml.h"

enum { WIDTH_MAX = 100, GROUP_MAX = 4 };

/* Characters with a meaning to YAML or to a terminal even inside a line of text. */
static bool needs_escape(const unsigned char *c) {
    if (c[0] < 0x20 || c[0] == 0x7F) return true;
    if (c[0] == 0xC2 && c[1] < 0xA0) return true;                           /* C1 controls */
    if (c[0] == 0xE2 && c[1] == 0x80 && (c[2] & 0xFE) == 0xA8) return true; /* line separators */
    if (c[0] == 0xEF && c[1] == 0xBB && c[2] == 0xBF) return true;          /* byte order mark */
    return c[0] == 0xEF && c[1] == 0xBF && c[2] >= 0xBE;                    /* no characters */
}

static bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           ((unsigned char)c & 0x80) || c == '_';
}

static bool can_be_plain(const char *text) {
    char first = text[0];
    bool starts = is_word_character(first) || strchr("./$(~", first) ||
                  (strchr("+-", first) && (is_word_character(text[1]) || text[1] == '.'));
    if (first == '\0' || !starts || strncmp(text, "...", 3) == 0) return false;
    for (size_t i = 0; text[i]; i++) {
        if (needs_escape((const unsigned char *)text + i)) return false;
        if (text[i] == ' ') {
            if (text[i + 1] == ' ' || text[i + 1] == '\0') return false;
        } else if (!is_word_character(text[i]) && !strchr("./$()~+-=^", text[i])) {
            return false;
        }
    }
    return true;
}

/* One escaped character; its length in bytes. */
static size_t put_escape(bal_text *out, const unsigned char *c) {
    if (c[0] < 0x80) {
        static const char named[] = {['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r', [0x1B] = 'e'};
        if (c[0] < sizeof named && named[c[0]])
            bal_text_printf(out, "\\%c", named[c[0]]);
        else
            bal_text_printf(out, "\\x%02x", c[0]);
        return 1;
    }
    if (c[0] < 0xE0) {
        bal_text_printf(out, "\\x%02x", (c[0] & 0x1Fu) << 6 | (c[1] & 0x3Fu));
        return 2;
    }
    bal_text_printf(out, "\\u%04x", (c[0] & 0x0Fu) << 12 | (c[1] & 0x3Fu) << 6 | (c[2] & 0x3Fu));
    return 3;
}

static void put_quoted(bal_text *out, const char *text) {
    bal_text_puts(out, "\"");
    for (size_t i = 0; text[i];) {
        const unsigned char *c = (const unsigned char *)text + i;
        if (needs_escape(c)) {
            i += put_escape(out, c);
            continue;
        }
        if (*c == '"' || *c == '\\') bal_text_puts(out, "\\");
        bal_text_append(out, text + i++, 1);
    }
    bal_text_puts(out, "\"");
}

static void put_key(bal_text *out, const char *key) {
    if (can_be_plain(key))
        bal_text_puts(out, key);
    else
        put_quoted(out, key);
    bal_text_puts(out, ":");
}

static void put_scalar(bal_text *out, const bal_yaml_node *node) {
    if (node->kind == BAL_YAML_NULL)
        bal_text_puts(out, node->text[0] ? node->text : "null");
    else if (node->quoted || !can_be_plain(node->text))
        put_quoted(out, node->text);
    else
        bal_text_puts(out, node->text);
}

static bool is_container(const bal_yaml_node *node) {
    return node->kind >= BAL_YAML_SEQUENCE;
}

static bool has_only_scalars(const bal_yaml_node *node) {
    bal_yaml_each (child, node)
        if (is_container(child)) return false;
    return true;
}

static bool is_small_group(const bal_yaml_node *node) {
    size_t most = node->kind == BAL_YAML_MAPPING ? 1 : GROUP_MAX;
    return node->count <= most && has_only_scalars(node);
}

/* A list worth a try on one line: scalars, pairs like {lr: 0.5}, short lists. */
static bool may_flow(const bal_yaml_node *node) {
    if (node->count == 0) return true;
    if (node->kind == BAL_YAML_MAPPING) return false;
    bal_yaml_each (child, node)
        if (!is_small_group(child)) return false;
    return true;
}

/* Two levels at most, by may_flow. */
static void put_flow(bal_text *out, const bal_yaml_node *node) {
    if (!is_container(node)) {
        put_scalar(out, node);
        return;
    }
    bool map = node->kind == BAL_YAML_MAPPING;
    bal_text_puts(out, map ? "{" : "[");
    bal_yaml_each (child, node) {
        if (child != node->first) bal_text_puts(out, ", ");
        if (map) {
            put_key(out, child->key);
            bal_text_puts(out, " ");
        }
        put_flow(out, child);
    }
    bal_text_puts(out, map ? "}" : "]");
}

static size_t line_start(const bal_text *out) {
    size_t start = out->length;
    while (start > 0 && out->data[start - 1] != '\n')
        start--;
    return start;
}

/* Write on the current line if it fits there; scalars always do. */
static bool put_inline(bal_text *out, const bal_yaml_node *node, const char *before) {
    if (is_container(node) && !may_flow(node)) return false;
    size_t length = out->length;
    bal_text_puts(out, before);
    put_flow(out, node);
    bool fits =
        !is_container(node) || node->count == 0 || out->length - line_start(out) <= WIDTH_MAX;
    if (bal_text_failed(out)) return true;
    if (fits) {
        bal_text_puts(out, "\n");
    } else {
        out->length = length;
        out->data[length] = '\0';
    }
    return fits;
}

static void put_indent(bal_text *out, int depth) {
    for (int i = 0; i < depth; i++)
        bal_text_puts(out, "  ");
}

/* A container in block style; the first child goes on the current line when it follows "- ". */
static void put_block(bal_text *out, const bal_yaml_node *node, int depth, bool after_dash) {
    bool map = node->kind == BAL_YAML_MAPPING;
    bal_yaml_each (child, node) {
        if (!after_dash || child != node->first) put_indent(out, depth);
        if (map)
            put_key(out, child->key);
        else
            bal_text_puts(out, "-");
        if (put_inline(out, child, " ")) continue;
        bal_text_puts(out, map ? "\n" : " ");
        put_block(out, child, depth + 1, !map);
    }
}

static bool is_utf8(const char *text) {
    size_t length = strlen(text);
    return bal_text_utf8_valid(text, length) == length;
}

static bal_status check_tree(const bal_yaml_node *node, int depth, bal_error *err) {
    if (depth + is_container(node) > BAL_YAML_DEPTH_MAX)
        return bal_fail(err, BAL_EOVERFLOW, "YAML to be written is nested deeper than %d levels",
                        BAL_YAML_DEPTH_MAX);
    if (!is_utf8(node->text) || (node->key && !is_utf8(node->key)))
        return bal_fail(err, BAL_EINVAL, "text to be written as YAML is not UTF-8 (%s)",
                        node->key && is_utf8(node->key) ? node->key : "a key or list item");
    bal_yaml_each (child, node)
        BAL_TRY(check_tree(child, depth + 1, err));
    return BAL_OK;
}

bal_status bal_yaml_write(const bal_yaml_node *root, bal_text *text, bal_error *err) {
    BAL_TRY(check_tree(root, 0, err));
    if (!put_inline(text, root, "")) put_block(text, root, 0, false);
    if (bal_text_failed(text)) return bal_fail_memory(err, text->length);
    return BAL_OK;
}
