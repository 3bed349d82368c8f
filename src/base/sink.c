/* Formatting a message for the caller's sink; see sink.h. */
#include "base/sink.h"

#include <stdarg.h>
#include <stdio.h>

void bal_log_printf(const bal_log_sink *log, bal_log_level level, const char *format, ...) {
    if (!log || !log->write || level < log->level) return;
    char message[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (length >= 0) log->write(log->user, level, message);
}
