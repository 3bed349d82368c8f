/* What a CPU kernel is.
 *
 * A program runs on a team of lanes (threads) that walk its instructions together. A kernel splits
 * its work over the lanes by itself, from (lane, lanes) alone; kernels allocate nothing and fail
 * never. Work that cannot be split without an order in between is cut into phases: every lane has
 * finished phase p before any starts phase p + 1. Small work asks for one lane, and the others walk
 * past it.
 *
 * Results must not depend on the number of lanes: whatever is summed is summed in blocks and orders
 * that follow from the shapes only.
 *
 * Kernels take f32 data; every pointer may be aligned to the element only. Operands may coincide
 * where the op's `inplace_in` says so. */
#ifndef BAL_BACKEND_CPU_KERNEL_H
#define BAL_BACKEND_CPU_KERNEL_H

#include "graph/op.h"

/** One instruction as its kernel sees it: fixed at compile time except for rebound inputs. */
typedef struct bal_cpu_task {
    bal_kernel_args args; /* args.workspace: shared by the lanes, what prepare asked for */
    const void *plan;     /* the kernel's own numbers, filled by prepare */
} bal_cpu_task;

/** Which share of the work to do: lane 0 … lanes − 1. */
typedef struct bal_lane {
    int index;
    int count;
} bal_lane;

typedef void (*bal_cpu_run_fn)(const bal_cpu_task *task, int phase, bal_lane lane);

/** What a kernel wants to know of a node, and what it decides. Preset to one phase, all lanes, no
 *  workspace. */
typedef struct bal_cpu_request {
    const bal_graph *graph;
    const bal_node *node;
    int lanes;        /* in: of the team; out: 1 to run on one lane only */
    int phases;       /* out */
    size_t workspace; /* out: bytes */
    void *plan;       /* zeroed, plan_bytes of the kernel */
} bal_cpu_request;

typedef struct bal_cpu_kernel {
    const char *op;   /* op it implements */
    const char *name; /* for profiles and facts */
    size_t plan_bytes;
    /** Whether it can run this node; NULL: whenever all real operands are f32. */
    bool (*supports)(const bal_graph *graph, const bal_node *node);
    /** Decide how to run it; NULL: elementwise, split over the lanes when large. */
    void (*prepare)(bal_cpu_request *request);
    bal_cpu_run_fn run;
} bal_cpu_kernel;

/** A list of kernels, ended by an entry without op. */
typedef const bal_cpu_kernel *bal_cpu_kernel_list;

/** Shape of an input of a node under preparation; rank 0 for one that is not given. */
static inline bal_shape bal_cpu_in_shape(const bal_cpu_request *request, int32_t index) {
    return bal_graph_shape(request->graph, request->node->in[index]);
}

/** Below this much work (in f32 elements moved, or comparable) one lane is faster than several. */
enum { BAL_CPU_SPLIT_MIN = 4096 };

/** Keep the team only when the work is worth it. */
static inline void bal_cpu_split_if(bal_cpu_request *request, int64_t work) {
    if (work < BAL_CPU_SPLIT_MIN) request->lanes = 1;
}

/** Part `lane` of the range 0 … total − 1, in whole blocks of `block`. */
typedef struct bal_range {
    int64_t begin;
    int64_t end;
} bal_range;

static inline bal_range bal_lane_range(bal_lane lane, int64_t total, int64_t block) {
    int64_t blocks = (total + block - 1) / block;
    int64_t begin = blocks * lane.index / lane.count * block;
    int64_t end = blocks * (lane.index + 1) / lane.count * block;
    return (bal_range){begin < total ? begin : total, end < total ? end : total};
}

#endif
