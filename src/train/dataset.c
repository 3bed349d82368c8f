/* From a recipe's data section to arrays ready for batching. The order matters: classes are
 * collected from all rows (so that a class missing from the training rows is still known by name),
 * rows are split, and only then is anything learned, from the training rows alone. */
#include "train/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/class_weights.h"
#include "train/digest.h"

const char *bal_head_target(const bal_recipe *recipe, const bal_recipe_head *head) {
    return head->target[0] ? head->target : recipe->data.target;
}

void bal_dataset_table_options(const bal_recipe *recipe, const char **ret_columns,
                               bal_table_options *ret_options) {
    const bal_recipe_data *data = &recipe->data;
    int32_t n_columns = 0;
    for (int32_t h = 0; h < recipe->n_heads; h++) {
        const char *target = bal_head_target(recipe, &recipe->heads[h]);
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

/** Leave out the rows whose label is in drop_classes. */
static bal_status drop_rows(const bal_recipe *recipe, bal_table *table, const bal_log_sink *log,
                            bal_error *err) {
    const bal_recipe_data *data = &recipe->data;
    if (data->n_drop_classes == 0) return BAL_OK;
    const char *target = bal_head_target(recipe, &recipe->heads[0]);
    const bal_column *column = bal_table_column(table, target);
    int64_t *kept = bal_calloc((size_t)table->rows, sizeof *kept);
    if (!kept) return bal_fail_memory(err, (size_t)table->rows * sizeof *kept);
    int64_t n_kept = 0;
    for (int64_t row = 0; row < table->rows; row++) {
        char number[32];
        const char *label = column->is_text ? column->text[row] : number;
        if (!column->is_text) bal_text_format_double(column->number[row], number);
        bool drop = false;
        for (int32_t i = 0; label && i < data->n_drop_classes; i++)
            if (strcmp(label, data->drop_classes[i]) == 0) drop = true;
        if (!drop) kept[n_kept++] = row;
    }
    bal_log_printf(log, BAL_LOG_INFO, "left out %lld rows of dropped classes",
                   (long long)(table->rows - n_kept));
    bal_status status = bal_table_select(table, kept, n_kept, err);
    bal_free(kept);
    return status;
}

static bal_status need_column(const bal_table *table, const char *name,
                              const bal_column **ret_column, bal_error *err) {
    *ret_column = bal_table_column(table, name);
    if (*ret_column) return BAL_OK;
    return bal_fail(err, BAL_EDATA, "%s: no column or array called '%s'", table->source, name);
}

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

static bal_status encode_values(bal_head_data *head, const bal_column *column, int64_t rows,
                                bal_error *err) {
    if (column->is_text)
        return bal_fail(err, BAL_EDATA, "head '%s' wants numbers but column '%s' holds text",
                        head->recipe->name, column->name);
    head->outputs = 1;
    head->targets = bal_calloc((size_t)rows, sizeof *head->targets);
    if (!head->targets) return bal_fail_memory(err, (size_t)rows * sizeof *head->targets);
    for (int64_t row = 0; row < rows; row++)
        head->targets[row] = (float)column->number[row];
    return BAL_OK;
}

static bal_status encode_head(bal_head_data *head, const bal_recipe *recipe, const bal_table *table,
                              int64_t *unknown, bal_error *err) {
    const bal_column *column;
    BAL_TRY(need_column(table, bal_head_target(recipe, head->recipe), &column, err));
    if (head->recipe->kind == BAL_HEAD_VALUE) return encode_values(head, column, table->rows, err);
    return encode_labels(head, recipe, column, table->rows, unknown, err);
}

/** The head whose labels stratify the split: the first with classes. */
static const bal_head_data *stratifying_head(const bal_dataset *dataset) {
    for (int32_t h = 0; h < dataset->n_heads; h++)
        if (dataset->heads[h].labels) return &dataset->heads[h];
    return NULL;
}

static bal_status shrink_to_sample(bal_dataset *dataset, const bal_recipe *recipe,
                                   const bal_log_sink *log, bal_error *err) {
    int64_t wanted = recipe->data.dev_samples, total = dataset->table->rows;
    if (wanted <= 0 || wanted >= total) return BAL_OK;
    const bal_head_data *head = stratifying_head(dataset);
    for (int part = 0; part < BAL_SPLIT_COUNT; part++) {
        int64_t have = dataset->split.count[part], kept = 0;
        int64_t share = (have * wanted + total - 1) / total;
        if (have == 0) continue;
        int64_t *rows = bal_calloc((size_t)have, sizeof *rows);
        if (!rows) return bal_fail_memory(err, (size_t)have * sizeof *rows);
        bal_status status = bal_split_subset(
            dataset->split.rows[part], have, head ? head->labels : NULL,
            head ? head->classes.count : 0, share, (uint64_t)recipe->seed, rows, &kept, err);
        if (status != BAL_OK) {
            bal_free(rows);
            return status;
        }
        bal_free(dataset->split.rows[part]);
        dataset->split.rows[part] = rows;
        dataset->split.count[part] = kept;
    }
    bal_log_printf(log, BAL_LOG_INFO, "development mode: %lld of %lld rows", (long long)wanted,
                   (long long)total);
    return BAL_OK;
}

static bal_status split_rows(bal_dataset *dataset, const bal_recipe *recipe,
                             const bal_log_sink *log, bal_error *err) {
    const bal_recipe_split *wanted = &recipe->data.split;
    const bal_head_data *head = stratifying_head(dataset);
    bal_split_options options = {
        .kind = wanted->kind,
        .fraction = {wanted->train, wanted->val, wanted->test},
        .seed = (uint64_t)recipe->seed,
    };
    if (wanted->column[0])
        BAL_TRY(need_column(dataset->table, wanted->column, &options.column, err));
    BAL_TRY(bal_split_init(&dataset->split, &options, dataset->table->rows,
                           head ? head->labels : NULL, head ? head->classes.count : 0,
                           head ? (const char *const *)head->classes.names : NULL, log, err));
    return shrink_to_sample(dataset, recipe, log, err);
}

/** Class weights by class id; explicit ones may be given by name. */
static bal_status weigh_classes(bal_head_data *head, bal_error *err) {
    const bal_recipe_class_weights *wanted = &head->recipe->class_weights;
    int32_t classes = head->classes.count;
    if (strcmp(wanted->kind, "none") == 0) return BAL_OK;
    double *given = bal_calloc((size_t)classes, sizeof *given);
    head->class_weights = bal_calloc((size_t)classes, sizeof *head->class_weights);
    bal_status status = BAL_OK;
    if (!given || !head->class_weights) {
        status = bal_fail_memory(err, (size_t)classes * sizeof *given);
        goto out;
    }
    if (wanted->n_values > 0 && !wanted->names && wanted->n_values != classes) {
        status = bal_fail(err, BAL_ERECIPE,
                          "%s:%d:%d: class_weights lists %d values but head '%s' has %d classes",
                          wanted->place.file, wanted->place.line, wanted->place.column,
                          (int)wanted->n_values, head->recipe->name, (int)classes);
        goto out;
    }
    for (int32_t i = 0; i < classes; i++)
        given[i] = 1;
    for (int32_t i = 0; i < wanted->n_values; i++) {
        int32_t id = wanted->names ? bal_class_list_find(&head->classes, wanted->names[i]) : i;
        if (id < 0) {
            status = bal_fail(err, BAL_ERECIPE,
                              "%s:%d:%d: class_weights names '%s', which is not a "
                              "class of head '%s'",
                              wanted->place.file, wanted->place.line, wanted->place.column,
                              wanted->names[i], head->recipe->name);
            goto out;
        }
        given[id] = wanted->values[i];
    }
    bal_class_weight_options options = {
        .beta = wanted->beta,
        .weights = given,
        .multiplier = wanted->multiplier,
        .class_names = (const char *const *)head->classes.names,
    };
    status = bal_class_weights_compute(bal_class_weighting_find(wanted->kind), head->train_counts,
                                       classes, &options, head->class_weights, err);
out:
    bal_free(given);
    return status;
}

static bal_status fit_prior(bal_head_data *head, const bal_split *split, bal_error *err) {
    const int64_t *train = split->rows[BAL_SPLIT_TRAIN];
    int64_t n_train = split->count[BAL_SPLIT_TRAIN];
    int32_t width = head->labels ? head->classes.count : head->outputs;
    head->prior = bal_calloc((size_t)width, sizeof *head->prior);
    head->train_counts = bal_calloc((size_t)width, sizeof *head->train_counts);
    if (!head->prior || !head->train_counts)
        return bal_fail_memory(err, (size_t)width * sizeof *head->prior);
    if (!head->labels) {
        for (int32_t k = 0; k < width; k++) {
            double sum = 0;
            for (int64_t i = 0; i < n_train; i++) {
                double target = head->targets[train[i] * width + k];
                if (isnan(target)) continue;
                sum += target;
                head->train_counts[k]++;
            }
            head->prior[k] = head->train_counts[k] ? sum / (double)head->train_counts[k] : 0;
        }
        return BAL_OK;
    }
    bal_class_counts(head->labels, train, n_train, width, head->train_counts);
    int64_t labelled = 0, present = 0;
    for (int32_t c = 0; c < width; c++) {
        labelled += head->train_counts[c];
        present += head->train_counts[c] > 0;
    }
    if (present < 2)
        return bal_fail(err, BAL_EDATA,
                        "head '%s': the training rows hold %s; at least two classes are needed to "
                        "learn to tell them apart",
                        head->recipe->name, present ? "one class only" : "no label at all");
    for (int32_t c = 0; c < width; c++)
        head->prior[c] = (double)head->train_counts[c] / (double)labelled;
    return weigh_classes(head, err);
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
        dataset->heads[h].recipe = &recipe->heads[h];
        BAL_TRY(
            encode_head(&dataset->heads[h], recipe, dataset->table, &dataset->unknown_labels, err));
    }
    if (dataset->unknown_labels > 0)
        bal_log_printf(log, BAL_LOG_WARN, "%lld rows have a label that is not in the class list",
                       (long long)dataset->unknown_labels);
    return split_rows(dataset, recipe, log, err);
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
