/* The run in one plain sentence: from health.json and summary.json, or, where there are none, from
 * what the logs hold. Says what is on record and claims no cause. */
#include <math.h>
#include <string.h>

#include "report/page_parts.h"

static const char *plural(double count) {
    return count == 1 ? "" : "s";
}

static const char *because(const json_t *incident) {
    const char *detector = bal_page_text(incident, "detector");
    return detector[0] ? detector : "an incident";
}

static int64_t epochs_done(const bal_page *page) {
    const json_t *last = json_array_get(page->rows, json_array_size(page->rows) - 1);
    const json_t *epochs = json_object_get(page->summary, "epochs");
    if (!epochs) epochs = json_object_get(last, "epoch");
    return json_integer_value(epochs);
}

/** "all 20 epochs", "12 of 40 epochs". */
static const char *epochs_text(bal_page *page) {
    int64_t done = epochs_done(page), planned = page->epochs_planned;
    if (done == planned && done > 1)
        return bal_page_printf(page, "all %lld epochs", (long long)done);
    if (planned > done)
        return bal_page_printf(page, "%lld of %lld epochs", (long long)done, (long long)planned);
    return bal_page_printf(page, "%lld epoch%s", (long long)done, plural((double)done));
}

/* ---- sentences ---- */

static double count_of(const bal_page *page, const char *what) {
    double count = bal_page_number(page->health, what);
    if (isnan(count)) count = bal_page_number(page->summary, what);
    return isnan(count) ? 0 : count;
}

/** What was seen, each detector once: "one_class, swing". */
static const char *detectors_text(bal_page *page) {
    json_t *counts = json_object_get(page->health, "incidents_by_detector"), *count;
    const char *name, *list = "";
    json_object_foreach(counts, name, count) list =
        bal_page_printf(page, "%s%s%s", list, list[0] ? ", " : "", name);
    return list[0] ? list : because(json_array_get(page->incidents, 0));
}

static const char *say_healthy(bal_page *page) {
    return bal_page_printf(page, "The run went through %s, and the guard found nothing wrong.",
                           epochs_text(page));
}

static const char *say_warned(bal_page *page) {
    double incidents = count_of(page, "incidents");
    return bal_page_printf(page, "The run went through %s with %.0f incident%s (%s); the guard %s.",
                           epochs_text(page), incidents, plural(incidents), detectors_text(page),
                           "only warned");
}

static const char *say_unwatched(bal_page *page) {
    return bal_page_printf(page, "The run went through %s, but the guard was off: nobody looked.",
                           epochs_text(page));
}

static const char *say_unknown(bal_page *page) {
    return "The run has ended, but its verdict cannot be read.";
}

static const char *say_unfinished(bal_page *page) {
    size_t n = json_array_size(page->incidents);
    const char *where =
        json_array_size(page->rows) == 0
            ? "It had not come to its first evaluation"
            : bal_page_printf(page, "Its last evaluation was after %s", epochs_text(page));
    const char *seen = n == 0
                           ? "the guard had seen nothing wrong until then"
                           : bal_page_printf(page, "the guard had seen %zu incident%s until then",
                                             n, plural((double)n));
    return bal_page_printf(page,
                           "The run has not ended: it was interrupted, failed, or was still under "
                           "way when this page was made. %s; %s.",
                           where, seen);
}

static const char *say_recovered(bal_page *page) {
    const json_t *tried = json_object_get(page->health, "tried");
    const json_t *first = json_array_get(page->incidents, 0);
    const json_t *last = json_array_get(tried, json_array_size(tried) - 1);
    double rollbacks = count_of(page, "rollbacks");
    const char *remedy = bal_page_text(last, "remedy");
    bool proved = strcmp(bal_page_text(last, "result"), "accepted") == 0;
    return bal_page_printf(
        page, "The run went wrong at epoch %s (%s) and was put right by %.0f rollback%s%s%s. %s",
        bal_figure_short(bal_page_number(first, "epoch")).text, detectors_text(page), rollbacks,
        plural(rollbacks),
        !remedy[0]       ? ""
        : rollbacks == 1 ? "; remedy: "
                         : "; last remedy: ",
        remedy,
        proved || !last ? bal_page_printf(page, "It then went through %s.", epochs_text(page))
                        : "It ended before the last recovery had proved itself.");
}

static const char *say_stopped(bal_page *page) {
    const json_t *last = json_array_get(page->incidents, json_array_size(page->incidents) - 1);
    return bal_page_printf(page, "The guard stopped the run after %s, as its recipe asks: %s.",
                           epochs_text(page), last ? bal_page_text(last, "message") : "see below");
}

static const char *say_collapsed(bal_page *page) {
    double rollbacks = count_of(page, "rollbacks"), incidents = count_of(page, "incidents");
    return bal_page_printf(page,
                           "The run collapsed (%s) and was not recovered: %.0f incident%s, %.0f "
                           "rollback%s, nothing left to try.",
                           detectors_text(page), incidents, plural(incidents), rollbacks,
                           plural(rollbacks));
}

/* ---- the model ---- */

static const char *say_more(bal_page *page) {
    double best = bal_page_number(page->best, "monitor");
    if (page->summary) best = bal_page_number(json_object_get(page->summary, "monitor"), "value");
    double epoch = bal_page_number(page->best, "epoch");
    if (page->summary) epoch = bal_page_number(page->summary, "best_epoch");
    const char *value =
        isnan(best) || !(epoch > 0)
            ? "No evaluation was finite, not collapsed and above the prior baseline."
            : bal_page_printf(page, "Best %s: %s, at epoch %.0f.", page->monitor,
                              bal_figure_loss(best).text, epoch);
    if (!page->ended)
        return bal_page_printf(page, "%s “ballast resume” goes on from the last checkpoint.",
                               value);
    if (!page->summary) return "";
    const char *model = bal_page_text(page->summary, "model");
    return model[0] ? bal_page_printf(page, "%s The model is in %s.", value, model)
                    : bal_page_printf(page, "%s No model is handed over.", value);
}

const char *bal_page_no_better(bal_page *page, const bal_page_head *head) {
    static const char *const splits[] = {"test", "val"};
    const char *metric = head->has_classes ? "balanced_accuracy" : "rmse";
    for (size_t i = 0; i < 2; i++) {
        const json_t *figures =
            json_object_get(json_object_get(page->summary, splits[i]), head->name);
        double own = bal_page_number(figures, metric);
        double prior = bal_page_number(json_object_get(figures, "prior"), metric);
        if (isnan(own) || isnan(prior)) continue;
        if (head->has_classes ? own > prior : own < prior) return NULL;
        return bal_page_printf(
            page,
            "‘%s’ is no better than the prior predictor, which %s: %s %s on the %s rows, %s %s.",
            head->name,
            head->has_classes ? "always names the most frequent class" : "always gives the mean",
            head->has_classes ? "balanced accuracy"
            : head->is_log    ? "RMSE of logarithms"
                              : "RMSE",
            bal_figure_loss(own).text, i == 0 ? "test" : "validation", bal_figure_loss(prior).text,
            "for the prior");
    }
    return NULL;
}

/* ---- all ---- */

/** The guard's verdict, or what the summary allows to say where health.json cannot be read. */
static const char *verdict_of(const bal_page *page) {
    const char *verdict = bal_page_text(page->health, "verdict");
    const char *status = bal_page_text(page->summary, "status");
    if (!page->ended) return "unfinished";
    if (strcmp(bal_page_text(page->health, "policy"), "off") == 0) return "unwatched";
    if (verdict[0]) return verdict;
    if (strcmp(status, "ok") != 0) return status;
    if (bal_page_number(page->summary, "rollbacks") > 0) return "recovered";
    return bal_page_number(page->summary, "incidents") > 0 ? "warned" : "healthy";
}

static bool is_no_better(bal_page *page) {
    for (size_t i = 0; i < page->n_heads; i++)
        if (bal_page_no_better(page, &page->heads[i])) return true;
    return false;
}

bal_page_verdict bal_page_judge(bal_page *page) {
    static const struct {
        const char *verdict, *word, *tone, *mark;
        const char *(*say)(bal_page *page);
    } known[] = {
        {"healthy", "Healthy", "good", "✓", say_healthy},
        {"recovered", "Recovered", "warn", "↺", say_recovered},
        {"warned", "Warned", "warn", "!", say_warned},
        {"stopped", "Stopped", "bad", "■", say_stopped},
        {"collapsed", "Gave up", "bad", "✕", say_collapsed},
        {"unfinished", "Not finished", "plain", "…", say_unfinished},
        {"unwatched", "Unwatched", "plain", "?", say_unwatched},
        {"", "Ended", "plain", "?", say_unknown},
    };
    enum { LAST = sizeof known / sizeof *known - 1 };
    const char *verdict = verdict_of(page);
    size_t i = 0;
    while (i < LAST && strcmp(known[i].verdict, verdict) != 0)
        i++;
    bal_page_verdict judged = {.word = known[i].word,
                               .tone = known[i].tone,
                               .mark = known[i].mark,
                               .sentence = known[i].say(page),
                               .more = say_more(page)};
    if (!is_no_better(page)) return judged;
    /* Nothing went wrong, and nothing was learned. */
    judged.tone = "bad";
    if (strcmp(judged.word, "Healthy") == 0) {
        judged.word = "No skill";
        judged.mark = "✕";
    }
    return judged;
}
