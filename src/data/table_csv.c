/* Tables from CSV files: which columns are features, which are targets, and matching them to a trained model
 * by name or, without a header, by position. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/table_source.h"
#include "format/csv.h"

static bool is_listed(const char *name, const char *const *names, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static bal_status read_file(const bal_table_options *options, bal_csv *ret_csv, bal_error *err) {
    bal_csv_options how = {0};
    const char *separator = options->separator ? options->separator : "auto";
    const char *header = options->header ? options->header : "auto";
    if (strcmp(separator, "tab") == 0)
        how.separator = '\t';
    else if (strcmp(separator, "auto") != 0)
        how.separator = separator[0];
    if (strcmp(header, "yes") == 0) how.header = BAL_CSV_HEADER_YES;
    if (strcmp(header, "no") == 0) how.header = BAL_CSV_HEADER_NO;
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

static bal_status choose_expected(const bal_csv *csv, const bal_table_options *options,
                                  chosen_columns *chosen, bal_error *err) {
    int32_t n = options->n_expected, named = 0;
    for (int32_t i = 0; i < n; i++)
        for (size_t c = 0; c < csv->columns; c++)
            if (strcmp(csv->column[c].name, options->expected_features[i]) == 0) {
                named++;
                break;
            }
    if (named == n) return choose_listed(csv, options->expected_features, n, chosen, err);
    if (!csv->has_header && csv->columns == (size_t)n) {
        for (int32_t i = 0; i < n; i++)
            chosen->column[i] = (size_t)i;
        chosen->count = n;
        return BAL_OK;
    }
    if (csv->has_header) return choose_listed(csv, options->expected_features, n, chosen, err);
    return bal_fail(err, BAL_EDATA,
                    "%s has %zu columns and no header; the model wants %d features: give them in "
                    "order, or a header with their names",
                    csv->name, csv->columns, (int)n);
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
    for (int32_t i = 0; i < options->n_ignore; i++) {
        size_t ignored;
        if (!options->expected_features)
            BAL_TRY(bal_csv_find(csv, options->ignore[i], &ignored, err));
    }
    if (options->expected_features) return choose_expected(csv, options, chosen, err);
    if (options->n_features > 0)
        return choose_listed(csv, options->features, options->n_features, chosen, err);
    choose_others(csv, options, chosen);
    return BAL_OK;
}

/* ---- copying ---- */

static bal_status copy_features(const bal_csv *csv, const chosen_columns *chosen, bal_table *table,
                                bal_error *err) {
    for (int32_t j = 0; j < chosen->count; j++) {
        const double *numbers;
        BAL_TRY(bal_csv_numbers(csv, chosen->column[j], &numbers, err));
        table->feature_names[j] = bal_strdup(csv->column[chosen->column[j]].name);
        if (!table->feature_names[j]) return bal_fail_memory(err, 64);
        for (int64_t row = 0; row < table->rows; row++)
            table->x[row * chosen->count + j] = (float)numbers[row];
    }
    return BAL_OK;
}

/** A text column keeps its cells in one pool; a missing cell is NULL. */
static bal_status copy_text(const bal_csv *csv, size_t from, bal_column *to, bal_error *err) {
    size_t size = 1;
    for (size_t row = 0; row < csv->rows; row++)
        size += strlen(bal_csv_text(csv, row, from)) + 1;
    to->is_text = true;
    to->text = bal_calloc(csv->rows, sizeof *to->text);
    to->text_pool = bal_calloc(size, 1);
    if (!to->text || !to->text_pool) return bal_fail_memory(err, size);
    char *at = to->text_pool;
    for (size_t row = 0; row < csv->rows; row++) {
        if (bal_csv_missing(csv, row, from)) continue;
        const char *cell = bal_csv_text(csv, row, from);
        size_t length = strlen(cell) + 1;
        memcpy(at, cell, length);
        to->text[row] = at;
        at += length;
    }
    return BAL_OK;
}

static bal_status copy_column(const bal_csv *csv, const char *name, bool optional, bal_column *to,
                              bal_error *err) {
    size_t from;
    bal_status status = bal_csv_find(csv, name, &from, optional ? NULL : err);
    if (status != BAL_OK) return optional ? BAL_OK : status;
    if (!(to->name = bal_strdup(name))) return bal_fail_memory(err, strlen(name) + 1);
    if (!csv->column[from].numbers) return copy_text(csv, from, to, err);
    to->number = bal_calloc(csv->rows, sizeof *to->number);
    if (!to->number) return bal_fail_memory(err, csv->rows * sizeof *to->number);
    memcpy(to->number, csv->column[from].numbers, csv->rows * sizeof *to->number);
    return BAL_OK;
}

static bal_status copy_table(const bal_csv *csv, const bal_table_options *options,
                             bal_table *table, bal_error *err) {
    chosen_columns chosen = {0};
    bal_status status = choose_features(csv, options, &chosen, err);
    if (status == BAL_OK)
        status = bal_table_allocate(table, options->path, (int64_t)csv->rows, chosen.count,
                                    options->n_columns, err);
    if (status == BAL_OK && !(table->row_line = bal_calloc(csv->rows, sizeof *table->row_line)))
        status = bal_fail_memory(err, csv->rows * sizeof *table->row_line);
    for (size_t row = 0; status == BAL_OK && row < csv->rows; row++)
        table->row_line[row] = (int64_t)bal_csv_line(csv, row);
    if (status == BAL_OK) status = copy_features(csv, &chosen, table, err);
    for (int32_t c = 0; status == BAL_OK && c < options->n_columns; c++)
        status = copy_column(csv, options->columns[c], options->columns_optional,
                             &table->columns[c], err);
    bal_free(chosen.column);
    return status;
}

bal_status bal_table_from_csv(const bal_table_options *options, const bal_log_sink *log,
                              bal_table *table, bal_error *err) {
    bal_csv csv;
    BAL_TRY(read_file(options, &csv, err));
    bal_log_printf(log, BAL_LOG_INFO, "%s: %zu rows, %zu columns, separator '%s', %s", options->path,
                   csv.rows, csv.columns,
                   csv.separator == '\t' ? "tab" : (char[2]){csv.separator, 0},
                   csv.has_header ? "names in the first row" : "no header: columns are c1, c2, …");
    bal_status status = copy_table(&csv, options, table, err);
    bal_csv_release(&csv);
    return status;
}
