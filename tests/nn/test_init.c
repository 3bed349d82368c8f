/* nn/init.c: the numbers of the generator, their distribution, and that a tensor's start depends on
 * its name, shape and the seed, and on nothing else. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "nn/net.h"

static void names(void **state) {
    const char *const wanted[BAL_INIT_COUNT] = {
        "zero", "one", "kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal"};
    for (int kind = 0; kind < BAL_INIT_COUNT; kind++) {
        assert_string_equal(bal_init_name((bal_init_kind)kind), wanted[kind]);
        assert_int_equal(bal_init_find(wanted[kind]), kind);
    }
    assert_int_equal(bal_init_find("orthogonal"), BAL_INIT_COUNT);
    assert_string_equal(bal_init_name(BAL_INIT_COUNT), "unknown");
}

static void gains(void **state) {
    assert_true(bal_init_gain(BAL_ACT_RELU, 0) == sqrt(2));
    assert_true(bal_init_gain(BAL_ACT_GELU, 0) == sqrt(2));
    assert_true(bal_init_gain(BAL_ACT_LEAKY_RELU, .5) == sqrt(2 / 1.25));
    assert_true(bal_init_gain(BAL_ACT_TANH, 0) == 5. / 3);
    assert_true(bal_init_gain(BAL_ACT_NONE, 0) == 1);
    assert_true(bal_init_gain(BAL_ACT_SIGMOID, 0) == 1);
}

static float *fill(bal_init_kind kind, double gain, bal_shape shape, const char *name,
                   uint64_t seed) {
    int64_t count = bal_shape_count(&shape);
    float *values = malloc(((size_t)count + 1) * sizeof *values);
    values[count] = 12345;
    bal_init_fill((bal_init_spec){kind, gain}, &shape, name, seed, values);
    assert_true(values[count] == 12345); /* not one too many */
    return values;
}

static void constants(void **state) {
    float *zero = fill(BAL_INIT_ZERO, 3, BAL_SHAPE1(70), "a", 1);
    float *one = fill(BAL_INIT_ONE, 3, BAL_SHAPE2(7, 10), "a", 1);
    for (int i = 0; i < 70; i++)
        assert_true(zero[i] == 0 && one[i] == 1);
    free(zero);
    free(one);
}

/* Sixteen blocks of Philox at a time, words of one kind side by side. */
static void words_of_philox(void **state) {
    enum { COUNT = 1000, LANES = 16 };
    const uint64_t seed = UINT64_C(0x123456789ABCDEF0), stream = bal_hash_name("backbone.0.weight");
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    float *uniform =
        fill(BAL_INIT_KAIMING_UNIFORM, 1, BAL_SHAPE2(10, 100), "backbone.0.weight", seed);
    float *normal =
        fill(BAL_INIT_KAIMING_NORMAL, 1, BAL_SHAPE2(10, 100), "backbone.0.weight", seed);
    const float scale = (float)(sqrt(3.0) * .1 * 0x1p-31); /* fan_in 100 */
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t group = i / (4 * LANES), word = i % (4 * LANES) / LANES, lane = i % LANES;
        uint32_t counter[4] = {group * LANES + lane, 0, (uint32_t)stream, (uint32_t)(stream >> 32)};
        uint32_t words[4];
        bal_philox(counter, key, words);
        assert_true(uniform[i] == (float)(int32_t)words[word] * scale);
        double radius = .1 * sqrt(-2 * log(((double)words[word & 2] + 1) / 0x1p32));
        double angle = 2 * M_PI * (double)words[word | 1] / 0x1p32;
        double wanted = radius * (word % 2 ? sin(angle) : cos(angle));
        assert_true(fabs((double)normal[i] - wanted) <= 1e-7);
    }
    free(uniform);
    free(normal);
}

/* Standard deviation as published, mean 0, and the form: kurtosis 1.8 or 3. */
static void distributions(void **state) {
    const int64_t out = 300, in = 1000;
    const struct {
        bal_init_kind kind;
        double deviation, kurtosis;
    } cases[] = {
        {BAL_INIT_KAIMING_UNIFORM, sqrt(2. / in), 1.8},
        {BAL_INIT_KAIMING_NORMAL, sqrt(2. / in), 3},
        {BAL_INIT_XAVIER_UNIFORM, sqrt(2. * 2 / (in + out)), 1.8},
        {BAL_INIT_XAVIER_NORMAL, sqrt(2. * 2 / (in + out)), 3},
    };
    for (int c = 0; c < 4; c++) {
        float *values = fill(cases[c].kind, sqrt(2), BAL_SHAPE2(out, in), "w", 3);
        double n = (double)(out * in), sum = 0, squares = 0, fourth = 0, most = 0;
        for (int64_t i = 0; i < out * in; i++) {
            double x = (double)values[i] / cases[c].deviation;
            sum += x;
            squares += x * x;
            fourth += x * x * x * x;
            most = fmax(most, fabs(x));
        }
        assert_true(fabs(sum / n) < 4 / sqrt(n));
        assert_true(fabs(squares / n - 1) < 4 * sqrt((cases[c].kurtosis - 1) / n));
        assert_true(fabs(fourth / squares - cases[c].kurtosis) < .05);
        if (cases[c].kurtosis < 2)
            assert_true(most <= sqrt(3) * (1 + 1e-6) && most > sqrt(3) * .999);
        else
            assert_true(most > 4 && most < 6.7);
        free(values);
    }
}

static void vectors_have_a_fan_of_one(void **state) {
    float *values = fill(BAL_INIT_KAIMING_UNIFORM, 1, BAL_SHAPE1(64), "b", 1);
    float most = 0;
    for (int i = 0; i < 64; i++)
        most = fmaxf(most, fabsf(values[i]));
    assert_true(most > 1.5f && most <= (float)sqrt(3));
    free(values);
}

static void only_name_seed_and_shape_matter(void **state) {
    const bal_init_kind kinds[] = {BAL_INIT_KAIMING_UNIFORM, BAL_INIT_XAVIER_NORMAL};
    for (int k = 0; k < 2; k++) {
        float *a = fill(kinds[k], 1, BAL_SHAPE2(9, 11), "head.a.weight", 7);
        float *again = fill(kinds[k], 1, BAL_SHAPE2(9, 11), "head.a.weight", 7);
        float *other = fill(kinds[k], 1, BAL_SHAPE2(9, 11), "head.b.weight", 7);
        float *seeded = fill(kinds[k], 1, BAL_SHAPE2(9, 11), "head.a.weight", UINT64_C(7) << 32);
        assert_memory_equal(a, again, 99 * sizeof *a);
        int same = 0;
        for (int i = 0; i < 99; i++)
            same += (a[i] == other[i]) + (a[i] == seeded[i]) + (other[i] == seeded[i]);
        assert_int_equal(same, 0);
        free(a);
        free(again);
        free(other);
        free(seeded);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(gains),
        cmocka_unit_test(constants),
        cmocka_unit_test(words_of_philox),
        cmocka_unit_test(distributions),
        cmocka_unit_test(vectors_have_a_fan_of_one),
        cmocka_unit_test(only_name_seed_and_shape_matter),
    };
    return cmocka_run_group_tests_name("init", tests, NULL, NULL);
}
