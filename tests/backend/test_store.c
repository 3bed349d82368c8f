/* backend/store.c: where entries lie, what can be declared, bindings for a graph, and what is left
 * when memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/store.h"
#include "base/memory.h"
#include "ops/ops.h"
#include "support/fake_backend.h"

static void declare(bal_store *store, const char *name, bal_role role, bal_dtype dtype,
                    bal_shape shape) {
    bal_error err = {0};
    if (bal_store_declare(store, name, role, dtype, shape, &err) != BAL_OK)
        fail_msg("%s", err.message);
}

/* Three entries of 60, 4 and 24 bytes. */
static void fill(bal_store *store) {
    declare(store, "w", BAL_ROLE_PARAMETER, BAL_F32, BAL_SHAPE2(3, 5));
    declare(store, "n", BAL_ROLE_SCRATCH, BAL_I32, BAL_SHAPE1(1));
    declare(store, "m", BAL_ROLE_MOMENT, BAL_F64, BAL_SHAPE1(3));
}

static void entries_lie_in_order_and_aligned(void **state) {
    static const size_t bytes[] = {60, 4, 24};
    static const bal_role roles[] = {BAL_ROLE_PARAMETER, BAL_ROLE_SCRATCH, BAL_ROLE_MOMENT};
    bal_store store = {0};
    fill(&store);
    assert_int_equal(store.n_entries, 3);
    assert_int_equal(store.bytes, 3 * 64);
    assert_null(store.buffer);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(store.entries[i].offset, 64 * i);
        assert_int_equal(store.entries[i].bytes, bytes[i]);
        assert_int_equal(store.entries[i].role, roles[i]);
    }
    assert_ptr_equal(bal_store_find(&store, "m"), &store.entries[2]);
    assert_null(bal_store_find(&store, "M"));
    assert_null(bal_store_find(&(bal_store){0}, "m"));
    bal_store_release(&store);
    assert_int_equal(store.n_entries, 0);
    bal_store_release(&store); /* an empty one, too */
}

/* Entries start as zeros, and writing one leaves its neighbours alone. */
static void writing_and_reading(bal_backend *backend) {
    const float numbers[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    float found[15];
    double moments[3] = {7, 7, 7};
    bal_store store = {0};
    fill(&store);
    assert_int_equal(bal_store_allocate(&store, backend, NULL), BAL_OK);
    const bal_store_entry *w = bal_store_find(&store, "w"), *m = bal_store_find(&store, "m");
    assert_int_equal(bal_store_write(&store, w, numbers, NULL), BAL_OK);
    assert_int_equal(bal_store_read(&store, w, found, NULL), BAL_OK);
    assert_memory_equal(found, numbers, sizeof numbers);
    assert_int_equal(bal_store_read(&store, m, moments, NULL), BAL_OK);
    assert_true(moments[0] == 0 && moments[1] == 0 && moments[2] == 0);
    bal_store_release(&store);
}

static void writing_and_reading_on_every_kind(void **state) {
    bal_backend *cpu = NULL;
    assert_int_equal(bal_backend_open("cpu", NULL, &cpu, NULL), BAL_OK);
    writing_and_reading(cpu);
    writing_and_reading(&fake_host);
    writing_and_reading(&fake_device);
    bal_backend_close(cpu);
}

static void refuse(bal_store *store, const char *name, bal_shape shape, bal_status status,
                   const char *words) {
    bal_error err = {0};
    size_t n = store->n_entries, bytes = store->bytes;
    assert_int_equal(bal_store_declare(store, name, BAL_ROLE_PARAMETER, BAL_F32, shape, &err),
                     status);
    if (!strstr(err.message, words)) fail_msg("%s", err.message);
    assert_int_equal(store->n_entries, n);
    assert_int_equal(store->bytes, bytes);
}

static void refuses_what_does_not_fit(void **state) {
    bal_store store = {0};
    fill(&store);
    refuse(&store, "w", BAL_SHAPE1(2), BAL_EINVAL, "already holds \"w\"");
    refuse(&store, "big", BAL_SHAPE2(INT64_MAX / 2, 3), BAL_EOVERFLOW, "\"big\" of shape");
    refuse(&store, "less", BAL_SHAPE1(-1), BAL_EOVERFLOW, "\"less\" of shape [-1]");
    declare(&store, "large", BAL_ROLE_PARAMETER, BAL_F32, BAL_SHAPE1(INT64_MAX / 8));
    declare(&store, "larger", BAL_ROLE_PARAMETER, BAL_F32, BAL_SHAPE1(INT64_MAX / 8));
    declare(&store, "largest", BAL_ROLE_PARAMETER, BAL_F32, BAL_SHAPE1(INT64_MAX / 8));
    refuse(&store, "too much", BAL_SHAPE1(INT64_MAX / 8), BAL_EOVERFLOW, "address space");
    bal_store_release(&store);

    fill(&store);
    assert_int_equal(bal_store_allocate(&store, &fake_host, NULL), BAL_OK);
    refuse(&store, "late", BAL_SHAPE1(2), BAL_EINVAL, "after the store was allocated");
    assert_int_equal(bal_store_allocate(&store, &fake_host, NULL), BAL_EINVAL);
    bal_store_release(&store);
}

/* ---- bindings ---- */

static bal_graph *new_graph(bal_shape shape) {
    bal_graph *graph = NULL;
    assert_int_equal(bal_graph_new(bal_op_table, BAL_F32, &graph, NULL), BAL_OK);
    bal_graph_input(graph, "x", BAL_F32, BAL_SHAPE1(4));
    bal_graph_parameter(graph, "w", shape);
    bal_graph_state(graph, "n", BAL_I32, BAL_SHAPE1(1));
    assert_int_equal(bal_graph_check(graph, NULL), BAL_OK);
    return graph;
}

static void binds_what_a_graph_keeps(void **state) {
    bal_store store = {0};
    bal_binding *bindings = NULL;
    size_t n = 0, capacity = 0;
    fill(&store);
    assert_int_equal(bal_store_allocate(&store, &fake_host, NULL), BAL_OK);
    bal_graph *graph = new_graph(BAL_SHAPE2(3, 5));
    for (size_t round = 0; round < 2; round++) { /* appends */
        assert_int_equal(bal_store_bind(&store, graph, &bindings, &n, &capacity, NULL), BAL_OK);
        assert_int_equal(n, 2 * (round + 1));
        const bal_binding *w = &bindings[2 * round], *number = w + 1;
        assert_int_equal(w->value.id, bal_graph_find(graph, "w").id);
        assert_int_equal(number->value.id, bal_graph_find(graph, "n").id);
        assert_ptr_equal(w->buffer, store.buffer);
        assert_int_equal(w->offset, 0);
        assert_int_equal(number->offset, 64);
    }
    bal_graph_free(graph);
    bal_free(bindings);
    bal_store_release(&store);
}

static void refuses_bindings_that_do_not_fit(void **state) {
    bal_store store = {0};
    bal_binding *bindings = NULL;
    size_t n = 0, capacity = 0;
    bal_error shape = {0}, missing = {0};
    fill(&store);
    bal_graph *graph = new_graph(BAL_SHAPE2(5, 3));
    assert_int_equal(bal_store_bind(&store, graph, &bindings, &n, &capacity, &shape),
                     BAL_ENOTFOUND);
    assert_string_equal(shape.message, "the store holds \"w\" as f32 [3,5]; wanted is f32 [5,3]");
    assert_int_equal(bal_store_bind(&(bal_store){0}, graph, &bindings, &n, &capacity, &missing),
                     BAL_ENOTFOUND);
    assert_string_equal(missing.message, "the store does not hold \"w\" f32 [5,3]");
    assert_int_equal(n, 0);
    bal_graph_free(graph);
    bal_free(bindings);
    bal_store_release(&store);
}

/* ---- memory ---- */

static void survives_lack_of_memory(void **state) {
    bal_graph *graph = new_graph(BAL_SHAPE2(3, 5));
    bal_status status = BAL_ENOMEM;
    int failures = 0;
    for (int64_t fail_after = 0; status != BAL_OK; fail_after++) {
        bal_store store = {0};
        bal_binding *bindings = NULL;
        size_t n = 0, capacity = 0;
        bal_memory_fail_after(fail_after);
        status =
            bal_store_declare(&store, "w", BAL_ROLE_PARAMETER, BAL_F32, BAL_SHAPE2(3, 5), NULL);
        if (status == BAL_OK)
            status = bal_store_declare(&store, "n", BAL_ROLE_SCRATCH, BAL_I32, BAL_SHAPE1(1), NULL);
        if (status == BAL_OK) status = bal_store_allocate(&store, &fake_host, NULL);
        if (status == BAL_OK)
            status = bal_store_bind(&store, graph, &bindings, &n, &capacity, NULL);
        bal_memory_fail_after(-1);
        if (status != BAL_OK) assert_int_equal(status, BAL_ENOMEM);
        failures += status != BAL_OK;
        bal_free(bindings);
        bal_store_release(&store);
    }
    assert_in_range(failures, 5, 20);
    bal_graph_free(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_lie_in_order_and_aligned),
        cmocka_unit_test(writing_and_reading_on_every_kind),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(binds_what_a_graph_keeps),
        cmocka_unit_test(refuses_bindings_that_do_not_fit),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
