/* Predictions as arrays. See predictions.h. */
#include "base/error.h"
#include "base/memory.h"
#include "format/npz.h"
#include "predictions.h"

typedef struct npz_job {
    const bal_predictions *predictions;
    bal_npz_writer *npz;
    bal_text name;
} npz_job;

static bal_status name_array(npz_job *job, int32_t head, const char *name, bal_error *err) {
    bal_predictions_name(job->predictions, head, name, "", &job->name);
    return bal_text_failed(&job->name) ? bal_fail_memory(err, 0) : BAL_OK;
}

static bal_status add(npz_job *job, int32_t head, const char *name, bal_dtype dtype,
                      bal_shape shape, void *data, bal_error *err) {
    bal_tensor tensor = {.dtype = dtype, .shape = shape, .data = data};
    BAL_TRY(name_array(job, head, name, err));
    return bal_npz_writer_add(job->npz, job->name.data, &tensor, err);
}

static bal_status add_classes(npz_job *job, int32_t h, bal_error *err) {
    const bal_model_head *head = bal_predictor_head(job->predictions->predictor, h);
    int64_t rows = job->predictions->rows;
    int32_t classes = head->classes.count;
    bal_shape vector = BAL_SHAPE1(rows), matrix = BAL_SHAPE2(rows, classes);
    bal_shape names = BAL_SHAPE1(classes);
    int32_t *ids = bal_calloc((size_t)rows, sizeof *ids);
    float *entropy = bal_calloc((size_t)rows, sizeof *entropy);
    float *p = bal_calloc((size_t)rows * (size_t)classes, sizeof *p);
    bal_status status = BAL_OK;
    if (!ids || !entropy || !p)
        status = bal_fail_memory(err, (size_t)rows * (size_t)classes * sizeof *p);
    for (int64_t row = 0; status == BAL_OK && row < rows; row++) {
        bal_answer answer = bal_predictions_answer(job->predictions, h, row, p + row * classes);
        ids[row] = answer.class_id;
        entropy[row] = answer.entropy;
    }
    if (status == BAL_OK) status = add(job, h, "predictions", BAL_I32, vector, ids, err);
    if (status == BAL_OK) status = add(job, h, "probabilities", BAL_F32, matrix, p, err);
    if (status == BAL_OK) status = add(job, h, "entropy", BAL_F32, vector, entropy, err);
    if (status == BAL_OK) status = name_array(job, h, "classes", err);
    if (status == BAL_OK)
        status = bal_npz_writer_add_text(job->npz, job->name.data,
                                         (const char *const *)head->classes.names, &names, err);
    bal_free(p);
    bal_free(entropy);
    bal_free(ids);
    return status;
}

static bal_status add_values(npz_job *job, int32_t h, bal_error *err) {
    const bal_model_head *head = bal_predictor_head(job->predictions->predictor, h);
    bal_shape matrix = BAL_SHAPE2(job->predictions->rows, head->outputs);
    return add(job, h, "values", BAL_F32, matrix, job->predictions->outputs[h], err);
}

bal_status bal_predictions_write_npz(const bal_predictions *predictions, const char *path,
                                     bal_error *err) {
    const bal_predictor *predictor = predictions->predictor;
    npz_job job = {.predictions = predictions};
    bal_status status = bal_npz_writer_open(path, true, &job.npz, err);
    for (int32_t h = 0; status == BAL_OK && h < bal_predictor_heads(predictor); h++)
        status = bal_predictor_head(predictor, h)->kind == BAL_HEAD_VALUE
                     ? add_values(&job, h, err)
                     : add_classes(&job, h, err);
    bal_text_release(&job.name);
    if (status == BAL_OK) return bal_npz_writer_commit(job.npz, err);
    bal_npz_writer_abort(job.npz);
    return status;
}
