/* The order of work: what may run at the same time, and who runs what runs alone.
 *
 * Instructions are walked in order. An instruction may run beside earlier ones unless the two touch
 * the same memory and one of them writes: then everything before it must be done first, and a new
 * segment begins. Phases of an instruction are segments of their own. Memory is compared by
 * address, since the plan lets values share storage. Instructions that run on one lane need no
 * waiting among themselves when they are given to the same lane, so a chain of small dependent
 * instructions stays on one; independent ones are dealt out over the lanes.
 *
 * Inputs are left out: they are only read, and rebinding moves them. */
#include "backend/cpu/cpu_private.h"
#include "base/error.h"

/* A stretch of memory touched since the last wait, and by whom. */
typedef struct access {
    uintptr_t begin, end;
    bool write;
    int owner;
} access;

typedef struct window {
    access *accesses; /* since the last wait */
    size_t n_accesses;
    int n_alone; /* instructions dealt to single lanes since the last wait */
} window;

/* Conflicts of an instruction with a window. */
typedef struct conflict {
    bool any;
    int owner; /* the one lane all conflicting work runs on, or CPU_ALL_LANES */
} conflict;

static void add_conflict(conflict *found, int owner) {
    if (!found->any)
        found->owner = owner;
    else if (found->owner != owner)
        found->owner = CPU_ALL_LANES;
    found->any = true;
}

static void check_access(const window *w, const access *new, conflict *found) {
    for (size_t i = 0; i < w->n_accesses; i++) {
        const access *old = &w->accesses[i];
        if (!old->write && !new->write) continue;
        if (old->begin < new->end &&new->begin < old->end) add_conflict(found, old->owner);
    }
}

static access access_of(const bal_operand *operand, bool write) {
    size_t bytes = (size_t)bal_shape_count(&operand->shape) * bal_dtype_size(operand->dtype);
    uintptr_t begin = (uintptr_t)operand->data;
    return (access){.begin = begin, .end = begin + bytes, .write = write};
}

/* What an instruction touches; returns how many (at most n_in + n_out + 1). */
static size_t list_accesses(const cpu_program *program, const cpu_instruction *instruction,
                            const size_t *workspaces, access *ret) {
    const bal_kernel_args *args = &instruction->task.args;
    const bal_node *node = args->node;
    size_t n = 0;
    for (int32_t i = 0; i < args->n_in; i++) {
        if (!args->in[i].data) continue;
        bool write = node->op->mutates && node->op->mutates(node, i);
        bal_value_kind kind = bal_graph_info(program->graph, node->in[i])->kind;
        if (kind != BAL_VALUE_INPUT) ret[n++] = access_of(&args->in[i], write);
    }
    for (int32_t i = 0; i < args->n_out; i++)
        ret[n++] = access_of(&args->out[i], true);
    size_t bytes = workspaces[instruction->node];
    uintptr_t begin = (uintptr_t)args->workspace;
    if (bytes > 0) ret[n++] = (access){.begin = begin, .end = begin + bytes, .write = true};
    return n;
}

static void start_window(window *w) {
    w->n_accesses = 0;
    w->n_alone = 0;
}

static void place(const cpu_program *program, window *w, cpu_instruction *instruction,
                  access *accesses, size_t n) {
    conflict found = {.owner = CPU_ALL_LANES};
    for (size_t i = 0; i < n; i++)
        check_access(w, &accesses[i], &found);
    bool alone = instruction->owner != CPU_ALL_LANES;
    instruction->wait = found.any && !(alone && found.owner != CPU_ALL_LANES);
    if (instruction->wait) start_window(w);
    if (alone && found.any && !instruction->wait) {
        instruction->owner = found.owner;
    } else if (alone) {
        instruction->owner = w->n_alone++ % program->lanes;
    } else if (instruction->phases > 1) {
        start_window(w); /* its own waits bring all lanes past everything before it */
    }
    for (size_t i = 0; i < n; i++) {
        accesses[i].owner = instruction->owner;
        w->accesses[w->n_accesses++] = accesses[i];
    }
}

/* Lists the steps of all instructions, and where segments of them begin. */
static bal_status list_segments(cpu_program *program, bal_error *err) {
    size_t most = 0;
    for (size_t i = 0; i < program->n_instructions; i++)
        most += (size_t)program->instructions[i].phases;
    program->steps = bal_arena_alloc(&program->arena, most + 1, sizeof *program->steps);
    program->segments = bal_arena_alloc(&program->arena, most + 1, sizeof *program->segments);
    if (!program->steps || !program->segments)
        return bal_fail_memory(err, (most + 1) * sizeof *program->steps);
    size_t n_steps = 0;
    for (size_t i = 0; i < program->n_instructions; i++) {
        const cpu_instruction *instruction = &program->instructions[i];
        int phases = instruction->owner == CPU_ALL_LANES ? instruction->phases : 1;
        for (int phase = 0; phase < phases; phase++) {
            if (n_steps == 0 || phase > 0 || instruction->wait)
                program->segments[program->n_segments++] = n_steps;
            program->steps[n_steps++] = (cpu_step){i, phase};
        }
    }
    program->segments[program->n_segments] = n_steps;
    return BAL_OK;
}

bal_status bal_cpu_schedule(cpu_program *program, const size_t *workspaces, bal_error *err) {
    size_t n_accesses = 0, n_most = 0;
    for (size_t i = 0; i < program->n_instructions; i++) {
        const bal_kernel_args *args = &program->instructions[i].task.args;
        size_t n = (size_t)args->n_in + (size_t)args->n_out + 1;
        n_accesses += n;
        if (n > n_most) n_most = n;
    }
    window w = {.accesses =
                    bal_arena_alloc(&program->arena, n_accesses + n_most + 1, sizeof(access))};
    if (!w.accesses) return bal_fail_memory(err, n_accesses * sizeof(access));
    access *own = w.accesses + n_accesses + 1;
    for (size_t i = 0; i < program->n_instructions; i++) {
        size_t n = list_accesses(program, &program->instructions[i], workspaces, own);
        place(program, &w, &program->instructions[i], own, n);
    }
    return list_segments(program, err);
}
