/* Kernels that move data: reshape, concat, slice and its gradient, embedding and its gradient. The
 * first three take any element type. */
#include "backend/cpu/kernels/simd.h"
#include "ops/reference.h"

static void run_reshape(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_operand *x = &task->args.in[0], *y = &task->args.out[0];
    if (x->data == y->data) return;
    int64_t bytes = operand_count(y) * (int64_t)bal_dtype_size(y->dtype);
    bal_range range = bal_lane_range(lane, bytes, 4096);
    memcpy((char *)y->data + range.begin, (const char *)x->data + range.begin,
           (size_t)(range.end - range.begin));
}

/* One part of a concatenation: rows of `block` bytes at `start` in rows of `stride` bytes. */
static void copy_rows(char *to, int64_t to_stride, const char *from, int64_t from_stride,
                      int64_t block, bal_range rows) {
    for (int64_t row = rows.begin; row < rows.end; row++)
        memcpy(to + row * to_stride, from + row * from_stride, (size_t)block);
}

static void run_concat(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    int32_t axis = (int32_t)args->node->attr[0].i;
    int64_t size = (int64_t)bal_dtype_size(args->out[0].dtype);
    bal_axis_view whole = bal_axis_view_of(&args->out[0].shape, axis);
    bal_range rows = bal_lane_range(lane, whole.outer, 1);
    int64_t stride = whole.length * whole.inner * size;
    char *to = args->out[0].data;
    for (int32_t p = 0; p < args->n_in; p++) {
        bal_axis_view view = bal_axis_view_of(&args->in[p].shape, axis);
        int64_t block = view.length * view.inner * size;
        copy_rows(to, stride, args->in[p].data, block, block, rows);
        to += block;
    }
}

enum { ATTR_AXIS, ATTR_START, ATTR_LENGTH };

static void run_slice(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    const bal_attr *attr = args->node->attr;
    bal_axis_view view = bal_axis_view_of(&args->in[0].shape, (int32_t)attr[ATTR_AXIS].i);
    int64_t line = view.inner * (int64_t)bal_dtype_size(args->in[0].dtype);
    int64_t block = attr[ATTR_LENGTH].i * line;
    copy_rows(args->out[0].data, block, (const char *)args->in[0].data + attr[ATTR_START].i * line,
              view.length * line, block, bal_lane_range(lane, view.outer, 1));
}

static void run_slice_grad(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    const bal_attr *attr = args->node->attr;
    bal_axis_view view = bal_axis_view_of(&args->in[0].shape, (int32_t)attr[ATTR_AXIS].i);
    int64_t line = view.inner * (int64_t)sizeof(float), stride = attr[ATTR_LENGTH].i * line;
    int64_t before = attr[ATTR_START].i * line, block = view.length * line;
    bal_range rows = bal_lane_range(lane, view.outer, 1);
    for (int64_t row = rows.begin; row < rows.end; row++) {
        char *to = (char *)args->out[0].data + row * stride;
        memset(to, 0, (size_t)before);
        memcpy(to + before, (const char *)args->in[0].data + row * block, (size_t)block);
        memset(to + before + block, 0, (size_t)(stride - before - block));
    }
}

/* ---- embedding ---- */

static void run_embedding(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    const float *table = args->in[0].data;
    const int32_t *ids = args->in[1].data;
    int64_t V = args->in[0].shape.dim[0], D = args->in[0].shape.dim[1];
    bal_range rows = bal_lane_range(lane, operand_count(&args->in[1]), 1);
    for (int64_t n = rows.begin; n < rows.end; n++) {
        float *y = (float *)args->out[0].data + n * D;
        if (ids[n] >= 0 && ids[n] < V) {
            memcpy(y, table + ids[n] * D, (size_t)D * sizeof *y);
        } else {
            FOR_VECTORS(i, D) STORE(y + i, vf_set(NAN));
        }
    }
}

/* Lanes take columns of the table, so that rows used twice are added in order of n by one lane. */
static void run_embedding_grad(const bal_cpu_task *task, int phase, bal_lane lane) {
    const bal_kernel_args *args = &task->args;
    const int32_t *ids = args->in[0].data;
    int64_t V = args->out[0].shape.dim[0], D = args->out[0].shape.dim[1];
    int64_t N = operand_count(&args->in[0]);
    bal_range columns = bal_lane_range(lane, D, VL);
    int64_t width = columns.end - columns.begin;
    const float *dy = (const float *)args->in[1].data + columns.begin;
    float *table = (float *)args->out[0].data + columns.begin;
    for (int64_t v = 0; v < V; v++)
        memset(table + v * D, 0, (size_t)width * sizeof *table);
    for (int64_t n = 0; n < N; n++) {
        if (ids[n] < 0 || ids[n] >= V) continue;
        float *row = table + ids[n] * D;
        FOR_VECTORS(i, width) STORE(row + i, LOAD(row + i) + LOAD(dy + n * D + i));
    }
}

const bal_cpu_kernel ISA_NAME(bal_cpu_move)[] = {
    {"reshape", "copy", 0, NULL, NULL, run_reshape},
    {"concat", "copy", 0, NULL, NULL, run_concat},
    {"slice", "copy", 0, NULL, NULL, run_slice},
    {"slice_grad", "copy", 0, NULL, NULL, run_slice_grad},
    {"embedding", "copy", 0, NULL, NULL, run_embedding},
    {"embedding_grad", "scatter", 0, NULL, NULL, run_embedding_grad},
    {0},
};
