/* The question, asked: one run as the recipe is, runs on shuffled labels, the verdict. See
 * train/signal.h. */
#include "train/signal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/signal_fit.h"
#include "train/units.h"

/* The default budget, in multiplications and additions of all runs together: about a minute on two
 * cores. Counted and not timed, so that the same command gives the same answer on any machine. */
static const double budget = 1.5e12;
static const double budget_refits = 1e13; /* with --permutations, which are asked for */

/** Everything the question needs, in the order it is made. */
typedef struct inquiry {
    const bal_recipe *recipe;
    const bal_signal_options *options;
    bal_signal *signal;
    bal_dataset *dataset;
    bal_backend *backend;
    int64_t *rank; /* [table rows] group or place in time; NULL: as they come */
    bal_signal_truth truth[BAL_HEADS_MAX]; /* of the test rows */
    bal_signal_watch watch;
} inquiry;

static void release_inquiry(inquiry *q) {
    for (int32_t h = 0; h < BAL_HEADS_MAX; h++)
        bal_signal_truth_release(&q->truth[h]);
    bal_free(q->rank);
    bal_backend_close(q->backend);
    bal_dataset_free(q->dataset);
}

/* ---- what depends on what ---- */

/** A shuffle of some of the table's rows: place i is table row rows[index ? index[i] : i]. */
static bal_status make_shuffle(const inquiry *q, const int64_t *rows, const int64_t *index,
                               int64_t n, bal_shuffle *ret_shuffle, bal_error *err) {
    int64_t *rank = NULL;
    if (q->rank) {
        rank = bal_calloc((size_t)n, sizeof *rank);
        if (!rank) return bal_fail_memory(err, (size_t)n * sizeof *rank);
        for (int64_t i = 0; i < n; i++)
            rank[i] = q->rank[rows[index ? index[i] : i]];
    }
    bal_status status = bal_shuffle_init(ret_shuffle, q->signal->unit, rank, n, err);
    bal_free(rank);
    return status;
}

/** Labels as numbers, in the order of the shuffle: a 1 in the column of the class, or the values.
 */
static void spread_labels(const bal_signal_truth *truth, const bal_shuffle *shuffle, float *out) {
    size_t width = (size_t)truth->width;
    for (int64_t place = 0; place < truth->n; place++) {
        int64_t i = shuffle->order ? shuffle->order[place] : place;
        if (truth->labels)
            out[(size_t)place * width + (size_t)truth->labels[i]] = 1;
        else
            memcpy(out + (size_t)place * width, truth->targets + (size_t)i * width,
                   width * sizeof *out);
    }
}

static void spread_forecast(const bal_signal_truth *truth, const bal_shuffle *shuffle,
                            const float *forecast, float *out) {
    size_t width = (size_t)truth->width;
    for (int64_t place = 0; place < truth->n; place++) {
        int64_t i = shuffle->order ? shuffle->order[place] : place;
        memcpy(out + (size_t)place * width, forecast + (size_t)i * width, width * sizeof *out);
    }
}

/** Length of blocks for the labels of a truth and, where there is one, a forecast of them. */
static bal_status find_block(const bal_signal_truth *truth, const float *forecast,
                             bal_shuffle *shuffle, int64_t *ret_block, bal_error *err) {
    size_t cells = (size_t)truth->n * (size_t)truth->width;
    *ret_block = 1;
    if (shuffle->kind != BAL_SHUFFLE_BLOCKS) return BAL_OK;
    float *labels = bal_calloc(cells, sizeof *labels);
    float *ordered = forecast ? bal_calloc(cells, sizeof *ordered) : NULL;
    bal_status status = BAL_OK;
    if (labels && (ordered || !forecast)) {
        spread_labels(truth, shuffle, labels);
        if (forecast) spread_forecast(truth, shuffle, forecast, ordered);
        *ret_block =
            bal_shuffle_block_length(labels, truth->width, ordered, truth->width, truth->n);
    } else {
        status = bal_fail_memory(err, 2 * cells * sizeof *labels);
    }
    bal_free(labels);
    bal_free(ordered);
    return status;
}

/* ---- shuffled labels ---- */

/** The labels of all heads as the data has them. */
typedef struct saved_labels {
    int32_t *labels[BAL_HEADS_MAX];
    float *targets[BAL_HEADS_MAX];
} saved_labels;

static void release_saved(saved_labels *saved) {
    for (int32_t h = 0; h < BAL_HEADS_MAX; h++) {
        bal_free(saved->labels[h]);
        bal_free(saved->targets[h]);
    }
}

static bal_status save_labels(const bal_dataset *dataset, saved_labels *saved, bal_error *err) {
    size_t rows = (size_t)dataset->table->rows;
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        const bal_head_data *head = &dataset->heads[h];
        size_t values = rows * (size_t)head->outputs;
        if (head->labels) {
            saved->labels[h] = bal_calloc(rows, sizeof *head->labels);
            if (!saved->labels[h]) return bal_fail_memory(err, rows * sizeof *head->labels);
            memcpy(saved->labels[h], head->labels, rows * sizeof *head->labels);
        }
        if (head->targets) {
            saved->targets[h] = bal_calloc(values, sizeof *head->targets);
            if (!saved->targets[h]) return bal_fail_memory(err, values * sizeof *head->targets);
            memcpy(saved->targets[h], head->targets, values * sizeof *head->targets);
        }
    }
    return BAL_OK;
}

/** Row `to` of every head takes over the labels that row `from` had. */
static void take_labels(bal_dataset *dataset, const saved_labels *saved, int64_t to, int64_t from) {
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        bal_head_data *head = &dataset->heads[h];
        size_t width = (size_t)head->outputs;
        if (head->labels) head->labels[to] = saved->labels[h][from];
        if (head->targets)
            memcpy(head->targets + (size_t)to * width, saved->targets[h] + (size_t)from * width,
                   width * sizeof(float));
    }
}

/** Blocks long enough for the labels of every head. */
static bal_status set_block_of_part(const inquiry *q, int part, bal_shuffle *shuffle,
                                    bal_error *err) {
    const bal_split *split = &q->dataset->split;
    int64_t longest = 1;
    if (shuffle->kind != BAL_SHUFFLE_BLOCKS) return BAL_OK;
    for (int32_t h = 0; h < q->dataset->n_heads; h++) {
        bal_signal_truth truth;
        bal_shuffle labelled = {0};
        int64_t block = 1;
        BAL_TRY(bal_signal_truth_init(&truth, &q->dataset->heads[h], split->rows[part],
                                      split->count[part], err));
        bal_status status =
            make_shuffle(q, split->rows[part], truth.index, truth.n, &labelled, err);
        if (status == BAL_OK) status = find_block(&truth, NULL, &labelled, &block, err);
        bal_shuffle_release(&labelled);
        bal_signal_truth_release(&truth);
        BAL_TRY(status);
        if (block > longest) longest = block;
    }
    bal_shuffle_set_block(shuffle, longest);
    return BAL_OK;
}

/** The rows of one part trade labels; a row's labels of several heads stay together. */
static bal_status shuffle_part(const inquiry *q, const saved_labels *saved, int part,
                               uint64_t stream, bal_error *err) {
    const int64_t *rows = q->dataset->split.rows[part];
    int64_t n = q->dataset->split.count[part];
    bal_shuffle shuffle = {0};
    bal_random random;
    int64_t *source = bal_calloc((size_t)n, sizeof *source);
    bal_status status = source ? make_shuffle(q, rows, NULL, n, &shuffle, err)
                               : bal_fail_memory(err, (size_t)n * sizeof *source);
    if (status == BAL_OK) status = set_block_of_part(q, part, &shuffle, err);
    if (status == BAL_OK) {
        bal_random_init(&random, (uint64_t)q->recipe->seed, stream);
        bal_shuffle_permute(&shuffle, &random, source);
        for (int64_t i = 0; i < n; i++)
            take_labels(q->dataset, saved, rows[i], rows[source[i]]);
    }
    bal_shuffle_release(&shuffle);
    bal_free(source);
    return status;
}

static void restore_labels(const inquiry *q, const saved_labels *saved) {
    for (int64_t row = 0; row < q->dataset->table->rows; row++)
        take_labels(q->dataset, saved, row, row);
}

/* ---- runs ---- */

/** Forecast of the test rows by what a run kept; the caller's to free. */
static bal_status forecast_of(const bal_signal_truth *truth, const bal_signal_kept *kept,
                              float **ret_forecast, bal_error *err) {
    size_t cells = (size_t)truth->n * (size_t)truth->width;
    float *forecast = bal_calloc(cells, sizeof *forecast);
    if (!forecast) return bal_fail_memory(err, cells * sizeof *forecast);
    bal_forecast(truth, &kept->calibration, kept->outputs, forecast);
    *ret_forecast = forecast;
    return BAL_OK;
}

static double mean_of(const double *values, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    return n > 0 ? sum / (double)n : NAN;
}

/** Recall of a class that is always answered: 1 for itself, 0 for every other that there is. */
static double prior_balanced_accuracy(const bal_signal_truth *truth) {
    const bal_head_data *head = truth->head;
    int32_t answer = 0, present = 0;
    bool has_answer = false;
    if (!truth->labels || truth->n == 0) return NAN;
    for (int32_t c = 1; c < truth->width; c++)
        if (head->train_counts[c] > head->train_counts[answer]) answer = c;
    for (int32_t c = 0; c < truth->width; c++) {
        bool found = false;
        for (int64_t i = 0; i < truth->n && !found; i++)
            found = truth->labels[i] == c;
        present += found;
        if (c == answer) has_answer = found;
    }
    return (double)has_answer / (double)present;
}

/** What the run on the labels as they are says about a head. */
static bal_status judge_head(inquiry *q, const bal_signal_fit *fit, int32_t h, bal_error *err) {
    const bal_signal_truth *truth = &q->truth[h];
    const bal_signal_kept *kept = &fit->kept[h];
    const bal_signal_options *options = q->options;
    bal_signal_head *head = &q->signal->heads[h];
    bal_shuffle shuffle = {0};
    bal_chance chance;
    float *forecast = NULL;
    bal_status status;
    BAL_TRY_OUT(forecast_of(truth, kept, &forecast, err));
    BAL_TRY_OUT(make_shuffle(q, q->dataset->split.rows[BAL_SPLIT_TEST], truth->index, truth->n,
                             &shuffle, err));
    BAL_TRY_OUT(find_block(truth, forecast, &shuffle, &head->block, err));
    bal_shuffle_set_block(&shuffle, head->block);
    BAL_TRY_OUT(bal_forecast_chance(truth, forecast, &shuffle, BAL_SIGNAL_LEVEL,
                                    (uint64_t)q->recipe->seed, options->cancel, options->user,
                                    &chance, err));
    head->rows = truth->n;
    head->units = shuffle.units;
    head->epoch = kept->epoch;
    head->sharpness = kept->calibration.sharpness;
    head->skill = bal_forecast_skill(truth, forecast, NULL);
    head->low = chance.low;
    head->high = chance.high;
    head->p = chance.p;
    head->permutations = chance.permutations;
    head->prior_loss = mean_of(truth->prior_loss, truth->n);
    head->loss = head->prior_loss * (1 - head->skill);
    head->balanced_accuracy = kept->balanced_accuracy;
    head->prior_balanced_accuracy = prior_balanced_accuracy(truth);
    head->detectable =
        bal_detectable_skill(truth, shuffle.kind == BAL_SHUFFLE_GROUPS ? shuffle.units : truth->n);
out:
    bal_shuffle_release(&shuffle);
    bal_free(forecast);
    return status;
}

static bal_status judge(inquiry *q, const bal_signal_fit *fit, bal_error *err) {
    for (int32_t h = 0; h < q->signal->n_heads; h++)
        BAL_TRY(judge_head(q, fit, h, err));
    return BAL_OK;
}

/** Skill on the untouched test rows after training on shuffled labels. */
static bal_status note_shuffled(inquiry *q, const bal_signal_fit *fit, int32_t run,
                                bal_error *err) {
    for (int32_t h = 0; h < q->signal->n_heads; h++) {
        float *forecast = NULL;
        BAL_TRY(forecast_of(&q->truth[h], &fit->kept[h], &forecast, err));
        q->signal->heads[h].shuffled[run] = bal_forecast_skill(&q->truth[h], forecast, NULL);
        bal_free(forecast);
    }
    return BAL_OK;
}

static void report_end(inquiry *q, double skill) {
    bal_signal_progress *progress = &q->watch.progress;
    if (!q->options->progress) return;
    progress->seconds = bal_clock_seconds() - q->watch.started;
    progress->finished = true;
    progress->skill = skill;
    q->options->progress(q->options->user, progress);
    progress->finished = false;
}

static bal_status run_as_it_is(inquiry *q, bal_error *err) {
    bal_signal_fit fit;
    BAL_TRY(bal_signal_fit_run(&fit, q->recipe, q->recipe->seed, q->dataset, q->backend, &q->watch,
                               err));
    bal_status status = judge(q, &fit, err);
    bal_signal_fit_release(&fit);
    if (status == BAL_OK) report_end(q, q->signal->heads[q->signal->judged].skill);
    return status;
}

/** Run number `run` from 0: shuffled labels, and weights and batches of another seed. */
static bal_status run_shuffled(inquiry *q, const saved_labels *saved, int32_t run, bal_error *err) {
    bal_signal_fit fit;
    int64_t seed = q->recipe->seed + (int64_t)bal_signal_stages(q->recipe) * (run + 1);
    q->watch.progress.run = run + 1;
    for (int part = BAL_SPLIT_TRAIN; part <= BAL_SPLIT_VAL; part++)
        BAL_TRY(shuffle_part(q, saved, part, (uint64_t)(2 * run + part) + bal_hash_name("signal"),
                             err));
    bal_status status =
        bal_signal_fit_run(&fit, q->recipe, seed, q->dataset, q->backend, &q->watch, err);
    if (status == BAL_OK) {
        status = note_shuffled(q, &fit, run, err);
        bal_signal_fit_release(&fit);
    }
    restore_labels(q, saved);
    if (status == BAL_OK) report_end(q, q->signal->heads[q->signal->judged].shuffled[run]);
    return status;
}

static bal_status run_all(inquiry *q, bal_error *err) {
    saved_labels saved = {0};
    bal_status status;
    BAL_TRY_OUT(run_as_it_is(q, err));
    BAL_TRY_OUT(save_labels(q->dataset, &saved, err));
    for (int32_t run = 0; run < q->signal->runs; run++)
        BAL_TRY_OUT(run_shuffled(q, &saved, run, err));
out:
    release_saved(&saved);
    return status;
}

/* ---- the verdict ---- */

static double p_of_runs(int32_t reached, int32_t runs) {
    return (double)(reached + 1) / (double)(runs + 1);
}

/** Runs on shuffled labels are held to the same p as all else, once there are enough of them to
 *  reach it. The best of them alone would be a bar that rises with their number. */
static bool shuffled_does_as_well(const bal_signal_head *head, int32_t runs) {
    return head->reached > 0 && !(p_of_runs(head->reached, runs) < BAL_SIGNAL_ALPHA);
}

bal_signal_verdict bal_signal_judge(const bal_signal_head *head, int32_t runs, bool refits) {
    bool beats_prior = head->low > 0, beats_chance = head->p < BAL_SIGNAL_ALPHA;
    bool shuffled = shuffled_does_as_well(head, runs);
    if (beats_prior && beats_chance && !shuffled) return BAL_SIGNAL_FOUND;
    if (beats_prior && shuffled && (beats_chance || refits)) return BAL_SIGNAL_SHUFFLED;
    if (head->detectable >= BAL_SIGNAL_TOO_FEW) return BAL_SIGNAL_TOO_FEW_ROWS;
    return beats_prior || beats_chance ? BAL_SIGNAL_UNSURE : BAL_SIGNAL_NONE;
}

static void decide(bal_signal *signal) {
    for (int32_t h = 0; h < signal->n_heads; h++) {
        bal_signal_head *head = &signal->heads[h];
        for (int32_t run = 0; run < signal->runs; run++)
            head->reached += !(head->shuffled[run] < head->skill);
        if (signal->refits) {
            head->p = p_of_runs(head->reached, signal->runs);
            head->permutations = signal->runs;
        }
        head->verdict = bal_signal_judge(head, signal->runs, signal->refits);
        head->signal = head->verdict == BAL_SIGNAL_FOUND;
    }
}

/* ---- making ready ---- */

static bal_status check_parts(const bal_dataset *dataset, bal_error *err) {
    static const int parts[] = {BAL_SPLIT_VAL, BAL_SPLIT_TEST};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (dataset->split.count[parts[i]] == 0)
            return bal_fail(err, BAL_EDATA,
                            "no %s rows: raise data.split.%s; whether there is anything to learn "
                            "shows on rows that were not learned from",
                            bal_split_name((bal_split_part)parts[i]),
                            bal_split_name((bal_split_part)parts[i]));
    return BAL_OK;
}

static bal_status name_heads(inquiry *q, bal_error *err) {
    bal_signal *signal = q->signal;
    const bal_dataset *dataset = q->dataset;
    bal_metric_path monitor;
    const bal_recipe *last = bal_signal_stage(q->recipe, bal_signal_stages(q->recipe) - 1);
    BAL_TRY(bal_metric_path_parse(last->monitor, &monitor, err));
    signal->n_heads = dataset->n_heads;
    signal->name = bal_arena_strdup(&signal->arena, q->recipe->name);
    signal->heads =
        bal_arena_alloc(&signal->arena, (size_t)dataset->n_heads, sizeof *signal->heads);
    if (!signal->heads || !signal->name) return bal_fail_memory(err, sizeof *signal->heads);
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        const bal_head_data *data = &dataset->heads[h];
        bal_signal_head *head = &signal->heads[h];
        head->name = bal_arena_strdup(&signal->arena, data->recipe->name);
        head->shuffled =
            bal_arena_alloc(&signal->arena, (size_t)signal->runs + 1, sizeof *head->shuffled);
        if (!head->name || !head->shuffled) return bal_fail_memory(err, sizeof *head->shuffled);
        head->kind = data->recipe->kind;
        for (int32_t stage = 0; stage < bal_signal_stages(q->recipe); stage++)
            head->trained |= bal_signal_stage(q->recipe, stage)->heads[h].weight != 0;
        if (strcmp(head->name, monitor.head) == 0) signal->judged = h;
        BAL_TRY(bal_signal_truth_init(&q->truth[h], data, dataset->split.rows[BAL_SPLIT_TEST],
                                      dataset->split.count[BAL_SPLIT_TEST], err));
    }
    return BAL_OK;
}

/** Test rows of one class look the same in any order: no forecast can be told from the prior. */
static bal_status check_classes(const inquiry *q, bal_error *err) {
    const bal_signal_truth *truth = &q->truth[q->signal->judged];
    const bal_head_data *head = truth->head;
    if (!truth->labels || truth->n == 0) return BAL_OK;
    for (int64_t i = 1; i < truth->n; i++)
        if (truth->labels[i] != truth->labels[0]) return BAL_OK;
    return bal_fail(
        err, BAL_EDATA,
        "all test rows of head '%s' are of class '%s', so that they cannot show whether "
        "there is anything to learn; change data.split",
        head->recipe->name, head->classes.names[truth->labels[0]]);
}

/** Epochs that the budget allows, and how long all of it will take here. */
static bal_status plan_epochs(inquiry *q, bal_error *err) {
    bal_signal *signal = q->signal;
    const bal_signal_options *options = q->options;
    bal_signal_cost cost;
    BAL_TRY(bal_signal_measure(q->recipe, q->dataset, q->backend, &cost, err));
    double runs = signal->runs + 1;
    double epochs = floor((signal->refits ? budget_refits : budget) / (runs * cost.work));
    signal->recipe_epochs = bal_signal_epochs(q->recipe);
    signal->epochs =
        (int64_t)fmax(bal_signal_stages(q->recipe), fmin(epochs, (double)signal->recipe_epochs));
    if (options->full) signal->epochs = signal->recipe_epochs;
    if (options->epochs > 0) signal->epochs = options->epochs;
    q->watch.progress = (bal_signal_progress){
        .runs = signal->runs,
        .epochs = signal->epochs,
        .estimate = runs * (double)signal->epochs * cost.seconds,
        .starting = true,
        .unit = bal_shuffle_name(signal->unit),
    };
    if (options->progress) options->progress(options->user, &q->watch.progress);
    q->watch.progress.starting = false;
    return BAL_OK;
}

static bal_status prepare(inquiry *q, bal_error *err) {
    const bal_backend_options backend = {.threads = q->options->threads, .isa = q->options->isa};
    bal_signal *signal = q->signal;
    signal->refits = q->options->permutations > 0;
    signal->runs = signal->refits          ? q->options->permutations
                   : q->options->runs >= 0 ? q->options->runs
                                           : BAL_SIGNAL_RUNS;
    BAL_TRY(bal_dataset_new(q->recipe, &q->options->log, &q->dataset, err));
    BAL_TRY(check_parts(q->dataset, err));
    BAL_TRY(bal_dataset_tell_duplicates(q->dataset, &q->options->log, err));
    BAL_TRY(bal_backend_open(NULL, &backend, &q->backend, err));
    signal->unit = bal_units_of(q->recipe);
    signal->test_rows = q->dataset->split.count[BAL_SPLIT_TEST];
    BAL_TRY(bal_units_rank(q->dataset->table, q->recipe->data.split.column, &q->rank, err));
    BAL_TRY(name_heads(q, err));
    BAL_TRY(check_classes(q, err));
    return plan_epochs(q, err);
}

bal_status bal_signal_test(const bal_recipe *recipe, const bal_signal_options *options,
                           bal_signal *ret_signal, bal_error *err) {
    bal_signal signal = {0};
    inquiry q = {.recipe = recipe, .options = options, .signal = &signal};
    q.watch.options = options;
    q.watch.started = bal_clock_seconds();
    bal_status status = prepare(&q, err);
    if (status == BAL_OK) status = run_all(&q, err);
    release_inquiry(&q);
    if (status != BAL_OK) {
        bal_signal_release(&signal);
        return status;
    }
    decide(&signal);
    signal.seconds = bal_clock_seconds() - q.watch.started;
    *ret_signal = signal;
    return BAL_OK;
}

void bal_signal_release(bal_signal *signal) {
    bal_arena_release(&signal->arena);
    *signal = (bal_signal){0};
}
