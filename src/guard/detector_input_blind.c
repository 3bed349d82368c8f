/* input_blind: the outputs no longer depend on the inputs.
 *
 * H(E[p]) − E[H(p)] is the information that the outputs carry about which row they belong to. It is
 * 0 when all rows get the same probabilities, however plausible those look: a model that answers
 * the prior, or one whose units have all died. Compared with the prior's entropy, so that it means
 * the same for 2 and for 200 classes.
 *
 * A small figure alone is no proof: a net at its beginning, or one trained with label smoothing or
 * a focal loss, hardly dares to differ from the prior (99 classes, 16 % right: 1 %), and a weak
 * signal may hold no more. But no answer that ignores the input has skill (beyond what the split
 * happens to differ from the prior by), or is right more often than chance (Cohen 1960). So a blind
 * model has neither, and gets nowhere: neither its figure nor its skill rises. */
#include <math.h>

#include "guard/detector.h"

enum { FLOOR, FOR, AFTER, SKILL, AGREEMENT, OPTIONS };

static const bal_detector_option options[] = {
    [FLOOR] = {"floor", 0.01, "information about the input, as a share of the prior's entropy", 0,
               1, false},
    [FOR] = {"for", 2, "consecutive evaluations below the floor in which it does not rise", 1, 1e6,
             true},
    [AFTER] = {"after", 1, "first evaluations that do not count", 0, 1e6, true},
    [SKILL] = {"skill", 0.005,
               "skill beyond that of a constant answer from which a model is not blind", 0, 1,
               false},
    [AGREEMENT] = {"agreement", 4,
                   "standard errors beyond chance from which right predictions show that a model "
                   "is not blind",
                   0, 1e6, false},
    [OPTIONS] = {.name = NULL},
};

typedef struct head_state {
    int64_t low;
    bool fired;
    double information; /* at the evaluation before; NaN: none */
    double skill;       /* the best so far, as of its last notable rise; NaN: none */
} head_state;

static void reset(void *head) {
    *(head_state *)head = (head_state){.information = NAN, .skill = NAN};
}

static void visit(void *head, bal_state_stream *stream) {
    head_state *s = head;
    bal_stream_i64(stream, &s->low, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->fired);
    bal_stream_double(stream, &s->information);
    bal_stream_double(stream, &s->skill);
}

bool bal_head_is_blind(const bal_watch *input_blind, const bal_head_view *view) {
    const double *option = input_blind->option;
    return view->has_classes && view->rows > 1 && view->information < option[FLOOR] &&
           !(view->skill >= option[SKILL] + view->constant_skill) &&
           view->agreement < option[AGREEMENT];
}

static void fire(bal_guard *guard, const bal_watch *watch, const head_state *s,
                 const bal_head_view *view) {
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_about(incident, view->head, -1);
    bal_incident_say(incident,
                     "outputs of '%s' hardly depend on the input: they carry %.2f %% of the "
                     "information that the training prior leaves open (floor %g %%), for %lld "
                     "evaluations",
                     incident->head, 100 * view->information, 100 * watch->option[FLOOR],
                     (long long)s->low);
    bal_incident_add(incident, "information", view->information);
    bal_incident_add(incident, "floor", watch->option[FLOOR]);
    bal_incident_add(incident, "skill", view->skill);
    bal_incident_add(incident, "top_share", view->top_share);
}

/* Slow learning moves the probabilities towards the prior's first, and skill towards 0. */
static bool is_learning(head_state *s, const bal_head_view *view) {
    bool rises = view->information > 1.1 * s->information + 1e-4;
    bool gains = view->skill >= -0.1 && view->skill > s->skill + 0.0005;
    s->information = view->information;
    if (isnan(s->skill) || view->skill > s->skill + 0.0005) s->skill = view->skill;
    return rises || gains;
}

static bool look(bal_guard *guard, const bal_watch *watch, void *head, const bal_head_view *view,
                 const bal_eval_signals *signals) {
    head_state *s = head;
    if (!view->has_classes || isnan(view->information)) return s->low > 0;
    bool low = bal_head_is_blind(watch, view);
    bool learning = is_learning(s, view);
    if (!low) s->fired = false;
    if (!low || learning)
        s->low = 0;
    else if (bal_guard_evaluations(guard) > watch->option[AFTER])
        s->low++;
    if (low && !s->fired && s->low >= watch->option[FOR]) {
        s->fired = true;
        fire(guard, watch, s, view);
    }
    return low;
}

static const bal_head_hooks head_hooks = {sizeof(head_state), reset, visit, look};
static const bal_detector_hooks hooks = {.per_head = &head_hooks};

const bal_detector bal_detector_input_blind = {
    .name = "input_blind",
    .summary = "fires when outputs no longer depend on inputs, even with a plausible histogram",
    .source = "Bridle, Heading & MacKay 1991 (mutual information of inputs and outputs)",
    .options = options,
    .hooks = &hooks,
};
