/* What the next step depends on besides tensors: plain numbers, listed once, written as JSON.
 *
 * Together with the store's tensors and the guard's memory this is the whole state of a run: what
 * a checkpoint holds and a rollback restores. Doubles are written so that they read back as the
 * same bits. */
#ifndef BAL_TRAIN_STATE_H
#define BAL_TRAIN_STATE_H

#include <stdint.h>

#include "base/text.h"
#include "format/json.h"
#include "optim/schedule.h"
#include "train/network.h"

/* kind, field. I: int64_t, D: double. Order is the order in files. */
#define BAL_STATE_FIELDS(I, D)                                                                     \
    I(stage)              /* of the recipe, from 0; 0 where it has none */                         \
    I(epochs_before)      /* of the stages before this one */                                      \
    I(steps_before)       /* likewise */                                                           \
    I(evaluations_before) /* likewise */                                                           \
    I(epoch)              /* finished epochs of the stage */                                       \
    I(batch)              /* batches done in the epoch under way */                                \
    I(step)               /* steps over the run: the random counter */                             \
    I(updates)            /* updates applied: the moments' corrections follow it */                \
    I(evaluation)         /* evaluations done */                                                   \
    I(attempt)            /* rollbacks behind us */                                                \
    I(batch_size)         /* in force (remedies may change it) */                                  \
    I(shuffle_salt)       /* added to the seed of the row order (remedies may change it) */        \
    D(lr_scale)           /* product of remedies on the learning rate */                           \
    D(clip_norm)          /* in force */                                                           \
    D(weight_exponent)    /* class weights in force are w^this */                                  \
    D(gamma_scale)        /* factor of remedies on gamma of focal losses */                        \
    D(norm_max)           /* largest gradient norm since the last evaluation */                    \
    D(plateau_best)       /* schedule: patience */                                                 \
    I(plateau_bad)                                                                                 \
    I(plateau_cooldown)                                                                            \
    D(plateau_scale)                                                                               \
    D(stop_best) /* early stopping: patience */                                                    \
    I(stop_bad)                                                                                    \
    I(best_epoch) /* 0: none eligible yet */                                                       \
    I(best_evaluation)                                                                             \
    D(best_value)

typedef struct bal_train_state {
#define BAL_STATE_INT(field) int64_t field;
#define BAL_STATE_DOUBLE(field) double field;
    BAL_STATE_FIELDS(BAL_STATE_INT, BAL_STATE_DOUBLE)
#undef BAL_STATE_INT
#undef BAL_STATE_DOUBLE
    double head_loss_sum[BAL_HEADS_MAX]; /* Σ loss · weight since the last evaluation */
    double head_weight_sum[BAL_HEADS_MAX];
} bal_train_state;

void bal_train_state_init(bal_train_state *state, const bal_recipe *recipe);

/** One JSON object. */
void bal_train_state_write(const bal_train_state *state, bal_json_out *out);
/** BAL_EFORMAT names a field that is missing or of the wrong kind. */
BAL_WARN_UNUSED bal_status bal_train_state_read(bal_train_state *state, json_t *object,
                                                bal_error *err);

#endif
