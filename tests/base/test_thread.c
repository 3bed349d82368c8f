/* base/thread.c and base/clock.c: processor counts from affinity and made-up cgroups; the worker.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "scratch.h"

/* --- processors --- */

static void plant(const char *root, const char *path, const char *text) {
    bal_error err = {0};
    char *full = bal_path_join(root, path), *parent = bal_path_folder(full);
    if (bal_folder_make(parent, &err) != BAL_OK ||
        bal_file_replace(full, text, strlen(text), &err) != BAL_OK)
        fail_msg("%s", err.message);
    bal_free(parent);
    bal_free(full);
}

static void quota_of_version_two(void **state) {
    char *root = scratch_new();
    assert_int_equal(bal_thread_quota(root), 0); /* no /proc at all */
    plant(root, "proc/self/cgroup", "0::/slice/job\n");
    assert_int_equal(bal_thread_quota(root), 0);
    plant(root, "sys/fs/cgroup/slice/job/cpu.max", "max 100000\n");
    assert_int_equal(bal_thread_quota(root), 0);
    plant(root, "sys/fs/cgroup/slice/job/cpu.max", "150000 100000\n");
    assert_int_equal(bal_thread_quota(root), 2); /* rounded up */
    plant(root, "sys/fs/cgroup/slice/job/cpu.max", "800000 100000\n");
    plant(root, "sys/fs/cgroup/slice/cpu.max", "300000 100000\n");
    assert_int_equal(bal_thread_quota(root), 3); /* the parent binds */
    plant(root, "sys/fs/cgroup/slice/job/cpu.max", "5000 100000\n");
    assert_int_equal(bal_thread_quota(root), 1);
    plant(root, "sys/fs/cgroup/slice/job/cpu.max", "nonsense");
    plant(root, "sys/fs/cgroup/slice/cpu.max", "");
    assert_int_equal(bal_thread_quota(root), 0);

    /* In a container the group's outside name is not there; the mount is the container's own. */
    plant(root, "proc/self/cgroup", "0::/docker/0123/elsewhere\n");
    plant(root, "sys/fs/cgroup/cpu.max", "400000 100000\n");
    assert_int_equal(bal_thread_quota(root), 4);
    plant(root, "proc/self/cgroup", "0::/\n");
    assert_int_equal(bal_thread_quota(root), 4);
    scratch_free(root);
}

static void quota_of_version_one(void **state) {
    char *root = scratch_new();
    plant(root, "proc/self/cgroup",
          "12:cpuset:/x\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n");
    plant(root, "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
    plant(root, "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
    assert_int_equal(bal_thread_quota(root), 0);
    plant(root, "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n");
    assert_int_equal(bal_thread_quota(root), 3);
    plant(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
    plant(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "50000\n");
    assert_int_equal(bal_thread_quota(root), 2);
    plant(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "0\n");
    assert_int_equal(bal_thread_quota(root), 3); /* half a limit is none */
    plant(root, "proc/self/cgroup", "12:cpuset:/x\n11:cpuacct:/y\n:\nrubbish\n");
    assert_int_equal(bal_thread_quota(root), 0);
    scratch_free(root);
}

static void quota_survives_failed_allocations(void **state) {
    char *root = scratch_new();
    plant(root, "proc/self/cgroup", "0::/slice/job\n");
    plant(root, "sys/fs/cgroup/slice/job/cpu.max", "200000 100000\n");
    for (int fail = 0; fail < 20; fail++) {
        bal_memory_fail_after(fail);
        int quota = bal_thread_quota(root);
        bal_memory_fail_after(-1);
        assert_true(quota == 0 || quota == 2);
    }
    scratch_free(root);
}

static void processors_follow_the_affinity_mask(void **state) {
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    int all = bal_thread_processors();
    assert_in_range(all, 1, CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &before)) continue;
        CPU_SET(cpu, &one);
        break;
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(bal_thread_processors(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(bal_thread_processors(), all);
}

/* --- worker --- */

typedef struct job_record {
    pthread_t thread;
    int runs;
    bool signals_blocked;
} job_record;

static void job(void *argument) {
    job_record *record = argument;
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    record->thread = pthread_self();
    record->signals_blocked = sigismember(&mask, SIGINT) && sigismember(&mask, SIGTERM);
    record->runs++;
}

static void worker_runs_jobs_elsewhere(void **state) {
    bal_worker *worker = NULL;
    bal_error err = {0};
    assert_int_equal(bal_worker_new(&worker, &err), BAL_OK);
    bal_worker_wait(worker); /* nothing runs: returns at once */
    job_record record = {0};
    for (int i = 0; i < 1000; i++) {
        bal_worker_start(worker, job, &record);
        bal_worker_wait(worker);
        assert_int_equal(record.runs, i + 1);
    }
    assert_false(pthread_equal(record.thread, pthread_self()));
    assert_true(record.signals_blocked);
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_false(sigismember(&mask, SIGINT)); /* ours is as it was */
    bal_worker_free(worker);
}

static void slow_job(void *argument) {
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    *(int *)argument += 1;
}

static void free_waits_for_the_job(void **state) {
    bal_worker *worker = NULL;
    int done = 0;
    assert_int_equal(bal_worker_new(&worker, NULL), BAL_OK);
    bal_worker_start(worker, slow_job, &done);
    bal_worker_free(worker);
    assert_int_equal(done, 1);
    bal_worker_free(NULL);
}

static void worker_without_memory(void **state) {
    bal_worker *worker = NULL;
    bal_error err = {0};
    bal_memory_fail_after(0);
    assert_int_equal(bal_worker_new(&worker, &err), BAL_ENOMEM);
    assert_null(worker);
}

/* --- clock --- */

static void clocks(void **state) {
    double before = bal_clock_seconds(), age = bal_clock_since_exec();
    nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    double passed = bal_clock_seconds() - before;
    assert_true(passed >= 0.029);
    /* the process's age advances with the clock (the kernel counts in hundredths of a second) */
    assert_true(age >= 0 && age < 3600);
    assert_true(bal_clock_since_exec() - age >= passed - 0.02);

    char stamp[32];
    int year, month, day, hour, minute, second, zone;
    bal_clock_stamp(stamp, sizeof stamp);
    assert_int_equal(sscanf(stamp, "%4d-%2d-%2dT%2d:%2d:%2d%5d", &year, &month, &day, &hour,
                            &minute, &second, &zone),
                     7);
    assert_int_equal(strlen(stamp), 24);
    assert_in_range(year, 2024, 2200);
    bal_clock_stamp(stamp, 5); /* too small: empty, not garbage */
    assert_string_equal(stamp, "");
    bal_clock_stamp(stamp, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quota_of_version_two),
        cmocka_unit_test(quota_of_version_one),
        cmocka_unit_test(quota_survives_failed_allocations),
        cmocka_unit_test(processors_follow_the_affinity_mask),
        cmocka_unit_test(worker_runs_jobs_elsewhere),
        cmocka_unit_test(free_waits_for_the_job),
        cmocka_unit_test(worker_without_memory),
        cmocka_unit_test(clocks),
    };
    return cmocka_run_group_tests_name("base/thread", tests, NULL, NULL);
}
