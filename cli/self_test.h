/* A small training from recipe to prediction in a temporary folder, for `doctor`. */
#ifndef BAL_CLI_SELF_TEST_H
#define BAL_CLI_SELF_TEST_H

#include "base/text.h"

/** Train, stop, resume, evaluate. `report` gets one line about what came out.
 *  Errors  whatever failed; BAL_EINTERNAL when it ran but learned nothing, or when the resumed run
 *          differs from the uninterrupted one. */
BAL_WARN_UNUSED bal_status bal_self_test(bal_text *report, bal_error *err);

#endif
