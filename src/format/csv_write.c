/* Writing tables of separated values; see csv.h.
 *
 * A cell is quoted when it holds the separator, a quote or a line end, when it begins or ends with
 * a blank (other programs trim those), and when it begins with the byte order mark, which a reader
 * would skip at the start of a file. A row of one empty cell is written as "", because a blank line
 * is no row. Lines end with LF. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format/csv.h"

static char separator_of(const bal_csv_writer *writer) {
    return writer->separator ? writer->separator : ',';
}

static void put(bal_csv_writer *writer, const char *bytes, size_t size) {
    if (writer->text) bal_text_append(writer->text, bytes, size);
    if (writer->file) bal_file_writer_put(writer->file, bytes, size);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool wants_quotes(const char *cell, size_t length, char separator) {
    const char special[] = {separator, '"', '\n', '\r', '\0'};
    if (length == 0) return false;
    return strpbrk(cell, special) || is_blank(cell[0]) || is_blank(cell[length - 1]) ||
           strncmp(cell, "\xef\xbb\xbf", 3) == 0;
}

static void put_quoted(bal_csv_writer *writer, const char *cell) {
    put(writer, "\"", 1);
    for (;;) {
        const char *quote = strchr(cell, '"');
        size_t length = quote ? (size_t)(quote - cell) + 1 : strlen(cell);
        put(writer, cell, length); /* up to and with the quote, which is then doubled */
        if (!quote) break;
        put(writer, "\"", 1);
        cell = quote + 1;
    }
    put(writer, "\"", 1);
}

void bal_csv_writer_text(bal_csv_writer *writer, const char *cell) {
    char separator = separator_of(writer);
    size_t length = strlen(cell);
    if (writer->cells > 0) put(writer, &separator, 1);
    writer->blank = writer->cells == 0 && length == 0;
    writer->cells++;
    if (wants_quotes(cell, length, separator)) {
        put_quoted(writer, cell);
    } else {
        put(writer, cell, length);
    }
}

void bal_csv_writer_number(bal_csv_writer *writer, double number) {
    char digits[32];
    bal_text_format_double(number, digits);
    bal_csv_writer_text(writer, digits);
}

void bal_csv_writer_integer(bal_csv_writer *writer, int64_t number) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, number);
    bal_csv_writer_text(writer, digits);
}

void bal_csv_writer_end_row(bal_csv_writer *writer) {
    if (writer->blank) put(writer, "\"\"", 2);
    put(writer, "\n", 1);
    writer->cells = 0;
    writer->blank = false;
}
