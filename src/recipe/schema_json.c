/* The schema table as JSON Schema (draft 2020-12), so that editors complete and check recipes.
 *
 * It accepts every recipe that bal_recipe_parse accepts, and refuses what can be told without
 * following references: unknown keys, types, ranges, names, keys that the chosen kind has no use
 * for. A number or name may always be ${VARIABLE}, hence the patterns. */
#include <math.h>
#include <string.h>

#include "format/json_out.h"
#include "recipe/recipe.h"
#include "recipe/schema.h"

static const char variable[] = "\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}";

static void put_key(bal_json_out *out, const bal_schema_key *key);

static void begin_named(bal_json_out *out, const char *name) {
    bal_json_out_key(out, name);
    bal_json_out_object(out);
}

/* "type": ["integer", "string"] */
static void put_types(bal_json_out *out, const char *const *types, int n) {
    bal_json_out_key(out, "type");
    bal_json_out_row(out);
    for (int i = 0; i < n; i++)
        bal_json_out_string(out, types[i]);
    bal_json_out_array_end(out);
}

static void put_names(bal_json_out *out, const char *keyword, const char *const *names) {
    bal_json_out_key(out, keyword);
    bal_json_out_row(out);
    for (; *names; names++)
        bal_json_out_string(out, *names);
    bal_json_out_array_end(out);
}

/* 1 rather than 1.0, as a person would write it. */
static void put_plain_number(bal_json_out *out, double value) {
    if (value == floor(value) && fabs(value) < 1e15)
        bal_json_out_integer(out, (int64_t)value);
    else
        bal_json_out_number(out, value);
}

static void put_named_plain(bal_json_out *out, const char *name, double value) {
    bal_json_out_key(out, name);
    put_plain_number(out, value);
}

static void put_range(bal_json_out *out, const bal_schema_range *range) {
    if (range->has_least)
        put_named_plain(out, range->above ? "exclusiveMinimum" : "minimum", range->least);
    if (range->has_most)
        put_named_plain(out, range->below ? "exclusiveMaximum" : "maximum", range->most);
}

/* ---- scalars: the members of an object that is already open ---- */

static bool may_be_null(const bal_schema_key *key) {
    return key->fallback && strcmp(key->fallback, "null") == 0;
}

static void put_number_members(bal_json_out *out, const bal_schema_key *key, const char *type) {
    const char *const types[] = {type, "string", "null"};
    put_types(out, types, may_be_null(key) ? 3 : 2);
    put_range(out, &key->range);
    bal_json_out_named_string(out, "pattern", variable);
}

static void put_text_members(bal_json_out *out) {
    static const char *const types[] = {"string", "number", "boolean"};
    put_types(out, types, 3);
}

static void put_bool_members(bal_json_out *out) {
    static const char *const types[] = {"boolean", "string"};
    put_types(out, types, 2);
    bal_json_out_named_string(out, "pattern", variable);
}

/* One of these names, or a variable. */
static void put_name_members(bal_json_out *out, const char *const *names) {
    bal_json_out_key(out, "anyOf");
    bal_json_out_array(out);
    bal_json_out_object(out);
    put_names(out, "enum", names);
    bal_json_out_object_end(out);
    bal_json_out_object(out);
    bal_json_out_named_string(out, "type", "string");
    bal_json_out_named_string(out, "pattern", variable);
    bal_json_out_object_end(out);
    bal_json_out_array_end(out);
}

static void put_row_names(bal_json_out *out, const bal_schema_key *key) {
    bal_schema_names names = bal_schema_names_of(key->names);
    put_name_members(out, names.name);
}

/* ---- lists ---- */

static void put_item_members(bal_json_out *out, const bal_schema_key *key) {
    if (key->type == BAL_SCHEMA_TEXTS || key->type == BAL_SCHEMA_FEATURES)
        put_text_members(out);
    else
        put_number_members(out, key, key->type == BAL_SCHEMA_INTEGERS ? "integer" : "number");
}

static void put_limits(bal_json_out *out, const bal_schema_key *key) {
    if (key->items_min > 0) bal_json_out_named_integer(out, "minItems", key->items_min);
    if (key->items_max > 0) bal_json_out_named_integer(out, "maxItems", key->items_max);
}

/* One item, or a list of items. */
static void put_list_members(bal_json_out *out, const bal_schema_key *key) {
    bal_json_out_key(out, "anyOf");
    bal_json_out_array(out);
    bal_json_out_object(out);
    put_item_members(out, key);
    bal_json_out_object_end(out);
    bal_json_out_object(out);
    bal_json_out_named_string(out, "type", "array");
    begin_named(out, "items");
    put_item_members(out, key);
    bal_json_out_object_end(out);
    put_limits(out, key);
    bal_json_out_object_end(out);
    bal_json_out_array_end(out);
}

/* ---- series: what it takes to complete; the reader of recipes says more ---- */

static void put_feature_entry(bal_json_out *out) {
    static const char *const keys[] = {"lags", "rolling", "over", "since", "streak", "share"};
    bal_json_out_named_string(out, "type", "object");
    begin_named(out, "properties");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        begin_named(out, keys[i]);
        bal_json_out_object_end(out);
    }
    bal_json_out_object_end(out);
    bal_json_out_named_bool(out, "additionalProperties", false);
    bal_json_out_named_integer(out, "minProperties", 1);
}

/* One name, or a list of names and of features of a series. */
static void put_features_members(bal_json_out *out, const bal_schema_key *key) {
    bal_json_out_key(out, "anyOf");
    bal_json_out_array(out);
    bal_json_out_object(out);
    put_item_members(out, key);
    bal_json_out_object_end(out);
    bal_json_out_object(out);
    bal_json_out_named_string(out, "type", "array");
    begin_named(out, "items");
    bal_json_out_key(out, "anyOf");
    bal_json_out_array(out);
    bal_json_out_object(out);
    put_item_members(out, key);
    bal_json_out_object_end(out);
    bal_json_out_object(out);
    put_feature_entry(out);
    bal_json_out_object_end(out);
    bal_json_out_array_end(out);
    bal_json_out_object_end(out);
    put_limits(out, key);
    bal_json_out_object_end(out);
    bal_json_out_array_end(out);
}

static void put_target_members(bal_json_out *out) {
    static const char *const keys[] = {"bins", "at_least"};
    bal_json_out_key(out, "anyOf");
    bal_json_out_array(out);
    bal_json_out_object(out);
    put_text_members(out);
    bal_json_out_object_end(out);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        bal_json_out_object(out);
        bal_json_out_named_string(out, "type", "object");
        begin_named(out, "properties");
        begin_named(out, keys[i]);
        bal_json_out_object_end(out);
        bal_json_out_object_end(out);
        put_names(out, "required", (const char *const[]){keys[i], NULL});
        bal_json_out_named_bool(out, "additionalProperties", false);
        bal_json_out_object_end(out);
    }
    bal_json_out_array_end(out);
}

/* ---- tables ---- */

static void put_named_number(bal_json_out *out, const char *name, const bal_schema_key *key) {
    begin_named(out, name);
    put_number_members(out, key, "number");
    bal_json_out_object_end(out);
}

static void put_epoch_table_members(bal_json_out *out, const bal_schema_key *key) {
    bal_json_out_named_string(out, "type", "object");
    begin_named(out, "patternProperties");
    put_named_number(out, "^[0-9]+$", key);
    bal_json_out_object_end(out);
    bal_json_out_named_bool(out, "additionalProperties", false);
    bal_json_out_named_integer(out, "minProperties", 1);
}

static void put_class_values_members(bal_json_out *out, const bal_schema_key *key) {
    bal_json_out_key(out, "anyOf");
    bal_json_out_array(out);
    bal_json_out_object(out);
    bal_json_out_named_string(out, "type", "object");
    put_named_number(out, "additionalProperties", key);
    bal_json_out_named_integer(out, "minProperties", 1);
    bal_json_out_object_end(out);
    bal_json_out_object(out);
    bal_json_out_named_string(out, "type", "array");
    put_named_number(out, "items", key);
    bal_json_out_named_integer(out, "minItems", 1);
    bal_json_out_object_end(out);
    bal_json_out_array_end(out);
}

static void put_payoff_members(bal_json_out *out) {
    bal_json_out_named_string(out, "type", "object");
    begin_named(out, "additionalProperties");
    bal_json_out_named_string(out, "type", "array");
    begin_named(out, "items");
    bal_json_out_named_string(out, "type", "number");
    bal_json_out_object_end(out);
    bal_json_out_object_end(out);
}

static void put_option(bal_json_out *out, const bal_detector_option *option) {
    const bal_schema_key row = {
        .range = {.has_least = true, .least = option->min, .has_most = true, .most = option->max}};
    begin_named(out, option->name);
    bal_json_out_named_string(out, "description", option->meaning);
    put_named_plain(out, "default", option->value);
    put_number_members(out, &row, option->whole ? "integer" : "number");
    bal_json_out_object_end(out);
}

static void put_detector(bal_json_out *out, const bal_detector *detector) {
    begin_named(out, detector->name);
    bal_json_out_named_string(out, "description", detector->summary);
    bal_json_out_key(out, "anyOf");
    bal_json_out_array(out);
    bal_json_out_object(out);
    put_bool_members(out);
    bal_json_out_object_end(out);
    bal_json_out_object(out);
    bal_json_out_named_string(out, "type", "object");
    begin_named(out, "properties");
    for (const bal_detector_option *option = detector->options; option->name; option++)
        put_option(out, option);
    bal_json_out_object_end(out);
    bal_json_out_named_bool(out, "additionalProperties", false);
    bal_json_out_object_end(out);
    bal_json_out_array_end(out);
    bal_json_out_object_end(out);
}

static void put_detectors_members(bal_json_out *out) {
    bal_json_out_named_string(out, "type", "object");
    begin_named(out, "properties");
    for (int i = 0; bal_schema_detectors(i); i++)
        put_detector(out, bal_detector_find(bal_schema_detectors(i)));
    bal_json_out_object_end(out);
    bal_json_out_named_bool(out, "additionalProperties", false);
}

/* ---- sections ---- */

static void put_properties(bal_json_out *out, const char *section) {
    const bal_schema_key *key = NULL;
    begin_named(out, "properties");
    while ((key = bal_schema_next(section, key))) {
        bal_json_out_key(out, bal_schema_name(key));
        put_key(out, key);
    }
    bal_json_out_object_end(out);
    bal_json_out_named_bool(out, "additionalProperties", false);
}

static bool is_required(const bal_schema_key *key) {
    return !key->fallback && !key->derive;
}

static void put_required(bal_json_out *out, const char *section) {
    const bal_schema_key *key = NULL;
    bal_json_out_key(out, "required");
    bal_json_out_row(out);
    while ((key = bal_schema_next(section, key)))
        if (is_required(key) && !key->only_key) bal_json_out_string(out, bal_schema_name(key));
    bal_json_out_array_end(out);
}

static bool is_one_of(const char *const *values, const char *value) {
    for (; value && *values; values++)
        if (strcmp(*values, value) == 0) return true;
    return false;
}

/* "if" the key beside it has one of the values, given or by default. */
static void put_condition(bal_json_out *out, const char *section, const bal_schema_key *key,
                          bool or_variable) {
    const bal_schema_key *other = NULL;
    while ((other = bal_schema_next(section, other)))
        if (strcmp(bal_schema_name(other), key->only_key) == 0) break;
    begin_named(out, "if");
    begin_named(out, "properties");
    begin_named(out, key->only_key);
    if (or_variable)
        put_name_members(out, key->only_values);
    else
        put_names(out, "enum", key->only_values);
    bal_json_out_object_end(out);
    bal_json_out_object_end(out);
    if (!other || !is_one_of(key->only_values, other->fallback)) {
        const char *const required[] = {key->only_key, NULL};
        put_names(out, "required", required);
    }
    bal_json_out_object_end(out);
}

/* Scalar defaults in the type that JSON has for them; false when there is none to write. */
static bool put_default(bal_json_out *out, const char *keyword, const bal_schema_key *key) {
    bool truth = key->fallback && strcmp(key->fallback, "true") == 0;
    double number;
    if (!key->fallback || key->fallback[0] == '[' || key->fallback[0] == '{') return false;
    bal_json_out_key(out, keyword);
    if (may_be_null(key))
        bal_json_out_null(out);
    else if (key->type == BAL_SCHEMA_BOOL)
        bal_json_out_bool(out, truth);
    else if (bal_text_parse_double(key->fallback, strlen(key->fallback), &number))
        put_plain_number(out, number);
    else
        bal_json_out_string(out, key->fallback);
    return true;
}

static void put_meaning(bal_json_out *out, const char *section, const bal_schema_key *key) {
    bal_json_out_object(out);
    put_condition(out, section, key, true);
    begin_named(out, "else");
    begin_named(out, "properties");
    begin_named(out, bal_schema_name(key));
    if (!put_default(out, "const", key)) {
        begin_named(out, "not");
        bal_json_out_object_end(out);
    }
    bal_json_out_object_end(out);
    bal_json_out_object_end(out);
    bal_json_out_object_end(out);
    bal_json_out_object_end(out);
}

static void put_conditional_requirement(bal_json_out *out, const char *section,
                                        const bal_schema_key *key) {
    const char *const required[] = {bal_schema_name(key), NULL};
    bal_json_out_object(out);
    put_condition(out, section, key, false);
    begin_named(out, "then");
    put_names(out, "required", required);
    bal_json_out_object_end(out);
    bal_json_out_object_end(out);
}

static void put_conditions(bal_json_out *out, const char *section) {
    const bal_schema_key *key = NULL;
    bool any = false;
    while ((key = bal_schema_next(section, key)))
        any = any || key->only_key;
    if (!any) return;
    bal_json_out_key(out, "allOf");
    bal_json_out_array(out);
    while ((key = bal_schema_next(section, key))) {
        if (!key->only_key) continue;
        put_meaning(out, section, key);
        if (is_required(key)) put_conditional_requirement(out, section, key);
    }
    bal_json_out_array_end(out);
}

static void put_mapping_members(bal_json_out *out, const char *section) {
    bal_json_out_named_string(out, "type", "object");
    put_properties(out, section);
    put_required(out, section);
    put_conditions(out, section);
}

static void put_section_members(bal_json_out *out, const bal_schema_key *key) {
    const bal_schema_key *brief = NULL;
    while (key->short_key && (brief = bal_schema_next(key->path, brief)))
        if (strcmp(bal_schema_name(brief), key->short_key) == 0) break;
    if (!brief) {
        put_mapping_members(out, key->path);
        return;
    }
    bal_json_out_key(out, "anyOf");
    bal_json_out_array(out);
    bal_json_out_object(out);
    put_row_names(out, brief);
    bal_json_out_object_end(out);
    bal_json_out_object(out);
    put_mapping_members(out, key->path);
    bal_json_out_object_end(out);
    bal_json_out_array_end(out);
}

/* Entries of a list of sections; of remedies each has one key. */
static void put_sections_members(bal_json_out *out, const bal_schema_key *key) {
    char section[128];
    size_t length = strlen(key->path);
    memcpy(section, key->path, length);
    memcpy(section + length, "[]", 3);
    bal_json_out_named_string(out, "type", "array");
    begin_named(out, "items");
    put_mapping_members(out, section);
    if (key->type == BAL_SCHEMA_REMEDIES) {
        bal_json_out_named_integer(out, "minProperties", 1);
        bal_json_out_named_integer(out, "maxProperties", 1);
    }
    bal_json_out_object_end(out);
    put_limits(out, key);
}

/* ---- stages: what of the recipe they may change, nothing of it required ---- */

static void put_change_members(bal_json_out *out, const char *section, bool all);

/* What a key has no use for depends on the recipe too, so that only types are told. */
static void put_change(bal_json_out *out, const bal_schema_key *key, bool all) {
    if (key->type != BAL_SCHEMA_SECTION && !(key->type == BAL_SCHEMA_SECTIONS && !all)) {
        put_key(out, key);
        return;
    }
    bal_json_out_object(out);
    bal_json_out_named_string(out, "description", key->help);
    if (key->type == BAL_SCHEMA_SECTIONS) {
        bal_json_out_named_string(out, "type", "object");
        begin_named(out, "additionalProperties");
        bal_json_out_named_string(out, "type", "object");
        put_change_members(out, "heads[]", false);
        bal_json_out_object_end(out);
    } else {
        static const char *const types[] = {"object", "string", "boolean"};
        put_types(out, types, key->short_key && all ? 3 : 1);
        put_change_members(out, key->path, all);
    }
    bal_json_out_object_end(out);
}

static void put_change_members(bal_json_out *out, const char *section, bool all) {
    const bal_schema_key *key = NULL;
    begin_named(out, "properties");
    if (!section[0]) {
        while ((key = bal_schema_next("stages[]", key))) {
            bal_json_out_key(out, bal_schema_name(key));
            put_key(out, key);
        }
    }
    while ((key = bal_schema_next(section, key))) {
        bool free = all || key->staged;
        if (!free && !bal_schema_has_staged(key->path)) continue;
        bal_json_out_key(out, bal_schema_name(key));
        put_change(out, key, free);
    }
    bal_json_out_object_end(out);
    bal_json_out_named_bool(out, "additionalProperties", false);
}

static void put_stages_members(bal_json_out *out, const bal_schema_key *key) {
    bal_json_out_named_string(out, "type", "array");
    begin_named(out, "items");
    bal_json_out_named_string(out, "type", "object");
    put_change_members(out, "", false);
    put_required(out, "stages[]");
    bal_json_out_object_end(out);
    put_limits(out, key);
}

static void put_rules_members(bal_json_out *out) {
    bal_json_out_named_string(out, "type", "array");
    begin_named(out, "items");
    bal_json_out_named_string(out, "type", "string");
    bal_json_out_object_end(out);
}

static void put_members(bal_json_out *out, const bal_schema_key *key) {
    switch (key->type) {
    case BAL_SCHEMA_SECTION:
        put_section_members(out, key);
        break;
    case BAL_SCHEMA_SECTIONS:
    case BAL_SCHEMA_REMEDIES:
        put_sections_members(out, key);
        break;
    case BAL_SCHEMA_TEXT:
    case BAL_SCHEMA_PATH:
        put_text_members(out);
        break;
    case BAL_SCHEMA_METRIC:
        bal_json_out_named_string(out, "type", "string");
        break;
    case BAL_SCHEMA_NAME:
    case BAL_SCHEMA_INDEX:
        put_row_names(out, key);
        break;
    case BAL_SCHEMA_BOOL:
        put_bool_members(out);
        break;
    case BAL_SCHEMA_INTEGER:
        put_number_members(out, key, "integer");
        break;
    case BAL_SCHEMA_NUMBER:
        put_number_members(out, key, "number");
        break;
    case BAL_SCHEMA_TEXTS:
    case BAL_SCHEMA_INTEGERS:
    case BAL_SCHEMA_NUMBERS:
        put_list_members(out, key);
        break;
    case BAL_SCHEMA_FEATURES:
        put_features_members(out, key);
        break;
    case BAL_SCHEMA_TARGET:
        put_target_members(out);
        break;
    case BAL_SCHEMA_EPOCH_TABLE:
        put_epoch_table_members(out, key);
        break;
    case BAL_SCHEMA_CLASS_VALUES:
        put_class_values_members(out, key);
        break;
    case BAL_SCHEMA_PAYOFF:
        put_payoff_members(out);
        break;
    case BAL_SCHEMA_DETECTORS:
        put_detectors_members(out);
        break;
    case BAL_SCHEMA_RULES:
        put_rules_members(out);
        break;
    case BAL_SCHEMA_STAGES:
        put_stages_members(out, key);
        break;
    case BAL_SCHEMA_TYPE_COUNT:
        break;
    }
}

static void put_key(bal_json_out *out, const bal_schema_key *key) {
    bal_json_out_object(out);
    bal_json_out_named_string(out, "description", key->help);
    put_default(out, "default", key);
    put_members(out, key);
    bal_json_out_object_end(out);
}

void bal_recipe_schema_json(bal_text *text) {
    bal_json_out out;
    bal_json_out_init(&out, text, 2);
    bal_json_out_object(&out);
    bal_json_out_named_string(&out, "$schema", "https://json-schema.org/draft/2020-12/schema");
    bal_json_out_named_string(&out, "title", "Ballast recipe");
    bal_json_out_named_string(&out, "description",
                              "What to train: data, model, heads, optimizer, guard, outputs.");
    put_mapping_members(&out, "");
    bal_json_out_object_end(&out);
    bal_text_puts(text, "\n");
}
