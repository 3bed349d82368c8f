/* recipe/schema*.c: the rows agree with each other and with the structs, the JSON Schema says of
 * every key what its row says, and docs/RECIPE.md is what the table says today. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "recipe/recipe.h"
#include "recipe/schema.h"

#define each_row(key) for (const bal_schema_key *key = bal_schema_table; key->path; key++)

static bool is_section(const bal_schema_key *key) {
    return key->type == BAL_SCHEMA_SECTION || key->type == BAL_SCHEMA_SECTIONS ||
           key->type == BAL_SCHEMA_REMEDIES || key->type == BAL_SCHEMA_STAGES;
}

/* The section that a row is in, in the form in which bal_schema_next wants it. */
static void section_of(const bal_schema_key *key, char section[128]) {
    const char *dot = strrchr(key->path, '.');
    size_t length = dot ? (size_t)(dot - key->path) : 0;
    assert_true(length < 128);
    memcpy(section, key->path, length);
    section[length] = '\0';
}

static const bal_schema_key *beside(const bal_schema_key *key, const char *name) {
    char path[256], section[128];
    section_of(key, section);
    snprintf(path, sizeof path, "%s%s%s", section, section[0] ? "." : "", name);
    return bal_schema_find(path);
}

/* ---- rows ---- */

static void paths_form_a_tree(void **state) {
    each_row(key) {
        assert_ptr_equal(bal_schema_find(key->path), key);
        char section[128];
        section_of(key, section);
        size_t length = strlen(section);
        if (length == 0) continue;
        bool in_list = section[length - 1] == ']';
        if (in_list) section[length - 2] = '\0';
        const bal_schema_key *parent = bal_schema_find(section);
        if (!parent || !is_section(parent) || parent >= key)
            fail_msg("%s: no section of that name before it", key->path);
        assert_int_equal(in_list, parent->type != BAL_SCHEMA_SECTION);
    }
}

static void sentences(void **state) {
    each_row(key) {
        assert_non_null(key->help);
        size_t length = strlen(key->help);
        if (length < 5 || !strchr(".…", key->help[length - 1]) || strchr(key->help, '\n'))
            fail_msg("%s: wanted one sentence, found '%s'", key->path, key->help);
        assert_int_equal(key->derive != NULL, key->derived != NULL);
        assert_false(key->derive && key->fallback);
    }
}

static bool is_number_type(bal_schema_type type) {
    return type == BAL_SCHEMA_INTEGER || type == BAL_SCHEMA_NUMBER || type == BAL_SCHEMA_INTEGERS ||
           type == BAL_SCHEMA_NUMBERS || type == BAL_SCHEMA_EPOCH_TABLE ||
           type == BAL_SCHEMA_CLASS_VALUES;
}

static void ranges_and_defaults(void **state) {
    each_row(key) {
        const bal_schema_range *range = &key->range;
        if (range->has_least || range->has_most) assert_true(is_number_type(key->type));
        bool narrow = key->type == BAL_SCHEMA_INTEGERS ||
                      (key->type == BAL_SCHEMA_INTEGER && key->size == sizeof(int32_t));
        if (narrow && !(range->has_most && range->most <= INT32_MAX && range->least >= INT32_MIN))
            fail_msg("%s: its range is wider than its int32_t", key->path);
        double number;
        bool has_number =
            key->fallback && bal_text_parse_double(key->fallback, strlen(key->fallback), &number);
        if (!has_number) continue;
        assert_true(is_number_type(key->type));
        assert_false(range->has_least &&
                     (range->above ? number <= range->least : number < range->least));
        assert_false(range->has_most &&
                     (range->below ? number >= range->most : number > range->most));
    }
}

static bool is_among(const char *name, const bal_schema_names *names) {
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->name[i], name) == 0) return true;
    return false;
}

static void names(void **state) {
    each_row(key) {
        bool named = key->type == BAL_SCHEMA_NAME || key->type == BAL_SCHEMA_INDEX;
        assert_int_equal(named, key->names != NULL);
        if (!named) continue;
        bal_schema_names all = bal_schema_names_of(key->names);
        assert_in_range(all.count, 1, BAL_SCHEMA_NAMES_MAX - 1);
        if (key->fallback && !is_among(key->fallback, &all))
            fail_msg("%s: its default '%s' is none of its names", key->path, key->fallback);
        for (int i = 0; key->later && key->later[i]; i++)
            if (is_among(key->later[i], &all))
                fail_msg("%s: '%s' has come; take it off the later ones", key->path, key->later[i]);
        for (int i = 0; key->described && i < all.count; i++)
            assert_non_null(bal_schema_summary(key->names, all.name[i]));
    }
}

/* What a meaning hangs on is a name, read before, in the same section. */
static void conditions(void **state) {
    each_row(key) {
        if (!key->only_key) continue;
        const bal_schema_key *other = beside(key, key->only_key);
        if (!other || other >= key || !other->names)
            fail_msg("%s: no names called %s before it", key->path, key->only_key);
        bal_schema_names all = bal_schema_names_of(other->names);
        for (int i = 0; key->only_values[i]; i++)
            if (!is_among(key->only_values[i], &all))
                fail_msg("%s: '%s' is no %s", key->path, key->only_values[i], key->only_key);
    }
}

static void short_forms(void **state) {
    each_row(key) {
        if (!key->short_key) continue;
        char path[256];
        assert_int_equal(key->type, BAL_SCHEMA_SECTION);
        snprintf(path, sizeof path, "%s.%s", key->path, key->short_key);
        const bal_schema_key *brief = bal_schema_find(path);
        assert_non_null(brief);
        assert_non_null(brief->names);
    }
}

/* Types whose readers know the whole struct behind their slot. */
static bool owns_its_slot(const bal_schema_key *key) {
    switch (key->type) {
    case BAL_SCHEMA_SECTION:
    case BAL_SCHEMA_EPOCH_TABLE:
    case BAL_SCHEMA_CLASS_VALUES:
    case BAL_SCHEMA_PAYOFF:
    case BAL_SCHEMA_DETECTORS:
    case BAL_SCHEMA_RULES:
    case BAL_SCHEMA_REMEDIES:
        return false;
    default:
        return key->slot != BAL_SCHEMA_NO_SLOT;
    }
}

static bool same_struct(const bal_schema_key *a, const bal_schema_key *b) {
    const char *a_end = strrchr(a->path, ']'), *b_end = strrchr(b->path, ']');
    if (!a_end || !b_end) return !a_end && !b_end;
    return a_end - a->path == b_end - b->path &&
           strncmp(a->path, b->path, (size_t)(a_end - a->path)) == 0;
}

/* Sections and their lists keep an array of structs in a slot of pointer size. */
static size_t slot_size(const bal_schema_key *key) {
    bool structs = key->type == BAL_SCHEMA_SECTIONS || key->type == BAL_SCHEMA_STAGES;
    return structs ? sizeof(void *) : key->size;
}

static void slots_have_their_size_to_themselves(void **state) {
    static const size_t sizes[BAL_SCHEMA_TYPE_COUNT] = {
        [BAL_SCHEMA_TEXT] = sizeof(char *),     [BAL_SCHEMA_PATH] = sizeof(char *),
        [BAL_SCHEMA_METRIC] = sizeof(char *),   [BAL_SCHEMA_NAME] = sizeof(char *),
        [BAL_SCHEMA_INDEX] = sizeof(int),       [BAL_SCHEMA_BOOL] = sizeof(bool),
        [BAL_SCHEMA_NUMBER] = sizeof(double),   [BAL_SCHEMA_TEXTS] = sizeof(void *),
        [BAL_SCHEMA_INTEGERS] = sizeof(void *), [BAL_SCHEMA_NUMBERS] = sizeof(void *),
    };
    each_row(a) {
        if (!owns_its_slot(a)) continue;
        if (sizes[a->type] && a->size != sizes[a->type])
            fail_msg("%s: a slot of %zu bytes", a->path, a->size);
        for (const bal_schema_key *b = a + 1; b->path; b++) {
            bool apart = !owns_its_slot(b) || !same_struct(a, b) ||
                         a->slot + slot_size(a) <= b->slot || b->slot + slot_size(b) <= a->slot;
            /* Never both: remedies have one key each, split is by group or by time. */
            bool alternatives = strncmp(a->path, "guard.remedies[]", 16) == 0 ||
                                strcmp(a->path, "data.split.group") == 0;
            if (!apart && !alternatives) fail_msg("%s and %s share a slot", a->path, b->path);
        }
    }
}

/* ---- JSON Schema ---- */

/* The mapping among what a key may be: itself, an alternative, or the items of a list. */
static json_t *mapping_of(json_t *schema) {
    if (json_object_get(schema, "properties")) return schema;
    json_t *items = json_object_get(schema, "items");
    if (items) return mapping_of(items);
    size_t i;
    json_t *alternative;
    json_array_foreach(json_object_get(schema, "anyOf"), i, alternative) {
        json_t *found = mapping_of(alternative);
        if (found) return found;
    }
    return NULL;
}

static json_t *schema_of(json_t *root, const char *path) {
    json_t *schema = root;
    while (*path && schema) {
        char name[128];
        size_t length = strcspn(path, ".[");
        assert_true(length < sizeof name);
        memcpy(name, path, length);
        name[length] = '\0';
        json_t *mapping = mapping_of(schema);
        assert_non_null(mapping);
        assert_true(json_is_false(json_object_get(mapping, "additionalProperties")));
        schema = json_object_get(json_object_get(mapping, "properties"), name);
        path += length;
        path += strspn(path, "[].");
    }
    return schema;
}

static json_t *load_schema(void) {
    bal_text text = {0};
    json_t *root = NULL;
    bal_error err = {0};
    bal_recipe_schema_json(&text);
    assert_false(bal_text_failed(&text));
    if (bal_json_parse(text.data, text.length, "schema", &root, &err) != BAL_OK)
        fail_msg("%s", err.message);
    bal_text_release(&text);
    return root;
}

static void check_json_range(const bal_schema_key *key, json_t *schema) {
    const char *least = key->range.above ? "exclusiveMinimum" : "minimum";
    const char *most = key->range.below ? "exclusiveMaximum" : "maximum";
    if (key->type != BAL_SCHEMA_INTEGER && key->type != BAL_SCHEMA_NUMBER) return;
    assert_int_equal(key->range.has_least, json_object_get(schema, least) != NULL);
    assert_int_equal(key->range.has_most, json_object_get(schema, most) != NULL);
    if (key->range.has_least)
        assert_true(json_number_value(json_object_get(schema, least)) == key->range.least);
    if (key->range.has_most)
        assert_true(json_number_value(json_object_get(schema, most)) == key->range.most);
}

static void json_schema_has_every_key(void **state) {
    json_t *root = load_schema();
    assert_string_equal(json_string_value(json_object_get(root, "$schema")),
                        "https://json-schema.org/draft/2020-12/schema");
    each_row(key) {
        json_t *schema = schema_of(root, key->path);
        if (!schema) fail_msg("%s is not in the JSON Schema", key->path);
        assert_string_equal(json_string_value(json_object_get(schema, "description")), key->help);
        check_json_range(key, schema);
        if (!key->names) continue;
        json_t *list = json_object_get(json_array_get(json_object_get(schema, "anyOf"), 0), "enum");
        bal_schema_names all = bal_schema_names_of(key->names);
        assert_int_equal(json_array_size(list), all.count);
        for (int i = 0; i < all.count; i++)
            assert_string_equal(json_string_value(json_array_get(list, (size_t)i)), all.name[i]);
    }
    json_decref(root);
}

static void json_schema_requires_what_must_be_given(void **state) {
    json_t *root = load_schema();
    json_t *required = json_object_get(root, "required");
    assert_int_equal(json_array_size(required), 2);
    assert_string_equal(json_string_value(json_array_get(required, 0)), "name");
    assert_string_equal(json_string_value(json_array_get(required, 1)), "data");
    json_decref(root);
}

/* ---- the reference page ---- */

static void reference_page_is_up_to_date(void **state) {
    char *committed;
    size_t size;
    bal_text page = {0};
    bal_recipe_schema_markdown(&page);
    assert_false(bal_text_failed(&page));
    assert_int_equal(bal_file_read("docs/RECIPE.md", 1 << 20, &committed, &size, NULL), BAL_OK);
    if (size != page.length || memcmp(committed, page.data, size) != 0)
        fail_msg("docs/RECIPE.md is not what the schema table says; renew it with "
                 "`build/ballast schema --markdown >docs/RECIPE.md`");
    bal_free(committed);
    bal_text_release(&page);
}

static void running_out_of_memory(void **state) {
    for (int i = 0; i < 6; i++) {
        bal_text text = {0};
        bal_memory_fail_after(i);
        bal_recipe_schema_json(&text);
        assert_true(bal_text_failed(&text));
        bal_text_release(&text);
        bal_memory_fail_after(i);
        bal_recipe_schema_markdown(&text);
        assert_true(bal_text_failed(&text));
        bal_text_release(&text);
    }
    bal_memory_fail_after(-1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_form_a_tree),
        cmocka_unit_test(sentences),
        cmocka_unit_test(ranges_and_defaults),
        cmocka_unit_test(names),
        cmocka_unit_test(conditions),
        cmocka_unit_test(short_forms),
        cmocka_unit_test(slots_have_their_size_to_themselves),
        cmocka_unit_test(json_schema_has_every_key),
        cmocka_unit_test(json_schema_requires_what_must_be_given),
        cmocka_unit_test(reference_page_is_up_to_date),
        cmocka_unit_test(running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
