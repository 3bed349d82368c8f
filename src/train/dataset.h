/* The data of a run, ready to train on: table read, labels encoded, rows split, features scaled
 * with what the training rows say, class weights and priors known. */
#ifndef BAL_TRAIN_DATASET_H
#define BAL_TRAIN_DATASET_H

#include "data/classes.h"
#include "data/scaler.h"
#include "data/split.h"
#include "data/table.h"
#include "recipe/recipe.h"

/** One head fitted to the data. Row arrays have one entry per table row. */
typedef struct bal_head_data {
    const bal_recipe_head *recipe;
    bal_class_list classes; /* classes, binary; empty for value */
    int32_t outputs;        /* columns of the head's output: C, 1 or K */
    int32_t *labels;        /* classes, binary: id or −1; NULL for value */
    float *targets;         /* binary: 0, 1 or NaN; value: [rows, K]; NULL for classes */
    int64_t *train_counts;  /* [C] */
    double *prior;          /* [C] training frequencies; value: [K] training means */
    double *class_weights;  /* [C] as the recipe asks; NULL: none */
} bal_head_data;

typedef struct bal_dataset {
    bal_table *table; /* x is scaled */
    bal_split split;
    bal_scaler scaler;
    bal_head_data *heads;
    int32_t n_heads;
    uint64_t digest;        /* of features, targets and split: the same numbers train the same */
    int64_t unknown_labels; /* rows left out because their label is not known */
} bal_dataset;

/** Load everything a recipe's data section describes. BAL_EDATA, BAL_ERECIPE, BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_dataset_new(const bal_recipe *recipe, const bal_log_sink *log,
                                           bal_dataset **ret_dataset, bal_error *err);
/** The same without what is learned from the training rows: table->x as it is, labels and split,
 *  but no scaler, priors, counts, class weights or digest. For evaluating a model that brings
 *  these. */
BAL_WARN_UNUSED bal_status bal_dataset_read(const bal_recipe *recipe, const bal_log_sink *log,
                                            bal_dataset **ret_dataset, bal_error *err);
/** Take heads and class weights from another recipe of the same data and heads: a stage's. */
BAL_WARN_UNUSED bal_status bal_dataset_use(bal_dataset *dataset, const bal_recipe *recipe,
                                           bal_error *err);
void bal_dataset_free(bal_dataset *dataset);

/** Warn of validation and test rows that are rows of train too: for whoever uses the data without
 *  the rules of `ballast check`, which say it better. */
BAL_WARN_UNUSED bal_status bal_dataset_tell_duplicates(const bal_dataset *dataset,
                                                       const bal_log_sink *log, bal_error *err);

/** Column or array that holds a head's target: its own `target`, else the data section's. */
const char *bal_head_target(const bal_recipe *recipe, const bal_recipe_head *head);

/** Table options for a recipe's data section; column names go to `ret_columns` (room for n_heads +
 * 1). */
void bal_dataset_table_options(const bal_recipe *recipe, const char **ret_columns,
                               bal_table_options *ret_options);

#endif
