/* Optimisers as recipe entries: each declares its moments and appends its update op. */
#ifndef BAL_OPTIM_OPTIMIZER_H
#define BAL_OPTIM_OPTIMIZER_H

#include "graph/graph.h"

typedef struct bal_optimizer_options {
    const char *kind; /* "sgd", "momentum", "adam", "adamw" */
    double lr;
    double l2;           /* added to the gradient (sgd, momentum, adam) */
    double weight_decay; /* decoupled (adamw) */
    double momentum;     /* momentum: default .9 */
    bool nesterov;
    double beta1, beta2, epsilon; /* adam, adamw: .9, .999, 1e-8 */
    double clip_norm;             /* largest global gradient norm; 0: no clipping */
} bal_optimizer_options;

typedef struct bal_optimizer {
    const char *name;
    const char *summary;
    const char *source;
    int32_t n_moments;            /* tensors of the parameter's shape kept per parameter */
    const char *moment_suffix[2]; /* names of moments: PARAMETER + "." + suffix */
    /** Append the update for one parameter group. moments[k][i] is moment k of parameter i. hyper
     *  is f [BAL_HYPER_COUNT] of ops/ops.h. A decay that the kind does not know (l2 or weight_decay
     *  not 0) is an error of the graph, never ignored. */
    void (*build)(bal_graph *graph, bal_value hyper, bal_value norm, const bal_value *params,
                  const bal_value *const *moments, const bal_value *grads, int32_t n,
                  const bal_optimizer_options *options);
} bal_optimizer;

extern const bal_optimizer *const bal_optimizer_table[];
const bal_optimizer *bal_optimizer_find(const char *name);

/** Values of the hyper input for the update that follows `updates_done` others, [BAL_HYPER_COUNT]
 * of ops/ops.h: the rate, clip_norm, and Adam's bias corrections 1 / (1 − βᵗ) with t = updates_done
 *  + 1. Right for every kind: those without moments do not read the corrections. */
void bal_optimizer_hyper(const bal_optimizer_options *options, double lr, int64_t updates_done,
                         double *ret_hyper);

#endif
