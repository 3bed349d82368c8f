/* One run of the program under test, in a folder of its own, and what it left behind. */
#ifndef COLLAPSE_TRIAL_H
#define COLLAPSE_TRIAL_H

#include "suite.h"

/** The ways a scenario is trained. */
typedef enum variant {
    VARIANT_GUARD,   /* as the recipe says: the guard recovers */
    VARIANT_OFF,     /* nobody watches */
    VARIANT_RESTART, /* nobody watches; two runs that share the epochs, the second with another seed
                      * and half the learning rate; the better one by the monitored metric */
    VARIANT_COUNT
} variant;

enum { FINDINGS_MAX = 8 };

typedef struct trial {
    int exit_code;
    double score;     /* the suite's metric on the test rows; NaN: no model */
    double val_score; /* the same on the validation rows */
    bool no_best;     /* no evaluation was eligible: the run says that its model is worth nothing */
    int epochs;       /* trained, those undone by rollbacks and those of both runs included */
    int incidents;    /* from the scenario's onset on */
    int first;        /* evaluation at or before which the first of them happened; 0: none */
    char what[64];    /* its detector */
    /* Rules of `ballast check` with a warning or an error, before training (VARIANT_GUARD). */
    char finding[FINDINGS_MAX][48];
    int n_findings;
} trial;

typedef struct laboratory {
    const char *program; /* ballast */
    const char *folder;  /* scratch, of this process alone */
} laboratory;

/** Train once; VARIANT_RESTART with `epochs` in all, the others with the recipe's. False, with a
 * message on standard error, when something is wrong with the trial itself; a run that fails or is
 * refused is a result. */
bool trial_run(const laboratory *lab, const suite *s, const scenario *sc, uint64_t seed,
               variant which, int epochs, trial *ret_trial);

/** Epochs that the recipe asks for. */
int trial_epochs(const suite *s, const scenario *sc);

#endif
