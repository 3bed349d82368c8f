/* Colours of a terminal, empty words elsewhere. */
#ifndef BAL_CLI_STYLE_H
#define BAL_CLI_STYLE_H

#include <stdbool.h>
#include <stdio.h>

typedef struct bal_style {
    const char *bold, *dim, *red, *green, *yellow, *off;
} bal_style;

/** Colours when `out` is a terminal that knows them, without NO_COLOR (no-color.org). */
bal_style bal_style_for(FILE *out);

/** Whether `out` is a terminal on which a line can be drawn again. */
bool bal_is_screen(FILE *out);

/** How wide the terminal is; 80 where that is unknown, no limit to speak of where `out` is none. */
int bal_screen_columns(FILE *out);

/** "3.2 s", "4:05", "2:03:44". Returns buffer. */
char *bal_duration_text(double seconds, char buffer[24]);

/** "0.9012", "nan" as "–". Returns buffer. */
char *bal_score_text(double value, char buffer[24]);

/** Columns that a UTF-8 text takes on a screen, for text without wide or combining characters. */
int bal_text_columns(const char *text);

/** Print `text` and pad it with spaces to at least `columns`; right-aligned when columns < 0. */
void bal_print_padded(FILE *out, const char *text, int columns);

/** Print words broken to lines of at most 80 columns, the second and later ones indented, and a
 *  newline. `first` columns are already taken on the first line. */
void bal_print_wrapped(FILE *out, const char *text, int first, int indent);

#endif
