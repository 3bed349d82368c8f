/* Running a program: the threads of a team walk its segments together.
 *
 * A segment is what may run at the same time (cpu_schedule.c), cut into one part per lane. Thread t
 * takes the part of lane t, then waits until all parts are done, which costs about 0.1 us when all
 * threads run. Where a thread has not come to take its part for some 10 us, because its processor
 * is lent to somebody else, another takes it, and goes on doing so without delay until the late
 * thread is back. So a run never waits for a thread that is not running, except one that was
 * stopped in the middle of a part. Who computes a part makes no difference to what is computed. */
#include <sched.h>
#include <string.h>

#include "backend/cpu/cpu_private.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

/* Polls before looking for parts nobody took, some 10 us, and before the processor is offered to
 * others. */
enum { POLLS_BEFORE_HELP = 256, POLLS_BEFORE_YIELD = 2048 };

typedef struct walker {
    cpu_program *program;
    int lane;          /* the thread's own; may be one the program does not have */
    uint64_t segment;  /* number of the segment it is at, in all runs */
    size_t begin, end; /* its steps */
} walker;

/* ---- a part ---- */

static void run_step(const cpu_program *program, const cpu_step *step, int lane) {
    const cpu_instruction *instruction = &program->instructions[step->instruction];
    if (instruction->owner == CPU_ALL_LANES) {
        instruction->kernel->run(&instruction->task, step->phase, (bal_lane){lane, program->lanes});
    } else if (!instruction->kernel) {
        instruction->task.args.node->op->reference(&instruction->task.args);
    } else {
        for (int phase = 0; phase < instruction->phases; phase++)
            instruction->kernel->run(&instruction->task, phase, (bal_lane){0, 1});
    }
}

static cpu_times *times_of(const cpu_program *program, size_t step, int lane) {
    return &program
                ->profile[program->steps[step].instruction * (size_t)program->lanes + (size_t)lane];
}

static void run_part(const walker *w, int lane) {
    const cpu_program *program = w->program;
    for (size_t i = w->begin; i < w->end; i++) {
        int owner = program->instructions[program->steps[i].instruction].owner;
        if (owner != CPU_ALL_LANES && owner != lane) continue;
        double start = program->profile ? bal_clock_seconds() : 0;
        run_step(program, &program->steps[i], lane);
        if (program->profile) times_of(program, i, lane)->working += bal_clock_seconds() - start;
    }
}

/* ---- a segment ---- */

static bool is_finished(const walker *w) {
    return atomic_load_explicit(&w->program->meeting->finished, memory_order_acquire) >= w->segment;
}

/* Take a lane's part if nobody has. A thread that comes late, even by runs, finds it taken. */
static bool take_part(const walker *w, int lane) {
    atomic_uint_fast64_t *taken = &w->program->meeting->claims[lane].taken;
    uint_fast64_t last = atomic_load_explicit(taken, memory_order_relaxed);
    return last < w->segment &&
           atomic_compare_exchange_strong_explicit(taken, &last, w->segment, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static void do_part(const walker *w, int lane) {
    cpu_meeting *meeting = w->program->meeting;
    run_part(w, lane);
    if (atomic_fetch_add_explicit(&meeting->arrived, 1, memory_order_acq_rel) + 1 ==
        w->program->lanes) {
        atomic_store_explicit(&meeting->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&meeting->finished, w->segment, memory_order_release);
    }
}

/* Do the parts of threads that have not come. */
static void help_others(const walker *w) {
    cpu_meeting *meeting = w->program->meeting;
    for (int lane = 0; lane < w->program->lanes; lane++) {
        if (!take_part(w, lane)) continue;
        if (!atomic_exchange_explicit(&meeting->claims[lane].absent, true, memory_order_relaxed))
            atomic_fetch_add_explicit(&meeting->absent, 1, memory_order_relaxed);
        do_part(w, lane);
    }
}

static void do_own_part(const walker *w) {
    cpu_meeting *meeting = w->program->meeting;
    atomic_bool *absent = &meeting->claims[w->lane].absent;
    if (atomic_load_explicit(absent, memory_order_relaxed) &&
        atomic_exchange_explicit(absent, false, memory_order_relaxed))
        atomic_fetch_sub_explicit(&meeting->absent, 1, memory_order_relaxed);
    if (take_part(w, w->lane)) do_part(w, w->lane);
}

static void wait_for_others(const walker *w) {
    if (atomic_load_explicit(&w->program->meeting->absent, memory_order_relaxed) > 0)
        help_others(w);
    for (int polls = 1; !is_finished(w); polls++) {
        bal_cpu_relax();
        if (polls % POLLS_BEFORE_HELP == 0) help_others(w);
        if (polls >= POLLS_BEFORE_YIELD) {
            sched_yield();
            polls -= POLLS_BEFORE_HELP; /* look again after each time away */
        }
    }
}

/* ---- a run ---- */

static void walk(void *job, uint64_t turn, int thread) {
    cpu_program *program = job;
    walker w = {.program = program, .lane = thread, .segment = turn};
    bool has_lane = thread < program->lanes;
    for (size_t s = 0; s < program->n_segments; s++) {
        w.segment++;
        w.begin = program->segments[s];
        w.end = program->segments[s + 1];
        if (is_finished(&w)) continue; /* this thread is late */
        if (has_lane) do_own_part(&w);
        bool timed = program->profile && has_lane;
        double start = timed ? bal_clock_seconds() : 0;
        wait_for_others(&w);
        if (timed) times_of(program, w.end - 1, thread)->waiting += bal_clock_seconds() - start;
    }
}

static void walk_alone(const cpu_program *program) {
    for (size_t i = 0; i < program->n_segments; i++) {
        walker w = {(cpu_program *)(uintptr_t)program, 0, 0, program->segments[i],
                    program->segments[i + 1]};
        run_part(&w, 0);
    }
}

bal_status bal_cpu_meeting_new(cpu_program *program, bal_error *err) {
    size_t bytes = sizeof *program->meeting + (size_t)program->lanes * sizeof(cpu_claim);
    program->meeting = bal_alloc_pages(bytes); /* zeroed, and aligned to cache lines */
    if (!program->meeting) return bal_fail_memory(err, bytes);
    program->meeting_bytes = bytes;
    return BAL_OK;
}

bal_status bal_cpu_run(bal_program *base, bal_error *err) {
    cpu_program *program = (cpu_program *)base;
    if (program->lanes == 1) {
        walk_alone(program);
        return BAL_OK;
    }
    bal_cpu_team_run(((const cpu_backend *)base->backend)->team, walk, program, program->turn);
    program->turn += program->n_segments;
    return BAL_OK;
}

/* ---- inputs and outputs ---- */

bal_status bal_cpu_rebind(bal_program *base, bal_value value, bal_buffer *buffer, size_t offset,
                          bal_error *err) {
    cpu_program *program = (cpu_program *)base;
    const bal_value_info *info = bal_graph_info(program->graph, value);
    void *address;
    if (!bal_value_is_some(value) || info->kind != BAL_VALUE_INPUT)
        return bal_fail(err, BAL_EINVAL, "only inputs of a graph can be bound anew");
    BAL_TRY(bal_cpu_locate(program->graph, value, buffer, offset, &address, err));
    for (size_t i = 0; i < program->n_slots; i++)
        if (program->slots[i].value.id == value.id) program->slots[i].operand->data = address;
    program->addresses[value.id] = address;
    return BAL_OK;
}

bal_status bal_cpu_read(bal_program *base, bal_value output, void *bytes, size_t size,
                        bal_error *err) {
    const cpu_program *program = (const cpu_program *)base;
    size_t index = 0;
    while (index < program->n_outputs && program->outputs[index].id != output.id)
        index++;
    if (index == program->n_outputs || !program->addresses[output.id])
        return bal_fail(err, BAL_EINVAL, "value %d is no output of this program", (int)output.id);
    bal_shape shape = bal_graph_shape(program->graph, output);
    size_t wanted;
    if (!bal_shape_bytes(&shape, bal_graph_info(program->graph, output)->dtype, &wanted) ||
        wanted != size)
        return bal_fail(err, BAL_EINVAL, "value %d has %zu bytes, not the %zu asked for",
                        (int)output.id, wanted, size);
    if (size > 0) memcpy(bytes, program->addresses[output.id], size);
    return BAL_OK;
}

/* ---- profile ---- */

bal_status bal_cpu_profile(bal_program *base, bool on, bal_error *err) {
    cpu_program *program = (cpu_program *)base;
    bal_cpu_team_leave(((const cpu_backend *)base->backend)->team, program);
    bal_free(program->profile);
    program->profile = NULL;
    if (!on) return BAL_OK;
    size_t cells = program->n_instructions * (size_t)program->lanes;
    program->profile = bal_calloc(cells, sizeof *program->profile);
    return program->profile ? BAL_OK : bal_fail_memory(err, cells * sizeof *program->profile);
}

bool bal_cpu_profile_at(const bal_program *base, size_t index, bal_cpu_profile_row *ret_row) {
    const cpu_program *program = (const cpu_program *)base;
    if (!program->profile || index >= program->n_instructions) return false;
    const cpu_instruction *instruction = &program->instructions[index];
    cpu_times sum = {0};
    double slowest = 0;
    for (int lane = 0; lane < program->lanes; lane++) {
        const cpu_times *times = &program->profile[index * (size_t)program->lanes + (size_t)lane];
        if (times->working > slowest) slowest = times->working;
        sum.waiting += times->waiting;
    }
    *ret_row = (bal_cpu_profile_row){
        .op = instruction->task.args.node->op->name,
        .kernel = instruction->kernel ? instruction->kernel->name : "reference",
        .node = instruction->node,
        .seconds = slowest,
        .waiting = sum.waiting / program->lanes,
    };
    return true;
}
