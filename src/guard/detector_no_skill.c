/* no_skill: after many evaluations a head still predicts no better than chance.
 *
 * Shuffled labels, features joined to the wrong rows, labels that are mostly noise: the training
 * loss falls, since rows can be learned by heart, the predictions are as diverse as the prior's,
 * and nothing of it holds on validation rows. What a head knows is a matter of statistics: skill
 * beyond that of the best constant answer, right predictions 4 standard errors beyond chance (Cohen
 * 1960), or, for values, a correlation as clear. A head that has known something at one evaluation
 * of the stage is never blamed, and neither is one whose validation rows are too few to tell.
 *
 * Only a note: no remedy finds a signal that is not there, and some nets take their time. `ballast
 * signal` answers the question behind it. */
#include <math.h>

#include "guard/detector.h"

enum { AFTER, POWER, OPTIONS };

static const bal_detector_option options[] = {
    [AFTER] = {"after", 10, "evaluations of the stage in which it never knew anything", 1, 1e6,
               true},
    [POWER] = {"power", 16, "standard errors beyond chance that perfect predictions would be at", 0,
               1e6, false},
    [OPTIONS] = {.name = NULL},
};

typedef struct head_state {
    int64_t blank; /* evaluations so far in which it knew nothing, though rows could tell */
    bool knew, fired;
} head_state;

static void reset(void *head) {
    *(head_state *)head = (head_state){.blank = 0};
}

static void visit(void *head, bal_state_stream *stream) {
    head_state *s = head;
    bal_stream_i64(stream, &s->blank, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->knew);
    bal_stream_flag(stream, &s->fired);
}

static void fire(bal_guard *guard, const bal_watch *watch, const head_state *s,
                 const bal_head_view *view) {
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ONLY_NOTE);
    bal_incident_about(incident, view->head, -1);
    bal_incident_say(incident,
                     "'%s' has learned nothing that holds: at none of %lld evaluations were its "
                     "%lld validation rows predicted better than by chance (training loss %.4g); "
                     "do features and labels belong together? `ballast signal` asks whether there "
                     "is anything to learn",
                     incident->head, (long long)s->blank, (long long)view->rows, view->train_loss);
    bal_incident_add(incident, "skill", view->skill);
    bal_incident_add(incident, "standard_errors", view->agreement);
    bal_incident_add(incident, "perfect_would_be", bal_head_power(view));
    bal_incident_add(incident, "train_loss", view->train_loss);
}

static bool look(bal_guard *guard, const bal_watch *watch, void *head, const bal_head_view *view,
                 const bal_eval_signals *signals) {
    head_state *s = head;
    s->knew |= bal_head_knows(view);
    if (s->knew || bal_head_power(view) < watch->option[POWER]) return false;
    s->blank++;
    if (s->fired || (double)s->blank < watch->option[AFTER]) return false;
    s->fired = true;
    fire(guard, watch, s, view);
    return false;
}

static const bal_head_hooks head_hooks = {sizeof(head_state), reset, visit, look};
static const bal_detector_hooks hooks = {.per_head = &head_hooks};

const bal_detector bal_detector_no_skill = {
    .name = "no_skill",
    .summary = "notes that a head predicts no better than chance after many evaluations",
    .source = "Cohen 1960 (agreement beyond chance); shuffled labels",
    .options = options,
    .hooks = &hooks,
};
