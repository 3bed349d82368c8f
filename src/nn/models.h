/* The architectures there are; one line each here and in model.c's table. */
#ifndef BAL_NN_MODELS_H
#define BAL_NN_MODELS_H

#include "nn/model.h"

extern const bal_model bal_model_mlp;
extern const bal_model bal_model_residual;

#endif
