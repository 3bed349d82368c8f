/* What a detector is made of, and what it is given to look at. Private to src/guard/.
 *
 * A detector is a descriptor of detector_table.h with a bal_detector_hooks behind it. Its state is
 * plain data taken from the guard's arena when the guard is made, sized per head and class, so that
 * the healthy path never allocates. It lists the fields of its state once, in `visit`, for saving,
 * checking and loading alike.
 *
 * A detector fires once per episode: when its condition begins, and again only after it has ended.
 * While it lasts (when it fires, too), or is about to be met, on_evaluation answers true (suspect),
 * and the state of the run is not kept as a healthy snapshot: a rollback must lead to before the
 * trouble. */
#ifndef BAL_GUARD_DETECTOR_H
#define BAL_GUARD_DETECTOR_H

#include "base/arena.h"
#include "guard/guard.h"
#include "guard/state_stream.h"

/** The figures of one head's evaluation that detectors and eligibility look at. */
typedef struct bal_head_view {
    const bal_guard_head *head;
    int64_t rows;            /* with a label; 0: nothing to look at */
    int64_t nonfinite;       /* rows whose outputs hold a NaN or infinity */
    bool bad_loss;           /* the validation loss is infinite, or NaN although there are rows */
    double loss, train_loss; /* raw validation loss; training loss since the evaluation before; NaN:
                                unknown */
    const bal_scores *scores; /* NULL: none */
    /* The rest: heads with classes and at least one finite row only. */
    bool has_classes;
    int32_t classes;
    const int64_t *support, *predicted, *confusion;
    int32_t top; /* the class predicted most often */
    double top_share, top_prior,
        top_truth;         /* its share of predictions, training and validation rows */
    double entropy_ratio;  /* of the prediction histogram / of the training prior */
    double information;    /* H(E[p]) − E[H(p)] / entropy of the training prior; NaN: unknown */
    double skill;          /* 1 − NLL / NLL of the prior; NaN: unknown */
    double constant_skill; /* the most that one answer for all rows could have here; NaN: unknown */
    double agreement;      /* right predictions beyond chance, in standard errors */
} bal_head_view;

/** One detector at work in one guard. */
typedef struct bal_watch {
    const bal_detector *detector;
    bool enabled;
    double *option; /* values in the order of the detector's options */
    void *state;
} bal_watch;

/** How serious an incident is. */
typedef enum bal_severity {
    BAL_ONLY_NOTE, /* recorded as a warning under every policy */
    BAL_ACT        /* the policy says what is done */
} bal_severity;

/** What a detector does that looks at every head on its own. */
typedef struct bal_head_hooks {
    size_t size; /* of what it remembers about one head */
    void (*reset)(void *head_state);
    void (*visit)(void *head_state, bal_state_stream *stream);
    /** A head that is trained, at an evaluation. True: suspect, not to be kept as a healthy
     * snapshot. */
    bool (*look)(bal_guard *guard, const bal_watch *watch, void *head_state,
                 const bal_head_view *view, const bal_eval_signals *signals);
} bal_head_hooks;

typedef struct bal_detector_hooks {
    /** Instead of open, reset, visit and on_evaluation; NULL: those. */
    const bal_head_hooks *per_head;
    /** Take the state; NULL when out of memory. */
    void *(*open)(bal_guard *guard, const bal_watch *watch);
    /** Back to how `open` left it, at the start of a run or stage. */
    void (*reset)(const bal_guard *guard, const bal_watch *watch);
    void (*visit)(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream);
    /** True: suspect. */
    bool (*on_evaluation)(bal_guard *guard, const bal_watch *watch,
                          const bal_eval_signals *signals);
    /** NULL when steps do not matter. */
    void (*on_step)(bal_guard *guard, const bal_watch *watch, const bal_step_signals *signals);
} bal_detector_hooks;

/* ---- what detectors ask the guard ---- */

bal_arena *bal_guard_arena(bal_guard *guard);
int32_t bal_guard_heads(const bal_guard *guard);
/** Head number h at the evaluation under way; its `head` and `classes` also outside of one. */
const bal_head_view *bal_guard_view(const bal_guard *guard, int32_t h);
/** Evaluations since the last rebaseline, the one under way included. */
int64_t bal_guard_evaluations(const bal_guard *guard);
int32_t bal_guard_rules(const bal_guard *guard);
const bal_guard_rule *bal_guard_rule_at(const bal_guard *guard, int32_t rule);

/* ---- firing ---- */

/** A new incident of this detector, for the caller to describe. */
bal_incident *bal_guard_fire(bal_guard *guard, const bal_watch *watch, bal_severity severity);
/** Head, and class or −1. */
void bal_incident_about(bal_incident *incident, const bal_guard_head *head, int32_t class_id);
void bal_incident_say(bal_incident *incident, const char *format, ...) BAL_PRINTF(2, 3);
void bal_incident_add(bal_incident *incident, const char *name, double value);

/** Copy text that may be too long: cut at the end of a character, and before bytes that are none.
 */
void bal_copy_text(char *to, size_t size, const char *from);
/** Name of a class; "" for heads without names. */
const char *bal_guard_class_name(const bal_guard_head *head, int32_t class_id);

/** The first finite value of a series, and its largest; both start as NaN. */
void bal_fact_first(double *first, double value);
void bal_fact_peak(double *peak, double value);

/* ---- head_view.c ---- */

/** Entropy of a prior, nats. */
double bal_prior_entropy(const bal_guard_head *head);
void bal_head_view_fill(bal_head_view *view, const bal_guard_head *head, double prior_entropy,
                        const bal_scores *scores, double loss);

/** The head predicts better than its prior beyond chance: skill over the best constant answer,
 * right predictions beyond chance, or (value heads) a correlation. */
bool bal_head_knows(const bal_head_view *view);
/** What a perfect predictor's agreement would be here: how much the rows can tell. */
double bal_head_power(const bal_head_view *view);

/* ---- judgements shared by a detector and eligibility ---- */

/** The histogram of predictions is concentrated beyond what the prior explains, at this evaluation.
 */
bool bal_head_is_concentrated(const bal_watch *one_class, const bal_head_view *view);
/** The outputs do not depend on the inputs, at this evaluation. */
bool bal_head_is_blind(const bal_watch *input_blind, const bal_head_view *view);

/** The classes of head h swing, as of the last evaluation. */
bool bal_head_swings(const bal_watch *swing, int32_t h);

#endif
