/* Rules about corrections for rare classes: each helps alone and in measure. */
#include <math.h>
#include <string.h>

#include "check/check_context.h"
#include "check/check_table.h"

static bool is_weighted(const bal_recipe_head *head) {
    return head->kind != BAL_HEAD_VALUE && strcmp(head->class_weights.kind, "none") != 0;
}

/* ---- class-weight-multiplier ---- */

enum { MULTIPLIER_MAX = 10, RATIO_MAX = 20 };

/* What the recipe gives for a class; 1 where it names none. */
static double explicit_weight(const bal_recipe_class_weights *weights,
                              const bal_class_list *classes, int32_t c) {
    for (int32_t i = 0; i < weights->n_values; i++)
        if (weights->names ? strcmp(weights->names[i], classes->names[c]) == 0 : i == c)
            return weights->values[i];
    return 1;
}

/* Weight times rows is a class's share of the loss. A rare class that gets many times the share of
 * the most frequent is corrected beyond balance. */
static void look_at_shares(bal_check *check, const bal_check_stage *stage, int32_t h) {
    const bal_recipe_class_weights *weights = &stage->recipe->heads[h].class_weights;
    const bal_head_data *data = &check->dataset->heads[h];
    int32_t common = 0, heaviest = -1;
    double most = 0;
    for (int32_t c = 1; c < data->classes.count; c++)
        if (data->train_counts[c] > data->train_counts[common]) common = c;
    for (int32_t c = 0; c < data->classes.count; c++) {
        double share = explicit_weight(weights, &data->classes, c) * weights->multiplier *
                       (double)data->train_counts[c];
        if (c == common || share <= most) continue;
        most = share;
        heaviest = c;
    }
    double of_common =
        explicit_weight(weights, &data->classes, common) * (double)data->train_counts[common];
    if (heaviest < 0 || !(most > MULTIPLIER_MAX * of_common)) return;
    bal_check_find(check, stage, bal_check_key_of("heads[%d].class_weights.values", (int)h).text,
                   "head '%s': class '%s' weighs %.4g times as much in the loss as '%s', the most "
                   "frequent (%lld and %lld training rows); balance would be 1",
                   data->recipe->name, data->classes.names[heaviest], most / of_common,
                   data->classes.names[common], (long long)data->train_counts[heaviest],
                   (long long)data->train_counts[common]);
}

/* Without the data only the weights themselves can be compared. */
static void look_at_ratio(bal_check *check, const bal_check_stage *stage, int32_t h) {
    const bal_recipe_head *head = &stage->recipe->heads[h];
    const bal_recipe_class_weights *weights = &head->class_weights;
    double least = weights->names ? 1 : INFINITY, most = weights->names ? 1 : 0;
    for (int32_t i = 0; i < weights->n_values; i++) {
        least = fmin(least, weights->values[i]);
        most = fmax(most, weights->values[i]);
    }
    if (!(most > RATIO_MAX * least)) return;
    bal_check_find(check, stage, bal_check_key_of("heads[%d].class_weights.values", (int)h).text,
                   "head '%s': the largest class weight is %.4g times the smallest (%.4g and %.4g)",
                   head->name, most / least, most, least);
}

static void look_at_weights(bal_check *check, const bal_check_stage *stage, int32_t h) {
    const bal_recipe_head *head = &stage->recipe->heads[h];
    if (!is_weighted(head)) return;
    if (head->class_weights.multiplier > MULTIPLIER_MAX)
        bal_check_find(check, stage,
                       bal_check_key_of("heads[%d].class_weights.multiplier", (int)h).text,
                       "head '%s': rare classes weigh %.4g times what balances them", head->name,
                       head->class_weights.multiplier);
    else if (strcmp(head->class_weights.kind, "explicit") != 0)
        return;
    else if (check->dataset)
        look_at_shares(check, stage, h);
    else
        look_at_ratio(check, stage, h);
}

static void look_at_multipliers(bal_check *check) {
    bal_check_each_stage (stage, check)
        for (int32_t h = 0; h < stage->recipe->n_heads; h++)
            look_at_weights(check, stage, h);
}

const bal_check_rule bal_rule_class_weight_multiplier = {
    .id = "class-weight-multiplier",
    .severity = BAL_CHECK_WARNING,
    .summary = "Class weights correct far beyond balance.",
    .why = "With weights of 25 to 30 times balance, one row of the rare class outweighs a batch: "
           "answering the rare class for all rows becomes the best constant answer, and training "
           "swings between the two. Fires for a `multiplier` above 10 and for explicit weights "
           "that give a rare class more than 10 times the share of the most frequent one in the "
           "loss (where the data cannot be read: weights more than 20 times apart).",
    .fix = "Take class_weights: balanced with a multiplier of 1 to 7.",
    .look = look_at_multipliers,
};

/* ---- multiplier-edge ---- */

/* Rows as a share of the average, within which a class is neither rare nor frequent. */
static const double edge_low = 0.9, edge_high = 1.1;

static void look_at_edge(bal_check *check, const bal_check_stage *stage, int32_t h) {
    const bal_recipe_head *head = &stage->recipe->heads[h];
    const bal_head_data *data = &check->dataset->heads[h];
    int32_t nearest = -1, near = 0, classes = data->classes.count;
    double least = INFINITY, rows = 0, share = 0;
    if (!is_weighted(head) || head->class_weights.multiplier == 1) return;
    for (int32_t c = 0; c < classes; c++)
        rows += (double)data->train_counts[c];
    for (int32_t c = 0; c < classes; c++) {
        double even = (double)data->train_counts[c] * classes / rows;
        if (even < edge_low || even > edge_high) continue;
        near++;
        if (fabs(even - 1) >= least) continue;
        least = fabs(even - 1);
        nearest = c;
        share = even;
    }
    if (nearest < 0) return;
    bal_check_find(
        check, stage, bal_check_key_of("heads[%d].class_weights.multiplier", (int)h).text,
        "head '%s': '%s' has %.1f %% of the average number of rows and %s the factor "
        "%.4g; classes that near the average: %d of %d",
        head->name, data->classes.names[nearest], 100 * share, share < 1 ? "gets" : "does not get",
        head->class_weights.multiplier, (int)near, (int)classes);
}

static void look_at_edges(bal_check *check) {
    bal_check_each_stage (stage, check)
        for (int32_t h = 0; h < stage->recipe->n_heads; h++)
            look_at_edge(check, stage, h);
}

const bal_check_rule bal_rule_multiplier_edge = {
    .id = "multiplier-edge",
    .severity = BAL_CHECK_NOTE,
    .summary = "A class-weight multiplier tells classes apart that are equally frequent.",
    .why = "`multiplier` is a factor for classes with fewer rows than the average, all of it "
           "however few are missing: among classes of nearly the average number, a handful of rows "
           "decides which weigh several times as much as the others. It is made for one rare class "
           "beside a frequent one. Fires when the multiplier is not 1 and a class has between 90 "
           "and 110 % of the average number of rows.",
    .fix = "Leave class_weights.multiplier out (balanced makes up for the numbers as they are), or "
           "say by class what you want: {kind: explicit, values: {CLASS: weight}}.",
    .needs_data = true,
    .look = look_at_edges,
};

/* ---- stacked-imbalance ---- */

/* Alpha weighs the second class whichever is the rare one, class weights the rare one. */
static const char *direction_of(const bal_check *check, int32_t h, double alpha) {
    if (!check->dataset || alpha == 0.5) return "their factors multiply";
    const int64_t *rows = check->dataset->heads[h].train_counts;
    return (alpha > 0.5) == (rows[1] > rows[0])
               ? "alpha favours the class with more rows: they pull against each other"
               : "both correct for the rare class, and their factors multiply";
}

static void look_at_corrections(bal_check *check) {
    bal_check_each_stage (stage, check) {
        for (int32_t h = 0; h < stage->recipe->n_heads; h++) {
            const bal_recipe_head *head = &stage->recipe->heads[h];
            bool focal = strcmp(head->loss.kind, "focal") == 0;
            if (!is_weighted(head) || !focal || head->loss.alpha < 0) continue;
            bal_check_find(check, stage, bal_check_key_of("heads[%d].loss.alpha", (int)h).text,
                           "head '%s': class_weights %s and a focal alpha of %.4g (×%.4g for the "
                           "second class over the first); %s",
                           head->name, head->class_weights.kind, head->loss.alpha,
                           head->loss.alpha / (1 - head->loss.alpha),
                           direction_of(check, h, head->loss.alpha));
        }
    }
}

const bal_check_rule bal_rule_stacked_imbalance = {
    .id = "stacked-imbalance",
    .severity = BAL_CHECK_WARNING,
    .summary = "Two corrections for rare classes are stacked.",
    .why = "Class weights and the alpha of the focal loss do the same thing; together they "
           "multiply and overshoot, and neither number says any longer what a class weighs. Fires "
           "when a head has both.",
    .fix = "Keep class_weights and leave loss.alpha out (or the other way round).",
    .look = look_at_corrections,
};

/* ---- alpha-favours-frequent ---- */

static const double frequent_share = 0.55; /* below, neither class is the rare one */

static void look_at_favour(bal_check *check) {
    bal_check_each_stage (stage, check) {
        for (int32_t h = 0; h < stage->recipe->n_heads; h++) {
            const bal_recipe_head *head = &stage->recipe->heads[h];
            const bal_head_data *data = &check->dataset->heads[h];
            double alpha = head->loss.alpha;
            if (strcmp(head->loss.kind, "focal") != 0 || alpha < 0 || alpha == 0.5) continue;
            if (is_weighted(head)) continue; /* stacked-imbalance says it */
            int32_t favoured = alpha > 0.5;
            double share = data->prior[favoured];
            if (share < frequent_share) continue;
            bal_check_find(check, stage, bal_check_key_of("heads[%d].loss.alpha", (int)h).text,
                           "head '%s': alpha %.4g favours '%s', %.0f %% of the training rows: it "
                           "weighs %.3g a row, '%s' %.3g",
                           head->name, alpha, data->classes.names[favoured], 100 * share,
                           favoured ? alpha : 1 - alpha, data->classes.names[!favoured],
                           favoured ? 1 - alpha : alpha);
        }
    }
}

const bal_check_rule bal_rule_alpha_favours_frequent = {
    .id = "alpha-favours-frequent",
    .severity = BAL_CHECK_NOTE,
    .summary = "The alpha of a focal loss weighs the frequent class.",
    .why = "`alpha` is the weight of the second class, and 1 - alpha that of the first, whichever "
           "is rare. On the frequent class it adds to what frequency does already: the rare "
           "class is answered less often, and its risk rises. It may be meant: the focal loss "
           "leaves the frequent class little once it is easy, and the published best, alpha 0.25 "
           "with gamma 2, gives some back (Lin et al. 2017). Fires when the favoured class has "
           "55 % of the training rows or more and the head has no class weights.",
    .fix = "If the rare class is what matters, give it the larger share (1 - alpha in place of "
           "alpha), or leave alpha out and take class_weights: balanced.",
    .needs_data = true,
    .look = look_at_favour,
};

/* ---- focal-too-sharp ---- */

static const double gamma_max = 3;

static void look_at_gamma(bal_check *check) {
    bal_check_each_stage (stage, check) {
        for (int32_t h = 0; h < stage->recipe->n_heads; h++) {
            const bal_recipe_head *head = &stage->recipe->heads[h];
            double gamma = head->loss.gamma;
            if (strcmp(head->loss.kind, "focal") != 0 || !(gamma > gamma_max)) continue;
            bal_check_find(check, stage, bal_check_key_of("heads[%d].loss.gamma", (int)h).text,
                           "head '%s': with gamma %.4g a row that is right with probability 0.8 "
                           "counts %.2g times what it does in cross-entropy",
                           head->name, gamma, pow(0.2, gamma));
        }
    }
}

const bal_check_rule bal_rule_focal_too_sharp = {
    .id = "focal-too-sharp",
    .severity = BAL_CHECK_WARNING,
    .summary = "The focal loss turns away from rows that are right almost completely.",
    .why = "With a large gamma only the rows that are most wrong are learned from, which are the "
           "noisy ones where classes overlap. The published range is 0 to 5 with 2 as best (Lin "
           "et al. 2017); gamma 4 with alpha 0.85 is on record as unstable for a threshold head. "
           "Fires for a gamma above 3.",
    .fix = "Set loss.gamma to 2.",
    .look = look_at_gamma,
};
