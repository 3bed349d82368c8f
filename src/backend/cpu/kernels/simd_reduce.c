/* Sums and means over an axis, repetition along one, and the peak activity of units. */
#include "backend/cpu/kernels/columns.h"
#include "backend/cpu/kernels/rows.h"
#include "ops/reference.h"

enum { ATTR_AXIS };

/* ---- sums ---- */

/* y = factor · Σ over the rows of x [rows, stride] for one block of columns. */
INLINE void sum_block(const float *x, int64_t rows, int64_t stride, double divisor, float *y,
                      const int V, column_block b) {
    column_sums sums = {0};
    x += b.first;
    for (int64_t row = 0; row < rows;) {
        vf part[BLOCK_VECTORS] = {{0}};
        for (int64_t end = min64(row + ROW_CHUNK, rows); row < end; row++, x += stride)
            for (int v = 0; v < V; v++)
                part[v] += column_load(x, V, v, b.n);
        column_sums_add(&sums, V, part);
    }
    for (int v = 0; v < V; v++)
        column_store(y + b.first, vf_narrow(sums.low[v] / divisor, sums.high[v] / divisor), V, v,
                     b.n);
}
#define SUM4(x, rows, stride, divisor, y, block)                                                   \
    sum_block(x, rows, stride, divisor, y, BLOCK_VECTORS, block)
#define SUM1(x, rows, stride, divisor, y, block) sum_block(x, rows, stride, divisor, y, 1, block)

static float sum_row(const float *x, int64_t n, double divisor) {
    row_sum sum = {0};
    FOR_VECTORS(i, n) row_sum_add(&sum, LOAD(x + i));
    return (float)(row_sum_total(&sum) / divisor);
}

/* Along the last axis lanes take rows, along another one columns. */
static void sum_axis(const bal_kernel_args *args, bal_lane lane, bool mean) {
    bal_axis_view view =
        bal_axis_view_of(&args->in[0].shape, (int32_t)args->node->attr[ATTR_AXIS].i);
    const float *x = args->in[0].data;
    float *y = args->out[0].data;
    double divisor = mean ? (double)view.length : 1;
    if (view.inner == 1) {
        bal_range rows = bal_lane_range(lane, view.outer, 16);
        for (int64_t o = rows.begin; o < rows.end; o++)
            y[o] = sum_row(x + o * view.length, view.length, divisor);
        return;
    }
    bal_range columns = bal_lane_range(lane, view.inner, VL);
    for (int64_t o = 0; o < view.outer; o++)
        FOR_COLUMN_BLOCKS(columns, SUM4, SUM1, x + o * view.length * view.inner, view.length,
                          view.inner, divisor, y + o * view.inner);
}

static void run_reduce_sum(const bal_cpu_task *task, int phase, bal_lane lane) {
    sum_axis(&task->args, lane, false);
}

static void run_reduce_mean(const bal_cpu_task *task, int phase, bal_lane lane) {
    sum_axis(&task->args, lane, true);
}

/* ---- expand: y[o,j,i] = x[o,i] ---- */

static void run_expand(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    bal_axis_view view =
        bal_axis_view_of(&args->out[0].shape, (int32_t)args->node->attr[ATTR_AXIS].i);
    const float *x = args->in[0].data;
    float *y = args->out[0].data;
    if (view.outer == 1 && view.inner == 1) { /* one number everywhere */
        bal_range range = bal_lane_range(lane, view.length, 64);
        vf one = vf_set(*x);
        FOR_VECTORS(i, range.end - range.begin) STORE(y + range.begin + i, one);
        return;
    }
    bal_range rows = bal_lane_range(lane, view.outer * view.length, 1);
    for (int64_t row = rows.begin; row < rows.end; row++)
        memcpy(y + row * view.inner, x + row / view.length * view.inner,
               (size_t)view.inner * sizeof *y);
}

/* ---- activity_max ---- */

INLINE void peak_block(const float *x, int64_t rows, int64_t stride, float *peak, const int V,
                       column_block b) {
    vf top[BLOCK_VECTORS];
    for (int v = 0; v < V; v++)
        top[v] = column_load(peak + b.first, V, v, b.n);
    for (int64_t row = 0; row < rows; row++) {
        for (int v = 0; v < V; v++) {
            vf size = vf_abs(column_load(x + row * stride + b.first, V, v, b.n));
            size = vf_select(vf_eq(size, size), size, vf_set(INFINITY));
            /* a peak that is NaN gives way, as it does in fmax */
            top[v] = vf_select(vf_ge(top[v], size), top[v], size);
        }
    }
    for (int v = 0; v < V; v++)
        column_store(peak + b.first, top[v], V, v, b.n);
}
#define PEAK4(x, rows, stride, peak, block) peak_block(x, rows, stride, peak, BLOCK_VECTORS, block)
#define PEAK1(x, rows, stride, peak, block) peak_block(x, rows, stride, peak, 1, block)

static void run_activity_max(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_operand *x = &task->args.in[1];
    const float *data = x->data;
    float *peak = task->args.in[0].data;
    int64_t D = row_length(x), rows = row_count(x);
    FOR_COLUMN_BLOCKS(bal_lane_range(lane, D, VL), PEAK4, PEAK1, data, rows, D, peak);
}

const bal_cpu_kernel ISA_NAME(bal_cpu_reduce)[] = {
    {"reduce_sum", "sums", 0, NULL, NULL, run_reduce_sum},
    {"reduce_mean", "sums", 0, NULL, NULL, run_reduce_mean},
    {"expand", "repeat", 0, NULL, NULL, run_expand},
    {"activity_max", "columns", 0, NULL, NULL, run_activity_max},
    {0},
};
