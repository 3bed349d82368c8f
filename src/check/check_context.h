/* What a rule looks at, and how it reports. */
#ifndef BAL_CHECK_CHECK_CONTEXT_H
#define BAL_CHECK_CHECK_CONTEXT_H

#include "check/check.h"
#include "metric/metric.h"

/** A stage of training: of a recipe without stages, the recipe itself. */
typedef struct bal_check_stage {
    const char *name; /* "": the recipe has no stages */
    const bal_recipe *recipe;
} bal_check_stage;

struct bal_check {
    const bal_recipe *recipe;
    const bal_dataset *dataset;    /* NULL for rules that need no data, where there is none */
    const bal_device_facts *facts; /* NULL: unknown */
    const bal_check_stand *stand;  /* NULL: nothing to rehearse on */
    const bal_check_stage *stages;
    int32_t n_stages;           /* 1 or more */
    const bal_check_rule *rule; /* whose turn it is */
    bal_arena *arena;           /* the report's */
    struct bal_finding_link *first, *last;
    int32_t n_findings;
    bool failed; /* out of memory; sticks */
};

/** Loop over the stages of a check; `stage` is declared here: bal_check_each_stage (stage, check)
 *  {...} */
#define bal_check_each_stage(stage, check)                                                         \
    for (const bal_check_stage *stage = (check)->stages;                                           \
         stage < (check)->stages + (check)->n_stages; stage++)

/** Report a finding about `key` of a stage's recipe (NULL: of the whole). The place is that of the
 *  key, or of the section around it where the key is left to its default. What
 *  another stage had found at the same place, because both have it in common, is dropped.
 */
void bal_check_find(bal_check *check, const bal_check_stage *stage, const char *key,
                    const char *format, ...) BAL_PRINTF(4, 5);
/** The same, milder than the rule. */
void bal_check_find_as(bal_check *check, bal_check_severity severity, const bal_check_stage *stage,
                       const char *key, const char *format, ...) BAL_PRINTF(5, 6);
/** The same as bal_check_find, at a place known by other means. */
void bal_check_find_at(bal_check *check, const bal_check_stage *stage, const char *key,
                       bal_place place, const char *found);

/** "heads[2].weight", from a format. */
typedef struct bal_check_key {
    char text[128];
} bal_check_key;
bal_check_key bal_check_key_of(const char *format, ...) BAL_PRINTF(1, 2);

/** Zeroed memory until the report is released; NULL when out of memory, which sticks. */
void *bal_check_alloc(bal_check *check, size_t count, size_t size);

/** What a stage monitors: the path taken apart, its head and metric (NULL: the loss). False for
 *  what cannot be taken apart. */
typedef struct bal_check_monitor {
    bal_metric_path path;
    int32_t head;
    const bal_metric *metric;
} bal_check_monitor;
bool bal_check_monitor_of(const bal_recipe *recipe, bal_check_monitor *ret_monitor);

/** What training takes by estimate, as a share of the machine's memory; 0: unknown. */
double bal_check_memory_share(const bal_check *check, const bal_check_stage *stage);

/** The place of a key in a recipe, see bal_check_find. */
bal_place bal_check_place_of(const bal_recipe *recipe, const char *key);

#endif
