/* Which states may be kept as the best: finite, not collapsed, better than the prior predictor.
 * Only among those does the monitored metric decide, so that a model which calls everything one
 * class is never the best of a run, whatever its accuracy. A detector that the recipe switches off
 * is not asked. */
#include <math.h>
#include <stdio.h>

#include "guard/guard_private.h"

static const bal_watch *watch_of(const bal_guard *guard, const bal_detector *detector) {
    for (int32_t i = 0; i < BAL_DETECTOR_COUNT; i++) {
        if (guard->watch[i].detector == detector) return &guard->watch[i];
    }
    return NULL;
}

#define SAY(guard, ...) snprintf((guard)->reason, sizeof(guard)->reason, __VA_ARGS__)

static bool is_head_sound(bal_guard *guard, const bal_head_view *view) {
    const bal_watch *one_class = watch_of(guard, &bal_detector_one_class);
    const bal_watch *input_blind = watch_of(guard, &bal_detector_input_blind);
    char name[64];
    bal_copy_text(name, sizeof name, view->head->name);
    if (view->nonfinite > 0 || view->bad_loss) {
        SAY(guard, "outputs or loss of '%s' are not finite", name);
        return false;
    }
    if (view->head->untrained) return true;
    if (one_class->enabled && bal_head_is_concentrated(one_class, view)) {
        SAY(guard, "predictions of '%s' concentrate on few classes (diversity %.3f of the prior's)",
            name, view->entropy_ratio);
        return false;
    }
    if (input_blind->enabled && bal_head_is_blind(input_blind, view)) {
        SAY(guard, "outputs of '%s' hardly depend on the input", name);
        return false;
    }
    return true;
}

bool bal_guard_is_sound(bal_guard *guard) {
    guard->reason[0] = '\0';
    for (int32_t h = 0; h < guard->n_heads; h++) {
        if (!is_head_sound(guard, &guard->views[h])) return false;
    }
    return true;
}

bool bal_guard_is_eligible(bal_guard *guard, const bal_eval_signals *signals) {
    if (!bal_guard_is_sound(guard)) return false;
    double value = signals->monitored, prior = signals->monitored_prior;
    if (!isfinite(value)) {
        SAY(guard, "the monitored metric is undefined");
        return false;
    }
    /* Without a prior value (no such metric of the prior predictor) there is nothing to beat. */
    bool beaten = isnan(prior) || (signals->larger_is_better ? value > prior : value < prior);
    if (!beaten)
        SAY(guard, "the monitored metric, %.6g, is not better than the prior predictor's, %.6g",
            value, prior);
    return beaten;
}
