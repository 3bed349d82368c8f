/* A graph as JSON and back, for model files: the inference form of a network, batch size left open.
 *
 *   {"inputs":     [{"id": 0, "name": "x", "dtype": "f32", "shape": [-1, 126]}],
 *    "parameters": [{"id": 1, "name": "backbone.0.linear.weight", "kind": "parameter", "shape":
 * [512, 126]}], "constants":  [{"id": 2, "shape": [1], "values": [0.5]}], "nodes":      [{"op":
 * "linear", "in": [0, 1, -1], "out": [3], "attrs": {}}], "outputs":    [{"head": "label", "id":
 * 9}]}
 *
 * Ids are those of the graph; −1 stands for an optional input not given. Reading checks everything
 * through the same rules as building, and refuses ops that change state or draw random numbers. */
#ifndef BAL_TRAIN_MODEL_GRAPH_H
#define BAL_TRAIN_MODEL_GRAPH_H

#include "format/json.h"
#include "graph/graph.h"

/** Write the live nodes of a graph as one JSON object. names/values: its outputs. */
BAL_WARN_UNUSED bal_status bal_model_graph_write(const bal_graph *graph, const char *const *names,
                                                 const bal_value *values, int32_t n_outputs,
                                                 bal_json_out *out, bal_error *err);

#define BAL_MODEL_OUTPUTS_MAX 64

/** Rebuild for a batch size. ret_outputs has room for n_outputs values, at most
 *  BAL_MODEL_OUTPUTS_MAX, found by `names`: computed f32 values. BAL_EFORMAT says what is wrong. */
BAL_WARN_UNUSED bal_status bal_model_graph_read(const json_t *object, int64_t batch,
                                                const char *const *names, int32_t n_outputs,
                                                bal_graph **ret_graph, bal_value *ret_outputs,
                                                bal_error *err);

#endif
