/* Measuring the machine; see machine.h. */
#include "machine.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "ops/ops.h"

enum { COPY_REPEATS = 20, COPY_THREADS_MAX = 256 };

/* ---- matrix products ---- */

typedef int sgemm_fn(char, char, int64_t, int64_t, int64_t, float, const float *, int64_t,
                     const float *, int64_t, float, float *, int64_t);

typedef struct gemm_job {
    machine_gemm shape;
    bal_program *program;
    sgemm_fn *sgemm;
    float *a, *b, *c;
} gemm_job;

static bal_status run_own(gemm_job *job, bal_error *err) {
    return bal_program_run(job->program, err);
}

static bal_status run_onednn(gemm_job *job, bal_error *err) {
    const machine_gemm *g = &job->shape;
    if (job->sgemm(g->transpose_a ? 'T' : 'N', g->transpose_b ? 'T' : 'N', g->m, g->n, g->k, 1,
                   job->a, g->transpose_a ? g->m : g->k, job->b, g->transpose_b ? g->k : g->n, 0,
                   job->c, g->n) == 0)
        return BAL_OK;
    return bal_fail(err, BAL_EDEVICE, "dnnl_sgemm failed");
}

/* The fastest of a few runs: 9 of the largest, more of what takes no time. */
static bal_status rate_of(bal_status (*run)(gemm_job *, bal_error *), gemm_job *job,
                          double *ret_rate, bal_error *err) {
    const double flops = 2.0 * (double)job->shape.m * (double)job->shape.n * (double)job->shape.k;
    const int repeats = (int)fmin(fmax(9, 2e10 / flops), 2000);
    double best = 0;
    for (int i = 0; i < repeats; i++) {
        double start = bal_clock_seconds();
        BAL_TRY(run(job, err));
        best = fmax(best, flops / (bal_clock_seconds() - start));
    }
    *ret_rate = best;
    return BAL_OK;
}

static void fill(float *x, size_t count) {
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i % 13) - 6;
}

static bal_value operand(bal_graph *g, const char *name, int64_t rows, int64_t columns,
                         bool transposed) {
    return bal_graph_input(g, name, BAL_F32,
                           transposed ? BAL_SHAPE2(columns, rows) : BAL_SHAPE2(rows, columns));
}

static bal_status measure_own(bal_backend *backend, gemm_job *job, double *ret_rate,
                              bal_error *err) {
    const machine_gemm *shape = &job->shape;
    const size_t a_count = (size_t)(shape->m * shape->k), b_count = (size_t)(shape->k * shape->n);
    const size_t b_offset = (a_count * sizeof(float) + 63) / 64 * 64;
    bal_graph *g = NULL;
    bal_buffer *buffer = NULL;
    bal_status status;
    BAL_TRY_OUT(bal_graph_new(bal_op_table, BAL_F32, &g, err));
    bal_value a = operand(g, "a", shape->m, shape->k, shape->transpose_a);
    bal_value b = operand(g, "b", shape->k, shape->n, shape->transpose_b);
    bal_value c = bal_matmul(g, a, b, shape->transpose_a, shape->transpose_b);
    BAL_TRY_OUT(bal_buffer_new(backend, b_offset + b_count * sizeof(float), &buffer, err));
    fill(bal_buffer_host(buffer), b_offset / sizeof(float) + b_count);
    BAL_TRY_OUT(bal_program_compile(backend, g,
                                    (bal_binding[]){{a, buffer, 0}, {b, buffer, b_offset}}, 2, &c,
                                    1, &job->program, err));
    BAL_TRY_OUT(rate_of(run_own, job, ret_rate, err));
out:
    bal_program_free(job->program);
    job->program = NULL;
    bal_buffer_free(buffer);
    bal_graph_free(g);
    return status;
}

/* The library is opened only here, so that the program starts without it, and stays: its threads
 * may still use it. Its sgemm has had one form in all versions. NULL: not there. */
static sgemm_fn *find_onednn(void) {
    static const char *const names[] = {"libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"};
    static sgemm_fn *found;
    static bool looked;
    if (looked) return found;
    looked = true;
    void *library = NULL, *symbol;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library && (symbol = dlsym(library, "dnnl_sgemm")) != NULL)
        memcpy(&found, &symbol, sizeof symbol);
    return found;
}

static bal_status measure_onednn(gemm_job *job, double *ret_rate, bal_error *err) {
    const machine_gemm *g = &job->shape;
    const size_t a_count = (size_t)(g->m * g->k), b_count = (size_t)(g->k * g->n);
    const size_t bytes = (a_count + b_count + (size_t)(g->m * g->n)) * sizeof(float);
    *ret_rate = 0;
    job->sgemm = find_onednn();
    if (!job->sgemm) return BAL_OK;
    job->a = bal_alloc_pages(bytes);
    if (!job->a) return bal_fail_memory(err, bytes);
    job->b = job->a + a_count;
    job->c = job->b + b_count;
    fill(job->a, a_count + b_count);
    bal_status status = rate_of(run_onednn, job, ret_rate, err);
    bal_free_pages(job->a, bytes);
    return status;
}

bal_status machine_measure_gemm(bal_backend *backend, const machine_gemm *gemm, double *ret_own,
                                double *ret_onednn, bal_error *err) {
    gemm_job job = {.shape = *gemm};
    BAL_TRY(measure_own(backend, &job, ret_own, err));
    return measure_onednn(&job, ret_onednn, err);
}

/* ---- copies ---- */

typedef struct copy_job {
    char *to;
    const char *from;
    size_t bytes;
    int rounds;
} copy_job;

static void copy_part(void *argument) {
    const copy_job *job = argument;
    for (int r = 0; r < job->rounds; r++) {
        memcpy(job->to, job->from, job->bytes);
        __asm__ volatile("" ::: "memory");
    }
}

/* Seconds for all parts at once, the first on this thread. */
static double copy_all(bal_worker **workers, copy_job *jobs, int threads) {
    double start = bal_clock_seconds();
    for (int t = 1; t < threads; t++)
        bal_worker_start(workers[t], copy_part, &jobs[t]);
    copy_part(&jobs[0]);
    for (int t = 1; t < threads; t++)
        bal_worker_wait(workers[t]);
    return bal_clock_seconds() - start;
}

static bal_status measure_copy(size_t bytes, int threads, double *ret_rate, bal_error *err) {
    bal_worker *workers[COPY_THREADS_MAX] = {NULL};
    copy_job jobs[COPY_THREADS_MAX];
    if (threads > COPY_THREADS_MAX) threads = COPY_THREADS_MAX;
    const size_t part = bytes / (size_t)threads;
    const int rounds = (int)((256u << 20) / bytes) + 1;
    bal_status status;
    char *block = bal_alloc_pages(2 * bytes);
    if (!block) return bal_fail_memory(err, 2 * bytes);
    memset(block, 1, 2 * bytes);
    for (int t = 0; t < threads; t++) {
        char *from = block + part * (size_t)t;
        jobs[t] = (copy_job){from + bytes, from, part, rounds};
        if (t > 0) BAL_TRY_OUT(bal_worker_new(&workers[t], err));
    }
    double best = copy_all(workers, jobs, threads);
    for (int repeat = 1; repeat < COPY_REPEATS; repeat++)
        best = fmin(best, copy_all(workers, jobs, threads));
    *ret_rate = 2.0 * (double)part * threads * rounds / best;
    status = BAL_OK;
out:
    for (int t = 1; t < threads; t++)
        bal_worker_free(workers[t]);
    bal_free_pages(block, 2 * bytes);
    return status;
}

bal_status machine_measure(bal_backend *backend, machine_rates *ret_rates, bal_error *err) {
    machine_rates rates = {0};
    bal_device_facts facts;
    bal_backend_facts(backend, &facts);
    BAL_TRY(machine_measure_gemm(backend, &(machine_gemm){.m = 2048, .n = 2048, .k = 2048},
                                 &rates.gemm_own, &rates.gemm_onednn, err));
    rates.gemm = fmax(rates.gemm_own, rates.gemm_onednn);
    BAL_TRY(measure_copy((size_t)128 << 20, facts.threads, &rates.copy_memory, err));
    BAL_TRY(measure_copy((size_t)4 << 20, facts.threads, &rates.copy_cache, err));
    *ret_rates = rates;
    return BAL_OK;
}

double machine_peak_memory(void) {
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lf", &kib) == 1) break;
    if (file) fclose(file);
    return kib * 1024;
}
