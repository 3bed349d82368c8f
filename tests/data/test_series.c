/* data/series.c and data/table_sequence.c: a series read from csv, SQLite and a simulator, what is
 * done about order, gaps and texts, and the table that becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/series.h"
#include "make_db.h"
#include "scratch.h"

typedef struct scene {
    char *folder, *csv, *db;
    char log[4096];
    bal_log_sink sink;
    bal_series_source source;
} scene;

static void take_message(void *user, bal_log_level level, const char *message) {
    scene *lab = user;
    size_t length = strlen(lab->log);
    snprintf(lab->log + length, sizeof lab->log - length, "%s%s\n",
             level >= BAL_LOG_WARN ? "! " : "", message);
}

static int set_up(void **state) {
    scene *made = calloc(1, sizeof *made);
    made->folder = scratch_new();
    made->csv = bal_path_join(made->folder, "a.csv");
    made->db = bal_path_join(made->folder, "a.db");
    made->sink = (bal_log_sink){take_message, made, BAL_LOG_DEBUG};
    made->source = (bal_series_source){.path = made->csv, .column = "value", .missing = "error"};
    *state = made;
    return 0;
}

static int tear_down(void **state) {
    scene *made = *state;
    scratch_free(made->folder);
    bal_free(made->csv);
    bal_free(made->db);
    free(made);
    return 0;
}

static void write_csv(const scene *lab, const char *text) {
    assert_int_equal(bal_file_replace(lab->csv, text, strlen(text), NULL), BAL_OK);
}

/* "1 2.5 3", and the rows they are from. */
static void expect_values(scene *lab, const char *values, const char *rows) {
    bal_series series;
    bal_error err = {0};
    bal_text seen = {0}, numbers = {0};
    if (bal_series_read(&lab->source, &lab->sink, &series, &err) != BAL_OK)
        fail_msg("%s", err.message);
    for (int64_t i = 0; i < series.count; i++) {
        bal_text_printf(&seen, "%s%g", i > 0 ? " " : "", series.value[i]);
        bal_text_printf(&numbers, "%s%d", i > 0 ? " " : "", (int)series.number[i] + 1);
    }
    assert_string_equal(seen.data, values);
    assert_string_equal(numbers.data, rows);
    bal_text_release(&seen);
    bal_text_release(&numbers);
    bal_series_release(&series);
}

static void expect_failure(scene *lab, bal_status status, const char *part) {
    bal_series series = {.count = 77};
    bal_error err = {0};
    assert_int_equal(bal_series_read(&lab->source, NULL, &series, &err), status);
    if (!strstr(err.message, part)) fail_msg("wanted '%s' in: %s", part, err.message);
    assert_int_equal(series.count, 77);
}

static void in_order(void **state) {
    scene *lab = *state;
    write_csv(lab, "id,value\n3,30\n1,10\n2,20\n");
    expect_values(lab, "30 10 20", "1 2 3");
    lab->source.order = "id";
    lab->log[0] = '\0';
    expect_values(lab, "10 20 30", "2 3 1");
    assert_non_null(strstr(lab->log, "rows are not in the order of 'id'; sorted by it"));
    assert_non_null(strstr(lab->log, "a series of 3 values"));
    make_db(lab->db, "CREATE TABLE t (id INTEGER PRIMARY KEY, value, at);"
                     "INSERT INTO t VALUES (1, 10, 9.5), (2, 20, 8.5), (5, 30, 7.5);");
    lab->source.path = lab->db;
    expect_values(lab, "10 20 30", "1 2 5");
    lab->source.order = "at";
    expect_values(lab, "30 20 10", "5 2 1");
    make_db(lab->db, "INSERT INTO t VALUES (-9223372036854775808, 40, 0);");
    expect_values(lab, "40 30 20 10", "1 5 2 1"); /* the least rowid, as an int */
}

static void order_that_is_none(void **state) {
    scene *lab = *state;
    lab->source.order = "id";
    write_csv(lab, "id,value\n3,30\n1,10\n3,20\n");
    expect_failure(lab, BAL_EDATA, "a.csv:2: row 1 and ");
    expect_failure(lab, BAL_EDATA,
                   "a.csv:4: row 3 have the same id, 3: which of them comes first?");
    write_csv(lab, "id,value\n3,30\nx,10\n4,20\n");
    expect_failure(
        lab, BAL_EDATA,
        "a.csv:3: row 2, column 'id': wanted a number to order the series by, found 'x'");
    write_csv(lab, "id,value\n3,30\n,10\n4,20\n");
    expect_failure(lab, BAL_EDATA, "column 'id': wanted a number to order the series by, found no");
    lab->source.order = "ids";
    expect_failure(lab, BAL_EDATA, "'id'");
}

/* Times in nanoseconds: three of them are one double. */
static void order_beyond_what_doubles_hold(void **state) {
    scene *lab = *state;
    lab->source.order = "id";
    write_csv(lab, "id,value\n1730000000000000050,2\n 1730000000000000000,1\n"
                   "1730000000000000100,3\n-9223372036854775808,0\n");
    expect_values(lab, "0 1 2 3", "4 2 1 3");
    write_csv(lab, "id,value\n1730000000000000050,2\n7,1\n1730000000000000050,3\n");
    expect_failure(lab, BAL_EDATA, "have the same id, 1730000000000000050: which");
    lab->source.path = lab->db;
    make_db(lab->db, "CREATE TABLE t (id INTEGER, value);"
                     "INSERT INTO t VALUES (1730000000000000050, 20), ('1730000000000000000', 10), "
                     "(1730000000000000100, 30), (9223372036854775807, 40);");
    expect_values(lab, "10 20 30 40", "2 1 3 4");
}

/* Of csv and SQLite alike. */
static void gaps_and_texts(void **state) {
    scene *lab = *state;
    const char *paths[] = {lab->csv, lab->db};
    write_csv(lab, "id,value\n1,1.5\n2,\n3,2;3\n4,inf\n5,4\n");
    make_db(lab->db, "CREATE TABLE t (id INTEGER PRIMARY KEY, value);"
                     "INSERT INTO t VALUES (1, '1.5'), (2, NULL), (3, '2;3'), (4, 9e999), (5, 4);");
    for (int i = 0; i < 2; i++) {
        lab->source.path = paths[i];
        lab->source.missing = "error";
        expect_failure(lab, BAL_EDATA, "row 2, column 'value': wanted a number, found no value; ");
        lab->source.missing = "skip";
        lab->log[0] = '\0';
        expect_values(lab, "1.5 4", "1 5");
        assert_non_null(strstr(lab->log, "! "));
        assert_non_null(strstr(lab->log, "3 values are no numbers and were left out: row 2 "
                                         "(nothing), row 3 '2;3', row 4 'inf'"));
        lab->source.missing = "previous";
        expect_values(lab, "1.5 1.5 1.5 1.5 4", "1 2 3 4 5");
    }
    lab->source.path = lab->csv;
    lab->source.missing = "error";
    write_csv(lab, "id,value\n1,2\n2,abc\n3,4\n");
    expect_failure(lab, BAL_EDATA,
                   "a.csv:3: row 2, column 'value': wanted a number, found 'abc'; correct it, or "
                   "set data.missing: skip");
    lab->source.missing = "previous";
    write_csv(lab, "id,value\n1,abc\n2,2\n");
    expect_failure(lab, BAL_EDATA, "found 'abc'; there is no value before it to take instead");
    lab->source.missing = "skip";
    write_csv(lab, "id,value\n1,abc\n2,def\n");
    expect_failure(lab, BAL_EDATA, "column 'value' holds no number");
}

static void files_that_are_none(void **state) {
    scene *lab = *state;
    expect_failure(lab, BAL_EDATA, "a.csv does not exist; check data.path");
    lab->source.path = lab->db;
    expect_failure(lab, BAL_EDATA, "a.db does not exist");
    assert_int_equal(bal_file_replace(lab->db, "SQLite format 3\0 and no more", 28, NULL), BAL_OK);
    expect_failure(lab, BAL_EDATA, "not a SQLite database, or a damaged one");
    assert_int_equal(bal_file_replace(lab->db, "text", 4, NULL), BAL_OK);
    expect_failure(lab, BAL_EDATA, "not a SQLite database, or a damaged one");
    write_csv(lab, "id,value\n1,2\n");
    lab->source.path = lab->csv;
    lab->source.table = "rounds";
    expect_failure(lab, BAL_EDATA, "is not a SQLite database, so it has no table 'rounds'");
    lab->source.table = "";
    lab->source.column = "valu";
    expect_failure(lab, BAL_EDATA, "'value'");
    lab->source.simulator = "nobody";
    expect_failure(lab, BAL_ERECIPE, "no simulator of a series is called 'nobody'");
}

static void simulated(void **state) {
    scene *lab = *state;
    bal_series series, again;
    lab->source = (bal_series_source){.simulator = "crash_fair", .samples = 500, .seed = 3};
    assert_int_equal(bal_series_read(&lab->source, NULL, &series, NULL), BAL_OK);
    assert_int_equal(bal_series_read(&lab->source, NULL, &again, NULL), BAL_OK);
    assert_int_equal(series.count, 500);
    assert_string_equal(series.source, "simulated:crash_fair");
    assert_memory_equal(series.value, again.value, 500 * sizeof *series.value);
    bal_series_release(&series);
    bal_series_release(&again);
}

/* ---- tables ---- */

static const bal_series_feature table_features[] = {
    {"lag_1", BAL_SERIES_LAG, 1, false, 0},
    {"max_2", BAL_SERIES_MAX, 2, false, 0},
    {"since_below_2", BAL_SERIES_SINCE, 0, true, 2},
};

static bal_table_options table_options(const scene *lab) {
    return (bal_table_options){
        .kind = "sequence",
        .path = lab->csv,
        .series_column = "value",
        .missing = "skip",
        .series_window = 2,
        .series_features = table_features,
        .n_series_features = 3,
    };
}

static void rows_stand_before_their_value(void **state) {
    scene *lab = *state;
    bal_table *table;
    char place[512];
    write_csv(lab, "id,value\n1,1\n2,4\n3,x\n4,3\n5,8\n");
    bal_table_options options = table_options(lab);
    assert_int_equal(bal_table_load(&options, NULL, &table, NULL), BAL_OK);
    static const float wanted[] = {4, 4, 2, 3, 4, 3};
    assert_int_equal(table->rows, 2);
    assert_memory_equal(table->x, wanted, sizeof wanted);
    const bal_column *next = bal_table_column(table, BAL_SERIES_NEXT);
    assert_true(next->number[0] == 3 && next->number[1] == 8);
    assert_string_equal(table->feature_names[2], "since_below_2");
    assert_non_null(
        strstr(bal_column_place(next, 0, place, sizeof place), "a.csv:5: row 4, column 'next'"));
    bal_table_free(table);
    options.series_ahead = 1;
    assert_int_equal(bal_table_load(&options, NULL, &table, NULL), BAL_OK);
    static const float ahead[] = {8, 8, 3};
    assert_int_equal(table->rows, 3);
    assert_memory_equal(table->x + 6, ahead, sizeof ahead);
    assert_true(isnan(table->columns[0].number[2]));
    bal_table_free(table);
}

static void logarithms(void **state) {
    scene *lab = *state;
    bal_table *table;
    bal_error err = {0};
    bal_table_options options = table_options(lab);
    options.series_log = true;
    write_csv(lab, "id,value\n1,1\n2,4\n3,3\n");
    assert_int_equal(bal_table_load(&options, NULL, &table, NULL), BAL_OK);
    assert_true(table->x[0] == (float)log(4) && table->x[1] == (float)log(4));
    assert_true(table->x[2] == 2); /* thresholds are of the values */
    bal_table_free(table);
    write_csv(lab, "id,value\n1,1\n2,0\n3,3\n");
    assert_int_equal(bal_table_load(&options, NULL, &table, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "a.csv:3: row 2: 0 has no logarithm; take `log` out"));
}

static void series_too_short(void **state) {
    scene *lab = *state;
    bal_table *table;
    bal_error err = {0};
    bal_table_options options = table_options(lab);
    write_csv(lab, "id,value\n1,1\n2,4\n");
    assert_int_equal(bal_table_load(&options, NULL, &table, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "a series of 2 values has no row with a window of 2"));
}

/* The row behind it is where it first does harm, and not where it stands. */
static void a_value_too_large_is_where_it_stands(void **state) {
    scene *lab = *state;
    bal_table *table;
    bal_error err = {0};
    bal_table_options options = table_options(lab);
    write_csv(lab, "id,value\n1,1\n2,4\n3,3\n4,1e39\n5,8\n6,2\n");
    assert_int_equal(bal_table_load(&options, NULL, &table, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "a.csv:5: row 4: 1e+39 is too large"));
    assert_non_null(strstr(err.message, "'lag_1'"));
    options.series_log = true;
    assert_int_equal(bal_table_load(&options, NULL, &table, NULL), BAL_OK);
    bal_table_free(table);
    /* Whether it is below 2 can be said of any value. */
    options.series_log = false;
    options.series_features = table_features + 2;
    options.n_series_features = 1;
    assert_int_equal(bal_table_load(&options, NULL, &table, NULL), BAL_OK);
    bal_table_free(table);
}

static void running_out_of_memory(void **state) {
    scene *lab = *state;
    bal_status status = BAL_ENOMEM;
    bal_table_options options = table_options(lab);
    write_csv(lab, "id,value\n2,1\n1,4\n3,x\n4,3\n5,8\n");
    options.series_log = true;
    options.series_order = "id";
    for (int i = 0; status != BAL_OK; i++) {
        bal_table *table;
        bal_memory_fail_after(i);
        status = bal_table_load(&options, &lab->sink, &table, NULL);
        bal_memory_fail_after(-1);
        if (status == BAL_OK)
            bal_table_free(table);
        else
            assert_int_equal(status, BAL_ENOMEM);
        assert_true(i < 300);
    }
}

/* ---- a real one, where there is the data ---- */

static void jetx_is_the_same_in_both_files(void **state) {
    scene *lab = *state;
    const char *data = getenv("BALLAST_DATA");
    char *csv = bal_path_join(data ? data : "", "crash/jetx_results.csv");
    char *db = bal_path_join(data ? data : "", "crash/jetx_data.db");
    bool there = data && bal_path_exists(csv) && bal_path_exists(db);
    if (there) {
        bal_series from_csv, from_db;
        lab->source.path = csv;
        lab->source.order = "id";
        assert_int_equal(bal_series_read(&lab->source, NULL, &from_csv, NULL), BAL_OK);
        lab->source.path = db;
        lab->source.table = "jetx_results";
        expect_failure(lab, BAL_EDATA, "row 6281, column 'value': wanted a number, found '2.29");
        lab->source.missing = "skip";
        assert_int_equal(bal_series_read(&lab->source, NULL, &from_db, NULL), BAL_OK);
        assert_int_equal(from_db.bad, 2);
        assert_int_equal(from_csv.count, from_db.count);
        assert_memory_equal(from_csv.value, from_db.value,
                            (size_t)from_db.count * sizeof *from_db.value);
        bal_series_release(&from_csv);
        bal_series_release(&from_db);
    }
    bal_free(csv);
    bal_free(db);
    if (!there) skip();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(in_order),
        TEST(order_that_is_none),
        TEST(order_beyond_what_doubles_hold),
        TEST(gaps_and_texts),
        TEST(files_that_are_none),
        TEST(simulated),
        TEST(rows_stand_before_their_value),
        TEST(logarithms),
        TEST(series_too_short),
        TEST(a_value_too_large_is_where_it_stands),
        TEST(running_out_of_memory),
        TEST(jetx_is_the_same_in_both_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
