/* mean_collapse: what is predicted on average has nothing to do with what there is.
 *
 * Binary heads: the mean probability of a class is the share of it that the model expects. A class
 * with n validation rows of which the model expects n / 50 is impossible under a calibrated model
 * (Poisson: 20 rows where 0.4 are expected, one in 10^26), and no class weights of this side of
 * 50 : 1 lead there. Segmentation masks that go all to zero look like this: a mean of 1.2e-5 where
 * .1234 of the pixels are foreground, with a loss that falls.
 *
 * Value heads: a constant (a spread of predictions below 1 % of the targets', which tells nothing
 * about them), or figures that ran away (a mean more than 10 standard deviations off, or a spread
 * 10 times the targets'). A net begins at 0 wherever its targets lie, and answers a constant until
 * it has found their mean: while the validation loss still finds new depths, nobody has collapsed.
 */
#include <math.h>
#include <stdio.h>

#include "guard/detector.h"

enum { SHARE, SPREAD, AWAY, FOR, SUPPORT, AFTER, OPTIONS };

static const bal_detector_option options[] = {
    [SHARE] = {"share", 0.02,
               "binary: mean probability of a class, as a part of its share of the rows", 0, 1,
               false},
    [SPREAD] = {"spread", 0.01, "value: spread of predictions, as a part of the targets' spread", 0,
                1, false},
    [AWAY] = {"away", 10,
              "value: spreads of the targets between the means, or spread of predictions over the "
              "targets'",
              1, 1e12, false},
    [FOR] = {"for", 3, "consecutive evaluations without a new depth of the validation loss", 1, 1e6,
             true},
    [SUPPORT] = {"support", 20, "validation rows (binary: of the class) needed to judge", 1, 1e12,
                 true},
    [AFTER] = {"after", 1, "first evaluations that do not count", 0, 1e6, true},
    [OPTIONS] = {.name = NULL},
};

typedef struct head_state {
    int64_t low;
    bool fired;
    double least; /* lowest validation loss, as of its last notable fall; NaN: none */
} head_state;

/** What is wrong with the predictions of a head; NULL: nothing. */
typedef struct finding {
    const char *what;
    int32_t class_id; /* −1: none */
    double predicted, actual, spread, spread_actual;
} finding;

static void reset(void *head) {
    *(head_state *)head = (head_state){.least = NAN};
}

static void visit(void *head, bal_state_stream *stream) {
    head_state *s = head;
    bal_stream_i64(stream, &s->low, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->fired);
    bal_stream_double(stream, &s->least);
}

static finding examine_binary(const bal_watch *watch, const bal_head_view *view) {
    for (int32_t c = 0; view->has_classes && c < view->classes; c++) {
        double support = (double)view->support[c], share = support / (double)view->rows;
        double mean = bal_scores_mean_probability(view->scores, c);
        if (support >= watch->option[SUPPORT] && mean < watch->option[SHARE] * share)
            return (finding){"expects hardly any", c, mean, share, NAN, NAN};
    }
    return (finding){.what = NULL};
}

static finding examine_value(const bal_watch *watch, const bal_head_view *view) {
    bal_value_moments m;
    for (int32_t k = 0; view->scores && k < view->classes; k++) {
        if (!bal_scores_value_moments(view->scores, k, &m) || !(m.spread_target > 0) ||
            m.rows < watch->option[SUPPORT])
            continue;
        double away = watch->option[AWAY] * m.spread_target;
        const char *what = NULL;
        if (fabs(m.mean_output - m.mean_target) > away || m.spread_output > away)
            what = "has run away from the targets";
        else if (m.spread_output < watch->option[SPREAD] * m.spread_target && !bal_head_knows(view))
            what = "answers a constant";
        if (what)
            return (finding){what,           -1, m.mean_output, m.mean_target, m.spread_output,
                             m.spread_target};
    }
    return (finding){.what = NULL};
}

static void fire(bal_guard *guard, const bal_watch *watch, const bal_head_view *view,
                 const finding *found) {
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ACT);
    bal_incident_about(incident, view->head, found->class_id);
    if (found->class_id >= 0) {
        bal_incident_say(incident,
                         "'%s' %s of '%s': its mean probability is %.3g, and %.3g of the "
                         "validation rows are of it",
                         incident->head, found->what, incident->class_name, found->predicted,
                         found->actual);
    } else {
        bal_incident_say(incident,
                         "'%s' %s: predictions %.4g ± %.3g (mean, spread), targets %.4g ± %.3g",
                         incident->head, found->what, found->predicted, found->spread,
                         found->actual, found->spread_actual);
        bal_incident_add(incident, "spread_predicted", found->spread);
        bal_incident_add(incident, "spread_actual", found->spread_actual);
    }
    bal_incident_add(incident, "mean_predicted", found->predicted);
    bal_incident_add(incident, "mean_actual", found->actual);
    bal_incident_add(incident, "loss", view->loss);
}

/* Whether the validation loss is notably (1 %) lower than ever. */
static bool finds_depth(head_state *s, double loss) {
    if (!isfinite(loss)) return false;
    bool deeper = isnan(s->least) || loss < s->least - 0.01 * fabs(s->least);
    if (deeper) s->least = loss;
    return deeper;
}

static bool look(bal_guard *guard, const bal_watch *watch, void *head, const bal_head_view *view,
                 const bal_eval_signals *signals) {
    head_state *s = head;
    bool deeper = finds_depth(s, view->loss);
    if (view->head->kind == BAL_HEAD_CLASSES) return false;
    bool is_value = view->head->kind == BAL_HEAD_VALUE;
    finding found = is_value ? examine_value(watch, view) : examine_binary(watch, view);
    if (!found.what) {
        s->low = 0;
        s->fired = false;
        return false;
    }
    if (deeper)
        s->low = 0;
    else if (bal_guard_evaluations(guard) > watch->option[AFTER])
        s->low++;
    if (!s->fired && s->low >= watch->option[FOR]) {
        s->fired = true;
        fire(guard, watch, view, &found);
    }
    return s->low > 0;
}

static const bal_head_hooks head_hooks = {sizeof(head_state), reset, visit, look};
static const bal_detector_hooks hooks = {.per_head = &head_hooks};

const bal_detector bal_detector_mean_collapse = {
    .name = "mean_collapse",
    .summary = "fires when the mean or spread of binary or value predictions leaves the targets'",
    .source = "masks that went all to zero: predicted mean 1.2e-5 where .1234 was foreground",
    .options = options,
    .hooks = &hooks,
};
