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

enum { GEMM_SIZE = 2048, GEMM_REPEATS = 9, COPY_REPEATS = 20, COPY_THREADS_MAX = 256 };

/* ---- matrix products ---- */

typedef struct gemm_job {
    bal_program *program;
    int (*sgemm)(char, char, int64_t, int64_t, int64_t, float, const float *, int64_t,
                 const float *, int64_t, float, float *, int64_t);
    float *a, *b, *c;
} gemm_job;

static bal_status run_own(gemm_job *job, bal_error *err) {
    return bal_program_run(job->program, err);
}

static bal_status run_onednn(gemm_job *job, bal_error *err) {
    const int64_t n = GEMM_SIZE;
    if (job->sgemm('N', 'N', n, n, n, 1, job->a, n, job->b, n, 0, job->c, n) == 0) return BAL_OK;
    return bal_fail(err, BAL_EDEVICE, "dnnl_sgemm failed");
}

/* FLOP/s of the fastest of a few runs. */
static bal_status rate_of(bal_status (*run)(gemm_job *, bal_error *), gemm_job *job,
                          double *ret_rate, bal_error *err) {
    const double flops = 2.0 * GEMM_SIZE * GEMM_SIZE * GEMM_SIZE;
    double best = 0;
    for (int i = 0; i < GEMM_REPEATS; i++) {
        double start = bal_clock_seconds();
        BAL_TRY(run(job, err));
        double rate = flops / (bal_clock_seconds() - start);
        if (rate > best) best = rate;
    }
    *ret_rate = best;
    return BAL_OK;
}

static void fill(float *x, size_t count) {
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i % 13) - 6;
}

static bal_status measure_own(bal_backend *backend, gemm_job *job, double *ret_rate,
                              bal_error *err) {
    const size_t bytes = sizeof(float) * GEMM_SIZE * GEMM_SIZE;
    bal_graph *g = NULL;
    bal_buffer *buffer = NULL;
    bal_status status;
    BAL_TRY_OUT(bal_graph_new(bal_op_table, BAL_F32, &g, err));
    bal_value a = bal_graph_input(g, "a", BAL_F32, BAL_SHAPE2(GEMM_SIZE, GEMM_SIZE));
    bal_value b = bal_graph_input(g, "b", BAL_F32, BAL_SHAPE2(GEMM_SIZE, GEMM_SIZE));
    bal_value c = bal_matmul(g, a, b, false, false);
    BAL_TRY_OUT(bal_buffer_new(backend, 2 * bytes, &buffer, err));
    fill(bal_buffer_host(buffer), 2 * GEMM_SIZE * GEMM_SIZE);
    BAL_TRY_OUT(bal_program_compile(backend, g, (bal_binding[]){{a, buffer, 0}, {b, buffer, bytes}},
                                    2, &c, 1, &job->program, err));
    BAL_TRY_OUT(rate_of(run_own, job, ret_rate, err));
out:
    bal_program_free(job->program);
    bal_buffer_free(buffer);
    bal_graph_free(g);
    return status;
}

/* The library is opened only here, so that the program starts without it. Its sgemm has had one
 * form in all versions. */
static bal_status measure_onednn(gemm_job *job, double *ret_rate, bal_error *err) {
    static const char *const names[] = {"libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"};
    const size_t count = (size_t)GEMM_SIZE * GEMM_SIZE, bytes = 3 * count * sizeof(float);
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    *ret_rate = 0;
    if (!library) return BAL_OK;
    void *symbol = dlsym(library, "dnnl_sgemm");
    if (!symbol) return BAL_OK;
    memcpy(&job->sgemm, &symbol, sizeof symbol);
    job->a = bal_alloc_pages(bytes);
    if (!job->a) return bal_fail_memory(err, bytes);
    job->b = job->a + count;
    job->c = job->b + count;
    fill(job->a, 2 * count);
    bal_status status = rate_of(run_onednn, job, ret_rate, err);
    bal_free_pages(job->a, bytes);
    return status; /* the library stays: its threads may still use it */
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
    gemm_job job = {0};
    bal_device_facts facts;
    bal_backend_facts(backend, &facts);
    BAL_TRY(measure_own(backend, &job, &rates.gemm_own, err));
    BAL_TRY(measure_onednn(&job, &rates.gemm_onednn, err));
    rates.gemm = rates.gemm_own > rates.gemm_onednn ? rates.gemm_own : rates.gemm_onednn;
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
