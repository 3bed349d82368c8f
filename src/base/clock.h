/* Time: a monotonic clock for durations, the wall clock only for run records. */
#ifndef BAL_BASE_CLOCK_H
#define BAL_BASE_CLOCK_H

#include <stddef.h>

/** Seconds on the monotonic clock. */
double bal_clock_seconds(void);

/** Seconds since this process was started by the kernel (from /proc/self/stat); < 0 if unknown. */
double bal_clock_since_exec(void);

/** Local date and time, ISO 8601 ("2026-01-31T12:00:00+0100"). */
void bal_clock_stamp(char *buffer, size_t size);

#endif
