/* How many processors there are to use, and the worker thread; see thread.h. */
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

/* --- processors --- */

static int affinity_processors(void) {
    /* The kernel refuses masks smaller than its own, so try larger ones on big machines. */
    for (int processors = 1024; processors <= 1 << 20; processors *= 4) {
        cpu_set_t *set = CPU_ALLOC(processors);
        if (!set) break;
        size_t size = CPU_ALLOC_SIZE(processors);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0) return count;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

/* A whole small file of the kernel's, as a string; NULL when there is none. */
static char *read_small(const char *root, const char *path) {
    char *full = bal_path_join(root, path), *data = NULL;
    size_t size;
    if (full && bal_file_read(full, 1 << 16, &data, &size, NULL) != BAL_OK) data = NULL;
    bal_free(full);
    return data;
}

/* Processors that `quota` microseconds per `period` are worth, rounded up: a fraction of a
 * processor is better used and throttled than left idle. 0: no limit. */
static int quota_processors(long long quota, long long period) {
    if (quota <= 0 || period <= 0) return 0;
    long long count = quota / period + (quota % period != 0);
    return count < 1 << 20 ? (int)count : 0;
}

/* Limit set in one cgroup folder; 0: none. Version 2 keeps "quota period" in cpu.max ("max" for no
 * limit), version 1 two files (-1 for no limit). */
static int folder_limit(const char *root, const char *folder) {
    char path[512];
    long long quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    char *both = read_small(root, path);
    if (both) {
        if (sscanf(both, "%lld %lld", &quota, &period) != 2) quota = 0;
        bal_free(both);
        return quota_processors(quota, period);
    }
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    char *quota_text = read_small(root, path);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    char *period_text = quota_text ? read_small(root, path) : NULL;
    if (quota_text && sscanf(quota_text, "%lld", &quota) != 1) quota = 0;
    if (period_text && sscanf(period_text, "%lld", &period) != 1) period = 0;
    bal_free(quota_text);
    bal_free(period_text);
    return quota_processors(quota, period);
}

/* Smallest limit from `group` (below `mount`) up to the mount: parents bind their children. In a
 * container the own group is often not visible under its outside name; the walk then ends at the
 * mount, which is the container's own group. */
static int tree_limit(const char *root, const char *mount, const char *group) {
    char folder[384];
    size_t mount_length = strlen(mount);
    int length = snprintf(folder, sizeof folder, "%s%s", mount, strcmp(group, "/") ? group : "");
    if (length < 0 || (size_t)length >= sizeof folder) folder[mount_length] = '\0';

    int limit = 0;
    for (;;) {
        int own = folder_limit(root, folder);
        if (own > 0 && (limit == 0 || own < limit)) limit = own;
        if (strlen(folder) <= mount_length) return limit;
        *strrchr(folder, '/') = '\0';
    }
}

static bool has_word(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',')) {
        if (*at == ',') at++;
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

int bal_thread_quota(const char *root) {
    char *groups = read_small(root, "proc/self/cgroup");
    if (!groups) return 0;
    int limit = 0;
    char *rest = groups, *line;
    while ((line = strsep(&rest, "\n")) != NULL) { /* "hierarchy:controllers:path" */
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        controllers++;
        char mount[256];
        if (*controllers == '\0') {
            snprintf(mount, sizeof mount, "sys/fs/cgroup");
        } else if (has_word(controllers, "cpu")) {
            snprintf(mount, sizeof mount, "sys/fs/cgroup/%.200s", controllers);
        } else {
            continue;
        }
        int found = tree_limit(root, mount, group);
        if (found > 0 && (limit == 0 || found < limit)) limit = found;
    }
    bal_free(groups);
    return limit;
}

int bal_thread_processors(void) {
    int processors = affinity_processors();
    int quota = bal_thread_quota("/");
    return quota > 0 && quota < processors ? quota : processors;
}

/* --- worker --- */

struct bal_worker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    void (*job)(void *); /* NULL when idle */
    void *argument;
    bool stop;
};

static void *worker_main(void *user) {
    bal_worker *worker = user;
    pthread_mutex_lock(&worker->mutex);
    for (;;) {
        while (!worker->job && !worker->stop)
            pthread_cond_wait(&worker->changed, &worker->mutex);
        if (!worker->job) break;
        pthread_mutex_unlock(&worker->mutex);
        worker->job(worker->argument);
        pthread_mutex_lock(&worker->mutex);
        worker->job = NULL;
        pthread_cond_broadcast(&worker->changed);
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

bal_status bal_worker_new(bal_worker **ret_worker, bal_error *err) {
    bal_worker *worker = bal_calloc(1, sizeof *worker);
    if (!worker) return bal_fail_memory(err, sizeof *worker);
    pthread_mutex_init(&worker->mutex, NULL); /* neither fails on Linux with default attributes */
    pthread_cond_init(&worker->changed, NULL);

    /* Signals belong to the program's own threads, so that Ctrl-C interrupts what it waits in. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&worker->thread, NULL, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure) {
        pthread_cond_destroy(&worker->changed);
        pthread_mutex_destroy(&worker->mutex);
        bal_free(worker);
        return bal_fail(err, BAL_ENOMEM, "a background thread could not be started: %s",
                        strerror(failure));
    }
    *ret_worker = worker;
    return BAL_OK;
}

void bal_worker_start(bal_worker *worker, void (*job)(void *), void *argument) {
    pthread_mutex_lock(&worker->mutex);
    worker->job = job;
    worker->argument = argument;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
}

void bal_worker_wait(bal_worker *worker) {
    pthread_mutex_lock(&worker->mutex);
    while (worker->job)
        pthread_cond_wait(&worker->changed, &worker->mutex);
    pthread_mutex_unlock(&worker->mutex);
}

void bal_worker_free(bal_worker *worker) {
    if (!worker) return;
    pthread_mutex_lock(&worker->mutex);
    worker->stop = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    bal_free(worker);
}
