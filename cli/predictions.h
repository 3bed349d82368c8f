/* Answers of a model for all rows of a table, and the files they go to. */
#ifndef BAL_CLI_PREDICTIONS_H
#define BAL_CLI_PREDICTIONS_H

#include "data/table.h"
#include "train/model_file.h"

/** Raw outputs of every head; what they mean is worked out while writing, row by row. */
typedef struct bal_predictions {
    const bal_predictor *predictor;
    int64_t rows;
    float *outputs[BAL_HEADS_MAX]; /* [rows, outputs of the head] */
} bal_predictions;

/** One row of a head with classes. */
typedef struct bal_answer {
    int32_t class_id; /* −1: the outputs are not finite */
    float confidence; /* probability of that class; NaN without one */
    float entropy;    /* nats */
} bal_answer;

/** Run the model on the rows of a table, missing values filled in by the model. */
BAL_WARN_UNUSED bal_status bal_predictions_make(bal_predictions *predictions,
                                                bal_predictor *predictor, const bal_table *table,
                                                bal_error *err);
void bal_predictions_release(bal_predictions *predictions);

/** The answer of a head for one row; probabilities go to p, as many as it has classes. */
bal_answer bal_predictions_answer(const bal_predictions *predictions, int32_t head, int64_t row,
                                  float *p);

/** Most classes of any head, at least 1. */
int32_t bal_predictions_classes_max(const bal_predictions *predictions);

/** Names of columns and arrays: NAME for a model of one head, HEAD.NAME for one of several. */
void bal_predictions_name(const bal_predictions *predictions, int32_t head, const char *name,
                          const char *detail, bal_text *ret_name);

/** row,class,confidence,entropy,p_CLASS… per head, in the order of the input, rows from 1. To a
 * file as one step, or to standard output when path is "-". */
BAL_WARN_UNUSED bal_status bal_predictions_write_csv(const bal_predictions *predictions,
                                                     const char *path, bal_error *err);

/** predictions [N] i32, probabilities [N,C] f32, entropy [N] f32, classes [C] text per head; values
 *  [N,K] f32 for heads that predict numbers. */
BAL_WARN_UNUSED bal_status bal_predictions_write_npz(const bal_predictions *predictions,
                                                     const char *path, bal_error *err);

#endif
