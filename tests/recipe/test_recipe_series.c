/* recipe/recipe_series.c: what a recipe says of a series, as the typed recipe has it, and what is
 * refused of it. Feature names, which models are known by, are those of data/series_feature.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "recipe_text.h"

/* A series; what is appended begins on line 3. */
#define SERIES                                                                                     \
    "name: a\n"                                                                                    \
    "heads: [{name: up, kind: binary, target: {at_least: 1.5}}]\n"

static const char *feature_names(const bal_recipe *recipe, bal_text *names) {
    bal_text_clear(names);
    for (int32_t i = 0; i < recipe->data.n_series; i++)
        bal_text_printf(names, "%s%s", i > 0 ? " " : "", recipe->data.series[i].name);
    return names->data;
}

static void features_are_spelt_out(void **state) {
    bal_text names = {0};
    bal_recipe *recipe = accept(
        SERIES "data: {kind: sequence, path: a.csv, column: v, window: 20, features: [{lags: 3}, "
               "{rolling: [mean, q05], over: [5, 20]}, {since: {below: 1.50}}, {streak: {above: "
               "2}}, {share: {below: -1}, over: 10}, max_7]}\n");
    assert_string_equal(feature_names(recipe, &names),
                        "lag_1 lag_2 lag_3 mean_5 mean_20 q05_5 q05_20 since_below_1.5 "
                        "streak_above_2 share_below_-1_10 max_7");
    assert_false(recipe->data.series_log);
    const bal_series_feature *since = &recipe->data.series[7];
    assert_int_equal(since->measure, BAL_SERIES_SINCE);
    assert_true(since->below && since->level == 1.5);
    assert_true(recipe->data.series[5].level == 0.05);
    assert_int_equal(recipe->data.series[9].length, 10);
    bal_recipe_free(recipe);
    bal_text_release(&names);
}

static void defaults(void **state) {
    bal_recipe *recipe =
        accept(SERIES "data: {kind: sequence, path: a.db, features: [log, {lags: 1}]}\n");
    const bal_recipe_data *data = &recipe->data;
    assert_string_equal(data->column, "value");
    assert_string_equal(data->order, "");
    assert_string_equal(data->table, "");
    assert_string_equal(data->path, "/data/a.db");
    assert_string_equal(data->simulator.name, "");
    assert_string_equal(data->missing, "error");
    assert_string_equal(data->split.kind, "sequential");
    assert_int_equal(data->window, 50);
    assert_int_equal(data->split.embargo, 50);
    assert_true(data->series_log);
    bal_recipe_free(recipe);
    /* Rows of a table do not overlap. */
    recipe = accept(MINIMAL "seed: 3\n");
    assert_string_equal(recipe->data.split.kind, "stratified");
    assert_int_equal(recipe->data.split.embargo, 0);
    assert_string_equal(recipe->heads[0].transform, "none");
    assert_int_equal(recipe->heads[0].target_kind, BAL_TARGET_COLUMN);
    bal_recipe_free(recipe);
}

static void targets_and_their_classes(void **state) {
    bal_recipe *recipe =
        accept("name: a\n"
               "data: {kind: sequence, path: a.csv, features: [{lags: 1}]}\n"
               "heads:\n"
               "  - {name: value, kind: value, target: next, transform: log}\n"
               "  - {name: bin, kind: classes, target: {bins: [1.2, 2.0, 20]}}\n"
               "  - {name: up, kind: binary, target: {at_least: 1.50}}\n"
               "  - {name: named, kind: binary, target: {at_least: 2}, classes: [no, yes]}\n"
               "monitor: val.up.recall[below]\n");
    const bal_recipe_head *heads = recipe->heads;
    static const char *const bins[] = {"<1.2", "1.2-2", "2-20", ">=20"};
    assert_int_equal(heads[0].target_kind, BAL_TARGET_NEXT);
    assert_string_equal(heads[0].target, "next");
    assert_string_equal(heads[0].transform, "log");
    assert_int_equal(heads[1].target_kind, BAL_TARGET_BINS);
    assert_string_equal(heads[1].target, "{bins: [1.2, 2, 20]}");
    assert_int_equal(heads[1].n_bins, 3);
    assert_int_equal(heads[1].n_classes, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(heads[1].classes[i], bins[i]);
    assert_int_equal(heads[2].target_kind, BAL_TARGET_AT_LEAST);
    assert_string_equal(heads[2].target, "{at_least: 1.5}");
    assert_true(heads[2].at_least == 1.5);
    assert_string_equal(heads[2].classes[0], "below");
    assert_string_equal(heads[2].classes[1], "above");
    assert_string_equal(heads[3].classes[1], "yes");
    bal_recipe_free(recipe);
}

static void names_mean_one_feature_each(void **state) {
    static const char *const names[] = {"lag_1",           "mean_25",        "std_2",
                                        "q95_50",          "since_below_-2", "streak_above_1e-05",
                                        "share_below_1_9", "median_3",       "min_1"};
    static const char *const none[] = {"lag",
                                       "lag_0",
                                       "lag_01",
                                       "lag_-1",
                                       "lag_1.5",
                                       "mean",
                                       "mean_",
                                       "q5_10",
                                       "q00_10",
                                       "q100_10",
                                       "since_below",
                                       "since_below_",
                                       "log",
                                       "since_under_1",
                                       "share_below_1",
                                       "share_below_1_0",
                                       "share_below__9",
                                       "mean_99999999999",
                                       "since_below_1.50",
                                       "since_below_nan",
                                       "_1",
                                       ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char buffer[BAL_SERIES_NAME_MAX];
        bal_series_feature feature;
        assert_true(bal_series_feature_parse(names[i], &feature));
        assert_string_equal(bal_series_feature_name(&feature, buffer), names[i]);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        bal_series_feature feature;
        if (bal_series_feature_parse(none[i], &feature)) fail_msg("'%s' is a feature", none[i]);
    }
}

typedef struct refusal {
    const char *data;    /* inside data: {kind: sequence, window: 10, …}, columns from 36 */
    const char *message; /* beginning, after "t.yaml:" */
} refusal;

static void refuse_data(const refusal *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bal_text text = {0}, message = {0};
        bal_text_printf(&text, "%sdata: {kind: sequence, window: 10, %s}\n", SERIES, cases[i].data);
        bal_text_printf(&message, "t.yaml:%s", cases[i].message);
        refuse(text.data, message.data);
        bal_text_release(&text);
        bal_text_release(&message);
    }
}

static void refused_features(void **state) {
    static const refusal cases[] = {
        {"path: a", "3:1: data needs 'features' with kind: sequence."},
        {"path: a, features: lag_1", "3:55: data.features: wanted a list of features such as"},
        {"path: a, features: []", "3:55: data.features lists no feature; possible are log, {lags"},
        {"path: a, features: [log]", "3:55: data.features lists no feature; possible are log,"},
        {"path: a, features: [{lag: 3}]",
         "3:57: data.features[0]: there is no 'lag'; did you mean 'lags'? Known: lags, rolling,"},
        {"path: a, features: [{lags: 3}, {rollin: mean, over: 3}]",
         "3:68: data.features[1]: there is no 'rollin'; did you mean 'rolling'?"},
        {"path: a, features: [loq]",
         "3:56: data.features[0]: there is no 'loq'; did you mean 'log'?"},
        {"path: a, features: [[1]]", "3:56: data.features[0]: wanted a feature such as {lags: 10}"},
        {"path: a, features: [{}]", "3:56: data.features[0] says no feature; possible are log"},
        {"path: a, features: [{over: 3}]", "3:56: data.features[0] says no feature; possible"},
        {"path: a, features: [{lags: 3, since: {below: 1}}]",
         "3:66: data.features[0] has 'lags' and 'since'; wanted one kind of feature per entry"},
        {"path: a, features: [{lags: 3, over: 5}]",
         "3:66: data.features[0]: 'over' has no meaning with lags"},
        {"path: a, features: [{lags: x}]", "3:63: data.features[0].lags: wanted an integer"},
        {"path: a, features: [{lags: 0}]", "3:63: data.features[0].lags is 0; wanted at least 1"},
        {"path: a, features: [{lags: 11}]",
         "3:63: data.features[0].lags: 11 is more than data.window, 10: a row sees no more"},
        {"path: a, features: [mean_11]", "3:56: data.features[0]: 11 is more than data.window, 10"},
        {"path: a, features: [{rolling: mean}]",
         "3:56: data.features[0] needs 'over': how many values, such as over: [10, 50]"},
        {"path: a, features: [{rolling: men, over: 3}]",
         "3:66: data.features[0].rolling: there is no 'men'; did you mean 'mean'? Known: mean, "
         "std"},
        {"path: a, features: [{rolling: [], over: 3}]",
         "3:66: data.features[0].rolling: wanted at least one statistic"},
        {"path: a, features: [{rolling: mean, over: [3, 12]}]",
         "3:82: data.features[0].over: 12 is more than data.window, 10"},
        {"path: a, features: [{rolling: std, over: 1}]",
         "3:77: data.features[0].over is 1; wanted at least 2"},
        {"path: a, features: [std_1]",
         "3:56: data.features[0]: std_1 is over 1 value; wanted at least 2"},
        {"path: a, features: [{since: 1.5}]",
         "3:64: data.features[0].since: wanted {below: X} or {above: X}, found a number, '1.5'"},
        {"path: a, features: [{since: {belo: 1.5}}]",
         "3:65: data.features[0].since: there is no 'belo'; did you mean 'below'?"},
        {"path: a, features: [{streak: {below: x}}]",
         "3:73: data.features[0].streak: wanted a number, found text, 'x'"},
        {"path: a, features: [{share: {below: .nan}, over: 3}]",
         "3:72: data.features[0].share: wanted a finite number"},
        {"path: a, features: [{lags: 3}, {rolling: max, over: 4}, lag_2]",
         "3:55: data.features: 'lag_2' comes twice"},
    };
    refuse_data(cases, sizeof cases / sizeof *cases);
}

#define LAGS "features: [{lags: 1}]"

static void refused_data(void **state) {
    static const refusal cases[] = {
        {LAGS, "3:7: data needs 'path' or 'simulator' with kind: sequence"},
        {LAGS ", path: a, missing: mean",
         "3:77: data.missing: mean has no meaning with data.kind: sequence; possible are error, "
         "skip and previous"},
        {LAGS ", path: a, split: {kind: time, time: id}",
         "3:82: data.split.kind: time needs a column, which rows of a series do not have"},
        {LAGS ", path: a, split: {kind: random, embargo: 3}",
         "3:99: data.split.embargo has no meaning with kind: random, only with sequential"},
        {LAGS ", path: a, ignore: [id]", "3:68: data.ignore has no meaning with kind: sequence"},
        {LAGS ", path: a, header: yess", "3:76: data.header: there is no 'yess'; did you mean"},
        {LAGS ", path: a, window: 3", "3:68: key 'window' again"},
    };
    refuse_data(cases, sizeof cases / sizeof *cases);
    refuse(MINIMAL "seed: 1\nstop: {}\nname: b\n", "t.yaml:5:1: key 'name' again");
    refuse("name: a\ndata: {kind: csv, path: a, target: y, missing: skip}\n",
           "t.yaml:2:48: data.missing: skip has no meaning with data.kind: csv; possible are error "
           "and mean");
    refuse("name: a\ndata: {kind: csv, path: a, target: y, order: id}\n",
           "t.yaml:2:39: data.order has no meaning with kind: csv, only with sequence");
}

static void refused_targets(void **state) {
    static const struct {
        const char *head, *message;
    } cases[] = {
        {"{name: a}", "3:16: head 'a' has no target; with data.kind: sequence it is next, {bins"},
        {"{target: nxt}", "3:18: heads[0].target: there is no 'nxt'; did you mean 'next'? Known: "},
        {"{target: [a]}", "3:18: heads[0].target: wanted text, found a list"},
        {"{target: {bin: [1]}}", "3:19: heads[0].target: there is no 'bin'; did you mean 'bins'?"},
        {"{target: {bins: [1], at_least: 2}}", "3:18: heads[0].target: wanted a column, next, {bi"},
        {"{target: {bins: []}}", "3:25: heads[0].target: wanted 1 to 1000 bounds such as"},
        {"{target: {bins: [1, x]}}", "3:29: heads[0].target: wanted a number, found text, 'x'"},
        {"{target: {bins: [1, 3, 2]}}", "3:32: heads[0].target: bounds must rise, but 2 follows 3"},
        {"{target: {at_least: .inf}}", "3:29: heads[0].target: wanted a finite number"},
        {"{target: next}", "3:9: head 'label' is of kind classes, but its target next is for heads "
                           "of kind value"},
        {"{kind: binary, target: {bins: [1]}}", "3:16: head 'label' is of kind binary, but its "},
        {"{kind: value, target: {at_least: 1}}", "3:16: head 'label' is of kind value, but its "},
        {"{target: {bins: [1, 2]}, classes: [a, b]}",
         "3:43: head 'label' lists 2 classes, but its target makes 3"},
        {"{target: {bins: [1]}, transform: log}",
         "3:31: heads[0].transform has no meaning with kind: classes, only with value"},
        {"{kind: value, target: next, transform: lg}",
         "3:48: heads[0].transform: there is no 'lg'; did you mean 'log'?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_text text = {0}, message = {0};
        bal_text_printf(&text, "name: a\ndata: {kind: sequence, path: a, " LAGS "}\nheads: [%s]\n",
                        cases[i].head);
        bal_text_printf(&message, "t.yaml:%s", cases[i].message);
        refuse(text.data, message.data);
        bal_text_release(&text);
        bal_text_release(&message);
    }
    refuse(MINIMAL "heads: [{target: {at_least: 2}}]\n",
           "t.yaml:3:18: heads[0].target: {at_least: …} is made from a series; with data.kind: csv "
           "name a column");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_spelt_out),    cmocka_unit_test(defaults),
        cmocka_unit_test(targets_and_their_classes), cmocka_unit_test(names_mean_one_feature_each),
        cmocka_unit_test(refused_features),          cmocka_unit_test(refused_data),
        cmocka_unit_test(refused_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
