/* See values.h. */
#include "ops/values.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/interpreter.h"

bal_graph *values_graph(void) {
    bal_graph *graph = NULL;
    bal_error err = {0};
    if (bal_graph_new(bal_op_table, BAL_F64, &graph, &err) != BAL_OK) fail_msg("%s", err.message);
    return graph;
}

bal_value values_vector(bal_graph *graph, int64_t n, const double *numbers) {
    return bal_graph_constant(graph, BAL_F64, BAL_SHAPE1(n), numbers);
}

bal_value values_matrix(bal_graph *graph, int64_t rows, int64_t columns, const double *numbers) {
    return bal_graph_constant(graph, BAL_F64, BAL_SHAPE2(rows, columns), numbers);
}

static bool agree(double got, double want) {
    if (isnan(want)) return isnan(got);
    if (isinf(want)) return got == want;
    if (want == 0.0) return got == 0.0 && !signbit(got) == !signbit(want);
    return fabs(got - want) <= 1e-13 * fabs(want);
}

void values_expect(bal_graph *graph, bal_value value, bal_shape shape, const double *wanted) {
    interpreter it;
    interpreter_init(&it, graph);
    interpreter_run(&it);
    bal_shape found = bal_graph_shape(graph, value);
    char found_text[128], wanted_text[128];
    if (!bal_shape_equal(&found, &shape)) {
        fail_msg("shape %s, wanted %s", bal_shape_text(&found, found_text, sizeof found_text),
                 bal_shape_text(&shape, wanted_text, sizeof wanted_text));
    }
    for (int64_t i = 0; i < bal_shape_count(&shape); i++) {
        double got = interpreter_number(&it, value, i);
        if (!agree(got, wanted[i]))
            fail_msg("element %lld is %.17g, wanted %.17g", (long long)i, got, wanted[i]);
    }
    interpreter_release(&it);
    bal_graph_free(graph);
}

void values_expect_refusal(bal_graph *graph, const char *sentence) {
    bal_error err = {0};
    assert_int_equal(bal_graph_check(graph, &err), BAL_EINVAL);
    size_t length = strlen(err.message), tail = strlen(sentence);
    if (length < tail || strcmp(err.message + length - tail, sentence) != 0)
        fail_msg("the message is '%s', wanted at its end '%s'", err.message, sentence);
    bal_graph_free(graph);
}
