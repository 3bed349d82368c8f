/* Architectures: functions that turn an input [B,D] into features [B,F] for the heads. One entry
 * each. */
#ifndef BAL_NN_MODEL_H
#define BAL_NN_MODEL_H

#include "nn/net.h"

typedef struct bal_model_options {
    const int32_t *hidden; /* mlp: widths */
    int32_t n_hidden;
    int32_t width;  /* residual: width of the trunk */
    int32_t blocks; /* residual: number of residual blocks */
    int32_t out;    /* residual: features handed to the heads; 0: width */
    bal_activation activation;
    double slope;
    bal_norm_kind norm;
    bool l2_input;         /* L2-normalise each input row first */
    const double *dropout; /* one rate per hidden layer or block */
    int32_t n_dropout;
    bal_init_kind init;
} bal_model_options;

typedef struct bal_model {
    const char *name;
    const char *summary;
    const char *source;
    bal_value (*build)(bal_net *net, bal_value x, const bal_model_options *options);
} bal_model;

extern const bal_model *const bal_model_table[];
const bal_model *bal_model_find(const char *name);

/** Layers of a head between features and output: HEAD.0, HEAD.1, … then HEAD.output. */
bal_value bal_head_build(bal_net *net, bal_value features, const char *name,
                         const bal_model_options *options, const int32_t *hidden, int32_t n_hidden,
                         const double *dropout, int32_t n_dropout, int64_t outputs);

#endif
