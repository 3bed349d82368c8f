/* metric/scores*.c and what every metric does at the edges: no rows, no labels, outputs that are
 * not finite, no prior, no memory. Values of the metrics are compared in test_metrics_golden.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/memory.h"
#include "metric/metric.h"

#define COUNT(array) ((int64_t)(sizeof(array) / sizeof *(array)))

static const double prior3[] = {0.5, 0.25, 0.25};
static const double prior2[] = {0.75, 0.25};

static bal_scores *scores_of(const bal_evaluation *evaluation) {
    bal_scores *scores = NULL;
    bal_error err = {0};
    bal_status status = bal_scores_new(evaluation, &scores, &err);
    if (status != BAL_OK) fail_msg("%s", err.message);
    return scores;
}

static bal_scores *classes_of(const float *logits, const int32_t *labels, int64_t rows) {
    return scores_of(&(bal_evaluation){.kind = BAL_HEAD_CLASSES,
                                       .rows = rows,
                                       .classes = 3,
                                       .logits = logits,
                                       .labels = labels,
                                       .prior = prior3});
}

static bal_scores *binary_of(const float *logits, const int32_t *labels, int64_t rows,
                             double threshold) {
    return scores_of(&(bal_evaluation){.kind = BAL_HEAD_BINARY,
                                       .rows = rows,
                                       .classes = 2,
                                       .logits = logits,
                                       .labels = labels,
                                       .prior = prior2,
                                       .threshold = threshold});
}

static double metric_of(const bal_scores *scores, const char *name, int32_t class_id) {
    const bal_metric *metric = bal_metric_find(name);
    assert_non_null(metric);
    return metric->compute(scores, class_id, NULL);
}

static void assert_metric(const bal_scores *scores, const char *name, int32_t class_id,
                          double want) {
    double got = metric_of(scores, name, class_id);
    if (!(fabs(got - want) <= 1e-12))
        fail_msg("%s[%d] is %.17g, wanted %.17g", name, (int)class_id, got, want);
}

static void assert_undefined(const bal_scores *scores, const char *name, int32_t class_id,
                             const char *want) {
    const char *reason = NULL;
    double got = bal_metric_find(name)->compute(scores, class_id, &reason);
    if (!isnan(got)) fail_msg("%s[%d] is %g, wanted it undefined", name, (int)class_id, got);
    if (!reason) fail_msg("%s[%d] is undefined without a reason", name, (int)class_id);
    assert_string_equal(reason, want);
}

static void counts(void **state) {
    const float logits[] = {2, 1, 0, /**/ 0, 3, 1, /**/ 0, 1, 5, /**/ 1, 2, 0, /**/ 9, 0, 0};
    const int32_t labels[] = {0, 1, 1, 2, -1};
    bal_scores *scores = classes_of(logits, labels, 5);
    assert_int_equal(bal_scores_rows(scores), 4);
    assert_int_equal(bal_scores_classes(scores), 3);
    assert_int_equal(bal_scores_kind(scores), BAL_HEAD_CLASSES);
    assert_int_equal(bal_scores_nonfinite(scores), 0);
    const int64_t confusion[] = {1, 0, 0, /**/ 0, 1, 1, /**/ 0, 1, 0};
    const int64_t support[] = {1, 2, 1}, predicted[] = {1, 2, 1};
    const int32_t prediction[] = {0, 1, 2, 1};
    assert_memory_equal(bal_scores_confusion(scores), confusion, sizeof confusion);
    assert_memory_equal(bal_scores_support(scores), support, sizeof support);
    assert_memory_equal(bal_scores_predicted(scores), predicted, sizeof predicted);
    assert_memory_equal(bal_scores_prediction(scores), prediction, sizeof prediction);
    assert_memory_equal(bal_scores_training_prior(scores), prior3, sizeof prior3);
    assert_metric(scores, "accuracy", 0, 0.5);
    assert_metric(scores, "recall", 1, 0.5);
    assert_metric(scores, "risk", 2, 1);
    assert_undefined(scores, "recall", 3, "no such class");
    assert_undefined(scores, "f1", -1, "no such class");
    bal_scores_free(scores);
}

static void inputs_are_copied(void **state) {
    float logits[] = {1, 0, 0, /**/ 0, 1, 0};
    int32_t labels[] = {0, 1};
    double prior[] = {0.5, 0.25, 0.25};
    bal_scores *scores = scores_of(&(bal_evaluation){.kind = BAL_HEAD_CLASSES,
                                                     .rows = 2,
                                                     .classes = 3,
                                                     .logits = logits,
                                                     .labels = labels,
                                                     .prior = prior});
    double skill = metric_of(scores, "skill", 0), auc = metric_of(scores, "roc_auc", 0);
    memset(logits, 0, sizeof logits);
    memset(labels, 0, sizeof labels);
    memset(prior, 0, sizeof prior);
    assert_metric(scores, "skill", 0, skill);
    assert_metric(scores, "roc_auc", 0, auc);
    assert_metric(scores, "accuracy", 0, 1);
    bal_scores_free(scores);
}

static void equal_logits_predict_the_first(void **state) {
    const float logits[] = {1, 1, 1, /**/ 0, 2, 2};
    const int32_t labels[] = {0, 2};
    bal_scores *scores = classes_of(logits, labels, 2);
    assert_int_equal(bal_scores_prediction(scores)[0], 0);
    assert_int_equal(bal_scores_prediction(scores)[1], 1);
    for (int64_t i = 0; i < 2; i++)
        assert_int_equal(bal_predict_class(BAL_HEAD_CLASSES, logits + 3 * i, 3, 0),
                         bal_scores_prediction(scores)[i]);
    bal_scores_free(scores);
}

static void threshold_is_reached_not_passed(void **state) {
    const float logits[] = {0, -1e-30F, 1e-30F, NAN, -2, -1};
    const int32_t labels[] = {0, 0, 1, 1, 0, 1};
    const int32_t at_half[] = {1, 0, 1, -1, 0, 0};
    const int32_t at_quarter[] = {1, 1, 1, -1, 0, 1}; /* log(1/3) is -1.0986 */
    bal_scores *half = binary_of(logits, labels, 6, 0.5);
    bal_scores *quarter = binary_of(logits, labels, 6, 0.25);
    assert_memory_equal(bal_scores_prediction(half), at_half, sizeof at_half);
    assert_memory_equal(bal_scores_prediction(quarter), at_quarter, sizeof at_quarter);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(bal_predict_class(BAL_HEAD_BINARY, logits + i, 2, 0.5), at_half[i]);
        assert_int_equal(bal_predict_class(BAL_HEAD_BINARY, logits + i, 2, 0.25), at_quarter[i]);
    }
    bal_scores_free(half);
    bal_scores_free(quarter);
}

static void nonfinite_rows_are_wrong(void **state) {
    const float logits[] = {3,   0, 0, /**/ 0,        3, 0, /**/ 0, 0, 3,
                            NAN, 9, 0, /**/ INFINITY, 0, 0, /**/ 0, 0, -INFINITY};
    const int32_t labels[] = {0, 1, 0, 1, 0, 1};
    bal_scores *scores = classes_of(logits, labels, 6);
    const int64_t support[] = {3, 3, 0}, predicted[] = {1, 1, 1};
    assert_int_equal(bal_scores_rows(scores), 6);
    assert_int_equal(bal_scores_nonfinite(scores), 3);
    assert_memory_equal(bal_scores_support(scores), support, sizeof support);
    assert_memory_equal(bal_scores_predicted(scores), predicted, sizeof predicted);
    for (int i = 3; i < 6; i++)
        assert_int_equal(bal_scores_prediction(scores)[i], -1);
    assert_metric(scores, "accuracy", 0, 2.0 / 6);
    assert_metric(scores, "balanced_accuracy", 0, 1.0 / 3);
    assert_metric(scores, "recall", 1, 1.0 / 3);
    assert_metric(scores, "precision", 1, 1);
    assert_metric(scores, "micro_f1", 0, 4.0 / 9);
    /* scikit-learn's matthews_corrcoef with -1 as one more label */
    assert_metric(scores, "mcc", 0, 0.28867513459481287);
    assert_metric(scores, "unique_predictions", 0, 3);
    assert_metric(scores, "most_common_share", 0, 1.0 / 3);
    assert_metric(scores, "normalized_entropy", 0, 1);
    const char *of_probabilities[] = {
        "log_loss", "skill", "brier", "ece", "roc_auc", "average_precision", "mutual_information"};
    for (int i = 0; i < (int)COUNT(of_probabilities); i++)
        assert_undefined(scores, of_probabilities[i], 0, "some outputs are not finite");
    double of_mean, mean; /* of the three rows that have probabilities */
    bal_scores_entropies(scores, &of_mean, &mean);
    assert_true(fabs(of_mean - log(3)) < 1e-12);
    assert_true(mean > 0.3 && mean < 0.5);
    bal_scores_free(scores);
}

static void no_finite_row_at_all(void **state) {
    const float logits[] = {NAN, NAN, NAN, NAN, NAN, NAN};
    const int32_t labels[] = {0, 1};
    bal_scores *scores = classes_of(logits, labels, 2);
    assert_metric(scores, "accuracy", 0, 0);
    assert_metric(scores, "macro_f1", 0, 0);
    assert_metric(scores, "mcc", 0, 0);
    assert_metric(scores, "unique_predictions", 0, 0);
    assert_undefined(scores, "most_common_share", 0, "no row has finite outputs");
    assert_undefined(scores, "normalized_entropy", 0, "no row has finite outputs");
    assert_undefined(scores, "prior_entropy_ratio", 0, "no row has finite outputs");
    double of_mean = 0, mean = 0;
    bal_scores_entropies(scores, &of_mean, &mean);
    assert_true(isnan(of_mean) && isnan(mean));
    bal_scores_free(scores);
}

static void huge_logits_stay_exact(void **state) {
    const float logits[] = {-3e38F, 3e38F, 0, /**/ 1000, 0, -1000};
    const int32_t labels[] = {0, 0};
    bal_scores *scores = classes_of(logits, labels, 2);
    double loss = ((double)3e38F - (double)-3e38F) / 2;
    assert_true(fabs(metric_of(scores, "log_loss", 0) / loss - 1) < 1e-12);
    assert_metric(scores, "brier", 0, 1);
    assert_metric(scores, "ece", 0, 0.5);
    assert_metric(scores, "mutual_information", 0, log(2));
    bal_scores_free(scores);
    const float binary[] = {-1000, 1000};
    const int32_t sides[] = {1, 1};
    scores = binary_of(binary, sides, 2, 0.5);
    assert_metric(scores, "log_loss", 0, 500);
    assert_metric(scores, "brier", 0, 0.5);
    assert_metric(scores, "mutual_information", 0, log(2));
    bal_scores_free(scores);
}

/* What a metric must do without rows, and on heads of another kind. */
/* Costs 0.31, 2.13, 20.0, unknown; the row without a label and the one without a prediction. */
static void share_of_rows_that_cost_more(void **state) {
    const float logits[] = {1, -2, -20, NAN, 5};
    const int32_t labels[] = {1, 1, 1, 0, -1};
    bal_scores *scores = binary_of(logits, labels, 5, 0.5);
    const struct {
        double nats, share;
    } cases[] = {{0.3, 1}, {0.32, 0.75}, {2.2, 0.5}, {19.9, 0.5}, {21, 0.25}, {1e300, 0.25}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_float_equal(bal_scores_share_above(scores, cases[i].nats), cases[i].share, 1e-12);
    bal_scores_free(scores);
}

static void undefined_has_a_reason(void **state) {
    const float logits[] = {1, 2, 3};
    const int32_t unknown[] = {-1};
    const float targets[] = {NAN, NAN, NAN};
    const double means[] = {0, 0, 0};
    bal_scores *heads[] = {
        classes_of(logits, unknown, 1),
        classes_of(NULL, NULL, 0),
        binary_of(logits, unknown, 1, 0.5),
        scores_of(&(bal_evaluation){.kind = BAL_HEAD_VALUE,
                                    .rows = 1,
                                    .classes = 3,
                                    .logits = logits,
                                    .targets = targets,
                                    .prior = means}),
    };
    for (int h = 0; h < (int)COUNT(heads); h++) {
        bal_scores *prior = NULL;
        bal_error err = {0};
        assert_int_equal(bal_scores_prior(heads[h], &prior, &err), BAL_OK);
        assert_int_equal(bal_scores_rows(heads[h]), 0);
        for (size_t m = 0; bal_metric_table[m]; m++) {
            const char *reason = NULL, *prior_reason = NULL;
            const bal_metric *metric = bal_metric_table[m];
            double value = metric->compute(heads[h], 0, &reason);
            double prior_value = metric->compute(prior, 0, &prior_reason);
            if (!isnan(value) || !reason || !isnan(prior_value) || !prior_reason)
                fail_msg("%s of nothing: %g, prior %g", metric->name, value, prior_value);
        }
        bal_scores_free(prior);
        bal_scores_free(heads[h]);
    }
}

static void metrics_know_their_heads(void **state) {
    const float outputs[] = {1, 2, 3};
    const int32_t labels[] = {2};
    const float targets[] = {1, 2, 4};
    bal_scores *classes = classes_of(outputs, labels, 1);
    bal_scores *value = scores_of(&(bal_evaluation){
        .kind = BAL_HEAD_VALUE, .rows = 1, .classes = 3, .logits = outputs, .targets = targets});
    for (size_t m = 0; bal_metric_table[m]; m++) {
        const bal_metric *metric = bal_metric_table[m];
        const bal_scores *other = metric->kinds & BAL_HEAD_BIT(BAL_HEAD_VALUE) ? classes : value;
        const char *reason = NULL;
        assert_true(isnan(metric->compute(other, 0, &reason)));
        assert_non_null(reason);
    }
    double of_mean = 0, mean = 0;
    bal_scores_entropies(value, &of_mean, &mean);
    assert_true(isnan(of_mean) && isnan(mean));
    assert_null(bal_scores_confusion(value));
    assert_null(bal_scores_prediction(value));
    bal_scores_free(classes);
    bal_scores_free(value);
}

static void what_each_metric_cannot_say(void **state) {
    const float logits[] = {5, 0, 0, /**/ 0, 5, 0};
    const int32_t one_class[] = {0, 0};
    bal_scores *scores = classes_of(logits, one_class, 2);
    assert_undefined(scores, "mcc", 0, "rows of one class only");
    assert_undefined(scores, "roc_auc", 0, "rows of one class only");
    assert_undefined(scores, "recall", 1, "no rows of the class");
    assert_undefined(scores, "risk", 1, "no rows of the class");
    assert_undefined(scores, "precision", 2, "the class was never predicted");
    assert_undefined(scores, "f1", 2, "the class is in neither truth nor prediction");
    assert_metric(scores, "f1", 1, 0);
    assert_metric(scores, "support", 1, 0);
    assert_metric(scores, "absent_classes", 0, 1);
    bal_scores_free(scores);

    const float same[] = {1, 1, 1};
    const float rising[] = {1, 2, 3};
    bal_evaluation value = {
        .kind = BAL_HEAD_VALUE, .rows = 3, .classes = 1, .logits = rising, .targets = same};
    scores = scores_of(&value);
    assert_undefined(scores, "r2", 0, "the targets are constant");
    assert_undefined(scores, "correlation", 0, "the targets or the predictions are constant");
    assert_metric(scores, "mae", 0, 1);
    bal_scores_free(scores);
    /* Sums of .1 are not three times .1: constancy must not be asked of a rounded variance. */
    const float tenths[] = {0.1F, 0.1F, 0.1F};
    value.targets = tenths;
    scores = scores_of(&value);
    assert_undefined(scores, "r2", 0, "the targets are constant");
    bal_scores_free(scores);
}

static void without_a_prior(void **state) {
    const float logits[] = {1, 0, 0};
    const int32_t labels[] = {0};
    bal_scores *scores = scores_of(&(bal_evaluation){
        .kind = BAL_HEAD_CLASSES, .rows = 1, .classes = 3, .logits = logits, .labels = labels});
    assert_null(bal_scores_training_prior(scores));
    assert_undefined(scores, "skill", 0, "no training prior");
    assert_undefined(scores, "prior_entropy_ratio", 0, "no training prior");
    bal_scores *untouched = scores, *prior = untouched;
    bal_error err = {0};
    assert_int_equal(bal_scores_prior(scores, &prior, &err), BAL_EINVAL);
    assert_ptr_equal(prior, untouched);
    assert_non_null(strstr(err.message, "without a training prior"));
    bal_scores_free(scores);
    bal_scores_free(NULL);
}

/* A class that training never showed has probability 0 in the prior, and an infinite loss. */
static void prior_of_an_unseen_class(void **state) {
    const double certain[] = {1, 0, 0};
    const float logits[] = {1, 0, 0, /**/ 0, 0, 1};
    const int32_t seen[] = {0, 0}, unseen[] = {0, 2};
    bal_evaluation evaluation = {.kind = BAL_HEAD_CLASSES,
                                 .rows = 2,
                                 .classes = 3,
                                 .logits = logits,
                                 .labels = unseen,
                                 .prior = certain};
    bal_scores *scores = scores_of(&evaluation), *prior = NULL;
    bal_error err = {0};
    assert_undefined(scores, "skill", 0, "a class of these rows has no training rows");
    assert_undefined(scores, "prior_entropy_ratio", 0, "the training prior holds one class only");
    assert_int_equal(bal_scores_prior(scores, &prior, &err), BAL_OK);
    assert_undefined(prior, "log_loss", 0, "a class of these rows has no training rows");
    assert_metric(prior, "brier", 0, 1);
    assert_metric(prior, "accuracy", 0, 0.5);
    assert_metric(prior, "roc_auc", 0, 0.5);
    assert_metric(prior, "mutual_information", 0, 0);
    bal_scores_free(prior);
    bal_scores_free(scores);
    evaluation.labels = seen;
    scores = scores_of(&evaluation);
    assert_undefined(scores, "skill", 0, "the training prior is already certain");
    bal_scores_free(scores);
}

static void prior_of_a_binary_head(void **state) {
    const float logits[] = {1, -1};
    const int32_t labels[] = {1, 0};
    const double thresholds[] = {0.25, 0.3}; /* prior2 gives class 1 a probability of .25 */
    for (int i = 0; i < 2; i++) {
        bal_scores *scores = binary_of(logits, labels, 2, thresholds[i]), *prior = NULL;
        assert_int_equal(bal_scores_prior(scores, &prior, NULL), BAL_OK);
        assert_int_equal(bal_scores_prediction(prior)[0], i == 0);
        assert_metric(prior, "log_loss", 0, -(log(0.25) + log(0.75)) / 2);
        assert_metric(prior, "brier", 0, (0.75 * 0.75 + 0.25 * 0.25) / 2);
        assert_metric(prior, "lift", 0, 1);
        bal_scores_free(prior);
        bal_scores_free(scores);
    }
}

static void zeros_of_either_sign_tie(void **state) {
    const float logits[] = {0.0F, -0.0F, 0.0F, -0.0F, -1};
    const int32_t labels[] = {1, 0, 0, 1, 0};
    bal_scores *scores = binary_of(logits, labels, 5, 0.5);
    assert_metric(scores, "roc_auc", 0, (0.5 * 4 + 2) / 6);
    assert_metric(scores, "average_precision", 0, 0.5);
    bal_scores_free(scores);
}

static void outputs_that_ignore_inputs(void **state) {
    const int32_t labels[] = {0, 1, 2, 0};
    const float same[] = {0.3F, 0.2F, 0.1F, 0.3F, 0.2F, 0.1F, 0.3F, 0.2F, 0.1F, 0.3F, 0.2F, 0.1F};
    bal_scores *scores = classes_of(same, labels, 4);
    double of_mean, mean;
    bal_scores_entropies(scores, &of_mean, &mean);
    assert_true(of_mean > 1 && fabs(of_mean - mean) < 1e-12);
    assert_true(metric_of(scores, "mutual_information", 0) >= 0);
    assert_true(metric_of(scores, "mutual_information", 0) < 1e-12);
    bal_scores_free(scores);
}

static void unknown_targets_are_left_out(void **state) {
    const float outputs[] = {1, 5, /**/ 2, 6, /**/ 3, 7};
    const float targets[] = {2, NAN, /**/ NAN, NAN, /**/ 5, 10};
    bal_evaluation evaluation = {
        .kind = BAL_HEAD_VALUE, .rows = 3, .classes = 2, .logits = outputs, .targets = targets};
    bal_scores *scores = scores_of(&evaluation);
    assert_int_equal(bal_scores_rows(scores), 2);
    assert_int_equal(bal_scores_support(scores)[0], 2);
    assert_int_equal(bal_scores_support(scores)[1], 1);
    assert_metric(scores, "mae", 0, (1.5 + 3) / 2);
    assert_metric(scores, "mse", 0, (2.5 + 9) / 2);
    assert_metric(scores, "rmse", 0, (sqrt(2.5) + 3) / 2);
    bal_scores_free(scores);

    const float broken[] = {1, 5, /**/ 2, 6, /**/ 3, INFINITY};
    evaluation.logits = broken;
    scores = scores_of(&evaluation);
    assert_int_equal(bal_scores_nonfinite(scores), 1);
    assert_undefined(scores, "mae", 0, "some outputs are not finite");
    bal_scores_free(scores);
}

static void refuses(const bal_evaluation *evaluation, const char *words) {
    bal_scores *scores = NULL;
    bal_error err = {0};
    assert_int_equal(bal_scores_new(evaluation, &scores, &err), BAL_EINVAL);
    assert_null(scores);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
    assert_int_equal(bal_scores_new(evaluation, &scores, NULL), BAL_EINVAL);
}

static void bad_evaluations(void **state) {
    const float logits[] = {1, 2, 3, 4, 5, 6};
    const int32_t labels[] = {0, 3}, negative[] = {0, -2}, fine[] = {0, 1};
    const double counts2[] = {30, 10}, broken2[] = {0.5, NAN}, below2[] = {1.5, -0.5};
    const float infinite[] = {1, INFINITY};
    bal_evaluation good = {
        .kind = BAL_HEAD_CLASSES, .rows = 2, .classes = 3, .logits = logits, .labels = labels};
    refuses(&good, "row 1 has label 3; wanted 0 to 2");
    bal_evaluation e = good;
    e.labels = negative;
    refuses(&e, "row 1 has label -2");
    e = good;
    e.labels = NULL;
    refuses(&e, "2 rows, but no labels");
    e = good;
    e.logits = NULL;
    refuses(&e, "2 rows, but no outputs");
    e = good;
    e.classes = 1;
    refuses(&e, "1 classes; wanted 2 or more");
    e = good;
    e.rows = -1;
    refuses(&e, "-1 rows");
    e.rows = INT64_C(1) << 40;
    refuses(&e, "evaluate in parts");
    e = good;
    e.kind = (bal_head_kind)7;
    refuses(&e, "unknown kind of head 7");

    bal_evaluation binary = {.kind = BAL_HEAD_BINARY,
                             .rows = 2,
                             .classes = 2,
                             .logits = logits,
                             .labels = fine,
                             .threshold = 0.5};
    e = binary;
    e.classes = 3;
    refuses(&e, "wanted 2, as the head is binary");
    const double thresholds[] = {0, 1, -1, NAN};
    for (int i = 0; i < 4; i++) {
        e = binary;
        e.threshold = thresholds[i];
        refuses(&e, "wanted a probability between 0 and 1");
    }
    e = binary;
    e.prior = counts2;
    refuses(&e, "not counts");
    e.prior = broken2;
    refuses(&e, "frequency of class 1 is nan");
    e.prior = below2;
    refuses(&e, "frequency of class 1 is -0.5");

    bal_evaluation value = {
        .kind = BAL_HEAD_VALUE, .rows = 2, .classes = 1, .logits = logits, .targets = infinite};
    refuses(&value, "target of row 1 is infinite");
    value.targets = NULL;
    refuses(&value, "no labels or targets");
    value.classes = 0;
    refuses(&value, "wanted 1 output or more");
}

/* Every allocation fails once: a status, nothing leaked, the output untouched. */
static void memory_runs_out(void **state) {
    const float logits[] = {1, 0, 0, /**/ 0, 2, 0, /**/ 1, 0, 3};
    const int32_t labels[] = {0, 1, 2};
    bal_evaluation evaluation = {.kind = BAL_HEAD_CLASSES,
                                 .rows = 3,
                                 .classes = 3,
                                 .logits = logits,
                                 .labels = labels,
                                 .prior = prior3};
    bal_scores *scores = NULL, *prior = NULL;
    bal_status status = BAL_ENOMEM;
    int failures = -1;
    for (int n = 0; status != BAL_OK; n++) {
        bal_error err = {0};
        bal_memory_fail_after(n);
        status = bal_scores_new(&evaluation, &scores, &err);
        bal_memory_fail_after(-1);
        failures++;
        if (status != BAL_OK) assert_null(scores);
        assert_int_equal(status, status == BAL_OK ? BAL_OK : BAL_ENOMEM);
        assert_int_equal(err.status, status);
    }
    assert_true(failures > 1);
    status = BAL_ENOMEM;
    for (int n = 0; status != BAL_OK; n++) {
        bal_error err = {0};
        bal_memory_fail_after(n);
        status = bal_scores_prior(scores, &prior, &err);
        bal_memory_fail_after(-1);
        assert_int_equal(status, status == BAL_OK ? BAL_OK : BAL_ENOMEM);
    }
    for (int n = 0; n < 2; n++) {
        bal_memory_fail_after(n);
        assert_undefined(scores, "roc_auc", 0, "out of memory");
        bal_memory_fail_after(-1);
    }
    assert_metric(scores, "roc_auc", 0, 1);
    bal_scores_free(prior);
    bal_scores_free(scores);
}

static void large_sizes_do_not_wrap(void **state) {
    bal_evaluation evaluation = {.kind = BAL_HEAD_CLASSES, .rows = 0, .classes = INT32_MAX};
    bal_scores *scores = NULL;
    bal_error err = {0};
    assert_int_equal(bal_scores_new(&evaluation, &scores, &err), BAL_ENOMEM);
    assert_null(scores);
}

static void table_is_sound(void **state) {
    for (size_t i = 0; bal_metric_table[i]; i++) {
        const bal_metric *metric = bal_metric_table[i];
        assert_ptr_equal(bal_metric_find(metric->name), metric); /* so names are unique */
        assert_true(strlen(metric->name) < sizeof((bal_metric_path *)0)->metric);
        assert_true(metric->summary && *metric->summary && metric->source);
        assert_true(metric->kinds != 0 && metric->kinds < BAL_HEAD_BIT(BAL_HEAD_KIND_COUNT));
        assert_in_range(metric->better + 1, 0, 2);
        assert_non_null(metric->compute);
    }
    assert_null(bal_metric_find("macro-f1"));
    assert_null(bal_metric_find(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(inputs_are_copied),
        cmocka_unit_test(equal_logits_predict_the_first),
        cmocka_unit_test(threshold_is_reached_not_passed),
        cmocka_unit_test(nonfinite_rows_are_wrong),
        cmocka_unit_test(no_finite_row_at_all),
        cmocka_unit_test(huge_logits_stay_exact),
        cmocka_unit_test(share_of_rows_that_cost_more),
        cmocka_unit_test(undefined_has_a_reason),
        cmocka_unit_test(metrics_know_their_heads),
        cmocka_unit_test(what_each_metric_cannot_say),
        cmocka_unit_test(without_a_prior),
        cmocka_unit_test(prior_of_an_unseen_class),
        cmocka_unit_test(prior_of_a_binary_head),
        cmocka_unit_test(zeros_of_either_sign_tie),
        cmocka_unit_test(outputs_that_ignore_inputs),
        cmocka_unit_test(unknown_targets_are_left_out),
        cmocka_unit_test(bad_evaluations),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(large_sizes_do_not_wrap),
        cmocka_unit_test(table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
