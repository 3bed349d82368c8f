/* The numbers of a run's state and their JSON form. See train/state.h. */
#include "train/state.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

void bal_train_state_init(bal_train_state *state, const bal_recipe *recipe) {
    *state = (bal_train_state){
        .batch_size = recipe->train.batch_size,
        .lr_scale = 1,
        .clip_norm = recipe->optimizer.clip_norm,
        .weight_exponent = 1,
        .gamma_scale = 1,
        .plateau_best = NAN,
        .plateau_scale = 1,
        .stop_best = NAN,
        .best_value = NAN,
    };
}

void bal_train_state_write(const bal_train_state *state, bal_json_out *out) {
    bal_json_out_object(out);
#define WRITE_INT(field) bal_json_out_named_integer(out, #field, state->field);
#define WRITE_DOUBLE(field) bal_json_out_named_number(out, #field, state->field);
    BAL_STATE_FIELDS(WRITE_INT, WRITE_DOUBLE)
#undef WRITE_INT
#undef WRITE_DOUBLE
    bal_json_out_named_numbers(out, "head_loss_sum", state->head_loss_sum, BAL_HEADS_MAX);
    bal_json_out_named_numbers(out, "head_weight_sum", state->head_weight_sum, BAL_HEADS_MAX);
    bal_json_out_object_end(out);
}

static bal_status missing(const char *field, bal_error *err) {
    return bal_fail(err, BAL_EFORMAT, "checkpoint state: no usable '%s'", field);
}

static bal_status read_row(const json_t *object, const char *field, double *ret_values,
                           bal_error *err) {
    const json_t *row = json_object_get(object, field);
    if (json_array_size(row) != BAL_HEADS_MAX) return missing(field, err);
    for (size_t i = 0; i < BAL_HEADS_MAX; i++)
        if (!bal_json_number(json_array_get(row, i), &ret_values[i])) return missing(field, err);
    return BAL_OK;
}

bal_status bal_train_state_read(bal_train_state *state, json_t *object, bal_error *err) {
    bal_train_state read = {0};
#define READ_INT(field)                                                                            \
    if (!json_is_integer(json_object_get(object, #field))) return missing(#field, err);            \
    read.field = json_integer_value(json_object_get(object, #field));
#define READ_DOUBLE(field)                                                                         \
    if (!bal_json_number(json_object_get(object, #field), &read.field)) return missing(#field, err);
    BAL_STATE_FIELDS(READ_INT, READ_DOUBLE)
#undef READ_INT
#undef READ_DOUBLE
    BAL_TRY(read_row(object, "head_loss_sum", read.head_loss_sum, err));
    BAL_TRY(read_row(object, "head_weight_sum", read.head_weight_sum, err));
    if (read.stage < 0 || read.epochs_before < 0 || read.steps_before < 0 ||
        read.evaluations_before < 0 || read.epoch < 0 || read.batch < 0 || read.step < 0 ||
        read.batch_size < 1)
        return bal_fail(err, BAL_EFORMAT, "checkpoint state: a counter is negative");
    *state = read;
    return BAL_OK;
}
