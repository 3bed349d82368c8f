/* nonfinite: NaN or infinity in a loss, a gradient or an output.
 *
 * The trainer skips the update of such a step by branch (multiplying by 0 would keep the NaN), so
 * one bad batch does no harm and is only noted. Many in a short time mean that the weights
 * themselves lead there; outputs or a validation loss that are not finite mean that they are
 * already broken. */
#include <math.h>

#include "guard/detector.h"

enum { SKIPS, WINDOW, OPTIONS };

static const bal_detector_option options[] = {
    [SKIPS] = {"skips", 3, "skipped steps tolerated within the window; one more is a collapse", 0,
               63, true},
    [WINDOW] = {"window", 20, "steps over which skipped steps are counted", 1, 64, true},
    [OPTIONS] = {.name = NULL},
};

typedef struct state {
    uint64_t skipped; /* bit i: the step i steps ago was skipped */
    bool many;        /* more than the tolerated number at the last step */
    bool broken;      /* the last evaluation was not finite */
} state;

static void *open(bal_guard *guard, const bal_watch *watch) {
    return bal_arena_alloc(bal_guard_arena(guard), 1, sizeof(state));
}

static void reset(const bal_guard *guard, const bal_watch *watch) {
    *(state *)watch->state = (state){0};
}

static void visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    state *s = watch->state;
    for (int32_t half = 0; half < 2; half++) { /* JSON integers are signed */
        int64_t bits = (int64_t)(s->skipped >> (32 * half) & UINT32_MAX);
        bal_stream_i64(stream, &bits, 0, UINT32_MAX);
        if (stream->mode != BAL_STREAM_LOAD) continue;
        uint64_t kept = s->skipped & ((uint64_t)UINT32_MAX << (32 * (1 - half)));
        s->skipped = kept | (uint64_t)bits << (32 * half);
    }
    bal_stream_flag(stream, &s->many);
    bal_stream_flag(stream, &s->broken);
}

static void describe_step(bal_incident *incident, const bal_step_signals *signals, int count,
                          int window) {
    bal_incident_add(incident, "loss", signals->loss);
    bal_incident_add(incident, "grad_norm", signals->grad_norm);
    bal_incident_add(incident, "skipped_steps", count);
    bal_incident_add(incident, "window", window);
}

static void on_step(bal_guard *guard, const bal_watch *watch, const bal_step_signals *signals) {
    state *s = watch->state;
    int window = (int)watch->option[WINDOW];
    bool bad = !isfinite(signals->loss) || !isfinite(signals->grad_norm);
    uint64_t mask = window == 64 ? UINT64_MAX : (UINT64_C(1) << window) - 1;
    bool first = (s->skipped & (mask >> 1)) == 0;
    s->skipped = (s->skipped << 1 | bad) & mask;
    int count = __builtin_popcountll(s->skipped);
    bool many = count > watch->option[SKIPS];

    const char *what = isfinite(signals->loss) ? "gradient" : "loss";
    if (many && !s->many) {
        bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
        bal_incident_say(incident,
                         "%d of the last %d steps gave a %s that is not a finite number and were "
                         "skipped",
                         count, window, what);
        describe_step(incident, signals, count, window);
    } else if (bad && first) {
        bal_incident *incident = bal_guard_fire(guard, watch, BAL_ONLY_NOTE);
        bal_incident_say(incident,
                         "the %s of one step is not a finite number; the step was skipped, the "
                         "weights are unharmed",
                         what);
        describe_step(incident, signals, count, window);
    }
    s->many = many;
}

static bool on_evaluation(bal_guard *guard, const bal_watch *watch,
                          const bal_eval_signals *signals) {
    state *s = watch->state;
    bool broken = false;
    for (int32_t h = 0; h < bal_guard_heads(guard); h++) {
        const bal_head_view *view = bal_guard_view(guard, h);
        if (view->nonfinite == 0 && !view->bad_loss) continue;
        broken = true;
        if (s->broken) continue;
        bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
        bal_incident_about(incident, view->head, -1);
        if (view->nonfinite > 0)
            bal_incident_say(incident,
                             "outputs of '%s' are not finite numbers for %lld of %lld validation "
                             "rows",
                             incident->head, (long long)view->nonfinite, (long long)view->rows);
        else
            bal_incident_say(incident, "the validation loss of '%s' is %g", incident->head,
                             signals->head_loss[h]);
        bal_incident_add(incident, "nonfinite_rows", (double)view->nonfinite);
        bal_incident_add(incident, "rows", (double)view->rows);
        bal_incident_add(incident, "loss", signals->head_loss[h]);
    }
    s->broken = broken;
    return broken || __builtin_popcountll(s->skipped) > 1;
}

static const bal_detector_hooks hooks = {.open = open,
                                         .reset = reset,
                                         .visit = visit,
                                         .on_evaluation = on_evaluation,
                                         .on_step = on_step};

const bal_detector bal_detector_nonfinite = {
    .name = "nonfinite",
    .summary = "fires when a loss, gradient or output is NaN or infinite; a single skipped step is "
               "only noted",
    .source = "Micikevicius et al. 2018 (skipping steps)",
    .options = options,
    .hooks = &hooks,
};
