/* The table of architectures and what all of them share: the layers of a head. */
#include "nn/model.h"

#include <stdio.h>
#include <string.h>

#include "nn/head.h"
#include "nn/models.h"

const bal_model *const bal_model_table[] = {&bal_model_mlp, &bal_model_residual, NULL};

const bal_model *bal_model_find(const char *name) {
    for (const bal_model *const *model = bal_model_table; *model; model++)
        if (strcmp((*model)->name, name) == 0) return *model;
    return NULL;
}

const char *bal_head_kind_name(bal_head_kind kind) {
    static const char *const names[BAL_HEAD_KIND_COUNT] = {"classes", "binary", "value"};
    return kind >= 0 && kind < BAL_HEAD_KIND_COUNT ? names[kind] : "unknown";
}

bal_value bal_head_build(bal_net *net, bal_value features, const char *name,
                         const bal_model_options *options, const int32_t *hidden, int32_t n_hidden,
                         const double *dropout, int32_t n_dropout, int64_t outputs) {
    bal_graph_push_scope(net->graph, "head.%s", name);
    bal_value x = features;
    for (int32_t i = 0; i < n_hidden; i++) {
        char layer[16];
        snprintf(layer, sizeof layer, "%d", (int)i);
        x = bal_net_dense(net, x, layer,
                          &(bal_dense_options){
                              .out = hidden[i],
                              .norm = options->norm,
                              .activation = options->activation,
                              .slope = options->slope,
                              .dropout = i < n_dropout ? dropout[i] : 0,
                              .init = options->init,
                          });
    }
    x = bal_net_output(net, x, "output", outputs);
    bal_graph_pop_scope(net->graph);
    return x;
}
