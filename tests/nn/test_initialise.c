/* nn/initialise.c: a large net starts with the same bytes as tensors filled one by one on one
 * thread, on the host and on a device, whichever threads there are; what is not the net's to fill
 * is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "nn/net.h"
#include "support/fake_backend.h"

enum { ENTRIES = 6, SEED = 11 };

/* Several pieces, none of a round size, and small ones between. */
static const struct {
    const char *name;
    bal_role role;
    bal_shape shape;
    bal_init_spec init;
} entries[ENTRIES] = {
    {"bias", BAL_ROLE_PARAMETER, {1, {7}}, {BAL_INIT_ZERO, 1}},
    {"uniform", BAL_ROLE_PARAMETER, {2, {1021, 1031}}, {BAL_INIT_KAIMING_UNIFORM, 2}},
    {"moment", BAL_ROLE_MOMENT, {2, {300, 400}}, {BAL_INIT_ONE, 1}},
    {"variance", BAL_ROLE_STATISTIC, {1, {1021}}, {BAL_INIT_ONE, 1}},
    {"normal", BAL_ROLE_PARAMETER, {2, {1023, 2051}}, {BAL_INIT_XAVIER_NORMAL, 1}},
    {"last", BAL_ROLE_PARAMETER, {2, {3, 5}}, {BAL_INIT_XAVIER_UNIFORM, 1}},
};

static void declare(bal_store *store, bal_backend *backend) {
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal(bal_store_declare(store, entries[i].name, entries[i].role, BAL_F32,
                                           entries[i].shape, NULL),
                         BAL_OK);
    assert_int_equal(bal_store_allocate(store, backend, NULL), BAL_OK);
}

/* What the store must hold, filled tensor by tensor; free with free(). */
static char *wanted_bytes(const bal_store *store) {
    char *wanted = calloc(store->bytes, 1);
    assert_non_null(wanted);
    for (int i = 0; i < ENTRIES; i++) {
        if (entries[i].role == BAL_ROLE_MOMENT) continue;
        float *values = (float *)(void *)(wanted + store->entries[i].offset);
        bal_init_fill(entries[i].init, &entries[i].shape, entries[i].name, SEED, values);
    }
    return wanted;
}

static void check(bal_backend *backend, int64_t fail_after) {
    bal_store store = {0};
    bal_init_spec inits[ENTRIES];
    declare(&store, backend);
    for (int i = 0; i < ENTRIES; i++)
        inits[i] = entries[i].init;
    bal_net net = {.store = &store, .seed = SEED, .inits = inits};
    bal_memory_fail_after(fail_after);
    bal_status status = bal_net_initialise(&net, NULL);
    bal_memory_fail_after(-1);
    assert_int_equal(status, BAL_OK);
    char *found = malloc(store.bytes), *wanted = wanted_bytes(&store);
    assert_non_null(found);
    assert_int_equal(bal_buffer_download(store.buffer, 0, found, store.bytes, NULL), BAL_OK);
    for (int i = 0; i < ENTRIES; i++) {
        const bal_store_entry *entry = &store.entries[i];
        if (memcmp(found + entry->offset, wanted + entry->offset, entry->bytes) != 0)
            fail_msg("'%s' starts otherwise than when filled alone", entry->name);
    }
    free(found);
    free(wanted);
    bal_store_release(&store);
}

static void on_the_host(void **state) {
    check(&fake_host, -1);
}

static void on_a_device(void **state) {
    check(&fake_device, -1);
}

/* No memory for the first or the second helper: the others do its work. */
static void with_fewer_threads(void **state) {
    check(&fake_host, 0);
    check(&fake_host, 1);
}

/* Parts, in any order, are the whole. */
static void parts_of_a_tensor(void **state) {
    enum { COUNT = 1000, PART = 3 * BAL_INIT_BLOCK };
    static float whole[COUNT], parts[COUNT];
    const bal_shape shape = BAL_SHAPE2(10, 100);
    for (int kind = 0; kind < BAL_INIT_COUNT; kind++) {
        const bal_init_spec spec = {(bal_init_kind)kind, 1.5};
        bal_init_fill(spec, &shape, "w", SEED, whole);
        memset(parts, 0xFF, sizeof parts);
        for (int64_t begin = COUNT / PART * PART; begin >= 0; begin -= PART) {
            bal_init_part part = {begin, COUNT - begin < PART ? COUNT - begin : PART};
            bal_init_fill_part(spec, &shape, "w", SEED, part, parts + begin);
        }
        assert_memory_equal(whole, parts, sizeof whole);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_the_host),
        cmocka_unit_test(on_a_device),
        cmocka_unit_test(with_fewer_threads),
        cmocka_unit_test(parts_of_a_tensor),
    };
    return cmocka_run_group_tests_name("initialise", tests, NULL, NULL);
}
