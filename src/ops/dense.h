/* What linear and linear_act share: y = x·weightᵀ + bias, its rule, its sum and its gradient. */
#ifndef BAL_OPS_DENSE_H
#define BAL_OPS_DENSE_H

#include "ops/reference.h"
#include "ops/rules.h"

enum { BAL_DENSE_X, BAL_DENSE_WEIGHT, BAL_DENSE_BIAS, BAL_DENSE_N_IN };

/** x [B,D], weight [C,D], bias [C] optional → [B,C]. */
bal_status bal_infer_dense(BAL_INFER_PARAMS);

/** Element (b, c) of x·weightᵀ + bias. */
double bal_dense_at(const bal_kernel_args *args, int64_t b, int64_t c);

/** Append the gradients of the inputs, given that of x·weightᵀ + bias. */
void bal_dense_grad(bal_graph *graph, const bal_node *node, bal_value dy, bal_value *ret_grad_in);

#endif
