/* Choosing a backend and calling through its table; see backend.h. One line registers a backend. */
#include "backend/backend.h"

#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/error.h"

const bal_backend_api *const bal_backend_table[] = {&bal_cpu_api, NULL};

/* "cpu, cuda" */
static void backend_names(char *buffer, size_t size) {
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; bal_backend_table[i]; i++) {
        const char *name = bal_backend_table[i]->name;
        size_t length = strlen(name), separator = used ? 2 : 0;
        if (used + separator + length + 1 > size) break;
        memcpy(buffer + used, ", ", separator);
        memcpy(buffer + used + separator, name, length + 1);
        used += separator + length;
    }
}

bal_status bal_backend_open(const char *name, const bal_backend_options *options,
                            bal_backend **ret_backend, bal_error *err) {
    static const bal_backend_options defaults;
    for (size_t i = 0; bal_backend_table[i]; i++) {
        const bal_backend_api *api = bal_backend_table[i];
        if (!name || strcmp(api->name, name) == 0)
            return api->open(options ? options : &defaults, ret_backend, err);
    }
    char names[128];
    backend_names(names, sizeof names);
    return bal_fail(err, BAL_EUNSUPPORTED, "no device is called \"%s\"; this build has: %s",
                    name ? name : "", names);
}

void bal_backend_close(bal_backend *backend) {
    if (backend) backend->api->close(backend);
}

void bal_backend_facts(const bal_backend *backend, bal_device_facts *ret_facts) {
    backend->api->facts(backend, ret_facts);
}

/* ---- buffers ---- */

bal_status bal_buffer_new(bal_backend *backend, size_t bytes, bal_buffer **ret_buffer,
                          bal_error *err) {
    return backend->api->buffer_new(backend, bytes, ret_buffer, err);
}

void bal_buffer_free(bal_buffer *buffer) {
    if (buffer) buffer->backend->api->buffer_free(buffer);
}

/* Written so that neither side can wrap. */
static bal_status check_range(const bal_buffer *buffer, size_t offset, size_t size,
                              bal_error *err) {
    if (offset <= buffer->bytes && size <= buffer->bytes - offset) return BAL_OK;
    return bal_fail(err, BAL_EINVAL, "%zu bytes at %zu do not lie inside a buffer of %zu bytes",
                    size, offset, buffer->bytes);
}

bal_status bal_buffer_upload(bal_buffer *buffer, size_t offset, const void *bytes, size_t size,
                             bal_error *err) {
    BAL_TRY(check_range(buffer, offset, size, err));
    return buffer->backend->api->upload(buffer, offset, bytes, size, err);
}

bal_status bal_buffer_download(const bal_buffer *buffer, size_t offset, void *bytes, size_t size,
                               bal_error *err) {
    BAL_TRY(check_range(buffer, offset, size, err));
    return buffer->backend->api->download(buffer, offset, bytes, size, err);
}

void *bal_buffer_host(bal_buffer *buffer) {
    return buffer->backend->api->host(buffer);
}

/* ---- programs ---- */

bal_status bal_program_compile(bal_backend *backend, const bal_graph *graph,
                               const bal_binding *bindings, size_t n_bindings,
                               const bal_value *outputs, size_t n_outputs,
                               bal_program **ret_program, bal_error *err) {
    BAL_TRY(bal_graph_check(graph, err));
    return backend->api->compile(backend, graph, bindings, n_bindings, outputs, n_outputs,
                                 ret_program, err);
}

bal_status bal_program_run(bal_program *program, bal_error *err) {
    return program->backend->api->run(program, err);
}

bal_status bal_program_rebind(bal_program *program, bal_value value, bal_buffer *buffer,
                              size_t offset, bal_error *err) {
    return program->backend->api->rebind(program, value, buffer, offset, err);
}

bal_status bal_program_read(bal_program *program, bal_value output, void *bytes, size_t size,
                            bal_error *err) {
    return program->backend->api->read(program, output, bytes, size, err);
}

size_t bal_program_memory(const bal_program *program) {
    return program->backend->api->memory(program);
}

void bal_program_free(bal_program *program) {
    if (program) program->backend->api->program_free(program);
}
