/* Tables from series: a row before every value that has a whole window of values before it, with
 * the value itself as its column "next". See data/table.h.
 *
 * For prediction there is one row more, behind the last value: the one that is asked about. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/series.h"
#include "data/series_compute.h"
#include "data/table_source.h"

static bal_status take_logarithms(const bal_series *series, double **ret_scaled, bal_error *err) {
    double *scaled = bal_calloc((size_t)series->count, sizeof *scaled);
    if (!scaled) return bal_fail_memory(err, (size_t)series->count * sizeof *scaled);
    for (int64_t i = 0; i < series->count; i++) {
        scaled[i] = log(series->value[i]);
        if (series->value[i] > 0) continue;
        char place[512];
        bal_free(scaled);
        return bal_fail(err, BAL_EDATA,
                        "%s: %g has no logarithm; take `log` out of data.features, or leave the "
                        "value out of the series",
                        bal_series_place(series, i, place, sizeof place), series->value[i]);
    }
    *ret_scaled = scaled;
    return BAL_OK;
}

static bal_status compute_features(const bal_table_options *options, const bal_series *series,
                                   bal_table *table, bal_error *err) {
    double *logarithms = NULL;
    if (options->series_log) BAL_TRY(take_logarithms(series, &logarithms, err));
    const bal_series_values values = {
        .value = series->value,
        .scaled = logarithms ? logarithms : series->value,
        .count = series->count,
        .window = options->series_window,
    };
    bal_status status = BAL_OK;
    for (int32_t j = 0; j < table->features && status == BAL_OK; j++) {
        const bal_series_feature *feature = &options->series_features[j];
        if (!(table->feature_names[j] = bal_strdup(feature->name)))
            status = bal_fail_memory(err, strlen(feature->name) + 1);
        else
            status = bal_series_compute(&values, feature, table->rows, table->x + j,
                                        table->features, err);
    }
    bal_free(logarithms);
    return status;
}

/* A value that no feature can hold shows in the rows behind it, which are not to blame: name where
 * it stands. */
static bal_status check_values(const bal_table_options *options, const bal_series *series,
                               const bal_table *table, bal_error *err) {
    for (int64_t row = 0; row < table->rows; row++) {
        const float *x = table->x + row * table->features;
        int32_t j = 0;
        while (j < table->features && isfinite(x[j]))
            j++;
        if (j == table->features) continue;
        for (int64_t t = row; t < row + options->series_window; t++) {
            char place[512];
            if (fabs(series->value[t]) <= (double)FLT_MAX) continue;
            return bal_fail(err, BAL_EDATA,
                            "%s: %g is too large for the 32-bit numbers of feature '%s'; correct "
                            "it, leave it out of the series, or add `log` to data.features",
                            bal_series_place(series, t, place, sizeof place), series->value[t],
                            table->feature_names[j]);
        }
    }
    return BAL_OK;
}

/* Each row stands where its value stands; the one behind the last, one further. */
static bal_status fill_rows(const bal_series *series, int32_t window, bal_table *table,
                            bal_error *err) {
    size_t rows = (size_t)table->rows;
    bal_column *next = &table->columns[0];
    next->name = bal_strdup(BAL_SERIES_NEXT);
    next->number = bal_calloc(rows, sizeof *next->number);
    table->row_number = bal_calloc(rows, sizeof *table->row_number);
    if (series->line) table->row_line = bal_calloc(rows, sizeof *table->row_line);
    if (!next->name || !next->number || !table->row_number || (series->line && !table->row_line))
        return bal_fail_memory(err, rows * sizeof *next->number);
    for (int64_t row = 0; row < table->rows; row++) {
        int64_t t = window + row, known = t < series->count ? t : series->count - 1;
        next->number[row] = t < series->count ? series->value[t] : NAN;
        table->row_number[row] = series->number[known] + (t - known);
        if (series->line) table->row_line[row] = series->line[known] + (t - known);
    }
    return BAL_OK;
}

static bal_status fill_table(const bal_table_options *options, const bal_series *series,
                             bal_table *table, bal_error *err) {
    int64_t rows = series->count - options->series_window + options->series_ahead;
    if (rows < 1)
        return bal_fail(err, BAL_EDATA,
                        "%s: a series of %" PRId64 " values has no row with a window of %d values "
                        "before it; make data.window smaller",
                        series->source, series->count, (int)options->series_window);
    BAL_TRY(bal_table_allocate(table, series->source, rows, options->n_series_features, 1, err));
    BAL_TRY(fill_rows(series, options->series_window, table, err));
    BAL_TRY(compute_features(options, series, table, err));
    return check_values(options, series, table, err);
}

bal_status bal_table_from_sequence(const bal_table_options *options, const bal_log_sink *log,
                                   bal_table *table, bal_error *err) {
    const bal_series_source source = {
        .path = options->path,
        .table = options->table,
        .column = options->series_column,
        .order = options->series_order,
        .header = options->header,
        .separator = options->separator,
        .missing = options->missing,
        .simulator = options->simulator,
        .samples = options->simulator_samples,
        .noise = options->simulator_noise,
        .seed = options->simulator_seed,
    };
    bal_series *series = bal_calloc(1, sizeof *series);
    if (!series) return bal_fail_memory(err, sizeof *series);
    table->series = series; /* of the table from here on, also when reading fails */
    BAL_TRY(bal_series_read(&source, log, series, err));
    return fill_table(options, series, table, err);
}
