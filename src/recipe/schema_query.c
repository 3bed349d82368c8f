/* Looking up rows of the schema table, and saying what they allow. */
#include <string.h>

#include "base/text.h"
#include "recipe/schema.h"

const bal_schema_key *bal_schema_find(const char *path) {
    for (const bal_schema_key *key = bal_schema_table; key->path; key++)
        if (strcmp(key->path, path) == 0) return key;
    return NULL;
}

const char *bal_schema_name(const bal_schema_key *key) {
    const char *dot = strrchr(key->path, '.');
    return dot ? dot + 1 : key->path;
}

bool bal_schema_has_staged(const char *section) {
    size_t length = strlen(section);
    for (const bal_schema_key *key = bal_schema_table; key->path; key++)
        if (key->staged && strncmp(key->path, section, length) == 0 &&
            strchr(".[", key->path[length]))
            return true;
    return false;
}

const char *bal_schema_staged_name(const bal_schema_key *key, bal_arena *arena) {
    const char *list = strstr(key->path, "[]");
    if (!list) return key->path;
    return bal_arena_printf(arena, "%.*s.HEAD%s", (int)(list - key->path), key->path, list + 2);
}

static bool is_inside(const char *path, const char *section, size_t length) {
    if (length == 0) return !strchr(path, '.');
    return strncmp(path, section, length) == 0 && path[length] == '.' &&
           !strchr(path + length + 1, '.');
}

const bal_schema_key *bal_schema_next(const char *section, const bal_schema_key *after) {
    size_t length = strlen(section);
    const bal_schema_key *key = after ? after + 1 : bal_schema_table;
    for (; key->path; key++)
        if (is_inside(key->path, section, length)) return key;
    return NULL;
}

bal_schema_names bal_schema_names_of(bal_schema_name_fn *list) {
    bal_schema_names names = {.count = 0};
    while (names.count < BAL_SCHEMA_NAMES_MAX && (names.name[names.count] = list(names.count)))
        names.count++;
    names.name[names.count] = NULL;
    return names;
}

bal_schema_names bal_schema_keys_of(const char *section) {
    bal_schema_names names = {.count = 0};
    const bal_schema_key *key = NULL;
    while (names.count < BAL_SCHEMA_NAMES_MAX && (key = bal_schema_next(section, key)))
        names.name[names.count++] = bal_schema_name(key);
    return names;
}

static void put_number(bal_text *out, double value) {
    char digits[32];
    bal_text_format_double(value, digits);
    bal_text_puts(out, digits);
}

void bal_schema_put_range(bal_text *out, const bal_schema_range *range) {
    if (range->has_least && range->has_most && range->least == range->most) {
        put_number(out, range->least);
        return;
    }
    if (range->has_least) {
        bal_text_puts(out, range->above ? "more than " : "at least ");
        put_number(out, range->least);
    }
    if (range->has_least && range->has_most) bal_text_puts(out, " and ");
    if (range->has_most) {
        bal_text_puts(out, range->below ? "less than " : "at most ");
        put_number(out, range->most);
    }
}
