/* loss_spike: the training loss leaps out of its recent range and stays out.
 *
 * Single batches are noisy: with class weights, small batches and losses near zero, a few rows
 * decide a batch's loss, and the distribution has a long tail at any time of a healthy run. So a
 * spike is `steps` consecutive losses beyond median + k·spread of the healthy ones before, where
 * the spread has a floor (a window of nearly equal losses has none), and beyond a share of the loss
 * with which the run or stage began: leaps between nothing and next to nothing are no spikes. A
 * single loss far beyond where the run began is noted. Once a spike was reported, its losses enter
 * the window: if nobody acts, the new level becomes the normal one. */
#include <math.h>

#include "guard/detector.h"
#include "guard/step_window.h"

enum { K, STEPS, WINDOW, READY, LEVEL, SINGLE, OPTIONS };

static const bal_detector_option options[] = {
    [K] = {"k", 10,
           "spreads (1.4826 MAD, at least 10 % of the median) beyond the median of the window", 1,
           1e6, false},
    [STEPS] = {"steps", 10, "consecutive losses beyond it", 1, 1e6, true},
    [WINDOW] = {"window", 100, "recent healthy losses kept", 10, 10000, true},
    [READY] = {"ready", 50, "losses needed before anything is judged (at most the window)", 10,
               10000, true},
    [LEVEL] = {"level", 0.25,
               "a spike also exceeds this share of the run's or stage's first losses", 0, 1e6,
               false},
    [SINGLE] = {"single", 50, "a single loss beyond this multiple of the first losses is noted", 1,
                1e12, false},
    [OPTIONS] = {.name = NULL},
};

enum { SUSPECT = 3 }; /* steps in a row beyond the bar: one or two are noise */

typedef struct state {
    bal_step_window window;
    double first;   /* median of the first `ready` losses; NaN before */
    int64_t beyond; /* consecutive losses beyond the bar */
    bool fired;     /* in this row of losses beyond the bar */
    bool noted;
} state;

static void *open(bal_guard *guard, const bal_watch *watch) {
    state *s = bal_arena_alloc(bal_guard_arena(guard), 1, sizeof *s);
    bool fits = s && bal_step_window_init(&s->window, bal_guard_arena(guard),
                                          (int32_t)watch->option[WINDOW]);
    return fits ? s : NULL;
}

static void reset(const bal_guard *guard, const bal_watch *watch) {
    state *s = watch->state;
    bal_step_window_reset(&s->window);
    s->first = NAN;
    s->beyond = 0;
    s->fired = s->noted = false;
}

static void visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    state *s = watch->state;
    bal_step_window_visit(&s->window, stream);
    bal_stream_double(stream, &s->first);
    bal_stream_i64(stream, &s->beyond, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->fired);
    bal_stream_flag(stream, &s->noted);
}

static void learn(state *s, const bal_watch *watch, double loss) {
    bal_step_window_push(&s->window, loss);
    int32_t ready = (int32_t)fmin(watch->option[READY], watch->option[WINDOW]);
    if (isnan(s->first) && s->window.count >= ready)
        s->first = fabs(bal_step_window_median(&s->window));
}

static void fire(bal_guard *guard, const bal_watch *watch, bal_severity severity, double loss,
                 double median, double bar) {
    const state *s = watch->state;
    bal_incident *incident = bal_guard_fire(guard, watch, severity);
    if (severity == BAL_ACT)
        bal_incident_say(incident,
                         "the training loss has been above %.4g for %lld steps (now %.4g); the "
                         "median of the healthy steps before is %.4g",
                         bar, (long long)s->beyond, loss, median);
    else
        bal_incident_say(incident,
                         "the training loss of one step is %.4g; the median before it is %.4g, and "
                         "the first losses were about %.4g",
                         loss, median, s->first);
    bal_incident_add(incident, "loss", loss);
    bal_incident_add(incident, "median", median);
    bal_incident_add(incident, "bar", bar);
    bal_incident_add(incident, "first_losses", s->first);
    bal_incident_add(incident, "steps", (double)s->beyond);
}

static void on_step(bal_guard *guard, const bal_watch *watch, const bal_step_signals *signals) {
    state *s = watch->state;
    double loss = signals->loss;
    if (!isfinite(loss)) return; /* detector_nonfinite.c */
    if (isnan(s->first)) {
        learn(s, watch, loss);
        return;
    }
    double median = bal_step_window_median(&s->window);
    double spread = fmax(1.4826 * bal_step_window_mad(&s->window), 0.1 * fabs(median));
    double bar = fmax(median + watch->option[K] * spread, watch->option[LEVEL] * s->first);
    if (!(loss > bar)) {
        s->beyond = 0;
        s->fired = s->noted = false;
        learn(s, watch, loss);
        return;
    }
    s->beyond++;
    if (s->fired) {
        learn(s, watch, loss);
    } else if (s->beyond >= watch->option[STEPS]) {
        s->fired = true;
        fire(guard, watch, BAL_ACT, loss, median, bar);
    } else if (!s->noted && loss > watch->option[SINGLE] * s->first) {
        s->noted = true;
        fire(guard, watch, BAL_ONLY_NOTE, loss, median, bar);
    }
}

static bool on_evaluation(bal_guard *guard, const bal_watch *watch,
                          const bal_eval_signals *signals) {
    const state *s = watch->state;
    return s->beyond >= SUSPECT;
}

static const bal_detector_hooks hooks = {.open = open,
                                         .reset = reset,
                                         .visit = visit,
                                         .on_evaluation = on_evaluation,
                                         .on_step = on_step};

const bal_detector bal_detector_loss_spike = {
    .name = "loss_spike",
    .summary =
        "fires when the training loss stays far beyond its recent range; one far larger step "
        "is only noted",
    .source = "Chowdhery et al. 2022 (PaLM: some 20 spikes; rewinding and skipping cured them)",
    .options = options,
    .hooks = &hooks,
};
