/* Tables from npz archives: one or more 2-d arrays of features side by side, 1-d arrays for the columns. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/table_source.h"
#include "format/npz.h"

/** What is being read; kept together because every message names the file. */
typedef struct npz_source {
    const bal_table_options *options;
    bal_npz *npz;
    const char *const *arrays; /* feature arrays */
    int32_t n_arrays;
} npz_source;

static const char *const default_array[] = {"X"};

/** Features of one array: everything after the first dimension, flattened. */
static int64_t array_width(const bal_npy_array *array) {
    int64_t width = 1;
    for (int32_t d = 1; d < array->shape.rank; d++)
        width *= array->shape.dim[d];
    return width;
}

static bal_status load(const npz_source *source, const char *name, bal_npy_array *ret_array,
                       bal_error *err) {
    return bal_table_source_failed(bal_npz_load(source->npz, name, ret_array, err),
                                   source->options->path, err);
}

static bal_status check_features(const npz_source *source, const char *name,
                                 const bal_npy_array *array, int64_t rows, bal_error *err) {
    const char *path = source->options->path;
    char shape[128];
    bal_shape_text(&array->shape, shape, sizeof shape);
    if (array->text)
        return bal_fail(err, BAL_EDATA, "%s: array '%s' holds text; features must be numbers", path,
                        name);
    if (array->shape.rank < 1 || array_width(array) < 1 || array_width(array) > INT32_MAX)
        return bal_fail(err, BAL_EDATA, "%s: array '%s' has shape %s; wanted [rows, features]", path,
                        name, shape);
    if (rows >= 0 && array->shape.dim[0] != rows)
        return bal_fail(err, BAL_EDATA, "%s: array '%s' has shape %s but another one has %lld rows",
                        path, name, shape, (long long)rows);
    return BAL_OK;
}

/** Rows and total width, before anything is allocated. */
static bal_status measure(const npz_source *source, int64_t *ret_rows, int64_t *ret_width,
                          bal_error *err) {
    int64_t rows = -1, width = 0;
    for (int32_t i = 0; i < source->n_arrays; i++) {
        bal_npy_array array;
        BAL_TRY(load(source, source->arrays[i], &array, err));
        bal_status status = check_features(source, source->arrays[i], &array, rows, err);
        if (status == BAL_OK) {
            rows = array.shape.dim[0];
            width += array_width(&array);
        }
        bal_npy_release(&array);
        if (status != BAL_OK) return status;
    }
    if (width > INT32_MAX) return bal_fail(err, BAL_EOVERFLOW, "too many features");
    *ret_rows = rows;
    *ret_width = width;
    return BAL_OK;
}

static bal_status name_features(bal_table *table, const char *array, int64_t first, int64_t width,
                                bal_error *err) {
    for (int64_t j = 0; j < width; j++) {
        char name[160];
        snprintf(name, sizeof name, "%s[%lld]", array, (long long)j);
        if (!(table->feature_names[first + j] = bal_strdup(name)))
            return bal_fail_memory(err, sizeof name);
    }
    return BAL_OK;
}

static bal_status copy_features(const npz_source *source, bal_table *table, bal_error *err) {
    int64_t first = 0;
    for (int32_t i = 0; i < source->n_arrays; i++) {
        bal_npy_array array;
        bal_tensor values = {0};
        BAL_TRY(load(source, source->arrays[i], &array, err));
        int64_t width = array_width(&array);
        bal_status status = bal_npy_to_f32(&array, &values, err);
        bal_npy_release(&array);
        BAL_TRY(bal_table_source_failed(status, source->options->path, err));
        const float *from = values.data;
        for (int64_t row = 0; row < table->rows; row++)
            memcpy(table->x + row * table->features + first, from + row * width,
                   (size_t)width * sizeof *from);
        bal_tensor_release(&values);
        BAL_TRY(name_features(table, source->arrays[i], first, width, err));
        first += width;
    }
    return BAL_OK;
}

static double number_at(const bal_tensor *tensor, int64_t row) {
    switch (tensor->dtype) {
    case BAL_F32:
        return ((const float *)tensor->data)[row];
    case BAL_F64:
        return ((const double *)tensor->data)[row];
    case BAL_I32:
        return ((const int32_t *)tensor->data)[row];
    case BAL_I64:
        return (double)((const int64_t *)tensor->data)[row];
    default:
        return ((const uint8_t *)tensor->data)[row];
    }
}

static bal_status copy_text(const bal_npy_array *array, int64_t rows, bal_column *to,
                            bal_error *err) {
    size_t size = 1;
    for (int64_t row = 0; row < rows; row++)
        size += strlen(array->text[row]) + 1;
    to->is_text = true;
    to->text = bal_calloc((size_t)rows, sizeof *to->text);
    to->text_pool = bal_calloc(size, 1);
    if (!to->text || !to->text_pool) return bal_fail_memory(err, size);
    char *at = to->text_pool;
    for (int64_t row = 0; row < rows; row++) {
        size_t length = strlen(array->text[row]) + 1;
        if (length == 1) continue; /* an empty label is a missing one */
        memcpy(at, array->text[row], length);
        to->text[row] = at;
        at += length;
    }
    return BAL_OK;
}

static bal_status copy_column(const npz_source *source, const bal_table *table, const char *name,
                              bal_column *to, bal_error *err) {
    bal_npy_array array;
    BAL_TRY(load(source, name, &array, err));
    bal_status status = BAL_OK;
    if (array_width(&array) != 1 || array.shape.rank < 1 || array.shape.dim[0] != table->rows) {
        char shape[128];
        bal_shape_text(&array.shape, shape, sizeof shape);
        status = bal_fail(err, BAL_EDATA, "%s: array '%s' has shape %s; wanted [%lld], one per row",
                          source->options->path, name, shape, (long long)table->rows);
        goto out;
    }
    if (!(to->name = bal_strdup(name))) {
        status = bal_fail_memory(err, strlen(name) + 1);
        goto out;
    }
    if (array.text) {
        status = copy_text(&array, table->rows, to, err);
        goto out;
    }
    to->number = bal_calloc((size_t)table->rows, sizeof *to->number);
    if (!to->number) status = bal_fail_memory(err, (size_t)table->rows * sizeof *to->number);
    for (int64_t row = 0; to->number && row < table->rows; row++)
        to->number[row] = number_at(&array.tensor, row);
out:
    bal_npy_release(&array);
    return status;
}

static bool is_present(const bal_npz *npz, const char *name) {
    for (size_t i = 0; i < bal_npz_count(npz); i++)
        if (strcmp(bal_npz_name(npz, i), name) == 0) return true;
    return false;
}

static bal_status fill(const npz_source *source, bal_table *table, bal_error *err) {
    const bal_table_options *options = source->options;
    int64_t rows = 0, width = 0;
    BAL_TRY(measure(source, &rows, &width, err));
    if (options->expected_features && width != options->n_expected)
        return bal_fail(err, BAL_EDATA, "%s holds %lld features per row; the model wants %d",
                        options->path, (long long)width, (int)options->n_expected);
    BAL_TRY(bal_table_allocate(table, options->path, rows, (int32_t)width, options->n_columns, err));
    BAL_TRY(copy_features(source, table, err));
    for (int32_t c = 0; c < options->n_columns; c++) {
        if (options->columns_optional && !is_present(source->npz, options->columns[c])) continue;
        BAL_TRY(copy_column(source, table, options->columns[c], &table->columns[c], err));
    }
    return BAL_OK;
}

bal_status bal_table_from_npz(const bal_table_options *options, const bal_log_sink *log,
                              bal_table *table, bal_error *err) {
    npz_source source = {
        .options = options,
        .arrays = options->n_features > 0 ? options->features : default_array,
        .n_arrays = options->n_features > 0 ? options->n_features : 1,
    };
    bal_status status = bal_npz_open(options->path, 0, &source.npz, err);
    BAL_TRY(bal_table_source_failed(status, options->path, err));
    status = fill(&source, table, err);
    bal_npz_close(source.npz);
    if (status == BAL_OK)
        bal_log_printf(log, BAL_LOG_INFO, "%s: %lld rows, %d features", options->path,
                       (long long)table->rows, (int)table->features);
    return status;
}
