/* recipe/recipe_stage.c: a stage is the recipe with some keys changed, and nothing else changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "recipe_text.h"

#define assert_number(value, wanted) assert_true((value) == (wanted))

static const char base[] =
    "name: a\n"
    "data: {kind: csv, path: a.csv, target: y}\n"
    "model: {hidden: [8], init_from: start, freeze: [\"trunk.*\"]}\n"
    "heads:\n"
    "  - {name: value, kind: value, target: v}\n"
    "  - {name: side, kind: binary, loss: {kind: focal, gamma: 3}, class_weights: balanced}\n"
    "optimizer: {kind: adam, lr: 0.01, beta1: 0.8}\n"
    "schedule: {kind: step, at: {10: 0.5}}\n"
    "train: {epochs: 40, batch_size: 64}\n"
    "guard: {rules: [\"val.side.loss > 5\"]}\n";

/* The base and the stages, which begin on line 11 or where the text says. */
static char *with(const char *stages) {
    static char text[4096];
    snprintf(text, sizeof text, "%s%s", base, stages);
    return text;
}

static void sections_are_merged_and_lists_replaced(void **state) {
    bal_recipe *r = accept(with("stages:\n"
                                "  - name: one\n"
                                "    train: {epochs: 3}\n"
                                "    optimizer: {lr: 0.5}\n"
                                "    schedule: {at: {2: 0.1}}\n"
                                "    model: {freeze: []}\n"
                                "    guard: {rules: [\"val.side.accuracy < 0.1\", \"val.value.loss "
                                "> 9 after 2 -> stop\"]}\n"
                                "  - {name: two}\n"));
    assert_int_equal(r->n_stages, 2);
    const bal_recipe *one = r->stages[0].recipe, *two = r->stages[1].recipe;
    assert_int_equal(one->train.epochs, 3);
    assert_int_equal(one->train.batch_size, 64);
    assert_number(one->optimizer.lr, 0.5);
    assert_number(one->optimizer.beta1, 0.8);
    assert_int_equal(one->schedule.options.n_steps, 1);
    assert_int_equal(one->schedule.options.steps[0].epoch, 2);
    assert_int_equal(one->model.n_freeze, 0);
    assert_int_equal(one->guard.n_rules, 2);
    assert_int_equal(one->n_stages, 0);
    assert_string_equal(one->resolved, r->resolved);
    /* Nothing of one stage reaches the next or the recipe. */
    assert_int_equal(two->train.epochs, 40);
    assert_number(two->optimizer.lr, 0.01);
    assert_int_equal(two->schedule.options.steps[0].epoch, 10);
    assert_int_equal(two->model.n_freeze, 1);
    assert_int_equal(two->guard.n_rules, 1);
    assert_int_equal(r->train.epochs, 40);
    assert_string_equal(two->name, "a");
    bal_recipe_free(r);
}

static void another_kind_leaves_keys_behind(void **state) {
    bal_recipe *r = accept(with("stages:\n"
                                "  - {name: one, optimizer: sgd, schedule: cosine, heads: {side: "
                                "{loss: binary_cross_entropy, class_weights: none}}}\n"
                                "  - {name: two, optimizer: {kind: adamw}, heads: {side: "
                                "{class_weights: {multiplier: 2}}}}\n"));
    const bal_recipe *one = r->stages[0].recipe, *two = r->stages[1].recipe;
    assert_string_equal(one->optimizer.kind, "sgd");
    assert_number(one->optimizer.lr, 0.01);
    assert_string_equal(one->schedule.options.kind, "cosine");
    assert_string_equal(one->heads[1].loss.kind, "binary_cross_entropy");
    assert_string_equal(one->heads[1].class_weights.kind, "none");
    assert_number(two->optimizer.beta1, 0.8);
    assert_string_equal(two->heads[1].class_weights.kind, "balanced");
    assert_number(two->heads[1].class_weights.multiplier, 2);
    assert_number(two->heads[1].loss.gamma, 3);
    bal_recipe_free(r);
}

static void where_weights_come_from(void **state) {
    bal_recipe *r = accept(with("stages: [{name: one}, {name: two}, {name: three, init_from: one}, "
                                "{name: four, init_from: ../m.safetensors}]\n"));
    assert_int_equal(r->stages[0].from, -1);
    assert_string_equal(r->stages[0].init_from, "");
    assert_string_equal(r->stages[0].recipe->model.init_from, "/data/start");
    assert_int_equal(r->stages[1].from, 0);
    assert_string_equal(r->stages[1].init_from, "one");
    assert_string_equal(r->stages[1].recipe->model.init_from, "");
    assert_int_equal(r->stages[2].from, 0);
    assert_int_equal(r->stages[3].from, -1);
    assert_string_equal(r->stages[3].init_from, "/m.safetensors");
    assert_string_equal(r->stages[3].recipe->model.init_from, "/m.safetensors");
    assert_int_equal(r->stages[3].recipe->model.init_from_place.line, 11);
    bal_recipe_free(r);
}

static void the_head_that_no_one_wrote(void **state) {
    bal_recipe *r =
        accept(MINIMAL "stages: [{name: one, heads: {label: {class_weights: balanced}}}]\n");
    assert_string_equal(r->stages[0].recipe->heads[0].class_weights.kind, "balanced");
    assert_string_equal(r->heads[0].class_weights.kind, "none");
    bal_recipe_free(r);
}

static void derived_defaults_follow_the_stage(void **state) {
    bal_recipe *r = accept(MINIMAL "schedule: plateau\nstages: [{name: one, monitor: "
                                   "val.label.loss}, {name: two}]\n");
    assert_string_equal(r->stages[0].recipe->schedule.monitor, "val.label.loss");
    assert_false(r->stages[0].recipe->schedule.options.larger_is_better);
    assert_string_equal(r->stages[1].recipe->schedule.monitor, "val.label.macro_f1");
    bal_recipe_free(r);
}

static void refusals(void **state) {
    static const struct {
        const char *stages, *message;
    } cases[] = {
        {"stages: [one]\n", "t.yaml:11:10: stages[0]: wanted a mapping with a name, found text"},
        {"stages: [{train: {epochs: 3}}]\n", "t.yaml:11:10: stages[0] needs 'name'."},
        {"stages: [{name: a/b}]\n", "t.yaml:11:17: stages[0].name: 'a/b' cannot name"},
        {"stages: [{name: x}, {name: x}]\n",
         "t.yaml:11:28: stages[0] and stages[1] are both called 'x'"},
        {"stages:\n  - {name: x, trian: {epochs: 3}}\n",
         "t.yaml:12:15: unknown key 'trian' in stages.x; did you mean 'train'?"},
        {"stages:\n  - {name: x, train: {epohcs: 3}}\n",
         "t.yaml:12:23: unknown key 'epohcs' in stages.x.train; did you mean 'epochs'?"},
        {"stages:\n  - {name: x, train: {epochs: 0}}\n",
         "t.yaml:12:31: stages.x.train.epochs is 0; wanted at least 1"},
        {"stages:\n  - {name: x, data: {kind: npz}}\n",
         "t.yaml:12:15: stages.x: a stage cannot change data, which is the same in all stages; it "
         "may have name, init_from, model.freeze, heads.HEAD.loss, "},
        {"stages:\n  - {name: x, seed: 2}\n",
         "t.yaml:12:15: stages.x: a stage cannot change seed,"},
        {"stages:\n  - {name: x, model: {hidden: [4]}}\n",
         "t.yaml:12:23: stages.x: a stage cannot change model.hidden,"},
        {"stages:\n  - {name: x, model: mlp}\n",
         "t.yaml:12:22: stages.x: a stage cannot change model.kind,"},
        {"stages:\n  - {name: x, model: [mlp]}\n",
         "t.yaml:12:22: model: wanted a mapping, found a list"},
        {"stages:\n  - {name: x, guard: off}\n",
         "t.yaml:12:22: stages.x: a stage cannot change guard.policy,"},
        {"stages:\n  - {name: x, checkpoint: {keep: 1}}\n",
         "t.yaml:12:15: stages.x: a stage cannot change checkpoint,"},
        {"stages:\n  - {name: x, stages: []}\n",
         "t.yaml:12:15: stages.x: a stage cannot change stages,"},
        {"stages:\n  - {name: x, heads: {sied: {weight: 1}}}\n",
         "t.yaml:12:23: stages.x.heads: there is no 'sied'; did you mean 'side'?"},
        {"stages:\n  - {name: x, heads: [{weight: 1}]}\n",
         "t.yaml:12:22: stages.x.heads: wanted a mapping by name"},
        {"stages:\n  - {name: x, heads: {side: 1}}\n",
         "t.yaml:12:29: stages.x.heads: wanted a mapping for each head"},
        {"stages:\n  - {name: x, heads: {side: {kind: value}}}\n",
         "t.yaml:12:30: stages.x.heads.side: a stage cannot change kind, which"},
        {"stages:\n  - {name: x, heads: {side: {wieght: 1}}}\n",
         "t.yaml:12:30: unknown key 'wieght' in stages.x.heads.side; did you mean 'weight'?"},
        {"stages:\n  - {name: x, heads: {side: {weight: 0}, value: {weight: 0}}}\n",
         "t.yaml:12:58: the weights of all heads are 0"},
        {"stages:\n  - {name: x, heads: {side: {weight: -1}}}\n",
         "t.yaml:12:38: stages.x.heads.side.weight is -1; wanted at least 0"},
        {"stages:\n  - {name: x, heads: {side: {loss: {kind: focal, gama: 2}}}}\n",
         "t.yaml:12:50: unknown key 'gama' in stages.x.heads.side.loss; did you mean 'gamma'?"},
        {"stages:\n  - {name: x, heads: {side: {loss: huber}}}\n",
         "t.yaml:12:36: loss 'huber' does not fit head 'side'"},
        {"stages:\n  - {name: x, monitor: val.sied.loss}\n",
         "t.yaml:12:24: monitor, head: there is no 'sied'; did you mean 'side'?"},
        {"stages:\n  - {name: x, init_from: y}\n  - {name: y}\n",
         "t.yaml:12:26: stages.x.init_from: stage 'y' does not come before it"},
        {"stages:\n  - {name: x, init_from: x}\n",
         "t.yaml:12:26: stages.x.init_from: stage 'x' does not come before it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_with(with(cases[i].stages), NULL, cases[i].message);
}

static void overrides_reach_into_stages(void **state) {
    static const char stages[] = "stages:\n"
                                 "  - {name: one, optimizer: sgd}\n"
                                 "  - {name: focus, heads: {side: {weight: 0.5}}}\n";
    bal_recipe *r = accept_with(with(stages), "stages.focus.train.epochs=3");
    assert_int_equal(r->stages[1].recipe->train.epochs, 3);
    assert_int_equal(r->stages[1].recipe->train.batch_size, 64);
    assert_int_equal(r->stages[0].recipe->train.epochs, 40);
    bal_recipe_free(r);
    r = accept_with(with(stages), "stages[1].heads.side.class_weights.multiplier=4");
    assert_number(r->stages[1].recipe->heads[1].class_weights.multiplier, 4);
    assert_number(r->stages[1].recipe->heads[1].weight, 0.5);
    bal_recipe_free(r);
    r = accept_with(with(stages), "stages.one.heads.side.loss.gamma=1");
    assert_number(r->stages[0].recipe->heads[1].loss.gamma, 1);
    assert_string_equal(r->stages[0].recipe->heads[1].loss.kind, "focal");
    bal_recipe_free(r);
    r = accept_with(with(stages), "stages.one.optimizer.lr=0.25");
    assert_string_equal(r->stages[0].recipe->optimizer.kind, "sgd");
    assert_number(r->stages[0].recipe->optimizer.lr, 0.25);
    bal_recipe_free(r);
    r = accept_with(with(stages), "train.epochs=7");
    assert_int_equal(r->stages[0].recipe->train.epochs, 7);
    bal_recipe_free(r);
    r = accept_with(with(stages), "stages=[]");
    assert_int_equal(r->n_stages, 0);
    bal_recipe_free(r);
    refuse_with(with(stages), "stages.fucus.train.epochs=3",
                "command line: stages.fucus.train.epochs=3: stages: there is no 'fucus'; did you "
                "mean 'focus'?");
    refuse_with(with(stages), "stages.focus.seed=3",
                "command line: stages.focus.seed=3: stages.focus: a stage cannot change seed,");
    refuse_with(with(stages), "stages[2].train.epochs=3",
                "command line: stages[2].train.epochs=3: stages has no entry [2]; it has 2");
}

static void running_out_of_memory(void **state) {
    char *text = with("stages: [{name: one, heads: {side: {weight: 2}}}, {name: two}]\n");
    for (int i = 0;; i++) {
        bal_recipe *recipe = NULL;
        bal_error err = {0};
        bal_memory_fail_after(i);
        bal_status status = parse_with(text, NULL, &recipe, &err);
        bal_memory_fail_after(-1);
        if (status == BAL_OK) {
            bal_recipe_free(recipe);
            return;
        }
        assert_int_equal(status, BAL_ENOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_are_merged_and_lists_replaced),
        cmocka_unit_test(another_kind_leaves_keys_behind),
        cmocka_unit_test(where_weights_come_from),
        cmocka_unit_test(the_head_that_no_one_wrote),
        cmocka_unit_test(derived_defaults_follow_the_stage),
        cmocka_unit_test(refusals),
        cmocka_unit_test(overrides_reach_into_stages),
        cmocka_unit_test(running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
