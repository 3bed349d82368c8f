/* overfit: the validation loss of a head rises away from its best while its training loss falls.
 *
 * Only a note: the best weights are kept anyway, accuracy may still rise, and early stopping is the
 * recipe's business. Means of five evaluations are compared: the best single one of many is a lucky
 * one. The rise must be a share of the best loss and more than the noise of an
 * evaluation explains (4 standard deviations, taken from the changes between evaluations next to
 * each other: von Neumann 1941), for several evaluations in a row, in which the training loss is
 * notably below what it was at the best. Confident mistakes on a handful of rows are covered by the
 * share, a validation loss that jumps about by the noise. */
#include <math.h>

#include "guard/detector.h"

enum { RISE, FALL, NOISE, FOR, OPTIONS };
enum { MEAN_OF = 5, CHANGES = 10, CHANGES_NEEDED = 6 };

static const bal_detector_option options[] = {
    [RISE] = {"rise", 0.25, "share of the best validation loss that it is above it", 0, 1e6, false},
    [FALL] = {"fall", 0.2, "share of the training loss, at that best, that it has fallen since", 0,
              1, false},
    [NOISE] = {"noise", 4, "standard deviations of an evaluation that the rise also exceeds", 0,
               1e6, false},
    [FOR] = {"for", 5, "consecutive evaluations", 1, 1e6, true},
    [OPTIONS] = {.name = NULL},
};

typedef struct head_state {
    double best, train_at_best; /* NaN: none yet; best: a mean of the last MEAN_OF */
    int64_t best_evaluation;
    int64_t seen;
    double loss[MEAN_OF];   /* validation, a ring */
    double change[CHANGES]; /* |difference| of validation losses next to each other, a ring */
    int64_t high;
    bool fired;
} head_state;

static void reset(void *head) {
    *(head_state *)head = (head_state){.best = NAN, .train_at_best = NAN};
}

static void visit(void *head, bal_state_stream *stream) {
    head_state *s = head;
    bal_stream_double(stream, &s->best);
    bal_stream_double(stream, &s->train_at_best);
    bal_stream_i64(stream, &s->best_evaluation, 0, INT64_MAX - 1);
    bal_stream_i64(stream, &s->seen, 0, INT64_MAX - 1);
    for (int32_t i = 0; i < MEAN_OF; i++)
        bal_stream_finite(stream, &s->loss[i]);
    for (int32_t i = 0; i < CHANGES; i++)
        bal_stream_finite(stream, &s->change[i]);
    bal_stream_i64(stream, &s->high, 0, INT64_MAX - 1);
    bal_stream_flag(stream, &s->fired);
}

/* The mean of |x − x'| of independent normal values is 1.128 standard deviations. */
static double deviation(const head_state *s) {
    int64_t changes = s->seen - 1, n = changes < CHANGES ? changes : CHANGES;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += s->change[i];
    return sum / (double)n / 1.128;
}

static double recent_mean(const head_state *s) {
    double sum = 0;
    for (int i = 0; i < MEAN_OF; i++)
        sum += s->loss[i];
    return s->seen >= MEAN_OF ? sum / MEAN_OF : NAN;
}

static void remember(head_state *s, const bal_head_view *view, int64_t evaluation) {
    if (s->seen > 0) {
        double last = s->loss[(s->seen - 1) % MEAN_OF];
        s->change[(s->seen - 1) % CHANGES] = fabs(view->loss - last);
    }
    s->loss[s->seen++ % MEAN_OF] = view->loss;
    double mean = recent_mean(s);
    if (isnan(mean) || mean >= s->best) return;
    s->best = mean;
    s->train_at_best = view->train_loss;
    s->best_evaluation = evaluation;
}

static void fire(bal_guard *guard, const bal_watch *watch, const head_state *s,
                 const bal_head_view *view) {
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ONLY_NOTE);
    bal_incident_about(incident, view->head, -1);
    bal_incident_say(incident,
                     "'%s' overfits: its validation loss (mean of five evaluations) has been away "
                     "from its best, %.4g at "
                     "evaluation %lld, for %lld and is %.4g, while its training loss "
                     "went from %.4g to %.4g",
                     incident->head, s->best, (long long)s->best_evaluation, (long long)s->high,
                     recent_mean(s), s->train_at_best, view->train_loss);
    bal_incident_add(incident, "validation_loss", recent_mean(s));
    bal_incident_add(incident, "best", s->best);
    bal_incident_add(incident, "best_evaluation", (double)s->best_evaluation);
    bal_incident_add(incident, "train_loss", view->train_loss);
    bal_incident_add(incident, "train_loss_at_best", s->train_at_best);
}

static bool look(bal_guard *guard, const bal_watch *watch, void *head, const bal_head_view *view,
                 const bal_eval_signals *signals) {
    head_state *s = head;
    if (!isfinite(view->loss) || !isfinite(view->train_loss)) return false;
    remember(s, view, signals->evaluation);
    double rise = fmax(watch->option[RISE] * fabs(s->best), watch->option[NOISE] * deviation(s));
    double fall = watch->option[FALL] * fabs(s->train_at_best);
    bool apart = s->seen > CHANGES_NEEDED && recent_mean(s) > s->best + rise &&
                 view->train_loss < s->train_at_best - fall;
    s->high = apart ? s->high + 1 : 0;
    if (!apart) s->fired = false;
    if (!apart || s->fired || s->high < watch->option[FOR]) return false;
    s->fired = true;
    fire(guard, watch, s, view);
    return false;
}

static const bal_head_hooks head_hooks = {sizeof(head_state), reset, visit, look};
static const bal_detector_hooks hooks = {.per_head = &head_hooks};

const bal_detector bal_detector_overfit = {
    .name = "overfit",
    .summary = "notes that the validation loss of a head rises while its training loss falls",
    .source = "Prechelt 1998 (generalisation loss and progress); von Neumann 1941",
    .options = options,
    .hooks = &hooks,
};
