/* See net_fixture.h. */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/fake_backend.h"

static bal_graph *new_graph(void) {
    bal_graph *graph = NULL;
    assert_int_equal(bal_graph_new(bal_op_table, BAL_F32, &graph, NULL), BAL_OK);
    return graph;
}

void net_fixture_init(net_fixture *f, int64_t batch, int64_t width, net_build_fn *build,
                      const void *user) {
    *f = (net_fixture){.batch = batch, .width = width, .build = build, .user = user};
    bal_error err = {0};
    f->net = (bal_net){.graph = new_graph(), .store = &f->store, .declare = true, .seed = 5};
    build(&f->net, bal_graph_input(f->net.graph, "x", BAL_F32, BAL_SHAPE2(batch, width)), user);
    if (bal_graph_check(f->net.graph, &err) != BAL_OK) fail_msg("%s", err.message);
    bal_graph_free(f->net.graph);
    f->net.graph = NULL;
    assert_int_equal(bal_store_allocate(&f->store, &fake_host, &err), BAL_OK);
    assert_int_equal(bal_net_initialise(&f->net, &err), BAL_OK);
}

void net_fixture_release(net_fixture *f) {
    bal_net_release(&f->net);
    bal_store_release(&f->store);
}

static char *entry_data(const net_fixture *f, const bal_store_entry *entry) {
    return (char *)bal_buffer_host(f->store.buffer) + entry->offset;
}

float *net_fixture_entry(const net_fixture *f, const char *name) {
    const bal_store_entry *entry = bal_store_find(&f->store, name);
    if (!entry) fail_msg("no entry '%s'", name);
    return (float *)(void *)entry_data(f, entry);
}

net_run net_fixture_build(const net_fixture *f, bool training) {
    net_run run = {.graph = new_graph()};
    bal_error err = {0};
    run.x = bal_graph_input(run.graph, "x", BAL_F32, BAL_SHAPE2(f->batch, f->width));
    run.rng = bal_graph_input(run.graph, "rng", BAL_I64, BAL_SHAPE1(2));
    run.net = f->net;
    run.net.graph = run.graph;
    run.net.declare = false;
    run.net.training = training;
    run.net.track_activity = !training;
    run.net.rng = run.rng;
    run.net.n_norms = 0;
    run.y = f->build(&run.net, run.x, f->user);
    if (training) bal_net_update_statistics(&run.net, BAL_NO_VALUE);
    if (bal_graph_check(run.graph, &err) != BAL_OK) fail_msg("%s", err.message);
    interpreter_init(&run.it, run.graph);
    for (size_t i = 0; i < f->store.n_entries; i++) {
        const bal_store_entry *entry = &f->store.entries[i];
        bal_value value = bal_graph_find(run.graph, entry->name);
        if (bal_value_is_some(value)) interpreter_bind(&run.it, value, entry_data(f, entry));
    }
    return run;
}

void net_run_release(net_run *run) {
    interpreter_release(&run->it);
    bal_graph_free(run->graph);
}

void *net_run_data(const net_run *run, const char *name) {
    bal_value value = bal_graph_find(run->graph, name);
    if (!bal_value_is_some(value)) fail_msg("no value '%s'", name);
    return interpreter_data(&run->it, value);
}
