/* Run folders as `show` and `runs` see them. See run_view.h. */
#include "run_view.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/run_folder.h"
#include "train/trainer.h"

double bal_json_number_at(const json_t *object, const char *key) {
    double number = NAN;
    bal_json_number(json_object_get(object, key), &number);
    return number;
}

const char *bal_json_text_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

bool bal_monitor_rises(const char *path) {
    bal_metric_path parsed;
    if (bal_metric_path_parse(path, &parsed, NULL) != BAL_OK) return true;
    return bal_metric_path_better(&parsed) > 0;
}

double bal_summary_metric(const json_t *summary, const char *path, const char *split) {
    bal_metric_path parsed;
    if (bal_metric_path_parse(path, &parsed, NULL) != BAL_OK || parsed.class_name[0]) return NAN;
    const json_t *head = json_object_get(json_object_get(summary, split), parsed.head);
    return bal_json_number_at(head, parsed.metric);
}

json_t *bal_run_json(const char *folder, const char *name) {
    char *path = bal_path_join(folder, name);
    json_t *value = NULL;
    if (path && bal_path_exists(path) && bal_json_read(path, 0, &value, NULL) != BAL_OK)
        value = NULL;
    bal_free(path);
    return value;
}

json_t *bal_run_lines(const char *folder, const char *name) {
    char *path = bal_path_join(folder, name);
    json_t *lines = NULL;
    if (path && bal_path_exists(path) && bal_json_read_lines(path, &lines, NULL) != BAL_OK)
        lines = NULL;
    bal_free(path);
    return lines;
}

/** The name of a folder, which may hold any bytes, as text: what is not UTF-8 becomes U+FFFD. NULL
 *  when out of memory. */
static json_t *folder_text(const char *folder) {
    bal_text text = {0};
    for (const char *at = folder;;) {
        size_t valid = bal_text_utf8_valid(at, strlen(at));
        bal_text_append(&text, at, valid);
        at += valid;
        if (!*at) break;
        bal_text_puts(&text, "\xEF\xBF\xBD");
        at++;
    }
    json_t *value = bal_text_failed(&text) ? NULL : json_stringn(text.data, text.length);
    bal_text_release(&text);
    return value;
}

/* ---- runs that have not ended ---- */

/** The best eligible row of the log, or the last when there is none. */
static json_t *best_row(const json_t *rows, bool rises) {
    size_t n = json_array_size(rows);
    json_t *best = NULL;
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array_get(rows, i);
        double value = bal_json_number_at(row, "monitor");
        if (!json_is_true(json_object_get(row, "eligible")) || isnan(value)) continue;
        double so_far = bal_json_number_at(best, "monitor");
        if (!best || (rises ? value > so_far : value < so_far)) best = row;
    }
    return best ? best : n > 0 ? json_array_get(rows, n - 1) : NULL;
}

static int64_t integer_at(const json_t *row, const char *key) {
    return json_integer_value(json_object_get(row, key));
}

static json_t *build_partial(const char *folder, const char *status, const bal_recipe *recipe,
                             const json_t *rows, const json_t *incidents) {
    size_t n = json_array_size(rows);
    json_t *best = best_row(rows, bal_monitor_rises(recipe->monitor));
    json_t *last = n > 0 ? json_array_get(rows, n - 1) : NULL;
    json_t *val = json_object_get(best, "val");
    bool eligible = json_is_true(json_object_get(best, "eligible"));
    return json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:{s:s, s:o}, s:O?, s:{}, s:I, s:I, s:n, s:o}",
                     "run", folder_text(folder), "name", recipe->name, "status", status, "epochs",
                     integer_at(last, "epoch"), "steps", integer_at(last, "step"), "best_epoch",
                     eligible ? integer_at(best, "epoch") : (json_int_t)0, "monitor", "name",
                     recipe->monitor, "value",
                     bal_json_new_number(eligible ? bal_json_number_at(best, "monitor") : NAN),
                     "val", val, "test", "incidents", (json_int_t)json_array_size(incidents),
                     "rollbacks", integer_at(last, "attempt"), "model", "seconds",
                     bal_json_new_number(bal_json_number_at(last, "seconds")));
}

static bal_status read_log(const bal_run_folder *folder, const char *name, json_t **ret_rows,
                           bal_error *err) {
    char *path = bal_run_folder_path(folder, name);
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = bal_json_read_lines(path, ret_rows, err);
    bal_free(path);
    return status;
}

static bal_status view_partial(const bal_run_folder *folder, bool running, json_t **ret_summary,
                               bal_error *err) {
    json_t *rows = NULL, *incidents = NULL;
    bal_recipe *recipe = NULL;
    char *path = bal_run_folder_path(folder, BAL_RUN_RESOLVED);
    bal_status status = path ? BAL_OK : bal_fail_memory(err, 0);
    if (status == BAL_OK) status = bal_recipe_load(path, NULL, 0, &recipe, err);
    if (status == BAL_OK) status = read_log(folder, BAL_RUN_METRICS, &rows, err);
    if (status == BAL_OK) status = read_log(folder, BAL_RUN_INCIDENTS, &incidents, err);
    if (status == BAL_OK) {
        *ret_summary = build_partial(folder->path, running ? "running" : "interrupted", recipe,
                                     rows, incidents);
        if (!*ret_summary) status = bal_fail_memory(err, 0);
    }
    json_decref(rows);
    json_decref(incidents);
    bal_recipe_free(recipe);
    bal_free(path);
    return status;
}

/* ---- runs that have ---- */

static bal_status view_complete(const char *folder, const char *path, json_t **ret_summary,
                                bal_error *err) {
    json_t *summary;
    BAL_TRY(bal_json_read(path, 0, &summary, err));
    bal_status status = BAL_OK;
    if (!json_is_object(summary))
        status = bal_fail(err, BAL_EFORMAT, "%s: wanted a JSON object", path);
    else if (json_object_set_new(summary, "run", folder_text(folder)) != 0)
        status = bal_fail_memory(err, strlen(folder));
    if (status == BAL_OK)
        *ret_summary = summary;
    else
        json_decref(summary);
    return status;
}

bal_status bal_run_view(const char *folder, json_t **ret_summary, bal_error *err) {
    bal_run_folder run;
    bal_json_setup();
    BAL_TRY(bal_run_folder_open(&run, folder, err));
    bool running = bal_run_folder_in_use(&run); /* asked first: a run may end between the two */
    char *path = bal_run_folder_path(&run, BAL_RUN_SUMMARY);
    bal_status status = path ? BAL_OK : bal_fail_memory(err, 0);
    if (status == BAL_OK && bal_path_exists(path))
        status = view_complete(folder, path, ret_summary, err);
    else if (status == BAL_OK)
        status = view_partial(&run, running, ret_summary, err);
    bal_free(path);
    bal_run_folder_release(&run);
    return status;
}
