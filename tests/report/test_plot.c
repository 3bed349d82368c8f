/* report/plot_*.c: pictures are decoded again and looked at where the data must be and where it
 * must not; awkward data, refusals, failing memory and storage. cairo's own malloc cannot be failed
 * from here. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cairo.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "report/canvas.h"
#include "report/plot.h"
#include "scratch.h"

/* fontconfig keeps what it read about fonts until the end; LeakSanitizer cannot see all of its
 * pointers. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libfontconfig";
}

/* A picture read back. */
typedef struct picture {
    cairo_surface_t *surface;
    int width, height, stride;
    const unsigned char *pixels;
} picture;

static char *folder, *path;

static int set_up(void **state) {
    folder = scratch_new();
    path = bal_path_join(folder, "plot.png");
    return path ? 0 : -1;
}

static int tear_down(void **state) {
    bal_free(path);
    scratch_free(folder);
    return 0;
}

static picture load(void) {
    picture p = {.surface = cairo_image_surface_create_from_png(path)};
    assert_int_equal(cairo_surface_status(p.surface), CAIRO_STATUS_SUCCESS);
    p.width = cairo_image_surface_get_width(p.surface);
    p.height = cairo_image_surface_get_height(p.surface);
    p.stride = cairo_image_surface_get_stride(p.surface);
    p.pixels = cairo_image_surface_get_data(p.surface);
    return p;
}

static uint32_t pixel(const picture *p, int x, int y) {
    uint32_t value;
    memcpy(&value, p->pixels + y * p->stride + x * 4, 4);
    return value & 0xFFFFFF;
}

static uint32_t packed(bal_color color) {
    return (uint32_t)lround(color.red * 255) << 16 | (uint32_t)lround(color.green * 255) << 8 |
           (uint32_t)lround(color.blue * 255);
}

static bool near(uint32_t a, uint32_t b) {
    for (int shift = 0; shift < 24; shift += 8)
        if (abs((int)(a >> shift & 255) - (int)(b >> shift & 255)) > 2) return false;
    return true;
}

typedef struct box {
    int left, right, top, bottom;
    long count;
} box;

/* Where pixels of a colour are, below the title and legend. */
static box find_color(const picture *p, bal_color color, int from_y) {
    box b = {.left = p->width, .top = p->height, .right = -1, .bottom = -1};
    for (int y = from_y; y < p->height; y++) {
        for (int x = 0; x < p->width; x++) {
            if (!near(pixel(p, x, y), packed(color))) continue;
            b.count++;
            b.left = x < b.left ? x : b.left;
            b.right = x > b.right ? x : b.right;
            b.top = y < b.top ? y : b.top;
            b.bottom = y > b.bottom ? y : b.bottom;
        }
    }
    return b;
}

static int count_in_column(const picture *p, bal_color color, int x, int from_y) {
    int count = 0;
    for (int y = from_y; y < p->height; y++)
        count += near(pixel(p, x, y), packed(color));
    return count;
}

enum { BELOW_HEAD = 110 };

/* A rising line with a hole in the middle: colour at both ends, none in the hole. */
static void lines_have_gaps(void **state) {
    double y[101];
    for (int i = 0; i <= 100; i++)
        y[i] = i > 40 && i < 60 ? NAN : i / 100.0;
    bal_plot_series series = {.label = "a", .y = y, .count = 101};
    bal_plot_lines plot = {
        .title = "t", .x_label = "x", .y_label = "y", .series = &series, .n_series = 1};
    assert_int_equal(bal_plot_lines_write(&plot, path, NULL), BAL_OK);
    picture p = load();
    assert_int_equal(p.width, 860 * BAL_CANVAS_SCALE);
    assert_int_equal(p.height, 480 * BAL_CANVAS_SCALE);
    box b = find_color(&p, bal_color_palette[0], BELOW_HEAD);
    assert_true(b.count > 1000);
    assert_true(b.right - b.left > p.width * 85 / 100);
    assert_true(b.bottom - b.top > p.height * 65 / 100);
    for (int percent = 0; percent <= 100; percent++) {
        int x = b.left + (b.right - b.left) * percent / 100;
        int count = count_in_column(&p, bal_color_palette[0], x, BELOW_HEAD);
        if (percent > 41 && percent < 59) assert_int_equal(count, 0);
        if (percent > 1 && percent < 39) assert_true(count > 0);
        if (percent > 61 && percent < 99) assert_true(count > 0);
    }
    cairo_surface_destroy(p.surface);
}

/* A single high and a single low value among a million still show. */
static void dense_lines_keep_extremes(void **state) {
    enum { COUNT = 1000000 };
    double *y = calloc(COUNT, sizeof *y);
    assert_non_null(y);
    for (int i = 0; i < COUNT; i++)
        y[i] = 1 + i % 2 * 0.01;
    y[COUNT / 2 + 200] = 100; /* inside a column of pixels */
    y[COUNT / 4 * 3 + 200] = -100;
    y[COUNT / 4] = NAN;
    bal_plot_series series = {.y = y, .count = COUNT};
    bal_plot_lines plot = {.series = &series, .n_series = 1};
    assert_int_equal(bal_plot_lines_write(&plot, path, NULL), BAL_OK);
    picture p = load();
    box b = find_color(&p, bal_color_palette[0], 0);
    assert_true(b.bottom - b.top > p.height * 70 / 100);
    int width = b.right - b.left, spikes[2] = {0, 0};
    for (int x = b.left; x <= b.right; x++) {
        if (count_in_column(&p, bal_color_palette[0], x, 0) < p.height * 30 / 100) continue;
        bool up = abs(x - b.left - width / 2) < 6, down = abs(x - b.left - width * 3 / 4) < 6;
        assert_true(up || down);
        spikes[down]++;
    }
    assert_in_range(spikes[0], 1, 6);
    assert_in_range(spikes[1], 1, 6);
    cairo_surface_destroy(p.surface);
    free(y);
}

/* On a log axis a power law is straight: its middle is the geometric mean. */
static void log_axis_is_logarithmic(void **state) {
    static const double y[] = {1e-3, 1, 1e3};
    bal_plot_series series = {.y = y, .count = 3};
    bal_plot_lines plot = {.series = &series, .n_series = 1, .log_y = true};
    assert_int_equal(bal_plot_lines_write(&plot, path, NULL), BAL_OK);
    picture p = load();
    box b = find_color(&p, bal_color_palette[0], 0);
    int x = (b.left + b.right) / 2, middle = (b.top + b.bottom) / 2;
    assert_true(near(pixel(&p, x, middle), packed(bal_color_palette[0])));
    cairo_surface_destroy(p.surface);
}

static void awkward_lines(void **state) {
    static const double wild[] = {DBL_MAX, -DBL_MAX, NAN, INFINITY, -INFINITY, DBL_MIN, 0, -0.0};
    static const double same[] = {3, 3, 3}, none[] = {NAN, INFINITY}, one[] = {1e-320};
    static const double *const data[] = {wild, same, none, one};
    static const size_t counts[] = {8, 3, 2, 1};
    for (size_t i = 0; i < 4 * 2 * 2; i++) {
        bal_plot_series series[2] = {{.label = "\xff broken \n",
                                      .x = data[i / 4 % 2 ? i % 4 : 0],
                                      .y = data[i % 4],
                                      .count = counts[i % 4]},
                                     {.label = "", .y = NULL, .count = 0}};
        if (i / 4 % 2 == 0) series[0].x = NULL;
        bal_plot_mark marks[] = {{NAN, "nowhere"}, {1, NULL}, {0, "zero"}};
        bal_plot_lines plot = {.title = "g\xc3\xbc\xc3",
                               .series = series,
                               .n_series = 2,
                               .x_marks = marks,
                               .y_marks = marks,
                               .n_x_marks = 3,
                               .n_y_marks = 3,
                               .log_y = i >= 8};
        assert_int_equal(bal_plot_lines_write(&plot, path, NULL), BAL_OK);
        cairo_surface_destroy(load().surface);
    }
    bal_plot_lines empty = {0};
    assert_int_equal(bal_plot_lines_write(&empty, path, NULL), BAL_OK);
    static const double inside[] = {0.5, 5, -5};
    bal_plot_series series = {.y = inside, .count = 3};
    bal_plot_lines fixed = {.series = &series, .n_series = 1, .y_min = 0, .y_max = 1};
    assert_int_equal(bal_plot_lines_write(&fixed, path, NULL), BAL_OK);
    fixed.y_max = NAN;
    assert_int_equal(bal_plot_lines_write(&fixed, path, NULL), BAL_OK);
}

/* Cells are squares in reading order: darkest at the highest, white at zero, grey where missing. */
static void heat_cells(void **state) {
    static const double values[] = {1, 0, 0, 0.5, NAN, 0};
    bal_plot_heat plot = {.values = values, .rows = 2, .columns = 3};
    assert_int_equal(bal_plot_heat_write(&plot, path, NULL), BAL_OK);
    picture p = load();
    const bal_color dark = {0.031, 0.188, 0.420};
    /* The first cell: the largest square of the darkest colour, left of the colour bar. */
    box b = find_color(&p, dark, 0);
    int side = b.bottom - b.top + 1;
    assert_in_range(side, 90, 98);
    int x = b.left + 6, y = b.top + 6;
    assert_true(near(pixel(&p, x, y), packed(dark)));
    assert_true(near(pixel(&p, x + side, y), 0xFFFFFF));
    assert_true(near(pixel(&p, x + 2 * side, y), 0xFFFFFF));
    uint32_t half = pixel(&p, x, y + side), missing = pixel(&p, x + side, y + side);
    assert_false(near(half, 0xFFFFFF));
    assert_false(near(half, packed(dark)));
    assert_true((half & 255) > (half >> 16));
    assert_true(near(missing, packed(bal_color_grid)));
    cairo_surface_destroy(p.surface);
}

static void awkward_matrices(void **state) {
    double *values = calloc(BAL_PLOT_CELLS_MAX * BAL_PLOT_CELLS_MAX, sizeof *values);
    assert_non_null(values);
    static const char *const names[] = {
        "", "a very long name that does not fit anywhere in the picture", "\xff"};
    static const double fills[] = {0, 1, -1, NAN, INFINITY, DBL_MAX, -DBL_MAX, 1e-320, 123456789};
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        for (int j = 0; j < 9; j++)
            values[j] = fills[j % 2 ? 0 : i];
        bal_plot_heat plot = {.title = "t",
                              .x_label = "x",
                              .y_label = "y",
                              .values = values,
                              .rows = 3,
                              .columns = 3,
                              .row_names = names,
                              .column_names = names};
        assert_int_equal(bal_plot_heat_write(&plot, path, NULL), BAL_OK);
        cairo_surface_destroy(load().surface);
    }
    static const size_t sizes[][2] = {{1, 1}, {1, 200}, {200, 1}, {200, 200}, {30, 31}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bal_plot_heat plot = {.title = "t",
                              .values = values,
                              .rows = sizes[i][0],
                              .columns = sizes[i][1],
                              .low = -1,
                              .high = 1};
        assert_int_equal(bal_plot_heat_write(&plot, path, NULL), BAL_OK);
    }
    bal_error err = {0};
    bal_plot_heat plot = {.values = values, .rows = 0, .columns = 3};
    assert_int_equal(bal_plot_heat_write(&plot, path, &err), BAL_EINVAL);
    assert_string_equal(err.message, "a heat map has 1 to 200 rows and columns, not 0 x 3");
    plot.rows = 201;
    assert_int_equal(bal_plot_heat_write(&plot, path, NULL), BAL_EINVAL);
    free(values);
}

/* The bar of twice the value is twice as high; a missing one has no colour. */
static void bar_heights(void **state) {
    static const double values[] = {1, 2, NAN, 0};
    static const double *const all[] = {values};
    static const char *const names[] = {"a", "b", "c", "d"};
    bal_plot_bars plot = {.names = names, .values = all, .count = 4, .n_series = 1};
    assert_int_equal(bal_plot_bars_write(&plot, path, NULL), BAL_OK);
    picture p = load();
    box b = find_color(&p, bal_color_palette[0], 0);
    int width = b.right - b.left; /* of two of four slots, less one gap */
    int low = count_in_column(&p, bal_color_palette[0], b.left + width / 8, 0);
    int high = count_in_column(&p, bal_color_palette[0], b.right - width / 8, 0);
    assert_true(low > 100 && abs(high - 2 * low) <= 4);
    assert_true(b.right < p.width * 55 / 100);
    cairo_surface_destroy(p.surface);
}

static void awkward_bars(void **state) {
    enum { COUNT = BAL_PLOT_BARS_MAX };
    static double values[COUNT];
    static const char *names[COUNT], *const labels[] = {"a", "b", "c", "d", "e", "f"};
    const double *all[BAL_PLOT_GROUP_MAX];
    for (int i = 0; i < COUNT; i++)
        names[i] = i % 3 ? "name" : "\xc3";
    for (int i = 0; i < BAL_PLOT_GROUP_MAX; i++)
        all[i] = values;
    static const double fills[] = {0, -1, NAN, INFINITY, DBL_MAX, -DBL_MAX, 1e-320};
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        values[0] = fills[i];
        bal_plot_mark marks[] = {{0.5, "a label at the side"}, {INFINITY, "b"}};
        bal_plot_bars plot = {.title = "t",
                              .x_label = "x",
                              .y_label = "y",
                              .names = names,
                              .labels = labels,
                              .values = all,
                              .count = i % 2 ? COUNT : 1,
                              .n_series = i % 2 ? 6 : 1,
                              .y_marks = marks,
                              .n_y_marks = 2};
        assert_int_equal(bal_plot_bars_write(&plot, path, NULL), BAL_OK);
        cairo_surface_destroy(load().surface);
    }
    bal_plot_bars plot = {.names = names, .values = all, .count = 0, .n_series = 1};
    assert_int_equal(bal_plot_bars_write(&plot, path, NULL), BAL_EINVAL);
    plot.count = 1;
    plot.n_series = 7;
    assert_int_equal(bal_plot_bars_write(&plot, path, NULL), BAL_EINVAL);
}

static bal_status draw_small(bal_error *err) {
    static const double y[] = {1, 2};
    bal_plot_series series = {.label = "a", .y = y, .count = 2};
    bal_plot_lines plot = {.series = &series, .n_series = 1};
    return bal_plot_lines_write(&plot, path, err);
}

static void the_same_picture_twice(void **state) {
    char *first, *second;
    size_t first_size, second_size;
    assert_int_equal(draw_small(NULL), BAL_OK);
    assert_int_equal(bal_file_read(path, 1 << 20, &first, &first_size, NULL), BAL_OK);
    assert_int_equal(draw_small(NULL), BAL_OK);
    assert_int_equal(bal_file_read(path, 1 << 20, &second, &second_size, NULL), BAL_OK);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    bal_free(first);
    bal_free(second);
}

static void failing_memory_and_storage(void **state) {
    assert_int_equal(draw_small(NULL), BAL_OK);
    int failures = 0;
    for (;; failures++) {
        bal_error err = {0};
        bal_memory_fail_after(failures);
        bal_status status = draw_small(&err);
        bal_memory_fail_after(-1);
        cairo_surface_destroy(load().surface);
        if (status == BAL_OK) break;
        assert_int_equal(status, BAL_ENOMEM);
    }
    assert_true(failures >= 2);
    bal_error err = {0};
    bal_file_fail_after(0);
    assert_int_equal(draw_small(&err), BAL_EIO);
    bal_file_fail_after(-1);
    cairo_surface_destroy(load().surface);
    bal_plot_lines empty = {0};
    assert_int_equal(bal_plot_lines_write(&empty, "/nonexistent/folder/p.png", NULL),
                     BAL_ENOTFOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_gaps),
        cmocka_unit_test(dense_lines_keep_extremes),
        cmocka_unit_test(log_axis_is_logarithmic),
        cmocka_unit_test(awkward_lines),
        cmocka_unit_test(heat_cells),
        cmocka_unit_test(awkward_matrices),
        cmocka_unit_test(bar_heights),
        cmocka_unit_test(awkward_bars),
        cmocka_unit_test(the_same_picture_twice),
        cmocka_unit_test(failing_memory_and_storage),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
