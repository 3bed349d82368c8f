/* Types, shapes and tensors: checked sizes at the borders, text, ownership, failed allocation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "tensor/tensor.h"

static void test_dtypes(void **state) {
    const size_t sizes[] = {4, 8, 4, 8, 1};
    const char *const names[] = {"f32", "f64", "i32", "i64", "u8"};
    for (int dtype = 0; dtype < BAL_DTYPE_COUNT; dtype++) {
        assert_int_equal(bal_dtype_size((bal_dtype)dtype), sizes[dtype]);
        assert_string_equal(bal_dtype_name((bal_dtype)dtype), names[dtype]);
    }
    assert_int_equal(bal_dtype_size(BAL_DTYPE_COUNT), 0);
    assert_string_equal(bal_dtype_name(BAL_DTYPE_COUNT), "unknown");
}

static void test_shape_equal_and_count(void **state) {
    bal_shape a = BAL_SHAPE2(3, 4), b = BAL_SHAPE2(3, 4), c = BAL_SHAPE2(4, 3), d = BAL_SHAPE1(3);
    bal_shape scalar = {0};
    assert_true(bal_shape_equal(&a, &b));
    assert_false(bal_shape_equal(&a, &c));
    assert_false(bal_shape_equal(&a, &d));
    b.dim[2] = 7; /* beyond the rank: not part of the shape */
    assert_true(bal_shape_equal(&a, &b));
    assert_int_equal(bal_shape_count(&a), 12);
    assert_int_equal(bal_shape_count(&scalar), 1);
}

static void test_shape_bytes(void **state) {
    size_t bytes = 99;
    bal_shape shape = BAL_SHAPE3(2, 3, 5), scalar = {0};
    assert_true(bal_shape_bytes(&shape, BAL_F64, &bytes));
    assert_int_equal(bytes, 240);
    assert_true(bal_shape_bytes(&scalar, BAL_U8, &bytes));
    assert_int_equal(bytes, 1);
    shape = BAL_SHAPE2(0, INT64_MAX / 4);
    assert_true(bal_shape_bytes(&shape, BAL_F32, &bytes));
    assert_int_equal(bytes, 0);
}

static void test_shape_bytes_refuses(void **state) {
    size_t bytes = 99;
    bal_shape shapes[] = {BAL_SHAPE1(-1),
                          BAL_SHAPE2(INT64_MAX, 2),
                          BAL_SHAPE1(INT64_MAX / 4 + 1),
                          BAL_SHAPE3(0, INT64_MAX, 2),
                          {-1, {0}},
                          {BAL_RANK_MAX + 1, {1}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        assert_false(bal_shape_bytes(&shapes[i], BAL_F32, &bytes));
    }
    bal_shape small = BAL_SHAPE1(1);
    assert_false(bal_shape_bytes(&small, BAL_DTYPE_COUNT, &bytes));
    assert_int_equal(bytes, 99);
}

static void test_shape_text(void **state) {
    char text[128], tiny[5];
    bal_shape shape = BAL_SHAPE2(32, 126), scalar = {0};
    bal_shape wide = {BAL_RANK_MAX, {0}};
    for (int i = 0; i < BAL_RANK_MAX; i++)
        wide.dim[i] = INT64_MAX;
    assert_string_equal(bal_shape_text(&shape, text, sizeof text), "[32,126]");
    assert_string_equal(bal_shape_text(&scalar, text, sizeof text), "[]");
    bal_shape_text(&wide, text, sizeof text);
    assert_string_equal(text + 20, ",9223372036854775807,9223372036854775807,9223372036854775807,"
                                   "9223372036854775807,9223372036854775807]");
    assert_string_equal(bal_shape_text(&shape, tiny, sizeof tiny), "[32,"); /* cut, never overrun */
}

static void test_tensor_owns_zeroed_data(void **state) {
    bal_tensor tensor;
    bal_error err = {0};
    assert_int_equal(bal_tensor_init(&tensor, BAL_I64, BAL_SHAPE2(3, 2), &err), BAL_OK);
    assert_int_equal(bal_tensor_count(&tensor), 6);
    assert_true(tensor.owned);
    for (int i = 0; i < 6; i++)
        assert_int_equal(((int64_t *)tensor.data)[i], 0);
    bal_tensor_release(&tensor);
    assert_null(tensor.data);
    bal_tensor_release(&tensor); /* again is fine */
    bal_tensor_release(NULL);
}

static void test_release_leaves_borrowed_data(void **state) {
    float values[2] = {1, 2};
    bal_tensor tensor = {.dtype = BAL_F32, .shape = BAL_SHAPE1(2), .data = values};
    bal_tensor_release(&tensor);
    assert_null(tensor.data);
    assert_true(values[1] == 2);
}

static void test_tensor_init_fails_cleanly(void **state) {
    bal_tensor tensor = {.dtype = BAL_U8};
    bal_error err = {0};
    bal_shape huge = BAL_SHAPE2(INT64_MAX, 3);
    assert_int_equal(bal_tensor_init(&tensor, BAL_F32, huge, &err), BAL_EOVERFLOW);
    assert_non_null(strstr(err.message, "[9223372036854775807,3]"));
    bal_memory_fail_after(0);
    assert_int_equal(bal_tensor_init(&tensor, BAL_F32, BAL_SHAPE1(4), NULL), BAL_ENOMEM);
    bal_memory_fail_after(-1);
    assert_int_equal(tensor.dtype, BAL_U8); /* untouched */
    assert_null(tensor.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_shape_equal_and_count),
        cmocka_unit_test(test_shape_bytes),
        cmocka_unit_test(test_shape_bytes_refuses),
        cmocka_unit_test(test_shape_text),
        cmocka_unit_test(test_tensor_owns_zeroed_data),
        cmocka_unit_test(test_release_leaves_borrowed_data),
        cmocka_unit_test(test_tensor_init_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
