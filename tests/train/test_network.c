/* Single steps and evaluations of a network, compared with what they should compute. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "net_lab.h"

/** Nothing random and nothing normalised: training and evaluation compute the same outputs. */
#define PLAIN                                                                                      \
    "model={kind: mlp, hidden: [16, 8], activation: relu, norm: none}|optimizer={kind: sgd, "      \
    "lr: 0.1}|heads=[{name: label, kind: classes, loss: cross_entropy, class_weights: {kind: "     \
    "explicit, values: {a: 1, b: 2.5, c: 0.5}}}]"

static const double plain_weights[] = {1, 2.5, 0.5};

static const int32_t *batch_labels(const bal_batch *batch) {
    const char *host = bal_buffer_host(batch->buffer);
    return (const int32_t *)(const void *)(host + batch->offset[BAL_FIELD_HEAD]);
}

/** Outputs of the first head for a batch, by the inference form; free() them. */
static float *evaluate(net_lab *lab, const bal_batch *batch, double *ret_loss, double *ret_weight) {
    bal_error err = {0};
    float *outputs[BAL_HEADS_MAX] = {0};
    for (int32_t h = 0; h < lab->dataset->n_heads; h++) {
        size_t n = (size_t)(batch->size * lab->dataset->heads[h].outputs);
        assert_non_null(outputs[h] = calloc(n, sizeof(float)));
    }
    if (bal_network_evaluate(lab->network, batch, outputs, ret_loss, ret_weight, &err) != BAL_OK)
        fail_msg("%s", err.message);
    for (int32_t h = 1; h < lab->dataset->n_heads; h++)
        free(outputs[h]);
    return outputs[0];
}

static double nll(const float *logits, int32_t classes, int32_t label) {
    double sum = 0;
    for (int32_t c = 0; c < classes; c++)
        sum += exp((double)logits[c] - logits[label]);
    return log(sum);
}

/* Every batch of an epoch, the last of them partial: loss and weight as computed by hand, and over
 * the epoch the mean over all rows, whatever batch they came in. */
static void losses_are_weighted_means_in_partial_batches_too(void **unused) {
    net_lab lab;
    net_lab_init(&lab, PLAIN);
    double loss_sum = 0, weight_sum = 0, all_loss = 0, all_weight = 0;
    int64_t rows = 0;
    lab.rate[0] = 0;
    for (int64_t i = 0; i < bal_batcher_batches(lab.batches); i++) {
        double loss[BAL_HEADS_MAX], weight[BAL_HEADS_MAX], sum = 0, weights = 0, raw = 0;
        bal_batch batch = net_lab_batch(&lab);
        float *logits = evaluate(&lab, &batch, loss, weight);
        for (int64_t row = 0; row < batch.size; row++) {
            int32_t label = batch_labels(&batch)[row];
            double row_loss = nll(logits + row * 3, 3, label);
            sum += plain_weights[label] * row_loss;
            weights += plain_weights[label];
            raw += row_loss;
        }
        free(logits);
        bal_step_result result = net_lab_step(&lab, &batch);
        assert_true(result.applied);
        assert_near(result.head_loss[0], sum / weights, 1e-5);
        assert_near(result.head_weight[0], weights, 1e-4);
        assert_near(result.loss, result.head_loss[0], 0);
        assert_near(loss[0], raw / (double)batch.size, 1e-5); /* raw: unweighted */
        assert_near(weight[0], (double)batch.size, 0);
        loss_sum += result.head_loss[0] * result.head_weight[0];
        weight_sum += result.head_weight[0];
        all_loss += sum;
        all_weight += weights;
        rows += batch.size;
        if (i + 1 == bal_batcher_batches(lab.batches))
            assert_in_range(batch.size, 1, lab.recipe->train.batch_size - 1);
    }
    assert_int_equal(rows, lab.dataset->split.count[BAL_SPLIT_TRAIN]);
    assert_near(loss_sum / weight_sum, all_loss / all_weight, 1e-6);
    net_lab_release(&lab);
}

/** p after a step of rate r from the same start, on the same batch. */
static float *after_step(net_lab *lab, const char *name, int32_t group, double rate,
                         int64_t *ret_count) {
    net_lab_restart(lab);
    lab->rate[group] = rate;
    bal_batch batch = net_lab_batch(lab);
    bal_step_result result = net_lab_step(lab, &batch);
    assert_true(result.applied);
    return net_lab_read(lab, name, ret_count);
}

/* With plain gradient descent twice the rate of a group is twice its step, and nobody else's. */
static void groups_have_their_own_rates(void **unused) {
    net_lab lab;
    net_lab_init(&lab, PLAIN "|optimizer.groups=[{match: 'backbone.0.*', lr: 0.01}, {match: "
                             "'head.*', lr: 0.05}]");
    assert_int_equal(bal_network_groups(lab.network), 3);
    assert_true(lab.rate[0] == 0.01 && lab.rate[1] == 0.05 && lab.rate[2] == 0.1);
    static const char *const names[] = {"backbone.0.linear.weight", "head.label.output.weight",
                                        "backbone.1.linear.weight"};
    for (int32_t group = 0; group < 3; group++) {
        for (int32_t other = 0; other < 3; other++) {
            int64_t count;
            net_lab_restart(&lab);
            float *start = net_lab_read(&lab, names[group], &count);
            double rate = lab.rate[other];
            float *one = after_step(&lab, names[group], other, rate, &count);
            float *two = after_step(&lab, names[group], other, 2 * rate, &count);
            double moved = 0;
            for (int64_t i = 0; i < count; i++) {
                double step = (double)one[i] - start[i], twice = (double)two[i] - start[i];
                moved += fabs(step);
                assert_near(twice, other == group ? 2 * step : step, 1e-6);
            }
            assert_true(moved > 1e-4);
            free(start);
            free(one);
            free(two);
        }
    }
    net_lab_release(&lab);
}

static void frozen_weights_stay(void **unused) {
    net_lab lab;
    net_lab_init(&lab, "model.freeze=['backbone.0.*', '*.output.bias']|optimizer={kind: adamw, "
                       "lr: 0.1, weight_decay: 0.1}");
    static const struct {
        const char *name;
        bool frozen;
    } tensors[] = {{"backbone.0.linear.weight", true}, {"backbone.0.norm.weight", true},
                   {"backbone.0.norm.bias", true},     {"backbone.1.linear.weight", false},
                   {"backbone.1.norm.bias", false},    {"head.label.output.weight", false},
                   {"head.label.output.bias", true}};
    enum { N = sizeof tensors / sizeof *tensors };
    float *before[N];
    int64_t count[N];
    for (int i = 0; i < N; i++)
        before[i] = net_lab_read(&lab, tensors[i].name, &count[i]);
    for (int step = 0; step < 5; step++) {
        bal_batch batch = net_lab_batch(&lab);
        net_lab_step(&lab, &batch);
    }
    for (int i = 0; i < N; i++) {
        float *now = net_lab_read(&lab, tensors[i].name, NULL);
        bool same = memcmp(now, before[i], (size_t)count[i] * sizeof *now) == 0;
        if (same != tensors[i].frozen) fail_msg("%s", tensors[i].name);
        free(now);
        free(before[i]);
    }
    /* No memory is kept for what is not trained. */
    const bal_store *store = bal_network_store(lab.network);
    assert_null(bal_store_find(store, "backbone.0.linear.weight.first_moment"));
    assert_non_null(bal_store_find(store, "backbone.1.linear.weight.first_moment"));
    net_lab_release(&lab);
}

static void class_weights_can_change_between_steps(void **unused) {
    net_lab lab;
    bal_error err = {0};
    net_lab_init(&lab, PLAIN);
    bal_batch batch = net_lab_batch(&lab);
    const double others[] = {7, 0.25, 3};
    double expected = 0;
    for (int64_t row = 0; row < batch.size; row++)
        expected += others[batch_labels(&batch)[row]];
    assert_int_equal(bal_network_set_class_weights(lab.network, 0, others, &err), BAL_OK);
    assert_near(net_lab_step(&lab, &batch).head_weight[0], expected, 1e-4);
    net_lab_release(&lab);
}

static void dead_units_are_counted(void **unused) {
    net_lab lab;
    bal_error err = {0};
    double share = -1, loss[BAL_HEADS_MAX], weight[BAL_HEADS_MAX];
    net_lab_init(&lab, "train.batch_size=50");
    float bias[16] = {0};
    for (int unit = 0; unit < 6; unit++)
        bias[unit] = -1000;
    net_lab_write(&lab, "backbone.0.norm.bias", bias);
    assert_int_equal(bal_network_reset_activity(lab.network, &err), BAL_OK);
    assert_int_equal(bal_network_dead_share(lab.network, &share, &err), BAL_OK);
    assert_near(share, 1, 0); /* nothing evaluated yet */
    for (int i = 0; i < 3; i++) {
        bal_batch batch = net_lab_batch(&lab);
        free(evaluate(&lab, &batch, loss, weight));
    }
    assert_int_equal(bal_network_dead_share(lab.network, &share, &err), BAL_OK);
    assert_near(share, 6.0 / 24, 1e-12);
    net_lab_release(&lab);

    net_lab_init(&lab, "model.activation=tanh");
    assert_int_equal(bal_network_dead_share(lab.network, &share, &err), BAL_OK);
    assert_true(isnan(share)); /* tanh units cannot be dead */
    net_lab_release(&lab);
}

/* Once the programs of both batch sizes are there, steps and evaluations allocate nothing. */
static void steps_allocate_nothing(void **unused) {
    net_lab lab;
    net_lab_init(&lab, NULL);
    int64_t batches = bal_batcher_batches(lab.batches);
    for (int64_t i = 0; i < batches; i++) {
        bal_batch batch = net_lab_batch(&lab);
        net_lab_step(&lab, &batch);
    }
    uint64_t before = bal_memory_allocations();
    for (int64_t i = 0; i < 20 * batches; i++) {
        bal_batch batch = net_lab_batch(&lab);
        net_lab_step(&lab, &batch);
    }
    assert_int_equal(bal_memory_allocations(), before);
    net_lab_release(&lab);
}

/** Spoil a feature of the batch. */
static void poison(const bal_batch *batch, float value) {
    char *host = bal_buffer_host(batch->buffer);
    memcpy(host + batch->offset[BAL_FIELD_X] + 8, &value, sizeof value);
}

/* A batch with a NaN or an infinity in it: no weight, moment or running statistic moves. */
static void a_bad_batch_leaves_no_trace(void **unused) {
    static const char *const optimizers[] = {
        "optimizer={kind: sgd, lr: 0.1, l2: 0.1}", "optimizer={kind: momentum, lr: 0.1, l2: 0.1}",
        "optimizer={kind: adam, lr: 0.1, l2: 0.1, clip_norm: 1}",
        "optimizer={kind: adamw, lr: 0.1, weight_decay: 0.1}"};
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) {
        net_lab lab;
        net_lab_init(&lab, optimizers[i]);
        bal_batch batch = net_lab_batch(&lab);
        net_lab_step(&lab, &batch);
        const float values[] = {NAN, INFINITY, -INFINITY};
        for (int v = 0; v < 3; v++) {
            size_t size;
            char *before = net_lab_snapshot(&lab, &size);
            batch = net_lab_batch(&lab);
            poison(&batch, values[v]);
            bal_step_result result = net_lab_step(&lab, &batch);
            assert_false(result.applied);
            assert_false(isfinite(result.grad_norm));
            char *after = net_lab_snapshot(&lab, &size);
            assert_memory_equal(before, after, size);
            free(before);
            free(after);
        }
        batch = net_lab_batch(&lab); /* and then it goes on */
        assert_true(net_lab_step(&lab, &batch).applied);
        net_lab_release(&lab);
    }
}

#define THREE_HEADS                                                                                \
    "heads=[{name: label, kind: classes, loss: cross_entropy, weight: 0.5},"                       \
    " {name: yes, kind: binary, target: yes, loss: binary_cross_entropy, weight: 2},"              \
    " {name: value, kind: value, target: value, loss: squared_error, weight: 0.125}]"

static void the_total_is_the_sum_of_shares(void **unused) {
    net_lab lab;
    net_lab_init(&lab, THREE_HEADS);
    for (int i = 0; i < 8; i++) {
        bal_batch batch = net_lab_batch(&lab);
        bal_step_result r = net_lab_step(&lab, &batch);
        double total = 0.5 * r.head_loss[0] + 2 * r.head_loss[1] + 0.125 * r.head_loss[2];
        assert_near(r.loss, total, 1e-5 * total);
        for (int h = 0; h < 3; h++)
            assert_near(r.head_weight[h], (double)batch.size, 0);
    }
    net_lab_release(&lab);
}

/* A head without a share: its loss is told, but neither its weights nor its troubles count. */
static void a_head_without_a_share_is_not_trained(void **unused) {
    net_lab lab;
    net_lab_init(&lab, "heads=[{name: label, kind: classes, loss: cross_entropy}, {name: value, "
                       "kind: value, target: value, loss: squared_error, weight: 0}]");
    int64_t count;
    float *before = net_lab_read(&lab, "head.value.output.weight", &count);
    float large[8];
    for (int i = 0; i < 8; i++)
        large[i] = 3e38f; /* its outputs and its loss overflow */
    net_lab_write(&lab, "head.value.output.weight", large);
    bal_batch batch = net_lab_batch(&lab);
    bal_step_result r = net_lab_step(&lab, &batch);
    assert_true(r.applied);
    assert_false(isfinite(r.head_loss[1]));
    assert_near(r.loss, r.head_loss[0], 0);
    float *after = net_lab_read(&lab, "head.value.output.weight", NULL);
    assert_memory_equal(after, large, sizeof large);
    free(before);
    free(after);
    net_lab_release(&lab);
}

/* Rows without a label or target count in no loss; a batch without any gives loss 0, weight 0. */
static void rows_without_a_label_do_not_count(void **unused) {
    net_lab lab;
    net_lab_init(&lab, PLAIN);
    bal_batch batch = net_lab_batch(&lab);
    char *host = bal_buffer_host(batch.buffer);
    int32_t *labels = (int32_t *)(void *)(host + batch.offset[BAL_FIELD_HEAD]);
    double weights = 0;
    for (int64_t row = 0; row < batch.size; row++) {
        if (row % 3 == 0)
            labels[row] = -1;
        else
            weights += plain_weights[labels[row]];
    }
    assert_near(net_lab_step(&lab, &batch).head_weight[0], weights, 1e-4);
    for (int64_t row = 0; row < batch.size; row++)
        labels[row] = -1;
    bal_step_result none = net_lab_step(&lab, &batch);
    assert_near(none.head_weight[0], 0, 0);
    assert_near(none.head_loss[0], 0, 0);
    assert_near(none.grad_norm, 0, 0);
    net_lab_release(&lab);
}

/* Adam's first step moves every weight by the rate, if the bias corrections are right; the
 * hundredth with constant gradients would too. Clipping does not change that, but is seen in the
 * moments. */
static void corrections_follow_the_updates(void **unused) {
    net_lab lab;
    net_lab_init(&lab, "model={kind: mlp, hidden: [8], norm: none}|optimizer={kind: adam, lr: "
                       "0.001}");
    int64_t count;
    float *before = net_lab_read(&lab, "head.label.output.bias", &count);
    bal_batch batch = net_lab_batch(&lab);
    net_lab_step(&lab, &batch);
    float *after = net_lab_read(&lab, "head.label.output.bias", NULL);
    for (int64_t i = 0; i < count; i++)
        assert_near(fabs((double)after[i] - before[i]), 0.001, 2e-6);
    free(before);
    free(after);
    net_lab_release(&lab);
}

static void gradients_are_clipped(void **unused) {
    double norm[2];
    for (int clipped = 0; clipped < 2; clipped++) {
        net_lab lab;
        net_lab_init(&lab, clipped ? PLAIN "|optimizer.clip_norm=0.01" : PLAIN);
        size_t size;
        char *before = net_lab_snapshot(&lab, &size);
        bal_batch batch = net_lab_batch(&lab);
        bal_step_result result = net_lab_step(&lab, &batch);
        assert_true(result.grad_norm > 0.1); /* told before clipping */
        char *after = net_lab_snapshot(&lab, &size);
        double sum = 0;
        for (size_t i = 0; i < size / sizeof(float); i++) {
            double d = (double)((float *)(void *)after)[i] - ((float *)(void *)before)[i];
            sum += d * d;
        }
        norm[clipped] = sqrt(sum) / 0.1;
        if (!clipped) assert_near(norm[0], result.grad_norm, 1e-4 * norm[0]);
        free(before);
        free(after);
        net_lab_release(&lab);
    }
    assert_near(norm[1], 0.01, 1e-4);
}

static void the_training_program_can_be_shown(void **unused) {
    net_lab lab;
    bal_error err = {0};
    bal_text text = {0};
    net_lab_init(&lab, NULL);
    assert_int_equal(bal_network_dump(lab.network, 15, &text, &err), BAL_ENOTFOUND);
    bal_batch batch = net_lab_batch(&lab);
    bal_error_clear(&err);
    assert_int_equal(bal_network_prepare(lab.network, &batch, &err), BAL_OK);
    assert_int_equal(bal_network_dump(lab.network, 15, &text, &err), BAL_OK);
    assert_non_null(strstr(text.data, "adam_update"));
    bal_text_release(&text);
    net_lab_release(&lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_are_weighted_means_in_partial_batches_too),
        cmocka_unit_test(groups_have_their_own_rates),
        cmocka_unit_test(frozen_weights_stay),
        cmocka_unit_test(class_weights_can_change_between_steps),
        cmocka_unit_test(dead_units_are_counted),
        cmocka_unit_test(steps_allocate_nothing),
        cmocka_unit_test(a_bad_batch_leaves_no_trace),
        cmocka_unit_test(the_total_is_the_sum_of_shares),
        cmocka_unit_test(a_head_without_a_share_is_not_trained),
        cmocka_unit_test(rows_without_a_label_do_not_count),
        cmocka_unit_test(corrections_follow_the_updates),
        cmocka_unit_test(gradients_are_clipped),
        cmocka_unit_test(the_training_program_can_be_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
