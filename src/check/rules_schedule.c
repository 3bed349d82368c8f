/* Rules about how long, how fast and in what portions a recipe trains. */
#include <math.h>
#include <string.h>

#include "check/check_context.h"
#include "check/check_table.h"

static int64_t evaluations_of(const bal_recipe *recipe) {
    int64_t every = recipe->train.eval_every > 0 ? recipe->train.eval_every : 1;
    return (recipe->train.epochs + every - 1) / every;
}

/* ---- batch-norm-batch ---- */

enum { BATCH_MIN = 16 };

static void look_at_batch_norm(bal_check *check) {
    bal_check_each_stage (stage, check) {
        int64_t batch = stage->recipe->train.batch_size;
        if (strcmp(stage->recipe->model.norm, "batch") != 0 || batch >= BATCH_MIN) continue;
        bal_check_find(check, stage, "train.batch_size",
                       "batches of %lld rows with model.norm: batch; mean and variance of so few "
                       "rows are off by %.0f %% of a standard deviation",
                       (long long)batch, 100 / sqrt((double)batch));
    }
}

const bal_check_rule bal_rule_batch_norm_batch = {
    .id = "batch-norm-batch",
    .severity = BAL_CHECK_WARNING,
    .summary = "Batches are too small for batch normalisation.",
    .why = "Batch normalisation estimates mean and variance from the rows of one batch; below 16 "
           "rows the estimate is mostly noise, and what validation sees (running statistics) "
           "differs from what training saw. Fires below 16 rows with `norm: batch`.",
    .fix = "Raise train.batch_size to 32 or more, or take model.norm: layer.",
    .look = look_at_batch_norm,
};

/* ---- tiny-batch ---- */

static const int64_t few_rows = 1000;

static void look_at_batch(bal_check *check) {
    const bal_dataset *dataset = check->dataset;
    if (dataset && dataset->split.count[BAL_SPLIT_TRAIN] < few_rows) return;
    bal_check_each_stage (stage, check) {
        int64_t batch = stage->recipe->train.batch_size;
        if (batch >= BATCH_MIN) continue;
        if (dataset)
            bal_check_find(check, stage, "train.batch_size",
                           "batches of %lld of %lld training rows; each step follows the noise of "
                           "so few",
                           (long long)batch, (long long)dataset->split.count[BAL_SPLIT_TRAIN]);
        else
            bal_check_find(check, stage, "train.batch_size",
                           "batches of %lld rows; each step follows the noise of so few",
                           (long long)batch);
    }
}

const bal_check_rule bal_rule_tiny_batch = {
    .id = "tiny-batch",
    .severity = BAL_CHECK_WARNING,
    .summary = "Batches are so small that steps follow noise.",
    .why = "The noise of a gradient falls with the square root of the batch. In batches of 8 or 4 "
           "a rare class is often missing altogether and then, weighted, in command: recorded on "
           "a threshold system whose stages went from 16 rows to 8 to 4. Fires below 16 rows when "
           "there are at least 1000 to train on.",
    .fix = "Set train.batch_size to 32 or more; for a gentler last stage lower the learning rate.",
    .look = look_at_batch,
};

/* ---- patience-too-long ---- */

/* A few evaluations are never too long to wait. */
static const int64_t short_patience = 6;

static void look_at_patience(bal_check *check) {
    bal_check_each_stage (stage, check) {
        int64_t patience = stage->recipe->stop.patience;
        int64_t evaluations = evaluations_of(stage->recipe);
        if (patience < short_patience || patience < evaluations - 2 * patience) continue;
        bal_check_find(check, stage, "stop.patience",
                       "%lld evaluations without improvement are waited for, of %lld in all",
                       (long long)patience, (long long)evaluations);
    }
}

const bal_check_rule bal_rule_patience_too_long = {
    .id = "patience-too-long",
    .severity = BAL_CHECK_WARNING,
    .summary = "Early stopping waits for a third of the run or more.",
    .why = "A patience of a third of the evaluations seldom stops anything: recorded with a "
           "patience of 50 of 150 on a run that was best at epoch 6 and then got worse for fifty "
           "more. Fires when `stop.patience` is at least a third of the evaluations that there "
           "will be, and 6 or more. Without patience (0) the best weights are kept all the same.",
    .fix = "Set stop.patience to about a tenth of the evaluations.",
    .look = look_at_patience,
};

/* ---- early-lr-drop ---- */

static void look_at_steps(bal_check *check) {
    bal_check_each_stage (stage, check) {
        const bal_recipe *recipe = stage->recipe;
        const bal_schedule_options *options = &recipe->schedule.options;
        if (strcmp(options->kind, "step") != 0) continue;
        for (int32_t i = 0; i < options->n_steps; i++) {
            const bal_schedule_step *step = &options->steps[i];
            if (!(step->factor < 1)) continue;
            if (step->epoch <= recipe->train.epochs - 2 * step->epoch)
                bal_check_find(check, stage, "schedule.at",
                               "the learning rate drops to ×%.4g at epoch %lld of %lld",
                               step->factor, (long long)step->epoch,
                               (long long)recipe->train.epochs);
            break;
        }
    }
}

const bal_check_rule bal_rule_early_lr_drop = {
    .id = "early-lr-drop",
    .severity = BAL_CHECK_WARNING,
    .summary = "The learning rate drops before the model can have settled.",
    .why = "A drop freezes what has been found so far. In the first third of a run that is seldom "
           "more than the easy part; recorded with a drop at epoch 50 of 150. Fires when the "
           "first step of a `step` schedule that lowers the rate comes within the first third of "
           "the stage's epochs.",
    .fix = "Move the first drop into the second half of the epochs, or take schedule: cosine.",
    .look = look_at_steps,
};

/* ---- plateau-after-stop ---- */

static void look_at_plateau(bal_check *check) {
    bal_check_each_stage (stage, check) {
        const bal_recipe *recipe = stage->recipe;
        int64_t wait = recipe->schedule.options.patience, stop = recipe->stop.patience;
        if (strcmp(recipe->schedule.options.kind, "plateau") != 0) continue;
        if (stop <= 0 || wait < stop || strcmp(recipe->schedule.monitor, recipe->monitor) != 0)
            continue;
        bal_check_find(check, stage, "schedule.patience",
                       "the schedule waits for %lld evaluations without improvement before it "
                       "lowers the rate, but the run stops after %lld",
                       (long long)wait, (long long)stop);
    }
}

const bal_check_rule bal_rule_plateau_after_stop = {
    .id = "plateau-after-stop",
    .severity = BAL_CHECK_WARNING,
    .summary = "The run stops before its schedule can lower the learning rate.",
    .why = "Schedule and early stopping count the same evaluations. With `schedule.patience` at "
           "least `stop.patience` the rate never drops. Fires when both watch the same metric.",
    .fix = "Set schedule.patience to a third of stop.patience.",
    .look = look_at_plateau,
};
