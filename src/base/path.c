/* Folders and path names (part of file.h). */
#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

static bal_status fail_folder(bal_error *err, const char *path) {
    int reason = errno;
    bool missing = reason == ENOENT;
    return bal_fail(err, missing ? BAL_ENOTFOUND : BAL_EIO, "cannot create folder %s: %s", path,
                    strerror(reason));
}

/* mkdir that is content with a folder already there (also under another user, where mkdir may say
 * EROFS or EACCES before it says EEXIST). */
static bool make_one(const char *path) {
    if (mkdir(path, 0777) == 0) return true;
    int reason = errno;
    if (bal_path_is_folder(path)) return true;
    errno = reason;
    return false;
}

bal_status bal_folder_make(const char *path, bal_error *err) {
    char *partial = bal_strdup(path);
    if (!partial) return bal_fail_memory(err, strlen(path) + 1);
    bal_status status = BAL_OK;
    for (char *at = partial; status == BAL_OK && *at; at++) {
        if (*at != '/' || at == partial) continue;
        *at = '\0';
        if (!make_one(partial)) status = fail_folder(err, partial);
        *at = '/';
    }
    if (status == BAL_OK && !make_one(partial)) status = fail_folder(err, partial);
    bal_free(partial);
    return status;
}

bal_status bal_folder_claim(const char *path, bool *ret_created, bal_error *err) {
    bool created = mkdir(path, 0777) == 0;
    if (!created && errno != EEXIST) return fail_folder(err, path);
    if (!created && !ret_created)
        return bal_fail(err, BAL_EINVAL, "%s exists already; give another name", path);
    if (ret_created) *ret_created = created;
    return BAL_OK;
}

bool bal_path_exists(const char *path) {
    struct stat facts;
    return stat(path, &facts) == 0;
}

bool bal_path_is_folder(const char *path) {
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

char *bal_path_join(const char *folder, const char *name) {
    if (name[0] == '/' || folder[0] == '\0') return bal_strdup(name);
    size_t folder_length = strlen(folder), name_length = strlen(name), bytes;
    bool slash = folder[folder_length - 1] != '/';
    if (!bal_size_add(folder_length, name_length, &bytes) || !bal_size_add(bytes, 2, &bytes))
        return NULL;
    char *joined = bal_calloc(bytes, 1);
    if (!joined) return NULL;
    memcpy(joined, folder, folder_length);
    if (slash) joined[folder_length] = '/';
    memcpy(joined + folder_length + slash, name, name_length);
    return joined;
}

char *bal_path_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return bal_strdup(".");
    while (slash > path && slash[-1] == '/')
        slash--;
    return bal_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

const char *bal_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
