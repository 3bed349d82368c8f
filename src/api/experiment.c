/* Experiments and training for users of the library. See ballast/ballast.h.
 *
 * A thin layer: handles around what src/train/ offers, structures of the public header made from
 * those of the inside, so that the inside may change. */
#include "ballast/ballast.h"

#include <math.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "check/check.h"
#include "format/json.h"
#include "report/report.h"
#include "train/run.h"

const char *bal_version(void) {
    return BAL_LIBRARY_VERSION;
}

/* ---- experiments ---- */

struct bal_experiment {
    bal_recipe *recipe;
};

static bal_status check_overrides(const char *const *overrides, size_t n, bal_error *err) {
    if (!overrides && n > 0) return bal_fail(err, BAL_EINVAL, "%zu overrides, but NULL", n);
    if (n > INT32_MAX) return bal_fail(err, BAL_EINVAL, "%zu overrides are too many", n);
    for (size_t i = 0; i < n; i++)
        if (!overrides[i]) return bal_fail(err, BAL_EINVAL, "override %zu is NULL", i);
    return BAL_OK;
}

/** Takes the recipe over. */
static bal_status wrap_recipe(bal_recipe *recipe, bal_experiment **ret_experiment, bal_error *err) {
    bal_experiment *experiment = bal_calloc(1, sizeof *experiment);
    if (!experiment) {
        bal_recipe_free(recipe);
        return bal_fail_memory(err, sizeof *experiment);
    }
    experiment->recipe = recipe;
    *ret_experiment = experiment;
    return BAL_OK;
}

bal_status bal_experiment_load(const char *path, const char *const *overrides, size_t n_overrides,
                               bal_experiment **ret_experiment, bal_error *err) {
    bal_recipe *recipe;
    if (!path || !ret_experiment)
        return bal_fail(err, BAL_EINVAL, "bal_experiment_load: path and ret_experiment are wanted");
    BAL_TRY(check_overrides(overrides, n_overrides, err));
    BAL_TRY(bal_recipe_load(path, overrides, (int32_t)n_overrides, &recipe, err));
    return wrap_recipe(recipe, ret_experiment, err);
}

bal_status bal_experiment_parse(const char *text, const char *folder, const char *const *overrides,
                                size_t n_overrides, bal_experiment **ret_experiment,
                                bal_error *err) {
    bal_recipe *recipe;
    if (!text || !ret_experiment)
        return bal_fail(err, BAL_EINVAL,
                        "bal_experiment_parse: text and ret_experiment are wanted");
    BAL_TRY(check_overrides(overrides, n_overrides, err));
    BAL_TRY(bal_recipe_parse(text, "recipe", folder ? folder : ".", overrides, (int32_t)n_overrides,
                             &recipe, err));
    return wrap_recipe(recipe, ret_experiment, err);
}

void bal_experiment_free(bal_experiment *experiment) {
    if (!experiment) return;
    bal_recipe_free(experiment->recipe);
    bal_free(experiment);
}

const char *bal_experiment_name(const bal_experiment *experiment) {
    return experiment->recipe->name;
}

const char *bal_experiment_resolved(const bal_experiment *experiment) {
    return experiment->recipe->resolved;
}

/* ---- callbacks ---- */

/* The numbers are part of the ABI; the inside must keep to them. */
_Static_assert((int)BAL_EVENT_START == (int)BAL_PROGRESS_START &&
                   (int)BAL_EVENT_STEP == (int)BAL_PROGRESS_STEP &&
                   (int)BAL_EVENT_EVALUATION == (int)BAL_PROGRESS_EVALUATION &&
                   (int)BAL_EVENT_INCIDENT == (int)BAL_PROGRESS_INCIDENT &&
                   (int)BAL_EVENT_ROLLBACK == (int)BAL_PROGRESS_ROLLBACK &&
                   (int)BAL_EVENT_END == (int)BAL_PROGRESS_END &&
                   (int)BAL_EVENT_STAGE == (int)BAL_PROGRESS_STAGE,
               "kinds of events");
_Static_assert((int)BAL_MESSAGE_DEBUG == (int)BAL_LOG_DEBUG &&
                   (int)BAL_MESSAGE_INFO == (int)BAL_LOG_INFO &&
                   (int)BAL_MESSAGE_WARNING == (int)BAL_LOG_WARN &&
                   (int)BAL_MESSAGE_ERROR == (int)BAL_LOG_ERROR,
               "levels of messages");

static void pass_event(void *user, const bal_progress *progress) {
    const bal_train_options *options = user;
    const bal_event event = {
        .size = sizeof event,
        .kind = (bal_event_kind)progress->kind,
        .run = progress->run,
        .monitor = progress->monitor,
        .message = progress->message,
        .epoch = progress->epoch,
        .epochs = progress->epochs,
        .batch = progress->batch,
        .batches = progress->batches,
        .step = progress->step,
        .loss = progress->loss,
        .learning_rate = progress->lr,
        .gradient_norm = progress->grad_norm,
        .val_loss = progress->val_loss,
        .monitored = progress->monitored,
        .best = progress->best,
        .improved = progress->improved,
        .eligible = progress->eligible,
        .classes = progress->classes,
        .classes_predicted = progress->unique_predictions,
        .accuracy = progress->accuracy,
        .entropy = progress->normalized_entropy,
        .seconds = progress->seconds,
        .seconds_left = progress->eta_seconds,
        .stage = progress->stage,
        .stage_index = progress->stage_index,
        .stages = progress->stages,
    };
    options->on_event(options->user, &event);
}

static int pass_question(void *user) {
    const bal_train_options *options = user;
    return options->should_stop(options->user);
}

static void pass_message(void *user, bal_log_level level, const char *message) {
    const bal_train_options *options = user;
    options->on_message(options->user, (bal_message_level)level, message);
}

/** The options as this library knows them, from a caller that may know fewer or more. */
static bal_status take_options(const bal_train_options *given, bal_train_options *ret_options,
                               bal_error *err) {
    *ret_options = bal_train_options_make();
    if (!given) return BAL_OK;
    if (given->size < sizeof given->size || given->size > 65536)
        return bal_fail(err, BAL_EINVAL,
                        "bal_train_options.size is %zu; make options with bal_train_options_make",
                        given->size);
    memcpy(ret_options, given,
           given->size < sizeof *ret_options ? given->size : sizeof *ret_options);
    ret_options->size = sizeof *ret_options;
    if (ret_options->threads < 0)
        return bal_fail(err, BAL_EINVAL, "%d threads; wanted 0 (all) or more",
                        ret_options->threads);
    return BAL_OK;
}

/** `options` must outlive the run. */
static bal_run_options run_options(bal_train_options *options) {
    return (bal_run_options){
        .folder = options->run_folder,
        .threads = options->threads,
        .inspect = bal_check_before_run,
        .hooks =
            {
                .progress = options->on_event ? pass_event : NULL,
                .cancel = options->should_stop ? pass_question : NULL,
                .user = options,
                .log =
                    {
                        .write = options->on_message ? pass_message : NULL,
                        .user = options,
                        .level = BAL_LOG_DEBUG,
                    },
            },
    };
}

/* ---- results ---- */

struct bal_result {
    bal_run_result run;
    json_t *summary;
    char *model; /* path, NULL: none */
};

static bal_status read_summary(bal_result *result, bal_error *err) {
    BAL_TRY(bal_json_parse(result->run.summary.data, result->run.summary.length, "summary",
                           &result->summary, err));
    const char *model = json_string_value(json_object_get(result->summary, "model"));
    if (!model) return BAL_OK;
    result->model = bal_path_join(result->run.folder, model);
    return result->model ? BAL_OK : bal_fail_memory(err, 0);
}

/** Takes the run's result over. */
static bal_status wrap_result(bal_run_result *run, bal_result **ret_result, bal_error *err) {
    bal_result *result = bal_calloc(1, sizeof *result);
    if (!result) {
        bal_run_result_release(run);
        return bal_fail_memory(err, sizeof *result);
    }
    result->run = *run;
    bal_status status = read_summary(result, err);
    if (status == BAL_OK)
        *ret_result = result;
    else
        bal_result_free(result);
    return status;
}

/** A run without its report is complete all the same. */
static void draw(const bal_run_result *run, bool wanted, const bal_log_sink *log) {
    bal_error err = {0};
    bool pictures = wanted && run->outcome != BAL_OUTCOME_INTERRUPTED;
    if (bal_report_run(run->folder, pictures, log, &err) != BAL_OK)
        bal_log_printf(log, BAL_LOG_WARN, "no report: %s", err.message);
}

bal_status bal_train(const bal_experiment *experiment, const bal_train_options *options,
                     bal_result **ret_result, bal_error *err) {
    bal_train_options known;
    bal_run_result run;
    if (!experiment || !ret_result)
        return bal_fail(err, BAL_EINVAL, "bal_train: experiment and ret_result are wanted");
    BAL_TRY(take_options(options, &known, err));
    bal_run_options how = run_options(&known);
    BAL_TRY(bal_run_train(experiment->recipe, &how, &run, err));
    draw(&run, experiment->recipe->report.plots, &how.hooks.log);
    return wrap_result(&run, ret_result, err);
}

/** Whether the recipe of a run wants plots. */
static bool wants_plots(const char *folder) {
    char *path = bal_path_join(folder, BAL_RUN_RESOLVED);
    bal_recipe *recipe;
    bool plots = false;
    if (path && bal_recipe_load(path, NULL, 0, &recipe, NULL) == BAL_OK) {
        plots = recipe->report.plots;
        bal_recipe_free(recipe);
    }
    bal_free(path);
    return plots;
}

bal_status bal_resume(const char *run_folder, const bal_train_options *options,
                      bal_result **ret_result, bal_error *err) {
    bal_train_options known;
    bal_run_result run;
    if (!run_folder || !ret_result)
        return bal_fail(err, BAL_EINVAL, "bal_resume: run_folder and ret_result are wanted");
    BAL_TRY(take_options(options, &known, err));
    bal_run_options how = run_options(&known);
    BAL_TRY(bal_run_resume(run_folder, &how, &run, err));
    draw(&run, wants_plots(run_folder), &how.hooks.log);
    return wrap_result(&run, ret_result, err);
}

void bal_result_free(bal_result *result) {
    if (!result) return;
    json_decref(result->summary);
    bal_run_result_release(&result->run);
    bal_free(result->model);
    bal_free(result);
}

bal_ending bal_result_ending(const bal_result *result) {
    switch (result->run.outcome) {
    case BAL_OUTCOME_STOPPED:
        return BAL_ENDING_STOPPED;
    case BAL_OUTCOME_COLLAPSED:
        return BAL_ENDING_COLLAPSED;
    case BAL_OUTCOME_INTERRUPTED:
        return BAL_ENDING_INTERRUPTED;
    default:
        return BAL_ENDING_DONE;
    }
}

static int64_t integer_at(const bal_result *result, const char *key) {
    return json_integer_value(json_object_get(result->summary, key));
}

const char *bal_result_run(const bal_result *result) {
    return result->run.folder;
}
const char *bal_result_model(const bal_result *result) {
    return result->model;
}
int64_t bal_result_epochs(const bal_result *result) {
    return integer_at(result, "epochs");
}
int64_t bal_result_best_epoch(const bal_result *result) {
    return integer_at(result, "best_epoch");
}
int64_t bal_result_incidents(const bal_result *result) {
    return integer_at(result, "incidents");
}
int64_t bal_result_rollbacks(const bal_result *result) {
    return integer_at(result, "rollbacks");
}
const char *bal_result_json(const bal_result *result) {
    return result->run.summary.data;
}

double bal_result_metric(const bal_result *result, const char *path) {
    bal_metric_path parsed;
    double value = NAN;
    if (bal_metric_path_parse(path, &parsed, NULL) != BAL_OK || parsed.class_name[0]) return NAN;
    const json_t *heads = json_object_get(result->summary, parsed.split);
    bal_json_number(json_object_get(json_object_get(heads, parsed.head), parsed.metric), &value);
    return value;
}
