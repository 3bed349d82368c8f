/* Draws the picture of docs/threshold_huber.md from the op itself: the cost of a prediction for one
 * target below the threshold and one above, beside the Huber loss alone.
 *
 *     ninja -C build tests/report/threshold_huber_plot
 *     build/tests/report/threshold_huber_plot docs/images/threshold_huber.png */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "ops/ops.h"
#include "report/plot.h"
#include "support/interpreter.h"

enum { POINTS = 401, CURVES = 4 };
static const double first = 0.6, last = 2.6;
static const double threshold = 1.5, margin = 0.15, below = 1.2, above = 2.0;

/* The loss of one prediction for one target. */
static double cost(double prediction, double target, double below_weight, double above_weight) {
    const bal_threshold_huber_options options = {threshold, 1, margin, below_weight, above_weight};
    bal_error err = {0};
    bal_graph *graph;
    if (bal_graph_new(bal_op_table, BAL_F64, &graph, &err) != BAL_OK) exit(1);
    bal_value x = bal_graph_constant(graph, BAL_F64, BAL_SHAPE1(1), &prediction);
    bal_value t = bal_graph_constant(graph, BAL_F64, BAL_SHAPE1(1), &target);
    bal_value loss = bal_threshold_huber(graph, x, t, &options);
    interpreter it;
    interpreter_init(&it, graph);
    interpreter_run(&it);
    double value = interpreter_number(&it, loss, 0);
    interpreter_release(&it);
    bal_graph_free(graph);
    return value;
}

int main(int argc, char **argv) {
    static double x[POINTS], y[CURVES][POINTS];
    if (argc != 2) {
        fputs("usage: threshold_huber_plot FILE.png\n", stderr);
        return 2;
    }
    for (int i = 0; i < POINTS; i++) {
        x[i] = first + (last - first) * i / (POINTS - 1);
        y[0][i] = cost(x[i], below, 4, 1);
        y[1][i] = cost(x[i], above, 4, 1);
        y[2][i] = cost(x[i], below, 0, 0);
        y[3][i] = cost(x[i], above, 0, 0);
    }
    const bal_plot_series series[CURVES] = {
        {"target 1.2, below_weight 4", x, y[0], POINTS},
        {"target 2.0, above_weight 1", x, y[1], POINTS},
        {"target 1.2, huber alone", x, y[2], POINTS},
        {"target 2.0, huber alone", x, y[3], POINTS},
    };
    const bal_plot_mark marks[] = {{threshold - margin, "- margin"},
                                   {threshold, "threshold"},
                                   {threshold + margin, "+ margin"}};
    const bal_plot_lines plot = {
        .title = "threshold_huber: what a prediction costs",
        .x_label = "prediction",
        .y_label = "loss",
        .series = series,
        .n_series = CURVES,
        .x_marks = marks,
        .n_x_marks = sizeof marks / sizeof *marks,
        .y_min = 0,
        .y_max = 2.5,
    };
    bal_error err = {0};
    if (bal_plot_lines_write(&plot, argv[1], &err) == BAL_OK) return 0;
    fprintf(stderr, "%s\n", err.message);
    return 1;
}
