/* Value axes of plots: from data to the sheet, grid, numbers, names, marks. */
#include <math.h>

#include "report/canvas.h"

enum { NUMBER_SIZE = 12, NAME_SIZE = 13, MARK_SIZE = 11, MARK_GAP = 5, MARK_WIDTH_MAX = 120 };

double bal_axis_place(const bal_axis *axis, double value) {
    double share = axis->log
                       ? (log10(value) - log10(axis->low)) / (log10(axis->high) - log10(axis->low))
                       : (value / 2 - axis->low / 2) / (axis->high / 2 - axis->low / 2);
    return axis->from + share * (axis->to - axis->from);
}

double bal_axis_room(const bal_canvas *canvas, const bal_axis *y, const char *y_label) {
    double widest = 0;
    for (int i = 0; i < y->ticks.count; i++)
        widest =
            fmax(widest, bal_canvas_text_width(canvas, y->ticks.labels[i], NUMBER_SIZE, false));
    return 16 + (y_label ? 22 : 0) + widest + 8;
}

void bal_axis_draw_y(const bal_canvas *canvas, const bal_axis *y, bal_frame frame,
                     const char *y_label) {
    for (int i = 0; i < y->ticks.count; i++) {
        double at = bal_axis_place(y, y->ticks.values[i]);
        bal_canvas_color(canvas, bal_color_grid);
        bal_canvas_line(canvas, frame.left, at, frame.right, at, 1);
        bal_canvas_color(canvas, bal_color_label);
        bal_canvas_text(canvas, frame.left - 8, at, y->ticks.labels[i],
                        (bal_text_style){.size = NUMBER_SIZE, .along = 1, .across = 0.5});
    }
    if (!y_label) return;
    bal_canvas_color(canvas, bal_color_label);
    bal_canvas_text(canvas, 16, (frame.top + frame.bottom) / 2, y_label,
                    (bal_text_style){.size = NAME_SIZE,
                                     .along = 0.5,
                                     .turn = -M_PI / 2,
                                     .width_max = frame.bottom - frame.top});
}

void bal_axis_draw_x(const bal_canvas *canvas, const bal_axis *x, bal_frame frame,
                     const char *x_label) {
    bal_canvas_color(canvas, bal_color_axis);
    bal_canvas_line(canvas, frame.left, frame.bottom, frame.right, frame.bottom, 1);
    for (int i = 0; i < x->ticks.count; i++) {
        double at = bal_axis_place(x, x->ticks.values[i]);
        bal_canvas_color(canvas, bal_color_axis);
        bal_canvas_line(canvas, at, frame.bottom, at, frame.bottom + 4, 1);
        bal_canvas_color(canvas, bal_color_label);
        bal_canvas_text(canvas, at, frame.bottom + 9, x->ticks.labels[i],
                        (bal_text_style){.size = NUMBER_SIZE, .along = 0.5});
    }
    if (!x_label) return;
    bal_canvas_color(canvas, bal_color_label);
    bal_canvas_text(
        canvas, (frame.left + frame.right) / 2, canvas->height - 16, x_label,
        (bal_text_style){
            .size = NAME_SIZE, .along = 0.5, .across = 1, .width_max = frame.right - frame.left});
}

double bal_axis_mark_room(const bal_canvas *canvas, const bal_plot_mark *marks, size_t count) {
    double widest = 0;
    for (size_t i = 0; i < count; i++)
        if (marks[i].label)
            widest = fmax(widest, bal_canvas_text_width(canvas, marks[i].label, MARK_SIZE, false));
    return widest > 0 ? fmin(widest, MARK_WIDTH_MAX) - 8 : 0;
}

void bal_axis_draw_y_marks(const bal_canvas *canvas, const bal_axis *y, bal_frame frame,
                           const bal_plot_mark *marks, size_t count) {
    static const double dash[] = {5, 4};
    for (size_t i = 0; i < count; i++) {
        if (!(marks[i].at >= y->low && marks[i].at <= y->high)) continue;
        double at = bal_axis_place(y, marks[i].at);
        bal_canvas_color(canvas, bal_color_mark);
        cairo_set_dash(canvas->cairo, dash, 2, 0);
        bal_canvas_line(canvas, frame.left, at, frame.right, at, 1);
        cairo_set_dash(canvas->cairo, NULL, 0, 0);
        if (!marks[i].label) continue;
        bal_canvas_text(
            canvas, frame.right + MARK_GAP, at, marks[i].label,
            (bal_text_style){.size = MARK_SIZE, .across = 0.5, .width_max = MARK_WIDTH_MAX});
    }
}
