/* The two nets that are timed, as a trainer would run them: forward with batch statistics and
 * dropout, loss, gradients, their norm, clipping, the optimiser's update and the running
 * statistics, with a new batch, random counter and hyper-parameters bound for every step. */
#ifndef BENCH_NETS_H
#define BENCH_NETS_H

#include "backend/store.h"

typedef struct bench_net_kind {
    const char *name;
    const char *summary;
    int32_t features, classes;
    int32_t batches[4]; /* timed batch sizes, ended by 0 */
} bench_net_kind;

/** NULL-terminated by a kind without name. */
extern const bench_net_kind bench_net_kinds[];
const bench_net_kind *bench_net_find(const char *name);

typedef struct bench_net bench_net;

BAL_WARN_UNUSED bal_status bench_net_new(const bench_net_kind *kind, int32_t batch,
                                         bal_backend *backend, bench_net **ret_net, bal_error *err);
void bench_net_free(bench_net *net);

/** One training step on the next of a few fixed batches; ret_loss may be NULL. */
BAL_WARN_UNUSED bal_status bench_net_step(bench_net *net, double *ret_loss, bal_error *err);

bal_program *bench_net_program(bench_net *net);
int64_t bench_net_parameters(const bench_net *net);
/** Multiply-adds count twice: 6·weights·batch, less the gradient of the input, which nobody needs.
 */
double bench_net_flops(const bench_net *net);

#endif
