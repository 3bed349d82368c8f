/* Training of several heads at once against PyTorch: losses, raw losses, total, gradients and
 * weights over two steps of Adam, through the code that the trainer uses. Values and how they were
 * made: golden/make_multi_output.py. And what a run logs of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../golden/multi_output_golden.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/json.h"
#include "net_lab.h"

enum { HEADS = 3 };
static const double share[HEADS] = {0.6, 0.1, 0.3};

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != BAL_OK) fail_msg("%s", err.message);                                         \
    } while (0)

static const char recipe_text[] =
    "name: several\n"
    "data:\n"
    "  kind: csv\n"
    "  path: several.csv\n"
    "  features: [x0, x1, x2, x3]\n"
    "  split: {kind: sequential, train: 0.75, val: 0.25, test: 0}\n"
    "  scale: none\n"
    "model: {kind: mlp, hidden: [6], activation: relu, norm: none}\n"
    "heads:\n"
    "  - name: value\n"
    "    kind: value\n"
    "    target: value\n"
    "    loss: {kind: threshold_huber, threshold: 0.25, delta: 0.75, margin: 0.125, "
    "below_weight: 3, above_weight: 1.5}\n"
    "    weight: 0.6\n"
    "  - name: category\n"
    "    target: category\n"
    "    classes: [low, middle, high]\n"
    "    loss: cross_entropy\n"
    "    class_weights: {kind: explicit, values: {low: 1, middle: 2.5, high: 0.5}}\n"
    "    weight: 0.1\n"
    "  - name: side\n"
    "    kind: binary\n"
    "    target: side\n"
    "    classes: [below, above]\n"
    "    loss: {kind: focal, gamma: 2, alpha: 0.75}\n"
    "    class_weights: {kind: explicit, values: {below: 1.5, above: 0.75}}\n"
    "    weight: 0.3\n"
    "optimizer: {kind: adam, lr: 0.02, epsilon: 0.001}\n"
    "train: {epochs: 2, batch_size: 24}\n"
    "monitor: val.side.balanced_accuracy\n"
    "guard: {policy: off}\n";

static void write_table(const char *path) {
    static const char *const categories[] = {"low", "middle", "high"};
    static const char *const sides[] = {"below", "above"};
    bal_text text = {0};
    bal_text_puts(&text, "x0,x1,x2,x3,value,category,side\n");
    for (int row = 0; row < GOLDEN_ROWS; row++) {
        int known = golden_known[row];
        for (int i = 0; i < GOLDEN_FEATURES; i++)
            bal_text_printf(&text, "%.10g,", golden_x[row * GOLDEN_FEATURES + i]);
        if (known & 1) bal_text_printf(&text, "%.10g", golden_value[row]);
        bal_text_printf(&text, ",%s,%s\n", known & 2 ? categories[golden_category[row]] : "",
                        known & 4 ? sides[golden_side[row]] : "");
    }
    assert_false(bal_text_failed(&text));
    kit_write(path, text.data, text.length);
    bal_text_release(&text);
}

/* A lab on the golden rows, all of them for training. */
static void lab_init(net_lab *lab) {
    const char *overrides[] = {"data.split={kind: sequential, train: 1, val: 0, test: 0}"};
    bal_error err = {0};
    bal_log_sink silent = {0};
    *lab = (net_lab){0};
    kit_init(&lab->k);
    write_table(kit_path(&lab->k, "several.csv"));
    MUST(bal_recipe_parse(recipe_text, "several.yaml", lab->k.folder, overrides, 1, &lab->recipe,
                          &err));
    MUST(bal_dataset_new(lab->recipe, &silent, &lab->dataset, &err));
    MUST(bal_backend_open(NULL, &(bal_backend_options){.threads = 1}, &lab->backend, &err));
    net_lab_restart(lab);
    for (int i = 0; i < GOLDEN_PARAMS; i++) {
        float start[64];
        for (int k = 0; k < golden_params[i].count; k++)
            start[k] = (float)golden_params[i].start[k];
        net_lab_write(lab, golden_params[i].name, start);
    }
}

/* Within 1e-5 of the largest of the tensor. */
static void compare(const char *what, const char *name, const float *found, double factor,
                    const double *wanted, int count) {
    double largest = 0;
    for (int i = 0; i < count; i++)
        largest = fmax(largest, fabs(wanted[i]));
    for (int i = 0; i < count; i++) {
        double value = found[i] * factor;
        if (!(fabs(value - wanted[i]) <= 1e-5 * largest))
            fail_msg("%s of %s[%d] is %.9g, PyTorch says %.9g", what, name, i, value, wanted[i]);
    }
}

static void assert_loss(const char *what, double found, double wanted) {
    if (!(fabs(found - wanted) <= 1e-5 * fabs(wanted)))
        fail_msg("%s is %.9g, PyTorch says %.9g", what, found, wanted);
}

/* Raw losses of the weights as they are. */
static void compare_raw(net_lab *lab, const bal_batch *batch, const double *wanted) {
    float outputs[HEADS][GOLDEN_ROWS * 3],
        *rows[BAL_HEADS_MAX] = {outputs[0], outputs[1], outputs[2]};
    double loss[BAL_HEADS_MAX], weight[BAL_HEADS_MAX];
    bal_error err = {0};
    MUST(bal_network_evaluate(lab->network, batch, rows, loss, weight, &err));
    assert_loss("raw loss of value", loss[0], wanted[0]);
    assert_loss("raw loss of category", loss[1], wanted[1]);
    assert_loss("raw loss of side", loss[2], wanted[2]);
}

static void compare_params(const net_lab *lab, int step) {
    const double beta1 = 0.9;
    for (int i = 0; i < GOLDEN_PARAMS; i++) {
        const char *name = golden_params[i].name;
        int count = golden_params[i].count;
        char moment[128];
        double mean[64];
        int64_t n;
        float *param = net_lab_read(lab, name, &n);
        assert_int_equal(n, count);
        compare("weight", name, param, 1, golden_params[i].after[step], count);
        free(param);
        /* Adam's first moment is (1 − β₁) times the gradient, and what is left of those before. */
        snprintf(moment, sizeof moment, "%s.first_moment", name);
        float *first = net_lab_read(lab, moment, NULL);
        for (int k = 0; k < count; k++) {
            double before = step > 0 ? beta1 * (1 - beta1) * golden_params[i].gradient[0][k] : 0;
            mean[k] = before + (1 - beta1) * golden_params[i].gradient[step][k];
        }
        compare("mean gradient", name, first, 1, mean, count);
        free(first);
    }
}

static void equals_pytorch(void **unused) {
    net_lab lab;
    lab_init(&lab);
    for (int step = 0; step < GOLDEN_STEPS; step++) {
        const double *losses = golden_losses[step];
        bal_batch batch = net_lab_batch(&lab);
        assert_int_equal(batch.size, GOLDEN_ROWS);
        compare_raw(&lab, &batch, losses + HEADS);
        bal_step_result result = net_lab_step(&lab, &batch);
        assert_true(result.applied);
        assert_loss("loss of value", result.head_loss[0], losses[0]);
        assert_loss("loss of category", result.head_loss[1], losses[1]);
        assert_loss("loss of side", result.head_loss[2], losses[2]);
        assert_loss("total", result.loss, losses[2 * HEADS]);
        compare_params(&lab, step);
    }
    net_lab_release(&lab);
}

/* ---- what a run logs ---- */

static double number_at(const json_t *object, const char *part, const char *head,
                        const char *name) {
    const json_t *at = json_object_get(object, part);
    double number = NAN;
    bal_json_number(json_object_get(head ? json_object_get(at, head) : at, name), &number);
    return number;
}

/* One batch an epoch: the total in metrics.jsonl is Σ share · loss of the heads beside it, and
 * those are not multiplied by their share. */
static void a_run_logs_every_head(void **unused) {
    kit k;
    bal_error err = {0};
    bal_recipe *recipe = NULL;
    bal_run_result result = {0};
    json_t *rows = NULL;
    kit_init(&k);
    write_table(kit_path(&k, "several.csv"));
    MUST(bal_recipe_parse(recipe_text, "several.yaml", k.folder, NULL, 0, &recipe, &err));
    bal_run_options options = kit_options(&k, kit_path(&k, "run"));
    MUST(bal_run_train(recipe, &options, &result, &err));
    MUST(bal_json_read_lines(kit_file(&k, "run", "metrics.jsonl"), &rows, &err));
    assert_int_equal(json_array_size(rows), 2);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        double value = number_at(row, "train", "value", "loss");
        double category = number_at(row, "train", "category", "loss");
        double side = number_at(row, "train", "side", "loss");
        assert_true(value > 0 && category > 0 && side > 0);
        assert_near(number_at(row, "train", NULL, "loss"),
                    share[0] * value + share[1] * category + share[2] * side, 1e-5);
        assert_true(number_at(row, "val", "value", "loss") > 0);
        assert_near(number_at(row, "val", "category", "loss"),
                    number_at(row, "val", "category", "log_loss"), 1e-12);
        assert_true(number_at(row, "val", "side", "loss") <
                    number_at(row, "val", "side", "log_loss"));
    }
    json_decref(rows);
    bal_run_result_release(&result);
    bal_recipe_free(recipe);
    kit_release(&k);
}

/* The payoff counts as the monitor; risk without a class named is that of the first. The rule is
 * met at the first evaluation. */
static void profit_and_risk_steer_a_run(void **unused) {
    const char *overrides[] = {"heads.side.payoff={above: [0, 0.5], below: [0.25, -1]}",
                               "monitor=val.side.expected_profit",
                               "guard={policy: warn, rules: ['val.side.risk >= 0 -> stop']}"};
    kit k;
    bal_error err = {0};
    bal_recipe *recipe = NULL;
    bal_run_result result = {0};
    json_t *rows = NULL;
    kit_init(&k);
    write_table(kit_path(&k, "several.csv"));
    MUST(bal_recipe_parse(recipe_text, "several.yaml", k.folder, overrides, 3, &recipe, &err));
    bal_run_options options = kit_options(&k, kit_path(&k, "run"));
    MUST(bal_run_train(recipe, &options, &result, &err));
    assert_int_equal(result.outcome, BAL_OUTCOME_STOPPED);
    MUST(bal_json_read_lines(kit_file(&k, "run", "metrics.jsonl"), &rows, &err));
    assert_int_equal(json_array_size(rows), 1);
    const json_t *row = json_array_get(rows, 0);
    double risk = number_at(row, "val", "side", "risk"), monitored = NAN;
    double profit = number_at(row, "val", "side", "expected_profit");
    double accuracy = number_at(row, "val", "side", "accuracy");
    /* Six rows, of which `below` are those that the test counts here. */
    int below = 0, above = 0;
    for (int i = 18; i < GOLDEN_ROWS; i++) {
        below += (golden_known[i] & 4) && golden_side[i] == 0;
        above += (golden_known[i] & 4) && golden_side[i] == 1;
    }
    double missed = risk * below, right = accuracy * (below + above);
    double wanted = 0.25 * (below - missed) - missed + 0.5 * (right - (below - missed));
    assert_true(below > 0 && above > 0);
    assert_near(profit, wanted / (below + above), 1e-9);
    assert_true(bal_json_number(json_object_get(row, "monitor"), &monitored));
    assert_near(monitored, profit, 0);
    assert_true(json_object_get(json_object_get(json_object_get(row, "val"), "category"),
                                "expected_profit") == NULL);
    json_decref(rows);
    bal_run_result_release(&result);
    bal_recipe_free(recipe);
    kit_release(&k);
}

/* Names that are no classes of the data are told before training, with their place. */
static void a_payoff_must_fit_the_data(void **unused) {
    const char *overrides[] = {"heads.category.classes=[]",
                               "heads.category.payoff={low: [0, 1], high: [1, 0]}"};
    kit k;
    bal_error err = {0};
    bal_recipe *recipe = NULL;
    bal_run_result result = {0};
    kit_init(&k);
    write_table(kit_path(&k, "several.csv"));
    MUST(bal_recipe_parse(recipe_text, "several.yaml", k.folder, overrides, 2, &recipe, &err));
    bal_run_options options = kit_options(&k, kit_path(&k, "run"));
    assert_int_equal(bal_run_train(recipe, &options, &result, &err), BAL_ERECIPE);
    if (!strstr(err.message, "payoff says nothing of class 'middle'")) fail_msg("%s", err.message);
    bal_recipe_free(recipe);
    kit_release(&k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch),
        cmocka_unit_test(a_run_logs_every_head),
        cmocka_unit_test(profit_and_risk_steer_a_run),
        cmocka_unit_test(a_payoff_must_fit_the_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
