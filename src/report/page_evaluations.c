/* The table of evaluations: every row of metrics.jsonl in the order made, those that a rollback has
 * undone struck through, and a line where it happened. Columns that say the same in every row
 * (attempt, stage) are left out. */
#include <math.h>
#include <string.h>

#include "format/json.h"
#include "report/page_parts.h"

enum { OPEN_ROWS_MAX = 30, HEAD_COLUMNS_MAX = 5 };

typedef struct evaluation_table {
    const json_t *rows;
    size_t n;
    bool has_attempts, has_stages, has_stage_epochs, has_lr, has_seconds;
    bool *undone; /* [n] */
    size_t n_columns;
} evaluation_table;

typedef struct head_column {
    const char *metric, *title;
    bal_figure (*form)(double value);
} head_column;

static bal_figure form_score(double value) {
    return bal_figure_fixed(value, 4);
}

static const head_column class_columns[HEAD_COLUMNS_MAX] = {
    {"loss", "loss", bal_figure_loss},
    {"accuracy", "accuracy", form_score},
    {"macro_f1", "macro F1", form_score},
    {"unique_predictions", "predicted", bal_figure_count},
    {"most_common_share", "top class", bal_figure_share},
};
static const head_column value_columns[HEAD_COLUMNS_MAX] = {
    {"loss", "loss", bal_figure_loss},
    {"mae", "MAE", bal_figure_loss},
    {"rmse", "RMSE", bal_figure_loss},
    {"r2", "R²", form_score},
};

static const head_column *columns_of(const bal_page_head *head, size_t *ret_n) {
    *ret_n = head->has_classes ? 5 : 4;
    return head->has_classes ? class_columns : value_columns;
}

/* ---- what the rows hold ---- */

/** Whether the rows differ in this value. */
static bool varies(const json_t *rows, const char *key) {
    const json_t *first = json_object_get(json_array_get(rows, 0), key);
    for (size_t i = 1; i < json_array_size(rows); i++) {
        const json_t *other = json_object_get(json_array_get(rows, i), key);
        if (first != other && !json_equal(first, other)) return true;
    }
    return false;
}

static bool has_any(const json_t *rows, const char *key) {
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (json_object_get(json_array_get(rows, i), key)) return true;
    return false;
}

/** A row is undone when a later attempt has evaluated the same epoch, or an earlier one, again. */
static void mark_undone(evaluation_table *table) {
    double later = INFINITY, group = INFINITY, attempt = NAN;
    for (size_t i = table->n; i-- > 0;) {
        const json_t *row = json_array_get(table->rows, i);
        double epoch = bal_page_number(row, "epoch"), own = bal_page_number(row, "attempt");
        if (own != attempt) {
            later = fmin(later, group);
            group = INFINITY;
            attempt = own;
        }
        table->undone[i] = later <= epoch;
        if (epoch < group) group = epoch;
    }
}

static bool study(bal_page *page, evaluation_table *table) {
    *table = (evaluation_table){
        .rows = page->rows,
        .n = json_array_size(page->rows),
        .has_attempts = varies(page->rows, "attempt"),
        .has_stages = varies(page->rows, "stage"),
        .has_stage_epochs = has_any(page->rows, "stage_epoch"),
        .has_lr = has_any(page->rows, "lr"),
        .has_seconds = has_any(page->rows, "seconds"),
    };
    table->undone = bal_arena_alloc(&page->arena, table->n, sizeof *table->undone);
    if (!table->undone) {
        page->no_memory = true;
        return false;
    }
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
        {"step", true},
        {"attempt", table->has_attempts},
        {"stage", table->has_stages},
        {"of stage", table->has_stage_epochs},
        {"lr", table->has_lr},
        {"train loss", true},
    };
    bool several = page->n_heads > 1;
    size_t rows = several ? 2 : 1, n;
    bal_html_open(html, "thead", NULL);
    bal_html_open(html, "tr", NULL);
    table->n_columns = 0;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        if (!before[i].shown) continue;
        write_title(page, before[i].title, "number", 1, rows);
        table->n_columns++;
    }
    for (size_t h = 0; h < page->n_heads; h++) {
        const head_column *columns = columns_of(&page->heads[h], &n);
        table->n_columns += n;
        if (several) write_title(page, page->heads[h].name, "group", n, 1);
        for (size_t i = 0; !several && i < n; i++)
            write_title(page, columns[i].title, "number", 1, 1);
    }
    if (table->has_seconds) write_title(page, "time", "number", 1, rows);
    write_title(page, "", NULL, 1, rows);
    table->n_columns += table->has_seconds ? 2 : 1;
    bal_html_close(html);
    if (several) {
        bal_html_open(html, "tr", NULL);
        for (size_t h = 0; h < page->n_heads; h++) {
            const head_column *columns = columns_of(&page->heads[h], &n);
            for (size_t i = 0; i < n; i++)
                write_title(page, columns[i].title, "number", 1, 1);
        }
        bal_html_close(html);
    }
    bal_html_close(html);
}

/* ---- rows ---- */

/** Stages have names, attempts numbers. */
static void write_word(bal_page *page, const json_t *value) {
    if (json_is_string(value))
        bal_html_element(&page->html, "td", "number", json_string_value(value));
    else
        bal_page_cell(page,
                      bal_figure_short(json_is_number(value) ? json_number_value(value) : NAN));
}

static void write_remark(bal_page *page, const evaluation_table *table, size_t i) {
    bal_html *html = &page->html;
    const json_t *row = json_array_get(table->rows, i);
    bal_html_open(html, "td", "remark");
    if (row == page->best) bal_html_element(html, "span", "badge good", "best");
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
    bal_html_open(html, "tr", row == page->best ? "best" : table->undone[i] ? "undone" : NULL);
    bal_page_cell(page, bal_figure_short(bal_page_number(row, "epoch")));
    bal_page_cell(page, bal_figure_count(bal_page_number(row, "step")));
    if (table->has_attempts) write_word(page, json_object_get(row, "attempt"));
    if (table->has_stages) write_word(page, json_object_get(row, "stage"));
    if (table->has_stage_epochs) write_word(page, json_object_get(row, "stage_epoch"));
    if (table->has_lr) bal_page_cell(page, bal_figure_short(bal_page_number(row, "lr")));
    bal_page_cell(page, bal_figure_loss(bal_page_number(json_object_get(row, "train"), "loss")));
    for (size_t h = 0; h < page->n_heads; h++) {
        size_t n;
        const head_column *columns = columns_of(&page->heads[h], &n);
        const json_t *figures = json_object_get(json_object_get(row, "val"), page->heads[h].name);
        for (size_t c = 0; c < n; c++)
            bal_page_cell(page, columns[c].form(bal_page_number(figures, columns[c].metric)));
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
    for (size_t i = 0; i < table->n; i++) {
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

/** A row per stage: how long it took, and the best that it came to. */
static void write_stages(bal_page *page) {
    static const char *const titles[] = {"stage", "epochs", "steps", "best epoch", "value", "of"};
    bal_html *html = &page->html;
    const json_t *stages = json_object_get(page->summary, "stages");
    if (json_array_size(stages) == 0) return;
    bal_html_element(html, "p", NULL,
                     "Each stage starts from the best of the one before, or from what its "
                     "init_from says; its epochs count from 1.");
    bal_html_open(html, "div", "scroll");
    bal_html_open(html, "table", "log");
    bal_html_open(html, "thead", NULL);
    bal_html_open(html, "tr", NULL);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        write_title(page, titles[i], "number", 1, 1);
    bal_html_close(html);
    bal_html_close(html);
    bal_html_open(html, "tbody", NULL);
    for (size_t i = 0; i < json_array_size(stages); i++) {
        const json_t *stage = json_array_get(stages, i);
        const json_t *monitor = json_object_get(stage, "monitor");
        double best = bal_page_number(stage, "best_epoch");
        bal_html_open(html, "tr", NULL);
        write_word(page, json_object_get(stage, "name"));
        bal_page_cell(page, bal_figure_count(bal_page_number(stage, "epochs")));
        bal_page_cell(page, bal_figure_count(bal_page_number(stage, "steps")));
        bal_page_cell(page, bal_figure_short(best > 0 ? best : NAN));
        bal_page_cell(page, bal_figure_fixed(bal_page_number(monitor, "value"), 4));
        write_word(page, json_object_get(monitor, "name"));
        bal_html_close(html);
    }
    bal_html_close(html);
    bal_html_close(html);
    bal_html_close(html);
}

void bal_page_evaluations(bal_page *page) {
    bal_html *html = &page->html;
    evaluation_table table;
    if (json_array_size(page->rows) == 0) {
        bal_html_element(html, "p", "note", "There is no evaluation on record.");
        return;
    }
    if (!study(page, &table)) return;
    bal_html_element(html, "p", NULL,
                     "Each row is one evaluation of the validation rows; training loss is the mean "
                     "since the one before, with class weights and dropout.");
    write_stages(page);
    bool is_long = table.n > OPEN_ROWS_MAX;
    if (is_long) {
        bal_html_open(html, "details", NULL);
        bal_html_element(html, "summary", NULL,
                         bal_page_printf(page, "All %zu evaluations", table.n));
    }
    write_table(page, &table);
    if (is_long) bal_html_close(html);
}
