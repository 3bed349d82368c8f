/* The schema of recipes: one row per key, and everything that is said about a key is said in its
 * row.
 *
 * From the table come reading and its errors, defaults, overrides, the JSON Schema for editors, the
 * reference page and the typed structure of recipe/recipe.h: to add a key, add its member there and
 * its row in schema.c. A row's path is the key's place in a recipe: "data.split.train" in a
 * section, "heads[].weight" in every entry of a list. Rows stand in the order of
 * recipe.resolved.yaml; a key that another row depends on stands before it. */
#ifndef BAL_RECIPE_SCHEMA_H
#define BAL_RECIPE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "format/yaml.h"

/* How a value is written, and how it is kept in the typed structure. */
typedef enum bal_schema_type {
    BAL_SCHEMA_SECTION,      /* a mapping with rows of its own; kept: a bal_place */
    BAL_SCHEMA_SECTIONS,     /* a list of them: an array of structs and its count */
    BAL_SCHEMA_TEXT,         /* const char * */
    BAL_SCHEMA_PATH,         /* the same, made absolute from the recipe's folder */
    BAL_SCHEMA_METRIC,       /* the same, SPLIT.HEAD.METRIC */
    BAL_SCHEMA_NAME,         /* one of the row's names: const char * */
    BAL_SCHEMA_INDEX,        /* the same, kept as the enum whose values number the names */
    BAL_SCHEMA_BOOL,         /* bool */
    BAL_SCHEMA_INTEGER,      /* int32_t or int64_t */
    BAL_SCHEMA_NUMBER,       /* double */
    BAL_SCHEMA_TEXTS,        /* text or a list: const char *const * and its count */
    BAL_SCHEMA_INTEGERS,     /* an integer or a list: const int32_t * and its count */
    BAL_SCHEMA_NUMBERS,      /* a number or a list: const double * and its count */
    BAL_SCHEMA_FEATURES,     /* texts, or the features of a series: bal_recipe_data */
    BAL_SCHEMA_TARGET,       /* text or {bins: …} or {at_least: …}: bal_recipe_head */
    BAL_SCHEMA_EPOCH_TABLE,  /* {epoch: factor}: bal_schedule_options */
    BAL_SCHEMA_CLASS_VALUES, /* {class: weight} or a list: bal_recipe_class_weights */
    BAL_SCHEMA_PAYOFF,       /* {class: [gain]}: bal_recipe_payoff */
    BAL_SCHEMA_DETECTORS,    /* {detector: false or {option: value}}: bal_recipe_guard */
    BAL_SCHEMA_RULES,        /* a list of "PATH OP VALUE": bal_recipe_guard */
    BAL_SCHEMA_REMEDIES,     /* a list of {kind: factor}, each kind a row: bal_recipe_guard */
    BAL_SCHEMA_STAGES,       /* a list of bal_recipe_stage, see recipe_stage.c */
    BAL_SCHEMA_TYPE_COUNT
} bal_schema_type;

/** Allowed numbers; of lists: allowed items. A zeroed range allows all. */
typedef struct bal_schema_range {
    bool has_least, has_most;
    bool above, below; /* the bound itself is not allowed */
    double least, most;
} bal_schema_range;

/** Name number `index` of a list, NULL beyond its end; asked for in order. */
typedef const char *bal_schema_name_fn(int index);

/** What the default of a key may depend on: what has been read before it, checked and complete. */
typedef struct bal_schema_scope {
    bal_arena *arena;
    const bal_yaml_node *root;   /* the recipe */
    const bal_yaml_node *parent; /* the mapping around `own`; NULL for top-level sections */
    const bal_yaml_node *own;    /* the mapping that the key is in */
} bal_schema_scope;

/** A default by rule: the node, or NULL where the key must be given. False when out of memory. */
typedef bool bal_schema_derive_fn(const bal_schema_scope *scope, bal_yaml_node **ret_node);

typedef struct bal_schema_key {
    const char *path;
    bal_schema_type type;
    const char *help; /* one sentence */

    /* Default: YAML text; or a rule and its wording; with neither, the key must be given. "null"
     * stands for `none` below. */
    const char *fallback;
    bal_schema_derive_fn *derive;
    const char *derived; /* "the metric's direction" */
    double none;         /* what a number is kept as that is null or has no meaning */

    bal_schema_range range;
    int32_t items_min, items_max; /* lists; items_max 0: no limit */
    bal_schema_name_fn *names;
    const char *const *later; /* names of coming versions, NULL-terminated */
    bool described;           /* names come from a table that docs list with summaries */

    /* The key has a meaning only where an earlier key beside it has one of these values. */
    const char *only_key;
    const char *const *only_values; /* NULL-terminated */

    bool staged; /* a stage may change it, and all inside it */

    const char *short_key; /* sections: a scalar in place of the mapping is the value of this key */

    size_t slot;  /* offset in the struct of the section's list entry, else of bal_recipe */
    size_t size;  /* of the slot; SECTIONS: of one element */
    size_t count; /* lists: offset of the int32_t count */
    size_t place; /* offset of a bal_place, or BAL_SCHEMA_NO_SLOT */
} bal_schema_key;

#define BAL_SCHEMA_NO_SLOT SIZE_MAX

/** Ends with a row whose path is NULL. */
extern const bal_schema_key bal_schema_table[];

/** The row of a path; NULL when there is none. */
const bal_schema_key *bal_schema_find(const char *path);

/** The key's own name: what stands after the last dot. */
const char *bal_schema_name(const bal_schema_key *key);

/** Whether a stage may change something inside a section. */
bool bal_schema_has_staged(const char *section);
/** Path of a staged row as people write it in a stage: "heads.HEAD.loss". NULL: no memory. */
const char *bal_schema_staged_name(const bal_schema_key *key, bal_arena *arena);

/** The rows directly inside `section` ("" the recipe, "data", "heads[]"): the first after `after`
 *  (NULL: from the start), or NULL. */
const bal_schema_key *bal_schema_next(const char *section, const bal_schema_key *after);

/** Names as an array, NULL-terminated; at most BAL_SCHEMA_NAMES_MAX of them. */
#define BAL_SCHEMA_NAMES_MAX 63
typedef struct bal_schema_names {
    const char *name[BAL_SCHEMA_NAMES_MAX + 1];
    int count;
} bal_schema_names;

bal_schema_names bal_schema_names_of(bal_schema_name_fn *list);
/** Names of the keys inside a section. */
bal_schema_names bal_schema_keys_of(const char *section);

/** "at least 0 and less than 1"; nothing for a range that allows all. */
void bal_schema_put_range(bal_text *out, const bal_schema_range *range);

/* Lists of names and defaults that come from the tables of other folders, schema_lists.c. */
bal_schema_name_fn bal_schema_models, bal_schema_activations, bal_schema_inits,
    bal_schema_head_kinds, bal_schema_losses, bal_schema_optimizers, bal_schema_schedules,
    bal_schema_simulators, bal_schema_weightings, bal_schema_metrics, bal_schema_detectors,
    bal_schema_policies;
/** One line about a name of such a list; NULL when there is none. */
const char *bal_schema_summary(bal_schema_name_fn *list, const char *name);
bal_schema_derive_fn bal_schema_default_target, bal_schema_default_features,
    bal_schema_default_samples, bal_schema_default_classes, bal_schema_default_noise,
    bal_schema_default_imbalance, bal_schema_default_path, bal_schema_default_simulator,
    bal_schema_default_split_kind, bal_schema_default_embargo, bal_schema_default_head_target,
    bal_schema_default_loss, bal_schema_default_monitor, bal_schema_default_schedule_monitor,
    bal_schema_default_mode;

#endif
