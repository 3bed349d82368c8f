/* The classes that the model knows worst, from the test rows of predictions.npz: an average says
 * nothing of the one class that is never found. Beside each stand what it is taken for and how much
 * of it there was to learn from. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/npz.h"
#include "report/page_parts.h"
#include "train/run_folder.h"

enum { OPEN_CLASSES_MAX = 10, CLASSES_MAX = 1000 };

typedef struct class_line {
    const char *name;
    size_t id;
    int64_t support, predicted, hits;
    int64_t taken_for; /* the class it is most often taken for; −1: none of them */
    int64_t taken;     /* how often */
    double f1;
} class_line;

/** Truth and answers of the test rows of one head. */
typedef struct answers {
    bal_npy_array labels, predictions, classes;
    size_t n, n_classes;
} answers;

/* ---- reading ---- */

static bal_status load_one(bal_page *page, bal_npz *npz, const char *head, const char *name,
                           bal_npy_array *ret_array, bal_error *err) {
    const char *key = bal_page_printf(page, "%s.%s", head, name);
    return bal_npz_load(npz, key, ret_array, err);
}

static void release(answers *rows) {
    bal_npy_release(&rows->labels);
    bal_npy_release(&rows->predictions);
    bal_npy_release(&rows->classes);
}

static bal_status load(bal_page *page, const char *head, answers *rows, bal_error *err) {
    bal_npz *npz = NULL;
    char *path = bal_path_join(page->folder, BAL_RUN_PREDICTIONS);
    bal_status status = path ? bal_npz_open(path, 0, &npz, err) : bal_fail_memory(err, 0);
    if (status == BAL_OK) status = load_one(page, npz, head, "labels", &rows->labels, err);
    if (status == BAL_OK)
        status = load_one(page, npz, head, "predictions", &rows->predictions, err);
    if (status == BAL_OK) status = load_one(page, npz, head, "classes", &rows->classes, err);
    bal_npz_close(npz);
    bal_free(path);
    if (status != BAL_OK) return status;
    rows->n = (size_t)bal_shape_count(&rows->labels.shape);
    rows->n_classes = (size_t)bal_shape_count(&rows->classes.shape);
    bool fits = rows->labels.tensor.data && rows->labels.tensor.dtype == BAL_I32 &&
                rows->predictions.tensor.data && rows->predictions.tensor.dtype == BAL_I32 &&
                rows->classes.text && (size_t)bal_shape_count(&rows->predictions.shape) == rows->n;
    return fits ? BAL_OK
                : bal_fail(err, BAL_EFORMAT, "the arrays of ‘%s’ are not those of a run", head);
}

/* ---- counting ---- */

static int by_key(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/** Mistakes are sorted as truth << 32 | answer + 1 rather than counted in a matrix, which ten
 *  thousand classes would make larger than the machine. */
static bool count_mistakes(const answers *rows, class_line *lines) {
    const int32_t *truth = rows->labels.tensor.data, *called = rows->predictions.tensor.data;
    uint64_t *mistakes = bal_calloc(rows->n, sizeof *mistakes);
    size_t n = 0;
    if (!mistakes) return false;
    for (size_t i = 0; i < rows->n; i++) {
        bool known = truth[i] >= 0 && (size_t)truth[i] < rows->n_classes;
        bool named = called[i] >= 0 && (size_t)called[i] < rows->n_classes;
        if (known && truth[i] != called[i])
            mistakes[n++] = (uint64_t)truth[i] << 32 | (named ? (uint64_t)called[i] + 1 : 0);
    }
    if (n > 1) qsort(mistakes, n, sizeof *mistakes, by_key);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && mistakes[end] == mistakes[i];)
            end++;
        class_line *line = &lines[mistakes[i] >> 32];
        if ((int64_t)(end - i) <= line->taken) continue;
        line->taken = (int64_t)(end - i);
        line->taken_for = (int64_t)(mistakes[i] & UINT32_MAX) - 1;
    }
    bal_free(mistakes);
    return true;
}

static void count_rows(const answers *rows, class_line *lines) {
    const int32_t *truth = rows->labels.tensor.data, *called = rows->predictions.tensor.data;
    for (size_t i = 0; i < rows->n; i++) {
        bool known = truth[i] >= 0 && (size_t)truth[i] < rows->n_classes;
        bool named = called[i] >= 0 && (size_t)called[i] < rows->n_classes;
        if (!known) continue;
        lines[truth[i]].support++;
        if (named) lines[called[i]].predicted++;
        if (truth[i] == called[i]) lines[truth[i]].hits++;
    }
    for (size_t c = 0; c < rows->n_classes; c++) {
        class_line *line = &lines[c];
        line->name = rows->classes.text[c];
        line->id = c;
        line->taken_for = -1;
        line->f1 = line->support == 0
                       ? NAN
                       : 2 * (double)line->hits / (double)(line->support + line->predicted);
    }
}

/** The worst first; classes without rows, of which nothing is known, at the end. */
static int worst_first(const void *a, const void *b) {
    const class_line *x = a, *y = b;
    if (isnan(x->f1) != isnan(y->f1)) return isnan(x->f1) ? 1 : -1;
    if (!isnan(x->f1) && x->f1 != y->f1) return x->f1 < y->f1 ? -1 : 1;
    if (x->support != y->support) return x->support > y->support ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* ---- writing ---- */

static double ratio(int64_t part, int64_t whole) {
    return whole > 0 ? (double)part / (double)whole : NAN;
}

static void write_titles(bal_page *page) {
    static const char *const titles[] = {"F1",        "recall",        "precision", "test rows",
                                         "taken for", "training rows", "weight"};
    bal_html *html = &page->html;
    bal_html_open(html, "thead", NULL);
    bal_html_open(html, "tr", NULL);
    bal_html_element(html, "th", NULL, "class");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        bal_html_element(html, "th", i == 4 ? NULL : "number", titles[i]);
    bal_html_close(html);
    bal_html_close(html);
}

static void write_line(bal_page *page, const char *head, const class_line *line,
                       char *const *names) {
    bal_html *html = &page->html;
    const json_t *learned = json_object_get(json_object_get(page->weights, head), line->name);
    bal_html_open(html, "tr", NULL);
    bal_html_open(html, "th", NULL);
    bal_html_attribute(html, "scope", "row");
    bal_html_say(html, line->name);
    bal_html_close(html);
    bal_page_cell(page, bal_figure_fixed(line->f1, 4));
    bal_page_cell(page, bal_figure_fixed(ratio(line->hits, line->support), 4));
    bal_page_cell(page, bal_figure_fixed(ratio(line->hits, line->predicted), 4));
    bal_page_cell(page, bal_figure_count((double)line->support));
    bal_html_open(html, "td", NULL);
    if (line->taken > 0)
        bal_html_printf(html, "%s (%s)", line->taken_for >= 0 ? names[line->taken_for] : "no class",
                        bal_figure_share(ratio(line->taken, line->support)).text);
    bal_html_close(html);
    bal_page_cell(page, bal_figure_count(bal_page_number(learned, "train_rows")));
    bal_page_cell(page, bal_figure_short(bal_page_number(learned, "weight")));
    bal_html_close(html);
}

static void write_lines(bal_page *page, const char *head, const class_line *lines, size_t n,
                        char *const *names) {
    bal_html *html = &page->html;
    bal_html_open(html, "div", "scroll");
    bal_html_open(html, "table", "log");
    write_titles(page);
    bal_html_open(html, "tbody", NULL);
    for (size_t i = 0; i < n; i++)
        write_line(page, head, &lines[i], names);
    bal_html_close(html);
    bal_html_close(html);
    bal_html_close(html);
}

static void write_head(bal_page *page, const char *head, const answers *rows,
                       const class_line *lines) {
    bal_html *html = &page->html;
    size_t with_rows = 0, unseen = 0, shown;
    for (size_t c = 0; c < rows->n_classes; c++) {
        with_rows += lines[c].support > 0;
        unseen += lines[c].support > 0 && lines[c].predicted == 0;
    }
    shown = with_rows < CLASSES_MAX ? with_rows : CLASSES_MAX;
    bal_html_open(html, "p", NULL);
    if (unseen > 0)
        bal_html_printf(html, "%zu of the %zu classes with test rows are never predicted. ", unseen,
                        with_rows);
    bal_html_say(html,
                 "On the test rows, by F1, the worst first. Few training rows or a low weight "
                 "beside a low recall say where to look.");
    if (with_rows < rows->n_classes)
        bal_html_printf(html, " %zu without test rows are left out.", rows->n_classes - with_rows);
    bal_html_close(html);
    size_t open = shown < OPEN_CLASSES_MAX ? shown : OPEN_CLASSES_MAX;
    write_lines(page, head, lines, open, rows->classes.text);
    if (shown == open) return;
    bal_html_open(html, "details", NULL);
    bal_html_element(html, "summary", NULL,
                     bal_page_printf(page, "%zu more classes", shown - open));
    write_lines(page, head, lines + open, shown - open, rows->classes.text);
    bal_html_close(html);
}

static bool show(bal_page *page, const char *head, const answers *rows) {
    /* Names of the classes are looked up by id, lines are sorted. */
    class_line *lines = bal_calloc(rows->n_classes, sizeof *lines);
    if (!lines) return false;
    count_rows(rows, lines);
    bool fine = count_mistakes(rows, lines);
    if (fine && rows->n_classes > 1) qsort(lines, rows->n_classes, sizeof *lines, worst_first);
    if (fine) write_head(page, head, rows, lines);
    bal_free(lines);
    return fine;
}

void bal_page_classes(bal_page *page) {
    bool any = false;
    for (size_t h = 0; h < page->n_heads; h++) {
        const bal_page_head *head = &page->heads[h];
        answers rows = {.n = 0};
        bal_error why = {0};
        if (!head->has_classes) continue;
        bal_status status = load(page, head->name, &rows, &why);
        if (status == BAL_OK) {
            bal_page_head_title(page, head);
            if (!show(page, head->name, &rows)) page->no_memory = true;
            any = true;
        } else if (status == BAL_ENOMEM) {
            page->no_memory = true;
        } else if (status != BAL_ENOTFOUND) {
            bal_page_problem(page, "%s could not be used: %s", BAL_RUN_PREDICTIONS, why.message);
        }
        release(&rows);
    }
    if (!any)
        bal_html_element(&page->html, "p", "note",
                         page->ended ? "There are no predictions of test rows with classes."
                                     : "Test rows are predicted at the end of a run, which this "
                                       "one has not come to.");
}
