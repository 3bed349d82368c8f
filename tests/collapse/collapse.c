/* Does the guard see collapses, in time, and recover; and is it silent on healthy runs?
 *
 *   collapse [--seeds N] [--jobs N] [--only NAME] BALLAST SUITE.yaml…
 *
 * Every scenario of every suite (suite.h) is trained with N seeds: with the guard, without it, and
 * by the plain cure "start again with another seed and half the learning rate" with as many epochs
 * as the guard took in that trial, those it undid included (trial.h). A run counts as
 *
 *   harmed      without the guard it ends below HARM of the healthy base's mean score
 *   flagged     an incident, a refusal (recipe or data) before training, no eligible evaluation, or
 * a warning of `ballast check` that the healthy base does not get upright     its score is at least
 * UPRIGHT of the healthy base's mean
 *
 * The base is the suite's first control; nothing about the guard enters into what counts as harm.
 * Detection is the share of harmed runs that were flagged; its delay counts evaluations from the
 * scenario's onset. False alarms are controls with an incident. Prints Markdown. */
#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "trial.h"

enum { SUITES_MAX = 32, JOBS_MAX = 64, WHAT_MAX = 16 };

static const double HARM = 0.9, UPRIGHT = 0.9;

typedef struct options {
    int seeds, jobs;
    const char *only;
    char program[4096];
} options;

typedef struct work {
    const suite *suite;
    const scenario *scenario;
    trial *trials; /* [seeds][VARIANT_COUNT], shared by the processes */
} work;

/* ---- running everything ---- */

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *where) {
    return remove(path);
}

/* One seed of a scenario in every way; the plain cure gets the epochs that the guard took. */
static bool run_seed(const laboratory *lab, const work *w, int seed) {
    trial *trials = &w->trials[seed * VARIANT_COUNT];
    int epochs = trial_epochs(w->suite, w->scenario);
    bool done = true;
    for (int which = 0; done && which < VARIANT_COUNT; which++) {
        done = trial_run(lab, w->suite, w->scenario, (uint64_t)seed + 1, (variant)which, epochs,
                         &trials[which]);
        if (which == VARIANT_GUARD && trials[which].epochs > epochs) epochs = trials[which].epochs;
    }
    return done;
}

/* Process `job` of `jobs` does every jobs-th seed. */
static int run_share(const options *o, work *list, int n, int job) {
    char folder[] = "/tmp/ballast-collapse-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    const laboratory lab = {o->program, folder};
    int total = n * o->seeds, failed = 0;
    for (int i = job; i < total && !failed; i += o->jobs) {
        failed = !run_seed(&lab, &list[i / o->seeds], i % o->seeds);
        if (job == 0 && isatty(STDERR_FILENO))
            fprintf(stderr, "\r%d of %d seeds of scenarios", i + 1, total);
    }
    if (job == 0 && isatty(STDERR_FILENO)) fprintf(stderr, "\r%40s\r", "");
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return failed;
}

static bool run_everything(const options *o, work *list, int n) {
    int failed = 0;
    fflush(NULL);
    for (int job = 0; job < o->jobs; job++) {
        pid_t child = fork();
        if (child == 0) _exit(run_share(o, list, n, job));
        failed |= child < 0;
    }
    for (int state; wait(&state) > 0;)
        failed |= state != 0;
    return !failed;
}

/* ---- counting ---- */

/* What a trial without flags would look like: the base's findings are no news. */
static const trial *base_trial;

/* The first rule that warned here and not of the base; NULL: none. */
static const char *warning(const trial *t) {
    for (int i = 0; i < t->n_findings; i++) {
        bool known = false;
        for (int k = 0; base_trial && k < base_trial->n_findings; k++)
            known |= strcmp(t->finding[i], base_trial->finding[k]) == 0;
        if (!known) return t->finding[i];
    }
    return NULL;
}

static bool is_refused(const trial *t) {
    return t->exit_code == 2 || t->exit_code == 3;
}

/* Seen while training, or by what came of it. */
static bool is_caught(const trial *t) {
    return t->incidents > 0 || t->no_best || is_refused(t) || t->exit_code == 4;
}

static bool is_flagged(const trial *t) {
    return is_caught(t) || warning(t) != NULL;
}

static bool is_above(double score, double share, double base) {
    return !isnan(score) && score >= share * base;
}

typedef struct tally {
    int runs, harmed, caught, flagged, warned, upright[VARIANT_COUNT];
    double score[VARIANT_COUNT];
    int n_score[VARIANT_COUNT];
    int refused;   /* harmed and refused before training */
    double epochs; /* of harmed runs with the guard, in units of what the recipe asks for */
    int delay[1000], n_delays;
    struct {
        char name[64];
        int count;
    } what[WHAT_MAX]; /* by what they were flagged */
} tally;

static int compare_ints(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static double median(const int *values, int n) {
    int copy[1000];
    if (n == 0) return NAN;
    memcpy(copy, values, (size_t)n * sizeof *copy);
    qsort(copy, (size_t)n, sizeof *copy, compare_ints);
    return n % 2 ? copy[n / 2] : (copy[n / 2 - 1] + copy[n / 2]) / 2.0;
}

static void count_name(tally *t, const char *name) {
    int i = 0;
    while (i < WHAT_MAX - 1 && t->what[i].count > 0 && strcmp(t->what[i].name, name) != 0)
        i++;
    snprintf(t->what[i].name, sizeof t->what[i].name, "%s", name ? name : "");
    t->what[i].count++;
}

/* What flagged most of the runs, the earlier of two that are even; "" when nothing did. */
static const char *most_common(const tally *t) {
    int best = 0;
    for (int i = 1; i < WHAT_MAX; i++)
        if (t->what[i].count > t->what[best].count) best = i;
    return t->what[best].name;
}

static void count_run(tally *t, const scenario *sc, const trial *trials, int planned, double base) {
    const trial *guarded = &trials[VARIANT_GUARD];
    bool harmed = !is_above(trials[VARIANT_OFF].score, HARM, base);
    t->runs++;
    t->flagged += sc->sabotage ? is_flagged(guarded) : is_caught(guarded);
    t->warned += (harmed || !sc->sabotage) && warning(guarded) != NULL;
    t->harmed += harmed;
    t->caught += harmed && is_flagged(guarded);
    t->refused += harmed && is_refused(guarded);
    if (harmed) t->epochs += guarded->epochs / (double)planned;
    for (int v = 0; v < VARIANT_COUNT; v++) {
        t->upright[v] += harmed && is_above(trials[v].score, UPRIGHT, base);
        if (isnan(trials[v].score)) continue;
        t->score[v] += trials[v].score;
        t->n_score[v]++;
    }
    if (harmed && guarded->first > 0 && t->n_delays < 1000) {
        int delay = guarded->first - sc->onset;
        t->delay[t->n_delays++] = delay > 0 ? delay : 0;
    }
    if (sc->sabotage ? is_flagged(guarded) : is_caught(guarded))
        count_name(t, guarded->incidents > 0 ? guarded->what
                      : is_refused(guarded)  ? "refused"
                      : guarded->no_best     ? "not eligible"
                                             : warning(guarded));
}

static void add_tally(tally *to, const tally *from) {
    to->runs += from->runs;
    to->harmed += from->harmed;
    to->caught += from->caught;
    to->flagged += from->flagged;
    to->warned += from->warned;
    to->epochs += from->epochs;
    to->refused += from->refused;
    for (int v = 0; v < VARIANT_COUNT; v++)
        to->upright[v] += from->upright[v];
    for (int i = 0; i < from->n_delays && to->n_delays < 1000; i++)
        to->delay[to->n_delays++] = from->delay[i];
}

/* ---- printing ---- */

static void print_mean(const tally *t, variant v) {
    if (t->n_score[v] > 0)
        printf(" %.3f |", t->score[v] / t->n_score[v]);
    else
        printf(" none |");
}

static void print_row(const scenario *sc, const tally *t) {
    printf("| %s | %d of %d | %d | %s |", sc->name, t->harmed, t->runs, t->flagged, most_common(t));
    if (t->n_delays > 0)
        printf(" %g |", median(t->delay, t->n_delays));
    else
        printf(" |");
    print_mean(t, VARIANT_OFF);
    print_mean(t, VARIANT_RESTART);
    print_mean(t, VARIANT_GUARD);
    printf("\n");
}

static void print_share(const char *what, int part, int whole) {
    if (whole > 0)
        printf("* %s: %d of %d (%.1f %%)\n", what, part, whole, 100.0 * part / whole);
    else
        printf("* %s: none of none\n", what);
}

/* Mean score of the suite's first control: what healthy means here. */
static double base_score(const options *o, const work *list, int n, const suite *s) {
    for (int i = 0; i < n; i++) {
        if (list[i].suite != s || list[i].scenario->sabotage) continue;
        double sum = 0;
        int count = 0;
        for (int seed = 0; seed < o->seeds; seed++) {
            double score = list[i].trials[seed * VARIANT_COUNT + VARIANT_OFF].score;
            if (!isnan(score)) sum += score, count++;
        }
        return count > 0 ? sum / count : NAN;
    }
    return NAN;
}

static void print_suite(const options *o, const work *list, int n, const suite *s, tally *sabotages,
                        tally *controls) {
    double base = base_score(o, list, n, s);
    base_trial = NULL;
    for (int i = 0; i < n && !base_trial; i++)
        if (list[i].suite == s && !list[i].scenario->sabotage)
            base_trial = &list[i].trials[VARIANT_GUARD];
    printf("\n## %s\n\n%s Score: `%s.%s` on test rows, healthy base %.3f.\n", s->name, s->about,
           s->head, s->metric, base);
    for (int sabotage = 1; sabotage >= 0; sabotage--) {
        printf("\n| %s | harmed | flagged | by | delay | off | restart | guard |\n"
               "|---|---|---|---|---|---|---|---|\n",
               sabotage ? "sabotage" : "control");
        for (int i = 0; i < n; i++) {
            if (list[i].suite != s || list[i].scenario->sabotage != sabotage) continue;
            tally t = {0};
            for (int seed = 0; seed < o->seeds; seed++)
                count_run(&t, list[i].scenario, &list[i].trials[seed * VARIANT_COUNT],
                          trial_epochs(s, list[i].scenario), base);
            print_row(list[i].scenario, &t);
            add_tally(sabotage ? sabotages : controls, &t);
        }
    }
}

/* False, with a message, when a suite's metric is none of its base's. */
static bool check_bases(const options *o, const work *list, int n, const suite *suites,
                        int n_suites) {
    for (int s = 0; s < n_suites; s++) {
        if (!isnan(base_score(o, list, n, &suites[s]))) continue;
        fprintf(stderr, "collapse: %s: its first control has no %s.%s on test rows\n",
                suites[s].name, suites[s].head, suites[s].metric);
        return false;
    }
    return true;
}

static void print_everything(const options *o, const work *list, int n, const suite *suites,
                             int n_suites) {
    static tally sabotages, controls;
    for (int s = 0; s < n_suites; s++)
        print_suite(o, list, n, &suites[s], &sabotages, &controls);
    printf("\n## Together\n\n");
    print_share("harmed runs that were flagged", sabotages.caught, sabotages.harmed);
    print_share("of them refused before training", sabotages.refused, sabotages.harmed);
    print_share("of them warned of by `ballast check` before training", sabotages.warned,
                sabotages.harmed);
    printf("* median delay: %g evaluations\n", median(sabotages.delay, sabotages.n_delays));
    print_share("controls with an alarm while training", controls.flagged, controls.runs);
    print_share("controls that `check` warns of (and of the base not)", controls.warned,
                controls.runs);
    print_share("harmed runs upright again with the guard", sabotages.upright[VARIANT_GUARD],
                sabotages.harmed);
    if (sabotages.harmed > 0)
        printf(
            "* epochs that they took with the guard, and that the restarts got: %.2f of those of "
            "the recipe\n",
            sabotages.epochs / sabotages.harmed);
    print_share("upright after a restart", sabotages.upright[VARIANT_RESTART], sabotages.harmed);
    print_share("upright without either", sabotages.upright[VARIANT_OFF], sabotages.harmed);
}

/* ---- main ---- */

static int list_work(const options *o, const suite *suites, int n_suites, work *ret_list) {
    int n = 0;
    for (int s = 0; s < n_suites; s++) {
        bool first_control = true;
        for (int i = 0; i < suites[s].n_scenarios; i++) {
            const scenario *sc = &suites[s].scenarios[i];
            bool base = !sc->sabotage && first_control;
            if (!sc->sabotage) first_control = false;
            if (o->only && !base && strcmp(o->only, sc->name) != 0) continue;
            if (ret_list) ret_list[n] = (work){.suite = &suites[s], .scenario = sc};
            n++;
        }
    }
    return n;
}

static int test_suites(const options *o, const suite *suites, int n_suites) {
    int n = list_work(o, suites, n_suites, NULL);
    size_t per_work = (size_t)o->seeds * VARIANT_COUNT,
           bytes = (size_t)n * per_work * sizeof(trial);
    work *list = bal_calloc((size_t)n + 1, sizeof *list);
    trial *trials =
        mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!list || trials == MAP_FAILED) {
        fprintf(stderr, "collapse: out of memory\n");
        return 1;
    }
    list_work(o, suites, n_suites, list);
    for (int i = 0; i < n; i++)
        list[i].trials = trials + (size_t)i * per_work;
    bool done = run_everything(o, list, n) && check_bases(o, list, n, suites, n_suites);
    if (done) print_everything(o, list, n, suites, n_suites);
    munmap(trials, bytes + 1);
    bal_free(list);
    return !done;
}

static bool has_scenario(const suite *suites, int n_suites, const char *name) {
    for (int s = 0; s < n_suites; s++)
        for (int i = 0; i < suites[s].n_scenarios; i++)
            if (strcmp(suites[s].scenarios[i].name, name) == 0) return true;
    return false;
}

static int usage(void) {
    fputs("usage: collapse [--seeds N] [--jobs N] [--only NAME] BALLAST SUITE.yaml...\n", stderr);
    return 2;
}

static bool parse_count(const char *text, int most, int *ret_count) {
    char *end;
    long count = strtol(text, &end, 10);
    if (*end != '\0' || count < 1 || count > most) return false;
    *ret_count = (int)count;
    return true;
}

int main(int argc, char **argv) {
    options o = {.seeds = 10, .jobs = 2};
    static suite suites[SUITES_MAX];
    int n_suites = 0, at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--seeds") == 0 && parse_count(argv[at + 1], 100, &o.seeds)) continue;
        if (strcmp(argv[at], "--jobs") == 0 && parse_count(argv[at + 1], JOBS_MAX, &o.jobs))
            continue;
        if (strcmp(argv[at], "--only") != 0) return usage();
        o.only = argv[at + 1];
    }
    if (at + 1 >= argc || argc - at - 1 > SUITES_MAX) return usage();
    if (argv[at][0] == '/')
        snprintf(o.program, sizeof o.program, "%s", argv[at]);
    else if (!realpath(argv[at], o.program)) {
        fprintf(stderr, "collapse: there is no program %s\n", argv[at]);
        return 2;
    }
    int result = 0;
    for (at++; at < argc && result == 0; at++) {
        bal_error err = {0};
        if (suite_read(&suites[n_suites], argv[at], &err) == BAL_OK) {
            n_suites++;
        } else {
            fprintf(stderr, "collapse: %s\n", err.message);
            result = 2;
        }
    }
    if (result == 0 && o.only && !has_scenario(suites, n_suites, o.only)) {
        fprintf(stderr, "collapse: no suite has a scenario '%s'\n", o.only);
        result = 2;
    }
    if (result == 0) result = test_suites(&o, suites, n_suites);
    for (int s = 0; s < n_suites; s++)
        suite_release(&suites[s]);
    return result;
}
