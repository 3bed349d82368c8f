/* Residual feed-forward net: a wide dense stem, then blocks x + f(x) of the same width, then a
 * linear projection. Identity skips as in He et al. 2016 (arXiv 1512.03385), with dense layers in
 * place of convolutions. */
#include <stdio.h>

#include "nn/models.h"

static bal_value build(bal_net *net, bal_value x, const bal_model_options *options) {
    bal_graph *g = net->graph;
    bal_dense_options dense = {
        .out = options->width,
        .norm = options->norm,
        .activation = options->activation,
        .slope = options->slope,
        .init = options->init,
    };
    if (options->l2_input) x = bal_l2_normalize(g, x, 1e-12);
    x = bal_net_dense(net, x, "backbone.stem", &dense);
    for (int32_t i = 0; i < options->blocks; i++) {
        char name[32];
        snprintf(name, sizeof name, "backbone.%d", (int)i);
        dense.dropout = i < options->n_dropout ? options->dropout[i] : 0;
        x = bal_add(g, x, bal_net_dense(net, x, name, &dense));
    }
    if (options->out > 0) x = bal_net_output(net, x, "backbone.out", options->out);
    return x;
}

const bal_model bal_model_residual = {
    .name = "residual",
    .summary = "Wide dense stem and residual dense blocks, projected to `out` features",
    .source = "He et al. 2016, identity skips",
    .build = build,
};
