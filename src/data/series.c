/* Reading a series: cells from a file, sorted, then dealt with by the policy. See data/series.h.
 *
 * Files of both kinds become the same list of cells first, so that what is done about gaps, texts
 * and order is done once and alike. */
#include "data/series.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/order_key.h"
#include "data/series_simulator.h"
#include "data/table_source.h"
#include "format/csv.h"
#include "format/sqlite.h"

/** A value as it stands in the source. */
typedef struct raw_cell {
    double value; /* NaN: none */
    bal_order_key order;
    int64_t line;   /* 0: the source has no lines */
    int64_t number; /* of the row, from 0 */
    char text[48];  /* what stands there where it is no number; "" nothing */
} raw_cell;

typedef struct raw_series {
    const bal_series_source *from;
    raw_cell *cells;
    size_t n;
} raw_series;

static bool is(const char *option, const char *word) {
    return option && strcmp(option, word) == 0;
}

static bool is_given(const char *option) {
    return option && option[0];
}

static char *cell_place(const raw_series *raw, const raw_cell *cell, char *buffer, size_t size) {
    char line[32] = "";
    if (cell->line > 0) snprintf(line, sizeof line, ":%" PRId64, cell->line);
    snprintf(buffer, size, "%.400s%s: row %" PRId64, raw->from->path, line, cell->number + 1);
    return buffer;
}

static bal_status fail_order(const raw_series *raw, const raw_cell *cell, const char *text,
                             bal_error *err) {
    char place[512];
    return bal_fail(err, BAL_EDATA,
                    "%s, column '%.80s': wanted a number to order the series by, found %s%.40s%s",
                    cell_place(raw, cell, place, sizeof place), raw->from->order,
                    text[0] ? "'" : "nothing", text, text[0] ? "'" : "");
}

static bal_status allocate_cells(raw_series *raw, size_t n, bal_error *err) {
    raw->cells = bal_calloc(n, sizeof *raw->cells);
    raw->n = n;
    return raw->cells ? BAL_OK : bal_fail_memory(err, n * sizeof *raw->cells);
}

/* ---- csv ---- */

static bal_status copy_csv(const bal_csv *csv, raw_series *raw, bal_error *err) {
    size_t column, order = 0;
    bool ordered = is_given(raw->from->order);
    BAL_TRY(bal_csv_find(csv, raw->from->column, &column, err));
    if (ordered) BAL_TRY(bal_csv_find(csv, raw->from->order, &order, err));
    BAL_TRY(allocate_cells(raw, csv->rows, err));
    for (size_t row = 0; row < csv->rows; row++) {
        raw_cell *cell = &raw->cells[row];
        char excerpt[64];
        cell->line = (int64_t)bal_csv_line(csv, row);
        cell->number = (int64_t)row;
        cell->value = bal_csv_number(csv, row, column);
        if (!isfinite(cell->value) && !bal_csv_missing(csv, row, column))
            snprintf(cell->text, sizeof cell->text, "%.44s",
                     bal_csv_excerpt(csv, row, column, excerpt));
        if (!ordered) continue;
        double number = bal_csv_number(csv, row, order);
        cell->order = bal_order_key_of_text(bal_csv_text(csv, row, order), number);
        if (!isfinite(number))
            return fail_order(raw, cell, bal_csv_excerpt(csv, row, order, excerpt), err);
    }
    return BAL_OK;
}

static bal_status read_csv(raw_series *raw, bal_error *err) {
    const bal_series_source *from = raw->from;
    bal_csv_options how = {0};
    bal_csv csv;
    if (is_given(from->table))
        return bal_fail(err, BAL_EDATA,
                        "%s is not a SQLite database, so it has no table '%s'; take data.table out",
                        from->path, from->table);
    if (is(from->separator, "tab"))
        how.separator = '\t';
    else if (is_given(from->separator) && !is(from->separator, "auto"))
        how.separator = from->separator[0];
    if (is(from->header, "yes")) how.header = BAL_CSV_HEADER_YES;
    if (is(from->header, "no")) how.header = BAL_CSV_HEADER_NO;
    BAL_TRY(bal_csv_read(from->path, &how, &csv, err));
    bal_status status = copy_csv(&csv, raw, err);
    bal_csv_release(&csv);
    return status;
}

/* ---- SQLite ---- */

/* SQLite keeps what it is given, whatever the column's type: a number in quotes is one here, as it
 * would be in a csv file. */
static double number_of(const bal_sqlite_cell *cell) {
    double number;
    if (!cell->text) return cell->number;
    return bal_text_parse_double(cell->text, strlen(cell->text), &number) ? number : NAN;
}

static bal_order_key order_of(const bal_sqlite_cell *cell) {
    if (cell->is_whole) return bal_order_key_of_whole(cell->whole);
    double number = number_of(cell);
    return cell->text ? bal_order_key_of_text(cell->text, number) : bal_order_key_of(number);
}

/* Cut to what a message can hold, and to whole characters. */
static void excerpt(const char *text, char buffer[48]) {
    size_t length = strlen(text) < 44 ? strlen(text) : 44;
    length = bal_text_utf8_valid(text, length);
    memcpy(buffer, text, length);
    buffer[length] = '\0';
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)buffer[i] < ' ' || buffer[i] == 0x7f) buffer[i] = '?';
    if (length == 0) snprintf(buffer, 48, "?");
}

static bal_status copy_sqlite(const bal_sqlite_rows *rows, raw_series *raw, bal_error *err) {
    BAL_TRY(allocate_cells(raw, rows->rows, err));
    for (size_t row = 0; row < rows->rows; row++) {
        const bal_sqlite_cell *from = &rows->cells[row * rows->columns];
        raw_cell *cell = &raw->cells[row];
        /* A rowid can be any number, the least one too. */
        cell->number = rows->rowid[row] - (rows->rowid[row] > INT64_MIN);
        cell->value = number_of(&from[0]);
        if (isinf(cell->value))
            excerpt(cell->value > 0 ? "inf" : "-inf", cell->text);
        else if (isnan(cell->value) && from[0].text)
            excerpt(from[0].text, cell->text);
        if (rows->columns < 2) continue;
        cell->order = order_of(&from[1]);
        if (isfinite(cell->order.number)) continue;
        char text[48] = "";
        if (from[1].text) excerpt(from[1].text, text);
        return fail_order(raw, cell, text, err);
    }
    return BAL_OK;
}

static bal_status read_sqlite(raw_series *raw, bal_error *err) {
    const bal_series_source *from = raw->from;
    const char *const columns[] = {from->column, from->order};
    bal_sqlite_rows rows;
    BAL_TRY(bal_sqlite_read(from->path, from->table, columns, is_given(from->order) ? 2 : 1, &rows,
                            err));
    bal_status status = copy_sqlite(&rows, raw, err);
    bal_sqlite_release(&rows);
    return status;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* A file that is called a database is read as one, so that a damaged one is said to be that. */
static bool is_database(const char *path) {
    return bal_sqlite_is(path) || ends_with(path, ".db") || ends_with(path, ".sqlite") ||
           ends_with(path, ".sqlite3");
}

/* ---- order ---- */

static int compare_cells(const void *left, const void *right) {
    const raw_cell *a = left, *b = right;
    int order = bal_order_key_compare(a->order, b->order);
    return order ? order : (a->number > b->number) - (a->number < b->number);
}

static char *order_text(bal_order_key order, char buffer[32]) {
    if (order.whole != 0)
        snprintf(buffer, 32, "%" PRId64, order.whole);
    else
        snprintf(buffer, 32, "%.17g", order.number);
    return buffer;
}

static bal_status sort_cells(raw_series *raw, const bal_log_sink *log, bal_error *err) {
    bool sorted = true;
    if (!is_given(raw->from->order)) return BAL_OK;
    for (size_t i = 1; i < raw->n && sorted; i++)
        sorted = bal_order_key_compare(raw->cells[i - 1].order, raw->cells[i].order) < 0;
    if (sorted) return BAL_OK;
    qsort(raw->cells, raw->n, sizeof *raw->cells, compare_cells);
    for (size_t i = 1; i < raw->n; i++) {
        char first[512], second[512], key[32];
        if (bal_order_key_compare(raw->cells[i - 1].order, raw->cells[i].order) < 0) continue;
        return bal_fail(err, BAL_EDATA,
                        "%s and %s have the same %.80s, %s: which of them comes first?",
                        cell_place(raw, &raw->cells[i - 1], first, sizeof first),
                        cell_place(raw, &raw->cells[i], second, sizeof second), raw->from->order,
                        order_text(raw->cells[i].order, key));
    }
    bal_log_printf(log, BAL_LOG_INFO, "%s: rows are not in the order of '%s'; sorted by it",
                   raw->from->path, raw->from->order);
    return BAL_OK;
}

/* ---- gaps and texts ---- */

static bal_status allocate_series(bal_series *series, const char *source, int64_t n, bool lines,
                                  bal_error *err) {
    series->source = bal_strdup(source);
    series->value = bal_calloc((size_t)n, sizeof *series->value);
    series->number = bal_calloc((size_t)n, sizeof *series->number);
    series->line = lines ? bal_calloc((size_t)n, sizeof *series->line) : NULL;
    if (series->source && series->value && series->number && (series->line || !lines))
        return BAL_OK;
    return bal_fail_memory(err, (size_t)n * sizeof *series->value);
}

static bal_status fail_value(const raw_series *raw, const raw_cell *cell, const char *advice,
                             bal_error *err) {
    char place[512];
    return bal_fail(err, BAL_EDATA, "%s, column '%.80s': wanted a number, found %s%s%s; %s",
                    cell_place(raw, cell, place, sizeof place), raw->from->column,
                    cell->text[0] ? "'" : "no value", cell->text, cell->text[0] ? "'" : "", advice);
}

static bal_status keep_values(const raw_series *raw, bal_series *series, bal_error *err) {
    bool skip = is(raw->from->missing, "skip"), previous = is(raw->from->missing, "previous");
    for (size_t i = 0; i < raw->n; i++) {
        const raw_cell *cell = &raw->cells[i];
        int64_t at = series->count;
        bool bad = !isfinite(cell->value);
        if (bad && !skip && !previous)
            return fail_value(raw, cell,
                              "correct it, or set data.missing: skip (leave it out) or previous "
                              "(take the value before)",
                              err);
        if (bad && previous && at == 0)
            return fail_value(raw, cell, "there is no value before it to take instead", err);
        series->bad += bad;
        if (bad && skip) continue;
        series->value[at] = bad ? series->value[at - 1] : cell->value;
        series->number[at] = cell->number;
        if (series->line) series->line[at] = cell->line;
        series->count++;
    }
    if (series->count > 0) return BAL_OK;
    return bal_fail(err, BAL_EDATA, "%s: column '%s' holds no number", raw->from->path,
                    raw->from->column);
}

/* Say what was done, and show the first few. */
static void tell(const raw_series *raw, const bal_series *series, const bal_log_sink *log) {
    bal_text list = {0};
    int shown = 0;
    bal_log_printf(log, BAL_LOG_INFO, "%s: a series of %" PRId64 " values", raw->from->path,
                   series->count);
    if (series->bad == 0) return;
    for (size_t i = 0; i < raw->n && shown < 4; i++) {
        const raw_cell *cell = &raw->cells[i];
        if (isfinite(cell->value)) continue;
        bal_text_printf(&list, "%srow %" PRId64 "%s%s%s", shown++ > 0 ? ", " : "", cell->number + 1,
                        cell->text[0] ? " '" : " (nothing)", cell->text, cell->text[0] ? "'" : "");
    }
    bal_log_printf(log, BAL_LOG_WARN,
                   "%s, column '%s': %" PRId64 " values are no numbers and %s: %s%s",
                   raw->from->path, raw->from->column, series->bad,
                   is(raw->from->missing, "skip") ? "were left out" : "became the value before",
                   list.data ? list.data : "", series->bad > shown ? ", …" : "");
    bal_text_release(&list);
}

static bal_status from_file(const bal_series_source *from, const bal_log_sink *log,
                            bal_series *series, bal_error *err) {
    raw_series raw = {.from = from};
    bal_status status = is_database(from->path) ? read_sqlite(&raw, err) : read_csv(&raw, err);
    if (status == BAL_OK) status = sort_cells(&raw, log, err);
    if (status == BAL_OK) {
        bool lines = raw.n > 0 && raw.cells[0].line > 0;
        status = allocate_series(series, from->path, (int64_t)raw.n, lines, err);
    }
    if (status == BAL_OK) status = keep_values(&raw, series, err);
    if (status == BAL_OK) tell(&raw, series, log);
    bal_free(raw.cells);
    return bal_table_source_failed(status, from->path, err);
}

/* ---- simulated ---- */

static bal_status from_simulator(const bal_series_source *from, const bal_log_sink *log,
                                 bal_series *series, bal_error *err) {
    const bal_series_simulator *simulator = bal_series_simulator_find(from->simulator);
    if (!simulator)
        return bal_fail(err, BAL_ERECIPE, "no simulator of a series is called '%s'",
                        from->simulator);
    bal_series_options options = simulator->defaults;
    if (from->samples > 0) options.samples = from->samples;
    if (from->noise > 0) options.noise = from->noise;
    options.seed = (uint64_t)from->seed;
    char name[128];
    snprintf(name, sizeof name, "simulated:%s", simulator->name);
    BAL_TRY(allocate_series(series, name, options.samples, false, err));
    BAL_TRY(simulator->make(&options, series->value, err));
    for (int64_t i = 0; i < options.samples; i++)
        series->number[i] = i;
    series->count = options.samples;
    bal_log_printf(log, BAL_LOG_INFO, "%s: a series of %" PRId64 " values", name, series->count);
    return BAL_OK;
}

/* ---- all ---- */

bal_status bal_series_read(const bal_series_source *source, const bal_log_sink *log,
                           bal_series *ret_series, bal_error *err) {
    bal_series series = {0};
    bal_status status = is_given(source->simulator) ? from_simulator(source, log, &series, err)
                                                    : from_file(source, log, &series, err);
    if (status == BAL_OK)
        *ret_series = series;
    else
        bal_series_release(&series);
    return status;
}

void bal_series_release(bal_series *series) {
    bal_free(series->source);
    bal_free(series->value);
    bal_free(series->line);
    bal_free(series->number);
    *series = (bal_series){0};
}

char *bal_series_place(const bal_series *series, int64_t index, char *buffer, size_t size) {
    char line[32] = "";
    if (series->line) snprintf(line, sizeof line, ":%" PRId64, series->line[index]);
    snprintf(buffer, size, "%.400s%s: row %" PRId64, series->source, line,
             series->number[index] + 1);
    return buffer;
}
