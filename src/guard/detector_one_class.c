/* one_class: the predictions concentrate on one or a few classes.
 *
 * The measure is the entropy of the prediction histogram over that of the training prior (of the
 * validation labels when those have less): 0 when everything is predicted as one class, about 1 for
 * a perfect or a random predictor alike. What keeps healthy runs silent:
 *
 * - Too few rows outside of the dominating class are expected by the prior to miss them.
 * - The most frequent class of a lopsided prior may rightly take all predictions: always at 80 % or
 *   more (a 99:1 problem may predict 100:0), from 40 % on while the probabilities are no worse than
 * the prior's: naming the mode is the honest answer of a model that knows little. (That it knows
 * nothing at all is input_blind's business.) A model that did know more has no such excuse.
 * - In its first evaluations a run whose diversity or skill clearly rises is learning, not
 * collapsed.
 *
 * Where a run was diverse before, and knew something, one evaluation is enough; otherwise two in a
 * row are needed. */
#include <math.h>

#include "guard/detector.h"

enum { FLOOR, HEALTHY, FOR, EXPECTED, EARLY, PATIENCE, OPTIONS };

static const bal_detector_option options[] = {
    [FLOOR] = {"floor", 0.3,
               "share of the prior's entropy below which predictions are concentrated", 0, 1,
               false},
    [HEALTHY] = {"healthy", 0.6,
                 "share of the prior's entropy from which predictions count as diverse", 0, 10,
                 false},
    [FOR] = {"for", 2, "consecutive evaluations below the floor, unless the run was diverse before",
             1, 1e6, true},
    [EXPECTED] =
        {"expected", 5,
         "rows outside of the dominating class that must be expected; four times as many where one "
         "evaluation decides",
         0, 1e12, false},
    [EARLY] = {"early", 5, "first evaluations in which a clear rise counts as learning", 0, 1e6,
               true},
    [PATIENCE] =
        {"patience", 10,
         "first evaluations in which the prior's most frequent class may take all predictions of a "
         "model without skill",
         0, 1e6, true},
    [OPTIONS] = {.name = NULL},
};

typedef struct head_state {
    int64_t low;  /* consecutive evaluations that count as concentrated */
    bool diverse; /* it has been, and right more often than chance */
    bool fired;
    double ratio, skill; /* at the evaluation before; NaN: none */
    double skill_best;   /* NaN: none */
    double outside;      /* rows outside of the dominating class at the evaluation before */
} head_state;

static void reset(void *head) {
    *(head_state *)head = (head_state){.ratio = NAN, .skill = NAN, .skill_best = NAN};
}

static void visit(void *head, bal_state_stream *stream) {
    head_state *s = head;
    bal_stream_i64(stream, &s->low, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->diverse);
    bal_stream_flag(stream, &s->fired);
    bal_stream_double(stream, &s->ratio);
    bal_stream_double(stream, &s->skill);
    bal_stream_double(stream, &s->skill_best);
    bal_stream_finite(stream, &s->outside);
}

/* How many rows outside of the dominating class the prior and the labels let expect. */
static double expected_outside(const bal_head_view *view) {
    double finite = (double)(view->rows - view->nonfinite);
    return finite * (1 - fmax(view->top_prior, view->top_truth));
}

static double rows_outside(const bal_head_view *view) {
    return (double)(view->rows - view->nonfinite - view->predicted[view->top]);
}

/* The dominating class is clearly the most frequent one of the prior, and not taken far beyond it.
 */
static bool is_mode(const bal_head_view *view) {
    const double *prior = view->head->prior;
    double second = 0;
    for (int32_t c = 0; c < view->classes; c++) {
        if (c != view->top) second = fmax(second, prior[c]);
    }
    return view->top_prior >= 1.2 * second;
}

static bool is_lopsided(const bal_head_view *view) {
    return view->top_share <= 1.25 * view->top_prior;
}

/* Everything named the mode, by a model whose probabilities are no worse than the prior's. */
static bool is_honest(const bal_head_view *view) {
    return is_mode(view) && view->skill >= -0.1;
}

static bool is_low(const bal_watch *watch, const bal_head_view *view) {
    return view->has_classes && view->entropy_ratio < watch->option[FLOOR] &&
           expected_outside(view) >= watch->option[EXPECTED] && !is_lopsided(view);
}

bool bal_head_is_concentrated(const bal_watch *one_class, const bal_head_view *view) {
    bool excused = view->top_share <= 2.5 * view->top_prior && is_honest(view);
    return is_low(one_class, view) && !excused;
}

/* Concentrated, but in a way that a run at its beginning may be. */
static bool is_beginning(const bal_guard *guard, const bal_watch *watch, const head_state *s,
                         const bal_head_view *view) {
    int64_t evaluation = bal_guard_evaluations(guard);
    if (s->diverse) return false;
    if (evaluation <= watch->option[PATIENCE] && is_honest(view)) return true;
    if (evaluation > watch->option[EARLY]) return false;
    /* More rows outside of the dominating class, by three standard errors of two counts. */
    double outside = rows_outside(view), error = sqrt(outside + s->outside);
    bool rises = view->entropy_ratio >= 1.2 * s->ratio && outside - s->outside > 3 * error;
    bool learns = view->skill > 0 && view->skill >= s->skill + 0.02;
    return rises || learns;
}

static void fire(bal_guard *guard, const bal_watch *watch, const bal_head_view *view) {
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_about(incident, view->head, view->top);
    int32_t unique = 0;
    for (int32_t c = 0; c < view->classes; c++)
        unique += view->predicted[c] > 0;
    bal_incident_say(
        incident,
        "'%s' predicts %d of %d classes: %.1f %% of %lld rows are called '%s', which "
        "%.1f %% of the training rows are; diversity is %.3f of the prior's (floor %g)",
        incident->head, unique, view->classes, 100 * view->top_share, (long long)view->rows,
        incident->class_name, 100 * view->top_prior, view->entropy_ratio, watch->option[FLOOR]);
    bal_incident_add(incident, "entropy_ratio", view->entropy_ratio);
    bal_incident_add(incident, "top_share", view->top_share);
    bal_incident_add(incident, "top_prior", view->top_prior);
    bal_incident_add(incident, "unique_predictions", unique);
    bal_incident_add(incident, "skill", view->skill);
}

static void remember(head_state *s, const bal_watch *watch, const bal_head_view *view) {
    bool knows = view->skill >= 0.02 || view->agreement >= 4;
    if (view->entropy_ratio >= watch->option[HEALTHY] && knows) s->diverse = true;
    s->ratio = view->entropy_ratio;
    s->skill = view->skill;
    s->outside = rows_outside(view);
    bal_fact_peak(&s->skill_best, view->skill);
}

static bool look(bal_guard *guard, const bal_watch *watch, void *head, const bal_head_view *view,
                 const bal_eval_signals *signals) {
    head_state *s = head;
    if (!view->has_classes || isnan(view->entropy_ratio)) return s->low > 0;
    bool forgot = s->skill_best >= 0.05 && view->skill < 0.2 * s->skill_best && is_low(watch, view);
    bool low = forgot || bal_head_is_concentrated(watch, view);
    if (!low) {
        s->low = 0;
        s->fired = false;
    } else if (s->low == 0 || !is_beginning(guard, watch, s, view)) {
        s->low++;
    }
    bool sudden = s->diverse && expected_outside(view) >= 4 * watch->option[EXPECTED];
    if (low && !s->fired && s->low >= (sudden ? 1 : watch->option[FOR])) {
        s->fired = true;
        fire(guard, watch, view);
    }
    remember(s, watch, view);
    return low;
}

static const bal_head_hooks head_hooks = {sizeof(head_state), reset, visit, look};
static const bal_detector_hooks hooks = {.per_head = &head_hooks};

const bal_detector bal_detector_one_class = {
    .name = "one_class",
    .summary =
        "fires when predictions concentrate on few classes, compared with the training prior",
    .source = "197-class run that called everything class 41; Shannon 1948",
    .options = options,
    .hooks = &hooks,
};
