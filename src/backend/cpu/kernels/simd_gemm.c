/* Matrix products: matmul, linear and linear_act.
 *
 * All are C[M,N] = A[M,K] · B[K,N] for some layout of A and B. Blocking follows Goto & van de Geijn
 * (2008): B is brought into panels that the second-level cache holds, a tile of A stays in the
 * first level while the panels stream past it. Unlike in a general library the shape is known when
 * the program is compiled, so the plan is made per shape, scratch comes from the planned memory,
 * and nothing is packed that can be read where it is. Two ways to split the work:
 *
 *   by columns  each lane takes some columns of C and packs its own panels of B (weights, many
 * columns) by rows     the lanes pack all panels together, then each takes rows of C (B small:
 * activations)
 *
 * and for either, C can be computed as its transpose (Cᵀ = Bᵀ·Aᵀ), so that a weight of a dense
 * layer is read in place, row by row, and only the small operand is packed. plan_gemm estimates the
 * ways and takes the cheapest.
 *
 * Every element is one chain of multiply-adds over k, cut at multiples of `depth`, a function of K
 * alone: the result depends neither on the way chosen nor on the number of lanes. */
#include "backend/cpu/kernels/activation.h"
#include "backend/cpu/kernels/gemm_pack.h"
#include "backend/cpu/kernels/simd.h"
#include "ops/dense.h"

enum {
    DEPTH_MAX = 512,         /* a tile of A is TILE_ROWS · DEPTH_MAX floats: 28 KiB of 48 */
    PANELS_BYTES = 768 << 10 /* panels of B at a time, of 2 MiB second-level cache */
};

/* One operand: element (r, c) at data[r·stride + c], or at data[c·stride + r]. */
typedef struct matrix {
    int32_t in; /* which input of the node */
    int64_t stride;
    bool by_rows;
} matrix;

typedef struct gemm_plan {
    int64_t M, N, K;
    matrix a, b;
    int64_t c_stride;
    bool transposed; /* C is stored as Cᵀ: M and N, a and b have changed places */
    bool split_rows;
    bool pack_a, pack_b;
    int64_t depth;   /* K is cut into pieces of this */
    int64_t columns; /* of B that are packed at a time */
    int64_t rows;    /* of C at a time when transposed */
    int32_t bias;    /* input that holds the bias, or -1 */
    bal_activation activation;
    float slope;
    /* workspace, in floats */
    int64_t shared_size;                          /* all panels, when split by rows */
    int64_t panels_size, tile_size, scratch_size; /* per lane */
} gemm_plan;

/* Columns that `columns` take up in panels. */
static int64_t padded(int64_t columns) {
    int64_t rest = columns % TILE_COLUMNS;
    return columns - rest + (rest ? panel_width(rest) : 0);
}

/* ---- running ---- */

/* Panels of the columns first … first + count − 1 of B, packed or in place. */
typedef struct panels {
    const float *packed; /* or NULL */
    const float *direct; /* B at the piece's first k and first column */
    int64_t stride;      /* of B */
    const float *rest;   /* when direct: the last, incomplete panel, which is packed */
} panels;

typedef struct piece {
    const gemm_plan *plan;
    const bal_kernel_args *args;
    const float *a; /* whole A */
    float *c;       /* first row of the rows below, first column of the columns below */
    int64_t c_stride;
    int64_t k, depth;  /* this piece of K */
    int64_t row, rows; /* of C */
    int64_t column, columns;
    panels b;
    float *tile; /* room for a packed tile of A */
} piece;

static const float *bias_of(const piece *p) {
    if (p->plan->bias < 0) return NULL;
    return p->args->in[p->plan->bias].data;
}

/* One tile of rows against all panels of the piece. */
static void run_tile(const piece *p, int64_t first, int rows) {
    const gemm_plan *plan = p->plan;
    int64_t row = p->row + first;
    const float *bias = bias_of(p);
    gemm_tile t = {
        .depth = p->depth,
        .a = plan->a.by_rows ? p->a + row * plan->a.stride + p->k
                             : p->a + p->k * plan->a.stride + row,
        .a_stride = plan->a.stride,
        .c_stride = p->c_stride,
        .row_start = bias && plan->transposed ? bias + row : NULL,
        .accumulate = p->k > 0,
    };
    bool columns_contiguous = !plan->a.by_rows;
    if (plan->pack_a) {
        pack_tile(t.a, plan->a.stride, p->depth, rows, p->tile);
        t.a = p->tile;
        t.a_stride = rows;
    }
    for (int64_t j = 0; j < p->columns; j += TILE_COLUMNS) {
        t.columns = min64(p->columns - j, TILE_COLUMNS);
        t.c = p->c + first * p->c_stride + j;
        if (p->b.packed) {
            t.b = p->b.packed + j * p->depth;
            t.b_stride = panel_width(t.columns);
        } else if (t.columns % VL == 0) {
            t.b = p->b.direct + j;
            t.b_stride = p->b.stride;
        } else {
            t.b = p->b.rest;
            t.b_stride = panel_width(t.columns);
        }
        if (bias && !plan->transposed) t.column_start = bias + p->column + j;
        gemm_tile_run(&t, rows, columns_contiguous);
    }
}

/* Rows in equal tiles: 64 rows are five tiles of 12 or 13, not four of 14 and one of 8. */
static void run_tiles(const piece *p) {
    int64_t tiles = ceil_div(p->rows, TILE_ROWS);
    for (int64_t t = 0; t < tiles; t++) {
        int64_t first = p->rows * t / tiles, next = p->rows * (t + 1) / tiles;
        run_tile(p, first, (int)(next - first));
    }
}

static const float *b_at(const gemm_plan *plan, const bal_kernel_args *args, int64_t k, int64_t j) {
    const float *b = args->in[plan->b.in].data;
    return plan->b.by_rows ? b + k * plan->b.stride + j : b + j * plan->b.stride + k;
}

static void pack_panels(const gemm_plan *plan, const bal_kernel_args *args, int64_t k,
                        int64_t depth, int64_t column, int64_t columns, float *to) {
    const float *b = b_at(plan, args, k, column);
    if (plan->b.by_rows)
        pack_rows(b, plan->b.stride, depth, columns, to);
    else
        pack_columns(b, plan->b.stride, depth, columns, to);
}

/* Point a piece at columns of B in place; the incomplete last panel goes to `rest`. */
static void use_direct(piece *p, float *rest) {
    const gemm_plan *plan = p->plan;
    int64_t whole = p->columns / TILE_COLUMNS * TILE_COLUMNS, left = p->columns - whole;
    p->b = (panels){
        .direct = b_at(plan, p->args, p->k, p->column), .stride = plan->b.stride, .rest = rest};
    if (left % VL != 0) pack_panels(plan, p->args, p->k, p->depth, p->column + whole, left, rest);
}

INLINE void activate_row(const bal_activation activation, float slope, float *c, int64_t columns) {
    FOR_VECTORS(j, columns) STORE(c + j, vf_activate(activation, slope, LOAD(c + j)));
}

/* Bias is in already; the activation follows when K is through. */
static void activate_block(const gemm_plan *plan, float *c, int64_t stride, int64_t rows,
                           int64_t columns) {
    for (int64_t i = 0; i < rows; i++, c += stride) {
        switch (plan->activation) {
        case BAL_ACT_RELU:
            activate_row(BAL_ACT_RELU, 0, c, columns);
            break;
        case BAL_ACT_LEAKY_RELU:
            activate_row(BAL_ACT_LEAKY_RELU, plan->slope, c, columns);
            break;
        case BAL_ACT_SIGMOID:
            activate_row(BAL_ACT_SIGMOID, 0, c, columns);
            break;
        case BAL_ACT_TANH:
            activate_row(BAL_ACT_TANH, 0, c, columns);
            break;
        case BAL_ACT_GELU: /* is not fused: its gradient needs what this would overwrite */
        case BAL_ACT_NONE:
        case BAL_ACT_COUNT:
            return;
        }
    }
}

/* The lane's own part of the workspace. */
static float *lane_space(const gemm_plan *plan, const bal_kernel_args *args, bal_lane lane) {
    int64_t size = plan->panels_size + plan->tile_size + plan->scratch_size;
    return (float *)args->workspace + plan->shared_size + lane.index * size;
}

static void run_by_columns(const gemm_plan *plan, const bal_kernel_args *args, bal_lane lane) {
    bal_range columns = bal_lane_range(lane, plan->N, TILE_COLUMNS);
    float *space = lane_space(plan, args, lane), *c = args->out[0].data;
    piece p = {.plan = plan,
               .args = args,
               .a = args->in[plan->a.in].data,
               .c_stride = plan->c_stride,
               .rows = plan->M,
               .tile = space + plan->panels_size};
    for (p.k = 0; p.k == 0 || p.k < plan->K; p.k += p.depth) {
        p.depth = min64(plan->depth, plan->K - p.k);
        for (p.column = columns.begin; p.column < columns.end; p.column += p.columns) {
            p.columns = min64(plan->columns, columns.end - p.column);
            p.c = c + p.column;
            if (plan->pack_b) {
                pack_panels(plan, args, p.k, p.depth, p.column, p.columns, space);
                p.b = (panels){.packed = space};
            } else {
                use_direct(&p, space);
            }
            run_tiles(&p);
        }
        if (p.depth == 0) break;
    }
    activate_block(plan, c + columns.begin, plan->c_stride, plan->M, columns.end - columns.begin);
}

/* Phase 0: all panels of B, dealt out over the lanes. */
static void pack_shared(const gemm_plan *plan, const bal_kernel_args *args, bal_lane lane) {
    bal_range columns = bal_lane_range(lane, plan->N, TILE_COLUMNS);
    float *to = args->workspace;
    int64_t width = padded(plan->N), depth;
    for (int64_t k = 0; k < plan->K; k += depth) {
        depth = min64(plan->depth, plan->K - k);
        pack_panels(plan, args, k, depth, columns.begin, columns.end - columns.begin,
                    to + k * width + columns.begin * depth);
    }
}

static void run_rows(const gemm_plan *plan, const bal_kernel_args *args, bal_lane lane,
                     bal_range rows, float *c, int64_t c_stride) {
    float *space = lane_space(plan, args, lane);
    piece p = {.plan = plan,
               .args = args,
               .a = args->in[plan->a.in].data,
               .c = c,
               .c_stride = c_stride,
               .row = rows.begin,
               .rows = rows.end - rows.begin,
               .columns = plan->N,
               .tile = space + plan->panels_size};
    for (p.k = 0; p.k == 0 || p.k < plan->K; p.k += p.depth) {
        p.depth = min64(plan->depth, plan->K - p.k);
        if (plan->pack_b)
            p.b = (panels){.packed = (const float *)args->workspace + p.k * padded(plan->N)};
        else
            use_direct(&p, space);
        run_tiles(&p);
        if (p.depth == 0) break;
    }
}

static void run_by_rows(const gemm_plan *plan, const bal_kernel_args *args, bal_lane lane) {
    bal_range rows = bal_lane_range(lane, plan->M, plan->transposed ? VL : 1);
    float *c = args->out[0].data;
    if (!plan->transposed) {
        c += rows.begin * plan->c_stride;
        run_rows(plan, args, lane, rows, c, plan->c_stride);
        activate_block(plan, c, plan->c_stride, rows.end - rows.begin, plan->N);
        return;
    }
    int64_t width = padded(plan->N);
    float *scratch = lane_space(plan, args, lane) + plan->panels_size + plan->tile_size;
    for (int64_t row = rows.begin; row < rows.end; row += plan->rows) {
        bal_range part = {row, min64(row + plan->rows, rows.end)};
        int64_t count = part.end - part.begin;
        run_rows(plan, args, lane, part, scratch, width);
        unpack_transposed(scratch, width, count, plan->N, c + row, plan->c_stride);
        activate_block(plan, c + row, plan->c_stride, plan->N, count);
    }
}

static void run_gemm(const bal_cpu_task *task, int phase, bal_lane lane) {
    const gemm_plan *plan = task->plan;
    if (!plan->split_rows) {
        run_by_columns(plan, &task->args, lane);
    } else if (plan->pack_b && phase == 0) {
        pack_shared(plan, &task->args, lane);
    } else {
        run_by_rows(plan, &task->args, lane);
    }
}

/* ---- planning ---- */

/* Costs in cycles, fitted to measurements (README). They only have to rank ways of doing the same.
 */
static double tiles_cost(int64_t rows, int64_t columns, int64_t depth) {
    if (rows == 0 || columns == 0) return 0;
    int64_t tiles = ceil_div(rows, TILE_ROWS), height = ceil_div(rows, tiles);
    int64_t whole = columns / TILE_COLUMNS, rest = columns % TILE_COLUMNS;
    double narrow = rest == 0 ? 0 : rest > VL ? 2 : 1;
    double wide_cost = 40 + (double)depth * (double)height;
    double narrow_cost =
        40 + (double)depth * (double)(height + narrow) * 0.5 * (narrow > 1 ? 2 : 1);
    return (double)tiles * ((double)whole * wide_cost + (narrow > 0 ? narrow_cost : 0));
}

static double pack_cost(const gemm_plan *plan, int64_t columns) {
    double vectors = (double)plan->K * (double)padded(columns) / VL;
    return vectors * (plan->b.by_rows ? 3.0 : 8.0);
}

static double plan_cost(const gemm_plan *plan, int lanes) {
    enum { BARRIER = 800, UNPACK = 8, PACK_TILE = 3 };
    double cost = 0;
    if (plan->split_rows) {
        int64_t rows = ceil_div(plan->M, lanes);
        cost += tiles_cost(rows, plan->N, plan->K);
        if (plan->pack_b) cost += pack_cost(plan, plan->N) / lanes + (lanes > 1 ? BARRIER : 0);
        if (plan->transposed) cost += (double)(rows * padded(plan->N)) / VL * UNPACK;
        if (plan->pack_a) cost += (double)(ceil_div(rows, TILE_ROWS) * plan->K) * PACK_TILE;
    } else {
        int64_t columns = ceil_div(ceil_div(plan->N, TILE_COLUMNS), lanes) * TILE_COLUMNS;
        columns = min64(columns, plan->N);
        cost += tiles_cost(plan->M, columns, plan->K);
        if (plan->pack_b) cost += pack_cost(plan, columns);
        if (plan->pack_a)
            cost += (double)(ceil_div(plan->M, TILE_ROWS) * plan->K) * PACK_TILE *
                    (double)ceil_div(columns, plan->columns);
    }
    return cost;
}

/* Sizes that follow from the way chosen. */
static void size_plan(gemm_plan *plan) {
    int64_t pieces = ceil_div(plan->K, DEPTH_MAX);
    plan->depth = pieces > 1 ? round_up(ceil_div(plan->K, pieces), 16) : plan->K;
    int64_t depth = plan->depth > 0 ? plan->depth : 1;
    plan->columns = PANELS_BYTES / (int64_t)sizeof(float) / depth / TILE_COLUMNS * TILE_COLUMNS;
    if (plan->columns < TILE_COLUMNS) plan->columns = TILE_COLUMNS;
    plan->rows = PANELS_BYTES / (int64_t)sizeof(float) / (padded(plan->N) + 1) / VL * VL;
    if (plan->rows < VL) plan->rows = VL;
    int64_t width = plan->pack_b ? min64(plan->columns, padded(plan->N)) : TILE_COLUMNS;
    bool shared = plan->split_rows && plan->pack_b;
    plan->shared_size = shared ? plan->K * padded(plan->N) : 0;
    plan->panels_size = shared ? 0 : round_up(depth * width, VL);
    plan->tile_size = plan->pack_a ? round_up(depth * TILE_ROWS + VL, VL) : 0;
    plan->scratch_size =
        plan->transposed ? min64(plan->rows, round_up(plan->M, VL)) * padded(plan->N) : 0;
}

/* The same product with C stored transposed. */
static gemm_plan transposed_plan(const gemm_plan *plan) {
    gemm_plan other = *plan;
    other.M = plan->N;
    other.N = plan->M;
    other.a = (matrix){plan->b.in, plan->b.stride, !plan->b.by_rows};
    other.b = (matrix){plan->a.in, plan->a.stride, !plan->a.by_rows};
    other.transposed = true;
    return other;
}

/* Try every way for this orientation and keep the cheapest in *best. */
static void try_ways(const gemm_plan *shape, int lanes, gemm_plan *best, double *best_cost) {
    for (int way = 0; way < 8; way++) {
        gemm_plan plan = *shape;
        plan.split_rows = way & 1;
        plan.pack_b = way & 2;
        plan.pack_a = way & 4;
        if (plan.transposed && !plan.split_rows) continue;
        if (!plan.pack_b && !plan.b.by_rows) continue; /* the kernel wants rows */
        if (plan.pack_a && plan.a.by_rows) continue;   /* never pays */
        size_plan(&plan);
        double cost = plan_cost(&plan, lanes);
        if (cost < *best_cost) {
            *best = plan;
            *best_cost = cost;
        }
    }
}

static void plan_gemm(bal_cpu_request *request, const gemm_plan *shape) {
    gemm_plan *best = request->plan;
    double best_cost = INFINITY;
    double work = (double)shape->M * (double)shape->N * (double)shape->K;
    if (work < 32768) request->lanes = 1;
    gemm_plan other = transposed_plan(shape);
    try_ways(shape, request->lanes, best, &best_cost);
    try_ways(&other, request->lanes, best, &best_cost);
    request->phases = best->split_rows && best->pack_b ? 2 : 1;
    int64_t per_lane = best->panels_size + best->tile_size + best->scratch_size;
    request->workspace = (size_t)(best->shared_size + per_lane * request->lanes) * sizeof(float);
}

static gemm_plan shape_of(const bal_cpu_request *request, bool transpose_a, bool transpose_b) {
    bal_shape a = bal_cpu_in_shape(request, 0), b = bal_cpu_in_shape(request, 1);
    return (gemm_plan){
        .M = a.dim[transpose_a ? 1 : 0],
        .K = a.dim[transpose_a ? 0 : 1],
        .N = b.dim[transpose_b ? 0 : 1],
        .a = {0, a.dim[1], !transpose_a},
        .b = {1, b.dim[1], !transpose_b},
        .c_stride = b.dim[transpose_b ? 0 : 1],
        .bias = -1,
    };
}

static void prepare_matmul(bal_cpu_request *request) {
    const bal_attr *attr = request->node->attr;
    gemm_plan shape = shape_of(request, attr[0].i != 0, attr[1].i != 0);
    plan_gemm(request, &shape);
}

static gemm_plan dense_shape(const bal_cpu_request *request) {
    gemm_plan shape = shape_of(request, false, true);
    if (bal_value_is_some(request->node->in[BAL_DENSE_BIAS])) shape.bias = BAL_DENSE_BIAS;
    return shape;
}

static void prepare_linear(bal_cpu_request *request) {
    gemm_plan shape = dense_shape(request);
    plan_gemm(request, &shape);
}

static void prepare_linear_act(bal_cpu_request *request) {
    gemm_plan shape = dense_shape(request);
    shape.activation = (bal_activation)request->node->attr[0].i;
    shape.slope = (float)request->node->attr[1].f;
    plan_gemm(request, &shape);
}

const bal_cpu_kernel ISA_NAME(bal_cpu_gemm)[] = {
    {"matmul", "gemm", sizeof(gemm_plan), NULL, prepare_matmul, run_gemm},
    {"linear", "gemm", sizeof(gemm_plan), NULL, prepare_linear, run_gemm},
    {"linear_act", "gemm", sizeof(gemm_plan), NULL, prepare_linear_act, run_gemm},
    {0},
};
