/* Answers of a model. See predictions.h. */
#include "predictions.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"

static bal_status run(bal_predictions *predictions, bal_predictor *predictor,
                      const bal_table *table, bal_error *err) {
    for (int32_t h = 0; h < bal_predictor_heads(predictor); h++) {
        size_t n = (size_t)table->rows * (size_t)bal_predictor_head(predictor, h)->outputs;
        predictions->outputs[h] = bal_calloc(n, sizeof(float));
        if (!predictions->outputs[h]) return bal_fail_memory(err, n * sizeof(float));
    }
    BAL_TRY(bal_predictor_run(predictor, table->x, table->rows, predictions->outputs, err));
    for (int32_t h = 0; h < bal_predictor_heads(predictor); h++)
        bal_model_head_undo_transform(bal_predictor_head(predictor, h), predictions->outputs[h],
                                      table->rows);
    return BAL_OK;
}

bal_status bal_predictions_make(bal_predictions *predictions, bal_predictor *predictor,
                                const bal_table *table, bal_error *err) {
    bal_predictions made = {.predictor = predictor, .rows = table->rows};
    bal_status status = run(&made, predictor, table, err);
    if (status == BAL_OK)
        *predictions = made;
    else
        bal_predictions_release(&made);
    return status;
}

void bal_predictions_release(bal_predictions *predictions) {
    for (int32_t h = 0; h < BAL_HEADS_MAX; h++) {
        bal_free(predictions->outputs[h]);
        predictions->outputs[h] = NULL;
    }
}

bal_answer bal_predictions_answer(const bal_predictions *predictions, int32_t head, int64_t row,
                                  float *p) {
    const bal_model_head *about = bal_predictor_head(predictions->predictor, head);
    const float *outputs = predictions->outputs[head] + row * about->outputs;
    int32_t class_id = bal_model_head_class(about, outputs);
    bal_model_head_probabilities(about, outputs, 1, p);
    return (bal_answer){
        .class_id = class_id,
        .confidence = class_id >= 0 ? p[class_id] : NAN,
        .entropy = (float)bal_probabilities_entropy(p, about->classes.count),
    };
}

int32_t bal_predictions_classes_max(const bal_predictions *predictions) {
    int32_t most = 1;
    for (int32_t h = 0; h < bal_predictor_heads(predictions->predictor); h++) {
        int32_t classes = bal_predictor_head(predictions->predictor, h)->classes.count;
        if (classes > most) most = classes;
    }
    return most;
}

void bal_predictions_name(const bal_predictions *predictions, int32_t head, const char *name,
                          const char *detail, bal_text *ret_name) {
    const bal_predictor *predictor = predictions->predictor;
    bal_text_clear(ret_name);
    if (bal_predictor_heads(predictor) > 1)
        bal_text_printf(ret_name, "%s.", bal_predictor_head(predictor, head)->name);
    bal_text_printf(ret_name, "%s%s", name, detail);
}
