/* Class lists, on a hash table of names so that a million rows of a thousand classes stay cheap;
 * see data/classes.h. */
#include "data/classes.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"

/* ---- labels ---- */

/** Shortest decimal form, the sign of a zero dropped. */
static void format_number(double number, char text[32]) {
    bal_text_format_double(number + 0.0, text);
}

/** The label of a row as text, NULL when missing. `number` is room for a formatted number. */
static const char *label_text(const bal_column *column, int64_t row, char number[32]) {
    if (column->is_text) return column->text[row];
    if (isnan(column->number[row])) return NULL;
    format_number(column->number[row], number);
    return number;
}

/** A name that is a finite number in another form: "07", "7.0". */
static bool plain_number(const char *name, char number[32]) {
    double value;
    if (!bal_text_parse_double(name, strlen(name), &value) || !isfinite(value)) return false;
    format_number(value, number);
    return strcmp(name, number) != 0;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_numbers(const void *a, const void *b) {
    double left = 0, right = 0;
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    bal_text_parse_double(x, strlen(x), &left);
    bal_text_parse_double(y, strlen(y), &right);
    return (left > right) - (left < right);
}

/* ---- names to ids: open addressing, at most half full ---- */

typedef struct name_slot {
    char *name; /* owned; NULL: free */
    int32_t id;
} name_slot;

typedef struct name_map {
    name_slot *slots;
    size_t capacity; /* a power of two */
    size_t count;
} name_map;

enum { AMBIGUOUS = -2 };

static name_slot *find_slot(name_slot *slots, size_t capacity, const char *name) {
    uint64_t hash = bal_hash_name(name);
    size_t at = (size_t)(hash ^ hash >> 32) & (capacity - 1);
    while (slots[at].name && strcmp(slots[at].name, name) != 0)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static bool grow_map(name_map *map) {
    size_t capacity = map->capacity ? map->capacity * 2 : 64;
    name_slot *slots = bal_calloc(capacity, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].name) *find_slot(slots, capacity, map->slots[i].name) = map->slots[i];
    bal_free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return true;
}

/** The slot of a name, new ones with `id`; NULL: out of memory. */
static name_slot *add_name(name_map *map, const char *name, int32_t id, bool *ret_new) {
    if (map->count * 2 >= map->capacity && !grow_map(map)) return NULL;
    name_slot *slot = find_slot(map->slots, map->capacity, name);
    *ret_new = !slot->name;
    if (slot->name) return slot;
    if (!(slot->name = bal_strdup(name))) return NULL;
    slot->id = id;
    map->count++;
    return slot;
}

static void release_map(name_map *map) {
    for (size_t i = 0; i < map->capacity; i++)
        bal_free(map->slots[i].name);
    bal_free(map->slots);
}

/* ---- building ---- */

static bal_status no_class(const bal_column *column, int64_t row, const char *label,
                           bal_error *err) {
    char place[640];
    return bal_fail(err, BAL_EDATA,
                    "%s: %s is not a class; classes are text or whole numbers (a head of kind "
                    "value predicts numbers)",
                    bal_column_place(column, row, place, sizeof place), label);
}

static bal_status too_few_classes(const name_map *map, const bal_column *column, bal_error *err) {
    const char *only = NULL;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].name) only = map->slots[i].name;
    return bal_fail(err, BAL_EDATA,
                    "%s%scolumn '%s' holds %s%.80s%s; at least two classes are needed to learn to "
                    "tell them apart",
                    column->table ? column->table->source : "", column->table ? ": " : "",
                    column->name, only ? "one class only ('" : "no label at all", only ? only : "",
                    only ? "')" : "");
}

static bal_status collect(name_map *map, const bal_column *column, int64_t rows, bal_error *err) {
    for (int64_t row = 0; row < rows; row++) {
        char number[32];
        bool is_new;
        const char *label = label_text(column, row, number);
        if (!label) continue;
        if (!column->is_text &&
            (!isfinite(column->number[row]) || column->number[row] != floor(column->number[row])))
            return no_class(column, row, label, err);
        if (!add_name(map, label, 0, &is_new)) return bal_fail_memory(err, strlen(label) + 1);
        if (map->count > BAL_CLASSES_MAX)
            return bal_fail(err, BAL_EDATA,
                            "column '%s' has more than %d different labels; is it the target?",
                            column->name, BAL_CLASSES_MAX);
    }
    return map->count >= 2 ? BAL_OK : too_few_classes(map, column, err);
}

bal_status bal_class_list_build(bal_class_list *list, const bal_column *column, int64_t rows,
                                bal_error *err) {
    name_map map = {0};
    bal_status status = collect(&map, column, rows, err);
    char **names = NULL;
    if (status == BAL_OK && !(names = bal_calloc(map.count, sizeof *names)))
        status = bal_fail_memory(err, map.count * sizeof *names);
    if (status != BAL_OK) {
        release_map(&map);
        return status;
    }
    size_t n = 0;
    for (size_t i = 0; i < map.capacity; i++)
        if (map.slots[i].name) names[n++] = map.slots[i].name;
    bal_free(map.slots); /* the names move to the list */
    qsort(names, n, sizeof *names, column->is_text ? compare_names : compare_numbers);
    *list = (bal_class_list){names, (int32_t)n};
    return BAL_OK;
}

/** All names of the list, and the plain form of those that are numbers in another form. */
static bal_status map_list(const bal_class_list *list, name_map *map, bal_error *err) {
    bool is_new;
    for (int32_t i = 0; i < list->count; i++) {
        if (!add_name(map, list->names[i], i, &is_new))
            return bal_fail_memory(err, strlen(list->names[i]) + 1);
        if (!is_new) return bal_fail(err, BAL_EDATA, "class '%s' is listed twice", list->names[i]);
    }
    for (int32_t i = 0; i < list->count; i++) {
        char number[32];
        if (!plain_number(list->names[i], number)) continue;
        name_slot *slot = add_name(map, number, i, &is_new);
        if (!slot) return bal_fail_memory(err, sizeof number);
        bool is_own_name = slot->id >= 0 && strcmp(list->names[slot->id], number) == 0;
        if (!is_new && !is_own_name) slot->id = AMBIGUOUS;
    }
    return BAL_OK;
}

static bal_status copy_names(bal_class_list *list, const char *const *names, bal_error *err) {
    list->names = bal_calloc((size_t)list->count, sizeof *list->names);
    if (!list->names) return bal_fail_memory(err, (size_t)list->count * sizeof *list->names);
    for (int32_t i = 0; i < list->count; i++)
        if (!(list->names[i] = bal_strdup(names[i])))
            return bal_fail_memory(err, strlen(names[i]) + 1);
    name_map map = {0};
    bal_status status = map_list(list, &map, err);
    release_map(&map);
    return status;
}

bal_status bal_class_list_set(bal_class_list *list, const char *const *names, int32_t count,
                              bal_error *err) {
    if (count < 2 || count > BAL_CLASSES_MAX)
        return bal_fail(err, BAL_EDATA, "a list of %d classes; wanted 2 to %d", (int)count,
                        BAL_CLASSES_MAX);
    bal_class_list made = {NULL, count};
    bal_status status = copy_names(&made, names, err);
    if (status == BAL_OK)
        *list = made;
    else
        bal_class_list_release(&made);
    return status;
}

void bal_class_list_release(bal_class_list *list) {
    for (int32_t i = 0; list->names && i < list->count; i++)
        bal_free(list->names[i]);
    bal_free(list->names);
    *list = (bal_class_list){0};
}

/* ---- using ---- */

int32_t bal_class_list_find(const bal_class_list *list, const char *name) {
    for (int32_t i = 0; i < list->count; i++)
        if (strcmp(list->names[i], name) == 0) return i;
    return -1;
}

static bal_status unknown_label(const bal_class_list *list, const bal_column *column,
                                const char *label, int64_t row, bal_error *err) {
    int32_t nearest = 0;
    size_t edits = SIZE_MAX;
    for (int32_t i = 0; i < list->count; i++) {
        size_t distance = bal_text_distance(label, list->names[i]);
        if (distance >= edits) continue;
        edits = distance;
        nearest = i;
    }
    char place[640];
    return bal_fail(err, BAL_EDATA,
                    "%s: label '%.80s' is not one of the %d known classes (the nearest is "
                    "'%.80s'); correct it, or leave such rows out with data.unknown: skip",
                    bal_column_place(column, row, place, sizeof place), label, (int)list->count,
                    list->names[nearest]);
}

/** Id of a label, −1 when unknown. */
static int32_t look_up(const name_map *map, const char *label) {
    char number[32];
    const name_slot *slot = find_slot(map->slots, map->capacity, label);
    if (!slot->name && plain_number(label, number))
        slot = find_slot(map->slots, map->capacity, number);
    return slot->name && slot->id >= 0 ? slot->id : -1;
}

/** Encode all rows; ret_ids may be NULL to check only. */
static bal_status encode(const bal_class_list *list, const name_map *map, const bal_column *column,
                         int64_t rows, bool skip_unknown, int32_t *ret_ids, int64_t *ret_unknown,
                         bal_error *err) {
    int64_t unknown = 0;
    for (int64_t row = 0; row < rows; row++) {
        char number[32];
        const char *label = label_text(column, row, number);
        int32_t id = label ? look_up(map, label) : -1;
        if (label && id < 0) {
            if (!skip_unknown) return unknown_label(list, column, label, row, err);
            unknown++;
        }
        if (ret_ids) ret_ids[row] = id;
    }
    if (ret_unknown) *ret_unknown = unknown;
    return BAL_OK;
}

bal_status bal_class_list_encode(const bal_class_list *list, const bal_column *column, int64_t rows,
                                 bool skip_unknown, int32_t *ret_ids, int64_t *ret_unknown,
                                 bal_error *err) {
    name_map map = {0};
    bal_status status = map_list(list, &map, err);
    /* Nothing is written before all is known to be well. */
    if (status == BAL_OK && !skip_unknown)
        status = encode(list, &map, column, rows, false, NULL, NULL, err);
    if (status == BAL_OK)
        status = encode(list, &map, column, rows, skip_unknown, ret_ids, ret_unknown, err);
    release_map(&map);
    return status;
}

void bal_class_counts(const int32_t *ids, const int64_t *rows_used, int64_t n, int32_t classes,
                      int64_t *counts) {
    for (int64_t i = 0; i < n; i++) {
        int32_t id = ids[rows_used ? rows_used[i] : i];
        if (id >= 0 && id < classes) counts[id]++;
    }
}
