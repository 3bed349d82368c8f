/* format/yaml*.c: positions, the core schema, every refusal with its place, building, and writing
 * that reads back as the same tree. libfyaml's own malloc cannot be failed from here; every
 * allocation of ours is. */
#include <float.h>
#include <math.h>
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
#include "format/yaml.h"
#include "scratch.h"

static bal_arena arena;

static int release_arena(void **state) {
    bal_arena_release(&arena);
    return 0;
}

static bal_yaml_node *parse(const char *text) {
    bal_yaml_node *root = NULL;
    bal_error err = {0};
    if (bal_yaml_from_text(&arena, text, "t.yaml", &root, &err) != BAL_OK)
        fail_msg("%s", err.message);
    return root;
}

static void assert_refused_bytes(const char *bytes, size_t length, const char *message) {
    bal_yaml_node *root = (bal_yaml_node *)&arena;
    bal_error err = {0};
    assert_int_equal(bal_yaml_parse(&arena, bytes, length, "t.yaml", &root, &err), BAL_EFORMAT);
    assert_ptr_equal(root, &arena);
    if (strncmp(err.message, message, strlen(message)) != 0)
        print_error("wanted: %s\nfound:  %s\n", message, err.message);
    assert_memory_equal(err.message, message, strlen(message));
}

static void assert_refused(const char *text, const char *message) {
    assert_refused_bytes(text, strlen(text), message);
}

static void assert_at(const bal_yaml_node *node, int line, int column) {
    assert_non_null(node);
    assert_string_equal(node->source, "t.yaml");
    assert_int_equal(node->line, line);
    assert_int_equal(node->column, column);
}

static const char recipe[] = "# a recipe\n"
                             "name: sign-letters\n"
                             "data:\n"
                             "  split: {kind: stratified, train: 0.81}  # comment\n"
                             "  \"path\": 'a b.npz'\n"
                             "hidden: [512, 256,\n"
                             "         128]\n"
                             "heads:\n"
                             "  - name: label\n"
                             "    text: |\n"
                             "      two\n"
                             "      lines\n"
                             "  -\n"
                             "stop:\n"
                             "g\xc3\xbc: [\xc3\xbc, x]\n";

static void structure_and_positions(void **state) {
    const bal_yaml_node *root = parse(recipe);
    assert_int_equal(root->kind, BAL_YAML_MAPPING);
    assert_int_equal(root->count, 6);
    assert_at(root, 2, 1);
    const bal_yaml_node *name = bal_yaml_get(root, "name");
    assert_at(name, 2, 7);
    assert_int_equal(name->key_line, 2);
    assert_int_equal(name->key_column, 1);
    assert_string_equal(name->text, "sign-letters");
    assert_false(name->quoted);

    const bal_yaml_node *split = bal_yaml_get(bal_yaml_get(root, "data"), "split");
    assert_at(split, 4, 10);
    assert_at(bal_yaml_get(split, "train"), 4, 36);
    assert_int_equal(bal_yaml_get(split, "train")->key_column, 29);
    const bal_yaml_node *path = bal_yaml_get(bal_yaml_get(root, "data"), "path");
    assert_at(path, 5, 11);
    assert_int_equal(path->key_column, 3);
    assert_true(path->quoted);

    const bal_yaml_node *hidden = bal_yaml_get(root, "hidden");
    assert_int_equal(hidden->kind, BAL_YAML_SEQUENCE);
    assert_int_equal(hidden->count, 3);
    assert_at(hidden, 6, 9);
    assert_at(hidden->last, 7, 10);
    assert_null(hidden->last->next);
    assert_null(hidden->first->key);

    const bal_yaml_node *heads = bal_yaml_get(root, "heads");
    assert_int_equal(heads->count, 2);
    assert_at(heads->first, 9, 5);
    assert_string_equal(bal_yaml_get(heads->first, "text")->text, "two\nlines\n");
    assert_int_equal(heads->last->kind, BAL_YAML_NULL);
    assert_int_equal(bal_yaml_get(root, "stop")->kind, BAL_YAML_NULL);
    assert_at(bal_yaml_get(root, "g\xc3\xbc")->last, 15, 9);

    assert_null(bal_yaml_get(root, "none"));
    assert_null(bal_yaml_get(hidden, "512"));
    assert_null(bal_yaml_get(NULL, "x"));
    int children = 0;
    bal_yaml_each (child, root)
        children++;
    assert_int_equal(children, 6);
}

static void empty_documents(void **state) {
    static const char *const texts[] = {"", "\n", "# only a comment\n", "---\n", "null", "~"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(parse(texts[i])->kind, BAL_YAML_NULL);
    assert_at(parse(""), 1, 1);
}

typedef struct schema_case {
    const char *text;
    const char *kind; /* by bal_yaml_describe */
    double number;    /* NAN where it is none */
    int64_t integer;
} schema_case;

static const schema_case schema_cases[] = {
    {"0", "an integer", 0, 0},
    {"-12", "an integer", -12, -12},
    {"+7", "an integer", 7, 7},
    {"012", "an integer", 12, 12},
    {"0x1F", "an integer", 31, 31},
    {"0o17", "an integer", 15, 15},
    {"9223372036854775807", "an integer", 9223372036854775807.0, INT64_MAX},
    {"9223372036854775808", "a number", 9223372036854775808.0, 0},
    {"0x7fffffffffffffff", "an integer", 9223372036854775807.0, INT64_MAX},
    {"0x8000000000000000", "text", NAN, 0},
    {"3.0e-4", "a number", 3e-4, 0},
    {"1e3", "a number", 1000, 0},
    {"1.", "a number", 1, 0},
    {".5", "a number", 0.5, 0},
    {"-.5E+1", "a number", -5, 0},
    {"+1.5", "a number", 1.5, 0},
    {".inf", "a number", INFINITY, 0},
    {"-.INF", "a number", -INFINITY, 0},
    {"+.Inf", "a number", INFINITY, 0},
    {"inf", "text", NAN, 0},
    {"nan", "text", NAN, 0},
    {"1_000", "text", NAN, 0},
    {"1e", "text", NAN, 0},
    {".", "text", NAN, 0},
    {"-", "a list", NAN, 0},
    {"+", "text", NAN, 0},
    {"0x", "text", NAN, 0},
    {"0o8", "text", NAN, 0},
    {"0xg", "text", NAN, 0},
    {"1 2", "text", NAN, 0},
    {"12:30", "text", NAN, 0},
    {"true", "true or false", NAN, 0},
    {"FALSE", "true or false", NAN, 0},
    {"tRUE", "text", NAN, 0},
    {"yes", "text", NAN, 0},
    {"no", "text", NAN, 0},
    {"Null", "null", NAN, 0},
    {"nULL", "text", NAN, 0},
    {"'12'", "text", NAN, 0},
    {"\"true\"", "text", NAN, 0},
    {"'null'", "text", NAN, 0},
    {"\"\"", "text", NAN, 0},
    {"[]", "a list", NAN, 0},
    {"{}", "a mapping", NAN, 0},
};

static void core_schema(void **state) {
    for (size_t i = 0; i < sizeof schema_cases / sizeof *schema_cases; i++) {
        const schema_case *c = &schema_cases[i];
        const bal_yaml_node *node = parse(c->text);
        if (strcmp(bal_yaml_describe(node), c->kind) != 0) print_error("%s\n", c->text);
        assert_string_equal(bal_yaml_describe(node), c->kind);
        double number = 77;
        int64_t integer = 77;
        bool truth = false;
        const char *text = NULL;
        assert_int_equal(bal_yaml_number(node, &number), !isnan(c->number));
        assert_true(number == (isnan(c->number) ? 77 : c->number));
        bool is_integer = strcmp(c->kind, "an integer") == 0;
        assert_int_equal(bal_yaml_i64(node, &integer), is_integer);
        assert_true(integer == (is_integer ? c->integer : 77));
        assert_int_equal(bal_yaml_bool(node, &truth), strcmp(c->kind, "true or false") == 0);
        assert_int_equal(truth, strcmp(c->text, "true") == 0);
        assert_int_equal(bal_yaml_text(node, &text), node->kind == BAL_YAML_SCALAR);
    }
    double nan = 0;
    assert_true(bal_yaml_number(parse(".nan"), &nan) && isnan(nan));
    assert_false(bal_yaml_number(parse("+.nan"), &nan));
    assert_false(bal_yaml_number(NULL, &nan));
}

static void refusals(void **state) {
    assert_refused("a: 1\nb: 2\na: 3\nb: 3\n",
                   "t.yaml:3:1: key 'a' again; it already stands at 1:1, keep one of them");
    assert_refused("x: {b: 1, 'b': 2}", "t.yaml:1:11: key 'b' again; it already stands at 1:5");
    assert_refused("a:\n\tb: 1\n", "t.yaml:2:1: a tab; use spaces (in double quotes \\t)");
    assert_refused("a: b\t# c\n", "t.yaml:1:5: a tab");
    assert_refused(
        "a: [1, 2\nb: 3\n",
        "t.yaml:3:1: flow sequence without a closing bracket (in brackets opened at 1:4)");
    assert_refused("a: {b: [1, 2}\n", "t.yaml:1:13: mismatched flow mapping end");
    assert_refused("a: \"b\n", "t.yaml:1:");
    assert_refused("a: b: c\n", "t.yaml:1:5: ");
    assert_refused("a: 'x'\n b: 3", "t.yaml:2:2: ");
    assert_refused("a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document");
    assert_refused("a: !!int 3\n", "t.yaml:1:10: tags (!)");
    assert_refused("!x {a: 1}\n", "t.yaml:1:4: tags (!)");
    assert_refused("a: {<<: {b: 1}}\n", "t.yaml:1:5: merge keys");
    assert_refused("? [a]\n: 3\n", "t.yaml:1:3: a list or mapping as a key");
    assert_refused("? {a: 1}\n: 3\n", "t.yaml:1:3: a list or mapping as a key");
    assert_refused(": 3\n", "t.yaml:1:1: an entry without a key");
    assert_refused("&x a: 3\n", "t.yaml:1:4: an anchor (&) on a key");
    assert_refused("a: &x y\n*x : 3\n", "t.yaml:2:1: an alias (*x) as a key");
    assert_refused("a: *x\n", "t.yaml:1:4: alias *x has no anchor &x before it");
    assert_refused("a: &x [1, *x]\n", "t.yaml:1:11: alias *x stands inside its own anchor");
    assert_refused("a: \x01\n", "t.yaml:1:4: control character U+0001");
    assert_refused_bytes("a: x\0y\n", 7, "t.yaml:1:5: control character U+0000");
    assert_refused("a: 1\r\nb: \x7f\n", "t.yaml:2:4: control character U+007F");
    assert_refused("a: 1\rb: \xc2\x84\n", "t.yaml:2:4: control character U+0084");
    assert_refused("\xc3\xbc: \xef\xbb\xbf\n", "t.yaml:1:4: control character U+FEFF");
    assert_refused("a: \xef\xbf\xbf\n", "t.yaml:1:4: control character U+FFFF");
    assert_refused("\xc3\xbc: \xff\n", "t.yaml:1:4: byte 0xFF is not UTF-8");
    assert_refused("\xff\xfe"
                   "a",
                   "t.yaml:1:1: byte 0xFF is not UTF-8");
    assert_refused("a: \"\\0\"\n", "t.yaml:1:4: an escape that stands for NUL");
    assert_refused("a: \"\\ud800\"\n", "t.yaml:1:5: ");
    assert_refused("a: @x\n", "t.yaml:1:4: ");
    assert_refused("a: \xe2\x80\xa8\n", "t.yaml:1:4: control character U+2028");
    assert_refused("a: \xc2\x85\n", "t.yaml:1:4: control character U+0085");
    assert_refused("%YAML 1.1\n---\na\n", "t.yaml:1:1: a directive; only %YAML 1.2 is understood");
    assert_refused("# c\n%YAML 1.23\n---\na\n", "t.yaml:2:1: a directive");
    assert_refused("%TAG ! tag:x:\n---\na\n", "t.yaml:1:1: a directive");
}

static void accepted_oddities(void **state) {
    assert_string_equal(bal_yaml_get(parse("\xef\xbb\xbf"
                                           "a: b\r\nc: d\r\n"),
                                     "c")
                            ->text,
                        "d");
    assert_string_equal(bal_yaml_get(parse("%YAML 1.2\n---\na: b\n..."), "a")->text, "b");
    assert_string_equal(bal_yaml_get(parse("a: \"\\x41\\u00fc\\U0001F600\""), "a")->text,
                        "A\xc3\xbc\xf0\x9f\x98\x80");
    assert_string_equal(bal_yaml_get(parse("\"\": 1\n\"<<\": 2"), "<<")->text, "2");
    assert_string_equal(bal_yaml_get(parse("a: x\n  y\n"), "a")->text, "x y");
}

/* An alias is a copy: changing one of the two leaves the other alone. */
static void aliases_are_copies(void **state) {
    bal_yaml_node *root = parse("a: &x {k: [1, 2]}\nb: *x\nc: [*x, &x 7, *x]\n");
    bal_yaml_node *a = bal_yaml_get(root, "a"), *b = bal_yaml_get(root, "b");
    assert_true(bal_yaml_equal(a, b));
    assert_ptr_not_equal(a, b);
    assert_string_equal(b->key, "b");
    assert_string_equal(a->key, "a");
    assert_at(b, 1, 7); /* where the text stands */
    assert_int_equal(b->key_line, 2);
    assert_true(bal_yaml_append(bal_yaml_get(b, "k"), bal_yaml_new_bool(&arena, true)));
    assert_int_equal(bal_yaml_get(a, "k")->count, 2);
    assert_string_equal(bal_yaml_get(root, "c")->last->text, "7");
}

/* Nine levels of ten aliases are a billion values in 200 bytes. */
static void billion_laughs(void **state) {
    bal_text text = {0};
    bal_text_puts(&text, "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        bal_text_printf(&text, "l%d: &l%d [", i, i);
        for (int j = 0; j < 10; j++)
            bal_text_printf(&text, "*l%d%s", i - 1, j < 9 ? ", " : "]\n");
    }
    assert_refused(text.data, "t.yaml:6:10: more than 200000 values");
    bal_text_release(&text);
}

static void put_repeated(bal_text *text, const char *piece, int count) {
    for (int i = 0; i < count; i++)
        bal_text_puts(text, piece);
}

static void limits(void **state) {
    bal_text text = {0};
    put_repeated(&text, "[", BAL_YAML_DEPTH_MAX);
    put_repeated(&text, "]", BAL_YAML_DEPTH_MAX);
    (void)parse(text.data);
    bal_text_clear(&text);
    put_repeated(&text, "[", BAL_YAML_DEPTH_MAX + 1);
    assert_refused(text.data, "t.yaml:1:65: nested deeper than 64 levels");

    bal_text_clear(&text);
    put_repeated(&text, "- [", 1);
    put_repeated(&text, "[", 40);
    bal_text_puts(&text, "&d [x]");
    put_repeated(&text, "]", 41);
    bal_text_puts(&text, "\n- &e [");
    put_repeated(&text, "[", 30);
    bal_text_puts(&text, "*d");
    put_repeated(&text, "]", 31);
    bal_text_puts(&text, "\n- [");
    put_repeated(&text, "[", 31);
    bal_text_puts(&text, "*e");
    put_repeated(&text, "]", 32);
    assert_refused(text.data, "t.yaml:3:35: nested deeper than 64 levels");

    bal_text_clear(&text);
    for (int i = 0; i <= BAL_YAML_ANCHORS_MAX; i++)
        bal_text_printf(&text, "- &a%d x\n", i);
    assert_refused(text.data, "t.yaml:101:9: more than 100 anchors");

    bal_text_clear(&text);
    put_repeated(&text, "k", BAL_YAML_KEY_MAX);
    bal_text_puts(&text, ": 1\n");
    (void)parse(text.data);
    bal_text_clear(&text);
    put_repeated(&text, "k", BAL_YAML_KEY_MAX + 1);
    bal_text_puts(&text, ": 1\n");
    assert_refused(text.data, "t.yaml:1:1: a key of 251 bytes; at most 250");
    bal_text_release(&text);
}

/* What libfyaml gets wrong is right or refused. */
static void single_quotes(void **state) {
    assert_string_equal(parse("'it''s'")->text, "it's");
    assert_string_equal(parse("'''a'' ''b'''")->text, "'a' 'b'");
    assert_string_equal(parse("''")->text, "");
    assert_string_equal(parse("''''")->text, "'");
    assert_refused("a: 'x''''y'", "t.yaml:1:4: several quotes in a row in single quotes");
    assert_refused("['''''']", "t.yaml:1:2: several quotes in a row in single quotes");
}

/* A missing line break at the end counts as there; nothing at all is refused. */
static void block_scalars(void **state) {
    assert_string_equal(bal_yaml_get(parse("a: |\n  x"), "a")->text, "x\n");
    assert_string_equal(bal_yaml_get(parse("a: |-\n  x"), "a")->text, "x");
    assert_string_equal(bal_yaml_get(parse("a: |+\n  x\n\nb: c"), "a")->text, "x\n\n");
    assert_string_equal(bal_yaml_get(parse("a: >\n  x\n  y\n\n\nb: c"), "a")->text, "x y\n");
    assert_refused("a: |", "t.yaml:1:6: an empty block of text (| or >)");
    assert_refused("a: |\n  \n   ", "t.yaml:2:1: an empty block of text");
    assert_refused("|1\n  ", "t.yaml:2:1: an empty block of text");
    assert_refused("a: >\n\nb: c", "t.yaml:2:1: an empty block of text");
}

static void many_empty_lines(void **state) {
    bal_text text = {0};
    bal_text_puts(&text, "a: |+\n x\n");
    put_repeated(&text, " \r\n", BAL_YAML_EMPTY_LINES_MAX);
    (void)parse(text.data);
    bal_text_puts(&text, "\n");
    assert_refused(text.data, "t.yaml:1003:1: more than 1000 empty lines in a row");
    bal_text_release(&text);
}

static void many_keys(void **state) {
    bal_text text = {0};
    for (int i = 0; i < 50000; i++)
        bal_text_printf(&text, "k%d: %d\n", i, i);
    assert_int_equal(parse(text.data)->count, 50000);
    bal_text_puts(&text, "k777: 1\n");
    assert_refused(text.data, "t.yaml:50001:1: key 'k777' again; it already stands at 778:1");
    bal_text_release(&text);
}

static void files(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "r.yaml");
    bal_yaml_node *root = NULL;
    bal_error err = {0};
    assert_int_equal(bal_yaml_read(&arena, path, 0, &root, &err), BAL_ENOTFOUND);
    bal_error_clear(&err);
    assert_int_equal(bal_file_replace(path, "a: ]", 4, NULL), BAL_OK);
    assert_int_equal(bal_yaml_read(&arena, path, 0, &root, &err), BAL_EFORMAT);
    assert_non_null(strstr(err.message, "/r.yaml:1:4: "));
    bal_error_clear(&err);
    assert_int_equal(bal_file_replace(path, "a: 1", 4, NULL), BAL_OK);
    assert_int_equal(bal_yaml_read(&arena, path, 3, &root, &err), BAL_EFORMAT);
    assert_int_equal(bal_yaml_read(&arena, path, 4, &root, NULL), BAL_OK);
    assert_string_equal(root->source, path);
    bal_free(path);
    scratch_free(folder);
}

static void messages_with_places(void **state) {
    const bal_yaml_node *node = bal_yaml_get(parse("a: 1\nb:  2\n"), "b");
    bal_error err = {0};
    assert_int_equal(bal_yaml_fail(&err, BAL_ERECIPE, node, false, "wanted %d", 3), BAL_ERECIPE);
    assert_string_equal(err.message, "t.yaml:2:5: wanted 3");
    bal_error_clear(&err);
    (void)bal_yaml_fail(&err, BAL_ERECIPE, node, true, "unknown key");
    assert_string_equal(err.message, "t.yaml:2:1: unknown key");
    bal_error_clear(&err);
    (void)bal_yaml_fail(&err, BAL_ERECIPE, bal_yaml_new_null(&arena), true, "no place");
    assert_string_equal(err.message, "no place");
}

static void assert_written(const bal_yaml_node *root, const char *wanted) {
    bal_text text = {0};
    assert_int_equal(bal_yaml_write(root, &text, NULL), BAL_OK);
    assert_string_equal(text.data, wanted);
    assert_true(bal_yaml_equal(root, parse(text.data)));
    bal_text_release(&text);
}

static void building(void **state) {
    bal_yaml_node *root = bal_yaml_new_map(&arena), *list = bal_yaml_new_seq(&arena);
    assert_true(bal_yaml_set(&arena, root, "name", bal_yaml_new_text(&arena, "x")));
    assert_true(bal_yaml_set(&arena, root, "lr", bal_yaml_new_number(&arena, 3e-4)));
    assert_true(bal_yaml_set(&arena, root, "tiny", bal_yaml_new_number(&arena, 1e-5)));
    assert_true(bal_yaml_set(&arena, root, "one", bal_yaml_new_number(&arena, 1)));
    assert_true(bal_yaml_set(&arena, root, "max", bal_yaml_new_number(&arena, DBL_MAX)));
    assert_true(bal_yaml_set(&arena, root, "inf", bal_yaml_new_number(&arena, -INFINITY)));
    assert_true(bal_yaml_set(&arena, root, "none", bal_yaml_new_null(&arena)));
    assert_true(bal_yaml_set(&arena, root, "word", bal_yaml_new_text(&arena, "1e3")));
    assert_true(bal_yaml_set(&arena, root, "list", list));
    assert_true(bal_yaml_append(list, bal_yaml_new_integer(&arena, INT64_MIN)));
    assert_true(bal_yaml_append(list, bal_yaml_new_bool(&arena, false)));
    assert_true(bal_yaml_append(list, bal_yaml_new_map(&arena)));
    assert_written(root, "name: x\nlr: 0.0003\ntiny: 1.0e-05\none: 1.0\n"
                         "max: 1.7976931348623157e+308\ninf: -.inf\nnone: null\nword: \"1e3\"\n"
                         "list: [-9223372036854775808, false, {}]\n");

    assert_false(bal_yaml_append(list, NULL));
    assert_false(bal_yaml_append(NULL, list));
    assert_false(bal_yaml_set(&arena, root, "x", NULL));
    char key[BAL_YAML_KEY_MAX + 2];
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = '\0';
    assert_false(bal_yaml_set(&arena, root, key, bal_yaml_new_null(&arena)));
}

/* Overrides replace in place; first, middle and last entries alike. */
static void replacing(void **state) {
    bal_yaml_node *root = parse("a: 1\nb: {c: 2, d: 3}\ne: 4\n");
    assert_true(bal_yaml_set(&arena, root, "a", bal_yaml_new_integer(&arena, 10)));
    assert_int_equal(bal_yaml_get(root, "a")->key_line, 1);
    assert_true(bal_yaml_set(&arena, bal_yaml_get(root, "b"), "d", parse("[5, 6]")));
    assert_true(bal_yaml_set(&arena, root, "e", parse("x")));
    assert_true(bal_yaml_set(&arena, root, "e", bal_yaml_get(root, "e")));
    assert_true(bal_yaml_set(&arena, root, "f", parse("'7'")));
    assert_int_equal(root->count, 4);
    assert_written(root, "a: 10\nb:\n  c: 2\n  d: [5, 6]\ne: x\nf: \"7\"\n");
    assert_true(bal_yaml_remove(root, "f"));
    assert_true(bal_yaml_set(&arena, root, "g", parse("8")));
    assert_true(bal_yaml_remove(root, "b"));
    assert_true(bal_yaml_remove(root, "a"));
    assert_false(bal_yaml_remove(root, "a"));
    assert_int_equal(root->count, 2);
    assert_written(root, "e: x\ng: 8\n");
    assert_true(bal_yaml_remove(root, "g") && bal_yaml_remove(root, "e"));
    assert_written(root, "{}\n");
}

static void written_layout(void **state) {
    assert_written(parse(recipe), "name: sign-letters\n"
                                  "data:\n"
                                  "  split:\n"
                                  "    kind: stratified\n"
                                  "    train: 0.81\n"
                                  "  path: \"a b.npz\"\n"
                                  "hidden: [512, 256, 128]\n"
                                  "heads:\n"
                                  "  - name: label\n"
                                  "    text: \"two\\nlines\\n\"\n"
                                  "  - null\n"
                                  "stop: null\n"
                                  "g\xc3\xbc: [\xc3\xbc, x]\n");
    assert_written(parse("- [[a], [b, {c: d}]]\n- - {x: [1]}\n- [{a: 1}, {b: 2}]\n"),
                   "- - [a]\n  - [b, {c: d}]\n- - x: [1]\n- [{a: 1}, {b: 2}]\n");
    assert_written(parse("[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "
                         "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb]"),
                   "- aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
                   "- bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n");
    assert_written(parse("just text"), "just text\n");
    assert_written(bal_yaml_new_text(&arena, "..."), "\"...\"\n");
    assert_written(bal_yaml_new_text(&arena, "---"), "\"---\"\n");
    bal_yaml_node *map = bal_yaml_new_map(&arena);
    assert_true(bal_yaml_set(&arena, map, "... a", bal_yaml_new_text(&arena, "%x")));
    assert_written(map, "\"... a\": \"%x\"\n");
}

/* Text that YAML would take for something else, in every place text can stand. */
static void awkward_texts(void **state) {
    static const char *const texts[] = {
        "",
        " ",
        "a ",
        " a",
        "a  b",
        "- a",
        "-",
        "---",
        "...",
        "? a",
        "a: b",
        "a:",
        "a #b",
        "#",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "{a}",
        "[a]",
        "a, b",
        "'a'",
        "\"a\"",
        "a\\b",
        "a\nb",
        "a\n",
        "\t",
        "a\tb",
        "null",
        "~",
        "true",
        "1",
        "0x1",
        ".nan",
        "=",
        "<<",
        "\x01",
        "\x1b[1m",
        "\x7f",
        "\xc2\x85",
        "\xc2\xa0",
        "\xe2\x80\xa8",
        "\xef\xbb\xbf",
        "\xef\xbf\xbf",
        "\xf0\x9f\x98\x80",
        "${BALLAST_DATA:-../x}/a b.npz",
        "C:\\data\\x",
        "val.label.recall[A] < 0.05 after 20",
        "~/x",
        "a~b",
        "-1x",
        "+",
        "+a",
        ".",
        "..",
        "/",
    };
    bal_yaml_node *map = bal_yaml_new_map(&arena), *nested = bal_yaml_new_map(&arena);
    bal_yaml_node *list = bal_yaml_new_seq(&arena), *rows = bal_yaml_new_seq(&arena);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(bal_yaml_set(&arena, map, texts[i], bal_yaml_new_text(&arena, texts[i])));
        assert_true(bal_yaml_append(list, bal_yaml_new_text(&arena, texts[i])));
        bal_yaml_node *row = bal_yaml_new_map(&arena);
        assert_true(bal_yaml_set(&arena, row, texts[i], bal_yaml_new_text(&arena, texts[i])));
        assert_true(bal_yaml_append(rows, row));
    }
    assert_true(bal_yaml_set(&arena, nested, "map", map));
    assert_true(bal_yaml_set(&arena, nested, "list", list));
    assert_true(bal_yaml_set(&arena, nested, "rows", rows));
    bal_text text = {0};
    assert_int_equal(bal_yaml_write(nested, &text, NULL), BAL_OK);
    const bal_yaml_node *again = parse(text.data);
    assert_true(bal_yaml_equal(nested, again));
    const bal_yaml_node *node = bal_yaml_get(again, "list")->first;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++, node = node->next) {
        assert_int_equal(node->kind, BAL_YAML_SCALAR);
        assert_string_equal(node->text, texts[i]);
    }
    bal_text_release(&text);
}

static void unwritable_trees(void **state) {
    bal_text text = {0};
    bal_error err = {0};
    bal_yaml_node *root = bal_yaml_new_map(&arena);
    assert_true(bal_yaml_set(&arena, root, "k", bal_yaml_new_text(&arena, "\xff")));
    assert_int_equal(bal_yaml_write(root, &text, &err), BAL_EINVAL);
    bal_error_clear(&err);
    bal_yaml_node *node = bal_yaml_new_null(&arena);
    for (int i = 0; i <= BAL_YAML_DEPTH_MAX; i++) {
        bal_yaml_node *list = bal_yaml_new_seq(&arena);
        assert_true(bal_yaml_append(list, node));
        node = list;
    }
    assert_int_equal(bal_yaml_write(node, &text, &err), BAL_EOVERFLOW);
    bal_yaml_node *lists = node->first; /* 64 lists around a null */
    assert_int_equal(bal_yaml_write(node->first, &text, NULL), BAL_OK);
    assert_true(bal_yaml_equal(node->first, parse(text.data)));
    /* Containers alone, down to an empty one, count the same. */
    while (node->first->count > 0)
        node = node->first;
    assert_true(node->first->kind == BAL_YAML_NULL);
    node->first->kind = BAL_YAML_SEQUENCE;
    bal_error_clear(&err);
    assert_int_equal(bal_yaml_write(lists, &text, &err), BAL_EOVERFLOW);
    bal_text_release(&text);
}

static void equality(void **state) {
    static const char *const unequal[][2] = {
        {"a", "b"},        {"1", "'1'"},         {"null", "'null'"},
        {"[1]", "[1, 1]"}, {"{a: 1}", "{b: 1}"}, {"{a: 1, b: 2}", "{b: 2, a: 1}"},
        {"[]", "{}"},      {"[a]", "[[a]]"},
    };
    for (size_t i = 0; i < sizeof unequal / sizeof *unequal; i++)
        assert_false(bal_yaml_equal(parse(unequal[i][0]), parse(unequal[i][1])));
    assert_true(bal_yaml_equal(parse("{a: ~, b: 'x'}"), parse("a:\nb: x\n")));
}

static bal_status read_change_write(bal_error *err) {
    static const char text[] = "name: &n 'some text'\nlist: [1, {a: *n}]\nmap: {x: 1, y: 2}\n";
    bal_arena local = {0};
    bal_text out = {0};
    bal_yaml_node *root = NULL;
    bal_status status = bal_yaml_parse(&local, text, sizeof text - 1, "t", &root, err);
    if (status == BAL_OK &&
        (!bal_yaml_set(&local, root, "n", bal_yaml_new_number(&local, 0.5)) ||
         !bal_yaml_append(bal_yaml_get(root, "list"), bal_yaml_new_text(&local, "end"))))
        status = bal_fail_memory(err, 1);
    if (status == BAL_OK) status = bal_yaml_write(root, &out, err);
    bal_text_release(&out);
    bal_arena_release(&local);
    return status;
}

/* The arena hands out one block at first, so a long name makes allocations come one by one. */
static bal_status read_large(bal_error *err) {
    static char text[40000];
    int length = 0;
    for (int i = 0; i < 500; i++)
        length += snprintf(text + length, sizeof text - (size_t)length,
                           "key%04d: [some text, 0x10]\n", i);
    bal_arena local = {0};
    bal_yaml_node *root = NULL;
    bal_status status = bal_yaml_parse(&local, text, (size_t)length, "t", &root, err);
    bal_arena_release(&local);
    return status;
}

static void every_allocation_fails_once(void **state) {
    bal_status (*const works[])(bal_error *) = {read_change_write, read_large};
    for (size_t i = 0; i < 2; i++) {
        int failures = 0;
        for (;; failures++) {
            bal_error err = {0};
            bal_memory_fail_after(failures);
            bal_status status = works[i](&err);
            bal_memory_fail_after(-1);
            if (status == BAL_OK) break;
            assert_int_equal(status, BAL_ENOMEM);
            assert_int_equal(err.status, BAL_ENOMEM);
        }
        assert_true(failures >= 3);
    }
}

#define TEST(function) cmocka_unit_test_teardown(function, release_arena)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(structure_and_positions),
        TEST(empty_documents),
        TEST(core_schema),
        TEST(refusals),
        TEST(accepted_oddities),
        TEST(aliases_are_copies),
        TEST(billion_laughs),
        TEST(limits),
        TEST(single_quotes),
        TEST(block_scalars),
        TEST(many_empty_lines),
        TEST(many_keys),
        TEST(files),
        TEST(messages_with_places),
        TEST(building),
        TEST(replacing),
        TEST(written_layout),
        TEST(awkward_texts),
        TEST(unwritable_trees),
        TEST(equality),
        TEST(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
