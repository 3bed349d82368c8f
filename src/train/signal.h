/* Is there anything to learn? The recipe is trained on a small budget and asked whether what it
 * predicts for the test rows is better than the prior by more than chance; beside it, the same
 * budget on shuffled labels, where nothing can be learned.
 *
 * What is tested, and why so: docs/signal.md. In short: network and calibration see training and
 * validation rows only (train/signal_score.h); on the test rows
 *
 *  skill     1 − log loss / log loss of the prior, for values 1 − MSE / MSE of the prior;
 *  interval  99 % bootstrap of the skill, over rows, groups or blocks (train/shuffle.h);
 *  p         the test labels permuted under the fixed predictions: exact for exchangeable units,
 *            since the predictions do not depend on the test labels, and cheap, since nothing is
 *            trained again. On request the stricter question whether the recipe, all of it, would
 *            do as well on shuffled labels: p from refits (Ojala & Garriga 2010).
 *
 * A head has signal when the interval is above 0, p is below 0.01 and runs on shuffled labels do
 * not reach its skill: none of fewer than 100, else fewer than 1 % of them. The verdict is that of
 * the monitored head. */
#ifndef BAL_TRAIN_SIGNAL_H
#define BAL_TRAIN_SIGNAL_H

#include "base/arena.h"
#include "format/json_out.h"
#include "train/shuffle.h"
#include "train/trainer.h"

#define BAL_SIGNAL_LEVEL 0.99
#define BAL_SIGNAL_ALPHA 0.01
#define BAL_SIGNAL_RUNS 5 /* on shuffled labels */

typedef struct bal_signal_progress {
    int32_t run, runs; /* 0: the recipe as it is; 1 … runs: labels shuffled */
    int64_t epoch, epochs;
    double seconds, estimate; /* since the start; of the whole, measured before the first run */
    bool starting;            /* nothing has run yet */
    bool finished;            /* a run ended: its skill on the monitored head */
    double skill;
    const char *unit; /* "rows", "groups", "blocks": what is shuffled */
} bal_signal_progress;

typedef struct bal_signal_options {
    int64_t epochs;       /* 0: as the budget allows */
    bool full;            /* the recipe's epochs */
    int32_t runs;         /* on shuffled labels; negative: BAL_SIGNAL_RUNS */
    int32_t permutations; /* > 0: as many refits on shuffled labels, and p from them */
    int threads;
    const char *isa;
    void (*progress)(void *user, const bal_signal_progress *progress);
    int (*cancel)(void *user); /* other than 0: BAL_ECANCELED */
    void *user;
    bal_log_sink log;
} bal_signal_options;

/** What the numbers of a head say together. */
typedef enum bal_signal_verdict {
    BAL_SIGNAL_FOUND,        /* something is there to be learned */
    BAL_SIGNAL_NONE,         /* the prior is not beaten, nor is chance */
    BAL_SIGNAL_TOO_FEW_ROWS, /* not found, and hardly could have been */
    BAL_SIGNAL_UNSURE,       /* the prior is beaten, or chance is, but not both */
    BAL_SIGNAL_SHUFFLED      /* both are, but runs on shuffled labels do as well */
} bal_signal_verdict;

/** Rows that would hardly show it if half of the prior's loss were removed: they show nothing
 *  either way. */
#define BAL_SIGNAL_TOO_FEW 0.5

/** What was found for one head. */
typedef struct bal_signal_head {
    const char *name;
    bal_head_kind kind;
    int64_t rows, units, block; /* test rows with a label, what they were permuted in */
    int64_t epoch;              /* whose weights did best on the validation rows */
    double sharpness;           /* 0: the outputs were of no use on the validation rows */
    double skill, low, high, p;
    int64_t permutations;           /* behind p */
    double loss, prior_loss;        /* per test row: nats, or squared error */
    double balanced_accuracy;       /* NaN for values */
    double prior_balanced_accuracy; /* of always answering the most frequent training class */
    double detectable;              /* skill that would have been found, four times in five */
    double *shuffled;               /* [runs] skill after training on shuffled labels */
    int32_t reached;                /* how many of these are as great as skill, or no numbers */
    bool trained;                   /* some loss reaches it */
    bool signal;                    /* verdict is BAL_SIGNAL_FOUND */
    bal_signal_verdict verdict;
} bal_signal_head;

typedef struct bal_signal {
    bal_arena arena;
    char *name; /* of the recipe */
    bal_signal_head *heads;
    int32_t n_heads, judged; /* judged: the monitored head */
    int32_t runs;
    bool refits; /* p is from the runs on shuffled labels */
    bal_shuffle_kind unit;
    int64_t epochs, recipe_epochs, test_rows;
    double seconds;
} bal_signal;

/** Ask. Writes no files.
 *  Errors  BAL_EDATA without validation or test rows, and what bal_dataset_new says; BAL_ERECIPE;
 *          BAL_ECANCELED; BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_signal_test(const bal_recipe *recipe,
                                           const bal_signal_options *options,
                                           bal_signal *ret_signal, bal_error *err);
void bal_signal_release(bal_signal *signal);

/** The verdict on a head from its numbers; `runs` on shuffled labels stand behind `reached`, and
 *  behind p when they are `refits`. */
bal_signal_verdict bal_signal_judge(const bal_signal_head *head, int32_t runs, bool refits);

/** "signal", "no_signal", "too_few_rows", "unsure", "shuffled_as_good". */
const char *bal_signal_verdict_name(bal_signal_verdict verdict);

/** {"status": "ok" | "no_signal", "verdict": …, "skill": …, "interval": […], "p": …, "prior": …, …,
 * "heads": …}
 */
void bal_signal_json(const bal_signal *signal, int indent, bal_text *out);

#endif
