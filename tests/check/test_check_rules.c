/* Every rule: a recipe on which it fires, with its severity, place and numbers, and one, as near to
 * it as can be, on which it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "check_lab.h"

typedef struct rule_case {
    const char *rule;
    const char *overrides;
    int severity;     /* −1: must be silent */
    const char *says; /* part of what is found */
} rule_case;

enum { SILENT = -1, NOTE = BAL_CHECK_NOTE, WARNING = BAL_CHECK_WARNING, ERROR = BAL_CHECK_ERROR };

/* The healthy recipe turned into one of a series; `data` as a whole, its path after it. */
#define SERIES                                                                                     \
    "data.kind=sequence|data.column=value|data.window=5|data.features=[{lags: 5}]|"                \
    "data.split.kind=sequential|monitor=|"                                                         \
    "heads=[{name: low, kind: binary, target: {at_least: 1.5}}]"

static const rule_case cases[] = {
    {"monitor-other-goal", "monitor=val.value.mae", WARNING, "head 'label' decides"},
    {"monitor-other-goal", "monitor=val.yes.balanced_accuracy", SILENT, NULL},
    {"monitor-other-goal", "heads=[{name: value, kind: value, target: value}]|monitor=", SILENT,
     NULL},
    {"monitor-one-class", "monitor=val.label.recall[b]", WARNING, "every row is answered 'b'"},
    {"monitor-one-class", "monitor=val.label.f1[b]", SILENT, NULL},
    {"monitor-training-rows", "monitor=train.label.loss", WARNING, "by heart"},
    {"monitor-training-rows", "monitor=val.label.loss", SILENT, NULL},
    {"accuracy-of-imbalanced", "monitor=val.label.accuracy", WARNING, "is 0.500"},
    {"accuracy-of-imbalanced",
     "heads.yes.target=label|heads.yes.kind=classes|"
     "data.drop_classes=[]|monitor=val.yes.balanced_accuracy",
     SILENT, NULL},
    {"head-not-trained", "heads.yes.weight=0", ERROR, "head 'yes' has weight 0 in the loss:"},
    {"head-not-trained", "heads.yes.weight=0|stages=[{name: one}, {name: two}]", ERROR,
     "of every stage"},
    {"head-not-trained", "stages=[{name: one, heads: {yes: {weight: 0}}}, {name: two}]", WARNING,
     "first 1 of 2 stages"},
    {"head-not-trained", "stages=[{name: one}, {name: two, heads: {yes: {weight: 0}}}]", SILENT,
     NULL},
    {"head-not-trained", "heads.yes.weight=0.01", SILENT, NULL},
    {"class-weight-multiplier", "heads.label.class_weights.multiplier=10.5", WARNING, "10.5 times"},
    {"class-weight-multiplier", "heads.label.class_weights.multiplier=10", SILENT, NULL},
    {"class-weight-multiplier", "heads.label.class_weights={kind: explicit, values: {c: 30}}",
     WARNING, "12 times as much"},
    {"class-weight-multiplier", "heads.label.class_weights={kind: explicit, values: {c: 20}}",
     SILENT, NULL},
    {"class-weight-multiplier",
     "stages=[{name: one, heads: {label: {class_weights: {kind: balanced, multiplier: 25}}}}]",
     WARNING, "stage 'one'"},
    /* 50, 30 and 20 % of the rows: 'b' has 90 % of the average. */
    {"multiplier-edge", "heads.label.class_weights.multiplier=3", NOTE,
     "head 'label': 'b' has 90.0 % of the average number of rows and gets the factor 3; classes "
     "that near the average: 1 of 3"},
    {"multiplier-edge", "heads.label.class_weights={kind: effective, multiplier: 0.5}", NOTE,
     "gets the factor 0.5"},
    {"multiplier-edge", "heads.yes.class_weights={kind: balanced, multiplier: 3}", NOTE,
     "'y' has 92.8 % of the average number of rows and gets the factor 3; classes that near the "
     "average: 2 of 2"},
    {"multiplier-edge", "heads.label.target=few|heads.label.class_weights.multiplier=3", NOTE,
     "has 100.0 % of the average number of rows and does not get the factor 3"},
    {"multiplier-edge", "heads.label.class_weights.multiplier=1", SILENT, NULL},
    {"multiplier-edge",
     "heads.yes.target=seldom|heads.yes.class_weights={kind: balanced, multiplier: 3}", SILENT,
     NULL},
    {"stacked-imbalance",
     "heads.yes.loss={kind: focal, alpha: 0.75}|heads.yes.class_weights=balanced", WARNING, "×3"},
    {"stacked-imbalance",
     "heads.yes.loss={kind: focal, alpha: 0.75}|heads.yes.class_weights=balanced", WARNING,
     "both correct for the rare class"},
    {"stacked-imbalance",
     "heads.yes.loss={kind: focal, alpha: 0.25}|heads.yes.class_weights=balanced", WARNING,
     "they pull against each other"},
    {"stacked-imbalance", "heads.yes.loss={kind: focal}|heads.yes.class_weights=balanced", SILENT,
     NULL},
    {"stacked-imbalance", "heads.yes.loss={kind: focal, alpha: 0.75}", SILENT, NULL},
    {"alpha-favours-frequent", "heads.yes.target=seldom|heads.yes.loss={kind: focal, alpha: 0.25}",
     NOTE,
     "head 'yes': alpha 0.25 favours 'common', 91 % of the training rows: it weighs 0.75 a row, "
     "'rare' 0.25"},
    {"alpha-favours-frequent", "heads.yes.target=seldom|heads.yes.loss={kind: focal, alpha: 0.75}",
     SILENT, NULL},
    {"alpha-favours-frequent", "heads.yes.target=seldom|heads.yes.loss={kind: focal, alpha: 0.5}",
     SILENT, NULL},
    {"alpha-favours-frequent", "heads.yes.target=seldom|heads.yes.loss={kind: focal}", SILENT,
     NULL},
    {"alpha-favours-frequent",
     "heads.yes.target=seldom|heads.yes.loss={kind: focal, alpha: "
     "0.25}|heads.yes.class_weights=balanced",
     SILENT, NULL},
    /* Nearly even. */
    {"alpha-favours-frequent", "heads.yes.loss={kind: focal, alpha: 0.25}", SILENT, NULL},
    {"alpha-favours-frequent",
     "data.path=copied.csv|" SERIES "|heads.low.loss={kind: focal, alpha: 0.75}", NOTE,
     "favours 'above', 6"},
    {"no-room-to-move", "optimizer.lr=1.0e-6", WARNING, "by 0.0023 at most"},
    {"no-room-to-move", "optimizer.lr=1.0e-5", SILENT, NULL},
    {"no-room-to-move", "optimizer={kind: sgd, lr: 0.1, clip_norm: 1.0e-6}", WARNING, "by 0.00023"},
    {"no-room-to-move", "optimizer={kind: sgd, lr: 1.0e-6}", SILENT, NULL},
    {"dropout-too-high", "model.dropout=[0.1, 0.95]", WARNING, "one unit in 20"},
    {"dropout-too-high", "model.dropout=0.8", SILENT, NULL},
    {"squeezed-feature", "data.features=[x0, tail]", WARNING, "1 of 2 features"},
    /* After scaling all but the outliers are one number; so they were before in `spike`. */
    {"squeezed-feature", "data.features=[x0, huge]", WARNING, "1 of 2 features"},
    {"squeezed-feature", "data.features=[x0, huge]|data.scale=minmax", WARNING, "1 of 2 features"},
    {"squeezed-feature", "data.features=[x0, gaps]|data.missing=mean", WARNING, "1 of 2 features"},
    {"squeezed-feature", "data.features=[x0, spike]", SILENT, NULL},
    {"squeezed-feature", "data.features=[x0, big, same, few]", SILENT, NULL},
    {"weights-follow-frequency",
     "heads.label.class_weights={kind: explicit, values: {a: 9, b: 3, c: 1}}", WARNING,
     "in 100 % of the pairs of classes; the largest is 9 times the smallest"},
    {"weights-follow-frequency",
     "heads.label.class_weights={kind: explicit, values: {a: 1, b: 3, c: 9}}", SILENT, NULL},
    {"weights-follow-frequency",
     "heads.label.class_weights={kind: explicit, values: {a: 2, b: 1.5, c: 1}}", SILENT, NULL},
    {"focal-too-sharp", "heads.yes.loss={kind: focal, gamma: 4}", WARNING, "gamma 4"},
    {"focal-too-sharp", "heads.yes.loss={kind: focal, gamma: 3}", SILENT, NULL},
    {"class-not-in-split",
     "data.path=sorted.csv|data.split.kind=sequential|heads.label.class_weights=none", WARNING,
     "1 of 3 classes has no row among the 1200 of train: 'c'"},
    {"class-not-in-split", "data.path=sorted.csv", SILENT, NULL},
    {"class-not-in-split",
     "data.path=sorted.csv|data.split={kind: sequential, train: 1, val: 0, "
     "test: 0}",
     SILENT, NULL},
    {"ordered-split",
     "data.path=sorted.csv|data.split.kind=sequential|heads.label.class_weights=none", WARNING,
     "differ from those of train"},
    {"ordered-split", "data.split.kind=sequential", SILENT, NULL},
    {"ordered-split", "data.path=sorted.csv|data.split.kind=random", SILENT, NULL},
    {"features-unscaled", "data.scale=none|data.features=[x0, big]", WARNING, "'big' is of size"},
    {"features-unscaled", "data.scale=none", SILENT, NULL},
    {"features-unscaled", "data.features=[x0, big]", SILENT, NULL},
    {"constant-feature", "data.features=[x0, x1, same]", NOTE, "1 of 3 features"},
    {"constant-feature", "data.features=[same]", WARNING, "'same'"},
    {"constant-feature", "data.features=[x0, few]", SILENT, NULL},
    {"leaking-feature", "data.features=[x0, code]", ERROR, "'code' is the target of head 'label'"},
    {"leaking-feature", "data.features=[x0, near]", WARNING, "alone tells the target"},
    {"leaking-feature",
     "data.features=[x0, x1, n0]|heads=[{name: twin, kind: value, target: value}]|monitor=", SILENT,
     NULL},
    {"leaking-feature", "heads=[{name: twin, kind: value, target: big}]|monitor=", ERROR,
     "'x0' alone explains 100"},
    {"leaking-feature", "data.features=[x0, few, big]", SILENT, NULL},
    {"duplicates-across-splits", "data.features=[few]", WARNING,
     "150 of 150 validation rows and 150 of 150 test rows"},
    {"duplicates-across-splits", "data.features=[few, x0]", SILENT, NULL},
    /* 89 of 100 values copied, 30 of 41 among them once more, 9 of 20 elsewhere. */
    {"repeated-windows", "data.path=copied.csv|" SERIES, WARNING,
     "128 of 1489 windows of 12 values are copies of earlier ones (98 different windows come more "
     "than once)"},
    {"repeated-windows", "data.path=copied.csv|" SERIES, WARNING,
     "copied.csv:802: row 801 begins again what began at "},
    {"repeated-windows", "data.path=copied.csv|" SERIES, WARNING,
     "copied.csv:302: row 301; the longest stretch of copies has 100 values, the last one ends at "
     "line 1301"},
    {"repeated-windows", "data.path=hardly.csv|" SERIES, NOTE,
     "9 of 1489 windows of 12 values are copies of earlier ones (9 different"},
    {"repeated-windows", "data.path=fair.csv|" SERIES, SILENT, NULL},
    {"repeated-windows", "data.path=coin.csv|" SERIES, SILENT, NULL},
    {"repeated-windows", "data.path=still.csv|" SERIES, SILENT, NULL},
    {"no-telling-feature", "data.features=[n0, n1]|heads=[{name: label, target: label}]|monitor=",
     NOTE, "none of 2 features"},
    {"no-telling-feature",
     "data.features=[n0, x1]|heads=[{name: label, target: label}]|monitor=", SILENT, NULL},
    {"batch-norm-batch", "train.batch_size=15", WARNING, "15 rows"},
    {"batch-norm-batch", "train.batch_size=16", SILENT, NULL},
    {"batch-norm-batch", "train.batch_size=15|model.norm=layer", SILENT, NULL},
    {"tiny-batch", "train.batch_size=15", WARNING, "of 1200 training rows"},
    {"tiny-batch", "train.batch_size=16", SILENT, NULL},
    {"tiny-batch", "train.batch_size=8|data.dev.samples=600", SILENT, NULL},
    {"patience-too-long", "stop.patience=20", WARNING, "20 evaluations"},
    {"patience-too-long", "stop.patience=19", SILENT, NULL},
    {"patience-too-long", "stop.patience=0", SILENT, NULL},
    {"patience-too-long", "stop.patience=3|train.epochs=6", SILENT, NULL},
    {"patience-too-long", "stop.patience=10|train.eval_every=2", WARNING, "of 30 in all"},
    {"early-lr-drop", "schedule={kind: step, at: {20: 0.7, 50: 0.1}}", WARNING, "epoch 20 of 60"},
    {"early-lr-drop", "schedule={kind: step, at: {21: 0.7}}", SILENT, NULL},
    {"early-lr-drop", "schedule=cosine", SILENT, NULL},
    {"plateau-after-stop", "schedule={kind: plateau, patience: 8}", WARNING, "stops after 8"},
    {"plateau-after-stop", "schedule={kind: plateau, patience: 7}", SILENT, NULL},
    {"plateau-after-stop", "schedule={kind: plateau, patience: 8}|stop.patience=0", SILENT, NULL},
    {"start-refused", "model.freeze=[nothing.*]", ERROR,
     "model.freeze: no weight is called 'nothing.*'"},
    {"start-refused", "model.freeze=[\"*\"]", ERROR,
     "every weight that a loss depends on is frozen"},
    {"start-refused", "model.freeze=[backbone.*]", SILENT, NULL},
    {"start-refused", "stages=[{name: one}, {name: two, model: {freeze: [nothing.*]}}]", ERROR,
     "stage 'two': model.freeze: no weight"},
    {"start-refused", "stages=[{name: one}, {name: two, model: {freeze: [\"*\"]}}]", ERROR,
     "stage 'two': model.freeze: nothing to train"},
    {"start-refused", "stages=[{name: one}, {name: two, model: {freeze: [backbone.*]}}]", SILENT,
     NULL},
    {"start-refused", "model.init_from=missing.safetensors", ERROR, "does not exist"},
    {"start-refused", "model.init_from=table.csv", ERROR, "is this a safetensors file?"},
    {"start-refused", "stages=[{name: one}, {name: two, init_from: missing}]", ERROR,
     "stage 'two': init_from: "},
    {"start-refused", "stages=[{name: one}, {name: two, init_from: table.csv}]", ERROR,
     "is this a safetensors file?"},
    {"start-refused", "stages=[{name: one}, {name: two, init_from: one}]", SILENT, NULL},
    {"start-refused", "optimizer={kind: adam, groups: [{match: nothing.*, lr: 0.1}]}", ERROR,
     "optimizer.groups: no weight is called"},
    {"start-refused", "optimizer={kind: adam, groups: [{match: head.*, lr: 0.1}]}", SILENT, NULL},
    {"start-refused", "monitor=val.label.recall[q]", ERROR, "head 'label' has no class 'q'"},
    {"start-refused", "stages=[{name: one, monitor: \"val.label.f1[q]\"}]", ERROR, "no class 'q'"},
    {"start-refused", "guard.rules=[\"val.label.recall[q] < 0.05 after 2\"]", ERROR, "guard.rules"},
    {"start-refused", "schedule={kind: plateau, monitor: \"val.label.recall[q]\", mode: max}",
     ERROR, "schedule.monitor"},
    {"start-refused", "guard.rules=[\"val.label.recall[c] < 0.05 after 2\"]", SILENT, NULL},
    {"start-refused", "heads.yes.payoff={q: [1, 2], y: [0, 1]}", ERROR, "payoff names 'q'"},
    {"start-refused", "heads.yes.payoff={n: [1, 2], y: [0, 1]}", SILENT, NULL},
    {"start-refused",
     "stages=[{name: one, heads: {label: {class_weights: {kind: explicit, values: {q: 2}}}}}]",
     ERROR, "no class is called so: q"},
    {"start-refused", "data.split={kind: random, train: 0.9, val: 0, test: 0.1}", ERROR,
     "data.split.val is 0"},
};

static void run_case(lab *l, const rule_case *c) {
    l->rehearse = strcmp(c->rule, "start-refused") == 0;
    lab_check(l, c->overrides);
    const bal_finding *finding = lab_finding(l, c->rule);
    if (c->severity == SILENT) {
        if (finding) fail_msg("%s, %s: fires: %s", c->rule, c->overrides, finding->found);
        return;
    }
    if (!finding) fail_msg("%s, %s: does not fire", c->rule, c->overrides);
    if ((int)finding->severity != c->severity)
        fail_msg("%s, %s: %s", c->rule, c->overrides, bal_check_severity_name(finding->severity));
    if (!strstr(finding->found, c->says))
        fail_msg("%s: wanted '%s' in '%s'", c->rule, c->says, finding->found);
}

static void rules_fire_and_are_silent(void **state) {
    lab l;
    lab_init(&l);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(&l, &cases[i]);
    lab_release(&l);
}

/* What `train` refuses is found where it stands, by key. */
static void refusals_have_places(void **state) {
    static const char recipe[] =
        "name: places\n"
        "data: {kind: csv, path: table.csv, features: [x0, x1, x2]}\n"
        "heads:\n"
        "  - {name: label, target: label}\n"
        "model:\n"
        "  hidden: [8]\n"
        "  freeze: [nothing.*]\n"
        "train: {epochs: 60}\n"
        "stages:\n"
        "  - {name: one, monitor: 'val.label.f1[q]', model: {freeze: []}}\n"
        "  - name: two\n"
        "    init_from: missing\n"
        "  - {name: three, init_from: one}\n";
    static const struct {
        const char *key;
        int line, column;
    } wanted[] = {{"model.freeze", 7, 11}, {"monitor", 10, 26}, {"stages[1].init_from", 12, 16}};
    lab l;
    size_t n = 0;
    lab_init(&l);
    l.rehearse = true;
    lab_check_text(&l, recipe);
    for (int32_t i = 0; i < l.report.n_findings; i++) {
        const bal_finding *finding = &l.report.findings[i];
        if (strcmp(finding->rule->id, "start-refused") != 0) continue;
        if (strstr(finding->found, "lab.yaml")) fail_msg("place twice: %s", finding->found);
        assert_in_range(n, 0, 2);
        assert_string_equal(finding->key, wanted[n].key);
        assert_string_equal(finding->place.file, "lab.yaml");
        assert_int_equal(finding->place.line, wanted[n].line);
        assert_int_equal(finding->place.column, wanted[n].column);
        n++;
    }
    assert_int_equal(n, 3);
    /* The rehearsal of the last stage leaves nothing behind in what the first trains with. */
    lab_check(&l, "heads.label.class_weights=none|stages=[{name: one}, {name: two, heads: {label: "
                  "{class_weights: balanced}}}]");
    assert_int_equal(l.report.n_findings, 0);
    lab_release(&l);
}

/* A rule of the table without both kinds of cases has not been tested. */
static void every_rule_has_both_cases(void **state) {
    for (int r = 0; bal_check_table[r]; r++) {
        const char *id = bal_check_table[r]->id;
        bool fires = strcmp(id, "memory") == 0, silent = fires; /* a test of its own, below */
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            if (strcmp(cases[i].rule, id) != 0) continue;
            fires = fires || cases[i].severity != SILENT;
            silent = silent || cases[i].severity == SILENT;
        }
        if (!fires || !silent)
            fail_msg("%s has no case that %s", id, fires ? "is silent" : "fires");
    }
}

static void a_healthy_recipe_has_no_finding(void **state) {
    lab l;
    lab_init(&l);
    l.rehearse = true;
    lab_check(&l, NULL);
    for (int32_t i = 0; i < l.report.n_findings; i++)
        fail_msg("%s: %s", l.report.findings[i].rule->id, l.report.findings[i].found);
    assert_true(l.report.has_data);
    lab_release(&l);
}

static void memory_is_compared_with_the_machine(void **state) {
    lab l;
    lab_init(&l);
    l.memory_bytes = (size_t)1 << 30;
    lab_check(&l, NULL);
    assert_null(lab_finding(&l, "memory"));
    /* 20000² weights are 1.6 GB, ten times that with gradients, moments and copies. */
    l.memory_bytes = (size_t)8 << 30;
    lab_check(&l, "model.hidden=[20000, 20000]");
    const bal_finding *finding = lab_finding(&l, "memory");
    assert_non_null(finding);
    assert_int_equal(finding->severity, BAL_CHECK_ERROR);
    l.memory_bytes = (size_t)24 << 30;
    lab_check(&l, "model.hidden=[20000, 20000]");
    assert_null(lab_finding(&l, "memory"));
    l.memory_bytes = (size_t)17 << 30;
    lab_check(&l, "model.hidden=[20000, 20000]");
    assert_int_equal(lab_finding(&l, "memory")->severity, BAL_CHECK_WARNING);
    lab_release(&l);
}

/* What was recorded of the threshold system, without data: each cause is named. */
static const char historic[] =
    "name: historic\n"
    "data: {kind: csv, path: rounds.csv, split: sequential}\n"
    "model: {kind: mlp, hidden: [64, 32], dropout: 0.2}\n"
    "heads:\n"
    "  - {name: regression, kind: value, target: next, loss: huber}\n"
    "  - {name: threshold, kind: binary, target: above, class_weights: {kind: balanced, "
    "multiplier: 25}, loss: {kind: focal, gamma: 4, alpha: 0.85}}\n"
    "monitor: val.regression.mae\n"
    "optimizer: {kind: adam, lr: 1.0e-3}\n"
    "schedule: {kind: step, at: {50: 0.5}}\n"
    "stop: {patience: 50}\n"
    "train: {epochs: 150, batch_size: 16}\n"
    "stages:\n"
    "  - {name: first, heads: {threshold: {weight: 0}}}\n"
    "  - {name: second, train: {batch_size: 8}}\n"
    "  - {name: third, train: {batch_size: 4}}\n";

static void the_historic_causes_are_named(void **state) {
    static const struct {
        const char *rule;
        int line;
    } causes[] = {
        {"head-not-trained", 13}, {"class-weight-multiplier", 6}, {"monitor-other-goal", 7},
        {"tiny-batch", 14},       {"patience-too-long", 10},      {"early-lr-drop", 9},
        {"focal-too-sharp", 6},   {"stacked-imbalance", 6},
    };
    lab l;
    lab_init(&l);
    l.without_data = true;
    lab_check_text(&l, historic);
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        const bal_finding *finding = lab_finding(&l, causes[i].rule);
        if (!finding) fail_msg("%s is not found", causes[i].rule);
        assert_int_equal(finding->severity, BAL_CHECK_WARNING);
        if (finding->place.line != causes[i].line)
            fail_msg("%s: line %d, wanted %d", causes[i].rule, finding->place.line, causes[i].line);
    }
    assert_int_equal(l.report.count[BAL_CHECK_ERROR], 0);
    lab_release(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_fire_and_are_silent),
        cmocka_unit_test(refusals_have_places),
        cmocka_unit_test(every_rule_has_both_cases),
        cmocka_unit_test(a_healthy_recipe_has_no_finding),
        cmocka_unit_test(memory_is_compared_with_the_machine),
        cmocka_unit_test(the_historic_causes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
