/* Filling in errors. See ballast/status.h for the types.
 *
 * `err` may be NULL everywhere. bal_fail writes only when no failure is recorded yet, so the text
 * of the place where things went wrong survives the way up. */
#ifndef BAL_BASE_ERROR_H
#define BAL_BASE_ERROR_H

#include "ballast/status.h"

/** Record a failure and return its code: `return bal_fail(err, BAL_EDATA, "row %d ...", row);` */
bal_status bal_fail(bal_error *err, bal_status status, const char *format, ...) BAL_PRINTF(3, 4);

/** The standard sentence for a failed allocation of `bytes`. */
bal_status bal_fail_memory(bal_error *err, unsigned long long bytes);

/** Put "context: " before the recorded message (file, node); no-op without a failure. */
void bal_error_prefix(bal_error *err, const char *format, ...) BAL_PRINTF(2, 3);

/** Forget a recorded failure, so that the structure can be used again. */
void bal_error_clear(bal_error *err);

/** Forward a failure. */
#define BAL_TRY(call)                                                                              \
    do {                                                                                           \
        bal_status bal_try_status_ = (call);                                                       \
        if (bal_try_status_ != BAL_OK) return bal_try_status_;                                     \
    } while (0)

/** Forward a failure through the function's `out:` label, with its `status` variable set. */
#define BAL_TRY_OUT(call)                                                                          \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != BAL_OK) goto out;                                                            \
    } while (0)

#endif
