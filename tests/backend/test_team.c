/* The team: a job ends when its work is done, whoever did it; threads that come late find nothing
 * and touch nothing; a job may be freed once the team has left it. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/cpu/cpu_team.h"
#include "base/thread.h"

enum { PIECES = 200 };

/* Pieces that any thread may take, one at a time. */
typedef struct job {
    atomic_int next, done;
    atomic_int done_by[8];
    atomic_int late; /* threads to be held up on their way in, until `released` */
    atomic_bool released;
    uint64_t turn;
    atomic_int wrong_turns, entered;
} job;

static void work(void *argument, uint64_t turn, int thread) {
    job *j = argument;
    atomic_fetch_add(&j->entered, 1);
    if (turn != j->turn) atomic_fetch_add(&j->wrong_turns, 1);
    while (thread > 0 && atomic_load(&j->late) && !atomic_load(&j->released))
        sched_yield();
    while (atomic_fetch_add(&j->next, 1) < PIECES) {
        atomic_fetch_add(&j->done_by[thread], 1);
        atomic_fetch_add(&j->done, 1);
    }
    while (thread == 0 && atomic_load(&j->done) < PIECES)
        sched_yield();
}

static void all_work_is_done(void **state) {
    for (int threads = 1; threads <= 8; threads++) {
        bal_cpu_team *team = NULL;
        assert_int_equal(bal_cpu_team_new(threads, &team, NULL), BAL_OK);
        for (uint64_t round = 0; round < 300; round++) {
            job *j = calloc(1, sizeof *j); /* freed each time: late threads must have left */
            assert_non_null(j);
            j->turn = round;
            bal_cpu_team_run(team, work, j, round);
            assert_int_equal(atomic_load(&j->done), PIECES);
            bal_cpu_team_leave(team, j);
            assert_int_equal(atomic_load(&j->wrong_turns), 0);
            free(j);
        }
        bal_cpu_team_free(team);
    }
}

static void nobody_waits_for_late_threads(void **state) {
    bal_cpu_team *team = NULL;
    assert_int_equal(bal_cpu_team_new(4, &team, NULL), BAL_OK);
    job *held = calloc(1, sizeof *held), *next = calloc(1, sizeof *next);
    assert_non_null(held);
    assert_non_null(next);
    held->late = 1;
    bal_cpu_team_run(team, work, held, 0); /* would hang here if the team waited */
    assert_int_equal(atomic_load(&held->done_by[0]), PIECES);
    while (atomic_load(&held->entered) < 4) /* all others are inside now, and stay */
        sched_yield();
    bal_cpu_team_run(team, work, next, 0);
    assert_int_equal(atomic_load(&next->done_by[0]), PIECES);
    atomic_store(&held->released, true);
    bal_cpu_team_leave(team, held);
    bal_cpu_team_leave(team, next);
    free(held);
    free(next);
    bal_cpu_team_free(team);
}

typedef struct caller {
    bal_cpu_team *team;
    atomic_int bad;
} caller;

static void call_often(void *argument) {
    caller *c = argument;
    for (int round = 0; round < 300; round++) {
        job j = {0};
        bal_cpu_team_run(c->team, work, &j, 0);
        if (atomic_load(&j.done) != PIECES) atomic_fetch_add(&c->bad, 1);
        bal_cpu_team_leave(c->team, &j);
    }
}

static void two_callers_share_a_team(void **state) {
    caller c = {0};
    bal_worker *worker = NULL;
    assert_int_equal(bal_cpu_team_new(3, &c.team, NULL), BAL_OK);
    assert_int_equal(bal_worker_new(&worker, NULL), BAL_OK);
    bal_worker_start(worker, call_often, &c);
    call_often(&c);
    bal_worker_free(worker);
    assert_int_equal(atomic_load(&c.bad), 0);
    bal_cpu_team_free(c.team);
}

static void a_team_may_end_unused(void **state) {
    for (int threads = 1; threads <= 16; threads++) {
        bal_cpu_team *team = NULL;
        assert_int_equal(bal_cpu_team_new(threads, &team, NULL), BAL_OK);
        bal_cpu_team_free(team);
    }
    bal_cpu_team_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_work_is_done),
        cmocka_unit_test(nobody_waits_for_late_threads),
        cmocka_unit_test(two_callers_share_a_team),
        cmocka_unit_test(a_team_may_end_unused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
