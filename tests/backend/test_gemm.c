/* Matrix products of the CPU backend at awkward shapes: around the rows and columns of tiles, the
 * vectors of every instruction set, and the cuts of K and of packed columns; all four ways of
 * storing the operands, with and without bias and activation; against sums in double, with the
 * error bound of a chain of multiply-adds. NaN and infinities stay in their rows and columns, and
 * the bytes do not depend on the number of lanes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "base/random.h"
#include "ops/ops.h"

/* A product to test: C[M,N] = op(a)·op(b), or, `dense`, activation(a·bᵀ + bias). */
typedef struct product {
    int64_t M, N, K;
    bool transpose_a, transpose_b;
    bool dense, bias;
    bal_activation activation;
} product;

enum { A, OPERAND_B, BIAS, OPERANDS };

/* The product compiled, its operands in buffers with one element before them, so that they are
 * aligned to their element only, and NaN all around. */
typedef struct compiled {
    product p;
    bal_graph *graph;
    bal_value y;
    bal_value operand[OPERANDS];
    size_t count[OPERANDS];
    bal_buffer *buffer[OPERANDS];
    bal_program *program;
} compiled;

enum { BEFORE = 1, AFTER = 40 };

static const char *text_of(const product *p) {
    static char text[160];
    snprintf(text, sizeof text, "%lldx%lldx%lld%s%s%s%s, activation %d", (long long)p->M,
             (long long)p->N, (long long)p->K, p->transpose_a ? ", a transposed" : "",
             p->transpose_b ? ", b transposed" : "", p->dense ? ", dense" : "",
             p->bias ? ", bias" : "", (int)p->activation);
    return text;
}

static void build(compiled *c) {
    const product *p = &c->p;
    assert_int_equal(bal_graph_new(bal_op_table, BAL_F32, &c->graph, NULL), BAL_OK);
    bal_graph *g = c->graph;
    bal_shape a = p->transpose_a ? BAL_SHAPE2(p->K, p->M) : BAL_SHAPE2(p->M, p->K);
    bal_shape b = p->transpose_b ? BAL_SHAPE2(p->N, p->K) : BAL_SHAPE2(p->K, p->N);
    c->operand[A] = bal_graph_input(g, "a", BAL_F32, a);
    c->operand[OPERAND_B] = bal_graph_input(g, "b", BAL_F32, b);
    c->operand[BIAS] =
        p->bias ? bal_graph_input(g, "bias", BAL_F32, BAL_SHAPE1(p->N)) : BAL_NO_VALUE;
    if (!p->dense)
        c->y = bal_matmul(g, c->operand[A], c->operand[OPERAND_B], p->transpose_a, p->transpose_b);
    else if (p->activation == BAL_ACT_NONE)
        c->y = bal_linear(g, c->operand[A], c->operand[OPERAND_B], c->operand[BIAS]);
    else
        c->y = bal_linear_act(g, c->operand[A], c->operand[OPERAND_B], c->operand[BIAS],
                              p->activation, .125);
    bal_error err = {0};
    if (bal_graph_check(g, &err) != BAL_OK) fail_msg("%s", err.message);
}

static float *values_of(const compiled *c, int i) {
    return (float *)bal_buffer_host(c->buffer[i]) + BEFORE;
}

static void compiled_init(compiled *c, product p, bal_backend *backend) {
    *c = (compiled){.p = p};
    build(c);
    bal_binding bindings[OPERANDS];
    size_t n = 0;
    for (int i = 0; i < OPERANDS; i++) {
        if (!bal_value_is_some(c->operand[i])) continue;
        bal_shape shape = bal_graph_shape(c->graph, c->operand[i]);
        c->count[i] = (size_t)bal_shape_count(&shape);
        size_t bytes = (BEFORE + c->count[i] + AFTER) * sizeof(float);
        assert_int_equal(bal_buffer_new(backend, bytes, &c->buffer[i], NULL), BAL_OK);
        memset(bal_buffer_host(c->buffer[i]), 0xFF, bytes); /* NaN */
        bal_random random;
        bal_random_init(&random, 1, (uint64_t)i);
        for (size_t k = 0; k < c->count[i]; k++)
            values_of(c, i)[k] = (float)(int32_t)bal_random_u32(&random) * 0x1p-30f; /* ±2 */
        bindings[n++] = (bal_binding){c->operand[i], c->buffer[i], BEFORE * sizeof(float)};
    }
    bal_error err = {0};
    if (bal_program_compile(backend, c->graph, bindings, n, &c->y, 1, &c->program, &err) != BAL_OK)
        fail_msg("%s: %s", text_of(&p), err.message);
}

static void compiled_release(compiled *c) {
    bal_program_free(c->program);
    for (int i = 0; i < OPERANDS; i++)
        bal_buffer_free(c->buffer[i]);
    bal_graph_free(c->graph);
}

/* The result of a run; free with free(). */
static float *result_of(compiled *c) {
    size_t bytes = (size_t)(c->p.M * c->p.N) * sizeof(float);
    float *y = malloc(bytes);
    assert_non_null(y);
    assert_int_equal(bal_program_run(c->program, NULL), BAL_OK);
    assert_int_equal(bal_program_read(c->program, c->y, y, bytes, NULL), BAL_OK);
    return y;
}

/* ---- what is wanted ---- */

static double a_at(const compiled *c, int64_t m, int64_t k) {
    return (double)values_of(c, A)[c->p.transpose_a ? k * c->p.M + m : m * c->p.K + k];
}

static double b_at(const compiled *c, int64_t k, int64_t n) {
    bool by_columns = c->p.dense || c->p.transpose_b;
    return (double)values_of(c, OPERAND_B)[by_columns ? n * c->p.K + k : k * c->p.N + n];
}

static double activated(bal_activation activation, double x) {
    if (activation == BAL_ACT_RELU) return x <= 0 ? 0 : x;
    if (activation == BAL_ACT_LEAKY_RELU) return x > 0 ? x : .125 * x;
    if (activation == BAL_ACT_SIGMOID) return 1 / (1 + exp(-x));
    if (activation == BAL_ACT_TANH) return tanh(x);
    return x;
}

/* Element (m, n), and the sum of sizes that its rounding error is proportional to. */
static double wanted_at(const compiled *c, int64_t m, int64_t n, double *ret_sizes) {
    double sum = c->p.bias ? (double)values_of(c, BIAS)[n] : 0, sizes = fabs(sum);
    for (int64_t k = 0; k < c->p.K; k++) {
        double term = a_at(c, m, k) * b_at(c, k, n);
        sum += term;
        sizes += fabs(term);
    }
    *ret_sizes = sizes;
    return activated(c->p.activation, sum);
}

/* Of large products some elements are checked, in strides that meet rows and columns evenly. */
static void check_values(compiled *c) {
    float *y = result_of(c);
    int64_t count = c->p.M * c->p.N, work = count * c->p.K;
    int64_t stride = work > 2000000 ? 97 : work > 100000 ? 23 : 1;
    for (int64_t i = 0; i < count; i += stride) {
        double sizes, want = wanted_at(c, i / c->p.N, i % c->p.N, &sizes), got = (double)y[i];
        /* a chain of K + 1 steps errs by at most (K + 1)·u·Σ|terms|; in practice by far less, and a
         * missing or doubled term by far more */
        double allowed = 1e-6 + 6e-8 * (2 + sqrt((double)c->p.K)) * sizes;
        if (!(fabs(got - want) <= allowed))
            fail_msg("%s: element (%lld,%lld) is %.9g, wanted %.9g", text_of(&c->p),
                     (long long)(i / c->p.N), (long long)(i % c->p.N), got, want);
    }
    free(y);
}

/* ---- over the machine's instruction sets and numbers of lanes ---- */

static const int lane_counts[] = {1, 2, 3, 6};
enum { LANE_COUNTS = sizeof lane_counts / sizeof *lane_counts, ISAS = 3 };

typedef struct machine {
    bal_backend *backends[ISAS][LANE_COUNTS]; /* NULL where the processor lacks it */
} machine;

static void machine_init(machine *all) {
    static const char *const isas[ISAS] = {"generic", "avx2", "avx512"};
    *all = (machine){0};
    for (int i = 0; i < ISAS; i++) {
        for (int l = 0; l < LANE_COUNTS; l++) {
            const bal_backend_options options = {.threads = lane_counts[l], .isa = isas[i]};
            if (bal_backend_open("cpu", &options, &all->backends[i][l], NULL) != BAL_OK) break;
        }
    }
    assert_non_null(all->backends[0][0]);
}

static void machine_release(machine *all) {
    for (int i = 0; i < ISAS; i++)
        for (int l = 0; l < LANE_COUNTS; l++)
            bal_backend_close(all->backends[i][l]);
}

static void check_lanes(const product *p, bal_backend *const *backends) {
    float *one = NULL;
    for (int l = 0; l < LANE_COUNTS; l++) {
        compiled c;
        compiled_init(&c, *p, backends[l]);
        float *y = result_of(&c);
        if (one && memcmp(one, y, (size_t)(p->M * p->N) * sizeof *y) != 0)
            fail_msg("%s: %d lanes give other bytes than one", text_of(p), lane_counts[l]);
        if (one) free(y);
        if (!one) one = y;
        if (l == 1) check_values(&c);
        compiled_release(&c);
    }
    free(one);
}

static void check_product(const product *p, const machine *all) {
    for (int i = 0; i < ISAS; i++)
        if (all->backends[i][0]) check_lanes(p, all->backends[i]);
}

/* ---- shapes ---- */

static const int64_t awkward[] = {1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 17, 29, 31, 32, 33, 47, 65};
enum { AWKWARD = sizeof awkward / sizeof *awkward };

/* Every pair of awkward rows and columns, with depths and storage changing along. */
static void small_products(void **state) {
    machine all;
    machine_init(&all);
    for (int m = 0; m < AWKWARD; m++) {
        for (int n = 0; n < AWKWARD; n++) {
            int way = m * AWKWARD + n;
            product p = {.M = awkward[m],
                         .N = awkward[n],
                         .K = awkward[(5 * m + 3 * n) % AWKWARD],
                         .transpose_a = way & 1,
                         .transpose_b = way >> 1 & 1};
            check_product(&p, &all);
            p.transpose_a = !p.transpose_a;
            check_product(&p, &all);
        }
    }
    machine_release(&all);
}

/* K beyond one piece, columns beyond what is packed at a time, and outputs beyond the caches. */
static void large_products(void **state) {
    static const int64_t shapes[][3] = {{15, 33, 1025}, {3, 225, 1024}, {29, 417, 2051},
                                        {1, 1, 3000},   {513, 521, 9},  {97, 801, 130}};
    machine all;
    machine_init(&all);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int way = 0; way < 4; way++) {
            const product p = {.M = shapes[i][0],
                               .N = shapes[i][1],
                               .K = shapes[i][2],
                               .transpose_a = way & 1,
                               .transpose_b = way >> 1};
            check_product(&p, &all);
        }
    }
    machine_release(&all);
}

static void dense_layers(void **state) {
    static const bal_activation activations[] = {BAL_ACT_NONE, BAL_ACT_RELU, BAL_ACT_LEAKY_RELU,
                                                 BAL_ACT_SIGMOID, BAL_ACT_TANH};
    static const int64_t shapes[][3] = {{1, 1, 1}, {7, 19, 33}, {50, 35, 70}, {15, 33, 1025}};
    machine all;
    machine_init(&all);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (size_t a = 0; a < sizeof activations / sizeof *activations; a++) {
            for (int bias = 0; bias < 2; bias++) {
                const product p = {.M = shapes[i][0],
                                   .N = shapes[i][1],
                                   .K = shapes[i][2],
                                   .dense = true,
                                   .transpose_b = true,
                                   .bias = bias,
                                   .activation = activations[a]};
                check_product(&p, &all);
            }
        }
    }
    machine_release(&all);
}

/* ---- numbers that are none ---- */

/* NaN at a(5, 3) is in all of row 5 and nowhere else; infinity at b(2, 6) makes column 6 infinite
 * with the sign of a(m, 2). */
static void check_strangers(const product *p, bal_backend *backend) {
    compiled c;
    compiled_init(&c, *p, backend);
    values_of(&c, A)[p->transpose_a ? 3 * p->M + 5 : 5 * p->K + 3] = NAN;
    values_of(&c, OPERAND_B)[p->transpose_b ? 6 * p->K + 2 : 2 * p->N + 6] = INFINITY;
    float *y = result_of(&c);
    for (int64_t m = 0; m < p->M; m++) {
        for (int64_t n = 0; n < p->N; n++) {
            float found = y[m * p->N + n];
            bool right = m == 5   ? isnan(found) != 0
                         : n == 6 ? isinf(found) && (found > 0) == (a_at(&c, m, 2) > 0)
                                  : isfinite(found) != 0;
            if (!right)
                fail_msg("%s: element (%lld,%lld) is %g", text_of(p), (long long)m, (long long)n,
                         (double)found);
        }
    }
    free(y);
    compiled_release(&c);
}

static void nan_and_infinity_stay_where_they_are(void **state) {
    machine all;
    machine_init(&all);
    for (int i = 0; i < ISAS; i++) {
        for (int way = 0; all.backends[i][1] && way < 4; way++) {
            product p = {
                .M = 19, .N = 37, .K = 21, .transpose_a = way & 1, .transpose_b = way >> 1};
            check_strangers(&p, all.backends[i][1]);
        }
    }
    machine_release(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_products),
        cmocka_unit_test(large_products),
        cmocka_unit_test(dense_layers),
        cmocka_unit_test(nan_and_infinity_stay_where_they_are),
    };
    return cmocka_run_group_tests_name("gemm", tests, NULL, NULL);
}
