/* Where the library's few messages go: a callback of the caller's. The library never prints. */
#ifndef BAL_BASE_SINK_H
#define BAL_BASE_SINK_H

#include "ballast/status.h"

typedef enum bal_log_level {
    BAL_LOG_DEBUG,
    BAL_LOG_INFO,
    BAL_LOG_WARN,
    BAL_LOG_ERROR
} bal_log_level;

typedef void (*bal_log_fn)(void *user, bal_log_level level, const char *message);

/** A sink passed down by value or pointer; a zeroed one is silent. */
typedef struct bal_log_sink {
    bal_log_fn write;
    void *user;
    bal_log_level level; /* messages below it are dropped */
} bal_log_sink;

void bal_log_printf(const bal_log_sink *log, bal_log_level level, const char *format, ...)
    BAL_PRINTF(3, 4);

#endif
