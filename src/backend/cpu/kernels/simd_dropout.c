/* dropout and its gradient: draw the mask, then scale what is kept. Lanes take whole draws of
 * elements, and each applies the mask it has just drawn. */
#include "backend/cpu/kernels/vec_random.h"
#include "backend/cpu/kernels/simd.h"

enum { X, RNG };
enum { ATTR_RATE, ATTR_STREAM };
enum { BLOCK = 1024 }; /* elements drawn, then applied while they are near */
_Static_assert(BLOCK % MASK_ELEMENTS == 0, "blocks begin at a draw");

/* y = x · factor where kept, else 0. */
static void apply(const float *x, const uint8_t *mask, float *y, int64_t count, float factor) {
    FOR_VECTORS(i, count) {
        vm kept = mask_load(mask + i, left_ < VL ? left_ : VL);
        STORE(y + i, vf_select(kept, LOAD(x + i) * factor, (vf){0}));
    }
}

static float keep_factor(const bal_cpu_task *task) {
    return (float)(1 / (1 - task->args.node->attr[ATTR_RATE].f));
}

static void run_dropout(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    const float *x = args->in[X].data;
    float *y = args->out[0].data;
    uint8_t *mask = args->out[1].data;
    bal_draw draw = bal_draw_of(args->in[RNG].data, args->node->attr[ATTR_STREAM].i);
    bal_range range = bal_lane_range(lane, operand_count(&args->in[X]), BLOCK);
    for (int64_t i = range.begin; i < range.end; i += BLOCK) {
        int64_t end = min64(i + BLOCK, range.end);
        mask_fill(&draw, args->node->attr[ATTR_RATE].f, mask, i, end);
        apply(x + i, mask + i, y + i, end - i, keep_factor(task));
    }
}

static void run_dropout_grad(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    const float *dy = args->in[0].data;
    const uint8_t *mask = args->in[1].data;
    float *dx = args->out[0].data;
    bal_range range = bal_lane_range(lane, operand_count(&args->in[0]), BLOCK);
    apply(dy + range.begin, mask + range.begin, dx + range.begin, range.end - range.begin,
          keep_factor(task));
}

const bal_cpu_kernel ISA_NAME(bal_cpu_dropout)[] = {
    {"dropout", "philox", 0, NULL, NULL, run_dropout},
    {"dropout_grad", "mask", 0, NULL, NULL, run_dropout_grad},
    {0},
};
