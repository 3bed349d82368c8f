/* Splits of every kind; how many rows of each class go where is in data/strata.c. See data/split.h.
 */
#include "data/split.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "data/order_key.h"
#include "data/strata.h"

static const uint64_t split_stream = 0x73706c6974u; /* "split" */

const char *bal_split_name(bal_split_part part) {
    static const char *const names[BAL_SPLIT_COUNT] = {"train", "val", "test"};
    return part >= 0 && part < BAL_SPLIT_COUNT ? names[part] : "unknown";
}

/** Which part each row goes to; −1: none. */
typedef signed char assignment;

/** What all kinds work from. */
typedef struct split_task {
    const bal_split_options *options;
    int64_t rows;
    const int32_t *labels;
    int32_t classes;
    const char *const *class_names;
    const bal_log_sink *log;
    assignment *part; /* [rows] */
} split_task;

static void assign_counts(const int64_t *rows, const int64_t count[BAL_SPLIT_COUNT],
                          assignment *part) {
    int64_t at = 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++)
        for (int64_t i = 0; i < count[p]; i++)
            part[rows[at++]] = (assignment)p;
}

static void shuffle(int64_t *rows, int64_t n, bal_random *random) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)bal_random_below(random, (uint64_t)i + 1);
        int64_t kept = rows[i];
        rows[i] = rows[j];
        rows[j] = kept;
    }
}

/* ---- in order, with gaps ---- */

/** What is left for the parts when the gaps between them are taken off. */
static bal_status share_out(const split_task *task, int64_t ret_count[BAL_SPLIT_COUNT],
                            bal_error *err) {
    const bal_split_options *options = task->options;
    int64_t gaps = -1, left;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++)
        gaps += options->fraction[p] > 0;
    if (!bal_i64_mul(gaps, options->embargo, &left) || (left = task->rows - left) < 1)
        return bal_fail(err, BAL_EDATA,
                        "%" PRId64 " rows between each part and the next (data.split.embargo) "
                        "leave none of %" PRId64 " for the parts",
                        options->embargo, task->rows);
    bal_apportion(options->fraction, left, ret_count);
    return BAL_OK;
}

/* ---- random, sequential ---- */

/** Rows in order, cut with a gap after each part that there is. */
static bal_status cut_in_order(split_task *task, bal_error *err) {
    int64_t count[BAL_SPLIT_COUNT], at = 0;
    BAL_TRY(share_out(task, count, err));
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        for (int64_t i = 0; i < count[p]; i++)
            task->part[at++] = (assignment)p;
        if (task->options->fraction[p] > 0) at += task->options->embargo;
    }
    return BAL_OK;
}

static bal_status cut_at_random(split_task *task, bal_error *err) {
    size_t rows = (size_t)task->rows;
    int64_t *order = bal_calloc(rows, sizeof *order);
    int64_t count[BAL_SPLIT_COUNT];
    if (!order) return bal_fail_memory(err, rows * sizeof *order);
    for (int64_t i = 0; i < task->rows; i++)
        order[i] = i;
    bal_random random;
    bal_random_init(&random, task->options->seed, split_stream);
    shuffle(order, task->rows, &random);
    bal_apportion(task->options->fraction, task->rows, count);
    assign_counts(order, count, task->part);
    bal_free(order);
    return BAL_OK;
}

static bal_status split_random(split_task *task, bal_error *err) {
    return cut_at_random(task, err);
}

static bal_status split_sequential(split_task *task, bal_error *err) {
    return cut_in_order(task, err);
}

/* ---- stratified ---- */

/** Name the classes that could not be in every part; the log is cut to a few. */
static void log_small_classes(const split_task *task, const bal_strata *strata) {
    enum { NAMED = 12 };
    char list[800] = "";
    int length = 0, small = 0;
    for (int32_t c = 0; c < task->classes; c++) {
        int64_t n = bal_strata_size(strata, c);
        if (n == 0 || !bal_strata_too_small(task->options->fraction, n)) continue;
        if (small++ >= NAMED) continue;
        char number[32];
        snprintf(number, sizeof number, "class %d", (int)c);
        length +=
            snprintf(list + length, sizeof list - (size_t)length, "%s%.40s (%" PRId64 ")",
                     small > 1 ? ", " : "", task->class_names ? task->class_names[c] : number, n);
    }
    if (small == 0) return;
    if (small > NAMED)
        snprintf(list + length, sizeof list - (size_t)length, " and %d more", small - NAMED);
    bal_log_printf(task->log, BAL_LOG_WARN,
                   "too few rows to be in every part of the split, kept in train first: %s", list);
}

static bal_status split_stratified(split_task *task, bal_error *err) {
    if (!task->labels) {
        bal_log_printf(task->log, BAL_LOG_INFO,
                       "no classes to stratify the split by: rows are split at random");
        return split_random(task, err);
    }
    bal_strata strata;
    BAL_TRY(bal_strata_init(&strata, task->labels, task->rows, task->classes, err));
    int64_t(*count)[BAL_SPLIT_COUNT] = bal_calloc((size_t)task->classes + 1, sizeof *count);
    if (!count) {
        bal_strata_release(&strata);
        return bal_fail_memory(err, ((size_t)task->classes + 1) * sizeof *count);
    }
    bal_strata_apportion(&strata, task->options->fraction, count);
    bal_random random;
    bal_random_init(&random, task->options->seed, split_stream);
    for (int32_t c = 0; c <= task->classes; c++) {
        int64_t *rows = strata.rows + strata.start[c];
        shuffle(rows, bal_strata_size(&strata, c), &random);
        assign_counts(rows, count[c], task->part);
    }
    log_small_classes(task, &strata);
    bal_free(count);
    bal_strata_release(&strata);
    return BAL_OK;
}

/* ---- group, time: rows sorted by a column ---- */

typedef struct keyed_row {
    const char *text; /* NULL: number */
    bal_order_key number;
    int64_t row;
} keyed_row;

static int compare_keys(const void *a, const void *b) {
    const keyed_row *x = a, *y = b;
    int order = x->text ? strcmp(x->text, y->text) : bal_order_key_compare(x->number, y->number);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static bool same_key(const keyed_row *a, const keyed_row *b) {
    return a->text ? strcmp(a->text, b->text) == 0
                   : bal_order_key_compare(a->number, b->number) == 0;
}

static bal_status sort_by_column(const split_task *task, keyed_row **ret_sorted, bal_error *err) {
    const bal_column *column = task->options->column;
    size_t rows = (size_t)task->rows;
    if (!column)
        return bal_fail(err, BAL_ERECIPE, "data.split of kind %s needs a column to split by",
                        task->options->kind);
    keyed_row *sorted = bal_calloc(rows, sizeof *sorted);
    if (!sorted) return bal_fail_memory(err, rows * sizeof *sorted);
    for (int64_t row = 0; row < task->rows; row++) {
        const char *text = column->is_text ? column->text[row] : NULL;
        bal_order_key number = bal_order_key_of(column->is_text ? 0 : column->number[row]);
        if (column->whole) number.whole = column->whole[row];
        sorted[row] = (keyed_row){text, number, row};
        if (column->is_text ? text != NULL : !isnan(number.number)) continue;
        char place[640];
        bal_free(sorted);
        return bal_fail(err, BAL_EDATA, "%s: no value, but rows are split by this column",
                        bal_column_place(column, row, place, sizeof place));
    }
    qsort(sorted, rows, sizeof *sorted, compare_keys);
    *ret_sorted = sorted;
    return BAL_OK;
}

/** Whether two texts have digits where the other has and are else alike, so that digits of equal
 *  weight stand under each other. One may leave out the time of day or the fraction of the second.
 */
static bool same_form(const char *a, const char *b) {
    bool clock = false, fraction = false;
    for (; *a && *b; a++, b++) {
        if (isdigit((unsigned char)*a) ? !isdigit((unsigned char)*b) : *a != *b) return false;
        clock |= *a == ':';
        fraction |= clock && *a == '.';
    }
    char next = *a ? *a : *b;
    return next == '\0' || fraction || strchr(clock ? "." : "T ", next);
}

/** Text is in order of time only as ISO 8601 has it, from the year down, all in one form. With days
 *  that come first ("31.01.2020") the future would train and the past test. */
static bal_status check_times(const split_task *task, bal_error *err) {
    const bal_column *column = task->options->column;
    for (int64_t row = 0; column->is_text && row < task->rows; row++) {
        const char *text = column->text[row];
        if (strspn(text, "0123456789") == 4 && same_form(text, column->text[0])) continue;
        char place[640];
        return bal_fail(err, BAL_EDATA,
                        "%s: rows cannot be put in order of time by '%.40s'; wanted numbers, or "
                        "text in one form that begins with the year, as 2020-01-31",
                        bal_column_place(column, row, place, sizeof place), text);
    }
    return BAL_OK;
}

/** Cut the sorted rows in order; rows of equal times follow the first of them. */
static bal_status split_time(split_task *task, bal_error *err) {
    keyed_row *sorted;
    int64_t count[BAL_SPLIT_COUNT], at = 0, end = 0;
    BAL_TRY(sort_by_column(task, &sorted, err));
    bal_status status = check_times(task, err);
    if (status == BAL_OK) status = share_out(task, count, err);
    for (int p = 0; p < BAL_SPLIT_COUNT && status == BAL_OK; p++) {
        end += count[p];
        int64_t first = at;
        while (at < task->rows &&
               (at < end || (at > first && same_key(&sorted[at], &sorted[at - 1]))))
            task->part[sorted[at++].row] = (assignment)p;
        if (task->options->fraction[p] == 0) continue;
        at += task->options->embargo;
        end += task->options->embargo;
    }
    bal_free(sorted);
    return status;
}

typedef struct row_group {
    int64_t start, size; /* of the sorted rows */
    uint32_t ticket;     /* random order among equals */
} row_group;

static int larger_group_first(const void *a, const void *b) {
    const row_group *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    if (x->ticket != y->ticket) return x->ticket < y->ticket ? -1 : 1;
    return (x->start > y->start) - (x->start < y->start);
}

static int64_t find_groups(const split_task *task, const keyed_row *sorted, row_group *groups) {
    bal_random random;
    bal_random_init(&random, task->options->seed, split_stream);
    int64_t n = 0;
    for (int64_t i = 0; i < task->rows; i++) {
        if (i == 0 || !same_key(&sorted[i], &sorted[i - 1]))
            groups[n++] = (row_group){i, 0, bal_random_u32(&random)};
        groups[n - 1].size++;
    }
    qsort(groups, (size_t)n, sizeof *groups, larger_group_first);
    return n;
}

/** The part that lacks most rows, only empty parts when the groups left are no more than these;
 *  −1: all have enough. */
static int neediest_part(const split_task *task, const int64_t have[BAL_SPLIT_COUNT],
                         int64_t groups_left) {
    const double *fraction = task->options->fraction;
    int64_t empty = 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++)
        empty += fraction[p] > 0 && have[p] == 0;
    int neediest = -1;
    double most = 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        double lack = fraction[p] * (double)task->rows - (double)have[p];
        if (lack <= most || (groups_left <= empty && have[p] > 0)) continue;
        most = lack;
        neediest = p;
    }
    return neediest;
}

static bal_status split_groups(split_task *task, bal_error *err) {
    keyed_row *sorted;
    BAL_TRY(sort_by_column(task, &sorted, err));
    row_group *groups = bal_calloc((size_t)task->rows, sizeof *groups);
    if (!groups) {
        bal_free(sorted);
        return bal_fail_memory(err, (size_t)task->rows * sizeof *groups);
    }
    int64_t n_groups = find_groups(task, sorted, groups), have[BAL_SPLIT_COUNT] = {0};
    for (int64_t g = 0; g < n_groups; g++) {
        int part = neediest_part(task, have, n_groups - g);
        if (part < 0) continue; /* fractions below 1: the rest is left out */
        have[part] += groups[g].size;
        for (int64_t i = 0; i < groups[g].size; i++)
            task->part[sorted[groups[g].start + i].row] = (assignment)part;
    }
    bal_free(groups);
    bal_free(sorted);
    return BAL_OK;
}

/* ---- all ---- */

static const struct {
    const char *kind;
    bal_status (*run)(split_task *task, bal_error *err);
} kinds[] = {
    {"stratified", split_stratified}, {"random", split_random}, {"sequential", split_sequential},
    {"group", split_groups},          {"time", split_time},
};

static bal_status run_kind(split_task *task, bal_error *err) {
    const bal_split_options *options = task->options;
    double sum = 0;
    bool sound = options->fraction[BAL_SPLIT_TRAIN] > 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        sum += options->fraction[p];
        if (!(options->fraction[p] >= 0)) sound = false;
    }
    if (!sound || !(sum <= 1 + 1e-9))
        return bal_fail(err, BAL_ERECIPE,
                        "data.split: train %g, val %g, test %g; wanted: train above 0, none "
                        "negative, at most 1 together",
                        options->fraction[0], options->fraction[1], options->fraction[2]);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].kind, options->kind) == 0) return kinds[i].run(task, err);
    return bal_fail(err, BAL_ERECIPE,
                    "data.split.kind '%s' is none of stratified, random, sequential, group, time",
                    options->kind);
}

/** From assignments to lists of rows. */
static bal_status collect(bal_split *split, const split_task *task, bal_error *err) {
    for (int64_t row = 0; row < task->rows; row++)
        if (task->part[row] >= 0) split->count[task->part[row]]++;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        size_t n = (size_t)split->count[p];
        bool must_hold =
            p == BAL_SPLIT_TRAIN || (task->rows >= 10 && task->options->fraction[p] > 0);
        if (n == 0 && must_hold)
            return bal_fail(err, BAL_EDATA,
                            "the %s split of %" PRId64
                            " rows leaves none for %s; change data.split",
                            task->options->kind, task->rows, bal_split_name((bal_split_part)p));
        split->rows[p] = bal_calloc(n, sizeof **split->rows);
        if (!split->rows[p]) return bal_fail_memory(err, n * sizeof **split->rows);
        split->count[p] = 0;
    }
    for (int64_t row = 0; row < task->rows; row++)
        if (task->part[row] >= 0)
            split->rows[task->part[row]][split->count[task->part[row]]++] = row;
    return BAL_OK;
}

bal_status bal_split_init(bal_split *split, const bal_split_options *options, int64_t rows,
                          const int32_t *labels, int32_t classes, const char *const *class_names,
                          const bal_log_sink *log, bal_error *err) {
    if (rows < 1) return bal_fail(err, BAL_EDATA, "there are no rows to split");
    split_task task = {options,
                       rows,
                       labels,
                       classes,
                       class_names,
                       log,
                       bal_calloc((size_t)rows, sizeof *task.part)};
    if (!task.part) return bal_fail_memory(err, (size_t)rows);
    memset(task.part, -1, (size_t)rows);
    bal_split made = {0};
    bal_status status = run_kind(&task, err);
    if (status == BAL_OK) status = collect(&made, &task, err);
    bal_free(task.part);
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

/* ---- development mode ---- */

/** Mark `count[c]` rows of each class, chosen at random. */
static void mark_sample(bal_strata *strata, const int64_t *count, uint64_t seed, bool *marked) {
    bal_random random;
    bal_random_init(&random, seed, split_stream);
    for (int32_t c = 0; c <= strata->classes; c++) {
        int64_t *rows = strata->rows + strata->start[c];
        shuffle(rows, bal_strata_size(strata, c), &random);
        for (int64_t i = 0; i < count[c]; i++)
            marked[rows[i]] = true;
    }
}

bal_status bal_split_subset(const int64_t *rows, int64_t n_rows, const int32_t *labels,
                            int32_t classes, int64_t wanted, uint64_t seed, int64_t *ret_rows,
                            int64_t *ret_count, bal_error *err) {
    size_t n = (size_t)n_rows;
    bal_strata strata = {0};
    int32_t *own = bal_calloc(n, sizeof *own);
    bool *marked = bal_calloc(n, sizeof *marked);
    int64_t *count = bal_calloc((size_t)classes + 1, sizeof *count);
    bal_status status = BAL_OK;
    if (!own || !marked || !count) {
        status = bal_fail_memory(err, n * sizeof *own);
        goto out;
    }
    for (int64_t i = 0; i < n_rows; i++)
        own[i] = labels ? labels[rows[i]] : -1;
    BAL_TRY_OUT(bal_strata_init(&strata, own, n_rows, classes, err));
    BAL_TRY_OUT(bal_strata_sample(&strata, wanted, count, err));
    mark_sample(&strata, count, seed, marked);
    *ret_count = 0;
    for (int64_t i = 0; i < n_rows; i++)
        if (marked[i]) ret_rows[(*ret_count)++] = rows[i];
out:
    bal_strata_release(&strata);
    bal_free(own);
    bal_free(marked);
    bal_free(count);
    return status;
}
