/* The device interface: buffers, stores of named tensors, compiled programs.
 *
 * A backend is a table of functions. A program is a graph compiled for one device: kernels chosen,
 * every address fixed, nothing allocated afterwards. Parameters, states and inputs live in device
 * buffers that outlive programs, so that the training program, the evaluation program and the
 * programs for other batch sizes share one copy of the weights.
 *
 * Host code touches device memory only through upload/download. On the CPU these are memcpy, and
 * bal_buffer_host gives the address itself; on a device with its own memory that returns NULL. */
#ifndef BAL_BACKEND_BACKEND_H
#define BAL_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "graph/graph.h"

typedef struct bal_backend bal_backend;
typedef struct bal_buffer bal_buffer;
typedef struct bal_program bal_program;

/** Facts about a device, for reports. */
typedef struct bal_device_facts {
    char name[64];         /* "cpu" */
    char description[128]; /* "Intel(R) Xeon(R) ..., avx512, 2 threads" */
    char isa[32];          /* "reference", "generic", "avx2", "avx512" */
    int threads;
    size_t memory_bytes; /* available to this process */
} bal_device_facts;

typedef struct bal_backend_options {
    int threads;     /* 0: all processors of this process */
    const char *isa; /* NULL: best the machine has; "reference", "generic", … force one */
} bal_backend_options;

/** A range inside a buffer, bound to a value of a graph by the value's name (inputs, parameters,
 *  states). */
typedef struct bal_binding {
    bal_value value;
    bal_buffer *buffer;
    size_t offset; /* bytes */
} bal_binding;

/** What a device implements. All entries are required. */
typedef struct bal_backend_api {
    const char *name;
    bal_status (*open)(const bal_backend_options *options, bal_backend **ret_backend,
                       bal_error *err);
    void (*close)(bal_backend *backend);
    void (*facts)(const bal_backend *backend, bal_device_facts *ret_facts);
    bal_status (*buffer_new)(bal_backend *backend, size_t bytes, bal_buffer **ret_buffer,
                             bal_error *err); /* zeroed, 64-byte aligned */
    void (*buffer_free)(bal_buffer *buffer);
    bal_status (*upload)(bal_buffer *buffer, size_t offset, const void *bytes, size_t size,
                         bal_error *err);
    bal_status (*download)(const bal_buffer *buffer, size_t offset, void *bytes, size_t size,
                           bal_error *err);
    void *(*host)(bal_buffer *buffer); /* address, or NULL when not host memory */
    bal_status (*compile)(bal_backend *backend, const bal_graph *graph, const bal_binding *bindings,
                          size_t n_bindings, const bal_value *outputs, size_t n_outputs,
                          bal_program **ret_program, bal_error *err);
    bal_status (*run)(bal_program *program, bal_error *err);
    bal_status (*rebind)(bal_program *program, bal_value value, bal_buffer *buffer, size_t offset,
                         bal_error *err);
    bal_status (*read)(bal_program *program, bal_value output, void *bytes, size_t size,
                       bal_error *err);
    size_t (*memory)(const bal_program *program);
    void (*program_free)(bal_program *program);
} bal_backend_api;

/** Every implementation begins its structures with these, so that the calls below can dispatch. */
struct bal_backend {
    const bal_backend_api *api;
};
struct bal_buffer {
    bal_backend *backend;
    size_t bytes;
};
struct bal_program {
    bal_backend *backend;
};

/** All backends of this build, NULL-terminated (backend/backend.c). */
extern const bal_backend_api *const bal_backend_table[];

/** Open a backend by name (NULL: the first). BAL_EUNSUPPORTED names those there are. */
BAL_WARN_UNUSED bal_status bal_backend_open(const char *name, const bal_backend_options *options,
                                            bal_backend **ret_backend, bal_error *err);
/** All its buffers and programs must be freed before. NULL is fine. */
void bal_backend_close(bal_backend *backend);
void bal_backend_facts(const bal_backend *backend, bal_device_facts *ret_facts);

BAL_WARN_UNUSED bal_status bal_buffer_new(bal_backend *backend, size_t bytes,
                                          bal_buffer **ret_buffer, bal_error *err);
void bal_buffer_free(bal_buffer *buffer);
BAL_WARN_UNUSED bal_status bal_buffer_upload(bal_buffer *buffer, size_t offset, const void *bytes,
                                             size_t size, bal_error *err);
BAL_WARN_UNUSED bal_status bal_buffer_download(const bal_buffer *buffer, size_t offset, void *bytes,
                                               size_t size, bal_error *err);
void *bal_buffer_host(bal_buffer *buffer);

/** Compile the live nodes of a graph. Every input, parameter and state of the graph that a live
 * node reads must be bound. `outputs` stay readable after each run. The graph must outlive the
 * program. */
BAL_WARN_UNUSED bal_status bal_program_compile(bal_backend *backend, const bal_graph *graph,
                                               const bal_binding *bindings, size_t n_bindings,
                                               const bal_value *outputs, size_t n_outputs,
                                               bal_program **ret_program, bal_error *err);
/** One run: no allocation, no system call. Numeric trouble is not an error. */
BAL_WARN_UNUSED bal_status bal_program_run(bal_program *program, bal_error *err);
/** Point an input at another place (the next prefetched batch). */
BAL_WARN_UNUSED bal_status bal_program_rebind(bal_program *program, bal_value value,
                                              bal_buffer *buffer, size_t offset, bal_error *err);
/** Copy an output of the last run to the host; size must be its byte size. */
BAL_WARN_UNUSED bal_status bal_program_read(bal_program *program, bal_value output, void *bytes,
                                            size_t size, bal_error *err);
/** Bytes of planned memory. */
size_t bal_program_memory(const bal_program *program);
void bal_program_free(bal_program *program);

#endif
