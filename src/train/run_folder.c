/* The folder of a run. See train/run_folder.h. */
#include "train/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

enum { RUNS_MAX = 99999 };

static bool folder_is_empty(const char *path) {
    DIR *dir = opendir(path);
    if (!dir) return false;
    bool empty = true;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) empty = false;
    closedir(dir);
    return empty;
}

static bal_status claim_wanted(const char *wanted, bal_error *err) {
    if (bal_path_exists(wanted) && !bal_path_is_folder(wanted))
        return bal_fail(err, BAL_ERECIPE, "%s exists and is no folder; name a new one", wanted);
    if (bal_path_exists(wanted) && !folder_is_empty(wanted))
        return bal_fail(err, BAL_ERECIPE,
                        "%s exists and is not empty; name a new folder, or `ballast resume %s`",
                        wanted, wanted);
    return bal_folder_make(wanted, err);
}

static bal_status claim_numbered(const char *name, char **ret_path, bal_error *err) {
    BAL_TRY(bal_folder_make("runs", err));
    size_t size = strlen(name) + 32;
    char *path = bal_calloc(size, 1);
    if (!path) return bal_fail_memory(err, size);
    for (int number = 1; number <= RUNS_MAX; number++) {
        bool created = false;
        snprintf(path, size, "runs/%s-%03d", name, number);
        bal_status status = bal_folder_claim(path, &created, NULL);
        if (status == BAL_OK && created) {
            *ret_path = path;
            return BAL_OK;
        }
        if (bal_path_exists(path)) continue;
        status = bal_folder_claim(path, &created, err);
        bal_free(path);
        return status == BAL_OK ? bal_fail(err, BAL_EIO, "cannot claim a folder in runs/") : status;
    }
    bal_free(path);
    return bal_fail(err, BAL_EIO, "runs/ holds %d runs of %s; remove some", RUNS_MAX, name);
}

static bal_status make_checkpoints(const bal_run_folder *folder, bal_error *err) {
    char *path = bal_run_folder_path(folder, "checkpoints");
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = bal_folder_make(path, err);
    bal_free(path);
    return status;
}

bal_status bal_run_folder_claim(bal_run_folder *folder, const char *wanted, const char *name,
                                bal_error *err) {
    char *path = NULL;
    if (wanted && wanted[0]) {
        BAL_TRY(claim_wanted(wanted, err));
        if (!(path = bal_strdup(wanted))) return bal_fail_memory(err, strlen(wanted) + 1);
    } else {
        BAL_TRY(claim_numbered(name, &path, err));
    }
    folder->path = path;
    bal_status status = make_checkpoints(folder, err);
    if (status != BAL_OK) bal_run_folder_release(folder);
    return status;
}

static bal_status need_file(const bal_run_folder *folder, const char *name, bal_error *err) {
    char *path = bal_run_folder_path(folder, name);
    if (!path) return bal_fail_memory(err, strlen(name));
    bool found = bal_path_exists(path);
    bal_free(path);
    if (found) return BAL_OK;
    return bal_fail(err, BAL_ENOTFOUND, "%s is not a run: it has no %s", folder->path, name);
}

/* A run has both from its first step on; a recipe of that name lies in other folders, too. */
bal_status bal_run_folder_open(bal_run_folder *folder, const char *path, bal_error *err) {
    bal_run_folder opened = {.path = bal_strdup(path)};
    if (!opened.path) return bal_fail_memory(err, strlen(path) + 1);
    bal_status status = BAL_OK;
    if (bal_path_exists(path) && !bal_path_is_folder(path))
        status = bal_fail(err, BAL_ENOTFOUND,
                          "%s is a file; wanted the folder of a run, such as runs/NAME-001", path);
    if (status == BAL_OK) status = need_file(&opened, BAL_RUN_RECIPE, err);
    if (status == BAL_OK) status = need_file(&opened, BAL_RUN_RESOLVED, err);
    if (status == BAL_OK)
        *folder = opened;
    else
        bal_run_folder_release(&opened);
    return status;
}

void bal_run_folder_release(bal_run_folder *folder) {
    if (folder->lock > 0) close(folder->lock - 1);
    bal_free(folder->path);
    *folder = (bal_run_folder){0};
}

/* ---- one process at a time ---- */

enum { LOCK_TRIES = 5 };

/** Lock the folder, unless another process has it. Who only looks has it for an instant: that is
 *  waited out. */
static bool is_taken(int fd) {
    for (int tries = 1; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK) return false;
        if (tries == LOCK_TRIES) return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

/* A lock of the kernel's on the folder itself: it leaves no file, and ends with its process however
 * that ends. File systems without such locks go without. */
bal_status bal_run_folder_lock(bal_run_folder *folder, bal_error *err) {
    int fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return bal_fail(err, BAL_EIO, "cannot open %s: %s", folder->path, strerror(errno));
    if (is_taken(fd)) {
        close(fd);
        return bal_fail(err, BAL_EINVAL, "another process is training %s; wait for it to end",
                        folder->path);
    }
    folder->lock = fd + 1;
    char *checkpoints = bal_run_folder_path(folder, "checkpoints");
    if (!checkpoints) return bal_fail_memory(err, 0);
    bal_folder_tidy(folder->path, NULL);
    bal_folder_tidy(checkpoints, NULL);
    bal_free(checkpoints);
    return BAL_OK;
}

/* A shared lock is refused while a process trains, and is gone when the descriptor is closed. */
bool bal_run_folder_in_use(const bal_run_folder *folder) {
    int fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool refused = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return refused;
}

/* ---- files ---- */

char *bal_run_folder_path(const bal_run_folder *folder, const char *name) {
    return bal_path_join(folder->path, name);
}

bal_status bal_run_folder_put(const bal_run_folder *folder, const char *name, bal_text *text,
                              bal_error *err) {
    char *path = bal_run_folder_path(folder, name);
    bal_status status;
    if (!path || bal_text_failed(text))
        status = bal_fail_memory(err, text->length);
    else
        status = bal_file_replace(path, text->data ? text->data : "", text->length, err);
    bal_free(path);
    bal_text_release(text);
    return status;
}

bal_status bal_run_folder_append(const bal_run_folder *folder, const char *name, bal_text *text,
                                 int64_t *size, bal_error *err) {
    char *path = bal_run_folder_path(folder, name);
    bal_status status;
    if (!path || bal_text_failed(text))
        status = bal_fail_memory(err, text->length);
    else
        status = bal_file_append(path, text->data ? text->data : "", text->length, err);
    if (status == BAL_OK) *size += (int64_t)text->length;
    bal_free(path);
    bal_text_release(text);
    return status;
}

/** How much of a log is whole lines. */
static bal_status measure_lines(const char *path, int64_t *ret_size, bal_error *err) {
    char *data;
    size_t size;
    BAL_TRY(bal_file_read(path, SIZE_MAX, &data, &size, err));
    while (size > 0 && data[size - 1] != '\n')
        size--;
    bal_free(data);
    *ret_size = (int64_t)size;
    return BAL_OK;
}

bal_status bal_run_folder_cut(const bal_run_folder *folder, const char *name, int64_t *size,
                              bal_error *err) {
    char *path = bal_run_folder_path(folder, name);
    bal_error why = {0};
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = BAL_OK;
    if (!bal_path_exists(path)) {
        *size = 0;
        goto out;
    }
    status = bal_file_truncate(path, (uint64_t)*size, &why);
    if (status == BAL_EDATA) {
        BAL_TRY_OUT(measure_lines(path, size, err));
        status = bal_file_truncate(path, (uint64_t)*size, err);
    } else if (status != BAL_OK) {
        bal_fail(err, status, "%s", why.message);
    }
out:
    bal_free(path);
    return status;
}
