/* Decompression of gzip bytes in memory. */
#ifndef BAL_FORMAT_GUNZIP_H
#define BAL_FORMAT_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "ballast/status.h"

/** Whether the bytes begin like a gzip file (RFC 1952). */
bool bal_gunzip_wanted(const char *bytes, size_t size);

/** Decompress all members of a gzip file; a NUL follows the text, bal_free frees it. `name` stands
 *  for the file in messages.
 *  Errors  BAL_EFORMAT damaged, cut short, followed by other bytes, or more than max_bytes. */
BAL_WARN_UNUSED bal_status bal_gunzip(const char *bytes, size_t size, size_t max_bytes,
                                      const char *name, char **ret_text, size_t *ret_size,
                                      bal_error *err);

#endif
