/* Values of a recipe: one reader per bal_schema_type, listed in the table at the end.
 *
 * A reader checks the node, fills the slot of the struct and makes the node of the resolved tree.
 * Slots are written with memcpy: the table knows them as offsets only, and the compiler has been
 * told their types elsewhere. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "recipe/recipe_reader.h"

typedef bal_status value_reader(bal_recipe_reader *r, const bal_recipe_field *f,
                                bal_yaml_node **ret_resolved);

static void fill(const bal_recipe_field *f, const void *value, size_t size) {
    if (f->key->slot != BAL_SCHEMA_NO_SLOT) memcpy((char *)f->base + f->key->slot, value, size);
}

static void fill_place(const bal_recipe_field *f, bal_place place) {
    if (f->key->place != BAL_SCHEMA_NO_SLOT)
        memcpy((char *)f->base + f->key->place, &place, sizeof place);
}

static void fill_list(const bal_recipe_field *f, const void *items, size_t count) {
    int32_t n = (int32_t)count;
    fill(f, &items, sizeof items);
    memcpy((char *)f->base + f->key->count, &n, sizeof n);
}

static bal_status give(bal_recipe_reader *r, bal_yaml_node *node, bal_yaml_node **ret_resolved) {
    if (!node) return bal_recipe_fail_memory(r);
    *ret_resolved = node;
    return BAL_OK;
}

/* ---- numbers ---- */

static bool is_in_range(const bal_schema_range *range, double value) {
    if (range->has_least && !(range->above ? value > range->least : value >= range->least))
        return false;
    return !range->has_most || (range->below ? value < range->most : value <= range->most);
}

bal_status bal_recipe_check_range(const bal_recipe_reader *r, const bal_recipe_field *f,
                                  const bal_yaml_node *node, double value) {
    if (is_in_range(&f->key->range, value)) return BAL_OK;
    bal_text wanted = {0};
    bal_schema_put_range(&wanted, &f->key->range);
    bal_status status =
        bal_recipe_fail(r, bal_recipe_place(node), "%s is %.60s; wanted %s", f->where, node->text,
                        wanted.data ? wanted.data : "another number");
    bal_text_release(&wanted);
    return status;
}

bal_status bal_recipe_read_number(const bal_recipe_reader *r, const bal_recipe_field *f,
                                  const bal_yaml_node *node, double *ret_value) {
    double value;
    bal_recipe_field item = *f;
    item.node = node;
    if (!bal_yaml_number(node, &value)) return bal_recipe_fail_type(r, &item, "a number");
    if (!isfinite(value)) return bal_recipe_fail_type(r, &item, "a finite number");
    BAL_TRY(bal_recipe_check_range(r, f, node, value));
    *ret_value = value;
    return BAL_OK;
}

static bal_status read_whole(const bal_recipe_reader *r, const bal_recipe_field *f,
                             const bal_yaml_node *node, int64_t *ret_value) {
    int64_t value;
    bal_recipe_field item = *f;
    item.node = node;
    if (!bal_yaml_i64(node, &value)) return bal_recipe_fail_type(r, &item, "an integer");
    BAL_TRY(bal_recipe_check_range(r, f, node, (double)value));
    *ret_value = value;
    return BAL_OK;
}

static bal_status read_number(bal_recipe_reader *r, const bal_recipe_field *f,
                              bal_yaml_node **ret_resolved) {
    double value = f->key->none;
    bool may_be_null = f->key->fallback && strcmp(f->key->fallback, "null") == 0;
    bool null = may_be_null && f->node->kind == BAL_YAML_NULL;
    if (!null) BAL_TRY(bal_recipe_read_number(r, f, f->node, &value));
    fill(f, &value, sizeof value);
    bal_yaml_node *node = null ? bal_yaml_new_null(r->arena) : bal_yaml_new_number(r->arena, value);
    return give(r, node, ret_resolved);
}

/* Rows of int32_t members have ranges within int32_t; a test holds them to it. */
static bal_status read_integer(bal_recipe_reader *r, const bal_recipe_field *f,
                               bal_yaml_node **ret_resolved) {
    int64_t value;
    BAL_TRY(read_whole(r, f, f->node, &value));
    int32_t narrow = (int32_t)value;
    if (f->key->size == sizeof narrow)
        fill(f, &narrow, sizeof narrow);
    else
        fill(f, &value, sizeof value);
    return give(r, bal_yaml_new_integer(r->arena, value), ret_resolved);
}

static bal_status read_bool(bal_recipe_reader *r, const bal_recipe_field *f,
                            bal_yaml_node **ret_resolved) {
    bool value;
    if (!bal_yaml_bool(f->node, &value)) return bal_recipe_fail_type(r, f, "true or false");
    fill(f, &value, sizeof value);
    return give(r, bal_yaml_new_bool(r->arena, value), ret_resolved);
}

/* ---- text and names ---- */

static bal_status read_text(bal_recipe_reader *r, const bal_recipe_field *f,
                            bal_yaml_node **ret_resolved) {
    const char *text;
    if (!bal_yaml_text(f->node, &text)) return bal_recipe_fail_type(r, f, "text");
    fill(f, &text, sizeof text);
    fill_place(f, bal_recipe_place(f->node));
    return give(r, bal_recipe_literal(r->arena, text), ret_resolved);
}

/* "../" at the start of the path is taken off the folder, which has no links in it. */
const char *bal_recipe_absolute_path(bal_recipe_reader *r, const char *path) {
    if (path[0] == '/' || path[0] == '\0') return path;
    const char *folder = r->folder;
    size_t length = strlen(folder);
    for (;;) {
        if (strncmp(path, "./", 2) == 0) {
            path += 2;
        } else if (strncmp(path, "../", 3) == 0 && folder[0] == '/') {
            while (length > 1 && folder[length - 1] != '/')
                length--;
            while (length > 1 && folder[length - 1] == '/')
                length--;
            path += 3;
        } else {
            break;
        }
    }
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
    return bal_arena_printf(r->arena, "%.*s%s%s", (int)length, folder, slash, path);
}

static bal_status read_path(bal_recipe_reader *r, const bal_recipe_field *f,
                            bal_yaml_node **ret_resolved) {
    const char *text;
    if (!bal_yaml_text(f->node, &text)) return bal_recipe_fail_type(r, f, "a path");
    const char *path = bal_recipe_absolute_path(r, text);
    if (!path) return bal_recipe_fail_memory(r);
    fill(f, &path, sizeof path);
    fill_place(f, bal_recipe_place(f->node));
    return give(r, bal_recipe_literal(r->arena, path), ret_resolved);
}

static bal_status read_metric(bal_recipe_reader *r, const bal_recipe_field *f,
                              bal_yaml_node **ret_resolved) {
    bal_metric_path path;
    bal_error why = {0};
    BAL_TRY(read_text(r, f, ret_resolved));
    if (!f->node->source) return BAL_OK; /* a default is as right as the head's name in it */
    if (bal_metric_path_parse(f->node->text, &path, &why) == BAL_OK) return BAL_OK;
    return bal_recipe_fail(r, bal_recipe_place(f->node), "%s: %s", f->where, why.message);
}

static bal_status fail_word(bal_recipe_reader *r, const bal_recipe_field *f, const char *word,
                            const bal_schema_names *names) {
    for (int i = 0; f->key->later && f->key->later[i]; i++)
        if (strcmp(f->key->later[i], word) == 0)
            return bal_recipe_fail(r, bal_recipe_place(f->node),
                                   "%s: '%s' is not available in this version; available: %s",
                                   f->where, word, bal_recipe_listing(r->arena, names->name));
    return bal_recipe_fail_name(r, bal_recipe_place(f->node), f->where, word, names->name);
}

/* A word of the row's names; its number goes to *ret_index. */
static bal_status read_word(bal_recipe_reader *r, const bal_recipe_field *f, int *ret_index,
                            bal_yaml_node **ret_resolved) {
    bal_schema_names names = bal_schema_names_of(f->key->names);
    const char *word;
    if (!bal_yaml_text(f->node, &word)) {
        char wanted[512];
        snprintf(wanted, sizeof wanted, "one of %s", bal_recipe_listing(r->arena, names.name));
        return bal_recipe_fail_type(r, f, wanted);
    }
    int index = 0;
    while (index < names.count && strcmp(names.name[index], word) != 0)
        index++;
    if (index == names.count) return fail_word(r, f, word, &names);
    *ret_index = index;
    return give(r, bal_yaml_new_text(r->arena, names.name[index]), ret_resolved);
}

static bal_status read_name(bal_recipe_reader *r, const bal_recipe_field *f,
                            bal_yaml_node **ret_resolved) {
    int index;
    BAL_TRY(read_word(r, f, &index, ret_resolved));
    const char *word = f->key->names(index);
    fill(f, &word, sizeof word);
    return BAL_OK;
}

/* Enums are as large as int, and these have no negative values. */
static bal_status read_index(bal_recipe_reader *r, const bal_recipe_field *f,
                             bal_yaml_node **ret_resolved) {
    int index;
    BAL_TRY(read_word(r, f, &index, ret_resolved));
    fill(f, &index, sizeof index);
    return BAL_OK;
}

/* ---- lists ---- */

/* A list, or a single scalar that counts as a list of one. */
static bool is_single(const bal_yaml_node *node) {
    return node->kind == BAL_YAML_SCALAR;
}

static const bal_yaml_node *first_item(const bal_yaml_node *node) {
    return is_single(node) ? node : node->first;
}

static const bal_yaml_node *next_item(const bal_yaml_node *list, const bal_yaml_node *item) {
    return is_single(list) ? NULL : item->next;
}

static bal_status check_count(const bal_recipe_reader *r, const bal_recipe_field *f, size_t count) {
    const bal_schema_key *key = f->key;
    if (count < (size_t)key->items_min)
        return bal_recipe_fail(r, bal_recipe_place(f->node), "%s: wanted at least %d, found %zu",
                               f->where, (int)key->items_min, count);
    if (key->items_max > 0 && count > (size_t)key->items_max)
        return bal_recipe_fail(r, bal_recipe_place(f->node),
                               "%s: at most %d are possible, found %zu", f->where,
                               (int)key->items_max, count);
    return BAL_OK;
}

/* Room for the items of a list; *ret_items stays NULL for an empty one. */
static bal_status begin_list(bal_recipe_reader *r, const bal_recipe_field *f, const char *wanted,
                             size_t size, void **ret_items) {
    if (!is_single(f->node) && f->node->kind != BAL_YAML_SEQUENCE)
        return bal_recipe_fail_type(r, f, wanted);
    size_t count = is_single(f->node) ? 1 : f->node->count;
    BAL_TRY(check_count(r, f, count));
    *ret_items = NULL;
    if (count > 0 && !(*ret_items = bal_arena_alloc(r->arena, count, size)))
        return bal_recipe_fail_memory(r);
    return BAL_OK;
}

/* "model.hidden[2]"; a stage lays over heads by name, and so they are called in it:
 * "stages.focus.heads.label". */
static bal_status item_field(bal_recipe_reader *r, const bal_recipe_field *list,
                             const bal_yaml_node *node, size_t index, bal_recipe_field *ret_item) {
    *ret_item = *list;
    ret_item->node = node;
    bool staged = strcmp(list->key->path, "heads") == 0 && strcmp(list->where, "heads") != 0;
    ret_item->where =
        staged ? bal_arena_printf(r->arena, "%s.%s", list->where, bal_recipe_head_name(node))
               : bal_arena_printf(r->arena, "%s[%zu]", list->where, index);
    return ret_item->where ? BAL_OK : bal_recipe_fail_memory(r);
}

static bal_status add_item(bal_recipe_reader *r, bal_yaml_node *list, bal_yaml_node *item,
                           const bal_yaml_node *from) {
    return bal_yaml_append(list, bal_recipe_keep_place(item, from)) ? BAL_OK
                                                                    : bal_recipe_fail_memory(r);
}

static bal_status read_texts(bal_recipe_reader *r, const bal_recipe_field *f,
                             bal_yaml_node **ret_resolved) {
    void *items;
    BAL_TRY(begin_list(r, f, "text or a list of texts", sizeof(const char *), &items));
    const char **texts = items;
    bal_yaml_node *list = bal_yaml_new_seq(r->arena);
    size_t count = 0;
    for (const bal_yaml_node *node = first_item(f->node); node; node = next_item(f->node, node)) {
        bal_recipe_field item;
        BAL_TRY(item_field(r, f, node, count, &item));
        if (!bal_yaml_text(node, &texts[count])) return bal_recipe_fail_type(r, &item, "text");
        BAL_TRY(add_item(r, list, bal_recipe_literal(r->arena, texts[count]), node));
        count++;
    }
    fill_list(f, texts, count);
    fill_place(f, bal_recipe_place(f->node));
    return give(r, list, ret_resolved);
}

static bal_status read_integers(bal_recipe_reader *r, const bal_recipe_field *f,
                                bal_yaml_node **ret_resolved) {
    void *items;
    BAL_TRY(begin_list(r, f, "an integer or a list of integers", sizeof(int32_t), &items));
    int32_t *values = items;
    bal_yaml_node *list = bal_yaml_new_seq(r->arena);
    size_t count = 0;
    for (const bal_yaml_node *node = first_item(f->node); node; node = next_item(f->node, node)) {
        bal_recipe_field item;
        int64_t value;
        BAL_TRY(item_field(r, f, node, count, &item));
        BAL_TRY(read_whole(r, &item, node, &value));
        BAL_TRY(add_item(r, list, bal_yaml_new_integer(r->arena, value), node));
        values[count++] = (int32_t)value;
    }
    fill_list(f, values, count);
    return give(r, list, ret_resolved);
}

/* A single number stays one in the resolved tree: "the same for all" is not "a list of one". */
static bal_status read_numbers(bal_recipe_reader *r, const bal_recipe_field *f,
                               bal_yaml_node **ret_resolved) {
    void *items;
    BAL_TRY(begin_list(r, f, "a number or a list of numbers", sizeof(double), &items));
    double *values = items;
    bal_yaml_node *list = bal_yaml_new_seq(r->arena), *single = NULL;
    size_t count = 0;
    for (const bal_yaml_node *node = first_item(f->node); node; node = next_item(f->node, node)) {
        bal_recipe_field item = *f;
        if (!is_single(f->node)) BAL_TRY(item_field(r, f, node, count, &item));
        BAL_TRY(bal_recipe_read_number(r, &item, node, &values[count]));
        single = bal_yaml_new_number(r->arena, values[count++]);
        if (!is_single(f->node)) BAL_TRY(add_item(r, list, single, node));
    }
    fill_list(f, values, count);
    return give(r, is_single(f->node) ? single : list, ret_resolved);
}

/* Columns or arrays by name, but what is made of a series: both are "what a row is described by".
 */
static bal_status read_features(bal_recipe_reader *r, const bal_recipe_field *f,
                                bal_yaml_node **ret_resolved) {
    bool series = strcmp(r->recipe->data.kind, "sequence") == 0;
    fill_place(f, bal_recipe_place(f->node));
    return series ? bal_recipe_read_series(r, f, ret_resolved) : read_texts(r, f, ret_resolved);
}

/* ---- tables ---- */

/* By epoch; equal epochs are refused, and a table is short. */
static bal_status insert_step(const bal_recipe_reader *r, const bal_recipe_field *f,
                              const bal_yaml_node *entry, bal_schedule_step *steps, int32_t *n,
                              bal_schedule_step step) {
    int32_t at = *n;
    for (; at > 0 && steps[at - 1].epoch >= step.epoch; at--) {
        if (steps[at - 1].epoch == step.epoch)
            return bal_recipe_fail(r, bal_recipe_key_place(entry), "%s: epoch %lld comes twice",
                                   f->where, (long long)step.epoch);
    }
    memmove(steps + at + 1, steps + at, (size_t)(*n - at) * sizeof *steps);
    steps[at] = step;
    ++*n;
    return BAL_OK;
}

static bal_status read_steps(bal_recipe_reader *r, const bal_recipe_field *f,
                             bal_schedule_step *steps, int32_t *ret_n) {
    bal_yaml_each (entry, f->node) {
        bal_schedule_step step;
        if (!bal_text_parse_i64(entry->key, strlen(entry->key), &step.epoch) || step.epoch < 0)
            return bal_recipe_fail(
                r, bal_recipe_key_place(entry),
                "%s: '%s' is no epoch; wanted {epoch: factor}, such as {100: 0.5}", f->where,
                entry->key);
        BAL_TRY(bal_recipe_read_number(r, f, entry, &step.factor));
        BAL_TRY(insert_step(r, f, entry, steps, ret_n, step));
    }
    return BAL_OK;
}

enum { STEPS_MAX = 1000 };

static bal_status read_epoch_table(bal_recipe_reader *r, const bal_recipe_field *f,
                                   bal_yaml_node **ret_resolved) {
    if (f->node->kind != BAL_YAML_MAPPING || f->node->count == 0)
        return bal_recipe_fail_type(r, f, "a mapping from epoch to factor, such as {100: 0.5}");
    if (f->node->count > STEPS_MAX)
        return bal_recipe_fail(r, bal_recipe_place(f->node), "%s: at most %d epochs are possible",
                               f->where, STEPS_MAX);
    bal_schedule_options options;
    memcpy(&options, (char *)f->base + f->key->slot, sizeof options);
    bal_schedule_step *steps = bal_arena_alloc(r->arena, f->node->count, sizeof *steps);
    bal_yaml_node *map = bal_yaml_new_map(r->arena);
    if (!steps || !map) return bal_recipe_fail_memory(r);
    options.n_steps = 0;
    BAL_TRY(read_steps(r, f, steps, &options.n_steps));
    for (int32_t i = 0; i < options.n_steps; i++) {
        char epoch[32];
        snprintf(epoch, sizeof epoch, "%lld", (long long)steps[i].epoch);
        if (!bal_yaml_set(r->arena, map, epoch, bal_yaml_new_number(r->arena, steps[i].factor)))
            return bal_recipe_fail_memory(r);
    }
    options.steps = steps;
    fill(f, &options, sizeof options);
    return give(r, map, ret_resolved);
}

static bal_status read_class_values(bal_recipe_reader *r, const bal_recipe_field *f,
                                    bal_yaml_node **ret_resolved) {
    bool by_name = f->node->kind == BAL_YAML_MAPPING;
    if ((!by_name && f->node->kind != BAL_YAML_SEQUENCE) || f->node->count == 0)
        return bal_recipe_fail_type(r, f, "{class: weight} or a list of weights by class id");
    BAL_TRY(check_count(r, f, f->node->count));
    const char **names = bal_arena_alloc(r->arena, f->node->count, sizeof *names);
    double *values = bal_arena_alloc(r->arena, f->node->count, sizeof *values);
    bal_yaml_node *copy = by_name ? bal_yaml_new_map(r->arena) : bal_yaml_new_seq(r->arena);
    if (!names || !values || !copy) return bal_recipe_fail_memory(r);
    int32_t n = 0;
    bal_yaml_each (item, f->node) {
        BAL_TRY(bal_recipe_read_number(r, f, item, &values[n]));
        bal_yaml_node *value =
            bal_recipe_keep_place(bal_yaml_new_number(r->arena, values[n]), item);
        if (!bal_yaml_append(copy, value)) return bal_recipe_fail_memory(r);
        /* Keys are known to differ; bal_yaml_set would look again, n times n. */
        value->key = names[n++] = item->key;
    }
    bal_recipe_class_weights weights;
    memcpy(&weights, (char *)f->base + f->key->slot, sizeof weights);
    weights.names = by_name ? names : NULL;
    weights.values = values;
    weights.n_values = n;
    fill(f, &weights, sizeof weights);
    return give(r, copy, ret_resolved);
}

/* Only their form: what a stage changes can be read when the recipe is complete, recipe_stage.c. */
static bal_status read_stages(bal_recipe_reader *r, const bal_recipe_field *f,
                              bal_yaml_node **ret_resolved) {
    if (f->node->kind != BAL_YAML_SEQUENCE) return bal_recipe_fail_type(r, f, "a list of stages");
    BAL_TRY(check_count(r, f, f->node->count));
    return give(r, bal_yaml_new_seq(r->arena), ret_resolved);
}

/* ---- sections ---- */

static bal_status read_section(bal_recipe_reader *r, const bal_recipe_field *f,
                               bal_yaml_node **ret_resolved) {
    bal_recipe_field inside = *f;
    bal_yaml_node *map = bal_yaml_new_map(r->arena);
    if (!map) return bal_recipe_fail_memory(r);
    if (f->node && f->key->short_key && f->node->kind == BAL_YAML_SCALAR) {
        inside.node = bal_recipe_long_form(r->arena, f->key, (bal_yaml_node *)f->node);
        if (!inside.node) return bal_recipe_fail_memory(r);
    }
    if (inside.node && inside.node->kind != BAL_YAML_MAPPING) {
        const char *wanted = f->key->short_key ? "a mapping, or the name alone" : "a mapping";
        return bal_recipe_fail_type(r, f, wanted);
    }
    fill_place(f, bal_recipe_place(f->node));
    inside.parent = f->own;
    inside.own = map;
    BAL_TRY(bal_recipe_read_section(r, f->key->path, &inside, map));
    return give(r, map, ret_resolved);
}

static bal_status read_sections(bal_recipe_reader *r, const bal_recipe_field *f,
                                bal_yaml_node **ret_resolved) {
    if (f->node->kind != BAL_YAML_SEQUENCE) return bal_recipe_fail_type(r, f, "a list");
    BAL_TRY(check_count(r, f, f->node->count));
    size_t size = f->key->size, count = 0;
    char *elements = bal_arena_alloc(r->arena, f->node->count + 1, size);
    bal_yaml_node *list = bal_yaml_new_seq(r->arena);
    const char *section = bal_arena_printf(r->arena, "%s[]", f->key->path);
    if (!elements || !list || !section) return bal_recipe_fail_memory(r);
    bal_yaml_each (node, f->node) {
        bal_recipe_field item;
        bal_yaml_node *map = bal_yaml_new_map(r->arena);
        BAL_TRY(item_field(r, f, node, count, &item));
        if (node->kind != BAL_YAML_MAPPING) return bal_recipe_fail_type(r, &item, "a mapping");
        BAL_TRY(add_item(r, list, map, node));
        item.base = elements + count++ * size;
        item.parent = f->own;
        item.own = map;
        fill_place(&item, bal_recipe_place(node));
        BAL_TRY(bal_recipe_read_section(r, section, &item, map));
    }
    fill_list(f, elements, count);
    return give(r, list, ret_resolved);
}

/* ---- all of them ---- */

static value_reader *const readers[BAL_SCHEMA_TYPE_COUNT] = {
    [BAL_SCHEMA_SECTION] = read_section,
    [BAL_SCHEMA_SECTIONS] = read_sections,
    [BAL_SCHEMA_TEXT] = read_text,
    [BAL_SCHEMA_PATH] = read_path,
    [BAL_SCHEMA_METRIC] = read_metric,
    [BAL_SCHEMA_NAME] = read_name,
    [BAL_SCHEMA_INDEX] = read_index,
    [BAL_SCHEMA_BOOL] = read_bool,
    [BAL_SCHEMA_INTEGER] = read_integer,
    [BAL_SCHEMA_NUMBER] = read_number,
    [BAL_SCHEMA_TEXTS] = read_texts,
    [BAL_SCHEMA_INTEGERS] = read_integers,
    [BAL_SCHEMA_NUMBERS] = read_numbers,
    [BAL_SCHEMA_FEATURES] = read_features,
    [BAL_SCHEMA_TARGET] = bal_recipe_read_target,
    [BAL_SCHEMA_EPOCH_TABLE] = read_epoch_table,
    [BAL_SCHEMA_CLASS_VALUES] = read_class_values,
    [BAL_SCHEMA_PAYOFF] = bal_recipe_read_payoff,
    [BAL_SCHEMA_DETECTORS] = bal_recipe_read_detectors,
    [BAL_SCHEMA_RULES] = bal_recipe_read_rules,
    [BAL_SCHEMA_REMEDIES] = bal_recipe_read_remedies,
    [BAL_SCHEMA_STAGES] = read_stages,
};

bal_status bal_recipe_read_value(bal_recipe_reader *r, const bal_recipe_field *f,
                                 bal_yaml_node **ret_resolved) {
    return readers[f->key->type](r, f, ret_resolved);
}
