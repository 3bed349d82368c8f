/* What batch_norm, batch_norm_inference and norm_act_dropout share. D is the number of features
 * (columns), B of rows. */
#ifndef BAL_OPS_NORMS_H
#define BAL_OPS_NORMS_H

#include "ops/reference.h"
#include "ops/rules.h"

/** An attribute that keeps a division finite: 1e-30 to 1. */
BAL_WARN_UNUSED bal_status bal_rule_epsilon(const bal_node *node, int32_t attr, bal_error *err);

/** Input 0 is x [B,D]; inputs first … first + count − 1, called by `names`, are [D]. */
BAL_WARN_UNUSED bal_status bal_rule_columns(const bal_graph *graph, const bal_node *node,
                                            int32_t first, int32_t count, const char *const *names,
                                            bal_error *err);

/** Refuse a gradient that arrives at output `first` or later: statistics are by-products, and what
 *  depends on them would get a wrong gradient without a word. */
bool bal_norm_grad_is_plain(bal_graph *graph, const bal_node *node, const bal_value *grad_out,
                            int32_t first);

/** Mean and biased variance of a column of x [B,D], in two passes: squares about the known mean, so
 * that a large mean costs no digits (Chan, Golub & LeVeque 1983). */
void bal_column_moments(const bal_operand *x, int64_t column, double *ret_mean,
                        double *ret_variance);

/** How a column is normalised: x → (x − mean)·rstd·gamma + beta. */
typedef struct bal_norm_column {
    double mean, rstd, gamma, beta;
} bal_norm_column;

/** Gradient of one column of a batch norm in training form, whose outputs 0, 1, 2 are dx, dgamma,
 *  dbeta. upstream(args, i, pre) is the gradient that reaches element i of the norm's output; pre
 * is that output. dx may share the storage of x or of what upstream reads at i.
 *
 *  With x̂ = (x − mean)·rstd, g the upstream gradient and ⟨·⟩ the mean over the B rows of a
 *  column: dbeta = Σ g, dgamma = Σ g·x̂,
 *  dx = gamma·rstd·(g − ⟨g⟩ − x̂·⟨g·x̂⟩),
 *  the last two terms because mean and variance depend on every x of the column (Ioffe & Szegedy
 *  2015, section 3, simplified). */
typedef double (*bal_upstream_fn)(const bal_kernel_args *args, int64_t i, double pre);
void bal_column_norm_grad(const bal_kernel_args *args, int64_t column, const bal_norm_column *norm,
                          bal_upstream_fn upstream);

#endif
