/* Whole simulated runs. The healthy ones must pass without a single incident, whatever the seed:
 * first epochs with few classes predicted, hard classes, look-alikes, independent binomial noise at
 * every evaluation (real rows are the same from one evaluation to the next, which is kinder), batch
 * losses with long tails, fifty evaluations after convergence. The same runs, collapsed on purpose,
 * must be caught within two evaluations. An argument divides the number of runs, for the quick
 * suite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/random.h"
#include "guard_lab.h"

enum { EVALUATIONS = 60, STEPS = 30, CLASSES_MAX = 197 };

static int divisor = 1;

typedef struct problem {
    const char *name;
    int32_t classes;
    int64_t most, least; /* validation rows of the first and last class, falling geometrically */
    bool binary;
    int runs;
} problem;

static const problem problems[] = {
    {"two classes", 2, 120, 80, false, 500},
    {"binary, 63 : 37", 2, 37, 63, true, 400},
    {"binary, 97 : 3", 2, 388, 12, true, 300},
    {"five classes, long tail", 5, 100, 6, false, 400},
    {"26 classes, 20 rows", 26, 20, 20, false, 200},
    {"99 classes, 1 row", 99, 1, 1, false, 180},
    {"197 classes, long tail", 197, 25, 3, false, 20},
};

/* One simulated run. */
typedef struct run {
    guard_lab lab;
    bal_random random;
    int64_t support[CLASSES_MAX];
    double recall_end[CLASSES_MAX], onset[CLASSES_MAX], pace[CLASSES_MAX];
    double loss_start, loss_end, loss_pace, loss_spread, norm_scale, confidence;
    double
        distance; /* binary: between the two classes' scores, in standard deviations, at the end */
} run;

static double uniform(run *r, double low, double high) {
    return low + (high - low) * bal_random_uniform(&r->random);
}

static void run_init(run *r, const problem *p, uint64_t seed) {
    bal_random_init(&r->random, seed, bal_hash_name(p->name));
    for (int32_t c = 0; c < p->classes; c++) {
        double place = p->classes > 1 ? c / (p->classes - 1.0) : 0;
        double rows = (double)p->most * pow((double)p->least / (double)p->most, place);
        r->support[c] = llround(rows);
    }
    lab_setup setup = {.kind = p->binary ? BAL_HEAD_BINARY : BAL_HEAD_CLASSES,
                       .classes = p->classes,
                       .support = r->support};
    lab_init(&r->lab, &setup);
    r->lab.monitored_prior = 1.0 / p->classes;
    r->lab.dead_share = r->lab.loss = NAN;
    double hardness = uniform(r, 0, 0.6), slowness = uniform(r, 0.5, 8);
    for (int32_t c = 0; c < p->classes; c++) {
        double u = bal_random_uniform(&r->random);
        r->recall_end[c] = 0.99 - hardness * u * u;
        r->onset[c] = uniform(r, -1, 2);
        r->pace[c] = slowness * uniform(r, 0.5, 1.5);
    }
    r->loss_start = log(p->classes) * uniform(r, 0.8, 2);
    r->loss_end = r->loss_start * pow(10, uniform(r, -4, -0.1));
    r->loss_pace = uniform(r, 1, 15);
    r->loss_spread = uniform(r, 0.05, 0.9);
    r->norm_scale = pow(10, uniform(r, -1, 2.5));
    r->confidence = uniform(r, 0.6, 1.1);
    r->distance = uniform(r, 0.7, 3);
}

/* ---- steps ---- */

static void report(const run *r, const char *name, uint64_t seed, const bal_decision *decision) {
    for (int32_t i = 0; i < decision->n_incidents; i++)
        print_error("%s, seed %d, evaluation %d, step %d: %s: %s\n", name, (int)seed,
                    (int)r->lab.evaluation, (int)r->lab.step, decision->incidents[i].detector,
                    decision->incidents[i].message);
}

static bal_decision take_step(run *r, double at) {
    double level = r->loss_end + (r->loss_start - r->loss_end) * exp(-at / r->loss_pace);
    double noise = exp(r->loss_spread * bal_random_normal(&r->random));
    double loss = level * noise;
    if (bal_random_uniform(&r->random) < 0.03) /* a rare class with a large weight in the batch */
        loss += r->loss_start * uniform(r, 0, 3);
    double norm = r->norm_scale * loss * exp(0.5 * bal_random_normal(&r->random));
    if (bal_random_uniform(&r->random) < 0.01) norm *= 50;
    r->lab.train_loss += loss / STEPS;
    return lab_step(&r->lab, loss, norm);
}

/* ---- evaluations ---- */

/* A class drawn by prior^power; early runs overdo the frequent ones. */
typedef struct wheel {
    double sum[CLASSES_MAX];
} wheel;

static void spin_up(wheel *w, const guard_lab *lab, double power) {
    double sum = 0;
    for (int32_t c = 0; c < lab->head.classes; c++)
        w->sum[c] = sum += pow(lab->prior[c], power);
}

static int32_t spin(const wheel *w, run *r) {
    int32_t last = r->lab.head.classes - 1;
    double at = bal_random_uniform(&r->random) * w->sum[last];
    int32_t c = 0;
    while (c < last && w->sum[c] <= at)
        c++;
    return c;
}

static double recall_at(const run *r, int32_t c, double t) {
    double since = t - r->onset[c];
    double learned = since > 0 ? 1 - exp(-since / r->pace[c]) : 0;
    return r->lab.prior[c] + (r->recall_end[c] - r->lab.prior[c]) * learned;
}

/* Draw the predictions of evaluation t; balanced accuracy becomes the monitored value. */
static double predict(run *r, double t) {
    guard_lab *lab = &r->lab;
    wheel w;
    spin_up(&w, lab, 1 + 1.5 * exp(-t / 2));
    double right[CLASSES_MAX] = {0}, total = 0, balanced = 0;
    for (int64_t i = 0; i < lab->rows; i++) {
        int32_t label = lab->labels[i], partner = label ^ 1;
        bool is_right = bal_random_uniform(&r->random) < recall_at(r, label, t);
        bool alike = partner < lab->head.classes && bal_random_uniform(&r->random) < 0.5;
        lab->predicted[i] = is_right ? label : alike ? partner : spin(&w, r);
        right[label] += lab->predicted[i] == label;
        total += lab->predicted[i] == label;
    }
    for (int32_t c = 0; c < lab->head.classes; c++)
        balanced += right[c] / (double)lab->support[c] / lab->head.classes;
    lab->monitored = balanced;
    lab->dead_share = fmin(0.85, uniform(r, 0, 0.2) + 0.6 * fabs(sin(r->loss_pace)));
    return total / (double)lab->rows;
}

/* Logits as sure as the run is right, or a little less or more. */
static bal_decision evaluate(run *r, double accuracy) {
    const guard_lab *lab = &r->lab;
    double highest = 0;
    for (int32_t c = 0; c < lab->head.classes; c++)
        highest = fmax(highest, lab->prior[c]);
    double sure = fmin(0.98, r->confidence * accuracy);
    double odds = sure / (1 - sure);
    double boost = lab->head.kind == BAL_HEAD_BINARY ? log(odds) : log(odds / highest);
    return lab_evaluate(&r->lab, fmax(boost, 0.05));
}

/* Signal detection: a score from one of two normal distributions `distance` apart, turned into the
 * logit of the class by Bayes' rule, with the run's over- or underconfidence. How often the rare
 * class is named, and whether at all, follows from that. */
static bal_decision detect(run *r, double t) {
    guard_lab *lab = &r->lab;
    double distance = r->distance * (1 - exp(-t / r->pace[0])), right[2] = {0};
    for (int64_t i = 0; i < lab->rows; i++) {
        double score = bal_random_normal(&r->random) + distance * lab->labels[i];
        double evidence = distance * score - distance * distance / 2;
        double logit = log(lab->prior[1] / lab->prior[0]) + r->confidence * evidence;
        lab->logits[i] = (float)logit;
        right[lab->labels[i]] += (logit >= 0) == (lab->labels[i] == 1);
    }
    lab->monitored = (right[0] / (double)lab->support[0] + right[1] / (double)lab->support[1]) / 2;
    return lab_evaluate_logits(lab);
}

static bal_decision evaluate_healthy(run *r, double t) {
    if (r->lab.head.kind == BAL_HEAD_BINARY) return detect(r, t);
    return evaluate(r, predict(r, t));
}

static int64_t incidents_of(const problem *p, uint64_t seed) {
    run r = {.loss_start = 0};
    run_init(&r, p, seed);
    for (int evaluation = 1; evaluation <= EVALUATIONS; evaluation++) {
        r.lab.train_loss = 0;
        for (int k = 0; k < STEPS; k++) {
            bal_decision decision = take_step(&r, evaluation - 1 + (double)k / STEPS);
            report(&r, p->name, seed, &decision);
        }
        bal_decision decision = evaluate_healthy(&r, evaluation);
        report(&r, p->name, seed, &decision);
    }
    int64_t incidents = bal_guard_incidents(r.lab.guard);
    lab_release(&r.lab);
    return incidents;
}

static void healthy_runs_are_silent(void **state) {
    int64_t incidents = 0, runs = 0;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        int n = (problems[i].runs + divisor - 1) / divisor;
        for (int seed = 1; seed <= n; seed++, runs++)
            incidents += incidents_of(&problems[i], (uint64_t)seed);
    }
    print_message("%d runs of %d evaluations, %d incidents\n", (int)runs, EVALUATIONS,
                  (int)incidents);
    assert_true(incidents == 0);
}

/* ---- the same, collapsed ---- */

/* Everything but one prediction in fifty becomes one class, and stays so. */
static bal_decision evaluate_collapsed(run *r, int32_t victor) {
    for (int64_t i = 0; i < r->lab.rows; i++) {
        bool stray = bal_random_uniform(&r->random) < 0.02;
        int64_t anyone = (int64_t)bal_random_below(&r->random, (uint64_t)r->lab.head.classes);
        r->lab.predicted[i] = stray ? (int32_t)anyone : victor;
    }
    return evaluate(r, 0.95 / r->confidence);
}

static int caught_after(const problem *p, uint64_t seed, int healthy) {
    run r = {.loss_start = 0};
    run_init(&r, p, seed);
    int caught = 0;
    for (int evaluation = 1; evaluation <= healthy; evaluation++)
        evaluate_healthy(&r, evaluation);
    for (int after = 1; after <= 3 && !caught; after++) {
        bal_decision decision = evaluate_collapsed(&r, (int32_t)(seed % (uint64_t)p->classes));
        if (lab_count(&decision, "one_class")) caught = after;
        if (decision.healthy || decision.eligible)
            fail_msg("%s, seed %d: collapsed, and fit to be kept", p->name, (int)seed);
    }
    lab_release(&r.lab);
    return caught;
}

static void collapsed_runs_are_caught(void **state) {
    int runs = 0;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        const problem *p = &problems[i];
        if (p->most > 20 * p->least) continue; /* 97 : 3 may be called 100 : 0 */
        int n = (p->runs / 4 + divisor - 1) / divisor;
        for (int seed = 1; seed <= n; seed++, runs++) {
            int from_the_start = caught_after(p, (uint64_t)seed, 0);
            int later = caught_after(p, (uint64_t)seed, 30);
            if (from_the_start == 2 && (later == 1 || later == 2)) continue;
            fail_msg("%s, seed %d: caught after %d and %d evaluations (0: not at all)", p->name,
                     seed, from_the_start, later);
        }
    }
    print_message("%d runs collapsed from the start and %d later, all caught\n", runs, runs);
}

int main(int argc, char **argv) {
    if (argc > 1) divisor = (int)strtol(argv[1], NULL, 10);
    if (divisor < 1) divisor = 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthy_runs_are_silent),
        cmocka_unit_test(collapsed_runs_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
