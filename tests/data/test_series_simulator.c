/* The simulators of series: deterministic, distributed as they say, with ceilings that are true.
 *
 * The process with moods is written down here once more (shares, scales, shapes, the probability of
 * a new draw) together with the filter for it, in the plainest way: distributions are tested
 * against that, and the ceiling against how often the filter is right about simulated values. The
 * fair ones are tested for independence. bustabit is held against hashes and multipliers that the
 * game showed, and its chain walked back to the hash that was announced before the first round. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "data/bustabit.h"
#include "data/series_simulator.h"

static const bal_series_simulator *regimes, *fair, *bustabit;

static double *make(const bal_series_simulator *simulator, int64_t samples, uint64_t seed) {
    double *values = calloc((size_t)samples, sizeof *values);
    bal_series_options options = simulator->defaults;
    bal_error err = {0};
    assert_non_null(values);
    options.samples = samples;
    options.seed = seed;
    if (simulator->make(&options, values, &err) != BAL_OK) fail_msg("%s", err.message);
    return values;
}

static bal_series_ceiling ceiling(const bal_series_simulator *simulator, double noise,
                                  uint64_t seed, double threshold, int32_t window) {
    bal_series_ceiling found = {0};
    bal_series_options options = simulator->defaults;
    bal_error err = {0};
    options.noise = noise;
    options.seed = seed;
    if (simulator->ceiling(&options, threshold, window, &found, &err) != BAL_OK)
        fail_msg("%s", err.message);
    return found;
}

static void assert_near(const char *what, double found, double wanted, double tolerance) {
    if (!(fabs(found - wanted) <= tolerance))
        fail_msg("%s: %.5f, wanted %.5f +- %.5f", what, found, wanted, tolerance);
}

/* ---- the table ---- */

static void the_table(void **state) {
    const char *before = "";
    for (int i = 0; bal_series_simulator_table[i]; i++) {
        const bal_series_simulator *simulator = bal_series_simulator_table[i];
        assert_true(strcmp(before, simulator->name) < 0);
        before = simulator->name;
        assert_ptr_equal(bal_series_simulator_find(simulator->name), simulator);
        assert_true(strlen(simulator->summary) > 20);
        assert_true(simulator->defaults.samples >= 50000 && simulator->defaults.noise == 1);
    }
    assert_null(bal_series_simulator_find("crash"));
    assert_null(bal_series_simulator_find(""));
}

static void determined_by_the_options(void **state) {
    enum { MANY = 3000, FEW = 1000 };
    for (int i = 0; bal_series_simulator_table[i]; i++) {
        const bal_series_simulator *simulator = bal_series_simulator_table[i];
        double *a = make(simulator, MANY, 7), *b = make(simulator, MANY, 7);
        double *other = make(simulator, MANY, 8), *few = make(simulator, FEW, 7);
        assert_memory_equal(a, b, MANY * sizeof *a);
        if (simulator == bustabit) { /* history: no seed; fewer rounds are the last ones */
            assert_memory_equal(a, other, MANY * sizeof *a);
            assert_memory_equal(a + MANY - FEW, few, FEW * sizeof *a);
        } else {
            assert_memory_not_equal(a, other, MANY * sizeof *a);
            assert_memory_equal(a, few, FEW * sizeof *a);
        }
        for (int t = 0; t < MANY; t++) {
            assert_true(a[t] >= 1 && isfinite(a[t]));
            assert_true(a[t] == floor(a[t] * 100 + .5) / 100);
        }
        free(a);
        free(b);
        free(other);
        free(few);
    }
}

/* ---- the process with moods, once more ---- */

enum { REGIMES = 3 };
static const double share[REGIMES] = {.35, .15, .5};
static const double scale[REGIMES] = {.2, 1, 4};
static const double shape[REGIMES] = {1.5, 1, 1.5};
static const double draw = .04;

static double reach(int k, double multiplier) {
    return 1 / (1 + pow((multiplier - 1) / scale[k], shape[k]));
}

static double reach_any(double multiplier) {
    double sum = 0;
    for (int k = 0; k < REGIMES; k++)
        sum += share[k] * reach(k, multiplier);
    return sum;
}

static double reach_fair(double multiplier) {
    return .99 / multiplier;
}

/* Chi-square over the cells between `edges`, of every stride-th value; cells + 1 of them. */
static double chi_square(const double *values, int64_t n, int64_t stride,
                         double (*survival)(double), const double *edges, int cells) {
    double sum = 0;
    for (int c = 0; c <= cells; c++) {
        double low = c == 0 ? 0 : edges[c - 1], high = c == cells ? INFINITY : edges[c];
        double above = c == 0 ? 1 : survival(low), beyond = c == cells ? 0 : survival(high);
        double wanted = (above - beyond) * (double)(n / stride), found = 0;
        for (int64_t t = 0; t / stride < n / stride; t += stride)
            found += values[t] >= low && values[t] < high;
        assert_true(wanted > 5);
        sum += (found - wanted) * (found - wanted) / wanted;
    }
    return sum;
}

static const double edges[] = {1.01, 1.02, 1.05, 1.1, 1.2, 1.3, 1.5, 1.75, 2,
                               2.5,  3,    4,    5,   7,   10,  20,  50,   100};
enum { EDGES = sizeof edges / sizeof *edges };
static const double chi_square_999 = 42.31; /* 18 degrees of freedom: beyond once in 1000 */

static void distributions(void **state) {
    enum { SAMPLES = 2000000, APART = 200 }; /* .96^200 = 3e-4: as good as independent */
    double *values = make(regimes, SAMPLES, 3);
    double found = chi_square(values, SAMPLES, APART, reach_any, edges, EDGES);
    if (found > chi_square_999) fail_msg("moods: chi-square %g", found);
    free(values);
    const bal_series_simulator *const independent[] = {fair, bustabit};
    for (int i = 0; i < 2; i++) {
        values = make(independent[i], 100000, 3);
        found = chi_square(values, 100000, 1, reach_fair, edges, EDGES);
        if (found > chi_square_999) fail_msg("%s: chi-square %g", independent[i]->name, found);
        free(values);
    }
}

/* Pairs of neighbours tell how long moods last: P(both >= m) has a closed form. */
static void moods_last(void **state) {
    enum { SAMPLES = 2000000 };
    double *values = make(regimes, SAMPLES, 5), any = reach_any(1.5), same = 0;
    for (int k = 0; k < REGIMES; k++)
        same += share[k] * reach(k, 1.5) * reach(k, 1.5);
    const int lags[] = {1, 10, 50};
    for (int i = 0; i < 3; i++) {
        double both = 0, stays = pow(1 - draw, lags[i]);
        for (int64_t t = lags[i]; t < SAMPLES; t++)
            both += values[t] >= 1.5 && values[t - lags[i]] >= 1.5;
        /* Some 40,000 draws of moods: .25 · 1 / sqrt(40000) = .00125. */
        assert_near("both above", both / SAMPLES, stays * same + (1 - stays) * any * any, .004);
    }
    free(values);
}

/* P(next >= threshold | the values before), for every t from the values [t − window, t). */
static double filtered(const double *values, int64_t begin, int64_t end, double threshold) {
    double belief[REGIMES], p = 0;
    memcpy(belief, share, sizeof belief);
    for (int64_t t = begin; t < end; t++) {
        double sum = 0;
        for (int k = 0; k < REGIMES; k++)
            sum += belief[k] *= reach(k, values[t]) - reach(k, values[t] + .01);
        for (int k = 0; k < REGIMES; k++)
            belief[k] = (1 - draw) * belief[k] / sum + draw * share[k];
    }
    for (int k = 0; k < REGIMES; k++)
        p += belief[k] * reach(k, threshold);
    return p;
}

typedef struct outcome {
    double right, rounds[2], named[2]; /* by side: below, above */
} outcome;

/* How the two best rules do on values that were really drawn. */
static outcome play(const double *values, int64_t n, int32_t window, double threshold) {
    outcome sums = {0};
    for (int64_t t = window; t < n; t++) {
        double p = filtered(values, t - window, t, threshold);
        int side = values[t] >= threshold;
        sums.right += (p > .5) == side;
        sums.rounds[side]++;
        sums.named[side] += (p > reach_any(threshold)) == side;
    }
    return sums;
}

/* Hits cluster like moods do, so their errors are taken from independent series, too. */
static void ceiling_is_reached(void **state) {
    enum { SERIES = 40, SAMPLES = 6000 };
    const struct {
        double threshold;
        int32_t window;
    } cases[] = {{1.5, 20}, {1.5, 3}, {3, 12}};
    for (int c = 0; c < 3; c++) {
        double threshold = cases[c].threshold, mean[4] = {0}, squares[4] = {0};
        for (int s = 0; s < SERIES; s++) {
            double *values = make(regimes, SAMPLES, 100 + (uint64_t)s);
            outcome o = play(values, SAMPLES, cases[c].window, threshold);
            double below = o.named[0] / o.rounds[0], above = o.named[1] / o.rounds[1];
            double figures[4] = {o.right / (o.rounds[0] + o.rounds[1]), (below + above) / 2, below,
                                 above};
            for (int i = 0; i < 4; i++) {
                mean[i] += figures[i] / SERIES;
                squares[i] += figures[i] * figures[i] / SERIES;
            }
            free(values);
        }
        bal_series_ceiling best = ceiling(regimes, 1, 1, threshold, cases[c].window);
        const double wanted[4] = {best.accuracy, best.balanced, best.recall_below,
                                  best.recall_above};
        const double errors[4] = {best.accuracy_error, best.balanced_error, best.recall_below_error,
                                  best.recall_above_error};
        static const char *const what[4] = {"accuracy", "balanced", "below", "above"};
        for (int i = 0; i < 4; i++) {
            double error = sqrt((squares[i] - mean[i] * mean[i]) / (SERIES - 1));
            assert_true(error < .01 && errors[i] < .005);
            /* A mean of ratios: off by a few parts in ten thousand of its own. */
            assert_near(what[i], mean[i], wanted[i], 4 * hypot(error, errors[i]) + .0005);
        }
        assert_near("share above", best.above, reach_any(threshold), 1e-12);
    }
}

/* The figures that docs/crash-processes.md gives. */
static void figures_of_the_document(void **state) {
    const struct {
        int32_t window;
        double accuracy, balanced, below, above;
    } figures[] = {
        {0, .8223, .8113, .8134, .8092},  {50, .8223, .8113, .8134, .8092},
        {20, .8222, .8113, .8136, .8090}, {10, .8208, .8112, .8163, .8061},
        {5, .8168, .8106, .8217, .7996},  {3, .8110, .8067, .8198, .7935},
        {1, .7712, .7651, .7783, .7518},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        bal_series_ceiling best = ceiling(regimes, 1, 4, 1.5, figures[i].window);
        assert_near("P(above)", best.above, .6495, .00005);
        assert_near("accuracy", best.accuracy, figures[i].accuracy, 4 * best.accuracy_error);
        assert_near("balanced", best.balanced, figures[i].balanced,
                    4 * best.balanced_error + .0001);
        assert_near("below", best.recall_below, figures[i].below, 4 * best.recall_below_error);
        assert_near("above", best.recall_above, figures[i].above, 4 * best.recall_above_error);
        assert_true(best.balanced_error < .0015 && best.accuracy_error < .0015);
    }
}

/* Is the spread of estimates over seeds the error that they give? */
static void errors_are_true(void **state) {
    enum { SEEDS = 24 };
    double sum = 0, squares = 0, given = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bal_series_ceiling best = ceiling(regimes, 1, seed, 1.5, 0);
        sum += best.balanced;
        squares += best.balanced * best.balanced;
        given += best.balanced_error * best.balanced_error;
    }
    double variance = (squares - sum * sum / SEEDS) / (SEEDS - 1);
    double times = variance / (given / SEEDS); /* chi-square / 23: .4 to 2.1 in 998 of 1000 */
    if (times < .35 || times > 2.2) fail_msg("variance %g times the one given", times);
}

static void more_noise_less_to_learn(void **state) {
    double last = 1;
    for (double noise = .25; noise < 25; noise *= 2.5) {
        double balanced = ceiling(regimes, noise, 1, 1.5, 0).balanced;
        assert_true(balanced < last - .01 && balanced > .5);
        last = balanced;
    }
    const double none[] = {25, 26, 1e9};
    for (int i = 0; i < 3; i++) {
        bal_series_ceiling best = ceiling(regimes, none[i], 1, 1.5, 0);
        assert_true(best.balanced == .5 && best.balanced_error == 0);
        assert_near("accuracy", best.accuracy, reach_any(1.5), 1e-12);
    }
    assert_true(ceiling(regimes, 0, 1, 1.5, 0).balanced == ceiling(regimes, 1, 1, 1.5, 0).balanced);
    /* Beyond what a filter remembers a window is the whole past. */
    assert_true(ceiling(regimes, 1, 1, 2, 500).balanced == ceiling(regimes, 1, 1, 2, 0).balanced);
}

/* ---- the fair ones ---- */

static void fair_ceilings(void **state) {
    const bal_series_simulator *const both[] = {fair, bustabit};
    const struct {
        double threshold, above;
    } cases[] = {{1.5, .66}, {1.1, .9}, {1.01, .99 / 1.01}, {3, .33}, {99, .01}, {1.495, .66}};
    for (int i = 0; i < 2; i++)
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            bal_series_ceiling best = ceiling(both[i], 1, 1, cases[c].threshold, 50);
            assert_near("above", best.above, cases[c].above, 1e-12);
            assert_true(best.accuracy == fmax(best.above, 1 - best.above));
            assert_true(best.balanced == .5 && best.recall_below == .5 && best.recall_above == .5);
            assert_true(best.accuracy_error == 0 && best.balanced_error == 0);
        }
}

/* A round in a hundred crashes at once, and rounding down makes it 1.98. */
static void instant_crashes(void **state) {
    enum { SAMPLES = 400000 };
    double *values = make(fair, SAMPLES, 11), ones = 0;
    for (int t = 0; t < SAMPLES; t++)
        ones += values[t] == 1;
    assert_near("1.00", ones / SAMPLES, 1 - .99 / 1.01, 4 * sqrt(.02 / SAMPLES));
    free(values);
}

/* For the thresholds that matter and lags up to a window of 50: correlation of the sides, in its
 * standard errors. 150 figures: beyond 4.5 once in 1000 such tests. */
static double largest_correlation(const double *values, int64_t n) {
    const double thresholds[] = {1.5, 2, 10};
    double largest = 0;
    for (int c = 0; c < 3; c++) {
        double p = reach_fair(thresholds[c]);
        for (int64_t lag = 1; lag <= 50; lag++) {
            double sum = 0;
            for (int64_t t = lag; t < n; t++)
                sum +=
                    ((values[t] >= thresholds[c]) - p) * ((values[t - lag] >= thresholds[c]) - p);
            largest = fmax(largest, fabs(sum) / (p * (1 - p) * sqrt((double)(n - lag))));
        }
    }
    return largest;
}

static void independent_rounds(void **state) {
    enum { SAMPLES = 100000 };
    double *values = make(fair, SAMPLES, 21);
    assert_true(largest_correlation(values, SAMPLES) < 4.5);
    free(values);
    values = make(bustabit, SAMPLES, 1);
    assert_true(largest_correlation(values, SAMPLES) < 4.5);
    free(values);
    values = make(regimes, SAMPLES, 1); /* and the test does see what is there */
    assert_true(largest_correlation(values, SAMPLES) > 50);
    free(values);
}

/* Words seen so far must not help: the share above after each pattern of 6 sides. */
static void patterns_do_not_help(void **state) {
    enum { SAMPLES = 100000, LENGTH = 6, PATTERNS = 1 << LENGTH };
    const bal_series_simulator *const both[] = {fair, bustabit};
    for (int i = 0; i < 2; i++) {
        double *values = make(both[i], SAMPLES, 31), sum = 0;
        double rounds[PATTERNS] = {0}, above[PATTERNS] = {0};
        unsigned pattern = 0;
        for (int t = 0; t < SAMPLES; t++) {
            bool side = values[t] >= 1.5;
            if (t >= LENGTH) {
                rounds[pattern]++;
                above[pattern] += side;
            }
            pattern = (pattern << 1 | side) % PATTERNS;
        }
        for (int k = 0; k < PATTERNS; k++)
            sum += pow(above[k] - .66 * rounds[k], 2) / (.66 * .34 * rounds[k]);
        if (sum > 104.7) fail_msg("%s: chi-square %g", both[i]->name, sum); /* 64 free, 1/1000 */
        free(values);
    }
}

/* ---- bustabit ---- */

static void read_hash(const char *text, uint8_t *hash) {
    assert_int_equal(strlen(text), 2 * BAL_SHA256_BYTES);
    for (int i = 0; i < BAL_SHA256_BYTES; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        hash[i] = (uint8_t)byte;
    }
}

/* Rounds that independent verifiers published with their tests. */
static void published_rounds(void **state) {
    static const struct {
        const char *hash;
        double multiplier;
    } rounds[] = {
        {"b2acd37fbdb5509926ab5d7329704c840f8467266c90019682f3b260a029bdba", 1.26},
        {"82886b71b3b26e4b162bbdf4e7024f50f6a7250c207fb9ce497ad56a3e7e700a", 1.18},
        {"cb7da3ec6cb68d4c0fccd9640641cabcac641f12ff97e7314ec3e074ac0981e0", 1.26},
        {"5d07719b61b0abb6f1c3b17b1d69c838278f87f9b5e75077026e5fedf96c2eb2", 2055.9},
        {"7d58fa510e6ad19a5c2a08302906110702ad354c3d275592068bc3df9cd7fd1d", 105710.05},
        {"ce9aa6e189eafade5a646726568dd7ddb3c3fb9623ed5c35fb556081a0b2501b", 1.61},
        {"8ce5fdbc1beabfc5f722f56b1f646c211fc7f20c4ba843956c7f18bd4b3392e3", 13.13},
    };
    uint8_t hash[BAL_SHA256_BYTES], before[BAL_SHA256_BYTES];
    for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++) {
        read_hash(rounds[i].hash, hash);
        assert_true(bal_bustabit_multiplier(hash) == rounds[i].multiplier);
    }
    read_hash(rounds[0].hash, hash);
    bal_bustabit_before(hash, hash);
    read_hash(rounds[1].hash, before);
    assert_memory_equal(hash, before, BAL_SHA256_BYTES);
}

/* All rounds from the last one known: two in the middle and the first as the game showed them, and
 * before that the hash announced when nobody knew any. */
static void chain_of_rounds(void **state) {
    static const struct {
        int round;
        const char *hash;
    } known[] = {
        {2553000, "ce9aa6e189eafade5a646726568dd7ddb3c3fb9623ed5c35fb556081a0b2501b"},
        {2537203, "8ce5fdbc1beabfc5f722f56b1f646c211fc7f20c4ba843956c7f18bd4b3392e3"},
        {1, "9f57575fd54cd441e962448537e155ace9555df10cd27fa817bbcaf48a59ebcf"},
        {0, "86728f5fc3bd99db94d3cdaf105d67788194e9701bf95d049ad0e1ee3d004277"},
    };
    enum { SAMPLES = BAL_BUSTABIT_ROUNDS - 2537203 + 1 };
    uint8_t hash[BAL_SHA256_BYTES], wanted[BAL_SHA256_BYTES];
    double *values = make(bustabit, SAMPLES, 1);
    assert_true(values[0] == 13.13);
    assert_true(values[2553000 - 2537203] == 1.61);
    int next = 0;
    bal_bustabit_last(hash);
    for (int round = BAL_BUSTABIT_ROUNDS;; round--) {
        if (round % 100000 == 3 && round > 2537203)
            assert_true(values[round - 2537203] == bal_bustabit_multiplier(hash));
        if (round == known[next].round) {
            read_hash(known[next++].hash, wanted);
            assert_memory_equal(hash, wanted, BAL_SHA256_BYTES);
        }
        if (round == 0) break;
        bal_bustabit_before(hash, hash);
    }
    assert_int_equal(next, 4);
    free(values);
}

/* ---- refusals ---- */

static void refusals(void **state) {
    const struct {
        bal_series_options options;
        double threshold;
        const char *words;
    } cases[] = {
        {{0, 1, 1}, 2, ": 0 samples"},        {{-5, 1, 1}, 2, ": -5 samples"},
        {{9, -1, 1}, 2, ": noise -1"},        {{9, NAN, 1}, 2, ": noise nan"},
        {{9, INFINITY, 1}, 2, ": noise inf"}, {{9, 1, 1}, 1, ": a threshold of 1 does"},
        {{9, 1, 1}, -3, "threshold of -3"},   {{9, 1, 1}, NAN, "threshold of nan"},
        {{9, 1, 1}, 1e13, "at most 1e12"},
    };
    for (int i = 0; bal_series_simulator_table[i]; i++)
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            const bal_series_simulator *simulator = bal_series_simulator_table[i];
            double values[9] = {-1};
            bal_series_ceiling found = {.accuracy = -1};
            bal_error err = {0};
            if (cases[c].threshold == 2) {
                assert_int_equal(simulator->make(&cases[c].options, values, NULL), BAL_EDATA);
                assert_true(values[0] == -1);
            }
            assert_int_equal(
                simulator->ceiling(&cases[c].options, cases[c].threshold, 5, &found, &err),
                BAL_EDATA);
            if (!strstr(err.message, cases[c].words) || !strstr(err.message, simulator->name))
                fail_msg("%s", err.message);
            assert_true(found.accuracy == -1);
        }
    bal_series_options options = {.samples = BAL_BUSTABIT_ROUNDS + 1, .noise = 1};
    bal_error err = {0};
    assert_int_equal(bustabit->make(&options, NULL, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "there are 2729956 rounds"));
}

static void failing_memory(void **state) {
    bal_series_ceiling found = {.accuracy = -1};
    bal_memory_fail_after(0);
    bal_status status = regimes->ceiling(&regimes->defaults, 1.5, 1, &found, NULL);
    bal_memory_fail_after(-1);
    assert_int_equal(status, BAL_ENOMEM);
    assert_true(found.accuracy == -1);
}

int main(void) {
    regimes = bal_series_simulator_find("crash_regimes");
    fair = bal_series_simulator_find("crash_fair");
    bustabit = bal_series_simulator_find("bustabit");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table),          cmocka_unit_test(determined_by_the_options),
        cmocka_unit_test(distributions),      cmocka_unit_test(moods_last),
        cmocka_unit_test(ceiling_is_reached), cmocka_unit_test(figures_of_the_document),
        cmocka_unit_test(errors_are_true),    cmocka_unit_test(more_noise_less_to_learn),
        cmocka_unit_test(fair_ceilings),      cmocka_unit_test(instant_crashes),
        cmocka_unit_test(independent_rounds), cmocka_unit_test(patterns_do_not_help),
        cmocka_unit_test(published_rounds),   cmocka_unit_test(chain_of_rounds),
        cmocka_unit_test(refusals),           cmocka_unit_test(failing_memory),
    };
    return cmocka_run_group_tests_name("series-simulator", tests, NULL, NULL);
}
