/* Matrix products: matmul, linear and linear_act.
 *
 * All are C[M,N] = A[M,K] · B[K,N] for some layout of A and B. Blocking follows Goto & van de Geijn
 * (2008): B is brought into panels that the second-level cache holds, a tile of A stays near while
 * the panels stream past it. Unlike in a general library the shape is known when the program is
 * compiled: the plan is made per shape, and scratch comes from the planned memory. A is read where
 * it is if its rows are contiguous. Lanes form a grid over C, rows by columns; each packs what it
 * needs by itself, so that no lane waits for another.
 *
 * In a training step an operand has just been written, half of it by another core. Reading it
 * piecemeal, as tiles do, would wait for every line; so each lane first asks for its part of A in
 * the order it lies in memory, and packing reads B in that order.
 *
 * Every element is one chain of multiply-adds over k, cut at multiples of `depth`, a function of K
 * alone: the result depends neither on the plan chosen nor on the number of lanes. */
#include "backend/cpu/kernels/activation.h"
#include "backend/cpu/kernels/gemm_pack.h"
#include "backend/cpu/kernels/simd.h"
#include "ops/dense.h"

enum {
    CACHE_LINE_FLOATS = 16,
    DEPTH_MAX = 1024,         /* a tile of A is 56 KiB; longer runs mean fewer pages touched */
    PANELS_BYTES = 768 << 10, /* panels of B at a time, of 2 MiB second-level cache */
    NEAR_BYTES = 1 << 20,     /* of A, up to which it is asked for before it is used */
    FAR_BYTES = 1 << 20       /* of C, beyond which it is fetched ahead */
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
    int grid_rows, grid_columns; /* lanes; their product is at most the team's */
    bool pack_a;
    bool touch_c;    /* the output is larger than the caches near a core */
    int64_t depth;   /* K is cut into pieces of this */
    int64_t columns; /* of B that are packed at a time */
    int32_t bias;    /* input that holds the bias, or -1 */
    bal_activation activation;
    float slope;
    int64_t panels_size, tile_size; /* workspace of a lane, in floats */
} gemm_plan;

/* ---- running ---- */

/* What a lane works on: some rows, and as many columns of B as are packed at a time. */
typedef struct piece {
    const gemm_plan *plan;
    const float *a, *b, *bias; /* whole operands; bias may be NULL */
    float *c;
    int64_t k, depth; /* this piece of K */
    bal_range rows;
    int64_t column, columns;
    float *panels; /* the columns, packed */
    float *tile;   /* room for a packed tile of A */
} piece;

static const float *a_at(const piece *p, int64_t row) {
    const matrix *a = &p->plan->a;
    return a->by_rows ? p->a + row * a->stride + p->k : p->a + p->k * a->stride + row;
}

static const float *b_at(const piece *p) {
    const matrix *b = &p->plan->b;
    return b->by_rows ? p->b + p->k * b->stride + p->column : p->b + p->column * b->stride + p->k;
}

/* Ask for the lane's part of A, row by row as it is stored. */
static void fetch_a(const piece *p) {
    const matrix *a = &p->plan->a;
    int64_t rows = p->rows.end - p->rows.begin;
    if (rows * p->depth * (int64_t)sizeof(float) > NEAR_BYTES) return;
    int64_t lines = a->by_rows ? rows : p->depth, length = a->by_rows ? p->depth : rows;
    const float *at = a_at(p, p->rows.begin);
    for (int64_t i = 0; i < lines; i++, at += a->stride)
        for (int64_t j = 0; j < length; j += CACHE_LINE_FLOATS)
            __builtin_prefetch(at + j, 0, 2);
}

static void pack_panels(const piece *p) {
    const matrix *b = &p->plan->b;
    if (b->by_rows)
        pack_rows(b_at(p), b->stride, p->depth, p->columns, p->panels);
    else
        pack_columns(b_at(p), b->stride, p->depth, p->columns, p->panels);
}

/* Rows first … first + count − 1 against all panels of the piece. */
static void run_tile(const piece *p, int64_t first, int count) {
    const gemm_plan *plan = p->plan;
    gemm_tile t = {
        .depth = p->depth,
        .a = a_at(p, first),
        .a_stride = plan->a.stride,
        .c_stride = plan->N,
        .accumulate = p->k > 0,
        .touch_c = plan->touch_c,
    };
    if (plan->pack_a) {
        pack_tile(t.a, plan->a.stride, p->depth, count, p->tile);
        t.a = p->tile;
        t.a_stride = count;
    }
    for (int64_t j = 0; j < p->columns; j += TILE_COLUMNS) {
        t.columns = min64(p->columns - j, TILE_COLUMNS);
        t.b = p->panels + j * p->depth;
        t.c = p->c + first * plan->N + p->column + j;
        t.start = p->bias ? p->bias + p->column + j : NULL;
        gemm_tile_run(&t, count, !plan->a.by_rows);
    }
}

/* Rows in equal tiles: 64 rows are five tiles of 12 or 13, not four of 14 and one of 8. */
static void run_tiles(const piece *p) {
    int64_t rows = p->rows.end - p->rows.begin, tiles = ceil_div(rows, TILE_ROWS);
    for (int64_t t = 0; t < tiles; t++) {
        int64_t first = rows * t / tiles, next = rows * (t + 1) / tiles;
        run_tile(p, p->rows.begin + first, (int)(next - first));
    }
}

INLINE void activate_row(const bal_activation activation, float slope, float *c, int64_t columns) {
    FOR_VECTORS(j, columns) STORE(c + j, vf_activate(activation, slope, LOAD(c + j)));
}

/* Bias is in already; the activation follows when K is through. */
static void activate_block(const gemm_plan *plan, float *c, bal_range rows, bal_range columns) {
    int64_t count = columns.end - columns.begin;
    for (int64_t i = rows.begin; i < rows.end; i++) {
        float *row = c + i * plan->N + columns.begin;
        switch (plan->activation) {
        case BAL_ACT_RELU:
            activate_row(BAL_ACT_RELU, 0, row, count);
            break;
        case BAL_ACT_LEAKY_RELU:
            activate_row(BAL_ACT_LEAKY_RELU, plan->slope, row, count);
            break;
        case BAL_ACT_SIGMOID:
            activate_row(BAL_ACT_SIGMOID, 0, row, count);
            break;
        case BAL_ACT_TANH:
            activate_row(BAL_ACT_TANH, 0, row, count);
            break;
        case BAL_ACT_GELU: /* is not fused: its gradient needs what this would overwrite */
        case BAL_ACT_NONE:
        case BAL_ACT_COUNT:
            return;
        }
    }
}

static void run_gemm(const bal_cpu_task *task, int phase, bal_lane lane) {
    const gemm_plan *plan = task->plan;
    const bal_kernel_args *args = &task->args;
    if (lane.index >= plan->grid_rows * plan->grid_columns) return;
    bal_lane down = {lane.index / plan->grid_columns, plan->grid_rows};
    bal_lane across = {lane.index % plan->grid_columns, plan->grid_columns};
    bal_range columns = bal_lane_range(across, plan->N, VL);
    int64_t lane_size = plan->panels_size + plan->tile_size;
    float *space = (float *)args->workspace + lane.index * lane_size;
    piece p = {.plan = plan,
               .a = args->in[plan->a.in].data,
               .b = args->in[plan->b.in].data,
               .bias = plan->bias >= 0 ? args->in[plan->bias].data : NULL,
               .c = args->out[0].data,
               .rows = bal_lane_range(down, plan->M, 1),
               .panels = space,
               .tile = space + plan->panels_size};
    do { /* once also for K = 0 */
        p.depth = min64(plan->depth, plan->K - p.k);
        fetch_a(&p);
        for (p.column = columns.begin; p.column < columns.end; p.column += p.columns) {
            p.columns = min64(plan->columns, columns.end - p.column);
            pack_panels(&p);
            run_tiles(&p);
        }
        p.k += p.depth;
    } while (p.k < plan->K);
    activate_block(plan, p.c, p.rows, columns);
}

/* ---- planning ---- */

/* Estimated cycles of a lane with the largest share; they only have to rank plans for one shape. */
static double plan_cost(const gemm_plan *plan) {
    enum { CALL = 40, PACK_ROW = 4, PACK_COLUMN = 8, PACK_TILE = 4, SHARED_LINE = 100 };
    int64_t rows = ceil_div(plan->M, plan->grid_rows);
    int64_t columns = round_up(ceil_div(plan->N, plan->grid_columns), VL);
    int64_t tiles = ceil_div(rows, TILE_ROWS), vectors = columns / VL;
    double K = (double)plan->K, height = (double)ceil_div(rows, tiles > 0 ? tiles : 1);
    /* two vectors cost a cycle per row and k; a single one as much, for want of loads */
    double cost = (double)(tiles * ceil_div(vectors, 2)) * (CALL + K * height);
    cost += (double)vectors * K * (plan->b.by_rows ? PACK_ROW : PACK_COLUMN);
    if (plan->pack_a)
        cost += (double)(tiles * ceil_div(columns, plan->columns)) * K * PACK_TILE;
    else if (!plan->a.by_rows) /* scalars of A lie apart */
        cost += (double)(tiles * vectors) * K * 0.3;
    /* rows that end inside a cache line: lanes side by side write the same lines */
    if (plan->grid_columns > 1 && plan->N % VL != 0) cost += (double)rows * SHARED_LINE;
    return cost;
}

/* Sizes that follow from the way chosen. */
static void size_plan(gemm_plan *plan) {
    int64_t pieces = ceil_div(plan->K, DEPTH_MAX);
    plan->depth = pieces > 1 ? round_up(ceil_div(plan->K, pieces), 16) : plan->K;
    int64_t depth = plan->depth > 0 ? plan->depth : 1;
    /* a tile of A is packed anew for every so many columns */
    int64_t least = plan->pack_a ? 12 * TILE_COLUMNS : TILE_COLUMNS;
    plan->columns = PANELS_BYTES / (int64_t)sizeof(float) / depth / TILE_COLUMNS * TILE_COLUMNS;
    if (plan->columns < least) plan->columns = least;
    plan->panels_size = round_up(depth * min64(plan->columns, round_up(plan->N, VL)), VL);
    plan->tile_size = plan->pack_a ? round_up(depth * TILE_ROWS + VL, VL) : 0;
    plan->touch_c = plan->M * plan->N * (int64_t)sizeof(float) > FAR_BYTES;
}

/* Try one grid with and without packing A, and keep the cheapest plan in *best. */
static void try_grid(const gemm_plan *shape, gemm_plan *best, double *best_cost) {
    for (int pack = 0; pack < (shape->a.by_rows ? 1 : 2); pack++) {
        gemm_plan plan = *shape;
        plan.pack_a = pack;
        size_plan(&plan);
        double cost = plan_cost(&plan);
        if (cost < *best_cost) {
            *best = plan;
            *best_cost = cost;
        }
    }
}

enum { WORK_MIN = 32768 }; /* multiply-adds below which one lane is enough */

static void plan_gemm(bal_cpu_request *request, gemm_plan *shape) {
    gemm_plan *best = request->plan;
    double best_cost = INFINITY;
    if ((double)shape->M * (double)shape->N * (double)shape->K < WORK_MIN) request->lanes = 1;
    for (int rows = 1; rows <= request->lanes; rows++) {
        shape->grid_rows = rows;
        shape->grid_columns = request->lanes / rows;
        try_grid(shape, best, &best_cost);
    }
    int64_t per_lane = best->panels_size + best->tile_size;
    request->workspace = (size_t)(per_lane * request->lanes) * sizeof(float);
}

static gemm_plan shape_of(const bal_cpu_request *request, bool transpose_a, bool transpose_b) {
    bal_shape a = bal_cpu_in_shape(request, 0), b = bal_cpu_in_shape(request, 1);
    return (gemm_plan){
        .M = a.dim[transpose_a ? 1 : 0],
        .K = a.dim[transpose_a ? 0 : 1],
        .N = b.dim[transpose_b ? 0 : 1],
        .a = {0, a.dim[1], !transpose_a},
        .b = {1, b.dim[1], !transpose_b},
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
