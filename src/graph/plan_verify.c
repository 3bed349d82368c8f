/* Check of a memory plan by replaying it, independent of how the plan was made.
 *
 * Node by node: everything the node makes (outputs, workspace) is compared with everything whose
 * content is still needed; overlap is wrong unless output 0 takes exactly the place of an input
 * that the op may overwrite. Then what was read for the last time is dropped. */
#include <stdio.h>

#include "base/memory.h"
#include "graph/graph_impl.h"
#include "graph/liveness.h"

typedef struct place {
    size_t offset, bytes;
    bal_value value; /* BAL_NO_VALUE: workspace */
    bool is_new;     /* made by the node being replayed */
} place;

typedef struct replay {
    const bal_plan *plan;
    const bal_graph *graph;
    const size_t *workspace_bytes;
    int32_t *last_use;
    place *live;
    size_t n_live;
} replay;

static void place_text(const place *p, char *buffer, size_t size) {
    if (bal_value_is_some(p->value))
        snprintf(buffer, size, "value %%%d", p->value.id);
    else
        snprintf(buffer, size, "workspace");
}

static bool shared_in_place(const replay *r, int32_t index, const place *made, const place *old) {
    const bal_node *node = r->graph->nodes[index];
    if (made->value.id != node->out[0].id || made->offset != old->offset || old->is_new)
        return false;
    for (int32_t i = 0; i < node->n_in; i++)
        if (node->in[i].id == old->value.id &&
            bal_liveness_may_share(r->graph, r->last_use, index, i))
            return true;
    return false;
}

static bal_status add_place(replay *r, int32_t index, place made, bal_error *err) {
    char what[32], other[32];
    place_text(&made, what, sizeof what);
    if (made.offset == SIZE_MAX || made.offset % BAL_PLAN_ALIGN != 0 ||
        made.offset > r->plan->bytes || made.bytes > r->plan->bytes - made.offset)
        return bal_fail(err, BAL_EINTERNAL,
                        "node %d: %s (%zu bytes at %zu) is unaligned or outside the block of %zu",
                        index, what, made.bytes, made.offset, r->plan->bytes);
    for (size_t i = 0; i < r->n_live; i++) {
        const place *old = &r->live[i];
        if (made.offset + made.bytes <= old->offset || old->offset + old->bytes <= made.offset)
            continue;
        if (bal_value_is_some(made.value) && bal_value_is_some(old->value) &&
            shared_in_place(r, index, &made, old))
            continue;
        place_text(old, other, sizeof other);
        return bal_fail(err, BAL_EINTERNAL,
                        "node %d: %s (%zu bytes at %zu) overwrites %s (%zu bytes at %zu), which is "
                        "still needed",
                        index, what, made.bytes, made.offset, other, old->bytes, old->offset);
    }
    r->live[r->n_live++] = made;
    return BAL_OK;
}

static bal_status replay_node(replay *r, int32_t index, bal_error *err) {
    const bal_node *node = r->graph->nodes[index];
    for (int32_t k = 0; k < node->n_out; k++) {
        const bal_value_info *info = r->graph->values[node->out[k].id];
        place made = {.offset = r->plan->value_offset[node->out[k].id],
                      .value = node->out[k],
                      .is_new = true};
        if (!bal_shape_bytes(&info->shape, info->dtype, &made.bytes))
            return bal_fail(err, BAL_EINTERNAL, "value %%%d is too large", node->out[k].id);
        BAL_TRY(add_place(r, index, made, err));
    }
    size_t workspace = bal_liveness_workspace(r->graph, r->workspace_bytes, index);
    if (workspace > 0) {
        place made = {.offset = r->plan->workspace_offset[index],
                      .bytes = workspace,
                      .value = BAL_NO_VALUE,
                      .is_new = true};
        BAL_TRY(add_place(r, index, made, err));
    }
    size_t n = 0;
    for (size_t i = 0; i < r->n_live; i++) {
        place p = r->live[i];
        p.is_new = false;
        if (bal_value_is_some(p.value) && r->last_use[p.value.id] > index) r->live[n++] = p;
    }
    r->n_live = n;
    return BAL_OK;
}

bal_status bal_plan_verify(const bal_plan *plan, const bal_graph *graph, const bal_value *keep,
                           int32_t n_keep, const size_t *workspace_bytes, bal_error *err) {
    replay r = {.plan = plan, .graph = graph, .workspace_bytes = workspace_bytes};
    bal_status status = BAL_OK;
    r.last_use = bal_calloc(graph->n_values, sizeof *r.last_use);
    r.live = bal_calloc(graph->n_values + 1, sizeof *r.live);
    if (!r.last_use || !r.live) {
        status = bal_fail_memory(err, graph->n_values * sizeof *r.live);
        goto out;
    }
    bal_liveness_last_use(graph, keep, n_keep, r.last_use);
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i]->op) BAL_TRY_OUT(replay_node(&r, (int32_t)i, err));
out:
    bal_free(r.last_use);
    bal_free(r.live);
    return status;
}
