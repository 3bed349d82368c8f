/* Activations of one number, for the reference kernels of the fused ops. The same functions as the
 * ops of these names, which say what they do with NaN and at the kinks; a test holds them together.
 */
#ifndef BAL_OPS_ACTIVATION_AT_H
#define BAL_OPS_ACTIVATION_AT_H

#include "ops/rules.h"

/** Two attributes: a number of bal_activation and, looked at with leaky_relu only, its slope. */
BAL_WARN_UNUSED bal_status bal_rule_activation(const bal_node *node, int32_t activation_attr,
                                               int32_t slope_attr, bal_error *err);

/** activation(x) */
double bal_activation_at(bal_activation activation, double slope, double x);

/** g · activation'(x), given x and y = activation(x). */
double bal_activation_grad_at(bal_activation activation, double slope, double g, double x,
                              double y);

#endif
