/* Bars per class, one or several side by side. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "report/canvas.h"

enum { WIDTH = 860, HEIGHT = 460, NAME_SIZE = 12, NAME_WIDTH_MAX = 130, VALUES_MAX = 32 };

static void find_range(const bal_plot_bars *plot, double *low, double *high) {
    *low = plot->y_min;
    *high = plot->y_max;
    if (*low == 0 && *high == 0) {
        for (size_t s = 0; s < plot->n_series; s++) {
            for (size_t i = 0; i < plot->count; i++) {
                if (!isfinite(plot->values[s][i])) continue;
                *low = fmin(*low, plot->values[s][i]);
                *high = fmax(*high, plot->values[s][i]);
            }
        }
        for (size_t i = 0; i < plot->n_y_marks; i++)
            if (isfinite(plot->y_marks[i].at)) *high = fmax(*high, plot->y_marks[i].at);
        double air = (*high / 2 - *low / 2) * 0.12;
        if (*high > 0) *high += air;
        if (*low < 0) *low -= air;
        if (*low == *high) *high = 1;
    }
    bal_ticks_sane_range(low, high, false);
}

typedef struct layout {
    bal_frame frame;
    bal_axis y;
    double slot; /* width for one group of bars */
    bool turned; /* names upright */
    size_t every;
} layout;

static double widest_name(const bal_canvas *canvas, const bal_plot_bars *plot) {
    double widest = 0;
    for (size_t i = 0; i < plot->count; i++)
        widest = fmax(widest, bal_canvas_text_width(canvas, plot->names[i], NAME_SIZE, false));
    return fmin(widest, NAME_WIDTH_MAX);
}

static void plan(const bal_canvas *canvas, const bal_plot_bars *plot, layout *l) {
    double low, high;
    find_range(plot, &low, &high);
    l->y = (bal_axis){.low = low, .high = high};
    bal_ticks_linear(low, high, 6, &l->y.ticks);
    l->frame.left = bal_axis_room(canvas, &l->y, plot->y_label);
    l->frame.right =
        canvas->width - 24 - bal_axis_mark_room(canvas, plot->y_marks, plot->n_y_marks);
    l->slot = (l->frame.right - l->frame.left) / (double)plot->count;
    double name = widest_name(canvas, plot);
    l->turned = name > l->slot - 6;
    l->every = 1;
    while (l->turned && l->slot * (double)l->every < NAME_SIZE + 3)
        l->every++;
    l->frame.bottom = canvas->height - (plot->x_label ? 46 : 22) - (l->turned ? name : NAME_SIZE);
    bal_legend_item items[BAL_PLOT_GROUP_MAX];
    size_t count = plot->labels ? plot->n_series : 0;
    for (size_t s = 0; s < count; s++)
        items[s] = (bal_legend_item){.label = plot->labels[s], .series = (int)s, .box = true};
    l->frame.top = bal_canvas_head(canvas, plot->title, items, count, l->frame.left);
    l->y.from = l->frame.bottom;
    l->y.to = l->frame.top;
}

/* A bar without a value is a cross on the base line. */
static void draw_missing(const bal_canvas *canvas, double x, double y) {
    bal_canvas_color(canvas, bal_color_axis);
    cairo_set_line_width(canvas->cairo, 1.2);
    cairo_move_to(canvas->cairo, x - 3, y - 8);
    cairo_line_to(canvas->cairo, x + 3, y - 2);
    cairo_move_to(canvas->cairo, x + 3, y - 8);
    cairo_line_to(canvas->cairo, x - 3, y - 2);
    cairo_stroke(canvas->cairo);
}

static void draw_bar(const bal_canvas *canvas, const layout *l, double x, double width,
                     double value, bool text) {
    double zero = bal_axis_place(&l->y, bal_clamp(0, l->y.low, l->y.high));
    double end = bal_axis_place(&l->y, bal_clamp(value, l->y.low, l->y.high));
    bal_canvas_box(canvas, x, fmin(zero, end), width, fabs(zero - end));
    if (!text) return;
    char number[24];
    bal_ticks_short(value, number, sizeof number);
    bool below = value < 0;
    bal_canvas_color(canvas, bal_color_label);
    bal_canvas_text(canvas, x + width / 2, below ? end + 4 : end - 4, number,
                    (bal_text_style){.size = 10, .along = 0.5, .across = below ? 0 : 1});
}

static bool has_room_for_values(const bal_canvas *canvas, const bal_plot_bars *plot, double width) {
    return plot->count * plot->n_series <= VALUES_MAX &&
           width > bal_canvas_text_width(canvas, "0.00", 10, false);
}

static void draw_bars(const bal_canvas *canvas, const bal_plot_bars *plot, const layout *l) {
    double group = l->slot * (l->slot > 4 ? 0.78 : 0.9);
    double width = group / (double)plot->n_series;
    bool text = has_room_for_values(canvas, plot, width);
    for (size_t i = 0; i < plot->count; i++) {
        double left = l->frame.left + l->slot * (double)i + (l->slot - group) / 2;
        for (size_t s = 0; s < plot->n_series; s++) {
            double value = plot->values[s][i], x = left + width * (double)s;
            bal_canvas_color(canvas, bal_series_color(s));
            if (isfinite(value))
                draw_bar(canvas, l, x, width, value, text);
            else
                draw_missing(canvas, x + width / 2, l->y.from);
        }
    }
}

static void draw_names(const bal_canvas *canvas, const bal_plot_bars *plot, const layout *l) {
    bal_text_style upright = {.size = NAME_SIZE,
                              .along = 1,
                              .across = 0.5,
                              .turn = -M_PI / 2,
                              .width_max = NAME_WIDTH_MAX};
    bal_text_style level = {.size = NAME_SIZE, .along = 0.5, .width_max = l->slot - 6};
    bal_canvas_color(canvas, bal_color_label);
    for (size_t i = 0; i < plot->count; i += l->every)
        bal_canvas_text(canvas, l->frame.left + l->slot * ((double)i + 0.5), l->frame.bottom + 8,
                        plot->names[i], l->turned ? upright : level);
}

static void draw(const bal_canvas *canvas, const bal_plot_bars *plot) {
    layout l = {0};
    plan(canvas, plot, &l);
    bal_axis_draw_y(canvas, &l.y, l.frame, plot->y_label);
    draw_bars(canvas, plot, &l);
    draw_names(canvas, plot, &l);
    /* The base of the bars, where there are bars below it too, and the axis with its name. */
    bal_axis no_ticks = {.from = l.frame.left, .to = l.frame.right};
    double zero = bal_axis_place(&l.y, bal_clamp(0, l.y.low, l.y.high));
    bal_canvas_color(canvas, bal_color_axis);
    bal_canvas_line(canvas, l.frame.left, zero, l.frame.right, zero, 1);
    bal_axis_draw_x(canvas, &no_ticks, l.frame, plot->x_label);
    bal_axis_draw_y_marks(canvas, &l.y, l.frame, plot->y_marks, plot->n_y_marks);
}

bal_status bal_plot_bars_write(const bal_plot_bars *plot, const char *path, bal_error *err) {
    bool fits = plot->count >= 1 && plot->count <= BAL_PLOT_BARS_MAX && plot->n_series >= 1 &&
                plot->n_series <= BAL_PLOT_GROUP_MAX;
    if (!fits)
        return bal_fail(err, BAL_EINVAL,
                        "a bar chart has 1 to %d bars in 1 to %d series, not %zu in %zu",
                        BAL_PLOT_BARS_MAX, BAL_PLOT_GROUP_MAX, plot->count, plot->n_series);
    bal_canvas canvas;
    BAL_TRY(bal_canvas_open(&canvas, WIDTH, HEIGHT, err));
    draw(&canvas, plot);
    bal_status status = bal_canvas_write(&canvas, path, err);
    bal_canvas_close(&canvas);
    return status;
}
