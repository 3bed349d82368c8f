/* Running a program: one team of threads walks the whole list of instructions.
 *
 * Opening a parallel region per kernel costs a microsecond or more, which small nets feel; here it
 * is opened once per run and the lanes wait for each other at a barrier of two atomic words (about
 * 0.1 us) where the schedule says so. A waiting lane spins for a moment and then gives its
 * processor away, so that a machine shared with others keeps moving.
 *
 * A program made for n lanes runs on fewer threads too (a nested region, an OpenMP limit): each
 * thread then takes several lanes, phase by phase, with the same result. */
#include <omp.h>
#include <sched.h>
#include <string.h>

#include "backend/cpu/cpu_private.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#if defined(__x86_64__)
#define relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define relax() __asm__ volatile("yield")
#else
#define relax() ((void)0)
#endif

/* Polls before the processor is offered to others: some 50 to 100 us. */
enum { POLLS_MAX = 2000 };

/* All `count` threads leave when the last has come. What was written before is seen after. */
static void meet(cpu_barrier *barrier, unsigned count) {
    unsigned epoch = atomic_load_explicit(&barrier->epoch, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 == count) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&barrier->epoch, epoch + 1, memory_order_release);
        return;
    }
    for (int polls = 0; atomic_load_explicit(&barrier->epoch, memory_order_acquire) == epoch;) {
        if (polls < POLLS_MAX) {
            polls++;
            relax();
        } else {
            sched_yield();
        }
    }
}

typedef struct walker {
    const cpu_program *program;
    int thread, threads;
} walker;

static void meet_all(const walker *w) {
    if (w->threads > 1) meet(w->program->barrier, (unsigned)w->threads);
}

/* The instruction on all lanes this thread stands for. */
static void run_together(const walker *w, const cpu_instruction *instruction) {
    for (int phase = 0; phase < instruction->phases; phase++) {
        if (phase > 0) meet_all(w);
        for (int lane = w->thread; lane < w->program->lanes; lane += w->threads)
            instruction->kernel->run(&instruction->task, phase,
                                     (bal_lane){lane, w->program->lanes});
    }
}

static void run_alone(const cpu_instruction *instruction) {
    if (!instruction->kernel) {
        instruction->task.args.node->op->reference(&instruction->task.args);
        return;
    }
    for (int phase = 0; phase < instruction->phases; phase++)
        instruction->kernel->run(&instruction->task, phase, (bal_lane){0, 1});
}

static void run_instruction(const walker *w, const cpu_instruction *instruction) {
    if (instruction->owner == CPU_ALL_LANES) {
        run_together(w, instruction);
    } else if (instruction->owner % w->threads == w->thread) {
        run_alone(instruction);
    }
}

/* The same with a clock beside it. */
static void run_timed(const walker *w, size_t index) {
    const cpu_instruction *instruction = &w->program->instructions[index];
    cpu_times *times = &w->program->profile[index * (size_t)w->program->lanes + (size_t)w->thread];
    double start = bal_clock_seconds();
    if (instruction->wait) meet_all(w);
    double begin = bal_clock_seconds();
    run_instruction(w, instruction);
    times->waiting += begin - start;
    times->working += bal_clock_seconds() - begin;
}

static void walk(const cpu_program *program, int thread, int threads) {
    walker w = {program, thread, threads};
    for (size_t i = 0; i < program->n_instructions; i++) {
        if (program->profile) {
            run_timed(&w, i);
        } else {
            if (program->instructions[i].wait) meet_all(&w);
            run_instruction(&w, &program->instructions[i]);
        }
    }
}

bal_status bal_cpu_run(bal_program *base, bal_error *err) {
    const cpu_program *program = (const cpu_program *)base;
    if (program->lanes == 1) {
        walk(program, 0, 1);
        return BAL_OK;
    }
#pragma omp parallel num_threads(program->lanes)
    walk(program, omp_get_thread_num(), omp_get_num_threads());
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
