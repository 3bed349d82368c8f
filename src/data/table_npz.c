/* Tables from npz archives: one or more arrays of features side by side, an array with one entry
 * per row for each column. See data/table.h.
 *
 * Each feature array is read once. A single float32 array, the usual case, becomes the table's
 * features without being copied. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/table_source.h"
#include "format/npz.h"

typedef struct npz_source {
    const bal_table_options *options;
    bal_npz *npz;
    const char *const *arrays; /* names of the feature arrays */
    int32_t n_arrays;
    bal_tensor *values;  /* [n_arrays] f32 */
    int64_t rows, width; /* of all of them side by side */
} npz_source;

static const char *const default_array[] = {"X"};

/** Features of one array: everything after the first dimension, flattened. */
static int64_t array_width(const bal_shape *shape) {
    int64_t width = 1;
    for (int32_t d = 1; d < shape->rank; d++)
        width *= shape->dim[d];
    return width;
}

static bal_status load(const npz_source *source, const char *name, bal_npy_array *ret_array,
                       bal_error *err) {
    return bal_table_source_failed(bal_npz_load(source->npz, name, ret_array, err),
                                   source->options->path, err);
}

/* ---- features ---- */

static bal_status check_array(npz_source *source, const char *name, const bal_npy_array *array,
                              bal_error *err) {
    const char *path = source->options->path;
    char shape[128];
    bal_shape_text(&array->shape, shape, sizeof shape);
    if (array->text)
        return bal_fail(err, BAL_EDATA, "%s: array '%s' holds text; features are numbers", path,
                        name);
    if (array->shape.rank < 1)
        return bal_fail(err, BAL_EDATA, "%s: array '%s' has shape %s; wanted [rows, features]",
                        path, name, shape);
    if (array->shape.dim[0] == 0)
        return bal_fail(err, BAL_EDATA, "%s: array '%s' has shape %s: no rows", path, name, shape);
    if (source->rows > 0 && array->shape.dim[0] != source->rows)
        return bal_fail(err, BAL_EDATA, "%s: array '%s' has shape %s but '%s' has %" PRId64 " rows",
                        path, name, shape, source->arrays[0], source->rows);
    source->rows = array->shape.dim[0];
    if (bal_i64_add(source->width, array_width(&array->shape), &source->width) &&
        source->width <= INT32_MAX)
        return BAL_OK;
    return bal_fail(err, BAL_EDATA, "%s: array '%s' of shape %s brings too many features", path,
                    name, shape);
}

/** The numbers of an array as f32, its own memory where they are that already. */
static bal_status take_numbers(bal_npy_array *array, bal_tensor *ret_values, bal_error *err) {
    if (array->tensor.dtype != BAL_F32) return bal_npy_to_f32(array, ret_values, err);
    *ret_values = array->tensor;
    array->tensor = (bal_tensor){0};
    return BAL_OK;
}

static bal_status load_features(npz_source *source, bal_error *err) {
    size_t n = (size_t)source->n_arrays;
    source->values = bal_calloc(n, sizeof *source->values);
    if (!source->values) return bal_fail_memory(err, n * sizeof *source->values);
    for (int32_t i = 0; i < source->n_arrays; i++) {
        bal_npy_array array;
        BAL_TRY(load(source, source->arrays[i], &array, err));
        bal_status status = check_array(source, source->arrays[i], &array, err);
        if (status == BAL_OK) {
            status = take_numbers(&array, &source->values[i], err);
            if (status != BAL_OK)
                bal_error_prefix(err, "%s: array '%s'", source->options->path, source->arrays[i]);
            status = bal_table_source_failed(status, source->options->path, err);
        }
        bal_npy_release(&array);
        BAL_TRY(status);
    }
    return BAL_OK;
}

static bal_status name_features(const npz_source *source, bal_table *table, bal_error *err) {
    char **name = table->feature_names;
    for (int32_t i = 0; i < source->n_arrays; i++) {
        int64_t width = array_width(&source->values[i].shape);
        size_t size = strlen(source->arrays[i]) + 24;
        for (int64_t j = 0; j < width; j++, name++) {
            if (!(*name = bal_calloc(size, 1))) return bal_fail_memory(err, size);
            snprintf(*name, size, "%s[%" PRId64 "]", source->arrays[i], j);
        }
    }
    return BAL_OK;
}

static void copy_features(const npz_source *source, bal_table *table) {
    size_t first = 0;
    for (int32_t i = 0; i < source->n_arrays; i++) {
        size_t width = (size_t)array_width(&source->values[i].shape);
        const float *from = source->values[i].data;
        for (size_t row = 0; row < (size_t)table->rows; row++)
            memcpy(table->x + row * (size_t)table->features + first, from + row * width,
                   width * sizeof *from);
        first += width;
    }
}

static bal_status fill_features(npz_source *source, bal_table *table, bal_error *err) {
    BAL_TRY(load_features(source, err));
    if (source->n_arrays == 1) {
        table->x = source->values[0].data;
        source->values[0].owned = false;
    }
    BAL_TRY(bal_table_allocate(table, source->options->path, source->rows, (int32_t)source->width,
                               source->options->n_columns, err));
    if (source->n_arrays > 1) copy_features(source, table);
    return name_features(source, table, err);
}

/* ---- columns ---- */

/** Doubles hold whole numbers up to 2^53; beyond, two labels could become one. */
static bool fits_double(int64_t number) {
    return number >= -((int64_t)1 << 53) && number <= (int64_t)1 << 53;
}

static bool convert_numbers(const bal_tensor *tensor, int64_t rows, double *to) {
    for (int64_t row = 0; row < rows; row++) {
        switch (tensor->dtype) {
        case BAL_F32:
            to[row] = ((const float *)tensor->data)[row];
            break;
        case BAL_F64:
            to[row] = ((const double *)tensor->data)[row];
            break;
        case BAL_I32:
            to[row] = ((const int32_t *)tensor->data)[row];
            break;
        case BAL_I64:
            if (!fits_double(((const int64_t *)tensor->data)[row])) return false;
            to[row] = (double)((const int64_t *)tensor->data)[row];
            break;
        default:
            to[row] = ((const uint8_t *)tensor->data)[row];
        }
    }
    return true;
}

static bal_status copy_numbers(const npz_source *source, const bal_npy_array *array, bal_column *to,
                               bal_error *err) {
    size_t rows = (size_t)source->rows;
    if (!(to->number = bal_calloc(rows, sizeof *to->number)))
        return bal_fail_memory(err, rows * sizeof *to->number);
    if (convert_numbers(&array->tensor, source->rows, to->number)) return BAL_OK;
    return bal_fail(err, BAL_EDATA,
                    "%s: array '%s' holds whole numbers beyond 2^53, which cannot be told apart "
                    "exactly; save them as text",
                    source->options->path, to->name);
}

static bal_status copy_column(const npz_source *source, const char *name, bal_column *to,
                              bal_error *err) {
    bal_npy_array array;
    BAL_TRY(load(source, name, &array, err));
    bal_status status;
    if (array.shape.rank < 1 || array.shape.dim[0] != source->rows ||
        array_width(&array.shape) != 1) {
        char shape[128];
        status = bal_fail(err, BAL_EDATA,
                          "%s: array '%s' has shape %s; wanted [%" PRId64 "], one entry per row",
                          source->options->path, name,
                          bal_shape_text(&array.shape, shape, sizeof shape), source->rows);
    } else if (!(to->name = bal_strdup(name))) {
        status = bal_fail_memory(err, strlen(name) + 1);
    } else {
        status = array.text
                     ? bal_column_set_text(to, (const char *const *)array.text, source->rows, err)
                     : copy_numbers(source, &array, to, err);
    }
    bal_npy_release(&array);
    return status;
}

static bool is_present(const bal_npz *npz, const char *name) {
    for (size_t i = 0; i < bal_npz_count(npz); i++)
        if (strcmp(bal_npz_name(npz, i), name) == 0) return true;
    return false;
}

static bal_status fill_columns(const npz_source *source, bal_table *table, bal_error *err) {
    const bal_table_options *options = source->options;
    for (int32_t c = 0; c < options->n_columns; c++) {
        if (options->columns_optional && !is_present(source->npz, options->columns[c])) continue;
        BAL_TRY(copy_column(source, options->columns[c], &table->columns[c], err));
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
    status = fill_features(&source, table, err);
    if (status == BAL_OK) status = fill_columns(&source, table, err);
    for (int32_t i = 0; source.values && i < source.n_arrays; i++)
        bal_tensor_release(&source.values[i]);
    bal_free(source.values);
    bal_npz_close(source.npz);
    if (status == BAL_OK)
        bal_log_printf(log, BAL_LOG_INFO, "%s: %" PRId64 " rows, %d features", options->path,
                       table->rows, (int)table->features);
    return status;
}
