/* ballast resume: go on from the last checkpoint of a run, bit-exactly. */
#include "base/file.h"
#include "base/memory.h"
#include "train/run_folder.h"
#include "training.h"

/** Whether the run's recipe wants plots. */
static bool wants_plots(const char *folder) {
    char *path = bal_path_join(folder, BAL_RUN_RESOLVED);
    bal_recipe *recipe = NULL;
    bool plots = false;
    if (path && bal_recipe_load(path, NULL, 0, &recipe, NULL) == BAL_OK) {
        plots = recipe->report.plots;
        bal_recipe_free(recipe);
    }
    bal_free(path);
    return plots;
}

static int resume(const char *folder, bal_training *training) {
    bal_error err = {0};
    bal_run_result result;
    if (bal_run_resume(folder, &training->options, &result, &err) != BAL_OK)
        return bal_training_fail(training, &err);
    return bal_training_end(training, &result, wants_plots(folder));
}

static int run(int argc, char **argv) {
    const char *threads = NULL;
    bool json = false, plain = false;
    bal_training training;
    const bal_option options[] = {
        {"--threads", &threads, NULL},
        {"--json", NULL, &json},
        {"--plain", NULL, &plain},
    };
    int n = bal_parse_options(&bal_command_resume, argc, argv, options,
                              sizeof options / sizeof *options);
    if (n < 0) return EXIT_USAGE;
    if (n != 2)
        return bal_report_usage(&bal_command_resume, n < 2 ? "which run?" : "one run at a time");
    if (!bal_training_init(&training, &bal_command_resume, json, plain, threads)) return EXIT_USAGE;
    training.options.folder = argv[1];
    return resume(argv[1], &training);
}

const bal_command bal_command_resume = {
    .name = "resume",
    .arguments = "RUN [--json] [--plain] [--threads N]",
    .summary = "Go on from the last checkpoint of a run, bit-exactly",
    .help = "RUN is the folder of a run. One that is complete prints its summary again.\n"
            "Options and exit codes are those of `ballast train`.\n",
    .run = run,
};
