/* A table: rows of numeric features plus named columns for targets, groups and time, as read from a
 * file or made by a simulator. Nothing has been learned from it yet.
 *
 * A table owns all it holds. Kinds of sources are rows of a list in table.c: csv, npz, simulated,
 * sequence.
 */
#ifndef BAL_DATA_TABLE_H
#define BAL_DATA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ballast/status.h"
#include "base/sink.h"
#include "data/series_feature.h"

typedef struct bal_table bal_table;
struct bal_series;

/** Of a sequence the column with the value that each row stands before; the only one it has. */
#define BAL_SERIES_NEXT "next"

/** One column that is not a feature. Either numbers (NaN = missing) or text (NULL = missing). */
typedef struct bal_column {
    char *name; /* NULL: optional and not there */
    bool is_text;
    double *number;
    int64_t *whole; /* [rows] of numbers too large for a double to tell apart; else NULL */
    char **text;    /* pointers into text_pool */
    char *text_pool;
    const bal_table *table; /* it belongs to, for messages; NULL: none */
} bal_column;

struct bal_table {
    char *source; /* where it came from, for messages: a path or "simulated:hand_landmarks" */
    int64_t rows;
    int32_t features;
    float *x;             /* [rows, features] */
    char **feature_names; /* [features]; "X[0]", … for npz arrays */
    bal_column *columns;  /* [n_columns], in the order they were asked for */
    int32_t n_columns;
    int64_t *row_line;   /* csv: line of the file on which each row begins, from 1; else NULL */
    int64_t *row_number; /* after bal_table_select: each row's number in the source, from 0 */
    struct bal_series *series; /* sequence: what the rows were made from, all of it; else NULL */
};

/** What to read. Strings not given are NULL or "". */
typedef struct bal_table_options {
    const char *kind; /* npz | csv | simulated | sequence */
    const char *path;
    const char *const *features; /* csv: column names, none: all but `columns` and `ignore`;
                                  * npz: array names, none: "X" */
    int32_t n_features;
    const char *const *columns; /* targets, group and time columns wanted */
    int32_t n_columns;
    bool columns_optional;     /* prediction: targets may be absent */
    const char *const *ignore; /* csv: columns that are no features (ids) */
    int32_t n_ignore;
    const char *header;    /* csv: auto | yes | no */
    const char *separator; /* csv: auto | tab | the character */
    const char *missing;   /* a feature without a value: error | mean (kept as NaN here) */
    const char *simulator; /* simulated: which; 0 or less below: its default */
    int64_t simulator_samples;
    int32_t simulator_classes;
    double simulator_noise, simulator_imbalance;
    int64_t simulator_seed; /* as it is, also 0 */
    const char *table;      /* sequence: see data/series.h for this and what follows */
    const char *series_column, *series_order;
    int32_t series_window; /* values that a row sees, at least 1 */
    const bal_series_feature *series_features;
    int32_t n_series_features;
    bool series_log;      /* lags and statistics are of logarithms */
    int32_t series_ahead; /* 1: prediction, a row behind the last value too; else 0 */
    /** Prediction: the feature names of the model, in order. csv: matched by name when the file has
     *  all of them, by position when it has no header. npz, simulated: the number must match. NULL
     *  when training. */
    const char *const *expected_features;
    int32_t n_expected;
    bool by_position; /* prediction: every column is a feature; no recipe says which are none */
} bal_table_options;

/** Read or simulate. Every number is finite, or NaN where missing is "mean".
 *  Errors  BAL_EDATA for whatever is wrong with the data: missing file, malformed content, a text
 *          cell among numbers (line, row and column named), two columns of one name, no rows,
 *          columns that are not there (with the nearest name), NaN and infinite features, a width
 *          other than expected. BAL_ERECIPE for an unknown kind or simulator. BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_table_load(const bal_table_options *options, const bal_log_sink *log,
                                          bal_table **ret_table, bal_error *err);
void bal_table_free(bal_table *table);

/** Column by name, or NULL. */
const bal_column *bal_table_column(const bal_table *table, const char *name);

/** Keep only the rows listed, ascending, in place; at least one (else BAL_EDATA). */
BAL_WARN_UNUSED bal_status bal_table_select(bal_table *table, const int64_t *rows, int64_t n_rows,
                                            bal_error *err);

/** "leaves.csv:17: row 16", counted from 1 and as in the source, for messages. Returns buffer. */
char *bal_table_place(const bal_table *table, int64_t row, char *buffer, size_t size);

/** "leaves.csv:17: row 16, column 'species'"; without a table "column 'species', row 16". */
char *bal_column_place(const bal_column *column, int64_t row, char *buffer, size_t size);

#endif
