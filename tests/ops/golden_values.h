/* Short forms for tests that compare ops with golden numbers in both precisions: operands are
 * constants converted to the graph's float type, results are compared relative to the largest
 * wanted number. */
#ifndef BAL_TESTS_OPS_GOLDEN_VALUES_H
#define BAL_TESTS_OPS_GOLDEN_VALUES_H

#include "ops/ops.h"
#include "support/interpreter.h"

bal_graph *golden_graph(bal_dtype float_type);

/** A constant of the graph's float type; BAL_NO_VALUE for NULL. */
bal_value golden_real(bal_graph *graph, bal_shape shape, const double *numbers);

/** Expect `value` to be `wanted` (nothing when NULL), within `tolerance` of the largest wanted
 * magnitude; NaN and infinities where they are wanted. `name` and `what` for the message. */
void golden_expect(const interpreter *it, bal_value value, const double *wanted, double tolerance,
                   const char *name, const char *what);

/** Expect no failure of the graph so far. */
void golden_check(const bal_graph *graph, const char *name);

/** What an op may differ from golden values that are exact in double: rounding of the results. */
static inline double golden_tolerance(bal_dtype float_type) {
    return float_type == BAL_F64 ? 1e-12 : 2e-7;
}

#endif
