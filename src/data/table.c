/* Tables: the parts that do not depend on where they come from. See data/table.h. */
#include "data/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/simulator.h"
#include "data/table_source.h"

bal_status bal_table_allocate(bal_table *table, const char *source, int64_t rows, int32_t features,
                              int32_t columns, bal_error *err) {
    size_t cells, bytes;
    if (rows < 1) return bal_fail(err, BAL_EDATA, "%s: no rows", source);
    if (features < 1) return bal_fail(err, BAL_EDATA, "%s: no feature columns", source);
    if (!bal_size_mul((size_t)rows, (size_t)features, &cells) ||
        !bal_size_mul(cells, sizeof(float), &bytes))
        return bal_fail(err, BAL_EOVERFLOW, "%s: %lld rows of %d features are too many", source,
                        (long long)rows, (int)features);
    table->rows = rows;
    table->features = features;
    table->source = bal_strdup(source);
    table->x = bal_calloc(cells, sizeof *table->x);
    table->feature_names = bal_calloc((size_t)features, sizeof *table->feature_names);
    table->columns = bal_calloc((size_t)columns, sizeof *table->columns);
    if (!table->source || !table->x || !table->feature_names || !table->columns)
        return bal_fail_memory(err, bytes);
    table->n_columns = columns;
    return BAL_OK;
}

bal_status bal_table_source_failed(bal_status status, const char *path, bal_error *err) {
    if (status == BAL_ENOMEM || status == BAL_OK) return status;
    if (status == BAL_ENOTFOUND && err) {
        bal_error_clear(err);
        return bal_fail(err, BAL_EDATA, "data file %s does not exist; check data.path (and "
                        "environment variables in it)", path);
    }
    if (err) err->status = BAL_EDATA;
    return BAL_EDATA;
}

static bal_status simulate(const bal_table_options *options, bal_table **ret_table,
                           bal_error *err) {
    const bal_simulator *simulator = bal_simulator_find(options->simulator);
    if (!simulator)
        return bal_fail(err, BAL_ERECIPE, "no simulator called '%s'", options->simulator);
    bal_simulator_options wanted = simulator->defaults;
    if (options->simulator_samples > 0) wanted.samples = options->simulator_samples;
    if (options->simulator_classes > 0) wanted.classes = options->simulator_classes;
    if (options->simulator_noise > 0) wanted.noise = options->simulator_noise;
    if (options->simulator_imbalance > 0) wanted.imbalance = options->simulator_imbalance;
    wanted.seed = (uint64_t)options->simulator_seed;
    return simulator->make(&wanted, ret_table, err);
}

/** Features must be finite; NaN may stay when it will be filled with the mean. */
static bal_status check_features(const bal_table *table, const char *missing, bal_error *err) {
    bool may_miss = missing && strcmp(missing, "mean") == 0;
    for (int64_t row = 0; row < table->rows; row++) {
        const float *x = table->x + row * table->features;
        for (int32_t j = 0; j < table->features; j++) {
            if (isfinite(x[j]) || (may_miss && isnan(x[j]))) continue;
            char line[48] = "";
            if (table->row_line)
                snprintf(line, sizeof line, " (line %lld)", (long long)table->row_line[row]);
            return bal_fail(err, BAL_EDATA,
                            "%s: row %lld%s, feature '%s' is %s; mend it%s", table->source,
                            (long long)row + 1, line, table->feature_names[j],
                            isnan(x[j]) ? "missing or NaN" : "infinite or too large",
                            isnan(x[j]) ? ", or set data.missing: mean" : "");
        }
    }
    return BAL_OK;
}

bal_status bal_table_load(const bal_table_options *options, const bal_log_sink *log,
                          bal_table **ret_table, bal_error *err) {
    bal_table *table = NULL;
    bal_status status;
    if (strcmp(options->kind, "simulated") == 0) {
        status = simulate(options, &table, err);
    } else if (!(table = bal_calloc(1, sizeof *table))) {
        status = bal_fail_memory(err, sizeof *table);
    } else {
        status = strcmp(options->kind, "npz") == 0 ? bal_table_from_npz(options, log, table, err)
                                                   : bal_table_from_csv(options, log, table, err);
    }
    if (status == BAL_OK) status = check_features(table, options->missing, err);
    if (status == BAL_OK)
        *ret_table = table;
    else
        bal_table_free(table);
    return status;
}

void bal_table_free(bal_table *table) {
    if (!table) return;
    for (int32_t j = 0; table->feature_names && j < table->features; j++)
        bal_free(table->feature_names[j]);
    for (int32_t c = 0; table->columns && c < table->n_columns; c++) {
        bal_free(table->columns[c].name);
        bal_free(table->columns[c].number);
        bal_free(table->columns[c].text);
        bal_free(table->columns[c].text_pool);
    }
    bal_free(table->feature_names);
    bal_free(table->columns);
    bal_free(table->source);
    bal_free(table->x);
    bal_free(table->row_line);
    bal_free(table);
}

const bal_column *bal_table_column(const bal_table *table, const char *name) {
    for (int32_t c = 0; c < table->n_columns; c++)
        if (table->columns[c].name && strcmp(table->columns[c].name, name) == 0)
            return &table->columns[c];
    return NULL;
}

static bool is_ascending(const int64_t *rows, int64_t n_rows) {
    for (int64_t i = 1; i < n_rows; i++)
        if (rows[i] <= rows[i - 1]) return false;
    return true;
}

bal_status bal_table_select(bal_table *table, const int64_t *rows, int64_t n_rows, bal_error *err) {
    if (n_rows < 1) return bal_fail(err, BAL_EDATA, "%s: no rows are left", table->source);
    if (!is_ascending(rows, n_rows))
        return bal_fail(err, BAL_EINVAL, "rows to keep must be in ascending order");
    size_t width = (size_t)table->features;
    for (int64_t i = 0; i < n_rows; i++) {
        int64_t from = rows[i];
        memmove(table->x + (size_t)i * width, table->x + (size_t)from * width,
                width * sizeof *table->x);
        if (table->row_line) table->row_line[i] = table->row_line[from];
        for (int32_t c = 0; c < table->n_columns; c++) {
            bal_column *column = &table->columns[c];
            if (column->text) column->text[i] = column->text[from];
            if (column->number) column->number[i] = column->number[from];
        }
    }
    table->rows = n_rows;
    return BAL_OK;
}
