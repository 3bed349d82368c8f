/* recipe->resolved: complete, and the same recipe when read again, member by member. The comparison
 * walks the schema table, so that a new key takes part in it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "recipe/schema.h"
#include "recipe_files.h"
#include "recipe_text.h"

/* ---- comparing two structs by the rows of a section ---- */

static void compare_section(const char *section, const char *a, const char *b);

static void read_slot(const bal_schema_key *key, const char *base, void *to) {
    memcpy(to, base + key->slot, key->size);
}

static int32_t read_count(const bal_schema_key *key, const char *base) {
    int32_t count;
    memcpy(&count, base + key->count, sizeof count);
    return count;
}

static void compare_text(const bal_schema_key *key, const char *a, const char *b) {
    const char *one, *two;
    read_slot(key, a, &one);
    read_slot(key, b, &two);
    assert_non_null(one);
    assert_non_null(two);
    assert_string_equal(one, two);
}

static bool equal_numbers(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

static void compare_list(const bal_schema_key *key, const char *a, const char *b) {
    const void *one, *two;
    int32_t n = read_count(key, a);
    assert_int_equal(read_count(key, b), n);
    memcpy(&one, a + key->slot, sizeof one);
    memcpy(&two, b + key->slot, sizeof two);
    for (int32_t i = 0; i < n; i++) {
        if (key->type == BAL_SCHEMA_TEXTS)
            assert_string_equal(((const char *const *)one)[i], ((const char *const *)two)[i]);
        else if (key->type == BAL_SCHEMA_INTEGERS)
            assert_int_equal(((const int32_t *)one)[i], ((const int32_t *)two)[i]);
        else
            assert_true(((const double *)one)[i] == ((const double *)two)[i]);
    }
}

static void compare_structs(const bal_schema_key *key, const char *a, const char *b) {
    const char *one, *two;
    char section[128];
    int32_t n = read_count(key, a);
    assert_int_equal(read_count(key, b), n);
    memcpy(&one, a + key->slot, sizeof one);
    memcpy(&two, b + key->slot, sizeof two);
    snprintf(section, sizeof section, "%s[]", key->path);
    for (int32_t i = 0; i < n; i++)
        compare_section(section, one + (size_t)i * key->size, two + (size_t)i * key->size);
}

static void compare_weights(const bal_recipe_class_weights *a, const bal_recipe_class_weights *b) {
    assert_int_equal(a->n_values, b->n_values);
    assert_int_equal(a->names != NULL, b->names != NULL);
    for (int32_t i = 0; i < a->n_values; i++) {
        assert_true(a->values[i] == b->values[i]);
        if (a->names) assert_string_equal(a->names[i], b->names[i]);
    }
}

static void compare_payoff(const bal_recipe_payoff *a, const bal_recipe_payoff *b) {
    assert_int_equal(a->n, b->n);
    for (int32_t i = 0; i < a->n * a->n; i++)
        assert_true(a->gains[i] == b->gains[i]);
    for (int32_t i = 0; i < a->n; i++)
        assert_string_equal(a->names[i], b->names[i]);
}

static void compare_steps(const bal_schedule_options *a, const bal_schedule_options *b) {
    assert_int_equal(a->n_steps, b->n_steps);
    assert_int_equal(a->larger_is_better, b->larger_is_better);
    for (int32_t i = 0; i < a->n_steps; i++) {
        assert_int_equal(a->steps[i].epoch, b->steps[i].epoch);
        assert_true(a->steps[i].factor == b->steps[i].factor);
    }
}

static void compare_key(const bal_schema_key *key, const char *a, const char *b) {
    double one = 0, two = 0;
    switch (key->type) {
    case BAL_SCHEMA_SECTION:
        compare_section(key->path, a, b);
        break;
    case BAL_SCHEMA_SECTIONS:
        compare_structs(key, a, b);
        break;
    case BAL_SCHEMA_TEXT:
    case BAL_SCHEMA_PATH:
    case BAL_SCHEMA_METRIC:
    case BAL_SCHEMA_NAME:
        if (key->slot != BAL_SCHEMA_NO_SLOT) compare_text(key, a, b);
        break;
    case BAL_SCHEMA_INDEX:
    case BAL_SCHEMA_BOOL:
    case BAL_SCHEMA_INTEGER:
        assert_memory_equal(a + key->slot, b + key->slot, key->size);
        break;
    case BAL_SCHEMA_NUMBER:
        read_slot(key, a, &one);
        read_slot(key, b, &two);
        assert_true(equal_numbers(one, two));
        break;
    case BAL_SCHEMA_TEXTS:
    case BAL_SCHEMA_INTEGERS:
    case BAL_SCHEMA_NUMBERS:
        compare_list(key, a, b);
        break;
    case BAL_SCHEMA_EPOCH_TABLE:
        compare_steps((const void *)(a + key->slot), (const void *)(b + key->slot));
        break;
    case BAL_SCHEMA_CLASS_VALUES:
        compare_weights((const void *)(a + key->slot), (const void *)(b + key->slot));
        break;
    case BAL_SCHEMA_PAYOFF:
        compare_payoff((const void *)(a + key->slot), (const void *)(b + key->slot));
        break;
    default: /* the guard's lists and the stages are compared below */
        break;
    }
}

static void compare_section(const char *section, const char *a, const char *b) {
    const bal_schema_key *key = NULL;
    while ((key = bal_schema_next(section, key)))
        compare_key(key, a, b);
}

static double threshold(const bal_recipe_guard *guard, const bal_detector *detector,
                        const bal_detector_option *option, bool *ret_enabled) {
    double value = option ? option->value : 0;
    *ret_enabled = true;
    for (int32_t i = 0; i < guard->n_detectors; i++) {
        const bal_recipe_detector *wanted = &guard->detectors[i];
        if (strcmp(wanted->name, detector->name) != 0) continue;
        *ret_enabled = wanted->enabled;
        for (int32_t j = 0; option && j < wanted->n_options; j++)
            if (strcmp(wanted->option[j], option->name) == 0) value = wanted->value[j];
    }
    return value;
}

/* The resolved recipe names every detector; what each does must be the same. */
static void compare_guards(const bal_recipe_guard *a, const bal_recipe_guard *b) {
    bool one, two;
    for (int i = 0; bal_detector_table[i]; i++) {
        const bal_detector *detector = bal_detector_table[i];
        threshold(a, detector, NULL, &one);
        threshold(b, detector, NULL, &two);
        assert_int_equal(one, two);
        for (const bal_detector_option *option = detector->options; one && option->name; option++)
            assert_true(threshold(a, detector, option, &one) ==
                        threshold(b, detector, option, &two));
    }
    assert_int_equal(a->n_rules, b->n_rules);
    for (int32_t i = 0; i < a->n_rules; i++)
        assert_string_equal(a->rules[i].text, b->rules[i].text);
    assert_int_equal(a->n_remedies, b->n_remedies);
    for (int32_t i = 0; i < a->n_remedies; i++) {
        assert_string_equal(a->remedies[i].kind, b->remedies[i].kind);
        assert_true(a->remedies[i].factor == b->remedies[i].factor);
        assert_memory_equal(&a->remedies[i].fallback, &b->remedies[i].fallback,
                            sizeof a->remedies[i].fallback);
    }
}

static void compare_recipes(const bal_recipe *a, const bal_recipe *b) {
    compare_section("", (const char *)a, (const char *)b);
    compare_guards(&a->guard, &b->guard);
    assert_string_equal(a->resolved, b->resolved);
    assert_int_equal(a->n_stages, b->n_stages);
    for (int32_t i = 0; i < a->n_stages; i++) {
        assert_string_equal(a->stages[i].name, b->stages[i].name);
        assert_string_equal(a->stages[i].init_from, b->stages[i].init_from);
        assert_int_equal(a->stages[i].from, b->stages[i].from);
        compare_recipes(a->stages[i].recipe, b->stages[i].recipe);
    }
}

/* Read the resolved text in another folder, as a run does. */
static void assert_round_trip(bal_recipe *recipe) {
    bal_recipe *again = NULL;
    bal_error err = {0};
    bal_status status =
        bal_recipe_parse(recipe->resolved, "resolved.yaml", "/elsewhere", NULL, 0, &again, &err);
    if (status != BAL_OK) fail_msg("%s\nin\n%s", err.message, recipe->resolved);
    compare_recipes(recipe, again);
    bal_recipe_free(again);
    bal_recipe_free(recipe);
}

static void files(void **state) {
    for (size_t i = 0; i < RECIPE_FILES; i++) {
        bal_recipe *recipe = NULL;
        bal_error err = {0};
        if (bal_recipe_load(recipe_files[i], NULL, 0, &recipe, &err) != BAL_OK)
            fail_msg("%s", err.message);
        assert_round_trip(recipe);
    }
}

static void odd_texts(void **state) {
    assert_round_trip(accept(
        "name: \"1.5\"\n"
        "data:\n"
        "  kind: csv\n"
        "  path: \"/a b/ü: [x] # y.csv\"\n"
        "  target: \"$${HOME}\\n\\x1b$$${\"\n"
        "  ignore: ['null', 'true', '1e3', ' ', '~', '- a', \"'\", '\"', '$${$${']\n"
        "heads: [{class_weights: {kind: explicit, values: {'': 1, '1': 2, 'a: b': 3, null: 4}}}]\n"
        "guard: {rules: [\"val.label.recall[a: \\\"b\\\" # c] < 1e-3\"]}\n"));
}

static void odd_numbers(void **state) {
    assert_round_trip(accept(MINIMAL "seed: 9223372036854775807\n"
                                     "optimizer: {lr: 0.1, l2: 1.7976931348623157e+308,"
                                     " clip_norm: 5.0e-324, epsilon: 1.0e-300}\n"
                                     "stop: {min_delta: 123456789012345678}\n"));
}

/* ---- complete ---- */

static bool applies_always(const bal_schema_key *key) {
    char path[128];
    snprintf(path, sizeof path, "%s", key->path);
    for (;;) {
        const bal_schema_key *row = bal_schema_find(path);
        if (row && row->only_key) return false;
        char *dot = strrchr(path, '.');
        if (!dot) return true;
        *dot = '\0';
    }
}

static void every_default_is_there(void **state) {
    bal_recipe *recipe = accept(MINIMAL);
    bal_arena arena = {0};
    bal_yaml_node *root;
    assert_int_equal(
        bal_yaml_parse(&arena, recipe->resolved, strlen(recipe->resolved), "r", &root, NULL),
        BAL_OK);
    int found = 0;
    for (const bal_schema_key *key = bal_schema_table; key->path; key++) {
        char path[128];
        if (strchr(key->path, '[') || !applies_always(key)) continue;
        snprintf(path, sizeof path, "%s", key->path);
        const bal_yaml_node *node = root;
        for (char *name = path, *dot; name; name = dot ? dot + 1 : NULL) {
            dot = strchr(name, '.');
            if (dot) *dot = '\0';
            node = bal_yaml_get(node, name);
        }
        if (!node) fail_msg("%s is missing from\n%s", key->path, recipe->resolved);
        found++;
    }
    assert_true(found > 40);
    assert_int_equal(bal_yaml_get(root, "heads")->count, 1);
    bal_arena_release(&arena);
    bal_recipe_free(recipe);
}

static void it_reads_like_a_recipe(void **state) {
    bal_recipe *r = accept(MINIMAL "schedule: {kind: step, at: {20: 0.5, 3: 1}}\nguard: warn\n");
    static const char top[] = "name: a\nseed: 1\ndata:\n  kind: csv\n  path: /data/a.csv\n";
    assert_int_equal(strncmp(r->resolved, top, strlen(top)), 0);
    assert_non_null(strstr(r->resolved, "\nmodel:\n  kind: mlp\n  hidden: [128]\n"));
    assert_non_null(strstr(r->resolved, "  at:\n    3: 1.0\n    20: 0.5\n"));
    assert_non_null(strstr(r->resolved, "\nstages: []\nguard:\n  policy: warn\n  detectors:\n"));
    assert_non_null(strstr(r->resolved, "  remedies: [{lr: 0.1}, {class_weight_multiplier: "));
    assert_null(strstr(r->resolved, "weight_decay"));
    bal_recipe_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(odd_texts),
        cmocka_unit_test(odd_numbers),
        cmocka_unit_test(every_default_is_there),
        cmocka_unit_test(it_reads_like_a_recipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
