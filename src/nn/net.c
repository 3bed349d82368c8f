/* Parameters, statistics and the dense block that all architectures share. See nn/net.h. */
#include "nn/net.h"

#include "base/memory.h"

static bool matches(const bal_store_entry *entry, bal_role role, const bal_value_info *info) {
    return entry->role == role && entry->dtype == info->dtype &&
           bal_shape_equal(&entry->shape, &info->shape);
}

static void claim_failed(bal_net *net, const bal_store_entry *entry, const bal_value_info *info) {
    char wanted[128], held[128] = "nothing";
    if (entry) bal_shape_text(&entry->shape, held, sizeof held);
    bal_graph_fail(net->graph, BAL_EINTERNAL, "the model wants \"%s\" %s; the store holds %s",
                   info->name, bal_shape_text(&info->shape, wanted, sizeof wanted), held);
}

/** Declare (first build) or find the entry that a value of the graph refers to. */
static void claim_entry(bal_net *net, bal_value value, bal_role role, bal_init_spec init) {
    if (!bal_value_is_some(value)) return;
    const bal_value_info *info = bal_graph_info(net->graph, value);
    const bal_store_entry *entry = bal_store_find(net->store, info->name);
    if (entry && matches(entry, role, info)) return;
    if (entry || !net->declare) {
        claim_failed(net, entry, info);
        return;
    }
    bal_error error = {0};
    size_t index = net->store->n_entries;
    if (!bal_reserve(net->inits, net->inits_capacity, index + 1)) {
        bal_graph_fail(net->graph, BAL_ENOMEM, "out of memory while declaring %s", info->name);
        return;
    }
    if (bal_store_declare(net->store, info->name, role, info->dtype, info->shape, &error) !=
        BAL_OK) {
        bal_graph_fail(net->graph, error.status, "%s", error.message);
        return;
    }
    net->inits[index] = init;
}

bal_value bal_net_parameter(bal_net *net, const char *name, bal_shape shape, bal_init_spec init) {
    bal_value value = bal_graph_parameter(net->graph, name, shape);
    claim_entry(net, value, BAL_ROLE_PARAMETER, init);
    return value;
}

static bal_value declare_state(bal_net *net, const char *name, bal_shape shape, bal_role role,
                               bal_init_spec init) {
    bal_value value = bal_graph_state(net->graph, name, bal_graph_float_type(net->graph), shape);
    claim_entry(net, value, role, init);
    return value;
}

bal_value bal_net_statistic(bal_net *net, const char *name, bal_shape shape, bal_init_spec init) {
    return declare_state(net, name, shape, BAL_ROLE_STATISTIC, init);
}

static const bal_init_spec init_zero = {BAL_INIT_ZERO, 1};
static const bal_init_spec init_one = {BAL_INIT_ONE, 1};

static bal_value batch_norm(bal_net *net, bal_value x, int64_t features) {
    bal_graph *g = net->graph;
    bal_value gamma = bal_net_parameter(net, "weight", BAL_SHAPE1(features), init_one);
    bal_value beta = bal_net_parameter(net, "bias", BAL_SHAPE1(features), init_zero);
    bal_value mean = bal_net_statistic(net, "running_mean", BAL_SHAPE1(features), init_zero);
    bal_value variance = bal_net_statistic(net, "running_var", BAL_SHAPE1(features), init_one);
    if (!net->training)
        return bal_batch_norm_inference(g, x, gamma, beta, mean, variance, BAL_BATCH_NORM_EPSILON);
    bal_value y = bal_batch_norm(g, x, gamma, beta, BAL_BATCH_NORM_EPSILON);
    if (net->n_norms == BAL_NET_NORMS_MAX) {
        bal_graph_fail(g, BAL_EUNSUPPORTED, "more than %d batch norms in one model",
                       BAL_NET_NORMS_MAX);
        return BAL_NO_VALUE;
    }
    if (bal_value_is_some(y))
        net->norms[net->n_norms++] =
            (bal_net_norm){mean, variance, bal_graph_output(g, y, 1), bal_graph_output(g, y, 2),
                           bal_graph_shape(g, x).dim[0]};
    return y;
}

static bal_value layer_norm(bal_net *net, bal_value x, int64_t features) {
    bal_value gamma = bal_net_parameter(net, "weight", BAL_SHAPE1(features), init_one);
    bal_value beta = bal_net_parameter(net, "bias", BAL_SHAPE1(features), init_zero);
    return bal_layer_norm(net->graph, x, gamma, beta, BAL_BATCH_NORM_EPSILON);
}

/** Only units that can be exactly zero for every input can be dead. */
static void track_activity(bal_net *net, bal_value y, bal_activation activation, int64_t features) {
    if (net->training || activation != BAL_ACT_RELU) return;
    if (!net->track_activity && !net->declare) return;
    bal_value peak =
        declare_state(net, "activity", BAL_SHAPE1(features), BAL_ROLE_SCRATCH, init_zero);
    bal_activity_max(net->graph, peak, y);
}

bal_value bal_net_dense(bal_net *net, bal_value x, const char *name,
                        const bal_dense_options *options) {
    bal_graph *g = net->graph;
    int64_t fan_in = bal_graph_shape(g, x).dim[1];
    bal_init_spec init = {options->init, bal_init_gain(options->activation, options->slope)};
    bal_graph_push_scope(g, "%s", name);

    bal_graph_push_scope(g, "linear");
    bal_value weight = bal_net_parameter(net, "weight", BAL_SHAPE2(options->out, fan_in), init);
    bal_value bias = BAL_NO_VALUE;
    if (options->norm == BAL_NORM_NONE)
        bias = bal_net_parameter(net, "bias", BAL_SHAPE1(options->out), init_zero);
    bal_graph_pop_scope(g);
    bal_value y = bal_linear(g, x, weight, bias);

    bal_graph_push_scope(g, "norm");
    if (options->norm == BAL_NORM_BATCH) y = batch_norm(net, y, options->out);
    if (options->norm == BAL_NORM_LAYER) y = layer_norm(net, y, options->out);
    bal_graph_pop_scope(g);

    y = bal_activate(g, y, options->activation, options->slope);
    track_activity(net, y, options->activation, options->out);
    if (net->training && options->dropout > 0) y = bal_dropout(g, y, net->rng, options->dropout);
    bal_graph_pop_scope(g);
    return y;
}

bal_value bal_net_output(bal_net *net, bal_value x, const char *name, int64_t out) {
    bal_graph *g = net->graph;
    int64_t fan_in = bal_graph_shape(g, x).dim[1];
    bal_graph_push_scope(g, "%s", name);
    bal_value weight = bal_net_parameter(net, "weight", BAL_SHAPE2(out, fan_in),
                                         (bal_init_spec){BAL_INIT_XAVIER_UNIFORM, 1});
    bal_value bias = bal_net_parameter(net, "bias", BAL_SHAPE1(out), init_zero);
    bal_graph_pop_scope(g);
    return bal_linear(g, x, weight, bias);
}

void bal_net_update_statistics(bal_net *net, bal_value gate) {
    for (int32_t i = 0; i < net->n_norms; i++) {
        const bal_net_norm *norm = &net->norms[i];
        bal_batch_norm_running(net->graph, norm->running_mean, norm->running_variance, norm->mean,
                               norm->variance, gate, BAL_BATCH_NORM_MOMENTUM, norm->batch);
    }
}

void bal_net_release(bal_net *net) {
    bal_free(net->inits);
    net->inits = NULL;
    net->inits_capacity = 0;
    net->n_norms = 0;
}
