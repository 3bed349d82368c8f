/* See golden_values.h. */
#include "ops/golden_values.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ops/cases.h"

bal_graph *golden_graph(bal_dtype float_type) {
    bal_graph *graph = NULL;
    bal_error err = {0};
    if (bal_graph_new(bal_op_table, float_type, &graph, &err) != BAL_OK)
        fail_msg("%s", err.message);
    return graph;
}

bal_value golden_real(bal_graph *graph, bal_shape shape, const double *numbers) {
    if (!numbers) return BAL_NO_VALUE;
    if (bal_graph_float_type(graph) == BAL_F64)
        return bal_graph_constant(graph, BAL_F64, shape, numbers);
    int64_t count = bal_shape_count(&shape);
    float *single = calloc((size_t)count, sizeof *single);
    assert_non_null(single);
    for (int64_t i = 0; i < count; i++)
        single[i] = (float)numbers[i];
    bal_value value = bal_graph_constant(graph, BAL_F32, shape, single);
    free(single);
    return value;
}

void golden_check(const bal_graph *graph, const char *name) {
    bal_error err = {0};
    if (bal_graph_check(graph, &err) != BAL_OK) fail_msg("%s: %s", name, err.message);
}

void golden_expect(const interpreter *it, bal_value value, const double *wanted, double tolerance,
                   const char *name, const char *what) {
    if (!wanted) return;
    const bal_value_info *info = bal_graph_info(it->graph, value);
    int64_t count = bal_shape_count(&info->shape), worst;
    double *got = calloc((size_t)count, sizeof *got);
    assert_non_null(got);
    assert_true(bal_value_is_some(value));
    for (int64_t i = 0; i < count; i++)
        got[i] = interpreter_number(it, value, i);
    double difference = op_numbers_difference(got, wanted, count, info->dtype, &worst);
    if (!(difference <= tolerance))
        fail_msg("%s, %s: %s, element %lld is %.17g, wanted %.17g", name,
                 bal_dtype_name(info->dtype), what, (long long)worst, got[worst], wanted[worst]);
    free(got);
}
