/* Where the schema meets the tables of other folders: the names that a recipe may use, and defaults
 * that depend on other keys. One function per table, so that a new entry in a table is a new name
 * in recipes without a change here. */
#include <string.h>

#include "data/class_weights.h"
#include "data/series_simulator.h"
#include "data/simulator.h"
#include "guard/guard.h"
#include "loss/loss.h"
#include "metric/metric.h"
#include "nn/model.h"
#include "nn/net.h"
#include "ops/ops.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "recipe/schema.h"

/* ---- names ---- */

#define TABLE_NAMES(function, table)                                                               \
    const char *function(int index) {                                                              \
        return (table)[index] ? (table)[index]->name : NULL;                                       \
    }

TABLE_NAMES(bal_schema_models, bal_model_table)
TABLE_NAMES(bal_schema_losses, bal_loss_table)
TABLE_NAMES(bal_schema_optimizers, bal_optimizer_table)
TABLE_NAMES(bal_schema_schedules, bal_schedule_table)
TABLE_NAMES(bal_schema_weightings, bal_class_weighting_table)
TABLE_NAMES(bal_schema_metrics, bal_metric_table)
TABLE_NAMES(bal_schema_detectors, bal_detector_table)

/* Those of tables, then those of series. */
const char *bal_schema_simulators(int index) {
    int tables = 0;
    while (bal_simulator_table[tables])
        tables++;
    if (index < tables) return bal_simulator_table[index]->name;
    const bal_series_simulator *series = bal_series_simulator_table[index - tables];
    return series ? series->name : NULL;
}

const char *bal_schema_activations(int index) {
    return index < BAL_ACT_COUNT ? bal_activation_name((bal_activation)index) : NULL;
}

const char *bal_schema_head_kinds(int index) {
    return index < BAL_HEAD_KIND_COUNT ? bal_head_kind_name((bal_head_kind)index) : NULL;
}

const char *bal_schema_policies(int index) {
    return index <= BAL_GUARD_RECOVER ? bal_guard_policy_name((bal_guard_policy)index) : NULL;
}

/* Zeros and ones are for biases and norms, not for the weights of a layer. */
const char *bal_schema_inits(int index) {
    int kind = BAL_INIT_KAIMING_UNIFORM + index;
    return kind < BAL_INIT_COUNT ? bal_init_name((bal_init_kind)kind) : NULL;
}

/* ---- summaries ---- */

#define SUMMARY(list_name, find)                                                                   \
    if (list == (list_name) && find(name)) return find(name)->summary

const char *bal_schema_summary(bal_schema_name_fn *list, const char *name) {
    SUMMARY(bal_schema_models, bal_model_find);
    SUMMARY(bal_schema_losses, bal_loss_find);
    SUMMARY(bal_schema_optimizers, bal_optimizer_find);
    SUMMARY(bal_schema_schedules, bal_schedule_find);
    SUMMARY(bal_schema_simulators, bal_simulator_find);
    SUMMARY(bal_schema_simulators, bal_series_simulator_find);
    SUMMARY(bal_schema_weightings, bal_class_weighting_find);
    SUMMARY(bal_schema_metrics, bal_metric_find);
    SUMMARY(bal_schema_detectors, bal_detector_find);
    return NULL;
}

/* ---- defaults ---- */

static const char *text_of(const bal_yaml_node *map, const char *key) {
    const char *text = "";
    return bal_yaml_text(bal_yaml_get(map, key), &text) ? text : "";
}

/* NULL: no memory for the node. */
static bool give(bal_yaml_node *node, bal_yaml_node **ret_node) {
    *ret_node = node;
    return node;
}

static bool is_kind(const bal_schema_scope *scope, const char *kind) {
    return strcmp(text_of(scope->own, "kind"), kind) == 0;
}

bool bal_schema_default_target(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    const char *target = is_kind(scope, "simulated") ? "label" : "";
    return give(bal_yaml_new_text(scope->arena, target), ret_node);
}

bool bal_schema_default_features(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    *ret_node = NULL;
    if (is_kind(scope, "sequence")) return true;
    bal_yaml_node *list = bal_yaml_new_seq(scope->arena);
    if (is_kind(scope, "npz") && !bal_yaml_append(list, bal_yaml_new_text(scope->arena, "X")))
        return false;
    return give(list, ret_node);
}

bool bal_schema_default_path(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    *ret_node = NULL;
    return !is_kind(scope, "sequence") || give(bal_yaml_new_text(scope->arena, ""), ret_node);
}

/* Null: a sequence may do without. */
bool bal_schema_default_simulator(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    *ret_node = NULL;
    return !is_kind(scope, "sequence") || give(bal_yaml_new_null(scope->arena), ret_node);
}

static bool of_sequence(const bal_schema_scope *scope) {
    return strcmp(text_of(scope->parent, "kind"), "sequence") == 0;
}

bool bal_schema_default_split_kind(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    const char *kind = of_sequence(scope) ? "sequential" : "stratified";
    return give(bal_yaml_new_text(scope->arena, kind), ret_node);
}

/* As many rows as one looks back: the windows of two parts share no value then. */
bool bal_schema_default_embargo(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    const char *window = text_of(scope->parent, "window");
    bool apart = of_sequence(scope) && is_kind(scope, "sequential");
    return give(bal_yaml_new_scalar(scope->arena, apart ? window : "0", false), ret_node);
}

/* Where nothing is simulated there is nothing to give. */
static const bal_simulator *simulator_of(const bal_schema_scope *scope) {
    return bal_simulator_find(text_of(scope->own, "name"));
}

static const bal_series_simulator *series_of(const bal_schema_scope *scope) {
    return bal_series_simulator_find(text_of(scope->own, "name"));
}

static bool give_integer(const bal_schema_scope *scope, bool known, int64_t value,
                         bal_yaml_node **ret_node) {
    *ret_node = NULL;
    return !known || give(bal_yaml_new_integer(scope->arena, value), ret_node);
}

static bool give_number(const bal_schema_scope *scope, bool known, double value,
                        bal_yaml_node **ret_node) {
    *ret_node = NULL;
    return !known || give(bal_yaml_new_number(scope->arena, value), ret_node);
}

bool bal_schema_default_samples(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    const bal_simulator *simulator = simulator_of(scope);
    const bal_series_simulator *series = series_of(scope);
    if (series) return give_integer(scope, true, series->defaults.samples, ret_node);
    return give_integer(scope, simulator, simulator ? simulator->defaults.samples : 0, ret_node);
}

bool bal_schema_default_classes(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    const bal_simulator *simulator = simulator_of(scope);
    return give_integer(scope, simulator, simulator ? simulator->defaults.classes : 0, ret_node);
}

bool bal_schema_default_noise(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    const bal_simulator *simulator = simulator_of(scope);
    const bal_series_simulator *series = series_of(scope);
    if (series) return give_number(scope, true, series->defaults.noise, ret_node);
    return give_number(scope, simulator, simulator ? simulator->defaults.noise : 0, ret_node);
}

bool bal_schema_default_imbalance(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    const bal_simulator *simulator = simulator_of(scope);
    return give_number(scope, simulator, simulator ? simulator->defaults.imbalance : 0, ret_node);
}

bool bal_schema_default_head_target(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    const char *target = text_of(bal_yaml_get(scope->root, "data"), "target");
    return give(bal_yaml_new_text(scope->arena, target), ret_node);
}

static bal_head_kind head_kind(const bal_yaml_node *head) {
    const char *kind = text_of(head, "kind");
    for (int i = 0; i < BAL_HEAD_KIND_COUNT; i++)
        if (strcmp(bal_head_kind_name((bal_head_kind)i), kind) == 0) return (bal_head_kind)i;
    return BAL_HEAD_CLASSES;
}

bool bal_schema_default_loss(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    unsigned bit = BAL_HEAD_BIT(head_kind(scope->parent));
    const bal_loss *const *loss = bal_loss_table;
    while (*loss && !((*loss)->kinds & bit))
        loss++;
    *ret_node = NULL;
    return !*loss || give(bal_yaml_new_text(scope->arena, (*loss)->name), ret_node);
}

bool bal_schema_default_monitor(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    static const char *const metrics[BAL_HEAD_KIND_COUNT] = {
        [BAL_HEAD_CLASSES] = "macro_f1",
        [BAL_HEAD_BINARY] = "balanced_accuracy",
        [BAL_HEAD_VALUE] = "rmse",
    };
    const bal_yaml_node *heads = bal_yaml_get(scope->root, "heads");
    const bal_yaml_node *first = heads ? heads->first : NULL;
    const char *text = bal_arena_printf(scope->arena, "val.%s.%s", text_of(first, "name"),
                                        metrics[head_kind(first)]);
    return text && give(bal_yaml_new_text(scope->arena, text), ret_node);
}

bool bal_schema_default_schedule_monitor(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    return give(bal_yaml_new_text(scope->arena, text_of(scope->root, "monitor")), ret_node);
}

/* None for a metric without a direction, and for what is no metric, which is reported elsewhere. */
bool bal_schema_default_mode(const bal_schema_scope *scope, bal_yaml_node **ret_node) {
    bal_metric_path path = {0};
    *ret_node = NULL;
    if (bal_metric_path_parse(text_of(scope->own, "monitor"), &path, NULL) != BAL_OK) return true;
    const bal_metric *metric = bal_metric_find(path.metric);
    if (metric && metric->better == 0) return true;
    const char *mode = metric && metric->better > 0 ? "max" : "min";
    return give(bal_yaml_new_text(scope->arena, mode), ret_node);
}
