/* Numbers to sort by, exactly. A double holds whole numbers up to 2^53; ids of 64 bits and times in
 * nanoseconds are larger, and different ones become the same double. So the whole number goes
 * along: doubles never turn the order of whole numbers around, and it decides where they are equal.
 */
#ifndef BAL_DATA_ORDER_KEY_H
#define BAL_DATA_ORDER_KEY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

typedef struct bal_order_key {
    double number;
    int64_t whole; /* the same, where it is whole and fits; else 0 */
} bal_order_key;

#define BAL_ORDER_DOUBLE_EXACT 9007199254740992.0 /* 2^53 */

static inline bal_order_key bal_order_key_of(double number) {
    bool fits = number >= -0x1p63 && number < 0x1p63 && number == trunc(number);
    return (bal_order_key){number, fits ? (int64_t)number : 0};
}

static inline bal_order_key bal_order_key_of_whole(int64_t whole) {
    return (bal_order_key){(double)whole, whole};
}

/** Of a cell that reads as `number`. */
static inline bal_order_key bal_order_key_of_text(const char *text, double number) {
    int64_t whole;
    bal_order_key key = bal_order_key_of(number);
    if (!(fabs(number) >= BAL_ORDER_DOUBLE_EXACT)) return key;
    while (*text == ' ' || *text == '\t')
        text++;
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    if (bal_text_parse_i64(text, length, &whole)) key = bal_order_key_of_whole(whole);
    return key;
}

/** Below 0, 0 or above 0 as a comes before b, is equal to it or comes after it. */
static inline int bal_order_key_compare(bal_order_key a, bal_order_key b) {
    if (a.number != b.number) return a.number < b.number ? -1 : 1;
    return (a.whole > b.whole) - (a.whole < b.whole);
}

#endif
