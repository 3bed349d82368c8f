/* base/arena.c: alignment, zeroing, separate pieces, large pieces, reuse, failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/random.h"

enum { PIECES = 3000 };

/* Each piece is zeroed when handed out and keeps its own pattern to the end. */
static void pieces_do_not_overlap(void **state) {
    static unsigned char *pieces[PIECES];
    static size_t sizes[PIECES];
    bal_arena arena = {0};
    bal_random random;
    bal_random_init(&random, 1, 2);
    for (int i = 0; i < PIECES; i++) {
        sizes[i] = (size_t)bal_random_below(&random, i % 100 == 0 ? 100000 : 200);
        pieces[i] = bal_arena_alloc(&arena, sizes[i], 1);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        for (size_t byte = 0; byte < sizes[i]; byte++)
            assert_int_equal(pieces[i][byte], 0);
        memset(pieces[i], i % 255 + 1, sizes[i]);
    }
    for (int i = 0; i < PIECES; i++) {
        for (size_t byte = 0; byte < sizes[i]; byte++)
            assert_int_equal(pieces[i][byte], i % 255 + 1);
    }
    bal_arena_release(&arena);
}

static void few_allocations(void **state) {
    bal_arena arena = {0};
    uint64_t before = bal_memory_allocations();
    for (int i = 0; i < 1000; i++)
        assert_non_null(bal_arena_alloc(&arena, 4, 16));
    assert_true(bal_memory_allocations() - before < 10);
    bal_arena_release(&arena);
}

/* A large piece does not close the block that small ones come from. */
static void large_piece_goes_beside(void **state) {
    bal_arena arena = {0};
    char *first = bal_arena_alloc(&arena, 16, 1);
    assert_non_null(bal_arena_alloc(&arena, 100000, 1));
    char *second = bal_arena_alloc(&arena, 16, 1);
    assert_ptr_equal(second, first + 16);
    bal_arena_release(&arena);
}

static void strings(void **state) {
    bal_arena arena = {0};
    assert_string_equal(bal_arena_strdup(&arena, "recipe"), "recipe");
    assert_string_equal(bal_arena_strndup(&arena, "recipe", 3), "rec");
    assert_string_equal(bal_arena_strdup(&arena, ""), "");
    assert_string_equal(bal_arena_printf(&arena, "%s-%03d", "run", 7), "run-007");
    char expected[5001];
    snprintf(expected, sizeof expected, "%05000d", 42);
    assert_string_equal(bal_arena_printf(&arena, "%05000d", 42), expected);
    bal_arena_release(&arena);
    assert_null(arena.blocks);
    assert_string_equal(bal_arena_strdup(&arena, "again"), "again");
    bal_arena_release(&arena);
    bal_arena_release(&arena);
}

static void failures(void **state) {
    bal_arena arena = {0};
    assert_null(bal_arena_alloc(&arena, SIZE_MAX / 2, 3));
    assert_null(bal_arena_alloc(&arena, SIZE_MAX - 8, 1));
    assert_null(bal_arena_alloc(&arena, SIZE_MAX - 40, 1));
    bal_memory_fail_after(0);
    assert_null(bal_arena_strdup(&arena, "x"));
    assert_string_equal(bal_arena_strdup(&arena, "kept"), "kept");
    bal_memory_fail_after(0);
    assert_null(bal_arena_printf(&arena, "%05000d", 1));
    bal_memory_fail_after(-1);
    void *a = bal_arena_alloc(&arena, 0, 8), *b = bal_arena_alloc(&arena, 8, 0);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    bal_arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(few_allocations),
        cmocka_unit_test(large_piece_goes_beside),
        cmocka_unit_test(strings),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
