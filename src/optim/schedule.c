/* Patience, and what all schedules share: epochs and progress from steps, floor, warm-up, plateau's
 * counting. The kinds themselves are one file each, schedule_*.c. */
#include "optim/schedule.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "optim/schedule_table.h"

/* ---- patience ---- */

void bal_patience_init(bal_patience *patience) {
    *patience = (bal_patience){.best = NAN};
}

/* An infinite loss is as little a best value as NaN is. */
static bool is_improvement(double best, double value, bool larger_is_better, double min_delta) {
    if (!isfinite(value)) return false;
    if (isnan(best)) return true;
    return larger_is_better ? value > best + min_delta : value < best - min_delta;
}

bool bal_patience_update(bal_patience *patience, double value, bool larger_is_better,
                         double min_delta) {
    if (!is_improvement(patience->best, value, larger_is_better, min_delta)) {
        patience->bad++;
        return false;
    }
    patience->best = value;
    patience->bad = 0;
    return true;
}

/* ---- table ---- */

#define SCHEDULE_ENTRY(symbol) &symbol,
const bal_schedule *const bal_schedule_table[] = {BAL_SCHEDULE_LIST(SCHEDULE_ENTRY) NULL};
#undef SCHEDULE_ENTRY

const bal_schedule *bal_schedule_find(const char *name) {
    for (size_t i = 0; bal_schedule_table[i]; i++) {
        if (strcmp(bal_schedule_table[i]->name, name) == 0) return bal_schedule_table[i];
    }
    return NULL;
}

/* ---- rate ---- */

void bal_schedule_state_init(bal_schedule_state *state) {
    *state = (bal_schedule_state){.scale = 1};
    bal_patience_init(&state->patience);
}

static double floor_of(const bal_schedule_options *options, double base) {
    return fmin(fmax(options->min_lr, 0), base);
}

/* (step + 1) / W for the first W steps: the first step moves by base/W and step W − 1 by base.
 * Counted in double, which is exact for every number of steps that a run can take and cannot
 * overflow. */
static double warmup_factor(const bal_schedule_options *options, int64_t step,
                            int64_t steps_per_epoch) {
    double by_epochs = (double)options->warmup_epochs * (double)steps_per_epoch;
    double steps = fmax(by_epochs, (double)options->warmup_steps);
    double done = (double)step + 1;
    return done < steps ? done / steps : 1;
}

double bal_schedule_rate(const bal_schedule *schedule, const bal_schedule_options *options,
                         const bal_schedule_state *state, double base, int64_t step,
                         int64_t steps_per_epoch, int64_t epochs) {
    if (steps_per_epoch < 1) steps_per_epoch = 1;
    double total = (double)steps_per_epoch * (double)epochs;
    double progress = total > 0 ? fmin((double)step / total, 1) : 1;
    double factor = schedule->factor(options, state, step / steps_per_epoch, progress);
    double rate = base * factor, least = floor_of(options, base);
    if (schedule->floor == BAL_FLOOR_CLAMP) rate = fmax(rate, least);
    if (schedule->floor == BAL_FLOOR_END) rate = least + (base - least) * factor;
    return rate * warmup_factor(options, step, steps_per_epoch);
}

bool bal_schedule_observe(const bal_schedule *schedule, const bal_schedule_options *options,
                          bal_schedule_state *state, double monitored, double base) {
    if (!schedule->reacts) return false;
    bal_patience *patience = &state->patience;
    bal_patience_update(patience, monitored, options->larger_is_better, options->min_delta);
    if (state->cooldown_left > 0) {
        state->cooldown_left--;
        patience->bad = 0;
        return false;
    }
    int64_t wanted = options->patience < 1 ? 1 : options->patience;
    if (patience->bad < wanted) return false;

    double least = base > 0 ? floor_of(options, base) / base : 0;
    double lower = state->scale * options->factor;
    if (!(lower < state->scale) || state->scale <= least) return false;
    state->scale = fmax(lower, least);
    state->cooldown_left = options->cooldown;
    patience->bad = 0;
    return true;
}
