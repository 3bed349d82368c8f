/* Parameter updates and the norm of all gradients: one walk over all tensors, as if they were one
 * vector.
 *
 * What limits these on large models is memory, 28 bytes per parameter for Adam; on small ones the
 * square root and the division, which take as long as thirty multiply-adds. With AVX-512 both start
 * from the 14-bit estimates and one Newton step, exact to about one unit in the last place; vectors
 * with anything out of the ordinary range (zeros, denormals, infinities, NaN) take the exact
 * instructions.
 *
 * Moments of weights that no longer get a gradient decay into denormals, on which arithmetic is up
 * to a hundred times slower: they are stored as zero. */
#include "backend/cpu/kernels/rows.h"
#include "ops/updates.h"

/* Elements. Lanes get multiples of SPAN_ALIGN of the whole; a tensor is cut at multiples of
 * SPAN_CUT of its own, so that its vectors are the same ones with any number of lanes: whether a
 * vector takes the estimates or the exact instructions depends on all of it. */
enum { SPAN_ALIGN = 1024, SPAN_CUT = 64 };
_Static_assert(SPAN_CUT % VL == 0, "a vector belongs to one lane");

/* x, or 0 where it is denormal. */
INLINE vf flushed(vf x) {
    return vf_select(vf_lt(vf_abs(x), vf_set(1.17549435e-38f)), (vf){0}, x);
}

/* ---- a lane's part of all tensors ---- */

/* Elements begin … end − 1 of group `index`. */
typedef struct span {
    int32_t group;
    int64_t begin, end;
} span;

typedef struct span_walk {
    const bal_kernel_args *args;
    int32_t group_size;
    int32_t next;  /* input index of the next group's first tensor */
    int64_t start; /* position of its first element in the whole */
    bal_range part;
} span_walk;

static span_walk walk_of(const bal_kernel_args *args, int32_t group_size, bal_lane lane) {
    int64_t total = 0;
    for (int32_t i = BAL_UPDATE_FIRST; i < args->n_in; i += group_size)
        total += operand_count(&args->in[i]);
    return (span_walk){.args = args,
                       .group_size = group_size,
                       .next = BAL_UPDATE_FIRST,
                       .part = bal_lane_range(lane, total, SPAN_ALIGN)};
}

/* Where the position `at` of the whole cuts a tensor of `count` elements that starts at `start`. */
INLINE int64_t span_cut(int64_t at, int64_t start, int64_t count) {
    return at > start ? min64(round_up(at - start, SPAN_CUT), count) : 0;
}

static bool next_span(span_walk *walk, span *ret) {
    while (walk->next < walk->args->n_in) {
        int32_t group = walk->next;
        int64_t start = walk->start, count = operand_count(&walk->args->in[group]);
        walk->next += walk->group_size;
        walk->start += count;
        int64_t begin = span_cut(walk->part.begin, start, count);
        int64_t end = span_cut(walk->part.end, start, count);
        if (begin >= end) continue;
        *ret = (span){group, begin, end};
        return true;
    }
    return false;
}

static float *tensor_at(const bal_kernel_args *args, int32_t index, int64_t offset) {
    return (float *)args->in[index].data + offset;
}

/* ---- adam ---- */

typedef struct adam_numbers {
    vf factor, l2, shrink; /* g·factor + l2·p; p·shrink */
    vf beta1, beta2, rest1, rest2;
    vf step, correction2, epsilon; /* step: lr·c₁ */
} adam_numbers;

/* step·m / (√s + ε) */
INLINE vf adam_step(vf m, vf s, const adam_numbers *n) {
#if defined(__AVX512F__)
    __mmask16 ordinary = _mm512_cmp_ps_mask((__m512)s, _mm512_set1_ps(1e-30f), _CMP_GE_OQ) &
                         _mm512_cmp_ps_mask((__m512)s, _mm512_set1_ps(1e30f), _CMP_LE_OQ);
    if (__builtin_expect(ordinary == 0xFFFF, 1)) {
        vf r = (vf)_mm512_rsqrt14_ps((__m512)s);
        vf root = s * r; /* √s, then one Newton step: + ½r(s − root²) */
        root += (s - root * root) * (r * 0.5f);
        vf d = root + n->epsilon;
        vf q = (vf)_mm512_rcp14_ps((__m512)d);
        vf x = n->step * m;
        vf y = x * q;
        return y + (x - y * d) * q;
    }
#endif
    return n->step * m / (vf_sqrt(s) + n->epsilon);
}

static void adam_span(const adam_numbers *n, float *p, float *m, float *v, const float *g,
                      int64_t count) {
    FOR_VECTORS(i, count) {
        vf param = LOAD(p + i) * n->shrink;
        vf grad = LOAD(g + i) * n->factor + n->l2 * param;
        vf first = LOAD(m + i) * n->beta1 + grad * n->rest1;
        vf second = LOAD(v + i) * n->beta2 + (grad * n->rest2) * grad;
        STORE(m + i, flushed(first));
        STORE(v + i, flushed(second));
        STORE(p + i, param - adam_step(first, second * n->correction2, n));
    }
}

static double clip_of(const bal_kernel_args *args, double norm) {
    return bal_clip_factor(bal_update_hyper(args, BAL_HYPER_CLIP), norm);
}

static void run_adam(const bal_cpu_task *task, int phase, bal_lane lane) {
    enum { BETA1, BETA2, EPSILON, L2, DECAY };
    const bal_kernel_args *args = &task->args;
    const bal_attr *attr = args->node->attr;
    double norm = bal_update_norm(args);
    if (!isfinite(norm)) return;
    double lr = bal_update_hyper(args, BAL_HYPER_LR);
    adam_numbers n = {
        .factor = vf_set((float)clip_of(args, norm)),
        .l2 = vf_set((float)attr[L2].f),
        .shrink = vf_set((float)(1 - lr * attr[DECAY].f)),
        .beta1 = vf_set((float)attr[BETA1].f),
        .beta2 = vf_set((float)attr[BETA2].f),
        .rest1 = vf_set((float)(1 - attr[BETA1].f)),
        .rest2 = vf_set((float)(1 - attr[BETA2].f)),
        .step = vf_set((float)(lr * bal_update_hyper(args, BAL_HYPER_CORRECTION1))),
        .correction2 = vf_set((float)bal_update_hyper(args, BAL_HYPER_CORRECTION2)),
        .epsilon = vf_set((float)attr[EPSILON].f),
    };
    span_walk walk = walk_of(args, 4, lane);
    span s;
    while (next_span(&walk, &s))
        adam_span(&n, tensor_at(args, s.group, s.begin), tensor_at(args, s.group + 1, s.begin),
                  tensor_at(args, s.group + 2, s.begin), tensor_at(args, s.group + 3, s.begin),
                  s.end - s.begin);
}

/* ---- sgd ---- */

typedef struct sgd_numbers {
    vf factor, l2, rate, momentum, decay; /* decay: lr·decay */
    bool nesterov;
} sgd_numbers;

static void sgd_span(const sgd_numbers *n, float *p, float *v, const float *g, int64_t count) {
    FOR_VECTORS(i, count) {
        vf param = LOAD(p + i);
        vf grad = LOAD(g + i) * n->factor + n->l2 * param;
        vf step = grad;
        if (v) {
            vf velocity = LOAD(v + i) * n->momentum + grad;
            STORE(v + i, flushed(velocity));
            step = n->nesterov ? grad + velocity * n->momentum : velocity;
        }
        STORE(p + i, param - step * n->rate - param * n->decay);
    }
}

static void run_sgd(const bal_cpu_task *task, int phase, bal_lane lane) {
    enum { MOMENTUM, NESTEROV, L2, DECAY };
    const bal_kernel_args *args = &task->args;
    const bal_attr *attr = args->node->attr;
    double norm = bal_update_norm(args);
    if (!isfinite(norm)) return;
    double lr = bal_update_hyper(args, BAL_HYPER_LR);
    sgd_numbers n = {
        .factor = vf_set((float)clip_of(args, norm)),
        .l2 = vf_set((float)attr[L2].f),
        .rate = vf_set((float)lr),
        .momentum = vf_set((float)attr[MOMENTUM].f),
        .decay = vf_set((float)(lr * attr[DECAY].f)),
        .nesterov = attr[NESTEROV].i != 0,
    };
    bool heavy = attr[MOMENTUM].f != 0;
    span_walk walk = walk_of(args, heavy ? 3 : 2, lane);
    span s;
    while (next_span(&walk, &s))
        sgd_span(&n, tensor_at(args, s.group, s.begin),
                 heavy ? tensor_at(args, s.group + 1, s.begin) : NULL,
                 tensor_at(args, s.group + (heavy ? 2 : 1), s.begin), s.end - s.begin);
}

/* ---- global norm: the blocks of updates.h, one double each ---- */

static int64_t norm_blocks(int64_t count) {
    return ceil_div(count, BAL_NORM_BLOCK);
}

static void prepare_norm(bal_cpu_request *request) {
    int64_t count = 0, blocks = 0;
    for (int32_t i = 0; i < request->node->n_in; i++) {
        bal_shape shape = bal_cpu_in_shape(request, i);
        count += bal_shape_count(&shape);
        blocks += norm_blocks(bal_shape_count(&shape));
    }
    bal_cpu_split_if(request, count);
    request->phases = 2;
    request->workspace = (size_t)blocks * sizeof(double);
}

static double block_squares_exact(const float *g, int64_t n) {
    row_sum sum = {0};
    FOR_VECTORS(i, n) row_sum_add_square(&sum, LOAD(g + i));
    return row_sum_total(&sum);
}

/* Σ g² of a block. Short runs of squares are added in f32 and the runs in double, which costs a
 * quarter of doing all in double and about two bits. Where squares leave the range of f32, above or
 * below, the block is done again in double. */
static double block_squares(const float *g, int64_t n) {
    enum { CHAINS = 4, RUN = 8 * CHAINS * VL };
    row_sum sum = {0};
    int64_t i = 0;
    for (; i + RUN <= n; i += RUN) {
        vf part[CHAINS] = {{0}};
        for (int64_t k = 0; k < RUN; k += CHAINS * VL) {
#pragma GCC unroll 4
            for (int c = 0; c < CHAINS; c++) {
                vf x = vf_load(g + i + k + c * VL);
                part[c] += x * x;
            }
        }
        row_sum_add(&sum, (part[0] + part[1]) + (part[2] + part[3]));
    }
    double total = row_sum_total(&sum) + block_squares_exact(g + i, n - i);
    return total > 1e-20 && total < 1e30 ? total : block_squares_exact(g, n);
}

static void run_norm(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    double *partial = args->workspace;
    int64_t blocks = 0, block = 0;
    for (int32_t k = 0; k < args->n_in; k++)
        blocks += norm_blocks(operand_count(&args->in[k]));
    if (phase == 1) {
        if (lane.index != 0) return;
        double sum = 0;
        for (int64_t i = 0; i < blocks; i++)
            sum += partial[i];
        *(float *)args->out[0].data = (float)sqrt(sum);
        return;
    }
    bal_range range = bal_lane_range(lane, blocks, 1);
    for (int32_t k = 0; k < args->n_in; k++) {
        int64_t count = operand_count(&args->in[k]);
        for (int64_t start = 0; start < count; start += BAL_NORM_BLOCK, block++) {
            if (block < range.begin || block >= range.end) continue;
            partial[block] = block_squares((const float *)args->in[k].data + start,
                                           min64(BAL_NORM_BLOCK, count - start));
        }
    }
}

const bal_cpu_kernel ISA_NAME(bal_cpu_update)[] = {
    {"adam_update", "spans", 0, NULL, NULL, run_adam},
    {"sgd_update", "spans", 0, NULL, NULL, run_sgd},
    {"global_norm", "blocks", 0, NULL, prepare_norm, run_norm},
    {0},
};
