/* The list of all detectors: the one place that registers them, in the order in which they look.
 * Each line names the descriptor that detector_NAME.c defines. */
#ifndef BAL_GUARD_DETECTOR_TABLE_H
#define BAL_GUARD_DETECTOR_TABLE_H

#include "guard/guard.h"

/* clang-format off */
#define BAL_DETECTOR_LIST(X) \
    X(bal_detector_nonfinite) \
    X(bal_detector_loss_spike) \
    X(bal_detector_grad_explosion) \
    X(bal_detector_one_class) \
    X(bal_detector_class_lost) \
    X(bal_detector_swing) \
    X(bal_detector_degrading) \
    X(bal_detector_input_blind) \
    X(bal_detector_dead_units) \
    X(bal_detector_mean_collapse) \
    X(bal_detector_too_good_loss) \
    X(bal_detector_loss_explosion) \
    X(bal_detector_no_skill) \
    X(bal_detector_overfit) \
    X(bal_detector_plateau) \
    X(bal_detector_loss_variance) \
    X(bal_detector_rule)
/* clang-format on */

#define BAL_DETECTOR_DECLARE(symbol) extern const bal_detector symbol;
BAL_DETECTOR_LIST(BAL_DETECTOR_DECLARE)
#undef BAL_DETECTOR_DECLARE

#define BAL_DETECTOR_ONE(symbol) +1
enum { BAL_DETECTOR_COUNT = BAL_DETECTOR_LIST(BAL_DETECTOR_ONE) };
#undef BAL_DETECTOR_ONE

/** Place of a detector in the table; −1 when it is not there. */
int32_t bal_detector_index(const char *name);

#endif
