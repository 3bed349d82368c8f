/* Class lists. Labels are compared as text: a number is its shortest decimal form, so that 7, 7.0 and "7" from
 * different files are one class. See data/classes.h. */
#include "data/classes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

enum { CLASSES_MAX = 65536 };

/** The label of a row as text, NULL when missing. `number` is room for a formatted number. */
static const char *label_text(const bal_column *column, int64_t row, char number[32]) {
    if (column->is_text) return column->text[row];
    if (isnan(column->number[row])) return NULL;
    bal_text_format_double(column->number[row], number);
    return number;
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

/* A small open-addressing set of names, so that a million rows of a thousand classes stay cheap. */
typedef struct name_set {
    char **slots;
    size_t capacity; /* a power of two */
    size_t count;
} name_set;

static size_t find_slot(char *const *slots, size_t capacity, const char *name) {
    uint64_t hash = 1469598103934665603u;
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    size_t slot = (size_t)(hash ^ hash >> 32) & (capacity - 1);
    while (slots[slot] && strcmp(slots[slot], name) != 0)
        slot = (slot + 1) & (capacity - 1);
    return slot;
}

static bool grow_set(name_set *set) {
    size_t capacity = set->capacity ? set->capacity * 2 : 64;
    char **slots = bal_calloc(capacity, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i]) slots[find_slot(slots, capacity, set->slots[i])] = set->slots[i];
    bal_free(set->slots);
    set->slots = slots;
    set->capacity = capacity;
    return true;
}

static bool add_name(name_set *set, const char *name) {
    if (set->count * 2 >= set->capacity && !grow_set(set)) return false;
    size_t slot = find_slot(set->slots, set->capacity, name);
    if (set->slots[slot]) return true;
    if (!(set->slots[slot] = bal_strdup(name))) return false;
    set->count++;
    return true;
}

static bal_status collect(name_set *set, const bal_column *column, int64_t rows, bal_error *err) {
    for (int64_t row = 0; row < rows; row++) {
        char number[32];
        const char *label = label_text(column, row, number);
        if (!label) continue;
        if (!column->is_text && column->number[row] != floor(column->number[row]))
            return bal_fail(err, BAL_EDATA,
                            "column '%s' holds %s in row %lld: classes are text or whole numbers; "
                            "use a head of kind value to predict numbers",
                            column->name, label, (long long)row + 1);
        if (!add_name(set, label)) return bal_fail_memory(err, 64);
        if (set->count > CLASSES_MAX)
            return bal_fail(err, BAL_EDATA, "column '%s' has more than %d different labels",
                            column->name, CLASSES_MAX);
    }
    if (set->count >= 2) return BAL_OK;
    return bal_fail(err, BAL_EDATA,
                    "column '%s' holds %s; at least two classes are needed to learn to tell them apart",
                    column->name, set->count ? "one class only" : "no label at all");
}

bal_status bal_class_list_build(bal_class_list *list, const bal_column *column, int64_t rows,
                                bal_error *err) {
    name_set set = {0};
    bal_status status = collect(&set, column, rows, err);
    char **names = status == BAL_OK ? bal_calloc(set.count, sizeof *names) : NULL;
    if (status == BAL_OK && !names) status = bal_fail_memory(err, set.count * sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < set.capacity; i++) {
        if (!set.slots[i]) continue;
        if (names)
            names[n++] = set.slots[i];
        else
            bal_free(set.slots[i]);
    }
    bal_free(set.slots);
    if (status != BAL_OK) return status;
    qsort(names, n, sizeof *names, column->is_text ? compare_names : compare_numbers);
    *list = (bal_class_list){names, (int32_t)n};
    return BAL_OK;
}

bal_status bal_class_list_set(bal_class_list *list, const char *const *names, int32_t count,
                              bal_error *err) {
    bal_class_list made = {bal_calloc((size_t)count, sizeof *made.names), count};
    if (!made.names) return bal_fail_memory(err, (size_t)count * sizeof *made.names);
    bal_status status = BAL_OK;
    for (int32_t i = 0; i < count && status == BAL_OK; i++) {
        for (int32_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                status = bal_fail(err, BAL_EDATA, "class '%s' is listed twice", names[i]);
        if (status == BAL_OK && !(made.names[i] = bal_strdup(names[i])))
            status = bal_fail_memory(err, strlen(names[i]) + 1);
    }
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

int32_t bal_class_list_find(const bal_class_list *list, const char *name) {
    for (int32_t i = 0; i < list->count; i++)
        if (strcmp(list->names[i], name) == 0) return i;
    return -1;
}

static bal_status unknown_label(const bal_class_list *list, const bal_column *column,
                                const char *label, int64_t row, bal_error *err) {
    const char *nearest = list->names[0];
    for (int32_t i = 1; i < list->count; i++)
        if (bal_text_distance(label, list->names[i]) < bal_text_distance(label, nearest))
            nearest = list->names[i];
    return bal_fail(err, BAL_EDATA,
                    "column '%s', row %lld: label '%s' is not one of the %d known classes (the nearest "
                    "is '%s'); mend the label, or leave such rows out with data.unknown: skip",
                    column->name, (long long)row + 1, label, (int)list->count, nearest);
}

/** Hash index from names to ids for encoding many rows. */
static int32_t *index_names(const bal_class_list *list, char ***ret_slots, size_t *ret_capacity) {
    size_t capacity = 64;
    while (capacity < (size_t)list->count * 2)
        capacity *= 2;
    char **slots = bal_calloc(capacity, sizeof *slots);
    int32_t *ids = bal_calloc(capacity, sizeof *ids);
    if (!slots || !ids) {
        bal_free(slots);
        bal_free(ids);
        return NULL;
    }
    for (int32_t i = 0; i < list->count; i++) {
        size_t slot = find_slot(slots, capacity, list->names[i]);
        slots[slot] = list->names[i];
        ids[slot] = i;
    }
    *ret_slots = slots;
    *ret_capacity = capacity;
    return ids;
}

bal_status bal_class_list_encode(const bal_class_list *list, const bal_column *column, int64_t rows,
                                 bool skip_unknown, int32_t *ret_ids, int64_t *ret_unknown,
                                 bal_error *err) {
    char **slots;
    size_t capacity;
    int32_t *ids = index_names(list, &slots, &capacity);
    if (!ids) return bal_fail_memory(err, (size_t)list->count * 16);
    bal_status status = BAL_OK;
    int64_t unknown = 0;
    for (int64_t row = 0; row < rows && status == BAL_OK; row++) {
        char number[32];
        const char *label = label_text(column, row, number);
        ret_ids[row] = -1;
        if (!label) continue;
        size_t slot = find_slot(slots, capacity, label);
        if (slots[slot])
            ret_ids[row] = ids[slot];
        else if (skip_unknown)
            unknown++;
        else
            status = unknown_label(list, column, label, row, err);
    }
    bal_free(slots);
    bal_free(ids);
    if (status == BAL_OK && ret_unknown) *ret_unknown = unknown;
    return status;
}

void bal_class_counts(const int32_t *ids, const int64_t *rows_used, int64_t n, int32_t classes,
                      int64_t *counts) {
    for (int64_t i = 0; i < n; i++) {
        int32_t id = ids[rows_used ? rows_used[i] : i];
        if (id >= 0 && id < classes) counts[id]++;
    }
}
