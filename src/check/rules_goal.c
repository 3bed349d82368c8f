/* Rules about what is measured and what is learned: is the best epoch chosen by what matters, and
 * does every head get to learn? */
#include <math.h>
#include <string.h>

#include "check/check_context.h"
#include "check/check_table.h"

/* ---- monitor-other-goal ---- */

/* The head that tells classes apart and has the largest share of the loss in any stage. */
static const bal_recipe_head *deciding_head(const bal_check *check) {
    const bal_recipe_head *found = NULL;
    bal_check_each_stage (stage, check) {
        for (int32_t h = 0; h < stage->recipe->n_heads; h++) {
            const bal_recipe_head *head = &stage->recipe->heads[h];
            if (head->kind != BAL_HEAD_VALUE && (!found || head->weight > found->weight))
                found = head;
        }
    }
    return found;
}

static void look_at_goal(bal_check *check) {
    const bal_recipe_head *deciding = deciding_head(check);
    bal_check_each_stage (stage, check) {
        bal_check_monitor monitor;
        if (!deciding || !bal_check_monitor_of(stage->recipe, &monitor)) continue;
        if (stage->recipe->heads[monitor.head].kind != BAL_HEAD_VALUE) continue;
        bal_check_find(check, stage, "monitor",
                       "%s chooses the best epoch by the value head '%s', while head '%s' decides "
                       "between classes; an epoch with a good %s may answer all rows alike",
                       stage->recipe->monitor, monitor.path.head, deciding->name,
                       monitor.path.metric);
    }
}

const bal_check_rule bal_rule_monitor_other_goal = {
    .id = "monitor-other-goal",
    .severity = BAL_CHECK_WARNING,
    .summary = "The monitored metric does not measure the head that decides.",
    .why = "Checkpoints, early stopping and the final weights follow `monitor`. A regression error "
           "can improve while the head that decides between classes swings from one answer for "
           "all rows to the other: recorded on a threshold system that chose epochs by mean "
           "absolute error. Fires when a value head is monitored beside a head with classes.",
    .fix = "Monitor the head that decides, with a metric that no single answer can win: "
           "balanced_accuracy or macro_f1.",
    .look = look_at_goal,
};

/* ---- monitor-one-class ---- */

static void look_at_one_class(bal_check *check) {
    bal_check_each_stage (stage, check) {
        bal_check_monitor monitor;
        if (!bal_check_monitor_of(stage->recipe, &monitor) || !monitor.metric) continue;
        const char *metric = monitor.metric->name;
        if (strcmp(metric, "recall") != 0 && strcmp(metric, "risk") != 0) continue;
        bal_check_find(check, stage, "monitor", "%s is at its best when every row is answered '%s'",
                       stage->recipe->monitor,
                       monitor.path.class_name[0] ? monitor.path.class_name : "the one class");
    }
}

const bal_check_rule bal_rule_monitor_one_class = {
    .id = "monitor-one-class",
    .severity = BAL_CHECK_WARNING,
    .summary = "The monitored metric is perfect for a model that always answers one class.",
    .why = "The recall of one class is 1, and its risk 0, when that class is the answer to "
           "everything: the collapse looks like the best epoch. Fires when `recall` or `risk` of "
           "one class is monitored.",
    .fix = "Monitor balanced_accuracy, macro_f1 or f1[CLASS], and put a limit on the one class "
           "under guard.rules.",
    .look = look_at_one_class,
};

/* ---- monitor-training-rows ---- */

static void look_at_training_rows(bal_check *check) {
    bal_check_each_stage (stage, check) {
        bal_check_monitor monitor;
        if (!bal_check_monitor_of(stage->recipe, &monitor)) continue;
        if (strcmp(monitor.path.split, "train") != 0) continue;
        bal_check_find(check, stage, "monitor",
                       "%s is measured on the rows that are trained on, which get better when they "
                       "are learned by heart too",
                       stage->recipe->monitor);
    }
}

const bal_check_rule bal_rule_monitor_training_rows = {
    .id = "monitor-training-rows",
    .severity = BAL_CHECK_WARNING,
    .summary = "The best epoch is chosen on rows that cannot tell what was learned.",
    .why = "On training rows learning by heart looks like learning, and the best epoch is always "
           "the last. Fires when `monitor` is of the training rows.",
    .fix = "Monitor val.HEAD.METRIC, with a share of the rows for data.split.val.",
    .look = look_at_training_rows,
};

/* ---- accuracy-of-imbalanced ---- */

/* One class with this share of the rows, and this many times its even share, makes accuracy a poor
 * measure. */
static const double majority_share = 0.5, majority_excess = 1.2;

static void look_at_accuracy(bal_check *check) {
    bal_check_each_stage (stage, check) {
        bal_check_monitor monitor;
        if (!bal_check_monitor_of(stage->recipe, &monitor) || !monitor.metric) continue;
        if (strcmp(monitor.metric->name, "accuracy") != 0) continue;
        const bal_head_data *head = &check->dataset->heads[monitor.head];
        int32_t largest = 0, classes = head->classes.count;
        for (int32_t c = 1; c < classes; c++)
            if (head->prior[c] > head->prior[largest]) largest = c;
        double share = head->prior[largest];
        if (share < majority_share || share * classes < majority_excess) continue;
        bal_check_find(check, stage, "monitor",
                       "%s is %.3f for a model that always answers '%s', the class of %.1f %% of "
                       "the training rows",
                       stage->recipe->monitor, share, head->classes.names[largest], 100 * share);
    }
}

const bal_check_rule bal_rule_accuracy_of_imbalanced = {
    .id = "accuracy-of-imbalanced",
    .severity = BAL_CHECK_WARNING,
    .summary = "Accuracy rewards answering the most frequent class for every row.",
    .why = "With one frequent class, plain accuracy is high for a model that has learned nothing, "
           "and dips whenever a model begins to try. Fires when `accuracy` is monitored and one "
           "class has at least half of the training rows and 1.2 times its even share.",
    .fix = "Monitor balanced_accuracy (two classes) or macro_f1 (more).",
    .needs_data = true,
    .look = look_at_accuracy,
};

/* ---- head-not-trained ---- */

static int32_t stages_with_weight(const bal_check *check, int32_t head) {
    int32_t n = 0;
    bal_check_each_stage (stage, check)
        n += stage->recipe->heads[head].weight > 0;
    return n;
}

static void look_at_head(bal_check *check, int32_t h) {
    const bal_check_stage *first = &check->stages[0];
    const bal_recipe_head *head = &first->recipe->heads[h];
    bal_check_key key = bal_check_key_of("heads[%d].weight", (int)h);
    if (stages_with_weight(check, h) == 0) {
        bal_check_find(check, first, key.text,
                       "head '%s' has weight 0 in the loss%s: it stays as it was drawn", head->name,
                       check->n_stages > 1 ? " of every stage" : "");
        return;
    }
    int32_t late = 0;
    while (late < check->n_stages && !(check->stages[late].recipe->heads[h].weight > 0))
        late++;
    if (late == 0) return;
    bal_check_find_as(check, BAL_CHECK_WARNING, first, key.text,
                      "head '%s' has weight 0 in the loss of the first %d of %d stages: the trunk "
                      "is shaped without it",
                      head->name, (int)late, (int)check->n_stages);
}

static void look_at_heads(bal_check *check) {
    for (int32_t h = 0; h < check->recipe->n_heads; h++)
        look_at_head(check, h);
}

const bal_check_rule bal_rule_head_not_trained = {
    .id = "head-not-trained",
    .severity = BAL_CHECK_ERROR,
    .summary = "A head has weight 0 in the loss.",
    .why = "A head without weight learns nothing, and what it shares with the others is shaped "
           "without it. Recorded on a threshold system whose threshold and category losses had "
           "weight 0 in the first stage: what was learned there had to be unlearned, and the "
           "threshold head swung. An error when the head has no weight in any stage, a warning "
           "when it has none in the first.",
    .fix = "Give the head a share from the start (0.1 will do), or take it out of the recipe.",
    .look = look_at_heads,
};
