/* Heat maps of matrices, confusion matrices above all. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "report/canvas.h"

enum {
    NAME_SIZE = 12,
    NAME_WIDTH_MAX = 120,
    BAR_WIDTH = 14,
    BAR_ROOM = 84,
    SIDE = 560,
    MARGIN = 16
};

/* White over blue to nearly black, lightness falling evenly: readable in print and without colour.
 */
static const bal_color scale[] = {{1.000, 1.000, 1.000}, {0.871, 0.922, 0.969},
                                  {0.620, 0.792, 0.882}, {0.259, 0.573, 0.776},
                                  {0.031, 0.318, 0.612}, {0.031, 0.188, 0.420}};
enum { SCALE_COUNT = sizeof scale / sizeof *scale };

static bal_color color_at(double share) {
    double at = fmin(fmax(share, 0), 1) * (SCALE_COUNT - 1);
    int below = (int)fmin(floor(at), SCALE_COUNT - 2);
    double rest = at - below;
    const bal_color *a = &scale[below], *b = &scale[below + 1];
    return (bal_color){a->red + rest * (b->red - a->red), a->green + rest * (b->green - a->green),
                       a->blue + rest * (b->blue - a->blue)};
}

typedef struct layout {
    bal_frame frame;
    double cell;       /* side of a cell */
    double name_width; /* of the row names */
    double column_name_room;
    bool turned;  /* column names upright */
    size_t every; /* names written: each, or each n-th */
} layout;

static const char *name_of(const char *const *names, size_t i, char buffer[24]) {
    if (names) return names[i];
    snprintf(buffer, 24, "%zu", i);
    return buffer;
}

static double widest_name(const bal_canvas *canvas, const char *const *names, size_t count) {
    char buffer[24];
    double widest = 0;
    for (size_t i = 0; i < count; i++)
        widest = fmax(widest,
                      bal_canvas_text_width(canvas, name_of(names, i, buffer), NAME_SIZE, false));
    return fmin(widest, NAME_WIDTH_MAX);
}

/* Every 1st, 2nd, 5th, 10th, … name, so that they stand at least a line apart. */
static size_t thin_out(double cell) {
    static const size_t steps[] = {1, 2, 5, 10, 20, 50};
    size_t i = 0;
    while (i < 5 && cell * (double)steps[i] < NAME_SIZE + 3)
        i++;
    return steps[i];
}

/* Sizes follow from the matrix: the names first, then the sheet around the cells. Measuring needs a
 * canvas, so a small one is made for it. */
static bal_status plan(const bal_plot_heat *plot, layout *l, double *ret_width, double *ret_height,
                       bal_error *err) {
    bal_canvas ruler;
    BAL_TRY(bal_canvas_open(&ruler, 8, 8, err));
    size_t larger = plot->rows > plot->columns ? plot->rows : plot->columns;
    l->cell = fmin(floor(SIDE * 2.0 / (double)larger) / 2, 48);
    l->every = thin_out(l->cell);
    l->name_width = widest_name(&ruler, plot->row_names, plot->rows);
    double column_name = widest_name(&ruler, plot->column_names, plot->columns);
    l->turned = column_name > l->cell * (double)l->every - 6;
    l->column_name_room = l->turned ? column_name : NAME_SIZE;
    double title = plot->title ? bal_canvas_text_width(&ruler, plot->title, 15, true) : 0;
    bal_canvas_close(&ruler);
    l->frame.left = MARGIN + (plot->y_label ? 24 : 0) + l->name_width + 8;
    l->frame.right = l->frame.left + l->cell * (double)plot->columns;
    *ret_width = fmax(l->frame.right + BAR_ROOM, fmin(l->frame.left + title + MARGIN, 860));
    l->frame.top = plot->title ? 52 : MARGIN;
    l->frame.bottom = l->frame.top + l->cell * (double)plot->rows;
    *ret_height = l->frame.bottom + 10 + l->column_name_room + (plot->x_label ? 40 : MARGIN);
    return BAL_OK;
}

static void find_scale(const bal_plot_heat *plot, double *low, double *high) {
    *low = plot->low;
    *high = plot->high;
    if (*low != 0 || *high != 0) {
        bal_ticks_sane_range(low, high, false);
        return;
    }
    double least = 0, most = -INFINITY;
    for (size_t i = 0; i < plot->rows * plot->columns; i++) {
        if (!isfinite(plot->values[i])) continue;
        least = fmin(least, plot->values[i]);
        most = fmax(most, plot->values[i]);
    }
    *low = least;
    *high = isfinite(most) && most > least ? most : least + 1;
}

/* A missing value: grey with a stroke through it. */
static void draw_missing(const bal_canvas *canvas, double x, double y, double side) {
    bal_canvas_color(canvas, bal_color_grid);
    bal_canvas_box(canvas, x, y, side, side);
    bal_canvas_color(canvas, bal_color_axis);
    cairo_set_line_width(canvas->cairo, 0.6);
    cairo_move_to(canvas->cairo, x, y + side);
    cairo_line_to(canvas->cairo, x + side, y);
    cairo_stroke(canvas->cairo);
}

/* Shares without their zero, ".95", because cells are narrow. */
static void cell_text(double value, char *buffer, size_t size) {
    if (fabs(value) >= 1 || value == floor(value)) {
        bal_ticks_short(value, buffer, size);
        return;
    }
    int hundredths = (int)lround(fabs(value) * 100);
    const char *sign = value < 0 ? "-" : "";
    if (hundredths == 100)
        snprintf(buffer, size, "%s1.0", sign);
    else
        snprintf(buffer, size, "%s.%02d", sign, hundredths);
}

static void draw_value(const bal_canvas *canvas, double x, double y, double side, double value,
                       double share) {
    char text[24];
    if (value == 0) return; /* an empty field reads better than a field of zeros */
    cell_text(value, text, sizeof text);
    double size = fmin(side * 0.42, 12);
    double width = bal_canvas_text_width(canvas, text, size, false);
    if (width > side - 4) size *= (side - 4) / width;
    bal_canvas_color(canvas, share > 0.55 ? scale[0] : bal_color_ink);
    bal_canvas_text(canvas, x + side / 2, y + side / 2, text,
                    (bal_text_style){.size = size, .along = 0.5, .across = 0.5});
}

static void draw_cells(const bal_canvas *canvas, const bal_plot_heat *plot, const layout *l,
                       double low, double high) {
    bool texts = plot->rows <= BAL_PLOT_CELL_TEXT_MAX && plot->columns <= BAL_PLOT_CELL_TEXT_MAX;
    cairo_set_antialias(canvas->cairo, CAIRO_ANTIALIAS_NONE);
    for (int pass = 0; pass < (texts ? 2 : 1); pass++) {
        for (size_t r = 0; r < plot->rows; r++) {
            for (size_t c = 0; c < plot->columns; c++) {
                double x = l->frame.left + l->cell * (double)c;
                double y = l->frame.top + l->cell * (double)r;
                double value = plot->values[r * plot->columns + c];
                double share = (value / 2 - low / 2) / (high / 2 - low / 2);
                if (!isfinite(value)) {
                    if (pass == 0) draw_missing(canvas, x, y, l->cell);
                } else if (pass == 1) {
                    draw_value(canvas, x, y, l->cell, value, share);
                } else {
                    bal_canvas_color(canvas, color_at(share));
                    bal_canvas_box(canvas, x, y, l->cell, l->cell);
                }
            }
        }
        cairo_set_antialias(canvas->cairo, CAIRO_ANTIALIAS_DEFAULT);
    }
    bal_canvas_color(canvas, bal_color_axis);
    cairo_set_line_width(canvas->cairo, 1);
    cairo_rectangle(canvas->cairo, l->frame.left - 0.5, l->frame.top - 0.5,
                    l->frame.right - l->frame.left + 1, l->frame.bottom - l->frame.top + 1);
    cairo_stroke(canvas->cairo);
}

static void draw_names(const bal_canvas *canvas, const bal_plot_heat *plot, const layout *l) {
    char buffer[24];
    bal_canvas_color(canvas, bal_color_label);
    for (size_t r = 0; r < plot->rows; r += l->every)
        bal_canvas_text(
            canvas, l->frame.left - 8, l->frame.top + l->cell * ((double)r + 0.5),
            name_of(plot->row_names, r, buffer),
            (bal_text_style){
                .size = NAME_SIZE, .along = 1, .across = 0.5, .width_max = NAME_WIDTH_MAX});
    for (size_t c = 0; c < plot->columns; c += l->every) {
        bal_text_style upright = {.size = NAME_SIZE,
                                  .along = 1,
                                  .across = 0.5,
                                  .turn = -M_PI / 2,
                                  .width_max = NAME_WIDTH_MAX};
        bal_text_style level = {.size = NAME_SIZE, .along = 0.5};
        bal_canvas_text(canvas, l->frame.left + l->cell * ((double)c + 0.5), l->frame.bottom + 8,
                        name_of(plot->column_names, c, buffer), l->turned ? upright : level);
    }
}

static void draw_titles(const bal_canvas *canvas, const bal_plot_heat *plot, const layout *l) {
    double left = fmax(MARGIN, l->frame.left - l->name_width - 8);
    bal_canvas_head(canvas, plot->title, NULL, 0, left);
    bal_canvas_color(canvas, bal_color_label);
    if (plot->x_label)
        bal_canvas_text(canvas, (l->frame.left + l->frame.right) / 2, canvas->height - 16,
                        plot->x_label, (bal_text_style){.size = 13, .along = 0.5, .across = 1});
    if (plot->y_label)
        bal_canvas_text(canvas, MARGIN, (l->frame.top + l->frame.bottom) / 2, plot->y_label,
                        (bal_text_style){.size = 13, .along = 0.5, .turn = -M_PI / 2});
}

static void draw_color_bar(const bal_canvas *canvas, const layout *l, double low, double high) {
    double x = l->frame.right + 18;
    double height = fmin(l->frame.bottom - l->frame.top, 260);
    bal_axis axis = {.low = low, .high = high, .from = l->frame.top + height, .to = l->frame.top};
    cairo_pattern_t *gradient = cairo_pattern_create_linear(0, axis.from, 0, axis.to);
    for (int i = 0; i < SCALE_COUNT; i++)
        cairo_pattern_add_color_stop_rgb(gradient, (double)i / (SCALE_COUNT - 1), scale[i].red,
                                         scale[i].green, scale[i].blue);
    cairo_set_source(canvas->cairo, gradient);
    bal_canvas_box(canvas, x, axis.to, BAR_WIDTH, height);
    cairo_pattern_destroy(gradient);
    bal_canvas_color(canvas, bal_color_axis);
    cairo_set_line_width(canvas->cairo, 1);
    cairo_rectangle(canvas->cairo, x - 0.5, axis.to - 0.5, BAR_WIDTH + 1, height + 1);
    cairo_stroke(canvas->cairo);
    bal_ticks_linear(low, high, (int)fmax(2, height / 45), &axis.ticks);
    bal_canvas_color(canvas, bal_color_label);
    for (int i = 0; i < axis.ticks.count; i++)
        bal_canvas_text(canvas, x + BAR_WIDTH + 6, bal_axis_place(&axis, axis.ticks.values[i]),
                        axis.ticks.labels[i], (bal_text_style){.size = 12, .across = 0.5});
}

bal_status bal_plot_heat_write(const bal_plot_heat *plot, const char *path, bal_error *err) {
    bool fits = plot->rows >= 1 && plot->rows <= BAL_PLOT_CELLS_MAX && plot->columns >= 1 &&
                plot->columns <= BAL_PLOT_CELLS_MAX;
    if (!fits)
        return bal_fail(err, BAL_EINVAL, "a heat map has 1 to %d rows and columns, not %zu x %zu",
                        BAL_PLOT_CELLS_MAX, plot->rows, plot->columns);
    layout l = {0};
    double width, height, low, high;
    bal_canvas canvas;
    BAL_TRY(plan(plot, &l, &width, &height, err));
    BAL_TRY(bal_canvas_open(&canvas, width, height, err));
    find_scale(plot, &low, &high);
    draw_cells(&canvas, plot, &l, low, high);
    draw_names(&canvas, plot, &l);
    draw_titles(&canvas, plot, &l);
    draw_color_bar(&canvas, &l, low, high);
    bal_status status = bal_canvas_write(&canvas, path, err);
    bal_canvas_close(&canvas);
    return status;
}
