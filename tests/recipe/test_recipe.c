/* recipe/: what a recipe means once it is accepted. Members are compared with what was written;
 * what is refused is tested in test_refusals.c, overrides in test_overrides.c. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "recipe_text.h"
#include "scratch.h"

#define assert_number(value, wanted) assert_true((value) == (wanted))

static void assert_texts(const char *const *texts, int32_t n, const char *const *wanted) {
    int32_t i = 0;
    for (; wanted[i]; i++) {
        assert_true(i < n);
        assert_string_equal(texts[i], wanted[i]);
    }
    assert_int_equal(n, i);
}

/* ---- every default ---- */

static void data_and_model_defaults(void **state) {
    bal_recipe *r = accept(MINIMAL);
    assert_string_equal(r->name, "a");
    assert_string_equal(r->path, "t.yaml");
    assert_string_equal(r->source, MINIMAL);
    assert_int_equal(r->seed, 1);
    assert_string_equal(r->data.path, "/data/a.csv");
    assert_int_equal(r->data.n_features, 0);
    assert_int_equal(r->data.n_ignore, 0);
    assert_string_equal(r->data.header, "auto");
    assert_string_equal(r->data.separator, "auto");
    assert_string_equal(r->data.missing, "error");
    assert_string_equal(r->data.unknown, "error");
    assert_int_equal(r->data.n_drop_classes, 0);
    assert_string_equal(r->data.split.kind, "stratified");
    assert_number(r->data.split.train, 0.8);
    assert_number(r->data.split.val, 0.1);
    assert_number(r->data.split.test, 0.1);
    assert_string_equal(r->data.split.column, "");
    assert_string_equal(r->data.scale, "standard");
    assert_int_equal(r->data.dev_samples, 0);
    assert_string_equal(r->data.simulator.name, "");

    assert_string_equal(r->model.kind, "mlp");
    assert_int_equal(r->model.n_hidden, 1);
    assert_int_equal(r->model.hidden[0], 128);
    assert_int_equal(r->model.activation, BAL_ACT_RELU);
    assert_string_equal(r->model.norm, "none");
    assert_false(r->model.l2_input);
    assert_int_equal(r->model.n_dropout, 1);
    assert_number(r->model.dropout[0], 0);
    assert_string_equal(r->model.init, "kaiming_uniform");
    assert_string_equal(r->model.init_from, "");
    assert_int_equal(r->model.n_freeze, 0);
    bal_recipe_free(r);
}

static void head_defaults(void **state) {
    bal_recipe *r = accept(MINIMAL);
    assert_int_equal(r->n_heads, 1);
    const bal_recipe_head *head = &r->heads[0];
    assert_string_equal(head->name, "label");
    assert_int_equal(head->kind, BAL_HEAD_CLASSES);
    assert_string_equal(head->target, "y");
    assert_int_equal(head->n_classes, 0);
    assert_int_equal(head->n_hidden, 0);
    assert_int_equal(head->n_dropout, 0);
    assert_string_equal(head->loss.kind, "cross_entropy");
    assert_true(head->loss.alpha < 0);
    assert_number(head->loss.label_smoothing, 0);
    assert_string_equal(head->class_weights.kind, "none");
    assert_number(head->class_weights.multiplier, 1);
    assert_int_equal(head->class_weights.n_values, 0);
    assert_number(head->weight, 1);
    assert_string_equal(r->monitor, "val.label.macro_f1");
    assert_int_equal(r->monitor_place.line, 0);
    bal_recipe_free(r);
}

static void training_defaults(void **state) {
    bal_recipe *r = accept(MINIMAL);
    assert_string_equal(r->optimizer.kind, "adam");
    assert_number(r->optimizer.lr, 1e-3);
    assert_number(r->optimizer.l2, 0);
    assert_number(r->optimizer.beta1, 0.9);
    assert_number(r->optimizer.beta2, 0.999);
    assert_number(r->optimizer.epsilon, 1e-8);
    assert_number(r->optimizer.clip_norm, 0);
    assert_int_equal(r->n_groups, 0);
    assert_string_equal(r->schedule.options.kind, "constant");
    assert_string_equal(r->schedule.monitor, "");
    assert_int_equal(r->schedule.options.n_steps, 0);
    assert_int_equal(r->train.epochs, 100);
    assert_int_equal(r->train.batch_size, 32);
    assert_int_equal(r->train.eval_every, 1);
    assert_int_equal(r->train.eval_batch, 1024);
    assert_int_equal(r->stop.patience, 0);
    assert_number(r->stop.min_delta, 0);
    assert_int_equal(r->checkpoint.every_epochs, 1);
    assert_number(r->checkpoint.every_seconds, 300);
    assert_int_equal(r->checkpoint.keep, 2);
    assert_true(r->report.plots);
    assert_int_equal(r->report.diversity_every, 5);
    bal_recipe_free(r);
}

static void guard_defaults(void **state) {
    static const struct {
        const char *kind;
        double factor;
    } remedies[] = {{"lr", 0.1}, {"class_weight_multiplier", 0}, {"clip_norm", 1}, {"lr", 0.1}};
    bal_recipe *r = accept(MINIMAL);
    assert_int_equal(r->guard.policy, BAL_GUARD_RECOVER);
    assert_int_equal(r->guard.n_detectors, 0);
    assert_int_equal(r->guard.n_rules, 0);
    assert_int_equal(r->guard.max_rollbacks, 3);
    assert_int_equal(r->guard.n_remedies, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(r->guard.remedies[i].kind, remedies[i].kind);
        assert_number(r->guard.remedies[i].factor, remedies[i].factor);
    }
    bal_recipe_free(r);
}

/* What decayed is left to the optimiser that has it, so that nothing is decayed by surprise. */
static void defaults_by_kind(void **state) {
    bal_recipe *r = accept(MINIMAL "optimizer: adamw\n");
    assert_number(r->optimizer.weight_decay, 0.01);
    assert_number(r->optimizer.l2, 0);
    bal_recipe_free(r);
    r = accept(MINIMAL);
    assert_number(r->optimizer.weight_decay, 0);
    assert_number(r->optimizer.momentum, 0);
    assert_string_equal(r->schedule.monitor, "");
    bal_recipe_free(r);
    r = accept(MINIMAL "optimizer: momentum\n");
    assert_number(r->optimizer.momentum, 0.9);
    bal_recipe_free(r);

    r = accept(MINIMAL "heads: [{kind: binary}]\n");
    assert_string_equal(r->heads[0].loss.kind, "binary_cross_entropy");
    assert_string_equal(r->monitor, "val.label.balanced_accuracy");
    bal_recipe_free(r);
    r = accept(MINIMAL "heads: [{kind: value, name: price}]\n");
    assert_string_equal(r->heads[0].loss.kind, "squared_error");
    assert_string_equal(r->heads[0].class_weights.kind, "none");
    assert_string_equal(r->monitor, "val.price.rmse");
    bal_recipe_free(r);

    r = accept("name: a\ndata: {kind: npz, path: a.npz, target: y}\n");
    assert_texts(r->data.features, r->data.n_features, (const char *const[]){"X", NULL});
    bal_recipe_free(r);
    r = accept("name: a\ndata: {kind: simulated, simulator: hand_landmarks}\n");
    assert_string_equal(r->data.target, "label");
    assert_string_equal(r->heads[0].target, "label");
    assert_string_equal(r->data.path, "");
    assert_string_equal(r->data.simulator.name, "hand_landmarks");
    assert_int_equal(r->data.simulator.classes, 197);
    assert_true(r->data.simulator.samples > 0 && r->data.simulator.noise > 0);
    assert_true(r->data.simulator.imbalance >= 1);
    assert_int_equal(r->data.simulator.seed, 1);
    bal_recipe_free(r);
}

/* ---- everything given ---- */

static const char all_data[] = "name: all.of-it_1\n"
                               "seed: 0x10\n"
                               "data:\n"
                               "  kind: csv\n"
                               "  path: ./sub/../b.csv\n"
                               "  features: [f 1, '2', 3]\n"
                               "  target: species\n"
                               "  ignore: id\n"
                               "  header: no\n"
                               "  separator: tab\n"
                               "  missing: mean\n"
                               "  unknown: skip\n"
                               "  drop_classes: [nothing, '']\n"
                               "  split: {kind: group, group: patient, train: 1, val: 0, test: 0}\n"
                               "  scale: minmax\n"
                               "  dev: {samples: 500}\n";

static void data_as_given(void **state) {
    /* An empty class name cannot be meant. */
    refuse(all_data, "t.yaml:13:27: data.drop_classes: an empty text");
    bal_recipe *r = accept_with(all_data, "data.drop_classes=[nothing, 7]");
    assert_string_equal(r->name, "all.of-it_1");
    assert_int_equal(r->seed, 16);
    assert_string_equal(r->data.kind, "csv");
    assert_string_equal(r->data.path, "/data/sub/../b.csv");
    assert_texts(r->data.features, r->data.n_features,
                 (const char *const[]){"f 1", "2", "3", NULL});
    assert_string_equal(r->data.target, "species");
    assert_texts(r->data.ignore, r->data.n_ignore, (const char *const[]){"id", NULL});
    assert_string_equal(r->data.header, "no");
    assert_string_equal(r->data.separator, "tab");
    assert_string_equal(r->data.missing, "mean");
    assert_string_equal(r->data.unknown, "skip");
    assert_texts(r->data.drop_classes, r->data.n_drop_classes,
                 (const char *const[]){"nothing", "7", NULL});
    assert_string_equal(r->data.split.kind, "group");
    assert_string_equal(r->data.split.column, "patient");
    assert_number(r->data.split.train, 1);
    assert_number(r->data.split.val, 0);
    assert_int_equal(r->data.split.place.line, 14);
    assert_int_equal(r->data.split.place.column, 10);
    assert_string_equal(r->data.split.place.file, "t.yaml");
    assert_string_equal(r->data.scale, "minmax");
    assert_int_equal(r->data.dev_samples, 500);
    bal_recipe_free(r);

    r = accept("name: a\ndata: {kind: npz, path: /x.npz, target: y, features: [A, B],"
               " split: {kind: time, time: day}}\n");
    assert_string_equal(r->data.path, "/x.npz");
    assert_texts(r->data.features, r->data.n_features, (const char *const[]){"A", "B", NULL});
    assert_string_equal(r->data.split.column, "day");
    bal_recipe_free(r);

    r = accept("name: a\ndata: {kind: simulated, simulator: {name: hand_landmarks, samples: 900,"
               " classes: 9, noise: 0.25, imbalance: 3, seed: 5}}\n");
    assert_int_equal(r->data.simulator.samples, 900);
    assert_int_equal(r->data.simulator.classes, 9);
    assert_number(r->data.simulator.noise, 0.25);
    assert_number(r->data.simulator.imbalance, 3);
    assert_int_equal(r->data.simulator.seed, 5);
    bal_recipe_free(r);
}

static void model_as_given(void **state) {
    bal_recipe *r = accept(MINIMAL "model:\n"
                                   "  kind: mlp\n"
                                   "  hidden: [512, 256]\n"
                                   "  activation: leaky_relu\n"
                                   "  slope: 0.2\n"
                                   "  norm: layer\n"
                                   "  l2_input: true\n"
                                   "  dropout: [0.4, 0]\n"
                                   "  init: xavier_normal\n"
                                   "  init_from: ../runs/x\n"
                                   "  freeze: [head.*, backbone.?.weight]\n");
    assert_int_equal(r->model.n_hidden, 2);
    assert_int_equal(r->model.hidden[1], 256);
    assert_int_equal(r->model.activation, BAL_ACT_LEAKY_RELU);
    assert_number(r->model.slope, 0.2);
    assert_string_equal(r->model.norm, "layer");
    assert_true(r->model.l2_input);
    assert_int_equal(r->model.n_dropout, 2);
    assert_number(r->model.dropout[0], 0.4);
    assert_number(r->model.dropout[1], 0);
    assert_string_equal(r->model.init, "xavier_normal");
    assert_string_equal(r->model.init_from, "/runs/x");
    assert_texts(r->model.freeze, r->model.n_freeze,
                 (const char *const[]){"head.*", "backbone.?.weight", NULL});
    assert_int_equal(r->model.place.line, 4);
    bal_recipe_free(r);

    r = accept(MINIMAL "model: {kind: residual, width: 640, blocks: 4, out: 320, dropout: 0.1}\n");
    assert_int_equal(r->model.width, 640);
    assert_int_equal(r->model.blocks, 4);
    assert_int_equal(r->model.out, 320);
    assert_int_equal(r->model.n_dropout, 4);
    for (int i = 0; i < 4; i++)
        assert_number(r->model.dropout[i], 0.1);
    bal_recipe_free(r);

    r = accept(MINIMAL "model: {hidden: []}\n");
    assert_int_equal(r->model.n_hidden, 0);
    assert_int_equal(r->model.n_dropout, 0);
    bal_recipe_free(r);
}

static const char several_heads[] =
    "name: a\n"
    "data: {kind: csv, path: a.csv}\n"
    "heads:\n"
    "  - {name: value, kind: value, target: v, loss: {kind: huber, delta: 0.5}, weight: 0.6}\n"
    "  - name: category\n"
    "    target: c\n"
    "    classes: [A, B, C]\n"
    "    hidden: [64, 32]\n"
    "    dropout: 0.2\n"
    "    loss: {kind: cross_entropy, label_smoothing: 0.1}\n"
    "    class_weights:\n"
    "      kind: explicit\n"
    "      values: {C: 2.5, A: 1}\n"
    "  - name: threshold\n"
    "    kind: binary\n"
    "    target: t\n"
    "    classes: [below, above]\n"
    "    loss: {kind: focal, gamma: 1.5, alpha: 0.75}\n"
    "    class_weights: {kind: effective, beta: 0.99, multiplier: 3}\n"
    "    weight: 0\n";

static void threshold_loss(void **state) {
    bal_recipe *r = accept(MINIMAL "heads: [{kind: value, target: v, loss: {kind: threshold_huber, "
                                   "threshold: 1.5}}]\n");
    bal_loss_options loss = bal_recipe_head_loss(&r->heads[0]);
    assert_number(loss.threshold, 1.5);
    assert_number(loss.delta, 1);
    assert_number(loss.margin, 0.1);
    assert_number(loss.below_weight, 1);
    assert_number(loss.above_weight, 1);
    bal_recipe_free(r);
    r = accept(MINIMAL "heads: [{kind: value, target: v, loss: {kind: threshold_huber, threshold: "
                       "-2, delta: 0.5, margin: 0, below_weight: 4, above_weight: 0}}]\n");
    loss = bal_recipe_head_loss(&r->heads[0]);
    assert_number(loss.threshold, -2);
    assert_number(loss.delta, 0.5);
    assert_number(loss.margin, 0);
    assert_number(loss.below_weight, 4);
    assert_number(loss.above_weight, 0);
    bal_recipe_free(r);
    r = accept(MINIMAL "heads: [{kind: value, target: v, transform: log, loss: {kind: "
                       "threshold_huber, threshold: 1.5}}]\n");
    assert_number(r->heads[0].loss.threshold, 1.5); /* as written */
    assert_number(bal_recipe_head_loss(&r->heads[0]).threshold, 0.40546510810816438);
    assert_number(bal_recipe_head_loss(&r->heads[0]).margin, 0.1);
    bal_recipe_free(r);
}

/* Lines in any order, by the names of the classes. */
static void payoff(void **state) {
    bal_recipe *r = accept(MINIMAL "heads: [{kind: binary, classes: [below, above], payoff: "
                                   "{above: [0, 0.5], below: [0.25, -1]}}]\n"
                                   "monitor: val.label.expected_profit\n"
                                   "guard: {rules: ['val.label.risk >= 0.8 -> stop']}\n");
    const bal_recipe_head *head = &r->heads[0];
    double table[4];
    bal_error err = {0};
    assert_int_equal(head->payoff.n, 2);
    assert_int_equal(bal_recipe_payoff_place(head, head->classes, 2, table, &err), BAL_OK);
    assert_true(table[0] == 0.25 && table[1] == -1 && table[2] == 0 && table[3] == 0.5);
    const char *const others[] = {"below", "beside"};
    assert_int_equal(bal_recipe_payoff_place(head, others, 2, table, &err), BAL_ERECIPE);
    assert_non_null(strstr(err.message, "payoff names 'above', which is not a class"));
    bal_recipe_free(r);
    r = accept(MINIMAL);
    assert_int_equal(r->heads[0].payoff.n, 0);
    bal_recipe_free(r);
}

static void heads_as_given(void **state) {
    bal_recipe *r = accept(several_heads);
    assert_int_equal(r->n_heads, 3);
    const bal_recipe_head *value = &r->heads[0], *category = &r->heads[1], *side = &r->heads[2];
    assert_int_equal(value->kind, BAL_HEAD_VALUE);
    assert_string_equal(value->target, "v");
    assert_string_equal(value->loss.kind, "huber");
    assert_number(value->loss.delta, 0.5);
    assert_number(value->weight, 0.6);
    assert_int_equal(value->place.line, 4);
    assert_int_equal(value->place.column, 5);

    assert_string_equal(category->name, "category");
    assert_texts(category->classes, category->n_classes,
                 (const char *const[]){"A", "B", "C", NULL});
    assert_int_equal(category->n_hidden, 2);
    assert_int_equal(category->hidden[0], 64);
    assert_int_equal(category->n_dropout, 2);
    assert_number(category->dropout[1], 0.2);
    assert_number(category->loss.label_smoothing, 0.1);
    assert_int_equal(category->class_weights.n_values, 2);
    assert_string_equal(category->class_weights.names[0], "C");
    assert_number(category->class_weights.values[0], 2.5);
    assert_string_equal(category->class_weights.names[1], "A");
    assert_int_equal(category->class_weights.place.line, 12);

    assert_int_equal(side->kind, BAL_HEAD_BINARY);
    assert_string_equal(side->loss.kind, "focal");
    assert_number(side->loss.gamma, 1.5);
    assert_number(side->loss.alpha, 0.75);
    assert_string_equal(side->class_weights.kind, "effective");
    assert_number(side->class_weights.beta, 0.99);
    assert_number(side->class_weights.multiplier, 3);
    assert_number(side->weight, 0);
    assert_string_equal(r->monitor, "val.value.rmse");
    bal_recipe_free(r);

    r = accept(MINIMAL "heads: [{class_weights: {kind: explicit, values: [1, 2.5]}}]\n");
    assert_null(r->heads[0].class_weights.names);
    assert_int_equal(r->heads[0].class_weights.n_values, 2);
    assert_number(r->heads[0].class_weights.values[1], 2.5);
    bal_recipe_free(r);
}

static void optimizer_as_given(void **state) {
    bal_recipe *r = accept(MINIMAL "optimizer:\n"
                                   "  kind: momentum\n"
                                   "  lr: 1e-2\n"
                                   "  l2: .5\n"
                                   "  momentum: 0.8\n"
                                   "  nesterov: true\n"
                                   "  clip_norm: 5\n"
                                   "  groups:\n"
                                   "    - {match: 'backbone.*', lr: 0}\n"
                                   "    - {match: head.*, l2: 0.25}\n");
    assert_string_equal(r->optimizer.kind, "momentum");
    assert_number(r->optimizer.lr, 0.01);
    assert_number(r->optimizer.l2, 0.5);
    assert_number(r->optimizer.momentum, 0.8);
    assert_true(r->optimizer.nesterov);
    assert_number(r->optimizer.clip_norm, 5);
    assert_int_equal(r->n_groups, 2);
    assert_string_equal(r->groups[0].match, "backbone.*");
    assert_number(r->groups[0].lr, 0);
    assert_true(isnan(r->groups[0].l2) && isnan(r->groups[0].weight_decay));
    assert_true(isnan(r->groups[1].lr));
    assert_number(r->groups[1].l2, 0.25);
    assert_int_equal(r->groups[1].place.line, 12);
    bal_recipe_free(r);

    r = accept(MINIMAL "optimizer: {kind: adam, beta1: 0, beta2: 0.5, epsilon: 1.0e-4}\n");
    assert_number(r->optimizer.beta1, 0);
    assert_number(r->optimizer.beta2, 0.5);
    assert_number(r->optimizer.epsilon, 1e-4);
    bal_recipe_free(r);
}

static void schedule_as_given(void **state) {
    bal_recipe *r = accept(MINIMAL "schedule: {kind: step, at: {300: 0.5, 100: 0.7},"
                                   " warmup_epochs: 2, warmup_steps: 70}\n");
    const bal_schedule_options *options = &r->schedule.options;
    assert_int_equal(options->n_steps, 2);
    assert_int_equal(options->steps[0].epoch, 100);
    assert_number(options->steps[0].factor, 0.7);
    assert_int_equal(options->steps[1].epoch, 300);
    assert_number(options->steps[1].factor, 0.5);
    assert_int_equal(options->warmup_epochs, 2);
    assert_int_equal(options->warmup_steps, 70);
    assert_int_equal(r->schedule.place.line, 3);
    bal_recipe_free(r);

    r = accept(MINIMAL
               "schedule: {kind: plateau, monitor: val.label.loss, factor: 0.25, patience: 4,"
               " cooldown: 3, min_delta: 0.001, min_lr: 1.0e-6}\n");
    options = &r->schedule.options;
    assert_string_equal(r->schedule.monitor, "val.label.loss");
    assert_false(options->larger_is_better);
    assert_number(options->factor, 0.25);
    assert_int_equal(options->patience, 4);
    assert_int_equal(options->cooldown, 3);
    assert_number(options->min_delta, 0.001);
    assert_number(options->min_lr, 1e-6);
    bal_recipe_free(r);

    r = accept(MINIMAL "schedule: plateau\nmonitor: val.label.accuracy\n");
    assert_string_equal(r->schedule.monitor, "val.label.accuracy");
    assert_true(r->schedule.options.larger_is_better);
    assert_int_equal(r->schedule.options.patience, 10);
    bal_recipe_free(r);

    /* Diversity has no direction of its own. */
    r = accept(MINIMAL
               "schedule: {kind: plateau, monitor: val.label.unique_predictions, mode: max}\n");
    assert_true(r->schedule.options.larger_is_better);
    bal_recipe_free(r);
}

static void run_as_given(void **state) {
    bal_recipe *r =
        accept(MINIMAL "train: {epochs: 7, batch_size: 9, eval_every: 2, eval_batch: 64}\n"
                       "monitor: val.label.recall[a [b].c d]\n"
                       "stop: {patience: 6, min_delta: 0.5}\n"
                       "stages: []\n"
                       "checkpoint: {every_epochs: 3, every_seconds: 0, keep: 5}\n"
                       "report: {plots: false, diversity_every: 8}\n");
    assert_int_equal(r->train.epochs, 7);
    assert_int_equal(r->train.batch_size, 9);
    assert_int_equal(r->train.eval_every, 2);
    assert_int_equal(r->train.eval_batch, 64);
    assert_string_equal(r->monitor, "val.label.recall[a [b].c d]");
    assert_int_equal(r->monitor_place.line, 4);
    assert_int_equal(r->monitor_place.column, 10);
    assert_int_equal(r->stop.patience, 6);
    assert_number(r->stop.min_delta, 0.5);
    assert_int_equal(r->checkpoint.every_epochs, 3);
    assert_number(r->checkpoint.every_seconds, 0);
    assert_int_equal(r->checkpoint.keep, 5);
    assert_false(r->report.plots);
    assert_int_equal(r->report.diversity_every, 8);
    bal_recipe_free(r);
}

static void guard_as_given(void **state) {
    bal_recipe *r = accept(MINIMAL "guard:\n"
                                   "  policy: warn\n"
                                   "  detectors: {one_class: {floor: 0.25, for: 3}, swing: false,\n"
                                   "              dead_units: true}\n"
                                   "  remedies: [{reshuffle: 1}, {class_weight_multiplier: 0}]\n"
                                   "  max_rollbacks: 0\n");
    const bal_recipe_guard *guard = &r->guard;
    assert_int_equal(guard->policy, BAL_GUARD_WARN);
    assert_int_equal(guard->n_detectors, 3);
    assert_string_equal(guard->detectors[0].name, "one_class");
    assert_true(guard->detectors[0].enabled);
    assert_int_equal(guard->detectors[0].n_options, 2);
    assert_string_equal(guard->detectors[0].option[0], "floor");
    assert_number(guard->detectors[0].value[0], 0.25);
    assert_string_equal(guard->detectors[0].option[1], "for");
    assert_number(guard->detectors[0].value[1], 3);
    assert_int_equal(guard->detectors[0].place.line, 5);
    assert_false(guard->detectors[1].enabled);
    assert_true(guard->detectors[2].enabled);
    assert_int_equal(guard->detectors[2].place.line, 6);
    assert_int_equal(guard->n_remedies, 2);
    assert_string_equal(guard->remedies[0].kind, "reshuffle");
    assert_string_equal(guard->remedies[1].kind, "class_weight_multiplier");
    assert_number(guard->remedies[1].factor, 0);
    assert_int_equal(guard->remedies[1].place.column, 30);
    assert_int_equal(guard->max_rollbacks, 0);
    bal_recipe_free(r);

    r = accept(MINIMAL "guard: off\n");
    assert_int_equal(r->guard.policy, BAL_GUARD_OFF);
    bal_recipe_free(r);
    r = accept(MINIMAL "guard: {remedies: [{focal_gamma: 0.5}, {fallback: {optimizer: {lr: "
                       "0.0001}, train: {batch_size: 32}}}]}\n");
    assert_string_equal(r->guard.remedies[0].kind, "focal_gamma");
    assert_number(r->guard.remedies[0].factor, 0.5);
    assert_string_equal(r->guard.remedies[1].kind, "fallback");
    assert_number(r->guard.remedies[1].fallback.lr, 0.0001);
    assert_true(r->guard.remedies[1].fallback.clip_norm == 0); /* as it is */
    assert_number(r->guard.remedies[1].fallback.batch_size, 32);
    bal_recipe_free(r);
    r = accept(MINIMAL "guard: {remedies: []}\n");
    assert_int_equal(r->guard.n_remedies, 0);
    bal_recipe_free(r);
}

static void rules(void **state) {
    static const struct {
        const char *text, *path, *op;
        double value;
        int64_t after;
        bool has_action;
        bal_guard_policy action;
    } cases[] = {
        {"val.label.recall[A] < 0.05", "val.label.recall[A]", "<", 0.05, 0, false, BAL_GUARD_OFF},
        {"val.label.accuracy<=1e-2 after 20", "val.label.accuracy", "<=", 0.01, 20, false,
         BAL_GUARD_OFF},
        {" val.label.risk[a [b] > c]  >=  0.8  after 5  ->  recover ", "val.label.risk[a [b] > c]",
         ">=", 0.8, 5, true, BAL_GUARD_RECOVER},
        {"train.label.loss > -3 -> stop", "train.label.loss", ">", -3, 0, true, BAL_GUARD_STOP},
        {"val.label.unique_predictions == 1 -> warn", "val.label.unique_predictions", "==", 1, 0,
         true, BAL_GUARD_WARN},
        {"val.label.mcc != 0", "val.label.mcc", "!=", 0, 0, false, BAL_GUARD_OFF},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_text text = {0};
        bal_text_printf(&text, "%sguard:\n  rules:\n    - \"%s\"\n", MINIMAL, cases[i].text);
        bal_recipe *r = accept(text.data);
        assert_int_equal(r->guard.n_rules, 1);
        const bal_recipe_rule *rule = &r->guard.rules[0];
        assert_string_equal(rule->text, cases[i].text);
        assert_string_equal(rule->path, cases[i].path);
        assert_string_equal(rule->op, cases[i].op);
        assert_number(rule->value, cases[i].value);
        assert_int_equal(rule->after, cases[i].after);
        assert_int_equal(rule->has_action, cases[i].has_action);
        assert_int_equal(rule->action, cases[i].action);
        assert_int_equal(rule->place.line, 5);
        assert_int_equal(rule->place.column, 7);
        bal_recipe_free(r);
        bal_text_release(&text);
    }
}

/* The example that the names of keys were agreed on. */
static void agreed_example(void **state) {
    bal_recipe *r = accept(
        "name: sign-letters\n"
        "seed: 1\n"
        "data:\n"
        "  kind: npz\n"
        "  path: letters_26c.npz\n"
        "  features: X\n"
        "  target: y                      # labels may be text or integers\n"
        "  split: {kind: stratified, train: 0.81, val: 0.09, test: 0.10}\n"
        "  scale: standard\n"
        "  dev: {samples: 0}\n"
        "model:\n"
        "  kind: mlp\n"
        "  hidden: [512, 256, 128]\n"
        "  activation: relu\n"
        "  norm: batch\n"
        "  dropout: [0.4, 0.3, 0.2]\n"
        "  init_from: \"\"\n"
        "  freeze: []\n"
        "heads:\n"
        "  - name: label\n"
        "    kind: classes\n"
        "    target: y\n"
        "    loss: {kind: cross_entropy}\n"
        "    class_weights: {kind: balanced, multiplier: 1.0}\n"
        "    weight: 1.0\n"
        "optimizer: {kind: adam, lr: 3.0e-4, l2: 1.0e-4, clip_norm: 0}\n"
        "schedule: {kind: plateau, monitor: val.label.loss, mode: min, factor: 0.5, patience: 10}\n"
        "train: {epochs: 150, batch_size: 32, eval_every: 1}\n"
        "monitor: val.label.macro_f1\n"
        "stop: {patience: 20, min_delta: 0}\n"
        "stages: []\n"
        "guard:\n"
        "  policy: recover\n"
        "  detectors: {one_class: {floor: 0.3}}\n"
        "  rules: [\"val.label.recall[A] < 0.05 after 20\"]\n"
        "  remedies: [{lr: 0.5}, {clip_norm: 1.0}, {class_weight_multiplier: 0.5},"
        " {batch_size: 2.0}]\n"
        "  max_rollbacks: 3\n"
        "checkpoint: {every_epochs: 1, every_seconds: 300, keep: 2}\n"
        "report: {plots: true}\n");
    assert_int_equal(r->train.epochs, 150);
    assert_int_equal(r->guard.n_rules, 1);
    assert_string_equal(r->heads[0].class_weights.kind, "balanced");
    bal_recipe_free(r);
}

/* A key that the kind has no use for may say what goes without saying. */
static void idle_keys_with_their_default(void **state) {
    bal_recipe_free(accept(MINIMAL "optimizer: {kind: adamw, l2: 0}\n"));
    bal_recipe_free(accept(MINIMAL "heads: [{class_weights: {kind: none, multiplier: 1.0}}]\n"));
    bal_recipe_free(accept(MINIMAL "heads: [{loss: {kind: cross_entropy, alpha: null}}]\n"));
}

/* ---- environment ---- */

static void environment(void **state) {
    assert_int_equal(setenv("BAL_TEST_FOLDER", "/big disk", 1), 0);
    assert_int_equal(setenv("BAL_TEST_EPOCHS", "12", 1), 0);
    assert_int_equal(setenv("BAL_TEST_EMPTY", "", 1), 0);
    assert_int_equal(unsetenv("BAL_TEST_UNSET"), 0);
    bal_recipe *r = accept("name: ${BAL_TEST_UNSET:-x}-${BAL_TEST_EMPTY:-y}\n"
                           "data:\n"
                           "  kind: csv\n"
                           "  path: ${BAL_TEST_FOLDER}/${BAL_TEST_UNSET:-a/b}.csv\n"
                           "  target: \"$${HOME} $$ ${BAL_TEST_EMPTY}$\"\n"
                           "  ignore: ['${BAL_TEST_EMPTY:-p}', q]\n"
                           "train:\n"
                           "  epochs: ${BAL_TEST_EPOCHS}\n"
                           "  batch_size: ${BAL_TEST_UNSET:-64}\n"
                           "model: {init_from: '${BAL_TEST_EMPTY}'}\n");
    assert_string_equal(r->name, "x-y");
    assert_string_equal(r->data.path, "/big disk/a/b.csv");
    assert_string_equal(r->data.target, "${HOME} $$ $");
    assert_texts(r->data.ignore, r->data.n_ignore, (const char *const[]){"p", "q", NULL});
    assert_int_equal(r->train.epochs, 12);
    assert_int_equal(r->train.batch_size, 64);
    assert_string_equal(r->model.init_from, "");
    /* The resolved recipe does not ask the environment again. */
    assert_int_equal(unsetenv("BAL_TEST_FOLDER"), 0);
    bal_recipe *again = accept(r->resolved);
    assert_string_equal(again->data.path, "/big disk/a/b.csv");
    assert_string_equal(again->data.target, "${HOME} $$ $");
    bal_recipe_free(again);
    bal_recipe_free(r);
}

/* ---- files ---- */

static void write_text(const char *path, const char *text) {
    assert_int_equal(bal_file_replace(path, text, strlen(text), NULL), BAL_OK);
}

static void files(void **state) {
    char *folder = scratch_new();
    char *inner = bal_path_join(folder, "a/b"), *path = bal_path_join(folder, "a/b/r.yaml");
    bal_recipe *r = NULL;
    bal_error err = {0};
    assert_int_equal(bal_recipe_load(path, NULL, 0, &r, &err), BAL_ERECIPE);
    assert_non_null(strstr(err.message, "a/b/r.yaml does not exist"));
    assert_int_equal(bal_folder_make(inner, NULL), BAL_OK);
    bal_error_clear(&err);
    assert_int_equal(bal_recipe_load(inner, NULL, 0, &r, &err), BAL_ERECIPE);

    write_text(path, "name: x\ndata: {kind: csv, path: ../../c.csv, target: y}\n");
    const char *override = "train.epochs=4";
    assert_int_equal(bal_recipe_load(path, &override, 1, &r, NULL), BAL_OK);
    assert_string_equal(r->path, path);
    assert_int_equal(r->train.epochs, 4);
    char *real = realpath(folder, NULL), *data = bal_path_join(real, "c.csv");
    assert_string_equal(r->data.path, data);
    bal_recipe_free(r);

    assert_int_equal(bal_file_replace(path, "name: x\0\n", 9, NULL), BAL_OK);
    bal_error_clear(&err);
    assert_int_equal(bal_recipe_load(path, NULL, 0, &r, &err), BAL_ERECIPE);
    assert_non_null(strstr(err.message, "NUL"));
    free(real);
    bal_free(data);
    bal_free(inner);
    bal_free(path);
    scratch_free(folder);
}

/* Parent folders are taken off a real folder exactly, off one that does not exist not at all. */
static void paths(void **state) {
    bal_recipe *r = NULL;
    const char *text = "name: x\ndata: {kind: csv, path: ../../../c.csv, target: y}\n";
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(bal_recipe_parse(text, "", "", NULL, 0, &r, NULL), BAL_OK);
    assert_int_equal(r->data.path[0], '/');
    assert_null(strstr(r->data.path, ".."));
    assert_string_equal(r->folder, here);
    bal_recipe_free(r);
    assert_int_equal(bal_recipe_parse(text, "", "no/such", NULL, 0, &r, NULL), BAL_OK);
    assert_string_equal(r->data.path, "no/such/../../../c.csv");
    bal_recipe_free(r);
    assert_int_equal(bal_recipe_parse(text, "", "/a/b", NULL, 0, &r, NULL), BAL_OK);
    assert_string_equal(r->data.path, "/c.csv");
    bal_recipe_free(r);
}

/* ---- memory ---- */

static void every_allocation_fails_once(void **state) {
    bal_recipe *r = NULL;
    int failures = 0;
    for (;; failures++) {
        bal_error err = {0};
        bal_memory_fail_after(failures);
        bal_status status = parse_with(several_heads, "heads.category.weight=2", &r, &err);
        bal_memory_fail_after(-1);
        if (status == BAL_OK) break;
        assert_int_equal(status, BAL_ENOMEM);
        assert_int_equal(err.status, BAL_ENOMEM);
        assert_null(r);
    }
    assert_true(failures > 10);
    bal_recipe_free(r);
    bal_recipe_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_and_model_defaults),
        cmocka_unit_test(head_defaults),
        cmocka_unit_test(training_defaults),
        cmocka_unit_test(guard_defaults),
        cmocka_unit_test(defaults_by_kind),
        cmocka_unit_test(data_as_given),
        cmocka_unit_test(model_as_given),
        cmocka_unit_test(heads_as_given),
        cmocka_unit_test(threshold_loss),
        cmocka_unit_test(payoff),
        cmocka_unit_test(optimizer_as_given),
        cmocka_unit_test(schedule_as_given),
        cmocka_unit_test(run_as_given),
        cmocka_unit_test(guard_as_given),
        cmocka_unit_test(rules),
        cmocka_unit_test(agreed_example),
        cmocka_unit_test(idle_keys_with_their_default),
        cmocka_unit_test(environment),
        cmocka_unit_test(files),
        cmocka_unit_test(paths),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
