/* Building and reading graphs: values, names, scopes, sticky errors, listings, rebuilding from what
 * the accessors give, and every allocation failing once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "tiny_ops.h"

static bal_graph *graph_new(void) {
    bal_graph *g = NULL;
    bal_error err = {0};
    assert_int_equal(bal_graph_new(tiny_table, BAL_F64, &g, &err), BAL_OK);
    return g;
}

/* The sticky error must be `status` with all of the NULL-terminated texts in its message. */
static void assert_fails(const bal_graph *g, bal_status status, ...) {
    bal_error err = {0};
    assert_int_equal(bal_graph_check(g, &err), status);
    assert_int_equal(err.status, status);
    va_list texts;
    va_start(texts, status);
    for (const char *text; (text = va_arg(texts, const char *));)
        if (!strstr(err.message, text)) fail_msg("'%s' is not in: %s", text, err.message);
    va_end(texts);
}

static void assert_good(const bal_graph *g) {
    bal_error err = {0};
    if (bal_graph_check(g, &err) != BAL_OK) fail_msg("%s", err.message);
}

static void test_new_refuses_whole_number_types(void **state) {
    bal_graph *g = NULL;
    bal_error err = {0};
    assert_int_equal(bal_graph_new(tiny_table, BAL_I32, &g, &err), BAL_EINVAL);
    assert_null(g);
    assert_non_null(strstr(err.message, "i32"));
}

static void test_values_keep_what_was_said(void **state) {
    bal_graph *g = graph_new();
    bal_value x = bal_graph_input(g, "x", BAL_I32, BAL_SHAPE2(3, 4));
    bal_value w = bal_graph_parameter(g, "w", BAL_SHAPE1(5));
    bal_value s = bal_graph_state(g, "s", BAL_U8, BAL_SHAPE3(1, 2, 3));
    int64_t bytes[2] = {7, 8};
    bal_value c = bal_graph_constant(g, BAL_I64, BAL_SHAPE1(2), bytes);
    bytes[0] = 0;
    bal_value n = bal_graph_scalar(g, 2.5);
    assert_good(g);
    assert_int_equal(bal_graph_value_count(g), 5);

    const bal_value_info *info = bal_graph_info(g, x);
    assert_int_equal(info->kind, BAL_VALUE_INPUT);
    assert_int_equal(info->dtype, BAL_I32);
    assert_int_equal(info->shape.dim[1], 4);
    assert_string_equal(info->name, "x");
    assert_int_equal(info->node, -1);
    assert_int_equal(bal_graph_info(g, w)->kind, BAL_VALUE_PARAMETER);
    assert_int_equal(bal_graph_info(g, w)->dtype, BAL_F64);
    assert_int_equal(bal_graph_info(g, s)->kind, BAL_VALUE_STATE);
    assert_int_equal(bal_graph_shape(g, s).rank, 3);
    info = bal_graph_info(g, c);
    assert_int_equal(info->kind, BAL_VALUE_CONSTANT);
    assert_int_equal(((const int64_t *)info->constant)[0], 7);
    assert_null(info->name);
    assert_true(*(const double *)bal_graph_info(g, n)->constant == 2.5);
    assert_int_equal(bal_graph_find(g, "w").id, w.id);
    assert_int_equal(bal_graph_find(g, "nothing").id, -1);
    assert_int_equal(bal_graph_shape(g, BAL_NO_VALUE).rank, 0);
    assert_null(bal_graph_info(g, BAL_NO_VALUE)->name);
    assert_int_equal(bal_graph_float_type(g), BAL_F64);
    bal_graph_free(g);
}

static void test_scalar_has_the_float_type(void **state) {
    bal_graph *g = NULL;
    assert_int_equal(bal_graph_new(tiny_table, BAL_F32, &g, NULL), BAL_OK);
    bal_value n = bal_graph_scalar(g, 0.1);
    assert_int_equal(bal_graph_info(g, n)->dtype, BAL_F32);
    assert_true(*(const float *)bal_graph_info(g, n)->constant == 0.1f);
    bal_graph_free(g);
}

static void test_scopes_prefix_names_but_not_inputs(void **state) {
    bal_graph *g = graph_new();
    bal_graph_push_scope(g, "encoder");
    bal_graph_push_scope(g, "block%d", 3);
    bal_value w = bal_graph_parameter(g, "weight", BAL_SHAPE1(2));
    bal_value s = bal_graph_state(g, "mean", BAL_F64, BAL_SHAPE1(2));
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(2));
    bal_value y = tiny_add(g, x, w);
    bal_graph_set_name(g, y, "out%d", 1);
    bal_graph_pop_scope(g);
    bal_value v = bal_graph_parameter(g, "weight", BAL_SHAPE1(2));
    bal_graph_pop_scope(g);
    bal_value u = bal_graph_parameter(g, "weight", BAL_SHAPE1(2));
    assert_good(g);
    assert_string_equal(bal_graph_info(g, w)->name, "encoder.block3.weight");
    assert_string_equal(bal_graph_info(g, s)->name, "encoder.block3.mean");
    assert_string_equal(bal_graph_info(g, x)->name, "x");
    assert_string_equal(bal_graph_info(g, y)->name, "encoder.block3.out1");
    assert_string_equal(bal_graph_info(g, v)->name, "encoder.weight");
    assert_string_equal(bal_graph_info(g, u)->name, "weight");
    assert_int_equal(bal_graph_find(g, "encoder.block3.out1").id, y.id);
    bal_graph_pop_scope(g);
    assert_fails(g, BAL_EINTERNAL, "pop_scope", NULL);
    bal_graph_free(g);
}

static void test_names_are_unique(void **state) {
    bal_graph *g = graph_new();
    bal_graph_push_scope(g, "a");
    bal_value w = bal_graph_parameter(g, "w", BAL_SHAPE1(2));
    assert_true(bal_value_is_some(w));
    assert_false(bal_value_is_some(bal_graph_state(g, "w", BAL_F64, BAL_SHAPE1(2))));
    assert_fails(g, BAL_EINVAL, "'a.w'", "already taken", NULL);
    bal_graph_free(g);

    g = graph_new();
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(2));
    bal_graph_set_name(g, tiny_add(g, x, x), "x");
    assert_fails(g, BAL_EINVAL, "'x'", "%0", NULL);
    bal_graph_free(g);
}

static void test_a_second_name_is_shown_and_both_are_found(void **state) {
    bal_graph *g = graph_new();
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(2));
    bal_value y = tiny_add(g, x, x);
    bal_graph_set_name(g, y, "block");
    bal_graph_set_name(g, y, "logits");
    bal_graph_set_name(g, BAL_NO_VALUE, "nothing");
    assert_good(g);
    assert_string_equal(bal_graph_info(g, y)->name, "logits");
    assert_int_equal(bal_graph_find(g, "logits").id, y.id);
    assert_int_equal(bal_graph_find(g, "block").id, y.id);
    bal_graph_set_name(g, x, "other");
    assert_fails(g, BAL_EINVAL, "only computed values", NULL);
    bal_graph_free(g);
}

static void test_removed_values_are_not_found(void **state) {
    bal_graph *g = graph_new();
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(2));
    bal_graph_set_name(g, tiny_add(g, x, x), "dead");
    bal_graph_prune(g, NULL, 0);
    assert_false(bal_value_is_some(bal_graph_find(g, "dead")));
    assert_true(bal_value_is_some(bal_graph_find(g, "x")));
    bal_graph_free(g);
}

static void test_many_names_and_stable_pointers(void **state) {
    enum { N = 3000 };
    bal_graph *g = graph_new();
    char name[32];
    bal_value first = bal_graph_parameter(g, "p0", BAL_SHAPE1(1));
    const bal_value_info *info = bal_graph_info(g, first);
    bal_value sum = tiny_add(g, first, first);
    const bal_node *node = bal_graph_node(g, 0);
    for (int i = 1; i < N; i++) {
        snprintf(name, sizeof name, "p%d", i);
        sum = tiny_add(g, sum, bal_graph_parameter(g, name, BAL_SHAPE1(1)));
        assert_false(bal_value_is_some(bal_graph_find(g, "missing")));
    }
    assert_good(g);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_string_equal(bal_graph_info(g, bal_graph_find(g, name))->name, name);
    }
    assert_ptr_equal(info, bal_graph_info(g, first));
    assert_ptr_equal(node, bal_graph_node(g, 0));
    bal_graph_free(g);
}

static void test_first_error_sticks_and_building_goes_on_quietly(void **state) {
    bal_graph *g = graph_new();
    bal_value x = bal_graph_input(g, "features", BAL_F64, BAL_SHAPE2(32, 126));
    bal_graph_push_scope(g, "head");
    bal_value w = bal_graph_parameter(g, "weight", BAL_SHAPE2(512, 128));
    int32_t values = bal_graph_value_count(g);
    bal_value y = tiny_add(g, x, w);
    assert_false(bal_value_is_some(y));
    bal_value z = tiny_mul(g, y, tiny_sum(g, x));
    assert_false(bal_value_is_some(z));
    bal_graph_set_name(g, z, "z");
    bal_graph_push_scope(g, "more");
    bal_graph_parameter(g, "weight", BAL_SHAPE1(0));
    bal_graph_pop_scope(g);
    bal_graph_pop_scope(g);
    bal_graph_fail(g, BAL_EDATA, "too late");
    bal_graph_differentiate(g, z, &w, 1, &y);
    bal_graph_prune(g, &z, 1);
    bal_graph_fuse(g, &z, 1);
    assert_false(bal_value_is_some(y));
    assert_int_equal(bal_graph_value_count(g), values);
    assert_int_equal(bal_graph_node_count(g), 0);
    assert_fails(g, BAL_EINVAL, "head: add(features f64[32,126], head.weight f64[512,128])",
                 "b must be [32,126] like a, is [512,128]", NULL);
    bal_plan plan = {0};
    assert_int_equal(bal_plan_init(&plan, g, NULL, 0, NULL, NULL), BAL_EINVAL);
    bal_graph_free(g);
}

static void test_fail_by_hand_names_the_scope(void **state) {
    bal_graph *g = graph_new();
    bal_graph_push_scope(g, "unet");
    bal_graph_fail(g, BAL_ERECIPE, "depth %d is too much", 99);
    assert_fails(g, BAL_ERECIPE, "unet: depth 99 is too much", NULL);
    bal_graph_free(g);
}

static void test_impossible_shapes_are_refused(void **state) {
    const struct {
        bal_shape shape;
        bal_status status;
    } cases[] = {{{0, {0}}, BAL_EINVAL},
                 {BAL_SHAPE2(3, 0), BAL_EINVAL},
                 {BAL_SHAPE2(-1, 3), BAL_EINVAL},
                 {{BAL_RANK_MAX + 1, {1, 1, 1, 1, 1, 1}}, BAL_EINVAL},
                 {BAL_SHAPE3(INT64_MAX / 4, 8, 8), BAL_EOVERFLOW}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_graph *g = graph_new();
        assert_false(bal_value_is_some(bal_graph_input(g, "wild", BAL_F64, cases[i].shape)));
        assert_fails(g, cases[i].status, "'wild'", NULL);
        bal_graph_free(g);
    }
}

static void test_inputs_of_nodes_are_checked(void **state) {
    const bal_op *add = NULL, *store = NULL;
    bal_graph *g = graph_new();
    add = bal_graph_find_op(g, "add");
    store = bal_graph_find_op(g, "store");
    assert_null(bal_graph_find_op(g, "conv"));
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(2));
    bal_graph_add(g, add, (bal_value[]){x, x, x}, 3, NULL);
    assert_fails(g, BAL_EINVAL, "takes 2 to 2 inputs, got 3", NULL);
    bal_graph_free(g);

    g = graph_new();
    x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(2));
    bal_graph_add(g, add, (bal_value[]){x, BAL_NO_VALUE}, 2, NULL);
    assert_fails(g, BAL_EINVAL, "input 1 is missing", NULL);
    bal_graph_free(g);

    g = graph_new();
    x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(2));
    bal_graph_add(g, add, (bal_value[]){x, {77}}, 2, NULL);
    assert_fails(g, BAL_EINVAL, "no value of this graph (%77)", NULL);
    bal_graph_free(g);

    g = graph_new();
    x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(2));
    bal_graph_add(g, store, (bal_value[]){x, x}, 2, NULL);
    assert_fails(g, BAL_EINVAL, "writes input 0", NULL);
    bal_graph_free(g);
}

static void test_optional_inputs_and_sibling_outputs(void **state) {
    bal_graph *g = graph_new();
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(2));
    bal_value y = tiny_pick(g, x, BAL_NO_VALUE);
    bal_value twice = tiny_parts(g, y);
    bal_value square = bal_graph_output(g, twice, 1);
    assert_good(g);
    assert_true(bal_value_is_some(square));
    assert_int_equal(bal_graph_info(g, square)->output, 1);
    assert_int_equal(bal_graph_info(g, square)->node, 1);
    assert_int_equal(bal_graph_output(g, square, 0).id, twice.id);
    assert_int_equal(bal_graph_output(g, twice, 2).id, -1);
    assert_int_equal(bal_graph_output(g, twice, -1).id, -1);
    assert_int_equal(bal_graph_output(g, x, 0).id, -1);
    assert_int_equal(bal_graph_output(g, BAL_NO_VALUE, 0).id, -1);
    bal_graph_free(g);
}

static void test_streams_are_fresh_also_after_a_rebuild(void **state) {
    bal_graph *g = graph_new();
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE1(2));
    bal_value rng = bal_graph_input(g, "rng", BAL_I64, BAL_SHAPE1(2));
    tiny_noise(g, x, rng);
    tiny_noise(g, x, rng);
    assert_int_equal(bal_graph_node(g, 0)->attr[0].i, 0);
    assert_int_equal(bal_graph_node(g, 1)->attr[0].i, 1);
    bal_attr stream = {.i = 41};
    bal_graph_add(g, bal_graph_find_op(g, "noise"), (bal_value[]){x, rng}, 2, &stream);
    assert_good(g);
    assert_int_equal(bal_graph_next_stream(g), 42);
    bal_graph_free(g);
}

/* ---- listings ---- */

/* A bit of everything. */
static void build_sample(bal_graph *g) {
    bal_value x = bal_graph_input(g, "x", BAL_F64, BAL_SHAPE2(2, 3));
    bal_value rng = bal_graph_input(g, "rng", BAL_I64, BAL_SHAPE1(2));
    bal_graph_push_scope(g, "body");
    bal_value w = bal_graph_parameter(g, "w", BAL_SHAPE2(2, 3));
    bal_value s = bal_graph_state(g, "s", BAL_F64, BAL_SHAPE2(2, 3));
    bal_value h = tiny_scale(g, tiny_add(g, x, w), -0.1, 7);
    bal_value noisy = tiny_noise(g, h, rng);
    bal_value twice = tiny_parts(g, noisy);
    bal_graph_set_name(g, twice, "twice");
    bal_graph_set_name(g, bal_graph_output(g, twice, 1), "square");
    bal_graph_pop_scope(g);
    bal_value c = bal_graph_scalar(g, 0.25);
    int32_t many[] = {1, 2, 3};
    bal_value d = bal_graph_constant(g, BAL_I32, BAL_SHAPE1(3), many);
    tiny_mul(g, c, tiny_sum(g, tiny_pick(g, twice, BAL_NO_VALUE)));
    tiny_opaque(g, d);
    tiny_store(g, s, twice);
}

static const char sample_dump[] =
    "%0 f64[2,3] = input  # x\n"
    "%1 i64[2] = input  # rng\n"
    "%2 f64[2,3] = parameter  # body.w\n"
    "%3 f64[2,3] = state  # body.s\n"
    "%4 f64[2,3] = add(%0, %2)\n"
    "%5 f64[2,3] = scale(%4, factor=-0.1, plus=7)\n"
    "%6 f64[2,3] = noise(%5, %1, stream=0)\n"
    "%7 f64[2,3], %8 f64[2,3] = parts(%6)  # body.twice, body.square\n"
    "%9 f64[1] = constant 0.25\n"
    "%10 i32[3] = constant\n"
    "%11 f64[2,3] = pick(%7, -)\n"
    "%12 f64[1] = sum(%11)\n"
    "%13 f64[1] = mul(%9, %12)\n"
    "%14 i32[3] = opaque(%10)\n"
    "store(%3, %7)\n";

static void test_dump_lists_everything(void **state) {
    bal_graph *g = graph_new();
    build_sample(g);
    bal_text text = {0};
    bal_graph_dump(g, &text);
    assert_string_equal(text.data, sample_dump);
    bal_text_release(&text);
    bal_graph_free(g);
}

static void test_dump_leaves_removed_nodes_out(void **state) {
    bal_graph *g = graph_new();
    build_sample(g);
    bal_graph_prune(g, (bal_value[]){bal_graph_find(g, "body.twice")}, 1);
    bal_text text = {0};
    bal_graph_dump(g, &text);
    assert_non_null(strstr(text.data, "parts("));
    assert_null(strstr(text.data, "mul("));
    bal_text_release(&text);
    bal_graph_free(g);
}

/* What a reader of model files does: everything needed is in the public accessors. */
static bal_graph *rebuild(const bal_graph *from) {
    bal_graph *g = graph_new();
    int32_t node = 0, value = 0, n_values = bal_graph_value_count(from);
    while (value < n_values) {
        const bal_value_info *info = bal_graph_info(from, (bal_value){value});
        switch (info->kind) {
        case BAL_VALUE_INPUT:
            bal_graph_input(g, info->name, info->dtype, info->shape);
            break;
        case BAL_VALUE_PARAMETER:
            bal_graph_parameter(g, info->name, info->shape);
            break;
        case BAL_VALUE_STATE:
            bal_graph_state(g, info->name, info->dtype, info->shape);
            break;
        case BAL_VALUE_CONSTANT:
            bal_graph_constant(g, info->dtype, info->shape, info->constant);
            break;
        case BAL_VALUE_COMPUTED:
            break;
        }
        if (info->kind != BAL_VALUE_COMPUTED) {
            value++;
            continue;
        }
        for (; node <= info->node; node++) {
            const bal_node *n = bal_graph_node(from, node);
            const bal_op *op = bal_graph_find_op(g, n->op->name);
            bal_graph_add(g, op, n->in, n->n_in, op->n_attrs ? n->attr : NULL);
            for (int32_t k = 0; k < n->n_out; k++, value++) {
                const char *name = bal_graph_info(from, n->out[k])->name;
                if (name) bal_graph_set_name(g, n->out[k], "%s", name);
            }
        }
    }
    for (; node < bal_graph_node_count(from); node++) {
        const bal_node *n = bal_graph_node(from, node);
        bal_graph_add(g, bal_graph_find_op(g, n->op->name), n->in, n->n_in, n->attr);
    }
    return g;
}

static void test_a_graph_can_be_rebuilt_from_its_accessors(void **state) {
    bal_graph *g = graph_new();
    build_sample(g);
    bal_graph *copy = rebuild(g);
    assert_good(copy);
    bal_text text = {0};
    bal_graph_dump(copy, &text);
    assert_string_equal(text.data, sample_dump);
    assert_int_equal(bal_graph_next_stream(copy), bal_graph_next_stream(g));
    bal_text_release(&text);
    bal_graph_free(copy);
    bal_graph_free(g);
}

/* ---- memory ---- */

static void test_every_allocation_may_fail(void **state) {
    bool succeeded = false;
    int failed = 0;
    for (int64_t n = 0; !succeeded; n++) {
        bal_graph *g = NULL;
        bal_error err = {0};
        bal_memory_fail_after(n);
        bal_status status = bal_graph_new(tiny_table, BAL_F64, &g, &err);
        if (status == BAL_OK) {
            build_sample(g);
            for (int i = 0; i < 100; i++) {
                char name[16];
                snprintf(name, sizeof name, "p%d", i);
                bal_graph_parameter(g, name, BAL_SHAPE1(1));
            }
            status = bal_graph_check(g, &err);
            for (int32_t id = 0; id < bal_graph_value_count(g); id++)
                assert_true(bal_graph_info(g, (bal_value){id})->node < bal_graph_node_count(g));
        }
        bal_memory_fail_after(-1);
        if (status != BAL_OK) {
            assert_int_equal(status, BAL_ENOMEM);
            assert_true(err.message[0] != '\0');
            failed++;
        }
        succeeded = status == BAL_OK;
        bal_graph_free(g);
    }
    assert_true(failed >= 10);
    bal_graph_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_refuses_whole_number_types),
        cmocka_unit_test(test_values_keep_what_was_said),
        cmocka_unit_test(test_scalar_has_the_float_type),
        cmocka_unit_test(test_scopes_prefix_names_but_not_inputs),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_a_second_name_is_shown_and_both_are_found),
        cmocka_unit_test(test_removed_values_are_not_found),
        cmocka_unit_test(test_many_names_and_stable_pointers),
        cmocka_unit_test(test_first_error_sticks_and_building_goes_on_quietly),
        cmocka_unit_test(test_fail_by_hand_names_the_scope),
        cmocka_unit_test(test_impossible_shapes_are_refused),
        cmocka_unit_test(test_inputs_of_nodes_are_checked),
        cmocka_unit_test(test_optional_inputs_and_sibling_outputs),
        cmocka_unit_test(test_streams_are_fresh_also_after_a_rebuild),
        cmocka_unit_test(test_dump_lists_everything),
        cmocka_unit_test(test_dump_leaves_removed_nodes_out),
        cmocka_unit_test(test_a_graph_can_be_rebuilt_from_its_accessors),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
