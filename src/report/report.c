/* From the files of a run to its pictures. See report.h. */
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/npz.h"
#include "report/page.h"
#include "report/plot.h"
#include "train/run_folder.h"

enum { SERIES_MAX = 8, MARKS_MAX = 24 };

/** What all pictures of a run share. */
typedef struct run_material {
    bal_run_folder folder;
    json_t *rows;      /* metrics.jsonl */
    json_t *incidents; /* incidents.jsonl */
    size_t n;
    double *x; /* [n] epochs, or evaluations in the order made when the run rolled back */
    bool rolled_back;
    bal_plot_mark marks[MARKS_MAX]; /* rollbacks: what made them necessary; stages: their names */
    size_t n_marks;
    bal_arena arena;
} run_material;

/* ---- reading ---- */

static bal_status read_lines(const bal_run_folder *folder, const char *name, json_t **ret_rows,
                             bal_error *err) {
    char *path = bal_run_folder_path(folder, name);
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = bal_json_read_lines(path, ret_rows, err);
    bal_free(path);
    return status;
}

static double number_of(const json_t *object, const char *key) {
    double number = NAN;
    bal_json_number(json_object_get(object, key), &number);
    return number;
}

/** A column of the rows: row[split][head][key], or row[split][key] without head. */
static double *column(run_material *run, const char *split, const char *head, const char *key) {
    double *values = bal_arena_alloc(&run->arena, run->n, sizeof *values);
    for (size_t i = 0; values && i < run->n; i++) {
        const json_t *at = json_object_get(json_array_get(run->rows, i), split);
        values[i] = number_of(head ? json_object_get(at, head) : at, key);
    }
    return values;
}

static int64_t attempt_of(const run_material *run, size_t row) {
    return json_integer_value(json_object_get(json_array_get(run->rows, row), "attempt"));
}

/** Detector of the n-th incident that led to a rollback. */
static const char *cause_of(const run_material *run, size_t n) {
    for (size_t i = 0; i < json_array_size(run->incidents); i++) {
        const json_t *incident = json_array_get(run->incidents, i);
        const char *action = json_string_value(json_object_get(incident, "action"));
        if (action && strcmp(action, "recover") == 0 && n-- == 0)
            return json_string_value(json_object_get(incident, "detector"));
    }
    return NULL;
}

static const char *stage_of(const run_material *run, size_t row) {
    const char *stage = json_string_value(json_object_get(json_array_get(run->rows, row), "stage"));
    return stage ? stage : "";
}

static void add_mark(run_material *run, double at, const char *label) {
    if (run->n_marks == MARKS_MAX) return;
    run->marks[run->n_marks++] = (bal_plot_mark){.at = at, .label = label};
}

/** A stage begins after the last epoch of the one before. */
static void mark_stages(run_material *run) {
    for (size_t i = 1; i < run->n; i++)
        if (strcmp(stage_of(run, i), stage_of(run, i - 1)) != 0)
            add_mark(run, run->x[i - 1] + 0.5, stage_of(run, i));
}

/** Where curves stand. Epochs run backwards at a rollback, so a run that had one is drawn over its
 *  evaluations instead, in the order made. */
static void place_rows(run_material *run) {
    size_t rollbacks = 0;
    for (size_t i = 1; i < run->n; i++)
        if (attempt_of(run, i) != attempt_of(run, i - 1)) {
            run->rolled_back = true;
            add_mark(run, (double)i + 0.5, cause_of(run, rollbacks++));
        }
    for (size_t i = 0; i < run->n; i++)
        run->x[i] =
            run->rolled_back ? (double)i + 1 : number_of(json_array_get(run->rows, i), "epoch");
    mark_stages(run);
}

static bal_status load(run_material *run, const char *folder, bal_error *err) {
    BAL_TRY(bal_run_folder_open(&run->folder, folder, err));
    BAL_TRY(read_lines(&run->folder, BAL_RUN_METRICS, &run->rows, err));
    BAL_TRY(read_lines(&run->folder, BAL_RUN_INCIDENTS, &run->incidents, err));
    run->n = json_array_size(run->rows);
    run->x = bal_arena_alloc(&run->arena, run->n, sizeof *run->x);
    if (!run->x) return bal_fail_memory(err, run->n * sizeof *run->x);
    place_rows(run);
    return BAL_OK;
}

static void release(run_material *run) {
    json_decref(run->rows);
    json_decref(run->incidents);
    bal_run_folder_release(&run->folder);
    bal_arena_release(&run->arena);
}

/** plots/NAME or plots/HEAD-NAME in the folder; NULL when out of memory. */
static char *picture_path(run_material *run, const char *head, const char *name) {
    return bal_arena_printf(&run->arena, "%s/plots/%s%s%s.png", run->folder.path, head ? head : "",
                            head ? "-" : "", name);
}

/* ---- curves ---- */

/** Adds a curve when it has at least one finite point. */
static void add_series(run_material *run, bal_plot_series *series, size_t *n, const char *label,
                       const double *values) {
    if (!values || *n == SERIES_MAX) return;
    for (size_t i = 0; i < run->n; i++)
        if (isfinite(values[i])) {
            series[(*n)++] =
                (bal_plot_series){.label = label, .x = run->x, .y = values, .count = run->n};
            return;
        }
}

static bal_status draw_curves(run_material *run, const char *title, const char *y_label,
                              const bal_plot_series *series, size_t n, bool share, const char *path,
                              bal_error *err) {
    if (n == 0) return BAL_OK;
    if (!path) return bal_fail_memory(err, 0);
    bal_plot_lines plot = {
        .title = title,
        .x_label = run->rolled_back ? "evaluation, in the order made" : "epoch",
        .y_label = y_label,
        .series = series,
        .n_series = n,
        .x_marks = run->marks,
        .n_x_marks = run->n_marks,
        .y_max = share ? 1 : 0,
    };
    return bal_plot_lines_write(&plot, path, err);
}

static bal_status draw_loss(run_material *run, const char *head, bal_error *err) {
    bal_plot_series series[SERIES_MAX];
    size_t n = 0;
    const json_t *train = json_object_get(json_array_get(run->rows, 0), "train");
    bool own = json_object_get(json_object_get(train, head), "loss") != NULL;
    add_series(run, series, &n, "training", column(run, "train", own ? head : NULL, "loss"));
    add_series(run, series, &n, "validation, unweighted", column(run, "val", head, "loss"));
    return draw_curves(run, "Loss", "loss", series, n, false, picture_path(run, head, "loss"), err);
}

static bal_status draw_metrics(run_material *run, const char *head, bal_error *err) {
    static const char *const shares[] = {"accuracy", "balanced_accuracy", "macro_f1", "mcc"};
    static const char *const errors[] = {"rmse", "mae"};
    bal_plot_series series[SERIES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        add_series(run, series, &n, shares[i], column(run, "val", head, shares[i]));
    bool share = n > 0;
    for (size_t i = 0; !share && i < sizeof errors / sizeof *errors; i++)
        add_series(run, series, &n, errors[i], column(run, "val", head, errors[i]));
    return draw_curves(run, "Validation", NULL, series, n, share,
                       picture_path(run, head, "metrics"), err);
}

static bal_status draw_diversity(run_material *run, const char *head, bal_error *err) {
    bal_plot_series series[SERIES_MAX];
    size_t n = 0;
    add_series(run, series, &n, "entropy / prior's entropy",
               column(run, "val", head, "prior_entropy_ratio"));
    add_series(run, series, &n, "normalised entropy",
               column(run, "val", head, "normalized_entropy"));
    add_series(run, series, &n, "most common share", column(run, "val", head, "most_common_share"));
    return draw_curves(run, "Diversity of predictions", NULL, series, n, true,
                       picture_path(run, head, "diversity"), err);
}

/* ---- test rows ---- */

/** Truth and prediction of the test rows of one head. */
typedef struct test_rows {
    bal_npy_array labels, predictions, classes;
    size_t n, n_classes;
} test_rows;

static bal_status load_array(bal_npz *npz, const char *head, const char *name,
                             bal_npy_array *ret_array, bal_error *err) {
    char key[160];
    snprintf(key, sizeof key, "%s.%s", head, name);
    return bal_npz_load(npz, key, ret_array, err);
}

static void release_rows(test_rows *rows) {
    bal_npy_release(&rows->labels);
    bal_npy_release(&rows->predictions);
    bal_npy_release(&rows->classes);
}

static bal_status load_rows(bal_npz *npz, const char *head, test_rows *rows, bal_error *err) {
    BAL_TRY(load_array(npz, head, "labels", &rows->labels, err));
    BAL_TRY(load_array(npz, head, "predictions", &rows->predictions, err));
    BAL_TRY(load_array(npz, head, "classes", &rows->classes, err));
    rows->n = (size_t)bal_shape_count(&rows->labels.shape);
    rows->n_classes = (size_t)bal_shape_count(&rows->classes.shape);
    bool fits = rows->labels.tensor.dtype == BAL_I32 && rows->predictions.tensor.dtype == BAL_I32 &&
                rows->classes.text && (size_t)bal_shape_count(&rows->predictions.shape) == rows->n;
    return fits ? BAL_OK : bal_fail(err, BAL_EFORMAT, "%s is not one of ours", BAL_RUN_PREDICTIONS);
}

/** Row-normalised confusion [C, C]; a class without rows is NaN. */
static double *confusion_shares(run_material *run, const test_rows *rows) {
    size_t c = rows->n_classes;
    const int32_t *truth = rows->labels.tensor.data, *called = rows->predictions.tensor.data;
    double *share = bal_arena_alloc(&run->arena, c * c, sizeof *share);
    double *support = bal_arena_alloc(&run->arena, c, sizeof *support);
    if (!share || !support) return NULL;
    for (size_t i = 0; i < rows->n; i++) {
        if (truth[i] < 0 || (size_t)truth[i] >= c) continue;
        support[truth[i]]++;
        if (called[i] >= 0 && (size_t)called[i] < c)
            share[(size_t)truth[i] * c + (size_t)called[i]]++;
    }
    for (size_t i = 0; i < c * c; i++)
        share[i] = support[i / c] > 0 ? share[i] / support[i / c] : NAN;
    return share;
}

typedef struct class_recall {
    const char *name;
    double recall;
} class_recall;

static int by_recall(const void *a, const void *b) {
    const class_recall *x = a, *y = b;
    if (isnan(x->recall) || isnan(y->recall)) return isnan(x->recall) - isnan(y->recall);
    return (x->recall > y->recall) - (x->recall < y->recall);
}

/** Recall of every class on the test rows, the worst first: the first bars are where to look. */
static bal_status draw_recall(run_material *run, const char *head, const test_rows *rows,
                              const double *share, bal_error *err) {
    size_t c = rows->n_classes;
    class_recall *recall = bal_arena_alloc(&run->arena, c, sizeof *recall);
    const char **names = bal_arena_alloc(&run->arena, c, sizeof *names);
    double *values = bal_arena_alloc(&run->arena, c, sizeof *values);
    const char *path = picture_path(run, head, "recall");
    if (!recall || !names || !values || !path) return bal_fail_memory(err, c * sizeof *recall);
    for (size_t k = 0; k < c; k++)
        recall[k] = (class_recall){rows->classes.text[k], share[k * c + k]};
    qsort(recall, c, sizeof *recall, by_recall);
    for (size_t k = 0; k < c; k++) {
        names[k] = recall[k].name;
        values[k] = recall[k].recall;
    }
    const double *only = values;
    bal_plot_bars plot = {
        .title = "Recall per class on the test rows, worst first",
        .y_label = "recall",
        .names = names,
        .values = &only,
        .count = c < BAL_PLOT_BARS_MAX ? c : BAL_PLOT_BARS_MAX,
        .n_series = 1,
        .y_max = 1,
    };
    return bal_plot_bars_write(&plot, path, err);
}

static bal_status draw_confusion(run_material *run, const char *head, const test_rows *rows,
                                 const double *share, bal_error *err) {
    const char *path = picture_path(run, head, "confusion");
    if (rows->n_classes > BAL_PLOT_CELLS_MAX) return BAL_OK;
    if (!path) return bal_fail_memory(err, 0);
    const char *const *names = (const char *const *)rows->classes.text;
    bal_plot_heat plot = {
        .title = "Confusion on the test rows (share of the true class)",
        .x_label = "predicted",
        .y_label = "true",
        .values = share,
        .rows = rows->n_classes,
        .columns = rows->n_classes,
        .row_names = names,
        .column_names = names,
        .high = 1,
    };
    return bal_plot_heat_write(&plot, path, err);
}

static bal_status draw_test(run_material *run, const char *head, bal_error *err) {
    char *path = bal_run_folder_path(&run->folder, BAL_RUN_PREDICTIONS);
    bal_npz *npz = NULL;
    test_rows rows = {0};
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = BAL_OK;
    if (!bal_path_exists(path)) goto out;
    BAL_TRY_OUT(bal_npz_open(path, 0, &npz, err));
    BAL_TRY_OUT(load_rows(npz, head, &rows, err));
    const double *share = confusion_shares(run, &rows);
    if (!share) {
        status = bal_fail_memory(err, 0);
        goto out;
    }
    BAL_TRY_OUT(draw_confusion(run, head, &rows, share, err));
    status = draw_recall(run, head, &rows, share, err);
out:
    release_rows(&rows);
    bal_npz_close(npz);
    bal_free(path);
    return status;
}

/* ---- all ---- */

static bal_status draw_head(run_material *run, const char *head, bool has_classes, bal_error *err) {
    BAL_TRY(draw_loss(run, head, err));
    BAL_TRY(draw_metrics(run, head, err));
    if (!has_classes) return BAL_OK;
    BAL_TRY(draw_diversity(run, head, err));
    return draw_test(run, head, err);
}

static bal_status draw_all(run_material *run, bal_error *err) {
    json_t *heads = json_object_get(json_array_get(run->rows, 0), "val"), *head;
    const char *name;
    char *folder = bal_run_folder_path(&run->folder, "plots");
    if (!folder) return bal_fail_memory(err, 0);
    bal_status status = bal_folder_make(folder, err);
    bal_folder_tidy(folder, NULL);
    bal_free(folder);
    json_object_foreach(heads, name, head) {
        if (status != BAL_OK) break;
        status = draw_head(run, name, json_object_get(head, "accuracy") != NULL, err);
    }
    return status;
}

bal_status bal_report_run(const char *folder, bool pictures, const bal_log_sink *log,
                          bal_error *err) {
    run_material run = {0};
    bal_status status = load(&run, folder, err);
    pictures = pictures && run.n > 0;
    if (status == BAL_OK && pictures) status = draw_all(&run, err);
    if (status == BAL_OK && pictures)
        bal_log_printf(log, BAL_LOG_DEBUG, "pictures in %s/plots", folder);
    /* The page names what it could not find, so that it is worth having without pictures too. */
    bool is_run = run.folder.path != NULL;
    release(&run);
    bal_status page = is_run ? bal_report_page_write(folder, err) : BAL_OK;
    return status != BAL_OK ? status : page;
}
