/* ballast show: what happened in a run. */
#include "command.h"
#include "run_view.h"
#include "summary.h"
#include "train/run_folder.h"

static int print_json(const json_t *summary) {
    bal_text text = {0};
    bal_error err = {0};
    if (bal_json_write(summary, BAL_JSON_LINE, &text, &err) != BAL_OK) {
        bal_text_release(&text);
        return bal_report_error(&err);
    }
    bal_text_puts(&text, "\n");
    return bal_print_text(&text);
}

static int show(const char *folder, bool json) {
    json_t *summary = NULL;
    bal_error err = {0};
    int code = EXIT_DONE;
    if (bal_run_view(folder, &summary, &err) != BAL_OK) return bal_report_error(&err);
    json_t *health = bal_run_json(folder, BAL_RUN_HEALTH);
    json_t *incidents = bal_run_lines(folder, BAL_RUN_INCIDENTS);
    if (json) {
        code = print_json(summary);
    } else {
        printf("%s\n", bal_json_text_at(summary, "name"));
        bal_print_summary(stdout, summary);
        bal_print_health(stdout, health, incidents);
    }
    json_decref(incidents);
    json_decref(health);
    json_decref(summary);
    return code;
}

static int run(int argc, char **argv) {
    bool json = false;
    const bal_option options[] = {{"--json", NULL, &json}};
    int n = bal_parse_options(&bal_command_show, argc, argv, options, 1);
    if (n < 0) return EXIT_USAGE;
    if (n != 2)
        return bal_report_usage(&bal_command_show, n < 2 ? "which run?" : "one run at a time");
    return show(argv[1], json);
}

const bal_command bal_command_show = {
    .name = "show",
    .arguments = "RUN [--json]",
    .summary = "What happened in a run: best, final, incidents",
    .help = "RUN is the folder of a run, ended or not. `prior` is what always answering\n"
            "the class frequencies of the training rows would get.\n\n"
            "--json        one JSON object on standard output, as of `train --json`\n",
    .run = run,
};
