/* Optimisers as recipe entries: ten updates of each against its formula written out, with clipping,
 * decay, several parameters and changing rates. The update ops themselves are compared with PyTorch
 * in tests/ops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "ops/ops.h"
#include "optim/optimizer.h"
#include "support/interpreter.h"

enum { PARAMS = 2, SIZE = 3, UPDATES = 10, MOMENTS = 2 };

/* A graph that holds nothing but one update. */
typedef struct fixture {
    bal_graph *graph;
    bal_value hyper, norm;
    bal_value params[PARAMS], grads[PARAMS], moments[MOMENTS][PARAMS];
} fixture;

static void build(fixture *f, const bal_optimizer_options *options) {
    const bal_optimizer *optimizer = bal_optimizer_find(options->kind);
    assert_non_null(optimizer);
    bal_error err = {0};
    assert_int_equal(bal_graph_new(bal_op_table, BAL_F64, &f->graph, &err), BAL_OK);
    f->hyper = bal_graph_input(f->graph, "hyper", BAL_F64, BAL_SHAPE1(BAL_HYPER_COUNT));
    for (int i = 0; i < PARAMS; i++) {
        char name[64];
        snprintf(name, sizeof name, "p%d", i);
        f->params[i] = bal_graph_parameter(f->graph, name, BAL_SHAPE1(SIZE));
        snprintf(name, sizeof name, "g%d", i);
        f->grads[i] = bal_graph_input(f->graph, name, BAL_F64, BAL_SHAPE1(SIZE));
        for (int k = 0; k < optimizer->n_moments; k++) {
            assert_non_null(optimizer->moment_suffix[k]);
            snprintf(name, sizeof name, "p%d.%s", i, optimizer->moment_suffix[k]);
            f->moments[k][i] = bal_graph_state(f->graph, name, BAL_F64, BAL_SHAPE1(SIZE));
        }
    }
    f->norm = bal_global_norm(f->graph, f->grads, PARAMS);
    const bal_value *const moments[MOMENTS] = {f->moments[0], f->moments[1]};
    optimizer->build(f->graph, f->hyper, f->norm, f->params, moments, f->grads, PARAMS, options);
}

/* One parameter element, its moments, and the update written from the books. */
typedef struct element {
    double p, m, v;
} element;

typedef void (*rule)(element *e, double g, double lr, int t, const bal_optimizer_options *o);

static void sgd_rule(element *e, double g, double lr, int t, const bal_optimizer_options *o) {
    e->p -= lr * (g + o->l2 * e->p);
}

static void momentum_rule(element *e, double g, double lr, int t, const bal_optimizer_options *o) {
    g += o->l2 * e->p;
    e->m = o->momentum * e->m + g;
    e->p -= lr * (o->nesterov ? g + o->momentum * e->m : e->m);
}

static void adam_rule(element *e, double g, double lr, int t, const bal_optimizer_options *o) {
    e->p *= 1 - lr * o->weight_decay;
    g += o->l2 * e->p;
    e->m = o->beta1 * e->m + (1 - o->beta1) * g;
    e->v = o->beta2 * e->v + (1 - o->beta2) * g * g;
    double mean = e->m / (1 - pow(o->beta1, t)), square = e->v / (1 - pow(o->beta2, t));
    e->p -= lr * mean / (sqrt(square) + o->epsilon);
}

/* Moments must be in the states that carry their names: a checkpoint stores them under these. */
static void assert_moments(const fixture *f, const interpreter *it, const element *elements) {
    for (int i = 0; i < PARAMS * SIZE; i++) {
        const double want[] = {elements[i].m, elements[i].m, elements[i].v};
        const char *suffixes[] = {"velocity", "first_moment", "second_moment"};
        for (int k = 0; k < 3; k++) {
            char name[64];
            snprintf(name, sizeof name, "p%d.%s", i / SIZE, suffixes[k]);
            bal_value moment = bal_graph_find(f->graph, name);
            if (!bal_value_is_some(moment)) continue;
            double got = interpreter_number(it, moment, i % SIZE);
            if (!(fabs(got - want[k]) <= 1e-12))
                fail_msg("%s: %.17g, wanted %.17g", name, got, want[k]);
        }
    }
}

static void follow(const bal_optimizer_options *options, rule update) {
    fixture f;
    build(&f, options);
    bal_error err = {0};
    if (bal_graph_check(f.graph, &err) != BAL_OK) fail_msg("%s", err.message);
    interpreter it;
    interpreter_init(&it, f.graph);
    element elements[PARAMS * SIZE] = {{0}};
    for (int i = 0; i < PARAMS * SIZE; i++) {
        elements[i].p = 0.5 * i - 1;
        ((double *)interpreter_data(&it, f.params[i / SIZE]))[i % SIZE] = elements[i].p;
    }
    for (int t = 1; t <= UPDATES; t++) {
        double grads[PARAMS * SIZE], hyper[BAL_HYPER_COUNT], square = 0, lr = 0.1 / t;
        for (int i = 0; i < PARAMS * SIZE; i++) {
            grads[i] = sin(i + 3.0 * t) * t;
            square += grads[i] * grads[i];
        }
        bal_optimizer_hyper(options, lr, t - 1, hyper);
        interpreter_set(&it, f.hyper, hyper);
        interpreter_set(&it, f.grads[0], grads);
        interpreter_set(&it, f.grads[1], grads + SIZE);
        interpreter_run(&it);
        double clip = options->clip_norm > 0 ? fmin(1, options->clip_norm / sqrt(square)) : 1;
        for (int i = 0; i < PARAMS * SIZE; i++) {
            update(&elements[i], grads[i] * clip, lr, t, options);
            double got = interpreter_number(&it, f.params[i / SIZE], i % SIZE);
            if (!(fabs(got - elements[i].p) <= 1e-12))
                fail_msg("%s, update %d, element %d: %.17g, wanted %.17g", options->kind, t, i, got,
                         elements[i].p);
        }
        assert_moments(&f, &it, elements);
    }
    interpreter_release(&it);
    bal_graph_free(f.graph);
}

static void sgd(void **state) {
    bal_optimizer_options options = {.kind = "sgd", .momentum = 0.9, .beta1 = 0.9, .beta2 = 0.999};
    follow(&options, sgd_rule); /* momentum is another kind's */
    options.l2 = 0.1;
    options.clip_norm = 2;
    follow(&options, sgd_rule);
}

static void momentum(void **state) {
    bal_optimizer_options options = {.kind = "momentum", .momentum = 0.8};
    follow(&options, momentum_rule);
    options.nesterov = true;
    options.l2 = 0.1;
    options.clip_norm = 2;
    follow(&options, momentum_rule);
}

static void adam(void **state) {
    bal_optimizer_options options = {
        .kind = "adam", .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .momentum = 0.9};
    follow(&options, adam_rule);
    options.l2 = 0.1;
    options.clip_norm = 2;
    follow(&options, adam_rule);
}

static void adamw(void **state) {
    bal_optimizer_options options = {
        .kind = "adamw", .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.05};
    follow(&options, adam_rule);
    options.clip_norm = 2;
    follow(&options, adam_rule);
}

static void hyper_values(void **state) {
    bal_optimizer_options options = {.beta1 = 0.9, .beta2 = 0.999, .clip_norm = 3};
    double hyper[BAL_HYPER_COUNT];
    bal_optimizer_hyper(&options, 0.25, 0, hyper);
    assert_true(hyper[BAL_HYPER_LR] == 0.25 && hyper[BAL_HYPER_CLIP] == 3);
    assert_true(fabs(hyper[BAL_HYPER_CORRECTION1] - 10) < 1e-12);
    assert_true(fabs(hyper[BAL_HYPER_CORRECTION2] - 1000) < 1e-9);
    bal_optimizer_hyper(&options, 0.25, 1, hyper);
    assert_true(fabs(hyper[BAL_HYPER_CORRECTION1] - 1 / 0.19) < 1e-12);
    bal_optimizer_hyper(&options, 0.25, 10000000, hyper);
    assert_true(hyper[BAL_HYPER_CORRECTION1] == 1 && hyper[BAL_HYPER_CORRECTION2] == 1);
}

static void refuses(const bal_optimizer_options *options, const char *words) {
    fixture f;
    bal_error err = {0};
    build(&f, options);
    assert_int_not_equal(bal_graph_check(f.graph, &err), BAL_OK);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
    bal_graph_free(f.graph);
}

static void nothing_is_ignored(void **state) {
    const char *kinds[] = {"sgd", "momentum", "adam"};
    bal_optimizer_options options = {
        .momentum = 0.9, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01};
    for (int i = 0; i < 3; i++) {
        options.kind = kinds[i];
        refuses(&options, "weight_decay is 0.01");
        refuses(&options, kinds[i]);
    }
    options.kind = "adamw";
    options.l2 = 0.02;
    refuses(&options, "l2 is 0.02");
    options = (bal_optimizer_options){.kind = "momentum"};
    refuses(&options, "momentum is 0");
    options = (bal_optimizer_options){.kind = "adam", .beta1 = 1, .beta2 = 0.999};
    refuses(&options, "adam: beta1 is 1");
    options = (bal_optimizer_options){.kind = "adamw", .beta1 = 0.9, .beta2 = NAN};
    refuses(&options, "adamw: beta2 is nan");
}

static void table_is_sound(void **state) {
    static const struct {
        const char *name;
        int32_t n_moments;
    } want[] = {{"sgd", 0}, {"momentum", 1}, {"adam", 2}, {"adamw", 2}};
    for (size_t i = 0; i < 4; i++) {
        const bal_optimizer *optimizer = bal_optimizer_find(want[i].name);
        assert_non_null(optimizer);
        assert_string_equal(optimizer->name, want[i].name);
        assert_int_equal(optimizer->n_moments, want[i].n_moments);
        assert_true(optimizer->summary && *optimizer->summary && optimizer->source);
    }
    assert_null(bal_optimizer_table[4]);
    assert_null(bal_optimizer_find("Adam"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd),
        cmocka_unit_test(momentum),
        cmocka_unit_test(adam),
        cmocka_unit_test(adamw),
        cmocka_unit_test(hyper_values),
        cmocka_unit_test(nothing_is_ignored),
        cmocka_unit_test(table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
