/* The network of a run: one store of weights on one device, and the programs that use it.
 *
 * Programs are made for a batch size when first needed and kept: training (forward, losses,
 * gradients, update), evaluation (inference form, outputs and raw losses). What may change from
 * step to step without a new program (learning rates, clipping, class weights, random counter) are
 * inputs in one small control buffer. */
#ifndef BAL_TRAIN_NETWORK_H
#define BAL_TRAIN_NETWORK_H

#include "data/batch.h"
#include "nn/model.h"
#include "train/dataset.h"

#define BAL_HEADS_MAX 15 /* one batch field each, beside the features */

/** Field numbers of a batch: features first, then one target per head. */
enum { BAL_FIELD_X = 0, BAL_FIELD_HEAD = 1 };

typedef struct bal_network bal_network;

BAL_WARN_UNUSED bal_status bal_network_new(const bal_recipe *recipe, const bal_dataset *dataset,
                                           bal_backend *backend, bal_network **ret_network,
                                           bal_error *err);
void bal_network_free(bal_network *network);

bal_store *bal_network_store(bal_network *network);
/** Number of trained weights. */
int64_t bal_network_weights(const bal_network *network);
int32_t bal_network_groups(const bal_network *network);
/** Options of a parameter group: the recipe's optimiser with the group's own settings. */
const bal_optimizer_options *bal_network_group(const bal_network *network, int32_t group);

/** What a training step is told. */
typedef struct bal_step_controls {
    uint64_t seed;
    int64_t step;       /* random counter */
    int64_t updates;    /* updates applied so far: the moments' corrections follow it */
    const double *rate; /* [groups] learning rates */
    double clip_norm;
} bal_step_controls;

/** What a training step gives back. */
typedef struct bal_step_result {
    double loss; /* Σ head weight · head loss */
    double head_loss[BAL_HEADS_MAX];
    double head_weight[BAL_HEADS_MAX]; /* what each mean was divided by */
    double grad_norm;
    bool applied; /* false: the gradient was not finite and nothing was changed */
} bal_step_result;

/** Compile what is needed for batches of this size, if it is not there. */
BAL_WARN_UNUSED bal_status bal_network_prepare(bal_network *network, const bal_batch *batch,
                                               bal_error *err);
/** One optimiser step on a batch. */
BAL_WARN_UNUSED bal_status bal_network_step(bal_network *network, const bal_batch *batch,
                                            const bal_step_controls *controls,
                                            bal_step_result *ret_result, bal_error *err);

/** Run the inference form on a batch. Outputs go to outputs[h] ([size, outputs of head h]); losses
 * are raw: no class weights, no head shares. */
BAL_WARN_UNUSED bal_status bal_network_evaluate(bal_network *network, const bal_batch *batch,
                                                float *const *outputs, double *ret_loss,
                                                double *ret_weight, bal_error *err);

/** Class weights of a head from now on (as many as it has classes). */
BAL_WARN_UNUSED bal_status bal_network_set_class_weights(bal_network *network, int32_t head,
                                                         const double *weights, bal_error *err);

/** Factor on gamma of focal losses that are trained on, from now on; 1 at the start. The raw losses
 * of evaluations keep the recipe's. Programs for training are made anew when it changes. */
void bal_network_set_gamma_scale(bal_network *network, double scale);

/** Reset and read the peak activity of relu units: the share that stayed 0. NaN when there are
 * none. */
BAL_WARN_UNUSED bal_status bal_network_reset_activity(bal_network *network, bal_error *err);
BAL_WARN_UNUSED bal_status bal_network_dead_share(bal_network *network, double *ret_share,
                                                  bal_error *err);

/** The inference graph for one batch size: input "x", outputs named "head.NAME". The caller frees
 * it. */
BAL_WARN_UNUSED bal_status bal_network_inference_graph(bal_network *network, int64_t batch,
                                                       bal_graph **ret_graph,
                                                       bal_value *ret_outputs, bal_error *err);

/** Text listing of the training graph for a batch size, after all passes. */
BAL_WARN_UNUSED bal_status bal_network_dump(bal_network *network, int64_t batch, bal_text *out,
                                            bal_error *err);

#endif
