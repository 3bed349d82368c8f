/* Tables: the parts that do not depend on where they come from; see data/table.h. */
#include "data/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/series.h"
#include "data/series_simulator.h"
#include "data/simulator.h"
#include "data/table_source.h"

/* ---- what the sources share ---- */

bal_status bal_table_allocate(bal_table *table, const char *source, int64_t rows, int32_t features,
                              int32_t columns, bal_error *err) {
    size_t cells, bytes;
    if (rows < 1)
        return bal_fail(err, BAL_EDATA, "%s holds no rows; at least one is needed", source);
    if (features < 1)
        return bal_fail(err, BAL_EDATA,
                        "%s: no column is left for the features; check data.features, data.ignore "
                        "and the targets",
                        source);
    if (!bal_size_mul((size_t)rows, (size_t)features, &cells) ||
        !bal_size_mul(cells, sizeof *table->x, &bytes))
        return bal_fail(err, BAL_EOVERFLOW, "%s: %" PRId64 " rows of %d features are too many",
                        source, rows, (int)features);
    table->rows = rows;
    table->features = features;
    table->source = bal_strdup(source);
    if (!table->x) table->x = bal_calloc(cells, sizeof *table->x);
    table->feature_names = bal_calloc((size_t)features, sizeof *table->feature_names);
    table->columns = bal_calloc((size_t)columns, sizeof *table->columns);
    if (!table->source || !table->x || !table->feature_names || !table->columns)
        return bal_fail_memory(err, bytes);
    table->n_columns = columns;
    return BAL_OK;
}

bal_status bal_column_set_text(bal_column *column, const char *const *text, int64_t rows,
                               bal_error *err) {
    size_t size = 1;
    for (int64_t row = 0; row < rows; row++)
        if (text[row]) size += strlen(text[row]) + 1;
    column->is_text = true;
    column->text = bal_calloc((size_t)rows, sizeof *column->text);
    column->text_pool = bal_calloc(size, 1);
    if (!column->text || !column->text_pool) return bal_fail_memory(err, size);
    char *at = column->text_pool;
    for (int64_t row = 0; row < rows; row++) {
        if (!text[row] || !text[row][0]) continue;
        size_t length = strlen(text[row]) + 1;
        memcpy(at, text[row], length);
        column->text[row] = at;
        at += length;
    }
    return BAL_OK;
}

bal_status bal_table_source_failed(bal_status status, const char *path, bal_error *err) {
    if (status == BAL_OK || status == BAL_ENOMEM) return status;
    if (status == BAL_ENOTFOUND) {
        bal_error_clear(err);
        return bal_fail(err, BAL_EDATA,
                        "data file %s does not exist; check data.path and the environment "
                        "variables in it",
                        path);
    }
    if (err) err->status = BAL_EDATA;
    return BAL_EDATA;
}

/* ---- simulated ---- */

static bal_status unknown_simulator(const char *name, bal_error *err) {
    const char *names[16] = {NULL};
    if (bal_series_simulator_find(name))
        return bal_fail(err, BAL_ERECIPE,
                        "simulator '%s' makes a series, not a table; use it with kind: sequence",
                        name);
    for (size_t i = 0; bal_simulator_table[i] && i + 1 < sizeof names / sizeof *names; i++)
        names[i] = bal_simulator_table[i]->name;
    const char *nearest = bal_text_nearest(name, names);
    return bal_fail(err, BAL_ERECIPE, "no simulator is called '%s'; %s '%s'", name,
                    nearest ? "did you mean" : "there is", nearest ? nearest : names[0]);
}

static bal_status from_simulator(const bal_table_options *options, const bal_log_sink *log,
                                 bal_table *table, bal_error *err) {
    const char *name = options->simulator ? options->simulator : "";
    const bal_simulator *simulator = bal_simulator_find(name);
    if (!simulator) return unknown_simulator(name, err);
    bal_simulator_options wanted = simulator->defaults;
    if (options->simulator_samples > 0) wanted.samples = options->simulator_samples;
    if (options->simulator_classes > 0) wanted.classes = options->simulator_classes;
    if (options->simulator_noise > 0) wanted.noise = options->simulator_noise;
    if (options->simulator_imbalance > 0) wanted.imbalance = options->simulator_imbalance;
    wanted.seed = (uint64_t)options->simulator_seed;
    bal_table *made;
    BAL_TRY(simulator->make(&wanted, &made, err));
    *table = *made;
    bal_free(made); /* what it held lives on in `table` */
    bal_log_printf(log, BAL_LOG_INFO, "%s: %" PRId64 " rows of %d classes, %d features",
                   table->source, wanted.samples, (int)wanted.classes, (int)table->features);
    for (int32_t c = 0; c < options->n_columns && !options->columns_optional; c++)
        if (!bal_table_column(table, options->columns[c]))
            return bal_fail(err, BAL_EDATA, "%s: no column '%s'; the labels are in '%s'",
                            table->source, options->columns[c], table->columns[0].name);
    return BAL_OK;
}

/* ---- checks that hold for every source ---- */

static bal_status check_width(const bal_table *table, const bal_table_options *options,
                              bal_error *err) {
    if (!options->expected_features || table->features == options->n_expected) return BAL_OK;
    return bal_fail(err, BAL_EDATA, "%s holds %d features per row; the model was trained on %d",
                    table->source, (int)table->features, (int)options->n_expected);
}

/** NaN may stay when it will be filled with the mean. */
static bal_status check_features(const bal_table *table, const bal_table_options *options,
                                 bal_error *err) {
    bool may_miss = options->missing && strcmp(options->missing, "mean") == 0;
    for (int64_t row = 0; row < table->rows; row++) {
        const float *x = table->x + row * table->features;
        for (int32_t j = 0; j < table->features; j++) {
            if (isfinite(x[j]) || (may_miss && isnan(x[j]))) continue;
            char place[512];
            bal_table_place(table, row, place, sizeof place);
            if (isnan(x[j]))
                return bal_fail(err, BAL_EDATA,
                                "%s, feature '%s': missing or NaN; give it a value, leave the row "
                                "out, or set data.missing: mean",
                                place, table->feature_names[j]);
            return bal_fail(err, BAL_EDATA,
                            "%s, feature '%s': infinite or too large for a 32-bit number; correct "
                            "it or leave the row out",
                            place, table->feature_names[j]);
        }
    }
    return BAL_OK;
}

/* ---- loading ---- */

static const struct {
    const char *kind;
    bal_status (*fill)(const bal_table_options *options, const bal_log_sink *log, bal_table *table,
                       bal_error *err);
} sources[] = {
    {"csv", bal_table_from_csv},
    {"npz", bal_table_from_npz},
    {"simulated", from_simulator},
    {"sequence", bal_table_from_sequence},
};

static bal_status fill_table(const bal_table_options *options, const bal_log_sink *log,
                             bal_table *table, bal_error *err) {
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (strcmp(sources[i].kind, options->kind) == 0)
            return sources[i].fill(options, log, table, err);
    return bal_fail(err, BAL_ERECIPE, "data.kind '%s' is none of csv, npz, simulated, sequence",
                    options->kind);
}

bal_status bal_table_load(const bal_table_options *options, const bal_log_sink *log,
                          bal_table **ret_table, bal_error *err) {
    bal_table *table = bal_calloc(1, sizeof *table);
    if (!table) return bal_fail_memory(err, sizeof *table);
    bal_status status = fill_table(options, log, table, err);
    if (status == BAL_OK) status = check_width(table, options, err);
    if (status == BAL_OK) status = check_features(table, options, err);
    if (status != BAL_OK) {
        bal_table_free(table);
        return status;
    }
    for (int32_t c = 0; c < table->n_columns; c++)
        table->columns[c].table = table;
    *ret_table = table;
    return BAL_OK;
}

void bal_table_free(bal_table *table) {
    if (!table) return;
    for (int32_t j = 0; table->feature_names && j < table->features; j++)
        bal_free(table->feature_names[j]);
    for (int32_t c = 0; table->columns && c < table->n_columns; c++) {
        bal_free(table->columns[c].name);
        bal_free(table->columns[c].number);
        bal_free(table->columns[c].whole);
        bal_free(table->columns[c].text);
        bal_free(table->columns[c].text_pool);
    }
    bal_free(table->feature_names);
    bal_free(table->columns);
    bal_free(table->source);
    bal_free(table->x);
    bal_free(table->row_line);
    bal_free(table->row_number);
    if (table->series) bal_series_release(table->series);
    bal_free(table->series);
    bal_free(table);
}

/* ---- using ---- */

const bal_column *bal_table_column(const bal_table *table, const char *name) {
    for (int32_t c = 0; c < table->n_columns; c++)
        if (table->columns[c].name && strcmp(table->columns[c].name, name) == 0)
            return &table->columns[c];
    return NULL;
}

static bool is_selection(const bal_table *table, const int64_t *rows, int64_t n_rows) {
    for (int64_t i = 1; i < n_rows; i++)
        if (rows[i] <= rows[i - 1]) return false;
    return rows[0] >= 0 && rows[n_rows - 1] < table->rows;
}

static void move_row(bal_table *table, int64_t from, int64_t to) {
    size_t width = (size_t)table->features;
    memmove(table->x + (size_t)to * width, table->x + (size_t)from * width,
            width * sizeof *table->x);
    table->row_number[to] = table->row_number[from];
    if (table->row_line) table->row_line[to] = table->row_line[from];
    for (int32_t c = 0; c < table->n_columns; c++) {
        bal_column *column = &table->columns[c];
        if (column->text) column->text[to] = column->text[from];
        if (column->number) column->number[to] = column->number[from];
        if (column->whole) column->whole[to] = column->whole[from];
    }
}

bal_status bal_table_select(bal_table *table, const int64_t *rows, int64_t n_rows, bal_error *err) {
    if (n_rows < 1) return bal_fail(err, BAL_EDATA, "%s: no rows are left", table->source);
    if (!is_selection(table, rows, n_rows))
        return bal_fail(err, BAL_EINVAL, "rows to keep must be ascending and below %" PRId64,
                        table->rows);
    if (!table->row_number) {
        size_t n = (size_t)table->rows;
        table->row_number = bal_calloc(n, sizeof *table->row_number);
        if (!table->row_number) return bal_fail_memory(err, n * sizeof *table->row_number);
        for (int64_t row = 0; row < table->rows; row++)
            table->row_number[row] = row;
    }
    for (int64_t i = 0; i < n_rows; i++)
        move_row(table, rows[i], i);
    table->rows = n_rows;
    return BAL_OK;
}

char *bal_table_place(const bal_table *table, int64_t row, char *buffer, size_t size) {
    int64_t number = table->row_number ? table->row_number[row] : row;
    if (table->row_line)
        snprintf(buffer, size, "%.400s:%" PRId64 ": row %" PRId64, table->source,
                 table->row_line[row], number + 1);
    else
        snprintf(buffer, size, "%.400s: row %" PRId64, table->source, number + 1);
    return buffer;
}

char *bal_column_place(const bal_column *column, int64_t row, char *buffer, size_t size) {
    if (!column->table) {
        snprintf(buffer, size, "column '%.80s', row %" PRId64, column->name, row + 1);
        return buffer;
    }
    char place[512];
    snprintf(buffer, size, "%s, column '%.80s'",
             bal_table_place(column->table, row, place, sizeof place), column->name);
    return buffer;
}
