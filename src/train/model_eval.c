/* Evaluating a model file. See train/model_eval.h.
 *
 * The rows come through the same door as in training (bal_dataset_read), so that splits are the
 * same; the answers come through the same door as in prediction (bal_predictor_run), so that
 * classes are the same. */
#include "train/model_eval.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/yaml.h"
#include "train/raw_loss.h"
#include "train/units.h"

/* ---- a recipe for a model without one ---- */

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bal_yaml_node *names_node(bal_arena *arena, const char *const *names, int32_t n) {
    bal_yaml_node *list = bal_yaml_new_seq(arena);
    for (int32_t i = 0; list && i < n; i++)
        if (!bal_yaml_append(list, bal_yaml_new_text(arena, names[i]))) return NULL;
    return list;
}

static bool set_text(bal_arena *arena, bal_yaml_node *map, const char *key, const char *text) {
    return bal_yaml_set(arena, map, key, bal_yaml_new_text(arena, text));
}

/* Features by their names, and `log`. */
static bool set_series(bal_arena *arena, bal_yaml_node *data, const bal_predictor *predictor) {
    const bal_model_series *series = bal_predictor_series(predictor);
    bal_yaml_node *names = names_node(arena, bal_predictor_feature_names(predictor),
                                      bal_predictor_features(predictor));
    if (!names || (series->log && !bal_yaml_append(names, bal_yaml_new_text(arena, "log"))))
        return false;
    return set_text(arena, data, "table", series->table) &&
           set_text(arena, data, "column", series->column) &&
           set_text(arena, data, "order", series->order) &&
           set_text(arena, data, "missing", series->missing) &&
           bal_yaml_set(arena, data, "window", bal_yaml_new_integer(arena, series->window)) &&
           bal_yaml_set(arena, data, "features", names);
}

static bal_yaml_node *data_node(bal_arena *arena, const bal_predictor *predictor,
                                const char *path) {
    bal_yaml_node *data = bal_yaml_new_map(arena), *split = bal_yaml_new_map(arena);
    const char *kind = !path                             ? bal_predictor_data_kind(predictor)
                       : bal_predictor_series(predictor) ? "sequence"
                       : ends_with(path, ".npz")         ? "npz"
                                                         : "csv";
    int32_t n_arrays;
    const char *const *arrays = bal_predictor_arrays(predictor, &n_arrays);
    bool good =
        data && split && set_text(arena, data, "kind", kind) &&
        /* In order where there is an order; of other rows none is known. */
        set_text(arena, split, "kind", strcmp(kind, "sequence") == 0 ? "sequential" : "random") &&
        bal_yaml_set(arena, split, "train", bal_yaml_new_integer(arena, 1)) &&
        bal_yaml_set(arena, split, "val", bal_yaml_new_integer(arena, 0)) &&
        bal_yaml_set(arena, split, "test", bal_yaml_new_integer(arena, 0)) &&
        bal_yaml_set(arena, data, "split", split);
    if (good && path) good = set_text(arena, data, "path", path);
    if (good && strcmp(kind, "npz") == 0 && n_arrays > 0)
        good = bal_yaml_set(arena, data, "features", names_node(arena, arrays, n_arrays));
    if (good && strcmp(kind, "sequence") == 0 && bal_predictor_series(predictor))
        good = set_series(arena, data, predictor);
    return good ? data : NULL;
}

/* Targets made from a series are written as the YAML that they were. */
static bal_yaml_node *target_node(bal_arena *arena, const bal_model_head *head) {
    bal_yaml_node *node;
    if (head->target[0] == '{' &&
        bal_yaml_from_text(arena, head->target, "model file", &node, NULL) == BAL_OK)
        return node;
    return bal_yaml_new_text(arena, head->target);
}

static bal_yaml_node *head_node(bal_arena *arena, const bal_model_head *head) {
    bal_yaml_node *map = bal_yaml_new_map(arena);
    bool good = map && set_text(arena, map, "name", head->name) &&
                set_text(arena, map, "kind", bal_head_kind_name(head->kind)) &&
                bal_yaml_set(arena, map, "target", target_node(arena, head));
    if (good && head->is_log) good = set_text(arena, map, "transform", "log");
    return good ? map : NULL;
}

static bal_yaml_node *recipe_node(bal_arena *arena, const bal_predictor *predictor,
                                  const char *path) {
    bal_yaml_node *root = bal_yaml_new_map(arena), *heads = bal_yaml_new_seq(arena);
    bal_yaml_node *model = bal_yaml_new_map(arena);
    bool good = root && heads && model && set_text(arena, root, "name", "evaluation") &&
                bal_yaml_set(arena, root, "data", data_node(arena, predictor, path)) &&
                set_text(arena, model, "kind", "mlp") && bal_yaml_set(arena, root, "model", model);
    for (int32_t h = 0; good && h < bal_predictor_heads(predictor); h++)
        good = bal_yaml_append(heads, head_node(arena, bal_predictor_head(predictor, h)));
    return good && bal_yaml_set(arena, root, "heads", heads) ? root : NULL;
}

bal_status bal_model_eval_recipe(const bal_predictor *predictor, const char *path,
                                 const char *const *overrides, int32_t n_overrides,
                                 bal_recipe **ret_recipe, bal_error *err) {
    bal_arena arena = {0};
    bal_text text = {0};
    bal_yaml_node *root = recipe_node(&arena, predictor, path);
    bal_status status = root ? BAL_OK : bal_fail_memory(err, 0);
    if (status == BAL_OK) status = bal_yaml_write(root, &text, err);
    if (status == BAL_OK && bal_text_failed(&text)) status = bal_fail_memory(err, text.length);
    if (status == BAL_OK)
        status =
            bal_recipe_parse(text.data, "evaluation", ".", overrides, n_overrides, ret_recipe, err);
    bal_text_release(&text);
    bal_arena_release(&arena);
    return status;
}

/* ---- the recipe's rows, the model's classes ---- */

static const bal_model_head *find_head(const bal_predictor *predictor, const char *name,
                                       int32_t *ret_index) {
    for (int32_t h = 0; h < bal_predictor_heads(predictor); h++)
        if (strcmp(bal_predictor_head(predictor, h)->name, name) == 0) {
            *ret_index = h;
            return bal_predictor_head(predictor, h);
        }
    return NULL;
}

/** Each head of the recipe with the model's class list, which new rows may not have all of. */
static bal_status use_classes(bal_recipe *recipe, const bal_predictor *predictor, bal_error *err) {
    bal_recipe_head *heads =
        bal_arena_alloc(&recipe->arena, (size_t)recipe->n_heads, sizeof *heads);
    if (!heads) return bal_fail_memory(err, (size_t)recipe->n_heads * sizeof *heads);
    for (int32_t h = 0; h < recipe->n_heads; h++) {
        int32_t index;
        heads[h] = recipe->heads[h];
        const bal_model_head *head = find_head(predictor, heads[h].name, &index);
        if (!head || head->kind != heads[h].kind)
            return bal_fail(err, BAL_ERECIPE, "the model has no %s head '%s'",
                            bal_head_kind_name(heads[h].kind), heads[h].name);
        heads[h].classes = (const char *const *)head->classes.names;
        heads[h].n_classes = head->classes.count;
    }
    recipe->heads = heads;
    return BAL_OK;
}

/** Columns of a csv file by the model's names, wherever they stand. */
static void use_features(bal_recipe *recipe, const bal_predictor *predictor) {
    if (strcmp(recipe->data.kind, "csv") != 0) return;
    recipe->data.features = bal_predictor_feature_names(predictor);
    recipe->data.n_features = bal_predictor_features(predictor);
}

static void use_all_rows(bal_recipe *recipe) {
    recipe->data.split = (bal_recipe_split){
        .kind = "sequential", .train = 1, .column = "", .place = recipe->data.split.place};
    recipe->data.dev_samples = 0;
}

static bal_status read_rows(bal_model_eval *eval, const bal_predictor *predictor,
                            bal_recipe *recipe, const char *split, const bal_log_sink *log,
                            bal_error *err) {
    int part = BAL_SPLIT_TRAIN;
    eval->unit = bal_units_of(recipe);
    if (strcmp(split, "all") == 0)
        use_all_rows(recipe);
    else
        while (part < BAL_SPLIT_COUNT && strcmp(bal_split_name((bal_split_part)part), split) != 0)
            part++;
    if (part == BAL_SPLIT_COUNT)
        return bal_fail(err, BAL_ERECIPE, "no split '%s'; there is train, val, test and all",
                        split);
    BAL_TRY(use_classes(recipe, predictor, err));
    use_features(recipe, predictor);
    BAL_TRY(bal_dataset_read(recipe, log, &eval->dataset, err));
    const bal_table *table = eval->dataset->table;
    if (table->features != bal_predictor_features(predictor))
        return bal_fail(err, BAL_EDATA, "%s has %d features; the model wants %d", table->source,
                        (int)table->features, (int)bal_predictor_features(predictor));
    BAL_TRY(bal_units_rank(table, recipe->data.split.column, &eval->rank, err));
    if (!eval->rank && eval->unit == BAL_SHUFFLE_GROUPS) eval->unit = BAL_SHUFFLE_ROWS;
    eval->set.dataset = eval->dataset;
    eval->set.rows = eval->dataset->split.rows[part];
    eval->set.n_rows = eval->dataset->split.count[part];
    if (eval->set.n_rows == 0)
        return bal_fail(err, BAL_EDATA, "%s: the %s split has no rows", table->source, split);
    return BAL_OK;
}

/* ---- answers ---- */

/** The rows asked for, side by side. */
static bal_status gather(const bal_eval_set *set, float **ret_x, bal_error *err) {
    const bal_table *table = set->dataset->table;
    size_t width = (size_t)table->features;
    float *x = bal_calloc((size_t)set->n_rows * width, sizeof *x);
    if (!x) return bal_fail_memory(err, (size_t)set->n_rows * width * sizeof *x);
    for (int64_t i = 0; i < set->n_rows; i++)
        memcpy(x + (size_t)i * width, table->x + (size_t)set->rows[i] * width, width * sizeof *x);
    *ret_x = x;
    return BAL_OK;
}

/** Outputs of all heads of the model; those that the recipe has go to their places in the set. */
static bal_status run(bal_eval_set *set, bal_predictor *predictor, bal_error *err) {
    int32_t n_heads = bal_predictor_heads(predictor);
    float *outputs[BAL_HEADS_MAX] = {0}, *x = NULL;
    bal_status status = gather(set, &x, err);
    for (int32_t h = 0; status == BAL_OK && h < n_heads; h++) {
        size_t n = (size_t)set->n_rows * (size_t)bal_predictor_head(predictor, h)->outputs;
        if (!(outputs[h] = bal_calloc(n, sizeof(float))))
            status = bal_fail_memory(err, n * sizeof(float));
    }
    if (status == BAL_OK) status = bal_predictor_run(predictor, x, set->n_rows, outputs, err);
    for (int32_t h = 0; status == BAL_OK && h < set->dataset->n_heads; h++) {
        int32_t index;
        if (!find_head(predictor, set->dataset->heads[h].recipe->name, &index)) continue;
        set->outputs[h] = outputs[index];
        outputs[index] = NULL;
    }
    for (int32_t h = 0; h < n_heads; h++)
        bal_free(outputs[h]);
    bal_free(x);
    return status;
}

static bal_status take_targets(bal_eval_set *set, int32_t h, bal_error *err) {
    const bal_head_data *head = &set->dataset->heads[h];
    size_t n = (size_t)set->n_rows, width = (size_t)head->outputs;
    if (head->labels) {
        if (!(set->labels[h] = bal_calloc(n, sizeof *set->labels[h])))
            return bal_fail_memory(err, n * sizeof *set->labels[h]);
        for (size_t i = 0; i < n; i++)
            set->labels[h][i] = head->labels[set->rows[i]];
        return BAL_OK;
    }
    if (!(set->targets[h] = bal_calloc(n * width, sizeof *set->targets[h])))
        return bal_fail_memory(err, n * width * sizeof *set->targets[h]);
    for (size_t i = 0; i < n; i++)
        memcpy(set->targets[h] + i * width, head->targets + (size_t)set->rows[i] * width,
               width * sizeof *set->targets[h]);
    return BAL_OK;
}

/** The loss that the model was trained on, which may be a later stage's, before the recipe's. */
static bal_status find_loss(bal_eval_set *set, const bal_predictor *predictor, int32_t h,
                            const bal_evaluation *evaluation, bal_error *err) {
    const bal_recipe_head *head = set->dataset->heads[h].recipe;
    int32_t index;
    const bal_model_head *trained = find_head(predictor, head->name, &index);
    bal_loss_options loss =
        trained && trained->loss.kind ? trained->loss : bal_recipe_head_loss(head);
    const char *name = bal_loss_find(loss.kind)->metric;
    if (!name)
        return bal_raw_loss_compute(&loss, evaluation, bal_predictor_backend(predictor),
                                    &set->loss[h], err);
    set->loss[h] = bal_metric_find(name)->compute(set->scores[h], -1, NULL);
    return BAL_OK;
}

static bal_status score(bal_eval_set *set, const bal_predictor *predictor, int32_t h,
                        bal_error *err) {
    const bal_head_data *head = &set->dataset->heads[h];
    int32_t index = 0;
    const bal_model_head *trained = find_head(predictor, head->recipe->name, &index);
    BAL_TRY(take_targets(set, h, err));
    BAL_TRY(bal_head_payoff(head, &set->payoff[h], err));
    bal_evaluation evaluation = {
        .kind = head->recipe->kind,
        .rows = set->n_rows,
        .classes = head->labels ? head->classes.count : head->outputs,
        .logits = set->outputs[h],
        .labels = set->labels[h],
        .targets = set->targets[h],
        .prior = trained ? trained->prior : NULL,
        .payoff = set->payoff[h],
        .threshold = 0.5,
    };
    BAL_TRY(bal_scores_new(&evaluation, &set->scores[h], err));
    return find_loss(set, predictor, h, &evaluation, err);
}

static bal_status check_labelled(const bal_eval_set *set, const char *split, bal_error *err) {
    for (int32_t h = 0; h < set->dataset->n_heads; h++)
        if (bal_scores_rows(set->scores[h]) > 0) return BAL_OK;
    return bal_fail(err, BAL_EDATA, "%s: no row of the %s split has a label",
                    set->dataset->table->source, split);
}

bal_status bal_model_eval_init(bal_model_eval *eval, bal_predictor *predictor, bal_recipe *recipe,
                               const char *split, const bal_log_sink *log, bal_error *err) {
    bal_model_eval made = {0};
    bal_status status = read_rows(&made, predictor, recipe, split, log, err);
    if (status == BAL_OK) status = run(&made.set, predictor, err);
    for (int32_t h = 0; status == BAL_OK && h < made.dataset->n_heads; h++)
        status = score(&made.set, predictor, h, err);
    if (status == BAL_OK) status = check_labelled(&made.set, split, err);
    if (status == BAL_OK)
        *eval = made;
    else
        bal_model_eval_release(&made);
    return status;
}

void bal_model_eval_release(bal_model_eval *eval) {
    bal_eval_set_release(&eval->set);
    bal_dataset_free(eval->dataset);
    bal_free(eval->rank);
    eval->rank = NULL;
    eval->dataset = NULL;
}
