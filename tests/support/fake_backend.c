/* See fake_backend.h. */
#include "support/fake_backend.h"

#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

typedef struct fake_buffer {
    bal_buffer head;
    char *bytes;
} fake_buffer;

static atomic_int uploads, uploads_left = -1;

void fake_backend_fail_after(int countdown) {
    atomic_store(&uploads_left, countdown);
}

int fake_backend_uploads(void) {
    return atomic_load(&uploads);
}

/* Several threads, so that what asks for them is tested with them. */
static void facts(const bal_backend *backend, bal_device_facts *ret_facts) {
    *ret_facts = (bal_device_facts){.threads = 3};
}

static bal_status buffer_new(bal_backend *backend, size_t bytes, bal_buffer **ret_buffer,
                             bal_error *err) {
    fake_buffer *buffer = bal_calloc(1, sizeof *buffer);
    char *memory = bal_calloc(bytes, 1);
    if (!buffer || !memory) {
        bal_free(buffer);
        bal_free(memory);
        return bal_fail_memory(err, bytes);
    }
    *buffer = (fake_buffer){{backend, bytes}, memory};
    *ret_buffer = &buffer->head;
    return BAL_OK;
}

static void buffer_free(bal_buffer *buffer) {
    bal_free(((fake_buffer *)buffer)->bytes);
    bal_free(buffer);
}

static bal_status upload(bal_buffer *buffer, size_t offset, const void *bytes, size_t size,
                         bal_error *err) {
    int left = atomic_load(&uploads_left);
    if (left == 0) return bal_fail(err, BAL_EDEVICE, "the device went away");
    if (left > 0) atomic_store(&uploads_left, left - 1);
    atomic_fetch_add(&uploads, 1);
    memcpy(((fake_buffer *)buffer)->bytes + offset, bytes, size);
    return BAL_OK;
}

static bal_status download(const bal_buffer *buffer, size_t offset, void *bytes, size_t size,
                           bal_error *err) {
    memcpy(bytes, ((const fake_buffer *)buffer)->bytes + offset, size);
    return BAL_OK;
}

static void *host_address(bal_buffer *buffer) {
    return ((fake_buffer *)buffer)->bytes;
}

static void *no_address(bal_buffer *buffer) {
    return NULL;
}

static const bal_backend_api host_api = {.name = "host",
                                         .facts = facts,
                                         .buffer_new = buffer_new,
                                         .buffer_free = buffer_free,
                                         .upload = upload,
                                         .download = download,
                                         .host = host_address};

static const bal_backend_api device_api = {.name = "device",
                                           .facts = facts,
                                           .buffer_new = buffer_new,
                                           .buffer_free = buffer_free,
                                           .upload = upload,
                                           .download = download,
                                           .host = no_address};

bal_backend fake_host = {&host_api}, fake_device = {&device_api};
