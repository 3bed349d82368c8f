/* Rules about what single features say of the target: everything, or nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check/check_context.h"
#include "check/check_table.h"

/* ---- leaking-feature ---- */

/* Sampled rows: enough that each class comes up often, few enough that sorting them once per
 * feature costs next to nothing beside training. */
enum { SAMPLE_MIN = 1000, SAMPLE_MAX = 20000, SAMPLE_PER_CLASS = 20, SORTED_MAX = 4000000 };
static const double almost_perfect = 0.99, easy_prior = 0.95;

typedef struct sampled {
    float x;
    int32_t label;
} sampled;

static int compare_sampled(const void *a, const void *b) {
    const sampled *one = a, *two = b;
    if (one->x != two->x) return one->x < two->x ? -1 : 1;
    return (one->label > two->label) - (one->label < two->label);
}

/* Training rows at even steps. */
static int64_t sample_rows(const bal_check *check, int32_t classes) {
    int64_t have = check->dataset->split.count[BAL_SPLIT_TRAIN];
    int64_t features = check->dataset->table->features;
    int64_t wanted = (int64_t)classes * SAMPLE_PER_CLASS;
    if (wanted < SAMPLE_MIN) wanted = SAMPLE_MIN;
    if (wanted > SAMPLE_MAX) wanted = SAMPLE_MAX;
    if (wanted * features > SORTED_MAX) wanted = SORTED_MAX / features;
    return wanted < have ? wanted : have;
}

static int64_t take_sample(const bal_check *check, const bal_head_data *head, int32_t feature,
                           int64_t wanted, sampled *ret_sample) {
    const bal_table *table = check->dataset->table;
    const int64_t *rows = check->dataset->split.rows[BAL_SPLIT_TRAIN];
    int64_t have = check->dataset->split.count[BAL_SPLIT_TRAIN], n = 0;
    for (int64_t i = 0; i < wanted; i++) {
        int64_t row = rows[i * have / wanted];
        if (head->labels[row] < 0) continue;
        ret_sample[n++] = (sampled){table->x[row * table->features + feature], head->labels[row]};
    }
    return n;
}

/* Sorted by the feature, does each row's neighbour have its label? Rows of one value count as
 * neighbours: they are right as far as they agree with the most frequent label among them. */
typedef struct agreement {
    double share;   /* of rows that a neighbour tells right */
    int64_t values; /* distinct */
    bool is_code;   /* every value has one label and every label one value */
} agreement;

static int64_t most_frequent(const sampled *rows, int64_t n) {
    int64_t best = 0, run = 0;
    for (int64_t i = 0; i < n; i++) {
        run = i > 0 && rows[i].label == rows[i - 1].label ? run + 1 : 1;
        if (run > best) best = run;
    }
    return best;
}

static agreement agreement_of(const sampled *rows, int64_t n, int32_t classes) {
    agreement found = {.is_code = true};
    double right = 0;
    for (int64_t start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && rows[end].x == rows[start].x;)
            end++;
        found.values++;
        if (end - start > 1) {
            int64_t same = most_frequent(rows + start, end - start);
            right += (double)same;
            found.is_code = found.is_code && same == end - start;
            continue;
        }
        int32_t label = rows[start].label;
        double before = start > 0 && rows[start - 1].label == label;
        double after = end < n && rows[end].label == label;
        right += start > 0 && end < n ? (before + after) / 2 : before + after;
    }
    found.share = n > 0 ? right / (double)n : 0;
    found.is_code = found.is_code && found.values == classes;
    return found;
}

static int32_t classes_present(const bal_head_data *head, double *ret_largest) {
    int32_t present = 0;
    *ret_largest = 0;
    for (int32_t c = 0; c < head->classes.count; c++) {
        present += head->train_counts[c] > 0;
        *ret_largest = fmax(*ret_largest, head->prior[c]);
    }
    return present;
}

static void look_for_leak(bal_check *check, int32_t h, sampled *sample, int64_t wanted) {
    const bal_head_data *head = &check->dataset->heads[h];
    const bal_table *table = check->dataset->table;
    double prior;
    int32_t present = classes_present(head, &prior);
    if (prior > easy_prior) return;
    for (int32_t f = 0; f < table->features; f++) {
        int64_t n = take_sample(check, head, f, wanted, sample);
        qsort(sample, (size_t)n, sizeof *sample, compare_sampled);
        agreement found = agreement_of(sample, n, present);
        if (n < SAMPLE_PER_CLASS || found.share < almost_perfect) continue;
        if (found.is_code)
            bal_check_find(check, NULL, "data.features",
                           "feature '%s' is the target of head '%s' by another name: one value for "
                           "each of %d classes in %lld rows",
                           table->feature_names[f], head->recipe->name, (int)present, (long long)n);
        else
            bal_check_find_as(check, BAL_CHECK_WARNING, NULL, "data.features",
                              "feature '%s' alone tells the target of head '%s' (%d classes) for "
                              "%.1f %% of %lld rows",
                              table->feature_names[f], head->recipe->name, (int)present,
                              100 * found.share, (long long)n);
        return;
    }
}

/* How far a straight line through a feature and the target of a value head goes: r². */
static double explained_by_line(const bal_dataset *dataset, const bal_head_data *head,
                                int32_t feature) {
    const bal_table *table = dataset->table;
    const int64_t *rows = dataset->split.rows[BAL_SPLIT_TRAIN];
    double x0 = 0, y0 = 0, xx = 0, xy = 0, yy = 0, n = 0;
    for (int pass = 0; pass < 2; pass++) {
        double x_sum = 0, y_sum = 0;
        n = 0;
        for (int64_t i = 0; i < dataset->split.count[BAL_SPLIT_TRAIN]; i++) {
            double y = head->targets[rows[i] * head->outputs];
            double x = table->x[rows[i] * table->features + feature];
            if (isnan(y)) continue;
            n++;
            x_sum += x;
            y_sum += y;
            xx += (x - x0) * (x - x0) * pass;
            xy += (x - x0) * (y - y0) * pass;
            yy += (y - y0) * (y - y0) * pass;
        }
        if (pass == 0 && n > 0) {
            x0 = x_sum / n;
            y0 = y_sum / n;
        }
    }
    return xx > 0 && yy > 0 ? xy * xy / (xx * yy) : 0;
}

static const double same_line = 1 - 1e-9, almost_line = 0.9999;

static void look_for_line(bal_check *check, int32_t h) {
    const bal_head_data *head = &check->dataset->heads[h];
    const bal_table *table = check->dataset->table;
    if (head->train_counts[0] < SAMPLE_PER_CLASS) return;
    for (int32_t f = 0; f < table->features; f++) {
        double explained = explained_by_line(check->dataset, head, f);
        if (explained < almost_line) continue;
        bal_check_find_as(check, explained > same_line ? BAL_CHECK_ERROR : BAL_CHECK_WARNING, NULL,
                          "data.features",
                          "feature '%s' alone explains %.4f %% of the variance of head '%s'",
                          table->feature_names[f], 100 * explained, head->recipe->name);
        return;
    }
}

static void look_for_leaks(bal_check *check) {
    int32_t classes = 2;
    for (int32_t h = 0; h < check->dataset->n_heads; h++)
        if (check->dataset->heads[h].classes.count > classes)
            classes = check->dataset->heads[h].classes.count;
    int64_t wanted = sample_rows(check, classes);
    sampled *sample = bal_check_alloc(check, (size_t)wanted + 1, sizeof *sample);
    for (int32_t h = 0; sample && h < check->dataset->n_heads; h++) {
        if (check->dataset->heads[h].labels)
            look_for_leak(check, h, sample, wanted);
        else
            look_for_line(check, h);
    }
}

const bal_check_rule bal_rule_leaking_feature = {
    .id = "leaking-feature",
    .severity = BAL_CHECK_ERROR,
    .summary = "One feature alone gives the target away.",
    .why = "An id that follows the classes, a column computed from the target, a value known only "
           "afterwards: the model reads it off, validation looks perfect, and in use the column is "
           "not there. Rows are sorted by each feature (a sample of at least 1000): a warning when "
           "a row's neighbours tell its class for 99 % of them, or a straight line explains "
           "99.99 % of a value; an error when the feature is the target by another name. Silent "
           "where one class has more than 95 % of the rows.",
    .fix = "Leave the feature out (data.ignore, data.features), or, if it is known in time, say "
           "check: off.",
    .needs_data = true,
    .look = look_for_leaks,
};

/* ---- no-telling-feature ---- */

/* Share of a feature's variance that lies between classes: η². */
static double explained_by_classes(bal_check *check, const bal_head_data *head, int32_t feature,
                                   double *sums) {
    const bal_dataset *dataset = check->dataset;
    const bal_table *table = dataset->table;
    const int64_t *rows = dataset->split.rows[BAL_SPLIT_TRAIN];
    int32_t classes = head->classes.count;
    double n = 0, total = 0, squares = 0, between = 0;
    float first = table->x[rows[0] * table->features + feature]; /* against cancellation */
    memset(sums, 0, (size_t)classes * sizeof *sums);
    for (int64_t i = 0; i < dataset->split.count[BAL_SPLIT_TRAIN]; i++) {
        int32_t label = head->labels[rows[i]];
        double x = (double)table->x[rows[i] * table->features + feature] - first;
        if (label < 0) continue;
        sums[label] += x;
        total += x;
        squares += x * x;
        n++;
    }
    for (int32_t c = 0; c < classes; c++)
        if (head->train_counts[c] > 0) between += sums[c] * sums[c] / (double)head->train_counts[c];
    double all = squares - total * total / n;
    return all > 0 ? (between - total * total / n) / all : 0;
}

/* The largest n·η²/(1 − η²) that chance gives to one of `features` features, all but once in a
 * hundred times: χ² of C − 1 degrees by Wilson and Hilferty 1931, Bonferroni over features; the
 * normal quantile by its tail, z ≈ √(2 ln(1/p) − ln ln(1/p) − ln 4π). */
static double chance_limit(int32_t features, int32_t degrees) {
    double p = 0.01 / (features > 1 ? features : 1);
    double log_p = -log(p), k = degrees;
    double z = sqrt(fmax(2 * log_p - log(log_p) - log(4 * 3.14159265358979), 0));
    double cube = 1 - 2 / (9 * k) + z * sqrt(2 / (9 * k));
    return k * cube * cube * cube;
}

static void look_for_signal(bal_check *check) {
    const bal_dataset *dataset = check->dataset;
    int32_t features = dataset->table->features;
    for (int32_t h = 0; h < dataset->n_heads; h++) {
        const bal_head_data *head = &dataset->heads[h];
        double prior, best = 0, n = (double)dataset->split.count[BAL_SPLIT_TRAIN];
        if (!head->labels) continue;
        double limit = chance_limit(features, classes_present(head, &prior) - 1);
        double *sums = bal_check_alloc(check, (size_t)head->classes.count, sizeof *sums);
        for (int32_t f = 0; sums && f < features; f++) {
            double explained = explained_by_classes(check, head, f, sums);
            best = fmax(best, n * explained / fmax(1 - explained, 1e-12));
            if (best > limit) break;
        }
        if (!sums || best > limit) continue;
        bal_check_find(check, NULL, "data",
                       "head '%s': none of %d features differs between classes more than chance "
                       "explains (largest statistic %.1f, chance up to %.1f, %.0f training rows)",
                       head->recipe->name, (int)features, best, limit, n);
    }
}

const bal_check_rule bal_rule_no_telling_feature = {
    .id = "no-telling-feature",
    .severity = BAL_CHECK_NOTE,
    .summary = "No feature taken alone differs between the classes.",
    .why = "There may be nothing to learn, as in rounds of a fair game; or only features taken "
           "together tell. Compares each feature's mean between classes (analysis of variance over "
           "all training rows, corrected for the number of features, one false finding in a "
           "hundred).",
    .fix = "Ask `ballast signal`, which trains against shuffled labels and says whether anything "
           "can be learned.",
    .needs_data = true,
    .look = look_for_signal,
};
