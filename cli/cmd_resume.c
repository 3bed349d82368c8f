/* ballast resume: go on from the last checkpoint of a run, bit-exactly. */
#include "training.h"

static int resume(const char *folder, bal_training *training) {
    bal_error err = {0};
    bal_run_result result;
    if (bal_run_resume(folder, &training->options, &result, &err) == BAL_OK)
        return bal_training_end(training, &result, true);
    bal_screen_clear(&training->screen);
    return bal_report_error(&err);
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
    if (n != 2) return bal_report_usage(&bal_command_resume, "which run?");
    if (!bal_training_init(&training, &bal_command_resume, json, plain, threads))
        return EXIT_USAGE;
    return resume(argv[1], &training);
}

const bal_command bal_command_resume = {
    .name = "resume",
    .arguments = "RUN [--json] [--plain] [--threads N]",
    .summary = "Go on from the last checkpoint, bit-exactly",
    .help = "A run that is complete prints its summary again.\n",
    .run = run,
};
