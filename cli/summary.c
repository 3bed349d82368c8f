/* Figures for people. See summary.h. */
#include "summary.h"
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "metric/metric.h"
#include "report/page.h"
#include "run_view.h"
#include "style.h"
#include "train/run_folder.h"

enum { LABEL = 14, NUMBER = 11 };

/* ---- tables of metrics ---- */

typedef enum column_form { FORM_SCORE, FORM_COUNT, FORM_SHARE } column_form;

/** A column of the table. What says how answers are spread is not told of the prior predictor,
 * which always gives the same one. */
typedef struct column {
    const char *metric, *title;
    column_form form;
    bool spread;
    const char *of_class; /* of an object {class: value}: whose */
} column;

enum { COLUMNS_MAX = 8 };

static const column class_columns[] = {
    {"accuracy", "accuracy", FORM_SCORE, false, NULL},
    {"balanced_accuracy", "balanced", FORM_SCORE, false, NULL},
    {"macro_f1", "macro F1", FORM_SCORE, false, NULL},
    {"unique_predictions", "predicted", FORM_COUNT, true, NULL},
    {"most_common_share", "top class", FORM_SHARE, true, NULL},
    {"normalized_entropy", "entropy", FORM_SCORE, true, NULL},
    {0},
};
/* Of heads that learn logarithms: their figures are no figures of values. */
static const column log_columns[] = {
    {"mae", "mae (log)", FORM_SCORE, false, NULL},
    {"rmse", "rmse (log)", FORM_SCORE, false, NULL},
    {"r2", "r2 (log)", FORM_SCORE, false, NULL},
    {"correlation", "cor. (log)", FORM_SCORE, true, NULL},
    {0},
};
static const column value_columns[] = {
    {"mae", "mae", FORM_SCORE, false, NULL},
    {"rmse", "rmse", FORM_SCORE, false, NULL},
    {"r2", "r2", FORM_SCORE, false, NULL},
    {"correlation", "correl.", FORM_SCORE, true, NULL},
    {0},
};

static void add_column(column columns[COLUMNS_MAX], column one) {
    int n = 0;
    while (columns[n].metric)
        n++;
    if (n + 1 < COLUMNS_MAX) columns[n] = one;
}

/** Of a binary head: how right it is about each of the two classes, which one number would hide. */
static void binary_columns(const json_t *head, column columns[COLUMNS_MAX]) {
    json_t *recall = json_object_get(head, "recall"), *value;
    const char *name;
    add_column(columns, (column){"balanced_accuracy", "balanced", FORM_SCORE, false, NULL});
    json_object_foreach(recall, name, value)
        add_column(columns, (column){"recall", name, FORM_SCORE, false, name});
    if (json_object_get(head, "expected_profit"))
        add_column(columns, (column){"expected_profit", "profit", FORM_SCORE, false, NULL});
    add_column(columns, (column){"accuracy", "accuracy", FORM_SCORE, false, NULL});
    add_column(columns, (column){"most_common_share", "top class", FORM_SHARE, true, NULL});
}

static bool is_log(const json_t *head) {
    return strcmp(bal_json_text_at(head, "transform"), "log") == 0;
}

/** The columns of a head; ends with an empty one. */
static void columns_of(const json_t *head, column columns[COLUMNS_MAX]) {
    memset(columns, 0, COLUMNS_MAX * sizeof *columns);
    if (json_object_get(head, "recall")) {
        binary_columns(head, columns);
        return;
    }
    const column *all = !json_object_get(head, "rmse") ? class_columns
                        : is_log(head)                 ? log_columns
                                                       : value_columns;
    for (; all->metric; all++)
        add_column(columns, *all);
    if (json_object_get(head, "expected_profit"))
        add_column(columns, (column){"expected_profit", "profit", FORM_SCORE, false, NULL});
}

/** As many columns as a terminal has room for: the most telling come first. */
static void fit_columns(FILE *out, int label, column columns[COLUMNS_MAX]) {
    int room = (bal_screen_columns(out) - label) / NUMBER;
    if (room < COLUMNS_MAX) columns[room > 1 ? room : 1] = (column){0};
}

/** "26", or "25/26" where the number of classes is known. */
static void print_number(FILE *out, const column *about, const json_t *head) {
    char text[48], number[24];
    const json_t *at = about->of_class ? json_object_get(head, about->metric) : head;
    double value = bal_json_number_at(at, about->of_class ? about->of_class : about->metric);
    double classes = bal_json_number_at(head, "classes");
    bal_score_text(value, number);
    if (isnan(value) || about->form == FORM_SCORE)
        snprintf(text, sizeof text, "%s", number);
    else if (about->form == FORM_SHARE)
        snprintf(text, sizeof text, "%.1f %%", 100 * value);
    else
        snprintf(text, sizeof text, isnan(classes) ? "%.0f" : "%.0f/%.0f", value, classes);
    bal_print_padded(out, text, -NUMBER);
}

static void print_row(FILE *out, const char *text, int label, const column *columns,
                      const json_t *head, bool is_prior) {
    int skipped = 0;
    bal_print_padded(out, text, label);
    for (; columns->metric; columns++) {
        if (is_prior && columns->spread) {
            skipped += NUMBER;
            continue;
        }
        fprintf(out, "%*s", skipped, "");
        print_number(out, columns, head);
        skipped = 0;
    }
    fputs("\n", out);
}

/** Recall of a class is titled by the class, cut where it is long. */
static void print_title(FILE *out, const column *about) {
    char whole[256], cut[4 * NUMBER];
    int columns = 0;
    size_t length = 0;
    snprintf(whole, sizeof whole, about->of_class ? "rec. %s" : "%s", about->title);
    for (const char *at = whole; *at && length + 1 < sizeof cut; at++) {
        columns += ((unsigned char)*at & 0xC0) != 0x80;
        if (columns > NUMBER - 1) break;
        cut[length++] = *at;
    }
    cut[length] = '\0';
    bal_print_padded(out, cut, -NUMBER);
}

static void print_titles(FILE *out, const bal_style *style, const char *name, int label,
                         const column *columns) {
    fputs(style->bold, out);
    bal_print_padded(out, name, label);
    for (; columns->metric; columns++)
        print_title(out, columns);
    fprintf(out, "%s\n", style->off);
}

static void print_split(FILE *out, const bal_style *style, const char *split, int label,
                        const column *columns, const json_t *head) {
    char text[80];
    snprintf(text, sizeof text, "  %s", split);
    print_row(out, text, label, columns, head, false);
    const json_t *prior = json_object_get(head, "prior");
    if (!prior) return;
    fputs(style->dim, out);
    print_row(out, "    prior", label, columns, prior, true);
    fputs(style->off, out);
}

void bal_print_metrics(FILE *out, const json_t *summary, const char *const *splits) {
    bal_style style = bal_style_for(out);
    json_t *heads = json_object_get(summary, *splits), *first;
    bool several = json_object_size(heads) > 1;
    const char *name;
    int label = LABEL;
    json_object_foreach(heads, name, first) if (several && bal_text_columns(name) + 1 > label)
        label = bal_text_columns(name) + 1;
    json_object_foreach(heads, name, first) {
        column columns[COLUMNS_MAX];
        columns_of(first, columns);
        fit_columns(out, label, columns);
        print_titles(out, &style, several ? name : "", label, columns);
        for (int s = 0; splits[s]; s++) {
            json_t *head = json_object_get(json_object_get(summary, splits[s]), name);
            if (head) print_split(out, &style, splits[s], label, columns, head);
        }
    }
}

/* ---- intervals ---- */

/** "  accuracy             0.8917    0.8512 to 0.9305" */
static void print_interval(FILE *out, const char *name, const json_t *head, const json_t *bounds) {
    char value[24], low[24], high[24];
    double ends[2] = {NAN, NAN};
    for (size_t i = 0; i < 2; i++)
        bal_json_number(json_array_get(bounds, i), &ends[i]);
    fputs("  ", out);
    bal_print_padded(out, name, 2 * LABEL);
    bal_print_padded(out, bal_score_text(bal_json_number_at(head, name), value), -NUMBER);
    fprintf(out, "   %s to %s\n", bal_score_text(ends[0], low), bal_score_text(ends[1], high));
}

void bal_print_intervals(FILE *out, const json_t *evaluation, const char *split) {
    bal_style style = bal_style_for(out);
    const json_t *bootstrap = json_object_get(evaluation, "bootstrap");
    const char *unit = json_string_value(json_object_get(bootstrap, "unit"));
    json_t *heads = json_object_get(bootstrap, "intervals"), *metrics, *bounds;
    const char *head, *metric;
    json_object_foreach(heads, head, metrics) {
        const json_t *figures = json_object_get(json_object_get(evaluation, split), head);
        fprintf(out, "\n%s%s%s%s, %.0f %% intervals of %.0f resamples", style.bold, head, style.off,
                is_log(figures) ? " (metrics of its logarithm)" : "",
                100 * bal_json_number_at(bootstrap, "level"),
                bal_json_number_at(bootstrap, "resamples"));
        if (unit && strcmp(unit, "blocks") == 0)
            fprintf(out, " in blocks of %.0f rows", bal_json_number_at(bootstrap, "block"));
        else if (unit && strcmp(unit, "groups") == 0)
            fputs(" of groups", out);
        fputs("\n", out);
        json_object_foreach(metrics, metric, bounds) print_interval(out, metric, figures, bounds);
    }
}

/* ---- classes ---- */

typedef struct class_line {
    const char *name;
    const json_t *figures;
    size_t id;
} class_line;

/** By F1, undefined ones last, ties in the order of the class list. */
static int compare_f1(const void *a, const void *b) {
    const class_line *left = a, *right = b;
    double x = bal_json_number_at(left->figures, "f1");
    double y = bal_json_number_at(right->figures, "f1");
    if (isnan(x) != isnan(y)) return isnan(x) ? 1 : -1;
    if (x != y && !isnan(x)) return x < y ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

static void print_class(FILE *out, const class_line *line, int width) {
    static const char *const names[] = {"precision", "recall", "f1"};
    char number[24];
    fputs("  ", out);
    bal_print_padded(out, line->name, width);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        bal_print_padded(out, bal_score_text(bal_json_number_at(line->figures, names[i]), number),
                         -NUMBER);
    fprintf(out, "%*.0f\n", NUMBER, bal_json_number_at(line->figures, "support"));
}

static void print_class_table(FILE *out, const char *head, json_t *classes) {
    bal_style style = bal_style_for(out);
    size_t n = json_object_size(classes), i = 0;
    int width = (int)strlen(head);
    const char *name;
    json_t *figures;
    class_line *lines = bal_calloc(n, sizeof *lines);
    if (!lines) return;
    json_object_foreach(classes, name, figures) {
        if (bal_text_columns(name) > width) width = bal_text_columns(name);
        lines[i] = (class_line){name, figures, i};
        i++;
    }
    if (n > 1) qsort(lines, n, sizeof *lines, compare_f1);
    fprintf(out, "\n%s  ", style.bold);
    bal_print_padded(out, head, width);
    fprintf(out, "%*s%*s%*s%*s%s\n", NUMBER, "precision", NUMBER, "recall", NUMBER, "F1", NUMBER,
            "rows", style.off);
    for (i = 0; i < n; i++)
        print_class(out, &lines[i], width);
    bal_free(lines);
}

void bal_print_classes(FILE *out, const json_t *heads) {
    const char *name;
    json_t *head;
    json_object_foreach((json_t *)(uintptr_t)heads, name, head) {
        json_t *classes = json_object_get(head, "per_class");
        if (classes) print_class_table(out, name, classes);
    }
}

/* ---- what came of a run ---- */

static const char *colour_of(const bal_style *style, const char *status) {
    if (strcmp(status, "ok") == 0 || strcmp(status, "running") == 0) return style->green;
    return strcmp(status, "interrupted") == 0 ? style->yellow : style->red;
}

static const char *word_for(const char *status) {
    if (strcmp(status, "ok") == 0) return "done";
    if (strcmp(status, "stopped") == 0) return "stopped by the guard";
    if (strcmp(status, "collapsed") == 0) return "collapsed, not recovered";
    return status;
}

/** Whether the monitored value is one of logarithms. */
static bool watches_log(const json_t *summary) {
    const char *name = bal_json_text_at(json_object_get(summary, "monitor"), "name");
    bal_metric_path path;
    if (bal_metric_path_parse(name, &path, NULL) != BAL_OK) return false;
    return is_log(json_object_get(json_object_get(summary, "val"), path.head));
}

static void print_outcome(FILE *out, const bal_style *style, const json_t *summary) {
    const char *status = bal_json_text_at(summary, "status");
    const json_t *monitor = json_object_get(summary, "monitor");
    double epochs = bal_json_number_at(summary, "epochs");
    double best = bal_json_number_at(summary, "best_epoch");
    char spent[24], value[24];
    fprintf(out, "%s%s%s", colour_of(style, status), word_for(status), style->off);
    if (epochs == 0)
        fputs(" in the first epoch", out);
    else
        fprintf(out, " after %.0f epoch%s", epochs, epochs == 1 ? "" : "s");
    double seconds = bal_json_number_at(summary, "seconds");
    if (!isnan(seconds)) fprintf(out, " in %s", bal_duration_text(seconds, spent));
    if (best > 0)
        fprintf(out, "; best %s%s %s at epoch %.0f", bal_json_text_at(monitor, "name"),
                watches_log(summary) ? " (log)" : "",
                bal_score_text(bal_json_number_at(monitor, "value"), value), best);
    if (best > 0 && *bal_json_text_at(summary, "best_stage"))
        fprintf(out, ", the best of stage %s", bal_json_text_at(summary, "best_stage"));
    fputs("\n", out);
}

static void print_places(FILE *out, const json_t *summary) {
    const char *run = bal_json_text_at(summary, "run");
    const char *model = bal_json_text_at(summary, "model");
    const char *status = bal_json_text_at(summary, "status");
    if (strcmp(status, "running") == 0) return;
    if (strcmp(status, "interrupted") == 0) {
        fprintf(out, "\nto go on: ballast resume %s\n", run);
        return;
    }
    if (model[0])
        fprintf(out, "model    %s/%s\n", run, model);
    else
        fputs("model    none: no evaluation was worth keeping before the collapse\n", out);
    fprintf(out, "more     %s/ (" BAL_REPORT_PAGE ", " BAL_RUN_RESULTS ", " BAL_RUN_HEALTH ")\n",
            run);
}

void bal_print_summary(FILE *out, const json_t *summary) {
    static const char *const splits[] = {"val", "test", NULL};
    bal_style style = bal_style_for(out);
    double incidents = bal_json_number_at(summary, "incidents");
    double rollbacks = bal_json_number_at(summary, "rollbacks");
    print_outcome(out, &style, summary);
    if (json_object_size(json_object_get(summary, "val")) > 0) {
        fputs("\n", out);
        bal_print_metrics(out, summary, splits);
        fputs("\n", out);
    }
    fprintf(out, "guard    %s%.0f incident%s%s, %.0f rollback%s\n",
            incidents > 0 ? style.yellow : style.green, incidents, incidents == 1 ? "" : "s",
            style.off, rollbacks, rollbacks == 1 ? "" : "s");
    print_places(out, summary);
}

/* ---- what the guard saw ---- */

static void print_item(FILE *out, const bal_style *style, const char *label, const char *text) {
    fprintf(out, "  %s%s%s: ", style->bold, label, style->off);
    bal_print_wrapped(out, text, bal_text_columns(label) + 4, 4);
}

static bool is_of_group(const json_t *incident, const json_t *group) {
    static const char *const keys[] = {"detector", "head", "class"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(bal_json_text_at(incident, keys[i]), bal_json_text_at(group, keys[i])) != 0)
            return false;
    return true;
}

/** "stage focus, " or "stages focus, polish, " of the incidents of a group, in the order they came;
 *  "" where there are no stages. A stage's incidents stand together. */
static void stages_text(const json_t *incidents, const json_t *group, char *text, size_t size) {
    const char *before = "";
    char names[256] = "";
    size_t used = 0, n = 0, i;
    json_t *incident;
    json_array_foreach(incidents, i, incident) {
        const char *stage = bal_json_text_at(incident, "stage");
        if (!is_of_group(incident, group) || strcmp(stage, before) == 0) continue;
        if (used + strlen(stage) + 3 > sizeof names) break;
        used += (size_t)snprintf(names + used, sizeof names - used, "%s, ", stage);
        before = stage;
        n++;
    }
    text[0] = '\0';
    if (n > 0) snprintf(text, size, "stage%s %s", n > 1 ? "s" : "", names);
}

static void print_seen(FILE *out, const bal_style *style, const json_t *seen,
                       const json_t *incidents) {
    size_t i;
    json_t *group;
    if (json_array_size(seen) > 0) fputs("\nseen\n", out);
    json_array_foreach(seen, i, group) {
        char text[800], stages[300], times[64] = "";
        double count = bal_json_number_at(group, "count");
        stages_text(incidents, group, stages, sizeof stages);
        if (count > 1) snprintf(times, sizeof times, " (%.0f times)", count);
        snprintf(text, sizeof text, "%sepoch %.0f, %s%s", stages,
                 bal_json_number_at(group, "first_epoch"), bal_json_text_at(group, "message"),
                 times);
        print_item(out, style, bal_json_text_at(group, "detector"), text);
    }
}

static void print_hypotheses(FILE *out, const bal_style *style, const json_t *hypotheses) {
    size_t i;
    json_t *item;
    if (json_array_size(hypotheses) > 0) fputs("\nwhat may explain it, best fit first\n", out);
    json_array_foreach(hypotheses, i, item) {
        char text[1024];
        const char *statement = bal_json_text_at(item, "statement");
        size_t length = strlen(statement);
        if (length > 0 && statement[length - 1] == '.') length--;
        snprintf(text, sizeof text, "%.*s (%s). Try: %s", (int)length, statement,
                 bal_json_text_at(item, "why"), bal_json_text_at(item, "try"));
        print_item(out, style, bal_json_text_at(item, "hypothesis"), text);
    }
}

static void print_tried(FILE *out, const bal_style *style, const json_t *tried) {
    size_t i;
    json_t *item;
    if (json_array_size(tried) > 0) fputs("\ntried\n", out);
    json_array_foreach(tried, i, item) {
        char text[512];
        snprintf(text, sizeof text, "because of %s at epoch %.0f: %s",
                 bal_json_text_at(item, "because"), bal_json_number_at(item, "epoch"),
                 bal_json_text_at(item, "result"));
        print_item(out, style, bal_json_text_at(item, "remedy"), text);
    }
}

void bal_print_health(FILE *out, const json_t *health, const json_t *incidents) {
    bal_style style = bal_style_for(out);
    if (json_array_size(json_object_get(health, "seen")) == 0) return;
    fputs("\n", out);
    bal_print_wrapped(out, bal_json_text_at(health, "summary"), 0, 0);
    print_seen(out, &style, json_object_get(health, "seen"), incidents);
    print_hypotheses(out, &style, json_object_get(health, "hypotheses"));
    print_tried(out, &style, json_object_get(health, "tried"));
}
