/* A table: rows of numeric features plus named columns for targets, groups and time, as read from a file
 * or made by a simulator. Nothing has been learned from it yet. */
#ifndef BAL_DATA_TABLE_H
#define BAL_DATA_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "ballast/status.h"
#include "base/sink.h"

/** One column that is not a feature. Either numbers (NaN = missing) or text (NULL = missing). */
typedef struct bal_column {
    char *name;
    bool is_text;
    double *number;
    char **text; /* pointers into text_pool */
    char *text_pool;
} bal_column;

typedef struct bal_table {
    char *source;  /* where it came from, for messages: a path or "simulated:hand_landmarks" */
    int64_t rows;
    int32_t features;
    float *x;             /* [rows, features] */
    char **feature_names; /* [features]; "X[0]", … for npz arrays */
    bal_column *columns;
    int32_t n_columns;
    int64_t *row_line;    /* csv: line in the file of each row, for messages; else NULL */
} bal_table;

typedef struct bal_table_options {
    const char *kind; /* npz | csv | simulated */
    const char *path;
    const char *const *features; /* see bal_recipe_data */
    int32_t n_features;
    const char *const *columns; /* targets, group and time columns wanted */
    int32_t n_columns;
    bool columns_optional; /* prediction: targets may be absent */
    const char *const *ignore;
    int32_t n_ignore;
    const char *header, *separator, *missing; /* csv; missing also npz: error | mean (kept NaN here) */
    const char *simulator;
    int64_t simulator_samples;
    int32_t simulator_classes;
    double simulator_noise, simulator_imbalance;
    int64_t simulator_seed;
    /** Prediction: the feature names of the model, in order. Columns are matched by name when the file has
     *  a header with all of them, by position when it has none. NULL when training. */
    const char *const *expected_features;
    int32_t n_expected;
} bal_table_options;

/** Read or simulate. BAL_EDATA (also for a missing file, malformed content, a text cell among numbers
 *  with row, line and column name, duplicate header names, zero rows, unknown columns with the nearest
 *  name, NaN/Inf features unless missing is "mean"). */
BAL_WARN_UNUSED bal_status bal_table_load(const bal_table_options *options, const bal_log_sink *log,
                                          bal_table **ret_table, bal_error *err);
void bal_table_free(bal_table *table);

/** Column by name, or NULL. */
const bal_column *bal_table_column(const bal_table *table, const char *name);

/** Keep only the rows listed, ascending, in place. */
BAL_WARN_UNUSED bal_status bal_table_select(bal_table *table, const int64_t *rows, int64_t n_rows,
                                            bal_error *err);

#endif
