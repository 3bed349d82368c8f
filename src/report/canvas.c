/* Pixels, colours and text. cairo's "toy" text API is enough for labels: it picks the system's
 * sans-serif through fontconfig and needs no shaping library. */
#include "report/canvas.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

enum { TEXT_BYTES_MAX = 512, PIXELS_MAX = 30000 };

const bal_color bal_color_ink = {0.13, 0.13, 0.13}, bal_color_label = {0.33, 0.33, 0.33},
                bal_color_axis = {0.55, 0.55, 0.55}, bal_color_grid = {0.91, 0.91, 0.91},
                bal_color_mark = {0.45, 0.45, 0.45};

/* Okabe and Ito's, the two for lines first, without the yellow that vanishes on white. */
const bal_color bal_color_palette[BAL_PALETTE_COUNT] = {
    {0.000, 0.447, 0.698}, {0.835, 0.369, 0.000}, {0.000, 0.620, 0.451}, {0.800, 0.475, 0.655},
    {0.902, 0.624, 0.000}, {0.337, 0.706, 0.914}, {0.300, 0.300, 0.300}};

static bal_status fail_cairo(cairo_status_t status, bal_error *err) {
    if (status == CAIRO_STATUS_NO_MEMORY)
        return bal_fail(err, BAL_ENOMEM, "out of memory while drawing a plot");
    return bal_fail(err, BAL_EINTERNAL, "a plot cannot be drawn: %s",
                    cairo_status_to_string(status));
}

bal_status bal_canvas_open(bal_canvas *canvas, double width, double height, bal_error *err) {
    *canvas = (bal_canvas){.width = width, .height = height};
    if (width * BAL_CANVAS_SCALE > PIXELS_MAX || height * BAL_CANVAS_SCALE > PIXELS_MAX)
        return bal_fail(err, BAL_EINVAL, "a plot of %.0f x %.0f is too large", width, height);
    canvas->surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)ceil(width) * BAL_CANVAS_SCALE,
                                   (int)ceil(height) * BAL_CANVAS_SCALE);
    canvas->cairo = cairo_create(canvas->surface);
    cairo_status_t status = cairo_status(canvas->cairo);
    if (status != CAIRO_STATUS_SUCCESS) {
        bal_canvas_close(canvas);
        return fail_cairo(status, err);
    }
    cairo_set_source_rgb(canvas->cairo, 1, 1, 1);
    cairo_paint(canvas->cairo);
    cairo_scale(canvas->cairo, BAL_CANVAS_SCALE, BAL_CANVAS_SCALE);
    return BAL_OK;
}

void bal_canvas_close(bal_canvas *canvas) {
    if (canvas->cairo) cairo_destroy(canvas->cairo);
    if (canvas->surface) cairo_surface_destroy(canvas->surface);
    *canvas = (bal_canvas){0};
}

/* The writer keeps its first failure until commit. */
static cairo_status_t put_png(void *writer, const unsigned char *bytes, unsigned size) {
    bal_file_writer_put(writer, bytes, size);
    return CAIRO_STATUS_SUCCESS;
}

bal_status bal_canvas_write(const bal_canvas *canvas, const char *path, bal_error *err) {
    bal_file_writer writer;
    cairo_status_t status = cairo_status(canvas->cairo);
    if (status != CAIRO_STATUS_SUCCESS) return fail_cairo(status, err);
    BAL_TRY(bal_file_writer_open(&writer, path, err));
    status = cairo_surface_write_to_png_stream(canvas->surface, put_png, &writer);
    if (status == CAIRO_STATUS_SUCCESS) return bal_file_writer_commit(&writer, err);
    bal_file_writer_abort(&writer);
    return fail_cairo(status, err);
}

void bal_canvas_color(const bal_canvas *canvas, bal_color color) {
    cairo_set_source_rgb(canvas->cairo, color.red, color.green, color.blue);
}

static double on_pixel(double at) {
    return floor(at * BAL_CANVAS_SCALE) / BAL_CANVAS_SCALE + 0.5 / BAL_CANVAS_SCALE;
}

void bal_canvas_line(const bal_canvas *canvas, double x0, double y0, double x1, double y1,
                     double thickness) {
    cairo_set_line_width(canvas->cairo, thickness);
    cairo_move_to(canvas->cairo, on_pixel(x0), on_pixel(y0));
    cairo_line_to(canvas->cairo, on_pixel(x1), on_pixel(y1));
    cairo_stroke(canvas->cairo);
}

void bal_canvas_box(const bal_canvas *canvas, double x, double y, double width, double height) {
    cairo_rectangle(canvas->cairo, x, y, width, height);
    cairo_fill(canvas->cairo);
}

/* ---- text ---- */

/* The beginning of a text as cairo accepts it: valid UTF-8, bounded, of whole characters. */
static void clean_text(const char *text, char buffer[TEXT_BYTES_MAX]) {
    size_t length = strlen(text);
    if (length > TEXT_BYTES_MAX - 8) length = TEXT_BYTES_MAX - 8;
    length = bal_text_utf8_valid(text, length);
    memcpy(buffer, text, length);
    buffer[length] = '\0';
    for (char *c = buffer; *c; c++)
        if ((unsigned char)*c < 0x20) *c = ' ';
}

static void set_font(const bal_canvas *canvas, double size, bool bold) {
    cairo_select_font_face(canvas->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(canvas->cairo, size);
}

static double measure(const bal_canvas *canvas, const char *clean) {
    cairo_text_extents_t extents;
    cairo_text_extents(canvas->cairo, clean, &extents);
    return extents.x_advance;
}

static void cut_last_character(char *text) {
    size_t length = strlen(text);
    while (length > 0 && ((unsigned char)text[--length] & 0xC0) == 0x80)
        continue;
    text[length] = '\0';
}

static void fit_width(const bal_canvas *canvas, char clean[TEXT_BYTES_MAX], double width_max) {
    if (width_max <= 0 || measure(canvas, clean) <= width_max) return;
    double room = width_max - measure(canvas, "\xE2\x80\xA6");
    while (clean[0] && measure(canvas, clean) > room)
        cut_last_character(clean);
    memcpy(clean + strlen(clean), "\xE2\x80\xA6", 4); /* clean_text leaves room */
}

double bal_canvas_text_width(const bal_canvas *canvas, const char *text, double size, bool bold) {
    char clean[TEXT_BYTES_MAX];
    clean_text(text, clean);
    set_font(canvas, size, bold);
    return measure(canvas, clean);
}

void bal_canvas_text(const bal_canvas *canvas, double x, double y, const char *text,
                     bal_text_style style) {
    char clean[TEXT_BYTES_MAX];
    cairo_font_extents_t font;
    clean_text(text, clean);
    set_font(canvas, style.size, style.bold);
    fit_width(canvas, clean, style.width_max);
    cairo_font_extents(canvas->cairo, &font);
    /* Between the base line and the top of a digit, which is what the eye aligns. */
    double rise = font.ascent * 0.76;
    cairo_save(canvas->cairo);
    cairo_translate(canvas->cairo, x, y);
    cairo_rotate(canvas->cairo, style.turn);
    cairo_move_to(canvas->cairo, -style.along * measure(canvas, clean), rise * (1 - style.across));
    cairo_show_text(canvas->cairo, clean);
    cairo_restore(canvas->cairo);
}

void bal_canvas_note(const bal_canvas *canvas, double x, double y, const char *text,
                     bal_text_style style) {
    double width = bal_canvas_text_width(canvas, text, style.size, style.bold);
    if (style.width_max > 0) width = fmin(width, style.width_max);
    double rise = style.size * 0.76;
    cairo_set_source_rgba(canvas->cairo, 1, 1, 1, 0.8);
    bal_canvas_box(canvas, x - style.along * width - 2, y - style.across * rise - 2, width + 4,
                   rise + 5);
    bal_canvas_color(canvas, bal_color_mark);
    bal_canvas_text(canvas, x, y, text, style);
}

/* ---- series and legend ---- */

bal_color bal_series_color(size_t series) {
    return bal_color_palette[series % BAL_PALETTE_COUNT];
}

void bal_series_dash(const bal_canvas *canvas, size_t series) {
    static const double dashes[][2] = {{6, 3}, {2, 2.5}, {10, 3}};
    size_t round = series / BAL_PALETTE_COUNT;
    if (round == 0)
        cairo_set_dash(canvas->cairo, NULL, 0, 0);
    else
        cairo_set_dash(canvas->cairo, dashes[(round - 1) % 3], 2, 0);
}

static void draw_swatch(const bal_canvas *canvas, const bal_legend_item *item, double x, double y) {
    bal_canvas_color(canvas, bal_series_color((size_t)item->series));
    if (item->box) {
        bal_canvas_box(canvas, x + 6, y - 5, 10, 10);
        return;
    }
    bal_series_dash(canvas, (size_t)item->series);
    bal_canvas_line(canvas, x, y, x + 18, y, 2.2);
    cairo_set_dash(canvas->cairo, NULL, 0, 0);
}

double bal_canvas_head(const bal_canvas *canvas, const char *title, const bal_legend_item *items,
                       size_t count, double left) {
    enum { MARGIN = 16, ROW = 20, SWATCH = 24, GAP = 18, LABEL_MAX = 220 };
    double y = MARGIN, x = left, right = canvas->width - MARGIN;
    if (title) {
        bal_canvas_color(canvas, bal_color_ink);
        bal_canvas_text(canvas, left, y, title,
                        (bal_text_style){.size = 15, .bold = true, .width_max = right - left});
        y += 26;
    }
    if (count > 0) y += 4;
    for (size_t i = 0; i < count; i++) {
        double width = bal_canvas_text_width(canvas, items[i].label, 12, false);
        if (width > LABEL_MAX) width = LABEL_MAX;
        if (x > left && x + SWATCH + width > right) {
            x = left;
            y += ROW;
        }
        draw_swatch(canvas, &items[i], x, y);
        bal_canvas_color(canvas, bal_color_label);
        bal_canvas_text(canvas, x + SWATCH, y, items[i].label,
                        (bal_text_style){.size = 12, .across = 0.5, .width_max = LABEL_MAX});
        x += SWATCH + width + GAP;
    }
    return count > 0 ? y + 16 : y + 4;
}
