/* Numbers as people read them. See figures.h. Decimals are made from whole numbers, because printf
 * would take the decimal point from the program's locale. */
#include "report/figures.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

#define NARROW_SPACE "\u202f"
#define WHOLE_MAX 9e15 /* below 2^53: every whole number up to here is a double */

static bool not_finite(double value, bal_figure *ret_figure) {
    if (isfinite(value)) return false;
    snprintf(ret_figure->text, sizeof ret_figure->text, "%s",
             isnan(value) ? "–"
             : value > 0  ? "∞"
                          : "-∞");
    return true;
}

bal_figure bal_figure_fixed(double value, int decimals) {
    bal_figure figure = {""};
    long long unit = 1;
    for (int i = 0; i < decimals; i++)
        unit *= 10;
    if (not_finite(value, &figure)) return figure;
    if (!(fabs(value) * (double)unit < WHOLE_MAX)) return bal_figure_short(value);
    long long units = llround(fabs(value) * (double)unit);
    const char *sign = value < 0 && units > 0 ? "-" : "";
    if (decimals == 0)
        snprintf(figure.text, sizeof figure.text, "%s%lld", sign, units);
    else
        snprintf(figure.text, sizeof figure.text, "%s%lld.%0*lld", sign, units / unit, decimals,
                 units % unit);
    return figure;
}

bal_figure bal_figure_short(double value) {
    bal_figure figure = {""};
    char digits[32], shortest[32];
    if (not_finite(value, &figure)) return figure;
    if (fabs(value) < WHOLE_MAX && value == trunc(value)) return bal_figure_fixed(value, 0);
    /* There and back in one locale, whichever it is. */
    snprintf(digits, sizeof digits, "%.3e", value);
    bal_text_format_double(strtod(digits, NULL), shortest);
    snprintf(figure.text, sizeof figure.text, "%s", shortest);
    return figure;
}

bal_figure bal_figure_loss(double value) {
    double size = fabs(value);
    return size >= 5e-4 && size < 1e5 ? bal_figure_fixed(value, 4) : bal_figure_short(value);
}

bal_figure bal_figure_share(double value) {
    bal_figure figure = bal_figure_fixed(100 * value, 1);
    if (isfinite(value)) {
        bal_figure number = figure;
        snprintf(figure.text, sizeof figure.text, "%.40s\u00a0%%", number.text);
    }
    return figure;
}

bal_figure bal_figure_count(double value) {
    bal_figure digits = bal_figure_fixed(value, 0), figure = {""};
    if (!(fabs(value) < WHOLE_MAX)) return digits;
    size_t length = 0, n = 0;
    while (digits.text[n])
        n++;
    for (size_t i = 0; i < n; i++) {
        bool starts_group = i > 0 && (n - i) % 3 == 0 && digits.text[i - 1] != '-';
        length += (size_t)snprintf(figure.text + length, sizeof figure.text - length, "%s%c",
                                   starts_group ? NARROW_SPACE : "", digits.text[i]);
    }
    return figure;
}

bal_figure bal_figure_duration(double seconds) {
    bal_figure figure = {""};
    if (not_finite(seconds, &figure)) return figure;
    if (seconds < 0) seconds = 0;
    if (seconds < 9.95) {
        bal_figure number = bal_figure_fixed(seconds, 1);
        snprintf(figure.text, sizeof figure.text, "%.40s s", number.text);
        return figure;
    }
    long long s = seconds < WHOLE_MAX ? llround(seconds) : (long long)WHOLE_MAX;
    if (s < 60)
        snprintf(figure.text, sizeof figure.text, "%lld s", s);
    else if (s < 3600)
        snprintf(figure.text, sizeof figure.text, "%lld min %02lld s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(figure.text, sizeof figure.text, "%lld h %02lld min", s / 3600, s / 60 % 60);
    else
        snprintf(figure.text, sizeof figure.text, "%lld d %lld h", s / 86400, s / 3600 % 24);
    return figure;
}
