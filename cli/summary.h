/* A run's or an evaluation's figures in words and tables. */
#ifndef BAL_CLI_SUMMARY_H
#define BAL_CLI_SUMMARY_H

#include <jansson.h>
#include <stdio.h>

/** Metrics of one or more splits as a table, a line per split and head and one for the prior
 *  predictor below it. `summary` holds {"val": {HEAD: {METRIC: …}}, …}; splits ends with NULL. */
void bal_print_metrics(FILE *out, const json_t *summary, const char *const *splits);

/** Bootstrap intervals of a split's metrics, from an evaluation with "bootstrap". */
void bal_print_intervals(FILE *out, const json_t *evaluation, const char *split);

/** Precision, recall, F1 and rows of every class, from heads with "per_class", worst F1 first. */
void bal_print_classes(FILE *out, const json_t *heads);

/** What came of a run: outcome, best epoch, metrics, incidents, where things are. */
void bal_print_summary(FILE *out, const json_t *summary);

/** What the guard saw, what may explain it, what was tried: of a run's health.json. Nothing for a
 *  run without incidents. `incidents`: the lines of incidents.jsonl, which know the stages of a run
 *  that has them; NULL: not there. */
void bal_print_health(FILE *out, const json_t *health, const json_t *incidents);

#endif
