/* The inside of bal_guard, for guard.c, guard_state.c, eligibility.c, health.c and hypotheses.c.
 *
 * What a guard holds falls into four parts: how it was set up; the memory, which a rollback
 * restores (two counters and the states of the detectors); the ledger, which it does not; and the
 * call under way. */
#ifndef BAL_GUARD_GUARD_PRIVATE_H
#define BAL_GUARD_GUARD_PRIVATE_H

#include "guard/detector.h"
#include "guard/detector_table.h"

enum {
    BAL_INCIDENTS_KEPT = 64, /* in full, the first ones; the others are counted */
    BAL_ROLLBACKS_KEPT = 32
};

typedef enum bal_attempt_result {
    BAL_ATTEMPT_RUNNING, /* on probation */
    BAL_ATTEMPT_ACCEPTED,
    BAL_ATTEMPT_FAILED /* another incident before it was accepted */
} bal_attempt_result;

/** One rollback: what led to it, which remedy was applied, what became of it. */
typedef struct bal_attempt {
    char detector[24];
    int64_t epoch, step, evaluation;
    int32_t remedy;
    bal_attempt_result result;
} bal_attempt;

/** What was seen of the run as a whole, for hypotheses. NaN: nothing yet. */
typedef struct bal_facts {
    int64_t skipped; /* steps whose loss or gradient was not finite */
    double loss_first, loss_peak, norm_first, norm_peak, dead_peak;
    double *skill_best; /* [heads] */
} bal_facts;

typedef struct bal_ledger {
    int64_t incidents;
    int64_t count[BAL_DETECTOR_COUNT];
    bal_incident kept[BAL_INCIDENTS_KEPT];
    int32_t n_kept;
    int32_t rollbacks;
    bal_attempt attempt[BAL_ROLLBACKS_KEPT];
    int32_t n_attempts;
    bool on_probation;
    int64_t probation_end; /* the evaluation that ends it */
    bool gave_up;          /* an incident found no rollback or remedy left */
    bool upright;          /* no rollback yet, or an eligible evaluation since the last one */
    bal_facts facts;
} bal_ledger;

struct bal_guard {
    bal_arena arena;
    bal_guard_policy policy;
    int32_t n_remedies, max_rollbacks;
    bal_remedy_aim *remedies;
    bal_guard_head *heads;
    double *prior_entropy; /* [heads] */
    int32_t n_heads;
    bal_guard_rule *rules;
    int32_t n_rules;
    bal_watch watch[BAL_DETECTOR_COUNT];

    int64_t evaluation;  /* memory: number of the last evaluation */
    int64_t evaluations; /* memory: since the last rebaseline */

    bal_ledger ledger;

    int64_t epoch, step;  /* of the call under way */
    bal_head_view *views; /* [heads] */
    bal_incident *incidents;
    int32_t n_incidents, incidents_max;
    char reason[256]; /* why the state is not eligible */
};

/* ---- watch.c: what a detector does, whether it looks at heads or at the run ---- */

/** The watch's state from the guard's arena; NULL when out of memory. */
void *bal_watch_open(bal_guard *guard, const bal_watch *watch);
void bal_watch_reset(const bal_guard *guard, const bal_watch *watch);
void bal_watch_visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream);
void bal_watch_step(bal_guard *guard, const bal_watch *watch, const bal_step_signals *signals);
/** True: suspect. */
bool bal_watch_evaluate(bal_guard *guard, const bal_watch *watch, const bal_eval_signals *signals);

/* ---- eligibility.c ---- */

/** No output broken, no head collapsed, at the evaluation that the views hold; the reason
 * otherwise. */
bool bal_guard_is_sound(bal_guard *guard);
/** Sound, and the monitored metric beats the prior predictor; the reason otherwise. */
bool bal_guard_is_eligible(bal_guard *guard, const bal_eval_signals *signals);

/* ---- incident.c ---- */

void bal_incident_write(const bal_incident *incident, const char *stage, bal_json_out *out);
/** The reverse; BAL_EFORMAT names the key that is missing or wrong. */
bal_status bal_incident_read(bal_incident *incident, const json_t *object, bal_error *err);

/* ---- hypotheses.c ---- */

/** Largest class weight / smallest, of the classes that there are; 1 without weights. */
double bal_head_weight_ratio(const bal_guard_head *head);

/** The "hypotheses" array of health.json, the best fit first. */
void bal_hypotheses_write(const bal_guard *guard, bal_json_out *out);

#endif
