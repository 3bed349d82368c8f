/* The one place that calls malloc, so that tests can fail the N-th allocation and the benchmark can
 * count allocations per step. All blocks come from malloc and are freed with bal_free. */
#ifndef BAL_BASE_MEMORY_H
#define BAL_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/** Zeroed array of count × size bytes; NULL when out of memory or when the product overflows.
 *  A zero-sized request returns a unique non-NULL pointer. */
void *bal_calloc(size_t count, size_t size);

/** Like realloc on count × size bytes, with overflow checked; the old block survives a failure.
 *  Bytes beyond the old size are not initialised. */
void *bal_realloc_array(void *block, size_t count, size_t size);

/** Copy of a NUL-terminated string / of `length` bytes plus a NUL; NULL when out of memory. */
char *bal_strdup(const char *text);
char *bal_strndup(const char *text, size_t length);

/** Free a block of any of the above; NULL is fine. */
void bal_free(void *block);

/** Zeroed memory aligned to 64 bytes, from the system's huge pages where large and available
 *  (training buffers); NULL when out of memory. Free with bal_free_pages and the same size. */
void *bal_alloc_pages(size_t bytes);
void bal_free_pages(void *block, size_t bytes);

/** Number of bal_calloc/bal_realloc_array/bal_alloc_pages calls so far in this process. */
uint64_t bal_memory_allocations(void);

/** Test hook: let the next `countdown` allocations succeed and the one after fail, once
 *  (countdown < 0: never fail). */
void bal_memory_fail_after(int64_t countdown);

/** Grow a dynamic array (`items`, `capacity` in items) to hold at least `wanted` items.
 *  Evaluates to true on success. */
#define bal_reserve(items, capacity, wanted)                                                       \
    bal_reserve_bytes((void **)&(items), &(capacity), (wanted), sizeof *(items))
int bal_reserve_bytes(void **items, size_t *capacity, size_t wanted, size_t item_size);

#endif
