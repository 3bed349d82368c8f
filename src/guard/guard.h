/* The guard: watches a run, says when it is collapsing, and proposes what to change.
 *
 * Signals (per step and per evaluation) go in; detectors, entries of bal_detector_table with
 * thresholds from the recipe, look at them; a verdict comes out. The guard does not own the loop:
 * the trainer restores snapshots, applies remedies and stops. What it remembers is plain data,
 * saved and restored with the snapshot, so that resumed and uninterrupted runs see the same
 * incidents.
 *
 * Recovery is a transaction: the trainer restores the last healthy snapshot (the guard's memory
 * with it), applies the next remedy, which must change something, and goes on; the guard is then on
 * probation until it has passed the point of the incident by `probation` evaluations without
 * another; then the recovery is accepted. Another incident during or after probation takes the next
 * remedy; one during it is a relapse: the state that looked healthy was harmed already (weights
 * that a rate far too high has blown up look fine as long as nothing is asked of them), and the
 * stage starts again. After max_rollbacks, or when remedies run out, the verdict is to give up.
 * What must survive a rollback (rollbacks used, incidents so far) lives in the ledger, saved apart
 * from the memory.
 *
 * Prediction-space detectors compare with the training prior, never with uniform. */
#ifndef BAL_GUARD_GUARD_H
#define BAL_GUARD_GUARD_H

#include "base/sink.h"
#include "base/text.h"
#include "metric/metric.h"

typedef enum bal_guard_policy {
    BAL_GUARD_OFF,
    BAL_GUARD_WARN,
    BAL_GUARD_STOP,
    BAL_GUARD_RECOVER
} bal_guard_policy;

const char *bal_guard_policy_name(bal_guard_policy policy);

/** What a head looks like to the guard. What it points to is borrowed and must outlive the guard.
 */
typedef struct bal_guard_head {
    const char *name;
    bal_head_kind kind;
    int32_t classes;
    const char *const *class_names;
    const double *prior;         /* [classes] training frequencies */
    const double *class_weights; /* [classes] as used in the loss; NULL: none (for hypotheses) */
    bool untrained; /* no loss reaches it in this stage: what it predicts is nobody's fault */
} bal_guard_head;

/** A detector's settings in a recipe: option names with values; enabled false switches it off.
 *  Read by bal_guard_new only. */
typedef struct bal_detector_setting {
    const char *detector;
    bool enabled;
    const char *const *option;
    const double *value;
    int32_t n_options;
} bal_detector_setting;

/** `path op value`, from the recipe. The text is borrowed and must outlive the guard. */
typedef struct bal_guard_rule {
    const char *text;
    bal_metric_path path;
    char op[3];
    double value;
    int64_t after; /* evaluations of the stage before it counts */
    bool has_action;
    bal_guard_policy action; /* instead of the guard's policy */
} bal_guard_rule;

/** What a remedy works on. Those that fit what was seen come first, in the recipe's order; those
 * that would change nothing are passed over. */
typedef enum bal_remedy_aim {
    BAL_REMEDY_STEPS,   /* learning rate, clipping, batches: fits everything */
    BAL_REMEDY_WEIGHTS, /* class weights: fits concentrated predictions under uneven weights */
    BAL_REMEDY_NOTHING  /* has nothing to work on in this run */
} bal_remedy_aim;

typedef struct bal_guard_options {
    bal_guard_policy policy;
    const bal_detector_setting *settings;
    int32_t n_settings;
    const bal_guard_rule *rules;
    int32_t n_rules;
    int32_t n_remedies;             /* how many the trainer can apply */
    const bal_remedy_aim *remedies; /* [n_remedies]; NULL: BAL_REMEDY_STEPS, in order */
    int32_t max_rollbacks;
    const bal_guard_head *heads;
    int32_t n_heads;
} bal_guard_options;

/** Evaluations without an incident, beyond the one where it happened, that prove a recovery. */
#define BAL_GUARD_PROBATION 3

typedef struct bal_guard bal_guard;

/** After every optimiser step. Losses are raw (unweighted by head shares). */
typedef struct bal_step_signals {
    int64_t epoch, step; /* 0-based; step counts over the whole run */
    double loss;         /* total */
    double grad_norm;    /* before clipping; NaN/Inf: the update was skipped */
    double clip_norm;    /* in force; 0: none */
} bal_step_signals;

/** After every evaluation of the validation split. */
typedef struct bal_eval_signals {
    int64_t epoch, step, evaluation; /* evaluation: 1, 2, … within the run */
    double train_loss;               /* mean over the steps since the last evaluation */
    const double *head_loss;         /* [n_heads] raw validation loss */
    const double *head_train_loss;   /* [n_heads] as train_loss, of each head; NULL: unknown */
    const bal_scores *const *scores; /* [n_heads] validation */
    double monitored;                /* the monitored metric */
    bool larger_is_better;
    double monitored_prior; /* the prior predictor's value of it */
    double dead_share;      /* share of relu units that were 0 for every row; NaN: unknown */
    /** Value of a metric path for rules, NaN when undefined. */
    double (*lookup)(void *user, const bal_metric_path *path);
    void *user;
} bal_eval_signals;

#define BAL_EVIDENCE_MAX 6

/** One thing a detector saw. */
typedef struct bal_incident {
    char detector[24];
    char head[64];       /* "" when not about a head */
    char class_name[64]; /* "" when not about a class */
    int64_t epoch, step, evaluation;
    char message[320]; /* plain words with the numbers */
    struct {
        char name[32];
        double value;
    } evidence[BAL_EVIDENCE_MAX];
    int32_t n_evidence;
    bal_guard_policy action; /* what is done about it */
} bal_incident;

typedef enum bal_verdict {
    BAL_VERDICT_GO,
    BAL_VERDICT_WARN,     /* recorded; go on */
    BAL_VERDICT_ROLLBACK, /* restore the healthy snapshot, apply remedy number *remedy, go on */
    BAL_VERDICT_STOP,     /* policy stop: end with the best eligible checkpoint */
    BAL_VERDICT_GIVE_UP   /* recover, but rollbacks or remedies are used up */
} bal_verdict;

typedef struct bal_decision {
    bal_verdict verdict;
    int32_t remedy; /* ROLLBACK: which of the recipe's remedies, 0-based */
    bool relapse; /* ROLLBACK: the recovery before was still on probation. What it went back to was
                     no healthy state: go back to the start of the stage */
    const bal_incident *incidents; /* new ones, valid until the next call */
    int32_t n_incidents;
    bool accepted; /* this evaluation ended a probation: the recovery is accepted */
    bool healthy;  /* evaluation: nothing fired; the state is fit to be a snapshot */
    bool eligible; /* evaluation: finite, not collapsed, above the prior baseline */
    const char *ineligible_reason; /* plain words, "" when eligible */
} bal_decision;

BAL_WARN_UNUSED bal_status bal_guard_new(const bal_guard_options *options, bal_guard **ret_guard,
                                         bal_error *err);
void bal_guard_free(bal_guard *guard);

/** Never allocates on the healthy path. With policy off the verdict is always GO, eligibility still
 * told. */
bal_decision bal_guard_step(bal_guard *guard, const bal_step_signals *signals);
bal_decision bal_guard_evaluate(bal_guard *guard, const bal_eval_signals *signals);

/** Forget baselines and windows (start of a stage, or a remedy that changes the scale of losses).
 */
void bal_guard_rebaseline(bal_guard *guard);

/** The memory (rolled back with a snapshot) and the ledger (not rolled back), as bytes in bal_text.
 */
void bal_guard_save_memory(const bal_guard *guard, bal_text *out);
BAL_WARN_UNUSED bal_status bal_guard_load_memory(bal_guard *guard, const char *bytes, size_t size,
                                                 bal_error *err);
void bal_guard_save_ledger(const bal_guard *guard, bal_text *out);
BAL_WARN_UNUSED bal_status bal_guard_load_ledger(bal_guard *guard, const char *bytes, size_t size,
                                                 bal_error *err);

/** Whether a verdict may be ROLLBACK (policy recover, or a rule with that action): then the trainer
 * must keep healthy snapshots. */
bool bal_guard_needs_snapshots(const bal_guard *guard);

/** Whether the recall of a head's classes swings, as of the last evaluation; the predictions alone
 * decide, whatever the policy does about it. False with policy off and where the recipe switches
 * `swing` off. */
bool bal_guard_swings(const bal_guard *guard, int32_t head);
int64_t bal_guard_incidents(const bal_guard *guard); /* so far, over the whole run */
int32_t bal_guard_rollbacks(const bal_guard *guard);

/** Whether the run stands: there was no rollback, or an eligible evaluation since the last one. A
 * run that ends without is not recovered, whatever nobody found wrong with it. */
bool bal_guard_is_upright(const bal_guard *guard);

/** One line of incidents.jsonl (with the newline). `stage`: name of the stage under way, which the
 *  guard does not know; "" in a run without stages, whose lines say nothing of it. */
void bal_incident_json(const bal_incident *incident, const char *stage, bal_text *out);

/** health.json: verdict ("healthy", "warned", "recovered", "stopped", "collapsed"), counts, what
 * was seen (grouped incidents), ranked hypotheses with their evidence, what was tried. `tried`
 * names the remedies of the recipe, by number. Never claims a root cause. */
void bal_guard_health_json(const bal_guard *guard, const char *const *tried, int32_t n_tried,
                           const char *outcome, bal_text *out);

/** One detector option: name, default, what it means. */
typedef struct bal_detector_option {
    const char *name;
    double value;
    const char *meaning;
    double min, max; /* allowed, both included */
    bool whole;      /* a count */
} bal_detector_option;

typedef struct bal_detector bal_detector;
struct bal_detector {
    const char *name;
    const char *summary; /* fires when … */
    const char *source;
    const bal_detector_option *options; /* NULL-name-terminated */
    /* implementation hooks, private to src/guard/ */
    const void *hooks;
};

extern const bal_detector *const bal_detector_table[];
const bal_detector *bal_detector_find(const char *name);

#endif
