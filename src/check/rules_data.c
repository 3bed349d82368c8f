/* Rules about how rows are split and what features look like. Figures are of the training rows,
 * after scaling where the recipe asks for it. */
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "check/check_context.h"
#include "check/check_table.h"
#include "data/duplicates.h"
#include "data/series.h"

enum { NAMES_SHOWN = 4 };

/* "'a', 'b', 'c', 'd' and 3 more", growing name by name. */
static void add_name(bal_text *list, const char *name, int32_t index) {
    if (index < NAMES_SHOWN) bal_text_printf(list, "%s'%.60s'", index ? ", " : "", name);
}

static void end_names(bal_text *list, int32_t count) {
    if (count > NAMES_SHOWN) bal_text_printf(list, " and %d more", (int)(count - NAMES_SHOWN));
}

/* ---- class-not-in-split ---- */

static const int64_t few_of_class = 10;

static double part_fraction(const bal_recipe *recipe, int part) {
    const bal_recipe_split *split = &recipe->data.split;
    return part == BAL_SPLIT_TRAIN ? split->train
           : part == BAL_SPLIT_VAL ? split->val
                                   : split->test;
}

/* Rows per class in one part, and in all parts together. */
static int64_t *count_classes(bal_check *check, const bal_head_data *head, int part) {
    const bal_split *split = &check->dataset->split;
    int64_t *counts = bal_check_alloc(check, (size_t)head->classes.count, sizeof *counts);
    for (int p = 0; counts && p < BAL_SPLIT_COUNT; p++)
        if (part == p || part == BAL_SPLIT_COUNT)
            bal_class_counts(head->labels, split->rows[p], split->count[p], head->classes.count,
                             counts);
    return counts;
}

static void look_at_part(bal_check *check, const bal_head_data *head, int part,
                         const int64_t *all) {
    const int64_t *counts = count_classes(check, head, part);
    bal_text list = {0};
    int32_t missing = 0;
    bool rare = true;
    for (int32_t c = 0; counts && c < head->classes.count; c++) {
        if (counts[c] > 0 || all[c] == 0) continue;
        add_name(&list, head->classes.names[c], missing++);
        rare = rare && all[c] < few_of_class;
    }
    end_names(&list, missing);
    check->failed = check->failed || bal_text_failed(&list);
    if (missing > 0 && !check->failed)
        bal_check_find_as(check, rare ? BAL_CHECK_NOTE : BAL_CHECK_WARNING, NULL, "data.split",
                          "head '%s': %d of %d classes %s no row among the %lld of %s: %s",
                          head->recipe->name, (int)missing, (int)head->classes.count,
                          missing > 1 ? "have" : "has",
                          (long long)check->dataset->split.count[part],
                          bal_split_name((bal_split_part)part), list.data);
    bal_text_release(&list);
}

static void look_at_classes(bal_check *check) {
    for (int32_t h = 0; h < check->dataset->n_heads; h++) {
        const bal_head_data *head = &check->dataset->heads[h];
        if (!head->labels) continue;
        const int64_t *all = count_classes(check, head, BAL_SPLIT_COUNT);
        for (int part = 0; all && part < BAL_SPLIT_COUNT; part++)
            if (part_fraction(check->recipe, part) > 0) look_at_part(check, head, part, all);
    }
}

const bal_check_rule bal_rule_class_not_in_split = {
    .id = "class-not-in-split",
    .severity = BAL_CHECK_WARNING,
    .summary = "A class has no row in one of the splits.",
    .why = "A class without training rows cannot be learned, one without validation rows is not "
           "watched, one without test rows is not measured. Fires for classes that have rows "
           "somewhere; a note when all of them have fewer than 10 rows in all.",
    .fix = "Take data.split: stratified, give the part a larger share, or leave the class out with "
           "data.drop_classes.",
    .needs_data = true,
    .look = look_at_classes,
};

/* ---- ordered-split ---- */

/* Half the summed differences of class shares between two parts, and what chance alone explains:
 * the expected |difference| of a share p over n rows is about √(p(1−p)/n)·0.8 per part. */
static double share_distance(const int64_t *a, const int64_t *b, int32_t classes,
                             double *ret_chance) {
    double rows_a = 0, rows_b = 0, distance = 0, chance = 0;
    for (int32_t c = 0; c < classes; c++) {
        rows_a += (double)a[c];
        rows_b += (double)b[c];
    }
    for (int32_t c = 0; c < classes && rows_a > 0 && rows_b > 0; c++) {
        double p = ((double)a[c] + (double)b[c]) / (rows_a + rows_b);
        distance += 0.5 * fabs((double)a[c] / rows_a - (double)b[c] / rows_b);
        chance += 0.4 * sqrt(p * (1 - p) * (1 / rows_a + 1 / rows_b));
    }
    *ret_chance = chance;
    return distance;
}

static const double distance_min = 0.1;

static void look_at_order(bal_check *check) {
    const char *kind = check->recipe->data.split.kind;
    bool sequential = strcmp(kind, "sequential") == 0;
    if (!sequential && strcmp(kind, "time") != 0) return;
    bool series = strcmp(check->recipe->data.kind, "sequence") == 0;
    for (int32_t h = 0; h < check->dataset->n_heads; h++) {
        const bal_head_data *head = &check->dataset->heads[h];
        if (!head->labels) continue;
        for (int part = BAL_SPLIT_VAL; part < BAL_SPLIT_COUNT; part++) {
            const int64_t *counts = count_classes(check, head, part);
            double chance;
            if (!counts) return;
            double distance =
                share_distance(head->train_counts, counts, head->classes.count, &chance);
            if (distance < distance_min + 2 * chance) continue;
            bal_check_find_as(check, sequential && !series ? BAL_CHECK_WARNING : BAL_CHECK_NOTE,
                              NULL, "data.split.kind",
                              "head '%s': the classes of %s differ from those of train by %.0f %% "
                              "of the rows (chance explains %.0f %%): the rows stand in an order",
                              head->recipe->name, bal_split_name((bal_split_part)part),
                              100 * distance, 100 * chance);
            return;
        }
    }
}

const bal_check_rule bal_rule_ordered_split = {
    .id = "ordered-split",
    .severity = BAL_CHECK_WARNING,
    .summary = "Rows that stand in an order are split in that order.",
    .why = "Files are often sorted by class, source or date. A `sequential` split then trains on "
           "some classes and measures on others: recorded on a 197-class system that predicted "
           "three. Fires when class frequencies of validation or test rows differ from those of "
           "the training rows by more than 10 % of the rows and twice what chance explains; a "
           "note for `time` splits and for series, where order is meant.",
    .fix = "Take data.split: stratified; where time order is meant, split by time.",
    .needs_data = true,
    .look = look_at_order,
};

/* ---- features-unscaled ---- */

static const double spread_max = 1000, size_max = 100;

typedef struct moments {
    double mean, deviation;
} moments;

static moments moments_of(const bal_dataset *dataset, int32_t feature) {
    const bal_table *table = dataset->table;
    const int64_t *rows = dataset->split.rows[BAL_SPLIT_TRAIN];
    int64_t n = dataset->split.count[BAL_SPLIT_TRAIN];
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += table->x[rows[i] * table->features + feature];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double off = table->x[rows[i] * table->features + feature] - mean;
        squares += off * off;
    }
    return (moments){mean, sqrt(squares / (double)n)};
}

static void look_at_scale(bal_check *check) {
    const bal_table *table = check->dataset->table;
    if (strcmp(check->recipe->data.scale, "none") != 0 || check->recipe->model.l2_input) return;
    double largest = 0, narrowest = INFINITY;
    int32_t large = 0, narrow = 0;
    for (int32_t f = 0; f < table->features; f++) {
        moments m = moments_of(check->dataset, f);
        double size = fabs(m.mean) + m.deviation;
        if (size > largest) {
            largest = size;
            large = f;
        }
        if (m.deviation > 0 && m.deviation < narrowest) {
            narrowest = m.deviation;
            narrow = f;
        }
    }
    if (largest <= size_max && largest <= spread_max * narrowest) return;
    bal_check_find(check, NULL, "data.scale",
                   "features are taken as they are: '%s' is of size %.4g while '%s' varies by %.4g",
                   table->feature_names[large], largest, table->feature_names[narrow], narrowest);
}

const bal_check_rule bal_rule_features_unscaled = {
    .id = "features-unscaled",
    .severity = BAL_CHECK_WARNING,
    .summary = "Features of very different size are not scaled.",
    .why = "A feature a thousand times as large as another drowns it, and large inputs saturate "
           "or blow up the first layer. Fires with `scale: none` when a feature's size (mean plus "
           "standard deviation) is above 100, or more than 1000 times the standard deviation of "
           "another.",
    .fix = "Set data.scale: standard; the scaling is fitted on the training rows and saved with "
           "the model.",
    .needs_data = true,
    .look = look_at_scale,
};

/* ---- constant-feature ---- */

static bool is_constant(const bal_dataset *dataset, int32_t feature) {
    const bal_table *table = dataset->table;
    const int64_t *rows = dataset->split.rows[BAL_SPLIT_TRAIN];
    float first = table->x[rows[0] * table->features + feature];
    for (int64_t i = 1; i < dataset->split.count[BAL_SPLIT_TRAIN]; i++)
        if (table->x[rows[i] * table->features + feature] != first) return false;
    return true;
}

static void look_at_constants(bal_check *check) {
    const bal_table *table = check->dataset->table;
    bal_text list = {0};
    int32_t constant = 0;
    for (int32_t f = 0; f < table->features; f++)
        if (is_constant(check->dataset, f)) add_name(&list, table->feature_names[f], constant++);
    end_names(&list, constant);
    check->failed = check->failed || bal_text_failed(&list);
    if (constant > 0 && !check->failed)
        bal_check_find_as(
            check, constant > table->features / 2 ? BAL_CHECK_WARNING : BAL_CHECK_NOTE, NULL,
            "data.features", "%d of %d features never change in the training rows: %s",
            (int)constant, (int)table->features, list.data);
    bal_text_release(&list);
}

const bal_check_rule bal_rule_constant_feature = {
    .id = "constant-feature",
    .severity = BAL_CHECK_WARNING,
    .summary = "A feature has one value in all training rows.",
    .why = "It tells nothing, and a row that has another value there meets weights that were "
           "never trained. Often a sensor that was off or a column filled with a default. A "
           "note; a warning when more than half of the features are constant.",
    .fix = "Leave the feature out (data.ignore, data.features), or find out why it is constant.",
    .needs_data = true,
    .look = look_at_constants,
};

/* ---- duplicates-across-splits ---- */

/* Below this share of a part they flatter its figures by less than anyone would notice. */
static const double many_duplicates = 0.1, few_duplicates = 0.001;

static double share_of(const bal_duplicates *found, const bal_split *split, int part) {
    return split->count[part] > 0 ? (double)found->rows[part] / (double)split->count[part] : 0;
}

/* As the file counts: its line, or the row from 1. */
static long long source_row(const bal_table *table, int64_t row) {
    if (table->row_line) return table->row_line[row];
    return (table->row_number ? table->row_number[row] : row) + 1;
}

static void look_at_duplicates(bal_check *check) {
    const bal_table *table = check->dataset->table;
    const bal_split *split = &check->dataset->split;
    bal_duplicates found;
    if (bal_duplicates_find(table->x, table->features, split, &found, NULL) != BAL_OK) {
        check->failed = true;
        return;
    }
    double share =
        fmax(share_of(&found, split, BAL_SPLIT_VAL), share_of(&found, split, BAL_SPLIT_TEST));
    if (share < few_duplicates) return;
    bal_check_find_as(check, share < many_duplicates ? BAL_CHECK_NOTE : BAL_CHECK_WARNING, NULL,
                      "data.split",
                      "%lld of %lld validation rows and %lld of %lld test rows have the features "
                      "of a training row (%s %lld those of %lld)",
                      (long long)found.rows[BAL_SPLIT_VAL], (long long)split->count[BAL_SPLIT_VAL],
                      (long long)found.rows[BAL_SPLIT_TEST],
                      (long long)split->count[BAL_SPLIT_TEST], table->row_line ? "line" : "row",
                      source_row(table, found.row), source_row(table, found.twin));
}

const bal_check_rule bal_rule_duplicates_across_splits = {
    .id = "duplicates-across-splits",
    .severity = BAL_CHECK_WARNING,
    .summary = "Rows of validation or test stand among the training rows too.",
    .why = "What has been learned by heart is then measured as if it had been understood. Files "
           "put together from several, frames of one film, overlapping windows of a series that "
           "repeats. Fires when all features of a validation or test row equal those of a "
           "training row: a note from 0.1 % of a part, a warning from 10 %. Features of few "
           "values repeat by themselves.",
    .fix = "Remove the copies, or keep what belongs together in one part with data.split: {kind: "
           "group, group: COLUMN}.",
    .needs_data = true,
    .look = look_at_duplicates,
};

/* ---- repeated-windows ---- */

/* Shorter windows would say more often what the same stretch says already; below that chance no
 * series of independent values is accused. */
enum { WINDOW_LEAST = 12 };
static const double window_chance = 0.01, many_copies = 0.01;

static bool find_repeats(bal_check *check, const bal_series *series, int32_t *ret_width,
                         bal_repeats *ret_found) {
    if (bal_repeats_width(series->value, series->count, WINDOW_LEAST, window_chance, ret_width,
                          NULL) != BAL_OK ||
        (*ret_width > 0 &&
         bal_repeats_find(series->value, series->count, *ret_width, ret_found, NULL) != BAL_OK)) {
        check->failed = true;
        return false;
    }
    return *ret_width > 0 && ret_found->copies > 0;
}

static void look_at_windows(bal_check *check) {
    const bal_series *series = check->dataset->table->series;
    bal_repeats found;
    int32_t width;
    char first[300], twin[300];
    if (!series || !find_repeats(check, series, &width, &found)) return;
    double share = (double)found.copies / (double)(series->count - width + 1);
    const int64_t *number = series->line ? series->line : series->number;
    const char *unit = series->line ? "line" : "row";
    int64_t from_1 = series->line ? 0 : 1;
    bal_check_find_as(
        check, share < many_copies ? BAL_CHECK_NOTE : BAL_CHECK_WARNING, NULL, "data.path",
        "%lld of %lld windows of %d values are copies of earlier ones (%lld different windows come "
        "more than once): %s begins again what began at %s; the longest stretch of copies has %lld "
        "values, the last one ends at %s %lld",
        (long long)found.copies, (long long)(series->count - width + 1), (int)width,
        (long long)found.windows, bal_series_place(series, found.at, first, sizeof first),
        bal_series_place(series, found.twin, twin, sizeof twin), (long long)found.run, unit,
        (long long)(number[found.last + width - 1] + from_1));
}

const bal_check_rule bal_rule_repeated_windows = {
    .id = "repeated-windows",
    .severity = BAL_CHECK_WARNING,
    .summary = "Stretches of a series occur more than once.",
    .why = "A recorder that starts over, or files appended twice, leave copies: they weigh double "
           "in training, and where a copy lies in another part of the split, its outcome has been "
           "seen. Rows need not be equal for that: features that look further back than the copy "
           "differ. Fires when windows of 12 values come again; where values are few and 12 in a "
           "row are equal by chance, windows are longer: so long that of a hundred such series of "
           "independent values not one would have an equal pair. A warning from 1 % of the "
           "windows, a note below. Windows of one value "
           "throughout do not count. A strict period, or few values that seldom change, repeats "
           "by itself.",
    .fix = "Cut the copies out of the series. Or keep them on one side: data.split: {kind: "
           "sequential} with its borders behind the last copy, and data.split.embargo.",
    .needs_data = true,
    .look = look_at_windows,
};
