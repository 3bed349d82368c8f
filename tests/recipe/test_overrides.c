/* recipe/recipe_override.c: KEY=VALUE reaches every key, and what it breaks is reported as coming
 * from the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "recipe_text.h"

#define assert_number(value, wanted) assert_true((value) == (wanted))

static const char base[] =
    "name: a\n"
    "data: {kind: csv, path: a.csv, target: y, ignore: [p, q]}\n"
    "model: {hidden: [512, 256, 128], dropout: [0.4, 0.3, 0.2]}\n"
    "heads:\n"
    "  - {name: one, loss: focal, class_weights: balanced}\n"
    "  - {name: two, loss: {kind: focal, gamma: 1}, weight: 0.5}\n"
    "optimizer: {kind: adam, lr: 0.01, l2: 0.001, groups: [{match: a.*, lr: 0.1}]}\n"
    "schedule: {kind: step, at: {10: 0.5}}\n"
    "guard:\n"
    "  rules: [\"val.one.loss > 5\"]\n"
    "  remedies: [{lr: 0.5}, {clip_norm: 1}]\n";

static bal_recipe *with(const char *override) {
    return accept_with(base, override);
}

static void plain_keys(void **state) {
    bal_recipe *r = with("train.epochs=3");
    assert_int_equal(r->train.epochs, 3);
    bal_recipe_free(r);
    r = with("seed=0x11");
    assert_int_equal(r->seed, 17);
    bal_recipe_free(r);
    r = with("data.path=/x y=z.csv");
    assert_string_equal(r->data.path, "/x y=z.csv");
    bal_recipe_free(r);
    r = with("model.hidden=[512, 64,32]");
    assert_int_equal(r->model.n_hidden, 3);
    assert_int_equal(r->model.hidden[2], 32);
    bal_recipe_free(r);
    r = with("model={hidden: 7}");
    assert_int_equal(r->model.n_hidden, 1);
    assert_number(r->model.dropout[0], 0);
    bal_recipe_free(r);
    r = with("monitor=val.two.recall[a.b]");
    assert_string_equal(r->monitor, "val.two.recall[a.b]");
    assert_string_equal(r->monitor_place.file, "command line: monitor=val.two.recall[a.b]");
    assert_int_equal(r->monitor_place.line, 0);
    bal_recipe_free(r);
    r = with("data.dev.samples=9");
    assert_int_equal(r->data.dev_samples, 9);
    bal_recipe_free(r);
    r = with("model.init_from=\"\"");
    assert_string_equal(r->model.init_from, "");
    bal_recipe_free(r);
}

static void list_entries(void **state) {
    bal_recipe *r = with("heads[1].weight=0.25");
    assert_number(r->heads[1].weight, 0.25);
    bal_recipe_free(r);
    r = with("heads.two.weight=0.125");
    assert_number(r->heads[1].weight, 0.125);
    assert_number(r->heads[0].weight, 1);
    bal_recipe_free(r);
    r = with("heads[1]={name: new}");
    assert_string_equal(r->heads[0].name, "one");
    assert_string_equal(r->heads[1].name, "new");
    bal_recipe_free(r);
    r = with("model.hidden[2]=64");
    assert_int_equal(r->model.hidden[1], 256);
    assert_int_equal(r->model.hidden[2], 64);
    bal_recipe_free(r);
    r = with("optimizer.groups[0].lr=0.2");
    assert_number(r->groups[0].lr, 0.2);
    bal_recipe_free(r);
    r = with("guard.remedies[0].lr=0.25");
    assert_number(r->guard.remedies[0].factor, 0.25);
    assert_int_equal(r->guard.n_remedies, 2);
    bal_recipe_free(r);
    r = with("guard.rules[0]=val.two.loss > 9 -> stop");
    assert_string_equal(r->guard.rules[0].path, "val.two.loss");
    bal_recipe_free(r);
    r = with("data.ignore[0]=z");
    assert_string_equal(r->data.ignore[0], "z");
    assert_int_equal(r->data.n_ignore, 2);
    bal_recipe_free(r);
}

/* Short forms and sections that are not there are no obstacle. */
static void into_short_forms(void **state) {
    bal_recipe *r = with("heads[0].loss.gamma=3");
    assert_string_equal(r->heads[0].loss.kind, "focal");
    assert_number(r->heads[0].loss.gamma, 3);
    bal_recipe_free(r);
    r = with("heads.one.class_weights.multiplier=3");
    assert_string_equal(r->heads[0].class_weights.kind, "balanced");
    assert_number(r->heads[0].class_weights.multiplier, 3);
    bal_recipe_free(r);
    r = with("heads[1].loss=cross_entropy");
    assert_string_equal(r->heads[1].loss.kind, "cross_entropy");
    bal_recipe_free(r);
    r = with("schedule.at.20=0.25");
    assert_int_equal(r->schedule.options.n_steps, 2);
    assert_int_equal(r->schedule.options.steps[1].epoch, 20);
    bal_recipe_free(r);
    r = with("guard.detectors.one_class.floor=0.125");
    assert_int_equal(r->guard.n_detectors, 1);
    assert_number(r->guard.detectors[0].value[0], 0.125);
    bal_recipe_free(r);
    r = with("guard.detectors.swing=false");
    assert_false(r->guard.detectors[0].enabled);
    bal_recipe_free(r);
    r = accept_with(MINIMAL "stop:\n", "stop.patience=4");
    assert_int_equal(r->stop.patience, 4);
    bal_recipe_free(r);
}

/* The head that is there without being written, and the default remedies. */
static void into_defaults(void **state) {
    bal_recipe *r = accept_with(MINIMAL, "heads.label.class_weights=balanced");
    assert_string_equal(r->heads[0].class_weights.kind, "balanced");
    bal_recipe_free(r);
    r = accept_with(MINIMAL, "heads[0].weight=2");
    assert_number(r->heads[0].weight, 2);
    bal_recipe_free(r);
    r = accept_with(MINIMAL, "guard.remedies[2].clip_norm=5");
    assert_number(r->guard.remedies[2].factor, 5);
    assert_int_equal(r->guard.n_remedies, 4);
    bal_recipe_free(r);
}

static void back_to_default(void **state) {
    bal_recipe *r = with("optimizer.l2=");
    assert_number(r->optimizer.l2, 0);
    bal_recipe_free(r);
    r = with("heads[1].weight=");
    assert_number(r->heads[1].weight, 1);
    bal_recipe_free(r);
    r = with("train.epochs="); /* not there anyway */
    assert_int_equal(r->train.epochs, 100);
    bal_recipe_free(r);
    refuse_with(base, "data.target=", "t.yaml:2:7: head 'one' has no target");
}

static void several_in_order(void **state) {
    const char *const overrides[] = {"optimizer.kind=adamw", "optimizer.l2=", "train.epochs=3",
                                     "train.epochs=4"};
    bal_recipe *r = NULL;
    bal_error err = {0};
    assert_int_equal(bal_recipe_parse(base, "t.yaml", "/", overrides, 4, &r, &err), BAL_OK);
    assert_string_equal(r->optimizer.kind, "adamw");
    assert_int_equal(r->train.epochs, 4);
    /* The resolved recipe stands without the command line. */
    bal_recipe *again = accept(r->resolved);
    assert_int_equal(again->train.epochs, 4);
    bal_recipe_free(again);
    bal_recipe_free(r);
}

static void refusals(void **state) {
    static const char *const cases[][2] = {
        {"train.epocs=3",
         "command line: train.epocs=3: unknown key 'epocs' in train; did you mean 'epochs'?"},
        {"trian.epochs=3",
         "command line: trian.epochs=3: unknown key 'trian' in the recipe; did you mean 'train'?"},
        {"trian=3",
         "command line: trian=3: unknown key 'trian' in the recipe; did you mean 'train'?"},
        {"heads.tow.weight=3",
         "command line: heads.tow.weight=3: heads: there is no 'tow'; did you mean 'two'?"},
        {"heads.two=3", "command line: heads.two=3: give single keys of an entry"},
        {"heads[2].weight=3",
         "command line: heads[2].weight=3: heads has no entry [2]; it has 2, counted from 0"},
        {"heads[2]={name: x}", "command line: heads[2]={name: x}: heads has no entry [2]"},
        {"heads[0]=", "command line: heads[0]=: an entry of a list cannot be taken out"},
        {"heads[x].weight=3", "command line: heads[x].weight=3: wanted a number in brackets, as in "
                              "heads[0], found '[x]"},
        {"heads[0]weight=3", "command line: heads[0]weight=3: wanted '.', '[' or '=' after ']'"},
        {"heads[-1].weight=3", "command line: heads[-1].weight=3: wanted a number in brackets"},
        {"heads[0.weight=3", "command line: heads[0.weight=3: wanted a number in brackets"},
        {"train[0].epochs=3", "command line: train[0].epochs=3: [0] needs a list, but train is a"},
        {"name.x=3", "command line: name.x=3: there is nothing called 'x' inside text"},
        {"name.x.y=3", "command line: name.x.y=3: there is nothing called 'x' inside text"},
        {"train.epochs", "command line: train.epochs: wanted KEY=VALUE, such as train.epochs=3"},
        {"=3", "command line: =3: wanted a key such as train.epochs before '='"},
        {".=3", "command line: .=3: wanted a key such as"},
        {"train.=3", "command line: train.=3: wanted another key after the last '.'"},
        {"train..epochs=3", "command line: train..epochs=3: wanted a key such as"},
        {"[0]=3", "command line: [0]=3: [0] needs a list, but the recipe is a mapping"},
        {"model.hidden=[1,", "command line: model.hidden=[1,: "},
        {"train.epochs=three", "command line: train.epochs=three: train.epochs: wanted an integer"},
        {"train.epochs=0", "command line: train.epochs=0: train.epochs is 0; wanted at least 1"},
        {"optimizer.kind=adamw", "t.yaml:7:35: optimizer.l2 has no meaning with kind: adamw"},
        {"optimizer.weight_decay=1",
         "command line: optimizer.weight_decay=1: optimizer.weight_decay has no meaning with"},
        {"data.split.train=0.99", "command line: data.split.train=0.99: data.split: train 0.99 + "},
        {"train.epochs=\xff", "command line: (not UTF-8): "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_with(base, cases[i][0], cases[i][1]);
}

/* The place is the command line's, not that of the key in the file. */
static void replaced_keys(void **state) {
    refuse_with(MINIMAL "optimizer: {kind: adamw, l2: 0}\n", "optimizer.l2=0.5",
                "command line: optimizer.l2=0.5: optimizer.l2 has no meaning");
    refuse_with("name: a\ndata:\n  kind: simulated\n  simulator:\n", "data.simulator.samples=3",
                "command line: data.simulator.samples=3: data.simulator needs 'name'");
}

static void long_ones(void **state) {
    char text[1000], name[260];
    memset(name, 'k', sizeof name);
    memcpy(name + 250, "=1", 3);
    refuse_with(base, name, "command line: kkkk");
    memset(text, 'v', sizeof text);
    memcpy(text, "seed=", 5);
    text[sizeof text - 1] = '\0';
    bal_recipe *r = NULL;
    bal_error err = {0};
    assert_int_equal(parse_with(base, text, &r, &err), BAL_ERECIPE);
    assert_non_null(strstr(err.message, "vvv…: seed: wanted an integer, found text, 'vvv"));
    assert_true(strlen(err.message) < 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_keys),       cmocka_unit_test(list_entries),
        cmocka_unit_test(into_short_forms), cmocka_unit_test(into_defaults),
        cmocka_unit_test(back_to_default),  cmocka_unit_test(several_in_order),
        cmocka_unit_test(refusals),         cmocka_unit_test(replaced_keys),
        cmocka_unit_test(long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
