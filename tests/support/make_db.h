/* A SQLite database for a test, made by statements. Only tests write databases. */
#ifndef BAL_TESTS_MAKE_DB_H
#define BAL_TESTS_MAKE_DB_H

#include <sqlite3.h>

/* cmocka.h must be included before this file. */

static inline void make_db(const char *path, const char *statements) {
    sqlite3 *handle = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    if (sqlite3_exec(handle, statements, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s", why);
    sqlite3_close(handle);
}

#endif
