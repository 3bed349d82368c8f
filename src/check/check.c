/* Running the rules over a recipe, and what training makes of their findings. See check/check.h. */
#include "check/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "check/check_context.h"
#include "check/check_table.h"
#include "format/yaml.h"

#define RULE_ENTRY(symbol) &symbol,
const bal_check_rule *const bal_check_table[] = {BAL_CHECK_LIST(RULE_ENTRY) NULL};
#undef RULE_ENTRY

const bal_check_rule *bal_check_find_rule(const char *id) {
    for (int i = 0; bal_check_table[i]; i++)
        if (strcmp(bal_check_table[i]->id, id) == 0) return bal_check_table[i];
    return NULL;
}

const char *bal_check_severity_name(bal_check_severity severity) {
    static const char *const names[BAL_CHECK_SEVERITIES] = {"note", "warning", "error"};
    return names[severity];
}

/* ---- places ---- */

/* The child that the first word of a key names: "heads[1]" is the second entry of "heads". */
static const bal_yaml_node *step(const bal_yaml_node *node, const char **key) {
    char name[128];
    if (**key == '[') {
        char *end;
        unsigned long index = strtoul(*key + 1, &end, 10);
        *key = end + (*end == ']');
        for (node = node->first; node && index > 0; index--)
            node = node->next;
        return node;
    }
    size_t length = strcspn(*key, ".[");
    if (length >= sizeof name) return NULL;
    memcpy(name, *key, length);
    name[length] = '\0';
    *key += length;
    return bal_yaml_get(node, name);
}

bal_place bal_check_place_of(const bal_recipe *recipe, const char *key) {
    bal_place place = {recipe->path[0] ? recipe->path : "recipe", 0, 0};
    const bal_yaml_node *node = recipe->tree;
    while (node && *key) {
        node = step(node, &key);
        /* What was left to its default stands nowhere. */
        if (node && node->source) place = (bal_place){node->source, node->line, node->column};
        key += *key == '.';
    }
    return place;
}

char *bal_check_place_text(const bal_place *place, char *buffer, size_t size) {
    if (place->line > 0)
        snprintf(buffer, size, "%s:%d:%d", place->file, place->line, place->column);
    else
        snprintf(buffer, size, "%s", place->file);
    return buffer;
}

/* ---- reporting ---- */

/* Findings in the order in which they are made. */
typedef struct bal_finding_link {
    bal_finding finding;
    const bal_check_stage *stage;
    struct bal_finding_link *next;
} bal_finding_link;

void *bal_check_alloc(bal_check *check, size_t count, size_t size) {
    void *memory = check->failed ? NULL : bal_arena_alloc(check->arena, count, size);
    if (!memory) check->failed = true;
    return memory;
}

/* Of another stage, from what both have in common. */
static bool is_known(const bal_check *check, const bal_check_stage *stage, const bal_place *place) {
    for (const bal_finding_link *link = check->first; link; link = link->next) {
        const bal_place *other = &link->finding.place;
        if (link->finding.rule == check->rule && stage && link->stage && link->stage != stage &&
            place->line > 0 && other->line == place->line && other->column == place->column &&
            strcmp(other->file, place->file) == 0)
            return true;
    }
    return false;
}

static void add_finding(bal_check *check, bal_check_severity severity, const bal_check_stage *stage,
                        const char *key, bal_place place, const char *message) {
    if (is_known(check, stage, &place)) return;
    bal_finding_link *link = bal_check_alloc(check, 1, sizeof *link);
    if (!link) return;
    bool named = stage && stage->name[0];
    link->stage = stage;
    link->finding = (bal_finding){
        .rule = check->rule,
        .severity = severity,
        .key = bal_arena_strdup(check->arena, key),
        .place = place,
        .found = bal_arena_printf(check->arena, "%s%s%s%s", named ? "stage '" : "",
                                  named ? stage->name : "", named ? "': " : "", message),
    };
    if (!link->finding.key || !link->finding.found) {
        check->failed = true;
        return;
    }
    if (check->last)
        check->last->next = link;
    else
        check->first = link;
    check->last = link;
    check->n_findings++;
}

static bal_place place_in(const bal_check *check, const bal_check_stage *stage, const char *key) {
    return bal_check_place_of(stage ? stage->recipe : check->recipe, key);
}

void bal_check_find(bal_check *check, const bal_check_stage *stage, const char *key,
                    const char *format, ...) {
    char message[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    add_finding(check, check->rule->severity, stage, key, place_in(check, stage, key), message);
}

void bal_check_find_as(bal_check *check, bal_check_severity severity, const bal_check_stage *stage,
                       const char *key, const char *format, ...) {
    char message[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    add_finding(check, severity, stage, key, place_in(check, stage, key), message);
}

void bal_check_find_at(bal_check *check, const bal_check_stage *stage, const char *key,
                       bal_place place, const char *found) {
    add_finding(check, check->rule->severity, stage, key, place, found);
}

bal_check_key bal_check_key_of(const char *format, ...) {
    bal_check_key key;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(key.text, sizeof key.text, format, arguments);
    va_end(arguments);
    return key;
}

bool bal_check_monitor_of(const bal_recipe *recipe, bal_check_monitor *ret_monitor) {
    bal_check_monitor monitor = {.head = -1};
    if (bal_metric_path_parse(recipe->monitor, &monitor.path, NULL) != BAL_OK) return false;
    for (int32_t h = 0; h < recipe->n_heads; h++)
        if (strcmp(recipe->heads[h].name, monitor.path.head) == 0) monitor.head = h;
    monitor.metric = bal_metric_find(monitor.path.metric);
    if (monitor.head < 0) return false;
    *ret_monitor = monitor;
    return true;
}

/* ---- running ---- */

/* Gravest first; among equals by line, and by order of the rules where there is none. */
static int compare_findings(const bal_finding *a, const bal_finding *b) {
    if (a->severity != b->severity) return a->severity > b->severity ? -1 : 1;
    if (a->place.line != b->place.line) return a->place.line < b->place.line ? -1 : 1;
    return 0;
}

/* Stable, and there are few. */
static void sort_findings(bal_finding *findings, int32_t n) {
    for (int32_t i = 1; i < n; i++) {
        bal_finding moved = findings[i];
        int32_t at = i;
        for (; at > 0 && compare_findings(&moved, &findings[at - 1]) < 0; at--)
            findings[at] = findings[at - 1];
        findings[at] = moved;
    }
}

static void collect(bal_check *check, bal_check_report *report) {
    bal_finding *findings = bal_check_alloc(check, (size_t)check->n_findings + 1, sizeof *findings);
    if (!findings) return;
    int32_t n = 0;
    for (const bal_finding_link *link = check->first; link; link = link->next) {
        findings[n++] = link->finding;
        report->count[link->finding.severity]++;
    }
    sort_findings(findings, n);
    report->findings = findings;
    report->n_findings = n;
}

static bool lay_out_stages(bal_check *check) {
    const bal_recipe *recipe = check->recipe;
    bal_check_stage *stages = bal_check_alloc(check, (size_t)recipe->n_stages + 1, sizeof *stages);
    if (!stages) return false;
    stages[0] = (bal_check_stage){"", recipe};
    for (int32_t i = 0; i < recipe->n_stages; i++)
        stages[i] = (bal_check_stage){recipe->stages[i].name, recipe->stages[i].recipe};
    check->n_stages = recipe->n_stages > 0 ? recipe->n_stages : 1;
    check->stages = stages;
    return true;
}

bal_status bal_check_run(const bal_recipe *recipe, const bal_dataset *dataset,
                         const bal_device_facts *facts, const bal_check_stand *stand,
                         bal_check_report *ret_report, bal_error *err) {
    bal_check_report report = {.has_data = dataset != NULL};
    bal_check check = {.recipe = recipe,
                       .dataset = dataset,
                       .facts = facts,
                       .stand = stand,
                       .arena = &report.arena};
    if (lay_out_stages(&check)) {
        for (int i = 0; bal_check_table[i]; i++) {
            check.rule = bal_check_table[i];
            if (dataset || !check.rule->needs_data) check.rule->look(&check);
        }
        collect(&check, &report);
    }
    if (check.failed) {
        bal_check_report_release(&report);
        return bal_fail_memory(err, sizeof(bal_finding_link));
    }
    *ret_report = report;
    return BAL_OK;
}

void bal_check_report_release(bal_check_report *report) {
    bal_arena_release(&report->arena);
    *report = (bal_check_report){0};
}

/* ---- before a run ---- */

static bal_status refuse(const bal_check_report *report, bal_error *err) {
    const bal_finding *first = report->findings;
    char more[64] = "";
    int32_t others = report->count[BAL_CHECK_ERROR] - 1;
    if (others > 0)
        snprintf(more, sizeof more, " (and %d more error%s)", (int)others, others > 1 ? "s" : "");
    return bal_place_fail(err, BAL_ERECIPE, &first->place,
                          "%s. %s [%s]%s; `ballast check` says more, check=off trains all the same",
                          first->found, first->rule->fix, first->rule->id, more);
}

static void tell_warnings(const bal_check_report *report, const bal_log_sink *log) {
    char place[512];
    for (int32_t i = 0; i < report->n_findings; i++) {
        const bal_finding *finding = &report->findings[i];
        if (finding->severity != BAL_CHECK_WARNING) continue;
        bal_log_printf(log, BAL_LOG_WARN, "%s: %s [%s]",
                       bal_check_place_text(&finding->place, place, sizeof place), finding->found,
                       finding->rule->id);
    }
}

bal_status bal_check_before_run(const bal_recipe *recipe, const bal_dataset *dataset,
                                const bal_device_facts *facts, const bal_log_sink *log,
                                bal_error *err) {
    bal_check_report report;
    if (strcmp(recipe->check, "off") == 0) return BAL_OK;
    BAL_TRY(bal_check_run(recipe, dataset, facts, NULL, &report, err));
    tell_warnings(&report, log);
    bal_status status = report.count[BAL_CHECK_ERROR] > 0 ? refuse(&report, err) : BAL_OK;
    bal_check_report_release(&report);
    return status;
}

/* ---- JSON ---- */

static void put_finding(const bal_finding *finding, bal_json_out *out) {
    bal_json_out_object(out);
    bal_json_out_named_string(out, "rule", finding->rule->id);
    bal_json_out_named_string(out, "severity", bal_check_severity_name(finding->severity));
    bal_json_out_named_string(out, "file", finding->place.file);
    bal_json_out_named_integer(out, "line", finding->place.line);
    bal_json_out_named_integer(out, "column", finding->place.column);
    bal_json_out_named_string(out, "key", finding->key);
    bal_json_out_named_string(out, "found", finding->found);
    bal_json_out_named_string(out, "fix", finding->rule->fix);
    bal_json_out_object_end(out);
}

void bal_check_report_json(const bal_check_report *report, bal_json_out *out) {
    bal_json_out_named_integer(out, "errors", report->count[BAL_CHECK_ERROR]);
    bal_json_out_named_integer(out, "warnings", report->count[BAL_CHECK_WARNING]);
    bal_json_out_named_integer(out, "notes", report->count[BAL_CHECK_NOTE]);
    bal_json_out_key(out, "findings");
    bal_json_out_array(out);
    for (int32_t i = 0; i < report->n_findings; i++)
        put_finding(&report->findings[i], out);
    bal_json_out_array_end(out);
}
