/* plateau: a head stands still where it began.
 *
 * A run that has converged is at rest, too, and that is its aim; what tells it from one that is
 * stuck is having got somewhere. So only a head that knows nothing (no skill over the prior, right
 * predictions within chance, no correlation) is on a plateau, when neither its training loss nor
 * its validation loss has found a notably lower value for `window` evaluations. Only a note:
 * problems without a signal end like this, and no remedy finds one. A head that predicts one answer
 * for all rows is input_blind before. */
#include <math.h>

#include "guard/detector.h"

enum { WINDOW, MOVE, OPTIONS };

static const bal_detector_option options[] = {
    [WINDOW] = {"window", 20, "evaluations without a new lowest loss", 2, 1e6, true},
    [MOVE] = {"move", 0.005, "share of a loss by which a new lowest one counts", 0, 1, false},
    [OPTIONS] = {.name = NULL},
};

typedef struct head_state {
    double train, validation; /* lowest losses, as of their last notable fall; NaN: none */
    int64_t still;            /* evaluations since one of them fell */
    bool knew, fired;
} head_state;

static void reset(void *head) {
    *(head_state *)head = (head_state){.train = NAN, .validation = NAN};
}

static void visit(void *head, bal_state_stream *stream) {
    head_state *s = head;
    bal_stream_double(stream, &s->train);
    bal_stream_double(stream, &s->validation);
    bal_stream_i64(stream, &s->still, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->knew);
    bal_stream_flag(stream, &s->fired);
}

static bool falls(double *lowest, double loss, double move) {
    bool lower = isfinite(loss) && (isnan(*lowest) || loss < *lowest - move * fabs(*lowest));
    if (lower) *lowest = loss;
    return lower;
}

static void fire(bal_guard *guard, const bal_watch *watch, const head_state *s,
                 const bal_head_view *view) {
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ONLY_NOTE);
    bal_incident_about(incident, view->head, -1);
    bal_incident_say(incident,
                     "'%s' does not get anywhere: for %lld evaluations neither its training loss "
                     "(%.4g) nor its validation loss (%.4g) has fallen by %g %%, and it knows no "
                     "more than the training frequencies",
                     incident->head, (long long)s->still, view->train_loss, view->loss,
                     100 * watch->option[MOVE]);
    bal_incident_add(incident, "train_loss", view->train_loss);
    bal_incident_add(incident, "validation_loss", view->loss);
    bal_incident_add(incident, "skill", view->skill);
    bal_incident_add(incident, "evaluations", (double)s->still);
}

static bool look(bal_guard *guard, const bal_watch *watch, void *head, const bal_head_view *view,
                 const bal_eval_signals *signals) {
    head_state *s = head;
    if (!isfinite(view->loss) || !isfinite(view->train_loss)) return false;
    bool train = falls(&s->train, view->train_loss, watch->option[MOVE]);
    bool validation = falls(&s->validation, view->loss, watch->option[MOVE]);
    s->still = train || validation ? 0 : s->still + 1;
    if (s->still == 0) s->fired = false;
    s->knew |= bal_head_knows(view);
    if (s->knew || s->fired || s->still < watch->option[WINDOW]) return false;
    s->fired = true;
    fire(guard, watch, s, view);
    return false;
}

static const bal_head_hooks head_hooks = {sizeof(head_state), reset, visit, look};
static const bal_detector_hooks hooks = {.per_head = &head_hooks};

const bal_detector bal_detector_plateau = {
    .name = "plateau",
    .summary = "notes that a head that knows nothing has stopped moving",
    .source = "Cohen 1960 (agreement beyond chance)",
    .options = options,
    .hooks = &hooks,
};
