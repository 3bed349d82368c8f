/* metric/bootstrap.c against the definition: rows drawn with replacement, gathered into an
 * evaluation of their own, scored, and the quantiles of what comes out. The library never gathers,
 * it weighs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "metric/metric.h"

enum { ROWS = 60, CLASSES = 4, RESAMPLES = 40 };

typedef struct sample {
    float outputs[ROWS * CLASSES];
    float targets[ROWS * CLASSES];
    int32_t labels[ROWS];
} sample;

static const double prior4[CLASSES] = {0.4, 0.3, 0.2, 0.1};
static const double prior2[2] = {0.6, 0.4};

static const double payoff[CLASSES * CLASSES] = {1, -1, 0, 2,  0.5, 3, -2, 0,
                                                 0, 1,  4, -3, 1,   0, 0,  5};

static void draw_sample(sample *s) {
    bal_random random;
    bal_random_init(&random, 5, 0);
    for (int i = 0; i < ROWS * CLASSES; i++) {
        s->outputs[i] = (float)bal_random_normal(&random);
        s->targets[i] = s->outputs[i] + (float)bal_random_normal(&random);
        if (bal_random_below(&random, 10) == 0) s->targets[i] = NAN;
    }
    for (int i = 0; i < ROWS; i++) {
        s->labels[i] = (int32_t)bal_random_below(&random, i % 2 ? 2 : CLASSES);
        s->outputs[i * CLASSES + s->labels[i]] += 1;
    }
}

static bal_evaluation evaluation_of(const sample *s, bal_head_kind kind) {
    return (bal_evaluation){.kind = kind,
                            .rows = ROWS,
                            .classes = kind == BAL_HEAD_BINARY ? 2 : CLASSES,
                            .logits = s->outputs,
                            .labels = s->labels,
                            .targets = s->targets,
                            .prior = kind == BAL_HEAD_BINARY ? prior2 : prior4,
                            .payoff = kind == BAL_HEAD_VALUE ? NULL : payoff,
                            .threshold = 0.5};
}

static bal_scores *scores_of(const bal_evaluation *evaluation) {
    bal_scores *scores = NULL;
    bal_error err = {0};
    bal_status status = bal_scores_new(evaluation, &scores, &err);
    if (status != BAL_OK) fail_msg("%s", err.message);
    return scores;
}

/* Resample `number` of the seed, gathered. */
static void gather(const sample *from, bal_head_kind kind, uint64_t seed, uint64_t number,
                   sample *to) {
    size_t columns = kind == BAL_HEAD_BINARY ? 1 : CLASSES;
    bal_random random;
    bal_random_init(&random, seed, number);
    for (size_t i = 0; i < ROWS; i++) {
        size_t row = (size_t)bal_random_below(&random, ROWS);
        memcpy(to->outputs + i * columns, from->outputs + row * columns, columns * sizeof(float));
        memcpy(to->targets + i * columns, from->targets + row * columns, columns * sizeof(float));
        to->labels[i] = from->labels[row];
    }
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* numpy.quantile's default: linear between the order statistics around q·(n − 1). */
static double quantile(const double *sorted, int n, double q) {
    double position = q * (n - 1), lower = floor(position), upper = ceil(position);
    return sorted[(int)lower] * (1 - (position - lower)) + sorted[(int)upper] * (position - lower);
}

static void compare_metric(const sample *s, bal_head_kind kind, const bal_metric *metric) {
    enum { SEED = 9, CLASS = 1 };
    bal_evaluation evaluation = evaluation_of(s, kind);
    bal_scores *scores = scores_of(&evaluation);
    double low, high, values[RESAMPLES];
    bal_error err = {0};
    assert_int_equal(
        bal_metric_bootstrap(metric, scores, CLASS,
                             &(bal_bootstrap){.resamples = RESAMPLES, .level = 0.8, .seed = SEED},
                             &low, &high, &err),
        BAL_OK);
    bal_scores_free(scores);

    int n = 0;
    for (int i = 0; i < RESAMPLES; i++) {
        sample drawn;
        gather(s, kind, SEED, (uint64_t)i, &drawn);
        bal_evaluation again = evaluation_of(&drawn, kind);
        bal_scores *resample = scores_of(&again);
        double value = metric->compute(resample, CLASS, NULL);
        if (!isnan(value)) values[n++] = value;
        bal_scores_free(resample);
    }
    assert_true(n > 0);
    qsort(values, (size_t)n, sizeof *values, compare_doubles);
    double want_low = quantile(values, n, 0.1), want_high = quantile(values, n, 0.9);
    if (!(fabs(low - want_low) < 1e-9 && fabs(high - want_high) < 1e-9))
        fail_msg("%s: [%.12g, %.12g], wanted [%.12g, %.12g]", metric->name, low, high, want_low,
                 want_high);
}

static void weighing_equals_gathering(void **state) {
    sample s;
    draw_sample(&s);
    sample binary = s;
    for (int i = 0; i < ROWS; i++)
        binary.labels[i] = s.labels[i] > 0;
    for (size_t m = 0; bal_metric_table[m]; m++) {
        const bal_metric *metric = bal_metric_table[m];
        for (int kind = 0; kind < BAL_HEAD_KIND_COUNT; kind++) {
            if (!(metric->kinds & BAL_HEAD_BIT(kind))) continue;
            compare_metric(kind == BAL_HEAD_BINARY ? &binary : &s, (bal_head_kind)kind, metric);
        }
    }
}

static void interval_of(const bal_scores *scores, const char *name, double level, uint64_t seed,
                        double *low, double *high) {
    bal_error err = {0};
    bal_status status = bal_metric_bootstrap(
        bal_metric_find(name), scores, 0,
        &(bal_bootstrap){.resamples = 100, .level = level, .seed = seed}, low, high, &err);
    if (status != BAL_OK) fail_msg("%s", err.message);
}

static void levels_and_seeds(void **state) {
    sample s;
    draw_sample(&s);
    bal_evaluation evaluation = evaluation_of(&s, BAL_HEAD_CLASSES);
    bal_scores *scores = scores_of(&evaluation);
    double value = bal_metric_find("log_loss")->compute(scores, 0, NULL);
    double low, high, low2, high2, least, most;
    interval_of(scores, "log_loss", 0.95, 1, &low, &high);
    assert_true(low < value && value < high);
    interval_of(scores, "log_loss", 0.95, 1, &low2, &high2);
    assert_true(low == low2 && high == high2);
    interval_of(scores, "log_loss", 0.95, 2, &low2, &high2);
    assert_true(low != low2 && high != high2);
    interval_of(scores, "log_loss", 0.5, 1, &low2, &high2);
    assert_true(low < low2 && low2 < high2 && high2 < high);
    interval_of(scores, "log_loss", 1, 1, &least, &most);
    assert_true(least < low && high < most);
    interval_of(scores, "log_loss", 0, 1, &low2, &high2);
    assert_true(low2 == high2 && low < low2 && low2 < high);
    /* The scores themselves are not disturbed. */
    assert_true(bal_metric_find("log_loss")->compute(scores, 0, NULL) == value);
    bal_scores_free(scores);
}

static void undefined_resamples(void **state) {
    const float logits[] = {1, 0, 0, 1};
    const int32_t labels[] = {0, 1}, unknown[] = {-1, -1};
    bal_evaluation evaluation = {
        .kind = BAL_HEAD_CLASSES, .rows = 2, .classes = 2, .logits = logits, .labels = labels};
    bal_scores *scores = scores_of(&evaluation);
    double low, high;
    /* Half of the resamples draw one class only, and have no AUC; the others have 1. */
    interval_of(scores, "roc_auc", 0.9, 1, &low, &high);
    assert_true(low == 1 && high == 1);
    interval_of(scores, "skill", 0.9, 1, &low, &high); /* no prior: never defined */
    assert_true(isnan(low) && isnan(high));
    bal_scores_free(scores);
    evaluation.labels = unknown;
    scores = scores_of(&evaluation);
    interval_of(scores, "accuracy", 0.9, 1, &low, &high);
    assert_true(isnan(low) && isnan(high));
    bal_scores_free(scores);
}

/* A row that is infinitely surprising spoils the resamples that hold it, and no others. */
static void infinite_loss_of_a_row_not_drawn(void **state) {
    const float logits[] = {1, 0, 0, 1};
    const int32_t labels[] = {0, 1};
    const double certain[] = {1, 0};
    bal_evaluation evaluation = {.kind = BAL_HEAD_CLASSES,
                                 .rows = 2,
                                 .classes = 2,
                                 .logits = logits,
                                 .labels = labels,
                                 .prior = certain};
    bal_scores *scores = scores_of(&evaluation), *prior = NULL;
    assert_int_equal(bal_scores_prior(scores, &prior, NULL), BAL_OK);
    double low = 7, high = 7;
    interval_of(prior, "log_loss", 0.9, 1, &low, &high);
    assert_true(low == 0 && high == 0);
    bal_scores_free(prior);
    bal_scores_free(scores);
}

/** Row 3 alone, as often as there are rows. */
static void draw_row_3(void *user, bal_random *random, uint32_t *weight) {
    for (int i = 0; i < ROWS; i++)
        weight[i] = i == 3 ? ROWS : 0;
    ++*(int *)user;
}

static void the_caller_may_draw(void **state) {
    sample s;
    draw_sample(&s);
    bal_evaluation evaluation = evaluation_of(&s, BAL_HEAD_VALUE);
    for (int k = 0; k < CLASSES; k++)
        s.targets[3 * CLASSES + k] = s.outputs[3 * CLASSES + k] + 2;
    for (int i = 0; i < ROWS; i++) /* all are labelled */
        s.targets[i * CLASSES] = isnan(s.targets[i * CLASSES]) ? 0 : s.targets[i * CLASSES];
    bal_scores *scores = scores_of(&evaluation);
    double low = 0, high = 0;
    int drawn = 0;
    const bal_bootstrap how = {.resamples = 5, .level = 0.9, .draw = draw_row_3, .user = &drawn};
    assert_int_equal(
        bal_metric_bootstrap(bal_metric_find("mae"), scores, -1, &how, &low, &high, NULL), BAL_OK);
    assert_int_equal(drawn, 5);
    assert_true(fabs(low - 2) < 1e-6 && fabs(high - 2) < 1e-6);
    bal_scores_free(scores);
}

static void bad_arguments(void **state) {
    sample s;
    draw_sample(&s);
    bal_evaluation evaluation = evaluation_of(&s, BAL_HEAD_CLASSES);
    bal_scores *scores = scores_of(&evaluation);
    const bal_metric *metric = bal_metric_find("accuracy");
    double low = 7, high = 8;
    const double levels[] = {-0.1, 1.1, NAN};
    bal_error err = {0};
    assert_int_equal(
        bal_metric_bootstrap(metric, scores, 0, &(bal_bootstrap){.level = 0.9}, &low, &high, &err),
        BAL_EINVAL);
    assert_string_equal(err.message, "bootstrap of accuracy: 0 resamples; wanted 1 or more");
    for (int i = 0; i < 3; i++)
        assert_int_equal(bal_metric_bootstrap(metric, scores, 0,
                                              &(bal_bootstrap){.resamples = 10, .level = levels[i]},
                                              &low, &high, NULL),
                         BAL_EINVAL);
    assert_true(low == 7 && high == 8);

    bal_status status = BAL_ENOMEM;
    int failures = -1;
    metric = bal_metric_find("roc_auc");
    for (int n = 0; status != BAL_OK; n++) {
        bal_memory_fail_after(n);
        status = bal_metric_bootstrap(
            metric, scores, 0, &(bal_bootstrap){.resamples = 3, .level = 0.9}, &low, &high, NULL);
        bal_memory_fail_after(-1);
        failures++;
        assert_int_equal(status, status == BAL_OK ? BAL_OK : BAL_ENOMEM);
        if (status != BAL_OK) assert_true(low == 7 && high == 8);
    }
    assert_true(failures > 2);
    bal_scores_free(scores);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weighing_equals_gathering),
        cmocka_unit_test(levels_and_seeds),
        cmocka_unit_test(undefined_resamples),
        cmocka_unit_test(infinite_loss_of_a_row_not_drawn),
        cmocka_unit_test(the_caller_may_draw),
        cmocka_unit_test(bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
