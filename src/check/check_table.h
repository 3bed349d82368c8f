/* The list of all rules: the one place that registers them, in the order of the page. Each line
 * names a descriptor that one of the files rules_*.c defines. */
#ifndef BAL_CHECK_CHECK_TABLE_H
#define BAL_CHECK_CHECK_TABLE_H

#include "check/check.h"

/* clang-format off */
#define BAL_CHECK_LIST(X) \
    X(bal_rule_monitor_other_goal) \
    X(bal_rule_monitor_one_class) \
    X(bal_rule_monitor_training_rows) \
    X(bal_rule_accuracy_of_imbalanced) \
    X(bal_rule_head_not_trained) \
    X(bal_rule_class_weight_multiplier) \
    X(bal_rule_multiplier_edge) \
    X(bal_rule_stacked_imbalance) \
    X(bal_rule_alpha_favours_frequent) \
    X(bal_rule_focal_too_sharp) \
    X(bal_rule_class_not_in_split) \
    X(bal_rule_ordered_split) \
    X(bal_rule_features_unscaled) \
    X(bal_rule_constant_feature) \
    X(bal_rule_leaking_feature) \
    X(bal_rule_duplicates_across_splits) \
    X(bal_rule_repeated_windows) \
    X(bal_rule_no_telling_feature) \
    X(bal_rule_batch_norm_batch) \
    X(bal_rule_tiny_batch) \
    X(bal_rule_patience_too_long) \
    X(bal_rule_early_lr_drop) \
    X(bal_rule_plateau_after_stop) \
    X(bal_rule_no_room_to_move) \
    X(bal_rule_dropout_too_high) \
    X(bal_rule_squeezed_feature) \
    X(bal_rule_weights_follow_frequency) \
    X(bal_rule_memory) \
    X(bal_rule_start_refused)
/* clang-format on */

#define BAL_CHECK_DECLARE(symbol) extern const bal_check_rule symbol;
BAL_CHECK_LIST(BAL_CHECK_DECLARE)
#undef BAL_CHECK_DECLARE

#endif
