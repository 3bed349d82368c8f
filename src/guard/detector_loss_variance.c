/* loss_variance: the training loss of a head jumps about from one evaluation to the next.
 *
 * Losses of single batches have long tails in healthy runs (loss_spike says how long), but the mean
 * of all steps between two evaluations should not. Its noise is taken from second differences,
 * x − 2x' + x'', whose variance is 6 times that of independent values and which a steady fall
 * leaves alone. Noise of half the loss's own level, and a quarter of its level at the start, over
 * ten evaluations means that what one epoch teaches the next one unlearns: a rate too high, a batch
 * too small, or class weights that let a few rows rule. The second bar is for losses near 0, of
 * which half is nothing. Only a note: what comes of it (swing, loss_spike, degrading) is acted on.
 */
#include <math.h>

#include "guard/detector.h"

enum { LEVEL, START, OPTIONS };
enum { VALUES = 12 };

static const bal_detector_option options[] = {
    [LEVEL] = {"level", 0.5, "noise, as a share of the mean of the last 12 training losses", 0, 1e6,
               false},
    [START] = {"start", 0.25, "noise, as a share of the first training loss", 0, 1e6, false},
    [OPTIONS] = {.name = NULL},
};

typedef struct head_state {
    double first; /* NaN: none yet */
    int64_t seen;
    double loss[VALUES]; /* a ring */
    bool fired;
} head_state;

static void reset(void *head) {
    *(head_state *)head = (head_state){.first = NAN};
}

static void visit(void *head, bal_state_stream *stream) {
    head_state *s = head;
    bal_stream_double(stream, &s->first);
    bal_stream_i64(stream, &s->seen, 0, INT64_MAX - 1);
    for (int32_t i = 0; i < VALUES; i++)
        bal_stream_finite(stream, &s->loss[i]);
    bal_stream_flag(stream, &s->fired);
}

static double at(const head_state *s, int64_t i) {
    return s->loss[(s->seen - VALUES + i) % VALUES];
}

/* Standard deviation about a straight line, and the mean, of a full ring. */
static double noise_of(const head_state *s, double *ret_mean) {
    double squares = 0, sum = 0;
    for (int64_t i = 0; i < VALUES; i++)
        sum += fabs(at(s, i));
    for (int64_t i = 0; i + 2 < VALUES; i++) {
        double second = at(s, i) - 2 * at(s, i + 1) + at(s, i + 2);
        squares += second * second;
    }
    *ret_mean = sum / VALUES;
    return sqrt(squares / (6.0 * (VALUES - 2)));
}

static void fire(bal_guard *guard, const bal_watch *watch, const head_state *s,
                 const bal_head_view *view, double noise, double mean) {
    bal_incident *incident = bal_guard_fire(guard, watch, BAL_ONLY_NOTE);
    bal_incident_about(incident, view->head, -1);
    bal_incident_say(incident,
                     "the training loss of '%s' jumps about: between evaluations it changes by "
                     "%.3g (one standard deviation) around a mean of %.3g",
                     incident->head, noise, mean);
    bal_incident_add(incident, "noise", noise);
    bal_incident_add(incident, "mean", mean);
    bal_incident_add(incident, "first", s->first);
}

static bool look(bal_guard *guard, const bal_watch *watch, void *head, const bal_head_view *view,
                 const bal_eval_signals *signals) {
    head_state *s = head;
    if (!isfinite(view->train_loss)) return false;
    bal_fact_first(&s->first, view->train_loss);
    s->loss[s->seen++ % VALUES] = view->train_loss;
    if (s->seen < VALUES) return false;
    double mean, noise = noise_of(s, &mean);
    bool high =
        noise > watch->option[LEVEL] * mean && noise > watch->option[START] * fabs(s->first);
    if (high && !s->fired) fire(guard, watch, s, view, noise, mean);
    s->fired = high;
    return false;
}

static const bal_head_hooks head_hooks = {sizeof(head_state), reset, visit, look};
static const bal_detector_hooks hooks = {.per_head = &head_hooks};

const bal_detector bal_detector_loss_variance = {
    .name = "loss_variance",
    .summary = "notes that the training loss of a head jumps about from evaluation to evaluation",
    .source = "von Neumann 1941 (noise from successive differences); LoRA reports' risk list",
    .options = options,
    .hooks = &hooks,
};
