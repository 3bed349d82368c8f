/* data/batch.c: every row once per epoch, an order that depends on seed and epoch alone, positions,
 * partial batches, prefetching across epochs, no allocations on the way, failing devices; on memory
 * of the host and on that of a device of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "data/batch.h"
#include "support/fake_backend.h"

/* ---- a table of three fields, every value of which tells its row ---- */

enum { SOURCE_ROWS = 5000, WIDTH = 5 };

static float x_of[SOURCE_ROWS][WIDTH];
static int32_t label_of[SOURCE_ROWS];
static char odd_of[SOURCE_ROWS][3];
static int64_t all_rows[SOURCE_ROWS];

static const bal_batch_field fields[] = {
    {x_of, sizeof *x_of}, {label_of, sizeof *label_of}, {odd_of, sizeof *odd_of}};

static void fill_source(void) {
    for (int i = 0; i < SOURCE_ROWS; i++) {
        for (int j = 0; j < WIDTH; j++)
            x_of[i][j] = (float)(i * WIDTH + j);
        label_of[i] = i;
        memcpy(odd_of[i], ((const char[]){(char)i, (char)(i >> 8), 'x'}), 3);
        all_rows[i] = i;
    }
}

static bal_batcher *make(bal_backend *backend, const int64_t *rows, int64_t n_rows, int64_t batch,
                         bool shuffle, uint64_t seed) {
    bal_batcher *batcher = NULL;
    bal_error err = {0};
    if (bal_batcher_new(backend, fields, 3, rows, n_rows, batch, shuffle, seed, &batcher, &err) !=
        BAL_OK)
        fail_msg("%s", err.message);
    return batcher;
}

static void seek(bal_batcher *batcher, int64_t epoch, int64_t index) {
    bal_error err = {0};
    if (bal_batcher_seek(batcher, epoch, index, &err) != BAL_OK) fail_msg("%s", err.message);
}

/* The rows of the next batch, from its labels, the other fields checked against them. */
static bal_batch next(bal_batcher *batcher, int32_t *ret_rows) {
    bal_batch batch;
    bal_error err = {0};
    float x[512][WIDTH];
    char odd[512][3];
    if (bal_batcher_next(batcher, &batch, &err) != BAL_OK) fail_msg("%s", err.message);
    size_t n = (size_t)batch.size;
    assert_in_range(n, 1, 512);
    for (int f = 0; f < 3; f++)
        assert_int_equal(batch.offset[f] % 64, 0);
    assert_int_equal(bal_buffer_download(batch.buffer, batch.offset[0], x, n * sizeof *x, NULL), 0);
    assert_int_equal(bal_buffer_download(batch.buffer, batch.offset[1], ret_rows, n * 4, NULL), 0);
    assert_int_equal(bal_buffer_download(batch.buffer, batch.offset[2], odd, n * 3, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        assert_in_range(ret_rows[i], 0, SOURCE_ROWS - 1);
        assert_memory_equal(x[i], x_of[ret_rows[i]], sizeof *x);
        assert_memory_equal(odd[i], odd_of[ret_rows[i]], 3);
    }
    return batch;
}

/* One whole epoch from here on, its rows in order. */
static void run_epoch(bal_batcher *batcher, int64_t epoch, int64_t n_rows, int64_t size,
                      int32_t *ret_rows) {
    int64_t at = 0;
    for (int64_t i = 0; i < bal_batcher_batches(batcher); i++) {
        bal_batch batch = next(batcher, ret_rows + at);
        assert_int_equal(batch.epoch, epoch);
        assert_int_equal(batch.index, i);
        assert_int_equal(batch.size, n_rows - at < size ? n_rows - at : size);
        at += batch.size;
    }
    assert_int_equal(at, n_rows);
}

/* ---- tests ---- */

static void each_row_once_per_epoch(void **state) {
    const int64_t sizes[] = {1, 2, 31, 32, 64, 100, 512};
    static int64_t rows[700];
    static int32_t found[700], before[700];
    for (int i = 0; i < 700; i++)
        rows[i] = i * 7 + 3;
    for (int b = 0; b < 14; b++) {
        int64_t size = sizes[b % 7];
        bal_batcher *batcher = make(b < 7 ? &fake_host : &fake_device, rows, 700, size, true, 9);
        assert_int_equal(bal_batcher_batches(batcher), (700 + size - 1) / size);
        for (int epoch = 0; epoch < 5; epoch++) {
            bool seen[SOURCE_ROWS] = {false};
            memcpy(before, found, sizeof found);
            run_epoch(batcher, epoch, 700, size, found);
            for (int i = 0; i < 700; i++) {
                assert_int_equal((found[i] - 3) % 7, 0);
                assert_in_range(found[i], 3, 699 * 7 + 3);
                assert_false(seen[found[i]]);
                seen[found[i]] = true;
            }
            if (epoch > 0) assert_memory_not_equal(before, found, sizeof found);
        }
        bal_batcher_free(batcher);
    }
    bal_batcher_free(NULL);
}

static void order_of_seed_and_epoch_alone(void **state) {
    enum { ROWS = 1000 };
    static int32_t reference[4][ROWS], found[ROWS];
    bal_batcher *batcher = make(&fake_host, all_rows, ROWS, 64, true, 5);
    for (int epoch = 0; epoch < 4; epoch++)
        run_epoch(batcher, epoch, ROWS, 64, reference[epoch]);
    bal_batcher_free(batcher);

    /* Not of the batch size, nor of the backend, nor of what was read before. */
    for (int64_t size = 1; size <= 512; size = size * 3 + 1) {
        batcher = make(size % 2 ? &fake_device : &fake_host, all_rows, ROWS, size, true, 5);
        for (int epoch = 3; epoch >= 0; epoch--) {
            seek(batcher, epoch, 0);
            run_epoch(batcher, epoch, ROWS, size, found);
            assert_memory_equal(found, reference[epoch], sizeof found);
        }
        bal_batcher_free(batcher);
    }
    batcher = make(&fake_host, all_rows, ROWS, 64, true, 6);
    run_epoch(batcher, 0, ROWS, 64, found);
    assert_memory_not_equal(found, reference[0], sizeof found);
    bal_batcher_free(batcher);
}

static void unshuffled(void **state) {
    const int64_t rows[] = {4, 2, 9, 9, 1};
    const int32_t wanted[] = {4, 2, 9, 9, 1};
    int32_t found[5];
    bal_batcher *batcher = make(&fake_host, rows, 5, 2, false, 1);
    for (int epoch = 0; epoch < 200; epoch++) {
        run_epoch(batcher, epoch, 5, 2, found);
        assert_memory_equal(found, wanted, sizeof wanted);
    }
    bal_batcher_free(batcher);
}

static void seeking(void **state) {
    enum { ROWS = 3001, SIZE = 16, BATCHES = 188, EPOCHS = 3 }; /* an epoch is three slabs */
    static int32_t reference[EPOCHS * BATCHES][SIZE];
    bal_backend *const backends[] = {&fake_host, &fake_device};
    for (int variant = 0; variant < 4; variant++) {
        bool shuffle = variant % 2;
        bal_batcher *run = make(backends[variant / 2], all_rows, ROWS, SIZE, shuffle, 3);
        bal_batcher *jump = make(backends[variant / 2], all_rows, ROWS, SIZE, shuffle, 3);
        assert_int_equal(bal_batcher_batches(run), BATCHES);
        for (int i = 0; i < EPOCHS * BATCHES; i++)
            next(run, reference[i]);
        for (int trial = 0; trial < 150; trial++) {
            int to = trial * 7919 % (EPOCHS * BATCHES), steps = trial * 31 % 150;
            seek(jump, to / BATCHES, to % BATCHES);
            for (int i = to; i <= to + steps && i < EPOCHS * BATCHES; i++) {
                int32_t rows[SIZE];
                bal_batch batch = next(jump, rows);
                assert_int_equal(batch.epoch, i / BATCHES);
                assert_int_equal(batch.index, i % BATCHES);
                assert_memory_equal(rows, reference[i], (size_t)batch.size * sizeof *rows);
            }
        }
        bal_batcher_free(run);
        bal_batcher_free(jump);
    }
}

/* What validation does: the same rows over and over, from the start. */
static void passes_over_a_small_table(void **state) {
    int32_t rows[64];
    int before = fake_backend_uploads();
    bal_batcher *batcher = make(&fake_device, all_rows, 100, 64, false, 0);
    for (int pass = 0; pass < 5; pass++) {
        seek(batcher, pass, 0);
        for (int i = 0; i < 2; i++) {
            bal_batch batch = next(batcher, rows);
            assert_int_equal(batch.epoch, pass);
            assert_int_equal(batch.index, i);
            assert_int_equal(batch.size, i ? 36 : 64);
            for (int k = 0; k < batch.size; k++)
                assert_int_equal(rows[k], 64 * i + k);
        }
    }
    bal_batcher_free(batcher);
    assert_int_equal(fake_backend_uploads() - before, 2); /* each slab gathered once */
}

static void wrong_arguments(void **state) {
    bal_batcher *batcher = NULL;
    bal_error err = {0};
    const struct {
        int32_t n_fields;
        int64_t n_rows, batch;
    } wrong[] = {{0, 10, 2}, {17, 10, 2}, {1, 0, 2}, {1, 10, 0}};
    for (int i = 0; i < 4; i++)
        assert_int_equal(bal_batcher_new(&fake_host, fields, wrong[i].n_fields, all_rows,
                                         wrong[i].n_rows, wrong[i].batch, true, 0, &batcher, &err),
                         BAL_EINVAL);
    const bal_batch_field vast = {x_of, SIZE_MAX / 4};
    assert_int_equal(
        bal_batcher_new(&fake_host, &vast, 1, all_rows, 100, 100, true, 0, &batcher, NULL),
        BAL_EOVERFLOW);
    assert_null(batcher);

    batcher = make(&fake_host, all_rows, 10, 100, true, 0); /* larger than the table */
    assert_int_equal(bal_batcher_batches(batcher), 1);
    int32_t rows[10];
    assert_int_equal(next(batcher, rows).size, 10);
    assert_int_equal(bal_batcher_seek(batcher, 0, 1, NULL), BAL_EINVAL);
    assert_int_equal(bal_batcher_seek(batcher, 0, -1, NULL), BAL_EINVAL);
    assert_int_equal(bal_batcher_seek(batcher, -1, 0, NULL), BAL_EINVAL);
    assert_int_equal(next(batcher, rows).epoch, 1); /* still where it was */
    bal_batcher_free(batcher);
}

static void no_allocation_on_the_way(void **state) {
    bal_backend *const backends[] = {&fake_host, &fake_device};
    for (int b = 0; b < 2; b++) {
        bal_batcher *batcher = make(backends[b], all_rows, SOURCE_ROWS, 32, true, 1);
        bal_batch batch;
        uint64_t before = bal_memory_allocations();
        for (int i = 0; i < 2000; i++)
            assert_int_equal(bal_batcher_next(batcher, &batch, NULL), BAL_OK);
        seek(batcher, 1, 5);
        assert_int_equal(bal_memory_allocations(), before);
        bal_batcher_free(batcher);
    }
}

/* A failed fill is reported by the call that would hand it out, and again until sought anew. */
static void failing_device(void **state) {
    enum { SIZE = 8, SLAB = 64 };
    int32_t rows[SIZE];
    fake_backend_fail_after(0);
    bal_error err = {0};
    bal_batcher *batcher = NULL;
    assert_int_equal(
        bal_batcher_new(&fake_device, fields, 3, all_rows, 100, SIZE, true, 1, &batcher, &err),
        BAL_EDEVICE);
    assert_string_equal(err.message, "the device went away");
    assert_null(batcher);

    fake_backend_fail_after(2); /* the first two slabs succeed */
    batcher = make(&fake_device, all_rows, SOURCE_ROWS, SIZE, true, 1);
    bal_batch batch;
    next(batcher, rows);
    assert_int_equal(bal_batcher_seek(batcher, 3, 3, NULL), BAL_EDEVICE);
    assert_int_equal(bal_batcher_next(batcher, &batch, NULL), BAL_EDEVICE); /* not old rows */
    bal_batcher_free(batcher);

    fake_backend_fail_after(2);
    batcher = make(&fake_device, all_rows, SOURCE_ROWS, SIZE, true, 1);
    for (int i = 0; i < 2 * SLAB; i++)
        next(batcher, rows);
    for (int i = 0; i < 3; i++) {
        err = (bal_error){0};
        assert_int_equal(bal_batcher_next(batcher, &batch, &err), BAL_EDEVICE);
        assert_string_equal(err.message, "the device went away");
    }
    assert_int_equal(bal_batcher_seek(batcher, 0, 64, NULL), BAL_EDEVICE);
    assert_int_equal(bal_batcher_seek(batcher, 0, 0, NULL), BAL_EDEVICE);
    assert_int_equal(bal_batcher_next(batcher, &batch, NULL), BAL_EDEVICE);
    fake_backend_fail_after(-1);
    seek(batcher, 0, 64);
    assert_int_equal(next(batcher, rows).index, 64);
    bal_batcher_free(batcher);
}

static void failing_memory(void **state) {
    bal_backend *const backends[] = {&fake_host, &fake_device};
    for (int b = 0; b < 2; b++) {
        bal_status status = BAL_ENOMEM;
        for (int n = 0; status != BAL_OK; n++) {
            bal_batcher *batcher = NULL;
            assert_true(n < 40);
            bal_memory_fail_after(n);
            status =
                bal_batcher_new(backends[b], fields, 3, all_rows, 100, 8, true, 1, &batcher, NULL);
            bal_memory_fail_after(-1);
            if (status != BAL_OK) {
                assert_int_equal(status, BAL_ENOMEM);
                assert_null(batcher);
            }
            bal_batcher_free(batcher);
        }
    }
}

int main(void) {
    fill_source();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_once_per_epoch),
        cmocka_unit_test(order_of_seed_and_epoch_alone),
        cmocka_unit_test(unshuffled),
        cmocka_unit_test(seeking),
        cmocka_unit_test(passes_over_a_small_table),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(no_allocation_on_the_way),
        cmocka_unit_test(failing_device),
        cmocka_unit_test(failing_memory),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
