/* The guard's part of a recipe: thresholds of detectors, rules, remedies. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "recipe/recipe_reader.h"

/* ---- detectors ---- */

enum { OPTIONS_MAX = 31 };

typedef struct option_names {
    const char *name[OPTIONS_MAX + 1];
} option_names;

static option_names names_of(const bal_detector_option *options) {
    option_names names = {{0}};
    for (int i = 0; i < OPTIONS_MAX && options[i].name; i++)
        names.name[i] = options[i].name;
    return names;
}

/* The option's own range and wholeness, by way of a row made for the moment. */
static bal_status read_option_value(bal_recipe_reader *r, const bal_recipe_field *f,
                                    const bal_detector_option *option, double *ret_value) {
    const bal_schema_key key = {
        .path = option->name,
        .range = {.has_least = true, .least = option->min, .has_most = true, .most = option->max}};
    bal_recipe_field field = *f;
    field.key = &key;
    double value;
    BAL_TRY(bal_recipe_read_number(r, &field, f->node, &value));
    if (option->whole && value != floor(value))
        return bal_recipe_fail_type(r, &field, "an integer");
    *ret_value = value;
    return BAL_OK;
}

static bal_status read_option(bal_recipe_reader *r, const bal_recipe_field *f,
                              const bal_detector_option *options, bal_recipe_detector *detector) {
    const char *name = f->node->key;
    const bal_detector_option *option = options;
    while (option->name && strcmp(option->name, name) != 0)
        option++;
    if (!option->name) {
        option_names known = names_of(options);
        return bal_recipe_fail_name(r, bal_recipe_key_place(f->node), f->where, name, known.name);
    }
    bal_recipe_field field = *f;
    field.where = bal_arena_printf(r->arena, "%s.%s", f->where, name);
    if (!field.where) return bal_recipe_fail_memory(r);
    /* Made by read_detector, const to everyone else. */
    double *values = (double *)detector->value;
    const char **names = (const char **)detector->option;
    BAL_TRY(read_option_value(r, &field, option, &values[detector->n_options]));
    names[detector->n_options++] = option->name;
    return BAL_OK;
}

static bal_status read_detector(bal_recipe_reader *r, const bal_recipe_field *f,
                                const bal_yaml_node *entry, bal_recipe_detector *detector) {
    bal_schema_names known = bal_schema_names_of(bal_schema_detectors);
    const bal_detector *found = bal_detector_find(entry->key);
    if (!found)
        return bal_recipe_fail_name(r, bal_recipe_key_place(entry), f->where, entry->key,
                                    known.name);
    *detector = (bal_recipe_detector){
        .name = found->name, .enabled = true, .place = bal_recipe_key_place(entry)};
    if (bal_yaml_bool(entry, &detector->enabled)) return BAL_OK;
    bal_recipe_field field = *f;
    field.node = entry;
    field.where = bal_arena_printf(r->arena, "%s.%s", f->where, entry->key);
    if (!field.where) return bal_recipe_fail_memory(r);
    if (entry->kind != BAL_YAML_MAPPING)
        return bal_recipe_fail_type(r, &field, "false, true or a mapping of options");
    detector->option = bal_arena_alloc(r->arena, entry->count + 1, sizeof *detector->option);
    detector->value = bal_arena_alloc(r->arena, entry->count + 1, sizeof *detector->value);
    if (!detector->option || !detector->value) return bal_recipe_fail_memory(r);
    bal_yaml_each (option, entry) {
        field.node = option;
        BAL_TRY(read_option(r, &field, found->options, detector));
    }
    return BAL_OK;
}

static double option_value(const bal_recipe_detector *detector, const bal_detector_option *option) {
    for (int32_t i = 0; detector && i < detector->n_options; i++)
        if (strcmp(detector->option[i], option->name) == 0) return detector->value[i];
    return option->value;
}

/* All thresholds in force: a recipe that mentions none should still say years later what it ran
 * with. */
static bal_yaml_node *resolve_detector(bal_recipe_reader *r, const bal_detector *detector,
                                       const bal_recipe_detector *wanted) {
    if (wanted && !wanted->enabled) return bal_yaml_new_bool(r->arena, false);
    if (!detector->options->name) return bal_yaml_new_bool(r->arena, true);
    bal_yaml_node *map = bal_yaml_new_map(r->arena);
    for (const bal_detector_option *option = detector->options; option->name; option++) {
        double value = option_value(wanted, option);
        bal_yaml_node *node = option->whole ? bal_yaml_new_integer(r->arena, (int64_t)value)
                                            : bal_yaml_new_number(r->arena, value);
        if (!bal_yaml_set(r->arena, map, option->name, node)) return NULL;
    }
    return map;
}

static bal_status resolve_detectors(bal_recipe_reader *r, const bal_recipe_guard *guard,
                                    bal_yaml_node **ret_resolved) {
    bal_yaml_node *map = bal_yaml_new_map(r->arena);
    for (int i = 0; bal_schema_detectors(i); i++) {
        const bal_detector *detector = bal_detector_find(bal_schema_detectors(i));
        const bal_recipe_detector *wanted = NULL;
        for (int32_t j = 0; j < guard->n_detectors; j++)
            if (strcmp(guard->detectors[j].name, detector->name) == 0)
                wanted = &guard->detectors[j];
        bal_yaml_node *value = resolve_detector(r, detector, wanted);
        if (!bal_yaml_set(r->arena, map, detector->name, value)) return bal_recipe_fail_memory(r);
    }
    *ret_resolved = map;
    return map ? BAL_OK : bal_recipe_fail_memory(r);
}

static bal_recipe_guard *guard_of(const bal_recipe_field *f) {
    return (bal_recipe_guard *)(void *)((char *)f->base + f->key->slot);
}

bal_status bal_recipe_read_detectors(bal_recipe_reader *r, const bal_recipe_field *f,
                                     bal_yaml_node **ret_resolved) {
    if (f->node->kind != BAL_YAML_MAPPING)
        return bal_recipe_fail_type(r, f, "a mapping from detector to its options or false");
    bal_recipe_detector *detectors =
        bal_arena_alloc(r->arena, f->node->count + 1, sizeof *detectors);
    if (!detectors) return bal_recipe_fail_memory(r);
    int32_t n = 0;
    bal_yaml_each (entry, f->node)
        BAL_TRY(read_detector(r, f, entry, &detectors[n++]));
    bal_recipe_guard *guard = guard_of(f);
    guard->detectors = detectors;
    guard->n_detectors = n;
    return resolve_detectors(r, guard, ret_resolved);
}

/* ---- rules: PATH OP VALUE [after N] [-> POLICY] ---- */

typedef struct rule_reader {
    bal_recipe_reader *reader;
    const bal_yaml_node *node;
    const char *at; /* in node->text */
} rule_reader;

static bal_status fail_rule(const rule_reader *rule, const char *what) {
    size_t offset = (size_t)(rule->at - rule->node->text);
    bal_place place = bal_recipe_place_inside(rule->reader, rule->node, offset);
    if (*rule->at)
        return bal_recipe_fail(rule->reader, place,
                               "rule: wanted %s, found '%.40s'; a rule reads "
                               "`val.HEAD.METRIC < 0.05 after 20 -> stop`",
                               what, rule->at);
    return bal_recipe_fail(rule->reader, place,
                           "rule: wanted %s, found its end; a rule reads "
                           "`val.HEAD.METRIC < 0.05 after 20 -> stop`",
                           what);
}

static void skip_spaces(rule_reader *rule) {
    while (*rule->at == ' ')
        rule->at++;
}

static bool starts_comparison(const char *text) {
    return *text && strchr("<>=!", *text);
}

/* Whether "< 0.05" or the like follows, which no class name ends in. */
static bool starts_condition(const char *text) {
    text += strspn(text, " ");
    if (!starts_comparison(text)) return false;
    text += strspn(text, "<>=!");
    text += strspn(text, " ");
    return *text && strchr("+-.0123456789", *text);
}

/* Where the path ends. A class in brackets may hold anything, brackets and signs too, so that its
 * ']' is the first one that a condition follows; for want of one, the first. */
static size_t path_length(const char *text) {
    size_t length = 0;
    while (text[length] && text[length] != ' ' && text[length] != '[' &&
           !starts_comparison(text + length))
        length++;
    if (text[length] != '[') return length;
    const char *end = strchr(text, ']');
    while (end && !starts_condition(end + 1))
        end = strchr(end + 1, ']');
    if (!end) end = strchr(text, ']');
    return end ? (size_t)(end - text) + 1 : strlen(text);
}

static bal_status take_path(rule_reader *rule, bal_recipe_rule *ret_rule) {
    size_t length = path_length(rule->at);
    if (length == 0) return fail_rule(rule, "a metric");
    ret_rule->path = bal_arena_strndup(rule->reader->arena, rule->at, length);
    if (!ret_rule->path) return bal_recipe_fail_memory(rule->reader);
    bal_metric_path path;
    bal_error why = {0};
    if (bal_metric_path_parse(ret_rule->path, &path, &why) != BAL_OK)
        return bal_recipe_fail(rule->reader,
                               bal_recipe_place_inside(rule->reader, rule->node,
                                                       (size_t)(rule->at - rule->node->text)),
                               "rule: %s", why.message);
    rule->at += length;
    skip_spaces(rule);
    return BAL_OK;
}

static bal_status take_comparison(rule_reader *rule, bal_recipe_rule *ret_rule) {
    static const char *const operators[] = {"<=", ">=", "==", "!=", "<", ">"};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t length = strlen(operators[i]);
        if (strncmp(rule->at, operators[i], length) != 0) continue;
        memcpy(ret_rule->op, operators[i], length + 1);
        rule->at += length;
        skip_spaces(rule);
        return BAL_OK;
    }
    return fail_rule(rule, "one of < <= > >= == !=");
}

static size_t word_length(const char *text) {
    return strcspn(text, " ");
}

static bool take_word(rule_reader *rule, const char *word) {
    size_t length = word_length(rule->at);
    if (length != strlen(word) || strncmp(rule->at, word, length) != 0) return false;
    rule->at += length;
    skip_spaces(rule);
    return true;
}

static bal_status take_value(rule_reader *rule, bal_recipe_rule *ret_rule) {
    size_t length = word_length(rule->at);
    if (!bal_text_parse_double(rule->at, length, &ret_rule->value) || !isfinite(ret_rule->value))
        return fail_rule(rule, "a number");
    rule->at += length;
    skip_spaces(rule);
    return BAL_OK;
}

static bal_status take_wait(rule_reader *rule, bal_recipe_rule *ret_rule) {
    if (!take_word(rule, "after")) return BAL_OK;
    size_t length = word_length(rule->at);
    if (!bal_text_parse_i64(rule->at, length, &ret_rule->after) || ret_rule->after < 0)
        return fail_rule(rule, "a number of evaluations");
    rule->at += length;
    skip_spaces(rule);
    return BAL_OK;
}

static bal_status take_action(rule_reader *rule, bal_recipe_rule *ret_rule) {
    if (!take_word(rule, "->")) return BAL_OK;
    for (int i = BAL_GUARD_WARN; bal_schema_policies(i); i++) {
        if (!take_word(rule, bal_schema_policies(i))) continue;
        ret_rule->has_action = true;
        ret_rule->action = (bal_guard_policy)i;
        return BAL_OK;
    }
    return fail_rule(rule, "warn, stop or recover");
}

static bal_status read_rule(bal_recipe_reader *r, const bal_yaml_node *node,
                            bal_recipe_rule *ret_rule) {
    rule_reader rule = {r, node, node->text};
    *ret_rule = (bal_recipe_rule){.text = node->text, .place = bal_recipe_place(node)};
    skip_spaces(&rule);
    BAL_TRY(take_path(&rule, ret_rule));
    BAL_TRY(take_comparison(&rule, ret_rule));
    BAL_TRY(take_value(&rule, ret_rule));
    BAL_TRY(take_wait(&rule, ret_rule));
    BAL_TRY(take_action(&rule, ret_rule));
    if (*rule.at)
        return fail_rule(&rule, ret_rule->has_action ? "nothing more" : "`after N` or `-> POLICY`");
    return BAL_OK;
}

bal_status bal_recipe_read_rules(bal_recipe_reader *r, const bal_recipe_field *f,
                                 bal_yaml_node **ret_resolved) {
    if (f->node->kind != BAL_YAML_SEQUENCE) return bal_recipe_fail_type(r, f, "a list of rules");
    bal_recipe_rule *rules = bal_arena_alloc(r->arena, f->node->count + 1, sizeof *rules);
    bal_yaml_node *list = bal_yaml_new_seq(r->arena);
    if (!rules || !list) return bal_recipe_fail_memory(r);
    int32_t n = 0;
    bal_yaml_each (node, f->node) {
        bal_recipe_field item = *f;
        item.node = node;
        if (node->kind != BAL_YAML_SCALAR)
            return bal_recipe_fail_type(r, &item, "a rule such as \"val.label.recall[A] < 0.05\"");
        BAL_TRY(read_rule(r, node, &rules[n++]));
        bal_yaml_node *copy = bal_recipe_literal(r->arena, node->text);
        if (!bal_yaml_append(list, bal_recipe_keep_place(copy, node)))
            return bal_recipe_fail_memory(r);
    }
    bal_recipe_guard *guard = guard_of(f);
    guard->rules = rules;
    guard->n_rules = n;
    *ret_resolved = list;
    return BAL_OK;
}

/* ---- remedies ---- */

static const char remedies_section[] = "guard.remedies[]";

/* A fragment of a recipe: what can change without another network. It must change something. */
static bal_status read_fallback(bal_recipe_reader *r, const bal_recipe_field *field,
                                bal_recipe_remedy *remedy, bal_yaml_node *list) {
    if (field->node->kind != BAL_YAML_MAPPING)
        return bal_recipe_fail_type(r, field, "a mapping such as {optimizer: {lr: 1.0e-4}}");
    bal_yaml_node *map = bal_recipe_keep_place(bal_yaml_new_map(r->arena), field->node);
    bal_yaml_node *values = bal_yaml_new_map(r->arena);
    if (!map || !values) return bal_recipe_fail_memory(r);
    BAL_TRY(bal_recipe_read_section(r, field->key->path, field, values));
    double size = remedy->fallback.batch_size;
    if (size != floor(size)) return bal_recipe_fail_type(r, field, "a whole number as batch_size");
    if (remedy->fallback.lr == 0 && remedy->fallback.clip_norm == 0 && size == 0)
        return bal_recipe_fail_type(
            r, field, "one of optimizer.lr, optimizer.clip_norm and train.batch_size");
    if (!bal_yaml_set(r->arena, map, remedy->kind, values) || !bal_yaml_append(list, map))
        return bal_recipe_fail_memory(r);
    return BAL_OK;
}

static bal_status read_remedy(bal_recipe_reader *r, const bal_recipe_field *f,
                              const bal_yaml_node *node, bal_recipe_remedy *remedy,
                              bal_yaml_node *list) {
    bal_recipe_field item = *f;
    item.node = node;
    if (node->kind != BAL_YAML_MAPPING || node->count != 1)
        return bal_recipe_fail_type(r, &item, "one remedy such as {lr: 0.5}");
    const bal_yaml_node *entry = node->first;
    bal_schema_names known = bal_schema_keys_of(remedies_section);
    const bal_schema_key *key = NULL;
    while ((key = bal_schema_next(remedies_section, key)))
        if (strcmp(bal_schema_name(key), entry->key) == 0) break;
    if (!key)
        return bal_recipe_fail_name(r, bal_recipe_key_place(entry), f->where, entry->key,
                                    known.name);
    remedy->kind = bal_schema_name(key);
    remedy->place = bal_recipe_place(node);
    item = (bal_recipe_field){
        .key = key, .where = key->path, .node = entry, .base = remedy, .applies = true};
    if (key->type == BAL_SCHEMA_SECTION) return read_fallback(r, &item, remedy, list);
    BAL_TRY(bal_recipe_read_number(r, &item, entry, &remedy->factor));
    bal_yaml_node *map = bal_recipe_keep_place(bal_yaml_new_map(r->arena), node);
    bal_yaml_node *factor = bal_yaml_new_number(r->arena, remedy->factor);
    if (!bal_yaml_set(r->arena, map, remedy->kind, factor) || !bal_yaml_append(list, map))
        return bal_recipe_fail_memory(r);
    return BAL_OK;
}

bal_status bal_recipe_read_remedies(bal_recipe_reader *r, const bal_recipe_field *f,
                                    bal_yaml_node **ret_resolved) {
    if (f->node->kind != BAL_YAML_SEQUENCE)
        return bal_recipe_fail_type(r, f, "a list of remedies such as [{lr: 0.5}]");
    if (f->node->count > (size_t)f->key->items_max)
        return bal_recipe_fail(r, bal_recipe_place(f->node), "%s: at most %d are possible",
                               f->where, (int)f->key->items_max);
    bal_recipe_remedy *remedies = bal_arena_alloc(r->arena, f->node->count + 1, sizeof *remedies);
    bal_yaml_node *list = bal_yaml_new_seq(r->arena);
    if (!remedies || !list) return bal_recipe_fail_memory(r);
    int32_t n = 0;
    bal_yaml_each (node, f->node)
        BAL_TRY(read_remedy(r, f, node, &remedies[n++], list));
    bal_recipe_guard *guard = guard_of(f);
    guard->remedies = remedies;
    guard->n_remedies = n;
    *ret_resolved = list;
    return BAL_OK;
}
