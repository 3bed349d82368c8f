/* Stages: each entry of `stages` is laid over the recipe as it was given, and the result is read
 * and checked as a recipe of its own, so that a stage knows every rule, default and message that a
 * recipe knows.
 *
 * Rows of the schema table say what a stage may change. Sections are merged key by key; a list, a
 * table of epochs or of classes replaces the whole. Where a stage chooses another kind, the keys
 * that the recipe gave for its own kind are left behind. Nodes that do not change are shared with
 * the recipe's tree, which nothing changes any more. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "recipe/recipe_reader.h"

enum { STAGE_NAME_MAX = 63, PATH_SIZE = 320 };

static const char stage_rows[] = "stages[]"; /* the keys of the stage itself */
static const char head_rows[] = "heads[]";

typedef struct stage_reader {
    bal_recipe_reader *reader;  /* of the whole recipe */
    const bal_yaml_node *given; /* the whole recipe */
    const bal_yaml_node *entry; /* the stage */
    const char *where;          /* "stages.focus", "stages.focus.heads.label" */
} stage_reader;

/* ---- what a stage may change ---- */

static void join(char *path, const char *section, const char *name) {
    snprintf(path, PATH_SIZE, "%s%s%s", section, section[0] ? "." : "", name);
}

/* "name, init_from, optimizer, heads.HEAD.loss and stop" */
static const char *list_staged(bal_arena *arena) {
    bal_schema_names names = bal_schema_keys_of(stage_rows);
    for (const bal_schema_key *key = bal_schema_table; key->path; key++) {
        if (!key->staged || names.count == BAL_SCHEMA_NAMES_MAX) continue;
        const char *name = bal_schema_staged_name(key, arena);
        if (name) names.name[names.count++] = name;
    }
    names.name[names.count] = NULL;
    return bal_recipe_listing(arena, names.name);
}

/* Keys that a stage may have inside a section. */
static bal_schema_names staged_keys(const char *section) {
    bal_schema_names names = {.count = 0};
    const bal_schema_key *key = NULL;
    if (!section[0]) names = bal_schema_keys_of(stage_rows);
    while (names.count < BAL_SCHEMA_NAMES_MAX && (key = bal_schema_next(section, key)))
        if (key->staged || bal_schema_has_staged(key->path))
            names.name[names.count++] = bal_schema_name(key);
    names.name[names.count] = NULL;
    return names;
}

static bal_status fail_key(const stage_reader *s, const char *section, const bal_yaml_node *entry,
                           const bal_schema_key *key) {
    const bal_recipe_reader *r = s->reader;
    bal_place place = bal_recipe_key_place(entry);
    if (key)
        return bal_recipe_fail(r, place,
                               "%s: a stage cannot change %s, which is the same in all stages; "
                               "it may have %s",
                               s->where,
                               strcmp(section, head_rows) == 0 ? bal_schema_name(key) : key->path,
                               list_staged(r->arena));
    bal_schema_names known = staged_keys(section);
    const char *nearest = bal_text_nearest(entry->key, known.name);
    if (nearest)
        return bal_recipe_fail(r, place, "unknown key '%s' in %s; did you mean '%s'?", entry->key,
                               s->where, nearest);
    return bal_recipe_fail(r, place, "unknown key '%s' in %s; it may have %s", entry->key, s->where,
                           list_staged(r->arena));
}

static bool is_own_key(const char *section, const char *name) {
    char path[PATH_SIZE];
    join(path, stage_rows, name);
    return !section[0] && bal_schema_find(path);
}

/* Before anything is made of a stage: a misspelt `name` is no missing one. */
static bal_status check_keys(const stage_reader *s) {
    bal_yaml_each (entry, s->entry) {
        const bal_schema_key *key = bal_schema_find(entry->key);
        bool known = key && (key->staged || bal_schema_has_staged(key->path));
        if (!known && !is_own_key("", entry->key)) return fail_key(s, "", entry, key);
    }
    return BAL_OK;
}

/* ---- laying trees over each other ---- */

/* A node with a place of its own in a list; what is inside it is shared. */
static bal_yaml_node *share(bal_arena *arena, const bal_yaml_node *node) {
    bal_yaml_node *copy = bal_arena_alloc(arena, 1, sizeof *copy);
    if (!copy) return NULL;
    *copy = *node;
    copy->next = NULL;
    copy->key = NULL;
    return copy;
}

static bal_status put(const stage_reader *s, bal_yaml_node *map, const char *name,
                      bal_yaml_node *value, const bal_yaml_node *given) {
    if (!bal_yaml_set(s->reader->arena, map, name, value)) return bal_recipe_fail_memory(s->reader);
    value->key_line = given->key_line;
    value->key_column = given->key_column;
    return BAL_OK;
}

/* Whether a key that the recipe gives means nothing with the kind that the stage chooses. */
static bool is_left_behind(const bal_schema_key *key, const bal_yaml_node *over) {
    const char *kind;
    if (!key || !key->only_key || !bal_yaml_text(bal_yaml_get(over, key->only_key), &kind))
        return false;
    for (int i = 0; key->only_values[i]; i++)
        if (strcmp(key->only_values[i], kind) == 0) return false;
    return true;
}

static bal_status lay_mapping(const stage_reader *s, const char *section, bool free,
                              const bal_yaml_node *base, const bal_yaml_node *over,
                              bal_yaml_node **ret_map);

static bal_status lay_heads(const stage_reader *s, const bal_yaml_node *base,
                            const bal_yaml_node *over, bal_yaml_node **ret_list);

/* One key of a section. `free`: an outer section is the stage's already. */
static bal_status lay_key(const stage_reader *s, const char *section, bool free,
                          const bal_yaml_node *base, const bal_yaml_node *over,
                          bal_yaml_node **ret_value) {
    bal_recipe_reader *r = s->reader;
    char path[PATH_SIZE];
    join(path, section, over->key);
    const bal_schema_key *key = bal_schema_find(path);
    bool staged = free || (key && key->staged);
    if (!staged && !(key && bal_schema_has_staged(path))) return fail_key(s, section, over, key);
    if (strcmp(path, "heads") == 0) return lay_heads(s, base, over, ret_value);
    bal_yaml_node *value = share(r->arena, over);
    if (!value) return bal_recipe_fail_memory(r);
    if (key && key->type == BAL_SCHEMA_SECTION) {
        const bal_yaml_node *under = base;
        over = bal_recipe_long_form(r->arena, key, value);
        if (base) under = bal_recipe_long_form(r->arena, key, (bal_yaml_node *)base);
        if (!over || (base && !under)) return bal_recipe_fail_memory(r);
        bool merge = over->kind == BAL_YAML_MAPPING && (!under || under->kind == BAL_YAML_MAPPING);
        if (merge) return lay_mapping(s, path, staged, under, over, ret_value);
        if (!staged) {
            const bal_recipe_field field = {.where = path, .node = over};
            return bal_recipe_fail_type(r, &field, "a mapping");
        }
    }
    *ret_value = value;
    return BAL_OK;
}

/* What the stage does not mention stays the recipe's. */
static bal_status keep_rest(const stage_reader *s, const char *section, const bal_yaml_node *base,
                            const bal_yaml_node *over, bal_yaml_node *map) {
    bal_yaml_each (under, base) {
        char path[PATH_SIZE];
        join(path, section, under->key);
        if (strcmp(path, "stages") == 0) continue;
        const bal_yaml_node *change =
            section[0] || strcmp(under->key, "name") != 0 ? bal_yaml_get(over, under->key) : NULL;
        if (change || is_left_behind(bal_schema_find(path), over)) continue;
        BAL_TRY(put(s, map, under->key, share(s->reader->arena, under), under));
    }
    return BAL_OK;
}

static bal_status lay_mapping(const stage_reader *s, const char *section, bool free,
                              const bal_yaml_node *base, const bal_yaml_node *over,
                              bal_yaml_node **ret_map) {
    bal_yaml_node *map =
        bal_recipe_keep_place(bal_yaml_new_map(s->reader->arena), section[0] ? over : base);
    if (!map) return bal_recipe_fail_memory(s->reader);
    if (base) BAL_TRY(keep_rest(s, section, base, over, map));
    bal_yaml_each (change, over) {
        bal_yaml_node *value;
        if (is_own_key(section, change->key)) continue;
        const bal_yaml_node *under = base ? bal_yaml_get(base, change->key) : NULL;
        BAL_TRY(lay_key(s, section, free, under, change, &value));
        BAL_TRY(put(s, map, change->key, value, change));
    }
    *ret_map = map;
    return BAL_OK;
}

/* ---- heads: a mapping by name over a list ---- */

const char *bal_recipe_head_name(const bal_yaml_node *head) {
    const char *name = bal_schema_find("heads[].name")->fallback;
    bal_yaml_text(bal_yaml_get(head, "name"), &name);
    return name;
}

static bal_status check_head_names(const stage_reader *s, const bal_yaml_node *base,
                                   const bal_yaml_node *over) {
    const char *where = bal_arena_printf(s->reader->arena, "%s.heads", s->where);
    if (!where) return bal_recipe_fail_memory(s->reader);
    bal_recipe_field field = {.where = where, .node = over};
    if (over->kind != BAL_YAML_MAPPING)
        return bal_recipe_fail_type(s->reader, &field,
                                    "a mapping by name, such as {label: {weight: 0.5}}");
    bal_yaml_each (change, over) {
        bal_schema_names known = {.count = 0};
        bool found = false;
        bal_yaml_each (head, base) {
            found = found || strcmp(bal_recipe_head_name(head), change->key) == 0;
            if (known.count < BAL_SCHEMA_NAMES_MAX)
                known.name[known.count++] = bal_recipe_head_name(head);
        }
        if (!found)
            return bal_recipe_fail_name(s->reader, bal_recipe_key_place(change), where, change->key,
                                        known.name);
        field.node = change;
        if (change->kind != BAL_YAML_MAPPING)
            return bal_recipe_fail_type(s->reader, &field, "a mapping for each head");
    }
    return BAL_OK;
}

static bal_status lay_heads(const stage_reader *s, const bal_yaml_node *base,
                            const bal_yaml_node *over, bal_yaml_node **ret_list) {
    bal_recipe_reader *r = s->reader;
    bal_yaml_node *list = bal_recipe_keep_place(bal_yaml_new_seq(r->arena), base), *all = NULL;
    const bal_schema_scope nothing = {.arena = r->arena};
    if (!list) return bal_recipe_fail_memory(r);
    if (!base) BAL_TRY(bal_recipe_default(r, bal_schema_find("heads"), &nothing, &all));
    if (!base) base = all;
    BAL_TRY(check_head_names(s, base, over));
    bal_yaml_each (head, base) {
        bal_yaml_node *laid = share(r->arena, head);
        const char *name = bal_recipe_head_name(head);
        const bal_yaml_node *change = bal_yaml_get(over, name);
        stage_reader of_head = *s;
        of_head.where = bal_arena_printf(r->arena, "%s.heads.%s", s->where, name);
        if (!of_head.where) return bal_recipe_fail_memory(r);
        if (change) BAL_TRY(lay_mapping(&of_head, head_rows, false, head, change, &laid));
        if (!bal_yaml_append(list, laid)) return bal_recipe_fail_memory(r);
    }
    *ret_list = list;
    return BAL_OK;
}

/* ---- the stage itself ---- */

static bal_status check_stage_name(const stage_reader *s, int32_t index,
                                   const bal_recipe_stage *stages) {
    const char *name = stages[index].name;
    bal_place place = bal_recipe_place(bal_yaml_get(s->entry, "name"));
    if (!bal_recipe_is_plain_name(name, "_-", STAGE_NAME_MAX))
        return bal_recipe_fail(s->reader, place,
                               "%s.name: '%.70s' cannot name a stage's file; use letters, digits, "
                               "'_' and '-', at most %d",
                               s->where, name, STAGE_NAME_MAX);
    for (int32_t i = 0; i < index; i++)
        if (strcmp(stages[i].name, name) == 0)
            return bal_recipe_fail(s->reader, place,
                                   "stages[%d] and stages[%d] are both called '%s'", (int)i,
                                   (int)index, name);
    return BAL_OK;
}

/* The keys that only a stage has. */
static bal_status read_own(const stage_reader *s, int32_t index, bal_recipe_stage *stage,
                           bal_yaml_node *resolved) {
    bal_recipe_reader *r = s->reader;
    bal_yaml_node *own = bal_recipe_keep_place(bal_yaml_new_map(r->arena), s->entry);
    if (!own) return bal_recipe_fail_memory(r);
    own->key_line = s->entry->key_line;
    bal_yaml_each (key, s->entry)
        if (is_own_key("", key->key)) BAL_TRY(put(s, own, key->key, share(r->arena, key), key));
    const bal_recipe_field field = {
        .where = s->where, .node = own, .base = stage, .own = resolved, .applies = true};
    stage->place = bal_recipe_place(s->entry);
    return bal_recipe_read_section(r, stage_rows, &field, resolved);
}

/* A stage before, whose name goes before that of a file; else a run or a model file. */
static bal_status find_start(const stage_reader *s, int32_t index, bal_recipe_stage *stages,
                             const bal_yaml_node *all) {
    bal_recipe_stage *stage = &stages[index];
    bal_place place = bal_recipe_place(bal_yaml_get(s->entry, "init_from"));
    stage->from = -1;
    if (!stage->init_from[0] && index > 0) stage->init_from = stages[index - 1].name;
    int32_t at = 0;
    bal_yaml_each (entry, all) {
        const char *name = "";
        bal_yaml_text(bal_yaml_get(entry, "name"), &name);
        if (name[0] && strcmp(name, stage->init_from) == 0) {
            if (at >= index)
                return bal_recipe_fail(s->reader, place,
                                       "%s.init_from: stage '%s' does not come before it", s->where,
                                       name);
            stage->from = at;
            return BAL_OK;
        }
        at++;
    }
    stage->init_from = bal_recipe_absolute_path(s->reader, stage->init_from);
    return stage->init_from ? BAL_OK : bal_recipe_fail_memory(s->reader);
}

/* The recipe of the stage, read and checked like any. */
static bal_status read_effective(const stage_reader *s, bal_recipe_stage *stage,
                                 bal_yaml_node **ret_root) {
    bal_recipe_reader reader = *s->reader;
    const bal_recipe *whole = reader.recipe;
    bal_recipe *recipe = bal_arena_alloc(reader.arena, 1, sizeof *recipe);
    bal_yaml_node *tree;
    if (!recipe) return bal_recipe_fail_memory(&reader);
    BAL_TRY(lay_mapping(s, "", false, s->given, s->entry, &tree));
    recipe->path = whole->path;
    recipe->folder = whole->folder;
    recipe->source = whole->source;
    reader.recipe = recipe;
    reader.root = bal_yaml_new_map(reader.arena);
    if (!reader.root) return bal_recipe_fail_memory(&reader);
    const bal_recipe_field field = {
        .where = s->where, .node = tree, .base = recipe, .own = reader.root, .applies = true};
    BAL_TRY(bal_recipe_read_section(&reader, "", &field, reader.root));
    BAL_TRY(bal_recipe_check(&reader));
    if (stage->init_from[0]) {
        recipe->model.init_from = stage->from < 0 ? stage->init_from : "";
        recipe->model.init_from_place = bal_recipe_place(bal_yaml_get(s->entry, "init_from"));
    }
    recipe->tree = reader.root;
    stage->recipe = recipe;
    *ret_root = reader.root;
    return BAL_OK;
}

/* ---- the stage in the resolved recipe: all that a stage may change ---- */

static bal_status resolve_section(const stage_reader *s, const char *section,
                                  const bal_yaml_node *from, bal_yaml_node *to);

static bal_status resolve_heads(const stage_reader *s, const bal_yaml_node *list,
                                bal_yaml_node *to) {
    bal_arena *arena = s->reader->arena;
    bal_yaml_node *map = bal_yaml_new_map(arena);
    if (!bal_yaml_set(arena, to, "heads", map)) return bal_recipe_fail_memory(s->reader);
    bal_yaml_each (head, list) {
        bal_yaml_node *laid = bal_yaml_new_map(arena);
        if (!bal_yaml_set(arena, map, bal_recipe_head_name(head), laid))
            return bal_recipe_fail_memory(s->reader);
        BAL_TRY(resolve_section(s, head_rows, head, laid));
    }
    return BAL_OK;
}

static bal_status resolve_section(const stage_reader *s, const char *section,
                                  const bal_yaml_node *from, bal_yaml_node *to) {
    bal_arena *arena = s->reader->arena;
    const bal_schema_key *key = NULL;
    while ((key = bal_schema_next(section, key))) {
        const char *name = bal_schema_name(key);
        const bal_yaml_node *value = bal_yaml_get(from, name);
        if (!value || (!key->staged && !bal_schema_has_staged(key->path))) continue;
        if (key->staged) {
            BAL_TRY(put(s, to, name, share(arena, value), value));
        } else if (strcmp(key->path, "heads") == 0) {
            BAL_TRY(resolve_heads(s, value, to));
        } else {
            bal_yaml_node *map = bal_yaml_new_map(arena);
            if (!bal_yaml_set(arena, to, name, map)) return bal_recipe_fail_memory(s->reader);
            BAL_TRY(resolve_section(s, key->path, value, map));
        }
    }
    return BAL_OK;
}

static bal_status read_stage(stage_reader *s, int32_t index, bal_recipe_stage *stages,
                             const bal_yaml_node *all, bal_yaml_node *list) {
    bal_recipe_reader *r = s->reader;
    bal_recipe_stage *stage = &stages[index];
    bal_yaml_node *resolved = bal_recipe_keep_place(bal_yaml_new_map(r->arena), s->entry);
    bal_yaml_node *root = NULL;
    const char *name;
    bool named = bal_yaml_text(bal_yaml_get(s->entry, "name"), &name) &&
                 bal_recipe_is_plain_name(name, "_-", STAGE_NAME_MAX);
    s->where = named ? bal_arena_printf(r->arena, "stages.%s", name)
                     : bal_arena_printf(r->arena, "stages[%d]", (int)index);
    if (!s->where || !bal_yaml_append(list, resolved)) return bal_recipe_fail_memory(r);
    const bal_recipe_field field = {.where = s->where, .node = s->entry};
    if (s->entry->kind != BAL_YAML_MAPPING)
        return bal_recipe_fail_type(r, &field, "a mapping with a name");
    BAL_TRY(check_keys(s));
    BAL_TRY(read_own(s, index, stage, resolved));
    BAL_TRY(check_stage_name(s, index, stages));
    BAL_TRY(find_start(s, index, stages, all));
    bal_yaml_node *from = bal_recipe_literal(r->arena, stage->init_from);
    from = bal_recipe_keep_place(from, bal_yaml_get(s->entry, "init_from"));
    if (!bal_yaml_set(r->arena, resolved, "init_from", from)) return bal_recipe_fail_memory(r);
    BAL_TRY(read_effective(s, stage, &root));
    return resolve_section(s, "", root, resolved);
}

bal_status bal_recipe_read_stages(bal_recipe_reader *r, const bal_yaml_node *given) {
    const bal_yaml_node *all = bal_yaml_get(given, "stages");
    if (!all || all->count == 0) return BAL_OK;
    bal_recipe_stage *stages = bal_arena_alloc(r->arena, all->count, sizeof *stages);
    bal_yaml_node *list = bal_recipe_keep_place(bal_yaml_new_seq(r->arena), all);
    if (!stages || !list) return bal_recipe_fail_memory(r);
    int32_t n = 0;
    bal_yaml_each (entry, all) {
        stage_reader s = {.reader = r, .given = given, .entry = entry};
        BAL_TRY(read_stage(&s, n++, stages, all, list));
    }
    if (!bal_yaml_set(r->arena, r->root, "stages", list)) return bal_recipe_fail_memory(r);
    r->recipe->stages = stages;
    r->recipe->n_stages = n;
    return BAL_OK;
}
