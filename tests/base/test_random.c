/* base/random.c: the published Philox vectors, and coarse statistics of what is built on it. Seeds
 * are fixed, so a statistic either always passes or always fails; limits are at least five standard
 * deviations wide. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

/* Random123 1.14, tests/kat_vectors, "philox4x32 10". */
static void known_answers(void **state) {
    static const struct {
        uint32_t counter[4], key[2], words[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint32_t words[4];
        bal_philox(vectors[i].counter, vectors[i].key, words);
        assert_memory_equal(words, vectors[i].words, sizeof words);
    }
}

/* The sequential view is the block function over key = seed, counter = (position, stream). */
static void layout_of_a_stream(void **state) {
    bal_random random;
    bal_random_init(&random, UINT64_C(0x299f31d0a4093822), UINT64_C(0x0370734413198a2e));
    for (uint32_t block = 0; block < 3; block++) {
        const uint32_t counter[4] = {block, 0, 0x13198a2e, 0x03707344};
        const uint32_t key[2] = {0xa4093822, 0x299f31d0};
        uint32_t words[4];
        bal_philox(counter, key, words);
        for (int i = 0; i < 4; i++)
            assert_int_equal(bal_random_u32(&random), words[i]);
    }
    /* The position carries from its low word to its high word. */
    random.counter[0] = 0xffffffff;
    random.used = 4;
    bal_random_u32(&random);
    assert_int_equal(random.counter[0], 0);
    assert_int_equal(random.counter[1], 1);

    bal_random words, wide;
    bal_random_init(&words, 5, 6);
    bal_random_init(&wide, 5, 6);
    uint64_t low = bal_random_u32(&words), high = bal_random_u32(&words);
    assert_int_equal(bal_random_u64(&wide), low | high << 32);
}

static void streams_differ(void **state) {
    enum { DRAWS = 100000 };
    static const uint64_t others[][2] = {{1, 1}, {2, 0}, {UINT64_C(1) << 32, 0}, {1, 1ull << 32}};
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        bal_random a, b;
        bal_random_init(&a, 1, 0);
        bal_random_init(&b, others[k][0], others[k][1]);
        double product = 0;
        for (int i = 0; i < DRAWS; i++)
            product += (bal_random_uniform(&a) - 0.5) * (bal_random_uniform(&b) - 0.5);
        /* each product has standard deviation 1/12 */
        assert_true(fabs(product) < 5.0 / 12.0 * sqrt(DRAWS));
    }
}

static void uniform_moments(void **state) {
    enum { DRAWS = 400000 };
    bal_random random;
    bal_random_init(&random, 11, 0);
    double sum = 0, squares = 0, lowest = 1, highest = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = bal_random_uniform(&random);
        assert_true(x >= 0 && x < 1);
        sum += x;
        squares += x * x;
        if (x < lowest) lowest = x;
        if (x > highest) highest = x;
    }
    assert_true(fabs(sum / DRAWS - 0.5) < 5 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(squares / DRAWS - 1.0 / 3) < 5 * sqrt(4.0 / 45 / DRAWS));
    assert_true(lowest < 1e-4 && highest > 1 - 1e-4);
}

static double chi_square(const int *counts, int cells, double expected) {
    double sum = 0;
    for (int i = 0; i < cells; i++)
        sum += pow(counts[i] - expected, 2) / expected;
    return sum;
}

static void below_is_unbiased(void **state) {
    bal_random random;
    bal_random_init(&random, 3, 0);
    assert_int_equal(bal_random_below(&random, 0), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(bal_random_below(&random, 1), 0);

    int counts[10] = {0};
    for (int i = 0; i < 200000; i++)
        counts[bal_random_below(&random, 10)]++;
    assert_true(chi_square(counts, 10, 20000) < 9 + 5 * sqrt(18));

    /* With bound 3·2^62, taking the high word without rejection would make results that are
     * multiples of 3 twice as likely (4 of 2^64 inputs fall on 3 results); remainders must come out
     * even. */
    int thirds[3] = {0};
    for (int i = 0; i < 90000; i++)
        thirds[bal_random_below(&random, 3ull << 62) % 3]++;
    assert_true(chi_square(thirds, 3, 30000) < 2 + 5 * 2);
}

static void normal_moments(void **state) {
    enum { DRAWS = 400000 };
    bal_random random;
    bal_random_init(&random, 17, 0);
    double moments[5] = {0};
    int beyond_one = 0, beyond_three = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = bal_random_normal(&random), power = 1;
        assert_true(isfinite(x));
        for (int k = 1; k <= 4; k++)
            moments[k] += power *= x;
        beyond_one += fabs(x) > 1;
        beyond_three += fabs(x) > 3;
    }
    assert_true(fabs(moments[1] / DRAWS) < 5 / sqrt(DRAWS));
    assert_true(fabs(moments[2] / DRAWS - 1) < 5 * sqrt(2.0 / DRAWS));
    assert_true(fabs(moments[3] / DRAWS) < 5 * sqrt(15.0 / DRAWS));
    assert_true(fabs(moments[4] / DRAWS - 3) < 5 * sqrt(96.0 / DRAWS));
    assert_true(fabs(beyond_one / (double)DRAWS - 0.317311) < 5 * sqrt(0.2166 / DRAWS));
    assert_true(fabs(beyond_three / (double)DRAWS - 0.002700) < 5 * sqrt(0.0027 / DRAWS));
}

static void permutations_are_uniform(void **state) {
    bal_random random;
    bal_random_init(&random, 23, 0);
    int counts[24] = {0};
    for (int i = 0; i < 48000; i++) {
        int64_t order[4];
        bal_random_permutation(&random, order, 4);
        int rank = 0, seen = 0;
        for (int k = 0; k < 4; k++) {
            assert_in_range(order[k], 0, 3);
            assert_false(seen & 1 << order[k]);
            seen |= 1 << order[k];
            int smaller = 0;
            for (int later = k + 1; later < 4; later++)
                smaller += order[later] < order[k];
            rank = rank * (4 - k) + smaller;
        }
        counts[rank]++;
    }
    assert_true(chi_square(counts, 24, 2000) < 23 + 5 * sqrt(46));
    int64_t one[1] = {9};
    bal_random_permutation(&random, one, 0);
    assert_int_equal(one[0], 9);
    bal_random_permutation(&random, one, 1);
    assert_int_equal(one[0], 0);
}

/* FNV-1a, 64 bits: values from the reference page of Fowler, Noll and Vo. */
static void name_hash(void **state) {
    assert_true(bal_hash_name("") == UINT64_C(0xcbf29ce484222325));
    assert_true(bal_hash_name("a") == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(bal_hash_name("foobar") == UINT64_C(0x85944171f73967e8));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),     cmocka_unit_test(layout_of_a_stream),
        cmocka_unit_test(streams_differ),    cmocka_unit_test(uniform_moments),
        cmocka_unit_test(below_is_unbiased), cmocka_unit_test(normal_moments),
        cmocka_unit_test(name_hash),         cmocka_unit_test(permutations_are_uniform),
    };
    return cmocka_run_group_tests_name("base/random", tests, NULL, NULL);
}
