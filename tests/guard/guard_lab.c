/* See guard_lab.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "guard_lab.h"

static const char *const names[] = {"A", "B", "C", "D", "E", "F", "G", "H"};

static void fill_rows(guard_lab *lab, const lab_setup *setup) {
    for (int32_t c = 0; c < setup->classes; c++)
        lab->rows += setup->support[c];
    lab->labels = calloc((size_t)lab->rows, sizeof *lab->labels);
    lab->predicted = calloc((size_t)lab->rows, sizeof *lab->predicted);
    lab->logits = calloc((size_t)lab->rows * (size_t)setup->classes, sizeof *lab->logits);
    lab->support = calloc((size_t)setup->classes, sizeof *lab->support);
    lab->prior = calloc((size_t)setup->classes, sizeof *lab->prior);
    int64_t row = 0;
    for (int32_t c = 0; c < setup->classes; c++) {
        lab->support[c] = setup->support[c];
        lab->prior[c] =
            setup->prior ? setup->prior[c] : (double)setup->support[c] / (double)lab->rows;
        for (int64_t i = 0; i < setup->support[c]; i++)
            lab->labels[row++] = c;
    }
}

bal_guard *lab_twin(const guard_lab *lab, const lab_setup *setup) {
    bal_guard_options options = setup->options;
    options.heads = &lab->head;
    options.n_heads = 1;
    if (options.policy == BAL_GUARD_OFF && !setup->off) options.policy = BAL_GUARD_WARN;
    bal_guard *guard = NULL;
    bal_error err = {0};
    if (bal_guard_new(&options, &guard, &err) != BAL_OK) fail_msg("%s", err.message);
    return guard;
}

void lab_init(guard_lab *lab, const lab_setup *setup) {
    *lab = (guard_lab){
        .monitored = 0.5, .dead_share = NAN, .rule_value = NAN, .train_loss = 1, .loss = 1};
    fill_rows(lab, setup);
    lab->head = (bal_guard_head){.name = "label",
                                 .kind = setup->kind,
                                 .classes = setup->classes,
                                 .class_names = setup->classes <= 8 ? names : NULL,
                                 .prior = lab->prior,
                                 .class_weights = setup->class_weights};
    if (setup->kind == BAL_HEAD_VALUE)
        lab->targets = calloc((size_t)lab->rows, sizeof *lab->targets);
    lab->guard = lab_twin(lab, setup);
}

void lab_release(guard_lab *lab) {
    bal_guard_free(lab->guard);
    free(lab->labels);
    free(lab->predicted);
    free(lab->logits);
    free(lab->support);
    free(lab->prior);
    free(lab->targets);
}

static double lookup(void *user, const bal_metric_path *path) {
    return ((const guard_lab *)user)->rule_value;
}

static void fill_logits(guard_lab *lab, double boost) {
    int32_t classes = lab->head.classes;
    double highest = 0;
    for (int32_t c = 0; c < classes; c++)
        highest = fmax(highest, lab->prior[c]);
    for (int64_t i = 0; i < lab->rows; i++) {
        int32_t predicted = lab->predicted[i];
        if (lab->head.kind == BAL_HEAD_BINARY) {
            lab->logits[i] = (float)(predicted < 0 ? NAN : predicted == 1 ? boost : -boost);
            continue;
        }
        float *row = lab->logits + i * classes;
        for (int32_t c = 0; c < classes; c++)
            row[c] = (float)log(fmax(lab->prior[c], 1e-9));
        if (predicted < 0)
            row[0] = NAN;
        else
            row[predicted] = (float)(log(highest) + boost);
    }
}

static bal_decision judge(guard_lab *lab) {
    bal_evaluation evaluation = {.kind = lab->head.kind,
                                 .rows = lab->rows,
                                 .classes = lab->head.classes,
                                 .logits = lab->logits,
                                 .labels = lab->labels,
                                 .targets = lab->targets,
                                 .prior = lab->prior,
                                 .threshold = 0.5};
    bal_scores *scores = NULL;
    bal_error err = {0};
    if (bal_scores_new(&evaluation, &scores, &err) != BAL_OK) fail_msg("%s", err.message);
    const bal_scores *list = scores;
    bool is_value = lab->head.kind == BAL_HEAD_VALUE;
    double loss = isnan(lab->loss)
                      ? bal_metric_find(is_value ? "mse" : "log_loss")->compute(scores, -1, NULL)
                      : lab->loss;
    bal_decision decision = bal_guard_evaluate(
        lab->guard, &(bal_eval_signals){.epoch = lab->epoch,
                                        .step = lab->step,
                                        .evaluation = lab->evaluation,
                                        .train_loss = lab->train_loss,
                                        .head_loss = &loss,
                                        .head_train_loss = &lab->train_loss,
                                        .scores = &list,
                                        .monitored = lab->monitored,
                                        .larger_is_better = !lab->smaller_is_better,
                                        .monitored_prior = lab->monitored_prior,
                                        .dead_share = lab->dead_share,
                                        .lookup = lookup,
                                        .user = lab});
    bal_scores_free(scores);
    return decision;
}

bal_decision lab_evaluate_logits(guard_lab *lab) {
    lab->epoch++;
    lab->evaluation++;
    return judge(lab);
}

bal_decision lab_evaluate(guard_lab *lab, double boost) {
    fill_logits(lab, boost);
    return lab_evaluate_logits(lab);
}

void lab_predict(guard_lab *lab, const double *recall, int32_t sink) {
    int64_t row = 0;
    for (int32_t c = 0; c < lab->head.classes; c++) {
        int64_t right = llround(recall[c] * (double)lab->support[c]);
        int32_t wrong = sink < 0 || sink == c ? (c + 1) % lab->head.classes : sink;
        for (int64_t i = 0; i < lab->support[c]; i++)
            lab->predicted[row++] = i < right ? c : wrong;
    }
}

void lab_predict_all(guard_lab *lab, int32_t class_id) {
    for (int64_t i = 0; i < lab->rows; i++)
        lab->predicted[i] = class_id;
}

bal_decision lab_recall(guard_lab *lab, double recall) {
    double *all = calloc((size_t)lab->head.classes, sizeof *all);
    for (int32_t c = 0; c < lab->head.classes; c++)
        all[c] = recall;
    lab_predict(lab, all, -1);
    free(all);
    return lab_evaluate(lab, 2);
}

bal_decision lab_step(guard_lab *lab, double loss, double norm) {
    return bal_guard_step(
        lab->guard, &(bal_step_signals){
                        .epoch = lab->epoch, .step = lab->step++, .loss = loss, .grad_norm = norm});
}

int32_t lab_count(const bal_decision *decision, const char *detector) {
    int32_t count = 0;
    for (int32_t i = 0; i < decision->n_incidents; i++)
        count += strcmp(decision->incidents[i].detector, detector) == 0;
    return count;
}

void lab_assert_silent(const bal_decision *decision, const char *file, int line) {
    if (decision->n_incidents == 0 && decision->verdict == BAL_VERDICT_GO) return;
    print_error("%s\n", decision->n_incidents ? decision->incidents[0].message : "no incident");
    _fail(file, line);
}

void lab_assert_fires(const bal_decision *decision, const char *detector, const char *file,
                      int line) {
    if (decision->n_incidents == 1 && lab_count(decision, detector) == 1) return;
    print_error("wanted one incident of %s, found %d\n", detector, (int)decision->n_incidents);
    for (int32_t i = 0; i < decision->n_incidents; i++)
        print_error("  %s: %s\n", decision->incidents[i].detector, decision->incidents[i].message);
    _fail(file, line);
}
