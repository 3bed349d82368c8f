/* Short forms for tests that compare an op's outputs with numbers worked out by hand: operands are
 * f64 constants, the graph is run once and freed. */
#ifndef BAL_TESTS_OPS_VALUES_H
#define BAL_TESTS_OPS_VALUES_H

#include "ops/ops.h"

/** An empty f64 graph. */
bal_graph *values_graph(void);

/** Constants: a vector, a matrix. */
bal_value values_vector(bal_graph *graph, int64_t n, const double *numbers);
bal_value values_matrix(bal_graph *graph, int64_t rows, int64_t columns, const double *numbers);

#define VECTOR(graph, ...)                                                                         \
    values_vector((graph), (int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)),            \
                  (double[]){__VA_ARGS__})
#define MATRIX(graph, rows, columns, ...)                                                          \
    values_matrix((graph), (rows), (columns), (double[]){__VA_ARGS__})

/** Run the graph and expect `value` to have `shape` and these numbers, each within 1e-13 of its
 *  magnitude (NaN where NaN is expected, and the sign of zeros kept); then free the graph. */
void values_expect(bal_graph *graph, bal_value value, bal_shape shape, const double *wanted);

#define EXPECT(graph, value, shape, ...)                                                           \
    values_expect((graph), (value), (shape), (double[]){__VA_ARGS__})

/** Expect the graph to have failed with a message that ends in `sentence`; then free it. */
void values_expect_refusal(bal_graph *graph, const char *sentence);

#endif
