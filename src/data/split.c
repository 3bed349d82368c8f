/* Splits. All of them are pure functions of rows, labels, options and seed. See data/split.h. */
#include "data/split.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"

static const uint64_t split_stream = 0x73706c6974u; /* "split" */

const char *bal_split_name(bal_split_part part) {
    static const char *const names[BAL_SPLIT_COUNT] = {"train", "val", "test"};
    return part >= 0 && part < BAL_SPLIT_COUNT ? names[part] : "unknown";
}

/** Which part each row goes to; −1: none. */
typedef signed char assignment;

/** n rows by fractions, largest remainder first, so that the parts sum to round(n · Σ fractions). Ties go to
 *  the earlier part: train before val before test. */
static void apportion(const double *fraction, int64_t n, int64_t ret_count[BAL_SPLIT_COUNT]) {
    double sum = 0, rest[BAL_SPLIT_COUNT];
    int64_t given = 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        double share = fraction[p] * (double)n;
        ret_count[p] = (int64_t)floor(share + 1e-9);
        rest[p] = share - (double)ret_count[p];
        sum += share;
        given += ret_count[p];
    }
    for (int64_t left = (int64_t)llround(sum) - given; left > 0; left--) {
        int most = 0;
        for (int p = 1; p < BAL_SPLIT_COUNT; p++)
            if (rest[p] > rest[most] + 1e-9) most = p;
        ret_count[most]++;
        rest[most] -= 1;
    }
}

static void assign_counts(const int64_t *rows, const int64_t count[BAL_SPLIT_COUNT],
                          assignment *parts) {
    int64_t at = 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++)
        for (int64_t i = 0; i < count[p]; i++)
            parts[rows[at++]] = (assignment)p;
}

static void shuffle(int64_t *rows, int64_t n, bal_random *random) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)bal_random_below(random, (uint64_t)i + 1);
        int64_t kept = rows[i];
        rows[i] = rows[j];
        rows[j] = kept;
    }
}

/* ---- stratified ---- */

/** Rows sorted by label, each class's rows ascending; start[c] .. start[c+1]. Class C: unlabelled. */
static bal_status group_by_label(const int32_t *labels, int64_t rows, int32_t classes,
                                 int64_t **ret_rows, int64_t **ret_start, bal_error *err) {
    int64_t *sorted = bal_calloc((size_t)rows, sizeof *sorted);
    int64_t *start = bal_calloc((size_t)classes + 3, sizeof *start);
    if (!sorted || !start) {
        bal_free(sorted);
        bal_free(start);
        return bal_fail_memory(err, (size_t)rows * sizeof *sorted);
    }
    for (int64_t row = 0; row < rows; row++)
        start[(labels[row] < 0 ? classes : labels[row]) + 2]++;
    for (int32_t c = 0; c <= classes; c++)
        start[c + 2] += start[c + 1];
    for (int64_t row = 0; row < rows; row++)
        sorted[start[(labels[row] < 0 ? classes : labels[row]) + 1]++] = row;
    *ret_rows = sorted;
    *ret_start = start;
    return BAL_OK;
}

/** Counts of one class. A class with fewer rows than parts wanted fills train, then val, then test. */
static bool apportion_class(const double *fraction, int64_t n, int64_t ret_count[BAL_SPLIT_COUNT]) {
    int wanted = 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++)
        wanted += fraction[p] > 0;
    apportion(fraction, n, ret_count);
    bool short_of = false;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++)
        if (fraction[p] > 0 && ret_count[p] == 0) short_of = true;
    if (!short_of) return false;
    if (n >= wanted) { /* enough for one each: take it from the largest */
        for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
            if (fraction[p] <= 0 || ret_count[p] > 0) continue;
            int largest = 0;
            for (int q = 1; q < BAL_SPLIT_COUNT; q++)
                if (ret_count[q] > ret_count[largest]) largest = q;
            if (ret_count[largest] > 1) ret_count[largest]--;
            ret_count[p]++;
        }
        int64_t sum = 0;
        for (int p = 0; p < BAL_SPLIT_COUNT; p++)
            sum += ret_count[p];
        if (sum <= n) return false;
    }
    memset(ret_count, 0, BAL_SPLIT_COUNT * sizeof *ret_count);
    for (int p = 0; p < BAL_SPLIT_COUNT && n > 0; p++)
        if (fraction[p] > 0) {
            ret_count[p] = 1;
            n--;
        }
    return true;
}

static void log_small_classes(const bal_log_sink *log, bal_text *small) {
    if (small->length > 0)
        bal_log_printf(log, BAL_LOG_WARN, "too few rows for every split, kept in train first: %s",
                       small->data);
    bal_text_release(small);
}

static bal_status split_stratified(const bal_split_options *options, int64_t rows,
                                   const int32_t *labels, int32_t classes,
                                   const char *const *class_names, const bal_log_sink *log,
                                   assignment *parts, bal_error *err) {
    int64_t *sorted = NULL, *start = NULL;
    bal_text small = {0};
    bal_random random;
    bal_random_init(&random, options->seed, split_stream);
    BAL_TRY(group_by_label(labels, rows, classes, &sorted, &start, err));
    /* Rounding errors of many classes add up; carrying them on keeps the totals at the fractions. */
    double carry[BAL_SPLIT_COUNT] = {0};
    for (int32_t c = 0; c <= classes; c++) {
        int64_t n = start[c + 1] - start[c], count[BAL_SPLIT_COUNT];
        double fraction[BAL_SPLIT_COUNT];
        if (n == 0) continue;
        shuffle(sorted + start[c], n, &random);
        for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
            fraction[p] = options->fraction[p] + carry[p] / (double)n;
            if (options->fraction[p] <= 0 || fraction[p] < 0) fraction[p] = 0;
        }
        if (n < 2 * BAL_SPLIT_COUNT) memcpy(fraction, options->fraction, sizeof fraction);
        bool too_small = apportion_class(fraction, n, count);
        for (int p = 0; p < BAL_SPLIT_COUNT; p++)
            carry[p] += options->fraction[p] * (double)n - (double)count[p];
        if (too_small && c < classes)
            bal_text_printf(&small, "%s%s (%lld)", small.length ? ", " : "",
                            class_names ? class_names[c] : "?", (long long)n);
        assign_counts(sorted + start[c], count, parts);
    }
    bal_free(sorted);
    bal_free(start);
    log_small_classes(log, &small);
    return BAL_OK;
}

/* ---- random, sequential ---- */

static bal_status split_in_order(const bal_split_options *options, int64_t rows, bool shuffled,
                                 assignment *parts, bal_error *err) {
    int64_t *order = bal_calloc((size_t)rows, sizeof *order);
    int64_t count[BAL_SPLIT_COUNT];
    if (!order) return bal_fail_memory(err, (size_t)rows * sizeof *order);
    for (int64_t i = 0; i < rows; i++)
        order[i] = i;
    if (shuffled) {
        bal_random random;
        bal_random_init(&random, options->seed, split_stream);
        shuffle(order, rows, &random);
    }
    apportion(options->fraction, rows, count);
    assign_counts(order, count, parts);
    bal_free(order);
    return BAL_OK;
}

/* ---- group, time: rows sorted by a key ---- */

typedef struct keyed_row {
    const char *text;
    double number;
    int64_t row;
} keyed_row;

static int compare_keys(const void *a, const void *b) {
    const keyed_row *x = a, *y = b;
    int order = x->text && y->text ? strcmp(x->text, y->text)
                                   : (x->number > y->number) - (x->number < y->number);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static bool same_key(const keyed_row *a, const keyed_row *b) {
    return a->text ? strcmp(a->text, b->text) == 0 : a->number == b->number;
}

static bal_status sort_by_column(const bal_column *column, int64_t rows, keyed_row **ret_sorted,
                                 bal_error *err) {
    keyed_row *sorted = bal_calloc((size_t)rows, sizeof *sorted);
    if (!sorted) return bal_fail_memory(err, (size_t)rows * sizeof *sorted);
    for (int64_t row = 0; row < rows; row++) {
        sorted[row] = (keyed_row){column->is_text ? column->text[row] : NULL,
                                  column->is_text ? 0 : column->number[row], row};
        if (column->is_text ? !column->text[row] : isnan(column->number[row])) {
            bal_free(sorted);
            return bal_fail(err, BAL_EDATA, "column '%s', row %lld: no value to split by",
                            column->name, (long long)row + 1);
        }
    }
    qsort(sorted, (size_t)rows, sizeof *sorted, compare_keys);
    *ret_sorted = sorted;
    return BAL_OK;
}

/** Cut the sorted rows in order. Rows with equal times go where the first of them goes. */
static bal_status split_time(const bal_split_options *options, int64_t rows, assignment *parts,
                             bal_error *err) {
    keyed_row *sorted;
    int64_t count[BAL_SPLIT_COUNT], at = 0;
    BAL_TRY(sort_by_column(options->column, rows, &sorted, err));
    apportion(options->fraction, rows, count);
    int64_t end = 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        end += count[p];
        while (at < rows && (at < end || (at > 0 && count[p] > 0 &&
                                          same_key(&sorted[at], &sorted[at - 1]))))
            parts[sorted[at++].row] = (assignment)p;
    }
    bal_free(sorted);
    return BAL_OK;
}

typedef struct row_group {
    int64_t start, size;
    uint32_t ticket; /* random order among equals */
} row_group;

static int larger_group_first(const void *a, const void *b) {
    const row_group *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return (x->ticket > y->ticket) - (x->ticket < y->ticket);
}

/** The part that is furthest below its share takes the next group, the largest groups first. */
static bal_status split_groups(const bal_split_options *options, int64_t rows, assignment *parts,
                               bal_error *err) {
    keyed_row *sorted;
    BAL_TRY(sort_by_column(options->column, rows, &sorted, err));
    row_group *groups = bal_calloc((size_t)rows, sizeof *groups);
    if (!groups) {
        bal_free(sorted);
        return bal_fail_memory(err, (size_t)rows * sizeof *groups);
    }
    bal_random random;
    bal_random_init(&random, options->seed, split_stream);
    int64_t n_groups = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (i == 0 || !same_key(&sorted[i], &sorted[i - 1]))
            groups[n_groups++] = (row_group){i, 0, bal_random_u32(&random)};
        groups[n_groups - 1].size++;
    }
    qsort(groups, (size_t)n_groups, sizeof *groups, larger_group_first);
    double have[BAL_SPLIT_COUNT] = {0};
    for (int64_t g = 0; g < n_groups; g++) {
        int neediest = 0;
        double need_most = -INFINITY;
        for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
            double need = options->fraction[p] * (double)rows - have[p];
            if (options->fraction[p] > 0 && need > need_most) {
                need_most = need;
                neediest = p;
            }
        }
        if (need_most <= 0) continue; /* fractions below 1: the rest is left out */
        have[neediest] += (double)groups[g].size;
        for (int64_t i = 0; i < groups[g].size; i++)
            parts[sorted[groups[g].start + i].row] = (assignment)neediest;
    }
    bal_free(groups);
    bal_free(sorted);
    return BAL_OK;
}

/* ---- all ---- */

static bal_status collect(bal_split *split, const bal_split_options *options,
                          const assignment *parts, int64_t rows, bal_error *err) {
    for (int64_t row = 0; row < rows; row++)
        if (parts[row] >= 0) split->count[parts[row]]++;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        if (split->count[p] == 0 && (p == BAL_SPLIT_TRAIN || rows >= 10) && options->fraction[p] > 0)
            return bal_fail(err, BAL_EDATA, "%lld rows split %s leave none for %s; change data.split",
                            (long long)rows, options->kind, bal_split_name((bal_split_part)p));
        split->rows[p] = bal_calloc((size_t)split->count[p], sizeof **split->rows);
        if (!split->rows[p]) return bal_fail_memory(err, (size_t)split->count[p] * 8);
        split->count[p] = 0;
    }
    for (int64_t row = 0; row < rows; row++)
        if (parts[row] >= 0) split->rows[parts[row]][split->count[parts[row]]++] = row;
    return BAL_OK;
}

bal_status bal_split_init(bal_split *split, const bal_split_options *options, int64_t rows,
                          const int32_t *labels, int32_t classes, const char *const *class_names,
                          const bal_log_sink *log, bal_error *err) {
    if (rows < 1) return bal_fail(err, BAL_EDATA, "no rows to split");
    assignment *parts = bal_calloc((size_t)rows, sizeof *parts);
    if (!parts) return bal_fail_memory(err, (size_t)rows);
    memset(parts, -1, (size_t)rows);
    bal_split made = {0};
    const char *kind = options->kind;
    bal_status status;
    if (strcmp(kind, "stratified") == 0 && labels)
        status = split_stratified(options, rows, labels, classes, class_names, log, parts, err);
    else if (strcmp(kind, "sequential") == 0)
        status = split_in_order(options, rows, false, parts, err);
    else if (strcmp(kind, "group") == 0)
        status = split_groups(options, rows, parts, err);
    else if (strcmp(kind, "time") == 0)
        status = split_time(options, rows, parts, err);
    else {
        if (strcmp(kind, "random") != 0)
            bal_log_printf(log, BAL_LOG_INFO, "no classes to stratify by: rows are split at random");
        status = split_in_order(options, rows, true, parts, err);
    }
    if (status == BAL_OK) status = collect(&made, options, parts, rows, err);
    bal_free(parts);
    if (status == BAL_OK)
        *split = made;
    else
        bal_split_release(&made);
    return status;
}

void bal_split_release(bal_split *split) {
    for (int p = 0; p < BAL_SPLIT_COUNT; p++)
        bal_free(split->rows[p]);
    *split = (bal_split){0};
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

bal_status bal_split_subset(const int64_t *rows, int64_t n_rows, const int32_t *labels,
                            int32_t classes, int64_t wanted, uint64_t seed, int64_t *ret_rows,
                            int64_t *ret_count, bal_error *err) {
    int32_t *own = bal_calloc((size_t)n_rows, sizeof *own);
    if (!own) return bal_fail_memory(err, (size_t)n_rows * sizeof *own);
    for (int64_t i = 0; i < n_rows; i++)
        own[i] = labels ? labels[rows[i]] : 0;
    bal_split_options options = {
        .kind = labels ? "stratified" : "random",
        .fraction = {(double)(wanted < n_rows ? wanted : n_rows) / (double)n_rows},
        .seed = seed,
    };
    bal_split split = {0};
    bal_log_sink silent = {0};
    bal_status status = bal_split_init(&split, &options, n_rows, labels ? own : NULL, classes, NULL,
                                       &silent, err);
    bal_free(own);
    if (status != BAL_OK) return status;
    *ret_count = split.count[BAL_SPLIT_TRAIN];
    for (int64_t i = 0; i < *ret_count; i++)
        ret_rows[i] = rows[split.rows[BAL_SPLIT_TRAIN][i]];
    qsort(ret_rows, (size_t)*ret_count, sizeof *ret_rows, ascending);
    bal_split_release(&split);
    return BAL_OK;
}
