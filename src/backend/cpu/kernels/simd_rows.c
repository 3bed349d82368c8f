/* Kernels along the last axis: softmax, log-softmax, layer norm, L2 normalisation, and their
 * gradients. Lanes take rows; a row's sums run in double, in an order that depends on its length
 * only. */
#include "backend/cpu/kernels/columns.h"
#include "backend/cpu/kernels/rows.h"

static bal_range lane_rows(const bal_operand *x, bal_lane lane) {
    return bal_lane_range(lane, row_count(x), 1);
}

/* ---- softmax ---- */

static void run_softmax(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_operand *in = &task->args.in[0];
    int64_t C = row_length(in);
    bal_range rows = lane_rows(in, lane);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        const float *x = (const float *)in->data + row * C;
        float *y = (float *)task->args.out[0].data + row * C;
        vf top = vf_set(row_top(x, C));
        row_sum sum = {0};
        FOR_VECTORS(i, C) {
            vf e = vf_exp(LOAD(x + i) - top);
            STORE(y + i, e);
            row_sum_add(&sum, left_ >= VL ? e : vf_keep_first(e, left_));
        }
        vf total = vf_set((float)row_sum_total(&sum));
        FOR_VECTORS(i, C) STORE(y + i, LOAD(y + i) / total);
    }
}

static void run_softmax_grad(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_operand *in = &task->args.in[0];
    int64_t C = row_length(in);
    bal_range rows = lane_rows(in, lane);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        const float *g = (const float *)in->data + row * C;
        const float *y = (const float *)task->args.in[1].data + row * C;
        float *dx = (float *)task->args.out[0].data + row * C;
        row_sum sum = {0};
        FOR_VECTORS(i, C) row_sum_add(&sum, LOAD(g + i) * LOAD(y + i));
        vf dot = vf_set((float)row_sum_total(&sum));
        FOR_VECTORS(i, C) STORE(dx + i, LOAD(y + i) * (LOAD(g + i) - dot));
    }
}

static void run_log_softmax(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_operand *in = &task->args.in[0];
    int64_t C = row_length(in);
    bal_range rows = lane_rows(in, lane);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        const float *x = (const float *)in->data + row * C;
        float *y = (float *)task->args.out[0].data + row * C;
        float top = row_top(x, C);
        vf log_sum = vf_set((float)log(row_sum_exp(x, C, top)));
        FOR_VECTORS(i, C) STORE(y + i, LOAD(x + i) - top - log_sum);
    }
}

static void run_log_softmax_grad(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_operand *in = &task->args.in[0];
    int64_t C = row_length(in);
    bal_range rows = lane_rows(in, lane);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        const float *g = (const float *)in->data + row * C;
        const float *y = (const float *)task->args.in[1].data + row * C;
        float *dx = (float *)task->args.out[0].data + row * C;
        row_sum sum = {0};
        FOR_VECTORS(i, C) row_sum_add(&sum, LOAD(g + i));
        vf total = vf_set((float)row_sum_total(&sum));
        FOR_VECTORS(i, C) STORE(dx + i, LOAD(g + i) - vf_exp(LOAD(y + i)) * total);
    }
}

/* ---- layer norm: y = (x − mean)·rstd·gamma + beta ---- */

static void run_layer_norm(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    int64_t D = row_length(&args->in[0]);
    const float *gamma = args->in[1].data, *beta = args->in[2].data;
    double epsilon = args->node->attr[0].f;
    bal_range rows = lane_rows(&args->in[0], lane);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        const float *x = (const float *)args->in[0].data + row * D;
        float *y = (float *)args->out[0].data + row * D;
        row_sum sum = {0}, squares = {0};
        FOR_VECTORS(i, D) row_sum_add(&sum, LOAD(x + i));
        double mean = row_sum_total(&sum) / (double)D;
        float near = (float)mean, error = (float)(mean - near);
        FOR_VECTORS(i, D) {
            vf d = (LOAD(x + i) - near) - error;
            d = left_ >= VL ? d : vf_keep_first(d, left_);
            row_sum_add(&squares, d * d);
        }
        double rstd = 1 / sqrt(row_sum_total(&squares) / (double)D + epsilon);
        float scale = (float)rstd;
        FOR_VECTORS(i, D)
        STORE(y + i, ((LOAD(x + i) - near) - error) * scale * LOAD(gamma + i) + LOAD(beta + i));
        ((float *)args->out[1].data)[row] = near;
        ((float *)args->out[2].data)[row] = scale;
    }
}

enum { LN_X, LN_GAMMA, LN_MEAN, LN_RSTD, LN_DY };

/* dgamma = Σ_rows g·x̂ and dbeta = Σ_rows g of one block of columns. */
INLINE void layer_norm_columns(const bal_kernel_args *args, const int V, column_block b) {
    const float *x = (const float *)args->in[LN_X].data + b.first;
    const float *dy = (const float *)args->in[LN_DY].data + b.first;
    const float *mean = args->in[LN_MEAN].data, *rstd = args->in[LN_RSTD].data;
    int64_t D = row_length(&args->in[LN_X]), B = row_count(&args->in[LN_X]);
    column_sums sums = {0}, projections = {0};
    for (int64_t row = 0; row < B;) {
        vf sum[BLOCK_VECTORS] = {{0}}, projection[BLOCK_VECTORS] = {{0}};
        for (int64_t end = min64(row + ROW_CHUNK, B); row < end; row++) {
            for (int v = 0; v < V; v++) {
                vf unit = (column_load(x + row * D, V, v, b.n) - mean[row]) * rstd[row];
                vf g = column_load(dy + row * D, V, v, b.n);
                sum[v] += g;
                projection[v] += g * unit;
            }
        }
        column_sums_add(&sums, V, sum);
        column_sums_add(&projections, V, projection);
    }
    for (int v = 0; v < V; v++) {
        column_store((float *)args->out[1].data + b.first,
                     vf_narrow(projections.low[v], projections.high[v]), V, v, b.n);
        column_store((float *)args->out[2].data + b.first, vf_narrow(sums.low[v], sums.high[v]), V,
                     v, b.n);
    }
}
#define LAYER_NORM4(args, block) layer_norm_columns(args, BLOCK_VECTORS, block)
#define LAYER_NORM1(args, block) layer_norm_columns(args, 1, block)

static void layer_norm_row(const bal_kernel_args *args, int64_t row, int64_t D) {
    const float *x = (const float *)args->in[LN_X].data + row * D;
    const float *dy = (const float *)args->in[LN_DY].data + row * D;
    const float *gamma = args->in[LN_GAMMA].data;
    float *dx = (float *)args->out[0].data + row * D;
    float mean = ((const float *)args->in[LN_MEAN].data)[row];
    float rstd = ((const float *)args->in[LN_RSTD].data)[row];
    row_sum sum = {0}, projection = {0};
    FOR_VECTORS(i, D) {
        vf h = LOAD(dy + i) * LOAD(gamma + i), unit = (LOAD(x + i) - mean) * rstd;
        row_sum_add(&sum, h);
        row_sum_add(&projection, left_ >= VL ? h * unit : vf_keep_first(h * unit, left_));
    }
    vf mean_h = vf_set((float)(row_sum_total(&sum) / (double)D));
    vf mean_projection = vf_set((float)(row_sum_total(&projection) / (double)D));
    FOR_VECTORS(i, D) {
        vf h = LOAD(dy + i) * LOAD(gamma + i), unit = (LOAD(x + i) - mean) * rstd;
        STORE(dx + i, (h - mean_h - unit * mean_projection) * rstd);
    }
}

/* Columns first: dx may lie where x or dy is. */
static void prepare_layer_norm_grad(bal_cpu_request *request) {
    bal_shape x = bal_cpu_in_shape(request, LN_X);
    bal_cpu_split_if(request, bal_shape_count(&x) * 2);
    request->phases = 2;
}

static void run_layer_norm_grad(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    int64_t D = row_length(&args->in[LN_X]);
    if (phase == 0) {
        FOR_COLUMN_BLOCKS(bal_lane_range(lane, D, VL), LAYER_NORM4, LAYER_NORM1, args);
        return;
    }
    bal_range rows = lane_rows(&args->in[LN_X], lane);
    for (int64_t row = rows.begin; row < rows.end; row++)
        layer_norm_row(args, row, D);
}

/* ---- L2 normalisation ---- */

static void run_l2_normalize(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    int64_t D = row_length(&args->in[0]);
    double epsilon = args->node->attr[0].f;
    bal_range rows = lane_rows(&args->in[0], lane);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        const float *x = (const float *)args->in[0].data + row * D;
        float *y = (float *)args->out[0].data + row * D;
        row_sum squares = {0};
        FOR_VECTORS(i, D) row_sum_add_square(&squares, LOAD(x + i));
        double norm = sqrt(row_sum_total(&squares));
        vf divisor = vf_set((float)(norm < epsilon ? epsilon : norm));
        FOR_VECTORS(i, D) STORE(y + i, LOAD(x + i) / divisor);
        ((float *)args->out[1].data)[row] = (float)norm;
    }
}

static void run_l2_normalize_grad(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    int64_t D = row_length(&args->in[0]);
    double epsilon = args->node->attr[0].f;
    bal_range rows = lane_rows(&args->in[0], lane);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        const float *dy = (const float *)args->in[0].data + row * D;
        const float *y = (const float *)args->in[1].data + row * D;
        float *dx = (float *)args->out[0].data + row * D;
        float norm = ((const float *)args->in[2].data)[row];
        row_sum sum = {0};
        FOR_VECTORS(i, D) row_sum_add(&sum, LOAD(dy + i) * LOAD(y + i));
        float along = (float)row_sum_total(&sum);
        if (norm < epsilon) {
            FOR_VECTORS(i, D) STORE(dx + i, LOAD(dy + i) / (float)epsilon);
        } else {
            FOR_VECTORS(i, D) STORE(dx + i, (LOAD(dy + i) - LOAD(y + i) * along) / norm);
        }
    }
}

const bal_cpu_kernel ISA_NAME(bal_cpu_rows)[] = {
    {"softmax", "rows", 0, NULL, NULL, run_softmax},
    {"softmax_grad", "rows", 0, NULL, NULL, run_softmax_grad},
    {"log_softmax", "rows", 0, NULL, NULL, run_log_softmax},
    {"log_softmax_grad", "rows", 0, NULL, NULL, run_log_softmax_grad},
    {"layer_norm", "rows", 0, NULL, NULL, run_layer_norm},
    {"layer_norm_grad", "rows", 0, NULL, prepare_layer_norm_grad, run_layer_norm_grad},
    {"l2_normalize", "rows", 0, NULL, NULL, run_l2_normalize},
    {"l2_normalize_grad", "rows", 0, NULL, NULL, run_l2_normalize_grad},
    {0},
};
