/* metric/metric_path.c: SPLIT.HEAD.METRIC[CLASS], and what is said of text that is not one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "metric/metric.h"

static void accepts(const char *text, const char *split, const char *head, const char *metric,
                    const char *class_name) {
    bal_metric_path path;
    memset(&path, 'x', sizeof path);
    bal_error err = {0};
    bal_status status = bal_metric_path_parse(text, &path, &err);
    if (status != BAL_OK) fail_msg("%s", err.message);
    assert_string_equal(path.split, split);
    assert_string_equal(path.head, head);
    assert_string_equal(path.metric, metric);
    assert_string_equal(path.class_name, class_name);
}

static void refuses(const char *text, const char *words) {
    bal_metric_path path, before;
    memset(&path, 'x', sizeof path);
    before = path;
    bal_error err = {0};
    assert_int_equal(bal_metric_path_parse(text, &path, &err), BAL_ERECIPE);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
    assert_memory_equal(&path, &before, sizeof path);
    assert_int_equal(bal_metric_path_parse(text, &path, NULL), BAL_ERECIPE);
}

static void paths(void **state) {
    accepts("val.label.macro_f1", "val", "label", "macro_f1", "");
    accepts("train.label.loss", "train", "label", "loss", "");
    accepts("test.threshold.recall[below]", "test", "threshold", "recall", "below");
    accepts("val.label.recall[A]", "val", "label", "recall", "A");
}

static void class_names_hold_anything(void **state) {
    accepts("val.label.recall[Acer palmatum]", "val", "label", "recall", "Acer palmatum");
    accepts("val.label.recall[1.5]", "val", "label", "recall", "1.5");
    accepts("val.label.recall[a.b.c]", "val", "label", "recall", "a.b.c");
    accepts("val.label.recall[x[1]]", "val", "label", "recall", "x[1]");
    accepts("val.label.recall[]]", "val", "label", "recall", "]");
    accepts("val.label.recall[\xC3\xA7\xC4\xB1]", "val", "label", "recall", "\xC3\xA7\xC4\xB1");
}

static void not_paths(void **state) {
    refuses("", "has no '.'");
    refuses("macro_f1", "has no '.'");
    refuses("val.macro_f1", "has one '.'; wanted SPLIT.HEAD.METRIC");
    refuses("val.label.recall.A", "more than two '.'");
    refuses(".label.f1", "the split is missing");
    refuses("val..f1", "the head is missing");
    refuses("val.label.", "the metric is missing");
    refuses("val.label.[A]", "the metric is missing");
    refuses("recall[a.b.c]", "has no '.'");
    refuses("val.label[x.y]", "has one '.'");
    refuses("val.label.recall[", "not closed");
    refuses("val.label.recall[A", "not closed");
    refuses("val.label.recall[A]x", "not closed");
    refuses("val.label.recall[]", "no class between");
    refuses("val.label.recall]", "']' without a '['");
    refuses("val. label.recall", "the head holds a space");
    refuses("val.label.recall [A]", "the metric holds a space");
    refuses("vall.label.f1", "did you mean 'val'");
    refuses("validation.label.f1", "wanted train, val or test");
}

static void lengths(void **state) {
    bal_metric_path path;
    char text[256], name[80];
    memset(name, 'n', sizeof name);
    name[63] = '\0'; /* the longest that fits */
    snprintf(text, sizeof text, "val.%s.f1", name);
    accepts(text, "val", name, "f1", "");
    snprintf(text, sizeof text, "val.h.%s[%s]", name, name);
    accepts(text, "val", "h", name, name);
    name[63] = 'n';
    name[64] = '\0';
    snprintf(text, sizeof text, "val.%s.f1", name);
    refuses(text, "the head is 64 bytes long; at most 63");
    snprintf(text, sizeof text, "val.h.%s", name);
    refuses(text, "the metric is 64 bytes long");
    snprintf(text, sizeof text, "val.h.f1[%s]", name);
    refuses(text, "the class is 64 bytes long");
    snprintf(text, sizeof text, "%s.h.f1", name);
    refuses(text, "the split is 64 bytes long; at most 15");
    assert_true(sizeof path.class_name == 64);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(class_names_hold_anything),
        cmocka_unit_test(not_paths),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
