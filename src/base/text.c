/* Growable text, name suggestions, UTF-8 checks; numbers are in number.c. See text.h. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/checked.h"
#include "base/memory.h"

/* Room for `extra` more bytes and a NUL; sets the sticky failure otherwise. */
static bool text_reserve(bal_text *text, size_t extra) {
    size_t wanted;
    if (text->failed) return false;
    if (!bal_size_add(text->length, extra, &wanted) || !bal_size_add(wanted, 1, &wanted) ||
        !bal_reserve(text->data, text->capacity, wanted)) {
        text->failed = true;
        return false;
    }
    return true;
}

void bal_text_append(bal_text *text, const char *bytes, size_t length) {
    if (!text_reserve(text, length)) return;
    if (length) memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void bal_text_puts(bal_text *text, const char *string) {
    bal_text_append(text, string, strlen(string));
}

void bal_text_vprintf(bal_text *text, const char *format, va_list args) {
    if (text->failed) return;
    size_t room = text->data ? text->capacity - text->length : 0;
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(room ? text->data + text->length : NULL, room, format, args);
    if (length < 0) {
        text->failed = true;
    } else if ((size_t)length >= room && text_reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
    }
    va_end(again);
    if (!text->failed) {
        text->length += (size_t)length;
    } else if (room) {
        text->data[text->length] = '\0'; /* undo a partial first attempt */
    }
}

void bal_text_printf(bal_text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bal_text_vprintf(text, format, args);
    va_end(args);
}

bool bal_text_failed(const bal_text *text) {
    return text->failed;
}

void bal_text_clear(bal_text *text) {
    text->length = 0;
    text->failed = false;
    if (text->data) text->data[0] = '\0';
}

void bal_text_release(bal_text *text) {
    bal_free(text->data);
    *text = (bal_text){0};
}

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Optimal string alignment (Damerau 1964, each part edited at most once), three rows at a time. */
size_t bal_text_distance(const char *a, const char *b) {
    size_t rows = strlen(a), columns = strlen(b);
    size_t *cells = bal_calloc(columns + 1, 3 * sizeof *cells);
    if (!cells) return rows > columns ? rows : columns; /* the upper bound */
    size_t *before = cells, *above = cells + columns + 1, *row = above + columns + 1;
    for (size_t j = 0; j <= columns; j++)
        above[j] = j;

    for (size_t i = 1; i <= rows; i++) {
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = min_size(change, min_size(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min_size(row[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    size_t distance = above[columns];
    bal_free(cells);
    return distance;
}

const char *bal_text_nearest(const char *word, const char *const *names) {
    size_t length = strlen(word);
    size_t limit = length / 3 > 2 ? length / 3 : 2;
    const char *nearest = NULL;
    for (; *names; names++) {
        if (strcasecmp(word, *names) == 0) return *names;
        size_t name_length = strlen(*names);
        size_t longer = length > name_length ? length : name_length;
        if (longer - min_size(length, name_length) > limit) continue;
        size_t distance = bal_text_distance(word, *names);
        /* As many edits as letters: nothing in common, so no suggestion for "lr" against "wd". */
        if (distance > limit || distance >= longer) continue;
        nearest = *names;
        if (distance == 0) break;
        limit = distance - 1;
    }
    return nearest;
}

void bal_text_tame(char *text) {
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t') || *text == 0x7F)
            *text = '?';
}

/* On a mismatch, let the last * swallow one character more; earlier stars never need to move. */
bool bal_text_glob(const char *pattern, const char *text) {
    const char *star = NULL, *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* Length of the character that starts at `bytes`, 0 when malformed (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
static size_t utf8_character(const unsigned char *bytes, size_t length) {
    unsigned char lead = bytes[0];
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (length < wanted) return 0;

    unsigned char low = 0x80, high = 0xBF; /* allowed range of the second byte */
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    if (bytes[1] < low || bytes[1] > high) return 0;
    for (size_t i = 2; i < wanted; i++) {
        if ((bytes[i] & 0xC0) != 0x80) return 0;
    }
    return wanted;
}

size_t bal_text_utf8_valid(const char *bytes, size_t length) {
    size_t valid = 0;
    while (valid < length) {
        size_t step = utf8_character((const unsigned char *)bytes + valid, length - valid);
        if (step == 0) break;
        valid += step;
    }
    return valid;
}
