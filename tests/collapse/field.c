/* See field.h. */
#include "field.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

/* ---- options ---- */

static const struct {
    const char *name;
    size_t number, integer; /* offset, or SIZE_MAX */
} keys[] = {
#define NUMBER(member)                                                                             \
    { #member, offsetof(field_options, member), SIZE_MAX }
#define INTEGER(member)                                                                            \
    { #member, SIZE_MAX, offsetof(field_options, member) }
    INTEGER(rows),    INTEGER(features),    INTEGER(classes),  NUMBER(imbalance),
    NUMBER(spread),   NUMBER(label_noise),  INTEGER(shuffled), NUMBER(missing),
    NUMBER(outliers), NUMBER(outlier_size), INTEGER(constant), INTEGER(leak),
    INTEGER(sorted),  NUMBER(repeated),     NUMBER(scale),
};
enum { N_KEYS = sizeof keys / sizeof *keys };

bal_status field_read(field_options *options, const bal_yaml_node *map, bal_error *err) {
    if (map->kind != BAL_YAML_MAPPING)
        return bal_yaml_fail(err, BAL_EFORMAT, map, false, "wanted a mapping, found %s",
                             bal_yaml_describe(map));
    bal_yaml_each (entry, map) {
        int k = 0;
        while (k < N_KEYS && strcmp(keys[k].name, entry->key) != 0)
            k++;
        if (k == N_KEYS)
            return bal_yaml_fail(err, BAL_EFORMAT, entry, true, "data has no key '%s'", entry->key);
        char *base = (char *)options;
        bool read = keys[k].number != SIZE_MAX
                        ? bal_yaml_number(entry, (double *)(void *)(base + keys[k].number))
                        : bal_yaml_i64(entry, (int64_t *)(void *)(base + keys[k].integer));
        if (!read)
            return bal_yaml_fail(err, BAL_EFORMAT, entry, false, "%s: wanted a number, found %s",
                                 entry->key, bal_yaml_describe(entry));
    }
    if (options->rows < 10 || options->features < 1 || options->classes < 2 ||
        options->rows * options->features > 100000000)
        return bal_yaml_fail(err, BAL_EFORMAT, map, false, "no table has such a size");
    return BAL_OK;
}

/* ---- rows ---- */

typedef struct field {
    const field_options *options;
    bal_random random;
    int64_t rows, features, classes;
    double *x;      /* [rows, features] */
    int64_t *label; /* [rows] */
    double *centre; /* [classes, features] */
    int64_t *order; /* [rows] */
} field;

/* Counts fall geometrically from the first class to the last. */
static int64_t draw_class(field *f) {
    double total = 0, at;
    double step =
        f->options->imbalance > 1 ? pow(f->options->imbalance, -1.0 / (double)(f->classes - 1)) : 1;
    for (int64_t c = 0; c < f->classes; c++)
        total += pow(step, (double)c);
    at = bal_random_uniform(&f->random) * total;
    for (int64_t c = 0; c < f->classes - 1; c++) {
        at -= pow(step, (double)c);
        if (at < 0) return c;
    }
    return f->classes - 1;
}

static void draw_rows(field *f) {
    double distance = 1 / sqrt((double)f->features);
    for (int64_t i = 0; i < f->classes * f->features; i++)
        f->centre[i] = bal_random_normal(&f->random) * distance * 2;
    for (int64_t i = 0; i < f->rows; i++) {
        int64_t c = draw_class(f);
        f->label[i] = c;
        for (int64_t j = 0; j < f->features; j++)
            f->x[i * f->features + j] =
                f->centre[c * f->features + j] +
                bal_random_normal(&f->random) * f->options->spread * distance;
    }
}

static int64_t below(field *f, int64_t n) {
    return (int64_t)bal_random_below(&f->random, (uint64_t)n);
}

static void shuffle(field *f, int64_t *items) {
    for (int64_t i = f->rows - 1; i > 0; i--) {
        int64_t j = below(f, i + 1), kept = items[i];
        items[i] = items[j];
        items[j] = kept;
    }
}

static void spoil(field *f) {
    const field_options *o = f->options;
    if (o->shuffled) shuffle(f, f->label);
    for (int64_t i = 0; i < f->rows; i++) {
        double *row = f->x + i * f->features;
        if (bal_random_uniform(&f->random) < o->label_noise) f->label[i] = below(f, f->classes);
        if (o->scale > 0)
            for (int64_t j = 0; j < f->features; j++)
                row[j] *= o->scale;
        if (bal_random_uniform(&f->random) < o->outliers)
            row[below(f, f->features)] *= o->outlier_size;
        for (int64_t j = 0; j < o->constant && j < f->features; j++)
            row[j] = 7;
    }
}

static const int64_t *sort_key;

static int by_label(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    if (sort_key[left] != sort_key[right]) return sort_key[left] < sort_key[right] ? -1 : 1;
    return (left > right) - (left < right);
}

/* ---- CSV ---- */

static void write_row(field *f, int64_t i, bal_text *out) {
    for (int64_t j = 0; j < f->features; j++) {
        if (bal_random_uniform(&f->random) >= f->options->missing)
            bal_text_printf(out, "%.6g", f->x[i * f->features + j]);
        bal_text_puts(out, ",");
    }
    if (f->options->leak) bal_text_printf(out, "%lld,", (long long)f->label[i]);
    bal_text_printf(out, "c%lld\n", (long long)f->label[i]);
}

static void write_all(field *f, bal_text *out) {
    for (int64_t j = 0; j < f->features; j++)
        bal_text_printf(out, "f%lld,", (long long)j);
    bal_text_puts(out, f->options->leak ? "leak,class\n" : "class\n");
    for (int64_t i = 0; i < f->rows; i++)
        f->order[i] = i;
    if (f->options->sorted) {
        sort_key = f->label;
        qsort(f->order, (size_t)f->rows, sizeof *f->order, by_label);
    }
    for (int64_t i = 0; i < f->rows; i++) {
        write_row(f, f->order[i], out);
        if (bal_random_uniform(&f->random) < f->options->repeated) write_row(f, f->order[i], out);
    }
}

bool field_make(const field_options *options, uint64_t seed, bal_text *out) {
    field f = {.options = options,
               .rows = options->rows,
               .features = options->features,
               .classes = options->classes};
    size_t rows = (size_t)f.rows, features = (size_t)f.features;
    bal_random_init(&f.random, seed, 7);
    f.x = bal_calloc(rows * features, sizeof *f.x);
    f.centre = bal_calloc((size_t)f.classes * features, sizeof *f.centre);
    f.label = bal_calloc(rows, sizeof *f.label);
    f.order = bal_calloc(rows, sizeof *f.order);
    bool made = f.x && f.centre && f.label && f.order;
    if (made) {
        draw_rows(&f);
        spoil(&f);
        write_all(&f, out);
    }
    bal_free(f.x);
    bal_free(f.centre);
    bal_free(f.label);
    bal_free(f.order);
    return made && !bal_text_failed(out);
}
