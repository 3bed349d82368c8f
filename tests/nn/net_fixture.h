/* A net on host memory for tests: a store, the declaring build, and programs run by the
 * interpreter on the store's own memory.
 *
 *     net_fixture f;
 *     net_fixture_init(&f, BATCH, WIDTH, build, user);       // declares, allocates, initialises
 *     net_run run = net_fixture_build(&f, true);             // a training program
 *     interpreter_set(&run.it, run.x, numbers);
 *     interpreter_run(&run.it); … interpreter_number(&run.it, run.y, i) …
 *     net_run_release(&run);
 *     net_fixture_release(&f); */
#ifndef BAL_TESTS_NET_FIXTURE_H
#define BAL_TESTS_NET_FIXTURE_H

#include "nn/net.h"
#include "support/interpreter.h"

typedef bal_value net_build_fn(bal_net *net, bal_value x, const void *user);

typedef struct net_fixture {
    bal_store store;
    bal_net net; /* the declaring one; owns how entries start */
    int64_t batch, width;
    net_build_fn *build;
    const void *user;
} net_fixture;

void net_fixture_init(net_fixture *f, int64_t batch, int64_t width, net_build_fn *build,
                      const void *user);
void net_fixture_release(net_fixture *f);

/** Values of an entry of the store. */
float *net_fixture_entry(const net_fixture *f, const char *name);

typedef struct net_run {
    bal_graph *graph;
    bal_net net;
    bal_value x, y, rng;
    interpreter it;
} net_run;

net_run net_fixture_build(const net_fixture *f, bool training);
void net_run_release(net_run *run);

/** Memory of a value by name. */
void *net_run_data(const net_run *run, const char *name);

#endif
