/* Shape rules that dropout and norm_act_dropout share. */
#ifndef BAL_OPS_DROP_H
#define BAL_OPS_DROP_H

#include "ops/rules.h"

/** rng: i64 [2] {seed, step}. */
BAL_WARN_UNUSED bal_status bal_rule_rng(const bal_graph *graph, const bal_node *node, int32_t index,
                                        bal_error *err);
/** The share of elements dropped: from 0 to below 1. */
BAL_WARN_UNUSED bal_status bal_rule_rate(const bal_node *node, int32_t attr, bal_error *err);
/** A stream number that fits the generator's counter. */
BAL_WARN_UNUSED bal_status bal_rule_stream(const bal_node *node, int32_t attr, bal_error *err);
/** mask: u8 of this shape. */
BAL_WARN_UNUSED bal_status bal_rule_mask(const bal_graph *graph, const bal_node *node,
                                         int32_t index, bal_shape shape, bal_error *err);

#endif
