/* Losses and their gradients. A loss is summed in blocks of rows or elements, one pair of doubles
 * (sum and weight) per block in the workspace; when all are there, one lane adds them in order. So
 * the loss does not depend on the number of lanes. What a loss means, and what it does with ignored
 * rows, NaN and labels out of range, is told in src/ops/losses.h and the files of the losses. */
#include "backend/cpu/kernels/rows.h"
#include "ops/losses.h"

typedef struct loss_part {
    double sum, weight;
} loss_part;

/* ---- softmax losses: a block is a row ---- */

static void prepare_rows(bal_cpu_request *request) {
    bal_shape logits = bal_cpu_in_shape(request, BAL_LOSS_PREDICTION);
    bal_cpu_split_if(request, bal_shape_count(&logits) * 4);
    request->phases = 2;
    request->workspace = (size_t)logits.dim[0] * sizeof(loss_part);
}

static void finish_parts(const bal_kernel_args *args, bal_lane lane, int64_t n_parts) {
    const loss_part *parts = args->workspace;
    if (lane.index != 0) return;
    double sum = 0, weight = 0;
    for (int64_t i = 0; i < n_parts; i++) {
        sum += parts[i].sum;
        weight += parts[i].weight;
    }
    bal_loss_store(args, sum, weight);
}

/* A row of logits ready for −log p_c = log_sum − (z_c − top). */
typedef struct logit_row {
    const float *z;
    float top;
    double log_sum;
} logit_row;

static logit_row row_of(const bal_kernel_args *args, int64_t row, int64_t C) {
    logit_row ret = {.z = (const float *)args->in[BAL_LOSS_PREDICTION].data + row * C};
    ret.top = row_top(ret.z, C);
    ret.log_sum = log(row_sum_exp(ret.z, C, ret.top));
    return ret;
}

static double nll_at(const logit_row *row, int64_t c) {
    return row->log_sum - ((double)row->z[c] - (double)row->top);
}

/* Σ_c w_c·nll_c, w all 1 when not given. */
static double weighted_nll(const logit_row *row, const float *weight, int64_t C) {
    row_sum sum = {0};
    vf log_sum = vf_set((float)row->log_sum);
    FOR_VECTORS(i, C) {
        vf nll = log_sum - (LOAD(row->z + i) - row->top);
        if (weight) nll *= LOAD(weight + i);
        row_sum_add(&sum, left_ >= VL ? nll : vf_keep_first(nll, left_));
    }
    return row_sum_total(&sum);
}

static void run_cross_entropy(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    const bal_operand *weight = &args->in[BAL_LOSS_WEIGHT];
    const int32_t *labels = args->in[BAL_LOSS_TRUTH].data;
    int64_t B = args->in[0].shape.dim[0], C = args->in[0].shape.dim[1];
    double smoothing = args->node->attr[0].f;
    if (phase == 1) {
        finish_parts(args, lane, B);
        return;
    }
    bal_range rows = bal_lane_range(lane, B, 1);
    for (int64_t b = rows.begin; b < rows.end; b++) {
        loss_part part = {0};
        if (labels[b] != BAL_LABEL_IGNORED) part.weight = bal_label_weight(weight, labels[b], C);
        if (labels[b] != BAL_LABEL_IGNORED && !isnan(part.weight)) {
            logit_row row = row_of(args, b, C);
            part.sum = (1 - smoothing) * part.weight * nll_at(&row, labels[b]);
            if (smoothing > 0)
                part.sum += smoothing / (double)C * weighted_nll(&row, weight->data, C);
        }
        ((loss_part *)args->workspace)[b] = part;
    }
}

static void fill(float *y, int64_t n, float value) {
    FOR_VECTORS(i, n) STORE(y + i, vf_set(value));
}

/* ε/C·Σ_c w_c */
static double smooth_weight(const bal_kernel_args *args, double share, int64_t C) {
    double sum = 0;
    for (int64_t c = 0; c < C; c++)
        sum += share * bal_label_weight(&args->in[BAL_LOSS_WEIGHT], (int32_t)c, C);
    return sum;
}

/* dz_c = factor·(p_c·total − share·w_c) */
static void cross_entropy_grad_row(const logit_row *row, const float *weight, float *dz, int64_t C,
                                   double factor, double total, double share) {
    vf log_sum = vf_set((float)row->log_sum);
    FOR_VECTORS(i, C) {
        vf d = vf_exp(LOAD(row->z + i) - row->top - log_sum) * (float)total;
        d -= weight ? LOAD(weight + i) * (float)share : vf_set((float)share);
        STORE(dz + i, d * (float)factor);
    }
}

static void run_cross_entropy_grad(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    const bal_operand *weight = &args->in[BAL_LOSS_WEIGHT];
    const int32_t *labels = args->in[BAL_LOSS_TRUTH].data;
    int64_t B = args->in[0].shape.dim[0], C = args->in[0].shape.dim[1];
    double smoothing = args->node->attr[0].f, share = smoothing / (double)C;
    double smooth_sum = smooth_weight(args, share, C);
    double factor = bal_loss_grad_factor(args);
    bal_range rows = bal_lane_range(lane, B, 1);
    for (int64_t b = rows.begin; b < rows.end; b++) {
        float *dz = (float *)args->out[0].data + b * C;
        if (labels[b] == BAL_LABEL_IGNORED || factor == 0) {
            fill(dz, C, 0);
            continue;
        }
        logit_row row = row_of(args, b, C);
        bool known = labels[b] >= 0 && labels[b] < C;
        double w = bal_label_weight(weight, labels[b], C), hard = (1 - smoothing) * w;
        double total = hard + smooth_sum;
        /* The label's own in double, since p − 1 of a confident row is a difference of near
         * numbers; taken before dz is written, which may lie where the logits are. */
        double own = known ? exp(-nll_at(&row, labels[b])) * total - (share * w + hard) : 0;
        cross_entropy_grad_row(&row, weight->data, dz, C, factor, total, share);
        if (known) dz[labels[b]] = (float)(factor * own);
    }
}

/* ---- losses by element: a block is a run of elements ---- */

enum { ELEMENT_BLOCK = 4096 };

static void prepare_elements(bal_cpu_request *request) {
    bal_shape shape = bal_cpu_in_shape(request, BAL_LOSS_PREDICTION);
    int64_t count = bal_shape_count(&shape);
    bal_cpu_split_if(request, count * 2);
    request->phases = 2;
    request->workspace = (size_t)ceil_div(count, ELEMENT_BLOCK) * sizeof(loss_part);
}

/* Term and weight of each element of a vector; the caller clears what is ignored. `p` are numbers
 * of the loss. */
typedef struct loss_numbers {
    bool weighted;
    float weight0, weight1; /* of a target 0 and 1 */
    float parameter;        /* focal: gamma; huber: delta */
    const bal_attr *attr;
} loss_numbers;
typedef void (*loss_fn)(vf x, vf t, const loss_numbers *p, vf *ret_term, vf *ret_weight);
typedef vf (*loss_grad_fn)(vf x, vf t, const loss_numbers *p);

INLINE void sum_elements(const bal_cpu_task *task, int phase, bal_lane lane, const loss_numbers *p,
                         loss_fn f) {
    const bal_kernel_args *args = &task->args;
    int64_t count = operand_count(&args->in[BAL_LOSS_PREDICTION]);
    int64_t n_parts = ceil_div(count, ELEMENT_BLOCK);
    if (phase == 1) {
        finish_parts(args, lane, n_parts);
        return;
    }
    bal_range parts = bal_lane_range(lane, n_parts, 1);
    for (int64_t part = parts.begin; part < parts.end; part++) {
        int64_t begin = part * ELEMENT_BLOCK, n = min64(ELEMENT_BLOCK, count - begin);
        const float *x = (const float *)args->in[BAL_LOSS_PREDICTION].data + begin;
        const float *t = (const float *)args->in[BAL_LOSS_TRUTH].data + begin;
        row_sum sum = {0}, weights = {0};
        FOR_VECTORS(i, n) {
            vf target = LOAD(t + i), term, weight;
            f(LOAD(x + i), target, p, &term, &weight);
            vm valid = vf_eq(target, target);
            if (left_ < VL) valid = vm_and(valid, vm_first(left_));
            row_sum_add(&sum, vf_select(valid, term, (vf){0}));
            row_sum_add(&weights, vf_select(valid, weight, (vf){0}));
        }
        ((loss_part *)args->workspace)[part] =
            (loss_part){row_sum_total(&sum), row_sum_total(&weights)};
    }
}

INLINE void grad_elements(const bal_cpu_task *task, bal_lane lane, const loss_numbers *p,
                          loss_grad_fn f) {
    const bal_kernel_args *args = &task->args;
    const float *x = args->in[BAL_LOSS_PREDICTION].data, *t = args->in[BAL_LOSS_TRUTH].data;
    float *dx = args->out[0].data, factor = (float)bal_loss_grad_factor(args);
    bal_range range = bal_lane_range(lane, operand_count(&args->out[0]), 64);
    if (factor == 0) {
        fill(dx + range.begin, range.end - range.begin, 0);
        return;
    }
    x += range.begin;
    t += range.begin;
    dx += range.begin;
    FOR_VECTORS(i, range.end - range.begin) {
        vf target = LOAD(t + i);
        vf d = f(LOAD(x + i), target, p) * factor;
        STORE(dx + i, vf_select(vf_eq(target, target), d, (vf){0}));
    }
}

static loss_numbers numbers_of(const bal_kernel_args *args, const bal_operand *pair) {
    const float *weight = pair ? pair->data : NULL;
    return (loss_numbers){
        .weighted = weight != NULL,
        .weight0 = weight ? weight[0] : 1,
        .weight1 = weight ? weight[1] : 1,
        .parameter = args->node->op->n_attrs > 0 ? (float)args->node->attr[0].f : 0,
        .attr = args->node->attr,
    };
}

/* log(1 + e^−|x|); for tiny e^−|x| 1 + e rounds to 1, which the quotient undoes (Kahan). */
INLINE vf log1p_exp_minus(vf size) {
    vf e = vf_exp((vf){0} - size), w = e + 1.0f;
    vf exact = vf_log(w) * (e / (w - 1.0f));
    return vf_select(vf_eq(w, vf_set(1)), e, exact);
}

INLINE void squared_error_of(vf x, vf t, const loss_numbers *p, vf *ret_term, vf *ret_weight) {
    *ret_term = (x - t) * (x - t);
    *ret_weight = vf_set(1);
}
INLINE vf squared_error_grad_of(vf x, vf t, const loss_numbers *p) {
    return (x - t) * 2.0f;
}

INLINE vf huber_with(vf v, vf delta) {
    vf size = vf_abs(v);
    return vf_select(vf_le(size, delta), size * size * 0.5f, (size - delta * 0.5f) * delta);
}
INLINE vf clamp_to(vf v, vf delta) {
    v = vf_select(vf_gt(v, delta), delta, v);
    return vf_select(vf_lt(v, (vf){0} - delta), (vf){0} - delta, v);
}
INLINE void huber_of(vf x, vf t, const loss_numbers *p, vf *ret_term, vf *ret_weight) {
    *ret_term = huber_with(x - t, vf_set(p->parameter));
    *ret_weight = vf_set(1);
}
INLINE vf huber_grad_of(vf x, vf t, const loss_numbers *p) {
    return clamp_to(x - t, vf_set(p->parameter));
}

/* How far x is past the line of t's side, with a sign, and what that side weighs; attributes as in
 * src/ops/threshold_huber.c. */
INLINE vf past_line(vf x, vf t, const loss_numbers *p, vf *ret_weight) {
    vf threshold = vf_set((float)p->attr[0].f), margin = vf_set((float)p->attr[2].f);
    vm below = vf_lt(t, threshold);
    vf line = vf_select(below, vf_max(t, threshold - margin), vf_min(t, threshold + margin));
    vf v = x - line, zero = {0};
    *ret_weight = vf_select(below, vf_set((float)p->attr[3].f), vf_set((float)p->attr[4].f));
    return vf_select(below, vf_select(vf_gt(v, zero), v, zero), vf_select(vf_lt(v, zero), v, zero));
}
INLINE void threshold_huber_of(vf x, vf t, const loss_numbers *p, vf *ret_term, vf *ret_weight) {
    vf delta = vf_set((float)p->attr[1].f), side, v = past_line(x, t, p, &side);
    *ret_term = huber_with(x - t, delta) + side * huber_with(v, delta);
    *ret_weight = vf_set(1);
}
INLINE vf threshold_huber_grad_of(vf x, vf t, const loss_numbers *p) {
    vf delta = vf_set((float)p->attr[1].f), side, v = past_line(x, t, p, &side);
    return clamp_to(x - t, delta) + side * clamp_to(v, delta);
}

INLINE vf pair_weight(vf t, const loss_numbers *p) {
    return p->weighted ? t * p->weight1 + (1.0f - t) * p->weight0 : vf_set(1);
}
INLINE void bce_of(vf x, vf t, const loss_numbers *p, vf *ret_term, vf *ret_weight) {
    vf positive = vf_select(vf_gt(x, (vf){0}), x, (vf){0});
    *ret_weight = pair_weight(t, p);
    *ret_term = *ret_weight * (positive - t * x + log1p_exp_minus(vf_abs(x)));
}
INLINE vf bce_grad_of(vf x, vf t, const loss_numbers *p) {
    return pair_weight(t, p) * (vf_sigmoid(x) - t);
}

#define LOSS(name, pair, f)                                                                        \
    static void run_##name(const bal_cpu_task *task, int phase, bal_lane lane) {                   \
        loss_numbers p = numbers_of(&task->args, pair);                                            \
        sum_elements(task, phase, lane, &p, f##_of);                                               \
    }                                                                                              \
    static void run_##name##_grad(const bal_cpu_task *task, int phase, bal_lane lane) {            \
        loss_numbers p = numbers_of(&task->args, pair);                                            \
        grad_elements(task, lane, &p, f##_grad_of);                                                \
    }
LOSS(squared_error, NULL, squared_error)
LOSS(huber, NULL, huber)
LOSS(threshold_huber, NULL, threshold_huber)
LOSS(binary_cross_entropy, &task->args.in[BAL_LOSS_WEIGHT], bce)

const bal_cpu_kernel ISA_NAME(bal_cpu_loss)[] = {
    {"cross_entropy", "rows", 0, NULL, prepare_rows, run_cross_entropy},
    {"cross_entropy_grad", "rows", 0, NULL, NULL, run_cross_entropy_grad},
    {"squared_error", "blocks", 0, NULL, prepare_elements, run_squared_error},
    {"squared_error_grad", "map", 0, NULL, NULL, run_squared_error_grad},
    {"huber", "blocks", 0, NULL, prepare_elements, run_huber},
    {"huber_grad", "map", 0, NULL, NULL, run_huber_grad},
    {"threshold_huber", "blocks", 0, NULL, prepare_elements, run_threshold_huber},
    {"threshold_huber_grad", "map", 0, NULL, NULL, run_threshold_huber_grad},
    {"binary_cross_entropy", "blocks", 0, NULL, prepare_elements, run_binary_cross_entropy},
    {"binary_cross_entropy_grad", "map", 0, NULL, NULL, run_binary_cross_entropy_grad},
    {0},
};
