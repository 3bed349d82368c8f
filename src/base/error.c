/* Recording failures: one structure owned by the caller, filled by whoever fails first.
 *
 * Text is cut to the structure, never allocated, so that running out of memory can be reported too.
 * A cut never splits a UTF-8 character, because the text ends up in JSON. */
#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *bal_status_name(bal_status status) {
    switch (status) {
#define STATUS_NAME(code, value, text)                                                             \
    case code:                                                                                     \
        return #code;
        BAL_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    }
    return "BAL_UNKNOWN";
}

const char *bal_status_text(bal_status status) {
    switch (status) {
#define STATUS_TEXT(code, value, text)                                                             \
    case code:                                                                                     \
        return text;
        BAL_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

/* Drop the beginning of a character whose end did not fit. */
static void drop_cut_character(char *text) {
    size_t length = strlen(text);
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0) return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (wanted > length - start + 1) text[start - 1] = '\0';
}

bal_status bal_fail(bal_error *err, bal_status status, const char *format, ...) {
    if (!err || err->status != BAL_OK) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (length < 0) snprintf(err->message, sizeof err->message, "%s", bal_status_text(status));
    if (length >= (int)sizeof err->message) drop_cut_character(err->message);
    bal_text_tame(err->message);
    return status;
}

bal_status bal_fail_memory(bal_error *err, unsigned long long bytes) {
    return bal_fail(err, BAL_ENOMEM,
                    "out of memory: %llu bytes (%.1f MiB) could not be had; free memory or ask for "
                    "less (a smaller batch, model or data set)",
                    bytes, (double)bytes / (1024.0 * 1024.0));
}

void bal_error_prefix(bal_error *err, const char *format, ...) {
    if (!err || err->status == BAL_OK) return;
    char message[sizeof err->message];
    memcpy(message, err->message, sizeof message);
    message[sizeof message - 1] = '\0';

    va_list args;
    va_start(args, format);
    int length = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (length < 0) length = 0;
    size_t used = (size_t)length;
    bool cut = used >= sizeof err->message;
    if (!cut) {
        size_t room = sizeof err->message - used;
        int rest = snprintf(err->message + used, room, "%s%s", used ? ": " : "", message);
        cut = rest >= 0 && (size_t)rest >= room;
    }
    if (cut) drop_cut_character(err->message);
    bal_text_tame(err->message);
}

void bal_error_clear(bal_error *err) {
    if (!err) return;
    err->status = BAL_OK;
    err->message[0] = '\0';
}
