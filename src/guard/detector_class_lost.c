/* class_lost: a class that was recognised is not recognised at all any more.
 *
 * Only classes with enough validation rows can say so: with 20 rows and a true recall of 0.5, none
 * right has a probability of one in a million. But rows are no independent witnesses: two
 * look-alikes that a net cannot tell apart yet trade places as a whole, and a slow healthy run can
 * show a class with half of its rows right, and at the next evaluations with none. So what is asked
 * for is evaluations, between which learning has moved on: five in a row in which at least half of
 * the rows are right make a class alive, and four in a row with none make it lost. From the first
 * of those on the state is suspect, so that the rollback leads to before the loss all the same. A
 * class that never was alive cannot be lost, so early epochs are silent. One incident per head
 * names the largest class and counts the others. */
#include <math.h>
#include <stdio.h>

#include "guard/class_states.h"

enum { SUPPORT, ALIVE, ALIVE_FOR, LOST_FOR, OPTIONS };

static const bal_detector_option options[] = {
    [SUPPORT] = {"support", 20, "validation rows that a class needs to be looked at", 1, 1e12,
                 true},
    [ALIVE] = {"alive", 0.5, "recall from which a class counts as alive", 0, 1, false},
    [ALIVE_FOR] = {"alive_for", 5, "consecutive evaluations that it must have been alive", 1, 1e6,
                   true},
    [LOST_FOR] = {"lost_for", 4, "consecutive evaluations with recall 0", 1, 1e6, true},
    [OPTIONS] = {.name = NULL},
};

typedef struct class_state {
    int64_t well, zero; /* consecutive evaluations */
    bool alive;         /* it has been */
    bool fired;
    double recall; /* the last one that was not 0 */
} class_state;

static void *open(bal_guard *guard, const bal_watch *watch) {
    return bal_arena_alloc(bal_guard_arena(guard), (size_t)bal_guard_recalls(guard),
                           sizeof(class_state));
}

static void reset(const bal_guard *guard, const bal_watch *watch) {
    class_state *s = watch->state;
    for (int64_t i = 0; i < bal_guard_recalls(guard); i++)
        s[i] = (class_state){0};
}

static void visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    class_state *s = watch->state;
    for (int64_t i = 0; i < bal_guard_recalls(guard); i++) {
        bal_stream_i64(stream, &s[i].well, 0, INT64_MAX - 1);
        bal_stream_i64(stream, &s[i].zero, 0, INT64_MAX - 1);
        bal_stream_flag(stream, &s[i].alive);
        bal_stream_flag(stream, &s[i].fired);
        bal_stream_finite(stream, &s[i].recall);
    }
}

/* Count one evaluation of a class; true when it is lost now. */
static bool count(const bal_watch *watch, class_state *s, double recall) {
    s->well = recall >= watch->option[ALIVE] && recall > 0 ? s->well + 1 : 0;
    s->zero = recall == 0 ? s->zero + 1 : 0;
    if (s->well >= watch->option[ALIVE_FOR]) s->alive = true;
    if (recall > 0) {
        s->recall = recall;
        s->fired = false;
    }
    return s->alive && s->zero >= watch->option[LOST_FOR];
}

static void fire(bal_guard *guard, const bal_watch *watch, const bal_head_view *view,
                 int32_t largest, const class_state *s, int32_t lost) {
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_about(incident, view->head, largest);
    char others[48] = "";
    if (lost > 1) snprintf(others, sizeof others, "; so are %d more classes", lost - 1);
    bal_incident_say(incident,
                     "class '%s' of '%s' is lost: recall was %.3f and is 0 of %lld rows for %lld "
                     "evaluations%s",
                     incident->class_name, incident->head, s->recall,
                     (long long)view->support[largest], (long long)s->zero, others);
    bal_incident_add(incident, "recall_before", s->recall);
    bal_incident_add(incident, "support", (double)view->support[largest]);
    bal_incident_add(incident, "classes_lost", lost);
}

static bool look(bal_guard *guard, const bal_watch *watch, class_state *s,
                 const bal_head_view *view) {
    int32_t lost = 0, largest = -1;
    bool suspect = false;
    for (int32_t c = 0; c < view->classes; c++) {
        if ((double)view->support[c] < watch->option[SUPPORT]) continue;
        bool now = count(watch, &s[c], bal_view_recall(view, c));
        suspect |= s[c].alive && s[c].zero > 0;
        if (!now || s[c].fired) continue;
        s[c].fired = true;
        lost++;
        if (largest < 0 || view->support[c] > view->support[largest]) largest = c;
    }
    if (lost > 0) fire(guard, watch, view, largest, &s[largest], lost);
    return suspect;
}

static bool on_evaluation(bal_guard *guard, const bal_watch *watch,
                          const bal_eval_signals *signals) {
    class_state *s = watch->state;
    bool suspect = false;
    for (int32_t h = 0; h < bal_guard_heads(guard); h++) {
        const bal_head_view *view = bal_guard_view(guard, h);
        if (view->has_classes && !view->head->untrained) suspect |= look(guard, watch, s, view);
        s += bal_head_recalls(guard, h);
    }
    return suspect;
}

static const bal_detector_hooks hooks = {
    .open = open, .reset = reset, .visit = visit, .on_evaluation = on_evaluation};

const bal_detector bal_detector_class_lost = {
    .name = "class_lost",
    .summary = "fires when a class with enough rows goes to recall 0 after having been alive",
    .source = "exact binomial probability of no hit",
    .options = options,
    .hooks = &hooks,
};
