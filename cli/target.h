/* What a user means by RUN or MODEL on a command line, opened for prediction. */
#ifndef BAL_CLI_TARGET_H
#define BAL_CLI_TARGET_H

#include "backend/backend.h"
#include "train/model_file.h"

typedef struct bal_target {
    char *run;   /* folder, NULL when a model file was named */
    char *model; /* path of the model file */
    bal_backend *backend;
    bal_predictor *predictor;
} bal_target;

/** Open a run folder's model or a model file. BAL_ENOTFOUND says what is there instead. */
BAL_WARN_UNUSED bal_status bal_target_open(bal_target *target, const char *path, int threads,
                                           bal_error *err);
void bal_target_close(bal_target *target);

#endif
