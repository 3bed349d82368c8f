/* Files read whole, replaced as one step, appended to and cut; see file.h. Folders and path names
 * are in path.c.
 *
 * Replacement follows the usual recipe (write a temporary file in the same folder, fsync it, rename
 * it over the old one, fsync the folder), so that after a crash or a power cut the name holds
 * either the old bytes or the new ones. Every call that changes the disk goes through a wrapper
 * that retries when interrupted and that the test hook can fail. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

enum { WRITE_BEHIND = 256 * 1024, WRITE_MAX = 1 << 30, NAME_KEPT = 160, TEMPORARY_TRIES = 1000 };

static _Atomic int64_t fail_countdown = -1;

void bal_file_fail_after(int64_t countdown) {
    atomic_store(&fail_countdown, countdown);
}

/* Whether the test hook wants this call to fail. */
static bool simulated_failure(void) {
    if (atomic_load(&fail_countdown) < 0) return false;
    if (atomic_fetch_sub(&fail_countdown, 1) != 0) return false;
    errno = ENOSPC;
    return true;
}

/* --- system calls that write; each sets errno and returns false on failure --- */

static bool sys_write(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        if (simulated_failure()) return false;
        ssize_t written = write(fd, at, size < WRITE_MAX ? size : WRITE_MAX);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        at += written;
        size -= (size_t)written;
    }
    return true;
}

static bool sys_sync(int fd) {
    if (simulated_failure()) return false;
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

static bool sys_rename(const char *from, const char *to) {
    return !simulated_failure() && rename(from, to) == 0;
}

static bool sys_truncate(int fd, off_t size) {
    if (simulated_failure()) return false;
    int result;
    do {
        result = ftruncate(fd, size);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

static int sys_open(const char *path, int flags) {
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* "cannot <action> <path>: <reason>" from errno. */
static bal_status fail_system(bal_error *err, const char *action, const char *path) {
    int reason = errno;
    bool missing = reason == ENOENT || reason == ENOTDIR;
    return bal_fail(err, missing ? BAL_ENOTFOUND : BAL_EIO, "cannot %s %s: %s", action, path,
                    strerror(reason));
}

/* --- reading --- */

typedef struct read_buffer {
    char *data;
    size_t size, capacity;
} read_buffer;

static bal_status fail_too_large(bal_error *err, const char *path, size_t max_bytes) {
    return bal_fail(err, BAL_EFORMAT, "%s is larger than the %zu bytes allowed for such a file",
                    path, max_bytes);
}

/* Read to the end rather than to the size the system gives: that is 0 for files in /proc. */
static bal_status read_all(int fd, const char *path, size_t max_bytes, read_buffer *buffer,
                           bal_error *err) {
    struct stat facts;
    size_t expected = 0;
    if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0) {
        if ((uintmax_t)facts.st_size > max_bytes) return fail_too_large(err, path, max_bytes);
        expected = (size_t)facts.st_size;
    }
    for (;;) {
        /* One byte beyond the expected end shows the end of the file without growing again. */
        size_t wanted = buffer->size < expected ? expected : buffer->size;
        if (!bal_size_add(wanted, buffer->size < expected ? 2 : 4096, &wanted) ||
            !bal_reserve(buffer->data, buffer->capacity, wanted))
            return bal_fail_memory(err, wanted);
        size_t room = buffer->capacity - buffer->size - 1;
        ssize_t got = read(fd, buffer->data + buffer->size, room < WRITE_MAX ? room : WRITE_MAX);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_system(err, "read", path);
        if (got == 0) break;
        buffer->size += (size_t)got;
        if (buffer->size > max_bytes) return fail_too_large(err, path, max_bytes);
    }
    buffer->data[buffer->size] = '\0';
    return BAL_OK;
}

bal_status bal_file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_size,
                         bal_error *err) {
    int fd = sys_open(path, O_RDONLY);
    if (fd < 0) return fail_system(err, "open", path);
    read_buffer buffer = {0};
    bal_status status = read_all(fd, path, max_bytes, &buffer, err);
    close(fd);
    if (status != BAL_OK) {
        bal_free(buffer.data);
        return status;
    }
    *ret_data = buffer.data;
    *ret_size = buffer.size;
    return BAL_OK;
}

/* --- replacing --- */

/* ".name.tmp-pid-number" beside the file. The number tells apart writers of one process; names left
 * over by a killed process with the same pid are stepped over. */
static bal_status open_temporary(bal_file_writer *writer, bal_error *err) {
    static atomic_uint number;
    char *folder = bal_path_folder(writer->path);
    const char *name = bal_path_name(writer->path);
    bal_status status = BAL_OK;
    writer->fd = -1;
    for (int tries = 0; writer->fd < 0 && status == BAL_OK; tries++) {
        bal_text temporary = {0};
        if (folder) bal_text_puts(&temporary, folder);
        bal_text_printf(&temporary, "/.%.*s.tmp-%ld-%u", NAME_KEPT, name, (long)getpid(),
                        atomic_fetch_add(&number, 1));
        if (!folder || bal_text_failed(&temporary)) {
            bal_text_release(&temporary);
            status = bal_fail_memory(err, strlen(writer->path) + 32);
            break;
        }
        bal_free(writer->temporary);
        writer->temporary = temporary.data;
        writer->fd = sys_open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL);
        if (writer->fd < 0 && (errno != EEXIST || tries == TEMPORARY_TRIES))
            status = fail_system(err, "create", writer->path);
    }
    bal_free(folder);
    return status;
}

static void writer_release(bal_file_writer *writer) {
    bal_free(writer->path);
    bal_free(writer->temporary);
    bal_free(writer->buffer);
    *writer = (bal_file_writer){.fd = -1};
}

bal_status bal_file_writer_open(bal_file_writer *writer, const char *path, bal_error *err) {
    *writer = (bal_file_writer){.fd = -1};
    writer->path = bal_strdup(path);
    writer->buffer = writer->path ? bal_realloc_array(NULL, WRITE_BEHIND, 1) : NULL;
    bal_status status = writer->buffer ? open_temporary(writer, err)
                                       : bal_fail_memory(err, strlen(path) + WRITE_BEHIND);
    if (status != BAL_OK) writer_release(writer);
    return status;
}

static void writer_write(bal_file_writer *writer, const void *bytes, size_t size) {
    if (writer->failed || sys_write(writer->fd, bytes, size)) return;
    fail_system(&writer->error, "write", writer->temporary);
    writer->failed = true;
}

static void writer_flush(bal_file_writer *writer) {
    writer_write(writer, writer->buffer, writer->buffered);
    writer->buffered = 0;
}

void bal_file_writer_put(bal_file_writer *writer, const void *bytes, size_t size) {
    if (writer->failed || size == 0) return;
    if (size > WRITE_BEHIND - writer->buffered) writer_flush(writer);
    if (size >= WRITE_BEHIND) {
        writer_write(writer, bytes, size);
    } else {
        memcpy(writer->buffer + writer->buffered, bytes, size);
        writer->buffered += size;
    }
}

/* Make the rename itself survive a power cut. Some file systems cannot sync a folder and say
 * EINVAL; there is nothing better to do on them. */
static bal_status sync_folder(const char *path, bal_error *err) {
    char *folder = bal_path_folder(path);
    if (!folder) return bal_fail_memory(err, strlen(path) + 1);
    bal_status status = BAL_OK;
    int fd = sys_open(folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        /* A folder one may write but not list: fine, and not to be synced. */
        if (errno != EACCES) status = fail_system(err, "open", folder);
    } else {
        if (!sys_sync(fd) && errno != EINVAL) status = fail_system(err, "sync folder", folder);
        close(fd);
    }
    bal_free(folder);
    return status;
}

bal_status bal_file_writer_commit(bal_file_writer *writer, bal_error *err) {
    writer_flush(writer);
    bal_error *first = &writer->error;
    if (first->status == BAL_OK && !sys_sync(writer->fd))
        fail_system(first, "sync", writer->temporary);
    int fd = writer->fd;
    writer->fd = -1;
    if (close(fd) != 0 && errno != EINTR && first->status == BAL_OK)
        fail_system(first, "close", writer->temporary);
    if (first->status == BAL_OK && !sys_rename(writer->temporary, writer->path))
        fail_system(first, "rename the new version to", writer->path);
    if (first->status != BAL_OK) {
        bal_status status = bal_fail(err, first->status, "%s", first->message);
        bal_file_writer_abort(writer);
        return status;
    }
    bal_status status = sync_folder(writer->path, err);
    writer_release(writer);
    return status;
}

void bal_file_writer_abort(bal_file_writer *writer) {
    if (!writer->path) return;
    if (writer->fd >= 0) close(writer->fd);
    unlink(writer->temporary);
    writer_release(writer);
}

bal_status bal_file_replace(const char *path, const void *bytes, size_t size, bal_error *err) {
    bal_file_writer writer;
    BAL_TRY(bal_file_writer_open(&writer, path, err));
    bal_file_writer_put(&writer, bytes, size);
    return bal_file_writer_commit(&writer, err);
}

void bal_folder_tidy(const char *path, const char *name) {
    char pattern[NAME_KEPT + 16];
    snprintf(pattern, sizeof pattern, ".%.*s.tmp-*-*", NAME_KEPT, name ? name : "*");
    DIR *dir = opendir(path);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (bal_text_glob(pattern, entry->d_name)) unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}

/* --- logs --- */

bal_status bal_file_append(const char *path, const void *bytes, size_t size, bal_error *err) {
    int fd = sys_open(path, O_WRONLY | O_CREAT | O_APPEND);
    if (fd < 0) return fail_system(err, "open", path);
    struct stat facts;
    bal_status status = BAL_OK;
    if (fstat(fd, &facts) != 0) {
        status = fail_system(err, "examine", path);
    } else if (!sys_write(fd, bytes, size)) {
        status = fail_system(err, "append to", path);
        /* Best effort: the write's failure is what gets reported. */
        if (S_ISREG(facts.st_mode) && ftruncate(fd, facts.st_size) != 0) errno = 0;
    }
    if (close(fd) != 0 && errno != EINTR && status == BAL_OK)
        status = fail_system(err, "close", path);
    return status;
}

bal_status bal_file_truncate(const char *path, uint64_t size, bal_error *err) {
    int fd = sys_open(path, O_WRONLY);
    if (fd < 0) return fail_system(err, "open", path);
    struct stat facts;
    bal_status status = BAL_OK;
    if (fstat(fd, &facts) != 0) {
        status = fail_system(err, "examine", path);
    } else if ((uint64_t)facts.st_size < size) {
        status = bal_fail(err, BAL_EDATA, "%s has %lld bytes, fewer than the %llu to be kept", path,
                          (long long)facts.st_size, (unsigned long long)size);
    } else if (!sys_truncate(fd, (off_t)size)) {
        status = fail_system(err, "cut", path);
    }
    close(fd);
    return status;
}
