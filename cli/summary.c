/* Figures for people. See summary.h. */
#include "summary.h"
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
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
} column;

static const column class_columns[] = {
    {"accuracy", "accuracy", FORM_SCORE, false},
    {"balanced_accuracy", "balanced", FORM_SCORE, false},
    {"macro_f1", "macro F1", FORM_SCORE, false},
    {"unique_predictions", "predicted", FORM_COUNT, true},
    {"most_common_share", "top class", FORM_SHARE, true},
    {"normalized_entropy", "entropy", FORM_SCORE, true},
    {0},
};
static const column value_columns[] = {
    {"rmse", "rmse", FORM_SCORE, false},
    {"mae", "mae", FORM_SCORE, false},
    {"r2", "r2", FORM_SCORE, false},
    {"correlation", "correl.", FORM_SCORE, true},
    {0},
};

static const column *columns_of(const json_t *head) {
    return json_object_get(head, "rmse") ? value_columns : class_columns;
}

/** "26", or "25/26" where the number of classes is known. */
static void print_number(FILE *out, const column *about, const json_t *head) {
    char text[48], number[24];
    double value = bal_json_number_at(head, about->metric);
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

static void print_row(FILE *out, const char *label, const column *columns, const json_t *head,
                      bool is_prior) {
    bal_print_padded(out, label, LABEL);
    for (; columns->metric; columns++)
        if (!is_prior || !columns->spread) print_number(out, columns, head);
    fputs("\n", out);
}

static void print_titles(FILE *out, const bal_style *style, const column *columns) {
    fprintf(out, "%s%*s", style->bold, LABEL, "");
    for (; columns->metric; columns++)
        bal_print_padded(out, columns->title, -NUMBER);
    fprintf(out, "%s\n", style->off);
}

static void print_head(FILE *out, const bal_style *style, const char *split, const char *name,
                       const json_t *head, bool several) {
    char label[80];
    const column *columns = columns_of(head);
    snprintf(label, sizeof label, several ? "  %s %s" : "  %s", split, name);
    print_row(out, label, columns, head, false);
    const json_t *prior = json_object_get(head, "prior");
    if (!prior) return;
    fputs(style->dim, out);
    print_row(out, "    prior", columns, prior, true);
    fputs(style->off, out);
}

void bal_print_metrics(FILE *out, const json_t *summary, const char *const *splits) {
    bal_style style = bal_style_for(out);
    const column *titled = NULL;
    for (; *splits; splits++) {
        json_t *heads = json_object_get(summary, *splits), *head;
        const char *name;
        json_object_foreach(heads, name, head) {
            if (columns_of(head) != titled) print_titles(out, &style, columns_of(head));
            titled = columns_of(head);
            print_head(out, &style, *splits, name, head, json_object_size(heads) > 1);
        }
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
    if (strcmp(status, "ok") == 0) return style->green;
    return strcmp(status, "interrupted") == 0 ? style->yellow : style->red;
}

static const char *word_for(const char *status) {
    if (strcmp(status, "ok") == 0) return "done";
    if (strcmp(status, "stopped") == 0) return "stopped by the guard";
    if (strcmp(status, "collapsed") == 0) return "collapsed, not recovered";
    return status;
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
        fprintf(out, "; best %s %s at epoch %.0f", bal_json_text_at(monitor, "name"),
                bal_score_text(bal_json_number_at(monitor, "value"), value), best);
    fputs("\n", out);
}

static void print_places(FILE *out, const json_t *summary) {
    const char *run = bal_json_text_at(summary, "run");
    const char *model = bal_json_text_at(summary, "model");
    const char *status = bal_json_text_at(summary, "status");
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

static void print_seen(FILE *out, const bal_style *style, const json_t *seen) {
    size_t i;
    json_t *group;
    if (json_array_size(seen) > 0) fputs("\nseen\n", out);
    json_array_foreach(seen, i, group) {
        char text[512], times[64] = "";
        double count = bal_json_number_at(group, "count");
        if (count > 1) snprintf(times, sizeof times, " (%.0f times)", count);
        snprintf(text, sizeof text, "epoch %.0f, %s%s", bal_json_number_at(group, "first_epoch"),
                 bal_json_text_at(group, "message"), times);
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

void bal_print_health(FILE *out, const json_t *health) {
    bal_style style = bal_style_for(out);
    if (json_array_size(json_object_get(health, "seen")) == 0) return;
    fputs("\n", out);
    bal_print_wrapped(out, bal_json_text_at(health, "summary"), 0, 0);
    print_seen(out, &style, json_object_get(health, "seen"));
    print_hypotheses(out, &style, json_object_get(health, "hypotheses"));
    print_tried(out, &style, json_object_get(health, "tried"));
}
