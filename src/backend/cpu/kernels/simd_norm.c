/* Batch normalisation, alone and fused with activation and dropout, forward and backward.
 *
 * One sweep over memory: a block of columns (columns.h) is small enough to stay in cache while it
 * is read for the mean, for the variance about it and for the result. The mean is kept as a rounded
 * float and its rounding error, since x − mean of a column far from zero would otherwise lose the
 * digits that the reference keeps. */
#include "backend/cpu/kernels/activation.h"
#include "backend/cpu/kernels/columns.h"
#include "backend/cpu/kernels/vec_random.h"

/* What the kernels of this file have in common; pointers not used are NULL. */
typedef struct norm_job {
    const float *x, *dy, *gamma, *beta, *mean, *variance;
    const uint8_t *mask;
    float *y, *dgamma, *dbeta, *ret_mean, *ret_variance;
    int64_t B, D;
    float epsilon, slope, factor; /* factor: 1/(1 − rate) */
} norm_job;

/* ---- moments ---- */

typedef struct column_moments {
    vf mean[BLOCK_VECTORS], mean_error[BLOCK_VECTORS], variance[BLOCK_VECTORS];
} column_moments;

INLINE void mean_of(const norm_job *job, const int V, column_block b, column_moments *ret) {
    const float *x = job->x + b.first;
    column_sums sums = {0};
    for (int64_t row = 0; row < job->B;) {
        vf part[BLOCK_VECTORS] = {{0}};
        for (int64_t end = min64(row + ROW_CHUNK, job->B); row < end; row++, x += job->D)
            for (int v = 0; v < V; v++)
                part[v] += column_load(x, V, v, b.n);
        column_sums_add(&sums, V, part);
    }
    double count = (double)job->B;
    for (int v = 0; v < V; v++) {
        vd low = sums.low[v] / count, high = sums.high[v] / count;
        vf mean = vf_narrow(low, high);
        ret->mean[v] = mean;
        ret->mean_error[v] = vf_narrow(low - vf_low(mean), high - vf_high(mean));
    }
}

INLINE vf centred(vf x, const column_moments *m, int v) {
    return (x - m->mean[v]) - m->mean_error[v];
}

INLINE void moments_of(const norm_job *job, const int V, column_block b, column_moments *ret) {
    const float *x = job->x + b.first;
    column_sums sums = {0};
    mean_of(job, V, b, ret);
    for (int64_t row = 0; row < job->B;) {
        vf part[BLOCK_VECTORS] = {{0}};
        for (int64_t end = min64(row + ROW_CHUNK, job->B); row < end; row++, x += job->D) {
            for (int v = 0; v < V; v++) {
                vf d = centred(column_load(x, V, v, b.n), ret, v);
                part[v] += d * d;
            }
        }
        column_sums_add(&sums, V, part);
    }
    double count = (double)job->B;
    for (int v = 0; v < V; v++)
        ret->variance[v] = vf_narrow(sums.low[v] / count, sums.high[v] / count);
}

/* ---- forward ---- */

INLINE void forward(const norm_job *job, const int V, const bal_activation activation,
                    const bool masked, column_block b) {
    column_moments m;
    vf scale[BLOCK_VECTORS], beta[BLOCK_VECTORS];
    moments_of(job, V, b, &m);
    for (int v = 0; v < V; v++) {
        vf gamma = column_load(job->gamma + b.first, V, v, b.n);
        scale[v] = gamma / vf_sqrt(m.variance[v] + job->epsilon);
        beta[v] = column_load(job->beta + b.first, V, v, b.n);
        column_store(job->ret_mean + b.first, m.mean[v], V, v, b.n);
        column_store(job->ret_variance + b.first, m.variance[v], V, v, b.n);
    }
    for (int64_t row = 0; row < job->B; row++) {
        int64_t at = row * job->D + b.first;
        for (int v = 0; v < V; v++) {
            vf pre = centred(column_load(job->x + at, V, v, b.n), &m, v) * scale[v] + beta[v];
            vf y = vf_activate(activation, job->slope, pre);
            if (masked)
                y = vf_select(mask_load(job->mask + at + v * VL, b.n), y * job->factor, (vf){0});
            column_store(job->y + at, y, V, v, b.n);
        }
    }
}

/* ---- backward ----
 * dx = gamma·rstd·(g − ⟨g⟩ − x̂·⟨g·x̂⟩), g the gradient that reaches the norm's output; it is
 * computed in both sweeps, since dx may lie where x or dy is. */

typedef struct column_grad {
    vf mean[BLOCK_VECTORS], rstd[BLOCK_VECTORS], gamma[BLOCK_VECTORS], beta[BLOCK_VECTORS];
} column_grad;

/* x̂ and g of one vector of row `at`. */
INLINE vf grad_at(const norm_job *job, const column_grad *c, const int V,
                  const bal_activation activation, const bool masked, int v, int64_t at, int64_t n,
                  vf *ret_unit) {
    vf unit = (column_load(job->x + at, V, v, n) - c->mean[v]) * c->rstd[v];
    vf g = column_load(job->dy + at, V, v, n);
    if (masked) g = vf_select(mask_load(job->mask + at + v * VL, n), g * job->factor, (vf){0});
    *ret_unit = unit;
    if (activation == BAL_ACT_NONE) return g;
    return vf_activate_grad(activation, job->slope, g, unit * c->gamma[v] + c->beta[v]);
}

INLINE void backward(const norm_job *job, const int V, const bal_activation activation,
                     const bool masked, column_block b) {
    column_grad c;
    column_sums sums = {0}, projections = {0};
    for (int v = 0; v < V; v++) {
        c.mean[v] = column_load(job->mean + b.first, V, v, b.n);
        c.rstd[v] = 1.0f / vf_sqrt(column_load(job->variance + b.first, V, v, b.n) + job->epsilon);
        c.gamma[v] = column_load(job->gamma + b.first, V, v, b.n);
        c.beta[v] = job->beta ? column_load(job->beta + b.first, V, v, b.n) : (vf){0};
    }
    for (int64_t row = 0; row < job->B;) {
        vf sum[BLOCK_VECTORS] = {{0}}, projection[BLOCK_VECTORS] = {{0}};
        for (int64_t end = min64(row + ROW_CHUNK, job->B); row < end; row++) {
            for (int v = 0; v < V; v++) {
                vf unit, g = grad_at(job, &c, V, activation, masked, v, row * job->D + b.first, b.n,
                                     &unit);
                sum[v] += g;
                projection[v] += g * unit;
            }
        }
        column_sums_add(&sums, V, sum);
        column_sums_add(&projections, V, projection);
    }
    vf scale[BLOCK_VECTORS], mean_g[BLOCK_VECTORS], mean_projection[BLOCK_VECTORS];
    double count = (double)job->B;
    for (int v = 0; v < V; v++) {
        column_store(job->dbeta + b.first, vf_narrow(sums.low[v], sums.high[v]), V, v, b.n);
        column_store(job->dgamma + b.first, vf_narrow(projections.low[v], projections.high[v]), V,
                     v, b.n);
        scale[v] = c.gamma[v] * c.rstd[v];
        mean_g[v] = vf_narrow(sums.low[v] / count, sums.high[v] / count);
        mean_projection[v] = vf_narrow(projections.low[v] / count, projections.high[v] / count);
    }
    for (int64_t row = 0; row < job->B; row++) {
        int64_t at = row * job->D + b.first;
        for (int v = 0; v < V; v++) {
            vf unit, g = grad_at(job, &c, V, activation, masked, v, at, b.n, &unit);
            vf dx = scale[v] * (g - mean_g[v] - unit * mean_projection[v]);
            column_store(job->y + at, dx, V, v, b.n);
        }
    }
}

/* ---- one copy of each per activation, with and without mask ---- */

#define NORM_COPIES(NAME, ACTIVATION)                                                              \
    static void forward_##NAME(const norm_job *job, bal_range columns) {                           \
        if (job->mask)                                                                             \
            FOR_COLUMN_BLOCKS(columns, FORWARD4, FORWARD1, job, ACTIVATION, true);                 \
        else                                                                                       \
            FOR_COLUMN_BLOCKS(columns, FORWARD4, FORWARD1, job, ACTIVATION, false);                \
    }                                                                                              \
    static void backward_##NAME(const norm_job *job, bal_range columns) {                          \
        if (job->mask)                                                                             \
            FOR_COLUMN_BLOCKS(columns, BACKWARD4, BACKWARD1, job, ACTIVATION, true);               \
        else                                                                                       \
            FOR_COLUMN_BLOCKS(columns, BACKWARD4, BACKWARD1, job, ACTIVATION, false);              \
    }
#define FORWARD4(job, activation, masked, block)                                                   \
    forward(job, BLOCK_VECTORS, activation, masked, block)
#define FORWARD1(job, activation, masked, block) forward(job, 1, activation, masked, block)
#define BACKWARD4(job, activation, masked, block)                                                  \
    backward(job, BLOCK_VECTORS, activation, masked, block)
#define BACKWARD1(job, activation, masked, block) backward(job, 1, activation, masked, block)

NORM_COPIES(none, BAL_ACT_NONE)
NORM_COPIES(relu, BAL_ACT_RELU)
NORM_COPIES(leaky_relu, BAL_ACT_LEAKY_RELU)
NORM_COPIES(gelu, BAL_ACT_GELU)
NORM_COPIES(sigmoid, BAL_ACT_SIGMOID)
NORM_COPIES(tanh, BAL_ACT_TANH)

typedef void (*norm_fn)(const norm_job *job, bal_range columns);

static const norm_fn forward_table[BAL_ACT_COUNT] = {
    [BAL_ACT_NONE] = forward_none,
    [BAL_ACT_RELU] = forward_relu,
    [BAL_ACT_LEAKY_RELU] = forward_leaky_relu,
    [BAL_ACT_GELU] = forward_gelu,
    [BAL_ACT_SIGMOID] = forward_sigmoid,
    [BAL_ACT_TANH] = forward_tanh,
};
static const norm_fn backward_table[BAL_ACT_COUNT] = {
    [BAL_ACT_NONE] = backward_none,
    [BAL_ACT_RELU] = backward_relu,
    [BAL_ACT_LEAKY_RELU] = backward_leaky_relu,
    [BAL_ACT_GELU] = backward_gelu,
    [BAL_ACT_SIGMOID] = backward_sigmoid,
    [BAL_ACT_TANH] = backward_tanh,
};

static bal_range lane_columns(const norm_job *job, bal_lane lane) {
    return bal_lane_range(lane, job->D, VL);
}

/* ---- batch_norm ---- */

static norm_job forward_job(const bal_kernel_args *args) {
    return (norm_job){
        .x = args->in[0].data,
        .gamma = args->in[1].data,
        .beta = args->in[2].data,
        .y = args->out[0].data,
        .ret_mean = args->out[1].data,
        .ret_variance = args->out[2].data,
        .B = args->in[0].shape.dim[0],
        .D = args->in[0].shape.dim[1],
        .epsilon = (float)args->node->attr[0].f,
    };
}

static void run_batch_norm(const bal_cpu_task *task, int phase, bal_lane lane) {
    norm_job job = forward_job(&task->args);
    forward_none(&job, lane_columns(&job, lane));
}

static void run_batch_norm_grad(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    norm_job job = {
        .x = args->in[0].data,
        .gamma = args->in[1].data,
        .mean = args->in[2].data,
        .variance = args->in[3].data,
        .dy = args->in[4].data,
        .y = args->out[0].data,
        .dgamma = args->out[1].data,
        .dbeta = args->out[2].data,
        .B = args->in[0].shape.dim[0],
        .D = args->in[0].shape.dim[1],
        .epsilon = (float)args->node->attr[0].f,
    };
    backward_none(&job, lane_columns(&job, lane));
}

/* ---- norm_act_dropout: attributes epsilon, activation, slope, rate, stream ---- */

enum { FUSED_RNG = 3, FUSED_MASK_OUT = 3, FUSED_MASK_IN = 5, MASK_BLOCK = 1024 };
_Static_assert(MASK_BLOCK % MASK_ELEMENTS == 0, "blocks begin at a draw");

static void set_fused(norm_job *job, const bal_attr *attr) {
    job->slope = (float)attr[2].f;
    job->factor = (float)(1 / (1 - attr[3].f));
}

/* With drops, the mask must be complete before columns are walked: it is drawn along rows. */
static void prepare_fused(bal_cpu_request *request) {
    bal_shape x = bal_cpu_in_shape(request, 0);
    bool drops = bal_value_is_some(request->node->in[FUSED_RNG]);
    bal_cpu_split_if(request, bal_shape_count(&x) * 2);
    request->phases = drops ? 2 : 1;
}

static void fill_mask(const bal_kernel_args *args, bal_lane lane) {
    uint8_t *mask = args->out[FUSED_MASK_OUT].data;
    const int64_t *rng = args->in[FUSED_RNG].data;
    bal_range range = bal_lane_range(lane, operand_count(&args->out[0]), MASK_BLOCK);
    if (!rng) {
        memset(mask + range.begin, 1, (size_t)(range.end - range.begin));
        return;
    }
    bal_draw draw = bal_draw_of(rng, args->node->attr[4].i);
    mask_fill(&draw, args->node->attr[3].f, mask, range.begin, range.end);
}

static void run_fused(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    bool drops = args->in[FUSED_RNG].data != NULL;
    if (phase == 0) fill_mask(args, lane);
    if (drops && phase == 0) return;
    norm_job job = forward_job(args);
    set_fused(&job, args->node->attr);
    if (drops) job.mask = args->out[FUSED_MASK_OUT].data;
    forward_table[args->node->attr[1].i](&job, lane_columns(&job, lane));
}

static void run_fused_grad(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    norm_job job = {
        .x = args->in[0].data,
        .gamma = args->in[1].data,
        .beta = args->in[2].data,
        .mean = args->in[3].data,
        .variance = args->in[4].data,
        .mask = args->in[FUSED_MASK_IN].data,
        .dy = args->in[6].data,
        .y = args->out[0].data,
        .dgamma = args->out[1].data,
        .dbeta = args->out[2].data,
        .B = args->in[0].shape.dim[0],
        .D = args->in[0].shape.dim[1],
        .epsilon = (float)args->node->attr[0].f,
    };
    set_fused(&job, args->node->attr);
    backward_table[args->node->attr[1].i](&job, lane_columns(&job, lane));
}

/* ---- inference form and running statistics ---- */

INLINE void infer_block(const norm_job *job, const int V, column_block b) {
    vf scale[BLOCK_VECTORS], mean[BLOCK_VECTORS], beta[BLOCK_VECTORS];
    for (int v = 0; v < V; v++) {
        vf variance = column_load(job->variance + b.first, V, v, b.n);
        scale[v] = column_load(job->gamma + b.first, V, v, b.n) / vf_sqrt(variance + job->epsilon);
        mean[v] = column_load(job->mean + b.first, V, v, b.n);
        beta[v] = column_load(job->beta + b.first, V, v, b.n);
    }
    for (int64_t row = 0; row < job->B; row++) {
        int64_t at = row * job->D + b.first;
        for (int v = 0; v < V; v++) {
            vf x = column_load(job->x + at, V, v, b.n);
            column_store(job->y + at, (x - mean[v]) * scale[v] + beta[v], V, v, b.n);
        }
    }
}
#define INFER4(job, block) infer_block(job, BLOCK_VECTORS, block)
#define INFER1(job, block) infer_block(job, 1, block)

static void run_inference(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    norm_job job = {
        .x = args->in[0].data,
        .gamma = args->in[1].data,
        .beta = args->in[2].data,
        .mean = args->in[3].data,
        .variance = args->in[4].data,
        .y = args->out[0].data,
        .B = args->in[0].shape.dim[0],
        .D = args->in[0].shape.dim[1],
        .epsilon = (float)args->node->attr[0].f,
    };
    FOR_COLUMN_BLOCKS(lane_columns(&job, lane), INFER4, INFER1, &job);
}

/* running ← (1 − momentum)·running + momentum·factor·batch */
static void move_average(const bal_kernel_args *args, int32_t index, double momentum,
                         double factor) {
    float *running = args->in[index].data;
    const float *batch = args->in[index + 2].data;
    float keep = (float)(1 - momentum), take = (float)(momentum * factor);
    FOR_VECTORS(i, operand_count(&args->in[index]))
    STORE(running + i, LOAD(running + i) * keep + LOAD(batch + i) * take);
}

static void prepare_running(bal_cpu_request *request) {
    request->lanes = 1;
}

static void run_running(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    double momentum = args->node->attr[0].f, batch = (double)args->node->attr[1].i;
    const float *gate = args->in[4].data;
    if (batch < 2 || (gate && !isfinite(*gate))) return;
    move_average(args, 0, momentum, 1);
    move_average(args, 1, momentum, batch / (batch - 1));
}

const bal_cpu_kernel ISA_NAME(bal_cpu_norm)[] = {
    {"batch_norm", "columns", 0, NULL, NULL, run_batch_norm},
    {"batch_norm_grad", "columns", 0, NULL, NULL, run_batch_norm_grad},
    {"batch_norm_inference", "columns", 0, NULL, NULL, run_inference},
    {"batch_norm_running", "map", 0, NULL, prepare_running, run_running},
    {"norm_act_dropout", "columns", 0, NULL, prepare_fused, run_fused},
    {"norm_act_dropout_grad", "columns", 0, NULL, NULL, run_fused_grad},
    {0},
};
