/* format/sqlite.c: what is read of a database, what is said of one that cannot be, and that none is
 * changed by being read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/sqlite.h"
#include "make_db.h"
#include "scratch.h"

typedef struct scene {
    char *folder, *path;
} scene;

static int set_up(void **state) {
    scene *made = calloc(1, sizeof *made);
    made->folder = scratch_new();
    made->path = bal_path_join(made->folder, "a.db");
    *state = made;
    return 0;
}

static int tear_down(void **state) {
    scene *made = *state;
    scratch_free(made->folder);
    bal_free(made->path);
    free(made);
    return 0;
}

static const char *const value_and_id[] = {"value", "id"};

static void expect_failure(const char *path, const char *table, const char *const *columns,
                           size_t n, bal_status status, const char *part) {
    bal_sqlite_rows rows = {.rows = 77};
    bal_error err = {0};
    assert_int_equal(bal_sqlite_read(path, table, columns, n, &rows, &err), status);
    if (!strstr(err.message, part)) fail_msg("wanted '%s' in: %s", part, err.message);
    assert_int_equal(rows.rows, 77);
}

static void cells_of_every_kind(void **state) {
    scene *lab = *state;
    bal_sqlite_rows rows;
    make_db(lab->path, "CREATE TABLE t (id INTEGER PRIMARY KEY, value);"
                       "INSERT INTO t VALUES (7, 1.5), (3, -2), (9, NULL), (8, 'a''b'), "
                       "(12, x'00ff'), (13, '2.5'), (14, 9e999);");
    assert_true(bal_sqlite_is(lab->path));
    assert_int_equal(bal_sqlite_read(lab->path, "t", value_and_id, 2, &rows, NULL), BAL_OK);
    static const int64_t ids[] = {3, 7, 8, 9, 12, 13, 14};
    assert_int_equal(rows.rows, 7);
    assert_int_equal(rows.columns, 2);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(rows.rowid[i], ids[i]);
        assert_true(rows.cells[i * 2 + 1].number == (double)ids[i]);
    }
    assert_true(rows.cells[0].number == -2 && !rows.cells[0].text);
    assert_true(rows.cells[2].number == 1.5);
    assert_string_equal(rows.cells[4].text, "a'b");
    assert_true(isnan(rows.cells[4].number));
    assert_true(isnan(rows.cells[6].number) && !rows.cells[6].text);
    assert_string_equal(rows.cells[8].text, "a blob");
    assert_string_equal(rows.cells[10].text, "2.5");
    assert_true(isinf(rows.cells[12].number));
    bal_sqlite_release(&rows);
}

static void names_that_need_quotes(void **state) {
    scene *lab = *state;
    static const char *const columns[] = {"a \"b\"; DROP"};
    bal_sqlite_rows rows;
    make_db(lab->path, "CREATE TABLE \"my \"\"t\" (\"a \"\"b\"\"; DROP\");"
                       "INSERT INTO \"my \"\"t\" VALUES (4);");
    assert_int_equal(bal_sqlite_read(lab->path, "my \"t", columns, 1, &rows, NULL), BAL_OK);
    assert_true(rows.cells[0].number == 4);
    bal_sqlite_release(&rows);
}

/* Neither has a rowid; a view of several rows is read as it comes. */
static void views_and_tables_without_rowid(void **state) {
    scene *lab = *state;
    bal_sqlite_rows rows;
    make_db(lab->path, "CREATE TABLE t (id INTEGER PRIMARY KEY, value) WITHOUT ROWID;"
                       "INSERT INTO t VALUES (5, 50), (4, 40);"
                       "CREATE VIEW v AS SELECT id, value * 2 AS value FROM t;");
    assert_int_equal(bal_sqlite_read(lab->path, "t", value_and_id, 2, &rows, NULL), BAL_OK);
    assert_true(rows.cells[0].number == 40);
    assert_int_equal(rows.rowid[0], 1);
    bal_sqlite_release(&rows);
    assert_int_equal(bal_sqlite_read(lab->path, "v", value_and_id, 2, &rows, NULL), BAL_OK);
    assert_true(rows.rows == 2 && rows.cells[0].number == 80);
    bal_sqlite_release(&rows);
}

static void names_that_are_not_there(void **state) {
    scene *lab = *state;
    static const char *const wrong[] = {"valu"};
    expect_failure(lab->path, "", value_and_id, 1, BAL_ENOTFOUND, "there is no file");
    make_db(lab->path, "CREATE TABLE rounds (id, value); INSERT INTO rounds VALUES (1, 2);");
    expect_failure(lab->path, "round", value_and_id, 1, BAL_EDATA, "did you mean 'rounds'?");
    expect_failure(lab->path, "", wrong, 1, BAL_EDATA,
                   "there is no column 'valu'; did you mean 'value'?");
    bal_sqlite_rows rows;
    assert_int_equal(bal_sqlite_read(lab->path, NULL, value_and_id, 2, &rows, NULL), BAL_OK);
    assert_int_equal(rows.rows, 1);
    bal_sqlite_release(&rows);
    make_db(lab->path, "CREATE TABLE other (id, value);");
    expect_failure(lab->path, "", value_and_id, 1, BAL_EDATA,
                   "the database holds 2 tables, 'other' and 'rounds' among them; name the one");
}

static void damaged_databases(void **state) {
    scene *lab = *state;
    char *bytes;
    size_t size;
    assert_int_equal(bal_file_replace(lab->path, "", 0, NULL), BAL_OK);
    expect_failure(lab->path, "t", value_and_id, 2, BAL_EDATA, "holds no table");
    assert_int_equal(bal_file_replace(lab->path, "id,value\n1,2\n", 13, NULL), BAL_OK);
    assert_false(bal_sqlite_is(lab->path));
    expect_failure(lab->path, "t", value_and_id, 2, BAL_EFORMAT, "not a SQLite database");
    assert_int_equal(remove(lab->path), 0);
    make_db(lab->path,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, value);"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
            "INSERT INTO t SELECT i, i * 0.5 FROM n;");
    assert_int_equal(bal_file_read(lab->path, 1 << 20, &bytes, &size, NULL), BAL_OK);
    /* Cut short, and with a page overwritten. */
    assert_int_equal(bal_file_replace(lab->path, bytes, size / 2, NULL), BAL_OK);
    expect_failure(lab->path, "t", value_and_id, 2, BAL_EFORMAT, "or a damaged one");
    memset(bytes + 8192, 0xff, 4096);
    assert_int_equal(bal_file_replace(lab->path, bytes, size, NULL), BAL_OK);
    expect_failure(lab->path, "t", value_and_id, 2, BAL_EFORMAT, "or a damaged one");
    bal_free(bytes);
    expect_failure(lab->folder, "t", value_and_id, 2, BAL_EIO, "is a folder");
}

static void reading_changes_nothing(void **state) {
    scene *lab = *state;
    char *before, *after;
    size_t size, size_after;
    bal_sqlite_rows rows;
    make_db(lab->path, "CREATE TABLE t (id, value); INSERT INTO t VALUES (1, 2);");
    assert_int_equal(bal_file_read(lab->path, 1 << 20, &before, &size, NULL), BAL_OK);
    assert_int_equal(chmod(lab->path, 0400), 0);
    assert_int_equal(bal_sqlite_read(lab->path, "t", value_and_id, 2, &rows, NULL), BAL_OK);
    assert_int_equal(bal_file_read(lab->path, 1 << 20, &after, &size_after, NULL), BAL_OK);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    bal_sqlite_release(&rows);
    bal_free(before);
    bal_free(after);
}

static void running_out_of_memory(void **state) {
    scene *lab = *state;
    bal_status status = BAL_ENOMEM;
    make_db(lab->path, "CREATE TABLE t (id, value); INSERT INTO t VALUES (1, 'two');");
    for (int i = 0; status != BAL_OK; i++) {
        bal_sqlite_rows rows;
        bal_memory_fail_after(i);
        status = bal_sqlite_read(lab->path, "", value_and_id, 2, &rows, NULL);
        bal_memory_fail_after(-1);
        if (status == BAL_OK)
            bal_sqlite_release(&rows);
        else
            assert_int_equal(status, BAL_ENOMEM);
        assert_true(i < 100);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(cells_of_every_kind),
        TEST(names_that_need_quotes),
        TEST(views_and_tables_without_rowid),
        TEST(names_that_are_not_there),
        TEST(damaged_databases),
        TEST(reading_changes_nothing),
        TEST(running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
