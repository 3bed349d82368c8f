/* The page as a whole: sections in the order in which a reader wants them. The body is written
 * first, since what is wrong with the files is found on the way and belongs near the top. */
#include "report/page.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "report/page_parts.h"

typedef struct section {
    const char *id, *title;
    void (*write)(bal_page *page);
} section;

static const section sections[] = {
    {"results", "Results", bal_page_results},
    {"guard", "Guard", bal_page_guard},
    {"pictures", "Pictures", bal_page_pictures},
    {"stages", "Stages", bal_page_stages},
    {"evaluations", "Evaluations", bal_page_evaluations},
    {"classes", "Worst classes", bal_page_classes},
    {"random", "Random inputs", bal_page_response},
    {"recipe", "Recipe", bal_page_recipe},
    {"machine", "Machine and version", bal_page_machine},
};

enum { SECTIONS = sizeof sections / sizeof *sections };

/* ---- pieces that several parts use ---- */

void bal_page_cell(bal_page *page, bal_figure figure) {
    bal_html_element(&page->html, "td", "number", figure.text);
}

void bal_page_fact(bal_page *page, const char *label, const char *value, const char *note) {
    bal_html *html = &page->html;
    bal_html_open(html, "div", "fact");
    bal_html_element(html, "span", "label", label);
    bal_html_element(html, "span", "value", value);
    if (note[0]) bal_html_element(html, "span", "aside", note);
    bal_html_close(html);
}

void bal_page_head_title(bal_page *page, const bal_page_head *head) {
    if (page->n_heads > 1) bal_html_element(&page->html, "h3", NULL, head->name);
}

/* ---- recipe and machine ---- */

static void write_source(bal_page *page, const char *title, const char *source, bool open) {
    bal_html *html = &page->html;
    bal_html_open(html, "details", NULL);
    if (open) bal_html_attribute(html, "open", "open");
    bal_html_element(html, "summary", NULL, title);
    bal_html_element(html, "pre", NULL, source);
    bal_html_close(html);
}

void bal_page_recipe(bal_page *page) {
    bal_html *html = &page->html;
    if (page->command) {
        bal_html_element(html, "p", NULL, "Run with:");
        bal_html_element(html, "pre", NULL, page->command);
    }
    if (page->recipe) write_source(page, "recipe.yaml, as given", page->recipe, true);
    if (page->resolved)
        write_source(page, "recipe.resolved.yaml, with every default", page->resolved, false);
    if (!page->recipe && !page->resolved)
        bal_html_element(html, "p", "note", "There is no recipe in the folder.");
}

/** One fact about the machine, with a name that people use where there is one. */
static void write_machine_fact(bal_page *page, const char *key, const json_t *value) {
    bal_html *html = &page->html;
    const char *text = json_string_value(value);
    double number = NAN;
    bal_html_open(html, "tr", NULL);
    bal_html_open(html, "th", NULL);
    bal_html_attribute(html, "scope", "row");
    bool is_memory = strcmp(key, "memory_bytes") == 0;
    bal_html_say(html, is_memory ? "memory" : key);
    bal_html_close(html);
    bal_html_open(html, "td", NULL);
    if (text)
        bal_html_say(html, text);
    else if (bal_json_number(value, &number) && is_memory)
        bal_html_printf(html, "%s GiB", bal_figure_fixed(number / (1 << 30), 1).text);
    else
        bal_html_say(html, bal_figure_count(number).text);
    bal_html_close(html);
    bal_html_close(html);
}

void bal_page_machine(bal_page *page) {
    bal_html *html = &page->html;
    const char *key;
    json_t *value;
    if (json_object_size(page->env) == 0) {
        bal_html_element(html, "p", "note", "There is no record of the machine.");
        return;
    }
    bal_html_open(html, "div", "scroll");
    bal_html_open(html, "table", "facts-table");
    bal_html_open(html, "tbody", NULL);
    json_object_foreach(page->env, key, value) if (!json_is_object(value) && !json_is_array(value))
        write_machine_fact(page, key, value);
    bal_html_close(html);
    bal_html_close(html);
    bal_html_close(html);
}

/* ---- the top ---- */

static void write_prolog(bal_page *page, const bal_page_verdict *verdict) {
    bal_html *html = &page->html;
    static const char *const metas[][2] = {
        {"viewport", "width=device-width, initial-scale=1"},
        {"color-scheme", "light dark"},
        {"referrer", "no-referrer"},
    };
    bal_html_raw(html, "<!DOCTYPE html>\n");
    bal_html_open(html, "html", NULL);
    bal_html_attribute(html, "lang", "en");
    bal_html_open(html, "head", NULL);
    bal_html_open(html, "meta", NULL);
    bal_html_attribute(html, "charset", "utf-8");
    bal_html_close(html);
    /* Whatever a class name may hold: nothing runs here and nothing is fetched. */
    bal_html_open(html, "meta", NULL);
    bal_html_attribute(html, "http-equiv", "Content-Security-Policy");
    bal_html_attribute(html, "content",
                       "default-src 'none'; img-src data:; style-src 'unsafe-inline'");
    bal_html_close(html);
    for (size_t i = 0; i < sizeof metas / sizeof *metas; i++) {
        bal_html_open(html, "meta", NULL);
        bal_html_attribute(html, "name", metas[i][0]);
        bal_html_attribute(html, "content", metas[i][1]);
        bal_html_close(html);
    }
    bal_html_open(html, "title", NULL);
    bal_html_printf(html, "%s: %s · Ballast", page->name, verdict->word);
    bal_html_close(html);
    bal_html_open(html, "style", NULL);
    for (const char *const *piece = bal_page_style; *piece; piece++)
        bal_html_raw(html, *piece);
    bal_html_close(html);
    bal_html_close(html);
}

static void write_name(bal_page *page) {
    bal_html *html = &page->html;
    const char *started = bal_page_text(page->env, "started");
    const char *device = bal_page_text(page->env, "description");
    bal_html_element(html, "p", "eyebrow", "Ballast run report");
    bal_html_element(html, "h1", NULL, page->name);
    bal_html_open(html, "p", "note");
    bal_html_element(html, "code", NULL, page->place);
    if (started[0]) bal_html_printf(html, " · started %s", started);
    if (device[0]) bal_html_printf(html, " · %s", device);
    bal_html_close(html);
}

static void write_verdict(bal_page *page, const bal_page_verdict *verdict) {
    bal_html *html = &page->html;
    bal_html_open(html, "div", bal_page_printf(page, "verdict %s", verdict->tone));
    bal_html_open(html, "p", "word");
    bal_html_open(html, "span", "mark");
    bal_html_attribute(html, "aria-hidden", "true");
    bal_html_say(html, verdict->mark);
    bal_html_close(html);
    bal_html_printf(html, " %s", verdict->word);
    bal_html_close(html);
    bal_html_element(html, "p", NULL, verdict->sentence);
    for (size_t i = 0; i < page->n_heads; i++) {
        const char *worse = bal_page_no_better(page, &page->heads[i]);
        if (worse) bal_html_element(html, "p", NULL, worse);
    }
    if (verdict->more[0]) bal_html_element(html, "p", NULL, verdict->more);
    bal_html_close(html);
}

static void write_head_facts(bal_page *page, const bal_page_head *head) {
    static const char *const splits[] = {"test", "val"};
    const char *metric = head->has_classes ? "accuracy" : "rmse";
    const json_t *figures = NULL;
    size_t split = 0;
    for (; !figures && split < 2; split++)
        figures = json_object_get(json_object_get(page->summary, splits[split]), head->name);
    double value = bal_page_number(figures, metric);
    double prior = bal_page_number(json_object_get(figures, "prior"), metric);
    double classes = bal_page_number(figures, "classes");
    if (!figures) return;
    const char *of = page->n_heads > 1 ? bal_page_printf(page, " of %s", head->name) : "";
    bal_page_fact(
        page,
        bal_page_printf(page, "%s %s%s", split == 1 ? "Test" : "Validation",
                        head->has_classes ? "accuracy"
                        : head->is_log    ? "RMSE (log)"
                                          : "RMSE",
                        of),
        (head->has_classes ? bal_figure_share(value) : bal_figure_loss(value)).text,
        isnan(prior)
            ? ""
            : bal_page_printf(
                  page, "prior %s",
                  (head->has_classes ? bal_figure_share(prior) : bal_figure_loss(prior)).text));
    if (!isnan(classes))
        bal_page_fact(page, bal_page_printf(page, "Classes predicted%s", of),
                      bal_figure_count(bal_page_number(figures, "unique_predictions")).text,
                      bal_page_printf(page, "of %s", bal_figure_count(classes).text));
}

static void write_facts(bal_page *page) {
    bal_html *html = &page->html;
    size_t n = json_array_size(page->rows), incidents = json_array_size(page->incidents);
    const json_t *last = json_array_get(page->rows, n > 0 ? n - 1 : 0);
    const json_t *from = page->summary ? page->summary : last;
    double best = bal_page_number(page->best, "monitor");
    double parameters = bal_page_number(page->summary, "parameters");
    double rollbacks = bal_page_number(last, "attempt");
    if (page->summary) rollbacks = bal_page_number(page->summary, "rollbacks");
    bal_html_open(html, "div", "facts");
    if (!isnan(best))
        bal_page_fact(page, bal_page_printf(page, "Best %s", page->monitor),
                      bal_figure_loss(best).text,
                      bal_page_printf(page, "epoch %.0f", bal_page_number(page->best, "epoch")));
    for (size_t i = 0; i < page->n_heads && i < 3; i++)
        write_head_facts(page, &page->heads[i]);
    bal_page_fact(page, "Incidents", bal_figure_count((double)incidents).text,
                  rollbacks > 0 ? bal_page_printf(page, "%.0f rollback%s", rollbacks,
                                                  rollbacks == 1 ? "" : "s")
                                : "no rollback");
    if (from)
        bal_page_fact(page, "Time", bal_figure_duration(bal_page_number(from, "seconds")).text,
                      bal_page_printf(page, "%zu evaluation%s", n, n == 1 ? "" : "s"));
    if (!isnan(parameters))
        bal_page_fact(page, "Parameters", bal_figure_count(parameters).text,
                      "weights in the model");
    bal_html_close(html);
}

static void write_problems(bal_page *page) {
    bal_html *html = &page->html;
    size_t n = json_array_size(page->problems);
    if (n == 0) return;
    bal_html_open(html, "div", "problems");
    bal_html_element(html, "p", NULL,
                     "Some of the run’s files are missing or damaged, so that this "
                     "page does not show everything:");
    bal_html_open(html, "ul", NULL);
    for (size_t i = 0; i < n; i++)
        bal_html_element(html, "li", NULL, json_string_value(json_array_get(page->problems, i)));
    bal_html_close(html);
    bal_html_close(html);
}

/** Evaluations of stages stand with these. */
static bool is_left_out(const bal_page *page, const section *about) {
    if (about->write == bal_page_stages) return page->n_stages == 0;
    if (about->write == bal_page_evaluations) return page->n_stages > 0;
    if (about->write != bal_page_classes) return false;
    for (size_t i = 0; i < page->n_heads; i++)
        if (page->heads[i].has_classes) return false;
    return page->n_heads > 0;
}

static void write_links(bal_page *page) {
    bal_html *html = &page->html;
    bal_html_open(html, "nav", NULL);
    bal_html_attribute(html, "aria-label", "Sections");
    for (size_t i = 0; i < SECTIONS; i++) {
        if (is_left_out(page, &sections[i])) continue;
        bal_html_open(html, "a", NULL);
        bal_html_attribute(html, "href", bal_page_printf(page, "#%s", sections[i].id));
        bal_html_say(html, sections[i].title);
        bal_html_close(html);
    }
    bal_html_close(html);
}

/* ---- all ---- */

static void write_body(bal_page *page) {
    bal_html *html = &page->html;
    for (size_t i = 0; i < SECTIONS; i++) {
        if (is_left_out(page, &sections[i])) continue;
        bal_html_open(html, "section", NULL);
        bal_html_attribute(html, "id", sections[i].id);
        bal_html_element(html, "h2", NULL, sections[i].title);
        sections[i].write(page);
        bal_html_close(html);
    }
}

/** Everything before the sections and after them, around a gap for them. */
static void write_frame(bal_page *page, size_t *ret_gap) {
    bal_html *html = &page->html;
    bal_page_verdict verdict = bal_page_judge(page);
    write_prolog(page, &verdict);
    bal_html_open(html, "body", NULL);
    bal_html_open(html, "header", NULL);
    write_name(page);
    write_verdict(page, &verdict);
    write_facts(page);
    write_problems(page);
    write_links(page);
    bal_html_close(html);
    bal_html_open(html, "main", NULL);
    bal_html_raw(html, "\n");
    *ret_gap = html->text->length;
    bal_html_close(html);
    bal_html_open(html, "footer", NULL);
    bal_html_element(
        html, "p", NULL,
        "Made by Ballast from the files of the run’s folder, which hold every figure in "
        "full. Nothing on this page runs or is fetched.");
    bal_html_close(html);
    bal_html_close(html);
    bal_html_close(html);
}

static bal_status save(const bal_page *page, const bal_text *frame, size_t gap, bal_error *err) {
    bal_file_writer writer;
    char *path = bal_path_join(page->folder, BAL_REPORT_PAGE);
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = bal_file_writer_open(&writer, path, err);
    bal_free(path);
    if (status != BAL_OK) return status;
    bal_file_writer_put(&writer, frame->data, gap);
    bal_file_writer_put(&writer, page->body.data, page->body.length);
    bal_file_writer_put(&writer, frame->data + gap, frame->length - gap);
    return bal_file_writer_commit(&writer, err);
}

static bal_status write_page(bal_page *page, bal_error *err) {
    bal_text frame = {0};
    size_t gap = 0;
    write_body(page);
    bal_html body = page->html;
    bal_html_init(&page->html, &frame);
    write_frame(page, &gap);
    page->html = body;
    bal_status status = bal_page_has_failed(page) || bal_text_failed(&frame)
                            ? bal_fail_memory(err, page->body.length)
                            : save(page, &frame, gap, err);
    bal_text_release(&frame);
    return status;
}

bal_status bal_report_page_write(const char *folder, bal_error *err) {
    bal_page page;
    if (!bal_path_is_folder(folder))
        return bal_fail(err, BAL_ENOTFOUND, "there is no folder %s to report on", folder);
    bal_folder_tidy(folder, BAL_REPORT_PAGE);
    bal_status status = bal_page_open(&page, folder, err);
    if (status == BAL_OK) status = write_page(&page, err);
    bal_page_release(&page);
    return status;
}
