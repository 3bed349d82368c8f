/* Rules about the machine: does the run fit into it? */
#include <string.h>

#include "check/check_context.h"
#include "check/check_table.h"
#include "optim/optimizer.h"

/* Units and weights of a network, counted by its recipe: a layer of n units over m inputs has
 * m·n + n weights, 2·n more with a norm. In double: an estimate may not overflow. */
typedef struct size_estimate {
    double weights, units;
    double width; /* of the last layer counted */
} size_estimate;

static void add_layer(size_estimate *size, double units, bool norm) {
    size->weights += size->width * units + units + (norm ? 2 * units : 0);
    size->units += units * (norm ? 3 : 2); /* before and after norm and activation */
    size->width = units;
}

static void add_trunk(size_estimate *size, const bal_recipe_model *model) {
    bool norm = strcmp(model->norm, "none") != 0;
    if (strcmp(model->kind, "residual") == 0) {
        for (int32_t i = 0; i <= model->blocks; i++)
            add_layer(size, model->width, norm);
        if (model->out > 0) add_layer(size, model->out, false);
        return;
    }
    for (int32_t i = 0; i < model->n_hidden; i++)
        add_layer(size, model->hidden[i], norm);
}

static size_estimate estimate_network(const bal_recipe *recipe, const bal_dataset *dataset) {
    size_estimate size = {.width = dataset->table->features};
    add_trunk(&size, &recipe->model);
    double trunk = size.width;
    for (int32_t h = 0; h < recipe->n_heads; h++) {
        size.width = trunk;
        for (int32_t i = 0; i < recipe->heads[h].n_hidden; i++)
            add_layer(&size, recipe->heads[h].hidden[i], false);
        add_layer(&size, dataset->heads[h].outputs, false);
    }
    return size;
}

/* Training keeps weights, gradients and moments, and two copies of weights and moments (the last
 * healthy state, the one being written); units forward and backward for a batch, forward for an
 * evaluation batch; and the table. */
static double estimate_bytes(const bal_recipe *recipe, const bal_dataset *dataset,
                             const size_estimate *size) {
    const bal_optimizer *optimizer = bal_optimizer_find(recipe->optimizer.kind);
    double moments = optimizer ? optimizer->n_moments : 2;
    double numbers = size->weights * (1 + 3 * (1 + moments));
    double input = dataset->table->features;
    numbers += (double)recipe->train.batch_size * (2 * size->units + input);
    numbers += (double)recipe->train.eval_batch * (size->units + input);
    numbers += (double)dataset->table->rows * input;
    return numbers * sizeof(float);
}

double bal_check_memory_share(const bal_check *check, const bal_check_stage *stage) {
    if (!check->facts || check->facts->memory_bytes == 0) return 0;
    size_estimate size = estimate_network(stage->recipe, check->dataset);
    return estimate_bytes(stage->recipe, check->dataset, &size) /
           (double)check->facts->memory_bytes;
}

static const double crowded = 0.8;

static void look_at_memory(bal_check *check) {
    bal_check_each_stage (stage, check) {
        double share = bal_check_memory_share(check, stage);
        if (share <= crowded) continue;
        size_estimate size = estimate_network(stage->recipe, check->dataset);
        double have = (double)check->facts->memory_bytes, need = share * have;
        bal_check_find_as(
            check, share > 1 ? BAL_CHECK_ERROR : BAL_CHECK_WARNING, stage, "model",
            "about %.3g GiB are needed for %.4g weights and batches of %lld rows; the "
            "machine has %.3g GiB",
            need / (1 << 30), size.weights, (long long)stage->recipe->train.batch_size,
            have / (1 << 30));
    }
}

const bal_check_rule bal_rule_memory = {
    .id = "memory",
    .severity = BAL_CHECK_ERROR,
    .summary = "The run needs more memory than the machine has.",
    .why = "Estimated from the recipe: weights, gradients, moments and two copies of the state; "
           "the units of a training batch forward and backward and of an evaluation batch "
           "forward; the table. An error above the machine's memory, a warning above 80 % of it.",
    .fix = "Make model, train.batch_size or train.eval_batch smaller.",
    .needs_data = true,
    .look = look_at_memory,
};
