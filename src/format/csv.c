/* Reading tables of separated values (RFC 4180 and what files make of it); see csv.h.
 *
 * The file is read whole into one buffer and cut up in place: a NUL replaces the character that
 * ends a cell, quotes are undone towards the left, and an offset of 4 bytes per cell is kept. Then
 * a pass over the cells in file order finds out the types and fills the arrays of the numeric
 * columns. Text stays where it is, so that a message can quote any cell. */
#include "format/csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/csv_private.h"
#include "format/gunzip.h"

enum { COLUMNS_MAX = 1 << 20, EXCERPT_BYTES = 40 };

static const size_t max_bytes_default = sizeof(size_t) > 4 ? (size_t)1 << 32 : SIZE_MAX - 1;

/* --- what a cell is --- */

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* ASCII only and in every locale the same, unlike tolower. */
static unsigned char fold_case(char c) {
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool same_word(const char *word, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (fold_case(word[i]) != fold_case(text[i])) return false;
    }
    return word[length] == '\0';
}

bal_csv_kind bal_csv_classify(const bal_csv_words *missing, const char *cell, double *ret_number) {
    *ret_number = NAN;
    while (is_blank(*cell))
        cell++;
    size_t length = strlen(cell);
    while (length > 0 && is_blank(cell[length - 1]))
        length--;
    if (length == 0) return BAL_CSV_MISSING;
    if (missing->first[(unsigned char)*cell]) {
        for (const char **word = missing->words; *word; word++) {
            if (same_word(*word, cell, length)) return BAL_CSV_MISSING;
        }
    }
    return bal_text_parse_double(cell, length, ret_number) ? BAL_CSV_NUMBER : BAL_CSV_TEXT;
}

static bal_status copy_missing(bal_csv *csv, const char *const *words, bal_error *err) {
    static const char *const usual[] = {"NA", "N/A", "nan", "null", "?", NULL};
    size_t count = 0;
    if (!words) words = usual;
    while (words[count])
        count++;
    bal_csv_words *copy = bal_arena_alloc(&csv->arena, 1, sizeof *copy);
    const char **list = bal_arena_alloc(&csv->arena, count + 1, sizeof *list);
    if (!copy || !list) return bal_fail_memory(err, sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        list[i] = bal_arena_strdup(&csv->arena, words[i]);
        if (!list[i]) return bal_fail_memory(err, strlen(words[i]));
    }
    for (int c = 0; c < 256; c++) {
        for (size_t i = 0; i < count; i++)
            copy->first[c] |= fold_case((char)c) == fold_case(*words[i]);
    }
    copy->words = list;
    csv->missing = copy;
    return BAL_OK;
}

/* --- from bytes to cells --- */

typedef struct scanner {
    bal_csv *csv;
    char *at, *end; /* *end is NUL */
    uint64_t line;
    bool stops[256]; /* bytes that end a cell outside quotes */
    size_t row_capacity, cell_capacity;
    size_t records, cells;
} scanner;

/* Step over a line end; LF, CR and CRLF are one each. */
static char *skip_line_end(scanner *scan, char *at) {
    scan->line++;
    return at + (at[0] == '\r' && at[1] == '\n' ? 2 : 1);
}

static bal_status fail_quote(const scanner *scan, uint64_t line, bal_error *err) {
    return bal_fail(err, BAL_EFORMAT,
                    "%s:%" PRIu64 ": a quote opens here and is never closed; close it, or double "
                    "quotes that are part of the text",
                    scan->csv->name, line);
}

/* A cell in quotes: move its text one to the left, pairs of quotes becoming one, and end it with a
 * NUL. Leaves `at` on the character that ends the cell. */
static bal_status scan_quoted(scanner *scan, bal_error *err) {
    uint64_t first_line = scan->line;
    char *to = scan->at, *from = scan->at + 1;
    for (;;) {
        char c = *from;
        if (c == '"') {
            if (from[1] != '"') break;
            *to++ = '"';
            from += 2;
        } else if (c == '\n' || c == '\r') {
            char *next = skip_line_end(scan, from);
            while (from < next)
                *to++ = *from++;
        } else if (from == scan->end) {
            return fail_quote(scan, first_line, err);
        } else {
            *to++ = c;
            from++;
        }
    }
    from++;
    while (is_blank(*from) && *from != scan->csv->separator)
        from++;
    if (!scan->stops[(unsigned char)*from]) {
        return bal_fail(err, BAL_EFORMAT,
                        "%s:%" PRIu64 ": text follows a closing quote; double quotes that are part "
                        "of the text (\"\"), or is the separator not '%c'?",
                        scan->csv->name, scan->line, scan->csv->separator);
    }
    *to = '\0';
    scan->at = from;
    return BAL_OK;
}

/* Remember where a cell of the record begins. The first record sets the number of columns; cells
 * beyond it are only counted. */
static bal_status add_cell(scanner *scan, size_t index, size_t offset, bal_error *err) {
    bal_csv *csv = scan->csv;
    if (scan->records > 0 && index >= csv->columns) return BAL_OK;
    if (offset > UINT32_MAX) {
        return bal_fail(err, BAL_EFORMAT,
                        "%s:%" PRIu64 ": a row of more than 4 GiB; is a quote not closed?",
                        csv->name, csv->row[scan->records].line);
    }
    if (scan->cells == scan->cell_capacity &&
        !bal_reserve(csv->cell, scan->cell_capacity, scan->cells + 1))
        return bal_fail_memory(err, scan->cells * sizeof *csv->cell);
    csv->cell[scan->cells++] = (uint32_t)offset;
    return BAL_OK;
}

static bal_status check_width(scanner *scan, size_t found, bal_error *err) {
    bal_csv *csv = scan->csv;
    if (scan->records == 0) {
        if (found > COLUMNS_MAX) {
            return bal_fail(err, BAL_EFORMAT, "%s: %zu columns, at most %d are possible", csv->name,
                            found, COLUMNS_MAX);
        }
        csv->columns = found;
        return BAL_OK;
    }
    if (found == csv->columns) return BAL_OK;
    return bal_fail(
        err, BAL_EFORMAT,
        "%s:%" PRIu64 ": wanted %zu cells, as on line %" PRIu64
        ", found %zu; complete the row, quote cells that hold the separator (%s), or is "
        "the separator another?",
        csv->name, csv->row[scan->records].line, csv->columns, csv->row[0].line, found,
        csv->separator == '\t' ? "tab" : (char[]){csv->separator, '\0'});
}

/* One record, from its first cell to behind its line end. */
static bal_status scan_record(scanner *scan, bal_error *err) {
    bal_csv *csv = scan->csv;
    char *start = scan->at;
    if (scan->records == scan->row_capacity &&
        !bal_reserve(csv->row, scan->row_capacity, scan->records + 1))
        return bal_fail_memory(err, scan->records * sizeof *csv->row);
    csv->row[scan->records] = (bal_csv_row){(uint64_t)(start - csv->buffer), scan->line};

    for (size_t index = 0;; index++) {
        BAL_TRY(add_cell(scan, index, (size_t)(scan->at - start), err));
        char *at = scan->at;
        if (*at == '"') {
            BAL_TRY(scan_quoted(scan, err));
            at = scan->at;
        } else {
            while (!scan->stops[(unsigned char)*at])
                at++;
        }
        char stop = *at;
        bool ended = stop != csv->separator;
        scan->at = !ended ? at + 1 : at < scan->end ? skip_line_end(scan, at) : at;
        *at = '\0';
        if (ended) {
            BAL_TRY(check_width(scan, index + 1, err));
            scan->records++;
            return BAL_OK;
        }
    }
}

/* Step over a line without any text; false when it has some. */
static bool skip_blank_line(scanner *scan) {
    char *at = scan->at;
    while (is_blank(*at) && *at != scan->csv->separator)
        at++;
    if (at == scan->end) {
        scan->at = at;
        return true;
    }
    if (*at != '\n' && *at != '\r') return false;
    scan->at = skip_line_end(scan, at);
    scan->csv->blank_lines++;
    return true;
}

static bal_status scan_records(bal_csv *csv, char *text, size_t size, size_t *ret_records,
                               bal_error *err) {
    scanner scan = {.csv = csv, .at = text, .end = text + size, .line = 1};
    scan.stops[0] = scan.stops['\n'] = scan.stops['\r'] = true;
    scan.stops[(unsigned char)csv->separator] = true;
    while (scan.at < scan.end) {
        if (!skip_blank_line(&scan)) BAL_TRY(scan_record(&scan, err));
    }
    if (scan.records == 0) {
        return bal_fail(err, BAL_EFORMAT, "%s: wanted a table, found an empty file", csv->name);
    }
    *ret_records = scan.records;
    return BAL_OK;
}

/* --- from cells to columns --- */

static const char *column_name(bal_csv *csv, size_t column) {
    const char *text = csv->has_header ? bal_csv_record_text(csv, 0, column) : "";
    while (is_blank(*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && is_blank(text[length - 1]))
        length--;
    if (length == 0) return bal_arena_printf(&csv->arena, "c%zu", column + 1);
    return bal_arena_strndup(&csv->arena, text, length);
}

typedef struct named {
    const char *name;
    size_t column;
} named;

static int compare_names(const void *a, const void *b) {
    const named *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : (left->column > right->column) - (left->column < right->column);
}

static bal_status check_names(const bal_csv *csv, bal_error *err) {
    named *sorted = bal_calloc(csv->columns, sizeof *sorted);
    if (!sorted) return bal_fail_memory(err, csv->columns * sizeof *sorted);
    for (size_t c = 0; c < csv->columns; c++)
        sorted[c] = (named){csv->column[c].name, c};
    qsort(sorted, csv->columns, sizeof *sorted, compare_names);
    bal_status status = BAL_OK;
    for (size_t i = 1; i < csv->columns && status == BAL_OK; i++) {
        if (strcmp(sorted[i - 1].name, sorted[i].name) != 0) continue;
        status = bal_fail(err, BAL_EDATA,
                          "%s:%" PRIu64 ": columns %zu and %zu are both named '%.*s'; rename one",
                          csv->name, csv->row[0].line, sorted[i - 1].column + 1,
                          sorted[i].column + 1, EXCERPT_BYTES, sorted[i].name);
    }
    bal_free(sorted);
    return status;
}

static bal_status make_columns(bal_csv *csv, bal_error *err) {
    csv->column = bal_calloc(csv->columns, sizeof *csv->column);
    if (!csv->column) return bal_fail_memory(err, csv->columns * sizeof *csv->column);
    for (size_t c = 0; c < csv->columns; c++) {
        csv->column[c].name = column_name(csv, c);
        csv->column[c].numbers = bal_calloc(csv->rows, sizeof(double)); /* untouched until used */
        if (!csv->column[c].name || !csv->column[c].numbers)
            return bal_fail_memory(err, csv->rows * sizeof(double));
    }
    return check_names(csv, err);
}

static void add_value(const bal_csv *csv, bal_csv_column *column, size_t row, const char *cell) {
    double number;
    bal_csv_kind kind = bal_csv_classify(csv->missing, cell, &number);
    if (kind == BAL_CSV_TEXT) {
        if (column->texts++ > 0) return;
        column->text_row = row;
        bal_free(column->numbers);
        column->numbers = NULL;
        return;
    }
    column->missing += kind == BAL_CSV_MISSING;
    if (column->numbers) column->numbers[row] = number;
}

/* In file order, which is the order of the text in memory. */
static void fill_columns(bal_csv *csv) {
    for (size_t row = 0; row < csv->rows; row++) {
        size_t record = row + csv->has_header;
        const char *text = csv->buffer + csv->row[record].start;
        const uint32_t *cell = csv->cell + record * csv->columns;
        for (size_t c = 0; c < csv->columns; c++)
            add_value(csv, &csv->column[c], row, text + cell[c]);
    }
}

/* --- the whole --- */

static uint64_t line_of(const char *bytes, size_t position) {
    uint64_t line = 1;
    for (size_t i = 0; i < position; i++) {
        line += bytes[i] == '\n' || (bytes[i] == '\r' && bytes[i + 1] != '\n');
    }
    return line;
}

static size_t ascii_prefix(const char *bytes, size_t size) {
    size_t at = 0;
    for (uint64_t word; size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        if (word & UINT64_C(0x8080808080808080)) break;
    }
    return at;
}

/* Refuse what cannot be text: every cell may end up in a message, a plot or a JSON file. */
static bal_status check_text(const char *name, const char *bytes, size_t size, bal_error *err) {
    if (size >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0)) {
        return bal_fail(err, BAL_EFORMAT, "%s: the text is UTF-16; save it as UTF-8", name);
    }
    const char *nul = memchr(bytes, '\0', size);
    if (nul) {
        size_t position = (size_t)(nul - bytes);
        return bal_fail(err, BAL_EFORMAT,
                        "%s:%" PRIu64 ": NUL byte at offset %zu; this is not a text file", name,
                        line_of(bytes, position), position);
    }
    size_t position = ascii_prefix(bytes, size);
    position += bal_text_utf8_valid(bytes + position, size - position);
    if (position == size) return BAL_OK;
    return bal_fail(err, BAL_EFORMAT,
                    "%s:%" PRIu64
                    ": byte 0x%02X at offset %zu is not UTF-8; save the file as UTF-8 "
                    "(for Western files: iconv -f latin1 -t utf-8)",
                    name, line_of(bytes, position), (unsigned char)bytes[position], position);
}

static bal_status check_options(const bal_csv_options *options, bal_error *err) {
    char c = options->separator;
    if (c == '"' || c == '\n' || c == '\r' || (unsigned char)c >= 0x80) {
        return bal_fail(
            err, BAL_EINVAL,
            "wanted an ASCII character as separator, found byte 0x%02X; usual are comma, "
            "semicolon, tab and |",
            (unsigned char)c);
    }
    return BAL_OK;
}

/* Everything after csv->buffer is filled; on failure the caller releases. */
static bal_status load(bal_csv *csv, size_t size, const bal_csv_options *options, bal_error *err) {
    char *text = csv->buffer;
    BAL_TRY(check_text(csv->name, text, size, err));
    BAL_TRY(copy_missing(csv, options->missing, err));
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    csv->separator = options->separator;
    if (!csv->separator) csv->separator = bal_csv_detect_separator(text, size);

    size_t records = 0;
    BAL_TRY(scan_records(csv, text, size, &records, err));
    csv->has_header = options->header == BAL_CSV_HEADER_YES;
    if (options->header == BAL_CSV_HEADER_AUTO)
        csv->has_header =
            bal_csv_first_row_names(csv, records, options->expected, options->n_expected) ||
            bal_csv_detect_header(csv, records);
    csv->rows = records - csv->has_header;
    BAL_TRY(make_columns(csv, err));
    fill_columns(csv);
    return BAL_OK;
}

/* Takes over `bytes`, which has a NUL behind it. */
static bal_status load_owned(char *bytes, size_t size, const char *name,
                             const bal_csv_options *options, bal_csv *ret_csv, bal_error *err) {
    size_t max_bytes = options->max_bytes ? options->max_bytes : max_bytes_default;
    bal_csv csv = {.buffer = bytes, .name = bal_strdup(name)};
    bal_status status = BAL_OK;
    if (!csv.name) BAL_TRY_OUT(bal_fail_memory(err, strlen(name)));
    if (bal_gunzip_wanted(bytes, size)) {
        BAL_TRY_OUT(bal_gunzip(bytes, size, max_bytes, name, &csv.buffer, &size, err));
        bal_free(bytes);
    }
    BAL_TRY_OUT(load(&csv, size, options, err));
    *ret_csv = csv;
    return BAL_OK;
out:
    bal_csv_release(&csv);
    return status;
}

bal_status bal_csv_read(const char *path, const bal_csv_options *options, bal_csv *ret_csv,
                        bal_error *err) {
    static const bal_csv_options defaults;
    if (!options) options = &defaults;
    char *bytes;
    size_t size;
    BAL_TRY(check_options(options, err));
    BAL_TRY(bal_file_read(path, options->max_bytes ? options->max_bytes : max_bytes_default, &bytes,
                          &size, err));
    return load_owned(bytes, size, path, options, ret_csv, err);
}

bal_status bal_csv_parse(const char *bytes, size_t size, const char *name,
                         const bal_csv_options *options, bal_csv *ret_csv, bal_error *err) {
    static const bal_csv_options defaults;
    if (!options) options = &defaults;
    BAL_TRY(check_options(options, err));
    if (size > (options->max_bytes ? options->max_bytes : max_bytes_default)) {
        return bal_fail(err, BAL_EFORMAT,
                        "%s: holds more than %zu bytes; raise the limit or split it", name,
                        options->max_bytes ? options->max_bytes : max_bytes_default);
    }
    char *copy = bal_strndup(bytes, size);
    if (!copy) return bal_fail_memory(err, size);
    return load_owned(copy, size, name, options, ret_csv, err);
}

void bal_csv_release(bal_csv *csv) {
    if (!csv) return;
    for (size_t c = 0; csv->column && c < csv->columns; c++)
        bal_free(csv->column[c].numbers);
    bal_free(csv->column);
    bal_free(csv->cell);
    bal_free(csv->row);
    bal_free(csv->buffer);
    bal_free(csv->name);
    bal_arena_release(&csv->arena);
    *csv = (bal_csv){0};
}

/* --- asking --- */

const char *bal_csv_text(const bal_csv *csv, size_t row, size_t column) {
    return bal_csv_record_text(csv, row + csv->has_header, column);
}

double bal_csv_number(const bal_csv *csv, size_t row, size_t column) {
    double number;
    if (csv->column[column].numbers) return csv->column[column].numbers[row];
    (void)bal_csv_classify(csv->missing, bal_csv_text(csv, row, column), &number);
    return number;
}

bool bal_csv_missing(const bal_csv *csv, size_t row, size_t column) {
    double number;
    const char *cell = bal_csv_text(csv, row, column);
    return bal_csv_classify(csv->missing, cell, &number) == BAL_CSV_MISSING;
}

uint64_t bal_csv_line(const bal_csv *csv, size_t row) {
    return csv->row[row + csv->has_header].line;
}

char *bal_csv_place(const bal_csv *csv, size_t row, size_t column, char *buffer, size_t size) {
    snprintf(buffer, size, "%s:%" PRIu64 ": row %zu, column '%s'", csv->name,
             bal_csv_line(csv, row), row + 1, csv->column[column].name);
    return buffer;
}

char *bal_csv_excerpt(const bal_csv *csv, size_t row, size_t column, char buffer[64]) {
    const char *cell = bal_csv_text(csv, row, column);
    size_t length = strlen(cell), used = 0;
    size_t kept = length;
    if (length > EXCERPT_BYTES) kept = bal_text_utf8_valid(cell, EXCERPT_BYTES);
    for (size_t i = 0; i < kept; i++) {
        unsigned char c = (unsigned char)cell[i];
        buffer[used++] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    memcpy(buffer + used, kept < length ? "\u2026" : "", kept < length ? 4 : 1);
    return buffer;
}

/* The name most like the wanted one, or NULL (also when memory for the list is short). */
static const char *nearest_name(const bal_csv *csv, const char *name) {
    const char **names = bal_calloc(csv->columns + 1, sizeof *names);
    if (!names) return NULL;
    for (size_t c = 0; c < csv->columns; c++)
        names[c] = csv->column[c].name;
    const char *nearest = bal_text_nearest(name, names);
    bal_free(names);
    return nearest;
}

bal_status bal_csv_find(const bal_csv *csv, const char *name, size_t *ret_column, bal_error *err) {
    for (size_t c = 0; c < csv->columns; c++) {
        if (strcmp(csv->column[c].name, name) != 0) continue;
        *ret_column = c;
        return BAL_OK;
    }
    const char *nearest = nearest_name(csv, name);
    if (nearest) {
        return bal_fail(err, BAL_EDATA, "%s: no column '%s'; did you mean '%s'?", csv->name, name,
                        nearest);
    }
    return bal_fail(err, BAL_EDATA, "%s: no column '%s' among the %zu from '%s' to '%s'%s",
                    csv->name, name, csv->columns, csv->column[0].name,
                    csv->column[csv->columns - 1].name,
                    csv->has_header ? "" : "; the file was read as one without a header");
}

bool bal_csv_decimal_comma(const bal_csv *csv, size_t row, size_t column) {
    char point[64];
    double number;
    bal_csv_excerpt(csv, row, column, point);
    char *comma = strchr(point, ',');
    if (!comma) return false;
    *comma = '.';
    return bal_text_parse_double(point, strlen(point), &number);
}

bal_status bal_csv_numbers(const bal_csv *csv, size_t column, const double **ret_numbers,
                           bal_error *err) {
    const bal_csv_column *asked = &csv->column[column];
    if (asked->numbers) {
        *ret_numbers = asked->numbers;
        return BAL_OK;
    }
    char place[512], cell[64];
    bal_csv_place(csv, asked->text_row, column, place, sizeof place);
    bal_csv_excerpt(csv, asked->text_row, column, cell);
    return bal_fail(err, BAL_EDATA,
                    "%s: wanted a number, found '%s' (%zu of %zu cells of the column are text); %s",
                    place, cell, asked->texts, csv->rows,
                    bal_csv_decimal_comma(csv, asked->text_row, column)
                        ? "write decimal fractions with a point"
                        : "correct the cell, leave it empty, or do not use the "
                          "column as a number");
}
