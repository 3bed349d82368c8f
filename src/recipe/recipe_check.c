/* What the keys of a recipe have to do with each other, as far as it can be told without the data.
 *
 * Each check points at the value that has to change. Places come from the resolved tree, which
 * keeps them; `nodes` of a list stand in the order of the typed array beside it. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "recipe/recipe_reader.h"

typedef const bal_recipe_reader reader;

static const bal_yaml_node *node_at(reader *r, const char *section, const char *key) {
    return bal_yaml_get(bal_yaml_get(r->root, section), key);
}

/* Where a key stands; where its section stands when it is a default. */
static bal_place place_in(const bal_yaml_node *section, const char *key) {
    bal_place place = bal_recipe_place(bal_yaml_get(section, key));
    return place.file[0] ? place : bal_recipe_place(section);
}

bool bal_recipe_is_plain_name(const char *text, const char *also, size_t most) {
    size_t length = 0;
    for (; text[length]; length++) {
        char c = text[length];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !strchr(also, c)) return false;
    }
    return length > 0 && length <= most;
}

/* Texts of a list in order, for finding them: a list may name a hundred thousand columns. */
typedef struct sorted_texts {
    const bal_yaml_node **items;
    size_t n;
} sorted_texts;

/* By text, equal ones as they stand. */
static int compare_texts(const void *left, const void *right) {
    const bal_yaml_node *a = *(const bal_yaml_node *const *)left;
    const bal_yaml_node *b = *(const bal_yaml_node *const *)right;
    int order = strcmp(a->text, b->text);
    if (order == 0) order = (a->line > b->line) - (a->line < b->line);
    return order ? order : (a->column > b->column) - (a->column < b->column);
}

static int compare_to_item(const void *text, const void *item) {
    return strcmp(text, (*(const bal_yaml_node *const *)item)->text);
}

static bal_status sort_texts(bal_recipe_reader *r, const bal_yaml_node *list,
                             sorted_texts *ret_sorted) {
    *ret_sorted = (sorted_texts){.n = 0};
    if (!list || list->count == 0) return BAL_OK;
    ret_sorted->items = bal_arena_alloc(r->arena, list->count, sizeof *ret_sorted->items);
    if (!ret_sorted->items) return bal_recipe_fail_memory(r);
    bal_yaml_each (item, list)
        ret_sorted->items[ret_sorted->n++] = item;
    qsort(ret_sorted->items, ret_sorted->n, sizeof *ret_sorted->items, compare_texts);
    return BAL_OK;
}

static bool contains(const sorted_texts *sorted, const char *text) {
    return sorted->n > 0 &&
           bsearch(text, sorted->items, sorted->n, sizeof *sorted->items, compare_to_item) != NULL;
}

/* Each text of a list once, none empty. */
static bal_status check_texts(bal_recipe_reader *r, const char *where, const bal_yaml_node *list) {
    sorted_texts sorted;
    BAL_TRY(sort_texts(r, list, &sorted));
    for (size_t i = 0; i < sorted.n; i++) {
        const bal_yaml_node *item = sorted.items[i];
        if (!item->text[0])
            return bal_recipe_fail(r, bal_recipe_place(item), "%s: an empty text", where);
        if (i > 0 && strcmp(sorted.items[i - 1]->text, item->text) == 0)
            return bal_recipe_fail(r, bal_recipe_place(item), "%s: '%s' comes twice", where,
                                   item->text);
    }
    return BAL_OK;
}

/* ---- name, data ---- */

enum { NAME_MAX_BYTES = 100, HEAD_NAME_MAX = 63 };

static bal_status check_name(reader *r) {
    const char *name = r->recipe->name;
    if (bal_recipe_is_plain_name(name, "._-", NAME_MAX_BYTES) && name[0] != '.') return BAL_OK;
    return bal_recipe_fail(
        r, place_in(r->root, "name"),
        "name: '%.60s' cannot name run folders; use letters, digits, '_', '-' and "
        "'.', at most %d",
        name, NAME_MAX_BYTES);
}

static bal_status check_split(reader *r) {
    const bal_recipe_split *split = &r->recipe->data.split;
    double sum = split->train + split->val + split->test;
    if (sum <= 1 + 1e-9) return BAL_OK;
    return bal_recipe_fail(r, split->place,
                           "data.split: train %g + val %g + test %g is %g (defaults included); "
                           "wanted at most 1",
                           split->train, split->val, split->test, sum);
}

static bal_status check_columns(bal_recipe_reader *r) {
    const bal_yaml_node *data = bal_yaml_get(r->root, "data");
    const bal_yaml_node *features = bal_yaml_get(data, "features");
    const bal_recipe_data *wanted = &r->recipe->data;
    bool series = strcmp(wanted->kind, "sequence") == 0;
    if (series) features = NULL; /* made of values before the target, never the target itself */
    BAL_TRY(check_texts(r, "data.features", features));
    BAL_TRY(check_texts(r, "data.ignore", bal_yaml_get(data, "ignore")));
    BAL_TRY(check_texts(r, "data.drop_classes", bal_yaml_get(data, "drop_classes")));
    bool needs_path = !series && strcmp(wanted->kind, "simulated") != 0;
    if (needs_path && !wanted->path[0])
        return bal_recipe_fail(r, place_in(data, "path"), "data.path is empty; wanted a file");
    bool by_column =
        strcmp(wanted->split.kind, "group") == 0 || strcmp(wanted->split.kind, "time") == 0;
    if (by_column && !wanted->split.column[0])
        return bal_recipe_fail(r, place_in(bal_yaml_get(data, "split"), wanted->split.kind),
                               "data.split.%s is empty; wanted a column", wanted->split.kind);
    sorted_texts sorted;
    BAL_TRY(sort_texts(r, features, &sorted));
    for (int32_t h = 0; h < r->recipe->n_heads; h++) {
        const char *target = r->recipe->heads[h].target;
        if (contains(&sorted, target))
            return bal_recipe_fail(
                r, bal_recipe_place(features),
                "data.features lists '%s', which is the target of head '%s': the "
                "answer must not be an input",
                target, r->recipe->heads[h].name);
    }
    return BAL_OK;
}

/* ---- model ---- */

static bool is_listed(const bal_yaml_node *dropout) {
    return dropout && dropout->kind == BAL_YAML_SEQUENCE;
}

/* One rate for all layers is repeated; a list has one per layer. */
static bal_status fit_dropout(bal_recipe_reader *r, const char *where, const bal_yaml_node *given,
                              int32_t layers, const char *what, const double **rates,
                              int32_t *n_rates) {
    if (is_listed(given) && *n_rates != layers)
        return bal_recipe_fail(r, bal_recipe_place(given),
                               "%s lists %d rates for %d %s; give one each, or a single number",
                               where, (int)*n_rates, (int)layers, what);
    double rate = *n_rates > 0 ? (*rates)[0] : 0;
    if (!is_listed(given) && layers > 0) {
        double *repeated = bal_arena_alloc(r->arena, (size_t)layers, sizeof *repeated);
        if (!repeated) return bal_recipe_fail_memory(r);
        for (int32_t i = 0; i < layers; i++)
            repeated[i] = rate;
        *rates = repeated;
    }
    if (layers == 0 && rate > 0)
        return bal_recipe_fail(r, bal_recipe_place(given), "%s is %g, but there are no %s", where,
                               rate, what);
    *n_rates = layers;
    return BAL_OK;
}

static bal_status check_model(bal_recipe_reader *r) {
    bal_recipe_model *model = &r->recipe->model;
    bool is_mlp = strcmp(model->kind, "mlp") == 0;
    BAL_TRY(fit_dropout(r, "model.dropout", node_at(r, "model", "dropout"),
                        is_mlp ? model->n_hidden : model->blocks,
                        is_mlp ? "hidden layers" : "blocks", &model->dropout, &model->n_dropout));
    return check_texts(r, "model.freeze", node_at(r, "model", "freeze"));
}

/* ---- heads ---- */

static bal_status check_head_name(reader *r, int32_t h, const bal_yaml_node *node) {
    const bal_recipe_head *heads = r->recipe->heads;
    bal_place place = place_in(node, "name");
    if (!bal_recipe_is_plain_name(heads[h].name, "_-", HEAD_NAME_MAX))
        return bal_recipe_fail(r, place,
                               "heads[%d].name: '%.70s' cannot be part of val.NAME.METRIC; use "
                               "letters, digits, '_' and '-', at most %d",
                               (int)h, heads[h].name, HEAD_NAME_MAX);
    if (strcmp(heads[h].name, "loss") == 0)
        return bal_recipe_fail(r, place,
                               "heads[%d].name: 'loss' stands for the loss of all heads in the "
                               "logs; choose another name",
                               (int)h);
    for (int32_t i = 0; i < h; i++)
        if (strcmp(heads[i].name, heads[h].name) == 0)
            return bal_recipe_fail(r, place, "heads[%d] and heads[%d] are both called '%s'", (int)i,
                                   (int)h, heads[h].name);
    return BAL_OK;
}

static bal_status check_loss(reader *r, const bal_recipe_head *head, const bal_yaml_node *node) {
    const bal_yaml_node *section = bal_yaml_get(node, "loss");
    const bal_loss *loss = bal_loss_find(head->loss.kind);
    if (!(loss->kinds & BAL_HEAD_BIT(head->kind))) {
        bal_schema_names fitting = {.count = 0};
        for (int i = 0; bal_schema_losses(i); i++)
            if (bal_loss_find(bal_schema_losses(i))->kinds & BAL_HEAD_BIT(head->kind))
                fitting.name[fitting.count++] = bal_schema_losses(i);
        return bal_recipe_fail(r, place_in(section, "kind"),
                               "loss '%s' does not fit head '%s' of kind %s; fitting: %s",
                               loss->name, head->name, bal_head_kind_name(head->kind),
                               bal_recipe_listing(r->arena, fitting.name));
    }
    if (strcmp(loss->name, "threshold_huber") == 0 && strcmp(head->transform, "log") == 0 &&
        !(head->loss.threshold > 0))
        return bal_recipe_fail(r, place_in(section, "threshold"),
                               "threshold is %g, but head '%s' learns logarithms, which only "
                               "numbers above 0 have; write it as it stands in the data",
                               head->loss.threshold, head->name);
    if (head->loss.alpha >= 0 && head->n_classes > 0 && head->n_classes != 2)
        return bal_recipe_fail(r, place_in(section, "alpha"),
                               "alpha is for two classes, but head '%s' has %d; use class_weights",
                               head->name, (int)head->n_classes);
    return BAL_OK;
}

static bal_status check_class_list(bal_recipe_reader *r, const bal_recipe_head *head,
                                   const bal_yaml_node *node) {
    const bal_yaml_node *classes = bal_yaml_get(node, "classes");
    BAL_TRY(check_texts(r, "classes", classes));
    bool binary = head->kind == BAL_HEAD_BINARY;
    if (head->n_classes == 0 || (binary ? head->n_classes == 2 : head->n_classes > 1))
        return BAL_OK;
    return bal_recipe_fail(r, bal_recipe_place(classes), "head '%s' lists %d classes; wanted %s",
                           head->name, (int)head->n_classes, binary ? "2" : "at least 2");
}

/* Explicit weights against a fixed class list; without one the data decides. */
static bal_status check_class_weights(bal_recipe_reader *r, const bal_recipe_head *head,
                                      const bal_yaml_node *node) {
    const bal_recipe_class_weights *weights = &head->class_weights;
    const bal_yaml_node *values = bal_yaml_get(bal_yaml_get(node, "class_weights"), "values");
    if (!values || head->n_classes == 0) return BAL_OK;
    if (!weights->names && weights->n_values != head->n_classes)
        return bal_recipe_fail(r, bal_recipe_place(values),
                               "class_weights lists %d values, but head '%s' has %d classes",
                               (int)weights->n_values, head->name, (int)head->n_classes);
    if (!weights->names) return BAL_OK;
    sorted_texts classes;
    BAL_TRY(sort_texts(r, bal_yaml_get(node, "classes"), &classes));
    bal_yaml_each (value, values) {
        if (contains(&classes, value->key)) continue;
        return bal_recipe_fail(r, bal_recipe_place(value),
                               "class_weights names '%s', which is not a class of head '%s'",
                               value->key, head->name);
    }
    return BAL_OK;
}

static bal_status check_head(bal_recipe_reader *r, int32_t h, const bal_yaml_node *node) {
    /* Heads are const to everyone but the code that makes them. */
    bal_recipe_head *head = (bal_recipe_head *)&r->recipe->heads[h];
    BAL_TRY(check_head_name(r, h, node));
    if (!head->target[0])
        return bal_recipe_fail(
            r, place_in(bal_yaml_get(r->root, "data"), "target"),
            "head '%s' has no target; give data.target or the head's own `target`", head->name);
    BAL_TRY(check_class_list(r, head, node));
    BAL_TRY(check_loss(r, head, node));
    BAL_TRY(check_class_weights(r, head, node));
    if (head->payoff.n > 0 && head->n_classes > 0)
        BAL_TRY(bal_recipe_payoff_place(head, head->classes, head->n_classes, NULL, r->err));
    return fit_dropout(r, "dropout of the head", bal_yaml_get(node, "dropout"), head->n_hidden,
                       "hidden layers of the head", &head->dropout, &head->n_dropout);
}

static bal_status check_heads(bal_recipe_reader *r) {
    const bal_yaml_node *list = bal_yaml_get(r->root, "heads");
    int32_t h = 0;
    double sum = 0;
    bal_yaml_each (node, list) {
        sum += r->recipe->heads[h].weight;
        BAL_TRY(check_head(r, h++, node));
    }
    if (sum > 0) return BAL_OK;
    return bal_recipe_fail(r, place_in(list->first, "weight"),
                           "the weights of all heads are 0: there is nothing to learn");
}

/* ---- metrics ---- */

/* A metric path as used by one key. */
typedef struct metric_use {
    const char *what; /* "monitor" */
    bal_place place;
    bool needs_direction;
} metric_use;

static const bal_recipe_head *find_head(reader *r, const char *name) {
    for (int32_t h = 0; h < r->recipe->n_heads; h++)
        if (strcmp(r->recipe->heads[h].name, name) == 0) return &r->recipe->heads[h];
    return NULL;
}

static bal_status fail_head(reader *r, const metric_use *use, const char *name) {
    bal_schema_names names = {.count = 0};
    for (int32_t h = 0; h < r->recipe->n_heads && names.count < BAL_SCHEMA_NAMES_MAX; h++)
        names.name[names.count++] = r->recipe->heads[h].name;
    const char *what = bal_arena_printf(r->arena, "%s, head", use->what);
    return bal_recipe_fail_name(r, use->place, what ? what : use->what, name, names.name);
}

static bool fits(const bal_metric *metric, const bal_recipe_head *head) {
    return (metric->kinds & BAL_HEAD_BIT(head->kind)) &&
           (!metric->needs_payoff || head->payoff.n > 0);
}

static bal_status fail_metric(reader *r, const metric_use *use, const bal_recipe_head *head,
                              const char *name) {
    bal_schema_names names = {.count = 0};
    names.name[names.count++] = "loss";
    for (int i = 0; bal_schema_metrics(i) && names.count < BAL_SCHEMA_NAMES_MAX; i++)
        if (fits(bal_metric_find(bal_schema_metrics(i)), head))
            names.name[names.count++] = bal_schema_metrics(i);
    const char *what = bal_arena_printf(r->arena, "%s, metric of a head of kind %s", use->what,
                                        bal_head_kind_name(head->kind));
    return bal_recipe_fail_name(r, use->place, what ? what : use->what, name, names.name);
}

static bal_status check_metric_class(reader *r, const metric_use *use, const bal_recipe_head *head,
                                     const bal_metric_path *path, bool per_class) {
    if (per_class && !path->class_name[0])
        return bal_recipe_fail(r, use->place, "%s: %s is of one class; name it, as in %s[A]",
                               use->what, path->metric, path->metric);
    if (!per_class && path->class_name[0])
        return bal_recipe_fail(r, use->place, "%s: %s is of all classes; leave out [%s]", use->what,
                               path->metric, path->class_name);
    if (!per_class || head->n_classes == 0) return BAL_OK;
    for (int32_t i = 0; i < head->n_classes; i++)
        if (strcmp(head->classes[i], path->class_name) == 0) return BAL_OK;
    return bal_recipe_fail(r, use->place, "%s: head '%s' has no class '%s'", use->what, head->name,
                           path->class_name);
}

static bal_status check_metric(reader *r, const metric_use *use, const char *text) {
    bal_metric_path path;
    BAL_TRY(bal_metric_path_parse(text, &path, r->err));
    const bal_recipe_head *head = find_head(r, path.head);
    if (!head) return fail_head(r, use, path.head);
    const bal_metric *metric = bal_metric_find(path.metric);
    bool is_loss = strcmp(path.metric, "loss") == 0;
    bool of_kind = metric && (metric->kinds & BAL_HEAD_BIT(head->kind));
    if (of_kind && !fits(metric, head))
        return bal_recipe_fail(r, use->place,
                               "%s: %s needs to know what answers are worth; give head '%s' a "
                               "payoff: {true class: [gain by predicted class]}",
                               use->what, path.metric, head->name);
    if (!is_loss && !of_kind) return fail_metric(r, use, head, path.metric);
    if (strcmp(path.split, "test") == 0)
        return bal_recipe_fail(r, use->place,
                               "%s: the test split must not steer training; use val.%s.%s",
                               use->what, path.head, path.metric);
    if (strcmp(path.split, "train") == 0 && !is_loss)
        return bal_recipe_fail(r, use->place,
                               "%s: of the training split only the loss is known; use val.%s.%s",
                               use->what, path.head, path.metric);
    if (use->needs_direction && metric && metric->better == 0)
        return bal_recipe_fail(r, use->place,
                               "%s: neither more nor less of %s is better; use another", use->what,
                               path.metric);
    if (metric && !path.class_name[0] && bal_metric_of_head(metric, head->kind, head->payoff.n > 0))
        return BAL_OK;
    return check_metric_class(r, use, head, &path, metric && metric->per_class);
}

static bal_status check_monitor(reader *r) {
    const metric_use use = {"monitor", place_in(r->root, "monitor"), true};
    return check_metric(r, &use, r->recipe->monitor);
}

/* ---- optimizer, schedule, guard ---- */

static bal_status check_group(reader *r, const bal_recipe_group *group, const bal_yaml_node *node) {
    const char *kind = r->recipe->optimizer.kind;
    bool decoupled = strcmp(kind, "adamw") == 0;
    if (!group->match[0])
        return bal_recipe_fail(
            r, place_in(node, "match"),
            "match is empty; wanted a pattern of parameter names such as head.*");
    if (decoupled && group->l2 > 0)
        return bal_recipe_fail(r, place_in(node, "l2"), "adamw has no l2; use weight_decay");
    if (!decoupled && group->weight_decay > 0)
        return bal_recipe_fail(r, place_in(node, "weight_decay"),
                               "%s has no weight_decay; use l2, or adamw", kind);
    return BAL_OK;
}

static bal_status check_optimizer(reader *r) {
    const bal_recipe *recipe = r->recipe;
    const bal_yaml_node *section = bal_yaml_get(r->root, "optimizer");
    if (recipe->optimizer.nesterov && recipe->optimizer.momentum == 0)
        return bal_recipe_fail(r, place_in(section, "nesterov"),
                               "nesterov looks ahead along the momentum, which is 0");
    int32_t i = 0;
    bal_yaml_each (node, bal_yaml_get(section, "groups"))
        BAL_TRY(check_group(r, &recipe->groups[i++], node));
    return BAL_OK;
}

/* An explicit mode against the metric's own direction is a slip that ends in the worst epoch. */
static bal_status check_schedule(bal_recipe_reader *r) {
    const bal_yaml_node *section = bal_yaml_get(r->root, "schedule");
    const bal_yaml_node *mode = bal_yaml_get(section, "mode");
    if (!mode) return BAL_OK;
    bal_metric_path path;
    const metric_use use = {"schedule.monitor", place_in(section, "monitor"), false};
    const char *monitor = r->recipe->schedule.monitor;
    BAL_TRY(check_metric(r, &use, monitor));
    BAL_TRY(bal_metric_path_parse(monitor, &path, r->err));
    const bal_metric *metric = bal_metric_find(path.metric);
    int better = metric ? metric->better : -1;
    bool larger = strcmp(mode->text, "max") == 0;
    if (better != 0 && larger != (better > 0))
        return bal_recipe_fail(r, bal_recipe_place(mode),
                               "schedule.mode is %s, but %s is better when %s", mode->text, monitor,
                               better > 0 ? "larger" : "smaller");
    r->recipe->schedule.options.larger_is_better = larger;
    return BAL_OK;
}

static bal_status check_rules(reader *r) {
    const bal_recipe_guard *guard = &r->recipe->guard;
    for (int32_t i = 0; i < guard->n_rules; i++) {
        const metric_use use = {"rule", guard->rules[i].place, false};
        BAL_TRY(check_metric(r, &use, guard->rules[i].path));
    }
    return BAL_OK;
}

bal_status bal_recipe_check(bal_recipe_reader *r) {
    BAL_TRY(check_name(r));
    BAL_TRY(check_split(r));
    BAL_TRY(check_model(r));
    BAL_TRY(bal_recipe_check_series(r));
    BAL_TRY(check_heads(r));
    BAL_TRY(check_columns(r));
    BAL_TRY(check_monitor(r));
    BAL_TRY(check_optimizer(r));
    BAL_TRY(check_schedule(r));
    return check_rules(r);
}
