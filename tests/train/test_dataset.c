/* Datasets: what is known of all rows, what is learned from the training rows alone, and that
 * nothing else is. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "train_kit.h"

/* Ten rows in order, of which the first six train: what the others hold must not show in anything
 * that is learned. One label, one answer and one value are missing among the six. */
static const char ten_rows[] = "x0,x1,label,yes,value\n"
                               "1,7,b,n,1\n"
                               "2,7,a,y,2\n"
                               "3,7,c,n,\n"
                               "4,7,b,n,4\n"
                               "5,7,,y,5\n"
                               "6,7,b,,6\n"
                               "100,8,a,y,1000\n"
                               "200,8,a,y,1000\n"
                               "300,8,c,n,1000\n"
                               "-50,8,a,n,1000\n";
enum { TEN = 10, TRAIN = 6 };

#define IN_ORDER                                                                                   \
    "data.features=[x0, x1]|data.split={kind: sequential, train: 0.6, val: 0.2, test: 0.2}|"
#define THREE_HEADS                                                                                \
    "heads=[{name: label, kind: classes}, {name: yes, kind: binary, target: yes}, {name: value, "  \
    "kind: value, target: value}]|"

static void put_rows(kit *k, const char *rows) {
    kit_write(kit_path(k, "table.csv"), rows, strlen(rows));
}

/** A recipe's dataset; both are the caller's. */
typedef struct loaded {
    bal_recipe *recipe;
    bal_dataset *data;
} loaded;

static loaded load(kit *k, const char *overrides) {
    bal_error err = {0};
    loaded l = {0};
    k->overrides = overrides;
    k->log[0] = '\0';
    l.recipe = kit_recipe(k);
    const bal_log_sink log = kit_options(k, NULL).hooks.log;
    if (bal_dataset_new(l.recipe, &log, &l.data, &err) != BAL_OK) fail_msg("%s", err.message);
    return l;
}

static void unload(loaded *l) {
    bal_dataset_free(l->data);
    bal_recipe_free(l->recipe);
}

static void expect_refused(kit *k, const char *overrides, bal_status wanted, const char *text) {
    bal_error err = {0};
    bal_dataset *data = NULL;
    bal_log_sink silent = {0};
    k->overrides = overrides;
    bal_recipe *recipe = kit_recipe(k);
    bal_status status = bal_dataset_new(recipe, &silent, &data, &err);
    bal_recipe_free(recipe);
    if (status != wanted || !strstr(err.message, text))
        fail_msg("%s: %s (wanted %s: %s)", bal_status_name(status), err.message,
                 bal_status_name(wanted), text);
    assert_null(data);
}

static kit ten(void) {
    kit k;
    kit_init(&k);
    put_rows(&k, ten_rows);
    return k;
}

/* ---- labels and targets ---- */

static void heads_get_what_their_kind_needs(void **unused) {
    static const int32_t labels[TEN] = {1, 0, 2, 1, -1, 1, 0, 0, 2, 0};
    static const int32_t yes[TEN] = {0, 1, 0, 0, 1, -1, 1, 1, 0, 0};
    static const char *const names[] = {"a", "b", "c"};
    kit k = ten();
    loaded l = load(&k, IN_ORDER THREE_HEADS);
    assert_int_equal(l.data->n_heads, 3);
    const bal_head_data *head = &l.data->heads[0];
    assert_int_equal(head->outputs, 3);
    for (int c = 0; c < 3; c++)
        assert_string_equal(head->classes.names[c], names[c]);
    assert_memory_equal(head->labels, labels, sizeof labels);
    assert_null(head->targets);

    head = &l.data->heads[1];
    assert_int_equal(head->outputs, 1);
    assert_int_equal(head->classes.count, 2);
    assert_memory_equal(head->labels, yes, sizeof yes);
    for (int i = 0; i < TEN; i++)
        assert_true(yes[i] < 0 ? isnan(head->targets[i]) : head->targets[i] == (float)yes[i]);

    head = &l.data->heads[2];
    assert_int_equal(head->outputs, 1);
    assert_null(head->labels);
    assert_true(head->targets[1] == 2 && isnan(head->targets[2]) && head->targets[9] == 1000);
    assert_int_equal(l.data->unknown_labels, 0); /* missing is not unknown */
    unload(&l);
    kit_release(&k);
}

static void given_classes_keep_their_order(void **unused) {
    static const int32_t labels[TEN] = {2, 1, 0, 2, -1, 2, 1, 1, 0, 1};
    static const int32_t without_c[TEN] = {0, 1, -1, 0, -1, 0, 1, 1, -1, 1};
    kit k = ten();
    loaded l = load(&k, IN_ORDER "heads.label.classes=[c, a, b]");
    assert_memory_equal(l.data->heads[0].labels, labels, sizeof labels);
    unload(&l);
    /* One more than there are: known by name, and never seen. */
    l = load(&k, IN_ORDER "heads.label.classes=[c, a, b, d]|heads.label.class_weights=none");
    assert_int_equal(l.data->heads[0].outputs, 4);
    assert_int_equal(l.data->heads[0].train_counts[3], 0);
    assert_near(l.data->heads[0].prior[3], 0, 0);
    unload(&l);
    /* One fewer: an error, unless those rows are to be left out. */
    expect_refused(&k, IN_ORDER "heads.label.classes=[b, a]", BAL_EDATA, "'c'");
    l = load(&k, IN_ORDER "heads.label.classes=[b, a]|data.unknown=skip");
    assert_memory_equal(l.data->heads[0].labels, without_c, sizeof without_c);
    assert_int_equal(l.data->unknown_labels, 2);
    assert_non_null(strstr(k.log, "2 rows have a label that is not in the class list"));
    unload(&l);
    kit_release(&k);
}

static void dropped_classes_take_their_rows_along(void **unused) {
    static const int32_t labels[] = {1, 0, 1, -1, 1, 0, 0, 0};
    kit k = ten();
    loaded l = load(&k, "data.features=[x0, x1]|data.split={kind: sequential, train: 0.625, val: "
                        "0.125, test: 0.25}|data.drop_classes=[c]");
    assert_int_equal(l.data->table->rows, 8);
    assert_int_equal(l.data->heads[0].classes.count, 2);
    assert_memory_equal(l.data->heads[0].labels, labels, sizeof labels);
    assert_int_equal(l.data->split.count[BAL_SPLIT_TRAIN], 5);
    /* The rows that are left train: 1, 2, 4, 5, 6. */
    assert_near(l.data->scaler.shift[0], 3.6, 1e-6);
    unload(&l);
    expect_refused(&k, IN_ORDER "data.drop_classes=[d]", BAL_ERECIPE, "no row is of class 'd'");
    kit_release(&k);
}

/* ---- learned from the training rows alone ---- */

static void counts_and_priors_are_of_the_training_rows(void **unused) {
    static const double prior[] = {0.2, 0.6, 0.2};
    static const int64_t counts[] = {1, 3, 1};
    kit k = ten();
    loaded l = load(&k, IN_ORDER THREE_HEADS);
    const bal_head_data *head = &l.data->heads[0];
    for (int c = 0; c < 3; c++) {
        assert_int_equal(head->train_counts[c], counts[c]); /* five labels in six rows */
        assert_near(head->prior[c], prior[c], 1e-15);
    }
    head = &l.data->heads[1];
    assert_near(head->prior[0], 0.6, 1e-15);
    assert_near(head->prior[1], 0.4, 1e-15);
    head = &l.data->heads[2];
    assert_int_equal(head->train_counts[0], 5);
    assert_near(head->prior[0], 18.0 / 5, 1e-15);
    unload(&l);
    kit_release(&k);
}

static void scaling_is_fitted_to_the_training_rows(void **unused) {
    const double deviation = sqrt(35.0 / 12); /* of 1 … 6, population */
    kit k = ten();
    loaded l = load(&k, IN_ORDER "data.scale=standard");
    assert_near(l.data->scaler.shift[0], 3.5, 1e-6);
    assert_near(l.data->scaler.scale[0], deviation, 1e-6);
    assert_near(l.data->scaler.scale[1], 1, 0); /* constant where it counts */
    assert_int_equal(l.data->scaler.constant, 1);
    assert_non_null(strstr(k.log, "1 of 2 features are constant"));
    assert_near(l.data->table->x[0], -2.5 / deviation, 1e-5);
    assert_near(l.data->table->x[2 * 8], 296.5 / deviation,
                1e-3); /* a test row, by the same rule */
    assert_near(l.data->table->x[2 * 8 + 1], 1, 1e-6);
    unload(&l);
    l = load(&k, IN_ORDER "data.scale=minmax");
    assert_near(l.data->table->x[2 * 5], 1, 1e-6);
    assert_near(l.data->table->x[2 * 6], 99.0 / 5, 1e-5);
    unload(&l);
    l = load(&k, IN_ORDER "data.scale=none");
    assert_near(l.data->table->x[2 * 9], -50, 0);
    unload(&l);
    kit_release(&k);
}

static void expect_weights(kit *k, const char *overrides, double a, double b, double c) {
    loaded l = load(k, overrides);
    const double wanted[] = {a, b, c};
    for (int i = 0; i < 3; i++)
        assert_near(l.data->heads[0].class_weights[i], wanted[i], 1e-12);
    unload(&l);
}

/* By the id of the class: a b c, whatever the order in rows or recipe. */
static void class_weights_stand_at_their_class(void **unused) {
    kit k = ten();
    expect_weights(&k, IN_ORDER "heads.label.class_weights={kind: balanced}", 5.0 / 3, 5.0 / 9,
                   5.0 / 3);
    expect_weights(&k, IN_ORDER "heads.label.class_weights={kind: balanced, multiplier: 2}",
                   10.0 / 3, 5.0 / 9, 10.0 / 3);
    expect_weights(&k, IN_ORDER "heads.label.class_weights={kind: explicit, values: {c: 3, a: 2}}",
                   2, 1, 3);
    expect_weights(&k, IN_ORDER "heads.label.class_weights={kind: explicit, values: [4, 5, 6]}", 4,
                   5, 6);
    loaded l = load(&k, IN_ORDER "heads.label.class_weights=none");
    assert_null(l.data->heads[0].class_weights);
    unload(&l);
    expect_refused(&k, IN_ORDER "heads.label.class_weights={kind: explicit, values: [4, 5]}",
                   BAL_ERECIPE, "2 values for 3 classes");
    expect_refused(&k, IN_ORDER "heads.label.class_weights={kind: explicit, values: {d: 4}}",
                   BAL_ERECIPE, "no class is called so: d");
    kit_release(&k);
}

/* ---- split ---- */

static int part_of(const bal_split *split, int64_t row) {
    int found = -1;
    for (int part = 0; part < BAL_SPLIT_COUNT; part++)
        for (int64_t i = 0; i < split->count[part]; i++)
            if (split->rows[part][i] == row) {
                assert_int_equal(found, -1); /* in one part only */
                found = part;
            }
    return found;
}

static int64_t rows_in(const bal_split *split) {
    return split->count[0] + split->count[1] + split->count[2];
}

static void rows_are_split_by_the_first_classes(void **unused) {
    kit k;
    kit_init(&k);
    loaded l = load(&k, "heads=[{name: value, kind: value, target: value}, {name: label, kind: "
                        "classes}]|monitor=val.value.rmse");
    const bal_split *split = &l.data->split;
    int64_t seen[BAL_SPLIT_COUNT][3] = {{0}};
    assert_int_equal(rows_in(split), 140);
    for (int64_t row = 0; row < 140; row++)
        seen[part_of(split, row)][l.data->heads[1].labels[row]]++;
    /* 60, 40 and 40 rows of the classes in shares of 8 : 1 : 1. */
    for (int c = 0; c < 3; c++) {
        int64_t rows = c == 0 ? 60 : 40;
        assert_int_equal(seen[BAL_SPLIT_TRAIN][c], rows * 8 / 10);
        assert_int_equal(seen[BAL_SPLIT_VAL][c], rows / 10);
        assert_int_equal(seen[BAL_SPLIT_TEST][c], rows / 10);
    }
    unload(&l);
    kit_release(&k);
}

static void groups_are_kept_together(void **unused) {
    kit k;
    kit_init(&k);
    loaded l =
        load(&k, "data.split={kind: group, group: group, train: 0.7, val: 0.15, test: 0.15}");
    for (int64_t row = 0; row < 140; row++)
        assert_int_equal(part_of(&l.data->split, row), part_of(&l.data->split, row % 11));
    unload(&l);
    kit_release(&k);
}

static void development_mode_takes_a_sample_of_every_part(void **unused) {
    kit k;
    kit_init(&k);
    loaded all = load(&k, NULL);
    loaded some = load(&k, "data.dev.samples=35");
    assert_int_equal(rows_in(&some.data->split), 35);
    assert_int_equal(some.data->split.count[BAL_SPLIT_TRAIN], 28);
    assert_non_null(strstr(k.log, "35 of 140 rows"));
    for (int64_t row = 0; row < 140; row++) {
        int part = part_of(&some.data->split, row);
        if (part >= 0) assert_int_equal(part, part_of(&all.data->split, row));
    }
    for (int c = 0; c < 3; c++)
        assert_in_range(some.data->heads[0].train_counts[c], 8, 12); /* a quarter of each */
    unload(&some);
    /* Nobody loses the last row. */
    some = load(&k, "data.dev.samples=4");
    for (int part = 0; part < BAL_SPLIT_COUNT; part++)
        assert_true(some.data->split.count[part] >= 1);
    unload(&some);
    unload(&all);
    kit_release(&k);
}

/* ---- digest ---- */

static uint64_t digest(kit *k, const char *overrides) {
    loaded l = load(k, overrides);
    uint64_t value = l.data->digest;
    unload(&l);
    return value;
}

/** Digest of the table with one piece of its text replaced. */
static uint64_t digest_with(kit *k, const char *old, const char *new) {
    char text[sizeof ten_rows + 16];
    const char *at = strstr(ten_rows, old);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - ten_rows), ten_rows, new, at + strlen(old));
    put_rows(k, text);
    uint64_t value = digest(k, IN_ORDER THREE_HEADS);
    put_rows(k, ten_rows);
    return value;
}

/* The same numbers train the same; every other number is another digest, also in test rows. */
static void the_digest_is_of_all_that_is_trained_on(void **unused) {
    kit k = ten();
    uint64_t own = digest(&k, IN_ORDER THREE_HEADS);
    assert_true(own == digest(&k, IN_ORDER THREE_HEADS "name=other|train.epochs=9|seed=5"));
    assert_true(own == digest_with(&k, "300,8,c", "300.0,8,c"));
    assert_true(own != digest_with(&k, "300,8,c", "301,8,c"));
    assert_true(own != digest_with(&k, "-50,8,a", "-50,8,b"));
    assert_true(own != digest_with(&k, "-50,8,a,n,1000", "-50,8,a,n,1001"));
    assert_true(own != digest_with(&k, "-50,8,a,n", "-50,8,a,y"));
    assert_true(own != digest(&k,
                              "data.features=[x0, x1]|data.split={kind: sequential, train: 0.6, "
                              "val: 0.3, test: 0.1}|" THREE_HEADS));
    assert_true(own != digest(&k, IN_ORDER THREE_HEADS "data.scale=minmax"));
    kit_release(&k);
}

/* The ids are the same, but they stand for other names. */
static void class_names_are_in_the_digest(void **unused) {
    kit k = ten();
    char other[sizeof ten_rows];
    uint64_t own = digest(&k, IN_ORDER);
    memcpy(other, ten_rows, sizeof other);
    for (char *at = other; (at = strstr(at, ",c,"));)
        at[1] = 'd';
    put_rows(&k, other);
    assert_true(own != digest(&k, IN_ORDER));
    kit_release(&k);
}

/* ---- reading without learning ---- */

static void reading_learns_nothing(void **unused) {
    kit k = ten();
    bal_error err = {0};
    bal_log_sink silent = {0};
    loaded learned = load(&k, IN_ORDER THREE_HEADS);
    bal_dataset *read;
    if (bal_dataset_read(learned.recipe, &silent, &read, &err) != BAL_OK)
        fail_msg("%s", err.message);
    assert_near(read->table->x[2 * 8], 300, 0);
    assert_null(read->scaler.shift);
    for (int32_t h = 0; h < 3; h++) {
        const bal_head_data *head = &read->heads[h];
        assert_null(head->prior);
        assert_null(head->train_counts);
        assert_null(head->class_weights);
    }
    assert_memory_equal(read->heads[0].labels, learned.data->heads[0].labels,
                        TEN * sizeof(int32_t));
    assert_int_equal(read->split.count[BAL_SPLIT_TRAIN], TRAIN);
    bal_dataset_free(read);
    unload(&learned);
    kit_release(&k);
}

/* ---- refusals ---- */

static void what_cannot_be_learned_is_refused(void **unused) {
    kit k = ten();
    expect_refused(&k, IN_ORDER "data.target=labels", BAL_EDATA, "'labels'");
    expect_refused(&k, IN_ORDER "heads=[{name: label, kind: binary}]|monitor=val.label.accuracy",
                   BAL_EDATA, "binary but column 'label' has 3 classes");
    expect_refused(&k, IN_ORDER "heads=[{name: label, kind: value}]|monitor=val.label.rmse",
                   BAL_EDATA, "column 'label': head");
    expect_refused(&k, "data.features=[x0]|data.split={kind: group, group: nobody}", BAL_EDATA,
                   "'nobody'");
    /* The rows that train: the first one; the first and the fourth; the fifth. */
    expect_refused(&k,
                   "data.features=[x0]|data.split={kind: sequential, train: 0.1, val: 0.4, "
                   "test: 0.5}",
                   BAL_EDATA, "the training rows hold one class only");
    put_rows(&k, "x0,label,value\n1,,\n2,a,1\n3,b,1\n4,b,1\n");
    expect_refused(&k,
                   "data.features=[x0]|data.split={kind: sequential, train: 0.25, val: 0.25, "
                   "test: 0.5}",
                   BAL_EDATA, "the training rows hold no label at all");
    expect_refused(&k,
                   "data.features=[x0]|data.split={kind: sequential, train: 0.25, val: 0.25, "
                   "test: 0.5}|heads=[{name: value, kind: value, target: value}]|"
                   "monitor=val.value.rmse",
                   BAL_EDATA, "no training row has a value");
    kit_release(&k);
}

static void every_failing_allocation_is_told(void **unused) {
    kit k = ten();
    bal_log_sink silent = {0};
    k.overrides = IN_ORDER THREE_HEADS "data.drop_classes=[c]|data.dev.samples=7|heads.label."
                                       "class_weights=balanced";
    bal_recipe *recipe = kit_recipe(&k);
    int failures = 0;
    for (bal_status status = BAL_ENOMEM; status != BAL_OK; failures++) {
        bal_error err = {0};
        bal_dataset *data = NULL;
        bal_memory_fail_after(failures);
        status = bal_dataset_new(recipe, &silent, &data, &err);
        bal_memory_fail_after(-1);
        if (status != BAL_OK && status != BAL_ENOMEM) fail_msg("%s", err.message);
        assert_int_equal(status == BAL_OK, data != NULL);
        bal_dataset_free(data);
    }
    assert_in_range(failures, 20, 1000);
    bal_recipe_free(recipe);
    kit_release(&k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_get_what_their_kind_needs),
        cmocka_unit_test(given_classes_keep_their_order),
        cmocka_unit_test(dropped_classes_take_their_rows_along),
        cmocka_unit_test(counts_and_priors_are_of_the_training_rows),
        cmocka_unit_test(scaling_is_fitted_to_the_training_rows),
        cmocka_unit_test(class_weights_stand_at_their_class),
        cmocka_unit_test(rows_are_split_by_the_first_classes),
        cmocka_unit_test(groups_are_kept_together),
        cmocka_unit_test(development_mode_takes_a_sample_of_every_part),
        cmocka_unit_test(the_digest_is_of_all_that_is_trained_on),
        cmocka_unit_test(class_names_are_in_the_digest),
        cmocka_unit_test(reading_learns_nothing),
        cmocka_unit_test(what_cannot_be_learned_is_refused),
        cmocka_unit_test(every_failing_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
