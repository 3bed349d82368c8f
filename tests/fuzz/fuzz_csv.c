/* The table reader. The first byte chooses header and separator, the rest is the file. What was
 * read is written out and read again: the cells must be the same. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "format/csv.h"
#include "fuzz.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

static void require(bool promise) {
    if (!promise) abort();
}

static void check_columns(const bal_csv *csv) {
    for (size_t c = 0; c < csv->columns; c++) {
        const bal_csv_column *column = &csv->column[c];
        const double *numbers = NULL;
        size_t found = 99, missing = 0;
        bal_error err = {0};
        require(bal_csv_find(csv, column->name, &found, &err) == BAL_OK && found == c);
        require((column->texts == 0) == (column->numbers != NULL));
        require((bal_csv_numbers(csv, c, &numbers, &err) == BAL_OK) == (numbers != NULL));
        for (size_t r = 0; r < csv->rows; r++)
            missing += bal_csv_missing(csv, r, c);
        require(missing == column->missing);
        if (column->texts > 0) require(isnan(bal_csv_number(csv, column->text_row, c)));
    }
}

static void check_round_trip(const bal_csv *csv, bal_csv_options options) {
    bal_text text = {0};
    bal_csv_writer writer = {.text = &text, .separator = csv->separator};
    for (size_t r = 0; r < csv->rows; r++) {
        for (size_t c = 0; c < csv->columns; c++)
            bal_csv_writer_text(&writer, bal_csv_text(csv, r, c));
        bal_csv_writer_end_row(&writer);
    }
    bal_csv again;
    options.header = BAL_CSV_HEADER_NO;
    options.separator = csv->separator;
    options.max_bytes = 0;
    require(bal_csv_parse(text.data, text.length, "again", &options, &again, NULL) == BAL_OK);
    require(again.rows == csv->rows && again.columns == csv->columns);
    for (size_t r = 0; r < csv->rows; r++) {
        for (size_t c = 0; c < csv->columns; c++) {
            require(strcmp(bal_csv_text(csv, r, c), bal_csv_text(&again, r, c)) == 0);
            double a = bal_csv_number(csv, r, c), b = bal_csv_number(&again, r, c);
            require(a == b || (isnan(a) && isnan(b)));
        }
    }
    bal_csv_release(&again);
    bal_text_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char separators[] = {0, 0, 0, ',', ';', '\t', '|', ' ', 'a', '"'};
    if (size == 0) return 0;
    bal_csv_options options = {.header = (bal_csv_header)(data[0] % 3),
                               .separator = separators[data[0] / 3 % sizeof separators],
                               .max_bytes = TEXT_BYTES_MAX};
    bal_csv csv;
    bal_error err = {0};
    if (bal_csv_parse((const char *)data + 1, size - 1, "fuzz", &options, &csv, &err) != BAL_OK) {
        require(err.status != BAL_OK && err.message[0] != '\0');
        return 0;
    }
    check_columns(&csv);
    if (csv.rows > 0) check_round_trip(&csv, options);
    bal_csv_release(&csv);
    return 0;
}
