/* model.safetensors: weights, graph, preprocessing and classes in one file, all that prediction
 * needs.
 *
 * Tensors: parameters and running statistics by name, preprocess.{shift,scale,fill} [D]. Metadata:
 * key "ballast" with one JSON object (format, version, name, graph, features, heads), and a digest
 * of both, which version 1 did not have. No time, no path, no machine: the same run gives the same
 * bytes. */
#ifndef BAL_TRAIN_MODEL_FILE_H
#define BAL_TRAIN_MODEL_FILE_H

#include "data/series_feature.h"
#include "format/json_out.h"
#include "train/network.h"

#define BAL_MODEL_VERSION 2

BAL_WARN_UNUSED bal_status bal_model_write(const char *path, const bal_recipe *recipe,
                                           const bal_dataset *dataset, bal_network *network,
                                           bal_error *err);

/** A head of a loaded model. */
typedef struct bal_model_head {
    char *name;
    char *target; /* column or array it was trained on */
    bal_head_kind kind;
    int32_t outputs;
    bool is_log;            /* value: outputs are logarithms of what is wanted */
    bal_class_list classes; /* classes, binary */
    double *prior;          /* [C], or [K] means */
    bal_loss_options loss;  /* as of bal_raw_loss_read; kind NULL: the file does not say */
} bal_model_head;

/** How rows are made of a series, for a model of one. */
typedef struct bal_model_series {
    char *table, *column, *order, *missing; /* as data.table and so on of the recipe */
    int32_t window;
    bool log;
    bal_series_feature *features; /* one per feature name of the model, which they share */
} bal_model_series;

typedef struct bal_predictor bal_predictor;

/** Load a model file. The backend is borrowed. BAL_EFORMAT names what is wrong. */
BAL_WARN_UNUSED bal_status bal_predictor_open(const char *path, bal_backend *backend,
                                              bal_predictor **ret_predictor, bal_error *err);
/** The same from bytes, which are not needed afterwards; `name` stands for them in messages. */
BAL_WARN_UNUSED bal_status bal_predictor_open_memory(const void *bytes, size_t size,
                                                     const char *name, bal_backend *backend,
                                                     bal_predictor **ret_predictor, bal_error *err);
void bal_predictor_close(bal_predictor *predictor);

bal_backend *bal_predictor_backend(const bal_predictor *predictor);
const char *bal_predictor_name(const bal_predictor *predictor);
int32_t bal_predictor_features(const bal_predictor *predictor);
const char *const *bal_predictor_feature_names(const bal_predictor *predictor);
int32_t bal_predictor_heads(const bal_predictor *predictor);
const bal_model_head *bal_predictor_head(const bal_predictor *predictor, int32_t head);
/** How features are scaled before they reach the network. */
const bal_scaler *bal_predictor_scaler(const bal_predictor *predictor);
/** How rows were read when the model was trained: "npz", "csv", "simulated", and for npz the names
 * of the feature arrays. */
const char *bal_predictor_data_kind(const bal_predictor *predictor);
const char *const *bal_predictor_arrays(const bal_predictor *predictor, int32_t *ret_count);

/** NULL for a model of other rows. */
const bal_model_series *bal_predictor_series(const bal_predictor *predictor);

/** Raw outputs (logits or values) for unscaled rows x [rows, D]: ret_outputs[h] is [rows, outputs
 * of h]. Scaling and filling of missing values (NaN) is done here; an infinite feature is BAL_EDATA
 * naming row and feature. Rows are independent: the same row gives the same outputs in any company.
 */
BAL_WARN_UNUSED bal_status bal_predictor_run(bal_predictor *predictor, const float *x, int64_t rows,
                                             float *const *ret_outputs, bal_error *err);

/* ---- answers.c ---- */

/** Probabilities of a head from its raw outputs: softmax [rows, C], or [rows, 2] for binary; NaN
 * for rows whose outputs are not finite. Values are copied. */
void bal_model_head_probabilities(const bal_model_head *head, const float *outputs, int64_t rows,
                                  float *ret_probabilities);
/** Raw outputs of a value head in place of which its values are wanted: logarithms are undone. */
void bal_model_head_undo_transform(const bal_model_head *head, float *outputs, int64_t rows);
/** The class that one row of outputs stands for, as evaluation counts it (bal_predict_class). */
int32_t bal_model_head_class(const bal_model_head *head, const float *outputs);
/** Entropy of a row of probabilities in nats; NaN for NaN. */
double bal_probabilities_entropy(const float *probabilities, int32_t classes);

/** Try the model on `rows` random inputs of the training rows' scale (after scaling standard
 * normal, or uniform in 0..1 for minmax): a model that answers the same to all of them is not
 * listening. Appends one JSON object. */
BAL_WARN_UNUSED bal_status bal_predictor_try(bal_predictor *predictor, int64_t rows, uint64_t seed,
                                             bal_json_out *out, bal_error *err);

#endif
