/* nn/model.c, mlp.c, residual.c: names, order of parts and computed features, against the same net
 * written out by hand in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "net_fixture.h"
#include "nn/head.h"
#include "nn/model.h"

enum { B = 5, D = 4, WIDTH_MAX = 16 };

static float x[B * D];

static void fill_x(void) {
    bal_random random;
    bal_random_init(&random, 1, 0);
    for (int i = 0; i < B * D; i++)
        x[i] = (float)bal_random_normal(&random);
}

/* ---- lists ---- */

static void the_table(void **state) {
    assert_string_equal(bal_model_table[0]->name, "mlp");
    assert_string_equal(bal_model_table[1]->name, "residual");
    assert_null(bal_model_table[2]);
    for (int i = 0; i < 2; i++) {
        assert_ptr_equal(bal_model_find(bal_model_table[i]->name), bal_model_table[i]);
        assert_true(strlen(bal_model_table[i]->summary) > 10);
        assert_true(strlen(bal_model_table[i]->source) > 10);
    }
    assert_null(bal_model_find("transformer"));
    assert_string_equal(bal_head_kind_name(BAL_HEAD_CLASSES), "classes");
    assert_string_equal(bal_head_kind_name(BAL_HEAD_BINARY), "binary");
    assert_string_equal(bal_head_kind_name(BAL_HEAD_VALUE), "value");
    assert_string_equal(bal_head_kind_name(BAL_HEAD_KIND_COUNT), "unknown");
}

/* ---- models by hand ---- */

typedef struct case_of {
    const bal_model *model;
    bal_model_options options;
    const int32_t *head; /* hidden layers of a head, or NULL: features only */
    int32_t n_head, outputs;
    const double *head_dropout;
} case_of;

static bal_value build_case(bal_net *net, bal_value value, const void *user) {
    const case_of *c = user;
    value = c->model->build(net, value, &c->options);
    if (c->outputs)
        value = bal_head_build(net, value, "sign", &c->options, c->head, c->n_head, c->head_dropout,
                               c->n_head, c->outputs);
    return value;
}

/* Activations of the whole batch, [B, width]. */
typedef struct by_hand {
    const net_fixture *f;
    int width;
    double y[B][WIDTH_MAX];
} by_hand;

static float *entry(const net_fixture *f, const char *block, const char *part) {
    char name[96];
    snprintf(name, sizeof name, "%s.%s", block, part);
    return net_fixture_entry(f, name);
}

static void linear_by_hand(by_hand *h, const float *weight, const float *bias, int out) {
    for (int b = 0; b < B; b++) {
        double y[WIDTH_MAX];
        for (int c = 0; c < out; c++) {
            y[c] = bias ? (double)bias[c] : 0;
            for (int d = 0; d < h->width; d++)
                y[c] += h->y[b][d] * (double)weight[c * h->width + d];
        }
        memcpy(h->y[b], y, sizeof y);
    }
    h->width = out;
}

/* Linear, batch norm in evaluation form, relu. */
static void dense_by_hand(by_hand *h, const char *block, int out) {
    linear_by_hand(h, entry(h->f, block, "linear.weight"), NULL, out);
    for (int b = 0; b < B; b++)
        for (int c = 0; c < out; c++) {
            double mean = (double)entry(h->f, block, "norm.running_mean")[c];
            double variance = (double)entry(h->f, block, "norm.running_var")[c];
            double y = (h->y[b][c] - mean) / sqrt(variance + 1e-5);
            y = y * (double)entry(h->f, block, "norm.weight")[c] +
                (double)entry(h->f, block, "norm.bias")[c];
            h->y[b][c] = fmax(0, y);
        }
}

static by_hand start_by_hand(const net_fixture *f) {
    by_hand h = {.f = f, .width = D};
    for (int b = 0; b < B; b++)
        for (int d = 0; d < D; d++)
            h.y[b][d] = (double)x[b * D + d];
    return h;
}

/* Norms that do something: as after some training. */
static void unsettle(const net_fixture *f) {
    bal_random random;
    bal_random_init(&random, 2, 0);
    for (size_t i = 0; i < f->store.n_entries; i++) {
        const bal_store_entry *of = &f->store.entries[i];
        if (of->shape.rank != 1 || of->role == BAL_ROLE_SCRATCH) continue;
        for (int64_t k = 0; k < of->shape.dim[0]; k++)
            net_fixture_entry(f, of->name)[k] += (float)bal_random_uniform(&random);
    }
}

static void compare(const net_fixture *f, const by_hand *h) {
    net_run run = net_fixture_build(f, false);
    bal_shape shape = bal_graph_shape(run.graph, run.y);
    assert_int_equal(shape.dim[0], B);
    assert_int_equal(shape.dim[1], h->width);
    interpreter_set(&run.it, run.x, x);
    interpreter_run(&run.it);
    for (int b = 0; b < B; b++)
        for (int c = 0; c < h->width; c++) {
            double found = interpreter_number(&run.it, run.y, b * h->width + c);
            if (fabs(found - h->y[b][c]) > 1e-5 * fmax(1, fabs(h->y[b][c])))
                fail_msg("[%d,%d] is %g, not %g", b, c, found, h->y[b][c]);
        }
    net_run_release(&run);
}

static const bal_model_options basis = {
    .activation = BAL_ACT_RELU, .norm = BAL_NORM_BATCH, .init = BAL_INIT_KAIMING_UNIFORM};

static void mlp(void **state) {
    case_of c = {.model = bal_model_find("mlp"), .options = basis};
    c.options.hidden = (const int32_t[]){7, 3};
    c.options.n_hidden = 2;
    net_fixture f;
    net_fixture_init(&f, B, D, build_case, &c);
    unsettle(&f);
    by_hand h = start_by_hand(&f);
    dense_by_hand(&h, "backbone.0", 7);
    dense_by_hand(&h, "backbone.1", 3);
    compare(&f, &h);
    net_fixture_release(&f);
}

static void mlp_without_layers_is_its_input(void **state) {
    case_of c = {.model = bal_model_find("mlp"), .options = basis};
    net_fixture f;
    net_fixture_init(&f, B, D, build_case, &c);
    assert_int_equal(f.store.n_entries, 0);
    by_hand h = start_by_hand(&f);
    compare(&f, &h);
    net_fixture_release(&f);
}

static void mlp_on_unit_rows_with_a_head(void **state) {
    case_of c = {
        .model = bal_model_find("mlp"),
        .options = basis,
        .head = (const int32_t[]){6, 5},
        .n_head = 2,
        .outputs = 9,
        .head_dropout = (const double[]){0, .5},
    };
    c.options.hidden = (const int32_t[]){8};
    c.options.n_hidden = 1;
    c.options.l2_input = true;
    net_fixture f;
    net_fixture_init(&f, B, D, build_case, &c);
    unsettle(&f);
    by_hand h = start_by_hand(&f);
    for (int b = 0; b < B; b++) {
        double squares = 0;
        for (int d = 0; d < D; d++)
            squares += h.y[b][d] * h.y[b][d];
        for (int d = 0; d < D; d++)
            h.y[b][d] /= sqrt(squares);
    }
    dense_by_hand(&h, "backbone.0", 8);
    dense_by_hand(&h, "head.sign.0", 6);
    dense_by_hand(&h, "head.sign.1", 5);
    linear_by_hand(&h, net_fixture_entry(&f, "head.sign.output.weight"),
                   net_fixture_entry(&f, "head.sign.output.bias"), 9);
    compare(&f, &h);
    net_fixture_release(&f);
}

static void residual(void **state) {
    for (int out = 0; out <= 3; out += 3) {
        case_of c = {.model = bal_model_find("residual"), .options = basis};
        c.options.width = 6;
        c.options.blocks = 3;
        c.options.out = out;
        net_fixture f;
        net_fixture_init(&f, B, D, build_case, &c);
        unsettle(&f);
        by_hand h = start_by_hand(&f);
        dense_by_hand(&h, "backbone.stem", 6);
        const char *const blocks[] = {"backbone.0", "backbone.1", "backbone.2"};
        for (int i = 0; i < 3; i++) {
            by_hand branch = h;
            dense_by_hand(&branch, blocks[i], 6);
            for (int b = 0; b < B; b++)
                for (int k = 0; k < 6; k++)
                    h.y[b][k] += branch.y[b][k];
        }
        if (out)
            linear_by_hand(&h, net_fixture_entry(&f, "backbone.out.weight"),
                           net_fixture_entry(&f, "backbone.out.bias"), out);
        compare(&f, &h);
        assert_true((bal_store_find(&f.store, "backbone.out.weight") != NULL) == (out > 0));
        net_fixture_release(&f);
    }
}

/* ---- dropout rates go to their layers ---- */

static int64_t count_ops(const bal_graph *graph, const char *name, double *ret_rates) {
    int64_t n = 0;
    for (int32_t i = 0; i < bal_graph_node_count(graph); i++) {
        const bal_node *node = bal_graph_node(graph, i);
        if (!node->op || strcmp(node->op->name, name) != 0) continue;
        for (int32_t a = 0; a < node->op->n_attrs; a++)
            if (strcmp(node->op->attrs[a].name, "rate") == 0) ret_rates[n] = node->attr[a].f;
        n++;
    }
    return n;
}

static void dropout_per_layer(void **state) {
    const double rates[] = {.4, 0, .2}, head_rates[] = {.1};
    const int32_t hidden[] = {7, 6, 5}, head[] = {4};
    for (int m = 0; m < 2; m++) {
        case_of c = {.model = bal_model_table[m],
                     .options = basis,
                     .head = head,
                     .n_head = 1,
                     .outputs = 2,
                     .head_dropout = head_rates};
        c.options.hidden = hidden;
        c.options.n_hidden = 3;
        c.options.width = 6;
        c.options.blocks = 4; /* one more than there are rates: none */
        c.options.dropout = rates;
        c.options.n_dropout = 3;
        net_fixture f;
        net_fixture_init(&f, B, D, build_case, &c);
        net_run run = net_fixture_build(&f, true);
        double found[8] = {0};
        assert_int_equal(count_ops(run.graph, "dropout", found), 3);
        assert_true(found[0] == .4 && found[1] == .2 && found[2] == .1);
        assert_int_equal(run.net.n_norms, m == 0 ? 4 : 6);
        net_run_release(&run);
        run = net_fixture_build(&f, false);
        assert_int_equal(count_ops(run.graph, "dropout", found), 0);
        net_run_release(&run);
        net_fixture_release(&f);
    }
}

/* Adding a head, or another one, leaves the trunk as it starts. */
static void a_head_more_changes_no_start(void **state) {
    case_of alone = {.model = bal_model_find("mlp"), .options = basis};
    alone.options.hidden = (const int32_t[]){7};
    alone.options.n_hidden = 1;
    case_of with_head = alone;
    with_head.outputs = 3;
    net_fixture a, b;
    net_fixture_init(&a, B, D, build_case, &alone);
    net_fixture_init(&b, B, D, build_case, &with_head);
    assert_memory_equal(net_fixture_entry(&a, "backbone.0.linear.weight"),
                        net_fixture_entry(&b, "backbone.0.linear.weight"), 7 * D * sizeof(float));
    net_fixture_release(&a);
    net_fixture_release(&b);
}

int main(void) {
    fill_x();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table),
        cmocka_unit_test(mlp),
        cmocka_unit_test(mlp_without_layers_is_its_input),
        cmocka_unit_test(mlp_on_unit_rows_with_a_head),
        cmocka_unit_test(residual),
        cmocka_unit_test(dropout_per_layer),
        cmocka_unit_test(a_head_more_changes_no_start),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
