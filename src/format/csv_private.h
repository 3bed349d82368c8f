/* What csv.c and csv_detect.c share: the layout of cells and the guesses made about a file. */
#ifndef BAL_FORMAT_CSV_PRIVATE_H
#define BAL_FORMAT_CSV_PRIVATE_H

#include "format/csv.h"

typedef struct bal_csv_row {
    uint64_t start; /* offset of its first cell in the buffer */
    uint64_t line;  /* from 1 */
} bal_csv_row;

typedef struct bal_csv_words {
    const char **words; /* NULL-terminated */
    bool first[256];    /* bytes that some word begins with, either case */
} bal_csv_words;

typedef enum bal_csv_kind { BAL_CSV_MISSING, BAL_CSV_NUMBER, BAL_CSV_TEXT } bal_csv_kind;

/** What the NUL-terminated text of a cell is; its value goes to ret_number (NaN unless a number).
 */
bal_csv_kind bal_csv_classify(const bal_csv_words *missing, const char *cell, double *ret_number);

/** Text of a cell by its record, where record 0 is the header if there is one. */
static inline const char *bal_csv_record_text(const bal_csv *csv, size_t record, size_t column) {
    return csv->buffer + csv->row[record].start + csv->cell[record * csv->columns + column];
}

/** The separator that best fits the first part of a file: see csv_detect.c. */
char bal_csv_detect_separator(const char *text, size_t size);

/** Whether the first of `records` records holds all of n names. */
bool bal_csv_first_row_names(const bal_csv *csv, size_t records, const char *const *names,
                             size_t n);

/** Whether the first of `records` records, all still in csv, reads as names: see
 * bal_csv.has_header. */
bool bal_csv_detect_header(const bal_csv *csv, size_t records);

#endif
