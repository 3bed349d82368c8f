/* Columns of a table of a SQLite database, all rows at once.
 *
 * The database is opened read-only and nothing in it is trusted: its schema may not call functions
 * with side effects, pages are checked as they are read, names are looked up before they become
 * part of a statement. SQLite (sqlite.org, public domain) allocates on its own with malloc; this is
 * the one place that opens one. */
#ifndef BAL_FORMAT_SQLITE_H
#define BAL_FORMAT_SQLITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ballast/status.h"
#include "base/arena.h"

/** One of three: a number; text (of a number in quotes too); neither, which is NULL. */
typedef struct bal_sqlite_cell {
    double number; /* NaN when it is none */
    int64_t whole; /* the same exactly, when is_whole: a column's integers have 64 bits */
    bool is_whole;
    const char *text; /* NULL when it is none; a blob says "a blob" */
} bal_sqlite_cell;

typedef struct bal_sqlite_rows {
    size_t rows, columns;
    int64_t *rowid;         /* [rows]; counted from 1 where the table has none */
    bal_sqlite_cell *cells; /* [rows, columns] */
    bal_arena arena;        /* of the texts */
} bal_sqlite_rows;

/** Whether a file begins as a SQLite database does; false when it cannot be read. */
bool bal_sqlite_is(const char *path);

/** Read columns of a table in the order of its rowids. `table` "" or NULL: the only one.
 *  Errors  BAL_ENOTFOUND, BAL_EIO; BAL_EFORMAT not a database, or a damaged one; BAL_EDATA no such
 *          table or column, with the nearest name, or several tables and none named. */
BAL_WARN_UNUSED bal_status bal_sqlite_read(const char *path, const char *table,
                                           const char *const *columns, size_t n_columns,
                                           bal_sqlite_rows *ret_rows, bal_error *err);
void bal_sqlite_release(bal_sqlite_rows *rows);

#endif
