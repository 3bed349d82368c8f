/* swing: the recall of a class is thrown between high and low.
 *
 * The sign of a decision that sits on a coin flip: below/above accuracy 0/100, 54/43, 0/100, 13/91,
 * 100/0, 0/100 from check to check. A class is on the high side from recall .7, on the low side
 * from .3, and on the side where it was in between; with few rows the bars move apart, so that
 * chance alone cannot carry a recall of one half across (3 standard errors). The first rise is
 * learning and no swing; two crossings after it, close together, are one. So is one exchange of a
 * head with two classes, the one falling from high to low at the very evaluation at which the other
 * rises from low to high: every answer has turned into its opposite, and no learning does that.
 * Pairs of look-alikes may trade places in a healthy run while it still learns to tell them apart
 * (in 72 slow runs of 20 and 40 classes, up to a fifth of the rows did): the classes that swing
 * must hold a quarter of them.
 */
#include <math.h>
#include <stdio.h>

#include "guard/class_states.h"

enum { HIGH, LOW, WINDOW, SUPPORT, SHARE, AFTER, OPTIONS };

static const bal_detector_option options[] = {
    [HIGH] = {"high", 0.7, "recall from which a class is on the high side", 0, 1, false},
    [LOW] = {"low", 0.3, "recall up to which a class is on the low side", 0, 1, false},
    [WINDOW] = {"window", 10, "evaluations within which two crossings are a swing", 2, 1e6, true},
    [SUPPORT] = {"support", 20, "validation rows that a class needs to be looked at", 1, 1e12,
                 true},
    [SHARE] = {"share", 0.25, "share of the rows that the swinging classes hold together", 0, 1,
               false},
    [AFTER] = {"after", 3, "first evaluations whose crossings do not count", 0, 1e6, true},
    [OPTIONS] = {.name = NULL},
};

enum { UNKNOWN, IS_LOW, IS_HIGH };

typedef struct class_state {
    int32_t side;
    bool was_high;        /* at any time */
    int64_t last, before; /* evaluations of the last two crossings, 0: none */
} class_state;

typedef struct state {
    bool *fired; /* [heads] */
    class_state *classes;
} state;

static void *open(bal_guard *guard, const bal_watch *watch) {
    bal_arena *arena = bal_guard_arena(guard);
    state *s = bal_arena_alloc(arena, 1, sizeof *s);
    if (!s) return NULL;
    s->fired = bal_arena_alloc(arena, (size_t)bal_guard_heads(guard), sizeof *s->fired);
    s->classes = bal_arena_alloc(arena, (size_t)bal_guard_recalls(guard), sizeof *s->classes);
    return s->fired && s->classes ? s : NULL;
}

static void reset(const bal_guard *guard, const bal_watch *watch) {
    state *s = watch->state;
    for (int32_t h = 0; h < bal_guard_heads(guard); h++)
        s->fired[h] = false;
    for (int64_t i = 0; i < bal_guard_recalls(guard); i++)
        s->classes[i] = (class_state){0};
}

static void visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    state *s = watch->state;
    for (int32_t h = 0; h < bal_guard_heads(guard); h++)
        bal_stream_flag(stream, &s->fired[h]);
    for (int64_t i = 0; i < bal_guard_recalls(guard); i++) {
        bal_stream_i32(stream, &s->classes[i].side, UNKNOWN, IS_HIGH);
        bal_stream_flag(stream, &s->classes[i].was_high);
        bal_stream_i64(stream, &s->classes[i].last, 0, INT64_MAX - 1);
        bal_stream_i64(stream, &s->classes[i].before, 0, INT64_MAX - 1);
    }
}

/* The side of a recall; `side` itself when it is in between. */
static int32_t side_of(const bal_watch *watch, double recall, int64_t support, int32_t side) {
    double margin = 3 * 0.5 / sqrt((double)support);
    if (recall >= fmax(watch->option[HIGH], 0.5 + margin)) return IS_HIGH;
    if (recall <= fmin(watch->option[LOW], 0.5 - margin)) return IS_LOW;
    return side;
}

static void count_crossing(class_state *s, int64_t evaluation) {
    s->before = s->last;
    s->last = evaluation;
}

/* Follow one class; true when its last two crossings lie within the window. */
static bool follow(const bal_watch *watch, class_state *s, double recall, int64_t support,
                   int64_t evaluation) {
    int32_t side = side_of(watch, recall, support, s->side);
    bool crossed = s->side != UNKNOWN && side != s->side;
    bool learned = crossed && side == IS_HIGH && !s->was_high;
    if (crossed && !learned && evaluation > watch->option[AFTER]) count_crossing(s, evaluation);
    s->side = side;
    if (side == IS_HIGH) s->was_high = true;
    double window = watch->option[WINDOW];
    return s->before > 0 && (double)(s->last - s->before) < window &&
           (double)(evaluation - s->last) < window;
}

/* Two classes change places at one evaluation: for the one that fell it counts as both crossings.
 */
static void follow_exchange(const bal_watch *watch, class_state *s, const bal_head_view *view,
                            int64_t evaluation) {
    if (view->classes != 2 || evaluation <= watch->option[AFTER]) return;
    int32_t side[2];
    for (int32_t c = 0; c < 2; c++) {
        if ((double)view->support[c] < watch->option[SUPPORT]) return;
        side[c] = side_of(watch, bal_view_recall(view, c), view->support[c], s[c].side);
    }
    for (int32_t c = 0; c < 2; c++) {
        bool fell = s[c].side == IS_HIGH && side[c] == IS_LOW;
        bool rose = s[!c].side == IS_LOW && side[!c] == IS_HIGH;
        if (fell && rose) count_crossing(&s[c], evaluation);
    }
}

static void fire(bal_guard *guard, const bal_watch *watch, const bal_head_view *view,
                 int32_t largest, const class_state *s, int32_t swinging) {
    double recall = bal_view_recall(view, largest);
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_about(incident, view->head, largest);
    char others[48] = "";
    if (swinging > 1) snprintf(others, sizeof others, "; %d classes swing", swinging);
    bal_incident_say(incident,
                     "recall of class '%s' of '%s' swings: it crossed between low (%g or less) and "
                     "high (%g or more) twice within %lld evaluations, now %.3f%s",
                     incident->class_name, incident->head, watch->option[LOW], watch->option[HIGH],
                     (long long)(s->last - s->before + 1), recall, others);
    bal_incident_add(incident, "recall", recall);
    bal_incident_add(incident, "support", (double)view->support[largest]);
    bal_incident_add(incident, "classes_swinging", swinging);
    bal_incident_add(incident, "skill", view->skill);
}

static bool look(bal_guard *guard, const bal_watch *watch, class_state *s, bool *fired,
                 const bal_head_view *view) {
    int64_t evaluation = bal_guard_evaluations(guard), rows = 0;
    int32_t swinging = 0, largest = -1;
    follow_exchange(watch, s, view, evaluation);
    for (int32_t c = 0; c < view->classes; c++) {
        int64_t support = view->support[c];
        if ((double)support < watch->option[SUPPORT]) continue;
        if (!follow(watch, &s[c], bal_view_recall(view, c), support, evaluation)) continue;
        swinging++;
        rows += support;
        if (largest < 0 || support > view->support[largest]) largest = c;
    }
    bool now = swinging > 0 && (double)rows >= watch->option[SHARE] * (double)view->rows;
    if (now && !*fired) fire(guard, watch, view, largest, &s[largest], swinging);
    *fired = now;
    return now;
}

static bool on_evaluation(bal_guard *guard, const bal_watch *watch,
                          const bal_eval_signals *signals) {
    state *s = watch->state;
    class_state *classes = s->classes;
    bool suspect = false;
    for (int32_t h = 0; h < bal_guard_heads(guard); h++) {
        const bal_head_view *view = bal_guard_view(guard, h);
        if (view->has_classes && !view->head->untrained)
            suspect |= look(guard, watch, classes, &s->fired[h], view);
        classes += bal_head_recalls(guard, h);
    }
    return suspect;
}

bool bal_head_swings(const bal_watch *swing, int32_t h) {
    const state *s = swing->state;
    return s->fired[h];
}

static const bal_detector_hooks hooks = {open, reset, visit, NULL, on_evaluation};

const bal_detector bal_detector_swing = {
    .name = "swing",
    .summary =
        "fires when the recall of a class crosses between low and high twice within a window, or "
        "two classes change places",
    .source = "a threshold head that went 0 %, 54 %, 0 %, 100 % from check to check",
    .options = options,
    .hooks = &hooks,
};
