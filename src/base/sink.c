/* Formatting a message for the caller's sink; see sink.h. */
#include "base/sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

void bal_log_printf(const bal_log_sink *log, bal_log_level level, const char *format, ...) {
    if (!log || !log->write || level < log->level) return;
    char message[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (length < 0) return;
    /* a cut must not leave half a character: what is logged may end up in JSON */
    if ((size_t)length >= sizeof message)
        message[bal_text_utf8_valid(message, strlen(message))] = '\0';
    bal_text_tame(message);
    log->write(log->user, level, message);
}
