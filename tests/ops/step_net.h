/* The golden training step: the net 126-512-256-128-197 built from ops, trained for three steps on
 * whatever can run a graph, and held against PyTorch's results (golden/step_golden.h, whose
 * generator says what is compared and why so).
 *
 * A test gives a step_device: how values are written and read, and how one step is run. */
#ifndef BAL_TESTS_OPS_STEP_NET_H
#define BAL_TESTS_OPS_STEP_NET_H

#include "ops/ops.h"

enum { STEP_PARAMS = 11, STEP_NORMS = 3 };

/** One graph that does a whole step: forward, loss, gradients, norm, running statistics, update. */
typedef struct step_net {
    bal_graph *graph;
    bal_value x, labels, hyper;    /* inputs */
    bal_value params[STEP_PARAMS]; /* in the order of golden_step_tensors, and under their names */
    bal_value first[STEP_PARAMS], second[STEP_PARAMS]; /* moments: states NAME.m and NAME.v */
    bal_value running[2 * STEP_NORMS];                 /* mean, variance of each norm */
    bal_value grads[STEP_PARAMS];
    bal_value loss, norm;
} step_net;

/** `fused`: run the fusion pass before differentiation. */
void step_net_init(step_net *net, bal_dtype float_type, bool fused);
void step_net_release(step_net *net);

/** How to run a step_net. Real numbers go in and out as doubles. */
typedef struct step_device {
    void *context;
    void (*write)(void *context, bal_value value, const double *numbers);
    void (*write_labels)(void *context, bal_value value, const int32_t *labels);
    void (*run)(void *context);
    void (*read)(void *context, bal_value value, double *ret_numbers);
} step_device;

/** Train all golden steps and check everything after each. Reads loss, params, running statistics
 * and, after the first step, grads. Fails the running cmocka test on a difference. */
void step_net_check(const step_net *net, const step_device *device);

#endif
