/* degrading: the monitored metric has been far below its best for a while.
 *
 * Far means a share of what the run had gained over the prior predictor, and more than chance by
 * two measures. Noise: the changes from one evaluation to the next show how much a single one is
 * worth (the mean of |x - x'| of independent normal values is 1.128 standard deviations); a gain
 * that is not twice that bar is itself no more than a lucky evaluation, of slow drift around
 * nothing for example. Rows: a metric that weighs classes alike moves by 1 / (C n) with one row of
 * a class that has n, so where a class has twelve rows, one of them named right is half a miracle
 * and not a level to be kept. */
#include <math.h>

#include "guard/detector.h"

enum { DROP, FOR, NOISE, ROWS, AFTER, OPTIONS };
enum { CHANGES = 20, CHANGES_NEEDED = 8 };

static const bal_detector_option options[] = {
    [DROP] = {"drop", 0.25, "share of the gain over the prior that is lost again", 0, 1e6, false},
    [FOR] = {"for", 5, "consecutive evaluations that far below the best", 1, 1e6, true},
    [NOISE] = {"noise", 6, "standard deviations of an evaluation that the loss also exceeds", 0,
               1e6, false},
    [ROWS] = {"rows", 3,
              "rows of the smallest class that the loss is worth, where larger values are better",
              0, 1e12, false},
    [AFTER] = {"after", 2, "first evaluations that cannot be the best", 0, 1e6, true},
    [OPTIONS] = {.name = NULL},
};

typedef struct state {
    double best, last; /* NaN: none yet */
    int64_t best_evaluation;
    int64_t changes;        /* seen so far */
    double change[CHANGES]; /* |difference| of evaluations next to each other, a ring */
    int64_t low;
    bool fired;
} state;

static void *open(bal_guard *guard, const bal_watch *watch) {
    return bal_arena_alloc(bal_guard_arena(guard), 1, sizeof(state));
}

static void reset(const bal_guard *guard, const bal_watch *watch) {
    *(state *)watch->state = (state){.best = NAN, .last = NAN};
}

static void visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    state *s = watch->state;
    bal_stream_double(stream, &s->best);
    bal_stream_double(stream, &s->last);
    bal_stream_i64(stream, &s->best_evaluation, 0, INT64_MAX - 1);
    bal_stream_i64(stream, &s->changes, 0, INT64_MAX - 1);
    for (int32_t i = 0; i < CHANGES; i++)
        bal_stream_finite(stream, &s->change[i]);
    bal_stream_i64(stream, &s->low, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->fired);
}

static double deviation(const state *s) {
    int64_t n = s->changes < CHANGES ? s->changes : CHANGES;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += s->change[i];
    return sum / (double)n / 1.128;
}

/* What one row is worth at most to a metric that weighs the classes of a head alike. */
static double worth_of_a_row(const bal_guard *guard) {
    double worth = 0;
    for (int32_t h = 0; h < bal_guard_heads(guard); h++) {
        const bal_head_view *view = bal_guard_view(guard, h);
        int64_t least = 0;
        for (int32_t c = 0; view->has_classes && c < view->classes; c++) {
            int64_t support = view->support[c];
            if (support > 0 && (least == 0 || support < least)) least = support;
        }
        if (least > 0) worth = fmax(worth, 1 / ((double)view->classes * (double)least));
    }
    return worth;
}

static void remember(state *s, double value, bool larger, bool may_be_best, int64_t evaluation) {
    if (!isnan(s->last)) s->change[s->changes++ % CHANGES] = fabs(value - s->last);
    s->last = value;
    if (!may_be_best) return;
    if (isnan(s->best) || (larger ? value > s->best : value < s->best)) {
        s->best = value;
        s->best_evaluation = evaluation;
    }
}

static void fire(bal_guard *guard, const bal_watch *watch, const bal_eval_signals *signals,
                 double drop) {
    const state *s = watch->state;
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_say(incident,
                     "the monitored metric is %.4g; it has been worse than its best, %.4g at "
                     "evaluation %lld, by more than %.4g for %lld evaluations (the prior predictor "
                     "gets %.4g)",
                     signals->monitored, s->best, (long long)s->best_evaluation, drop,
                     (long long)s->low, signals->monitored_prior);
    bal_incident_add(incident, "monitored", signals->monitored);
    bal_incident_add(incident, "best", s->best);
    bal_incident_add(incident, "best_evaluation", (double)s->best_evaluation);
    bal_incident_add(incident, "prior", signals->monitored_prior);
    bal_incident_add(incident, "drop", drop);
    bal_incident_add(incident, "train_loss", signals->train_loss);
}

static bool on_evaluation(bal_guard *guard, const bal_watch *watch,
                          const bal_eval_signals *signals) {
    state *s = watch->state;
    double value = signals->monitored, prior = signals->monitored_prior;
    bool larger = signals->larger_is_better;
    if (!isfinite(value) || !isfinite(prior)) return s->low > 0;
    bool may_be_best = bal_guard_evaluations(guard) > watch->option[AFTER];
    remember(s, value, larger, may_be_best, signals->evaluation);
    double gain = larger ? s->best - prior : prior - s->best;
    double lost = larger ? s->best - value : value - s->best;
    double noise = watch->option[NOISE] * deviation(s);
    double rows = larger ? watch->option[ROWS] * worth_of_a_row(guard) : 0;
    double drop = fmax(watch->option[DROP] * gain, fmax(noise, rows));
    if (s->changes < CHANGES_NEEDED || !(gain > 2 * noise) || !(lost > drop)) {
        s->low = 0;
        s->fired = false;
        return false;
    }
    s->low++;
    if (!s->fired && s->low >= watch->option[FOR]) {
        s->fired = true;
        fire(guard, watch, signals, drop);
    }
    return true;
}

static const bal_detector_hooks hooks = {
    .open = open, .reset = reset, .visit = visit, .on_evaluation = on_evaluation};

const bal_detector bal_detector_degrading = {
    .name = "degrading",
    .summary = "fires when the monitored metric stays far below its best",
    .source =
        "a run that peaked at epoch 6 and went on for fifty epochs; von Neumann 1941 (noise from "
        "successive differences)",
    .options = options,
    .hooks = &hooks,
};
