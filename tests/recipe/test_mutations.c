/* Valid recipes, each made wrong in one place: every one must be refused, at the line and column
 * where it was made wrong, and a misspelt word must bring the right one in the message.
 *
 * The mutations are made from the schema table and the positions in the YAML tree: for every key in
 * every recipe a misspelling, and whatever its row offers to get wrong. A key that no recipe uses
 * fails the test, so that new keys take part. Which letter is hit is drawn from a fixed stream: the
 * same on every run. */
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
#include "base/random.h"
#include "base/text.h"
#include "recipe/recipe.h"
#include "recipe/schema.h"
#include "recipe_files.h"

enum { TARGETS_MAX = 256, WORD_MAX = 96 };

/* ---- what can be made wrong: the entries of a recipe with their rows ---- */

typedef struct target {
    const bal_yaml_node *entry, *parent;
    const bal_schema_key *key; /* NULL: inside a value that has no rows, such as an option */
    bal_schema_names siblings; /* the keys that could stand here; none: any could */
} target;

typedef struct recipe_text {
    const char *file;
    char *text;
    size_t size;
    bal_arena arena;
    const bal_yaml_node *root;
    target targets[TARGETS_MAX];
    size_t n_targets;
} recipe_text;

static void collect_section(recipe_text *recipe, const bal_yaml_node *map, const char *section);

static void add_target(recipe_text *recipe, const bal_yaml_node *entry, const bal_yaml_node *parent,
                       const bal_schema_key *key, const bal_schema_names *siblings) {
    assert_true(recipe->n_targets < TARGETS_MAX);
    recipe->targets[recipe->n_targets++] = (target){entry, parent, key, *siblings};
}

static bal_schema_names options_of(const char *detector) {
    bal_schema_names names = {.count = 0};
    const bal_detector_option *option = bal_detector_find(detector)->options;
    for (; option->name; option++)
        names.name[names.count++] = option->name;
    return names;
}

static void collect_detectors(recipe_text *recipe, const bal_yaml_node *map) {
    bal_schema_names detectors = bal_schema_names_of(bal_schema_detectors);
    bal_yaml_each (detector, map) {
        bal_schema_names options = options_of(detector->key);
        add_target(recipe, detector, map, NULL, &detectors);
        bal_yaml_each (option, detector)
            add_target(recipe, option, detector, NULL, &options);
    }
}

static void collect_change(recipe_text *recipe, const bal_yaml_node *map, const char *section);

static void collect_value(recipe_text *recipe, const bal_yaml_node *entry,
                          const bal_schema_key *key) {
    char section[128];
    if (key->type == BAL_SCHEMA_STAGES)
        bal_yaml_each (stage, entry)
            collect_change(recipe, stage, "");
    if (key->type == BAL_SCHEMA_SECTION) collect_section(recipe, entry, key->path);
    if (key->type == BAL_SCHEMA_DETECTORS) collect_detectors(recipe, entry);
    if (key->type != BAL_SCHEMA_SECTIONS && key->type != BAL_SCHEMA_REMEDIES) return;
    snprintf(section, sizeof section, "%s[]", key->path);
    bal_yaml_each (item, entry)
        collect_section(recipe, item, section);
}

static bal_schema_names staged_in(const char *section) {
    bal_schema_names names = {.count = 0};
    const bal_schema_key *key = NULL;
    if (!section[0]) names = bal_schema_keys_of("stages[]");
    while ((key = bal_schema_next(section, key)))
        if (key->staged || bal_schema_has_staged(key->path))
            names.name[names.count++] = bal_schema_name(key);
    return names;
}

static const bal_schema_key *row_of(const char *section, const char *name);

/* Heads by name; what names they may have is the recipe's. */
static void collect_changed_heads(recipe_text *recipe, const bal_yaml_node *map) {
    bal_schema_names names = {.count = 0};
    bal_yaml_each (head, bal_yaml_get(recipe->root, "heads"))
        assert_true(bal_yaml_text(bal_yaml_get(head, "name"), &names.name[names.count++]));
    bal_yaml_each (head, map) {
        add_target(recipe, head, map, NULL, &names);
        collect_change(recipe, head, "heads[]");
    }
}

static void collect_change(recipe_text *recipe, const bal_yaml_node *map, const char *section) {
    bal_schema_names siblings = staged_in(section);
    bal_yaml_each (entry, map) {
        const bal_schema_key *own = section[0] ? NULL : row_of("stages[]", entry->key);
        const bal_schema_key *key = own ? own : row_of(section, entry->key);
        assert_non_null(key);
        bool whole = own || key->staged;
        add_target(recipe, entry, map, whole ? key : NULL, &siblings);
        if (whole)
            collect_value(recipe, entry, key);
        else if (strcmp(key->path, "heads") == 0)
            collect_changed_heads(recipe, entry);
        else
            collect_change(recipe, entry, key->path);
    }
}

static const bal_schema_key *row_of(const char *section, const char *name) {
    const bal_schema_key *key = NULL;
    while ((key = bal_schema_next(section, key)))
        if (strcmp(bal_schema_name(key), name) == 0) return key;
    return NULL;
}

static void collect_section(recipe_text *recipe, const bal_yaml_node *map, const char *section) {
    if (map->kind != BAL_YAML_MAPPING) return; /* a short form */
    bal_schema_names siblings = bal_schema_keys_of(section);
    bal_yaml_each (entry, map) {
        const bal_schema_key *key = row_of(section, entry->key);
        assert_non_null(key);
        add_target(recipe, entry, map, key, &siblings);
        collect_value(recipe, entry, key);
    }
}

static void open_recipe(recipe_text *recipe, const char *file) {
    bal_error err = {0};
    bal_yaml_node *root = NULL;
    *recipe = (recipe_text){.file = file};
    if (bal_file_read(file, 1 << 16, &recipe->text, &recipe->size, &err) != BAL_OK ||
        bal_yaml_parse(&recipe->arena, recipe->text, recipe->size, file, &root, &err) != BAL_OK)
        fail_msg("%s", err.message);
    recipe->root = root;
    collect_section(recipe, root, "");
}

static void close_recipe(recipe_text *recipe) {
    bal_free(recipe->text);
    bal_arena_release(&recipe->arena);
}

/* ---- places in the text; the recipes are ASCII, so that columns are bytes ---- */

static size_t offset_of(const recipe_text *recipe, int line, int column) {
    const char *at = recipe->text;
    for (; line > 1; line--)
        at = strchr(at, '\n') + 1;
    return (size_t)(at - recipe->text) + (size_t)column - 1;
}

static size_t key_offset(const recipe_text *recipe, const bal_yaml_node *entry) {
    return offset_of(recipe, entry->key_line, entry->key_column);
}

/* A scalar that stands in the text as it was read, quotes apart. */
static bool find_scalar(const recipe_text *recipe, const bal_yaml_node *node, size_t *ret_offset,
                        size_t *ret_length) {
    if (node->kind != BAL_YAML_SCALAR) return false;
    size_t quote = node->quoted;
    *ret_offset = offset_of(recipe, node->line, node->column);
    *ret_length = strlen(node->text) + 2 * quote;
    return strncmp(recipe->text + *ret_offset + quote, node->text, strlen(node->text)) == 0;
}

/* ---- trying a mutation ---- */

typedef struct tally {
    bal_random random;
    int tried, misspelt_keys, misspelt_names, wrong_types, out_of_range, missing, bad_yaml,
        duplicates;
} tally;

static char *replaced(const recipe_text *recipe, size_t offset, size_t length, const char *by) {
    bal_text text = {0};
    bal_text_append(&text, recipe->text, offset);
    bal_text_puts(&text, by);
    bal_text_puts(&text, recipe->text + offset + length);
    assert_false(bal_text_failed(&text));
    return text.data;
}

/* column 0: anywhere on the line. `hint`: must be in the message, or NULL. */
static void expect_refusal(tally *count, const recipe_text *recipe, char *mutated, int line,
                           int column, const char *hint) {
    char place[256];
    bal_error err = {0};
    bal_recipe *parsed = NULL;
    bal_status status = bal_recipe_parse(mutated, recipe->file, "/", NULL, 0, &parsed, &err);
    if (status != BAL_ERECIPE) fail_msg("accepted:\n%s", mutated);
    if (column > 0)
        snprintf(place, sizeof place, "%s:%d:%d: ", recipe->file, line, column);
    else
        snprintf(place, sizeof place, "%s:%d:", recipe->file, line);
    if (strncmp(err.message, place, strlen(place)) != 0)
        fail_msg("wanted %s, got: %s\nin\n%s", place, err.message, mutated);
    if (hint && !strstr(err.message, hint))
        fail_msg("no hint %s in: %s\nin\n%s", hint, err.message, mutated);
    count->tried++;
    bal_free(mutated);
}

/* ---- misspelling ---- */

/* One edit: a letter left out, put in, changed, or two swapped. */
static bool edit(bal_random *random, const char *word, char misspelt[WORD_MAX]) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    size_t length = strlen(word), at = (size_t)bal_random_below(random, length);
    char letter = letters[bal_random_below(random, 26)];
    assert_true(length + 2 < WORD_MAX);
    switch (bal_random_below(random, 4)) {
    case 0:
        snprintf(misspelt, WORD_MAX, "%.*s%s", (int)at, word, word + at + 1);
        break;
    case 1:
        snprintf(misspelt, WORD_MAX, "%.*s%c%s", (int)at, word, letter, word + at);
        break;
    case 2:
        snprintf(misspelt, WORD_MAX, "%.*s%c%s", (int)at, word, letter, word + at + 1);
        break;
    default:
        if (at + 1 == length) return false;
        snprintf(misspelt, WORD_MAX, "%.*s%c%c%s", (int)at, word, word[at + 1], word[at],
                 word + at + 2);
    }
    return misspelt[0] && strcmp(misspelt, word) != 0;
}

/* Nearer to the word than to any other name, and with more in common than nothing. */
static bool points_back(const char *misspelt, const char *word, const bal_schema_names *names) {
    size_t distance = bal_text_distance(misspelt, word);
    size_t longer = strlen(word) > strlen(misspelt) ? strlen(word) : strlen(misspelt);
    if (distance >= longer) return false;
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->name[i], word) != 0 &&
            bal_text_distance(misspelt, names->name[i]) <= distance)
            return false;
    return true;
}

static bool misspell(bal_random *random, const char *word, const bal_schema_names *names,
                     char misspelt[WORD_MAX]) {
    for (int attempt = 0; attempt < 100; attempt++)
        if (edit(random, word, misspelt) && points_back(misspelt, word, names)) return true;
    return false;
}

static void misspell_key(tally *count, const recipe_text *recipe, const target *wrong) {
    char misspelt[WORD_MAX], hint[WORD_MAX + 32];
    const char *word = wrong->entry->key;
    if (!misspell(&count->random, word, &wrong->siblings, misspelt))
        fail_msg("%s: no misspelling of '%s' that points back to it", recipe->file, word);
    snprintf(hint, sizeof hint, "did you mean '%s'?", word);
    char *text = replaced(recipe, key_offset(recipe, wrong->entry), strlen(word), misspelt);
    expect_refusal(count, recipe, text, wrong->entry->key_line, wrong->entry->key_column, hint);
    count->misspelt_keys++;
}

/* The row whose names a scalar is one of: its own, or that of a section's short form. */
static const bal_schema_key *naming_row(const target *wrong) {
    const bal_schema_key *key = wrong->key;
    if (!key || wrong->entry->kind != BAL_YAML_SCALAR) return NULL;
    if (key->type == BAL_SCHEMA_SECTION) key = row_of(key->path, key->short_key);
    return key->names ? key : NULL;
}

static bool is_later(const bal_schema_key *key, const char *word) {
    for (int i = 0; key->later && key->later[i]; i++)
        if (strcmp(key->later[i], word) == 0) return true;
    return false;
}

static void misspell_name(tally *count, const recipe_text *recipe, const target *wrong) {
    const bal_schema_key *key = naming_row(wrong);
    size_t offset, length;
    char misspelt[WORD_MAX], hint[WORD_MAX + 32];
    if (!key || wrong->entry->quoted || !find_scalar(recipe, wrong->entry, &offset, &length))
        return;
    bal_schema_names names = bal_schema_names_of(key->names);
    const char *word = wrong->entry->text;
    if (!misspell(&count->random, word, &names, misspelt) || is_later(key, misspelt)) return;
    snprintf(hint, sizeof hint, "did you mean '%s'?", word);
    expect_refusal(count, recipe, replaced(recipe, offset, length, misspelt), wrong->entry->line,
                   wrong->entry->column, hint);
    count->misspelt_names++;
}

/* ---- types and ranges ---- */

static const char *wrong_value(const bal_schema_key *key) {
    switch (key->type) {
    case BAL_SCHEMA_INTEGER:
        return "1.5";
    case BAL_SCHEMA_NUMBER:
    case BAL_SCHEMA_BOOL:
    case BAL_SCHEMA_SECTIONS:
    case BAL_SCHEMA_RULES:
        return "several words";
    case BAL_SCHEMA_INTEGERS:
    case BAL_SCHEMA_NUMBERS:
        return "[[1]]";
    default:
        return "[{a: b}]";
    }
}

/* Where the complaint stands: at the item for lists. */
static int wrong_column(const target *wrong) {
    const bal_schema_type type = wrong->key->type;
    bool list = type == BAL_SCHEMA_INTEGERS || type == BAL_SCHEMA_NUMBERS ||
                type == BAL_SCHEMA_TEXTS || type == BAL_SCHEMA_FEATURES;
    return wrong->entry->column + list;
}

static void change_type(tally *count, const recipe_text *recipe, const target *wrong) {
    size_t offset, length;
    if (!wrong->key || !find_scalar(recipe, wrong->entry, &offset, &length)) return;
    char *text = replaced(recipe, offset, length, wrong_value(wrong->key));
    expect_refusal(count, recipe, text, wrong->entry->line, wrong_column(wrong), ": wanted ");
    count->wrong_types++;
}

static void leave_range(tally *count, const recipe_text *recipe, const target *wrong, bool above) {
    size_t offset, length;
    char number[32];
    const bal_schema_range *range = wrong->key ? &wrong->key->range : NULL;
    if (!range || !(above ? range->has_most : range->has_least)) return;
    if (!find_scalar(recipe, wrong->entry, &offset, &length)) return;
    double value = above ? range->most + !range->below : range->least - !range->above;
    snprintf(number, sizeof number, "%.0f", value);
    expect_refusal(count, recipe, replaced(recipe, offset, length, number), wrong->entry->line,
                   wrong->entry->column, "; wanted ");
    count->out_of_range++;
}

/* ---- missing keys ---- */

/* "key: value" of a scalar, with the comma beside it, or the whole line where it has one. */
static bool find_entry(const recipe_text *recipe, const bal_yaml_node *entry, size_t *ret_offset,
                       size_t *ret_length) {
    size_t start = key_offset(recipe, entry), offset, length;
    if (!find_scalar(recipe, entry, &offset, &length)) return false;
    size_t end = offset + length;
    const char *text = recipe->text;
    if (strncmp(text + end, ", ", 2) == 0) {
        end += 2;
    } else if (start >= 2 && strncmp(text + start - 2, ", ", 2) == 0) {
        start -= 2;
    } else if (text[end] == '\n') {
        while (start > 0 && text[start - 1] == ' ')
            start--;
        if (start > 0 && text[start - 1] != '\n') return false; /* the first of a list's entry */
        end++;
    }
    *ret_offset = start;
    *ret_length = end - start;
    return true;
}

static const bal_yaml_node *same_node(const bal_yaml_node *from, const bal_yaml_node *wanted,
                                      const bal_yaml_node *in) {
    if (from == wanted) return in;
    const bal_yaml_node *other = in->first, *found = NULL;
    bal_yaml_each (child, from) {
        if (!other) return NULL;
        if (child->key && strcmp(child->key, other->key) != 0) continue; /* the one taken out */
        if ((found = same_node(child, wanted, other))) return found;
        other = other->next;
    }
    return NULL;
}

static void take_out(tally *count, const recipe_text *recipe, const target *wrong) {
    size_t offset, length;
    char hint[WORD_MAX];
    if (!wrong->key || wrong->key->fallback || wrong->key->derive) return;
    if (!find_entry(recipe, wrong->entry, &offset, &length)) return;
    char *text = replaced(recipe, offset, length, "");
    bal_arena arena = {0};
    bal_yaml_node *root;
    assert_int_equal(bal_yaml_parse(&arena, text, strlen(text), "", &root, NULL), BAL_OK);
    const bal_yaml_node *section = same_node(recipe->root, wrong->parent, root);
    assert_non_null(section);
    snprintf(hint, sizeof hint, "needs '%s'", wrong->entry->key);
    bool keyed = section->key_line > 0;
    int line = keyed ? section->key_line : section->line;
    int column = keyed ? section->key_column : section->column;
    bal_arena_release(&arena);
    expect_refusal(count, recipe, text, line, column, hint);
    count->missing++;
}

/* ---- YAML ---- */

static void write_twice(tally *count, const recipe_text *recipe, const target *wrong) {
    size_t start = key_offset(recipe, wrong->entry), offset, length;
    if (!find_scalar(recipe, wrong->entry, &offset, &length)) return;
    bal_text again = {0};
    size_t end = offset + length;
    bool flow = recipe->text[end] != '\n';
    int column = wrong->entry->key_column, line = wrong->entry->key_line;
    if (flow)
        bal_text_printf(&again, ", %s: 1", wrong->entry->key);
    else
        bal_text_printf(&again, "\n%*s%s: 1", column - 1, "", wrong->entry->key);
    column = flow ? column + (int)(end - start) + 2 : column;
    expect_refusal(count, recipe, replaced(recipe, end, 0, again.data), line + !flow, column,
                   "' again; it already stands at ");
    bal_text_release(&again);
    count->duplicates++;
}

/* Each is noticed on its own line, whatever follows. */
static void break_yaml(tally *count, const recipe_text *recipe, const target *wrong) {
    static const char *const breaks[] = {"*nowhere", "!tag x", "@here", "a: b: c", "\"a\" b", "`x`",
                                         "\x01",     "x\ty",   "\xff",  "\"\\q\"", "&a &b c", "]"};
    size_t offset, length;
    if (!find_scalar(recipe, wrong->entry, &offset, &length)) return;
    const char *broken = breaks[count->bad_yaml % (int)(sizeof breaks / sizeof *breaks)];
    expect_refusal(count, recipe, replaced(recipe, offset, length, broken), wrong->entry->line, 0,
                   NULL);
    count->bad_yaml++;
}

/* ---- all of them ---- */

static void mutate(tally *count, const recipe_text *recipe, const target *wrong) {
    misspell_key(count, recipe, wrong);
    misspell_name(count, recipe, wrong);
    change_type(count, recipe, wrong);
    leave_range(count, recipe, wrong, false);
    leave_range(count, recipe, wrong, true);
    take_out(count, recipe, wrong);
    write_twice(count, recipe, wrong);
    break_yaml(count, recipe, wrong);
}

static void every_mutation_is_refused(void **state) {
    static recipe_text recipe;
    tally count = {.tried = 0};
    bal_random_init(&count.random, 1, bal_hash_name("mutations"));
    for (size_t i = 0; i < RECIPE_FILES; i++) {
        open_recipe(&recipe, recipe_files[i]);
        for (size_t t = 0; t < recipe.n_targets; t++)
            mutate(&count, &recipe, &recipe.targets[t]);
        close_recipe(&recipe);
    }
    print_message("%d mutations refused: %d misspelt keys, %d misspelt names, %d wrong types, "
                  "%d out of range, %d missing, %d duplicates, %d broken YAML\n",
                  count.tried, count.misspelt_keys, count.misspelt_names, count.wrong_types,
                  count.out_of_range, count.missing, count.duplicates, count.bad_yaml);
    assert_true(count.tried >= 300);
    assert_true(count.misspelt_keys >= 100 && count.misspelt_names >= 30);
    assert_true(count.wrong_types >= 50 && count.out_of_range >= 50);
    assert_true(count.missing >= 20 && count.duplicates >= 50 && count.bad_yaml >= 50);
}

static void the_recipes_use_every_key(void **state) {
    static recipe_text recipe;
    bool used[512] = {false};
    for (size_t i = 0; i < RECIPE_FILES; i++) {
        open_recipe(&recipe, recipe_files[i]);
        for (size_t t = 0; t < recipe.n_targets; t++)
            if (recipe.targets[t].key) used[recipe.targets[t].key - bal_schema_table] = true;
        close_recipe(&recipe);
    }
    for (const bal_schema_key *key = bal_schema_table; key->path; key++)
        if (!used[key - bal_schema_table])
            fail_msg("no recipe uses %s; add it to one of tests/recipe/valid", key->path);
}

/* What the mutations start from is itself in order. */
static void the_recipes_are_accepted(void **state) {
    for (size_t i = 0; i < RECIPE_FILES; i++) {
        bal_recipe *recipe = NULL;
        bal_error err = {0};
        if (bal_recipe_load(recipe_files[i], NULL, 0, &recipe, &err) != BAL_OK)
            fail_msg("%s", err.message);
        bal_recipe_free(recipe);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recipes_are_accepted),
        cmocka_unit_test(the_recipes_use_every_key),
        cmocka_unit_test(every_mutation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
