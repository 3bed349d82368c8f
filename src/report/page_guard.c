/* What the guard saw and did: its incidents in the order they happened, each with its evidence,
 * what was done about it and what came of that; then what may explain them. */
#include <math.h>
#include <string.h>

#include "report/page_parts.h"

enum { OPEN_INCIDENTS_MAX = 12, INCIDENTS_MAX = 500 };

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
}

static bool is_same(const json_t *a, const json_t *b, const char *key) {
    return json_equal(json_object_get(a, key), json_object_get(b, key));
}

static bool has_action(const json_t *incident, const char *action) {
    return strcmp(bal_page_text(incident, "action"), action) == 0;
}

/* ---- decisions: incidents of one moment, which the guard answered together ---- */

static bool is_alike(const json_t *a, const json_t *b) {
    return is_same(a, b, "detector") && is_same(a, b, "head") && is_same(a, b, "class");
}

/** End of the decision that begins at `first`. The same incident again is a failure that came back
 *  after a rollback, even when it is of the same step. */
static size_t decision_end(const json_t *incidents, size_t first) {
    const json_t *head = json_array_get(incidents, first);
    size_t end = first + 1;
    for (; end < json_array_size(incidents); end++) {
        const json_t *incident = json_array_get(incidents, end);
        if (!is_same(incident, head, "epoch") || !is_same(incident, head, "step")) break;
        for (size_t i = first; i < end; i++)
            if (is_alike(incident, json_array_get(incidents, i))) return end;
    }
    return end;
}

static bool decision_has(const json_t *incidents, size_t first, size_t end, const char *action) {
    for (size_t i = first; i < end; i++)
        if (has_action(json_array_get(incidents, i), action)) return true;
    return false;
}

/** Whether the entry of health.json's "tried" belongs to this decision. */
static bool answers(const json_t *tried, const json_t *incidents, size_t first, size_t end) {
    for (size_t i = first; i < end; i++) {
        const json_t *incident = json_array_get(incidents, i);
        if (json_equal(json_object_get(tried, "because"), json_object_get(incident, "detector")) &&
            is_same(tried, incident, "epoch"))
            return true;
    }
    return false;
}

/* ---- the time line ---- */

void bal_page_pairs(bal_page *page, const json_t *object) {
    bal_html *html = &page->html;
    const char *name;
    json_t *value;
    if (json_object_size(object) == 0) return;
    bal_html_open(html, "div", "pairs");
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        bal_html_open(html, "span", NULL);
        bal_html_element(html, "b", NULL, name);
        bal_html_printf(html, " %s", bal_figure_short(bal_page_number(object, name)).text);
        bal_html_close(html);
    }
    bal_html_close(html);
}

static const char *tone_of(const json_t *incident) {
    return has_action(incident, "warn") ? "warn" : "bad";
}

static void write_incident(bal_page *page, const json_t *incident) {
    bal_html *html = &page->html;
    const char *head = bal_page_text(incident, "head"),
               *class_name = bal_page_text(incident, "class");
    bal_html_open(html, "li", tone_of(incident));
    const char *stage = bal_page_text(incident, "stage");
    bal_html_open(html, "div", "when");
    if (stage[0]) bal_html_printf(html, "stage ‘%s’, ", stage);
    bal_html_printf(html, "epoch %s, step %s",
                    bal_figure_short(bal_page_number(incident, "epoch")).text,
                    bal_figure_count(bal_page_number(incident, "step")).text);
    bal_html_close(html);
    bal_html_open(html, "div", NULL);
    bal_html_element(html, "span", bal_page_printf(page, "badge %s", tone_of(incident)),
                     bal_page_text(incident, "detector"));
    if (head[0]) bal_html_printf(html, " head ‘%s’", head);
    if (class_name[0]) bal_html_printf(html, ", class ‘%s’", class_name);
    bal_html_close(html);
    bal_html_element(html, "p", NULL, bal_page_text(incident, "message"));
    bal_page_pairs(page, json_object_get(incident, "evidence"));
    bal_html_close(html);
}

static void write_answer(bal_page *page, const char *tone, const char *label, const char *what,
                         const char *outcome) {
    bal_html *html = &page->html;
    bal_html_open(html, "li", bal_page_printf(page, "answer %s", tone));
    bal_html_element(html, "span", "badge plain", label);
    bal_html_printf(html, " %s", what);
    if (outcome[0]) {
        bal_html_say(html, " → ");
        bal_html_element(html, "strong", NULL, outcome);
    }
    bal_html_close(html);
}

static void write_remedy(bal_page *page, const json_t *tried) {
    const char *result = bal_page_text(tried, "result");
    const char *tone = strcmp(result, "accepted") == 0                    ? "good"
                       : strcmp(result, "another incident followed") == 0 ? "bad"
                                                                          : "warn";
    write_answer(page, tone, "rollback",
                 bal_page_printf(page, "back to the last healthy state, then: %s",
                                 bal_page_text(tried, "remedy")),
                 result);
}

/** What was done about the k-th decision that asked for a rollback. */
static void write_rollback(bal_page *page, size_t first, size_t end, size_t k) {
    const json_t *tried = json_object_get(page->health, "tried");
    const json_t *entry = json_array_get(tried, k);
    if (entry && answers(entry, page->incidents, first, end))
        write_remedy(page, entry);
    else if (!page->health)
        write_answer(page, "warn", "rollback",
                     "was called for; health.json, which is written at "
                     "the end, would say what came of it",
                     "");
    else if (k >= json_array_size(tried))
        write_answer(page, "bad", "gave up", "no rollback or no remedy was left", "");
}

/** Returns how many rollbacks the incidents asked for. */
static size_t write_decisions(bal_page *page) {
    const json_t *incidents = page->incidents;
    size_t n = json_array_size(incidents), asked = 0;
    bool folded = false;
    bal_html *html = &page->html;
    bal_html_open(html, "ol", "timeline");
    for (size_t first = 0, end; first < n && first < INCIDENTS_MAX; first = end) {
        end = decision_end(incidents, first);
        if (first >= OPEN_INCIDENTS_MAX && !folded) {
            folded = true;
            bal_html_close(html);
            bal_html_open(html, "details", NULL);
            bal_html_element(html, "summary", NULL,
                             bal_page_printf(page, "%zu more incidents", n - first));
            bal_html_open(html, "ol", "timeline");
        }
        for (size_t i = first; i < end; i++)
            write_incident(page, json_array_get(incidents, i));
        if (decision_has(incidents, first, end, "recover"))
            write_rollback(page, first, end, asked++);
        else if (decision_has(incidents, first, end, "stop"))
            write_answer(page, "bad", "stop", "the run was ended, as the recipe asks", "");
    }
    bal_html_close(html);
    if (folded) bal_html_close(html);
    if (n > INCIDENTS_MAX)
        bal_html_element(html, "p", "note",
                         bal_page_printf(page,
                                         "The rest of the %zu incidents is in "
                                         "incidents.jsonl.",
                                         n));
    return asked;
}

/** Remedies whose incidents are not on record, because lines of the log are damaged. */
static void write_orphans(bal_page *page, size_t from) {
    const json_t *tried = json_object_get(page->health, "tried");
    if (from >= json_array_size(tried)) return;
    bal_html_open(&page->html, "ol", "timeline");
    for (size_t i = from; i < json_array_size(tried); i++)
        write_remedy(page, json_array_get(tried, i));
    bal_html_close(&page->html);
}

/* ---- hypotheses ---- */

static void write_hypothesis(bal_page *page, const json_t *item) {
    bal_html *html = &page->html;
    bal_html_open(html, "li", NULL);
    bal_html_open(html, "p", NULL);
    bal_html_element(html, "strong", NULL, bal_page_text(item, "statement"));
    bal_html_printf(html, " Fit %s of 1.", bal_figure_fixed(bal_page_number(item, "fit"), 2).text);
    bal_html_close(html);
    bal_html_open(html, "p", NULL);
    bal_html_printf(html, "Why: %s.", bal_page_text(item, "why"));
    bal_html_close(html);
    bal_html_open(html, "p", NULL);
    bal_html_printf(html, "Try: %s", bal_page_text(item, "try"));
    bal_html_close(html);
    bal_page_pairs(page, json_object_get(item, "evidence"));
    bal_html_close(html);
}

static void write_hypotheses(bal_page *page) {
    bal_html *html = &page->html;
    const json_t *list = json_object_get(page->health, "hypotheses");
    if (json_array_size(list) == 0) return;
    bal_html_element(html, "h3", NULL, "What may explain it, best fit first");
    bal_html_element(html, "p", "note", bal_page_text(page->health, "note"));
    bal_html_open(html, "ol", "hypotheses");
    for (size_t i = 0; i < json_array_size(list); i++)
        write_hypothesis(page, json_array_get(list, i));
    bal_html_close(html);
}

/* ---- all ---- */

static const char *policy_text(const char *policy) {
    if (strcmp(policy, "off") == 0) return "The guard was off.";
    if (strcmp(policy, "warn") == 0) return "The guard was to warn and go on.";
    if (strcmp(policy, "stop") == 0) return "The guard was to stop the run at the first incident.";
    if (strcmp(policy, "recover") == 0)
        return "The guard was to go back to the last healthy state, apply a remedy and go on.";
    return "";
}

void bal_page_guard(bal_page *page) {
    bal_html *html = &page->html;
    size_t n = json_array_size(page->incidents);
    bal_html_open(html, "p", NULL);
    bal_html_printf(html, "%s ", policy_text(bal_page_text(page->health, "policy")));
    if (n == 0)
        bal_html_say(html, "It has no incident on record.");
    else
        bal_html_printf(html, "It has %zu incident%s on record.", n, plural(n));
    bal_html_close(html);
    size_t asked = n > 0 ? write_decisions(page) : 0;
    write_orphans(page, asked);
    write_hypotheses(page);
}
