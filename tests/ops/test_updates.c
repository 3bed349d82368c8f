/* Parameter updates against several steps of PyTorch's optimisers; clipping; the gate that skips a
 * step; the gradient norm; activity peaks; what is refused; failing allocations. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "golden/ops_golden.h"
#include "ops/golden_values.h"
#include "ops/updates.h"
#include "ops/values.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { N_PARAMS = 2 };

/* A graph that takes one step with two parameters of 5 and 3 elements. */
typedef struct stepper {
    bal_graph *graph;
    bal_value hyper, norm;
    bal_value params[N_PARAMS], first[N_PARAMS], second[N_PARAMS], grads[N_PARAMS];
    interpreter it;
} stepper;

static void make_values(stepper *s, bal_dtype dtype) {
    static const int64_t counts[N_PARAMS] = {GOLDEN_UPDATE_FIRST, GOLDEN_UPDATE_SECOND};
    static const char *const names[N_PARAMS][4] = {{"p0", "m0", "v0", "g0"},
                                                   {"p1", "m1", "v1", "g1"}};
    for (int i = 0; i < N_PARAMS; i++) {
        bal_shape shape = BAL_SHAPE1(counts[i]);
        s->params[i] = bal_graph_parameter(s->graph, names[i][0], shape);
        s->first[i] = bal_graph_state(s->graph, names[i][1], dtype, shape);
        s->second[i] = bal_graph_state(s->graph, names[i][2], dtype, shape);
        s->grads[i] = bal_graph_input(s->graph, names[i][3], dtype, shape);
    }
    s->hyper = bal_graph_input(s->graph, "hyper", dtype, BAL_SHAPE1(BAL_HYPER_COUNT));
    s->norm = bal_global_norm(s->graph, s->grads, N_PARAMS);
}

static void stepper_init(stepper *s, const golden_update *c, bal_dtype dtype) {
    *s = (stepper){.graph = golden_graph(dtype)};
    make_values(s, dtype);
    if (strcmp(c->op, "sgd") == 0) {
        bal_sgd_update(s->graph, s->hyper, s->norm, s->params, c->momentum > 0 ? s->first : NULL,
                       s->grads, N_PARAMS, c->momentum, c->nesterov != 0, c->l2, c->decay);
    } else {
        bal_adam_update(s->graph, s->hyper, s->norm, s->params, s->first, s->second, s->grads,
                        N_PARAMS, c->beta1, c->beta2, c->epsilon, c->l2, c->decay);
    }
    golden_check(s->graph, c->name);
    interpreter_init(&s->it, s->graph);
    interpreter_set_numbers(&s->it, s->params[0], golden_update_start);
    interpreter_set_numbers(&s->it, s->params[1], golden_update_start + GOLDEN_UPDATE_FIRST);
}

static void stepper_release(stepper *s) {
    interpreter_release(&s->it);
    bal_graph_free(s->graph);
}

/* Step t = 1, 2, ... with the golden gradients of that step. */
static void take_step(stepper *s, const golden_update *c, int t) {
    const double *grads = golden_update_gradients + (ptrdiff_t)(t - 1) * GOLDEN_UPDATE_COUNT;
    double hyper[BAL_HYPER_COUNT] = {
        [BAL_HYPER_LR] = c->lr,
        [BAL_HYPER_CLIP] = c->clip,
        [BAL_HYPER_CORRECTION1] = 1 / (1 - pow(c->beta1, t)),
        [BAL_HYPER_CORRECTION2] = 1 / (1 - pow(c->beta2, t)),
    };
    interpreter_set_numbers(&s->it, s->hyper, hyper);
    interpreter_set_numbers(&s->it, s->grads[0], grads);
    interpreter_set_numbers(&s->it, s->grads[1], grads + GOLDEN_UPDATE_FIRST);
    interpreter_run(&s->it);
}

/* Moments round after each step in single precision, and Adam divides by a root that may be small.
 */
static double step_tolerance(bal_dtype dtype) {
    return dtype == BAL_F64 ? 1e-12 : 1e-6;
}

static void check_update(const golden_update *c, bal_dtype dtype) {
    stepper s;
    stepper_init(&s, c, dtype);
    for (int t = 1; t <= GOLDEN_UPDATE_STEPS; t++) {
        const double *after = c->after + (ptrdiff_t)(t - 1) * GOLDEN_UPDATE_COUNT;
        take_step(&s, c, t);
        golden_expect(&s.it, s.params[0], after, step_tolerance(dtype), c->name, "first");
        golden_expect(&s.it, s.params[1], after + GOLDEN_UPDATE_FIRST, step_tolerance(dtype),
                      c->name, "second");
    }
    stepper_release(&s);
}

static void test_golden(void **state) {
    for (size_t i = 0; i < LENGTH(golden_updates); i++) {
        check_update(&golden_updates[i], BAL_F64);
        check_update(&golden_updates[i], BAL_F32);
    }
}

/* ---- the gate ---- */

/* Bytes of all parameters and moments. */
static void copy_state(const stepper *s, float ret_state[3 * GOLDEN_UPDATE_COUNT]) {
    for (int i = 0; i < N_PARAMS; i++) {
        const bal_value values[] = {s->params[i], s->first[i], s->second[i]};
        size_t count = i == 0 ? GOLDEN_UPDATE_FIRST : GOLDEN_UPDATE_SECOND;
        for (int k = 0; k < 3; k++, ret_state += count)
            memcpy(ret_state, interpreter_data(&s->it, values[k]), count * sizeof *ret_state);
    }
}

/* A step whose gradients are broken leaves every byte of parameters and moments as it was; the step
 * after goes on as if it had not been. */
static void check_gate(const golden_update *c, float broken) {
    stepper s, undisturbed;
    float before[3 * GOLDEN_UPDATE_COUNT], after[3 * GOLDEN_UPDATE_COUNT];
    stepper_init(&s, c, BAL_F32);
    stepper_init(&undisturbed, c, BAL_F32);
    take_step(&s, c, 1);
    take_step(&undisturbed, c, 1);
    copy_state(&s, before);
    ((float *)interpreter_data(&s.it, s.grads[1]))[1] = broken;
    interpreter_run(&s.it);
    copy_state(&s, after);
    assert_memory_equal(after, before, sizeof before);
    take_step(&s, c, 2);
    take_step(&undisturbed, c, 2);
    copy_state(&s, after);
    copy_state(&undisturbed, before);
    assert_memory_equal(after, before, sizeof before);
    stepper_release(&s);
    stepper_release(&undisturbed);
}

static void test_broken_gradients_write_nothing(void **state) {
    for (size_t i = 0; i < LENGTH(golden_updates); i++) {
        check_gate(&golden_updates[i], NAN);
        check_gate(&golden_updates[i], INFINITY);
        check_gate(&golden_updates[i], -INFINITY);
    }
}

/* ---- clipping ---- */

static void test_clip_factor(void **state) {
    assert_true(bal_clip_factor(0, 5) == 1);   /* 0: no clipping */
    assert_true(bal_clip_factor(10, 5) == 1);  /* within */
    assert_true(bal_clip_factor(5, 5) == 1);   /* at the limit */
    assert_true(bal_clip_factor(2, 5) == 0.4); /* beyond */
    assert_true(bal_clip_factor(1, 0) == 1);   /* no gradient at all */
    assert_true(bal_clip_factor(1, 1e-40) == 1);
}

/* ---- norm ---- */

static void test_global_norm(void **state) {
    bal_graph *g = values_graph();
    bal_value grads[] = {VECTOR(g, 3, 0), MATRIX(g, 1, 2, 4, 12)};
    EXPECT(g, bal_global_norm(g, grads, 2), BAL_SHAPE1(1), 13);
    g = values_graph();
    grads[0] = VECTOR(g, 0), grads[1] = VECTOR(g, NAN);
    EXPECT(g, bal_global_norm(g, grads, 2), BAL_SHAPE1(1), NAN);
    g = values_graph();
    grads[0] = VECTOR(g, -INFINITY);
    EXPECT(g, bal_global_norm(g, grads, 1), BAL_SHAPE1(1), INFINITY);
}

/* Squares of large single-precision gradients are summed in double; only a norm that itself is
 * beyond single precision is infinite. */
static void test_global_norm_does_not_overflow_early(void **state) {
    bal_graph *g = golden_graph(BAL_F32);
    bal_value large = golden_real(g, BAL_SHAPE1(2), (double[]){3e30, 4e30});
    bal_value largest = golden_real(g, BAL_SHAPE1(2), (double[]){FLT_MAX, FLT_MAX});
    bal_value within = bal_global_norm(g, &large, 1), beyond = bal_global_norm(g, &largest, 1);
    interpreter it;
    interpreter_init(&it, g);
    interpreter_run(&it);
    golden_expect(&it, within, (double[]){5e30}, 1e-7, "global_norm", "within");
    golden_expect(&it, beyond, (double[]){INFINITY}, 0, "global_norm", "beyond");
    interpreter_release(&it);
    bal_graph_free(g);
}

/* Every block counts, a partial last one too. */
static void test_global_norm_of_blocks(void **state) {
    static const int64_t counts[] = {BAL_NORM_BLOCK - 1, BAL_NORM_BLOCK, BAL_NORM_BLOCK + 1,
                                     3 * BAL_NORM_BLOCK + 7};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        double *ones = calloc((size_t)counts[i], sizeof *ones);
        assert_non_null(ones);
        for (int64_t e = 0; e < counts[i]; e++)
            ones[e] = 1;
        bal_graph *g = values_graph();
        bal_value grad = values_vector(g, counts[i], ones);
        free(ones);
        EXPECT(g, bal_global_norm(g, &grad, 1), BAL_SHAPE1(1), sqrt((double)counts[i]));
    }
}

/* ---- activity ---- */

static void test_activity_max(void **state) {
    bal_graph *g = golden_graph(BAL_F32);
    bal_value peak = bal_graph_state(g, "peak", BAL_F32, BAL_SHAPE1(4));
    bal_value x = bal_graph_input(g, "x", BAL_F32, BAL_SHAPE2(2, 4));
    bal_activity_max(g, peak, x);
    golden_check(g, "activity_max");
    interpreter it;
    interpreter_init(&it, g);
    interpreter_set_numbers(&it, x, (double[]){1, -3, 0, NAN, -2, 0.5, -0.0, 1});
    interpreter_run(&it);
    golden_expect(&it, peak, (double[]){2, 3, 0, INFINITY}, 0, "activity_max", "first batch");
    interpreter_set_numbers(&it, x, (double[]){-1, 4, 1e-30, 0, 0, 0, 0, 0});
    interpreter_run(&it);
    golden_expect(&it, peak, (double[]){2, 4, 1e-30f, INFINITY}, 0, "activity_max", "second batch");
    interpreter_release(&it);
    bal_graph_free(g);
}

/* ---- refusals ---- */

static void expect_refusal(stepper *s, const char *sentence) {
    values_expect_refusal(s->graph, sentence);
    *s = (stepper){.graph = golden_graph(BAL_F32)};
    make_values(s, BAL_F32);
}

static void test_refusals(void **state) {
    stepper s = {.graph = golden_graph(BAL_F32)};
    make_values(&s, BAL_F32);
    bal_sgd_update(s.graph, s.hyper, s.norm, s.params, NULL, s.grads, N_PARAMS, 0.9, false, 0, 0);
    expect_refusal(&s, "velocities are needed with a momentum");
    bal_sgd_update(s.graph, s.hyper, s.norm, s.params, s.first, s.grads, N_PARAMS, 0, false, 0, 0);
    expect_refusal(&s, "velocities are needed with a momentum only");
    bal_sgd_update(s.graph, s.hyper, s.norm, s.params, NULL, s.grads, N_PARAMS, 0, true, 0, 0);
    expect_refusal(&s, "nesterov needs a momentum above 0");
    bal_sgd_update(s.graph, s.hyper, s.norm, s.params, NULL, s.grads, 0, 0, false, 0, 0);
    expect_refusal(&s, "number of parameters must be 1 to 1073741822, but is 0");
    bal_sgd_update(s.graph, s.hyper, s.norm, s.params, NULL, s.grads, N_PARAMS, 0, false, -1, 0);
    expect_refusal(&s, "l2 must be a number of at least 0, but is -1");
    bal_adam_update(s.graph, s.hyper, s.norm, s.params, s.first, s.second, s.grads, N_PARAMS, 1.5,
                    0.999, 1e-8, 0, 0);
    expect_refusal(&s, "beta1 must be a number from 0 to 1, but is 1.5");
    bal_adam_update(s.graph, s.hyper, s.norm, s.params, s.first, s.second, s.grads, N_PARAMS, 0.9,
                    0.999, 1e-8, 0, (double)INFINITY);
    expect_refusal(&s, "decay must be a number of at least 0, but is inf");
    bal_value swapped[] = {s.grads[1], s.grads[0]};
    bal_adam_update(s.graph, s.hyper, s.norm, s.params, s.first, s.second, swapped, N_PARAMS, 0.9,
                    0.999, 1e-8, 0, 0);
    expect_refusal(&s, "grad 0 must be [5], but is f32[3]");
    bal_adam_update(s.graph, s.norm, s.norm, s.params, s.first, s.second, s.grads, N_PARAMS, 0.9,
                    0.999, 1e-8, 0, 0);
    expect_refusal(&s, "hyper must be [4], but is f32[1]");
    bal_activity_max(s.graph, s.first[0], s.grads[1]);
    expect_refusal(&s, "peak must be [3], but is f32[5]");
    bal_graph_free(s.graph);
}

/* Building an update copes with every allocation that fails. */
static void test_failing_allocations(void **state) {
    bal_status status = BAL_ENOMEM;
    int64_t failures = 0;
    for (int64_t n = 0; status != BAL_OK; n++) {
        stepper s = {.graph = golden_graph(BAL_F32)};
        bal_error err = {0};
        make_values(&s, BAL_F32);
        bal_memory_fail_after(n);
        for (int i = 0; i < 40; i++) /* enough to outgrow the arena's block */
            bal_adam_update(s.graph, s.hyper, s.norm, s.params, s.first, s.second, s.grads,
                            N_PARAMS, 0.9, 0.999, 1e-8, 0, 0);
        bal_memory_fail_after(-1);
        status = bal_graph_check(s.graph, &err);
        assert_true(status == BAL_OK || status == BAL_ENOMEM);
        failures += status != BAL_OK;
        bal_graph_free(s.graph);
    }
    assert_true(failures >= 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_broken_gradients_write_nothing),
        cmocka_unit_test(test_clip_factor),
        cmocka_unit_test(test_global_norm),
        cmocka_unit_test(test_global_norm_does_not_overflow_early),
        cmocka_unit_test(test_global_norm_of_blocks),
        cmocka_unit_test(test_activity_max),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests_name("updates", tests, NULL, NULL);
}
