/* Measuring the machine; see machine.h. */
#include "machine.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"

enum { GEMM_SIZE = 2048, GEMM_REPEATS = 9, COPY_REPEATS = 20 };

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

static bal_status measure_copy(size_t bytes, int threads, double *ret_rate, bal_error *err) {
    char *block = bal_alloc_pages(2 * bytes);
    if (!block) return bal_fail_memory(err, 2 * bytes);
    memset(block, 1, 2 * bytes);
    double best = 0;
    int rounds = (int)((256u << 20) / bytes) + 1;
    for (int repeat = 0; repeat < COPY_REPEATS; repeat++) {
        double start = bal_clock_seconds();
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int t = 0; t < threads; t++) {
            size_t begin = bytes / (size_t)threads * (size_t)t;
            size_t size = bytes / (size_t)threads;
            for (int r = 0; r < rounds; r++) {
                memcpy(block + bytes + begin, block + begin, size);
                __asm__ volatile("" ::: "memory");
            }
        }
        double rate = 2.0 * (double)bytes * rounds / (bal_clock_seconds() - start);
        if (rate > best) best = rate;
    }
    bal_free_pages(block, 2 * bytes);
    *ret_rate = best;
    return BAL_OK;
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
