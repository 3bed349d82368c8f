/* Learning-rate schedules and patience, with the counting written down because libraries differ by
 * one: patience N = N consecutive evaluations without improvement, acts AT the N-th. Improvement =
 * better than the best by more than an absolute min_delta. NaN is never best and never an
 * improvement. */
#ifndef BAL_OPTIM_SCHEDULE_H
#define BAL_OPTIM_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "ballast/status.h"

/** Counts evaluations without improvement. Plain data: part of a snapshot as it is. */
typedef struct bal_patience {
    double best; /* NaN before the first finite value */
    int64_t bad; /* consecutive evaluations without improvement */
} bal_patience;

void bal_patience_init(bal_patience *patience);
/** Feed one value; true when it improved. larger_is_better: direction. */
bool bal_patience_update(bal_patience *patience, double value, bool larger_is_better,
                         double min_delta);

typedef struct bal_schedule_step {
    int64_t epoch; /* from the start of this epoch on (0-based count of finished epochs) */
    double factor; /* of the base learning rate, absolute: not multiplied up */
} bal_schedule_step;

/** Options of every schedule kind; a kind reads its own. */
typedef struct bal_schedule_options {
    const char *kind;      /* "constant", "step", "cosine", "plateau" */
    int64_t warmup_epochs; /* linear, base·(step+1)/steps, over this many epochs, any kind */
    int64_t warmup_steps;  /* or over this many steps; the larger counts */
    const bal_schedule_step *steps; /* step: sorted by epoch */
    int32_t n_steps;
    double min_lr;         /* cosine: floor; plateau: floor */
    double factor;         /* plateau */
    int64_t patience;      /* plateau, in evaluations */
    int64_t cooldown;      /* plateau: evaluations after a drop in which nothing is counted */
    double min_delta;      /* plateau */
    bool larger_is_better; /* plateau: direction of its monitor */
} bal_schedule_options;

/** Everything a schedule remembers. Plain data: part of a snapshot as it is. */
typedef struct bal_schedule_state {
    bal_patience patience;
    int64_t cooldown_left;
    double scale; /* plateau: product of drops so far */
} bal_schedule_state;

/** What min_lr does to a kind. A floor above the base rate counts as the base rate. */
typedef enum bal_schedule_floor {
    BAL_FLOOR_NONE,  /* ignored */
    BAL_FLOOR_CLAMP, /* the rate never goes below it */
    BAL_FLOOR_END    /* factor 1..0 runs from the base rate down to it, as in SGDR's equation */
} bal_schedule_floor;

/** One schedule kind. */
typedef struct bal_schedule {
    const char *name;
    const char *summary;
    const char *source;
    bal_schedule_floor floor;
    bool reacts; /* to monitored values, through bal_schedule_observe */
    /** Factor on the base learning rate for a step, before warm-up. epoch: finished epochs;
     *  progress: fraction of the stage's total steps done, 0..1. */
    double (*factor)(const bal_schedule_options *options, const bal_schedule_state *state,
                     int64_t epoch, double progress);
} bal_schedule;

extern const bal_schedule *const bal_schedule_table[];
const bal_schedule *bal_schedule_find(const char *name);

void bal_schedule_state_init(bal_schedule_state *state);

/** Learning rate for the next step: base · factor, floored at min_lr where the kind has one, times
 *  the warm-up, which may go below the floor. step: optimiser steps done in the stage;
 *  steps_per_epoch ≥ 1; epochs: of the stage. The rate of step `steps_per_epoch · epochs` and later
 *  is the schedule's end. */
double bal_schedule_rate(const bal_schedule *schedule, const bal_schedule_options *options,
                         const bal_schedule_state *state, double base, int64_t step,
                         int64_t steps_per_epoch, int64_t epochs);

/** Tell the schedule an evaluation's monitored value (used by plateau; patience below 1 counts as
 *  1). A drop clears the count; evaluations in the cooldown can set a new best, but are not counted
 *  against it. True when the rate dropped, which it does not once it is at its floor. */
bool bal_schedule_observe(const bal_schedule *schedule, const bal_schedule_options *options,
                          bal_schedule_state *state, double monitored, double base);

#endif
