/* A net under construction: a graph plus the declarations of what it keeps in a store.
 *
 * The same model function builds every program of a run: training and evaluation, whole and partial
 * batches. The first build declares parameters and statistics in the store together with how they
 * start; later builds find them there. */
#ifndef BAL_NN_NET_H
#define BAL_NN_NET_H

#include "backend/store.h"
#include "graph/graph.h"
#include "ops/ops.h"

typedef enum bal_init_kind {
    BAL_INIT_ZERO,
    BAL_INIT_ONE,
    BAL_INIT_KAIMING_UNIFORM, /* He et al. 2015: variance gain²/fan_in */
    BAL_INIT_KAIMING_NORMAL,
    BAL_INIT_XAVIER_UNIFORM, /* Glorot & Bengio 2010: variance gain²·2/(fan_in + fan_out) */
    BAL_INIT_XAVIER_NORMAL,
    BAL_INIT_COUNT
} bal_init_kind;

/** "zero", "one", "kaiming_uniform", …; BAL_INIT_COUNT for an unknown name. */
const char *bal_init_name(bal_init_kind kind);
bal_init_kind bal_init_find(const char *name);

/** How one tensor starts. */
typedef struct bal_init_spec {
    bal_init_kind kind;
    double gain; /* √2 for relu, √(2/(1+slope²)) for leaky_relu, 5/3 for tanh, else 1 */
} bal_init_spec;

double bal_init_gain(bal_activation activation, double slope);

/** Fill values [fan_out, fan_in] (or a vector) from the stream (seed, hash of name): a tensor's
 * start does not depend on which other tensors there are. */
void bal_init_fill(bal_init_spec spec, const bal_shape *shape, const char *name, uint64_t seed,
                   float *ret_values);

/** Part of a tensor: `count` values from `begin` on, a multiple of BAL_INIT_BLOCK. */
#define BAL_INIT_BLOCK 64
typedef struct bal_init_part {
    int64_t begin, count;
} bal_init_part;

/** The same for a part: parts may be filled in any order, by any thread. ret_values: of the part.
 */
void bal_init_fill_part(bal_init_spec spec, const bal_shape *shape, const char *name, uint64_t seed,
                        bal_init_part part, float *ret_values);

/** A batch norm whose running statistics are still to be updated: appended after the gradients,
 * gated by their norm, so that a bad batch leaves no trace. */
typedef struct bal_net_norm {
    bal_value running_mean, running_variance, mean, variance;
    int64_t batch;
} bal_net_norm;

#define BAL_NET_NORMS_MAX 256

typedef struct bal_net {
    bal_graph *graph;
    bal_store *store;
    bool declare;        /* first build: declare entries in the store */
    bool training;       /* batch statistics, dropout */
    bool track_activity; /* evaluation: record the peak activity of relu units */
    uint64_t seed;
    bal_value rng; /* i64 [2] {seed, step}; needed for dropout in training */
    bal_net_norm norms[BAL_NET_NORMS_MAX];
    int32_t n_norms;
    bal_init_spec *inits; /* per store entry, filled while declaring; bal_free */
    size_t inits_capacity;
} bal_net;

/** The parts below append to net->graph; failures stick there. */

/** Parameter under the graph's current scope, declared in the store on the first build. */
bal_value bal_net_parameter(bal_net *net, const char *name, bal_shape shape, bal_init_spec init);
/** Statistic (kept, not trained) under the current scope. */
bal_value bal_net_statistic(bal_net *net, const char *name, bal_shape shape, bal_init_spec init);

typedef enum bal_norm_kind { BAL_NORM_NONE, BAL_NORM_BATCH, BAL_NORM_LAYER } bal_norm_kind;

#define BAL_BATCH_NORM_EPSILON 1e-5
#define BAL_BATCH_NORM_MOMENTUM 0.1

/** linear → norm → activation → dropout under scope `name`. The linear layer has a bias only when
 * no norm follows (a batch norm would cancel it). Names: NAME.linear.{weight,bias},
 * NAME.norm.{weight,bias, running_mean,running_var}. */
typedef struct bal_dense_options {
    int64_t out;
    bal_norm_kind norm;
    bal_activation activation;
    double slope;
    double dropout;
    bal_init_kind init;
} bal_dense_options;
bal_value bal_net_dense(bal_net *net, bal_value x, const char *name,
                        const bal_dense_options *options);

/** Plain output layer: x [B,D] → [B,out], weights by Xavier, bias 0. Names: NAME.{weight,bias}. */
bal_value bal_net_output(bal_net *net, bal_value x, const char *name, int64_t out);

/** Append the updates of running statistics collected in net->norms. */
void bal_net_update_statistics(bal_net *net, bal_value gate);

/** Write the starting values of every parameter and statistic declared so far, by as many threads
 *  as the device uses. The store must be allocated. */
BAL_WARN_UNUSED bal_status bal_net_initialise(const bal_net *net, bal_error *err);

void bal_net_release(bal_net *net); /* not the graph, not the store */

#endif
