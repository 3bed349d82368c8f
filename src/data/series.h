/* A series: numbers in order, as read from a column or made by a simulator. Gaps and texts have
 * been dealt with, so that every value is finite. */
#ifndef BAL_DATA_SERIES_H
#define BAL_DATA_SERIES_H

#include <stdint.h>

#include "base/sink.h"
#include "data/table.h"

/** How a sequence is read; part of bal_table_options. Strings not given are NULL or "". */
typedef struct bal_series_source {
    const char *path;      /* csv, csv.gz, or a SQLite database, told apart by how it begins */
    const char *table;     /* of a database; "": its only one */
    const char *column;    /* of the values */
    const char *order;     /* column to sort by; "": as they stand */
    const char *header;    /* csv: auto | yes | no */
    const char *separator; /* csv: auto | tab | the character */
    const char *missing;   /* a value that is none: error | skip | previous */
    const char *simulator; /* instead of a path: its name; "": none */
    int64_t samples;       /* of the simulator; 0: its default */
    double noise;          /* of the simulator; 0: its default */
    int64_t seed;
} bal_series_source;

typedef struct bal_series {
    char *source; /* for messages: a path or "simulated:crash_fair" */
    int64_t count;
    double *value;   /* [count] */
    int64_t *line;   /* [count] csv: of the file, from 1; else NULL */
    int64_t *number; /* [count] of the row in the source, from 0 */
    int64_t bad;     /* values that were none: left out, or replaced by the one before */
} bal_series;

/** Read or simulate.
 *  Errors  BAL_EDATA for whatever is wrong with the data: no file, malformed or damaged content, no
 *          such table or column (with the nearest), a value that is no finite number where
 *          `missing` is error (named with its place and text) or the first one where it is
 *          previous, order that is no number or comes twice, no value at all. BAL_ERECIPE for an
 *          unknown simulator. BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_series_read(const bal_series_source *source, const bal_log_sink *log,
                                           bal_series *ret_series, bal_error *err);
void bal_series_release(bal_series *series);

/** "rounds.csv:17: row 16" of a value, for messages. Returns buffer. */
char *bal_series_place(const bal_series *series, int64_t index, char *buffer, size_t size);

#endif
