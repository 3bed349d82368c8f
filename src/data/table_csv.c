/* Tables from CSV files: which columns are features, which are targets, and matching them to a
 * trained model by name or, without a header, by position. See data/table.h. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/order_key.h"
#include "data/table_source.h"
#include "format/csv.h"

static bool is_listed(const char *name, const char *const *names, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static bool is(const char *option, const char *word) {
    return option && strcmp(option, word) == 0;
}

static bal_status read_file(const bal_table_options *options, bal_csv *ret_csv, bal_error *err) {
    bal_csv_options how = {0};
    if (is(options->separator, "tab"))
        how.separator = '\t';
    else if (options->separator && !is(options->separator, "auto"))
        how.separator = options->separator[0];
    if (is(options->header, "yes")) how.header = BAL_CSV_HEADER_YES;
    if (is(options->header, "no")) how.header = BAL_CSV_HEADER_NO;
    how.expected = options->expected_features;
    how.n_expected = options->expected_features ? (size_t)options->n_expected : 0;
    bal_status status = bal_csv_read(options->path, &how, ret_csv, err);
    return bal_table_source_failed(status, options->path, err);
}

/* ---- which columns are features ---- */

typedef struct chosen_columns {
    size_t *column; /* of the file, in feature order */
    int32_t count;
} chosen_columns;

static bal_status choose_listed(const bal_csv *csv, const char *const *names, int32_t n,
                                chosen_columns *chosen, bal_error *err) {
    for (int32_t i = 0; i < n; i++)
        BAL_TRY(bal_csv_find(csv, names[i], &chosen->column[i], err));
    chosen->count = n;
    return BAL_OK;
}

static bool has_all(const bal_csv *csv, const char *const *names, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        size_t column;
        if (bal_csv_find(csv, names[i], &column, NULL) != BAL_OK) return false;
    }
    return true;
}

/** The columns a trained model wants. A file without a header that holds the features only fits by
 *  position whatever its columns were called when the model was trained; with other columns beside
 *  them (the label) they are where they were then, under the same made-up names c1, c2, … */
static bal_status choose_expected(const bal_csv *csv, const bal_table_options *options,
                                  chosen_columns *chosen, bal_error *err) {
    int32_t n = options->n_expected;
    if (csv->has_header || has_all(csv, options->expected_features, n))
        return choose_listed(csv, options->expected_features, n, chosen, err);
    if (csv->columns != (size_t)n)
        return bal_fail(err, BAL_EDATA,
                        "%s has %zu columns and no header; the model wants %d features: give them "
                        "in order, or a header with their names",
                        csv->name, csv->columns, (int)n);
    for (int32_t i = 0; i < n; i++)
        chosen->column[i] = (size_t)i;
    chosen->count = n;
    return BAL_OK;
}

static void choose_others(const bal_csv *csv, const bal_table_options *options,
                          chosen_columns *chosen) {
    for (size_t c = 0; c < csv->columns; c++) {
        const char *name = csv->column[c].name;
        if (is_listed(name, options->columns, options->n_columns)) continue;
        if (is_listed(name, options->ignore, options->n_ignore)) continue;
        chosen->column[chosen->count++] = c;
    }
}

static bal_status choose_features(const bal_csv *csv, const bal_table_options *options,
                                  chosen_columns *chosen, bal_error *err) {
    size_t most = csv->columns + (size_t)options->n_features + (size_t)options->n_expected;
    chosen->column = bal_calloc(most, sizeof *chosen->column);
    if (!chosen->column) return bal_fail_memory(err, most * sizeof *chosen->column);
    if (options->expected_features) return choose_expected(csv, options, chosen, err);
    if (options->n_features > 0)
        return choose_listed(csv, options->features, options->n_features, chosen, err);
    choose_others(csv, options, chosen);
    return BAL_OK;
}

/** Targets and ignored columns are looked for before anything else: were a misspelt target found
 *  missing later, the message would be about the text in a "feature" that is the true target. */
static bal_status check_names(const bal_csv *csv, const bal_table_options *options,
                              bal_error *err) {
    size_t column;
    for (int32_t i = 0; i < options->n_columns && !options->columns_optional; i++)
        BAL_TRY(bal_csv_find(csv, options->columns[i], &column, err));
    for (int32_t i = 0; i < options->n_ignore && !options->expected_features; i++)
        BAL_TRY(bal_csv_find(csv, options->ignore[i], &column, err));
    return BAL_OK;
}

/* ---- copying ---- */

/** A column with hardly a number in it is not a feature with a slip of the pen, unless its numbers
 *  have decimal commas or a trained model wants it. */
static bal_status not_numbers(const bal_csv *csv, size_t column, const bal_table_options *options,
                              bal_error *err) {
    const bal_csv_column *asked = &csv->column[column];
    const double *numbers;
    char cell[64];
    if (options->expected_features || asked->texts * 2 <= csv->rows ||
        bal_csv_decimal_comma(csv, asked->text_row, column))
        return bal_csv_numbers(csv, column, &numbers, err);
    bal_csv_excerpt(csv, asked->text_row, column, cell);
    return bal_fail(
        err, BAL_EDATA, "%s: column '%s' holds text ('%s' in row %zu); features are numbers: %s",
        csv->name, asked->name, cell, asked->text_row + 1,
        options->by_position
            ? "take the column out of the file"
            : "put the column under data.ignore, or list the features in data.features");
}

/** From columns of the file to rows of the table, a few rows at a time so that what is written
 *  stays in the cache. */
static void transpose(const double *const *columns, bal_table *table) {
    enum { ROWS = 64 };
    size_t width = (size_t)table->features;
    for (int64_t first = 0; first < table->rows; first += ROWS) {
        int64_t end = first + ROWS < table->rows ? first + ROWS : table->rows;
        for (size_t j = 0; j < width; j++)
            for (int64_t row = first; row < end; row++)
                table->x[(size_t)row * width + j] = (float)columns[j][row];
    }
}

static bal_status copy_features(const bal_csv *csv, const chosen_columns *chosen,
                                const bal_table_options *options, bal_table *table,
                                bal_error *err) {
    const double **columns = bal_calloc((size_t)chosen->count, sizeof *columns);
    if (!columns) return bal_fail_memory(err, (size_t)chosen->count * sizeof *columns);
    bal_status status = BAL_OK;
    for (int32_t j = 0; j < chosen->count && status == BAL_OK; j++) {
        const bal_csv_column *column = &csv->column[chosen->column[j]];
        columns[j] = column->numbers;
        if (!column->numbers)
            status = not_numbers(csv, chosen->column[j], options, err);
        else if (!(table->feature_names[j] = bal_strdup(column->name)))
            status = bal_fail_memory(err, strlen(column->name) + 1);
    }
    if (status == BAL_OK) transpose(columns, table);
    bal_free(columns);
    return status;
}

static bal_status copy_text(const bal_csv *csv, size_t from, bal_column *to, bal_error *err) {
    const char **cells = bal_calloc(csv->rows, sizeof *cells);
    if (!cells) return bal_fail_memory(err, csv->rows * sizeof *cells);
    for (size_t row = 0; row < csv->rows; row++)
        cells[row] = bal_csv_missing(csv, row, from) ? NULL : bal_csv_text(csv, row, from);
    bal_status status = bal_column_set_text(to, cells, (int64_t)csv->rows, err);
    bal_free(cells);
    return status;
}

/** The whole numbers of a column where doubles cannot tell them apart. */
static bal_status copy_whole(const bal_csv *csv, size_t from, bal_column *to, bal_error *err) {
    bool large = false;
    for (size_t row = 0; row < csv->rows && !large; row++)
        large = fabs(to->number[row]) >= BAL_ORDER_DOUBLE_EXACT;
    if (!large) return BAL_OK;
    to->whole = bal_calloc(csv->rows, sizeof *to->whole);
    if (!to->whole) return bal_fail_memory(err, csv->rows * sizeof *to->whole);
    for (size_t row = 0; row < csv->rows; row++)
        to->whole[row] = bal_order_key_of_text(bal_csv_text(csv, row, from), to->number[row]).whole;
    return BAL_OK;
}

/** A wanted column; one that is not there is an optional one by now. */
static bal_status copy_column(const bal_csv *csv, const char *name, bal_column *to,
                              bal_error *err) {
    size_t from;
    if (bal_csv_find(csv, name, &from, NULL) != BAL_OK) return BAL_OK;
    if (!(to->name = bal_strdup(name))) return bal_fail_memory(err, strlen(name) + 1);
    if (!csv->column[from].numbers) return copy_text(csv, from, to, err);
    to->number = bal_calloc(csv->rows, sizeof *to->number);
    if (!to->number) return bal_fail_memory(err, csv->rows * sizeof *to->number);
    memcpy(to->number, csv->column[from].numbers, csv->rows * sizeof *to->number);
    return copy_whole(csv, from, to, err);
}

static bal_status copy_lines(const bal_csv *csv, bal_table *table, bal_error *err) {
    table->row_line = bal_calloc(csv->rows, sizeof *table->row_line);
    if (!table->row_line) return bal_fail_memory(err, csv->rows * sizeof *table->row_line);
    for (size_t row = 0; row < csv->rows; row++)
        table->row_line[row] = (int64_t)bal_csv_line(csv, row);
    return BAL_OK;
}

static bal_status copy_table(const bal_csv *csv, const bal_table_options *options, bal_table *table,
                             bal_error *err) {
    chosen_columns chosen = {0};
    bal_status status = check_names(csv, options, err);
    if (status == BAL_OK) status = choose_features(csv, options, &chosen, err);
    if (status == BAL_OK)
        status = bal_table_allocate(table, options->path, (int64_t)csv->rows, chosen.count,
                                    options->n_columns, err);
    if (status == BAL_OK) status = copy_lines(csv, table, err);
    if (status == BAL_OK) status = copy_features(csv, &chosen, options, table, err);
    for (int32_t c = 0; status == BAL_OK && c < options->n_columns; c++)
        status = copy_column(csv, options->columns[c], &table->columns[c], err);
    bal_free(chosen.column);
    return status;
}

bal_status bal_table_from_csv(const bal_table_options *options, const bal_log_sink *log,
                              bal_table *table, bal_error *err) {
    bal_csv csv;
    BAL_TRY(read_file(options, &csv, err));
    const char separator[] = {csv.separator, '\0'};
    bal_log_printf(log, BAL_LOG_INFO, "%s: %zu rows, %zu columns, separator '%s', %s",
                   options->path, csv.rows, csv.columns, csv.separator == '\t' ? "tab" : separator,
                   csv.has_header ? "names in the first row" : "no header: columns are c1, c2, …");
    bal_status status = copy_table(&csv, options, table, err);
    bal_csv_release(&csv);
    return status;
}
