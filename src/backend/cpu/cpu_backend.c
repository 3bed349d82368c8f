/* The CPU backend: opening it, its facts, its buffers. Compilation is in cpu_program.c, the order
 * of work in cpu_schedule.c, running in cpu_run.c; the README of this folder is the tour. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/cpu/cpu_private.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"

enum { THREADS_MAX = 1024 };

static bal_status choose_isa(const char *name, bal_isa *ret_isa, bal_error *err) {
    if (!name) {
        *ret_isa = bal_isa_best();
        return BAL_OK;
    }
    bal_isa isa = bal_isa_find(name);
    if (isa == BAL_ISA_COUNT)
        return bal_fail(err, BAL_EINVAL,
                        "no instruction set is called \"%s\"; there are reference, generic, avx2 "
                        "and avx512",
                        name);
    if (!bal_isa_usable(isa))
        return bal_fail(err, BAL_EUNSUPPORTED,
                        "this machine or build cannot run %s; the best it can run is %s", name,
                        bal_isa_name(bal_isa_best()));
    *ret_isa = isa;
    return BAL_OK;
}

static bal_status cpu_open(const bal_backend_options *options, bal_backend **ret_backend,
                           bal_error *err) {
    bal_isa isa = BAL_ISA_REFERENCE;
    BAL_TRY(choose_isa(options->isa, &isa, err));
    if (options->threads < 0 || options->threads > THREADS_MAX)
        return bal_fail(err, BAL_EINVAL,
                        "the number of threads must be 0 (all processors) to %d, not %d",
                        THREADS_MAX, options->threads);
    cpu_backend *backend = bal_calloc(1, sizeof *backend);
    if (!backend) return bal_fail_memory(err, sizeof *backend);
    backend->base.api = &bal_cpu_api;
    backend->isa = isa;
    backend->threads = options->threads ? options->threads : bal_thread_processors();
    if (backend->threads > THREADS_MAX) backend->threads = THREADS_MAX;
    bal_status status = bal_cpu_team_new(backend->threads, &backend->team, err);
    if (status == BAL_OK)
        *ret_backend = &backend->base;
    else
        bal_free(backend);
    return status;
}

static void cpu_close(bal_backend *backend) {
    bal_cpu_team_free(((cpu_backend *)backend)->team);
    bal_free(backend);
}

static size_t machine_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (size_t)pages * (size_t)page : 0;
}

static void cpu_facts(const bal_backend *backend, bal_device_facts *ret_facts) {
    const cpu_backend *cpu = (const cpu_backend *)backend;
    char processor[64];
    bal_isa_processor_name(processor, sizeof processor);
    *ret_facts = (bal_device_facts){.threads = cpu->threads, .memory_bytes = machine_memory()};
    snprintf(ret_facts->name, sizeof ret_facts->name, "%s", backend->api->name);
    snprintf(ret_facts->isa, sizeof ret_facts->isa, "%s", bal_isa_name(cpu->isa));
    snprintf(ret_facts->description, sizeof ret_facts->description, "%s, %s, %d thread%s",
             processor, bal_isa_name(cpu->isa), cpu->threads, cpu->threads == 1 ? "" : "s");
}

/* ---- buffers ---- */

static bal_status cpu_buffer_new(bal_backend *backend, size_t bytes, bal_buffer **ret_buffer,
                                 bal_error *err) {
    cpu_buffer *buffer = bal_calloc(1, sizeof *buffer);
    if (!buffer) return bal_fail_memory(err, sizeof *buffer);
    buffer->data = bal_alloc_pages(bytes);
    if (!buffer->data) {
        bal_free(buffer);
        return bal_fail_memory(err, bytes);
    }
    buffer->base = (bal_buffer){.backend = backend, .bytes = bytes};
    *ret_buffer = &buffer->base;
    return BAL_OK;
}

static void cpu_buffer_free(bal_buffer *buffer) {
    bal_free_pages(((cpu_buffer *)buffer)->data, buffer->bytes);
    bal_free(buffer);
}

static bal_status cpu_upload(bal_buffer *buffer, size_t offset, const void *bytes, size_t size,
                             bal_error *err) {
    if (size > 0) memcpy(((cpu_buffer *)buffer)->data + offset, bytes, size);
    return BAL_OK;
}

static bal_status cpu_download(const bal_buffer *buffer, size_t offset, void *bytes, size_t size,
                               bal_error *err) {
    if (size > 0) memcpy(bytes, ((const cpu_buffer *)buffer)->data + offset, size);
    return BAL_OK;
}

static void *cpu_host(bal_buffer *buffer) {
    return ((cpu_buffer *)buffer)->data;
}

static size_t cpu_memory(const bal_program *program) {
    return ((const cpu_program *)program)->block_bytes;
}

const bal_backend_api bal_cpu_api = {
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .facts = cpu_facts,
    .buffer_new = cpu_buffer_new,
    .buffer_free = cpu_buffer_free,
    .upload = cpu_upload,
    .download = cpu_download,
    .host = cpu_host,
    .compile = bal_cpu_compile,
    .run = bal_cpu_run,
    .rebind = bal_cpu_rebind,
    .read = bal_cpu_read,
    .memory = cpu_memory,
    .program_free = bal_cpu_program_free,
};
