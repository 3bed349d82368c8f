/* Every op's gradient against differences, in f64.
 *
 * For each case the loss is Σ_k Σ_i w_ki·out_ki over the outputs with gradients, w random, so that
 * no element's gradient can hide behind another's. bal_graph_differentiate gives the gradient to
 * check; the five-point stencil f'(x) = [8(f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))] / 12h + O(h⁴)
 * the one to believe. With h = 2⁻¹² its truncation error is about 1e-16·f⁽⁵⁾ and its rounding error
 * about 1e-12·|f|, so that agreement to 1e-7 of the largest gradient of the operand leaves room for
 * a steep function (a batch norm over two close rows) and none for a wrong formula. Kinks are kept
 * 2h away by the fills of the cases. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "ops/cases.h"
#include "support/interpreter.h"

#define STEP (1.0 / 4096.0)
#define TOLERANCE 1e-7

enum { PROBES_MAX = 40 }; /* elements tried per operand; all of them when there are fewer */

/* Append the loss. Stays BAL_NO_VALUE when no output has a gradient. */
static bal_value add_loss(const op_trial *trial) {
    bal_graph *graph = trial->graph;
    const bal_node *node = bal_graph_node(graph, trial->node);
    bal_value loss = BAL_NO_VALUE;
    for (int32_t k = 0; k < node->n_out; k++) {
        if (trial->of->constant_outputs >> k & 1) continue;
        bal_shape shape = bal_graph_shape(graph, node->out[k]);
        int64_t count = bal_shape_count(&shape);
        double *weights = calloc((size_t)count, sizeof *weights);
        assert_non_null(weights);
        bal_random random;
        bal_random_init(&random, bal_hash_name("weights"), (uint64_t)k);
        for (int64_t i = 0; i < count; i++)
            weights[i] = bal_random_normal(&random);
        bal_value weight = bal_graph_constant(graph, BAL_F64, shape, weights);
        free(weights);
        bal_value part = bal_reduce_sum(graph, bal_mul(graph, node->out[k], weight), -1);
        loss = bal_value_is_some(loss) ? bal_add(graph, loss, part) : part;
    }
    return loss;
}

static void set_operands(const op_trial *trial, interpreter *it) {
    for (int32_t i = 0; i < trial->n_operands; i++) {
        double *numbers = op_trial_numbers(trial, i, 1);
        interpreter_set_numbers(it, trial->operands[i].value, numbers);
        free(numbers);
    }
}

/* The loss with element x moved by `distance`. */
static double loss_at(interpreter *it, bal_value loss, double *x, double distance) {
    double kept = *x;
    *x = kept + distance;
    interpreter_run(it);
    *x = kept;
    return interpreter_number(it, loss, 0);
}

static double slope(interpreter *it, bal_value loss, double *x) {
    double near = loss_at(it, loss, x, STEP) - loss_at(it, loss, x, -STEP);
    double far = loss_at(it, loss, x, 2 * STEP) - loss_at(it, loss, x, -2 * STEP);
    return (8 * near - far) / (12 * STEP);
}

/* Compare the gradient of one operand, `grad` by element. */
static void check_operand(const op_trial *trial, int32_t index, interpreter *forward,
                          bal_value loss, const double *grad) {
    bal_value value = trial->operands[index].value;
    bal_shape shape = bal_graph_shape(trial->graph, value);
    int64_t count = bal_shape_count(&shape);
    double *x = interpreter_data(forward, value), scale = 1e-3;
    bal_random random;
    bal_random_init(&random, bal_hash_name("probes"), (uint64_t)index);
    for (int64_t i = 0; i < count; i++)
        scale = fmax(scale, fabs(grad[i]));
    for (int64_t probe = 0; probe < count && probe < PROBES_MAX; probe++) {
        int64_t i =
            count <= PROBES_MAX ? probe : (int64_t)bal_random_below(&random, (uint64_t)count);
        double wanted = slope(forward, loss, &x[i]);
        if (!(fabs(grad[i] - wanted) <= TOLERANCE * fmax(scale, fabs(wanted)))) {
            fail_msg("%s: gradient of input %d, element %lld is %.12g, differences give %.12g",
                     op_trial_name(trial), (int)index, (long long)i, grad[i], wanted);
        }
    }
}

static void check_trial(const op_trial *trial) {
    bal_value wrt[OP_OPERANDS_MAX], grads[OP_OPERANDS_MAX], loss = add_loss(trial);
    int32_t operand[OP_OPERANDS_MAX], n_wrt = 0;
    for (int32_t i = 0; i < trial->n_operands; i++) {
        if (!trial->operands[i].differentiable) continue;
        operand[n_wrt] = i;
        wrt[n_wrt++] = trial->operands[i].value;
    }
    if (n_wrt == 0 || !bal_value_is_some(loss))
        fail_msg("%s: the op has a gradient, but the case tries none", op_trial_name(trial));

    interpreter forward, with_grads;
    interpreter_init(&forward, trial->graph);
    bal_graph_differentiate(trial->graph, loss, wrt, n_wrt, grads);
    interpreter_init(&with_grads, trial->graph);
    set_operands(trial, &forward);
    set_operands(trial, &with_grads);
    interpreter_run(&with_grads);
    for (int32_t i = 0; i < n_wrt; i++) {
        if (!bal_value_is_some(grads[i]))
            fail_msg("%s: no gradient for input %d", op_trial_name(trial), (int)operand[i]);
        check_operand(trial, operand[i], &forward, loss, interpreter_data(&with_grads, grads[i]));
    }
    interpreter_release(&forward);
    interpreter_release(&with_grads);
}

static void test_gradients(void **state) {
    static const int64_t sizes[] = {1, 2, 3, 7, 16, 33};
    const op_case *c;
    for (size_t i = 0; (c = op_case_at(i)); i++) {
        const bal_op *op = bal_op_find(c->op);
        if (!op) fail_msg("case '%s, %s' is of no op in the table", c->op, c->label);
        for (size_t s = 0; op->grad && s < sizeof sizes / sizeof *sizes; s++) {
            op_trial trial;
            op_trial_init(&trial, c, sizes[s], BAL_F64);
            check_trial(&trial);
            op_trial_release(&trial);
        }
    }
}

static bool has_case(const bal_op *op) {
    const op_case *c;
    for (size_t i = 0; (c = op_case_at(i)); i++) {
        if (strcmp(c->op, op->name) == 0) return true;
    }
    return false;
}

static void test_every_op_has_a_case(void **state) {
    int missing = 0;
    for (size_t i = 0; bal_op_table[i]; i++) {
        if (has_case(bal_op_table[i])) continue;
        print_error("op '%s' has no case in tests/ops\n", bal_op_table[i]->name);
        missing++;
    }
    assert_int_equal(missing, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_op_has_a_case),
        cmocka_unit_test(test_gradients),
    };
    return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
