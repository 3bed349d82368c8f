/* Where an axis has its numbers, and how they are written. Pure arithmetic, no drawing. */
#ifndef BAL_REPORT_TICKS_H
#define BAL_REPORT_TICKS_H

#include <stdbool.h>
#include <stddef.h>

#define BAL_TICKS_MAX 16

typedef struct bal_ticks {
    double values[BAL_TICKS_MAX]; /* ascending */
    char labels[BAL_TICKS_MAX][24];
    int count;
} bal_ticks;

static inline double bal_clamp(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

/** A range that can be drawn, from one that may be empty, reversed, not finite or without width. */
void bal_ticks_sane_range(double *low, double *high, bool log);

/** About `wanted` round numbers (1, 2 or 5 times a power of ten apart) inside [low, high]; labels
 * of one plot agree in their decimals. Heckbert, "Nice numbers for graph labels", Graphics Gems,
 * 1990. */
void bal_ticks_linear(double low, double high, int wanted, bal_ticks *ret_ticks);

/** Keep the whole numbers only, for an axis that counts. */
void bal_ticks_keep_whole(bal_ticks *ticks);

/** Powers of ten inside [low, high] > 0, thinned to about `wanted`; where there are fewer than
 * three, their multiples by 2 and 5 too, and linear ticks within one. */
void bal_ticks_log(double low, double high, int wanted, bal_ticks *ret_ticks);

/** A short text of a value for people: at most four significant digits, "-" for NaN. */
void bal_ticks_short(double value, char *buffer, size_t size);

#endif
