/* The kinds of class weights, their checks and the multiplier; see class_weights.h.
 *
 * Everything is checked before anything is written, and a class without rows is an error with its
 * name instead of an infinite weight: such a class can neither be learned nor be weighed, and a
 * quiet default would hide that a split or a class list is wrong. */
#include "data/class_weights.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

/* ---- kinds ---- */

static double weigh_none(const bal_class_weight_options *options, int32_t class_id, int64_t count,
                         double mean_count) {
    return 1;
}

static const bal_class_weighting none = {
    .name = "none",
    .summary = "every row counts the same",
    .source = "",
    .weight = weigh_none,
};

static double weigh_balanced(const bal_class_weight_options *options, int32_t class_id,
                             int64_t count, double mean_count) {
    return mean_count / (double)count;
}

static const bal_class_weighting balanced = {
    .name = "balanced",
    .summary = "N / (C n): every class gets the same share of the loss",
    .source = "King & Zeng 2001; scikit-learn's compute_class_weight",
    .needs_rows = true,
    .weight = weigh_balanced,
};

/* 1 − β^n as −expm1(n·log β), which keeps its digits where β^n is near 1. */
static double weigh_effective(const bal_class_weight_options *options, int32_t class_id,
                              int64_t count, double mean_count) {
    return (1 - options->beta) / -expm1((double)count * log(options->beta));
}

static const bal_class_weighting effective = {
    .name = "effective",
    .summary = "(1 - beta) / (1 - beta^n), scaled to mean 1: inverse effective number of rows",
    .source = "Cui et al. 2019, arXiv 1901.05555",
    .needs_rows = true,
    .weight = weigh_effective,
    .scaled = true,
};

static double weigh_inverse(const bal_class_weight_options *options, int32_t class_id,
                            int64_t count, double mean_count) {
    return 1 / (double)count;
}

static const bal_class_weighting inverse = {
    .name = "inverse",
    .summary = "1 / n, scaled to mean 1",
    .source = "",
    .needs_rows = true,
    .weight = weigh_inverse,
    .scaled = true,
};

static double weigh_explicit(const bal_class_weight_options *options, int32_t class_id,
                             int64_t count, double mean_count) {
    return options->weights[class_id];
}

static const bal_class_weighting given = {
    .name = "explicit",
    .summary = "as given, by class",
    .source = "",
    .weight = weigh_explicit,
};

const bal_class_weighting *const bal_class_weighting_table[] = {&none,    &balanced, &effective,
                                                                &inverse, &given,    NULL};

const bal_class_weighting *bal_class_weighting_find(const char *name) {
    for (size_t i = 0; bal_class_weighting_table[i]; i++) {
        if (strcmp(bal_class_weighting_table[i]->name, name) == 0)
            return bal_class_weighting_table[i];
    }
    return NULL;
}

/* ---- checks ---- */

/* "'Q' (id 16)", or "id 16" without names. */
static const char *class_text(const bal_class_weight_options *options, int32_t class_id,
                              char buffer[160]) {
    if (options->class_names)
        snprintf(buffer, 160, "'%.120s' (id %d)", options->class_names[class_id], (int)class_id);
    else
        snprintf(buffer, 160, "id %d", (int)class_id);
    return buffer;
}

static bal_status check_options(const bal_class_weighting *kind, int32_t classes,
                                const bal_class_weight_options *options, bal_error *err) {
    char text[160];
    if (classes < 1)
        return bal_fail(err, BAL_EINVAL, "class weights of %d classes; wanted 1 or more",
                        (int)classes);
    if (!(isfinite(options->multiplier) && options->multiplier > 0))
        return bal_fail(err, BAL_ERECIPE,
                        "class weights: multiplier is %g; wanted a number above 0, 1 for none",
                        options->multiplier);
    if (kind == &effective && !(options->beta >= 0 && options->beta < 1))
        return bal_fail(err, BAL_ERECIPE,
                        "class weights: beta is %g; wanted 0 or more and below 1 (%g is usual)",
                        options->beta, BAL_CLASS_WEIGHT_BETA);
    if (kind != &given) return BAL_OK;
    if (!options->weights)
        return bal_fail(err, BAL_ERECIPE, "class weights: explicit, but no weights are given");
    for (int32_t c = 0; c < classes; c++) {
        if (!(isfinite(options->weights[c]) && options->weights[c] > 0))
            return bal_fail(err, BAL_ERECIPE,
                            "class weights: class %s has weight %g; wanted a number above 0",
                            class_text(options, c, text), options->weights[c]);
    }
    return BAL_OK;
}

static bal_status check_counts(const bal_class_weighting *kind, const int64_t *counts,
                               int32_t classes, const bal_class_weight_options *options,
                               int64_t *ret_total, bal_error *err) {
    char text[160];
    int64_t total = 0;
    int32_t empty = 0, first_empty = -1;
    for (int32_t c = 0; c < classes; c++) {
        if (counts[c] < 0 || !bal_i64_add(total, counts[c], &total))
            return bal_fail(err, BAL_EINVAL, "class weights: class %s has %" PRId64 " rows",
                            class_text(options, c, text), counts[c]);
        if (counts[c] > 0) continue;
        if (empty++ == 0) first_empty = c;
    }
    if (kind->needs_rows && empty > 0) {
        char others[32] = "";
        if (empty > 1) snprintf(others, sizeof others, " (and %d more)", (int)empty - 1);
        return bal_fail(
            err, BAL_EDATA,
            "class weights: class %s%s has no training rows, so its %s weight would "
            "divide by 0; leave the class out of the head's classes, add rows of it, or "
            "use class_weights: none",
            class_text(options, first_empty, text), others, kind->name);
    }
    *ret_total = total;
    return BAL_OK;
}

/* Fewer rows than N/C, asked without a division. A product too large for its type is above any
 * total. */
static bool is_rare(int64_t count, int32_t classes, int64_t total) {
    int64_t product;
    return bal_i64_mul(count, classes, &product) && product < total;
}

bal_status bal_class_weights_compute(const bal_class_weighting *kind, const int64_t *counts,
                                     int32_t classes, const bal_class_weight_options *options,
                                     double *ret_weights, bal_error *err) {
    int64_t total = 0;
    BAL_TRY(check_options(kind, classes, options, err));
    BAL_TRY(check_counts(kind, counts, classes, options, &total, err));

    double mean_count = (double)total / classes, sum = 0;
    for (int32_t c = 0; c < classes; c++) {
        ret_weights[c] = kind->weight(options, c, counts[c], mean_count);
        sum += ret_weights[c];
    }
    for (int32_t c = 0; c < classes; c++) {
        if (kind->scaled) ret_weights[c] *= classes / sum;
        if (is_rare(counts[c], classes, total)) ret_weights[c] *= options->multiplier;
    }
    return BAL_OK;
}
