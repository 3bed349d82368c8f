/* Text on terminals. See style.h. */
#include "style.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_WIDTH = 80, NO_SCREEN = 1000 };

int bal_screen_columns(FILE *out) {
    struct winsize size;
    if (!isatty(fileno(out))) return NO_SCREEN;
    return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : LINE_WIDTH;
}

bool bal_is_screen(FILE *out) {
    const char *term = getenv("TERM");
    return isatty(fileno(out)) && !(term && strcmp(term, "dumb") == 0);
}

bal_style bal_style_for(FILE *out) {
    const char *no_color = getenv("NO_COLOR");
    if (!bal_is_screen(out) || (no_color && no_color[0]))
        return (bal_style){"", "", "", "", "", ""};
    return (bal_style){"\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[0m"};
}

char *bal_duration_text(double seconds, char buffer[24]) {
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e8) {
        snprintf(buffer, 24, "?");
        return buffer;
    }
    long whole = lround(seconds);
    if (seconds < 9.95)
        snprintf(buffer, 24, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(buffer, 24, "%ld s", whole);
    else if (whole < 3600)
        snprintf(buffer, 24, "%ld:%02ld", whole / 60, whole % 60);
    else
        snprintf(buffer, 24, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    return buffer;
}

char *bal_score_text(double value, char buffer[24]) {
    if (isnan(value))
        snprintf(buffer, 24, "–");
    else if (fabs(value) < 1e4)
        snprintf(buffer, 24, "%.4f", value);
    else
        snprintf(buffer, 24, "%.4g", value);
    return buffer;
}

int bal_text_columns(const char *text) {
    int columns = 0;
    for (; *text; text++)
        columns += ((unsigned char)*text & 0xC0) != 0x80;
    return columns;
}

/** Class names come from data: control characters, which a terminal would obey, as "?". */
static void print_tame(FILE *out, const char *text) {
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7F ? '?' : *text, out);
}

void bal_print_padded(FILE *out, const char *text, int columns) {
    int width = abs(columns), spaces = width - bal_text_columns(text);
    if (spaces < 0) spaces = 0;
    if (columns < 0) fprintf(out, "%*s", spaces, "");
    print_tame(out, text);
    if (columns >= 0) fprintf(out, "%*s", spaces, "");
}

/** Length of the word that text begins with; "[--threads N]" is one. */
static size_t word_length(const char *text) {
    const char *end = text[0] == '[' ? strchr(text, ']') : NULL;
    return end && end - text < LINE_WIDTH / 2 ? (size_t)(end - text) + strcspn(end, " ")
                                              : strcspn(text, " ");
}

void bal_print_wrapped(FILE *out, const char *text, int first, int indent) {
    int used = first;
    bool fresh = true; /* nothing of ours on this line yet */
    while (*text) {
        char word[256];
        size_t length = word_length(text);
        snprintf(word, sizeof word, "%.*s", (int)length, text);
        int columns = bal_text_columns(word);
        if (!fresh && used + 1 + columns > LINE_WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            used = indent;
            fresh = true;
        }
        fprintf(out, "%s%.*s", fresh ? "" : " ", (int)length, text);
        used += columns + !fresh;
        fresh = false;
        text += length;
        text += strspn(text, " ");
    }
    fputs("\n", out);
}
