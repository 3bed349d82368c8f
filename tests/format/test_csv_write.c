/* Writing tables: exact bytes, reading back what was written, sinks that fail. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "format/csv.h"
#include "scratch.h"

static void check_row(char separator, const char *const *cells, const char *wanted) {
    bal_text text = {0};
    bal_csv_writer writer = {.text = &text, .separator = separator};
    for (; *cells; cells++)
        bal_csv_writer_text(&writer, *cells);
    bal_csv_writer_end_row(&writer);
    assert_string_equal(text.data, wanted);
    bal_text_release(&text);
}

#define CELLS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_quotes_only_where_needed(void **state) {
    check_row(0, CELLS("a", "b c", "1.5"), "a,b c,1.5\n");
    check_row(0, CELLS("a,b", "c;d"), "\"a,b\",c;d\n");
    check_row(';', CELLS("a,b", "c;d"), "a,b;\"c;d\"\n");
    check_row(0, CELLS("say \"hi\"", "\""), "\"say \"\"hi\"\"\",\"\"\"\"\n");
    check_row(0, CELLS("two\nlines", "old\rmac"), "\"two\nlines\",\"old\rmac\"\n");
    check_row(0, CELLS(" a", "b\t"), "\" a\",\"b\t\"\n");
    check_row(0, CELLS("\xef\xbb\xbfmark"), "\"\xef\xbb\xbfmark\"\n");
}

static void test_empty_cells(void **state) {
    check_row(0, CELLS("", ""), ",\n");
    check_row(0, CELLS("", "a"), ",a\n");
    check_row(0, CELLS(""), "\"\"\n"); /* a blank line would be no row */
}

static void test_numbers(void **state) {
    bal_text text = {0};
    bal_csv_writer writer = {.text = &text};
    bal_csv_writer_number(&writer, 0.1);
    bal_csv_writer_number(&writer, NAN);
    bal_csv_writer_number(&writer, -INFINITY);
    bal_csv_writer_integer(&writer, INT64_MIN);
    bal_csv_writer_end_row(&writer);
    bal_csv_writer_integer(&writer, 7);
    bal_csv_writer_end_row(&writer);
    assert_string_equal(text.data, "0.1,nan,-inf,-9223372036854775808\n7\n");
    bal_text_release(&text);
}

enum { ROWS = 40, COLUMNS = 3, CELL_MAX = 12 };

static void random_cell(bal_random *random, char cell[CELL_MAX]) {
    static const char alphabet[] = "ab1,;\t|\"\"\r\n .?\x7f";
    size_t length = (size_t)bal_random_below(random, CELL_MAX);
    for (size_t i = 0; i < length; i++)
        cell[i] = alphabet[bal_random_below(random, sizeof alphabet - 1)];
    cell[length] = '\0';
}

static void round_trip(bal_random *random, char separator) {
    static char cells[ROWS][COLUMNS][CELL_MAX];
    size_t columns = 1 + (size_t)bal_random_below(random, COLUMNS);
    bal_text text = {0};
    bal_csv_writer writer = {.text = &text, .separator = separator};
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < columns; c++) {
            random_cell(random, cells[r][c]);
            bal_csv_writer_text(&writer, cells[r][c]);
        }
        bal_csv_writer_end_row(&writer);
    }
    const bal_csv_options options = {.separator = separator, .header = BAL_CSV_HEADER_NO};
    bal_csv csv = {0};
    bal_error err = {0};
    if (bal_csv_parse(text.data, text.length, "t.csv", &options, &csv, &err) != BAL_OK)
        fail_msg("%s\n%s", err.message, text.data);
    assert_int_equal(csv.rows, ROWS);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < columns; c++)
            assert_string_equal(bal_csv_text(&csv, r, c), cells[r][c]);
    }
    bal_csv_release(&csv);
    bal_text_release(&text);
}

static void test_what_is_written_is_read_back(void **state) {
    bal_random random;
    bal_random_init(&random, 1, 0);
    for (int i = 0; i < 300; i++)
        round_trip(&random, ",;\t|"[i % 4]);
}

static void test_to_a_file(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "out.csv");
    bal_file_writer file;
    bal_csv csv = {0};
    bal_error err = {0};
    assert_int_equal(bal_file_writer_open(&file, path, &err), BAL_OK);
    bal_csv_writer writer = {.file = &file};
    bal_csv_writer_text(&writer, "name");
    bal_csv_writer_text(&writer, "n");
    bal_csv_writer_end_row(&writer);
    bal_csv_writer_text(&writer, "x, \"y\"");
    bal_csv_writer_number(&writer, 2.5);
    bal_csv_writer_end_row(&writer);
    assert_int_equal(bal_file_writer_commit(&file, &err), BAL_OK);
    assert_int_equal(bal_csv_read(path, NULL, &csv, &err), BAL_OK);
    assert_string_equal(bal_csv_text(&csv, 0, 0), "x, \"y\"");
    assert_true(csv.column[1].numbers[0] == 2.5);
    bal_csv_release(&csv);
    bal_free(path);
    scratch_free(folder);
}

static void test_failures_stick_to_the_sink(void **state) {
    bal_text text = {0};
    bal_csv_writer writer = {.text = &text};
    bal_memory_fail_after(0);
    bal_csv_writer_text(&writer, "a\"b");
    bal_csv_writer_end_row(&writer);
    bal_memory_fail_after(-1);
    assert_true(bal_text_failed(&text));
    bal_text_release(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotes_only_where_needed),
        cmocka_unit_test(test_empty_cells),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_what_is_written_is_read_back),
        cmocka_unit_test(test_to_a_file),
        cmocka_unit_test(test_failures_stick_to_the_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
