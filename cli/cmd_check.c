/* ballast check: what is wrong with a recipe, before it is trained. */
#include "base/error.h"
#include "check/check.h"

#include "command.h"
#include "format/json_out.h"
#include "style.h"

/** What the command knows at its end. */
typedef struct checked {
    const bal_recipe *recipe;
    bal_check_report report;
    const bal_error *data; /* why the data could not be read; no status: they were */
} checked;

static int exit_code(const checked *c) {
    if (c->data->status != BAL_OK) return bal_exit_code(c->data->status);
    return c->report.count[BAL_CHECK_ERROR] > 0 ? EXIT_USAGE : EXIT_DONE;
}

/* ---- words ---- */

static const char *plural(int32_t n) {
    return n == 1 ? "" : "s";
}

static void print_finding(const bal_finding *finding, const bal_style *style) {
    char place[512];
    bal_check_place_text(&finding->place, place, sizeof place);
    printf("  %s%s%s  %s%s%s\n    ", style->bold, place, style->off, style->dim, finding->rule->id,
           style->off);
    bal_print_wrapped(stdout, finding->found, 4, 4);
    printf("    %s→ ", style->green);
    bal_print_wrapped(stdout, finding->rule->fix, 6, 6);
    printf("%s", style->off);
}

static void print_group(const checked *c, bal_check_severity severity, const bal_style *style) {
    static const char *const titles[] = {"Notes", "Warnings", "Errors"};
    const char *colours[] = {style->dim, style->yellow, style->red};
    if (c->report.count[severity] == 0) return;
    printf("\n%s%s%s\n", colours[severity], titles[severity], style->off);
    for (int32_t i = 0; i < c->report.n_findings; i++)
        if (c->report.findings[i].severity == severity)
            print_finding(&c->report.findings[i], style);
}

static void print_words(const checked *c) {
    const int32_t *count = c->report.count;
    bal_style style = bal_style_for(stdout);
    const char *unread = c->report.has_data ? "" : ", without the rules that look at the data";
    if (c->report.n_findings == 0)
        printf("%s: nothing found%s\n", c->recipe->path, unread);
    else
        printf("%s: %d error%s, %d warning%s, %d note%s%s\n", c->recipe->path,
               (int)count[BAL_CHECK_ERROR], plural(count[BAL_CHECK_ERROR]),
               (int)count[BAL_CHECK_WARNING], plural(count[BAL_CHECK_WARNING]),
               (int)count[BAL_CHECK_NOTE], plural(count[BAL_CHECK_NOTE]), unread);
    for (int severity = BAL_CHECK_ERROR; severity >= BAL_CHECK_NOTE; severity--)
        print_group(c, (bal_check_severity)severity, &style);
    if (c->report.n_findings > 0)
        puts("\ndocs/check.md, or `ballast check --markdown`, says why, rule by rule.");
}

/* ---- JSON ---- */

static int print_json(const checked *c, int code) {
    bal_text text = {0};
    bal_json_out out;
    bal_json_out_init(&out, &text, BAL_JSON_LINE);
    bal_json_out_object(&out);
    bal_json_out_named_string(&out, "recipe", c->recipe->path);
    bal_json_out_named_integer(&out, "exit_code", code);
    bal_json_out_named_bool(&out, "data", c->report.has_data);
    bal_json_out_key(&out, "data_error");
    bal_json_out_string(&out, c->data->status != BAL_OK ? c->data->message : NULL);
    bal_check_report_json(&c->report, &out);
    bal_json_out_object_end(&out);
    bal_text_puts(&text, "\n");
    return bal_print_text(&text);
}

/* ---- checking ---- */

static int print(const checked *c, bool json) {
    int code = exit_code(c), printed = EXIT_DONE;
    if (json)
        printed = print_json(c, code);
    else
        print_words(c);
    if (c->data->status != BAL_OK) {
        fflush(stdout);
        bal_report_error(c->data);
    }
    return code == EXIT_DONE ? printed : code;
}

static bal_status look(const bal_recipe *recipe, bal_dataset *dataset, bal_check_report *ret_report,
                       bal_error *err) {
    const bal_backend_options options = {.threads = 1};
    bal_check_stand stand = {.dataset = dataset};
    bal_device_facts facts;
    BAL_TRY(bal_backend_open(NULL, &options, &stand.backend, err));
    bal_backend_facts(stand.backend, &facts);
    bal_status status = bal_check_run(recipe, dataset, &facts, &stand, ret_report, err);
    bal_backend_close(stand.backend);
    return status;
}

/** Rules that need no data look even when the data cannot be read. */
static int check(const bal_recipe *recipe, bool json) {
    bal_error err = {0}, data = {0};
    bal_log_sink log = bal_stderr_log();
    bal_dataset *dataset = NULL;
    checked c = {.recipe = recipe, .data = &data};
    if (bal_dataset_new(recipe, &log, &dataset, &data) != BAL_OK) dataset = NULL;
    bal_status status = look(recipe, dataset, &c.report, &err);
    int code = status == BAL_OK ? print(&c, json) : bal_report_error(&err);
    if (status == BAL_OK) bal_check_report_release(&c.report);
    bal_dataset_free(dataset);
    return code;
}

static int run(int argc, char **argv) {
    bool json = false, markdown = false;
    bal_error err = {0};
    bal_recipe *recipe;
    bal_text page = {0};
    const bal_option options[] = {{"--json", NULL, &json}, {"--markdown", NULL, &markdown}};
    int n = bal_parse_options(&bal_command_check, argc, argv, options, 2);
    if (n < 0) return EXIT_USAGE;
    if (markdown) {
        if (n > 1) return bal_report_usage(&bal_command_check, "--markdown takes no recipe");
        bal_check_markdown(&page);
        return bal_print_text(&page);
    }
    if (n == 1) return bal_report_usage(&bal_command_check, "which recipe?");
    if (bal_recipe_load(argv[1], (const char *const *)argv + 2, n - 2, &recipe, &err) != BAL_OK)
        return bal_report_error(&err);
    int code = check(recipe, json);
    bal_recipe_free(recipe);
    return code;
}

const bal_command bal_command_check = {
    .name = "check",
    .arguments = "RECIPE [key=value …] [--json] | --markdown",
    .summary = "Say what is wrong with a recipe, before training it",
    .help = "key=value     overrides any key of the recipe\n"
            "--json        one JSON object on standard output\n"
            "--markdown    the page about all rules, without a recipe\n\n"
            "Reads the data once, and builds what `train` builds before its first step, to\n"
            "see whether it would begin; nothing is trained or written. Each finding says\n"
            "where (file:line:column) and which rule, what was found, with numbers, and\n"
            "after → what to do. `train` checks first too: it prints the warnings and does\n"
            "not begin when there is an error; check=off trains all the same. docs/check.md\n"
            "says why, rule by rule.\n\n"
            "Exit codes: 0 no error (there may be warnings), 1 failed, 2 an error, or a\n"
            "recipe that cannot be read, 3 data that cannot be read, 5 out of memory,\n"
            "6 storage.\n",
    .run = run,
};
