/* What a run looks like on a terminal, and as plain lines elsewhere. */
#ifndef BAL_CLI_PROGRESS_H
#define BAL_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "style.h"
#include "train/trainer.h"

typedef struct bal_screen {
    FILE *out;       /* standard output, or standard error with --json */
    bool live;       /* a line that is redrawn */
    bal_style style; /* colours, when live */
    bool titled;     /* column titles were printed */
    bool on_line;    /* the live line is on the screen */
    int rows;        /* since the titles */
} bal_screen;

/** Live and in colour only on a terminal, without --plain and NO_COLOR. */
void bal_screen_init(bal_screen *screen, FILE *out, bool plain);
/** For bal_train_hooks.progress; user is the screen. */
void bal_screen_progress(void *user, const bal_progress *progress);
/** For bal_log_sink; user is the screen. */
void bal_screen_log(void *user, bal_log_level level, const char *message);
/** Remove the live line. */
void bal_screen_clear(bal_screen *screen);

#endif
