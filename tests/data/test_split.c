/* data/split.c and data/strata.c: every row in one part, the fractions kept in total and within
 * each class, small classes, what is never cut apart, and the same split for the same seed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "data/split.h"
#include "data/strata.h"

static const bal_split_options thirds = {.kind = "stratified", .fraction = {.81, .09, .10}};

static bal_split split_of(const bal_split_options *options, int64_t rows, const int32_t *labels,
                          int32_t classes) {
    bal_split split = {0};
    bal_error err = {0};
    bal_status status = bal_split_init(&split, options, rows, labels, classes, NULL, NULL, &err);
    if (status != BAL_OK) fail_msg("%s", err.message);
    return split;
}

/* Ascending, no row twice, none outside. Returns how many rows were given out. */
static int64_t check_rows(const bal_split *split, int64_t rows) {
    char *seen = calloc((size_t)rows, 1);
    int64_t given = 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        for (int64_t i = 0; i < split->count[p]; i++) {
            int64_t row = split->rows[p][i];
            assert_true(row >= 0 && row < rows);
            if (i > 0) assert_true(row > split->rows[p][i - 1]);
            assert_int_equal(seen[row], 0);
            seen[row] = 1;
        }
        given += split->count[p];
    }
    free(seen);
    return given;
}

static void assert_counts(const bal_split *split, int64_t train, int64_t val, int64_t test) {
    assert_int_equal(split->count[BAL_SPLIT_TRAIN], train);
    assert_int_equal(split->count[BAL_SPLIT_VAL], val);
    assert_int_equal(split->count[BAL_SPLIT_TEST], test);
}

static void assert_same(const bal_split *a, const bal_split *b) {
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        assert_int_equal(a->count[p], b->count[p]);
        assert_memory_equal(a->rows[p], b->rows[p], (size_t)a->count[p] * sizeof(int64_t));
    }
}

static void names(void **state) {
    assert_string_equal(bal_split_name(BAL_SPLIT_TRAIN), "train");
    assert_string_equal(bal_split_name(BAL_SPLIT_VAL), "val");
    assert_string_equal(bal_split_name(BAL_SPLIT_TEST), "test");
    assert_string_equal(bal_split_name(BAL_SPLIT_COUNT), "unknown");
}

/* ---- sizes ---- */

static void apportionment(void **state) {
    const struct {
        double fraction[3];
        int64_t rows, count[3];
    } cases[] = {
        {{.81, .09, .10}, 100, {81, 9, 10}},
        {{.81, .09, .10}, 60000, {48600, 5400, 6000}},
        {{.8, .1, .1}, 9, {7, 1, 1}},
        {{.8, .1, .1}, 30, {24, 3, 3}},  /* .1 · 30 is 3.0000000000000004 */
        {{.7, .15, .15}, 10, {7, 2, 1}}, /* a tie goes to the earlier part */
        {{.5, .25, .25}, 3, {1, 1, 1}},  /* remainders .5 .75 .75 */
        {{1. / 3, 1. / 3, 1. / 3}, 10, {4, 3, 3}},
        {{1, 0, 0}, 7, {7, 0, 0}},
        {{.6, 0, .4}, 6, {4, 0, 2}},
        {{.2, .1, .1}, 10, {2, 1, 1}}, /* the rest is left out */
        {{.5, .2, .1}, 7, {4, 1, 1}},
        {{.81, .09, .10}, 1, {1, 0, 0}},
        {{.3, .3, .4}, 1, {0, 0, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t count[3];
        bal_apportion(cases[i].fraction, cases[i].rows, count);
        for (int p = 0; p < 3; p++)
            if (count[p] != cases[i].count[p])
                fail_msg("case %zu: %d %d %d", i, (int)count[0], (int)count[1], (int)count[2]);
    }
}

/* A row that looks `embargo` rows back finds none of its values in a part before it. */
static void embargo(void **state) {
    double day[200];
    for (int i = 0; i < 200; i++)
        day[i] = (199 - i) / 2; /* two of each, latest first */
    char name[] = "day";
    const bal_column column = {.name = name, .number = day};
    bal_split_options options = {
        .kind = "sequential", .fraction = {.7, .15, .15}, .embargo = 25, .column = &column};
    bal_split split = split_of(&options, 200, NULL, 0);
    assert_counts(&split, 105, 23, 22); /* of the 150 rows that are left */
    assert_int_equal(check_rows(&split, 200), 150);
    for (int p = BAL_SPLIT_VAL; p < BAL_SPLIT_COUNT; p++)
        assert_int_equal(split.rows[p][0], split.rows[p - 1][split.count[p - 1] - 1] + 1 + 25);
    bal_split_release(&split);
    /* No gap for a part that nobody wants. */
    options.fraction[BAL_SPLIT_VAL] = 0;
    split = split_of(&options, 200, NULL, 0);
    assert_int_equal(split.rows[BAL_SPLIT_TEST][0],
                     split.rows[BAL_SPLIT_TRAIN][split.count[BAL_SPLIT_TRAIN] - 1] + 1 + 25);
    bal_split_release(&split);
    options.kind = "time";
    split = split_of(&options, 200, NULL, 0);
    double latest = day[split.rows[BAL_SPLIT_TRAIN][0]];
    double earliest = day[split.rows[BAL_SPLIT_TEST][split.count[BAL_SPLIT_TEST] - 1]];
    assert_true(earliest - latest >= 25. / 2);
    bal_split_release(&split);
    /* Too much of it. */
    static const int64_t too_much[] = {200, 100000, INT64_MAX};
    for (size_t i = 0; i < sizeof too_much / sizeof *too_much; i++) {
        bal_error err = {0};
        options.embargo = too_much[i];
        assert_int_equal(bal_split_init(&split, &options, 200, NULL, 0, NULL, NULL, &err),
                         BAL_EDATA);
        assert_non_null(strstr(err.message, "(data.split.embargo) leave none of 200"));
    }
}

static void random_and_sequential(void **state) {
    bal_split_options options = {.kind = "random", .fraction = {.81, .09, .10}, .seed = 4};
    bal_split a = split_of(&options, 1000, NULL, 0), b = split_of(&options, 1000, NULL, 0);
    assert_counts(&a, 810, 90, 100);
    assert_int_equal(check_rows(&a, 1000), 1000);
    assert_same(&a, &b);
    bal_split_release(&b);
    options.seed = 5;
    b = split_of(&options, 1000, NULL, 0);
    assert_memory_not_equal(a.rows[BAL_SPLIT_VAL], b.rows[BAL_SPLIT_VAL], 90 * sizeof(int64_t));
    /* Not in order: rows of the last tenth are in train too. */
    assert_true(a.rows[BAL_SPLIT_TRAIN][809] > 950);
    bal_split_release(&a);
    bal_split_release(&b);

    options.kind = "sequential";
    a = split_of(&options, 1000, NULL, 0);
    assert_counts(&a, 810, 90, 100);
    assert_int_equal(a.rows[BAL_SPLIT_TRAIN][809], 809);
    assert_int_equal(a.rows[BAL_SPLIT_VAL][0], 810);
    assert_int_equal(a.rows[BAL_SPLIT_TEST][99], 999);
    bal_split_release(&a);
}

/* ---- stratified ---- */

static void count_classes(const bal_split *split, const int32_t *labels, int32_t classes,
                          int64_t (*ret_counts)[3]) {
    memset(ret_counts, 0, (size_t)classes * sizeof *ret_counts);
    for (int p = 0; p < 3; p++)
        for (int64_t i = 0; i < split->count[p]; i++) {
            int32_t label = labels[split->rows[p][i]];
            if (label >= 0) ret_counts[label][p]++;
        }
}

/* Labels 0 … classes − 1, size[c] of each, in a random order. Returns the sum. */
static int64_t make_labels(const int64_t *size, int32_t classes, uint64_t seed,
                           int32_t **ret_labels) {
    int64_t rows = 0, at = 0;
    for (int32_t c = 0; c < classes; c++)
        rows += size[c];
    int32_t *labels = malloc((size_t)rows * sizeof *labels);
    for (int32_t c = 0; c < classes; c++)
        for (int64_t i = 0; i < size[c]; i++)
            labels[at++] = c;
    bal_random random;
    bal_random_init(&random, seed, 9);
    for (int64_t i = rows - 1; i > 0; i--) {
        int64_t j = (int64_t)bal_random_below(&random, (uint64_t)i + 1);
        int32_t kept = labels[i];
        labels[i] = labels[j];
        labels[j] = kept;
    }
    *ret_labels = labels;
    return rows;
}

/* Rows by which one class's count of a part may be moved from its share, down and up; a class that
 * needs help is where it must be, and owes the difference. */
typedef struct leeway {
    double down, up, owed;
} leeway;

/* The counts of one class: its shares rounded down or up, or the one row that it must have. */
static void check_class(int64_t size, const int64_t count[3], const double fraction[3],
                        leeway sums[3]) {
    int wanted = 0;
    bool needs_help = false;
    for (int p = 0; p < 3; p++) {
        wanted += fraction[p] > 0;
        if (fraction[p] > 0 && fraction[p] * (double)size < 1 - 1e-6) needs_help = true;
    }
    for (int p = 0; p < 3; p++) {
        double share = fraction[p] * (double)size;
        if (fraction[p] == 0) assert_int_equal(count[p], 0);
        if (fraction[p] > 0 && size >= wanted && count[p] == 0)
            fail_msg("a class of %d rows has none in part %d", (int)size, p);
        if (needs_help) {
            sums[p].owed += share - (double)count[p];
            continue;
        }
        if (fabs((double)count[p] - share) > 1 - 1e-9)
            fail_msg("a class of %d rows has %d in part %d", (int)size, (int)count[p], p);
        sums[p].down += share - floor(share);
        sums[p].up += ceil(share) - share;
    }
}

/* What a stratified split promises, for any sizes: the totals are the fractions rounded, or
 * as near as the classes that need no help can bring them. */
static void check_stratified(const int64_t *size, int32_t classes, const double *fraction,
                             uint64_t seed) {
    int32_t *labels;
    int64_t rows = make_labels(size, classes, seed, &labels);
    bal_split_options options = {.kind = "stratified", .seed = seed};
    memcpy(options.fraction, fraction, sizeof options.fraction);
    bal_split split = split_of(&options, rows, labels, classes);
    int64_t given = check_rows(&split, rows);
    int64_t(*count)[3] = malloc((size_t)classes * sizeof *count);
    count_classes(&split, labels, classes, count);
    leeway sums[3] = {0};
    for (int32_t c = 0; c < classes; c++)
        check_class(size[c], count[c], fraction, sums);
    double sum = 0;
    for (int p = 0; p < 3; p++) {
        sum += fraction[p];
        /* What the others cannot make up for: what val and test have too much goes to train. */
        double left = fmax(fabs(sums[p].owed) - (sums[p].owed < 0 ? sums[p].down : sums[p].up),
                           sums[0].owed - sums[0].up);
        double off = fabs((double)split.count[p] - fraction[p] * (double)rows);
        double allowed = fmax(0, left) + (sums[p].owed == 0 ? 1 - 1e-6 : 2);
        if (off > allowed)
            fail_msg("part %d of %d rows in %d classes is %g off (allowed %g)", p, (int)rows,
                     (int)classes, off, allowed);
    }
    if (fabs(sum - 1) < 1e-9) assert_int_equal(given, rows);
    free(count);
    free(labels);
    bal_split_release(&split);
}

static const double fractions[][3] = {
    {.81, .09, .10}, {.8, .1, .1}, {.7, .15, .15},  {.6, .2, .2}, {.9, .1, 0},     {.8, 0, .2},
    {.5, .25, .25},  {.4, .1, .1}, {.05, .03, .02}, {1, 0, 0},    {.34, .33, .33}, {.98, .01, .01},
};
enum { FRACTIONS = sizeof fractions / sizeof *fractions };

static void many_distributions(void **state) {
    static int64_t size[400];
    bal_random random;
    bal_random_init(&random, 11, 0);
    for (int trial = 0; trial < 600; trial++) {
        int32_t classes = 1 + (int32_t)bal_random_below(&random, trial % 5 == 0 ? 400 : 40);
        double spread = bal_random_uniform(&random) * 6;
        double base = 1 + bal_random_uniform(&random) * 100;
        int64_t rows = 0;
        for (int32_t c = 0; c < classes; c++) {
            size[c] = (int64_t)(base * exp(-spread * bal_random_uniform(&random)));
            if (trial % 3 == 0) size[c] += 20;
            rows += size[c];
        }
        if (rows < 200) size[0] += 200; /* so that no part is empty */
        check_stratified(size, classes, fractions[trial % FRACTIONS], (uint64_t)trial);
    }
}

static void long_tail_of_197(void **state) {
    int64_t size[197];
    for (int tail = 1; tail <= 4; tail++) {
        for (int c = 0; c < 197; c++)
            size[c] = 3 + (int64_t)(400 * pow(10, -tail * ((c * 89) % 197) / 196.0));
        for (int f = 0; f < FRACTIONS; f++)
            check_stratified(size, 197, fractions[f], (uint64_t)f);
    }
}

/* Where rounding class by class goes wrong the most. */
static void ninety_nine_times_ten(void **state) {
    int32_t labels[990];
    for (int i = 0; i < 990; i++)
        labels[i] = i % 99;
    bal_split_options options = {.kind = "stratified", .fraction = {.8, .1, .1}};
    bal_split split = split_of(&options, 990, labels, 99);
    assert_counts(&split, 792, 99, 99);
    bal_split_release(&split);

    options = thirds; /* .9 rows of each class to validate on: every class gets its one */
    split = split_of(&options, 990, labels, 99);
    assert_counts(&split, 792, 99, 99);
    bal_split_release(&split);

    options.fraction[0] = .7; /* 7, 1.5 and 1.5: totals 693, 148.5, 148.5 */
    options.fraction[1] = options.fraction[2] = .15;
    split = split_of(&options, 990, labels, 99);
    assert_int_equal(split.count[0], 693);
    assert_in_range(split.count[1], 148, 149);
    assert_int_equal(split.count[1] + split.count[2], 297);
    bal_split_release(&split);
}

/* As many classes that need help as others can make up for: the totals are the fractions. */
static void others_make_up(void **state) {
    int64_t size[120];
    for (int c = 0; c < 120; c++)
        size[c] = c < 20 ? 3 : 205;
    int32_t *labels;
    int64_t rows = make_labels(size, 120, 1, &labels);
    bal_split split = split_of(&thirds, rows, labels, 120);
    assert_true(fabs((double)split.count[1] - .09 * (double)rows) < 1.5);
    assert_true(fabs((double)split.count[2] - .10 * (double)rows) < 1.5);
    bal_split_release(&split);
    free(labels);
}

static char logged[2000];

static void keep_log(void *user, bal_log_level level, const char *message) {
    snprintf(logged + strlen(logged), sizeof logged - strlen(logged), "%d %s\n", (int)level,
             message);
}

static const bal_log_sink sink = {keep_log, NULL, BAL_LOG_DEBUG};

static void small_classes(void **state) {
    const int64_t size[] = {60, 1, 2, 3, 0, 4};
    const char *const class_names[] = {"many", "one", "two", "three", "none", "four"};
    int32_t *labels;
    int64_t(*count)[3] = malloc(6 * sizeof *count);
    int64_t rows = make_labels(size, 6, 3, &labels);
    bal_split split = {0};
    logged[0] = '\0';
    assert_int_equal(bal_split_init(&split, &thirds, rows, labels, 6, class_names, &sink, NULL), 0);
    count_classes(&split, labels, 6, count);
    const int64_t wanted[6][3] = {{48, 6, 6}, {1, 0, 0}, {1, 1, 0},
                                  {1, 1, 1},  {0, 0, 0}, {2, 1, 1}};
    for (int c = 1; c < 6; c++)
        assert_memory_equal(count[c], wanted[c], sizeof wanted[c]);
    assert_int_equal(count[0][0] + count[0][1] + count[0][2], 60);
    assert_true(count[0][1] >= 5 && count[0][2] >= 6);
    assert_string_equal(logged, "2 too few rows to be in every part of the split, kept in train "
                                "first: one (1), two (2)\n");
    bal_split_release(&split);

    /* Two parts wanted: two rows are enough. */
    bal_split_options options = {.kind = "stratified", .fraction = {.8, 0, .2}};
    logged[0] = '\0';
    assert_int_equal(bal_split_init(&split, &options, rows, labels, 6, NULL, &sink, NULL), 0);
    assert_non_null(strstr(logged, "first: class 1 (1)\n"));
    count_classes(&split, labels, 6, count);
    assert_int_equal(count[2][0], 1);
    assert_int_equal(count[2][2], 1);
    bal_split_release(&split);
    free(labels);
    free(count);
}

static void log_of_many_small_classes_is_cut(void **state) {
    int64_t size[100];
    for (int c = 0; c < 100; c++)
        size[c] = c < 50 ? 2 : 50;
    int32_t *labels;
    int64_t rows = make_labels(size, 100, 3, &labels);
    bal_split split = {0};
    logged[0] = '\0';
    assert_int_equal(bal_split_init(&split, &thirds, rows, labels, 100, NULL, &sink, NULL), 0);
    assert_non_null(strstr(logged, "class 11 (2) and 38 more\n"));
    bal_split_release(&split);
    free(labels);
}

/* A class never owes its part because another has none of it: left out rows included. */
static void rows_left_out(void **state) {
    const int64_t size[] = {3, 3, 40};
    int32_t *labels;
    int64_t rows = make_labels(size, 3, 3, &labels), (*count)[3] = malloc(3 * sizeof *count);
    bal_split_options options = {.kind = "stratified", .fraction = {.3, .1, .1}};
    bal_split split = split_of(&options, rows, labels, 3);
    count_classes(&split, labels, 3, count);
    for (int c = 0; c < 2; c++)
        for (int p = 0; p < 3; p++)
            assert_int_equal(count[c][p], 1);
    bal_split_release(&split);
    free(labels);
    free(count);
}

static void unlabelled_rows(void **state) {
    int32_t labels[300];
    for (int i = 0; i < 300; i++)
        labels[i] = i % 3 - 1;
    bal_split split = split_of(&thirds, 300, labels, 2);
    assert_counts(&split, 243, 27, 30);
    int unlabelled[3] = {0};
    for (int p = 0; p < 3; p++)
        for (int64_t i = 0; i < split.count[p]; i++)
            unlabelled[p] += labels[split.rows[p][i]] < 0;
    assert_int_equal(unlabelled[0], 81);
    assert_int_equal(unlabelled[1], 9);
    bal_split_release(&split);

    for (int i = 0; i < 300; i++) /* two rows without a label are no small class */
        labels[i] = i < 2 ? -1 : i % 2;
    logged[0] = '\0';
    assert_int_equal(bal_split_init(&split, &thirds, 300, labels, 2, NULL, &sink, NULL), BAL_OK);
    assert_string_equal(logged, "");
    bal_split_release(&split);
}

static void determined_by_the_seed(void **state) {
    int32_t labels[2000];
    for (int i = 0; i < 2000; i++)
        labels[i] = i * 7 % 13;
    bal_split_options options = thirds;
    bal_split a = split_of(&options, 2000, labels, 13), b = split_of(&options, 2000, labels, 13);
    assert_same(&a, &b);
    options.seed = 1;
    bal_split c = split_of(&options, 2000, labels, 13);
    int64_t shared = 0;
    for (int64_t i = 0, j = 0; i < a.count[2] && j < c.count[2];) {
        int64_t x = a.rows[2][i], y = c.rows[2][j];
        shared += x == y;
        i += x <= y;
        j += y <= x;
    }
    assert_in_range(shared, 5, 40); /* of 200, by chance 20 */
    bal_split_release(&a);
    bal_split_release(&b);
    bal_split_release(&c);
}

static void without_labels_at_random(void **state) {
    bal_split_options options = {.kind = "random", .fraction = {.81, .09, .10}};
    bal_split a = split_of(&options, 500, NULL, 0), b = {0};
    logged[0] = '\0';
    assert_int_equal(bal_split_init(&b, &thirds, 500, NULL, 0, NULL, &sink, NULL), BAL_OK);
    assert_non_null(strstr(logged, "rows are split at random"));
    assert_same(&a, &b);
    bal_split_release(&a);
    bal_split_release(&b);
}

/* ---- group, time ---- */

static int part_of(const bal_split *split, int64_t row) {
    for (int p = 0; p < 3; p++)
        for (int64_t i = 0; i < split->count[p]; i++)
            if (split->rows[p][i] == row) return p;
    return -1;
}

static void groups_stay_together(void **state) {
    enum { ROWS = 600, GROUPS = 60 };
    double person[ROWS];
    char name[ROWS][16], *text[ROWS];
    bal_random random;
    bal_random_init(&random, 2, 0);
    for (int i = 0; i < ROWS; i++) {
        person[i] = (double)bal_random_below(&random, GROUPS);
        snprintf(name[i], sizeof name[i], "p%d", (int)person[i]);
        text[i] = name[i];
    }
    bal_column by_number = {.name = (char[]){"person"}, .number = person};
    bal_column by_text = {.name = (char[]){"person"}, .is_text = true, .text = text};
    for (int kind = 0; kind < 2; kind++) {
        bal_split_options options = {"group", {.7, .15, .15}, kind ? &by_text : &by_number, 0, 3};
        bal_split split = split_of(&options, ROWS, NULL, 0),
                  again = split_of(&options, ROWS, NULL, 0);
        assert_int_equal(check_rows(&split, ROWS), ROWS);
        assert_same(&split, &again);
        int part[GROUPS];
        memset(part, -1, sizeof part);
        for (int p = 0; p < 3; p++)
            for (int64_t i = 0; i < split.count[p]; i++) {
                int group = (int)person[split.rows[p][i]];
                if (part[group] < 0) part[group] = p;
                assert_int_equal(part[group], p);
            }
        assert_in_range(split.count[0], 414, 426);
        assert_in_range(split.count[1], 84, 96);
        bal_split_release(&again);
        options.seed = 4;
        again = split_of(&options, ROWS, NULL, 0);
        assert_true(split.count[1] != again.count[1] ||
                    memcmp(split.rows[1], again.rows[1], (size_t)split.count[1] * 8) != 0);
        bal_split_release(&split);
        bal_split_release(&again);
    }
}

static void few_groups_fill_every_part(void **state) {
    double number[30];
    for (int i = 0; i < 30; i++)
        number[i] = i / 10;
    bal_column column = {.name = (char[]){"day"}, .number = number};
    bal_split_options options = {"group", {.8, .1, .1}, &column, 0, 0};
    bal_split split = split_of(&options, 30, NULL, 0);
    assert_counts(&split, 10, 10, 10);
    bal_split_release(&split);

    for (int i = 0; i < 30; i++) /* two groups cannot fill three parts */
        number[i] = i / 15;
    bal_error err = {0};
    assert_int_equal(bal_split_init(&split, &options, 30, NULL, 0, NULL, NULL, &err), BAL_EDATA);
    assert_non_null(strstr(err.message, "group split of 30 rows leaves none for"));

    for (int i = 0; i < 30; i++)
        number[i] = i;
    options.fraction[0] = .3; /* half of the rows are left out */
    split = split_of(&options, 30, NULL, 0);
    assert_counts(&split, 9, 3, 3);
    bal_split_release(&split);
}

/* Nanoseconds 10 apart, newest first: as doubles they are but five different times. */
static void times_beyond_what_doubles_hold(void **state) {
    double time[100];
    int64_t whole[100];
    bal_column column = {.name = (char[]){"time"}, .number = time, .whole = whole};
    bal_split_options options = {"time", {.7, .15, .15}, &column, 0, 0};
    for (int i = 0; i < 100; i++) {
        whole[i] = 1730000000000000000 + 10 * (100 - i);
        time[i] = (double)whole[i];
    }
    bal_split split = split_of(&options, 100, NULL, 0);
    assert_counts(&split, 70, 15, 15);
    for (int i = 0; i < 100; i++)
        assert_int_equal(part_of(&split, i), i < 15   ? BAL_SPLIT_TEST
                                             : i < 30 ? BAL_SPLIT_VAL
                                                      : BAL_SPLIT_TRAIN);
    bal_split_release(&split);
}

static void equal_times_stay_together(void **state) {
    double time[100];
    bal_column column = {.name = (char[]){"time"}, .number = time};
    bal_split_options options = {"time", {.7, .15, .15}, &column, 0, 0};
    bal_random random;
    bal_random_init(&random, 8, 0);
    for (int trial = 0; trial < 50; trial++) {
        for (int i = 0; i < 100; i++)
            time[i] = (double)bal_random_below(&random, 10 + (uint64_t)trial * 5);
        bal_split split = split_of(&options, 100, NULL, 0);
        assert_int_equal(check_rows(&split, 100), 100);
        for (int p = 0; p < 2; p++) { /* all of a part is strictly before all of the next */
            double last = -1, first = INFINITY;
            for (int64_t i = 0; i < split.count[p]; i++)
                last = fmax(last, time[split.rows[p][i]]);
            for (int64_t i = 0; i < split.count[p + 1]; i++)
                first = fmin(first, time[split.rows[p + 1][i]]);
            assert_true(last < first);
        }
        bal_split_release(&split);
    }
    for (int i = 0; i < 100; i++) /* newest first: sorted, then cut */
        time[i] = 1000 - i;
    bal_split split = split_of(&options, 100, NULL, 0);
    assert_counts(&split, 70, 15, 15);
    assert_int_equal(part_of(&split, 0), BAL_SPLIT_TEST);
    assert_int_equal(part_of(&split, 99), BAL_SPLIT_TRAIN);
    bal_split_release(&split);

    /* Rows 68–71 are of one time: they follow the first of them into train. */
    for (int i = 0; i < 100; i++)
        time[i] = i >= 68 && i < 72 ? 68 : i;
    split = split_of(&options, 100, NULL, 0);
    assert_counts(&split, 72, 13, 15);
    bal_split_release(&split);
}

static void times_as_text(void **state) {
    char *text[] = {(char[]){"2024-03-01"}, (char[]){"2023-12-31"}, (char[]){"2024-02-29"}};
    bal_column column = {.name = (char[]){"day"}, .is_text = true, .text = text};
    bal_split_options options = {"time", {.34, .33, .33}, &column, 0, 0};
    bal_split split = split_of(&options, 3, NULL, 0);
    assert_int_equal(part_of(&split, 1), BAL_SPLIT_TRAIN);
    assert_int_equal(part_of(&split, 2), BAL_SPLIT_VAL);
    assert_int_equal(part_of(&split, 0), BAL_SPLIT_TEST);
    bal_split_release(&split);
}

/* ---- subsets ---- */

static void subsets(void **state) {
    static int64_t size[197], rows[20000], kept[20000];
    for (int c = 0; c < 197; c++)
        size[c] = 5 + 200 * ((c * 89) % 197) / 196;
    int32_t *labels;
    int64_t total = make_labels(size, 197, 3, &labels), n = 0;
    for (int64_t row = 0; row < total; row += 1 + row % 2) /* not all rows, not even distances */
        rows[n++] = row;
    for (int64_t wanted = 1; wanted <= n + 100; wanted = wanted * 3 / 2 + 1) {
        int64_t count = -1, again = -1, per_class[197] = {0}, present = 0, chosen = 0;
        assert_int_equal(bal_split_subset(rows, n, labels, 197, wanted, 5, kept, &count, NULL), 0);
        assert_int_equal(count, wanted < n ? wanted : n);
        for (int64_t i = 0, j = 0; i < count; i++) {
            while (j < n && rows[j] != kept[i])
                j++;
            assert_true(j < n); /* ascending and from the rows given */
            j++;
            per_class[labels[kept[i]]]++;
        }
        int64_t own[197] = {0};
        for (int64_t i = 0; i < n; i++)
            own[labels[rows[i]]]++;
        for (int c = 0; c < 197; c++) {
            present += own[c] > 0;
            chosen += per_class[c] > 0;
            double share = (double)own[c] * (double)count / (double)n;
            assert_true((double)per_class[c] <= fmax(1, share + 1));
            if (wanted > 1000) assert_true((double)per_class[c] > share * .9 - 1.5);
        }
        if (count >= present) assert_int_equal(chosen, present);
        int64_t *same = malloc((size_t)n * sizeof *same);
        assert_int_equal(bal_split_subset(rows, n, labels, 197, wanted, 5, same, &again, NULL), 0);
        assert_int_equal(again, count);
        assert_memory_equal(same, kept, (size_t)count * sizeof *same);
        free(same);
    }
    int64_t count = 0;
    assert_int_equal(bal_split_subset(rows, n, NULL, 0, 100, 5, kept, &count, NULL), BAL_OK);
    assert_int_equal(count, 100);
    free(labels);
}

/* ---- refusals ---- */

static void refuses(const bal_split_options *options, int64_t rows, bal_status status,
                    const char *words) {
    bal_split split = {.count = {7, 7, 7}}, before = split;
    bal_error err = {0};
    assert_int_equal(bal_split_init(&split, options, rows, NULL, 0, NULL, NULL, &err), status);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
    assert_memory_equal(&split, &before, sizeof split);
}

/* Text that is not in order of time when it is in order of letters must not split by time. */
static void times_that_text_does_not_order(void **state) {
    static const char *const good[][2] = {{"2024-03-01", "2023-12-31"},
                                          {"2024-03-01 10:00", "2024-03-01"},
                                          {"2024-03-01T10:00:00.5", "2024-03-01T10:00:00"},
                                          {"2024-03-01T10:00:00.25", "2024-03-01T10:00:00.5"},
                                          {"2024 week 07", "2025 week 12"}};
    static const char *const bad[][2] = {{"31.01.2020", "01.02.2019"}, {"2020-1-5", "2020-1-15"},
                                         {"2020-2", "2020-12"},        {"Jan 2020", "Feb 2020"},
                                         {"2020/01/05", "2020-01-06"}, {"2020", "today"}};
    char *text[2];
    bal_column column = {.name = (char[]){"day"}, .is_text = true, .text = text};
    bal_split_options options = {"time", {.5, .5, 0}, &column, 0, 0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        text[0] = (char *)good[i][0];
        text[1] = (char *)good[i][1];
        bal_split split = split_of(&options, 2, NULL, 0);
        bal_split_release(&split);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        text[0] = (char *)bad[i][0];
        text[1] = (char *)bad[i][1];
        refuses(&options, 2, BAL_EDATA, "begins with the year");
    }
}

static void refusals(void **state) {
    double number[20] = {[3] = NAN};
    char *text[20] = {(char[]){"a"}};
    bal_column column = {.name = (char[]){"day"}, .number = number};
    bal_column words = {.name = (char[]){"who"}, .is_text = true, .text = text};
    bal_split_options options = {"sideways", {.8, .1, .1}, NULL, 0, 0};
    refuses(&options, 20, BAL_ERECIPE, "'sideways' is none of stratified, random");
    options.kind = "time";
    refuses(&options, 20, BAL_ERECIPE, "kind time needs a column");
    options.column = &column;
    refuses(&options, 20, BAL_EDATA, "column 'day', row 4: no value");
    options.kind = "group";
    options.column = &words;
    refuses(&options, 20, BAL_EDATA, "column 'who', row 2: no value");
    options.kind = "random";
    refuses(&options, 0, BAL_EDATA, "no rows to split");
    options.fraction[1] = .5;
    refuses(&options, 20, BAL_ERECIPE, "train 0.8, val 0.5, test 0.1; wanted");
    options.fraction[1] = -.1;
    refuses(&options, 20, BAL_ERECIPE, "none negative");
    options.fraction[1] = NAN;
    refuses(&options, 20, BAL_ERECIPE, "val nan");
    options.fraction[0] = 0;
    options.fraction[1] = .1;
    refuses(&options, 20, BAL_ERECIPE, "train above 0");
    options.fraction[0] = .99;
    options.fraction[1] = .01;
    options.fraction[2] = 0;
    refuses(&options, 20, BAL_EDATA, "random split of 20 rows leaves none for val");
    options.fraction[0] = .2;
    refuses(&options, 2, BAL_EDATA, "leaves none for train");
    options.fraction[0] = .99;
    bal_split split = split_of(&options, 9, NULL, 0); /* too few to insist */
    assert_counts(&split, 9, 0, 0);
    bal_split_release(&split);
}

static void failing_memory(void **state) {
    static int32_t labels[400];
    static double number[400];
    for (int i = 0; i < 400; i++) {
        labels[i] = i % 20;
        number[i] = i % 40;
    }
    bal_column column = {.name = (char[]){"c"}, .number = number};
    const char *const kinds[] = {"stratified", "random", "sequential", "group", "time"};
    for (int k = 0; k < 5; k++) {
        bal_split_options options = {kinds[k], {.81, .09, .10}, &column, 0, 0};
        bal_status status = BAL_ENOMEM;
        for (int n = 0; status != BAL_OK; n++) {
            assert_true(n < 30);
            bal_split split = {0};
            bal_error err = {0};
            bal_memory_fail_after(n);
            status = bal_split_init(&split, &options, 400, labels, 20, NULL, NULL, &err);
            bal_memory_fail_after(-1);
            if (status != BAL_OK) {
                assert_int_equal(status, BAL_ENOMEM);
                assert_null(split.rows[0]);
            }
            bal_split_release(&split);
        }
    }
    int64_t rows[400], kept[400], count = -1;
    for (int i = 0; i < 400; i++)
        rows[i] = i;
    bal_status status = BAL_ENOMEM;
    for (int n = 0; status != BAL_OK; n++) {
        assert_int_equal(count, -1);
        bal_memory_fail_after(n);
        status = bal_split_subset(rows, 400, labels, 20, 100, 1, kept, &count, NULL);
        bal_memory_fail_after(-1);
    }
    assert_int_equal(count, 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(apportionment),
        cmocka_unit_test(embargo),
        cmocka_unit_test(random_and_sequential),
        cmocka_unit_test(many_distributions),
        cmocka_unit_test(long_tail_of_197),
        cmocka_unit_test(ninety_nine_times_ten),
        cmocka_unit_test(others_make_up),
        cmocka_unit_test(small_classes),
        cmocka_unit_test(log_of_many_small_classes_is_cut),
        cmocka_unit_test(rows_left_out),
        cmocka_unit_test(unlabelled_rows),
        cmocka_unit_test(determined_by_the_seed),
        cmocka_unit_test(without_labels_at_random),
        cmocka_unit_test(groups_stay_together),
        cmocka_unit_test(few_groups_fill_every_part),
        cmocka_unit_test(times_beyond_what_doubles_hold),
        cmocka_unit_test(equal_times_stay_together),
        cmocka_unit_test(times_as_text),
        cmocka_unit_test(times_that_text_does_not_order),
        cmocka_unit_test(subsets),
        cmocka_unit_test(refusals),
        cmocka_unit_test(failing_memory),
    };
    return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
