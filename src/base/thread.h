/* Threads: how many kernels may use, and a worker with a mailbox for the data prefetcher.
 * Kernels have a team of their own (backend/cpu). */
#ifndef BAL_BASE_THREAD_H
#define BAL_BASE_THREAD_H

#include <stdbool.h>

#include "ballast/status.h"

/** Processors this process may run on (affinity mask and cgroup quota respected), at least 1. */
int bal_thread_processors(void);

/** Processors the cgroup CPU quota is worth (version 2 and 1), rounded up; 0 when there is none.
 *  `root` is "/"; tests give a folder with made-up proc/ and sys/ below it. */
int bal_thread_quota(const char *root);

/** One background thread that runs one job at a time. */
typedef struct bal_worker bal_worker;

BAL_WARN_UNUSED bal_status bal_worker_new(bal_worker **ret_worker, bal_error *err);
/** Start job(argument); must not be called while one runs (wait first). */
void bal_worker_start(bal_worker *worker, void (*job)(void *), void *argument);
/** Block until the running job, if any, is done. */
void bal_worker_wait(bal_worker *worker);
/** Wait, stop the thread, free. NULL is fine. */
void bal_worker_free(bal_worker *worker);

#endif
