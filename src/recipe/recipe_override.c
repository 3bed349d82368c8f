/* KEY=VALUE of a command line into the tree of a recipe, before anything is checked: what an
 * override breaks is then reported by the same checks, with the command line as its place.
 *
 * KEY is a path as in the schema table; an entry of a list is named by its number, heads[0], or by
 * its name, heads.label. Mappings on the way that are not there are made, short forms (loss: focal)
 * are written out. VALUE is YAML; an empty one takes the key out, which puts it back to its
 * default. In a stage paths are those of the recipe, and of heads: stages.focus.heads.label.weight.
 * */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "recipe/recipe_reader.h"

enum { SHOWN_MAX = 200, KEY_MAX = 200 };

typedef struct walk {
    bal_recipe_reader *reader;
    const char *source;        /* "command line: KEY=VALUE" */
    bal_yaml_node *node;       /* where we are */
    char schema[KEY_MAX + 64]; /* its path in the schema table, as far as there is one */
    bool in_stage;             /* then that of the key of the recipe that the stage changes */
} walk;

static bal_status fail(const walk *w, const char *format, ...) BAL_PRINTF(2, 3);

static bal_status fail(const walk *w, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return bal_recipe_fail(w->reader, (bal_place){w->source, 0, 0}, "%s", message);
}

static bal_arena *arena_of(const walk *w) {
    return w->reader->arena;
}

/* ---- steps on the way ---- */

static void enter_schema(walk *w, const char *name) {
    size_t length = strlen(w->schema);
    if (w->in_stage && strcmp(w->schema, "heads") == 0)
        snprintf(w->schema, sizeof w->schema, "heads[]"); /* a stage has them by name */
    else
        snprintf(w->schema + length, sizeof w->schema - length, "%s%s", length ? "." : "", name);
}

/* What a key that is not given stands for, so that there is something to go on into. */
static bal_status make_missing(walk *w, const char *name, bal_yaml_node **ret_node) {
    const bal_schema_key *key = bal_schema_find(w->schema);
    const bal_schema_scope nothing = {.arena = arena_of(w)};
    bal_yaml_node *node = NULL;
    bool stands_for = key && key->fallback && key->type != BAL_SCHEMA_DETECTORS;
    if (stands_for && !w->in_stage) /* what a stage does not give is the recipe's */
        BAL_TRY(bal_recipe_default(w->reader, key, &nothing, &node));
    else
        node = bal_yaml_new_map(arena_of(w));
    if (!node) return bal_recipe_fail_memory(w->reader);
    bal_recipe_move(node, w->source);
    if (!bal_yaml_set(arena_of(w), w->node, name, node)) return bal_recipe_fail_memory(w->reader);
    *ret_node = node;
    return BAL_OK;
}

static bal_status enter_key(walk *w, const char *name) {
    if (w->node->kind != BAL_YAML_MAPPING)
        return fail(w, "there is nothing called '%s' inside %s", name, bal_yaml_describe(w->node));
    enter_schema(w, name);
    const bal_schema_key *key = bal_schema_find(w->schema);
    bal_yaml_node *child = bal_yaml_get(w->node, name);
    if (!child || child->kind == BAL_YAML_NULL) {
        BAL_TRY(make_missing(w, name, &child));
    } else if (key) {
        bal_yaml_node *full = bal_recipe_long_form(arena_of(w), key, child);
        if (!full) return bal_recipe_fail_memory(w->reader);
        if (full != child && !bal_yaml_set(arena_of(w), w->node, name, full))
            return bal_recipe_fail_memory(w->reader);
        child = full;
    }
    w->node = child;
    return BAL_OK;
}

static void enter_entry(walk *w, bal_yaml_node *entry) {
    size_t length = strlen(w->schema);
    snprintf(w->schema + length, sizeof w->schema - length, "[]");
    w->node = entry;
    if (strcmp(w->schema, "stages[]") != 0) return;
    w->in_stage = true;
    w->schema[0] = '\0';
}

static const char *entry_name(const walk *w, const bal_yaml_node *entry) {
    const char *name = "";
    char path[sizeof w->schema + 8];
    if (bal_yaml_text(bal_yaml_get(entry, "name"), &name)) return name;
    snprintf(path, sizeof path, "%s[].name", w->schema);
    const bal_schema_key *key = bal_schema_find(path);
    return key && key->fallback ? key->fallback : "";
}

static bal_status enter_named_entry(walk *w, const char *name) {
    bal_schema_names known = {.count = 0};
    bal_yaml_each (entry, w->node) {
        const char *own = entry_name(w, entry);
        if (strcmp(own, name) == 0) {
            enter_entry(w, entry);
            return BAL_OK;
        }
        if (own[0] && known.count < BAL_SCHEMA_NAMES_MAX) known.name[known.count++] = own;
    }
    return bal_recipe_fail_name(w->reader, (bal_place){w->source, 0, 0}, w->schema, name,
                                known.name);
}

static bal_yaml_node **nth_link(bal_yaml_node *list, int64_t index) {
    bal_yaml_node **link = &list->first;
    for (; *link && index > 0; index--)
        link = &(*link)->next;
    return link;
}

static bal_status find_entry(walk *w, int64_t index, bal_yaml_node ***ret_link) {
    if (w->node->kind != BAL_YAML_SEQUENCE)
        return fail(w, "[%lld] needs a list, but %s is %s", (long long)index,
                    w->schema[0] ? w->schema : "the recipe", bal_yaml_describe(w->node));
    bal_yaml_node **link = nth_link(w->node, index);
    if (!*link)
        return fail(w, "%s has no entry [%lld]; it has %zu, counted from 0", w->schema,
                    (long long)index, w->node->count);
    *ret_link = link;
    return BAL_OK;
}

/* ---- the last step ---- */

static bal_status set_key(walk *w, const char *name, bal_yaml_node *value) {
    if (w->node->kind != BAL_YAML_MAPPING)
        return fail(w, "there is nothing called '%s' inside %s", name, bal_yaml_describe(w->node));
    if (!value) {
        bal_yaml_remove(w->node, name);
        return BAL_OK;
    }
    if (!bal_yaml_set(arena_of(w), w->node, name, value)) return bal_recipe_fail_memory(w->reader);
    return BAL_OK;
}

static bal_status set_entry(walk *w, int64_t index, bal_yaml_node *value) {
    bal_yaml_node **link;
    BAL_TRY(find_entry(w, index, &link));
    if (!value) return fail(w, "an entry of a list cannot be taken out; give the whole list");
    value->next = (*link)->next;
    if (w->node->last == *link) w->node->last = value;
    *link = value;
    return BAL_OK;
}

/* ---- KEY ---- */

/* "[12]" at *at; moves behind it. */
static bal_status take_index(walk *w, const char **at, int64_t *ret_index) {
    const char *digits = *at + 1;
    const char *end = strchr(digits, ']');
    if (!end || !bal_text_parse_i64(digits, (size_t)(end - digits), ret_index) || *ret_index < 0)
        return fail(w, "wanted a number in brackets, as in heads[0], found '%.40s'", *at);
    if (end[1] && end[1] != '.' && end[1] != '[')
        return fail(w, "wanted '.', '[' or '=' after ']', found '%.40s'", end + 1);
    *at = end + 1 + (end[1] == '.');
    return BAL_OK;
}

static bal_status take_name(walk *w, const char **at, char *name, size_t size) {
    size_t length = strcspn(*at, ".[");
    if (length == 0 || length >= size)
        return fail(w, "wanted a key such as train.epochs or heads[0].weight before '='");
    memcpy(name, *at, length);
    name[length] = '\0';
    *at += length;
    if (**at == '.' && !*++*at) return fail(w, "wanted another key after the last '.'");
    return BAL_OK;
}

static bal_status apply(walk *w, const char *at, bal_yaml_node *value) {
    while (*at) {
        if (*at == '[') {
            int64_t index;
            bal_yaml_node **link;
            BAL_TRY(take_index(w, &at, &index));
            if (!*at) return set_entry(w, index, value);
            BAL_TRY(find_entry(w, index, &link));
            enter_entry(w, *link);
        } else {
            char name[KEY_MAX + 1];
            BAL_TRY(take_name(w, &at, name, sizeof name));
            if (w->node->kind == BAL_YAML_SEQUENCE) {
                BAL_TRY(enter_named_entry(w, name));
                if (!*at)
                    return fail(w, "give single keys of an entry, such as heads.label.weight");
            } else if (!*at) {
                return set_key(w, name, value);
            } else {
                BAL_TRY(enter_key(w, name));
            }
        }
    }
    return fail(w, "wanted a key such as train.epochs before '='");
}

/* The value as a tree, NULL for an empty one. The reader's own line and column say nothing about a
 * command line and are left out of its message. */
static bal_status read_value(const walk *w, const char *text, bal_yaml_node **ret_value) {
    bal_error why = {0};
    *ret_value = NULL;
    if (!text[0]) return BAL_OK;
    bal_status status = bal_yaml_from_text(arena_of(w), text, "value", ret_value, &why);
    if (status == BAL_ENOMEM) return bal_recipe_fail_memory(w->reader);
    if (status != BAL_OK) {
        const char *sentence = strstr(why.message, ": ");
        return fail(w, "%s", sentence ? sentence + 2 : why.message);
    }
    bal_recipe_move(*ret_value, w->source);
    return BAL_OK;
}

bal_status bal_recipe_override(bal_recipe_reader *r, bal_yaml_node *root, const char *text) {
    size_t valid = bal_text_utf8_valid(text, strlen(text));
    const char *shown = text[valid] ? "(not UTF-8)" : text;
    const char *source = bal_arena_printf(r->arena, "command line: %.*s%s", SHOWN_MAX, shown,
                                          strlen(shown) > SHOWN_MAX ? "…" : "");
    if (!source) return bal_recipe_fail_memory(r);
    walk w = {.reader = r, .source = source, .node = root};
    const char *equals = strchr(text, '=');
    if (!equals) return fail(&w, "wanted KEY=VALUE, such as train.epochs=3");
    if (equals - text > KEY_MAX) return fail(&w, "a key of more than %d bytes", KEY_MAX);
    const char *key = bal_arena_strndup(r->arena, text, (size_t)(equals - text));
    if (!key) return bal_recipe_fail_memory(r);
    bal_yaml_node *value;
    BAL_TRY(read_value(&w, equals + 1, &value));
    return apply(&w, key, value);
}
