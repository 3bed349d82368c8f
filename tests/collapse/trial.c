/* See trial.h. The program is run as its users run it: recipe and data as files, results read from
 * the run folder. */
#define _XOPEN_SOURCE 700
#include "trial.h"

#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"

enum { WORDS_MAX = 64, PATH_LENGTH = 512 };

/* ---- folder ---- */

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *where) {
    return remove(path);
}

static void clear(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool put(const laboratory *lab, const char *name, const bal_text *text) {
    char path[PATH_LENGTH];
    bal_error err = {0};
    snprintf(path, sizeof path, "%s/%s", lab->folder, name);
    if (!bal_text_failed(text) && bal_file_replace(path, text->data, text->length, &err) == BAL_OK)
        return true;
    fprintf(stderr, "collapse: %s\n", err.message);
    return false;
}

static bool write_inputs(const laboratory *lab, const suite *s, const scenario *sc, uint64_t seed) {
    bal_text recipe = {0}, rows = {0};
    bal_error err = {0};
    bool done =
        bal_yaml_write(s->recipe, &recipe, &err) == BAL_OK && put(lab, "recipe.yaml", &recipe) &&
        (!s->has_field || (field_make(&sc->field, seed, &rows) && put(lab, "rows.csv", &rows)));
    bal_text_release(&recipe);
    bal_text_release(&rows);
    return done;
}

/* ---- running ---- */

typedef struct command {
    char *word[WORDS_MAX];
    int n;
    char text[8][64];
    int n_texts;
} command;

static void add(command *c, const char *word) {
    if (c->n + 1 < WORDS_MAX) c->word[c->n++] = (char *)(uintptr_t)word;
    c->word[c->n] = NULL;
}

static void add_number(command *c, const char *key, double value) {
    snprintf(c->text[c->n_texts], sizeof c->text[0], "%s=%.9g", key, value);
    add(c, c->text[c->n_texts++]);
}

/* The exit code; −1 when it could not be run. Its two streams go to the files `out` and `err` of
 * the folder.
 */
static int run(const laboratory *lab, const command *c) {
    pid_t child = fork();
    if (child == 0) {
        if (chdir(lab->folder) != 0) _exit(127);
        int out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600),
            errors = open("err", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (out >= 0 && errors >= 0) {
            dup2(out, STDOUT_FILENO);
            dup2(errors, STDERR_FILENO);
        }
        execv(lab->program, c->word);
        _exit(127);
    }
    int state = 0;
    if (child < 0 || waitpid(child, &state, 0) != child) return -1;
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

/* ---- what it left ---- */

static double number_at(const json_t *object, const char *first, const char *second,
                        const char *third) {
    double number = NAN;
    const json_t *at = json_object_get(object, first);
    if (second) at = json_object_get(at, second);
    if (third) at = json_object_get(at, third);
    (void)bal_json_number(at, &number);
    return number;
}

static void read_summary(const laboratory *lab, const suite *s, trial *t) {
    char path[PATH_LENGTH];
    json_t *summary;
    snprintf(path, sizeof path, "%s/run/summary.json", lab->folder);
    if (bal_json_read(path, 0, &summary, NULL) != BAL_OK) return;
    t->score = number_at(summary, "test", s->head, s->metric);
    t->val_score = number_at(summary, "val", s->head, s->metric);
    t->no_best = !(number_at(summary, "best_epoch", NULL, NULL) > 0);
    json_decref(summary);
}

static json_t *read_rows(const laboratory *lab, const char *name) {
    char path[PATH_LENGTH];
    json_t *rows = NULL;
    snprintf(path, sizeof path, "%s/run/%s", lab->folder, name);
    return bal_json_read_lines(path, &rows, NULL) == BAL_OK ? rows : NULL;
}

/* The evaluation at which an incident happened, or for one of a step the evaluation after it: its
 * own figure is that of the last one made. */
static int evaluation_of(const json_t *incident, const json_t *evaluations) {
    size_t i;
    const json_t *row;
    double at = number_at(incident, "evaluation", NULL, NULL),
           step = number_at(incident, "step", NULL, NULL);
    json_array_foreach(evaluations, i, row) {
        if (number_at(row, "evaluation", NULL, NULL) == at &&
            number_at(row, "step", NULL, NULL) == step)
            return (int)at;
    }
    return (int)at + 1;
}

/* The incidents from the onset on: what was seen before is not what was done to the run. */
static void read_logs(const laboratory *lab, int onset, trial *t) {
    json_t *evaluations = read_rows(lab, "metrics.jsonl"),
           *incidents = read_rows(lab, "incidents.jsonl");
    const json_t *incident;
    size_t i;
    t->epochs = (int)json_array_size(evaluations); /* one evaluation per epoch */
    json_array_foreach(incidents, i, incident) {
        int at = evaluation_of(incident, evaluations);
        if (at < onset || t->incidents++ > 0) continue;
        const char *detector = json_string_value(json_object_get(incident, "detector"));
        t->first = at;
        snprintf(t->what, sizeof t->what, "%s", detector ? detector : "?");
    }
    json_decref(evaluations);
    json_decref(incidents);
}

/* ---- the two commands ---- */

static void add_recipe(command *c, const suite *s, const scenario *sc) {
    add(c, "recipe.yaml");
    if (s->has_field) add(c, "data.path=rows.csv");
    for (int i = 0; i < sc->n_set; i++)
        add(c, sc->set[i]);
}

static void check(const laboratory *lab, const suite *s, const scenario *sc, trial *t) {
    command c = {0};
    char path[PATH_LENGTH];
    json_t *report, *finding;
    size_t i;
    add(&c, "ballast");
    add(&c, "check");
    add_recipe(&c, s, sc);
    add(&c, "--json");
    (void)run(lab, &c);
    snprintf(path, sizeof path, "%s/out", lab->folder);
    if (bal_json_read(path, 0, &report, NULL) != BAL_OK) return;
    json_array_foreach(json_object_get(report, "findings"), i, finding) {
        const char *rule = json_string_value(json_object_get(finding, "rule"));
        const char *severity = json_string_value(json_object_get(finding, "severity"));
        if (!rule || !severity || strcmp(severity, "note") == 0) continue;
        if (t->n_findings == FINDINGS_MAX) break;
        snprintf(t->finding[t->n_findings++], sizeof t->finding[0], "%s", rule);
    }
    json_decref(report);
}

static void train(const laboratory *lab, const suite *s, const scenario *sc, uint64_t seed,
                  bool guarded, double epochs, double lr, trial *ret_trial) {
    command c = {0};
    char path[PATH_LENGTH];
    *ret_trial = (trial){.score = NAN, .val_score = NAN};
    snprintf(path, sizeof path, "%s/run", lab->folder);
    clear(path);
    add(&c, "ballast");
    add(&c, "train");
    add_recipe(&c, s, sc);
    add_number(&c, "seed", (double)seed);
    if (epochs > 0) add_number(&c, "train.epochs", epochs);
    if (lr > 0) add_number(&c, "optimizer.lr", lr);
    if (!guarded) add(&c, "guard.policy=off");
    add(&c, "report.plots=false");
    add(&c, "checkpoint.every_epochs=100000");
    add(&c, "--run");
    add(&c, "run");
    add(&c, "--plain");
    add(&c, "--threads");
    add(&c, "1");
    ret_trial->exit_code = run(lab, &c);
    read_summary(lab, s, ret_trial);
    read_logs(lab, sc->onset, ret_trial);
}

/* ---- the recipe's own numbers, for the restart ---- */

/* SECTION.KEY as the base says it, or as the scenario's overrides do: "optimizer.lr=1" or
 * "optimizer={kind: sgd, lr: 1}", the last one counts. */
static double setting(const suite *s, const scenario *sc, const char *section, const char *key,
                      double fallback) {
    char wanted[64];
    double value = fallback;
    size_t length = (size_t)snprintf(wanted, sizeof wanted, "%s.%s=", section, key),
           whole = strlen(section) + 1;
    const bal_yaml_node *node = bal_yaml_get(bal_yaml_get(s->recipe, section), key);
    if (node) (void)bal_yaml_number(node, &value);
    for (int i = 0; i < sc->n_set; i++) {
        const char *set = sc->set[i];
        if (strncmp(set, wanted, length) == 0) value = strtod(set + length, NULL);
        if (strncmp(set, wanted, whole - 1) != 0 || set[whole - 1] != '=') continue;
        bal_arena arena = {0};
        bal_yaml_node *map;
        value = fallback;
        if (bal_yaml_parse(&arena, set + whole, strlen(set + whole), "set", &map, NULL) == BAL_OK &&
            (node = bal_yaml_get(map, key)) != NULL)
            (void)bal_yaml_number(node, &value);
        bal_arena_release(&arena);
    }
    return value;
}

static void train_twice(const laboratory *lab, const suite *s, const scenario *sc, uint64_t seed,
                        int epochs, trial *ret_trial) {
    int half = epochs > 1 ? (epochs + 1) / 2 : 1;
    trial first, second;
    train(lab, s, sc, seed, false, half, 0, &first);
    train(lab, s, sc, seed + 1000, false, half, setting(s, sc, "optimizer", "lr", 0.001) / 2,
          &second);
    bool better = isnan(first.val_score) || second.val_score > first.val_score;
    *ret_trial = better ? second : first;
    ret_trial->epochs = first.epochs + second.epochs;
}

int trial_epochs(const suite *s, const scenario *sc) {
    return (int)setting(s, sc, "train", "epochs", 100);
}

/* What the program says to a scenario that was not meant to be refused. */
static void complain(const laboratory *lab, const suite *s, const scenario *sc) {
    char path[PATH_LENGTH], line[512] = "";
    snprintf(path, sizeof path, "%s/err", lab->folder);
    FILE *file = fopen(path, "r");
    if (file && !fgets(line, sizeof line, file)) line[0] = '\0';
    if (file) fclose(file);
    fprintf(stderr,
            "collapse: %s: scenario '%s' is refused, and does not say `refused: true`: %s\n",
            s->name, sc->name, line);
}

bool trial_run(const laboratory *lab, const suite *s, const scenario *sc, uint64_t seed,
               variant which, int epochs, trial *ret_trial) {
    if (!write_inputs(lab, s, sc, seed)) return false;
    if (which == VARIANT_RESTART)
        train_twice(lab, s, sc, seed, epochs, ret_trial);
    else
        train(lab, s, sc, seed, which == VARIANT_GUARD, 0, 0, ret_trial);
    if (which == VARIANT_GUARD) check(lab, s, sc, ret_trial);
    bool refused = ret_trial->exit_code == 2 || ret_trial->exit_code == 3;
    if (ret_trial->exit_code < 0 || ret_trial->exit_code == 127)
        fprintf(stderr, "collapse: %s could not be run\n", lab->program);
    else if (refused && !sc->refused)
        complain(lab, s, sc);
    else
        return true;
    return false;
}
