/* A guard with one head to experiment on: rows with known labels, evaluations made from what is to
 * be predicted, steps made from a loss and a norm. Failures of the laboratory itself fail the test.
 */
#ifndef BAL_TESTS_GUARD_LAB_H
#define BAL_TESTS_GUARD_LAB_H

#include "guard/guard.h"

/* cmocka.h must be included before this file. */

typedef struct guard_lab {
    bal_guard *guard;
    bal_guard_head head;
    double *prior;      /* [classes] */
    int64_t rows;       /* validation */
    int64_t *support;   /* [classes] */
    int32_t *labels;    /* [rows], class by class */
    int32_t *predicted; /* [rows] for the caller to fill in */
    float *logits;      /* [rows, classes]; binary: [rows] */
    int64_t epoch, step, evaluation;
    /* What the next evaluation says beside the scores. */
    double monitored, monitored_prior, dead_share, rule_value;
    double train_loss, loss; /* loss NaN: the log-loss of the scores (value heads: the error) */
    float *targets;          /* value heads: [rows] */
    bool smaller_is_better;
} guard_lab;

typedef struct lab_setup {
    bal_head_kind kind;
    int32_t classes;
    const int64_t *support; /* [classes] validation rows */
    const double *prior;    /* [classes]; NULL: as the validation rows */
    const double *class_weights;
    bal_guard_options
        options; /* heads are the laboratory's business; policy off is taken as warn */
    bool off;
} lab_setup;

void lab_init(guard_lab *lab, const lab_setup *setup);
void lab_release(guard_lab *lab);
/** A second guard, as after a restart, over the same head. */
bal_guard *lab_twin(const guard_lab *lab, const lab_setup *setup);

/** Evaluate what lab->predicted says: every row gets the prior's logits, with the predicted class
 * above the largest of them by `boost` (classes) or the logit ±boost (binary). A prediction of −1
 * is NaN. */
bal_decision lab_evaluate(guard_lab *lab, double boost);

/** Evaluate lab->logits as they are. */
bal_decision lab_evaluate_logits(guard_lab *lab);

/** Predictions by recall: the first recall·support rows of a class are right, the others are called
 *  `sink` (the next class when that is their own, or for sink −1). */
void lab_predict(guard_lab *lab, const double *recall, int32_t sink);
void lab_predict_all(guard_lab *lab, int32_t class_id);
/** Evaluations with one recall for all classes. */
bal_decision lab_recall(guard_lab *lab, double recall);

bal_decision lab_step(guard_lab *lab, double loss, double norm);

/** Number of incidents of a detector in a decision. */
int32_t lab_count(const bal_decision *decision, const char *detector);

#define assert_silent(decision) lab_assert_silent(&(decision), __FILE__, __LINE__)
void lab_assert_silent(const bal_decision *decision, const char *file, int line);

/** Exactly one incident, of this detector. */
#define assert_fires(decision, detector) lab_assert_fires(&(decision), detector, __FILE__, __LINE__)
void lab_assert_fires(const bal_decision *decision, const char *detector, const char *file,
                      int line);

#endif
