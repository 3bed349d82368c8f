/* When values are needed: shared by the memory plan and its check. Private to graph/. */
#ifndef BAL_GRAPH_LIVENESS_H
#define BAL_GRAPH_LIVENESS_H

#include "graph/graph_impl.h"

/** Index of the last live node that reads each value, by value id: the producer's own for a
 *  computed value nobody reads, the node count for kept ones, -1 for what no live node touches. */
void bal_liveness_last_use(const bal_graph *graph, const bal_value *keep, int32_t n_keep,
                           int32_t *ret_last_use);

/** Whether output 0 of node `index` may take over the storage of its input `input`: the op allows
 *  it and nobody, not even another operand of the same node, needs the old content. */
bool bal_liveness_may_share(const bal_graph *graph, const int32_t *last_use, int32_t index,
                            int32_t input);

/** Scratch bytes of a live node; see bal_plan_init for workspace_bytes. */
size_t bal_liveness_workspace(const bal_graph *graph, const size_t *workspace_bytes, int32_t index);

#endif
