/* Compilation: from a graph to a list of instructions with fixed addresses.
 *
 * 1. Check the bindings and give every bound value its address.
 * 2. Choose a kernel for every live node (best first, the op's reference last) and let it decide
 * how many lanes, phases and bytes of workspace it wants.
 * 3. Plan the memory of computed values and workspaces in one block (graph/plan.c).
 * 4. Fill operands with addresses, and schedule (cpu_schedule.c).
 *
 * All arrays of a program live in its arena and die with it. */
#include <string.h>

#include "backend/cpu/cpu_private.h"
#include "base/error.h"
#include "base/memory.h"

/* ---- bindings ---- */

bal_status bal_cpu_locate(const bal_graph *graph, bal_value value, bal_buffer *buffer,
                          size_t offset, void **ret_address, bal_error *err) {
    const bal_value_info *info = bal_graph_info(graph, value);
    const char *name = info->name ? info->name : "(unnamed)";
    char shape[128];
    size_t bytes;
    if (!bal_shape_bytes(&info->shape, info->dtype, &bytes) || offset > buffer->bytes ||
        bytes > buffer->bytes - offset)
        return bal_fail(err, BAL_EINVAL,
                        "\"%s\" %s %s at byte %zu does not lie inside its buffer of %zu bytes",
                        name, bal_dtype_name(info->dtype),
                        bal_shape_text(&info->shape, shape, sizeof shape), offset, buffer->bytes);
    if (offset % bal_dtype_size(info->dtype) != 0)
        return bal_fail(err, BAL_EINVAL,
                        "\"%s\" is bound at byte %zu, which is no multiple of its element size",
                        name, offset);
    *ret_address = ((cpu_buffer *)buffer)->data + offset;
    return BAL_OK;
}

static bool is_bound_kind(bal_value_kind kind) {
    return kind == BAL_VALUE_INPUT || kind == BAL_VALUE_PARAMETER || kind == BAL_VALUE_STATE;
}

static bal_status apply_bindings(cpu_program *program, const bal_binding *bindings, size_t n,
                                 bal_error *err) {
    for (size_t i = 0; i < n; i++) {
        const bal_binding *binding = &bindings[i];
        const bal_value_info *info = bal_graph_info(program->graph, binding->value);
        if (!bal_value_is_some(binding->value) || !is_bound_kind(info->kind))
            return bal_fail(err, BAL_EINVAL,
                            "binding %zu is not for an input, parameter or state of the graph", i);
        if (program->addresses[binding->value.id])
            return bal_fail(err, BAL_EINVAL, "\"%s\" is bound twice", info->name);
        BAL_TRY(bal_cpu_locate(program->graph, binding->value, binding->buffer, binding->offset,
                               &program->addresses[binding->value.id], err));
    }
    return BAL_OK;
}

/* ---- kernels ---- */

static bool is_real(bal_dtype dtype) {
    return dtype == BAL_F32 || dtype == BAL_F64;
}

static bool all_f32(const bal_graph *graph, const bal_node *node) {
    for (int32_t i = 0; i < node->n_in + node->n_out; i++) {
        bal_value value = i < node->n_in ? node->in[i] : node->out[i - node->n_in];
        if (!bal_value_is_some(value)) continue;
        bal_dtype dtype = bal_graph_info(graph, value)->dtype;
        if (is_real(dtype) && dtype != BAL_F32) return false;
    }
    return true;
}

/* The first kernel that takes the node; NULL: the reference does. */
static const bal_cpu_kernel *choose_kernel(const bal_cpu_kernel_list *lists, const bal_graph *graph,
                                           const bal_node *node) {
    if (!all_f32(graph, node)) return NULL;
    for (; *lists; lists++) {
        for (const bal_cpu_kernel *kernel = *lists; kernel->op; kernel++) {
            if (strcmp(kernel->op, node->op->name) != 0) continue;
            if (!kernel->supports || kernel->supports(graph, node)) return kernel;
        }
    }
    return NULL;
}

static int64_t value_count(const bal_graph *graph, bal_value value) {
    bal_shape shape = bal_graph_shape(graph, value);
    return bal_shape_count(&shape);
}

/* Without a rule of its own a kernel is split when it moves much. */
static void prepare_by_size(bal_cpu_request *request) {
    int64_t moved = 0;
    for (int32_t i = 0; i < request->node->n_in; i++)
        if (bal_value_is_some(request->node->in[i]))
            moved += value_count(request->graph, request->node->in[i]);
    for (int32_t i = 0; i < request->node->n_out; i++)
        moved += value_count(request->graph, request->node->out[i]);
    bal_cpu_split_if(request, moved);
}

static bal_status prepare_instruction(cpu_program *program, cpu_instruction *instruction,
                                      size_t *ret_workspace, bal_error *err) {
    const cpu_backend *backend = (const cpu_backend *)program->base.backend;
    const bal_node *node = bal_graph_node(program->graph, instruction->node);
    bal_cpu_request request = {
        .graph = program->graph, .node = node, .lanes = backend->threads, .phases = 1};
    instruction->kernel = choose_kernel(bal_isa_kernels(backend->isa), program->graph, node);
    if (!instruction->kernel) {
        request.lanes = 1;
        if (node->op->workspace) request.workspace = node->op->workspace(program->graph, node);
    } else {
        const bal_cpu_kernel *kernel = instruction->kernel;
        if (kernel->plan_bytes > 0) {
            request.plan = bal_arena_alloc(&program->arena, 1, kernel->plan_bytes);
            if (!request.plan) return bal_fail_memory(err, kernel->plan_bytes);
        }
        (kernel->prepare ? kernel->prepare : prepare_by_size)(&request);
    }
    instruction->phases = request.phases;
    instruction->owner = request.lanes > 1 ? CPU_ALL_LANES : 0;
    instruction->task.plan = request.plan;
    *ret_workspace = request.workspace;
    if (request.lanes > program->lanes) program->lanes = request.lanes;
    return BAL_OK;
}

/* ---- operands ---- */

static bal_status fill_operand(const cpu_program *program, bal_value value, bal_operand *operand,
                               bal_error *err) {
    *operand = (bal_operand){0};
    if (!bal_value_is_some(value)) return BAL_OK;
    const bal_value_info *info = bal_graph_info(program->graph, value);
    operand->dtype = info->dtype;
    operand->shape = info->shape;
    operand->data = program->addresses[value.id];
    if (operand->data) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "\"%s\" is read by the graph but not bound to a buffer",
                    info->name ? info->name : "(unnamed)");
}

static bal_status fill_operands(cpu_program *program, cpu_instruction *instruction,
                                bal_operand *operands, bal_error *err) {
    const bal_node *node = bal_graph_node(program->graph, instruction->node);
    bal_kernel_args *args = &instruction->task.args;
    args->node = node;
    args->n_in = node->n_in;
    args->n_out = node->n_out;
    args->in = operands;
    args->out = operands + node->n_in;
    for (int32_t i = 0; i < node->n_in; i++) {
        BAL_TRY(fill_operand(program, node->in[i], &args->in[i], err));
        if (!bal_value_is_some(node->in[i])) continue;
        if (bal_graph_info(program->graph, node->in[i])->kind == BAL_VALUE_INPUT)
            program->slots[program->n_slots++] = (cpu_input_slot){node->in[i], &args->in[i]};
    }
    for (int32_t i = 0; i < node->n_out; i++)
        BAL_TRY(fill_operand(program, node->out[i], &args->out[i], err));
    return BAL_OK;
}

/* ---- memory ---- */

/* Give computed values and constants their addresses. */
static void place_values(cpu_program *program, const bal_plan *plan) {
    for (int32_t id = 0; id < bal_graph_value_count(program->graph); id++) {
        const bal_value_info *info = bal_graph_info(program->graph, (bal_value){id});
        if (info->kind == BAL_VALUE_CONSTANT) {
            /* Kernels only read operands that are no output, so the cast gives nothing away. */
            program->addresses[id] = (void *)(uintptr_t)info->constant;
        } else if (info->kind == BAL_VALUE_COMPUTED && plan->value_offset[id] != SIZE_MAX) {
            program->addresses[id] = program->block + plan->value_offset[id];
        }
    }
    for (size_t i = 0; i < program->n_instructions; i++) {
        cpu_instruction *instruction = &program->instructions[i];
        size_t offset = plan->workspace_offset[instruction->node];
        if (offset != SIZE_MAX) instruction->task.args.workspace = program->block + offset;
    }
}

static bal_status allocate_block(cpu_program *program, const size_t *workspaces, bal_error *err) {
    bal_plan plan;
    BAL_TRY(bal_plan_init(&plan, program->graph, program->outputs, (int32_t)program->n_outputs,
                          workspaces, err));
    bal_status status = BAL_OK;
    program->block = bal_alloc_pages(plan.bytes);
    if (program->block) {
        program->block_bytes = plan.bytes;
        place_values(program, &plan);
    } else {
        status = bal_fail_memory(err, plan.bytes);
    }
    bal_plan_release(&plan);
    return status;
}

/* ---- putting it together ---- */

static size_t count_live(const bal_graph *graph, size_t *ret_operands) {
    size_t live = 0;
    *ret_operands = 0;
    for (int32_t i = 0; i < bal_graph_node_count(graph); i++) {
        const bal_node *node = bal_graph_node(graph, i);
        if (!node->op) continue;
        live++;
        *ret_operands += (size_t)node->n_in + (size_t)node->n_out;
    }
    return live;
}

static void *take(cpu_program *program, size_t count, size_t size, bal_error *err) {
    void *block = bal_arena_alloc(&program->arena, count ? count : 1, size);
    if (!block) (void)bal_fail_memory(err, (unsigned long long)count * size);
    return block;
}

static bal_status list_instructions(cpu_program *program, size_t *workspaces, bal_error *err) {
    for (int32_t i = 0; i < bal_graph_node_count(program->graph); i++) {
        if (!bal_graph_node(program->graph, i)->op) continue;
        cpu_instruction *instruction = &program->instructions[program->n_instructions++];
        instruction->node = i;
        BAL_TRY(prepare_instruction(program, instruction, &workspaces[i], err));
    }
    return BAL_OK;
}

static bal_status build(cpu_program *program, const bal_binding *bindings, size_t n_bindings,
                        bal_error *err) {
    const bal_graph *graph = program->graph;
    size_t n_operands, n_live = count_live(graph, &n_operands);
    bal_operand *operands = take(program, n_operands, sizeof *operands, err);
    size_t *workspaces =
        take(program, (size_t)bal_graph_node_count(graph), sizeof *workspaces, err);
    program->instructions = take(program, n_live, sizeof *program->instructions, err);
    program->slots = take(program, n_operands, sizeof *program->slots, err);
    program->addresses =
        take(program, (size_t)bal_graph_value_count(graph), sizeof *program->addresses, err);
    if (!operands || !workspaces || !program->instructions || !program->slots ||
        !program->addresses)
        return BAL_ENOMEM;

    BAL_TRY(apply_bindings(program, bindings, n_bindings, err));
    BAL_TRY(list_instructions(program, workspaces, err));
    BAL_TRY(allocate_block(program, workspaces, err));
    for (size_t i = 0; i < program->n_instructions; i++) {
        BAL_TRY(fill_operands(program, &program->instructions[i], operands, err));
        operands += program->instructions[i].task.args.n_in;
        operands += program->instructions[i].task.args.n_out;
    }
    return bal_cpu_schedule(program, workspaces, err);
}

static bal_status copy_outputs(cpu_program *program, const bal_value *outputs, size_t n,
                               bal_error *err) {
    program->outputs = take(program, n, sizeof *outputs, err);
    if (!program->outputs) return BAL_ENOMEM;
    if (n > 0) memcpy(program->outputs, outputs, n * sizeof *outputs);
    program->n_outputs = n;
    return BAL_OK;
}

bal_status bal_cpu_compile(bal_backend *backend, const bal_graph *graph,
                           const bal_binding *bindings, size_t n_bindings, const bal_value *outputs,
                           size_t n_outputs, bal_program **ret_program, bal_error *err) {
    cpu_program *program = bal_calloc(1, sizeof *program);
    if (!program) return bal_fail_memory(err, sizeof *program);
    program->base.backend = backend;
    program->graph = graph;
    program->lanes = 1;
    bal_status status;
    BAL_TRY_OUT(copy_outputs(program, outputs, n_outputs, err));
    BAL_TRY_OUT(build(program, bindings, n_bindings, err));
    BAL_TRY_OUT(bal_cpu_meeting_new(program, err));
    *ret_program = &program->base;
    program = NULL;
out:
    if (program) bal_cpu_program_free(&program->base);
    return status;
}

void bal_cpu_program_free(bal_program *base) {
    cpu_program *program = (cpu_program *)base;
    bal_cpu_team_leave(((const cpu_backend *)base->backend)->team, program);
    bal_free_pages(program->block, program->block_bytes);
    bal_free_pages(program->meeting, program->meeting_bytes);
    bal_free(program->profile);
    bal_arena_release(&program->arena);
    bal_free(program);
}
