/* Starting, feeding and stopping the threads; see cpu_team.h.
 *
 * A job is handed over under a mutex, which nobody holds for more than a few instructions. Between
 * two jobs a thread watches their number for some 50 us, the time between two training steps, and
 * sleeps after that. */
#include "backend/cpu/cpu_team.h"

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "backend/cpu/cpu_private.h"
#include "base/error.h"
#include "base/memory.h"

enum { POLLS_BEFORE_SLEEP = 1000 };

typedef struct member {
    bal_cpu_team *team;
    pthread_t thread;
    int number;
} member;

struct bal_cpu_team {
    alignas(64) atomic_uint_fast64_t jobs; /* handed over so far; written under the mutex */
    alignas(64) atomic_flag busy;          /* a thread is inside bal_cpu_team_run */
    alignas(64) pthread_mutex_t mutex;     /* of what follows */
    pthread_cond_t come, gone;
    bal_cpu_walk_fn walk;
    void *job; /* NULL: nothing to enter */
    uint64_t turn;
    int sleeping, inside;
    bool stop;
    int n_members;
    member *members;
};

static void wait_for_job(bal_cpu_team *team, uint64_t seen) {
    for (int polls = 0; polls < POLLS_BEFORE_SLEEP; polls++) {
        if (atomic_load_explicit(&team->jobs, memory_order_relaxed) != seen) return;
        bal_cpu_relax();
    }
}

static void *member_main(void *user) {
    const member *self = user;
    bal_cpu_team *team = self->team;
    uint64_t seen = 0;
    for (;;) {
        wait_for_job(team, seen);
        pthread_mutex_lock(&team->mutex);
        while (atomic_load_explicit(&team->jobs, memory_order_relaxed) == seen && !team->stop) {
            team->sleeping++;
            pthread_cond_wait(&team->come, &team->mutex);
            team->sleeping--;
        }
        if (team->stop) break;
        seen = atomic_load_explicit(&team->jobs, memory_order_relaxed);
        bal_cpu_walk_fn walk = team->walk;
        void *job = team->job;
        uint64_t turn = team->turn;
        team->inside++;
        pthread_mutex_unlock(&team->mutex);
        if (job) walk(job, turn, self->number);
        pthread_mutex_lock(&team->mutex);
        if (--team->inside == 0) pthread_cond_broadcast(&team->gone);
        pthread_mutex_unlock(&team->mutex);
    }
    pthread_mutex_unlock(&team->mutex);
    return NULL;
}

/* Signals belong to the program's own threads. */
static void start_members(bal_cpu_team *team, int count) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (team->n_members < count) {
        member *new = &team->members[team->n_members];
        *new = (member){.team = team, .number = team->n_members + 1};
        if (pthread_create(&new->thread, NULL, member_main, new) != 0) break;
        team->n_members++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

bal_status bal_cpu_team_new(int threads, bal_cpu_team **ret_team, bal_error *err) {
    bal_cpu_team *team = bal_alloc_pages(sizeof *team); /* zeroed; aligned to cache lines */
    if (!team) return bal_fail_memory(err, sizeof *team);
    if (threads > 1) {
        size_t count = (size_t)threads - 1;
        team->members = bal_calloc(count, sizeof *team->members);
        if (!team->members) {
            bal_free_pages(team, sizeof *team);
            return bal_fail_memory(err, count * sizeof *team->members);
        }
    }
    atomic_flag_clear(&team->busy);
    pthread_mutex_init(&team->mutex, NULL); /* none of these fails on Linux with defaults */
    pthread_cond_init(&team->come, NULL);
    pthread_cond_init(&team->gone, NULL);
    start_members(team, threads - 1);
    *ret_team = team;
    return BAL_OK;
}

void bal_cpu_team_free(bal_cpu_team *team) {
    if (!team) return;
    pthread_mutex_lock(&team->mutex);
    team->stop = true;
    pthread_cond_broadcast(&team->come);
    pthread_mutex_unlock(&team->mutex);
    for (int i = 0; i < team->n_members; i++)
        pthread_join(team->members[i].thread, NULL);
    pthread_cond_destroy(&team->gone);
    pthread_cond_destroy(&team->come);
    pthread_mutex_destroy(&team->mutex);
    bal_free(team->members);
    bal_free_pages(team, sizeof *team);
}

static void hand_over(bal_cpu_team *team, bal_cpu_walk_fn walk, void *job, uint64_t turn) {
    pthread_mutex_lock(&team->mutex);
    team->walk = walk;
    team->job = job;
    team->turn = turn;
    atomic_fetch_add_explicit(&team->jobs, 1, memory_order_relaxed);
    if (team->sleeping > 0) pthread_cond_broadcast(&team->come);
    pthread_mutex_unlock(&team->mutex);
}

void bal_cpu_team_run(bal_cpu_team *team, bal_cpu_walk_fn walk, void *job, uint64_t turn) {
    if (team->n_members == 0 ||
        atomic_flag_test_and_set_explicit(&team->busy, memory_order_acquire)) {
        walk(job, turn, 0);
        return;
    }
    hand_over(team, walk, job, turn);
    walk(job, turn, 0);
    atomic_flag_clear_explicit(&team->busy, memory_order_release);
}

void bal_cpu_team_leave(bal_cpu_team *team, const void *job) {
    if (team->n_members == 0) return;
    pthread_mutex_lock(&team->mutex);
    if (team->job == job) team->job = NULL;
    while (team->inside > 0)
        pthread_cond_wait(&team->gone, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
}
