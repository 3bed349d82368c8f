/* The recipe: what a user asks for, parsed, checked and with every default filled in.
 *
 * A schema table (recipe/schema.h) describes every key once: path, type, default, range, allowed
 * names, one sentence. From it come parsing, file:line:column errors with the nearest valid key,
 * command-line overrides, `ballast schema`, the documentation page and recipe.resolved.yaml. This
 * header is the typed result. Names are the contract of docs/RECIPE.md.
 *
 * Ownership: a recipe owns everything reachable from it (one arena). Strings are never NULL: ""
 * when not given. Paths are resolved against the recipe's folder, ${NAME} and ${NAME:-default}
 * expanded. */
#ifndef BAL_RECIPE_RECIPE_H
#define BAL_RECIPE_RECIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "data/series_feature.h"
#include "guard/guard.h"
#include "loss/loss.h"
#include "nn/head.h"
#include "ops/ops.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"

/** Where something stands in the recipe (1-based; line 0: not from a file, e.g. a default). */
typedef struct bal_place {
    const char *file;
    int line, column;
} bal_place;

/** bal_fail with the place in front, as far as there is one: "file:line:column: ". */
bal_status bal_place_fail(bal_error *err, bal_status status, const bal_place *place,
                          const char *format, ...) BAL_PRINTF(4, 5);

typedef struct bal_recipe_split {
    const char *kind; /* stratified | random | sequential | group | time */
    double train, val, test;
    const char *column; /* group: / time: column name */
    int64_t embargo;    /* rows left out between parts; sequential, time */
    bal_place place;
} bal_recipe_split;

typedef struct bal_recipe_data {
    const char *kind;            /* npz | csv | simulated | sequence */
    const char *path;            /* resolved; sequence: "" when simulated */
    const char *const *features; /* csv: columns, none: all but targets; npz: arrays side by side */
    int32_t n_features;
    const char *table;                /* sequence: of a SQLite file; "": its only one */
    const char *column;               /* sequence: of the values */
    const char *order;                /* sequence: column to sort by; "": as they stand */
    int32_t window;                   /* sequence: how many values before it a row may look at */
    const bal_series_feature *series; /* sequence: features of a row, each list spelt out */
    int32_t n_series;
    bool series_log; /* sequence: lags and statistics are of the logarithms */
    bal_place features_place;
    const char *target;        /* default target of heads that name none */
    const char *const *ignore; /* csv: columns that are neither features nor targets (ids) */
    int32_t n_ignore;
    const char *header;              /* csv: auto | yes | no */
    const char *separator;           /* csv: auto | "," | ";" | tab | "|" */
    const char *missing;             /* error | mean: a feature without a value; sequence: error |
                                      * skip | previous: a value that is none */
    const char *unknown;             /* error | skip: rows whose label is of no known class */
    const char *const *drop_classes; /* labels whose rows are left out */
    int32_t n_drop_classes;
    bal_place drop_classes_place;
    bal_recipe_split split;
    const char *scale;   /* standard | minmax | none */
    int64_t dev_samples; /* > 0: stratified subset of that size */
    struct {
        const char *name; /* "": none */
        int64_t samples;
        int32_t classes;
        double noise;     /* 0: the simulator's default */
        double imbalance; /* largest class / smallest class */
        int64_t seed;     /* of the process; independent of the run's seed */
    } simulator;
    bal_place place;
} bal_recipe_data;

typedef struct bal_recipe_model {
    const char *kind;      /* mlp | residual */
    const int32_t *hidden; /* mlp: widths */
    int32_t n_hidden;
    int32_t width, blocks, out; /* residual: of the trunk, their number, of the output (0: width) */
    bal_activation activation;
    double slope;          /* leaky_relu */
    const char *norm;      /* batch | layer | none */
    bool l2_input;         /* residual: L2-normalise the input row */
    const double *dropout; /* one rate per hidden layer (a scalar is repeated) */
    int32_t n_dropout;
    const char *init; /* kaiming_uniform | kaiming_normal | xavier_uniform | xavier_normal */
    const char *init_from;
    bal_place init_from_place;
    const char *const *freeze; /* name patterns */
    int32_t n_freeze;
    bal_place freeze_place;
    bal_place place;
} bal_recipe_model;

typedef struct bal_recipe_class_weights {
    const char *kind; /* none | balanced | effective | inverse | explicit */
    double multiplier;
    double beta;              /* effective */
    const char *const *names; /* explicit: class names, NULL: values are by class id */
    const double *values;
    int32_t n_values;
    bal_place place;
} bal_recipe_class_weights;

#define BAL_PAYOFF_CLASSES_MAX 200

/** What each answer is worth: gains by true class (of that name) and predicted class (in the order
 *  of the head's classes). */
typedef struct bal_recipe_payoff {
    const char *const *names; /* [n] */
    const double *gains;      /* [n, n] */
    int32_t n;                /* 0: none given */
    bal_place place;
} bal_recipe_payoff;

/** Where the truth comes from: a column, or the value that follows in a series. */
typedef enum bal_target_kind {
    BAL_TARGET_COLUMN,
    BAL_TARGET_NEXT,
    BAL_TARGET_BINS,
    BAL_TARGET_AT_LEAST
} bal_target_kind;

typedef struct bal_recipe_head {
    const char *name;
    bal_head_kind kind;
    const char *target; /* column or array; of a series "next", "{at_least: 1.5}", … */
    bal_target_kind target_kind;
    const double *bins; /* bins: rising bounds, n_bins + 1 classes */
    int32_t n_bins;
    double at_least;
    const char *transform;      /* none | log: what a value head learns instead of the value */
    const char *const *classes; /* fixed list and order; none: those of the data, sorted */
    int32_t n_classes;
    const int32_t *hidden; /* layers between trunk and output */
    int32_t n_hidden;
    const double *dropout;
    int32_t n_dropout;
    bal_loss_options loss; /* as written; for the graph see bal_recipe_head_loss */
    bal_recipe_class_weights class_weights;
    bal_recipe_payoff payoff;
    double weight; /* share in the total loss */
    bal_place place;
} bal_recipe_head;

typedef struct bal_recipe_group {
    const char *match;       /* glob on parameter names */
    double lr;               /* NaN: as the optimiser */
    double l2, weight_decay; /* NaN: as the optimiser */
    bal_place place;
} bal_recipe_group;

typedef struct bal_recipe_schedule {
    bal_schedule_options options; /* kind, … */
    const char *monitor;          /* plateau */
    bal_place place;
} bal_recipe_schedule;

typedef struct bal_recipe_stop {
    int64_t patience; /* evaluations; 0: never */
    double min_delta;
} bal_recipe_stop;

typedef struct bal_recipe_remedy {
    const char *kind; /* lr | clip_norm | class_weight_multiplier | focal_gamma | batch_size |
                         reshuffle | fallback */
    double factor;    /* all others: ×; clip_norm: the norm itself */
    struct {
        double lr, clip_norm, batch_size; /* instead of what is in force; 0: as it is */
    } fallback;
    bal_place place;
} bal_recipe_remedy;

/** Thresholds of one detector; NaN/−1 = the detector's default. */
typedef struct bal_recipe_detector {
    const char *name;
    bool enabled;
    const char *const *option; /* names */
    const double *value;
    int32_t n_options;
    bal_place place;
} bal_recipe_detector;

typedef struct bal_recipe_rule {
    const char *text; /* as written */
    const char *path; /* val.label.recall[A] */
    char op[3];       /* < <= > >= == != */
    double value;
    int64_t after;   /* evaluations to wait; 0 */
    bool has_action; /* "-> stop" given */
    bal_guard_policy action;
    bal_place place;
} bal_recipe_rule;

typedef struct bal_recipe_guard {
    bal_guard_policy policy;
    const bal_recipe_detector *detectors; /* only those the recipe mentions */
    int32_t n_detectors;
    const bal_recipe_rule *rules;
    int32_t n_rules;
    const bal_recipe_remedy *remedies;
    int32_t n_remedies;
    int32_t max_rollbacks;
} bal_recipe_guard;

/** One stage of training: the recipe with the stage's keys laid over it. */
typedef struct bal_recipe_stage {
    const char *name;
    const char *init_from; /* a stage before, else a run or model file; "": model.init_from */
    int32_t from;          /* the stage that init_from names; -1: none */
    /* Checked as any recipe, but without stages. Its memory, text and `resolved` are those of the
     * recipe that it belongs to; model.init_from is empty where the stage starts from another. */
    const struct bal_recipe *recipe;
    bal_place place;
} bal_recipe_stage;

typedef struct bal_recipe {
    bal_arena arena;
    const char *path;     /* file it came from ("" when from text) */
    const char *folder;   /* for relative paths */
    const char *source;   /* the text as given */
    const char *resolved; /* YAML with every default filled in */
    /* The same as a tree: nodes stand where they were given, defaults nowhere (source NULL). */
    const struct bal_yaml_node *tree;
    const char *name;
    int64_t seed;
    bal_recipe_data data;
    bal_recipe_model model;
    const bal_recipe_head *heads;
    int32_t n_heads;
    bal_optimizer_options optimizer;
    const bal_recipe_group *groups;
    int32_t n_groups;
    bal_recipe_schedule schedule;
    struct {
        int64_t epochs;
        int64_t batch_size;
        int64_t eval_every; /* epochs */
        int64_t eval_batch; /* rows per evaluation batch */
    } train;
    const char *monitor; /* "" resolved to val.<first head>.macro_f1 / balanced_accuracy / rmse */
    bal_place monitor_place;
    bal_recipe_stop stop;
    const bal_recipe_stage *stages; /* in order; none: the recipe itself is the only stage */
    int32_t n_stages;
    const char *check; /* on | off: whether rules of check/ are heard before a run */
    bal_recipe_guard guard;
    struct {
        int64_t every_epochs;
        double every_seconds;
        int32_t keep;
    } checkpoint;
    struct {
        bool plots;
        int64_t diversity_every; /* epochs between rows of diversity_history.json; 5 */
    } report;
} bal_recipe;

/* Options that a kind has no use for (a weight decay beside adam) are 0, not their default: see
 * ONLY in schema.c. */

/** Parse a recipe file with overrides ("train.epochs=3", values in YAML). Every problem is
 * BAL_ERECIPE with file:line:column; a misspelt key or name gets the nearest valid one. A recipe
 * file that is not there is BAL_ERECIPE too. All cross-field checks that need no data are done here
 * (fractions sum to ≤ 1 with train > 0, dropout count, loss fits head, monitored head and metric
 * exist, group patterns non-empty, explicit weights positive, …). */
BAL_WARN_UNUSED bal_status bal_recipe_load(const char *path, const char *const *overrides,
                                           int32_t n_overrides, bal_recipe **ret_recipe,
                                           bal_error *err);
/** The same from text; `path` names it in messages, `folder` anchors relative paths. */
BAL_WARN_UNUSED bal_status bal_recipe_parse(const char *text, const char *path, const char *folder,
                                            const char *const *overrides, int32_t n_overrides,
                                            bal_recipe **ret_recipe, bal_error *err);
void bal_recipe_free(bal_recipe *recipe);

/** The loss of a head in the units of its outputs: a threshold is transformed as targets are. */
bal_loss_options bal_recipe_head_loss(const bal_recipe_head *head);

/** The head's payoff table [n_classes, n_classes] by class id, both ways (NULL: only checked).
 *  BAL_ERECIPE when its names are not the classes. */
BAL_WARN_UNUSED bal_status bal_recipe_payoff_place(const bal_recipe_head *head,
                                                   const char *const *classes, int32_t n_classes,
                                                   double *ret_table, bal_error *err);

/** JSON Schema (draft 2020-12) of recipes, and the Markdown reference page (docs/RECIPE.md). */
void bal_recipe_schema_json(bal_text *out);
void bal_recipe_schema_markdown(bal_text *out);

#endif
