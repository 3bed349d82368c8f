/* loss_explosion: the answers of a head are worse than knowing nothing, beyond all measure.
 *
 * Whoever knows nothing and says so pays log C nats per row (C classes), and the worst class
 * weights do not move an honest net far from there: weights w add at most log w. Twenty times as
 * much for the mean validation row takes logits in the tens on the wrong side for most rows: steps
 * far too large, exploded features, a net that has diverged though its numbers are finite. Such a
 * run may shrink its logits for many epochs and look as if it learned; what it ends with is not
 * what it could have been. loss_spike compares a run with itself and stays silent where it never
 * was well.
 *
 * Rows learned by heart are wrong with confidence as well, but on the rows that are wrong only:
 * 10 nats for half of two classes are 7 log C. And a few rows with absurd features can cost any
 * amount, while the net is well: a quarter of the rows must each be beyond the bar, too. Two
 * evaluations in a row are asked for, since the running statistics of a batch norm may lag behind
 * at the first. */
#include <math.h>

#include "guard/detector.h"

enum { FACTOR, ROWS, FOR, OPTIONS };

static const bal_detector_option options[] = {
    [FACTOR] = {"factor", 20, "log-loss of the validation rows, in units of log(classes)", 1, 1e12,
                false},
    [ROWS] = {"rows", 0.25, "share of the rows that are each beyond that", 0, 1, false},
    [FOR] = {"for", 2, "consecutive evaluations", 1, 1e6, true},
    [OPTIONS] = {.name = NULL},
};

typedef struct head_state {
    int64_t high;
    bool fired;
} head_state;

static void reset(void *head) {
    *(head_state *)head = (head_state){.high = 0};
}

static void visit(void *head, bal_state_stream *stream) {
    head_state *s = head;
    bal_stream_i64(stream, &s->high, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->fired);
}

static void fire(bal_guard *guard, const bal_watch *watch, const bal_head_view *view,
                 double log_loss, double share) {
    double nothing = log((double)view->classes);
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_about(incident, view->head, -1);
    bal_incident_say(incident,
                     "the outputs of '%s' have exploded: the log-loss of its validation rows is "
                     "%.4g, %.3g times what equal probabilities for all classes would cost (%.3g)",
                     incident->head, log_loss, log_loss / nothing, nothing);
    bal_incident_add(incident, "log_loss", log_loss);
    bal_incident_add(incident, "log_classes", nothing);
    bal_incident_add(incident, "rows_beyond", share);
    bal_incident_add(incident, "train_loss", view->train_loss);
    bal_incident_add(incident, "skill", view->skill);
}

static bool look(bal_guard *guard, const bal_watch *watch, void *head, const bal_head_view *view,
                 const bal_eval_signals *signals) {
    head_state *s = head;
    if (!view->has_classes) return s->high > 0;
    double log_loss = bal_metric_find("log_loss")->compute(view->scores, -1, NULL);
    double nothing = log((double)view->classes);
    double bar = watch->option[FACTOR] * nothing, share = bal_scores_share_above(view->scores, bar);
    bool high = log_loss > bar && share >= watch->option[ROWS];
    s->high = high ? s->high + 1 : 0;
    if (!high) s->fired = false;
    if (high && !s->fired && s->high >= watch->option[FOR]) {
        s->fired = true;
        fire(guard, watch, view, log_loss, share);
    }
    return high;
}

static const bal_head_hooks head_hooks = {sizeof(head_state), reset, visit, look};
static const bal_detector_hooks hooks = {.per_head = &head_hooks};

const bal_detector bal_detector_loss_explosion = {
    .name = "loss_explosion",
    .summary = "fires when validation rows cost many times what equal probabilities would",
    .source = "Good 1952 (logarithmic score); runs with a rate 1000 times too high",
    .options = options,
    .hooks = &hooks,
};
