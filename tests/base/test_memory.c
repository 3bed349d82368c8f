/* base/memory.c and base/checked.h: zeroing, overflow, alignment, counting, the failure hook. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/checked.h"
#include "base/memory.h"

enum { HUGE_PAGE = 2 * 1024 * 1024 };

static void zeroed_and_checked(void **state) {
    unsigned char *block = bal_calloc(100, 7);
    assert_non_null(block);
    for (int i = 0; i < 700; i++)
        assert_int_equal(block[i], 0);
    bal_free(block);

    assert_null(bal_calloc(SIZE_MAX / 2, 3));
    assert_null(bal_calloc((size_t)1 << 32, (size_t)1 << 32)); /* product wraps to 0 */
    void *one = bal_calloc(0, 8), *other = bal_calloc(8, 0);
    assert_non_null(one);
    assert_non_null(other);
    assert_ptr_not_equal(one, other);
    bal_free(one);
    bal_free(other);
    bal_free(NULL);
}

static void realloc_keeps_old_block(void **state) {
    int *items = bal_realloc_array(NULL, 4, sizeof *items);
    assert_non_null(items);
    for (int i = 0; i < 4; i++)
        items[i] = i * i;
    assert_null(bal_realloc_array(items, SIZE_MAX / 2, sizeof *items));
    bal_memory_fail_after(0);
    assert_null(bal_realloc_array(items, 8, sizeof *items));
    assert_int_equal(items[3], 9);
    items = bal_realloc_array(items, 5000, sizeof *items);
    assert_non_null(items);
    assert_int_equal(items[3], 9);
    void *empty = bal_realloc_array(NULL, 0, 4);
    assert_non_null(empty);
    bal_free(empty);
    bal_free(items);
}

static void copies(void **state) {
    char *copy = bal_strdup("ballast");
    assert_string_equal(copy, "ballast");
    bal_free(copy);
    copy = bal_strndup("bal\0last", 8);
    assert_memory_equal(copy, "bal\0last", 9);
    bal_free(copy);
    assert_null(bal_strndup("x", SIZE_MAX));
}

static void pages_are_aligned_and_zeroed(void **state) {
    static const size_t sizes[] = {
        0, 1, 64, 65, 4097, HUGE_PAGE - 1, HUGE_PAGE, HUGE_PAGE + 1, 3 * HUGE_PAGE};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *block = bal_alloc_pages(sizes[i]);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        if (sizes[i] >= HUGE_PAGE) assert_int_equal((uintptr_t)block % HUGE_PAGE, 0);
        for (size_t byte = 0; byte < sizes[i]; byte += 61)
            assert_int_equal(block[byte], 0);
        memset(block, 0xA5, sizes[i]);
        bal_free_pages(block, sizes[i]);
    }
    bal_free_pages(NULL, 5);
    assert_null(bal_alloc_pages(SIZE_MAX));
    assert_null(bal_alloc_pages(SIZE_MAX - HUGE_PAGE));
}

static void every_allocation_counts(void **state) {
    uint64_t before = bal_memory_allocations();
    void *a = bal_calloc(1, 1), *b = bal_realloc_array(NULL, 1, 1), *c = bal_alloc_pages(64);
    char *d = bal_strdup("d");
    assert_int_equal(bal_memory_allocations() - before, 4);
    bal_free(a);
    bal_free(b);
    bal_free_pages(c, 64);
    bal_free(d);
    assert_int_equal(bal_memory_allocations() - before, 4);
}

static void hook_fails_once(void **state) {
    bal_memory_fail_after(2);
    void *a = bal_calloc(1, 1);
    void *b = bal_alloc_pages(1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(bal_strdup("third"));
    void *c = bal_calloc(1, 1);
    assert_non_null(c);
    bal_memory_fail_after(0);
    assert_null(bal_alloc_pages(HUGE_PAGE));
    bal_memory_fail_after(0);
    bal_memory_fail_after(-1);
    void *d = bal_calloc(1, 1);
    assert_non_null(d);
    bal_free(a);
    bal_free_pages(b, 1);
    bal_free(c);
    bal_free(d);
}

static void arrays_grow(void **state) {
    int *items = NULL;
    size_t capacity = 0;
    uint64_t before = bal_memory_allocations();
    for (int i = 0; i < 10000; i++) {
        assert_true(bal_reserve(items, capacity, (size_t)i + 1));
        items[i] = i;
    }
    assert_true(bal_memory_allocations() - before < 30); /* geometric growth */
    for (int i = 0; i < 10000; i++)
        assert_int_equal(items[i], i);

    size_t kept = capacity;
    bal_memory_fail_after(0);
    assert_false(bal_reserve(items, capacity, capacity + 1));
    assert_false(bal_reserve(items, capacity, SIZE_MAX));
    assert_int_equal(capacity, kept);
    assert_int_equal(items[9999], 9999);
    bal_free(items);
}

static void checked_arithmetic(void **state) {
    size_t size = 42;
    int64_t number = 42;
    assert_false(bal_size_add(SIZE_MAX, 1, &size));
    assert_false(bal_size_mul(SIZE_MAX / 2, 3, &size));
    assert_false(bal_i64_add(INT64_MAX, 1, &number));
    assert_false(bal_i64_mul(INT64_MIN, -1, &number));
    assert_true(bal_size_add(SIZE_MAX - 1, 1, &size));
    assert_true(size == SIZE_MAX);
    assert_true(bal_size_mul(6, 7, &size));
    assert_int_equal(size, 42);
    assert_true(bal_i64_mul(-6, 7, &number));
    assert_int_equal(number, -42);
    assert_true(bal_size_align(65, 64, &size));
    assert_int_equal(size, 128);
    assert_true(bal_size_align(128, 64, &size));
    assert_int_equal(size, 128);
    assert_false(bal_size_align(SIZE_MAX - 62, 64, &size));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_and_checked),
        cmocka_unit_test(realloc_keeps_old_block),
        cmocka_unit_test(copies),
        cmocka_unit_test(pages_are_aligned_and_zeroed),
        cmocka_unit_test(every_allocation_counts),
        cmocka_unit_test(hook_fails_once),
        cmocka_unit_test(arrays_grow),
        cmocka_unit_test(checked_arithmetic),
    };
    return cmocka_run_group_tests_name("base/memory", tests, NULL, NULL);
}
