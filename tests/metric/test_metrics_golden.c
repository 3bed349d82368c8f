/* Every metric against scikit-learn to 1e-9, of models and of prior predictors: the cases of
 * golden/make_metrics.py, whose inputs are drawn here by the same integer generator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metric/metric.h"

typedef struct golden_value {
    const char *metric;
    int32_t class_id;
    double value;
} golden_value;

typedef struct golden_case {
    const char *name;
    bal_head_kind kind;
    int64_t rows;
    int32_t classes;
    uint64_t seed;
    int64_t distinct; /* rows of different outputs; the others repeat them */
    uint32_t levels;  /* numbers that an output can take */
    int skew;
    uint32_t present; /* classes that labels can take */
    uint32_t unknown; /* one label in so many is unknown; 0: none is */
    int bias;         /* on the last output */
    double threshold;
    int64_t known; /* rows that are scored */
    const golden_value *values;
    size_t n_values;
    const golden_value *prior_values;
    size_t n_prior_values;
} golden_case;

#include "../golden/metrics_golden.h"

/* ---- inputs: the same in golden/make_metrics.py ---- */

static uint64_t word(uint64_t seed, uint64_t index) {
    uint64_t z = seed * UINT64_C(0xD1342543DE82EF95) + (index + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static double grid(uint64_t bits, uint32_t levels) {
    int64_t level = (int64_t)((bits >> 32) % levels) - levels / 2;
    return (double)level * (8.0 / levels);
}

static int32_t skewed(uint64_t bits, int skew, uint32_t classes) {
    uint64_t u = bits & 0xFFFF;
    for (int i = 1; i < skew; i++)
        u = (u * ((bits >> (16 * i)) & 0xFFFF)) >> 16;
    return (int32_t)((u * classes) >> 16);
}

typedef struct inputs {
    float *outputs;
    float *targets;
    int32_t *labels;
    double *prior;
    double *payoff;
    bal_evaluation evaluation;
} inputs;

static void draw_labels(const golden_case *c, inputs *in) {
    int32_t columns = c->kind == BAL_HEAD_BINARY ? 1 : c->classes;
    for (int64_t r = 0; r < c->rows; r++) {
        uint64_t row = (uint64_t)r, base = row % (uint64_t)c->distinct;
        int32_t hint = skewed(word(c->seed + 1, base), c->skew, c->present);
        float *z = in->outputs + r * columns;
        for (int32_t k = 0; k < columns; k++)
            z[k] = (float)grid(word(c->seed, base * 1000 + (uint64_t)k), c->levels);
        if (columns == 1)
            z[0] += hint ? 1.5F : -1.5F;
        else
            z[hint] += 3;
        z[columns - 1] += (float)c->bias;
        in->labels[r] = hint;
        if (word(c->seed + 2, row) % 4 == 0)
            in->labels[r] = skewed(word(c->seed + 3, row), c->skew, c->present);
        if (c->unknown && word(c->seed + 4, row) % c->unknown == 0) in->labels[r] = -1;
    }
    for (int32_t k = 0; k < c->classes; k++)
        in->prior[k] = (k + 1) / (c->classes * (c->classes + 1) / 2.0);
    for (int32_t truth = 0; truth < c->classes; truth++)
        for (int32_t k = 0; k < c->classes; k++)
            in->payoff[truth * c->classes + k] = truth == k ? 1 + 0.5 * truth : -0.25 * (k + 1);
}

static void draw_targets(const golden_case *c, inputs *in) {
    for (int64_t r = 0; r < c->rows; r++) {
        for (int32_t k = 0; k < c->classes; k++) {
            uint64_t index = (uint64_t)r * 1000 + (uint64_t)k;
            int64_t at = r * c->classes + k;
            double output = grid(word(c->seed, index), c->levels);
            double noise = grid(word(c->seed + 1, index), c->levels);
            in->outputs[at] = (float)output;
            in->targets[at] = (float)(output * 0.75 + noise * 0.5 + 1000.0 * k);
            if (c->unknown && word(c->seed + 4, index) % c->unknown == 0) in->targets[at] = NAN;
        }
    }
    for (int32_t k = 0; k < c->classes; k++)
        in->prior[k] = 0.5 * k;
}

static void inputs_draw(const golden_case *c, inputs *in) {
    size_t cells = (size_t)c->rows * (size_t)c->classes;
    in->outputs = calloc(cells, sizeof *in->outputs);
    in->targets = calloc(cells, sizeof *in->targets);
    in->labels = calloc((size_t)c->rows, sizeof *in->labels);
    in->prior = calloc((size_t)c->classes, sizeof *in->prior);
    in->payoff = calloc((size_t)c->classes * (size_t)c->classes, sizeof *in->payoff);
    assert_true(in->outputs && in->targets && in->labels && in->prior && in->payoff);
    if (c->kind == BAL_HEAD_VALUE)
        draw_targets(c, in);
    else
        draw_labels(c, in);
    in->evaluation = (bal_evaluation){
        .kind = c->kind,
        .rows = c->rows,
        .classes = c->classes,
        .logits = in->outputs,
        .labels = in->labels,
        .targets = in->targets,
        .prior = in->prior,
        .payoff = c->kind == BAL_HEAD_VALUE ? NULL : in->payoff,
        .threshold = c->threshold,
    };
}

static void inputs_free(inputs *in) {
    free(in->outputs);
    free(in->targets);
    free(in->labels);
    free(in->prior);
    free(in->payoff);
}

/* ---- comparing ---- */

static void compare(const char *who, const bal_scores *scores, const golden_value *values,
                    size_t n_values) {
    for (size_t i = 0; i < n_values; i++) {
        const golden_value *want = &values[i];
        const bal_metric *metric = bal_metric_find(want->metric);
        assert_non_null(metric);
        const char *reason = NULL;
        double got = metric->compute(scores, want->class_id, &reason);
        bool same = isnan(want->value)
                        ? isnan(got) && reason
                        : fabs(got - want->value) <= 1e-9 * fmax(1, fabs(want->value));
        if (!same)
            fail_msg("%s: %s[%d] is %.17g (%s), scikit-learn says %.17g", who, want->metric,
                     (int)want->class_id, got, reason ? reason : "defined", want->value);
    }
}

static void equals_scikit_learn(void **state) {
    for (size_t i = 0; i < sizeof golden_cases / sizeof *golden_cases; i++) {
        const golden_case *c = &golden_cases[i];
        inputs in;
        inputs_draw(c, &in);
        bal_scores *scores = NULL, *prior = NULL;
        bal_error err = {0};
        assert_int_equal(bal_scores_new(&in.evaluation, &scores, &err), BAL_OK);
        assert_int_equal(bal_scores_rows(scores), c->known);
        assert_int_equal(bal_scores_prior(scores, &prior, &err), BAL_OK);
        char who[128];
        compare(c->name, scores, c->values, c->n_values);
        snprintf(who, sizeof who, "prior predictor of %s", c->name);
        compare(who, prior, c->prior_values, c->n_prior_values);
        bal_scores_free(prior);
        bal_scores_free(scores);
        inputs_free(&in);
    }
}

/* A metric added to the table must come with golden values. */
static void every_metric_has_golden_values(void **state) {
    for (size_t m = 0; bal_metric_table[m]; m++) {
        bool found = false;
        for (size_t i = 0; i < sizeof golden_cases / sizeof *golden_cases; i++) {
            const golden_case *c = &golden_cases[i];
            for (size_t v = 0; v < c->n_values; v++)
                found |= strcmp(c->values[v].metric, bal_metric_table[m]->name) == 0;
        }
        if (!found) fail_msg("no golden value of %s", bal_metric_table[m]->name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_scikit_learn),
        cmocka_unit_test(every_metric_has_golden_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
