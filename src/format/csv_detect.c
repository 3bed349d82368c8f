/* Guesses about a table: which separator, and is the first row a header?
 *
 * Separator: each candidate is tried on the first records, quotes honoured. The one that cuts the
 * most of them into as many cells as the first (at least two) wins. A tie goes to the rarer
 * character, because commas stand in text and in decimal fractions ("1,5;2,5"), while a tab or
 * semicolon that occurs equally often in every record, the header included, is there to separate.
 *
 * Header: a row of only numbers is data. Text above a column of numbers is a name, unless the row
 * has at least as many numbers of its own (then it is a data row with a bad cell, and to be
 * reported as such) that do not count up by one, as column numbers do. Without any column of
 * numbers, the first row gives the names unless one of its cells is missing, begins with a digit or
 * sign (dates, times, decimal commas) or comes again below. */
#include <string.h>

#include "format/csv_private.h"

enum { SAMPLE_BYTES = 1 << 16, SAMPLE_RECORDS = 200, SAMPLE_ROWS = 1000, COUNTERS_MIN = 3 };

/* The first bytes of a file, read record by record. */
typedef struct sample {
    const char *at, *end;
    bool whole; /* nothing follows, so that the end ends the last record too */
} sample;

/* One record under one separator: number of cells; 0 for a blank line; 1 when text follows a
 * closing quote, which no table with this separator has. False when no record is left. */
static bool count_cells(sample *part, char separator, size_t *ret_cells) {
    const char *p = part->at;
    size_t cells = 1;
    bool begins = true, quoted = false, closed = false, blank = true, broken = false;
    for (; p < part->end && (quoted || (*p != '\n' && *p != '\r')); p++) {
        bool quote = *p == '"';
        if (*p != ' ' && (*p != '\t' || separator == '\t')) blank = false;
        if (quoted) {
            quoted = !quote;
            closed = quote;
        } else {
            if (closed && !quote && !strchr(" \t", *p) && *p != separator) broken = true;
            quoted = quote && (begins || closed); /* closed: the second of a pair */
            closed = false;
            begins = *p == separator;
            cells += begins;
        }
    }
    if (p == part->end && (!part->whole || p == part->at)) return false;
    part->at = p < part->end ? p + 1 : p;
    *ret_cells = blank ? 0 : broken ? 1 : cells;
    return true;
}

/* Share of the sample's records that have as many cells as the first; 0 when that is one cell. */
static double agreement(sample part, char separator) {
    size_t records = 0, agreeing = 0, first = 0, cells;
    while (records < SAMPLE_RECORDS && count_cells(&part, separator, &cells)) {
        if (cells == 0) continue;
        if (records++ == 0) first = cells;
        agreeing += cells == first;
    }
    return first < 2 ? 0 : (double)agreeing / (double)records;
}

char bal_csv_detect_separator(const char *text, size_t size) {
    static const char candidates[] = {'\t', ';', '|', ','};
    bool whole = size <= SAMPLE_BYTES;
    sample part = {text, text + (whole ? size : SAMPLE_BYTES), whole};
    char best = ',';
    double best_share = 0;
    for (size_t i = 0; i < sizeof candidates; i++) {
        double share = agreement(part, candidates[i]);
        if (share > best_share) {
            best = candidates[i];
            best_share = share;
        }
    }
    return best;
}

/* What the cells below the first say about one column. */
typedef struct evidence {
    bool numbers; /* there are values and all are numbers */
    bool again;   /* the first cell comes again */
} evidence;

static evidence look_below(const bal_csv *csv, size_t records, size_t column, const char *first) {
    evidence found = {0};
    size_t values = 0, numbers = 0;
    for (size_t record = 1; record < records && record <= SAMPLE_ROWS; record++) {
        const char *cell = bal_csv_record_text(csv, record, column);
        double number;
        bal_csv_kind kind = bal_csv_classify(csv->missing, cell, &number);
        if (kind == BAL_CSV_MISSING) continue;
        values++;
        numbers += kind == BAL_CSV_NUMBER;
        if (strcmp(cell, first) == 0) found.again = true;
    }
    found.numbers = values > 0 && numbers == values;
    return found;
}

bool bal_csv_first_row_names(const bal_csv *csv, size_t records, const char *const *names,
                             size_t n) {
    if (n == 0 || records == 0) return false;
    size_t at = 0; /* names mostly come in the order of the columns */
    for (size_t i = 0; i < n; i++) {
        size_t tried = 0;
        while (tried < csv->columns && strcmp(bal_csv_record_text(csv, 0, at), names[i]) != 0) {
            at = (at + 1) % csv->columns;
            tried++;
        }
        if (tried == csv->columns) return false;
    }
    return true;
}

bool bal_csv_detect_header(const bal_csv *csv, size_t records) {
    size_t texts = 0, above_numbers = 0, numbers = 0, unnamed = 0;
    bool counting = true, unlikely = false;
    double previous = 0;
    for (size_t column = 0; column < csv->columns; column++) {
        const char *first = bal_csv_record_text(csv, 0, column);
        double number;
        bal_csv_kind kind = bal_csv_classify(csv->missing, first, &number);
        if (kind == BAL_CSV_NUMBER) {
            if (numbers++ > 0 && number != previous + 1) counting = false;
            previous = number;
        } else if (kind == BAL_CSV_TEXT) {
            evidence below = look_below(csv, records, column, first);
            texts++;
            above_numbers += below.numbers;
            unlikely |= below.again || strchr("0123456789+-.", *first);
        } else if (column > 0) { /* the first may be unnamed: a row index */
            unnamed++;
        }
    }
    bool counters = counting && numbers >= COUNTERS_MIN;
    if (above_numbers > 0) return counters || above_numbers > numbers;
    return texts > 0 && unnamed == 0 && !unlikely && (numbers == 0 || counters);
}
