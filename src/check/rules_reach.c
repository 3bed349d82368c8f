/* Rules about what a run can reach at all: weights that cannot move, activations that do not get
 * through, features without room, weights that point the wrong way. */
#include <math.h>
#include <string.h>

#include "check/check_context.h"
#include "check/check_table.h"

/* ---- no-room-to-move ---- */

/* The farthest that all updates together can carry one weight: Adam moves it by about the learning
 * rate in each; plain descent by rate × gradient, whose norm clipping bounds. */
static double reach_of(const bal_recipe *recipe, int64_t rows) {
    int64_t batches = (rows + recipe->train.batch_size - 1) / recipe->train.batch_size;
    double steps = (double)batches * (double)recipe->train.epochs;
    const bal_optimizer_options *optimizer = &recipe->optimizer;
    if (strncmp(optimizer->kind, "adam", 4) == 0) return steps * optimizer->lr;
    double memory = strcmp(optimizer->kind, "momentum") == 0 ? 1 / (1 - optimizer->momentum) : 1;
    return optimizer->clip_norm > 0 ? steps * optimizer->lr * optimizer->clip_norm * memory
                                    : INFINITY;
}

static void look_at_reach(bal_check *check) {
    const double room = 0.01; /* weights start at about 1/√inputs, .03 to .3 */
    bal_check_each_stage (stage, check) {
        double reach = reach_of(stage->recipe, check->dataset->split.count[BAL_SPLIT_TRAIN]);
        if (reach >= room) continue;
        bal_check_find(check, stage, "optimizer.lr",
                       "all updates together can move a weight by %.2g at most", reach);
    }
}

const bal_check_rule bal_rule_no_room_to_move = {
    .id = "no-room-to-move",
    .severity = BAL_CHECK_WARNING,
    .summary = "The updates are too small to change the net.",
    .why = "Adam moves a weight by about the learning rate in each update, plain descent by rate "
           "times gradient, whose norm clipping bounds. Fires when the sum over all updates stays "
           "below 0.01, a fraction of what weights start with.",
    .fix = "Raise optimizer.lr, or optimizer.clip_norm.",
    .needs_data = true,
    .look = look_at_reach,
};

/* ---- dropout-too-high ---- */

static void look_at_dropout(bal_check *check) {
    const bal_recipe_model *model = &check->recipe->model;
    for (int32_t i = 0; i < model->n_dropout; i++) {
        if (model->dropout[i] <= 0.8) continue;
        bal_check_find(check, NULL, "model.dropout",
                       "dropout %g lets one unit in %.0f through, and multiplies it by as much",
                       model->dropout[i], 1 / (1 - model->dropout[i]));
        return;
    }
}

const bal_check_rule bal_rule_dropout_too_high = {
    .id = "dropout-too-high",
    .severity = BAL_CHECK_WARNING,
    .summary = "Dropout leaves next to nothing of a layer.",
    .why = "What is kept is multiplied by 1/(1 - rate), so that the variance of activations grows "
           "with it while each step sees few of them. Rates of .1 to .5 are common (Srivastava et "
           "al. 2014). Fires above 0.8.",
    .fix = "Take a rate of 0.5 or less.",
    .look = look_at_dropout,
};

/* ---- squeezed-feature ---- */

/* The interquartile range is that of the values before scaling: with an outlier of 1e30 all others
 * are one number after it, as if they had been equal. */
static void look_for_squeezed(bal_check *check) {
    const bal_table *table = check->dataset->table;
    const bal_scaler *scaler = &check->dataset->scaler;
    if (strcmp(check->recipe->data.scale, "none") == 0) return;
    int32_t first = -1, count = 0;
    double least = INFINITY;
    for (int32_t f = 0; f < table->features; f++) {
        double spread = scaler->quartile_range[f] / (double)scaler->scale[f];
        /* 0: most rows are equal, which is no outlier's doing. */
        if (!(spread > 0 && spread < 0.01)) continue;
        count++;
        if (spread < least) {
            least = spread;
            first = f;
        }
    }
    if (count > 0)
        bal_check_find(check, NULL, "data.scale",
                       "scaling leaves %d of %d features next to no room: of '%s' the middle half "
                       "of the rows lies within %.2g, for the sake of a few far away",
                       (int)count, (int)table->features, table->feature_names[first], least);
}

const bal_check_rule bal_rule_squeezed_feature = {
    .id = "squeezed-feature",
    .severity = BAL_CHECK_WARNING,
    .summary = "A few outlying values squeeze all others of a feature together.",
    .why = "Mean and deviation follow single values however far away. Fires when the middle half "
           "of the training rows lies within 0.01 of each other after scaling, where it should "
           "take about 1, and not because they are equal.",
    .fix = "Remove or limit the outlying values, or take the logarithm of the column.",
    .needs_data = true,
    .look = look_for_squeezed,
};

/* ---- weights-follow-frequency ---- */

/* Pairs of classes in which the one with more rows has the larger weight, less those the other way
 * round, as a share of both (Goodman and Kruskal's gamma); NaN: no pair differs in both. */
static double agreement(const bal_head_data *head) {
    double with = 0, against = 0;
    for (int32_t a = 0; a < head->classes.count; a++)
        for (int32_t b = a + 1; b < head->classes.count; b++) {
            double rows = (double)(head->train_counts[a] - head->train_counts[b]);
            double product = rows * (head->class_weights[a] - head->class_weights[b]);
            with += product > 0;
            against += product < 0;
        }
    return with + against > 0 ? (with - against) / (with + against) : NAN;
}

static double ratio_of(const double *values, int32_t n) {
    double least = INFINITY, most = 0;
    for (int32_t i = 0; i < n; i++) {
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    return least > 0 ? most / least : INFINITY;
}

static void look_at_direction(bal_check *check) {
    for (int32_t h = 0; h < check->dataset->n_heads; h++) {
        const bal_head_data *head = &check->dataset->heads[h];
        if (!head->class_weights || strcmp(head->recipe->class_weights.kind, "explicit") != 0)
            continue;
        double found = agreement(head);
        double ratio = ratio_of(head->class_weights, head->classes.count);
        if (!(found > 0.5 && ratio > 3)) continue;
        bal_check_find(check, NULL, bal_check_key_of("heads[%d].class_weights.values", (int)h).text,
                       "head '%s': weights rise with the number of rows in %.0f %% of the pairs of "
                       "classes; the largest is %.3g times the smallest",
                       head->recipe->name, 50 * (1 + found), ratio);
    }
}

const bal_check_rule bal_rule_weights_follow_frequency = {
    .id = "weights-follow-frequency",
    .severity = BAL_CHECK_WARNING,
    .summary = "Class weights favour the classes that have most rows.",
    .why = "Weights are there to make up for few rows. Ones that rise with the count were probably "
           "assigned by position to another order of classes. Fires on explicit weights that "
           "differ by a factor of more than 3 and rise with the number of rows in more than three "
           "quarters of the pairs of classes.",
    .fix = "Give weights by class name, {class: weight}, or take class_weights: balanced.",
    .needs_data = true,
    .look = look_at_direction,
};
