/* The framework: order, places, what stages share, JSON, the page, running out of memory, and what
 * a run hears of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "check_lab.h"
#include "format/json.h"

static void rules_are_complete(void **state) {
    for (int i = 0; bal_check_table[i]; i++) {
        const bal_check_rule *rule = bal_check_table[i];
        assert_ptr_equal(bal_check_find_rule(rule->id), rule);
        assert_int_equal(strspn(rule->id, "abcdefghijklmnopqrstuvwxyz-"), strlen(rule->id));
        const char *const sentences[] = {rule->summary, rule->why, rule->fix};
        for (int s = 0; s < 3; s++) {
            size_t length = strlen(sentences[s]);
            assert_true(length > 10);
            assert_int_equal(sentences[s][length - 1], '.');
        }
        assert_non_null(rule->look);
    }
    assert_null(bal_check_find_rule("no-such-rule"));
}

static void gravest_first_then_by_line(void **state) {
    lab l;
    lab_init(&l);
    lab_check(&l, "heads.yes.weight=0|stop.patience=30|train.batch_size=4|"
                  "data.features=[x0, x1, same]|monitor=val.value.mae");
    assert_true(l.report.n_findings >= 5);
    for (int32_t i = 1; i < l.report.n_findings; i++) {
        const bal_finding *a = &l.report.findings[i - 1], *b = &l.report.findings[i];
        assert_true(a->severity >= b->severity);
        if (a->severity == b->severity) assert_true(a->place.line <= b->place.line);
    }
    assert_int_equal(l.report.findings[0].severity, BAL_CHECK_ERROR);
    assert_int_equal(l.report.count[0] + l.report.count[1] + l.report.count[2],
                     l.report.n_findings);
    lab_release(&l);
}

static const char placed[] = "name: placed\n"
                             "data: {kind: csv, path: table.csv, features: [x0, x1, x2],\n"
                             "       target: label}\n"
                             "train:\n"
                             "  epochs: 60\n"
                             "  batch_size: 8\n"
                             "monitor: val.label.recall[a]\n"
                             "stages:\n"
                             "  - name: one\n"
                             "  - name: two\n"
                             "  - name: three\n"
                             "    train: {batch_size: 4}\n";

static void findings_stand_where_their_key_stands(void **state) {
    lab l;
    char text[64];
    lab_init(&l);
    lab_check_text(&l, placed);
    const bal_finding *finding = lab_finding(&l, "monitor-one-class");
    assert_int_equal(finding->place.line, 7);
    assert_int_equal(finding->place.column, 10);
    assert_string_equal(bal_check_place_text(&finding->place, text, sizeof text), "lab.yaml:7:10");
    /* Stages one and two share their batch size: one finding; the third has its own. */
    int32_t tiny = 0, lines = 0;
    for (int32_t i = 0; i < l.report.n_findings; i++) {
        if (strcmp(l.report.findings[i].rule->id, "tiny-batch") != 0) continue;
        tiny++;
        lines += l.report.findings[i].place.line;
    }
    assert_int_equal(tiny, 2);
    assert_int_equal(lines, 6 + 12);
    lab_release(&l);
}

/* A value from the command line stands in no line; a default where the section around it stands. */
static void overrides_and_defaults_have_places(void **state) {
    lab l;
    lab_init(&l);
    lab_check(&l, "train.batch_size=4");
    const bal_finding *finding = lab_finding(&l, "tiny-batch");
    assert_int_equal(finding->place.line, 0);
    assert_non_null(strstr(finding->place.file, "command line"));
    lab_check(&l, "heads.yes.loss={kind: focal, gamma: 4}");
    assert_int_equal(lab_finding(&l, "focal-too-sharp")->place.line, 0);
    lab_release(&l);
}

static void json_says_it_all(void **state) {
    lab l;
    bal_text text = {0};
    bal_json_out out;
    json_t *root = NULL;
    lab_init(&l);
    lab_check_text(&l, placed);
    bal_json_out_init(&out, &text, BAL_JSON_LINE);
    bal_json_out_object(&out);
    bal_check_report_json(&l.report, &out);
    bal_json_out_object_end(&out);
    assert_int_equal(bal_json_parse(text.data, text.length, "report", &root, NULL), BAL_OK);
    json_t *findings = json_object_get(root, "findings");
    assert_int_equal(json_array_size(findings), l.report.n_findings);
    assert_int_equal(json_integer_value(json_object_get(root, "warnings")),
                     l.report.count[BAL_CHECK_WARNING]);
    json_t *first = json_array_get(findings, 0);
    assert_string_equal(json_string_value(json_object_get(first, "rule")),
                        l.report.findings[0].rule->id);
    assert_int_equal(json_integer_value(json_object_get(first, "line")),
                     l.report.findings[0].place.line);
    assert_string_equal(json_string_value(json_object_get(first, "fix")),
                        l.report.findings[0].rule->fix);
    json_decref(root);
    bal_text_release(&text);
    lab_release(&l);
}

static void page_is_up_to_date(void **state) {
    char *committed;
    size_t size;
    bal_text page = {0};
    bal_check_markdown(&page);
    assert_false(bal_text_failed(&page));
    assert_int_equal(bal_file_read("docs/check.md", 1 << 20, &committed, &size, NULL), BAL_OK);
    if (size != page.length || memcmp(committed, page.data, size) != 0)
        fail_msg("docs/check.md is not what the table of rules says; renew it with "
                 "`build/cli/ballast check --markdown >docs/check.md`");
    bal_free(committed);
    bal_text_release(&page);
}

/* ---- before a run ---- */

typedef struct heard {
    int warnings;
    char last[1024];
} heard;

static void hear(void *user, bal_log_level level, const char *message) {
    heard *h = user;
    h->warnings += level == BAL_LOG_WARN;
    snprintf(h->last, sizeof h->last, "%s", message);
}

static bal_status before_run(const lab *l, const char *overrides, heard *ret_heard,
                             bal_error *err) {
    *ret_heard = (heard){0};
    *err = (bal_error){0};
    const bal_log_sink log = {.write = hear, .user = ret_heard, .level = BAL_LOG_INFO};
    const bal_device_facts facts = {0};
    bal_recipe *recipe = lab_recipe(l, overrides);
    bal_dataset *dataset = lab_dataset(recipe);
    bal_status status = bal_check_before_run(recipe, dataset, &facts, &log, err);
    bal_dataset_free(dataset);
    bal_recipe_free(recipe);
    return status;
}

static void runs_hear_warnings_and_stop_at_errors(void **state) {
    lab l;
    heard h;
    bal_error err;
    lab_init(&l);
    assert_int_equal(before_run(&l, NULL, &h, &err), BAL_OK);
    assert_int_equal(h.warnings, 0);
    assert_int_equal(before_run(&l, "stop.patience=30", &h, &err), BAL_OK);
    assert_int_equal(h.warnings, 1);
    assert_non_null(strstr(h.last, "30 evaluations"));
    assert_non_null(strstr(h.last, "[patience-too-long]"));
    assert_null(strchr(h.last, '\n'));
    assert_int_equal(before_run(&l, "heads.yes.weight=0", &h, &err), BAL_ERECIPE);
    assert_non_null(strstr(err.message, "[head-not-trained]"));
    assert_non_null(strstr(err.message, "check=off"));
    assert_int_equal(before_run(&l, "heads.yes.weight=0|stop.patience=30|check=off", &h, &err),
                     BAL_OK);
    assert_int_equal(h.warnings, 0);
    lab_release(&l);
}

/* Wherever memory ends in it, a rehearsal is no finding. */
static void running_out_of_memory_on_stage(void **state) {
    lab l;
    const bal_backend_options options = {.threads = 1};
    lab_init(&l);
    bal_recipe *recipe = lab_recipe(&l, "stages=[{name: one}]");
    bal_check_stand stand = {.dataset = lab_dataset(recipe)};
    assert_int_equal(bal_backend_open(NULL, &options, &stand.backend, NULL), BAL_OK);
    bal_status status = BAL_ENOMEM;
    for (int64_t n = 0; n < 20000 && status != BAL_OK; n += 13) {
        bal_check_report report;
        bal_error err = {0};
        bal_memory_fail_after(n);
        status = bal_check_run(recipe, stand.dataset, NULL, &stand, &report, &err);
        bal_memory_fail_after(-1);
        if (status != BAL_OK) {
            assert_int_equal(status, BAL_ENOMEM);
            continue;
        }
        assert_int_equal(report.n_findings, 0);
        bal_check_report_release(&report);
    }
    assert_int_equal(status, BAL_OK);
    bal_backend_close(stand.backend);
    bal_dataset_free(stand.dataset);
    bal_recipe_free(recipe);
    lab_release(&l);
}

static void running_out_of_memory(void **state) {
    lab l;
    bal_status status = BAL_ENOMEM;
    const bal_device_facts facts = {.memory_bytes = 1};
    lab_init(&l);
    bal_recipe *recipe = lab_recipe(&l, "heads.yes.weight=0|stop.patience=30|"
                                        "data.features=[x0, few, same]");
    bal_dataset *dataset = lab_dataset(recipe);
    for (int64_t n = 0; n < 500 && status != BAL_OK; n++) {
        bal_check_report report;
        bal_error err = {0};
        bal_memory_fail_after(n);
        status = bal_check_run(recipe, dataset, &facts, NULL, &report, &err);
        bal_memory_fail_after(-1);
        if (status == BAL_OK)
            bal_check_report_release(&report);
        else
            assert_int_equal(status, BAL_ENOMEM);
    }
    assert_int_equal(status, BAL_OK);
    bal_text page = {0};
    bal_memory_fail_after(2);
    bal_check_markdown(&page);
    bal_memory_fail_after(-1);
    assert_true(bal_text_failed(&page));
    bal_text_release(&page);
    bal_dataset_free(dataset);
    bal_recipe_free(recipe);
    lab_release(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_complete),
        cmocka_unit_test(gravest_first_then_by_line),
        cmocka_unit_test(findings_stand_where_their_key_stands),
        cmocka_unit_test(overrides_and_defaults_have_places),
        cmocka_unit_test(json_says_it_all),
        cmocka_unit_test(page_is_up_to_date),
        cmocka_unit_test(runs_hear_warnings_and_stop_at_errors),
        cmocka_unit_test(running_out_of_memory),
        cmocka_unit_test(running_out_of_memory_on_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
