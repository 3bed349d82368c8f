/* grad_explosion: the gradient's norm stays far above both an absolute bar and its own recent
 * level.
 *
 * An absolute bar alone would fire on healthy runs: norms scale with class weights, number of
 * weights and loss, and are largest at the start. A relative one alone would fire when the norm of
 * a learned problem rises from nothing to next to nothing. */
#include <math.h>

#include "guard/detector.h"
#include "guard/step_window.h"

enum { NORM, FACTOR, STEPS, WINDOW, READY, OPTIONS };

static const bal_detector_option options[] = {
    [NORM] = {"norm", 10, "gradient norm (before clipping) below which nothing is wrong", 0, 1e30,
              false},
    [FACTOR] = {"factor", 10, "multiple of the median of the window that it also exceeds", 1, 1e30,
                false},
    [STEPS] = {"steps", 10, "consecutive steps beyond both", 1, 1e6, true},
    [WINDOW] = {"window", 100, "recent healthy norms kept", 10, 10000, true},
    [READY] = {"ready", 50, "norms needed before anything is judged (at most the window)", 10,
               10000, true},
    [OPTIONS] = {.name = NULL},
};

enum { SUSPECT = 3 }; /* steps in a row beyond the bar: one or two are noise */

typedef struct state {
    bal_step_window window;
    int64_t beyond; /* consecutive norms beyond the bar */
    bool fired;
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
    s->beyond = 0;
    s->fired = false;
}

static void visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    state *s = watch->state;
    bal_step_window_visit(&s->window, stream);
    bal_stream_i64(stream, &s->beyond, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->fired);
}

static void on_step(bal_guard *guard, const bal_watch *watch, const bal_step_signals *signals) {
    state *s = watch->state;
    double norm = signals->grad_norm;
    if (!isfinite(norm)) return; /* detector_nonfinite.c */
    double ready = fmin(watch->option[READY], watch->option[WINDOW]);
    if (s->window.count < ready) {
        bal_step_window_push(&s->window, norm);
        return;
    }
    double median = bal_step_window_median(&s->window);
    double bar = fmax(watch->option[NORM], watch->option[FACTOR] * median);
    if (!(norm > bar)) {
        s->beyond = 0;
        s->fired = false;
        bal_step_window_push(&s->window, norm);
        return;
    }
    s->beyond++;
    if (s->fired) bal_step_window_push(&s->window, norm); /* nobody acted: the new normal */
    if (s->fired || s->beyond < watch->option[STEPS]) return;
    s->fired = true;
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_say(incident,
                     "the gradient norm has been above %.4g for %lld steps (now %.4g); the median "
                     "of the healthy steps before is %.4g",
                     bar, (long long)s->beyond, norm, median);
    bal_incident_add(incident, "grad_norm", norm);
    bal_incident_add(incident, "median", median);
    bal_incident_add(incident, "bar", bar);
    bal_incident_add(incident, "steps", (double)s->beyond);
    bal_incident_add(incident, "clip_norm", signals->clip_norm);
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

const bal_detector bal_detector_grad_explosion = {
    .name = "grad_explosion",
    .summary = "fires when the gradient norm stays far above an absolute bar and its own median",
    .source = "Pascanu, Mikolov & Bengio 2013",
    .options = options,
    .hooks = &hooks,
};
