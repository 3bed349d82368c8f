/* Size arithmetic on numbers from outside: every function returns false instead of wrapping. */
#ifndef BAL_BASE_CHECKED_H
#define BAL_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool bal_size_add(size_t a, size_t b, size_t *ret_sum) {
    return !__builtin_add_overflow(a, b, ret_sum);
}

static inline bool bal_size_mul(size_t a, size_t b, size_t *ret_product) {
    return !__builtin_mul_overflow(a, b, ret_product);
}

static inline bool bal_i64_add(int64_t a, int64_t b, int64_t *ret_sum) {
    return !__builtin_add_overflow(a, b, ret_sum);
}

static inline bool bal_i64_mul(int64_t a, int64_t b, int64_t *ret_product) {
    return !__builtin_mul_overflow(a, b, ret_product);
}

/** Round up to a multiple of `align`, a power of two. */
static inline bool bal_size_align(size_t n, size_t align, size_t *ret_aligned) {
    size_t padded;
    if (!bal_size_add(n, align - 1, &padded)) return false;
    *ret_aligned = padded & ~(align - 1);
    return true;
}

#endif
