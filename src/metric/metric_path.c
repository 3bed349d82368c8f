/* SPLIT.HEAD.METRIC[CLASS], as recipes name a metric. The class is whatever stands between the
 * first bracket and the closing one at the end, so that class names may hold dots, spaces and
 * brackets. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "metric/metric.h"

static const char shape[] = "wanted SPLIT.HEAD.METRIC or SPLIT.HEAD.METRIC[CLASS], such as "
                            "val.label.macro_f1 or val.label.recall[A]";

static const char *const splits[] = {"train", "val", "test", NULL};

static bool copy_part(const char *part, size_t length, char *to, size_t size) {
    if (length >= size) return false;
    memcpy(to, part, length);
    to[length] = '\0';
    return true;
}

/* Copy text[0, length) to a field, checked to be a name. */
static bal_status take_name(const char *text, const char *what, const char *part, size_t length,
                            char *to, size_t size, bal_error *err) {
    if (length == 0)
        return bal_fail(err, BAL_ERECIPE, "metric '%s': the %s is missing; %s", text, what, shape);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)part[i] <= ' ' || part[i] == ']' || part[i] == 0x7F)
            return bal_fail(err, BAL_ERECIPE, "metric '%s': the %s holds %s; %s", text, what,
                            part[i] == ']' ? "a ']' without a '['" : "a space", shape);
    }
    if (!copy_part(part, length, to, size))
        return bal_fail(err, BAL_ERECIPE, "metric '%s': the %s is %zu bytes long; at most %zu",
                        text, what, length, size - 1);
    return BAL_OK;
}

static bal_status check_split(const char *text, const char *split, bal_error *err) {
    for (size_t i = 0; splits[i]; i++) {
        if (strcmp(split, splits[i]) == 0) return BAL_OK;
    }
    const char *nearest = bal_text_nearest(split, splits);
    return bal_fail(
        err, BAL_ERECIPE, "metric '%s': '%s' is no split; wanted train, val or test%s%s%s", text,
        split, nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
}

/* The part from '[' on. */
static bal_status take_class(const char *text, const char *bracket, bal_metric_path *path,
                             bal_error *err) {
    size_t length = strlen(bracket);
    if (length < 2 || bracket[length - 1] != ']')
        return bal_fail(err, BAL_ERECIPE,
                        "metric '%s': the '[' is not closed by a ']' at the end; %s", text, shape);
    if (length == 2)
        return bal_fail(err, BAL_ERECIPE, "metric '%s': no class between '[' and ']'; %s", text,
                        shape);
    if (!copy_part(bracket + 1, length - 2, path->class_name, sizeof path->class_name))
        return bal_fail(err, BAL_ERECIPE, "metric '%s': the class is %zu bytes long; at most %zu",
                        text, length - 2, sizeof path->class_name - 1);
    return BAL_OK;
}

bal_status bal_metric_path_parse(const char *text, bal_metric_path *ret_path, bal_error *err) {
    bal_metric_path path = {0};
    size_t named = strcspn(text, "[");
    const char *first = memchr(text, '.', named);
    const char *second = first ? memchr(first + 1, '.', named - (size_t)(first + 1 - text)) : NULL;
    if (!second) {
        const char *missing = first ? "one '.'" : "no '.'";
        return bal_fail(err, BAL_ERECIPE, "metric '%s' has %s; %s", text, missing, shape);
    }
    const char *metric = second + 1, *end = text + named;
    const char *third = memchr(metric, '.', (size_t)(end - metric));
    if (third)
        return bal_fail(err, BAL_ERECIPE, "metric '%s' has more than two '.'; %s", text, shape);
    BAL_TRY(
        take_name(text, "split", text, (size_t)(first - text), path.split, sizeof path.split, err));
    BAL_TRY(check_split(text, path.split, err));
    BAL_TRY(take_name(text, "head", first + 1, (size_t)(second - first - 1), path.head,
                      sizeof path.head, err));
    BAL_TRY(take_name(text, "metric", metric, (size_t)(end - metric), path.metric,
                      sizeof path.metric, err));
    if (*end == '[') BAL_TRY(take_class(text, end, &path, err));
    *ret_path = path;
    return BAL_OK;
}
