/* ballast train: a recipe becomes a run. */
#include "check/check.h"
#include "training.h"

/** The command line as one line that a shell would take, for command.txt. */
static void join_command(int argc, char **argv, bal_text *text) {
    bal_text_puts(text, "ballast");
    for (int i = 0; i < argc; i++) {
        bal_text_puts(text, " ");
        bal_quote_word(argv[i], text);
    }
    bal_text_puts(text, "\n");
}

static int train(int argc, char **argv, bal_training *training) {
    bal_error err = {0};
    bal_recipe *recipe = NULL;
    bal_run_result result;
    if (bal_recipe_load(argv[1], (const char *const *)argv + 2, argc - 2, &recipe, &err) != BAL_OK)
        return bal_training_fail(training, &err);
    bool plots = recipe->report.plots;
    bal_status status = bal_run_train(recipe, &training->options, &result, &err);
    bal_recipe_free(recipe);
    if (status != BAL_OK) return bal_training_fail(training, &err);
    return bal_training_end(training, &result, plots);
}

static int run(int argc, char **argv) {
    const char *folder = NULL, *threads = NULL;
    bool json = false, plain = false;
    bal_text command = {0};
    bal_training training;
    const bal_option options[] = {
        {"--run", &folder, NULL},
        {"--threads", &threads, NULL},
        {"--json", NULL, &json},
        {"--plain", NULL, &plain},
    };
    join_command(argc, argv, &command);
    int code = EXIT_USAGE;
    int n = bal_parse_options(&bal_command_train, argc, argv, options,
                              sizeof options / sizeof *options);
    if (n == 1)
        bal_report_usage(&bal_command_train, "which recipe?");
    else if (n > 1 && bal_training_init(&training, &bal_command_train, json, plain, threads)) {
        training.options.folder = folder;
        training.options.command = command.data;
        training.options.inspect = bal_check_before_run;
        code = train(n, argv, &training);
    }
    bal_text_release(&command);
    return code;
}

const bal_command bal_command_train = {
    .name = "train",
    .arguments = "RECIPE [key=value …] [--run DIR] [--json] [--plain] [--threads N]",
    .summary = "Train what a recipe describes",
    .help = "key=value     overrides any key of the recipe: train.epochs=3 data.path=x.npz\n"
            "--run DIR     folder of the run (default: runs/NAME-001, -002, …)\n"
            "--json        one JSON object on standard output, all else on standard error\n"
            "--plain       one line per evaluation, no colour, no live line\n"
            "--threads N   how many threads (default: all processors of this process)\n\n"
            "Columns: mean training loss since the last evaluation (with class weights,\n"
            "focal alpha and dropout); validation loss (without: compare how each moves); the\n"
            "monitored metric; how many classes are predicted at all, and how evenly\n"
            "(entropy, 1: as evenly as can be). `ineligible`: not finite, collapsed, or no\n"
            "better than answering by the class frequencies; such an evaluation is never\n"
            "the best.\n\n"
            "SIGINT, SIGTERM and SIGHUP write a checkpoint and end with 130, 143 and 129,\n"
            "SIGUSR1 with 75; `ballast resume` goes on from there, bit-exactly. Exit codes:\n"
            "0 done, 1 failed, 2 usage or recipe, 3 data, 4 stopped by the guard or\n"
            "collapsed, 5 out of memory, 6 storage.\n",
    .run = run,
};
