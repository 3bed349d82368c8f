/* Reading SQLite databases. See format/sqlite.h. */
#include "format/sqlite.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

typedef struct database {
    const char *path;
    sqlite3 *handle;
    bal_error *err;
} database;

bool bal_sqlite_is(const char *path) {
    static const char magic[16] = "SQLite format 3";
    char start[sizeof magic];
    FILE *file = fopen(path, "rbe");
    bool same =
        file && fread(start, sizeof start, 1, file) == 1 && memcmp(start, magic, sizeof magic) == 0;
    if (file) fclose(file);
    return same;
}

static bal_status failed(const database *base, int code) {
    int kind = code & 0xff;
    const char *said = base->handle ? sqlite3_errmsg(base->handle) : sqlite3_errstr(code);
    if (kind == SQLITE_NOMEM) return bal_fail_memory(base->err, 0);
    if (kind == SQLITE_NOTADB || kind == SQLITE_CORRUPT || kind == SQLITE_FORMAT)
        return bal_fail(base->err, BAL_EFORMAT,
                        "%s: not a SQLite database, or a damaged one (%s); restore it from a copy",
                        base->path, said);
    if (kind == SQLITE_ERROR)
        return bal_fail(base->err, BAL_EFORMAT, "%s: SQLite cannot read this: %s", base->path,
                        said);
    if (kind == SQLITE_READONLY)
        return bal_fail(base->err, BAL_EIO,
                        "%s: SQLite must write beside it to read it (it has a write-ahead log or "
                        "an unfinished journal), but may not; copy it to a folder of your own",
                        base->path);
    return bal_fail(base->err, BAL_EIO, "%s: SQLite cannot read it: %s", base->path, said);
}

static bal_status open_database(database *base) {
    if (!bal_path_exists(base->path))
        return bal_fail(base->err, BAL_ENOTFOUND, "there is no file %s", base->path);
    if (bal_path_is_folder(base->path))
        return bal_fail(base->err, BAL_EIO, "%s is a folder; wanted a SQLite database", base->path);
    int code = sqlite3_open_v2(base->path, &base->handle,
                               SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) return failed(base, code);
    sqlite3_db_config(base->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(base->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_busy_timeout(base->handle, 2000); /* someone may be writing to it */
    code = sqlite3_exec(base->handle, "PRAGMA cell_size_check = ON", NULL, NULL, NULL);
    return code == SQLITE_OK ? BAL_OK : failed(base, code);
}

/* ---- names ---- */

/* What a statement of one parameter (NULL: none) gives in its first column. The list ends with
 * NULL and lives in the arena. */
static bal_status list_names(const database *base, const char *sql, const char *parameter,
                             bal_arena *arena, const char ***ret_names, size_t *ret_count) {
    sqlite3_stmt *statement = NULL;
    const char **names = NULL;
    size_t n = 0, capacity = 0;
    int code = sqlite3_prepare_v2(base->handle, sql, -1, &statement, NULL);
    if (code == SQLITE_OK && parameter)
        code = sqlite3_bind_text(statement, 1, parameter, -1, SQLITE_STATIC);
    bal_status status = code == SQLITE_OK ? BAL_OK : failed(base, code);
    while (status == BAL_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        if (!bal_reserve(names, capacity, n + 1) ||
            !(names[n++] = bal_arena_strdup(arena, name ? name : "")))
            status = bal_fail_memory(base->err, 0);
    }
    if (status == BAL_OK && code != SQLITE_DONE) status = failed(base, code);
    sqlite3_finalize(statement);
    const char **kept = bal_arena_alloc(arena, n + 1, sizeof *kept);
    if (status == BAL_OK && !kept) status = bal_fail_memory(base->err, 0);
    if (status == BAL_OK) {
        if (n > 0) memcpy(kept, names, n * sizeof *kept);
        *ret_names = kept;
        *ret_count = n;
    }
    bal_free(names);
    return status;
}

static bool is_listed(const char *const *names, const char *name) {
    for (; *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

static bal_status fail_name(const database *base, const char *what, const char *name,
                            const char *const *names) {
    const char *nearest = bal_text_nearest(name, names);
    bal_text list = {0};
    for (int i = 0; names[i] && i < 12; i++)
        bal_text_printf(&list, "%s%.60s", i > 0 ? ", " : "", names[i]);
    bal_status status =
        bal_fail(base->err, BAL_EDATA, "%s: there is no %s '%.80s'; %s%s%s%s", base->path, what,
                 name, nearest ? "did you mean '" : "there is ", nearest ? nearest : "",
                 nearest ? "'?" : "", nearest ? "" : (list.data ? list.data : "none"));
    bal_text_release(&list);
    return status;
}

static bal_status find_table(const database *base, const char *wanted, bal_arena *arena,
                             const char **ret_table) {
    static const char sql[] = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND "
                              "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    const char **names;
    size_t n;
    BAL_TRY(list_names(base, sql, NULL, arena, &names, &n));
    if (n == 0)
        return bal_fail(base->err, BAL_EDATA, "%s: the database holds no table", base->path);
    if (wanted && wanted[0]) {
        if (!is_listed(names, wanted)) return fail_name(base, "table", wanted, names);
        *ret_table = wanted;
        return BAL_OK;
    }
    if (n > 1)
        return bal_fail(base->err, BAL_EDATA,
                        "%s: the database holds %zu tables, '%.60s' and '%.60s' among them; name "
                        "the one to read (data.table)",
                        base->path, n, names[0], names[1]);
    *ret_table = names[0];
    return BAL_OK;
}

static bal_status check_columns(const database *base, const char *table, const char *const *columns,
                                size_t n_columns, bal_arena *arena) {
    const char **names;
    size_t n;
    BAL_TRY(list_names(base, "SELECT name FROM pragma_table_xinfo(?1)", table, arena, &names, &n));
    for (size_t i = 0; i < n_columns; i++)
        if (!is_listed(names, columns[i])) return fail_name(base, "column", columns[i], names);
    return BAL_OK;
}

/* ---- rows ---- */

/* "name", with what quotes would end doubled. */
static void put_name(bal_text *sql, const char *name) {
    bal_text_puts(sql, "\"");
    for (; *name; name++)
        bal_text_append(sql, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
    bal_text_puts(sql, "\"");
}

static bal_status prepare(const database *base, const char *table, const char *const *columns,
                          size_t n_columns, bool by_rowid, sqlite3_stmt **ret_statement) {
    bal_text sql = {0};
    bal_text_puts(&sql, by_rowid ? "SELECT rowid" : "SELECT NULL");
    for (size_t i = 0; i < n_columns; i++) {
        bal_text_puts(&sql, ", ");
        put_name(&sql, columns[i]);
    }
    bal_text_puts(&sql, " FROM ");
    put_name(&sql, table);
    if (by_rowid) bal_text_puts(&sql, " ORDER BY rowid");
    if (bal_text_failed(&sql)) {
        bal_text_release(&sql);
        return bal_fail_memory(base->err, sql.length);
    }
    int code = sqlite3_prepare_v2(base->handle, sql.data, -1, ret_statement, NULL);
    bal_text_release(&sql);
    if (code == SQLITE_OK) return BAL_OK;
    /* Views and tables WITHOUT ROWID. */
    if (by_rowid && (code & 0xff) == SQLITE_ERROR)
        return prepare(base, table, columns, n_columns, false, ret_statement);
    return failed(base, code);
}

static bal_status take_cell(const database *base, sqlite3_stmt *statement, int column,
                            bal_arena *arena, bal_sqlite_cell *ret_cell) {
    bal_sqlite_cell cell = {.number = NAN};
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        cell.whole = sqlite3_column_int64(statement, column);
        cell.is_whole = true;
        cell.number = (double)cell.whole;
        break;
    case SQLITE_FLOAT:
        cell.number = sqlite3_column_double(statement, column);
        break;
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, column);
        cell.text = text ? bal_arena_strdup(arena, text) : NULL;
        if (!cell.text) return bal_fail_memory(base->err, 0);
        break;
    }
    case SQLITE_BLOB:
        cell.text = "a blob";
        break;
    default:
        break;
    }
    *ret_cell = cell;
    return BAL_OK;
}

static bal_status take_rows(const database *base, sqlite3_stmt *statement, bal_sqlite_rows *rows) {
    size_t room = 0, cell_room = 0;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        size_t row = rows->rows, first = row * rows->columns;
        if (!bal_reserve(rows->rowid, room, row + 1) ||
            !bal_reserve(rows->cells, cell_room, first + rows->columns))
            return bal_fail_memory(base->err, first * sizeof *rows->cells);
        bool numbered = sqlite3_column_type(statement, 0) == SQLITE_INTEGER;
        rows->rowid[row] = numbered ? sqlite3_column_int64(statement, 0) : (int64_t)row + 1;
        for (size_t i = 0; i < rows->columns; i++)
            BAL_TRY(take_cell(base, statement, (int)i + 1, &rows->arena, &rows->cells[first + i]));
        rows->rows++;
    }
    return code == SQLITE_DONE ? BAL_OK : failed(base, code);
}

bal_status bal_sqlite_read(const char *path, const char *table, const char *const *columns,
                           size_t n_columns, bal_sqlite_rows *ret_rows, bal_error *err) {
    database base = {path, NULL, err};
    sqlite3_stmt *statement = NULL;
    bal_sqlite_rows rows = {.columns = n_columns};
    bal_status status = open_database(&base);
    if (status == BAL_OK) status = find_table(&base, table, &rows.arena, &table);
    if (status == BAL_OK) status = check_columns(&base, table, columns, n_columns, &rows.arena);
    if (status == BAL_OK) status = prepare(&base, table, columns, n_columns, true, &statement);
    if (status == BAL_OK) status = take_rows(&base, statement, &rows);
    sqlite3_finalize(statement);
    sqlite3_close(base.handle);
    if (status == BAL_OK)
        *ret_rows = rows;
    else
        bal_sqlite_release(&rows);
    return status;
}

void bal_sqlite_release(bal_sqlite_rows *rows) {
    bal_free(rows->rowid);
    bal_free(rows->cells);
    bal_arena_release(&rows->arena);
    *rows = (bal_sqlite_rows){0};
}
