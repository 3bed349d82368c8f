/* The inside of bal_network, for network.c (weights, steps) and network_program.c (graphs). */
#ifndef BAL_TRAIN_NETWORK_PRIVATE_H
#define BAL_TRAIN_NETWORK_PRIVATE_H

#include "train/network.h"

/** A compiled program and the values the trainer talks to. */
typedef struct bal_network_program {
    int64_t batch;
    bool training;
    bal_graph *graph;
    bal_program *program;
    bal_value x;
    bal_value target[BAL_HEADS_MAX];
    bal_value output[BAL_HEADS_MAX];
    bal_value loss[BAL_HEADS_MAX];
    bal_value weight[BAL_HEADS_MAX]; /* what the loss's mean was divided by */
    bal_value total;                 /* training: Σ share · loss */
    bal_value norm;                  /* training: of all gradients */
} bal_network_program;

struct bal_network {
    const bal_recipe *recipe;
    const bal_dataset *dataset;
    bal_backend *backend;
    bal_store store;
    bal_net net; /* keeps how entries start */
    bal_model_options model;
    bal_optimizer_options *groups;
    int32_t n_groups;
    double gamma_scale;   /* of focal losses, training */
    bal_buffer *controls; /* rng, hyper-parameters per group, class weights per head */
    bal_network_program *programs;
    size_t n_programs, programs_capacity;
};

/* ---- network.c ---- */

/** Where the hyper-parameters of a group and the class weights of a head lie in `controls`; the
 *  random counter is at 0. */
size_t bal_network_hyper_offset(int32_t group);
size_t bal_network_class_weight_offset(const bal_network *network, int32_t head);

/** The group of a parameter: the first whose pattern matches, else the last, the default. */
int32_t bal_network_group_of(const bal_network *network, const char *name);
bool bal_network_is_frozen(const bal_network *network, const char *name);

/* ---- network_program.c ---- */

/** The program for a batch's size, compiled when it is not there yet. Valid until the next call. */
BAL_WARN_UNUSED bal_status bal_network_program_get(bal_network *network, const bal_batch *batch,
                                                   bool training, bal_network_program **ret_program,
                                                   bal_error *err);
void bal_network_program_release(bal_network_program *program);

/** Declare weights and statistics in the store by building the inference form once. */
BAL_WARN_UNUSED bal_status bal_network_declare(bal_network *network, bal_error *err);

#endif
