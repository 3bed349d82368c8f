/* ballast runs: the runs of a folder, best first. Runs are compared where they can be: those with
 * the same monitored metric stand together. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "command.h"
#include "run_view.h"
#include "style.h"
#include "train/run_folder.h"

enum { SCORE = 9, TIME = 8 }; /* widths, the space before included */

typedef struct run_list {
    json_t **runs; /* summaries */
    size_t count, capacity;
} run_list;

static void release(run_list *list) {
    for (size_t i = 0; i < list->count; i++)
        json_decref(list->runs[i]);
    bal_free(list->runs);
}

static const char *monitor_of(const json_t *run) {
    return bal_json_text_at(json_object_get(run, "monitor"), "name");
}

static double value_of(const json_t *run) {
    return bal_json_number_at(json_object_get(run, "monitor"), "value");
}

/** Same monitor together, best first, those without a value last, ties by name. */
static int compare(const void *a, const void *b) {
    const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
    int order = strcmp(monitor_of(left), monitor_of(right));
    if (order != 0) return order;
    double x = value_of(left), y = value_of(right);
    if (isnan(x) != isnan(y)) return isnan(x) ? 1 : -1;
    if (x != y && !isnan(x)) return (x > y) == bal_monitor_rises(monitor_of(left)) ? -1 : 1;
    return strcmp(bal_json_text_at(left, "run"), bal_json_text_at(right, "run"));
}

/** Whether the folder entry is a run; what is none is passed over. */
static bool is_run(const char *folder) {
    char *recipe = bal_path_join(folder, BAL_RUN_RESOLVED);
    bool found = recipe && bal_path_exists(recipe);
    bal_free(recipe);
    return found;
}

static bal_status add(run_list *list, const char *folder, bal_error *err) {
    bal_error why = {0};
    json_t *run = NULL;
    if (!is_run(folder)) return BAL_OK;
    bal_status status = bal_run_view(folder, &run, &why);
    if (status == BAL_ENOMEM) return bal_fail_memory(err, 0);
    if (status != BAL_OK) {
        fprintf(stderr, "ballast: %s left out: %s\n", folder, why.message);
        return BAL_OK;
    }
    if (!bal_reserve(list->runs, list->capacity, list->count + 1)) {
        json_decref(run);
        return bal_fail_memory(err, sizeof *list->runs);
    }
    list->runs[list->count++] = run;
    return BAL_OK;
}

static bal_status collect(const char *folder, run_list *list, bal_error *err) {
    DIR *dir = opendir(folder);
    bal_status status = BAL_OK;
    if (!dir) return bal_fail(err, BAL_ENOTFOUND, "there is no folder %s", folder);
    for (struct dirent *entry; status == BAL_OK && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        char *path = bal_path_join(folder, entry->d_name);
        status = path ? add(list, path, err) : bal_fail_memory(err, 0);
        bal_free(path);
    }
    closedir(dir);
    if (list->count > 1) qsort(list->runs, list->count, sizeof *list->runs, compare);
    return status;
}

/* ---- printing ---- */

static int run_column(const run_list *list) {
    int widest = 3;
    for (size_t i = 0; i < list->count; i++) {
        int columns = bal_text_columns(bal_json_text_at(list->runs[i], "run"));
        if (columns > widest) widest = columns;
    }
    return widest;
}

static void print_run(const bal_style *style, const json_t *run, int width) {
    char value[24], test[24], spent[24];
    const char *status = bal_json_text_at(run, "status");
    const char *colour = strcmp(status, "ok") == 0 || strcmp(status, "running") == 0 ? ""
                         : strcmp(status, "interrupted") == 0                        ? style->yellow
                                                                                     : style->red;
    bal_score_text(value_of(run), value);
    bal_score_text(bal_summary_metric(run, monitor_of(run), "test"), test);
    bal_duration_text(bal_json_number_at(run, "seconds"), spent);
    bal_print_padded(stdout, bal_json_text_at(run, "run"), width);
    fputs(style->bold, stdout);
    bal_print_padded(stdout, value, -SCORE);
    fputs(style->off, stdout);
    bal_print_padded(stdout, test, -SCORE);
    printf("  %s%-11s%s %6.0f %9.0f", colour, status, style->off, bal_json_number_at(run, "epochs"),
           bal_json_number_at(run, "incidents"));
    bal_print_padded(stdout, spent, -TIME);
    fputs("\n", stdout);
}

static void print_titles(const bal_style *style, const char *monitor, int width) {
    printf("%s\n%s%-*s%*s%*s  %-11s %6s %9s%*s%s\n", monitor, style->bold, width, "run", SCORE,
           "val", SCORE, "test", "status", "epochs", "incidents", TIME, "time", style->off);
}

static void print_table(const run_list *list) {
    bal_style style = bal_style_for(stdout);
    int width = run_column(list);
    const char *monitor = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const json_t *run = list->runs[i];
        bool other = !monitor || strcmp(monitor, monitor_of(run)) != 0;
        monitor = monitor_of(run);
        if (other && i > 0) printf("\n");
        if (other) print_titles(&style, monitor, width);
        print_run(&style, run, width);
    }
    if (list->count == 0) printf("no runs here yet\n");
}

static int print_json(const run_list *list) {
    bal_text text = {0};
    bal_error err = {0};
    bal_status status = BAL_OK;
    bal_text_puts(&text, "{\"runs\": [");
    for (size_t i = 0; status == BAL_OK && i < list->count; i++) {
        if (i > 0) bal_text_puts(&text, ", ");
        status = bal_json_write(list->runs[i], BAL_JSON_LINE, &text, &err);
    }
    bal_text_puts(&text, "]}\n");
    if (status == BAL_OK) return bal_print_text(&text);
    bal_text_release(&text);
    return bal_report_error(&err);
}

static int run(int argc, char **argv) {
    bool json = false;
    bal_error err = {0};
    run_list list = {0};
    const bal_option options[] = {{"--json", NULL, &json}};
    int n = bal_parse_options(&bal_command_runs, argc, argv, options, 1);
    if (n < 0) return EXIT_USAGE;
    if (n > 2) return bal_report_usage(&bal_command_runs, "one folder at a time");
    int code = EXIT_DONE;
    const char *folder = n == 2 ? argv[1] : "runs";
    if (n < 2 && !bal_path_exists(folder))
        ; /* nothing was trained here yet: an empty list */
    else if (collect(folder, &list, &err) != BAL_OK)
        code = bal_report_error(&err);
    if (code == EXIT_DONE && json)
        code = print_json(&list);
    else if (code == EXIT_DONE)
        print_table(&list);
    release(&list);
    return code;
}

const bal_command bal_command_runs = {
    .name = "runs",
    .arguments = "[FOLDER] [--json]",
    .summary = "The runs here, best first",
    .help = "FOLDER holds run folders; runs/ where it is not given. Runs with the same\n"
            "monitored metric stand together.\n\n"
            "--json        {\"runs\": [one object per run, as `show --json` prints it]}\n",
    .run = run,
};
