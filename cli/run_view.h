/* What is known about a run folder, whether the run has ended or not. */
#ifndef BAL_CLI_RUN_VIEW_H
#define BAL_CLI_RUN_VIEW_H

#include "format/json.h"

/** The summary of a run as one JSON object, in the shape of RECIPE.md's contract: its summary.json,
 *  or, for a run that has not ended, what its log says so far (status "running" while a
 *  process trains in the folder, else "interrupted"; metrics of the best evaluation). "run" is
 * `folder` as given, wherever the run was made. The caller gives the object back with json_decref.
 *  Errors  BAL_ENOTFOUND when the folder is no run; BAL_EFORMAT, BAL_EIO, BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_run_view(const char *folder, json_t **ret_summary, bal_error *err);

/** A file of the folder as JSON; NULL when it is not there or cannot be read. */
json_t *bal_run_json(const char *folder, const char *name);
/** A file of the folder with one JSON object per line, as an array; NULL likewise. */
json_t *bal_run_lines(const char *folder, const char *name);

/** Number at object[key], NaN when there is none. */
double bal_json_number_at(const json_t *object, const char *key);
/** Text at object[key], "" when there is none. */
const char *bal_json_text_at(const json_t *object, const char *key);

/** Whether larger values of a metric path ("val.label.macro_f1") are better. */
bool bal_monitor_rises(const char *path);

/** The value a summary gives for SPLIT.HEAD.METRIC, with `split` in place of the path's own; NaN
 *  when there is none. */
double bal_summary_metric(const json_t *summary, const char *path, const char *split);

#endif
