/* Growable text, and the string helpers the standard library lacks.
 *
 * bal_text collects output (JSON, tables, reports). A failed allocation sticks: further appends do
 * nothing and bal_text_failed tells at the end, so that writers read as straight lines. */
#ifndef BAL_BASE_TEXT_H
#define BAL_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ballast/status.h"

typedef struct bal_text {
    char *data; /* NUL-terminated once anything was appended; NULL before */
    size_t length;
    size_t capacity;
    bool failed;
} bal_text;

void bal_text_append(bal_text *text, const char *bytes, size_t length);
void bal_text_puts(bal_text *text, const char *string);
void bal_text_printf(bal_text *text, const char *format, ...) BAL_PRINTF(2, 3);
void bal_text_vprintf(bal_text *text, const char *format, va_list args) BAL_PRINTF(2, 0);
bool bal_text_failed(const bal_text *text);
void bal_text_clear(bal_text *text);
void bal_text_release(bal_text *text);

/** Damerau-Levenshtein distance (adjacent swaps count 1), for "did you mean" suggestions. */
size_t bal_text_distance(const char *a, const char *b);

/** The nearest of `names` (NULL-terminated array) to `word`: the same in other letter case, or
 * within max(2, length / 3) edits, but fewer edits than letters; or NULL. */
const char *bal_text_nearest(const char *word, const char *const *names);

/** Replace control characters but tab and line feed by "?", in place: names of files, keys and
 * classes come from outside, and a terminal must not obey what is in them. */
void bal_text_tame(char *text);

/** Whether `text` matches the shell pattern (only * and ? are special). */
bool bal_text_glob(const char *pattern, const char *text);

/** Length of the valid UTF-8 prefix of `bytes`. */
size_t bal_text_utf8_valid(const char *bytes, size_t length);

/** Parse a whole string as a finite or non-finite decimal number, independent of the locale.
 *  Leading or trailing characters (spaces too) make it false. Accepts "nan", "inf", "-inf" in any
 *  case. */
bool bal_text_parse_double(const char *text, size_t length, double *ret_value);
bool bal_text_parse_i64(const char *text, size_t length, int64_t *ret_value);

/** Shortest text that reads back as the same double ("0.1", "1e-05", "nan", "inf"); at most 31
 *  characters and a NUL go to `buffer`. Independent of the locale. */
void bal_text_format_double(double value, char buffer[32]);

#endif
