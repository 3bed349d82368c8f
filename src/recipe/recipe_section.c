/* Mappings of a recipe by the rows of the schema table: every key given must be known and mean
 * something, every row gets a value, given or default. */
#include <string.h>

#include "base/error.h"
#include "recipe/recipe_reader.h"

static const char *section_title(const char *where) {
    return where[0] ? where : "the recipe";
}

static const char *path_join(bal_arena *arena, const char *where, const char *name) {
    return where[0] ? bal_arena_printf(arena, "%s.%s", where, name) : name;
}

/* ---- unknown keys ---- */

/* The path of a key of that name in another section: for `lr` at the top, "optimizer.lr". Keys of
 * list entries are left out, their path would have to name the entry. */
static const char *elsewhere(const char *name) {
    for (const bal_schema_key *key = bal_schema_table; key->path; key++)
        if (strcmp(bal_schema_name(key), name) == 0 && !strchr(key->path, '[')) return key->path;
    return NULL;
}

static bal_status fail_unknown(const bal_recipe_reader *r, const bal_yaml_node *entry,
                               const char *where, const bal_schema_names *known) {
    bal_place place = bal_recipe_key_place(entry);
    const char *title = section_title(where);
    const char *nearest = bal_text_nearest(entry->key, known->name);
    if (nearest)
        return bal_recipe_fail(r, place, "unknown key '%s' in %s; did you mean '%s'?", entry->key,
                               title, nearest);
    const char *other = elsewhere(entry->key);
    bool fragment = other && strcmp(other, entry->key) == 0 && strchr(where, '[');
    if (other && !fragment)
        return bal_recipe_fail(r, place, "unknown key '%s' in %s; did you mean '%s'?", entry->key,
                               title, other);
    return bal_recipe_fail(r, place, "unknown key '%s' in %s; known are %s", entry->key, title,
                           bal_recipe_listing(r->arena, known->name));
}

static bal_status check_keys(const bal_recipe_reader *r, const char *section,
                             const bal_recipe_field *field) {
    if (!field->node || !field->node->first) return BAL_OK;
    bal_schema_names known = bal_schema_keys_of(section);
    bal_yaml_each (entry, field->node) {
        int i = 0;
        while (i < known.count && strcmp(known.name[i], entry->key) != 0)
            i++;
        if (i == known.count) return fail_unknown(r, entry, field->where, &known);
    }
    return BAL_OK;
}

/* ---- defaults ---- */

/* The few defaults with structure are read as YAML; parsing all would cost milliseconds. */
static bool parse_default(bal_recipe_reader *r, const char *text, bal_yaml_node **ret_node) {
    if (text[0] != '[' && text[0] != '{') {
        *ret_node = bal_yaml_new_scalar(r->arena, text, text[0] == '\0');
        return *ret_node;
    }
    if (strcmp(text, "[]") == 0) return (*ret_node = bal_yaml_new_seq(r->arena)) != NULL;
    if (strcmp(text, "{}") == 0) return (*ret_node = bal_yaml_new_map(r->arena)) != NULL;
    if (bal_yaml_from_text(r->arena, text, "default", ret_node, NULL) != BAL_OK) return false;
    bal_recipe_move(*ret_node, NULL);
    return true;
}

bal_status bal_recipe_default(bal_recipe_reader *r, const bal_schema_key *key,
                              const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    *ret_node = NULL;
    bool made = true;
    if (key->fallback)
        made = parse_default(r, key->fallback, ret_node);
    else if (key->derive)
        made = key->derive(scope, ret_node);
    return made ? BAL_OK : bal_recipe_fail_memory(r);
}

bal_yaml_node *bal_recipe_long_form(bal_arena *arena, const bal_schema_key *key,
                                    bal_yaml_node *node) {
    if (!key->short_key || node->kind != BAL_YAML_SCALAR) return node;
    bal_yaml_node *map = bal_recipe_keep_place(bal_yaml_new_map(arena), node);
    if (!map || !bal_yaml_set(arena, map, key->short_key, bal_yaml_copy(arena, node))) return NULL;
    map->key_line = node->key_line;
    map->key_column = node->key_column;
    return map;
}

/* ---- keys without a meaning ---- */

static bool has_meaning(const bal_schema_key *key, const bal_yaml_node *own) {
    if (!key->only_key) return true;
    const char *value = "";
    if (!bal_yaml_text(bal_yaml_get(own, key->only_key), &value)) return false;
    for (int i = 0; key->only_values[i]; i++)
        if (strcmp(key->only_values[i], value) == 0) return true;
    return false;
}

static bal_status fail_meaningless(const bal_recipe_reader *r, const bal_recipe_field *field) {
    const bal_schema_key *key = field->key;
    const char *value = "";
    bal_yaml_text(bal_yaml_get(field->own, key->only_key), &value);
    return bal_recipe_fail(r, bal_recipe_key_place(field->node),
                           "%s has no meaning with %s: %s, only with %s; take it out (on a command "
                           "line: %s=)",
                           field->where, key->only_key, value,
                           bal_recipe_listing(r->arena, key->only_values), field->where);
}

/* A key that nothing will read may say what it would say anyway: `l2: 0` beside adamw. */
static bal_status check_meaningless(bal_recipe_reader *r, const bal_recipe_field *field,
                                    const bal_yaml_node *fallback) {
    bool container =
        field->key->type == BAL_SCHEMA_SECTION || field->key->type == BAL_SCHEMA_SECTIONS;
    if (!fallback || container) return fail_meaningless(r, field);
    bal_recipe_field usual = *field;
    usual.node = fallback;
    bal_yaml_node *given, *wanted;
    BAL_TRY(bal_recipe_read_value(r, field, &given));
    BAL_TRY(bal_recipe_read_value(r, &usual, &wanted));
    return bal_yaml_equal(given, wanted) ? BAL_OK : fail_meaningless(r, field);
}

/* ---- one key ---- */

static bal_status fail_missing(const bal_recipe_reader *r, const bal_recipe_field *section,
                               const bal_schema_key *key) {
    const char *only_value = "";
    if (key->only_key) bal_yaml_text(bal_yaml_get(section->own, key->only_key), &only_value);
    return bal_recipe_fail(r, bal_recipe_key_place(section->node), "%s needs '%s'%s%s%s%s. %s",
                           section_title(section->where), bal_schema_name(key),
                           only_value[0] ? " with " : "", only_value[0] ? key->only_key : "",
                           only_value[0] ? ": " : "", only_value, key->help);
}

/* What is kept of a key without a meaning: not its default, which nobody asked for and which losses
 * and optimisers would refuse as an option that they have to ignore. Names are the exception, such
 * as `none`, the class weights of a head without classes. */
static bal_status fill_idle(bal_recipe_reader *r, const bal_recipe_field *field) {
    bal_yaml_node *ignored;
    const bal_schema_key *key = field->key;
    switch (key->type) {
    case BAL_SCHEMA_SECTION:
        return bal_recipe_read_value(r, field, &ignored);
    case BAL_SCHEMA_NAME:
    case BAL_SCHEMA_INDEX:
        return field->node ? bal_recipe_read_value(r, field, &ignored) : BAL_OK;
    case BAL_SCHEMA_NUMBER:
        memcpy((char *)field->base + key->slot, &key->none, sizeof key->none);
        return BAL_OK;
    default:
        return BAL_OK;
    }
}

/* Strings are never NULL, not even those of keys without a meaning. */
static void fill_empty(const bal_schema_key *key, void *base) {
    bool text = key->type == BAL_SCHEMA_TEXT || key->type == BAL_SCHEMA_PATH ||
                key->type == BAL_SCHEMA_METRIC || key->type == BAL_SCHEMA_NAME ||
                key->type == BAL_SCHEMA_TARGET;
    if (!text || key->slot == BAL_SCHEMA_NO_SLOT) return;
    static const char *const empty = "";
    char *slot = (char *)base + key->slot;
    const char *value;
    memcpy(&value, slot, sizeof value);
    if (!value) memcpy(slot, &empty, sizeof empty);
}

static bool add_resolved(bal_recipe_reader *r, bal_yaml_node *resolved, const char *name,
                         bal_yaml_node *value, const bal_yaml_node *given) {
    bal_recipe_keep_place(value, given);
    if (!bal_yaml_set(r->arena, resolved, name, value)) return false;
    if (given) {
        value->key_line = given->key_line;
        value->key_column = given->key_column;
    }
    return true;
}

static bal_status read_key(bal_recipe_reader *r, const bal_recipe_field *section,
                           const bal_schema_key *key, bal_yaml_node *resolved) {
    const char *name = bal_schema_name(key);
    const bal_yaml_node *given = bal_yaml_get(section->node, name);
    const bal_schema_scope scope = {r->arena, r->root, section->parent, resolved};
    bal_recipe_field field = {.key = key,
                              .where = path_join(r->arena, section->where, name),
                              .node = given,
                              .base = section->base,
                              .parent = section->parent,
                              .own = resolved,
                              .applies = section->applies && has_meaning(key, resolved)};
    if (!field.where) return bal_recipe_fail_memory(r);
    bal_yaml_node *fallback = NULL, *value;
    if (!given || !field.applies) BAL_TRY(bal_recipe_default(r, key, &scope, &fallback));
    if (given && !field.applies) BAL_TRY(check_meaningless(r, &field, fallback));
    if (!given || !field.applies) field.node = fallback;
    /* A section may be one that nobody misses: the rule for its default says null then. */
    if (!given && key->type == BAL_SCHEMA_SECTION && fallback && fallback->kind == BAL_YAML_NULL) {
        field.applies = false;
        field.node = NULL;
    }
    if (!field.applies) {
        BAL_TRY(fill_idle(r, &field));
    } else {
        if (!field.node) return fail_missing(r, section, key);
        BAL_TRY(bal_recipe_read_value(r, &field, &value));
        if (!add_resolved(r, resolved, name, value, given)) return bal_recipe_fail_memory(r);
    }
    fill_empty(key, section->base);
    return BAL_OK;
}

bal_status bal_recipe_read_section(bal_recipe_reader *r, const char *section,
                                   const bal_recipe_field *field, bal_yaml_node *resolved) {
    BAL_TRY(check_keys(r, section, field));
    const bal_schema_key *key = NULL;
    while ((key = bal_schema_next(section, key)))
        BAL_TRY(read_key(r, field, key, resolved));
    return BAL_OK;
}
