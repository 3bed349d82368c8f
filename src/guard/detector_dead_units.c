/* dead_units: nearly all relu units answer 0 to every validation row.
 *
 * A healthy net has some dead units, and on few rows many that merely did not wake up: a unit that
 * answers one row in a hundred sleeps through ten rows nine times out of ten. So enough rows are
 * needed, and nearly all units must be silent at two evaluations in a row. */
#include <math.h>

#include "guard/detector.h"

enum { SHARE, FOR, ROWS, OPTIONS };

static const bal_detector_option options[] = {
    [SHARE] = {"share", 0.9, "share of relu units that are 0 for every validation row", 0, 1,
               false},
    [FOR] = {"for", 2, "consecutive evaluations above it", 1, 1e6, true},
    [ROWS] = {"rows", 50, "validation rows needed to judge", 1, 1e12, true},
    [OPTIONS] = {.name = NULL},
};

typedef struct state {
    int64_t high;
    bool fired;
} state;

static void *open(bal_guard *guard, const bal_watch *watch) {
    return bal_arena_alloc(bal_guard_arena(guard), 1, sizeof(state));
}

static void reset(const bal_guard *guard, const bal_watch *watch) {
    *(state *)watch->state = (state){0};
}

static void visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    state *s = watch->state;
    bal_stream_i64(stream, &s->high, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->fired);
}

static int64_t validation_rows(const bal_guard *guard) {
    int64_t rows = 0;
    for (int32_t h = 0; h < bal_guard_heads(guard); h++) {
        if (bal_guard_view(guard, h)->rows > rows) rows = bal_guard_view(guard, h)->rows;
    }
    return rows;
}

static bool on_evaluation(bal_guard *guard, const bal_watch *watch,
                          const bal_eval_signals *signals) {
    state *s = watch->state;
    int64_t rows = validation_rows(guard);
    bool dead = signals->dead_share > watch->option[SHARE];
    if (!dead || (double)rows < watch->option[ROWS]) {
        s->high = 0;
        s->fired = false;
        return false;
    }
    s->high++;
    if (s->fired || s->high < watch->option[FOR]) return true;
    s->fired = true;
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_say(
        incident,
        "%.1f %% of the relu units are 0 for every one of %lld validation rows: they no "
        "longer learn",
        100 * signals->dead_share, (long long)rows);
    bal_incident_add(incident, "dead_share", signals->dead_share);
    bal_incident_add(incident, "rows", (double)rows);
    return true;
}

static const bal_detector_hooks hooks = {
    .open = open, .reset = reset, .visit = visit, .on_evaluation = on_evaluation};

const bal_detector bal_detector_dead_units = {
    .name = "dead_units",
    .summary = "fires when nearly all relu units are 0 for every validation row",
    .source = "Maas, Hannun & Ng 2013; Lu et al. 2019 (dying relu)",
    .options = options,
    .hooks = &hooks,
};
