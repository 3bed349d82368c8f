/* The threads of a CPU backend. They sleep, or wait for a moment in a loop, until a job comes.
 *
 * A job is a walk that any number of threads may make together and that the calling thread can
 * finish by itself: the team never waits for a thread that is late, since on a machine shared with
 * others it may be late by many milliseconds, a thousand times the length of a small kernel. */
#ifndef BAL_BACKEND_CPU_CPU_TEAM_H
#define BAL_BACKEND_CPU_CPU_TEAM_H

#include <stdint.h>

#include "ballast/status.h"

/** A thread's part of a job. `turn` is what the job was started with; `thread` is 0 for the caller
 *  of bal_cpu_team_run. On the calling thread it returns when all work is done; on others it
 *  returns, having touched nothing of the job, when there is none left. */
typedef void (*bal_cpu_walk_fn)(void *job, uint64_t turn, int thread);

typedef struct bal_cpu_team bal_cpu_team;

/** A team of `threads` with the caller's own, so threads − 1 are started. Where the system refuses
 * to start more, the team is smaller: results do not depend on it. BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_cpu_team_new(int threads, bal_cpu_team **ret_team, bal_error *err);
void bal_cpu_team_free(bal_cpu_team *team);

/** Walk a job together. When another thread is using the team, the caller walks alone. */
void bal_cpu_team_run(bal_cpu_team *team, bal_cpu_walk_fn walk, void *job, uint64_t turn);

/** Wait until no thread of the team is inside this job, or will enter it: it may be freed then. */
void bal_cpu_team_leave(bal_cpu_team *team, const void *job);

#endif
