/* See cases.h. */
#include "ops/cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "ops/case_lists.h"

const int64_t op_case_sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 127, 129, 0};

const op_case *op_case_at(size_t index) {
    static const op_case *const lists[] = {op_cases_basic, op_cases_layers, op_cases_losses};
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
        for (const op_case *c = lists[l]; c->op; c++) {
            if (index-- == 0) return c;
        }
    }
    return NULL;
}

/* ---- operands ---- */

static bal_value add_operand(op_trial *trial, op_operand operand) {
    assert_true(trial->n_operands < OP_OPERANDS_MAX);
    trial->operands[trial->n_operands++] = operand;
    return operand.value;
}

static bal_value add_input(op_trial *trial, bal_dtype dtype, bal_shape shape, op_operand operand) {
    char name[16];
    snprintf(name, sizeof name, "in%d", (int)trial->n_operands);
    operand.value = bal_graph_input(trial->graph, name, dtype, shape);
    return add_operand(trial, operand);
}

bal_value op_real(op_trial *trial, bal_shape shape, op_fill fill) {
    return add_input(trial, bal_graph_float_type(trial->graph), shape,
                     (op_operand){.fill = fill, .differentiable = true});
}

bal_value op_fixed(op_trial *trial, bal_shape shape, op_fill fill) {
    return add_input(trial, bal_graph_float_type(trial->graph), shape, (op_operand){.fill = fill});
}

bal_value op_listed(op_trial *trial, bal_shape shape, const double *list, int64_t n_list) {
    return add_input(trial, bal_graph_float_type(trial->graph), shape,
                     (op_operand){.fill = OP_FILL_LIST, .list = list, .n_list = n_list});
}

bal_value op_whole(op_trial *trial, bal_dtype dtype, bal_shape shape, op_fill fill, int64_t limit) {
    return add_input(trial, dtype, shape, (op_operand){.fill = fill, .limit = limit});
}

bal_value op_state(op_trial *trial, bal_shape shape, op_fill fill) {
    char name[16];
    snprintf(name, sizeof name, "state%d", (int)trial->n_operands);
    bal_dtype dtype = bal_graph_float_type(trial->graph);
    bal_value value = bal_graph_state(trial->graph, name, dtype, shape);
    return add_operand(trial, (op_operand){.value = value, .fill = fill});
}

bal_value op_rng(op_trial *trial) {
    static const double seed_and_step[] = {20240229, 41};
    return add_input(trial, BAL_I64, BAL_SHAPE1(2),
                     (op_operand){.fill = OP_FILL_LIST, .list = seed_and_step, .n_list = 2});
}

/* ---- trials ---- */

const char *op_trial_name(const op_trial *trial) {
    static char name[128];
    snprintf(name, sizeof name, "%s, %s, size %lld", trial->of->op, trial->of->label,
             (long long)trial->size);
    return name;
}

static int32_t last_node_of(const bal_graph *graph, const char *op) {
    int32_t i = bal_graph_node_count(graph) - 1;
    while (i >= 0 && strcmp(bal_graph_node(graph, i)->op->name, op) != 0)
        i--;
    return i;
}

void op_trial_init(op_trial *trial, const op_case *of, int64_t size, bal_dtype float_type) {
    bal_error err = {0};
    *trial = (op_trial){.of = of, .size = size};
    if (bal_graph_new(bal_op_table, float_type, &trial->graph, &err) != BAL_OK)
        fail_msg("%s: %s", op_trial_name(trial), err.message);
    of->build(trial, size);
    if (bal_graph_check(trial->graph, &err) != BAL_OK)
        fail_msg("%s: %s", op_trial_name(trial), err.message);
    trial->node = last_node_of(trial->graph, of->op);
    if (trial->node < 0) fail_msg("%s: the case does not use its op", op_trial_name(trial));
}

void op_trial_release(op_trial *trial) {
    bal_graph_free(trial->graph);
    *trial = (op_trial){0};
}

/* ---- numbers ---- */

static double draw(const op_operand *operand, bal_random *random, int64_t i) {
    double sign = bal_random_u32(random) & 1 ? 1.0 : -1.0;
    double uniform = bal_random_uniform(random);
    switch (operand->fill) {
    case OP_FILL_NORMAL:
        return (float)bal_random_normal(random);
    case OP_FILL_POSITIVE:
        return (float)(0.5 + 2.0 * uniform);
    case OP_FILL_OFF_ZERO:
        return (float)(sign * (0.25 + 2.0 * uniform));
    case OP_FILL_UNIT:
        return (float)(0.05 + 0.9 * uniform);
    case OP_FILL_BELOW:
        return (double)bal_random_below(random, (uint64_t)operand->limit);
    case OP_FILL_IGNORED:
        if (i > 0 && bal_random_below(random, 8) == 0) return -1.0;
        return (double)bal_random_below(random, (uint64_t)operand->limit);
    case OP_FILL_LIST:
        return operand->list[i % operand->n_list];
    case OP_FILL_DISTINCT:
        break;
    }
    fail_msg("a fill that draw() does not know: %d", (int)operand->fill);
    return 0.0;
}

static void fill_distinct(double *numbers, int64_t count, bal_random *random) {
    for (int64_t i = 0; i < count; i++) {
        int64_t j = (int64_t)bal_random_below(random, (uint64_t)i + 1);
        numbers[i] = numbers[j];
        numbers[j] = (double)(i - count / 2) / 16.0;
    }
}

double *op_trial_numbers(const op_trial *trial, int32_t index, uint64_t seed) {
    const op_operand *operand = &trial->operands[index];
    bal_shape shape = bal_graph_shape(trial->graph, operand->value);
    int64_t count = bal_shape_count(&shape);
    double *numbers = calloc((size_t)count, sizeof *numbers);
    assert_non_null(numbers);
    bal_random random;
    bal_random_init(&random, seed, (uint64_t)index);
    if (operand->fill == OP_FILL_DISTINCT) {
        fill_distinct(numbers, count, &random);
        return numbers;
    }
    for (int64_t i = 0; i < count; i++)
        numbers[i] = draw(operand, &random, i);
    return numbers;
}

void op_numbers_poison(double *numbers, int64_t count, uint64_t seed) {
    static const double poison[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 1e-40f};
    enum { N_POISON = sizeof poison / sizeof *poison };
    bal_random random;
    bal_random_init(&random, seed, bal_hash_name("poison"));
    for (int64_t i = 0; i < count; i++) {
        if (bal_random_below(&random, 5) == 0)
            numbers[i] = poison[bal_random_below(&random, N_POISON)];
    }
}

static double rounded(double number, bal_dtype dtype) {
    return dtype == BAL_F32 ? (double)(float)number : number;
}

double op_numbers_difference(const double *got, const double *want, int64_t count, bal_dtype dtype,
                             int64_t *ret_worst) {
    double scale = 0.0, worst = 0.0;
    *ret_worst = 0;
    for (int64_t i = 0; i < count; i++) {
        double w = rounded(want[i], dtype);
        if (isfinite(w)) scale = fmax(scale, fabs(w));
    }
    for (int64_t i = 0; i < count; i++) {
        double w = rounded(want[i], dtype), difference = 0.0;
        bool alike = isnan(w) ? isnan(got[i]) : isinf(w) ? got[i] == w : isfinite(got[i]);
        if (!alike) {
            difference = INFINITY;
        } else if (isfinite(w)) {
            difference = fabs(got[i] - w) / (scale > 0.0 ? scale : 1.0);
        }
        if (difference > worst) {
            worst = difference;
            *ret_worst = i;
        }
    }
    return worst;
}
