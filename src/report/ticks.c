/* Axis numbers. See ticks.h. */
#include "report/ticks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beyond these, arithmetic on ranges would overflow or vanish. */
static const double LARGEST = 1e300, SMALLEST = 1e-290;

void bal_ticks_sane_range(double *low, double *high, bool log) {
    bool usable = isfinite(*low) && isfinite(*high) && (!log || (*low > 0 && *high > 0));
    if (!usable) {
        *low = log ? 0.1 : 0;
        *high = 1;
    }
    if (*low > *high) {
        double swap = *low;
        *low = *high;
        *high = swap;
    }
    *low = bal_clamp(*low, log ? SMALLEST : -LARGEST, LARGEST);
    *high = bal_clamp(*high, log ? SMALLEST : -LARGEST, LARGEST);
    /* A thousand steps of rounding apart, or the ticks fall together. */
    double magnitude = fmax(fabs(*low), fabs(*high));
    if (*high - *low > magnitude * 1e-12 && *high - *low > SMALLEST) return;
    double room = magnitude > 10 * SMALLEST ? magnitude * 0.05 : 0.5;
    *low = log ? *low / 2 : *low - room;
    *high = log ? *high * 2 : *high + room;
}

/* The nearest of 1, 2, 5, 10 times a power of ten. */
static double round_step(double step) {
    double power = pow(10, floor(log10(step)));
    double fraction = step / power;
    double nice = fraction < 1.5 ? 1 : fraction < 3 ? 2 : fraction < 7 ? 5 : 10;
    return nice * power;
}

/* "0.05", or "5e-08" when plain digits would be long. */
static void format_tick(double value, double step, double largest, char *buffer, size_t size) {
    int decimals = (int)fmax(0, -floor(log10(step) + 1e-9));
    if (fabs(value) < step * 1e-6) value = 0;
    if (largest >= 1e6 || decimals > 4)
        snprintf(buffer, size, "%.*g", 1 + (int)fmax(0, ceil(log10(largest / step) - 1e-9)), value);
    else
        snprintf(buffer, size, "%.*f", decimals, value);
}

static double power_of_ten(int exponent) {
    return pow(10, exponent);
}

static void add_tick(bal_ticks *ticks, double value) {
    if (ticks->count < BAL_TICKS_MAX) ticks->values[ticks->count++] = value;
}

void bal_ticks_linear(double low, double high, int wanted, bal_ticks *ret_ticks) {
    *ret_ticks = (bal_ticks){0};
    /* Halves, because the difference of two large numbers of opposite sign may overflow. */
    double step = round_step((high / 2 - low / 2) / wanted * 2);
    if (!isfinite(step) || step <= 0) return;
    double first = ceil(low / step - 1e-9);
    double last = floor(high / step + 1e-9);
    while (last - first + 1 > BAL_TICKS_MAX) {
        step *= 2;
        first = ceil(low / step - 1e-9);
        last = floor(high / step + 1e-9);
    }
    for (double i = first; i <= last; i++)
        add_tick(ret_ticks, i * step);
    double largest = fmax(fabs(low), fabs(high));
    for (int i = 0; i < ret_ticks->count; i++)
        format_tick(ret_ticks->values[i], step, largest, ret_ticks->labels[i],
                    sizeof ret_ticks->labels[i]);
}

void bal_ticks_keep_whole(bal_ticks *ticks) {
    int kept = 0;
    for (int i = 0; i < ticks->count; i++) {
        double value = round(ticks->values[i]);
        if (fabs(ticks->values[i] - value) > 1e-9 * fmax(1, fabs(value))) continue;
        ticks->values[kept] = value;
        memmove(ticks->labels[kept], ticks->labels[i], sizeof ticks->labels[i]);
        char *point = strchr(ticks->labels[kept], '.');
        if (point && !strchr(point, 'e')) *point = '\0';
        kept++;
    }
    ticks->count = kept;
}

static void add_multiples(bal_ticks *ticks, double low, double high, int exponent) {
    static const int multiples[] = {1, 2, 5};
    for (int i = 0; i < 3; i++) {
        double value = multiples[i] * power_of_ten(exponent);
        if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) add_tick(ticks, value);
    }
}

void bal_ticks_log(double low, double high, int wanted, bal_ticks *ret_ticks) {
    *ret_ticks = (bal_ticks){0};
    int first = (int)ceil(log10(low) - 1e-9), last = (int)floor(log10(high) + 1e-9);
    int powers = last - first + 1;
    if (powers >= 3) {
        int every = powers / wanted + (powers % wanted != 0);
        for (int e = first; e <= last; e += every)
            add_tick(ret_ticks, power_of_ten(e));
    } else {
        for (int e = first - 1; e <= last; e++)
            add_multiples(ret_ticks, low, high, e);
        if (ret_ticks->count < 2) {
            bal_ticks_linear(low, high, wanted, ret_ticks);
            return;
        }
    }
    for (int i = 0; i < ret_ticks->count; i++)
        snprintf(ret_ticks->labels[i], sizeof ret_ticks->labels[i], "%.4g", ret_ticks->values[i]);
}

void bal_ticks_short(double value, char *buffer, size_t size) {
    if (isnan(value)) {
        snprintf(buffer, size, "-");
    } else if (value == floor(value) && fabs(value) < 1e6) {
        snprintf(buffer, size, "%.0f", value == 0 ? 0.0 : value);
    } else if (fabs(value) < 1 && fabs(value) >= 0.01) {
        snprintf(buffer, size, "%.2f", value);
    } else {
        snprintf(buffer, size, "%.3g", value);
    }
}
