/* What is wrong with a recipe before it is trained: a table of rules, each of which looks at the
 * recipe, its data and the machine, and reports what it found, where, and what to do.
 *
 * A rule is a descriptor in a file of this folder and one line in check_table.h; the command, the
 * page docs/check.md and the JSON follow from the table. What is malformed is no matter of rules:
 * recipe/ and train/dataset.h refuse it. Rules find what is well formed and yet goes wrong.
 *
 * Ownership: a report owns its findings (one arena) but points at places of the recipe, which must
 * outlive it. */
#ifndef BAL_CHECK_CHECK_H
#define BAL_CHECK_CHECK_H

#include "backend/backend.h"
#include "format/json_out.h"
#include "train/dataset.h"

typedef enum bal_check_severity {
    BAL_CHECK_NOTE,    /* worth knowing */
    BAL_CHECK_WARNING, /* goes wrong in most cases */
    BAL_CHECK_ERROR,   /* cannot go right: `train` does not begin */
    BAL_CHECK_SEVERITIES
} bal_check_severity;

/** "note", "warning", "error". */
const char *bal_check_severity_name(bal_check_severity severity);

typedef struct bal_check bal_check; /* check/check_context.h */

typedef struct bal_check_rule {
    const char *id;              /* "patience-too-long" */
    bal_check_severity severity; /* the gravest of its findings */
    const char *summary;         /* one sentence */
    const char *why;             /* a paragraph for the page: evidence and exact condition */
    const char *fix;             /* one sentence: what to do */
    bool needs_data;
    void (*look)(bal_check *check);
} bal_check_rule;

/** Ends with NULL. */
extern const bal_check_rule *const bal_check_table[];
const bal_check_rule *bal_check_find_rule(const char *id);

typedef struct bal_finding {
    const bal_check_rule *rule;
    bal_check_severity severity;
    const char *key; /* of the recipe: "heads[0].loss.gamma" */
    bal_place place;
    const char *found; /* with numbers, no full stop */
} bal_finding;

typedef struct bal_check_report {
    bal_arena arena;
    const bal_finding *findings; /* gravest first, then as they stand in the recipe */
    int32_t n_findings;
    int32_t count[BAL_CHECK_SEVERITIES];
    bool has_data; /* false: rules that need data did not look */
} bal_check_report;

/** What it takes to rehearse the start of a run: the dataset that is looked at, to be changed and
 *  put back, and a device. */
typedef struct bal_check_stand {
    bal_dataset *dataset;
    bal_backend *backend;
} bal_check_stand;

/** Look at a recipe. dataset NULL: only rules that need no data; facts NULL: none about the
 *  machine; stand NULL: the start is not rehearsed. BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_check_run(const bal_recipe *recipe, const bal_dataset *dataset,
                                         const bal_device_facts *facts,
                                         const bal_check_stand *stand, bal_check_report *ret_report,
                                         bal_error *err);
void bal_check_report_release(bal_check_report *report);

/** What a run does with a recipe before it begins, to be its `inspect` hook (train/run.h):
 *  warnings go to the log, one line each; the first error is returned as BAL_ERECIPE. Does nothing
 *  where the recipe says `check: off`. The start is not rehearsed: it follows. */
BAL_WARN_UNUSED bal_status bal_check_before_run(const bal_recipe *recipe,
                                                const bal_dataset *dataset,
                                                const bal_device_facts *facts,
                                                const bal_log_sink *log, bal_error *err);

/** "recipe.yaml:3:5", or without a line "recipe.yaml". Returns buffer. */
char *bal_check_place_text(const bal_place *place, char *buffer, size_t size);

/** The report as members of an open JSON object: errors, warnings, notes, findings. */
void bal_check_report_json(const bal_check_report *report, bal_json_out *out);

/** The page docs/check.md. */
void bal_check_markdown(bal_text *out);

#endif
