/* Suites of the collapse tests: a healthy base and what is done to it, read from YAML.
 *
 *   about: one sentence
 *   metric: label.balanced_accuracy     # HEAD.METRIC on the test rows, larger is better
 *   data:                               # rows that are made up; without it the recipe says its own
 *     {rows: 2000, features: 12, classes: 5, imbalance: 8, spread: 1.0}
 *   recipe: {...}                       # what `ballast train` gets; data.path is filled in
 *   scenarios:
 *     - name: weights-x30
 *       kind: sabotage                  # or: control
 *       about: one sentence
 *       set: ["heads.label.class_weights.multiplier=30"]     # overrides of the recipe
 *       data: {label_noise: 0.9}        # on top of the suite's, see field.h
 *       onset: 1                        # evaluation from which harm can show
 *       refused: true                   # is to be refused before training; any other that is
 *                                       # refused (a misspelt key, say) is an error of the suite
 */
#ifndef COLLAPSE_SUITE_H
#define COLLAPSE_SUITE_H

#include <stdbool.h>

#include "field.h"
#include "format/yaml.h"

typedef struct scenario {
    const char *name, *about;
    bool sabotage, refused;
    const char **set;
    int n_set;
    field_options field; /* the suite's data with the scenario's on top */
    int onset;
} scenario;

typedef struct suite {
    bal_arena arena;
    const char *name, *about; /* name: of the file, without folder and ending */
    const char *head, *metric;
    bool has_field;
    const bal_yaml_node *recipe;
    scenario *scenarios;
    int n_scenarios;
} suite;

BAL_WARN_UNUSED bal_status suite_read(suite *ret_suite, const char *path, bal_error *err);
void suite_release(suite *s);

#endif
