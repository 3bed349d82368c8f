/* The list of all schedules: the one place that registers them. Each line names the descriptor that
 * schedule_NAME.c defines. */
#ifndef BAL_OPTIM_SCHEDULE_TABLE_H
#define BAL_OPTIM_SCHEDULE_TABLE_H

#include "optim/schedule.h"

/* clang-format off */
#define BAL_SCHEDULE_LIST(X) \
    X(bal_schedule_constant) \
    X(bal_schedule_step_table) \
    X(bal_schedule_cosine) \
    X(bal_schedule_plateau)
/* clang-format on */

#define BAL_SCHEDULE_DECLARE(symbol) extern const bal_schedule symbol;
BAL_SCHEDULE_LIST(BAL_SCHEDULE_DECLARE)
#undef BAL_SCHEDULE_DECLARE

#endif
