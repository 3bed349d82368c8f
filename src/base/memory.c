/* Allocation, counted and failable.
 *
 * The counters are relaxed atomics: they cost nothing beside malloc and are exact, because every
 * allocation passes through allowed(). Training buffers of 2 MiB and more come from mmap on a huge
 * page boundary, so that the kernel can back them with huge pages (fewer TLB misses in GEMM and
 * optimiser sweeps); smaller ones come from aligned_alloc, which does not burn a page each. */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"

enum { CACHE_LINE = 64, HUGE_PAGE = 2 * 1024 * 1024 };

static atomic_uint_fast64_t allocation_count;
static _Atomic int64_t fail_countdown = -1;

/* Count one allocation; false when the test hook wants this one to fail. */
static bool allowed(void) {
    atomic_fetch_add_explicit(&allocation_count, 1, memory_order_relaxed);
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) < 0) return true;
    return atomic_fetch_sub_explicit(&fail_countdown, 1, memory_order_relaxed) != 0;
}

uint64_t bal_memory_allocations(void) {
    return atomic_load_explicit(&allocation_count, memory_order_relaxed);
}

void bal_memory_fail_after(int64_t countdown) {
    atomic_store_explicit(&fail_countdown, countdown, memory_order_relaxed);
}

void *bal_calloc(size_t count, size_t size) {
    size_t bytes;
    if (!allowed() || !bal_size_mul(count, size, &bytes)) return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *bal_realloc_array(void *block, size_t count, size_t size) {
    size_t bytes;
    if (!allowed() || !bal_size_mul(count, size, &bytes)) return NULL;
    return realloc(block, bytes ? bytes : 1);
}

char *bal_strdup(const char *text) {
    return bal_strndup(text, strlen(text));
}

char *bal_strndup(const char *text, size_t length) {
    size_t bytes;
    if (!bal_size_add(length, 1, &bytes)) return NULL;
    char *copy = bal_calloc(bytes, 1);
    if (copy && length) memcpy(copy, text, length);
    return copy;
}

void bal_free(void *block) {
    free(block);
}

/* mmap gives page alignment; map a huge page too much and give back both ends. */
static void *map_huge(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), mapped, padded;
    if (!bal_size_align(bytes, page, &mapped)) return NULL;
    if (!bal_size_add(mapped, HUGE_PAGE, &padded)) return NULL;
    char *base = mmap(NULL, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return NULL;

    size_t head = (HUGE_PAGE - (uintptr_t)base % HUGE_PAGE) % HUGE_PAGE;
    size_t tail = padded - head - mapped;
    if (head) munmap(base, head);
    if (tail) munmap(base + head + mapped, tail);
    /* Advice only: without huge pages the block is merely slower. */
    (void)madvise(base + head, mapped, MADV_HUGEPAGE);
    return base + head;
}

void *bal_alloc_pages(size_t bytes) {
    if (!allowed()) return NULL;
    if (bytes >= HUGE_PAGE) return map_huge(bytes);
    size_t padded = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    if (padded == 0) padded = CACHE_LINE;
    void *block = aligned_alloc(CACHE_LINE, padded);
    if (block) memset(block, 0, padded);
    return block;
}

void bal_free_pages(void *block, size_t bytes) {
    if (!block) return;
    if (bytes < HUGE_PAGE) {
        free(block);
        return;
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE), mapped;
    if (bal_size_align(bytes, page, &mapped)) munmap(block, mapped);
}

int bal_reserve_bytes(void **items, size_t *capacity, size_t wanted, size_t item_size) {
    if (wanted <= *capacity) return true;
    size_t grown;
    if (!bal_size_add(*capacity, *capacity / 2, &grown) || grown < wanted) grown = wanted;
    if (grown < 8) grown = 8;
    void *block = bal_realloc_array(*items, grown, item_size);
    if (!block) return false;
    *items = block;
    *capacity = grown;
    return true;
}
