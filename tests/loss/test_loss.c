/* Losses as recipe entries: that each calls its op with the options it should, and refuses what it
 * would have to ignore. The ops themselves are tested against PyTorch in tests/ops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "loss/loss.h"
#include "ops/ops.h"
#include "support/interpreter.h"

enum { ROWS = 4, CLASSES = 3 };

static const double logits[ROWS * CLASSES] = {2, -1, 0.5, 0, 0.25, -3, 1, 1, 1, -2, 4, 0};
static const double ids[ROWS] = {0, 2, -1, 1};
static const double weights[CLASSES] = {1, 2, 0.5};

/* One head, its inputs, and the loss to be built on it. */
typedef struct fixture {
    bal_graph *graph;
    bal_value output, target, weight;
} fixture;

static fixture fixture_new(bal_dtype type, bal_head_kind kind, int64_t columns) {
    fixture f = {0};
    bal_error err = {0};
    assert_int_equal(bal_graph_new(bal_op_table, type, &f.graph, &err), BAL_OK);
    bool has_ids = kind == BAL_HEAD_CLASSES;
    f.output = bal_graph_input(f.graph, "output", type, BAL_SHAPE2(ROWS, columns));
    f.target = bal_graph_input(f.graph, "target", has_ids ? BAL_I32 : type,
                               has_ids ? BAL_SHAPE1(ROWS) : BAL_SHAPE2(ROWS, columns));
    f.weight = bal_graph_input(f.graph, "weight", type, BAL_SHAPE1(has_ids ? columns : 2));
    return f;
}

static bal_value build(const fixture *f, bool weighted, const bal_loss_options *options) {
    const bal_loss *loss = bal_loss_find(options->kind);
    assert_non_null(loss);
    bal_value value =
        loss->build(f->graph, f->output, f->target, weighted ? f->weight : BAL_NO_VALUE, options);
    bal_error err = {0};
    if (bal_graph_check(f->graph, &err) != BAL_OK) fail_msg("%s", err.message);
    assert_true(bal_value_is_some(value));
    return value;
}

/* Run and compare loss and weight sum; frees the graph. */
static void assert_loss(fixture *f, bal_value loss, const double *output, const double *target,
                        const double *weight, double want, double want_sum) {
    bal_value sum = bal_graph_output(f->graph, loss, 1);
    interpreter it;
    interpreter_init(&it, f->graph);
    interpreter_set_numbers(&it, f->output, output);
    interpreter_set_numbers(&it, f->target, target);
    if (weight) interpreter_set_numbers(&it, f->weight, weight);
    interpreter_run(&it);
    double got = interpreter_number(&it, loss, 0), got_sum = interpreter_number(&it, sum, 0);
    double tolerance = bal_graph_float_type(f->graph) == BAL_F64 ? 1e-13 : 1e-6;
    if (!(fabs(got - want) <= tolerance * want)) fail_msg("loss %.17g, wanted %.17g", got, want);
    if (!(fabs(got_sum - want_sum) <= tolerance * want_sum))
        fail_msg("weight sum %.17g, wanted %.17g", got_sum, want_sum);
    interpreter_release(&it);
    bal_graph_free(f->graph);
}

/* −log p_c of a row of the logits above. */
static double nll(int row, int c) {
    double sum = 0;
    for (int k = 0; k < CLASSES; k++)
        sum += exp(logits[row * CLASSES + k]);
    return log(sum) - logits[row * CLASSES + c];
}

static double smoothed(int row, int label, double smoothing) {
    double sum = (1 - smoothing) * weights[label] * nll(row, label);
    for (int c = 0; c < CLASSES; c++)
        sum += smoothing / CLASSES * weights[c] * nll(row, c);
    return sum;
}

static void cross_entropy(void **state) {
    bal_loss_options options = {.kind = "cross_entropy"};
    fixture f = fixture_new(BAL_F64, BAL_HEAD_CLASSES, CLASSES);
    double plain = (nll(0, 0) + nll(1, 2) + nll(3, 1)) / 3;
    assert_loss(&f, build(&f, false, &options), logits, ids, NULL, plain, 3);

    f = fixture_new(BAL_F64, BAL_HEAD_CLASSES, CLASSES);
    double weighted = (nll(0, 0) + 0.5 * nll(1, 2) + 2 * nll(3, 1)) / 3.5;
    assert_loss(&f, build(&f, true, &options), logits, ids, weights, weighted, 3.5);

    options.label_smoothing = 0.1;
    f = fixture_new(BAL_F64, BAL_HEAD_CLASSES, CLASSES);
    double smooth = (smoothed(0, 0, 0.1) + smoothed(1, 2, 0.1) + smoothed(3, 1, 0.1)) / 3.5;
    assert_loss(&f, build(&f, true, &options), logits, ids, weights, smooth, 3.5);
}

static double softplus(double x) {
    return log(1 + exp(x));
}

static const double binary_logits[ROWS] = {1.5, -0.5, 2, -3};
static const double binary_target[ROWS] = {1, 0, 0, NAN};
static const double pair[] = {0.5, 3};

static void binary_cross_entropy(void **state) {
    bal_loss_options options = {.kind = "binary_cross_entropy"};
    fixture f = fixture_new(BAL_F64, BAL_HEAD_BINARY, 1);
    double positive = softplus(-1.5), negative = softplus(-0.5) + softplus(2);
    assert_loss(&f, build(&f, false, &options), binary_logits, binary_target, NULL,
                (positive + negative) / 3, 3);
    f = fixture_new(BAL_F64, BAL_HEAD_BINARY, 1);
    assert_loss(&f, build(&f, true, &options), binary_logits, binary_target, pair,
                (3 * positive + 0.5 * negative) / 4, 4);
}

static double focal_term(int row, int label, double gamma) {
    return pow(1 - exp(-nll(row, label)), gamma) * nll(row, label);
}

/* Class weights are the alpha of a head with classes; the mean stays one over rows. */
static void focal_of_classes(void **state) {
    bal_loss_options options = {.kind = "focal", .gamma = 2, .alpha = -1};
    fixture f = fixture_new(BAL_F64, BAL_HEAD_CLASSES, CLASSES);
    double plain = (focal_term(0, 0, 2) + focal_term(1, 2, 2) + focal_term(3, 1, 2)) / 3;
    assert_loss(&f, build(&f, false, &options), logits, ids, NULL, plain, 3);
    options.gamma = 0.5;
    f = fixture_new(BAL_F64, BAL_HEAD_CLASSES, CLASSES);
    double weighted =
        (focal_term(0, 0, 0.5) + 0.5 * focal_term(1, 2, 0.5) + 2 * focal_term(3, 1, 0.5)) / 3;
    assert_loss(&f, build(&f, true, &options), logits, ids, weights, weighted, 3);
}

/* Two logits per row: alpha pairs with the class ids 0 and 1. */
static void focal_of_two_classes(void **state) {
    bal_loss_options options = {.kind = "focal", .gamma = 0, .alpha = 0.75};
    const double two[ROWS * 2] = {1, 0, 0, 2, 3, 3, -1, 1}, labels[ROWS] = {0, 1, 1, -1};
    double rows = 0.25 * softplus(-1) + 0.75 * softplus(-2) + 0.75 * softplus(0);
    fixture f = fixture_new(BAL_F64, BAL_HEAD_CLASSES, 2);
    assert_loss(&f, build(&f, false, &options), two, labels, NULL, rows / 3, 3);
}

static double binary_focal(double x, double gamma) {
    return pow(1 / (1 + exp(x)), gamma) * softplus(-x);
}

static void focal_of_a_binary_head(void **state) {
    bal_loss_options options = {.kind = "focal", .gamma = 2, .alpha = -1};
    double positive = binary_focal(1.5, 2);
    double negative = binary_focal(0.5, 2) + binary_focal(-2, 2);
    for (int type = BAL_F32; type <= BAL_F64; type++) {
        options.alpha = -1;
        fixture f = fixture_new((bal_dtype)type, BAL_HEAD_BINARY, 1);
        assert_loss(&f, build(&f, false, &options), binary_logits, binary_target, NULL,
                    (positive + negative) / 3, 3);
        f = fixture_new((bal_dtype)type, BAL_HEAD_BINARY, 1);
        assert_loss(&f, build(&f, true, &options), binary_logits, binary_target, pair,
                    (3 * positive + 0.5 * negative) / 3, 3);
        options.alpha = 0.75;
        f = fixture_new((bal_dtype)type, BAL_HEAD_BINARY, 1);
        assert_loss(&f, build(&f, false, &options), binary_logits, binary_target, NULL,
                    (0.75 * positive + 0.25 * negative) / 3, 3);
        f = fixture_new((bal_dtype)type, BAL_HEAD_BINARY, 1);
        assert_loss(&f, build(&f, true, &options), binary_logits, binary_target, pair,
                    (3 * 0.75 * positive + 0.5 * 0.25 * negative) / 3, 3);
    }
}

static void value_losses(void **state) {
    const double output[ROWS * 2] = {1, 2, 3, 4, 5, 6, 7, 8};
    const double target[ROWS * 2] = {1.5, 2, NAN, 1, 5, 9, 7, NAN};
    bal_loss_options options = {.kind = "squared_error", .delta = 2, .alpha = -1};
    fixture f = fixture_new(BAL_F64, BAL_HEAD_VALUE, 2);
    assert_loss(&f, build(&f, false, &options), output, target, NULL, (0.25 + 9 + 9) / 6, 6);
    options.kind = "huber";
    f = fixture_new(BAL_F64, BAL_HEAD_VALUE, 2);
    assert_loss(&f, build(&f, false, &options), output, target, NULL, (0.125 + 4 + 4) / 6, 6);
    /* Threshold 2, margin 1: 1 for 1.5 and 2 for 2 are on their side, 4 for 1 is 3 past its line,
     * 6 for 9 and 5 for 5 and 7 for 7 are far above. */
    options = (bal_loss_options){.kind = "threshold_huber",
                                 .alpha = -1,
                                 .delta = 2,
                                 .threshold = 2,
                                 .margin = 1,
                                 .below_weight = 3,
                                 .above_weight = 100};
    f = fixture_new(BAL_F64, BAL_HEAD_VALUE, 2);
    assert_loss(&f, build(&f, false, &options), output, target, NULL, (0.125 + 4 + 3 * 4 + 4) / 6,
                6);
    options.threshold = 8; /* 6 for 9 is 3 short of its line, 4 for 1 far below */
    f = fixture_new(BAL_F64, BAL_HEAD_VALUE, 2);
    assert_loss(&f, build(&f, false, &options), output, target, NULL, (0.125 + 4 + 4 + 100 * 4) / 6,
                6);
}

/* ---- what is refused ---- */

static void refuses(bal_head_kind kind, int64_t columns, bool weighted,
                    const bal_loss_options *options, const char *words) {
    fixture f = fixture_new(BAL_F32, kind, columns);
    bal_value loss =
        bal_loss_find(options->kind)
            ->build(f.graph, f.output, f.target, weighted ? f.weight : BAL_NO_VALUE, options);
    bal_error err = {0};
    assert_false(bal_value_is_some(loss));
    assert_int_not_equal(bal_graph_check(f.graph, &err), BAL_OK);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
    bal_graph_free(f.graph);
}

static void nothing_is_ignored(void **state) {
    const char *of_values[] = {"squared_error", "huber", "threshold_huber"};
    for (int i = 0; i < 3; i++) {
        bal_loss_options options = {.kind = of_values[i], .delta = 1};
        refuses(BAL_HEAD_VALUE, 2, true, &options, "class_weights: none");
        options.label_smoothing = 0.1;
        refuses(BAL_HEAD_VALUE, 2, false, &options, "only cross_entropy smooths labels");
    }
    bal_loss_options options = {.kind = "binary_cross_entropy", .label_smoothing = 0.1};
    refuses(BAL_HEAD_BINARY, 1, false, &options, "label_smoothing is 0.1");
    options = (bal_loss_options){.kind = "focal", .alpha = -1, .label_smoothing = 0.1};
    refuses(BAL_HEAD_BINARY, 1, false, &options, "label_smoothing is 0.1");
}

static void impossible_options(void **state) {
    bal_loss_options options = {.kind = "focal", .gamma = 2, .alpha = 0.75};
    refuses(BAL_HEAD_CLASSES, 3, false, &options, "the head has 3; use class_weights");
    const double alphas[] = {0, 1, 1.5, NAN};
    for (int i = 0; i < 4; i++) {
        options.alpha = alphas[i];
        refuses(BAL_HEAD_BINARY, 1, false, &options, "wanted a number between 0 and 1");
        refuses(BAL_HEAD_CLASSES, 2, false, &options, "wanted a number between 0 and 1");
    }
    options = (bal_loss_options){.kind = "focal", .gamma = -1, .alpha = -1};
    refuses(BAL_HEAD_BINARY, 1, false, &options, "gamma");
    options = (bal_loss_options){.kind = "huber", .delta = 0};
    refuses(BAL_HEAD_VALUE, 1, false, &options, "delta");
    options = (bal_loss_options){.kind = "threshold_huber", .delta = 1, .margin = -1};
    refuses(BAL_HEAD_VALUE, 1, false, &options, "margin");
}

/* A failed graph stays failed with its first message, whatever losses are built on nothing. */
static void built_on_nothing(void **state) {
    for (size_t i = 0; bal_loss_table[i]; i++) {
        fixture f = fixture_new(BAL_F32, BAL_HEAD_BINARY, 1);
        bal_loss_options options = {
            .kind = bal_loss_table[i]->name, .gamma = 2, .alpha = 0.5, .delta = 1};
        bal_error err = {0};
        bal_graph_fail(f.graph, BAL_EINVAL, "first");
        bal_value loss =
            bal_loss_table[i]->build(f.graph, BAL_NO_VALUE, BAL_NO_VALUE, BAL_NO_VALUE, &options);
        assert_false(bal_value_is_some(loss));
        assert_int_equal(bal_graph_check(f.graph, &err), BAL_EINVAL);
        assert_string_equal(err.message, "first");
        bal_graph_free(f.graph);
    }
}

static void table_is_sound(void **state) {
    static const struct {
        const char *name;
        unsigned kinds;
    } want[] = {
        {"cross_entropy", BAL_HEAD_BIT(BAL_HEAD_CLASSES)},
        {"binary_cross_entropy", BAL_HEAD_BIT(BAL_HEAD_BINARY)},
        {"focal", BAL_HEAD_BIT(BAL_HEAD_CLASSES) | BAL_HEAD_BIT(BAL_HEAD_BINARY)},
        {"squared_error", BAL_HEAD_BIT(BAL_HEAD_VALUE)},
        {"huber", BAL_HEAD_BIT(BAL_HEAD_VALUE)},
        {"threshold_huber", BAL_HEAD_BIT(BAL_HEAD_VALUE)},
    };
    size_t n = sizeof want / sizeof *want;
    for (size_t i = 0; i < n; i++) {
        const bal_loss *loss = bal_loss_find(want[i].name);
        assert_non_null(loss);
        assert_string_equal(loss->name, want[i].name);
        assert_int_equal(loss->kinds, want[i].kinds);
        assert_true(loss->summary && *loss->summary && loss->source);
    }
    for (size_t i = 0; bal_loss_table[i]; i++) {
        const bal_loss *loss = bal_loss_table[i];
        assert_true(loss->kinds != 0 && loss->build != NULL);
        assert_ptr_equal(bal_loss_find(loss->name), loss); /* no name twice */
    }
    assert_null(bal_loss_find("mse"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_entropy),          cmocka_unit_test(binary_cross_entropy),
        cmocka_unit_test(focal_of_classes),       cmocka_unit_test(focal_of_two_classes),
        cmocka_unit_test(focal_of_a_binary_head), cmocka_unit_test(value_losses),
        cmocka_unit_test(nothing_is_ignored),     cmocka_unit_test(impossible_options),
        cmocka_unit_test(built_on_nothing),       cmocka_unit_test(table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
