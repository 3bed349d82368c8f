/* The stages of a run, one after the other: what each started from and why it ended, the best that
 * it came to, what the guard saw in it, and its evaluations. Most of it is in the rows of the logs,
 * which name their stage, so that a run that has not ended shows as much. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "report/page_parts.h"

enum { OPEN_ROWS_MAX = 15, INCIDENTS_MAX = 6 };

/* ---- finding them ---- */

static const bal_page_plan *plan_of(const bal_page *page, const char *name) {
    for (size_t i = 0; i < page->n_plans; i++)
        if (strcmp(page->plans[i].name, name) == 0) return &page->plans[i];
    return NULL;
}

/** The stage of that name, made where it is not there yet: stages come in the order begun. */
static bal_page_stage *stage_of(bal_page *page, const char *name) {
    for (size_t i = page->n_stages; i-- > 0;)
        if (strcmp(page->stages[i].name, name) == 0) return &page->stages[i];
    bal_page_stage *stage = &page->stages[page->n_stages++];
    *stage = (bal_page_stage){.name = name, .plan = plan_of(page, name)};
    stage->monitor = stage->plan ? stage->plan->monitor : page->monitor;
    return stage;
}

bal_status bal_page_find_stages(bal_page *page, bal_error *err) {
    const json_t *listed = json_object_get(page->summary, "stages");
    size_t n = json_array_size(page->rows), most = json_array_size(listed);
    const char *before = "";
    for (size_t i = 0; i < n; i++) {
        const char *name = bal_page_text(json_array_get(page->rows, i), "stage");
        most += strcmp(name, before) != 0;
        before = name;
    }
    page->stages = bal_arena_alloc(&page->arena, most, sizeof *page->stages);
    if (!page->stages) return bal_fail_memory(err, most * sizeof *page->stages);
    for (size_t i = 0; i < n; i++) {
        const char *name = bal_page_text(json_array_get(page->rows, i), "stage");
        if (!name[0]) continue;
        bal_page_stage *stage = stage_of(page, name);
        if (stage->end == 0) stage->first = i;
        stage->end = i + 1;
    }
    /* One that ended before its first evaluation has no rows. */
    for (size_t i = 0; i < json_array_size(listed); i++) {
        const json_t *figures = json_array_get(listed, i);
        const char *name = bal_page_text(figures, "name");
        if (!name[0]) continue;
        bal_page_stage *stage = stage_of(page, name);
        const char *monitor = bal_page_text(json_object_get(figures, "monitor"), "name");
        stage->figures = figures;
        if (monitor[0]) stage->monitor = monitor;
    }
    return BAL_OK;
}

/* ---- what is known of one ---- */

static double epochs_of(const bal_page *page, const bal_page_stage *stage) {
    double epochs = bal_page_number(stage->figures, "epochs");
    if (!isnan(epochs) || stage->end == 0) return epochs;
    return bal_page_number(json_array_get(page->rows, stage->end - 1), "stage_epoch");
}

static bal_figure best_epoch_of(const bal_page_stage *stage) {
    double epoch = bal_page_number(stage->best, "stage_epoch");
    if (stage->figures) epoch = bal_page_number(stage->figures, "best_epoch");
    return bal_figure_short(epoch > 0 ? epoch : NAN);
}

static double best_value_of(const bal_page_stage *stage) {
    double value = bal_page_number(stage->best, "monitor");
    if (stage->figures)
        value = bal_page_number(json_object_get(stage->figures, "monitor"), "value");
    return value;
}

static const char *started_text(bal_page *page, const bal_page_stage *stage) {
    const json_t *from = json_object_get(stage->figures, "from");
    const char *name = bal_page_text(from, "stage"), *file = bal_page_text(from, "file");
    if (!from && !stage->plan) return "";
    if (!from) {
        name = stage->plan->from_stage;
        file = stage->plan->from_file;
    }
    if (name[0])
        return bal_page_printf(page, "It started from the best weights of stage ‘%s’.", name);
    if (file[0]) return bal_page_printf(page, "It started from %s.", file);
    return "It started from new weights.";
}

/** As the summary says; without one, what follows from another stage having begun. */
static const char *end_of(const bal_page *page, const bal_page_stage *stage) {
    const char *end = bal_page_text(stage->figures, "end");
    if (end[0]) return end;
    if (stage + 1 == page->stages + page->n_stages) return page->ended ? "" : "running";
    if (!stage->plan) return "";
    return epochs_of(page, stage) >= (double)stage->plan->epochs ? "epochs" : "patience";
}

static const char *ended_text(bal_page *page, const bal_page_stage *stage) {
    static const struct {
        const char *end, *text;
    } known[] = {
        {"epochs", "It ended when its epochs were done."},
        {"stopped", "The guard stopped the run in it, as the recipe asks."},
        {"collapsed", "It collapsed and was not recovered, which ended the run."},
        {"interrupted", "The run was interrupted in it."},
        {"running", "It had not ended when this page was made."},
    };
    const char *end = end_of(page, stage);
    if (strcmp(end, "patience") == 0) {
        const bal_page_plan *plan = stage->plan;
        return plan && plan->patience > 0
                   ? bal_page_printf(page,
                                     "It ended early, after %lld evaluation%s without an "
                                     "improvement.",
                                     (long long)plan->patience, plan->patience == 1 ? "" : "s")
                   : "It ended early, for lack of improvement.";
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].end, end) == 0) return known[i].text;
    return "";
}

/* ---- what the guard saw in one ---- */

static bool is_in(const json_t *incident, const bal_page_stage *stage) {
    return strcmp(bal_page_text(incident, "stage"), stage->name) == 0;
}

static size_t count_incidents(const bal_page *page, const bal_page_stage *stage) {
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(page->incidents); i++)
        count += is_in(json_array_get(page->incidents, i), stage);
    return count;
}

static void write_incident(bal_page *page, const json_t *incident) {
    bal_html *html = &page->html;
    const char *tone = strcmp(bal_page_text(incident, "action"), "warn") == 0 ? "warn" : "bad";
    bal_html_open(html, "li", NULL);
    bal_html_element(html, "span", bal_page_printf(page, "badge %s", tone),
                     bal_page_text(incident, "detector"));
    bal_html_printf(html, " epoch %s of the run: %s",
                    bal_figure_short(bal_page_number(incident, "epoch")).text,
                    bal_page_text(incident, "message"));
    bal_html_close(html);
}

/** In short; what was done about them is told where all are. */
static void write_incidents(bal_page *page, const bal_page_stage *stage, size_t count) {
    bal_html *html = &page->html;
    size_t shown = 0;
    if (count == 0) return;
    bal_html_open(html, "ul", "incidents");
    for (size_t i = 0; i < json_array_size(page->incidents) && shown < INCIDENTS_MAX; i++) {
        const json_t *incident = json_array_get(page->incidents, i);
        if (!is_in(incident, stage)) continue;
        write_incident(page, incident);
        shown++;
    }
    bal_html_close(html);
    bal_html_open(html, "p", "note");
    if (count > shown)
        bal_html_printf(html, "And %zu more incident%s. ", count - shown,
                        count - shown == 1 ? "" : "s");
    bal_html_open(html, "a", NULL);
    bal_html_attribute(html, "href", "#guard");
    bal_html_say(html, "What was done about it");
    bal_html_close(html);
    bal_html_close(html);
}

/* ---- one after the other ---- */

static void write_facts(bal_page *page, const bal_page_stage *stage, size_t incidents) {
    bal_html *html = &page->html;
    double run_epoch = bal_page_number(stage->best, "epoch");
    bal_html_open(html, "div", "facts");
    bal_page_fact(page, "Epochs", bal_figure_count(epochs_of(page, stage)).text,
                  stage->plan
                      ? bal_page_printf(page, "of %lld planned", (long long)stage->plan->epochs)
                      : "");
    bal_page_fact(page, "Best epoch", best_epoch_of(stage).text,
                  isnan(run_epoch) ? "none was eligible"
                                   : bal_page_printf(page, "epoch %.0f of the run", run_epoch));
    bal_page_fact(page, stage->monitor, bal_figure_loss(best_value_of(stage)).text, "at its best");
    bal_page_fact(page, "Incidents", bal_figure_count((double)incidents).text,
                  incidents == 0 ? "the guard saw nothing" : "see below");
    bal_html_close(html);
}

static void write_stage(bal_page *page, const bal_page_stage *stage) {
    bal_html *html = &page->html;
    size_t incidents = count_incidents(page, stage);
    bal_html_element(html, "h3", NULL, stage->name);
    bal_html_open(html, "p", NULL);
    bal_html_printf(html, "%s %s", started_text(page, stage), ended_text(page, stage));
    bal_html_close(html);
    write_facts(page, stage, incidents);
    write_incidents(page, stage, incidents);
    if (stage->end == 0) {
        bal_html_element(html, "p", "note", "It did not come to an evaluation.");
        return;
    }
    bal_page_evaluation_table(page, stage->first, stage->end, stage->best, OPEN_ROWS_MAX);
}

void bal_page_stages(bal_page *page) {
    bal_page_explain_evaluations(page, " The epochs of a stage count from 1; the model is the best "
                                       "of the last stage that had one.");
    for (size_t i = 0; i < page->n_stages; i++)
        write_stage(page, &page->stages[i]);
}
