/* ballast-bench: how fast training steps are, beside what the machine could do.
 *
 * In one run: the rate of matrix products and the bandwidth of copies on this machine; for each net
 * and batch size the time of a training step (nets.h), the ratio to the floor those rates imply,
 * allocations in a step, the time from exec to the first step and the peak memory, each net in a
 * process of its own; and the same nets in PyTorch beside it where Python has it
 * (peers/torch_nets.py).
 *
 *     floor = FLOPs / GEMM rate + 28 bytes · parameters / copy bandwidth
 *
 * since Adam reads parameter, gradient and two moments and writes three of them. The bandwidth is
 * that of the memory where a net's optimiser state lies: the third-level cache or main memory.
 * Shared machines change their pace within minutes, so the rates are measured before and after each
 * net and its floor is made of the mean of the two. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/cpu/cpu.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "machine.h"
#include "nets.h"

enum { RESULTS_MAX = 16, LINE_MAX = 512 };

typedef struct options {
    bool json, profile, quick, peers, one, gemm;
    const char *net; /* only this one */
    int32_t batch;   /* only this size */
    int32_t threads;
} options;

/* What a child process reports of one net at one batch size; seconds. */
typedef struct result {
    const bench_net_kind *kind;
    int32_t batch;
    double median, least;
    double flops, parameters;
    double allocations;             /* per step */
    double first_begin, first_end;  /* of the first step, since exec */
    double memory;                  /* bytes */
    double peer_median, peer_least; /* 0: not measured */
    machine_rates rates;            /* around the time of this net */
} result;

static int fail(const bal_error *err) {
    fprintf(stderr, "ballast-bench: %s\n", err->message);
    return 1;
}

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* ---- one net, in a process of its own: `ballast-bench --one NET BATCH` ---- */

static bal_status time_steps(bench_net *net, bool quick, result *r, bal_error *err) {
    double budget = quick ? 1 : 6, begin = bal_clock_seconds();
    size_t n = 0, capacity = 0;
    double *times = NULL;
    if (!bal_reserve(times, capacity, 20000)) return bal_fail_memory(err, 20000 * sizeof *times);
    bal_status status = BAL_OK;
    uint64_t before = machine_allocations() + bal_memory_allocations();
    while (status == BAL_OK && n < capacity && (n < 10 || bal_clock_seconds() - begin < budget)) {
        double start = bal_clock_seconds();
        status = bench_net_step(net, NULL, err);
        times[n++] = bal_clock_seconds() - start;
    }
    uint64_t made = machine_allocations() + bal_memory_allocations() - before;
    r->allocations = (double)made / (double)n;
    qsort(times, n, sizeof *times, compare_doubles);
    r->median = times[n / 2];
    r->least = times[0];
    bal_free(times);
    return status;
}

static bal_status profile_steps(bench_net *net, bal_error *err) {
    enum { STEPS = 50 };
    bal_program *program = bench_net_program(net);
    BAL_TRY(bal_cpu_profile(program, true, err));
    for (int i = 0; i < STEPS; i++)
        BAL_TRY(bench_net_step(net, NULL, err));
    bal_cpu_profile_row row;
    fprintf(stderr, "%6s %-24s %-12s %12s %12s\n", "node", "op", "kernel", "us", "waiting us");
    for (size_t i = 0; bal_cpu_profile_at(program, i, &row); i++)
        fprintf(stderr, "%6d %-24s %-12s %12.2f %12.2f\n", row.node, row.op, row.kernel,
                row.seconds / STEPS * 1e6, row.waiting / STEPS * 1e6);
    return bal_cpu_profile(program, false, err);
}

static bal_status measure_one(const options *o, result *r, bal_error *err) {
    const bal_backend_options backend_options = {.threads = o->threads};
    bal_backend *backend = NULL;
    bench_net *net = NULL;
    bal_status status;
    BAL_TRY_OUT(bal_backend_open("cpu", &backend_options, &backend, err));
    BAL_TRY_OUT(bench_net_new(r->kind, r->batch, backend, &net, err));
    r->first_begin = bal_clock_since_exec();
    BAL_TRY_OUT(bench_net_step(net, NULL, err));
    r->first_end = bal_clock_since_exec();
    for (int i = 0; i < 3; i++)
        BAL_TRY_OUT(bench_net_step(net, NULL, err));
    BAL_TRY_OUT(time_steps(net, o->quick, r, err));
    r->memory = machine_peak_memory();
    r->flops = bench_net_flops(net);
    r->parameters = (double)bench_net_parameters(net);
    if (o->profile) BAL_TRY_OUT(profile_steps(net, err));
out:
    bench_net_free(net);
    bal_backend_close(backend);
    return status;
}

static int run_one(const options *o) {
    bal_error err = {0};
    result r = {.kind = o->net ? bench_net_find(o->net) : NULL, .batch = o->batch};
    if (!r.kind || o->batch < 2) {
        fprintf(stderr, "ballast-bench: --one wants --net and --batch\n");
        return 2;
    }
    if (measure_one(o, &r, &err) != BAL_OK) return fail(&err);
    printf("%.9g %.9g %.9g %.9g %.9g %.9g %.9g %.9g\n", r.median, r.least, r.flops, r.parameters,
           r.allocations, r.first_begin, r.first_end, r.memory);
    return 0;
}

/* ---- the parent ---- */

/* Run a command and hand over its first line. */
static bool first_line(char *const argv[], char line[LINE_MAX]) {
    int ends[2];
    if (pipe(ends) != 0) return false;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    FILE *from = child > 0 ? fdopen(ends[0], "r") : NULL;
    bool got = from && fgets(line, LINE_MAX, from) != NULL;
    if (from)
        fclose(from);
    else
        close(ends[0]);
    int state = 0;
    if (child > 0) waitpid(child, &state, 0);
    return got && state == 0;
}

static bool measure_in_child(const options *o, const char *self, result *r) {
    char batch[16], threads[16], line[LINE_MAX];
    snprintf(batch, sizeof batch, "%d", (int)r->batch);
    snprintf(threads, sizeof threads, "%d", (int)o->threads);
    char *argv[] = {(char *)(uintptr_t)self,
                    (char *)"--one",
                    (char *)"--net",
                    (char *)(uintptr_t)r->kind->name,
                    (char *)"--batch",
                    batch,
                    (char *)"--threads",
                    threads,
                    o->quick ? (char *)"--quick" : NULL,
                    NULL};
    if (o->profile) argv[8] = (char *)"--profile";
    return first_line(argv, line) &&
           sscanf(line, "%lf %lf %lf %lf %lf %lf %lf %lf", &r->median, &r->least, &r->flops,
                  &r->parameters, &r->allocations, &r->first_begin, &r->first_end, &r->memory) == 8;
}

/* The same net in PyTorch: "median least" in seconds. */
static bool measure_peer(const options *o, const char *script, result *r) {
    char batch[16], threads[16], line[LINE_MAX];
    const char *python = getenv("PYTHON");
    snprintf(batch, sizeof batch, "%d", (int)r->batch);
    snprintf(threads, sizeof threads, "%d", (int)o->threads);
    char *argv[] = {(char *)(uintptr_t)(python && *python ? python : "python3"),
                    (char *)(uintptr_t)script,
                    (char *)(uintptr_t)r->kind->name,
                    batch,
                    threads,
                    o->quick ? (char *)"1" : (char *)"6",
                    NULL};
    return first_line(argv, line) && sscanf(line, "%lf %lf", &r->peer_median, &r->peer_least) == 2;
}

static bool have_torch(char line[LINE_MAX]) {
    const char *python = getenv("PYTHON");
    char *argv[] = {(char *)(uintptr_t)(python && *python ? python : "python3"), (char *)"-c",
                    (char *)"import torch; print(torch.__version__)", NULL};
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    FILE *quiet = freopen("/dev/null", "w", stderr); /* a missing module is no news */
    bool got = first_line(argv, line);
    if (quiet && saved >= 0) dup2(saved, STDERR_FILENO);
    if (saved >= 0) close(saved);
    if (got) line[strcspn(line, "\n")] = '\0';
    return got;
}

/* ---- printing ---- */

/* Optimiser state larger than this lies in main memory. */
#define CACHE_STATE 32e6

static double floor_of(const result *r) {
    double bandwidth =
        16 * r->parameters > CACHE_STATE ? r->rates.copy_memory : r->rates.copy_cache;
    return r->flops / r->rates.gemm + 28 * r->parameters / bandwidth;
}

static void print_table(const result *results, size_t n, const machine_rates *rates,
                        const bal_device_facts *facts, const char *torch) {
    printf("%s\n", facts->description);
    printf("sgemm 2048^3: own %.0f, oneDNN %.0f GFLOP/s; copy: %.1f GB/s in 128 MiB, %.1f GB/s in "
           "4 MiB\n",
           rates->gemm_own / 1e9, rates->gemm_onednn / 1e9, rates->copy_memory / 1e9,
           rates->copy_cache / 1e9);
    printf("PyTorch: %s\n\n", torch ? torch : "not found");
    printf("%-9s %5s %9s %9s %8s %8s %9s %6s %6s %7s %9s %8s %9s %6s\n", "net", "batch", "ms/step",
           "min ms", "GFLOP/s", "sgemm", "floor ms", "ratio", "min", "allocs", "first ms", "MiB",
           "torch ms", "times");
    for (size_t i = 0; i < n; i++) {
        const result *r = &results[i];
        double least_possible = floor_of(r);
        printf("%-9s %5d %9.3f %9.3f %8.1f %8.1f %9.3f %6.2f %6.2f %7.2f %9.1f %8.0f",
               r->kind->name, (int)r->batch, r->median * 1e3, r->least * 1e3,
               r->flops / r->median / 1e9, r->rates.gemm / 1e9, least_possible * 1e3,
               r->median / least_possible, r->least / least_possible, r->allocations,
               r->first_begin * 1e3, r->memory / (1 << 20));
        if (r->peer_median > 0)
            printf(" %9.3f %6.2f", r->peer_median * 1e3, r->peer_median / r->median);
        printf("\n");
    }
    printf(
        "\nsgemm: the machine's rate around the time of this net; ratio: median (and fastest) step "
        "over the floor;\nfirst ms: from exec to the beginning of the first step; times: "
        "PyTorch's median over ours\n");
}

static void print_json(const result *results, size_t n, const machine_rates *rates,
                       const bal_device_facts *facts, const char *torch) {
    printf("{\"device\": \"%s\", \"gemm_own\": %.6g, \"gemm_onednn\": %.6g, \"copy_memory\": %.6g, "
           "\"copy_cache\": %.6g, \"torch\": ",
           facts->description, rates->gemm_own, rates->gemm_onednn, rates->copy_memory,
           rates->copy_cache);
    if (torch)
        printf("\"%s\"", torch);
    else
        printf("null");
    printf(", \"nets\": [");
    for (size_t i = 0; i < n; i++) {
        const result *r = &results[i];
        printf("%s\n  {\"net\": \"%s\", \"batch\": %d, \"step_s\": %.6g, \"step_s_min\": %.6g, "
               "\"flops\": %.6g, \"parameters\": %.0f, \"sgemm\": %.6g, \"floor_s\": %.6g, "
               "\"ratio\": %.4g, "
               "\"allocations_per_step\": %.4g, \"first_step_begin_s\": %.4g, "
               "\"first_step_end_s\": %.4g, \"memory_bytes\": %.0f, \"torch_step_s\": ",
               i > 0 ? "," : "", r->kind->name, (int)r->batch, r->median, r->least, r->flops,
               r->parameters, r->rates.gemm, floor_of(r), r->median / floor_of(r), r->allocations,
               r->first_begin, r->first_end, r->memory);
        if (r->peer_median > 0)
            printf("%.6g, \"torch_step_s_min\": %.6g}", r->peer_median, r->peer_least);
        else
            printf("null}");
    }
    printf("\n]}\n");
}

/* ---- main ---- */

static double mean(double a, double b) {
    return (a + b) / 2;
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

static machine_rates mean_rates(const machine_rates *a, const machine_rates *b) {
    return (machine_rates){mean(a->gemm_own, b->gemm_own), mean(a->gemm_onednn, b->gemm_onednn),
                           mean(a->gemm, b->gemm), mean(a->copy_memory, b->copy_memory),
                           mean(a->copy_cache, b->copy_cache)};
}

static machine_rates best_rates(const machine_rates *a, const machine_rates *b) {
    return (machine_rates){larger(a->gemm_own, b->gemm_own), larger(a->gemm_onednn, b->gemm_onednn),
                           larger(a->gemm, b->gemm), larger(a->copy_memory, b->copy_memory),
                           larger(a->copy_cache, b->copy_cache)};
}

/* The machine's rates now. The backend is closed again: its threads would disturb the nets. */
static bal_status measure_rates(const options *o, machine_rates *ret_rates,
                                bal_device_facts *ret_facts, bal_error *err) {
    const bal_backend_options backend_options = {.threads = o->threads};
    bal_backend *backend;
    BAL_TRY(bal_backend_open("cpu", &backend_options, &backend, err));
    bal_backend_facts(backend, ret_facts);
    bal_status status = machine_measure(backend, ret_rates, err);
    bal_backend_close(backend);
    return status;
}

static int run_all(const options *o, const char *self, const char *script) {
    bal_error err = {0};
    result results[RESULTS_MAX];
    size_t n = 0;
    char torch[LINE_MAX];
    bool peers = o->peers && have_torch(torch);
    machine_rates before, after, best;
    bal_device_facts facts;
    if (measure_rates(o, &before, &facts, &err) != BAL_OK) return fail(&err);
    best = before;
    for (const bench_net_kind *kind = bench_net_kinds; kind->name; kind++) {
        for (size_t b = 0; kind->batches[b] && n < RESULTS_MAX; b++) {
            result r = {.kind = kind, .batch = kind->batches[b]};
            if (o->net && strcmp(o->net, kind->name) != 0) continue;
            if (o->batch && o->batch != r.batch) continue;
            if (!measure_in_child(o, self, &r)) {
                fprintf(stderr, "ballast-bench: %s at batch %d failed\n", kind->name, (int)r.batch);
                return 1;
            }
            if (measure_rates(o, &after, &facts, &err) != BAL_OK) return fail(&err);
            if (peers && !measure_peer(o, script, &r))
                fprintf(stderr, "ballast-bench: %s failed for %s\n", script, kind->name);
            r.rates = mean_rates(&before, &after);
            best = best_rates(&best, &after);
            before = after;
            results[n++] = r;
        }
    }
    (o->json ? print_json : print_table)(results, n, &best, &facts, peers ? torch : NULL);
    return 0;
}

/* The products of the two nets, forward and backward, ours beside oneDNN's. */
static int run_gemm(const options *o) {
    static const struct {
        const char *name;
        machine_gemm shape;
    } rows[] = {
        {"2048 cubed", {2048, 2048, 2048, false, false}},
        {"residual: y = x W^T", {256, 3000, 3000, false, true}},
        {"residual: dx = dy W", {256, 3000, 3000, false, false}},
        {"residual: dW = dy^T x", {3000, 3000, 256, true, false}},
        {"mlp, batch 64: y = x W^T", {64, 256, 512, false, true}},
        {"mlp, batch 64: dx = dy W", {64, 512, 256, false, false}},
        {"mlp, batch 64: dW = dy^T x", {256, 512, 64, true, false}},
        {"mlp, batch 256: dW = dy^T x", {256, 512, 256, true, false}},
        {"odd: y = x W^T", {67, 131, 197, false, true}},
    };
    const bal_backend_options backend_options = {.threads = o->threads};
    bal_error err = {0};
    bal_backend *backend;
    if (bal_backend_open("cpu", &backend_options, &backend, &err) != BAL_OK) return fail(&err);
    bal_status status = BAL_OK;
    printf("%-28s %5s %5s %5s %9s %9s %6s\n", "product", "m", "n", "k", "own", "oneDNN", "times");
    for (size_t i = 0; i < sizeof rows / sizeof *rows && status == BAL_OK; i++) {
        const machine_gemm *shape = &rows[i].shape;
        double own = 0, onednn = 0;
        status = machine_measure_gemm(backend, shape, &own, &onednn, &err);
        printf("%-28s %5d %5d %5d %9.1f %9.1f %6.2f\n", rows[i].name, (int)shape->m, (int)shape->n,
               (int)shape->k, own / 1e9, onednn / 1e9, onednn > 0 ? own / onednn : 0);
    }
    bal_backend_close(backend);
    printf("\nGFLOP/s of the fastest of several runs; times: ours over oneDNN's\n");
    return status == BAL_OK ? 0 : fail(&err);
}

static const char usage[] =
    "usage: ballast-bench [--net residual|mlp] [--batch N] [--threads N] [--quick] [--profile]\n"
    "                     [--no-peers] [--json] | --gemm [--threads N]\n"
    "  --gemm      only matrix products, beside oneDNN's\n"
    "  --profile   also print the time of each instruction, to standard error\n"
    "  --quick     a second per net in place of six\n"
    "  PYTHON      interpreter to look for PyTorch in (default: python3)\n";

static bool parse_count(const char *text, int32_t *ret_count) {
    int64_t count;
    if (!bal_text_parse_i64(text, strlen(text), &count) || count < 0 || count > 1 << 20)
        return false;
    *ret_count = (int32_t)count;
    return true;
}

static bool parse(int argc, char **argv, options *o) {
    const struct {
        const char *word;
        bool *flag;
        bool value;
    } flags[] = {{"--json", &o->json, true},   {"--profile", &o->profile, true},
                 {"--quick", &o->quick, true}, {"--no-peers", &o->peers, false},
                 {"--one", &o->one, true},     {"--gemm", &o->gemm, true}};
    const size_t n_flags = sizeof flags / sizeof *flags;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        size_t f = 0;
        while (f < n_flags && strcmp(argv[i], flags[f].word) != 0)
            f++;
        if (f < n_flags) {
            *flags[f].flag = flags[f].value;
        } else if (strcmp(argv[i], "--net") == 0 && value && bench_net_find(value)) {
            o->net = argv[++i];
        } else if (strcmp(argv[i], "--batch") == 0 && value && parse_count(value, &o->batch)) {
            i++;
        } else if (strcmp(argv[i], "--threads") == 0 && value && parse_count(value, &o->threads)) {
            i++;
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    options o = {.peers = true};
    if (!parse(argc, argv, &o)) {
        fputs(usage, stderr);
        return 2;
    }
    if (o.gemm) return run_gemm(&o);
    return o.one ? run_one(&o) : run_all(&o, "/proc/self/exe", BENCH_PEER);
}
