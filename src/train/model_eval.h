/* How good a model file is on labelled rows, answered the way prediction answers: rows as they are,
 * scaled by the model, classes by the model's list. */
#ifndef BAL_TRAIN_MODEL_EVAL_H
#define BAL_TRAIN_MODEL_EVAL_H

#include "train/evaluate.h"
#include "train/model_file.h"
#include "train/shuffle.h"

/** A recipe whose data and heads are those of a model, for rows that come without one: data.kind by
 *  the file name in data.path (NULL: only from overrides), targets and feature arrays as in
 *  training, all rows in one split. Overrides as of bal_recipe_load; relative paths in them are
 *  those of the working folder. */
BAL_WARN_UNUSED bal_status bal_model_eval_recipe(const bal_predictor *predictor, const char *path,
                                                 const char *const *overrides, int32_t n_overrides,
                                                 bal_recipe **ret_recipe, bal_error *err);

typedef struct bal_model_eval {
    bal_dataset *dataset; /* rows as they are, labels by the model's classes */
    bal_eval_set set;     /* outputs and scores of the rows evaluated */
    /** What a bootstrap draws: by the recipe's split; groups of "all" rows, whose column is not
     * read, are rows, and times are taken to be those of the rows as they stand. */
    bal_shuffle_kind unit;
    int64_t *rank; /* [table rows], owned; NULL: as they come */
} bal_model_eval;

/** Evaluate rows that a recipe describes: those of its split ("train", "val", "test") or "all". The
 *  recipe's class lists and features are replaced by the model's, and it must outlive the result.
 *  Loss is the raw mean, as while training, of the loss that the model was trained on: the model
 *  file names it, with its parameters; where an older one does not, the recipe's.
 *  Errors  BAL_EDATA when a label is none of the model's classes (unless data.unknown is skip),
 * when the features do not fit, when the split has no labelled row; BAL_ERECIPE for heads that the
 * model does not have. */
BAL_WARN_UNUSED bal_status bal_model_eval_init(bal_model_eval *eval, bal_predictor *predictor,
                                               bal_recipe *recipe, const char *split,
                                               const bal_log_sink *log, bal_error *err);
void bal_model_eval_release(bal_model_eval *eval);

#endif
