/* Reading and writing .npz: archives made by NumPy (tests/golden/make_npy.py), ours read back, the
 * same bytes every day, claims and damage, failing memory and disk, a real archive where there is.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/npz.h"
#include "scratch.h"

static char *golden(const char *name) {
    char *path = NULL;
    assert_true(asprintf(&path, "%s/npy/%s.npz", GOLDEN_FOLDER, name) > 0);
    return path;
}

static bal_npz *open_golden(const char *name) {
    char *path = golden(name);
    bal_npz *npz = NULL;
    bal_error err = {0};
    if (bal_npz_open(path, 0, &npz, &err) != BAL_OK) fail_msg("%s", err.message);
    free(path);
    return npz;
}

static bal_npy_array load(bal_npz *npz, const char *name) {
    bal_npy_array array = {0};
    bal_error err = {0};
    if (bal_npz_load(npz, name, &array, &err) != BAL_OK) fail_msg("%s", err.message);
    return array;
}

static const char *const labels[] = {"one", "two", "\u015f", "one"};

/* The four arrays of make_npy.py, in their order. */
static void check_content(bal_npz *npz) {
    const char *const names[] = {"X", "y", "ids", "order"};
    assert_int_equal(bal_npz_count(npz), 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(bal_npz_name(npz, i), names[i]);
    bal_npy_array x = load(npz, "X"), y = load(npz, "y"), order = load(npz, "order");
    bal_npy_array ids = load(npz, "ids");
    const bal_shape x_shape = BAL_SHAPE2(4, 3), order_shape = BAL_SHAPE2(2, 3);
    assert_true(bal_shape_equal(&x.shape, &x_shape));
    assert_true(bal_shape_equal(&order.shape, &order_shape));
    for (int i = 0; i < 12; i++)
        assert_true(((float *)x.tensor.data)[i] == (float)i / 8);
    for (int i = 0; i < 4; i++)
        assert_string_equal(y.text[i], labels[i]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(((int64_t *)ids.tensor.data)[i], i);
    for (int i = 0; i < 6; i++)
        assert_true(((double *)order.tensor.data)[i] == i);
    bal_npy_release(&x);
    bal_npy_release(&y);
    bal_npy_release(&ids);
    bal_npy_release(&order);
}

static void test_archives_of_numpy(void **state) {
    const char *const names[] = {"stored", "deflated"};
    for (int n = 0; n < 2; n++) {
        bal_npz *npz = open_golden(names[n]);
        check_content(npz);
        bal_npz_close(npz);
    }
    bal_npz_close(NULL);
}

static void test_archive_in_memory(void **state) {
    char *path = golden("deflated"), *bytes;
    size_t size;
    bal_npz *npz = NULL;
    assert_int_equal(bal_file_read(path, 1 << 20, &bytes, &size, NULL), BAL_OK);
    assert_int_equal(bal_npz_open_memory(bytes, size, "m.npz", 0, &npz, NULL), BAL_OK);
    check_content(npz);
    bal_npz_close(npz);
    bal_free(bytes);
    free(path);
}

/* --- refusals --- */

static void refuse_load(bal_npz *npz, const char *name, bal_status wanted, const char *message) {
    bal_npy_array array = {.dtype = "same"};
    bal_error err = {0};
    assert_int_equal(bal_npz_load(npz, name, &array, &err), wanted);
    if (!strstr(err.message, message)) fail_msg("wanted: %s\nfound:  %s", message, err.message);
    assert_string_equal(array.dtype, "same");
}

static void test_unknown_names(void **state) {
    bal_npz *npz = open_golden("stored");
    refuse_load(npz, "oder", BAL_EDATA, "stored.npz: no array 'oder'; did you mean 'order'?");
    refuse_load(npz, "labels", BAL_EDATA,
                "stored.npz: no array 'labels'; it holds 'X', 'y', 'ids', 'order'");
    refuse_load(npz, "X.npy", BAL_EDATA, "no array 'X.npy'");
    bal_npz_close(npz);
}

static void test_other_members(void **state) {
    bal_npz *npz = open_golden("others");
    assert_int_equal(bal_npz_count(npz), 2); /* README is no array */
    bal_npy_array array = load(npz, "a");
    assert_int_equal(array.shape.dim[0], 4);
    bal_npy_release(&array);
    refuse_load(npz, "bad", BAL_EFORMAT, "others.npz: array 'bad': not a .npy array");
    bal_npz_close(npz);
}

static void test_other_compression(void **state) {
    bal_npz *npz = open_golden("lzma");
    refuse_load(npz, "X", BAL_EUNSUPPORTED,
                "lzma.npz: array 'X' is compressed by another method; save it with numpy.savez");
    bal_npz_close(npz);
}

static void test_not_an_archive(void **state) {
    const struct {
        const char *path;
        bal_status status;
    } bad[] = {{GOLDEN_FOLDER "/npy/absent.npz", BAL_ENOTFOUND},
               {GOLDEN_FOLDER "/npy/f4.npy", BAL_EFORMAT},
               {GOLDEN_FOLDER, BAL_EIO}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bal_npz *npz = NULL;
        bal_error err = {0};
        assert_int_equal(bal_npz_open(bad[i].path, 0, &npz, &err), bad[i].status);
        assert_memory_equal(err.message, bad[i].path, strlen(bad[i].path));
        assert_null(npz);
    }
}

static void test_limit_on_one_array(void **state) {
    char *path = golden("zeros"); /* 4 MiB of zeros in 4 kB */
    bal_npz *npz = NULL;
    bal_npy_array array = {0};
    assert_int_equal(bal_npz_open(path, (4 << 20) + 128, &npz, NULL), BAL_OK);
    assert_int_equal(bal_npz_load(npz, "z", &array, NULL), BAL_OK);
    assert_int_equal(array.shape.dim[0], 1 << 20);
    bal_npy_release(&array);
    bal_npz_close(npz);
    assert_int_equal(bal_npz_open(path, (4 << 20) + 127, &npz, NULL), BAL_OK);
    refuse_load(npz, "z", BAL_EFORMAT,
                "array 'z' takes 4194432 bytes, more than the limit of 4194431");
    bal_npz_close(npz);
    free(path);
}

/* Overwrite the field at `offset` of the n-th central directory entry and of its local header. */
static void patch(char *bytes, size_t size, size_t offset, uint32_t value) {
    for (size_t i = 0; i + 46 <= size; i++) {
        if (memcmp(bytes + i, "PK\x01\x02", 4) == 0) memcpy(bytes + i + offset, &value, 4);
    }
}

static void check_damage(const char *bytes, size_t size, const char *message) {
    bal_npz *npz = NULL;
    assert_int_equal(bal_npz_open_memory(bytes, size, "m.npz", 0, &npz, NULL), BAL_OK);
    refuse_load(npz, "ids", BAL_EFORMAT, message);
    bal_npz_close(npz);
}

static void test_claims_and_damage(void **state) {
    enum { CRC = 16, SIZE = 24 }; /* fields of a directory entry */
    char *path = golden("deflated"), *bytes, *copy;
    size_t size;
    assert_int_equal(bal_file_read(path, 1 << 20, &bytes, &size, NULL), BAL_OK);
    copy = bal_strndup(bytes, size);
    patch(copy, size, SIZE, 1000000000);
    check_damage(copy, size, "m.npz: array 'ids' claims 1000000000 bytes from ");
    memcpy(copy, bytes, size);
    patch(copy, size, SIZE, 1000);
    check_damage(copy, size,
                 "m.npz: array 'ids' cannot be read: its size is not the one it claims");
    memcpy(copy, bytes, size);
    patch(copy, size, SIZE, 100);
    check_damage(copy, size, "m.npz: array 'ids' cannot be read: ");
    memcpy(copy, bytes, size);
    patch(copy, size, CRC, 12345);
    check_damage(copy, size, "m.npz: array 'ids' cannot be read: CRC error");
    for (size_t cut = 0; cut < size; cut++) {
        bal_npz *npz = NULL;
        assert_int_equal(bal_npz_open_memory(bytes, cut, "m.npz", 0, &npz, NULL), BAL_EFORMAT);
    }
    bal_free(copy);
    bal_free(bytes);
    free(path);
}

static void test_two_arrays_of_one_name(void **state) {
    char *path = golden("stored"), *bytes;
    size_t size;
    bal_npz *npz = NULL;
    bal_error err = {0};
    assert_int_equal(bal_file_read(path, 1 << 20, &bytes, &size, NULL), BAL_OK);
    for (size_t i = 0; i + 5 < size; i++) {
        if (memcmp(bytes + i, "y.npy", 5) == 0) bytes[i] = 'X';
    }
    assert_int_equal(bal_npz_open_memory(bytes, size, "m.npz", 0, &npz, &err), BAL_EFORMAT);
    assert_string_equal(err.message, "m.npz: two arrays are named 'X'; save it again");
    bal_free(bytes);
    free(path);
}

/* --- writing --- */

static bal_status write_arrays(const char *path, bool compress, bal_error *err) {
    float x[12];
    double order[6];
    int64_t ids[4];
    for (int i = 0; i < 12; i++)
        x[i] = (float)i / 8;
    for (int i = 0; i < 6; i++)
        order[i] = i;
    for (int i = 0; i < 4; i++)
        ids[i] = i;
    const bal_tensor tensors[] = {
        {.dtype = BAL_F32, .shape = BAL_SHAPE2(4, 3), .data = x},
        {.dtype = BAL_I64, .shape = BAL_SHAPE1(4), .data = ids},
        {.dtype = BAL_F64, .shape = BAL_SHAPE2(2, 3), .data = order},
    };
    const bal_shape y_shape = BAL_SHAPE1(4);
    bal_npz_writer *writer;
    BAL_TRY(bal_npz_writer_open(path, compress, &writer, err));
    bal_status status = bal_npz_writer_add(writer, "X", &tensors[0], err);
    if (status == BAL_OK) status = bal_npz_writer_add_text(writer, "y", labels, &y_shape, err);
    if (status == BAL_OK) status = bal_npz_writer_add(writer, "ids", &tensors[1], err);
    if (status == BAL_OK) status = bal_npz_writer_add(writer, "order", &tensors[2], err);
    if (status == BAL_OK) return bal_npz_writer_commit(writer, err);
    bal_npz_writer_abort(writer);
    return status;
}

static void check_file(const char *path) {
    bal_npz *npz = NULL;
    bal_error err = {0};
    if (bal_npz_open(path, 0, &npz, &err) != BAL_OK) fail_msg("%s", err.message);
    check_content(npz);
    bal_npz_close(npz);
}

static void test_what_is_written_is_read_back(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "a.npz");
    for (int compress = 0; compress < 2; compress++) {
        bal_error err = {0};
        if (write_arrays(path, compress, &err) != BAL_OK) fail_msg("%s", err.message);
        check_file(path);
    }
    bal_free(path);
    scratch_free(folder);
}

static size_t size_of_zeros(const char *path, bool compress) {
    bal_tensor zeros;
    bal_npz_writer *writer = NULL;
    char *bytes;
    size_t size;
    assert_int_equal(bal_tensor_init(&zeros, BAL_F64, BAL_SHAPE1(1000), NULL), BAL_OK);
    assert_int_equal(bal_npz_writer_open(path, compress, &writer, NULL), BAL_OK);
    assert_int_equal(bal_npz_writer_add(writer, "zeros", &zeros, NULL), BAL_OK);
    assert_int_equal(bal_npz_writer_commit(writer, NULL), BAL_OK);
    assert_int_equal(bal_file_read(path, 1 << 20, &bytes, &size, NULL), BAL_OK);
    bal_free(bytes);
    bal_tensor_release(&zeros);
    return size;
}

static void test_compression(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "a.npz");
    assert_true(size_of_zeros(path, false) > 8000);
    assert_true(size_of_zeros(path, true) < 500);
    bal_free(path);
    scratch_free(folder);
}

static void test_bytes_do_not_depend_on_time(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "a.npz"), *first, *second;
    size_t first_size, second_size;
    assert_int_equal(setenv("TZ", "Pacific/Auckland", 1), 0);
    tzset();
    assert_int_equal(write_arrays(path, true, NULL), BAL_OK);
    assert_int_equal(bal_file_read(path, 1 << 20, &first, &first_size, NULL), BAL_OK);
    struct timespec pause = {2, 100000000}; /* zip files keep time in steps of 2 s */
    nanosleep(&pause, NULL);
    assert_int_equal(setenv("TZ", "America/Lima", 1), 0);
    tzset();
    assert_int_equal(write_arrays(path, true, NULL), BAL_OK);
    assert_int_equal(bal_file_read(path, 1 << 20, &second, &second_size, NULL), BAL_OK);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    bal_free(first);
    bal_free(second);
    bal_free(path);
    scratch_free(folder);
}

static void test_bad_additions_are_refused(void **state) {
    float values[] = {1, 2};
    const bal_tensor tensor = {.dtype = BAL_F32, .shape = BAL_SHAPE1(2), .data = values};
    const bal_tensor huge = {.dtype = BAL_F32, .shape = BAL_SHAPE1(INT64_MAX), .data = values};
    const char *const latin1[] = {"caf\xe9"};
    const bal_shape one = BAL_SHAPE1(1);
    bal_npz_writer *writer = NULL;
    bal_error err = {0};
    assert_int_equal(bal_npz_writer_open("never.npz", false, &writer, NULL), BAL_OK);
    assert_int_equal(bal_npz_writer_add(writer, "\u015f", &tensor, &err), BAL_OK);
    assert_int_equal(bal_npz_writer_add(writer, "\u015f", &tensor, &err), BAL_EINVAL);
    assert_string_equal(err.message,
                        "never.npz: there is an array '\u015f' already; names must differ");
    assert_int_equal(bal_npz_writer_add(writer, "\xff", &tensor, NULL), BAL_EINVAL);
    assert_int_equal(bal_npz_writer_add(writer, "h", &huge, NULL), BAL_EINVAL);
    assert_int_equal(bal_npz_writer_add_text(writer, "t", latin1, &one, NULL), BAL_EDATA);
    bal_npz_writer_abort(writer);
    bal_npz_writer_abort(NULL);
    assert_false(bal_path_exists("never.npz"));

    assert_int_equal(bal_npz_writer_open("never.npz", false, &writer, NULL), BAL_OK);
    assert_int_equal(bal_npz_writer_commit(writer, NULL), BAL_EINVAL); /* nothing in it */
    assert_false(bal_path_exists("never.npz"));
}

static void test_failing_disk_leaves_the_old_file(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "a.npz");
    int64_t failures = 0;
    assert_int_equal(write_arrays(path, false, NULL), BAL_OK);
    for (;; failures++) {
        bal_error err = {0};
        bal_file_fail_after(failures);
        bal_status status = write_arrays(path, true, &err);
        bal_file_fail_after(-1);
        if (status == BAL_OK) break;
        assert_int_equal(status, BAL_EIO);
        check_file(path);
    }
    assert_true(failures >= 3); /* write, sync, rename */
    bal_free(path);
    scratch_free(folder);
}

/* --- memory --- */

typedef bal_status (*work_fn)(const char *path, bal_error *err);

static bal_status read_all(const char *path, bal_error *err) {
    bal_npz *npz = NULL;
    BAL_TRY(bal_npz_open(path, 0, &npz, err));
    bal_status status = BAL_OK;
    for (size_t i = 0; i < bal_npz_count(npz) && status == BAL_OK; i++) {
        bal_npy_array array = {0};
        status = bal_npz_load(npz, bal_npz_name(npz, i), &array, err);
        bal_npy_release(&array);
    }
    bal_npz_close(npz);
    return status;
}

static bal_status write_compressed(const char *path, bal_error *err) {
    return write_arrays(path, true, err);
}

static void fail_each_allocation(work_fn work, const char *path, int64_t at_least) {
    int64_t failures = 0;
    for (;; failures++) {
        bal_error err = {0};
        bal_memory_fail_after(failures);
        bal_status status = work(path, &err);
        bal_memory_fail_after(-1);
        if (status == BAL_OK) break;
        assert_int_equal(status, BAL_ENOMEM);
        assert_int_equal(err.status, BAL_ENOMEM);
    }
    assert_true(failures >= at_least);
}

static void test_every_allocation_may_fail(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "a.npz");
    fail_each_allocation(write_compressed, path, 20);
    fail_each_allocation(read_all, path, 10);
    bal_free(path);
    scratch_free(folder);
}

/* --- a real archive --- */

static void test_real_archive(void **state) {
    const char *folder = getenv("BALLAST_DATA");
    if (!folder || !*folder) skip();
    char *path = bal_path_join(folder, "landmarks/turkish_sign_hands/letters_26c.npz");
    if (!bal_path_exists(path)) {
        bal_free(path);
        skip();
    }
    bal_npz *npz = NULL;
    bal_error err = {0};
    if (bal_npz_open(path, 0, &npz, &err) != BAL_OK) fail_msg("%s", err.message);
    bal_npy_array x = load(npz, "X"), y = load(npz, "y");
    const bal_shape shape = BAL_SHAPE2(44459, 63);
    double sum = 0;
    int nothing = 0;
    assert_int_equal(x.tensor.dtype, BAL_F32);
    assert_true(bal_shape_equal(&x.shape, &shape));
    for (int64_t i = 0; i < bal_shape_count(&shape); i++)
        sum += (double)((float *)x.tensor.data)[i];
    for (int64_t i = 0; i < shape.dim[0]; i++)
        nothing += strcmp(y.text[i], "nothing") == 0;
    assert_int_equal(nothing, 3);
    assert_true(fabs(sum - 850243.0957394555) < 1e-3); /* from NumPy */
    bal_npy_release(&x);
    bal_npy_release(&y);
    bal_npz_close(npz);
    bal_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_archives_of_numpy),
        cmocka_unit_test(test_archive_in_memory),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_other_members),
        cmocka_unit_test(test_other_compression),
        cmocka_unit_test(test_not_an_archive),
        cmocka_unit_test(test_limit_on_one_array),
        cmocka_unit_test(test_claims_and_damage),
        cmocka_unit_test(test_two_arrays_of_one_name),
        cmocka_unit_test(test_what_is_written_is_read_back),
        cmocka_unit_test(test_compression),
        cmocka_unit_test(test_bytes_do_not_depend_on_time),
        cmocka_unit_test(test_bad_additions_are_refused),
        cmocka_unit_test(test_failing_disk_leaves_the_old_file),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_real_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
