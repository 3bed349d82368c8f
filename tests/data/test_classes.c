/* data/classes.c: which labels are classes and in which order, encoding, unknown labels, and
 * numbers written in more than one way. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "data/classes.h"

#define COUNT(array) ((int64_t)(sizeof(array) / sizeof *(array)))
#define TEXT(...) ((const char *const[]){__VA_ARGS__})
#define NUMBERS(...) ((double[]){__VA_ARGS__})

static char column_name[] = "sign";

static bal_column text_column(const char *const *text) {
    return (bal_column){.name = column_name, .is_text = true, .text = (char **)(uintptr_t)text};
}

static bal_column number_column(double *number) {
    return (bal_column){.name = column_name, .number = number};
}

static bal_class_list build(const bal_column *column, int64_t rows) {
    bal_class_list list = {0};
    bal_error err = {0};
    if (bal_class_list_build(&list, column, rows, &err) != BAL_OK) fail_msg("%s", err.message);
    return list;
}

static bal_class_list set(const char *const *names, int32_t count) {
    bal_class_list list = {0};
    bal_error err = {0};
    if (bal_class_list_set(&list, names, count, &err) != BAL_OK) fail_msg("%s", err.message);
    return list;
}

static void assert_names(const bal_class_list *list, const char *const *names, int64_t count) {
    assert_int_equal(list->count, count);
    for (int32_t i = 0; i < list->count; i++) {
        assert_string_equal(list->names[i], names[i]);
        assert_int_equal(bal_class_list_find(list, names[i]), i);
    }
}

static void refuses_to_build(const bal_column *column, int64_t rows, const char *words) {
    bal_class_list list = {.count = 77};
    bal_error err = {0};
    assert_int_equal(bal_class_list_build(&list, column, rows, &err), BAL_EDATA);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
    assert_null(list.names);
    assert_int_equal(list.count, 77);
}

/* ---- building ---- */

static void text_by_bytes(void **state) {
    const char *const text[] = {"b", "a", NULL, "B", "a10", "a2", "b", "\xC3\xA7", "a"};
    bal_column column = text_column(text);
    bal_class_list list = build(&column, COUNT(text));
    assert_names(&list, (const char *const[]){"B", "a", "a10", "a2", "b", "\xC3\xA7"}, 6);
    assert_int_equal(bal_class_list_find(&list, "c"), -1);
    bal_class_list_release(&list);
    assert_null(list.names);
    bal_class_list_release(&list);
}

static void numbers_as_numbers(void **state) {
    double number[] = {10, 9, NAN, -1, 10, 2, 0, -0.0, 1e20};
    bal_column column = number_column(number);
    bal_class_list list = build(&column, COUNT(number));
    assert_names(&list, (const char *const[]){"-1", "0", "2", "9", "10", "1e+20"}, 6);
    bal_class_list_release(&list);
}

static void many_classes(void **state) {
    enum { ROWS = 70000 };
    double *number = malloc(ROWS * sizeof *number);
    for (int i = 0; i < ROWS; i++)
        number[i] = i * 7919 % 65536;
    bal_column column = number_column(number);
    bal_class_list list = build(&column, ROWS);
    assert_int_equal(list.count, 65536);
    assert_string_equal(list.names[65535], "65535");
    int32_t *ids = malloc(ROWS * sizeof *ids);
    assert_int_equal(bal_class_list_encode(&list, &column, ROWS, false, ids, NULL, NULL), BAL_OK);
    for (int i = 0; i < ROWS; i++)
        assert_true(ids[i] == (int32_t)number[i]);
    number[ROWS - 1] = 65536;
    refuses_to_build(&column, ROWS, "more than 65536 different labels");
    bal_class_list_release(&list);
    free(ids);
    free(number);
}

static void what_is_no_class(void **state) {
    bal_column column = number_column(NUMBERS(1, 2, 2.5, 3));
    refuses_to_build(&column, 4, "column 'sign', row 3: 2.5 is not a class");
    column = number_column(NUMBERS(1, INFINITY));
    refuses_to_build(&column, 2, "row 2: inf is not a class");
    column = number_column(NUMBERS(4, 4, NAN, 4));
    refuses_to_build(&column, 4, "column 'sign' holds one class only ('4'); at least two");
    column = text_column(TEXT("x", NULL, "x"));
    refuses_to_build(&column, 3, "one class only ('x')");
    column = text_column(TEXT(NULL, NULL));
    refuses_to_build(&column, 2, "no label at all");
    column = number_column(NUMBERS(NAN));
    refuses_to_build(&column, 1, "no label at all");
    refuses_to_build(&column, 0, "no label at all");
}

/* ---- given lists ---- */

static void lists_as_given(void **state) {
    const char *const names[] = {"zebra", "ant", "10", "9"};
    bal_class_list list = set(names, 4);
    assert_names(&list, names, 4);
    assert_ptr_not_equal(list.names[0], names[0]);
    bal_class_list_release(&list);
}

static void lists_refused(void **state) {
    bal_class_list list = {.count = 77};
    bal_error err = {0};
    const char *const twice[] = {"a", "b", "a"};
    assert_int_equal(bal_class_list_set(&list, twice, 3, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "class 'a' is listed twice"));
    err = (bal_error){0};
    assert_int_equal(bal_class_list_set(&list, twice, 1, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "a list of 1 classes; wanted 2"));
    assert_int_equal(bal_class_list_set(&list, twice, 65537, NULL), BAL_EDATA);
    assert_int_equal(list.count, 77);
}

/* ---- encoding ---- */

static void labels_to_ids(void **state) {
    bal_class_list list = set((const char *const[]){"c", "a", "b"}, 3);
    bal_column column = text_column(TEXT("a", NULL, "b", "c", "a"));
    int32_t ids[5] = {9, 9, 9, 9, 9};
    int64_t unknown = 9;
    assert_int_equal(bal_class_list_encode(&list, &column, 5, false, ids, &unknown, NULL), BAL_OK);
    const int32_t wanted[] = {1, -1, 2, 0, 1};
    assert_memory_equal(ids, wanted, sizeof ids);
    assert_int_equal(unknown, 0);
    bal_class_list_release(&list);
}

static void unknown_labels(void **state) {
    bal_class_list list = set((const char *const[]){"hello", "world", "goodbye"}, 3);
    bal_column column = text_column(TEXT("hello", "wrold", "x"));
    int32_t ids[3] = {9, 9, 9};
    const int32_t before[3] = {9, 9, 9}, skipped[3] = {0, -1, -1};
    int64_t unknown = 9;
    bal_error err = {0};
    assert_int_equal(bal_class_list_encode(&list, &column, 3, false, ids, &unknown, &err),
                     BAL_EDATA);
    assert_string_equal(
        err.message, "column 'sign', row 2: label 'wrold' is not one of the 3 known classes (the "
                     "nearest is 'world'); correct it, or leave such rows out with "
                     "data.unknown: skip");
    assert_memory_equal(ids, before, sizeof ids);
    assert_int_equal(unknown, 9);
    assert_int_equal(bal_class_list_encode(&list, &column, 3, true, ids, &unknown, NULL), BAL_OK);
    assert_memory_equal(ids, skipped, sizeof ids);
    assert_int_equal(unknown, 2);
    assert_int_equal(bal_class_list_encode(&list, &column, 3, true, ids, NULL, NULL), BAL_OK);
    bal_class_list_release(&list);
}

static void places_name_the_file(void **state) {
    bal_table table = {
        .source = (char[]){"leaves.csv"},
        .rows = 2,
        .row_line = (int64_t[]){5, 9},
        .row_number = (int64_t[]){3, 7},
    };
    bal_column unlabelled = text_column(TEXT(NULL, NULL));
    unlabelled.table = &table;
    refuses_to_build(&unlabelled, 2, "leaves.csv: column 'sign' holds no label at all");
    bal_class_list list = set((const char *const[]){"oak", "elm"}, 2);
    bal_column column = text_column(TEXT("oak", "ash"));
    column.table = &table;
    int32_t ids[2];
    bal_error err = {0};
    assert_int_equal(bal_class_list_encode(&list, &column, 2, false, ids, NULL, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "leaves.csv:9: row 8, column 'sign': label 'ash'"));
    bal_class_list_release(&list);
}

/* 7, 7.0 and "07" are one class, whichever of them the list has, unless it has several. */
static void numbers_in_other_forms(void **state) {
    int32_t ids[6];
    bal_column numbers = number_column(NUMBERS(7, 1, -0.0, 10));
    bal_column text = text_column(TEXT("07", "1.0", "0", "1e1", "7", "+1"));
    bal_class_list plain = set((const char *const[]){"0", "1", "7", "10"}, 4);
    assert_int_equal(bal_class_list_encode(&plain, &numbers, 4, false, ids, NULL, NULL), BAL_OK);
    assert_memory_equal(ids, ((const int32_t[]){2, 1, 0, 3}), 4 * sizeof *ids);
    assert_int_equal(bal_class_list_encode(&plain, &text, 5, false, ids, NULL, NULL), BAL_OK);
    assert_memory_equal(ids, ((const int32_t[]){2, 1, 0, 3, 2}), 5 * sizeof *ids);
    bal_class_list_release(&plain);

    bal_class_list padded = set((const char *const[]){"00", "01", "07", "10"}, 4);
    assert_int_equal(bal_class_list_encode(&padded, &numbers, 4, false, ids, NULL, NULL), BAL_OK);
    assert_memory_equal(ids, ((const int32_t[]){2, 1, 0, 3}), 4 * sizeof *ids);
    bal_class_list_release(&padded);

    /* "01" and "1" are two classes of this list; each means itself, and 1.0 means "1". */
    bal_class_list both = set((const char *const[]){"01", "1"}, 2);
    bal_column ones = text_column(TEXT("01", "1", "1.0"));
    assert_int_equal(bal_class_list_encode(&both, &ones, 3, false, ids, NULL, NULL), BAL_OK);
    assert_memory_equal(ids, ((const int32_t[]){0, 1, 1}), 3 * sizeof *ids);
    bal_class_list_release(&both);

    /* None of three is the plain form: a plain 1 could be any of them. */
    bal_class_list three = set((const char *const[]){"01", "001", "1.0"}, 3);
    int64_t unknown = 0;
    assert_int_equal(bal_class_list_encode(&three, &ones, 3, true, ids, &unknown, NULL), BAL_OK);
    assert_memory_equal(ids, ((const int32_t[]){0, -1, 2}), 3 * sizeof *ids);
    assert_int_equal(unknown, 1);
    bal_class_list_release(&three);

    bal_class_list words = set((const char *const[]){"nan", "inf", "x"}, 3);
    bal_column odd = text_column(TEXT("inf", "NaN"));
    assert_int_equal(bal_class_list_encode(&words, &odd, 2, true, ids, &unknown, NULL), BAL_OK);
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[1], -1);
    bal_class_list_release(&words);
}

static void counting(void **state) {
    const int32_t ids[] = {0, 2, -1, 2, 1, 2, 9};
    const int64_t rows[] = {1, 2, 3};
    int64_t counts[3] = {10, 0, 0};
    bal_class_counts(ids, NULL, 7, 3, counts);
    assert_memory_equal(counts, ((const int64_t[]){11, 1, 3}), sizeof counts);
    bal_class_counts(ids, rows, 3, 3, counts);
    assert_memory_equal(counts, ((const int64_t[]){11, 1, 5}), sizeof counts);
}

static void failing_memory(void **state) {
    char label[200][16];
    const char *names[200];
    int32_t ids[200];
    for (int i = 0; i < 200; i++) {
        snprintf(label[i], sizeof label[i], "%03d", i);
        names[i] = label[i];
    }
    bal_column column = text_column(names);
    enum { BUILD, SET, ENCODE, CALLS };
    bal_class_list list = build(&column, 200);
    for (int call = 0; call < CALLS; call++) {
        bal_status status = BAL_ENOMEM;
        for (int n = 0; status != BAL_OK; n++) {
            bal_class_list made = {0};
            bal_error err = {0};
            bal_memory_fail_after(n);
            if (call == BUILD) status = bal_class_list_build(&made, &column, 200, &err);
            if (call == SET) status = bal_class_list_set(&made, names, 200, &err);
            if (call == ENCODE)
                status = bal_class_list_encode(&list, &column, 200, false, ids, NULL, &err);
            bal_memory_fail_after(-1);
            if (status != BAL_OK) {
                assert_int_equal(status, BAL_ENOMEM);
                assert_null(made.names);
            }
            bal_class_list_release(&made);
        }
    }
    bal_class_list_release(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_by_bytes),
        cmocka_unit_test(numbers_as_numbers),
        cmocka_unit_test(many_classes),
        cmocka_unit_test(what_is_no_class),
        cmocka_unit_test(lists_as_given),
        cmocka_unit_test(lists_refused),
        cmocka_unit_test(labels_to_ids),
        cmocka_unit_test(unknown_labels),
        cmocka_unit_test(places_name_the_file),
        cmocka_unit_test(numbers_in_other_forms),
        cmocka_unit_test(counting),
        cmocka_unit_test(failing_memory),
    };
    return cmocka_run_group_tests_name("classes", tests, NULL, NULL);
}
