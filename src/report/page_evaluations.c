/* Tables of evaluations: rows of metrics.jsonl in the order made, those that a rollback has undone
 * struck through, and a line where it happened. Attempts get a column where they differ. */
#include <math.h>
#include <string.h>

#include "report/page_parts.h"

enum { OPEN_ROWS_MAX = 30, HEAD_COLUMNS_MAX = 5 };

typedef struct head_column {
    const char *metric, *title;
    bal_figure (*form)(double value);
} head_column;

typedef struct head_columns {
    head_column column[HEAD_COLUMNS_MAX];
    size_t n;
} head_columns;

typedef struct evaluation_table {
    const json_t *rows; /* of the whole run */
    size_t first, end;  /* those of the table */
    const json_t *best; /* of them; NULL: none */
    bool has_attempts, has_stage_epochs, has_lr, has_monitor, has_seconds;
    bool *undone;        /* [end - first] */
    head_columns *heads; /* [page->n_heads] */
    size_t n_columns;
} evaluation_table;

static bal_figure form_score(double value) {
    return bal_figure_fixed(value, 4);
}

/* ---- columns of a head ---- */

static const head_columns class_columns = {{{"loss", "loss", bal_figure_loss},
                                            {"accuracy", "accuracy", form_score},
                                            {"macro_f1", "macro F1", form_score},
                                            {"unique_predictions", "predicted", bal_figure_count},
                                            {"most_common_share", "top class", bal_figure_share}},
                                           5};
static const head_columns value_columns = {{{"loss", "loss", bal_figure_loss},
                                            {"mae", "MAE", bal_figure_loss},
                                            {"rmse", "RMSE", bal_figure_loss},
                                            {"r2", "R²", form_score}},
                                           4};

static const head_columns log_columns = {{{"loss", "loss", bal_figure_loss},
                                          {"mae", "MAE (log)", bal_figure_loss},
                                          {"rmse", "RMSE (log)", bal_figure_loss},
                                          {"r2", "R² (log)", form_score}},
                                         4};

/** Of a binary head, whose rows have the recall of both classes: one number would hide that one of
 *  them is lost. */
static head_columns binary_columns(bal_page *page, json_t *figures) {
    head_columns columns = {
        {{"loss", "loss", bal_figure_loss}, {"balanced_accuracy", "balanced", form_score}}, 2};
    const char *metric;
    json_t *value;
    json_object_foreach(figures, metric, value) {
        size_t length = strlen(metric);
        if (strncmp(metric, "recall[", 7) != 0 || columns.n + 1 == HEAD_COLUMNS_MAX) continue;
        const char *title = bal_page_printf(page, "recall %.*s", (int)length - 8, metric + 7);
        columns.column[columns.n++] = (head_column){metric, title, form_score};
    }
    columns.column[columns.n++] = class_columns.column[4];
    return columns;
}

static bool has_recalls(json_t *figures) {
    const char *metric;
    json_t *value;
    json_object_foreach(figures, metric, value) {
        if (strncmp(metric, "recall[", 7) == 0) return true;
    }
    return false;
}

static head_columns columns_of(bal_page *page, const bal_page_head *head, const json_t *row) {
    json_t *figures = json_object_get(json_object_get(row, "val"), head->name);
    if (has_recalls(figures)) return binary_columns(page, figures);
    return head->has_classes ? class_columns : head->is_log ? log_columns : value_columns;
}

/* ---- what the rows hold ---- */

/** Whether the rows differ in this value. */
static bool varies(const evaluation_table *table, const char *key) {
    const json_t *first = json_object_get(json_array_get(table->rows, table->first), key);
    for (size_t i = table->first + 1; i < table->end; i++) {
        const json_t *other = json_object_get(json_array_get(table->rows, i), key);
        if (first != other && !json_equal(first, other)) return true;
    }
    return false;
}

static bool has_any(const evaluation_table *table, const char *key) {
    for (size_t i = table->first; i < table->end; i++)
        if (json_object_get(json_array_get(table->rows, i), key)) return true;
    return false;
}

/** A row is undone when a later attempt has evaluated the same epoch, or an earlier one, again. */
static void mark_undone(evaluation_table *table) {
    double later = INFINITY, group = INFINITY, attempt = NAN;
    for (size_t i = table->end; i-- > table->first;) {
        const json_t *row = json_array_get(table->rows, i);
        double epoch = bal_page_number(row, "epoch"), own = bal_page_number(row, "attempt");
        if (own != attempt) {
            later = fmin(later, group);
            group = INFINITY;
            attempt = own;
        }
        table->undone[i - table->first] = later <= epoch;
        if (epoch < group) group = epoch;
    }
}

static bool study(bal_page *page, size_t first, size_t end, const json_t *best,
                  evaluation_table *table) {
    *table = (evaluation_table){.rows = page->rows, .first = first, .end = end, .best = best};
    table->has_attempts = varies(table, "attempt");
    table->has_stage_epochs = has_any(table, "stage_epoch");
    table->has_lr = has_any(table, "lr");
    table->has_seconds = has_any(table, "seconds");
    table->has_monitor = page->n_heads > 1 && has_any(table, "monitor");
    table->undone = bal_arena_alloc(&page->arena, end - first, sizeof *table->undone);
    table->heads = bal_arena_alloc(&page->arena, page->n_heads, sizeof *table->heads);
    if (!table->undone || !table->heads) {
        page->no_memory = true;
        return false;
    }
    for (size_t h = 0; h < page->n_heads; h++)
        table->heads[h] = columns_of(page, &page->heads[h], json_array_get(page->rows, first));
    if (table->has_attempts) mark_undone(table);
    return true;
}

/* ---- titles ---- */

static void write_title(bal_page *page, const char *title, const char *class_name, size_t columns,
                        size_t rows) {
    bal_html *html = &page->html;
    bal_html_open(html, "th", class_name);
    bal_html_attribute(html, "scope", columns > 1 ? "colgroup" : "col");
    if (columns > 1) bal_html_attribute(html, "colspan", bal_page_printf(page, "%zu", columns));
    if (rows > 1) bal_html_attribute(html, "rowspan", bal_page_printf(page, "%zu", rows));
    bal_html_say(html, title);
    bal_html_close(html);
}

/** Several heads: their names stand over their columns. */
static void write_titles(bal_page *page, evaluation_table *table) {
    bal_html *html = &page->html;
    const struct {
        const char *title;
        bool shown;
    } before[] = {
        {"epoch", true},
        {"of run", table->has_stage_epochs},
        {"step", true},
        {"attempt", table->has_attempts},
        {"lr", table->has_lr},
        {"train loss", true},
        {"monitor", table->has_monitor},
    };
    bool several = page->n_heads > 1;
    size_t rows = several ? 2 : 1;
    bal_html_open(html, "thead", NULL);
    bal_html_open(html, "tr", NULL);
    table->n_columns = 0;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        if (!before[i].shown) continue;
        write_title(page, before[i].title, "number", 1, rows);
        table->n_columns++;
    }
    for (size_t h = 0; h < page->n_heads; h++) {
        const head_columns *columns = &table->heads[h];
        table->n_columns += columns->n;
        if (several) write_title(page, page->heads[h].name, "group", columns->n, 1);
        for (size_t i = 0; !several && i < columns->n; i++)
            write_title(page, columns->column[i].title, "number", 1, 1);
    }
    if (table->has_seconds) write_title(page, "time", "number", 1, rows);
    write_title(page, "", NULL, 1, rows);
    table->n_columns += table->has_seconds ? 2 : 1;
    bal_html_close(html);
    if (several) {
        bal_html_open(html, "tr", NULL);
        for (size_t h = 0; h < page->n_heads; h++) {
            const head_columns *columns = &table->heads[h];
            for (size_t i = 0; i < columns->n; i++)
                write_title(page, columns->column[i].title, "number", 1, 1);
        }
        bal_html_close(html);
    }
    bal_html_close(html);
}

/* ---- rows ---- */

static void write_remark(bal_page *page, const evaluation_table *table, size_t i) {
    bal_html *html = &page->html;
    const json_t *row = json_array_get(table->rows, i);
    bal_html_open(html, "td", "remark");
    if (row == table->best) bal_html_element(html, "span", "badge good", "best");
    if (row == page->best && page->n_stages > 0) bal_html_say(html, " the model");
    if (json_is_false(json_object_get(row, "eligible"))) {
        const char *reason = bal_page_text(row, "ineligible_reason");
        bal_html_element(html, "span", "badge bad", "not eligible");
        bal_html_printf(html, " %s", reason);
    }
    bal_html_close(html);
}

static void write_row(bal_page *page, const evaluation_table *table, size_t i) {
    bal_html *html = &page->html;
    const json_t *row = json_array_get(table->rows, i);
    bal_html_open(html, "tr",
                  row == table->best                ? "best"
                  : table->undone[i - table->first] ? "undone"
                                                    : NULL);
    if (table->has_stage_epochs)
        bal_page_cell(page, bal_figure_short(bal_page_number(row, "stage_epoch")));
    bal_page_cell(page, bal_figure_short(bal_page_number(row, "epoch")));
    bal_page_cell(page, bal_figure_count(bal_page_number(row, "step")));
    if (table->has_attempts) bal_page_cell(page, bal_figure_short(bal_page_number(row, "attempt")));
    if (table->has_lr) bal_page_cell(page, bal_figure_short(bal_page_number(row, "lr")));
    bal_page_cell(page, bal_figure_loss(bal_page_number(json_object_get(row, "train"), "loss")));
    if (table->has_monitor) bal_page_cell(page, form_score(bal_page_number(row, "monitor")));
    for (size_t h = 0; h < page->n_heads; h++) {
        const json_t *figures = json_object_get(json_object_get(row, "val"), page->heads[h].name);
        for (size_t c = 0; c < table->heads[h].n; c++) {
            const head_column *column = &table->heads[h].column[c];
            bal_page_cell(page, column->form(bal_page_number(figures, column->metric)));
        }
    }
    if (table->has_seconds)
        bal_page_cell(page, bal_figure_duration(bal_page_number(row, "seconds")));
    write_remark(page, table, i);
    bal_html_close(html);
}

/** Attempt k was begun by the k-th rollback. */
static void write_rollback(bal_page *page, const evaluation_table *table, const json_t *row) {
    bal_html *html = &page->html;
    json_int_t attempt = json_integer_value(json_object_get(row, "attempt"));
    const json_t *tried =
        attempt < 1 ? NULL
                    : json_array_get(json_object_get(page->health, "tried"), (size_t)attempt - 1);
    bal_html_open(html, "tr", "cut");
    bal_html_open(html, "td", NULL);
    bal_html_attribute(html, "colspan", bal_page_printf(page, "%zu", table->n_columns));
    bal_html_say(html, "↺ rolled back");
    if (tried)
        bal_html_printf(html, " because of %s; then: %s", bal_page_text(tried, "because"),
                        bal_page_text(tried, "remedy"));
    bal_html_close(html);
    bal_html_close(html);
}

static void write_table(bal_page *page, evaluation_table *table) {
    bal_html *html = &page->html;
    bal_html_open(html, "div", "scroll");
    bal_html_open(html, "table", "log");
    write_titles(page, table);
    bal_html_open(html, "tbody", NULL);
    for (size_t i = table->first; i < table->end; i++) {
        const json_t *row = json_array_get(table->rows, i);
        const json_t *before = json_array_get(table->rows, i > 0 ? i - 1 : 0);
        if (bal_page_number(row, "attempt") > bal_page_number(before, "attempt"))
            write_rollback(page, table, row);
        write_row(page, table, i);
    }
    bal_html_close(html);
    bal_html_close(html);
    bal_html_close(html);
}

void bal_page_evaluation_table(bal_page *page, size_t first, size_t end, const json_t *best,
                               size_t open_max) {
    bal_html *html = &page->html;
    evaluation_table table;
    if (!study(page, first, end, best, &table)) return;
    bool is_long = end - first > open_max;
    if (is_long) {
        bal_html_open(html, "details", NULL);
        bal_html_element(html, "summary", NULL,
                         bal_page_printf(page, "All %zu evaluations", end - first));
    }
    write_table(page, &table);
    if (is_long) bal_html_close(html);
}

void bal_page_explain_evaluations(bal_page *page, const char *more) {
    bal_html *html = &page->html;
    bal_html_open(html, "p", NULL);
    bal_html_say(html, "Each row is one evaluation of the validation rows. Training loss is the "
                       "mean since the one before, with the class weights, focal alpha, label "
                       "smoothing and dropout of the recipe; the loss of a head on the validation "
                       "rows is without any of these, so that a gap between the two is no "
                       "overfitting by itself.");
    bal_html_say(html, more);
    bal_html_close(html);
}

void bal_page_evaluations(bal_page *page) {
    bal_html *html = &page->html;
    if (json_array_size(page->rows) == 0) {
        bal_html_element(html, "p", "note", "There is no evaluation on record.");
        return;
    }
    bal_page_explain_evaluations(page, "");
    bal_page_evaluation_table(page, 0, json_array_size(page->rows), page->best, OPEN_ROWS_MAX);
}
