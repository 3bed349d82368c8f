/* swing: the recall of a class is thrown between high and low.
 *
 * The sign of a decision that sits on a coin flip: below/above accuracy 0/100, 54/43, 0/100, 13/91,
 * 100/0, 0/100 from check to check. A class is on the high side from recall .7, on the low side
 * from .3, and on the side where it was in between; with few rows the bars move apart, so that
 * chance alone cannot carry a recall of one half across (3 standard errors). The first rise is
 * learning and no swing; two crossings after it, close together, are one. So is one exchange of a
 * head with two classes, the one falling from high to low at the very evaluation at which the other
 * rises from low to high: every answer has turned into its opposite, and no learning does that.
 *
 * With two classes the decision is the output. With more it is the largest of many probabilities:
 * between classes that are about equally likely a change in the third decimal moves the answer of
 * most rows from one to the other and back, and nothing is lost or learned by it. There a swing
 * counts only when the quality moves with it: within the same window the mean recall, over the
 * classes with rows enough to be looked at, was a fifth of its best below its best. (A head that
 * hops from one answer for all rows to another keeps the mean recall of no knowledge, 1 / C; that
 * is one_class's business.) Nor is it the head that swings when a few classes do, look-alikes that
 * a run still learns to tell apart (in 72 slow healthy runs of 20 and 40 classes, up to a fifth of
 * the rows changed sides): the classes that swing must hold a quarter of the rows.
 */
#include <math.h>
#include <stdio.h>

#include "guard/class_states.h"

enum { HIGH, LOW, WINDOW, SUPPORT, SHARE, AFTER, FALL, OPTIONS };

static const bal_detector_option options[] = {
    [HIGH] = {"high", 0.7, "recall from which a class is on the high side", 0, 1, false},
    [LOW] = {"low", 0.3, "recall up to which a class is on the low side", 0, 1, false},
    [WINDOW] = {"window", 10, "evaluations within which two crossings are a swing", 2, 1e6, true},
    [SUPPORT] = {"support", 20, "validation rows that a class needs to be looked at", 1, 1e12,
                 true},
    [SHARE] = {"share", 0.25, "share of the rows that the swinging classes hold together", 0, 1,
               false},
    [AFTER] = {"after", 3, "first evaluations whose crossings do not count", 0, 1e6, true},
    [FALL] = {"fall", 0.2,
              "share of its best within the window that the mean recall of a head with more than "
              "two classes must lose for a swing to count",
              0, 1, false},
    [OPTIONS] = {.name = NULL},
};

enum { UNKNOWN, IS_LOW, IS_HIGH };

typedef struct class_state {
    int32_t side;
    bool was_high;        /* at any time */
    int64_t last, before; /* evaluations of the last two crossings, 0: none */
} class_state;

/* `quality` is the mean recall; its best is forgotten after a window, so that a level left long ago
 * is no fall. */
typedef struct head_state {
    bool fired;
    double best;               /* quality */
    int64_t best_at, fell_at;  /* evaluations, 0: none */
    double fell_from, fell_to; /* quality */
} head_state;

typedef struct state {
    head_state *heads;
    class_state *classes;
} state;

static void *open(bal_guard *guard, const bal_watch *watch) {
    bal_arena *arena = bal_guard_arena(guard);
    state *s = bal_arena_alloc(arena, 1, sizeof *s);
    if (!s) return NULL;
    s->heads = bal_arena_alloc(arena, (size_t)bal_guard_heads(guard), sizeof *s->heads);
    s->classes = bal_arena_alloc(arena, (size_t)bal_guard_recalls(guard), sizeof *s->classes);
    return s->heads && s->classes ? s : NULL;
}

static void reset(const bal_guard *guard, const bal_watch *watch) {
    state *s = watch->state;
    for (int32_t h = 0; h < bal_guard_heads(guard); h++)
        s->heads[h] = (head_state){.fired = false};
    for (int64_t i = 0; i < bal_guard_recalls(guard); i++)
        s->classes[i] = (class_state){0};
}

static void visit_head(head_state *s, bal_state_stream *stream) {
    bal_stream_flag(stream, &s->fired);
    bal_stream_finite(stream, &s->best);
    bal_stream_i64(stream, &s->best_at, 0, INT64_MAX - 1);
    bal_stream_i64(stream, &s->fell_at, 0, INT64_MAX - 1);
    bal_stream_finite(stream, &s->fell_from);
    bal_stream_finite(stream, &s->fell_to);
}

static void visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    state *s = watch->state;
    for (int32_t h = 0; h < bal_guard_heads(guard); h++)
        visit_head(&s->heads[h], stream);
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

/* Mean recall of the classes that are looked at; 0 when there are none. */
static double quality_of(const bal_watch *watch, const bal_head_view *view) {
    double sum = 0;
    int32_t classes = 0;
    for (int32_t c = 0; c < view->classes; c++) {
        if ((double)view->support[c] < watch->option[SUPPORT]) continue;
        sum += bal_view_recall(view, c);
        classes++;
    }
    return classes > 0 ? sum / classes : 0;
}

/* Follow the quality of a head with more than two classes; true when it fell within the window. */
static bool follow_quality(const bal_watch *watch, head_state *s, double quality,
                           int64_t evaluation) {
    double window = watch->option[WINDOW];
    bool known = s->best_at > 0 && (double)(evaluation - s->best_at) < window;
    if (!known || quality >= s->best) {
        s->best = quality;
        s->best_at = evaluation;
    }
    bool low = quality <= (1 - watch->option[FALL]) * s->best;
    if (low && evaluation > watch->option[AFTER]) {
        s->fell_at = evaluation;
        s->fell_from = s->best;
        s->fell_to = quality;
    }
    return s->fell_at > 0 && (double)(evaluation - s->fell_at) < window;
}

static void fire(bal_guard *guard, const bal_watch *watch, const bal_head_view *view,
                 const head_state *head, int32_t largest, const class_state *s, int32_t swinging) {
    double recall = bal_view_recall(view, largest);
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_about(incident, view->head, largest);
    char others[48] = "", harm[80] = "";
    if (swinging > 1) snprintf(others, sizeof others, "; %d classes swing", swinging);
    if (head->fell_at > 0)
        snprintf(harm, sizeof harm, "; the mean recall fell from %.3f to %.3f", head->fell_from,
                 head->fell_to);
    bal_incident_say(incident,
                     "recall of class '%s' of '%s' swings: it crossed between low (%g or less) and "
                     "high (%g or more) twice within %lld evaluations, now %.3f%s%s",
                     incident->class_name, incident->head, watch->option[LOW], watch->option[HIGH],
                     (long long)(s->last - s->before + 1), recall, others, harm);
    bal_incident_add(incident, "recall", recall);
    bal_incident_add(incident, "support", (double)view->support[largest]);
    bal_incident_add(incident, "classes_swinging", swinging);
    bal_incident_add(incident, "skill", view->skill);
    if (head->fell_at == 0) return;
    bal_incident_add(incident, "mean_recall_best", head->fell_from);
    bal_incident_add(incident, "mean_recall_low", head->fell_to);
}

static bool look(bal_guard *guard, const bal_watch *watch, head_state *head, class_state *s,
                 const bal_head_view *view) {
    int64_t evaluation = bal_guard_evaluations(guard), rows = 0;
    int32_t swinging = 0, largest = -1;
    bool matters =
        view->classes <= 2 || follow_quality(watch, head, quality_of(watch, view), evaluation);
    follow_exchange(watch, s, view, evaluation);
    for (int32_t c = 0; c < view->classes; c++) {
        int64_t support = view->support[c];
        if ((double)support < watch->option[SUPPORT]) continue;
        if (!follow(watch, &s[c], bal_view_recall(view, c), support, evaluation)) continue;
        swinging++;
        rows += support;
        if (largest < 0 || support > view->support[largest]) largest = c;
    }
    bool many = swinging > 0 && (double)rows >= watch->option[SHARE] * (double)view->rows;
    bool now = many && matters;
    if (now && !head->fired) fire(guard, watch, view, head, largest, &s[largest], swinging);
    head->fired = now;
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
            suspect |= look(guard, watch, &s->heads[h], classes, view);
        classes += bal_head_recalls(guard, h);
    }
    return suspect;
}

bool bal_head_swings(const bal_watch *swing, int32_t h) {
    const state *s = swing->state;
    return s->heads[h].fired;
}

static const bal_detector_hooks hooks = {
    .open = open, .reset = reset, .visit = visit, .on_evaluation = on_evaluation};

const bal_detector bal_detector_swing = {
    .name = "swing",
    .summary =
        "fires when the recall of a class crosses between low and high twice within a window (of "
        "more than two classes: and the mean recall falls), or two classes change places",
    .source = "a threshold head that went 0 %, 54 %, 0 %, 100 % from check to check",
    .options = options,
    .hooks = &hooks,
};
