/* Shape rules that dropout and norm_act_dropout share; see drop.h. */
#include "ops/drop.h"

bal_status bal_rule_rng(const bal_graph *graph, const bal_node *node, int32_t index,
                        bal_error *err) {
    BAL_TRY(bal_rule_type(graph, node, index, "rng", BAL_I64, err));
    return bal_rule_shape(graph, node, index, "rng", BAL_SHAPE1(2), err);
}

bal_status bal_rule_rate(const bal_node *node, int32_t attr, bal_error *err) {
    double rate = node->attr[attr].f;
    if (rate >= 0 && rate < 1) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "rate must be from 0 to below 1, but is %g", rate);
}

bal_status bal_rule_stream(const bal_node *node, int32_t attr, bal_error *err) {
    int64_t stream = node->attr[attr].i;
    if (stream >= 0 && stream <= UINT32_MAX) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "stream must be a number from 0 to 4294967295, but is %lld",
                    (long long)stream);
}

bal_status bal_rule_mask(const bal_graph *graph, const bal_node *node, int32_t index,
                         bal_shape shape, bal_error *err) {
    BAL_TRY(bal_rule_type(graph, node, index, "mask", BAL_U8, err));
    return bal_rule_shape(graph, node, index, "mask", shape, err);
}
