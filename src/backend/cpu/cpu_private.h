/* Structures of the CPU backend. Private to cpu/. */
#ifndef BAL_BACKEND_CPU_CPU_PRIVATE_H
#define BAL_BACKEND_CPU_CPU_PRIVATE_H

#include <stdalign.h>
#include <stdatomic.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/cpu_team.h"
#include "backend/cpu/isa.h"
#include "base/arena.h"

/** Tell the processor that this is a waiting loop. */
#if defined(__x86_64__)
#define bal_cpu_relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define bal_cpu_relax() __asm__ volatile("yield")
#else
#define bal_cpu_relax() ((void)0)
#endif

typedef struct cpu_backend {
    bal_backend base;
    bal_isa isa;
    int threads;
    bal_cpu_team *team;
} cpu_backend;

typedef struct cpu_buffer {
    bal_buffer base;
    char *data;
} cpu_buffer;

enum { CPU_ALL_LANES = -1 };

/** A node that runs. */
typedef struct cpu_instruction {
    bal_cpu_task task;
    const bal_cpu_kernel *kernel; /* NULL: the op's reference */
    int32_t node;
    int phases;
    int owner; /* the one lane that runs it, or CPU_ALL_LANES */
    bool wait; /* everything before it must be done before it starts */
} cpu_instruction;

/** An operand that reads an input: where rebind puts the new address. */
typedef struct cpu_input_slot {
    bal_value value;
    bal_operand *operand;
} cpu_input_slot;

/** A phase of an instruction on all lanes, or all of an instruction that one lane runs. */
typedef struct cpu_step {
    size_t instruction;
    int phase;
} cpu_step;

/** Whether a lane's part of a segment is taken. Segments are numbered through all runs. */
typedef struct cpu_claim {
    alignas(64) atomic_uint_fast64_t taken; /* last segment whose part somebody took */
    atomic_bool absent;                     /* somebody else took it last time */
} cpu_claim;

/** Where threads meet. Words on cache lines of their own: waiting threads read one while arriving
 *  ones write another. */
typedef struct cpu_meeting {
    alignas(64) atomic_int arrived;            /* parts of the running segment that are done */
    alignas(64) atomic_uint_fast64_t finished; /* segments done, of all runs */
    alignas(64) atomic_int absent;             /* lanes marked so */
    cpu_claim claims[];                        /* by lane */
} cpu_meeting;

/* Seconds a lane spent on an instruction. */
typedef struct cpu_times {
    double waiting, working;
} cpu_times;

typedef struct cpu_program {
    bal_program base;
    const bal_graph *graph;
    int lanes;
    cpu_instruction *instructions; /* arena, like all arrays below */
    size_t n_instructions;
    cpu_input_slot *slots;
    size_t n_slots;
    void **addresses; /* by value id; NULL where the program does not touch the value */
    bal_value *outputs;
    size_t n_outputs;
    char *block; /* planned memory; bal_alloc_pages */
    size_t block_bytes;
    cpu_step *steps;
    size_t *segments; /* [n_segments + 1] where each begins in `steps` */
    size_t n_segments;
    cpu_meeting *meeting;
    size_t meeting_bytes;
    uint64_t turn;      /* segments of the runs so far */
    cpu_times *profile; /* [instructions][lanes], or NULL when off */
    bal_arena arena;
} cpu_program;

/* cpu_program.c */
bal_status bal_cpu_compile(bal_backend *backend, const bal_graph *graph,
                           const bal_binding *bindings, size_t n_bindings, const bal_value *outputs,
                           size_t n_outputs, bal_program **ret_program, bal_error *err);
void bal_cpu_program_free(bal_program *program);

/* cpu_schedule.c */
/** Decide which lane runs what runs alone, and cut the work into segments. `workspaces`: bytes by
 * node index. */
bal_status bal_cpu_schedule(cpu_program *program, const size_t *workspaces, bal_error *err);

/* cpu_run.c */
/** Make the place where the threads that run a program meet, once the lanes are known. */
bal_status bal_cpu_meeting_new(cpu_program *program, bal_error *err);
bal_status bal_cpu_run(bal_program *program, bal_error *err);
bal_status bal_cpu_rebind(bal_program *program, bal_value value, bal_buffer *buffer, size_t offset,
                          bal_error *err);
bal_status bal_cpu_read(bal_program *program, bal_value output, void *bytes, size_t size,
                        bal_error *err);
/** Address of a value inside a buffer, checked: it must fit and be aligned to its element. */
bal_status bal_cpu_locate(const bal_graph *graph, bal_value value, bal_buffer *buffer,
                          size_t offset, void **ret_address, bal_error *err);

#endif
