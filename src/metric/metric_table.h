/* The list of all metrics: the one place that registers them, in the order in which they are
 * listed.
 *
 * Each line names the descriptor that a file of this folder defines. The declarations below and the
 * table of metric_table.c come from this list. */
#ifndef BAL_METRIC_METRIC_TABLE_H
#define BAL_METRIC_METRIC_TABLE_H

#include "metric/metric.h"

/* Kept one metric per line: a line is what a change adds or removes. */
/* clang-format off */
#define BAL_METRIC_LIST(X) \
    /* metric_accuracy.c */ \
    X(bal_metric_accuracy) \
    X(bal_metric_balanced_accuracy) \
    X(bal_metric_mcc) \
    /* metric_f1.c */ \
    X(bal_metric_macro_f1) \
    X(bal_metric_weighted_f1) \
    X(bal_metric_micro_f1) \
    X(bal_metric_macro_precision) \
    X(bal_metric_macro_recall) \
    X(bal_metric_absent_classes) \
    /* metric_per_class.c */ \
    X(bal_metric_precision) \
    X(bal_metric_recall) \
    X(bal_metric_f1) \
    X(bal_metric_support) \
    X(bal_metric_risk) \
    /* metric_payoff.c */ \
    X(bal_metric_expected_profit) \
    /* metric_probability.c */ \
    X(bal_metric_log_loss) \
    X(bal_metric_skill) \
    X(bal_metric_brier) \
    X(bal_metric_ece) \
    /* metric_ranking.c */ \
    X(bal_metric_roc_auc) \
    X(bal_metric_average_precision) \
    X(bal_metric_lift) \
    /* metric_diversity.c */ \
    X(bal_metric_unique_predictions) \
    X(bal_metric_most_common_share) \
    X(bal_metric_normalized_entropy) \
    X(bal_metric_prior_entropy_ratio) \
    X(bal_metric_mutual_information) \
    /* metric_value.c */ \
    X(bal_metric_mae) \
    X(bal_metric_rmse) \
    X(bal_metric_mse) \
    X(bal_metric_r2) \
    X(bal_metric_correlation)
/* clang-format on */

#define BAL_METRIC_DECLARE(symbol) extern const bal_metric symbol;
BAL_METRIC_LIST(BAL_METRIC_DECLARE)
#undef BAL_METRIC_DECLARE

/** Kinds of heads with classes. */
#define BAL_METRIC_CLASSES (BAL_HEAD_BIT(BAL_HEAD_CLASSES) | BAL_HEAD_BIT(BAL_HEAD_BINARY))

#endif
