/* Numbers to text and back, the same in every locale (part of text.h).
 *
 * Data sets come as millions of short decimals, so parsing has a fast path: when the digits, read
 * as an integer, stay below 2^53 and the power of ten is at most 10^22, both are exact doubles and
 * one multiplication or division rounds correctly (Clinger, "How to read floating point numbers
 * accurately", PLDI 1990). Everything else goes to the C library, from a canonical copy on the
 * stack: 770 significant digits decide every double, so longer ones are cut with a sticky last
 * digit. */
#include "base/text.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

__extension__ typedef unsigned __int128 uint128;

enum { DIGITS_MAX = 770, EXPONENT_MAX = 1000000 };

static locale_t c_locale;

static void make_c_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static locale_t get_c_locale(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_c_locale);
    return c_locale;
}

/* A decimal taken apart: value = ±digits × 10^exponent. */
typedef struct decimal {
    const char *digits, *digits_end; /* may hold one point */
    uint64_t mantissa;               /* all digits, when `exact` */
    int64_t exponent;
    bool negative, exact;
} decimal;

static bool is_digit(char c) {
    return (unsigned char)(c - '0') < 10;
}

/* Digits with at most one point. */
static const char *scan_digits(const char *at, const char *end, decimal *number) {
    const uint64_t limit = (UINT64_MAX - 9) / 10;
    bool any = false, point = false;
    uint64_t mantissa = 0;
    number->exact = true;
    number->digits = at;
    for (; at < end; at++) {
        if (is_digit(*at)) {
            any = true;
            if (mantissa > limit) number->exact = false;
            mantissa = mantissa * 10 + (uint64_t)(*at - '0');
            number->exponent -= point;
        } else if (*at == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    number->digits_end = at;
    number->mantissa = mantissa;
    return any ? at : NULL;
}

static const char *scan_exponent(const char *at, const char *end, decimal *number) {
    bool negative = false;
    if (at < end && (*at == '+' || *at == '-')) negative = *at++ == '-';
    if (at == end) return NULL;
    int64_t exponent = 0;
    for (; at < end && is_digit(*at); at++) {
        if (exponent < EXPONENT_MAX) exponent = exponent * 10 + (*at - '0');
    }
    number->exponent += negative ? -exponent : exponent;
    return at;
}

static bool scan_decimal(const char *at, const char *end, decimal *number) {
    at = scan_digits(at, end, number);
    if (at && at < end && (*at == 'e' || *at == 'E')) at = scan_exponent(at + 1, end, number);
    return at == end;
}

static bool exact_double(const decimal *number, double *ret_value) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (!number->exact || number->mantissa >= UINT64_C(1) << 53) return false;
    if (number->exponent < -22 || number->exponent > 22) return false;
    double value = (double)number->mantissa;
    *ret_value =
        number->exponent < 0 ? value / powers[-number->exponent] : value * powers[number->exponent];
    return true;
}

/* mantissa / 10^k, 0 < k < 20. The quotient of the mantissa shifted to the top of 128 bits has at
 * least 64 bits; with the remainder folded into the last one, the conversion to 53 bits rounds
 * correctly. The result is above 1e-20, so scaling it is exact. */
static bool divided_double(const decimal *number, double *ret_value) {
    if (!number->exact || number->mantissa == 0) return false;
    if (number->exponent < -19 || number->exponent >= 0) return false;
    uint64_t divisor = 1;
    for (int64_t k = number->exponent; k < 0; k++)
        divisor *= 10;
    int shift = 64 + __builtin_clzll(number->mantissa);
    uint128 dividend = (uint128)number->mantissa << shift;
    uint128 quotient = dividend / divisor;
    quotient |= quotient * divisor != dividend;
    *ret_value = ldexp((double)quotient, -shift);
    return true;
}

static double library_double(const decimal *number) {
    char buffer[DIGITS_MAX + 32];
    size_t used = 0;
    int64_t dropped = 0;
    bool sticky = false;
    for (const char *at = number->digits; at < number->digits_end; at++) {
        if (*at == '.' || (used == 0 && *at == '0')) continue;
        if (used < DIGITS_MAX) {
            buffer[used++] = *at;
        } else {
            dropped++;
            sticky |= *at != '0';
        }
    }
    if (used == 0) return 0.0;
    if (sticky) {
        buffer[used++] = '1';
        dropped--;
    }
    snprintf(buffer + used, sizeof buffer - used, "e%lld", (long long)(number->exponent + dropped));
    return strtod_l(buffer, NULL, get_c_locale());
}

static bool parse_special(const char *text, size_t length, double *ret_value) {
    if (length == 3 && strncasecmp(text, "nan", 3) == 0) {
        *ret_value = NAN;
    } else if ((length == 3 && strncasecmp(text, "inf", 3) == 0) ||
               (length == 8 && strncasecmp(text, "infinity", 8) == 0)) {
        *ret_value = INFINITY;
    } else {
        return false;
    }
    return true;
}

bool bal_text_parse_double(const char *text, size_t length, double *ret_value) {
    const char *at = text, *end = text + length;
    if (length == 0) return false;
    decimal number = {.negative = *at == '-'};
    if (*at == '-' || *at == '+') at++;

    double value;
    if (at < end && (is_digit(*at) || *at == '.')) {
        if (!scan_decimal(at, end, &number)) return false;
        if (!exact_double(&number, &value) && !divided_double(&number, &value))
            value = library_double(&number);
    } else if (!parse_special(at, (size_t)(end - at), &value)) {
        return false;
    }
    *ret_value = number.negative ? -value : value;
    return true;
}

bool bal_text_parse_i64(const char *text, size_t length, int64_t *ret_value) {
    const char *at = text, *end = text + length;
    if (length == 0) return false;
    bool negative = *at == '-';
    if (*at == '-' || *at == '+') at++;
    if (at == end) return false;

    int64_t value = 0; /* built downwards, because INT64_MIN has no positive counterpart */
    for (; at < end; at++) {
        if (!is_digit(*at)) return false;
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_sub_overflow(value, *at - '0', &value)) return false;
    }
    if (!negative && value == INT64_MIN) return false;
    *ret_value = negative ? value : -value;
    return true;
}

void bal_text_format_double(double value, char buffer[32]) {
    if (isnan(value)) {
        memcpy(buffer, "nan", 4);
        return;
    }
    locale_t c = get_c_locale();
    locale_t caller = uselocale(c);
    /* 15 digits survive the way through any normal double; subnormal ones may need fewer. */
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(buffer, 32, "%.*g", digits, value);
        if (strtod_l(buffer, NULL, c) == value) break;
    }
    uselocale(caller);
}
