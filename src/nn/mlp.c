/* Multi-layer perceptron: a chain of dense blocks. */
#include <stdio.h>

#include "nn/models.h"

static bal_value build(bal_net *net, bal_value x, const bal_model_options *options) {
    if (options->l2_input) x = bal_l2_normalize(net->graph, x, 1e-12);
    for (int32_t i = 0; i < options->n_hidden; i++) {
        char name[32];
        snprintf(name, sizeof name, "backbone.%d", (int)i);
        x = bal_net_dense(net, x, name,
                          &(bal_dense_options){
                              .out = options->hidden[i],
                              .norm = options->norm,
                              .activation = options->activation,
                              .slope = options->slope,
                              .dropout = i < options->n_dropout ? options->dropout[i] : 0,
                              .init = options->init,
                          });
    }
    return x;
}

const bal_model bal_model_mlp = {
    .name = "mlp",
    .summary = "Dense layers, each with norm, activation and dropout",
    .source = "Rumelhart, Hinton & Williams 1986; batch norm: Ioffe & Szegedy 2015",
    .build = build,
};
