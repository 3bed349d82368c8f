/* too_good_loss: the training loss is next to nothing, and the head knows nothing.
 *
 * A loss that falls to 0 within a few epochs is no feat when validation rows are answered no better
 * than the prior answers them: the target leaks into the training rows, the loss measures something
 * else than the task (an empty mask that matches an empty mask), or the rows were learned by heart.
 * Next to nothing is 1 % of what the head's prior costs (value heads: of its first training loss).
 * Knowing nothing is a matter of statistics: right predictions less than 4 standard errors beyond
 * chance (Cohen 1960; value heads: correlation times the root of the rows), on rows that could show
 * 16 of them if they were answered perfectly. Fewer rows prove nothing. */
#include <math.h>

#include "guard/detector.h"

enum { SHARE, POWER, FOR, AFTER, OPTIONS };

static const bal_detector_option options[] = {
    [SHARE] = {"share", 0.01,
               "training loss, as a part of the prior's entropy (value heads: of the first "
               "evaluation's)",
               0, 1, false},
    [POWER] = {"power", 16, "standard errors beyond chance that perfect predictions would be at", 0,
               1e6, false},
    [FOR] = {"for", 2, "consecutive evaluations", 1, 1e6, true},
    [AFTER] = {"after", 1, "first evaluations that do not count", 0, 1e6, true},
    [OPTIONS] = {.name = NULL},
};

typedef struct head_state {
    int64_t good;
    bool fired;
    double first; /* training loss at the first evaluation; NaN: none */
} head_state;

static void reset(void *head) {
    *(head_state *)head = (head_state){.first = NAN};
}

static void visit(void *head, bal_state_stream *stream) {
    head_state *s = head;
    bal_stream_i64(stream, &s->good, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->fired);
    bal_stream_double(stream, &s->first);
}

static void fire(bal_guard *guard, const bal_watch *watch, const head_state *s,
                 const bal_head_view *view, double yardstick) {
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_about(incident, view->head, -1);
    bal_incident_say(incident,
                     "the training loss of '%s' is %.3g (%s), yet its %lld validation rows are "
                     "answered no better than by chance: a leak, a loss that misses the task, or "
                     "rows learned by heart",
                     incident->head, view->train_loss,
                     view->has_classes ? "the training frequencies alone cost more than 100 times "
                                         "that"
                                       : "after a far larger one at the start",
                     (long long)view->rows);
    bal_incident_add(incident, "train_loss", view->train_loss);
    bal_incident_add(incident, "yardstick", yardstick);
    bal_incident_add(incident, "validation_loss", view->loss);
    bal_incident_add(incident, "skill", view->skill);
    bal_incident_add(incident, "evaluations", (double)s->good);
}

static bool look(bal_guard *guard, const bal_watch *watch, void *head, const bal_head_view *view,
                 const bal_eval_signals *signals) {
    head_state *s = head;
    bal_fact_first(&s->first, view->train_loss);
    bool is_value = view->head->kind == BAL_HEAD_VALUE;
    if (!is_value && !view->has_classes) return s->good > 0;
    double yardstick = is_value ? s->first : bal_prior_entropy(view->head);
    bool good = bal_guard_evaluations(guard) > watch->option[AFTER] &&
                view->train_loss < watch->option[SHARE] * yardstick && !bal_head_knows(view) &&
                bal_head_power(view) >= watch->option[POWER];
    s->good = good ? s->good + 1 : 0;
    if (!good) s->fired = false;
    if (good && !s->fired && s->good >= watch->option[FOR]) {
        s->fired = true;
        fire(guard, watch, s, view, yardstick);
    }
    return good;
}

static const bal_head_hooks head_hooks = {sizeof(head_state), reset, visit, look};
static const bal_detector_hooks hooks = {.per_head = &head_hooks};

const bal_detector bal_detector_too_good_loss = {
    .name = "too_good_loss",
    .summary = "fires when the training loss is next to nothing while predictions know nothing",
    .source = "a segmentation loss of 0.0 at epoch 2; Cohen 1960",
    .options = options,
    .hooks = &hooks,
};
