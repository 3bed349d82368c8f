/* Structures of the CPU backend. Private to cpu/. */
#ifndef BAL_BACKEND_CPU_CPU_PRIVATE_H
#define BAL_BACKEND_CPU_CPU_PRIVATE_H

#include <stdalign.h>
#include <stdatomic.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "base/arena.h"

typedef struct cpu_backend {
    bal_backend base;
    bal_isa isa;
    int threads;
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
    bool wait; /* every lane must be here before it starts */
} cpu_instruction;

/** An operand that reads an input: where rebind puts the new address. */
typedef struct cpu_input_slot {
    bal_value value;
    bal_operand *operand;
} cpu_input_slot;

/** Where lanes meet. Both words on cache lines of their own: waiting lanes read one while arriving
 *  lanes write the other. */
typedef struct cpu_barrier {
    alignas(64) atomic_uint arrived;
    alignas(64) atomic_uint epoch;
} cpu_barrier;

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
    cpu_times *profile; /* [instructions][lanes], or NULL when off */
    cpu_barrier *barrier;
    bal_arena arena;
} cpu_program;

/* cpu_program.c */
bal_status bal_cpu_compile(bal_backend *backend, const bal_graph *graph,
                           const bal_binding *bindings, size_t n_bindings, const bal_value *outputs,
                           size_t n_outputs, bal_program **ret_program, bal_error *err);
void bal_cpu_program_free(bal_program *program);

/* cpu_schedule.c */
/** Decide which lane runs what runs alone, and where lanes must wait for each other. `workspaces`:
 * bytes by node index. */
bal_status bal_cpu_schedule(cpu_program *program, const size_t *workspaces, bal_error *err);

/* cpu_run.c */
bal_status bal_cpu_run(bal_program *program, bal_error *err);
bal_status bal_cpu_rebind(bal_program *program, bal_value value, bal_buffer *buffer, size_t offset,
                          bal_error *err);
bal_status bal_cpu_read(bal_program *program, bal_value output, void *bytes, size_t size,
                        bal_error *err);
/** Address of a value inside a buffer, checked: it must fit and be aligned to its element. */
bal_status bal_cpu_locate(const bal_graph *graph, bal_value value, bal_buffer *buffer,
                          size_t offset, void **ret_address, bal_error *err);

#endif
