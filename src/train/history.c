/* The rows a run writes while it goes: metrics.jsonl and results.csv at every evaluation,
 * incidents.jsonl; and the two logs made from them at the end, training_log.json and
 * diversity_history.json. The first three hold everything that happened, the last two only the way
 * that led to the weights: what was rolled back is not in them. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json_out.h"
#include "train/trainer.h"

/** Receives the columns of one evaluation row, in order. */
typedef void (*column_fn)(void *to, const char *head, const char *name, double value);

/** Metrics of every evaluation: those that are cheap and need no class. */
static bool is_row_metric(const bal_metric *metric, const bal_recipe_head *head) {
    return metric->cheap && bal_head_has_metric(head, metric);
}

static void each_head_metric(const bal_trainer *trainer, int32_t h, column_fn column, void *to) {
    const bal_recipe_head *head = trainer->dataset->heads[h].recipe;
    const char *reason;
    column(to, head->name, "loss", trainer->val.loss[h]);
    for (const bal_metric *const *metric = bal_metric_table; *metric; metric++)
        if (is_row_metric(*metric, head))
            column(to, head->name, (*metric)->name,
                   (*metric)->compute(trainer->val.scores[h], -1, &reason));
}

/** Both recalls of a decision; a class whose name would upset a table goes by number.
 */
static void each_side(const bal_trainer *trainer, int32_t h, column_fn column, void *to) {
    const bal_head_data *head = &trainer->dataset->heads[h];
    if (head->recipe->kind != BAL_HEAD_BINARY) return;
    const bal_metric *recall = bal_metric_find("recall");
    for (int32_t c = 0; c < 2; c++) {
        const char *class_name = head->classes.names[c];
        char name[96];
        if (strlen(class_name) > 64 || strpbrk(class_name, ",\"\r\n"))
            snprintf(name, sizeof name, "recall[%d]", (int)c);
        else
            snprintf(name, sizeof name, "recall[%s]", class_name);
        column(to, head->recipe->name, name, recall->compute(trainer->val.scores[h], c, NULL));
    }
}

static bool has_stability(const bal_trainer *trainer, int32_t h) {
    return trainer->dataset->heads[h].recipe->kind == BAL_HEAD_BINARY;
}

static void put_json(void *to, const char *head, const char *name, double value) {
    bal_json_out_named_number(to, name, value);
}

static void write_train_losses(const bal_trainer *trainer, bal_json_out *out) {
    bal_json_out_key(out, "train");
    bal_json_out_object(out);
    bal_json_out_named_number(out, "loss", bal_trainer_loss(trainer));
    for (int32_t h = 0; h < trainer->dataset->n_heads; h++) {
        bal_json_out_key(out, trainer->dataset->heads[h].recipe->name);
        bal_json_out_object(out);
        bal_json_out_named_number(out, "loss", bal_trainer_head_loss(trainer, h));
        bal_json_out_object_end(out);
    }
    bal_json_out_object_end(out);
}

static void write_val_metrics(const bal_trainer *trainer, bal_json_out *out) {
    bal_json_out_key(out, "val");
    bal_json_out_object(out);
    for (int32_t h = 0; h < trainer->dataset->n_heads; h++) {
        bal_json_out_key(out, trainer->dataset->heads[h].recipe->name);
        bal_json_out_object(out);
        each_head_metric(trainer, h, put_json, out);
        each_side(trainer, h, put_json, out);
        if (has_stability(trainer, h))
            bal_json_out_named_string(out, "stability", bal_trainer_stability(trainer, h));
        bal_json_out_object_end(out);
    }
    bal_json_out_object_end(out);
}

static void write_json_row(const bal_trainer *trainer, const bal_decision *decision,
                           double monitored, bal_text *text) {
    const bal_train_state *state = &trainer->state;
    bal_json_out out;
    bal_json_out_init(&out, text, BAL_JSON_LINE);
    bal_json_out_object(&out);
    bal_json_out_named_integer(&out, "epoch", bal_trainer_epoch(trainer));
    if (trainer->whole->n_stages > 0) {
        bal_json_out_named_string(&out, "stage", bal_trainer_stage_name(trainer));
        bal_json_out_named_integer(&out, "stage_epoch", state->epoch);
    }
    bal_json_out_named_integer(&out, "step", state->step);
    bal_json_out_named_integer(&out, "evaluation", state->evaluation);
    bal_json_out_named_integer(&out, "attempt", state->attempt);
    bal_json_out_named_number(&out, "lr", trainer->rates[bal_network_groups(trainer->network) - 1]);
    bal_json_out_named_number(&out, "grad_norm_max", state->norm_max);
    write_train_losses(trainer, &out);
    write_val_metrics(trainer, &out);
    bal_json_out_named_number(&out, "monitor", monitored);
    bal_json_out_named_bool(&out, "eligible", decision->eligible);
    if (!decision->eligible)
        bal_json_out_named_string(&out, "ineligible_reason", decision->ineligible_reason);
    bal_json_out_named_number(&out, "seconds", bal_trainer_seconds(trainer));
    bal_json_out_object_end(&out);
    bal_text_puts(text, "\n");
}

static void put_csv_name(void *to, const char *head, const char *name, double value) {
    bal_text_printf(to, ",val.%s.%s", head, name);
}

static void put_csv_value(void *to, const char *head, const char *name, double value) {
    char number[32];
    bal_text_format_double(value, number);
    bal_text_printf(to, ",%s", number);
}

static void write_csv_row(bal_trainer *trainer, bal_text *text) {
    const bal_train_state *state = &trainer->state;
    int32_t n_heads = trainer->dataset->n_heads;
    bool staged = trainer->whole->n_stages > 0;
    if (trainer->log_size[BAL_LOG_RESULTS] == 0) {
        bal_text_puts(text, "epoch,step,attempt");
        bal_text_puts(text, staged ? ",stage,stage_epoch,train.loss" : ",train.loss");
        for (int32_t h = 0; h < n_heads; h++) {
            each_head_metric(trainer, h, put_csv_name, text);
            each_side(trainer, h, put_csv_name, text);
            if (has_stability(trainer, h))
                put_csv_name(text, trainer->dataset->heads[h].recipe->name, "stability", NAN);
        }
        bal_text_puts(text, "\n");
    }
    bal_text_printf(text, "%lld,%lld,%lld", (long long)bal_trainer_epoch(trainer),
                    (long long)state->step, (long long)state->attempt);
    if (staged)
        bal_text_printf(text, ",%s,%lld", bal_trainer_stage_name(trainer), (long long)state->epoch);
    put_csv_value(text, "", "", bal_trainer_loss(trainer));
    for (int32_t h = 0; h < n_heads; h++) {
        each_head_metric(trainer, h, put_csv_value, text);
        each_side(trainer, h, put_csv_value, text);
        if (has_stability(trainer, h))
            bal_text_printf(text, ",%s", bal_trainer_stability(trainer, h));
    }
    bal_text_puts(text, "\n");
}

bal_status bal_trainer_write_row(bal_trainer *trainer, const bal_decision *decision,
                                 double monitored, bal_error *err) {
    bal_text json = {0}, csv = {0};
    write_json_row(trainer, decision, monitored, &json);
    write_csv_row(trainer, &csv);
    bal_status status = bal_run_folder_append(trainer->folder, BAL_RUN_METRICS, &json,
                                              &trainer->log_size[BAL_LOG_METRICS], err);
    if (status != BAL_OK) {
        bal_text_release(&csv);
        return status;
    }
    return bal_run_folder_append(trainer->folder, BAL_RUN_RESULTS, &csv,
                                 &trainer->log_size[BAL_LOG_RESULTS], err);
}

bal_status bal_trainer_write_incidents(bal_trainer *trainer, const bal_incident *incidents,
                                       int32_t n, bal_error *err) {
    bal_text lines = {0};
    for (int32_t i = 0; i < n; i++)
        bal_incident_json(&incidents[i], bal_trainer_stage_name(trainer), &lines);
    return bal_run_folder_append(trainer->folder, BAL_RUN_INCIDENTS, &lines,
                                 &trainer->log_size[BAL_LOG_INCIDENTS], err);
}

/* ---- logs made at the end ---- */

/** Leave out the rows that a rollback has undone: those before a row of the same or an earlier
 *  epoch. What is left is the way the weights came. */
static bal_status drop_undone(json_t *rows, json_t **ret_kept, bal_error *err) {
    json_t *kept = json_array();
    bool fine = kept != NULL;
    for (size_t i = 0; fine && i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        int64_t epoch = json_integer_value(json_object_get(row, "epoch"));
        size_t n = json_array_size(kept);
        while (n > 0 &&
               json_integer_value(json_object_get(json_array_get(kept, n - 1), "epoch")) >= epoch)
            json_array_remove(kept, --n);
        fine = json_array_append(kept, row) == 0;
    }
    if (fine) {
        *ret_kept = kept;
        return BAL_OK;
    }
    json_decref(kept);
    return bal_fail_memory(err, 0);
}

/** The rows of metrics.jsonl that have not been undone, as an array of objects. */
static bal_status read_rows(const bal_trainer *trainer, json_t **ret_rows, bal_error *err) {
    char *path = bal_run_folder_path(trainer->folder, BAL_RUN_METRICS);
    if (!path) return bal_fail_memory(err, 0);
    json_t *all;
    bal_status status = bal_json_read_lines(path, &all, err);
    bal_free(path);
    if (status != BAL_OK) return status;
    status = drop_undone(all, ret_rows, err);
    json_decref(all);
    return status;
}

static const json_t *value_at(const json_t *row, const char *split, const char *head,
                              const char *name) {
    const json_t *at = split ? json_object_get(row, split) : row;
    if (head) at = json_object_get(at, head);
    return json_object_get(at, name);
}

static void put_value(bal_json_out *out, const json_t *value) {
    double number = NAN;
    if (json_is_string(value))
        bal_json_out_string(out, json_string_value(value));
    else if (json_is_integer(value))
        bal_json_out_integer(out, json_integer_value(value));
    else {
        bal_json_number(value, &number);
        bal_json_out_number(out, number);
    }
}

/** "name": [value of every row] */
static void put_column(bal_json_out *out, const char *key, const json_t *rows, const char *split,
                       const char *head, const char *name) {
    bal_json_out_key(out, key);
    bal_json_out_row(out);
    for (size_t i = 0; i < json_array_size(rows); i++)
        put_value(out, value_at(json_array_get(rows, i), split, head, name));
    bal_json_out_array_end(out);
}

static void put_head_columns(const bal_trainer *trainer, int32_t h, const json_t *rows,
                             bal_json_out *out) {
    const bal_recipe_head *head = trainer->dataset->heads[h].recipe;
    char key[192];
    bool single = trainer->dataset->n_heads == 1;
    snprintf(key, sizeof key, single ? "val_loss" : "val_%s_loss", head->name);
    put_column(out, key, rows, "val", head->name, "loss");
    for (const bal_metric *const *metric = bal_metric_table; *metric; metric++) {
        if (!is_row_metric(*metric, head)) continue;
        if (single)
            snprintf(key, sizeof key, "val_%s", (*metric)->name);
        else
            snprintf(key, sizeof key, "val_%s_%s", head->name, (*metric)->name);
        put_column(out, key, rows, "val", head->name, (*metric)->name);
    }
}

static void write_training_log(const bal_trainer *trainer, const json_t *rows, bal_text *text) {
    bal_json_out out;
    bal_json_out_init(&out, text, 2);
    bal_json_out_object(&out);
    put_column(&out, "epoch", rows, NULL, NULL, "epoch");
    if (trainer->whole->n_stages > 0) {
        put_column(&out, "stage", rows, NULL, NULL, "stage");
        put_column(&out, "stage_epoch", rows, NULL, NULL, "stage_epoch");
    }
    put_column(&out, "lr", rows, NULL, NULL, "lr");
    put_column(&out, "loss", rows, "train", NULL, "loss");
    for (int32_t h = 0; h < trainer->dataset->n_heads; h++)
        put_head_columns(trainer, h, rows, &out);
    bal_json_out_object_end(&out);
    bal_text_puts(text, "\n");
}

static void put_diversity(const bal_head_data *head, const json_t *row, bal_json_out *out) {
    static const char *const names[] = {"unique_predictions", "most_common_share",
                                        "normalized_entropy", "accuracy"};
    const char *name = head->recipe->name;
    bal_json_out_object(out);
    bal_json_out_named_integer(out, "epoch", json_integer_value(json_object_get(row, "epoch")));
    bal_json_out_named_string(out, "head", name);
    bal_json_out_named_integer(out, "classes", head->classes.count);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bal_json_out_key(out, names[i]);
        put_value(out, value_at(row, "val", name, names[i]));
    }
    bal_json_out_object_end(out);
}

/** Every few epochs, and at the last evaluation. */
static void write_diversity(const bal_trainer *trainer, const json_t *rows, bal_text *text) {
    int64_t every = trainer->recipe->report.diversity_every;
    size_t n_rows = json_array_size(rows);
    bal_json_out out;
    bal_json_out_init(&out, text, 2);
    bal_json_out_array(&out);
    for (size_t i = 0; i < n_rows; i++) {
        const json_t *row = json_array_get(rows, i);
        int64_t epoch = json_integer_value(json_object_get(row, "epoch"));
        if (epoch % every != 0 && i + 1 < n_rows) continue;
        for (int32_t h = 0; h < trainer->dataset->n_heads; h++)
            if (trainer->dataset->heads[h].labels)
                put_diversity(&trainer->dataset->heads[h], row, &out);
    }
    bal_json_out_array_end(&out);
    bal_text_puts(text, "\n");
}

bal_status bal_trainer_write_logs(bal_trainer *trainer, bal_error *err) {
    json_t *rows = NULL;
    BAL_TRY(read_rows(trainer, &rows, err));
    bal_text training = {0}, diversity = {0};
    write_training_log(trainer, rows, &training);
    write_diversity(trainer, rows, &diversity);
    json_decref(rows);
    bal_status status = bal_run_folder_put(trainer->folder, BAL_RUN_TRAINING_LOG, &training, err);
    if (status != BAL_OK) {
        bal_text_release(&diversity);
        return status;
    }
    return bal_run_folder_put(trainer->folder, BAL_RUN_DIVERSITY, &diversity, err);
}
