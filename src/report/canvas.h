/* The sheet plots are drawn on: pixels, colours, text, and what plots with axes share. Private to
 * src/report. Lengths are in units of the sheet; a PNG has BAL_CANVAS_SCALE pixels for one of them.
 */
#ifndef BAL_REPORT_CANVAS_H
#define BAL_REPORT_CANVAS_H

#include <cairo.h>
#include <stdbool.h>

#include "ballast/status.h"
#include "report/plot.h"
#include "report/ticks.h"

#define BAL_CANVAS_SCALE 2

typedef struct bal_color {
    double red, green, blue;
} bal_color;

extern const bal_color bal_color_ink, bal_color_label, bal_color_axis, bal_color_grid,
    bal_color_mark;
#define BAL_PALETTE_COUNT 7
extern const bal_color bal_color_palette[BAL_PALETTE_COUNT];

typedef struct bal_canvas {
    cairo_surface_t *surface;
    cairo_t *cairo;
    double width, height;
} bal_canvas;

BAL_WARN_UNUSED bal_status bal_canvas_open(bal_canvas *canvas, double width, double height,
                                           bal_error *err);
/** Write the PNG. Errors of drawing come out here too. */
BAL_WARN_UNUSED bal_status bal_canvas_write(const bal_canvas *canvas, const char *path,
                                            bal_error *err);
void bal_canvas_close(bal_canvas *canvas);

void bal_canvas_color(const bal_canvas *canvas, bal_color color);
/** A line on whole pixels, crisp when level or upright. */
void bal_canvas_line(const bal_canvas *canvas, double x0, double y0, double x1, double y1,
                     double thickness);
void bal_canvas_box(const bal_canvas *canvas, double x, double y, double width, double height);

/** How text stands to its point: 0 begins there (below it), 0.5 is centred, 1 ends there (above).
 */
typedef struct bal_text_style {
    double size, across, along; /* along the line of writing, across it */
    bool bold;
    double turn;      /* radians, about the point */
    double width_max; /* cut with an ellipsis beyond; 0: no limit */
} bal_text_style;

void bal_canvas_text(const bal_canvas *canvas, double x, double y, const char *text,
                     bal_text_style style);
/** Text over data: in the colour of marks, on a white veil. Not turned. */
void bal_canvas_note(const bal_canvas *canvas, double x, double y, const char *text,
                     bal_text_style style);
double bal_canvas_text_width(const bal_canvas *canvas, const char *text, double size, bool bold);

/** One legend entry: a swatch in a colour and dash pattern. */
typedef struct bal_legend_item {
    const char *label;
    int series; /* colour and dashes by number */
    bool box;
} bal_legend_item;

/** Draw title and legend at the top (in rows from the left); returns the height they take. */
double bal_canvas_head(const bal_canvas *canvas, const char *title, const bal_legend_item *items,
                       size_t count, double left);

bal_color bal_series_color(size_t series);
/** Lines beyond the palette are dashed. */
void bal_series_dash(const bal_canvas *canvas, size_t series);

/** A value axis: a range in data, a range on the sheet, and its numbers. */
typedef struct bal_axis {
    double low, high;
    bool log;
    double from, to; /* on the sheet */
    bal_ticks ticks;
} bal_axis;

double bal_axis_place(const bal_axis *axis, double value);

/** The area of data on a sheet. */
typedef struct bal_frame {
    double left, right, top, bottom;
} bal_frame;

/** Room at the left for the numbers and name of the y axis. */
double bal_axis_room(const bal_canvas *canvas, const bal_axis *y, const char *y_label);
/** Grid lines, numbers and name of the y axis. */
void bal_axis_draw_y(const bal_canvas *canvas, const bal_axis *y, bal_frame frame,
                     const char *y_label);
/** Base line, small ticks, numbers and name of the x axis. */
void bal_axis_draw_x(const bal_canvas *canvas, const bal_axis *x, bal_frame frame,
                     const char *x_label);
/** Room at the right for the labels of marks. */
double bal_axis_mark_room(const bal_canvas *canvas, const bal_plot_mark *marks, size_t count);
void bal_axis_draw_y_marks(const bal_canvas *canvas, const bal_axis *y, bal_frame frame,
                           const bal_plot_mark *marks, size_t count);

#endif
