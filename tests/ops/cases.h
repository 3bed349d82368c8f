/* A case for every op: how to build a graph around it at any size, and what numbers to feed.
 *
 * One table serves all that is checked of ops: gradients against differences (test_gradients.c),
 * reference kernels in f32 against f64 (test_references.c), kernels of a backend against
 * references. A test walks it, makes a trial of each case at the sizes and in the type it wants,
 * fills the operands and runs:
 *
 *     const op_case *c;
 *     for (size_t i = 0; (c = op_case_at(i)); i++) {
 *         op_trial trial;
 *         op_trial_init(&trial, c, 17, BAL_F32);
 *         for (int32_t k = 0; k < trial.n_operands; k++) {
 *             double *numbers = op_trial_numbers(&trial, k, seed);
 *             ... convert to the operand's type, bind, free(numbers) ...
 *         }
 *         ... run trial.graph, compare the outputs of trial.node ...
 *         op_trial_release(&trial);
 *     }
 *
 * To add an op: write a builder per way of using it, add a line per builder to a cases file. An op
 * of bal_op_table without a case fails the tests. Everything here fails the running cmocka test
 * when something is wrong with the case itself. */
#ifndef BAL_TESTS_OPS_CASES_H
#define BAL_TESTS_OPS_CASES_H

#include "ops/ops.h"

/** What numbers an operand gets. Real ones are exactly representable in f32, so that f32 and f64
 * runs see the same inputs. */
typedef enum op_fill {
    OP_FILL_NORMAL,   /* standard normal */
    OP_FILL_POSITIVE, /* 0.5 to 2.5: logarithms, roots, divisors, variances */
    OP_FILL_OFF_ZERO, /* magnitude 0.25 to 2.25, either sign: for a kink at 0 */
    OP_FILL_DISTINCT, /* a permutation of multiples of 1/16 around 0: for maxima */
    OP_FILL_UNIT,     /* 0.05 to 0.95: probabilities, soft targets */
    OP_FILL_BELOW,    /* whole numbers 0 to limit − 1: labels, ids, masks */
    OP_FILL_IGNORED,  /* the same, about one in eight −1 instead (never all) */
    OP_FILL_LIST      /* the given list, repeated */
} op_fill;

typedef struct op_operand {
    bal_value value; /* an input or a state of the graph */
    op_fill fill;
    int64_t limit;      /* BELOW, IGNORED */
    const double *list; /* LIST */
    int64_t n_list;
    bool differentiable; /* the op must give it a gradient */
} op_operand;

enum { OP_OPERANDS_MAX = 16 };

typedef struct op_case op_case;

/** A case built at one size in one type. */
typedef struct op_trial {
    const op_case *of;
    int64_t size;
    bal_graph *graph;
    op_operand operands[OP_OPERANDS_MAX];
    int32_t n_operands;
    int32_t node; /* index of the node under test: the last one of the case's op */
} op_trial;

struct op_case {
    const char *op;    /* name in bal_op_table */
    const char *label; /* which way of using it; (op, label) is unique */
    /** Make operands with the functions below and apply the op. `n` is the length that matters, 1
     * to a few hundred; other dimensions are the builder's choice, small and odd. */
    void (*build)(op_trial *trial, int64_t n);
    uint32_t constant_outputs; /* bit k: output k takes part in no gradient (masks, statistics) */
};

/** All cases; NULL past the last. */
const op_case *op_case_at(size_t index);

/** Sizes worth trying: around the widths of vector registers and blocks. Ends with 0. */
extern const int64_t op_case_sizes[];

/* ---- for builders ---- */

/** A real operand that the op has a gradient for. */
bal_value op_real(op_trial *trial, bal_shape shape, op_fill fill);
/** A real operand without gradient: targets, class weights, what a gradient op reads. */
bal_value op_fixed(op_trial *trial, bal_shape shape, op_fill fill);
/** A real operand with these numbers (static storage), repeated to fill it, without gradient. */
bal_value op_listed(op_trial *trial, bal_shape shape, const double *list, int64_t n_list);
/** Whole numbers of a type, 0 to limit − 1; `fill` BELOW or IGNORED. */
bal_value op_whole(op_trial *trial, bal_dtype dtype, bal_shape shape, op_fill fill, int64_t limit);
/** A real state, which an update may write. */
bal_value op_state(op_trial *trial, bal_shape shape, op_fill fill);
/** The {seed, step} input of random ops. */
bal_value op_rng(op_trial *trial);

/* ---- for tests ---- */

void op_trial_init(op_trial *trial, const op_case *of, int64_t size, bal_dtype float_type);
void op_trial_release(op_trial *trial);
/** "relu, vector, size 17", for messages; valid until the next call. */
const char *op_trial_name(const op_trial *trial);

/** The numbers of operand `index`, a function of its description and `seed` only; free with free().
 */
double *op_trial_numbers(const op_trial *trial, int32_t index, uint64_t seed);

/** Replace about one number in five by NaN, the infinities, zeros of both signs and a denormal of
 *  f32. For real operands. */
void op_numbers_poison(double *numbers, int64_t count, uint64_t seed);

/** Largest |got − want| relative to the largest finite |want| (itself where that is 0); INFINITY
 * where one is NaN or infinite and the other is not alike. `want` is rounded to `dtype` first, the
 * type that `got` was computed in. */
double op_numbers_difference(const double *got, const double *want, int64_t count, bal_dtype dtype,
                             int64_t *ret_worst);

#endif
