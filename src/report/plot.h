/* Plots for the run folder, drawn with cairo and written as PNG: curves, matrices, bars.
 *
 * Each plot is one structure, zero-initialised, filled in and written with one call. Nothing is
 * kept and nothing borrowed beyond the call. The look is fixed: light, colours that colour-blind
 * readers tell apart (Okabe and Ito, "Color Universal Design", 2008), text outside the data. Text
 * is UTF-8; what does not fit is cut with an ellipsis, what is not UTF-8 is left out.
 *
 * Numbers that are not finite are data too: curves have gaps, cells and bars are marked as missing.
 *
 * Errors  BAL_EINVAL sizes that make no picture; BAL_ENOMEM; those of bal_file_writer: an old
 * picture of that name survives a failure. cairo allocates by itself with malloc; its failures are
 * reported. Text is in the system's sans-serif (on Debian libcairo2 brings one); without any font
 * cairo draws plain strokes of its own. */
#ifndef BAL_REPORT_PLOT_H
#define BAL_REPORT_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "ballast/status.h"

/** A curve. x ascending or not; NULL for 0, 1, 2, …. A point with a non-finite coordinate is a gap.
 */
typedef struct bal_plot_series {
    const char *label; /* NULL: not in the legend */
    const double *x, *y;
    size_t count;
} bal_plot_series;

/** A thin labelled line across the plot: a stage or an incident at an x, a baseline at a y. */
typedef struct bal_plot_mark {
    double at;
    const char *label; /* may be NULL */
} bal_plot_mark;

typedef struct bal_plot_lines {
    const char *title, *x_label, *y_label; /* each may be NULL */
    const bal_plot_series *series;
    size_t n_series;
    const bal_plot_mark *x_marks, *y_marks;
    size_t n_x_marks, n_y_marks;
    double y_min, y_max; /* both 0: from the data */
    bool log_y;          /* values that are not positive become gaps */
} bal_plot_lines;

BAL_WARN_UNUSED bal_status bal_plot_lines_write(const bal_plot_lines *plot, const char *path,
                                                bal_error *err);

#define BAL_PLOT_CELLS_MAX 200    /* rows or columns of a matrix */
#define BAL_PLOT_CELL_TEXT_MAX 30 /* rows and columns up to which the values are written in */

/** A matrix as a heat map, first row at the top: a confusion matrix has true classes as rows. */
typedef struct bal_plot_heat {
    const char *title, *x_label, *y_label;
    const double *values; /* [rows, columns] */
    size_t rows, columns;
    const char *const *row_names, *const *column_names; /* NULL: 0, 1, 2, … */
    double low,
        high; /* ends of the colour scale; both 0: from 0 or the lowest value, to the highest */
} bal_plot_heat;

BAL_WARN_UNUSED bal_status bal_plot_heat_write(const bal_plot_heat *plot, const char *path,
                                               bal_error *err);

#define BAL_PLOT_BARS_MAX 1000
#define BAL_PLOT_GROUP_MAX 6

/** Bars from zero, in groups of one per series. */
typedef struct bal_plot_bars {
    const char *title, *x_label, *y_label;
    const char *const *names;    /* [count] */
    const char *const *labels;   /* [n_series], for the legend; may be NULL for one series */
    const double *const *values; /* [n_series][count] */
    size_t count, n_series;
    const bal_plot_mark *y_marks;
    size_t n_y_marks;
    double y_min, y_max; /* both 0: from the data */
} bal_plot_bars;

BAL_WARN_UNUSED bal_status bal_plot_bars_write(const bal_plot_bars *plot, const char *path,
                                               bal_error *err);

#endif
