/* The memory plan: where in one block every computed value lives, and when it may be overwritten.
 *
 * 1. Liveness. A value lives from the node that makes it to the last node that reads it; kept
 *    values to the end; workspace during its node only.
 * 2. In place. Where the op allows it and the input is read for the last time, output 0 takes over
 *    the input's storage: both become one region that lives from the input's birth to the output's
 *    death.
 * 3. Offsets. Regions are placed largest first; each takes the smallest gap it fits in between
 *    regions alive at the same time, or goes on top (Pisarchyk & Lee 2020, "Efficient memory
 *    management for deep neural net inference", arXiv 2001.03288, algorithm 3). Quadratic in the
 *    number of regions, which is thousands at most.
 *
 * Sizes are rounded up to BAL_PLAN_ALIGN, so that all offsets are aligned. */
#include <assert.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/memory.h"
#include "graph/graph_impl.h"
#include "graph/liveness.h"

/* A stretch of the block, needed while nodes first..last run. */
typedef struct region {
    size_t bytes;
    size_t offset;
    int32_t first, last;
    int32_t order; /* of creation: breaks ties, so that plans are the same everywhere */
} region;

typedef struct planner {
    const bal_graph *graph;
    const size_t *workspace_bytes; /* by node, or NULL */
    int32_t *last_use;             /* by value */
    region *regions;
    size_t n_regions;
    int32_t *value_region;     /* by value, -1: none */
    int32_t *workspace_region; /* by node, -1: none */
    size_t bytes_unshared;
} planner;

static bal_status fail_large(bal_error *err) {
    return bal_fail(err, BAL_EOVERFLOW,
                    "the values of the graph do not fit into the address space; use a smaller "
                    "batch or model");
}

/* Count `bytes` as they would be without reuse. Sums of all sizes fit from here on. */
static bal_status add_region(planner *p, size_t bytes, int32_t first, int32_t last,
                             int32_t *ret_region, bal_error *err) {
    size_t padded, sum;
    if (!bal_size_align(bytes, BAL_PLAN_ALIGN, &padded) ||
        !bal_size_add(p->bytes_unshared, padded, &sum))
        return fail_large(err);
    p->bytes_unshared = sum;
    *ret_region = (int32_t)p->n_regions;
    p->regions[p->n_regions++] =
        (region){.bytes = padded, .first = first, .last = last, .order = *ret_region};
    return BAL_OK;
}

/* The region that output 0 of a node may take over, or -1. */
static int32_t region_to_reuse(const planner *p, int32_t index) {
    const bal_node *node = p->graph->nodes[index];
    for (int32_t i = 0; i < node->n_in; i++)
        if (bal_liveness_may_share(p->graph, p->last_use, index, i))
            return p->value_region[node->in[i].id];
    return -1;
}

static bal_status add_output(planner *p, int32_t index, int32_t output, bal_error *err) {
    bal_value value = p->graph->nodes[index]->out[output];
    const bal_value_info *info = p->graph->values[value.id];
    size_t bytes;
    if (!bal_shape_bytes(&info->shape, info->dtype, &bytes)) return fail_large(err);
    int32_t reused = output == 0 ? region_to_reuse(p, index) : -1;
    if (reused < 0)
        return add_region(p, bytes, index, p->last_use[value.id], &p->value_region[value.id], err);
    size_t padded, sum;
    if (!bal_size_align(bytes, BAL_PLAN_ALIGN, &padded) ||
        !bal_size_add(p->bytes_unshared, padded, &sum))
        return fail_large(err);
    p->bytes_unshared = sum;
    p->regions[reused].last = p->last_use[value.id];
    p->value_region[value.id] = reused;
    return BAL_OK;
}

static bal_status collect_regions(planner *p, bal_error *err) {
    for (size_t i = 0; i < p->graph->n_nodes; i++) {
        const bal_node *node = p->graph->nodes[i];
        int32_t index = (int32_t)i;
        if (!node->op) continue;
        for (int32_t k = 0; k < node->n_out; k++)
            BAL_TRY(add_output(p, index, k, err));
        size_t bytes = bal_liveness_workspace(p->graph, p->workspace_bytes, index);
        if (bytes > 0) BAL_TRY(add_region(p, bytes, index, index, &p->workspace_region[i], err));
    }
    return BAL_OK;
}

/* Largest first; among equals the older first. */
static int compare_size(const void *a, const void *b) {
    const region *left = *(region *const *)a, *right = *(region *const *)b;
    if (left->bytes != right->bytes) return left->bytes < right->bytes ? 1 : -1;
    return left->order < right->order ? -1 : 1;
}

/* The best offset for `item` given the regions placed so far, which are sorted by offset. */
static size_t best_offset(region *const *placed, size_t n_placed, const region *item) {
    size_t end = 0; /* of the regions seen so far that are alive with item */
    size_t best = SIZE_MAX, best_gap = SIZE_MAX;
    for (size_t i = 0; i < n_placed; i++) {
        const region *other = placed[i];
        if (other->last < item->first || item->last < other->first) continue;
        if (other->offset > end) {
            size_t gap = other->offset - end;
            if (gap >= item->bytes && gap < best_gap) {
                best = end;
                best_gap = gap;
            }
        }
        if (other->offset + other->bytes > end) end = other->offset + other->bytes;
    }
    return best != SIZE_MAX ? best : end;
}

/* `order` and `placed` have room for all regions. Returns the size of the block. */
static size_t place_regions(planner *p, region **order, region **placed) {
    for (size_t i = 0; i < p->n_regions; i++)
        order[i] = &p->regions[i];
    qsort(order, p->n_regions, sizeof *order, compare_size);
    size_t block = 0;
    for (size_t n = 0; n < p->n_regions; n++) {
        region *item = order[n];
        item->offset = best_offset(placed, n, item);
        if (item->offset + item->bytes > block) block = item->offset + item->bytes;
        size_t at = n;
        for (; at > 0 && placed[at - 1]->offset > item->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = item;
    }
    return block;
}

static void write_plan(const planner *p, size_t block, bal_plan *plan) {
    for (size_t i = 0; i < p->graph->n_values; i++)
        plan->value_offset[i] =
            p->value_region[i] < 0 ? SIZE_MAX : p->regions[p->value_region[i]].offset;
    for (size_t i = 0; i < p->graph->n_nodes; i++)
        plan->workspace_offset[i] =
            p->workspace_region[i] < 0 ? SIZE_MAX : p->regions[p->workspace_region[i]].offset;
    plan->bytes = block;
    plan->bytes_unshared = p->bytes_unshared;
}

/* All arrays of planner and plan; what was had is freed by the caller also on failure. */
static bal_status allocate(planner *p, bal_plan *plan, bal_error *err) {
    size_t n_values = p->graph->n_values, n_nodes = p->graph->n_nodes;
    p->last_use = bal_calloc(n_values, sizeof *p->last_use);
    p->regions = bal_calloc(n_values + n_nodes, sizeof *p->regions);
    p->value_region = bal_calloc(n_values, sizeof *p->value_region);
    p->workspace_region = bal_calloc(n_nodes, sizeof *p->workspace_region);
    plan->value_offset = bal_calloc(n_values, sizeof *plan->value_offset);
    plan->workspace_offset = bal_calloc(n_nodes, sizeof *plan->workspace_offset);
    if (!p->last_use || !p->regions || !p->value_region || !p->workspace_region ||
        !plan->value_offset || !plan->workspace_offset)
        return bal_fail_memory(err, (n_values + n_nodes) * sizeof *p->regions);
    for (size_t i = 0; i < n_values; i++)
        p->value_region[i] = -1;
    for (size_t i = 0; i < n_nodes; i++)
        p->workspace_region[i] = -1;
    return BAL_OK;
}

bal_status bal_plan_init(bal_plan *plan, const bal_graph *graph, const bal_value *keep,
                         int32_t n_keep, const size_t *workspace_bytes, bal_error *err) {
    BAL_TRY(bal_graph_check(graph, err));
    planner p = {.graph = graph, .workspace_bytes = workspace_bytes};
    bal_plan made = {0};
    region **order = NULL;
    bal_status status;
    BAL_TRY_OUT(allocate(&p, &made, err));
    bal_liveness_last_use(graph, keep, n_keep, p.last_use);
    BAL_TRY_OUT(collect_regions(&p, err));
    order = bal_calloc(2 * p.n_regions, sizeof *order);
    if (!order) {
        status = bal_fail_memory(err, 2 * p.n_regions * sizeof *order);
        goto out;
    }
    write_plan(&p, place_regions(&p, order, order + p.n_regions), &made);
    *plan = made;
    made = (bal_plan){0};
out:
    bal_free(order);
    bal_free(p.last_use);
    bal_free(p.regions);
    bal_free(p.value_region);
    bal_free(p.workspace_region);
    bal_plan_release(&made);
    return status;
}

void bal_plan_release(bal_plan *plan) {
    bal_free(plan->value_offset);
    bal_free(plan->workspace_offset);
    *plan = (bal_plan){0};
}
