/* From a recipe's data section to arrays ready for batching. The order matters: classes are
 * collected from all rows (so that a class missing from the training rows is still known by name),
 * rows are split, and only then is anything learned, from the training rows alone. */
#include "train/dataset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/class_weights.h"
#include "data/duplicates.h"
#include "train/digest.h"

const char *bal_head_target(const bal_recipe *recipe, const bal_recipe_head *head) {
    return head->target[0] ? head->target : recipe->data.target;
}

/** The column of the table that a head's labels or values are made from. */
static const char *source_column(const bal_recipe *recipe, const bal_recipe_head *head) {
    bool derived = head->target_kind != BAL_TARGET_COLUMN;
    return derived ? BAL_SERIES_NEXT : bal_head_target(recipe, head);
}

void bal_dataset_table_options(const bal_recipe *recipe, const char **ret_columns,
                               bal_table_options *ret_options) {
    const bal_recipe_data *data = &recipe->data;
    int32_t n_columns = 0;
    for (int32_t h = 0; h < recipe->n_heads; h++) {
        const char *target = source_column(recipe, &recipe->heads[h]);
        bool known = false;
        for (int32_t i = 0; i < n_columns; i++)
            if (strcmp(ret_columns[i], target) == 0) known = true;
        if (!known) ret_columns[n_columns++] = target;
    }
    if (data->split.column[0]) ret_columns[n_columns++] = data->split.column;
    *ret_options = (bal_table_options){
        .kind = data->kind,
        .path = data->path,
        .features = data->features,
        .n_features = data->n_features,
        .columns = ret_columns,
        .n_columns = n_columns,
        .ignore = data->ignore,
        .n_ignore = data->n_ignore,
        .header = data->header,
        .separator = data->separator,
        .missing = data->missing,
        .simulator = data->simulator.name,
        .simulator_samples = data->simulator.samples,
        .simulator_classes = data->simulator.classes,
        .simulator_noise = data->simulator.noise,
        .simulator_imbalance = data->simulator.imbalance,
        .simulator_seed = data->simulator.seed,
        .table = data->table,
        .series_column = data->column,
        .series_order = data->order,
        .series_window = data->window,
        .series_features = data->series,
        .n_series_features = data->n_series,
        .series_log = data->series_log,
    };
}

static bal_status load_table(const bal_recipe *recipe, const bal_log_sink *log,
                             bal_table **ret_table, bal_error *err) {
    const char **columns = bal_calloc((size_t)recipe->n_heads + 1, sizeof *columns);
    if (!columns) return bal_fail_memory(err, sizeof *columns);
    bal_table_options options;
    bal_dataset_table_options(recipe, columns, &options);
    bal_status status = bal_table_load(&options, log, ret_table, err);
    bal_free(columns);
    return status;
}

static bal_status need_column(const bal_table *table, const char *name,
                              const bal_column **ret_column, bal_error *err) {
    *ret_column = bal_table_column(table, name);
    if (*ret_column) return BAL_OK;
    return bal_fail(err, BAL_EDATA, "%s: no column or array called '%s'", table->source, name);
}

/* ---- classes left out ---- */

/** Which classes of the list are to go. One that no row has is a slip. */
static bal_status mark_dropped(const bal_recipe_data *data, const bal_class_list *classes,
                               bool *ret_dropped, bal_error *err) {
    for (int32_t i = 0; i < data->n_drop_classes; i++) {
        int32_t id = bal_class_list_find(classes, data->drop_classes[i]);
        if (id < 0)
            return bal_place_fail(
                err, BAL_ERECIPE, &data->drop_classes_place,
                "data.drop_classes: no row is of class '%s'; the %d classes go from '%s' to '%s'",
                data->drop_classes[i], (int)classes->count, classes->names[0],
                classes->names[classes->count - 1]);
        ret_dropped[id] = true;
    }
    return BAL_OK;
}

static bal_status select_rows(const bal_recipe *recipe, bal_table *table,
                              const bal_class_list *classes, const int32_t *ids, bool *dropped,
                              int64_t *kept, const bal_log_sink *log, bal_error *err) {
    int64_t n_kept = 0;
    BAL_TRY(mark_dropped(&recipe->data, classes, dropped, err));
    for (int64_t row = 0; row < table->rows; row++)
        if (ids[row] < 0 || !dropped[ids[row]]) kept[n_kept++] = row;
    bal_log_printf(log, BAL_LOG_INFO, "left out %lld rows of %d classes",
                   (long long)(table->rows - n_kept), (int)recipe->data.n_drop_classes);
    return bal_table_select(table, kept, n_kept, err);
}

/** Leave out the rows of the first head's classes that are listed in drop_classes. */
static bal_status drop_rows(const bal_recipe *recipe, bal_table *table, const bal_log_sink *log,
                            bal_error *err) {
    if (recipe->data.n_drop_classes == 0) return BAL_OK;
    const bal_column *column;
    bal_class_list classes = {0};
    size_t rows = (size_t)table->rows;
    int32_t *ids = NULL;
    int64_t *kept = NULL;
    bool *dropped = NULL;
    bal_status status;
    BAL_TRY_OUT(need_column(table, bal_head_target(recipe, &recipe->heads[0]), &column, err));
    BAL_TRY_OUT(bal_class_list_build(&classes, column, table->rows, err));
    ids = bal_calloc(rows, sizeof *ids);
    kept = bal_calloc(rows, sizeof *kept);
    dropped = bal_calloc((size_t)classes.count, sizeof *dropped);
    if (!ids || !kept || !dropped) {
        status = bal_fail_memory(err, rows * sizeof *kept);
        goto out;
    }
    BAL_TRY_OUT(bal_class_list_encode(&classes, column, table->rows, true, ids, NULL, err));
    status = select_rows(recipe, table, &classes, ids, dropped, kept, log, err);
out:
    bal_free(ids);
    bal_free(kept);
    bal_free(dropped);
    bal_class_list_release(&classes);
    return status;
}

/* ---- labels and targets ---- */

static bal_status encode_labels(bal_head_data *head, const bal_recipe *recipe,
                                const bal_column *column, int64_t rows, int64_t *unknown,
                                bal_error *err) {
    const bal_recipe_head *wanted = head->recipe;
    if (wanted->n_classes > 0)
        BAL_TRY(bal_class_list_set(&head->classes, wanted->classes, wanted->n_classes, err));
    else
        BAL_TRY(bal_class_list_build(&head->classes, column, rows, err));
    int32_t classes = head->classes.count;
    if (wanted->kind == BAL_HEAD_BINARY && classes != 2)
        return bal_fail(err, BAL_EDATA,
                        "head '%s' is binary but column '%s' has %d classes; use kind: classes",
                        wanted->name, column->name, (int)classes);
    head->outputs = wanted->kind == BAL_HEAD_BINARY ? 1 : classes;
    head->labels = bal_calloc((size_t)rows, sizeof *head->labels);
    if (!head->labels) return bal_fail_memory(err, (size_t)rows * sizeof *head->labels);
    int64_t skipped = 0;
    BAL_TRY(bal_class_list_encode(&head->classes, column, rows,
                                  strcmp(recipe->data.unknown, "skip") == 0, head->labels, &skipped,
                                  err));
    *unknown += skipped;
    if (wanted->kind != BAL_HEAD_BINARY) return BAL_OK;
    head->targets = bal_calloc((size_t)rows, sizeof *head->targets);
    if (!head->targets) return bal_fail_memory(err, (size_t)rows * sizeof *head->targets);
    for (int64_t row = 0; row < rows; row++)
        head->targets[row] = head->labels[row] < 0 ? NAN : (float)head->labels[row];
    return BAL_OK;
}

/** The first cell of a column of text that is no number. */
static bal_status fail_text(const bal_head_data *head, const bal_column *column, int64_t rows,
                            bal_error *err) {
    char place[640];
    double number;
    for (int64_t row = 0; row < rows; row++) {
        const char *text = column->text[row];
        if (!text || bal_text_parse_double(text, strlen(text), &number)) continue;
        return bal_fail(err, BAL_EDATA, "%s: head '%s' wants a number, found '%.80s'",
                        bal_column_place(column, row, place, sizeof place), head->recipe->name,
                        text);
    }
    return bal_fail(err, BAL_EDATA, "head '%s' wants numbers but column '%s' holds text",
                    head->recipe->name, column->name);
}

static bal_status encode_values(bal_head_data *head, const bal_column *column, int64_t rows,
                                bal_error *err) {
    if (column->is_text) return fail_text(head, column, rows, err);
    head->outputs = 1;
    head->targets = bal_calloc((size_t)rows, sizeof *head->targets);
    if (!head->targets) return bal_fail_memory(err, (size_t)rows * sizeof *head->targets);
    for (int64_t row = 0; row < rows; row++) {
        char place[640];
        head->targets[row] = (float)column->number[row];
        if (isinf(head->targets[row]))
            return bal_fail(err, BAL_EDATA,
                            "%s: a target that is infinite or too large for a 32-bit number; "
                            "correct it or leave the row out",
                            bal_column_place(column, row, place, sizeof place));
    }
    return BAL_OK;
}

/* ---- targets made from the value that follows in a series ---- */

/** The class of a value: how many bounds it has reached. */
static int32_t class_of(const bal_recipe_head *wanted, double value) {
    int32_t id = 0;
    if (isnan(value)) return -1;
    if (wanted->target_kind == BAL_TARGET_AT_LEAST) return value >= wanted->at_least;
    while (id < wanted->n_bins && value >= wanted->bins[id])
        id++;
    return id;
}

static bal_status encode_classes(bal_head_data *head, const bal_column *column, int64_t rows,
                                 bal_error *err) {
    const bal_recipe_head *wanted = head->recipe;
    bool binary = wanted->kind == BAL_HEAD_BINARY;
    BAL_TRY(bal_class_list_set(&head->classes, wanted->classes, wanted->n_classes, err));
    head->outputs = binary ? 1 : head->classes.count;
    head->labels = bal_calloc((size_t)rows, sizeof *head->labels);
    if (binary) head->targets = bal_calloc((size_t)rows, sizeof *head->targets);
    if (!head->labels || (binary && !head->targets))
        return bal_fail_memory(err, (size_t)rows * sizeof *head->labels);
    for (int64_t row = 0; row < rows; row++) {
        int32_t id = class_of(wanted, column->number[row]);
        head->labels[row] = id;
        if (binary) head->targets[row] = id < 0 ? NAN : (float)id;
    }
    return BAL_OK;
}

/** Logarithms in place of the values. */
static bal_status transform_values(bal_head_data *head, const bal_column *column, int64_t rows,
                                   bal_error *err) {
    char place[640];
    if (strcmp(head->recipe->transform, "log") != 0) return BAL_OK;
    for (int64_t row = 0; row < rows; row++) {
        double value = column->number[row];
        if (value <= 0)
            return bal_fail(
                err, BAL_EDATA, "%s: %g has no logarithm; head '%s' cannot have transform: log",
                bal_column_place(column, row, place, sizeof place), value, head->recipe->name);
        head->targets[row] = (float)log(value);
    }
    return BAL_OK;
}

static bal_status encode_head(bal_head_data *head, const bal_recipe *recipe, const bal_table *table,
                              int64_t *unknown, bal_error *err) {
    const bal_column *column;
    BAL_TRY(need_column(table, source_column(recipe, head->recipe), &column, err));
    if (head->recipe->kind == BAL_HEAD_VALUE) {
        BAL_TRY(encode_values(head, column, table->rows, err));
        return transform_values(head, column, table->rows, err);
    }
    if (head->recipe->target_kind != BAL_TARGET_COLUMN)
        return encode_classes(head, column, table->rows, err);
    return encode_labels(head, recipe, column, table->rows, unknown, err);
}

/** Rows without a label are kept, since another head may have one for them; told, because they
 *  could also be a slip. */
static void tell_unlabelled(const bal_head_data *head, int64_t rows, int64_t unknown,
                            const bal_log_sink *log) {
    int64_t without = -unknown;
    for (int64_t row = 0; row < rows; row++)
        without += head->labels ? head->labels[row] < 0 : isnan(head->targets[row]);
    if (without > 0)
        bal_log_printf(log, BAL_LOG_INFO,
                       "head '%s': %lld of %lld rows have no %s; it does not learn from them",
                       head->recipe->name, (long long)without, (long long)rows,
                       head->labels ? "label" : "value");
}

/** The head whose labels stratify the split: the first with classes. */
static const bal_head_data *stratifying_head(const bal_dataset *dataset) {
    for (int32_t h = 0; h < dataset->n_heads; h++)
        if (dataset->heads[h].labels) return &dataset->heads[h];
    return NULL;
}

/** A part's rows become `wanted` of them, stratified. */
static bal_status shrink_part(bal_dataset *dataset, int part, int64_t wanted, int64_t seed,
                              bal_error *err) {
    const bal_head_data *head = stratifying_head(dataset);
    int64_t have = dataset->split.count[part], kept = 0;
    int64_t *rows = bal_calloc((size_t)have, sizeof *rows);
    if (!rows) return bal_fail_memory(err, (size_t)have * sizeof *rows);
    bal_status status =
        bal_split_subset(dataset->split.rows[part], have, head ? head->labels : NULL,
                         head ? head->classes.count : 0, wanted, (uint64_t)seed, rows, &kept, err);
    if (status != BAL_OK) {
        bal_free(rows);
        return status;
    }
    bal_free(dataset->split.rows[part]);
    dataset->split.rows[part] = rows;
    dataset->split.count[part] = kept;
    return BAL_OK;
}

/** Development mode: that many rows, shared out among the parts as all rows are; no part that has
 *  rows loses its last. */
static bal_status shrink_to_sample(bal_dataset *dataset, const bal_recipe *recipe,
                                   const bal_log_sink *log, bal_error *err) {
    int64_t wanted = recipe->data.dev_samples, total = 0, before = 0, given = 0;
    for (int part = 0; part < BAL_SPLIT_COUNT; part++)
        total += dataset->split.count[part];
    if (wanted <= 0 || wanted >= total) return BAL_OK;
    for (int part = 0; part < BAL_SPLIT_COUNT; part++) {
        int64_t have = dataset->split.count[part];
        if (have == 0) continue;
        /* Up to here ⌊rows so far · wanted / total⌋: the shares sum to what is wanted. */
        before += have;
        int64_t share = (int64_t)((double)before * (double)wanted / (double)total) - given;
        if (share < 1) share = 1;
        given += share;
        BAL_TRY(shrink_part(dataset, part, share, recipe->seed, err));
    }
    bal_log_printf(log, BAL_LOG_INFO, "development mode: %lld of %lld rows", (long long)given,
                   (long long)total);
    return BAL_OK;
}

/** Say whose rows could not be split; of a series, that the window takes most of a short one: as
 *  the first values, which have none before them, and, where nothing else is asked for, as gaps. */
static bal_status fail_split(const bal_dataset *dataset, const bal_recipe *recipe,
                             bal_status status, const bal_error *why, bal_error *err) {
    const char *source = dataset->table->source;
    if (status != BAL_EDATA) return bal_fail(err, status, "%s", why->message);
    if (strcmp(recipe->data.kind, "sequence") != 0 || recipe->data.split.embargo == 0)
        return bal_fail(err, status, "%s: %s", source, why->message);
    return bal_fail(err, status,
                    "%s: %s; the series is short: make data.window (%d) smaller, and with it the "
                    "gaps, or data.split.embargo (%lld)",
                    source, why->message, (int)recipe->data.window,
                    (long long)recipe->data.split.embargo);
}

static bal_status split_rows(bal_dataset *dataset, const bal_recipe *recipe,
                             const bal_log_sink *log, bal_error *err) {
    const bal_recipe_split *wanted = &recipe->data.split;
    const bal_head_data *head = stratifying_head(dataset);
    bal_split_options options = {
        .kind = wanted->kind,
        .fraction = {wanted->train, wanted->val, wanted->test},
        .embargo = wanted->embargo,
        .seed = (uint64_t)recipe->seed,
    };
    if (wanted->column[0])
        BAL_TRY(need_column(dataset->table, wanted->column, &options.column, err));
    bal_error why = {0};
    bal_status status =
        bal_split_init(&dataset->split, &options, dataset->table->rows, head ? head->labels : NULL,
                       head ? head->classes.count : 0,
                       head ? (const char *const *)head->classes.names : NULL, log, &why);
    if (status != BAL_OK) return fail_split(dataset, recipe, status, &why, err);
    return shrink_to_sample(dataset, recipe, log, err);
}

/* ---- what is learned from the training rows ---- */

static bal_status fail_weights(const bal_head_data *head, const char *what, const char *name,
                               bal_error *err) {
    return bal_place_fail(err, BAL_ERECIPE, &head->recipe->class_weights.place,
                          "class_weights of head '%s': %s%s%s", head->recipe->name, what,
                          name ? ": " : "", name ? name : "");
}

/** The recipe's explicit weights by class id: given by name or by place; 1 for classes not named.
 */
static bal_status place_weights(const bal_head_data *head, double *ret_given, bal_error *err) {
    const bal_recipe_class_weights *wanted = &head->recipe->class_weights;
    int32_t classes = head->classes.count;
    char what[96];
    if (wanted->n_values > 0 && !wanted->names && wanted->n_values != classes) {
        snprintf(what, sizeof what, "%d values for %d classes", (int)wanted->n_values,
                 (int)classes);
        return fail_weights(head, what, NULL, err);
    }
    for (int32_t i = 0; i < classes; i++)
        ret_given[i] = 1;
    for (int32_t i = 0; i < wanted->n_values; i++) {
        int32_t id = wanted->names ? bal_class_list_find(&head->classes, wanted->names[i]) : i;
        if (id < 0) return fail_weights(head, "no class is called so", wanted->names[i], err);
        ret_given[id] = wanted->values[i];
    }
    return BAL_OK;
}

static bal_status weigh_classes(bal_head_data *head, bal_error *err) {
    const bal_recipe_class_weights *wanted = &head->recipe->class_weights;
    size_t classes = (size_t)head->classes.count;
    if (strcmp(wanted->kind, "none") == 0) return BAL_OK;
    double *given = bal_calloc(classes, sizeof *given);
    head->class_weights = bal_calloc(classes, sizeof *head->class_weights);
    bal_status status = given && head->class_weights
                            ? place_weights(head, given, err)
                            : bal_fail_memory(err, classes * sizeof *given);
    if (status == BAL_OK) {
        const bal_class_weight_options options = {
            .beta = wanted->beta,
            .weights = given,
            .multiplier = wanted->multiplier,
            .class_names = (const char *const *)head->classes.names,
        };
        status =
            bal_class_weights_compute(bal_class_weighting_find(wanted->kind), head->train_counts,
                                      head->classes.count, &options, head->class_weights, err);
    }
    bal_free(given);
    return status;
}

/** Value heads: the mean of every output's known targets. */
static bal_status fit_means(bal_head_data *head, const int64_t *train, int64_t n_train,
                            bal_error *err) {
    for (int32_t k = 0; k < head->outputs; k++) {
        double sum = 0;
        for (int64_t i = 0; i < n_train; i++) {
            double target = head->targets[train[i] * head->outputs + k];
            if (isnan(target)) continue;
            sum += target;
            head->train_counts[k]++;
        }
        if (head->train_counts[k] == 0)
            return bal_fail(err, BAL_EDATA, "head '%s': no training row has a value to learn from",
                            head->recipe->name);
        head->prior[k] = sum / (double)head->train_counts[k];
    }
    return BAL_OK;
}

static bal_status fit_frequencies(bal_head_data *head, const int64_t *train, int64_t n_train,
                                  bal_error *err) {
    int32_t classes = head->classes.count;
    int64_t labelled = 0, present = 0;
    bal_class_counts(head->labels, train, n_train, classes, head->train_counts);
    for (int32_t c = 0; c < classes; c++) {
        labelled += head->train_counts[c];
        present += head->train_counts[c] > 0;
    }
    if (present < 2)
        return bal_fail(err, BAL_EDATA,
                        "head '%s': the training rows hold %s; at least two classes are needed to "
                        "learn to tell them apart",
                        head->recipe->name, present ? "one class only" : "no label at all");
    for (int32_t c = 0; c < classes; c++)
        head->prior[c] = (double)head->train_counts[c] / (double)labelled;
    return weigh_classes(head, err);
}

static bal_status fit_prior(bal_head_data *head, const bal_split *split, bal_error *err) {
    const int64_t *train = split->rows[BAL_SPLIT_TRAIN];
    int64_t n_train = split->count[BAL_SPLIT_TRAIN];
    size_t width = (size_t)(head->labels ? head->classes.count : head->outputs);
    head->prior = bal_calloc(width, sizeof *head->prior);
    head->train_counts = bal_calloc(width, sizeof *head->train_counts);
    if (!head->prior || !head->train_counts)
        return bal_fail_memory(err, width * sizeof *head->prior);
    return head->labels ? fit_frequencies(head, train, n_train, err)
                        : fit_means(head, train, n_train, err);
}

static bal_status scale_features(bal_dataset *dataset, const bal_recipe *recipe,
                                 const bal_log_sink *log, bal_error *err) {
    bal_table *table = dataset->table;
    BAL_TRY(bal_scaler_fit(&dataset->scaler, recipe->data.scale, table->x, table->features,
                           dataset->split.rows[BAL_SPLIT_TRAIN],
                           dataset->split.count[BAL_SPLIT_TRAIN],
                           (const char *const *)table->feature_names, err));
    if (dataset->scaler.constant > 0)
        bal_log_printf(log, BAL_LOG_INFO, "%d of %d features are constant in the training rows",
                       (int)dataset->scaler.constant, (int)table->features);
    bal_scaler_apply(&dataset->scaler, table->x, table->rows);
    return BAL_OK;
}

static uint64_t digest_head(const bal_head_data *head, int64_t rows, uint64_t digest) {
    size_t n = (size_t)rows;
    if (head->labels) digest = bal_digest(head->labels, n * sizeof *head->labels, digest);
    if (head->targets)
        digest =
            bal_digest(head->targets, n * (size_t)head->outputs * sizeof *head->targets, digest);
    for (int32_t c = 0; c < head->classes.count; c++)
        digest = bal_digest(head->classes.names[c], strlen(head->classes.names[c]), digest);
    return digest;
}

static uint64_t digest_of(const bal_dataset *dataset) {
    const bal_table *table = dataset->table;
    size_t n = (size_t)table->rows * (size_t)table->features;
    uint64_t digest = bal_digest(table->x, n * sizeof *table->x, (uint64_t)table->rows);
    for (int32_t h = 0; h < dataset->n_heads; h++)
        digest = digest_head(&dataset->heads[h], table->rows, digest);
    for (int part = 0; part < BAL_SPLIT_COUNT; part++)
        digest = bal_digest(dataset->split.rows[part],
                            (size_t)dataset->split.count[part] * sizeof(int64_t), digest);
    return digest;
}

static bal_status read_rows(bal_dataset *dataset, const bal_recipe *recipe, const bal_log_sink *log,
                            bal_error *err) {
    BAL_TRY(load_table(recipe, log, &dataset->table, err));
    BAL_TRY(drop_rows(recipe, dataset->table, log, err));
    dataset->heads = bal_calloc((size_t)recipe->n_heads, sizeof *dataset->heads);
    if (!dataset->heads) return bal_fail_memory(err, sizeof *dataset->heads);
    dataset->n_heads = recipe->n_heads;
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        int64_t unknown = 0;
        dataset->heads[h].recipe = &recipe->heads[h];
        BAL_TRY(encode_head(&dataset->heads[h], recipe, dataset->table, &unknown, err));
        tell_unlabelled(&dataset->heads[h], dataset->table->rows, unknown, log);
        dataset->unknown_labels += unknown;
    }
    if (dataset->unknown_labels > 0)
        bal_log_printf(log, BAL_LOG_WARN, "%lld rows have a label that is not in the class list",
                       (long long)dataset->unknown_labels);
    return split_rows(dataset, recipe, log, err);
}

bal_status bal_dataset_tell_duplicates(const bal_dataset *dataset, const bal_log_sink *log,
                                       bal_error *err) {
    const bal_table *table = dataset->table;
    const int64_t *count = dataset->split.count;
    bal_duplicates found;
    char row[512], twin[512];
    BAL_TRY(bal_duplicates_find(table->x, table->features, &dataset->split, &found, err));
    if (found.row < 0) return BAL_OK;
    bal_log_printf(log, BAL_LOG_WARN,
                   "%lld of %lld val rows and %lld of %lld test rows have all features of a "
                   "training row; %s is like %s",
                   (long long)found.rows[BAL_SPLIT_VAL], (long long)count[BAL_SPLIT_VAL],
                   (long long)found.rows[BAL_SPLIT_TEST], (long long)count[BAL_SPLIT_TEST],
                   bal_table_place(table, found.row, row, sizeof row),
                   bal_table_place(table, found.twin, twin, sizeof twin));
    return BAL_OK;
}

static bal_status learn(bal_dataset *dataset, const bal_recipe *recipe, const bal_log_sink *log,
                        bal_error *err) {
    for (int32_t h = 0; h < dataset->n_heads; h++)
        BAL_TRY(fit_prior(&dataset->heads[h], &dataset->split, err));
    BAL_TRY(scale_features(dataset, recipe, log, err));
    dataset->digest = digest_of(dataset);
    return BAL_OK;
}

static bal_status make(const bal_recipe *recipe, bool learning, const bal_log_sink *log,
                       bal_dataset **ret_dataset, bal_error *err) {
    bal_dataset *dataset = bal_calloc(1, sizeof *dataset);
    if (!dataset) return bal_fail_memory(err, sizeof *dataset);
    bal_status status = read_rows(dataset, recipe, log, err);
    if (status == BAL_OK && learning) status = learn(dataset, recipe, log, err);
    if (status != BAL_OK) {
        bal_dataset_free(dataset);
        return status;
    }
    *ret_dataset = dataset;
    return BAL_OK;
}

bal_status bal_dataset_new(const bal_recipe *recipe, const bal_log_sink *log,
                           bal_dataset **ret_dataset, bal_error *err) {
    return make(recipe, true, log, ret_dataset, err);
}

bal_status bal_dataset_read(const bal_recipe *recipe, const bal_log_sink *log,
                            bal_dataset **ret_dataset, bal_error *err) {
    return make(recipe, false, log, ret_dataset, err);
}

bal_status bal_dataset_use(bal_dataset *dataset, const bal_recipe *recipe, bal_error *err) {
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        bal_head_data *head = &dataset->heads[h];
        head->recipe = &recipe->heads[h];
        bal_free(head->class_weights);
        head->class_weights = NULL;
        if (head->labels) BAL_TRY(weigh_classes(head, err));
    }
    return BAL_OK;
}

void bal_dataset_free(bal_dataset *dataset) {
    if (!dataset) return;
    for (int32_t h = 0; dataset->heads && h < dataset->n_heads; h++) {
        bal_head_data *head = &dataset->heads[h];
        bal_class_list_release(&head->classes);
        bal_free(head->labels);
        bal_free(head->targets);
        bal_free(head->train_counts);
        bal_free(head->prior);
        bal_free(head->class_weights);
    }
    bal_free(dataset->heads);
    bal_scaler_release(&dataset->scaler);
    bal_split_release(&dataset->split);
    bal_table_free(dataset->table);
    bal_free(dataset);
}
