/* format/json.c and format/json_out.c: what is refused and where, what is written to the byte,
 * round trips, and every allocation failed once. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "scratch.h"

static bal_status parse(const char *text, json_t **ret_value, bal_error *err) {
    return bal_json_parse(text, strlen(text), "t.json", ret_value, err);
}

static void assert_refused(const char *text, const char *message) {
    bal_error err = {0};
    json_t *value = (json_t *)&err;
    assert_int_equal(parse(text, &value, &err), BAL_EFORMAT);
    assert_ptr_equal(value, &err);
    if (!strstr(err.message, message)) print_error("got: %s\n", err.message);
    assert_non_null(strstr(err.message, message));
}

static void refusals(void **state) {
    assert_refused("", "t.json:1:");
    assert_refused("{\"a\": 1,\n \"b\" 2}", "t.json:2:");
    assert_refused("{\"a\": 1,\n \"a\": 2}", "duplicate object key near '\"a\"'");
    assert_refused("[1, 2] 3", "t.json:1:8: end of file expected near '3'");
    assert_refused("[1, 2", "t.json:1:5:");
    assert_refused("{'a': 1}", "t.json:1:");
    assert_refused("[NaN]", "t.json:1:");
    assert_refused("[01]", "t.json:1:");
    assert_refused("[1e999]", "real number overflow");
    assert_refused("[9223372036854775808]", "too big integer");
    assert_refused("[\"\\u0000\"]", "\\u0000");
    assert_refused("[\"\\ud800\"]", "t.json:1:");
    assert_refused("[\"\xff\"]", "unable to decode byte 0xff");
    assert_refused("[\"a\nb\"]", "t.json:1:");
    assert_refused("\n\n  @", "t.json:3:3:");
    assert_refused("[1,]", "t.json:1:4:");
}

/* Columns are characters: the same place whether the text before it is ASCII or not. */
static void columns_count_characters(void **state) {
    assert_refused("{\"\xc3\xb6\xe2\x82\xac\": ?}", "t.json:1:8:");
}

static void depth_is_bounded(void **state) {
    char text[512];
    memset(text, '[', 256);
    memset(text + 256, ']', 256);
    json_t *value = NULL;
    bal_error err = {0};
    assert_int_equal(bal_json_parse(text + 256 - 64, 128, "t", &value, &err), BAL_OK);
    json_decref(value);
    assert_int_equal(bal_json_parse(text + 256 - 65, 130, "t", &value, &err), BAL_EFORMAT);
    assert_string_equal(err.message, "t:1:65: nested deeper than 64 levels");
    /* Brackets in strings, after escapes too, are text. */
    assert_int_equal(
        parse("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\\\","
              " 1]",
              &value, NULL),
        BAL_OK);
    json_decref(value);
}

static void values_of_any_kind_at_the_top(void **state) {
    json_t *value = NULL;
    assert_int_equal(parse(" 3.5 ", &value, NULL), BAL_OK);
    assert_true(json_real_value(value) == 3.5);
    json_decref(value);
    assert_int_equal(parse("null", &value, NULL), BAL_OK);
    json_decref(value);
}

static void streaming_layouts(void **state) {
    static const struct {
        int indent;
        const char *wanted;
    } cases[] = {
        {BAL_JSON_TIGHT, "{\"a\":1,\"b\":[true,null,{}],\"c\":{\"d\":[0.5,2.0]},\"e\":[]}"},
        {BAL_JSON_LINE,
         "{\"a\": 1, \"b\": [true, null, {}], \"c\": {\"d\": [0.5, 2.0]}, \"e\": []}"},
        {2, "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null,\n    {}\n  ],\n"
            "  \"c\": {\n    \"d\": [0.5, 2.0]\n  },\n  \"e\": []\n}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_text text = {0};
        bal_json_out out;
        bal_json_out_init(&out, &text, cases[i].indent);
        bal_json_out_object(&out);
        bal_json_out_named_integer(&out, "a", 1);
        bal_json_out_key(&out, "b");
        bal_json_out_array(&out);
        bal_json_out_bool(&out, true);
        bal_json_out_string(&out, NULL);
        bal_json_out_object(&out);
        bal_json_out_object_end(&out);
        bal_json_out_array_end(&out);
        bal_json_out_key(&out, "c");
        bal_json_out_object(&out);
        bal_json_out_named_numbers(&out, "d", (const double[]){0.5, 2}, 2);
        bal_json_out_object_end(&out);
        bal_json_out_key(&out, "e");
        bal_json_out_array(&out);
        bal_json_out_array_end(&out);
        bal_json_out_object_end(&out);
        assert_string_equal(text.data, cases[i].wanted);
        bal_text_release(&text);
    }
}

/* All that is inside a row stays on its line, and the line after it is indented again. */
static void rows_nest(void **state) {
    bal_text text = {0};
    bal_json_out out;
    bal_json_out_init(&out, &text, 2);
    bal_json_out_array(&out);
    bal_json_out_row(&out);
    bal_json_out_array(&out);
    bal_json_out_integer(&out, 1);
    bal_json_out_array_end(&out);
    bal_json_out_integer(&out, 2);
    bal_json_out_array_end(&out);
    bal_json_out_null(&out);
    bal_json_out_array_end(&out);
    assert_string_equal(text.data, "[\n  [[1], 2],\n  null\n]");
    bal_text_release(&text);
}

static void deepest_nesting(void **state) {
    bal_text text = {0};
    bal_json_out out;
    bal_json_out_init(&out, &text, BAL_JSON_TIGHT);
    for (int i = 0; i < BAL_JSON_DEPTH_MAX; i++)
        bal_json_out_array(&out);
    bal_json_out_integer(&out, 7);
    bal_json_out_integer(&out, 8);
    for (int i = 0; i < BAL_JSON_DEPTH_MAX; i++)
        bal_json_out_array_end(&out);
    assert_int_equal(text.length, 2 * BAL_JSON_DEPTH_MAX + 3);
    json_t *value = NULL;
    assert_int_equal(bal_json_parse(text.data, text.length, "t", &value, NULL), BAL_OK);
    json_decref(value);
    bal_text_release(&text);
}

static void assert_string_written(const char *bytes, size_t length, const char *wanted) {
    bal_text text = {0};
    bal_json_out out;
    bal_json_out_init(&out, &text, BAL_JSON_LINE);
    bal_json_out_bytes(&out, bytes, length);
    assert_string_equal(text.data, wanted);
    bal_text_release(&text);
}

static void strings_are_escaped(void **state) {
    assert_string_written("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
    assert_string_written("\b\t\n\f\r\x01\x1f\x7f", 8, "\"\\b\\t\\n\\f\\r\\u0001\\u001f\x7f\"");
    assert_string_written("g\xc3\xbc\xf0\x9f\x98\x80", 7, "\"g\xc3\xbc\xf0\x9f\x98\x80\"");
    assert_string_written("", 0, "\"\"");
    assert_string_written("a\xff"
                          "b\xc3",
                          4,
                          "\"a\xef\xbf\xbd"
                          "b\xef\xbf\xbd\"");
}

static void assert_number_written(double value, const char *wanted) {
    bal_text text = {0};
    bal_json_out out;
    bal_json_out_init(&out, &text, BAL_JSON_LINE);
    bal_json_out_number(&out, value);
    assert_string_equal(text.data, wanted);
    bal_text_release(&text);
}

static void numbers_are_shortest(void **state) {
    (void)setlocale(LC_ALL, "de_DE.UTF-8"); /* a comma, where that locale is installed */
    assert_number_written(0.1, "0.1");
    assert_number_written(1, "1.0");
    assert_number_written(-0.0, "-0.0");
    assert_number_written(1.0 / 3, "0.3333333333333333");
    assert_number_written(1e-5, "1e-05");
    assert_number_written(1e22, "1e+22");
    assert_number_written(DBL_MAX, "1.7976931348623157e+308");
    assert_number_written(NAN, "\"NaN\"");
    assert_number_written(INFINITY, "\"Infinity\"");
    assert_number_written(-INFINITY, "\"-Infinity\"");
    (void)setlocale(LC_ALL, "C");
}

static void number_reading(void **state) {
    static const double wanted[] = {1, 2.5, INFINITY, -INFINITY, NAN};
    json_t *list = NULL;
    assert_int_equal(
        parse("[1, 2.5, \"Infinity\", \"-Infinity\", \"NaN\", \"nan\", true, null]", &list, NULL),
        BAL_OK);
    double value = 77;
    for (size_t i = 0; i < 5; i++) {
        assert_true(bal_json_number(json_array_get(list, i), &value));
        assert_true(value == wanted[i] || (isnan(value) && isnan(wanted[i])));
    }
    value = 77;
    for (size_t i = 5; i < 9; i++)
        assert_false(bal_json_number(json_array_get(list, i), &value));
    assert_true(value == 77);
    json_decref(list);
    for (size_t i = 0; i < 5; i++) {
        json_t *made = bal_json_new_number(wanted[i]);
        assert_true(bal_json_number(made, &value));
        assert_true(value == wanted[i] || (isnan(value) && isnan(wanted[i])));
        json_decref(made);
    }
}

/* Insertion order, types and digits survive; the layout is that of json_out.h. */
static void trees_are_written_back(void **state) {
    const char *text = "{\"z\": 1, \"a\": [1.5, 2.0, \"x\"], \"m\": {\"k\": [[], {}]}, "
                       "\"u\": \"\\u00fc\\u0001\", \"n\": null, \"t\": true, \"f\": false, "
                       "\"big\": -9223372036854775808}";
    json_t *value = NULL, *again = NULL;
    assert_int_equal(parse(text, &value, NULL), BAL_OK);
    bal_text line = {0}, pretty = {0};
    assert_int_equal(bal_json_write(value, BAL_JSON_LINE, &line, NULL), BAL_OK);
    assert_string_equal(line.data,
                        "{\"z\": 1, \"a\": [1.5, 2.0, \"x\"], \"m\": {\"k\": [[], {}]}, "
                        "\"u\": \"\xc3\xbc\\u0001\", \"n\": null, \"t\": true, \"f\": false, "
                        "\"big\": -9223372036854775808}");
    assert_int_equal(bal_json_write(value, 1, &pretty, NULL), BAL_OK);
    assert_non_null(
        strstr(pretty.data, "{\n \"z\": 1,\n \"a\": [1.5, 2.0, \"x\"],\n \"m\": {\n  \"k\": [\n"));
    assert_int_equal(parse(pretty.data, &again, NULL), BAL_OK);
    assert_true(json_equal(value, again));
    json_decref(value);
    json_decref(again);
    bal_text_release(&line);
    bal_text_release(&pretty);
}

static void cycles_are_refused(void **state) {
    bal_json_setup();
    json_t *outer = json_array(), *inner = json_array();
    assert_int_equal(json_array_append(outer, inner), 0);
    assert_int_equal(json_array_append(inner, outer), 0);
    bal_text text = {0};
    bal_error err = {0};
    assert_int_equal(bal_json_write(outer, 2, &text, &err), BAL_EOVERFLOW);
    assert_non_null(strstr(err.message, "64 levels"));
    bal_text_release(&text);
    json_array_clear(inner);
    json_decref(inner);
    json_decref(outer);
}

static void files(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "a.json");
    json_t *value = NULL;
    bal_error err = {0};
    assert_int_equal(bal_json_read(path, 0, &value, &err), BAL_ENOTFOUND);
    assert_int_equal(bal_file_replace(path, "[1,\n2 3]", 8, NULL), BAL_OK);
    bal_error_clear(&err);
    assert_int_equal(bal_json_read(path, 0, &value, &err), BAL_EFORMAT);
    assert_memory_equal(err.message, path, strlen(path));
    assert_non_null(strstr(err.message, "a.json:2:3: "));
    bal_error_clear(&err);
    assert_int_equal(bal_json_read(path, 7, &value, &err), BAL_EFORMAT);
    assert_int_equal(bal_file_replace(path, "[1, 2]", 6, NULL), BAL_OK);
    assert_int_equal(bal_json_read(path, 6, &value, NULL), BAL_OK);
    assert_int_equal(json_array_size(value), 2);
    json_decref(value);
    bal_free(path);
    scratch_free(folder);
}

static bal_status parse_and_write(bal_error *err) {
    json_t *value = NULL;
    bal_text text = {0};
    bal_status status = parse(
        "{\"a\": [1, 2.5, {\"b\": \"a longer string than any inline buffer\"}]}", &value, err);
    if (status == BAL_OK) status = bal_json_write(value, BAL_JSON_LINE, &text, err);
    if (status == BAL_OK) /* nothing may get lost on the way to success */
        assert_string_equal(text.data, "{\"a\": [1, 2.5, "
                                       "{\"b\": \"a longer string than any inline buffer\"}]}");
    bal_text_release(&text);
    json_decref(value);
    return status;
}

static void every_allocation_fails_once(void **state) {
    int failures = 0;
    assert_int_equal(parse_and_write(NULL), BAL_OK); /* one-time set-up of the library */
    for (;; failures++) {
        bal_error err = {0};
        bal_memory_fail_after(failures);
        bal_status status = parse_and_write(&err);
        bal_memory_fail_after(-1);
        if (status == BAL_OK) break;
        assert_int_equal(status, BAL_ENOMEM);
        assert_int_equal(err.status, BAL_ENOMEM);
    }
    assert_true(failures > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(columns_count_characters),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(values_of_any_kind_at_the_top),
        cmocka_unit_test(streaming_layouts),
        cmocka_unit_test(rows_nest),
        cmocka_unit_test(deepest_nesting),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(numbers_are_shortest),
        cmocka_unit_test(number_reading),
        cmocka_unit_test(trees_are_written_back),
        cmocka_unit_test(cycles_are_refused),
        cmocka_unit_test(files),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
