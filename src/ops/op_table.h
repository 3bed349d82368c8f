/* The list of all ops: the one place that registers them.
 *
 * Each line names the descriptor an op's file defines (`const bal_op bal_op_relu` in relu.c). The
 * declarations below and the table of op_table.c come from this list, so that an op without a line
 * is not in the program and a line without an op does not link. Gradient ops stand beside the op
 * they serve. */
#ifndef BAL_OPS_OP_TABLE_H
#define BAL_OPS_OP_TABLE_H

#include "graph/op.h"

/* Kept one op per line: a line is what a change adds or removes. */
/* clang-format off */
#define BAL_OP_LIST(X) \
    /* arithmetic */ \
    X(bal_op_add) \
    X(bal_op_sub) \
    X(bal_op_mul) \
    X(bal_op_div) \
    X(bal_op_neg) \
    X(bal_op_scale) \
    X(bal_op_exp) \
    X(bal_op_log) \
    X(bal_op_sqrt) \
    X(bal_op_square) \
    X(bal_op_abs) \
    X(bal_op_abs_grad) \
    /* activations */ \
    X(bal_op_relu) \
    X(bal_op_relu_grad) \
    X(bal_op_leaky_relu) \
    X(bal_op_leaky_relu_grad) \
    X(bal_op_gelu) \
    X(bal_op_gelu_grad) \
    X(bal_op_sigmoid) \
    X(bal_op_sigmoid_grad) \
    X(bal_op_tanh) \
    X(bal_op_tanh_grad) \
    /* dense */ \
    X(bal_op_matmul) \
    X(bal_op_linear) \
    X(bal_op_linear_act) \
    /* shape */ \
    X(bal_op_reshape) \
    X(bal_op_concat) \
    X(bal_op_slice) \
    X(bal_op_slice_grad) \
    X(bal_op_expand) \
    /* reductions */ \
    X(bal_op_reduce_sum) \
    X(bal_op_reduce_mean) \
    X(bal_op_reduce_max) \
    X(bal_op_reduce_max_grad) \
    /* softmax */ \
    X(bal_op_softmax) \
    X(bal_op_softmax_grad) \
    X(bal_op_log_softmax) \
    X(bal_op_log_softmax_grad) \
    /* normalisation */ \
    X(bal_op_batch_norm) \
    X(bal_op_batch_norm_grad) \
    X(bal_op_batch_norm_inference) \
    X(bal_op_batch_norm_running) \
    X(bal_op_layer_norm) \
    X(bal_op_layer_norm_grad) \
    X(bal_op_l2_normalize) \
    X(bal_op_l2_normalize_grad) \
    /* dropout and embedding */ \
    X(bal_op_dropout) \
    X(bal_op_dropout_grad) \
    X(bal_op_norm_act_dropout) \
    X(bal_op_norm_act_dropout_grad) \
    X(bal_op_embedding) \
    X(bal_op_embedding_grad) \
    /* losses */ \
    X(bal_op_cross_entropy) \
    X(bal_op_cross_entropy_grad) \
    X(bal_op_binary_cross_entropy) \
    X(bal_op_binary_cross_entropy_grad) \
    X(bal_op_focal) \
    X(bal_op_focal_grad) \
    X(bal_op_binary_focal) \
    X(bal_op_binary_focal_grad) \
    X(bal_op_squared_error) \
    X(bal_op_squared_error_grad) \
    X(bal_op_huber) \
    X(bal_op_huber_grad) \
    X(bal_op_threshold_huber) \
    X(bal_op_threshold_huber_grad) \
    /* updates */ \
    X(bal_op_global_norm) \
    X(bal_op_sgd_update) \
    X(bal_op_adam_update) \
    X(bal_op_activity_max)
/* clang-format on */

#define BAL_OP_DECLARE(symbol) extern const bal_op symbol;
BAL_OP_LIST(BAL_OP_DECLARE)
#undef BAL_OP_DECLARE

#endif
