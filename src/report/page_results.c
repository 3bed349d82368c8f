/* Figures of the model beside those of the prior predictor, and how it answers random inputs. A
 * figure says little alone: .95 accuracy is poor where 95 % of the rows are of one class. */
#include <math.h>
#include <string.h>

#include "format/json.h"
#include "metric/metric.h"
#include "report/page_parts.h"

typedef enum figure_form { FORM_SCORE, FORM_COUNT, FORM_SHARE, FORM_LOSS } figure_form;

typedef struct figure_line {
    const char *metric, *title;
    figure_form form;
} figure_line;

static const figure_line class_lines[] = {
    {"accuracy", "Accuracy", FORM_SCORE},
    {"balanced_accuracy", "Balanced accuracy", FORM_SCORE},
    {"macro_f1", "Macro F1", FORM_SCORE},
    {"risk", "Risk", FORM_SHARE},
    {"expected_profit", "Expected profit", FORM_LOSS},
    {"unique_predictions", "Classes predicted", FORM_COUNT},
    {"most_common_share", "Most common class", FORM_SHARE},
    {"normalized_entropy", "Entropy of predictions", FORM_SCORE},
    {0},
};
static const figure_line value_lines[] = {
    {"mae", "MAE", FORM_LOSS},
    {"rmse", "RMSE", FORM_LOSS},
    {"r2", "R²", FORM_SCORE},
    {0},
};

/* Of a head that learns logarithms. */
static const figure_line log_lines[] = {
    {"mae", "MAE (log)", FORM_LOSS},
    {"rmse", "RMSE (log)", FORM_LOSS},
    {"r2", "R² (log)", FORM_SCORE},
    {0},
};

static const char *summary_of(const char *metric) {
    const bal_metric *about = bal_metric_find(metric);
    if (about) return about->summary;
    return strcmp(metric, "loss") == 0 ? "mean loss per row, without class weights" : "";
}

/* ---- the columns: splits, each with its prior ---- */

typedef struct figure_column {
    const char *title;
    const json_t *figures;
    bool is_prior;
} figure_column;

enum { COLUMNS_MAX = 4 };

static size_t find_columns(const bal_page *page, const bal_page_head *head,
                           figure_column columns[COLUMNS_MAX]) {
    static const struct {
        const char *key, *title;
    } splits[] = {{"val", "Validation"}, {"test", "Test"}};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++) {
        const json_t *figures =
            json_object_get(json_object_get(page->summary, splits[i].key), head->name);
        const json_t *prior = json_object_get(figures, "prior");
        if (json_is_object(figures))
            columns[n++] = (figure_column){.title = splits[i].title, .figures = figures};
        if (json_is_object(prior))
            columns[n++] = (figure_column){.title = "prior", .figures = prior, .is_prior = true};
    }
    if (n > 0 || !page->best) return n;
    const json_t *figures = json_object_get(json_object_get(page->best, "val"), head->name);
    columns[0] = (figure_column){.title = "Validation", .figures = figures};
    return json_is_object(figures) ? 1 : 0;
}

/** Number of classes of a head: as the figures say, or as the class weights do; 0: unknown. */
static double classes_of(const bal_page *page, const bal_page_head *head, const json_t *figures) {
    double classes = bal_page_number(figures, "classes");
    if (!isnan(classes)) return classes;
    return (double)json_object_size(json_object_get(page->weights, head->name));
}

/** A bar from 0 to 1, with a line where the prior is. */
static void draw_meter(bal_page *page, double value, double prior) {
    bal_html *html = &page->html;
    if (!(value >= 0 && value <= 1)) return;
    bal_html_open(html, "span", "meter");
    bal_html_attribute(html, "aria-hidden", "true");
    bal_html_open(html, "span", "fill");
    bal_html_attribute(html, "style",
                       bal_page_printf(page, "width:%s%%", bal_figure_fixed(100 * value, 1).text));
    bal_html_close(html);
    if (prior >= 0 && prior <= 1) {
        bal_html_open(html, "span", "tick");
        bal_html_attribute(
            html, "style",
            bal_page_printf(page, "left:%s%%", bal_figure_fixed(100 * prior, 1).text));
        bal_html_close(html);
    }
    bal_html_close(html);
}

static bal_figure form(figure_form how, double value) {
    switch (how) {
    case FORM_COUNT:
        return bal_figure_count(value);
    case FORM_SHARE:
        return bal_figure_share(value);
    case FORM_LOSS:
        return bal_figure_loss(value);
    default:
        return bal_figure_fixed(value, 4);
    }
}

static void write_figure(bal_page *page, const bal_page_head *head, const figure_line *line,
                         const figure_column *column, bool has_prior) {
    bal_html *html = &page->html;
    double value = bal_page_number(column->figures, line->metric);
    double classes = classes_of(page, head, column->figures);
    bal_html_open(html, "td", column->is_prior ? "number prior" : "number");
    bal_html_say(html, form(line->form, value).text);
    if (line->form == FORM_COUNT && !column->is_prior && classes > 0) {
        bal_html_open(html, "span", "of");
        bal_html_printf(html, " / %s", bal_figure_count(classes).text);
        bal_html_close(html);
        value /= classes;
    }
    if (!column->is_prior && line->form != FORM_LOSS)
        draw_meter(page, value,
                   has_prior && line->form == FORM_SCORE
                       ? bal_page_number(column[1].figures, line->metric)
                       : NAN);
    bal_html_close(html);
}

static void write_titles(bal_page *page, const figure_column *columns, size_t n) {
    bal_html *html = &page->html;
    bal_html_open(html, "thead", NULL);
    bal_html_open(html, "tr", NULL);
    bal_html_element(html, "th", NULL, "");
    for (size_t i = 0; i < n; i++) {
        bal_html_open(html, "th", columns[i].is_prior ? "number prior" : "number");
        bal_html_attribute(html, "scope", "col");
        bal_html_say(html, columns[i].title);
        bal_html_close(html);
    }
    bal_html_close(html);
    bal_html_close(html);
}

static void write_label(bal_page *page, const char *title, bool is_code, const char *about) {
    bal_html *html = &page->html;
    bal_html_open(html, "th", NULL);
    bal_html_attribute(html, "scope", "row");
    bal_html_element(html, is_code ? "code" : "span", NULL, title);
    if (about[0]) bal_html_element(html, "small", NULL, about);
    bal_html_close(html);
}

static void write_main_table(bal_page *page, const bal_page_head *head,
                             const figure_column *columns, size_t n) {
    bal_html *html = &page->html;
    const figure_line *lines = head->has_classes ? class_lines
                               : head->is_log    ? log_lines
                                                 : value_lines;
    bal_html_open(html, "div", "scroll");
    bal_html_open(html, "table", "figures");
    write_titles(page, columns, n);
    bal_html_open(html, "tbody", NULL);
    for (; lines->metric; lines++) {
        const bal_metric *metric = bal_metric_find(lines->metric);
        bool special = metric && (metric->first_class || metric->needs_payoff);
        if (special && !json_object_get(columns[0].figures, lines->metric)) continue;
        bal_html_open(html, "tr", NULL);
        write_label(page, lines->title, false, summary_of(lines->metric));
        for (size_t i = 0; i < n; i++)
            write_figure(page, head, lines, &columns[i], i + 1 < n && columns[i + 1].is_prior);
        bal_html_close(html);
    }
    bal_html_close(html);
    bal_html_close(html);
    bal_html_close(html);
}

/** Everything that was measured, under the names that recipes and logs use. */
static void write_all_metrics(bal_page *page, const figure_column *columns, size_t n) {
    bal_html *html = &page->html;
    const char *metric;
    json_t *figure;
    bal_html_open(html, "details", NULL);
    bal_html_element(html, "summary", NULL, "Every metric");
    bal_html_open(html, "div", "scroll");
    bal_html_open(html, "table", "figures");
    write_titles(page, columns, n);
    bal_html_open(html, "tbody", NULL);
    json_object_foreach((json_t *)(uintptr_t)columns[0].figures, metric, figure) {
        double number;
        if (!bal_json_number(figure, &number)) continue;
        bal_html_open(html, "tr", NULL);
        write_label(page, metric, true, summary_of(metric));
        for (size_t i = 0; i < n; i++) {
            bal_html_open(html, "td", columns[i].is_prior ? "number prior" : "number");
            bal_html_say(html, bal_figure_loss(bal_page_number(columns[i].figures, metric)).text);
            bal_html_close(html);
        }
        bal_html_close(html);
    }
    bal_html_close(html);
    bal_html_close(html);
    bal_html_close(html);
    bal_html_close(html);
}

/** Why some figures are "–". */
static void write_undefined(bal_page *page, const figure_column *column) {
    bal_html *html = &page->html;
    json_t *undefined = json_object_get(column->figures, "undefined"), *reason;
    const char *metric;
    if (json_object_size(undefined) == 0) return;
    bal_html_open(html, "p", "note");
    bal_html_printf(html, "Undefined on the %s rows: ",
                    strcmp(column->title, "Test") == 0 ? "test" : "validation");
    const char *between = "";
    json_object_foreach(undefined, metric, reason) {
        const char *why = json_string_value(reason);
        bal_html_printf(html, "%s%s (%s)", between, metric, why ? why : "no reason given");
        between = "; ";
    }
    bal_html_say(html, ".");
    bal_html_close(html);
}

static void write_rows_note(bal_page *page, const bal_page_head *head, const figure_column *columns,
                            size_t n) {
    bal_html *html = &page->html;
    const char *worse = bal_page_no_better(page, head);
    if (worse) bal_html_element(html, "p", "alarm", worse);
    if (head->is_log)
        bal_html_element(html, "p", "note",
                         "Loss and metrics are of natural logarithms, which this head learns "
                         "(transform: log); predictions are values again.");
    bal_html_open(html, "p", "note");
    if (!page->summary) {
        bal_html_printf(html, "At epoch %s, the best evaluation so far. ",
                        bal_figure_short(bal_page_number(page->best, "epoch")).text);
    }
    for (size_t i = 0; i < n; i++) {
        double rows = bal_page_number(columns[i].figures, "rows");
        if (!columns[i].is_prior && !isnan(rows))
            bal_html_printf(html, "%s: %s rows. ", columns[i].title, bal_figure_count(rows).text);
    }
    if (n > 1 && columns[1].is_prior)
        bal_html_printf(html, "The prior predictor knows only the training rows’ %s.",
                        head->has_classes ? "class frequencies and always names the most frequent "
                                            "class"
                                          : "mean and always answers with it");
    bal_html_close(html);
}

void bal_page_results(bal_page *page) {
    bal_html *html = &page->html;
    bool any = false;
    for (size_t h = 0; h < page->n_heads; h++) {
        const bal_page_head *head = &page->heads[h];
        figure_column columns[COLUMNS_MAX];
        size_t n = find_columns(page, head, columns);
        if (n == 0) continue;
        any = true;
        bal_page_head_title(page, head);
        write_main_table(page, head, columns, n);
        write_rows_note(page, head, columns, n);
        for (size_t i = 0; i < n; i++)
            if (!columns[i].is_prior) write_undefined(page, &columns[i]);
        write_all_metrics(page, columns, n);
    }
    if (any) return;
    bal_html_element(html, "p", "note",
                     json_array_size(page->rows) == 0
                         ? "There are no figures: the run has no evaluation on record."
                         : "There are no figures: no evaluation was fit to be the model.");
}

/* ---- random inputs ---- */

void bal_page_response(bal_page *page) {
    bal_html *html = &page->html;
    json_t *heads = json_object_get(page->response, "heads"), *figures;
    double inputs = bal_page_number(page->response, "inputs");
    const char *name;
    if (json_object_size(heads) == 0) {
        bal_html_element(html, "p", "note",
                         "There is no finished model that could have been tried.");
        return;
    }
    bal_html_open(html, "p", NULL);
    bal_html_printf(html, "The finished model was given %s random inputs. ",
                    bal_figure_count(inputs).text);
    bal_html_say(html, "A live model answers them differently; a collapsed one gives the same "
                       "answer to all: one class, share 100 %, entropy and variance 0.");
    bal_html_close(html);
    json_object_foreach(heads, name, figures) {
        double classes = bal_page_number(figures, "classes");
        bal_page_head head = {.name = name};
        bal_page_head_title(page, &head);
        bal_html_open(html, "div", "facts");
        if (!isnan(classes)) {
            bal_page_fact(page, "Classes answered",
                          bal_figure_count(bal_page_number(figures, "unique_predictions")).text,
                          bal_page_printf(page, "of %s", bal_figure_count(classes).text));
            bal_page_fact(page, "Most common class",
                          bal_figure_share(bal_page_number(figures, "most_common_share")).text,
                          "of the answers");
            bal_page_fact(page, "Entropy",
                          bal_figure_fixed(bal_page_number(figures, "normalized_entropy"), 4).text,
                          "1: all classes alike");
        }
        bal_page_fact(page, "Output variance",
                      bal_figure_short(bal_page_number(figures, "output_variance")).text,
                      "over the inputs");
        bal_html_close(html);
    }
}
