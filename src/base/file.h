/* Files: whole reads with a cap, crash-safe replacement, folders.
 *
 * Errors: BAL_ENOTFOUND (no such file), BAL_EIO (anything else from the system, with path,
 * operation and strerror), BAL_ENOMEM. Test hook: bal_file_fail_after fails the N-th
 * write/sync/rename. */
#ifndef BAL_BASE_FILE_H
#define BAL_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ballast/status.h"

/** Read a whole file; the buffer has a NUL after its end and is freed with bal_free.
 *  BAL_EFORMAT when it is larger than max_bytes. */
BAL_WARN_UNUSED bal_status bal_file_read(const char *path, size_t max_bytes, char **ret_data,
                                         size_t *ret_size, bal_error *err);

/** A file being replaced: bytes go to a temporary file beside it; commit makes them visible as one
 *  step (write, fsync, rename, fsync of the folder): a crash leaves old or new, never half. */
typedef struct bal_file_writer {
    char *path;
    char *temporary;
    int fd;
    bool failed;
    unsigned char *buffer; /* write-behind */
    size_t buffered;
    bal_error error; /* first failure; reported by commit */
} bal_file_writer;

BAL_WARN_UNUSED bal_status bal_file_writer_open(bal_file_writer *writer, const char *path,
                                                bal_error *err);
/** Failures stick and are reported by commit. */
void bal_file_writer_put(bal_file_writer *writer, const void *bytes, size_t size);
/** Finish. On failure the old file is intact and the temporary one is gone; only when the very last
 *  step fails, the sync of the folder, the whole new file is already in place (an error all the
 *  same, because a power cut could bring the old one back). Releases the writer. */
BAL_WARN_UNUSED bal_status bal_file_writer_commit(bal_file_writer *writer, bal_error *err);
/** Give up: remove the temporary file. Fine on a zeroed or committed writer. */
void bal_file_writer_abort(bal_file_writer *writer);

/** bal_file_writer in one call. */
BAL_WARN_UNUSED bal_status bal_file_replace(const char *path, const void *bytes, size_t size,
                                            bal_error *err);
/** Remove the temporary files that killed processes have left in a folder: those of one file name,
 *  or all (NULL). Best effort; nobody may be writing them. */
void bal_folder_tidy(const char *path, const char *name);

/** Append bytes to a log file (created if missing), all or nothing as far as the system allows. */
BAL_WARN_UNUSED bal_status bal_file_append(const char *path, const void *bytes, size_t size,
                                           bal_error *err);

/** Cut a file to `size` bytes (used to drop log lines written after the checkpoint resumed from);
 *  BAL_EDATA when it is shorter than that. */
BAL_WARN_UNUSED bal_status bal_file_truncate(const char *path, uint64_t size, bal_error *err);

/** Create a folder and its parents; fine when there. */
BAL_WARN_UNUSED bal_status bal_folder_make(const char *path, bal_error *err);
/** Create exactly one new folder (for numbering run folders). When there is something of that name
 *  already: *ret_created is false, or BAL_EINVAL where ret_created is NULL. */
BAL_WARN_UNUSED bal_status bal_folder_claim(const char *path, bool *ret_created, bal_error *err);

bool bal_path_exists(const char *path);
bool bal_path_is_folder(const char *path);
/** "a/b" + "c" → "a/b/c"; an absolute second part replaces the first. bal_free; NULL: no memory. */
char *bal_path_join(const char *folder, const char *name);
/** Folder part of a path ("." when none). bal_free; NULL: no memory. */
char *bal_path_folder(const char *path);
/** Last part of a path, a pointer into it. */
const char *bal_path_name(const char *path);

/** Test hook: let `countdown` system calls that write succeed and fail the next with ENOSPC, once
 *  (< 0: never). */
void bal_file_fail_after(int64_t countdown);

#endif
