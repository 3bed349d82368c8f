/* The YAML tree: typed reading by the core schema (YAML 1.2.2 §10.3.2), building, comparing.
 * Reading files is yaml_read.c, writing them yaml_write.c. */
#include "format/yaml.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static bool is_one_of(const char *text, const char *const words[3]) {
    for (int i = 0; i < 3; i++)
        if (strcmp(text, words[i]) == 0) return true;
    return false;
}

static size_t skip_digits(const char *text, size_t at) {
    while (text[at] >= '0' && text[at] <= '9')
        at++;
    return at;
}

static bool is_decimal_integer(const char *text) {
    size_t start = text[0] == '+' || text[0] == '-';
    size_t end = skip_digits(text, start);
    return end > start && text[end] == '\0';
}

/* 0x and 0o integers; false on anything else and on more than 63 bits. */
static bool parse_radix(const char *text, int64_t *ret_value) {
    if (text[0] != '0' || (text[1] != 'x' && text[1] != 'o') || text[2] == '\0') return false;
    bool hex = text[1] == 'x';
    uint64_t value = 0;
    for (const char *c = text + 2; *c; c++) {
        int digit = *c >= '0' && *c <= '9'        ? *c - '0'
                    : isxdigit((unsigned char)*c) ? tolower((unsigned char)*c) - 'a' + 10
                                                  : 16;
        if (digit >= (hex ? 16 : 8)) return false;
        if (value >> (hex ? 59 : 60)) return false;
        value = value << (hex ? 4 : 3) | (uint64_t)digit;
    }
    *ret_value = (int64_t)value;
    return true;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_decimal_number(const char *text) {
    size_t start = text[0] == '+' || text[0] == '-';
    size_t whole = skip_digits(text, start);
    size_t at = whole;
    bool digits = whole > start;
    if (text[at] == '.') {
        at = skip_digits(text, whole + 1);
        digits = digits || at > whole + 1;
    }
    if (!digits) return false;
    if (text[at] == 'e' || text[at] == 'E') {
        size_t exponent = at + 1 + (text[at + 1] == '+' || text[at + 1] == '-');
        at = skip_digits(text, exponent);
        if (at == exponent) return false;
    }
    return text[at] == '\0';
}

static bool parse_special_number(const char *text, double *ret_value) {
    static const char *const nans[] = {".nan", ".NaN", ".NAN"};
    static const char *const infinities[] = {".inf", ".Inf", ".INF"};
    bool sign = text[0] == '+' || text[0] == '-';
    if (!sign && is_one_of(text, nans)) {
        *ret_value = NAN;
        return true;
    }
    if (!is_one_of(text + sign, infinities)) return false;
    *ret_value = text[0] == '-' ? -INFINITY : INFINITY;
    return true;
}

static bool parse_number(const char *text, double *ret_value) {
    int64_t integer;
    if (parse_radix(text, &integer)) {
        *ret_value = (double)integer;
        return true;
    }
    if (!is_decimal_number(text)) return parse_special_number(text, ret_value);
    text += text[0] == '+';
    return bal_text_parse_double(text, strlen(text), ret_value);
}

static bool parse_bool(const char *text, bool *ret_value) {
    static const char *const truths[] = {"true", "True", "TRUE"};
    static const char *const lies[] = {"false", "False", "FALSE"};
    bool truth = is_one_of(text, truths);
    if (!truth && !is_one_of(text, lies)) return false;
    *ret_value = truth;
    return true;
}

static bool plain_is_null(const char *text) {
    static const char *const nulls[] = {"null", "Null", "NULL"};
    return text[0] == '\0' || strcmp(text, "~") == 0 || is_one_of(text, nulls);
}

static bool plain_is_typed(const char *text) {
    bool truth;
    double number;
    return plain_is_null(text) || parse_bool(text, &truth) || parse_number(text, &number);
}

static bool is_plain(const bal_yaml_node *node) {
    return node && node->kind == BAL_YAML_SCALAR && !node->quoted;
}

bool bal_yaml_text(const bal_yaml_node *node, const char **ret_text) {
    if (!node || node->kind != BAL_YAML_SCALAR) return false;
    *ret_text = node->text;
    return true;
}

bool bal_yaml_bool(const bal_yaml_node *node, bool *ret_value) {
    return is_plain(node) && parse_bool(node->text, ret_value);
}

bool bal_yaml_i64(const bal_yaml_node *node, int64_t *ret_value) {
    if (!is_plain(node)) return false;
    if (parse_radix(node->text, ret_value)) return true;
    if (!is_decimal_integer(node->text)) return false;
    const char *digits = node->text + (node->text[0] == '+');
    return bal_text_parse_i64(digits, strlen(digits), ret_value);
}

bool bal_yaml_number(const bal_yaml_node *node, double *ret_value) {
    return is_plain(node) && parse_number(node->text, ret_value);
}

bal_yaml_node *bal_yaml_get(const bal_yaml_node *map, const char *key) {
    if (!map || map->kind != BAL_YAML_MAPPING) return NULL;
    bal_yaml_each (child, map)
        if (strcmp(child->key, key) == 0) return child;
    return NULL;
}

const char *bal_yaml_describe(const bal_yaml_node *node) {
    bool truth;
    int64_t integer;
    double number;
    if (!node || node->kind == BAL_YAML_NULL) return "null";
    if (node->kind == BAL_YAML_SEQUENCE) return "a list";
    if (node->kind == BAL_YAML_MAPPING) return "a mapping";
    if (bal_yaml_bool(node, &truth)) return "true or false";
    if (bal_yaml_i64(node, &integer)) return "an integer";
    return bal_yaml_number(node, &number) ? "a number" : "text";
}

bal_status bal_yaml_fail(bal_error *err, bal_status status, const bal_yaml_node *node, bool at_key,
                         const char *format, ...) {
    char message[sizeof err->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (!node->source) return bal_fail(err, status, "%s", message);
    bool key = at_key && node->key_line > 0;
    return bal_fail(err, status, "%s:%d:%d: %s", node->source, key ? node->key_line : node->line,
                    key ? node->key_column : node->column, message);
}

static bal_yaml_node *new_node(bal_arena *arena, bal_yaml_kind kind) {
    bal_yaml_node *node = bal_arena_alloc(arena, 1, sizeof *node);
    if (!node) return NULL;
    node->kind = kind;
    node->text = "";
    return node;
}

bal_yaml_node *bal_yaml_new_null(bal_arena *arena) {
    return new_node(arena, BAL_YAML_NULL);
}

bal_yaml_node *bal_yaml_new_map(bal_arena *arena) {
    return new_node(arena, BAL_YAML_MAPPING);
}

bal_yaml_node *bal_yaml_new_seq(bal_arena *arena) {
    return new_node(arena, BAL_YAML_SEQUENCE);
}

bal_yaml_node *bal_yaml_new_scalar(bal_arena *arena, const char *text, bool quoted) {
    bool null = !quoted && plain_is_null(text);
    bal_yaml_node *node = new_node(arena, null ? BAL_YAML_NULL : BAL_YAML_SCALAR);
    if (!node) return NULL;
    node->quoted = quoted;
    node->text = bal_arena_strdup(arena, text);
    return node->text ? node : NULL;
}

bal_yaml_node *bal_yaml_new_text(bal_arena *arena, const char *text) {
    return bal_yaml_new_scalar(arena, text, plain_is_typed(text));
}

bal_yaml_node *bal_yaml_new_bool(bal_arena *arena, bool value) {
    return bal_yaml_new_scalar(arena, value ? "true" : "false", false);
}

bal_yaml_node *bal_yaml_new_integer(bal_arena *arena, int64_t value) {
    char buffer[32];
    snprintf(buffer, sizeof buffer, "%lld", (long long)value);
    return bal_yaml_new_scalar(arena, buffer, false);
}

/* Always with a point, which YAML 1.1 readers need to see a number in 1.0e-05. */
bal_yaml_node *bal_yaml_new_number(bal_arena *arena, double value) {
    if (isnan(value)) return bal_yaml_new_scalar(arena, ".nan", false);
    if (isinf(value)) return bal_yaml_new_scalar(arena, value > 0 ? ".inf" : "-.inf", false);
    char shortest[32], buffer[40];
    bal_text_format_double(value, shortest);
    size_t mantissa = strcspn(shortest, "e");
    const char *point = memchr(shortest, '.', mantissa) ? "" : ".0";
    snprintf(buffer, sizeof buffer, "%.*s%s%s", (int)mantissa, shortest, point,
             shortest + mantissa);
    return bal_yaml_new_scalar(arena, buffer, false);
}

static void link_last(bal_yaml_node *parent, bal_yaml_node *child) {
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

bal_yaml_node *bal_yaml_copy(bal_arena *arena, const bal_yaml_node *node) {
    bal_yaml_node *copy = new_node(arena, node->kind);
    if (!copy) return NULL;
    *copy = *node;
    copy->key = NULL;
    copy->next = copy->first = copy->last = NULL;
    copy->count = 0;
    bal_yaml_each (child, node) {
        bal_yaml_node *child_copy = bal_yaml_copy(arena, child);
        if (!child_copy) return NULL;
        child_copy->key = child->key;
        link_last(copy, child_copy);
    }
    return copy;
}

bool bal_yaml_append(bal_yaml_node *sequence, bal_yaml_node *node) {
    if (!sequence || !node) return false;
    node->key = NULL;
    link_last(sequence, node);
    return true;
}

static bal_yaml_node *entry_before(const bal_yaml_node *map, const bal_yaml_node *entry) {
    bal_yaml_node *before = NULL;
    for (bal_yaml_node *child = map->first; child != entry; child = child->next)
        before = child;
    return before;
}

static void replace_entry(bal_yaml_node *map, const bal_yaml_node *old, bal_yaml_node *node) {
    bal_yaml_node *before = entry_before(map, old);
    node->key = old->key;
    node->key_line = old->key_line;
    node->key_column = old->key_column;
    node->next = old->next;
    if (before)
        before->next = node;
    else
        map->first = node;
    if (map->last == old) map->last = node;
}

bool bal_yaml_set(bal_arena *arena, bal_yaml_node *map, const char *key, bal_yaml_node *node) {
    if (!map || !node || strlen(key) > BAL_YAML_KEY_MAX) return false;
    bal_yaml_node *old = bal_yaml_get(map, key);
    if (old) {
        if (old != node) replace_entry(map, old, node);
        return true;
    }
    node->key = bal_arena_strdup(arena, key);
    if (!node->key) return false;
    node->key_line = node->key_column = 0;
    link_last(map, node);
    return true;
}

bool bal_yaml_remove(bal_yaml_node *map, const char *key) {
    bal_yaml_node *old = bal_yaml_get(map, key);
    if (!old) return false;
    bal_yaml_node *before = entry_before(map, old);
    if (before)
        before->next = old->next;
    else
        map->first = old->next;
    if (map->last == old) map->last = before;
    map->count--;
    return true;
}

static bool equal_scalars(const bal_yaml_node *a, const bal_yaml_node *b) {
    bool a_typed = !a->quoted && plain_is_typed(a->text);
    bool b_typed = !b->quoted && plain_is_typed(b->text);
    return a_typed == b_typed && strcmp(a->text, b->text) == 0;
}

bool bal_yaml_equal(const bal_yaml_node *a, const bal_yaml_node *b) {
    if (a->kind != b->kind || a->count != b->count) return false;
    if (a->kind == BAL_YAML_SCALAR) return equal_scalars(a, b);
    const bal_yaml_node *other = b->first;
    bal_yaml_each (child, a) {
        if (a->kind == BAL_YAML_MAPPING && strcmp(child->key, other->key) != 0) return false;
        if (!bal_yaml_equal(child, other)) return false;
        other = other->next;
    }
    return true;
}
