/* Runs a graph with the ops' reference kernels on host memory: the meaning of a graph, for tests.
 *
 *     interpreter it;
 *     interpreter_init(&it, graph);
 *     interpreter_set(&it, x, numbers);        // or interpreter_bind to memory of your own
 *     interpreter_run(&it);
 *     const float *y = interpreter_data(&it, value);
 *
 * Every value has its own block of exactly its size, so that a sanitizer sees kernels that run over
 * an end, and computed values and workspaces are filled with NaN bytes before each run, so that
 * kernels that read before they write are seen too. Fails the running cmocka test when memory is
 * out. Uses the C allocator, not base/memory.h: tests that fail allocations do not hit it. */
#ifndef BAL_TESTS_INTERPRETER_H
#define BAL_TESTS_INTERPRETER_H

#include "graph/graph.h"
#include "graph/op.h"

typedef struct interpreter {
    const bal_graph *graph;
    int32_t n_values; /* when it was initialised; nodes appended later are not seen */
    int32_t n_nodes;
    void **data; /* by value id */
    bool *owned; /* by value id: data is ours */
} interpreter;

/** Zeroed memory for inputs, parameters and states; constants hold their bytes. */
void interpreter_init(interpreter *it, const bal_graph *graph);
void interpreter_release(interpreter *it);

/** Use the caller's memory, of the value's byte size and alignment of its type, for a value. */
void interpreter_bind(interpreter *it, bal_value value, void *data);

/** Copy the value's byte size from `bytes`. */
void interpreter_set(interpreter *it, bal_value value, const void *bytes);

/** Convert doubles to the value's type (any dtype). `numbers` has its element count. */
void interpreter_set_numbers(interpreter *it, bal_value value, const double *numbers);

/** Memory of a value. */
void *interpreter_data(const interpreter *it, bal_value value);

/** Element `index` of a value as a double (any dtype). */
double interpreter_number(const interpreter *it, bal_value value, int64_t index);

/** Run all live nodes in order. */
void interpreter_run(interpreter *it);

#endif
