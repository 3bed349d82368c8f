/* What train and resume share: signals, the screen, the summary, the exit code. */
#ifndef BAL_CLI_TRAINING_H
#define BAL_CLI_TRAINING_H

#include "command.h"
#include "progress.h"
#include "train/run.h"

typedef struct bal_training {
    bal_screen screen;
    bool json;
    bal_run_options options;
} bal_training;

/** Fill the options: hooks, threads (text, may be NULL); catches SIGINT, SIGTERM, SIGHUP and
 *  SIGUSR1. False after reporting a usage error. */
bool bal_training_init(bal_training *training, const bal_command *command, bool json, bool plain,
                       const char *threads);
/** Draw the plots, print the summary (JSON or words) and release the result; the exit code. */
int bal_training_end(bal_training *training, bal_run_result *result, bool plots);
/** Report a run that failed, or never began, in words and where asked as JSON; the exit code. */
int bal_training_fail(bal_training *training, const bal_error *err);

#endif
