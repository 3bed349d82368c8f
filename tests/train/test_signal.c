/* Is there anything to learn: the verdict on data with and without signal, what a shuffle keeps
 * together, that calibration invents no edge, and that test labels choose nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "train/shuffle.h"
#include "train/signal.h"
#include "train/signal_score.h"
#include "train_kit.h"

enum { ROWS = 600 };

/* ---- tables ---- */

/** Two features, of which x0 carries the label with this strength; 0: nothing does. */
static void put_table(kit *k, double strength, uint64_t seed) {
    bal_text text = {0};
    bal_random random;
    bal_random_init(&random, seed, 1);
    bal_text_puts(&text, "x0,x1,x2,x3,label,yes,value,group,when\n");
    for (int row = 0; row < ROWS; row++) {
        double x[4];
        for (int i = 0; i < 4; i++) {
            x[i] = bal_random_normal(&random);
            bal_text_printf(&text, "%.5f,", x[i]);
        }
        double p = 1 / (1 + exp(-strength * x[0]));
        bool yes = bal_random_uniform(&random) < p;
        bal_text_printf(&text, "%s,%s,%.5f,g%d,%d\n", yes ? "a" : "b", yes ? "y" : "n",
                        strength * x[1] + bal_random_normal(&random), row / 6, ROWS - row);
    }
    assert_false(bal_text_failed(&text));
    kit_write(kit_path(k, "table.csv"), text.data, text.length);
    bal_text_release(&text);
}

#define COMMON                                                                                     \
    "data.split={kind: random, train: 0.5, val: 0.2, test: 0.3}|model={kind: mlp, hidden: [8]}|"   \
    "train={epochs: 15, batch_size: 30}|optimizer={kind: adam, lr: 0.01}|"
#define ONE_HEAD COMMON "monitor=val.label.balanced_accuracy"
#define TWO_HEADS                                                                                  \
    COMMON "heads=[{name: yes, kind: binary, target: yes}, {name: value, kind: value, target: "    \
           "value}]|monitor=val.value.rmse"

static bal_status ask(kit *k, const char *overrides, bal_signal_options options,
                      bal_signal *ret_signal, bal_error *err) {
    k->overrides = overrides;
    bal_recipe *recipe = kit_recipe(k);
    options.threads = 1;
    bal_memory_fail_after(k->fail_memory);
    bal_status status = bal_signal_test(recipe, &options, ret_signal, err);
    bal_memory_fail_after(-1);
    bal_recipe_free(recipe);
    return status;
}

static bal_signal must_ask(kit *k, const char *overrides, bal_signal_options options) {
    bal_error err = {0};
    bal_signal signal;
    if (ask(k, overrides, options, &signal, &err) != BAL_OK) fail_msg("%s", err.message);
    return signal;
}

static const bal_signal_options usual = {.runs = 2};

/* ---- verdicts ---- */

static void what_can_be_learned_has_signal(void **unused) {
    kit k;
    kit_init(&k);
    put_table(&k, 3, 1);
    bal_signal signal = must_ask(&k, ONE_HEAD, usual);
    const bal_signal_head *head = &signal.heads[0];
    assert_true(head->signal);
    assert_true(head->low > 0 && head->low < head->skill && head->skill < head->high);
    assert_in_range((int)(head->skill * 100), 20, 60); /* the best possible is about 0.42 */
    assert_true(head->p < 0.001);
    assert_true(head->balanced_accuracy > 0.75);
    assert_near(head->prior_balanced_accuracy, 0.5, 0);
    assert_near(1 - head->loss / head->prior_loss, head->skill, 1e-12);
    assert_int_equal(head->rows, 180);
    for (int run = 0; run < 2; run++)
        assert_true(head->shuffled[run] < head->skill / 4);
    bal_signal_release(&signal);
    kit_release(&k);
}

/* No seed may be told that there is something: the chance of one false verdict here is below 2 %,
 * and the seeds are fixed. */
static void what_is_independent_has_none(void **unused) {
    for (uint64_t seed = 1; seed <= 10; seed++) {
        kit k;
        kit_init(&k);
        put_table(&k, 0, seed);
        bal_signal signal = must_ask(&k, ONE_HEAD, (bal_signal_options){.runs = 0});
        const bal_signal_head *head = &signal.heads[0];
        assert_false(head->signal);
        assert_true(head->low <= 0);
        bal_signal_release(&signal);
        kit_release(&k);
    }
}

static void every_head_is_judged_and_the_monitored_decides(void **unused) {
    kit k;
    kit_init(&k);
    put_table(&k, 2, 1);
    bal_signal signal = must_ask(&k, TWO_HEADS, usual);
    assert_int_equal(signal.n_heads, 2);
    assert_int_equal(signal.judged, 1);
    assert_true(signal.heads[0].signal && signal.heads[1].signal);
    assert_true(isnan(signal.heads[1].balanced_accuracy));
    /* Value: y = 2 x1 + noise, R² of the best is 0.8. */
    assert_true(signal.heads[1].skill > 0.5 && signal.heads[1].skill < 0.9);
    bal_signal_release(&signal);
    kit_release(&k);
}

/* Class weights make logits that are no probabilities; the skill must not suffer. */
static void class_weights_hide_no_signal(void **unused) {
    kit k;
    kit_init(&k);
    put_table(&k, 3, 1);
    bal_signal plain = must_ask(&k, ONE_HEAD, (bal_signal_options){.runs = 0});
    bal_signal heavy =
        must_ask(&k, ONE_HEAD "|heads.label.class_weights={kind: explicit, values: {a: 20, b: 1}}",
                 (bal_signal_options){.runs = 0});
    assert_true(heavy.heads[0].signal);
    assert_true(heavy.heads[0].skill > plain.heads[0].skill - 0.1);
    bal_signal_release(&plain);
    bal_signal_release(&heavy);
    kit_release(&k);
}

static void refits_count_what_reached_it(void **unused) {
    kit k;
    kit_init(&k);
    put_table(&k, 3, 1);
    bal_signal signal =
        must_ask(&k, ONE_HEAD, (bal_signal_options){.permutations = 19, .epochs = 2, .runs = -1});
    assert_true(signal.refits);
    assert_int_equal(signal.runs, 19);
    assert_near(signal.heads[0].p, 1.0 / 20, 1e-15);
    assert_false(signal.heads[0].signal); /* 0.05 is not below 0.01 */
    bal_signal_release(&signal);
    kit_release(&k);
}

/** A head as a review met it: above the prior, p at its least, and some of the runs on shuffled
 *  labels with a skill as great. */
static bal_signal_verdict judged(int32_t reached, int32_t runs) {
    const bal_signal_head head = {.skill = 0.0382,
                                  .low = 0.0055,
                                  .high = 0.0703,
                                  .p = 0.0001,
                                  .detectable = 0.014,
                                  .reached = reached};
    return bal_signal_judge(&head, runs, false);
}

static void more_shuffled_runs_are_no_higher_bar(void **unused) {
    assert_int_equal(judged(0, 0), BAL_SIGNAL_FOUND);
    assert_int_equal(judged(0, 5), BAL_SIGNAL_FOUND);
    assert_int_equal(judged(1, 5), BAL_SIGNAL_SHUFFLED);
    assert_int_equal(judged(1, 99), BAL_SIGNAL_SHUFFLED);
    /* (1 + 1)/(199 + 1) is 0.01 still, (1 + 1)/(200 + 1) is below. */
    assert_int_equal(judged(1, 199), BAL_SIGNAL_SHUFFLED);
    assert_int_equal(judged(1, 200), BAL_SIGNAL_FOUND);
    assert_int_equal(judged(3, 400), BAL_SIGNAL_FOUND);
    assert_int_equal(judged(4, 400), BAL_SIGNAL_SHUFFLED);
    assert_int_equal(judged(900, 100000), BAL_SIGNAL_FOUND);
}

static void each_lack_has_a_verdict_of_its_own(void **unused) {
    bal_signal_head head = {.skill = 0.04, .low = 0.01, .p = 0.2, .detectable = 0.01};
    assert_int_equal(bal_signal_judge(&head, 5, false), BAL_SIGNAL_UNSURE); /* chance stands */
    head.low = -0.01;
    assert_int_equal(bal_signal_judge(&head, 5, false), BAL_SIGNAL_NONE);
    head.p = 0.001;
    assert_int_equal(bal_signal_judge(&head, 5, false), BAL_SIGNAL_UNSURE); /* the prior stands */
    head.detectable = 0.5;
    assert_int_equal(bal_signal_judge(&head, 5, false), BAL_SIGNAL_TOO_FEW_ROWS);
    /* p of refits is that of the runs: they are why. */
    head = (bal_signal_head){.low = 0.01, .p = 5.0 / 101, .detectable = 0.01, .reached = 4};
    assert_int_equal(bal_signal_judge(&head, 100, true), BAL_SIGNAL_SHUFFLED);
    head = (bal_signal_head){.low = NAN, .skill = NAN, .p = 1, .detectable = 0.01, .reached = 5};
    assert_int_equal(bal_signal_judge(&head, 5, false), BAL_SIGNAL_NONE);
}

static void nobody_beats_a_prior_that_is_certain_enough(void **unused) {
    kit k;
    kit_init(&k);
    put_table(&k, 3, 1);
    /* A learning rate of nothing: every output is that of the first weights. */
    bal_signal signal =
        must_ask(&k, ONE_HEAD "|optimizer={kind: sgd, lr: 1.0e-30}|data.features=[x2, x3]", usual);
    assert_false(signal.heads[0].signal);
    assert_true(fabs(signal.heads[0].skill) < 0.05);
    bal_signal_release(&signal);
    kit_release(&k);
}

static void diverged_runs_are_no_signal(void **unused) {
    kit k;
    kit_init(&k);
    put_table(&k, 3, 1);
    bal_signal signal =
        must_ask(&k, ONE_HEAD "|model.norm=none|optimizer={kind: sgd, lr: 1000}", usual);
    assert_false(signal.heads[0].signal);
    assert_near(signal.heads[0].skill, 0, 0.2);
    bal_signal_release(&signal);
    kit_release(&k);
}

/** 600 rows in order of three classes, of which the last 30 % hold "a" and "b" only, and the first
 *  half most of all `most`. */
static bal_signal of_rows_without_c(const char *most) {
    kit k;
    bal_text text = {0};
    kit_init(&k);
    bal_text_puts(&text, "x0,x1,x2,x3,label\n");
    for (int row = 0; row < ROWS; row++) {
        const char *const early[] = {"a", "b", "c", most, most};
        bal_text_printf(&text, "%d,%d,1,0,%s\n", row * 7 % 13, row % 11,
                        row < 400 ? early[row % 5]
                        : row % 2 ? "a"
                                  : "b");
    }
    assert_false(bal_text_failed(&text));
    kit_write(kit_path(&k, "table.csv"), text.data, text.length);
    bal_text_release(&text);
    bal_signal signal = must_ask(
        &k,
        ONE_HEAD "|data.split={kind: sequential, train: 0.5, val: 0.2, test: 0.3}|train.epochs=1",
        (bal_signal_options){.runs = 0});
    kit_release(&k);
    return signal;
}

/* As the metric has it: the mean over the classes that have test rows. */
static void the_prior_is_asked_about_classes_that_are_there(void **unused) {
    bal_signal signal = of_rows_without_c("a");
    assert_near(signal.heads[0].prior_balanced_accuracy, 0.5, 0);
    bal_signal_release(&signal);
    signal = of_rows_without_c("c");
    assert_near(signal.heads[0].prior_balanced_accuracy, 0, 0);
    bal_signal_release(&signal);
}

static void units_follow_the_split(void **unused) {
    kit k;
    kit_init(&k);
    put_table(&k, 3, 1);
    const bal_signal_options none = {.runs = 1, .epochs = 2};
    bal_signal groups = must_ask(
        &k, ONE_HEAD "|data.split={kind: group, group: group, train: 0.5, val: 0.2, test: 0.3}",
        none);
    assert_int_equal(groups.unit, BAL_SHUFFLE_GROUPS);
    assert_int_equal(groups.heads[0].units, 30);
    bal_signal blocks = must_ask(
        &k, ONE_HEAD "|data.split={kind: time, time: when, train: 0.5, val: 0.2, test: 0.3}", none);
    assert_int_equal(blocks.unit, BAL_SHUFFLE_BLOCKS);
    assert_in_range(blocks.heads[0].block, 6, 9); /* ∛180, at most 180/20 */
    bal_signal_release(&groups);
    bal_signal_release(&blocks);
    kit_release(&k);
}

/* ---- refusals, limits ---- */

static void test_rows_are_needed(void **unused) {
    kit k;
    bal_error err = {0};
    bal_signal signal;
    kit_init(&k);
    assert_int_equal(
        ask(&k, "data.split={kind: random, train: 0.8, val: 0.2, test: 0}", usual, &signal, &err),
        BAL_EDATA);
    assert_non_null(strstr(err.message, "no test rows"));
    kit_release(&k);
}

/* 600 rows, of which the last 30 % are all "b". */
static void test_rows_of_two_classes_are_needed(void **unused) {
    kit k;
    bal_error err = {0};
    bal_signal signal;
    bal_text text = {0};
    kit_init(&k);
    bal_text_puts(&text, "x0,x1,x2,x3,label\n");
    for (int row = 0; row < ROWS; row++)
        bal_text_printf(&text, "%d,0,1,0,%s\n", row * 7 % 13, row < 400 && row % 2 ? "a" : "b");
    assert_false(bal_text_failed(&text));
    kit_write(kit_path(&k, "table.csv"), text.data, text.length);
    bal_text_release(&text);
    assert_int_equal(ask(&k,
                         ONE_HEAD "|data.split={kind: sequential, train: 0.5, val: 0.2, test: 0.3}",
                         usual, &signal, &err),
                     BAL_EDATA);
    assert_non_null(strstr(err.message, "all test rows of head 'label' are of class 'b'"));
    kit_release(&k);
}

static int cancel_later(void *user) {
    int *polls = user;
    return ++*polls > 40;
}

static void it_can_be_cancelled(void **unused) {
    kit k;
    bal_error err = {0};
    bal_signal signal;
    int polls = 0;
    kit_init(&k);
    put_table(&k, 3, 1);
    assert_int_equal(ask(&k, ONE_HEAD,
                         (bal_signal_options){.cancel = cancel_later, .user = &polls, .runs = 5},
                         &signal, &err),
                     BAL_ECANCELED);
    kit_release(&k);
}

static void the_same_question_gets_the_same_answer(void **unused) {
    kit k;
    bal_text first = {0}, second = {0};
    kit_init(&k);
    put_table(&k, 1, 1);
    bal_signal a = must_ask(&k, ONE_HEAD, usual), b = must_ask(&k, ONE_HEAD, usual);
    a.seconds = b.seconds = 0;
    bal_signal_json(&a, BAL_JSON_LINE, &first);
    bal_signal_json(&b, BAL_JSON_LINE, &second);
    assert_string_equal(first.data, second.data);
    bal_text_release(&first);
    bal_text_release(&second);
    bal_signal_release(&a);
    bal_signal_release(&b);
    kit_release(&k);
}

static void it_survives_a_lack_of_memory(void **unused) {
    kit k;
    bal_signal signal;
    kit_init(&k);
    put_table(&k, 1, 1);
    bool done = false;
    for (int64_t at = 0; !done; at += 23) {
        bal_error err = {0};
        k.fail_memory = at;
        bal_status status =
            ask(&k, ONE_HEAD "|train.epochs=1", (bal_signal_options){.runs = 1}, &signal, &err);
        assert_true(status == BAL_OK || status == BAL_ENOMEM);
        if (status == BAL_OK) bal_signal_release(&signal);
        done = status == BAL_OK && at > 400;
    }
    kit_release(&k);
}

/* ---- shuffles ---- */

static void check_permutation(const int64_t *source, int64_t n) {
    int seen[256] = {0};
    for (int64_t i = 0; i < n; i++)
        seen[source[i]]++;
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(seen[i], 1);
}

static void blocks_stay_whole_on_the_circle(void **unused) {
    enum { N = 103, BLOCK = 10 };
    bal_shuffle shuffle;
    bal_random random;
    int64_t source[N];
    int moved = 0;
    assert_int_equal(bal_shuffle_init(&shuffle, BAL_SHUFFLE_BLOCKS, NULL, N, NULL), BAL_OK);
    bal_shuffle_set_block(&shuffle, BLOCK);
    assert_int_equal(shuffle.units, 11);
    for (uint64_t draw = 0; draw < 50; draw++) {
        int breaks = 0;
        bal_random_init(&random, 3, draw);
        bal_shuffle_permute(&shuffle, &random, source);
        check_permutation(source, N);
        for (int i = 0; i < N; i++)
            breaks += (source[(i + 1) % N] - source[i] + N) % N != 1;
        assert_in_range(breaks, 0, 11);
        moved += source[0] != 0;
    }
    assert_in_range(moved, 40, 50);
    bal_shuffle_release(&shuffle);
}

static void groups_stay_together(void **unused) {
    enum { N = 12 };
    static const int64_t rank[N] = {2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1};
    bal_shuffle shuffle;
    bal_random random;
    int64_t source[N];
    uint32_t weight[N];
    assert_int_equal(bal_shuffle_init(&shuffle, BAL_SHUFFLE_GROUPS, rank, N, NULL), BAL_OK);
    assert_int_equal(shuffle.units, 3);
    for (uint64_t draw = 0; draw < 30; draw++) {
        bal_random_init(&random, 5, draw);
        bal_shuffle_permute(&shuffle, &random, source);
        check_permutation(source, N);
        for (int i = 3; i < N; i++)
            assert_int_equal(rank[source[i]], rank[source[i - 3]]);
        bal_shuffle_resample(&shuffle, &random, weight);
        for (int i = 3; i < N; i++)
            assert_int_equal(weight[i], weight[i - 3]);
    }
    bal_shuffle_release(&shuffle);
}

static void blocks_are_as_long_as_what_depends(void **unused) {
    enum { N = 4000 };
    static float regime[N], noise[N], walk[N];
    bal_random random;
    bal_random_init(&random, 9, 9);
    float level = 0;
    for (int i = 0; i < N; i++) {
        if (i % 40 == 0) level = (float)bal_random_normal(&random);
        regime[i] = level;
        noise[i] = (float)bal_random_normal(&random);
        walk[i] = (i ? 0.97f * walk[i - 1] : 0) + noise[i];
    }
    assert_int_equal(bal_shuffle_block_length(noise, 1, NULL, 0, N), 16);   /* ∛n */
    assert_int_equal(bal_shuffle_block_length(regime, 1, noise, 1, N), 16); /* products vanish */
    assert_in_range(bal_shuffle_block_length(regime, 1, NULL, 0, N), 50, 100);
    assert_in_range(bal_shuffle_block_length(walk, 1, walk, 1, N), 60, 200);
}

/* Two series that know nothing of each other, each with a long memory: single rows trade places and
 * p is far too small far too often (Yule 1926); blocks keep it honest. */
static void long_memories_are_no_signal(void **unused) {
    enum { N = 1000, SERIES = 20 };
    static float forecast[N], target[N];
    static int64_t rows[N];
    double mean = 0;
    int64_t count = N;
    int wrong_rows = 0, wrong_blocks = 0;
    bal_recipe_head recipe = {.name = "y", .kind = BAL_HEAD_VALUE};
    bal_head_data head = {
        .recipe = &recipe, .outputs = 1, .targets = target, .prior = &mean, .train_counts = &count};
    for (int i = 0; i < N; i++)
        rows[i] = i;
    for (uint64_t series = 0; series < SERIES; series++) {
        bal_random random;
        bal_random_init(&random, 11, series);
        for (int i = 0; i < N; i++) {
            forecast[i] = (i ? 0.95f * forecast[i - 1] : 0) + (float)bal_random_normal(&random);
            target[i] = (i ? 0.95f * target[i - 1] : 0) + (float)bal_random_normal(&random);
        }
        for (int blocks = 0; blocks < 2; blocks++) {
            bal_signal_truth truth;
            bal_shuffle shuffle;
            bal_chance chance;
            assert_int_equal(bal_signal_truth_init(&truth, &head, rows, N, NULL), BAL_OK);
            assert_int_equal(bal_shuffle_init(&shuffle, BAL_SHUFFLE_BLOCKS, NULL, N, NULL), BAL_OK);
            if (blocks)
                bal_shuffle_set_block(&shuffle,
                                      bal_shuffle_block_length(target, 1, forecast, 1, N));
            assert_int_equal(
                bal_forecast_chance(&truth, forecast, &shuffle, 0.99, 1, NULL, NULL, &chance, NULL),
                BAL_OK);
            *(blocks ? &wrong_blocks : &wrong_rows) += chance.p < 0.01;
            bal_shuffle_release(&shuffle);
            bal_signal_truth_release(&truth);
        }
    }
    assert_in_range(wrong_rows, 4, SERIES);
    assert_in_range(wrong_blocks, 0, 1);
}

/* ---- calibration ---- */

/** A binary head of N rows, label 1 with probability 0.3 and log odds as outputs. */
typedef struct forecast_case {
    bal_recipe_head recipe;
    bal_head_data head;
    int32_t labels[2000];
    float outputs[2000];
    int64_t rows[2000], counts[2];
    double offset[2];
} forecast_case;

static void make_case(forecast_case *c, double edge, double scale, double shift) {
    bal_random random;
    bal_random_init(&random, 21, 1);
    *c = (forecast_case){.recipe = {.name = "y", .kind = BAL_HEAD_BINARY}};
    for (int i = 0; i < 2000; i++) {
        double z = edge * bal_random_normal(&random) - 0.85;
        c->labels[i] = bal_random_uniform(&random) < 1 / (1 + exp(-z));
        c->outputs[i] = (float)(scale * z + shift);
        c->rows[i] = i;
        c->counts[c->labels[i]]++;
    }
    c->head = (bal_head_data){.recipe = &c->recipe,
                              .classes = {.count = 2},
                              .outputs = 1,
                              .labels = c->labels,
                              .train_counts = c->counts};
}

static double calibrated(forecast_case *c, bal_calibration *ret_calibration) {
    bal_signal_truth truth;
    assert_int_equal(bal_signal_truth_init(&truth, &c->head, c->rows, 2000, NULL), BAL_OK);
    double skill = bal_calibrate(&truth, c->outputs, c->offset, ret_calibration);
    static float forecast[2000 * 2];
    bal_forecast(&truth, ret_calibration, c->outputs, forecast);
    if (isfinite(skill)) assert_near(bal_forecast_skill(&truth, forecast, NULL), skill, 1e-5);
    bal_signal_truth_release(&truth);
    return skill;
}

static void calibration_undoes_scale_and_shift(void **unused) {
    static forecast_case plain, twisted;
    bal_calibration calibration;
    make_case(&plain, 1.5, 1, 0);
    double skill = calibrated(&plain, &calibration);
    assert_near(calibration.sharpness, 1, 0.15);
    assert_true(skill > 0.15);
    make_case(&twisted, 1.5, 7, 5); /* far too sure, and class weights of e⁵ */
    assert_near(calibrated(&twisted, &calibration), skill, 1e-4);
    assert_near(calibration.sharpness, 1.0 / 7, 0.02);
    /* Outputs that point the wrong way are of no use: the prior, exactly. */
    make_case(&twisted, 1.5, -1, 0);
    assert_near(calibrated(&twisted, &calibration), 0, 0);
    assert_near(calibration.sharpness, 0, 0);
    twisted.outputs[7] = NAN;
    assert_true(isnan(calibrated(&twisted, &calibration)));
}

/* Validation rows told apart without an error: one wrong row elsewhere costs, but not everything.
 */
static void nobody_is_ever_certain(void **unused) {
    static forecast_case c;
    bal_signal_truth truth;
    bal_calibration calibration;
    make_case(&c, 1, 1, 0);
    for (int i = 0; i < 40; i++)
        c.outputs[i] = c.labels[i] ? 1 : -1;
    c.head.labels = c.labels;
    assert_int_equal(bal_signal_truth_init(&truth, &c.head, c.rows, 40, NULL), BAL_OK);
    assert_true(bal_calibrate(&truth, c.outputs, c.offset, &calibration) > 0.9);
    static float forecast[80];
    c.outputs[3] = -c.outputs[3];
    bal_forecast(&truth, &calibration, c.outputs, forecast);
    double skill = bal_forecast_skill(&truth, forecast, NULL);
    assert_true(skill > 0.6 && skill < 0.9);
    bal_signal_truth_release(&truth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_learned_has_signal),
        cmocka_unit_test(what_is_independent_has_none),
        cmocka_unit_test(every_head_is_judged_and_the_monitored_decides),
        cmocka_unit_test(class_weights_hide_no_signal),
        cmocka_unit_test(refits_count_what_reached_it),
        cmocka_unit_test(more_shuffled_runs_are_no_higher_bar),
        cmocka_unit_test(each_lack_has_a_verdict_of_its_own),
        cmocka_unit_test(nobody_beats_a_prior_that_is_certain_enough),
        cmocka_unit_test(diverged_runs_are_no_signal),
        cmocka_unit_test(the_prior_is_asked_about_classes_that_are_there),
        cmocka_unit_test(units_follow_the_split),
        cmocka_unit_test(test_rows_are_needed),
        cmocka_unit_test(test_rows_of_two_classes_are_needed),
        cmocka_unit_test(it_can_be_cancelled),
        cmocka_unit_test(the_same_question_gets_the_same_answer),
        cmocka_unit_test(it_survives_a_lack_of_memory),
        cmocka_unit_test(blocks_stay_whole_on_the_circle),
        cmocka_unit_test(groups_stay_together),
        cmocka_unit_test(blocks_are_as_long_as_what_depends),
        cmocka_unit_test(long_memories_are_no_signal),
        cmocka_unit_test(calibration_undoes_scale_and_shift),
        cmocka_unit_test(nobody_is_ever_certain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
