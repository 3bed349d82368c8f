/* Curves over steps or epochs. */
#include <math.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "report/canvas.h"

enum { WIDTH = 860, HEIGHT = 480, DOTS_MAX = 40, DENSE = 4, MARK_WIDTH_MAX = 160 };

typedef struct range {
    double low, high;
} range;

static void widen(range *r, double value) {
    if (!(value >= r->low)) r->low = value;
    if (!(value <= r->high)) r->high = value;
}

static double x_of(const bal_plot_series *series, size_t i) {
    return series->x ? series->x[i] : (double)i;
}

static bool is_point(const bal_plot_series *series, size_t i, bool log) {
    return isfinite(x_of(series, i)) && isfinite(series->y[i]) && !(log && series->y[i] <= 0);
}

/* The ends of all points; the marks of an x axis belong to it too. */
static void find_ranges(const bal_plot_lines *plot, range *x, range *y) {
    *x = *y = (range){NAN, NAN};
    for (size_t s = 0; s < plot->n_series; s++) {
        const bal_plot_series *series = &plot->series[s];
        for (size_t i = 0; i < series->count; i++) {
            if (!is_point(series, i, plot->log_y)) continue;
            widen(x, x_of(series, i));
            widen(y, series->y[i]);
        }
    }
    for (size_t i = 0; i < plot->n_y_marks; i++)
        if (isfinite(plot->y_marks[i].at) && !(plot->log_y && plot->y_marks[i].at <= 0))
            widen(y, plot->y_marks[i].at);
}

/* Steps and epochs are counted: no numbers between them. */
static bool has_whole_x(const bal_plot_lines *plot) {
    for (size_t s = 0; s < plot->n_series; s++)
        for (size_t i = 0; i < plot->series[s].count; i++)
            if (is_point(&plot->series[s], i, plot->log_y) &&
                x_of(&plot->series[s], i) != floor(x_of(&plot->series[s], i)))
                return false;
    return true;
}

/* A twentieth of the range as air above and below; an axis that may begin at zero does. */
static void add_air(range *r, bool log) {
    if (log) {
        double air = pow(r->high / r->low, 0.05);
        if (!isfinite(air)) return;
        r->low /= air;
        r->high *= air;
        return;
    }
    double air = (r->high / 2 - r->low / 2) * 0.1;
    r->low = r->low >= 0 && r->low < air ? 0 : r->low - air;
    r->high += air;
}

static void make_axes(const bal_plot_lines *plot, bal_axis *x, bal_axis *y) {
    range x_range, y_range;
    find_ranges(plot, &x_range, &y_range);
    bal_ticks_sane_range(&x_range.low, &x_range.high, false);
    if (plot->y_min != 0 || plot->y_max != 0) y_range = (range){plot->y_min, plot->y_max};
    bal_ticks_sane_range(&y_range.low, &y_range.high, plot->log_y);
    if (plot->y_min == 0 && plot->y_max == 0) add_air(&y_range, plot->log_y);
    *x = (bal_axis){.low = x_range.low, .high = x_range.high};
    *y = (bal_axis){.low = y_range.low, .high = y_range.high, .log = plot->log_y};
    bal_ticks_linear(x->low, x->high, 8, &x->ticks);
    if (has_whole_x(plot)) bal_ticks_keep_whole(&x->ticks);
    if (y->log)
        bal_ticks_log(y->low, y->high, 6, &y->ticks);
    else
        bal_ticks_linear(y->low, y->high, 6, &y->ticks);
}

static double draw_head(const bal_canvas *canvas, const bal_plot_lines *plot, double left,
                        bal_legend_item *items) {
    size_t count = 0;
    for (size_t s = 0; s < plot->n_series; s++)
        if (plot->series[s].label)
            items[count++] = (bal_legend_item){.label = plot->series[s].label, .series = (int)s};
    return bal_canvas_head(canvas, plot->title, items, count, left);
}

typedef struct pen {
    const bal_canvas *canvas;
    const bal_axis *x, *y;
    bool down;
} pen;

/* Far outside the frame a coordinate would overflow cairo's fixed point. */
static double place_y(const pen *p, double value) {
    double span = p->y->from - p->y->to;
    return bal_clamp(bal_axis_place(p->y, value), p->y->to - 10 * span, p->y->from + 10 * span);
}

static void draw_to(pen *p, double x, double y) {
    if (p->down)
        cairo_line_to(p->canvas->cairo, x, y);
    else
        cairo_move_to(p->canvas->cairo, x, y);
    p->down = true;
}

static void dot(const bal_canvas *canvas, double x, double y, double radius) {
    cairo_new_sub_path(canvas->cairo);
    cairo_arc(canvas->cairo, x, y, radius, 0, 2 * M_PI);
}

static void trace_points(pen *p, const bal_plot_series *series) {
    p->down = false;
    for (size_t i = 0; i < series->count; i++) {
        if (is_point(series, i, p->y->log))
            draw_to(p, bal_axis_place(p->x, x_of(series, i)), place_y(p, series->y[i]));
        else
            p->down = false;
    }
}

/* Many points in one column of pixels look like the line from the least to the greatest of them. */
static void trace_columns(pen *p, const bal_plot_series *series) {
    p->down = false;
    for (size_t i = 0; i < series->count;) {
        if (!is_point(series, i, p->y->log)) {
            p->down = false;
            i++;
            continue;
        }
        double x = bal_axis_place(p->x, x_of(series, i));
        double column = floor(x * BAL_CANVAS_SCALE);
        range y = {NAN, NAN};
        double first = place_y(p, series->y[i]), last = first;
        for (; i < series->count && is_point(series, i, p->y->log); i++) {
            if (floor(bal_axis_place(p->x, x_of(series, i)) * BAL_CANVAS_SCALE) != column) break;
            last = place_y(p, series->y[i]);
            widen(&y, last);
        }
        draw_to(p, x, first);
        draw_to(p, x, y.low);
        draw_to(p, x, y.high);
        draw_to(p, x, last);
    }
}

/* Few points get dots; otherwise only those without a neighbour, which a line does not show. */
static void draw_dots(const pen *p, const bal_plot_series *series, bool all) {
    for (size_t i = 0; i < series->count; i++) {
        if (!is_point(series, i, p->y->log)) continue;
        bool alone = (i == 0 || !is_point(series, i - 1, p->y->log)) &&
                     (i + 1 == series->count || !is_point(series, i + 1, p->y->log));
        if (all || alone)
            dot(p->canvas, bal_axis_place(p->x, x_of(series, i)), place_y(p, series->y[i]),
                alone ? 2.6 : 2.2);
    }
    cairo_fill(p->canvas->cairo);
}

static void draw_series(const bal_canvas *canvas, const bal_axis *x, const bal_axis *y,
                        const bal_plot_series *series, size_t number) {
    pen p = {.canvas = canvas, .x = x, .y = y};
    bal_canvas_color(canvas, bal_series_color(number));
    cairo_set_line_width(canvas->cairo, 1.8);
    cairo_set_line_join(canvas->cairo, CAIRO_LINE_JOIN_ROUND);
    bal_series_dash(canvas, number);
    bool dense = (double)series->count > DENSE * (x->to - x->from) * BAL_CANVAS_SCALE;
    if (dense)
        trace_columns(&p, series);
    else
        trace_points(&p, series);
    cairo_stroke(canvas->cairo);
    cairo_set_dash(canvas->cairo, NULL, 0, 0);
    draw_dots(&p, series, series->count <= DOTS_MAX);
}

/* Labels stand beside their line at the top, each one row lower than one that it would cover. */
static void draw_x_marks(const bal_canvas *canvas, const bal_plot_lines *plot, const bal_axis *x,
                         bal_frame frame) {
    static const double dash[] = {3, 3};
    double occupied = -INFINITY;
    int row = 0;
    for (size_t i = 0; i < plot->n_x_marks; i++) {
        const bal_plot_mark *mark = &plot->x_marks[i];
        if (!(mark->at >= x->low && mark->at <= x->high)) continue;
        double at = bal_axis_place(x, mark->at);
        bal_canvas_color(canvas, bal_color_mark);
        cairo_set_dash(canvas->cairo, dash, 2, 0);
        bal_canvas_line(canvas, at, frame.top, at, frame.bottom, 1);
        cairo_set_dash(canvas->cairo, NULL, 0, 0);
        if (!mark->label) continue;
        double width = fmin(bal_canvas_text_width(canvas, mark->label, 11, false), MARK_WIDTH_MAX);
        bool flip = at + 5 + width > frame.right;
        row = at < occupied ? (row + 1) % 6 : 0;
        bal_canvas_note(canvas, flip ? at - 5 : at + 5, frame.top + 3 + 14 * row, mark->label,
                        (bal_text_style){.size = 11, .along = flip, .width_max = MARK_WIDTH_MAX});
        occupied = fmax(occupied, at + 10 + width);
    }
}

static bool has_points(const bal_plot_lines *plot) {
    for (size_t s = 0; s < plot->n_series; s++)
        for (size_t i = 0; i < plot->series[s].count; i++)
            if (is_point(&plot->series[s], i, plot->log_y)) return true;
    return false;
}

static void draw(const bal_canvas *canvas, const bal_plot_lines *plot, bal_legend_item *items) {
    bal_axis x, y;
    make_axes(plot, &x, &y);
    bal_frame frame = {.left = bal_axis_room(canvas, &y, plot->y_label),
                       .right = canvas->width - 24 -
                                bal_axis_mark_room(canvas, plot->y_marks, plot->n_y_marks),
                       .bottom = canvas->height - (plot->x_label ? 56 : 40)};
    frame.top = draw_head(canvas, plot, frame.left, items);
    x.from = frame.left;
    x.to = frame.right;
    y.from = frame.bottom;
    y.to = frame.top;
    bal_axis_draw_y(canvas, &y, frame, plot->y_label);
    bal_axis_draw_x(canvas, &x, frame, plot->x_label);
    cairo_save(canvas->cairo);
    cairo_rectangle(canvas->cairo, frame.left - 3, frame.top - 3, frame.right - frame.left + 6,
                    frame.bottom - frame.top + 6);
    cairo_clip(canvas->cairo);
    for (size_t s = 0; s < plot->n_series; s++)
        draw_series(canvas, &x, &y, &plot->series[s], s);
    cairo_restore(canvas->cairo);
    draw_x_marks(canvas, plot, &x, frame);
    bal_axis_draw_y_marks(canvas, &y, frame, plot->y_marks, plot->n_y_marks);
    if (has_points(plot)) return;
    bal_canvas_color(canvas, bal_color_mark);
    bal_canvas_text(canvas, (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2,
                    "no finite values", (bal_text_style){.size = 14, .along = 0.5, .across = 0.5});
}

bal_status bal_plot_lines_write(const bal_plot_lines *plot, const char *path, bal_error *err) {
    bal_canvas canvas;
    bal_legend_item *items = bal_calloc(plot->n_series, sizeof *items);
    if (!items) return bal_fail_memory(err, plot->n_series * sizeof *items);
    bal_status status = bal_canvas_open(&canvas, WIDTH, HEIGHT, err);
    if (status == BAL_OK) {
        draw(&canvas, plot, items);
        status = bal_canvas_write(&canvas, path, err);
        bal_canvas_close(&canvas);
    }
    bal_free(items);
    return status;
}
