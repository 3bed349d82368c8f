/* Tables of separated values: reading with types found out, writing with the right quotes.
 *
 * RFC 4180 as files in the wild have it: separator , ; tab or |, line ends LF, CRLF or CR, a byte
 * order mark, gzip, quoted cells with "" and line breaks inside, blank lines (skipped). What is not
 * a table is refused with file and line: rows of different length, an unclosed quote, NUL bytes,
 * text that is not UTF-8, two columns of one name.
 *
 * A bal_csv owns everything it hands out: one buffer with the text of all cells and one array of
 * doubles per numeric column. A column is numeric when each of its cells is a number or missing.
 * Rows and columns are counted from 0 in calls, from 1 in messages. */
#ifndef BAL_FORMAT_CSV_H
#define BAL_FORMAT_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ballast/status.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"

typedef enum bal_csv_header {
    BAL_CSV_HEADER_AUTO,
    BAL_CSV_HEADER_YES,
    BAL_CSV_HEADER_NO
} bal_csv_header;

/** How to read; a zeroed structure asks for the defaults. */
typedef struct bal_csv_options {
    char separator;             /* 0: find out among , ; tab | */
    bal_csv_header header;      /* AUTO: see bal_csv.has_header */
    const char *const *missing; /* NULL-terminated words that mean "no value", in any case; NULL:
                                 * NA, N/A, nan, null and ?. An empty cell always means it. */
    size_t max_bytes;           /* of text, after decompression; 0: 4 GiB */
    /** Names that a header is known to have: with AUTO, a first row that holds them all is one,
     * whatever it looks like. */
    const char *const *expected;
    size_t n_expected;
} bal_csv_options;

typedef struct bal_csv_column {
    const char *name;
    double *numbers; /* [rows], NaN where missing; NULL when the column is text */
    size_t missing;  /* cells without a value */
    size_t texts;    /* cells that are neither missing nor a number */
    size_t text_row; /* the first of them, when texts > 0 */
} bal_csv_column;

typedef struct bal_csv {
    char *name; /* of the file, for messages */
    char separator;
    /** Whether the first row gave the names; otherwise they are c1, c2, … When asked to find out,
     * it did if it has text above a column of numbers (and its own numbers are fewer, or count up
     * by one like 1,2,3), or if the table is all text and no cell of it begins with a digit or
     * comes again below. */
    bool has_header;
    size_t rows; /* without the header */
    size_t columns;
    bal_csv_column *column; /* [columns] */
    size_t blank_lines;     /* skipped */

    /* What follows is for csv*.c only. */
    char *buffer;
    struct bal_csv_row *row; /* [rows], the header before it */
    uint32_t *cell;          /* [rows, columns] offsets from the start of the row, header first */
    const struct bal_csv_words *missing;
    bal_arena arena;
} bal_csv;

/** Read a table from a file, plain or gzip.
 *  Errors  BAL_ENOTFOUND, BAL_EIO; BAL_EFORMAT not a table; BAL_EDATA two columns of one name. */
BAL_WARN_UNUSED bal_status bal_csv_read(const char *path, const bal_csv_options *options,
                                        bal_csv *ret_csv, bal_error *err);

/** Read a table from memory (copied), plain or gzip; `name` stands for the file in messages. */
BAL_WARN_UNUSED bal_status bal_csv_parse(const char *bytes, size_t size, const char *name,
                                         const bal_csv_options *options, bal_csv *ret_csv,
                                         bal_error *err);

void bal_csv_release(bal_csv *csv);

/** The text of a cell, quotes undone; valid until release. */
const char *bal_csv_text(const bal_csv *csv, size_t row, size_t column);

/** The number in a cell, also in a text column; NaN when missing or not a number. */
double bal_csv_number(const bal_csv *csv, size_t row, size_t column);

/** Whether a cell has no value: empty, blank or one of the words for it. */
bool bal_csv_missing(const bal_csv *csv, size_t row, size_t column);

/** Line of the file, from 1, on which a row begins. */
uint64_t bal_csv_line(const bal_csv *csv, size_t row);

/** "FILE:LINE: row R, column 'NAME'" into buffer, for messages about a cell. Returns buffer. */
char *bal_csv_place(const bal_csv *csv, size_t row, size_t column, char *buffer, size_t size);

/** The text of a cell fit for a message: cut to about 40 bytes, control characters escaped. */
char *bal_csv_excerpt(const bal_csv *csv, size_t row, size_t column, char buffer[64]);

/** Whether a cell is a number but for its decimal comma, as in "1,5". */
bool bal_csv_decimal_comma(const bal_csv *csv, size_t row, size_t column);

/** A column by its name; BAL_EDATA with the nearest name when there is none. */
BAL_WARN_UNUSED bal_status bal_csv_find(const bal_csv *csv, const char *name, size_t *ret_column,
                                        bal_error *err);

/** The numbers [rows] of a column; BAL_EDATA naming the first text cell when it is not numeric. */
BAL_WARN_UNUSED bal_status bal_csv_numbers(const bal_csv *csv, size_t column,
                                           const double **ret_numbers, bal_error *err);

/** A table being written, cell by cell, to one of two sinks. It needs no closing: failures stick to
 *  the sink and are reported there (bal_text_failed, bal_file_writer_commit). */
typedef struct bal_csv_writer {
    bal_text *text; /* one of these two */
    bal_file_writer *file;
    char separator; /* 0: comma */
    size_t cells;   /* in the row begun */
    bool blank;     /* the row so far is one empty cell, not written yet */
} bal_csv_writer;

/** Append a cell; quoted where reading it back would otherwise change it. */
void bal_csv_writer_text(bal_csv_writer *writer, const char *cell);
/** The shortest digits that read back as the same double; nan, inf and -inf as such. */
void bal_csv_writer_number(bal_csv_writer *writer, double number);
void bal_csv_writer_integer(bal_csv_writer *writer, int64_t number);
void bal_csv_writer_end_row(bal_csv_writer *writer);

#endif
