/* Reading and writing .npy: files made by NumPy (tests/golden/make_npy.py) value by value, our
 * bytes against NumPy's, what is refused and how, damaged headers, memory failure. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/npy.h"
#include "scratch.h"

static char *golden(const char *name) {
    char *path = NULL;
    assert_true(asprintf(&path, "%s/npy/%s.npy", GOLDEN_FOLDER, name) > 0);
    return path;
}

static bal_npy_array read_golden(const char *name) {
    char *path = golden(name);
    bal_npy_array array = {0};
    bal_error err = {0};
    if (bal_npy_read(path, &array, &err) != BAL_OK) fail_msg("%s", err.message);
    free(path);
    return array;
}

/* --- numbers --- */

static void check_f32(const char *name, const float *wanted, int64_t count) {
    bal_npy_array array = read_golden(name);
    assert_int_equal(array.tensor.dtype, BAL_F32);
    assert_int_equal(bal_tensor_count(&array.tensor), count);
    for (int64_t i = 0; i < count; i++) {
        float found = ((float *)array.tensor.data)[i];
        assert_true(found == wanted[i] || (isnan(found) && isnan(wanted[i])));
        assert_int_equal(!signbit(found), !signbit(wanted[i]));
    }
    bal_npy_release(&array);
}

static void test_floats(void **state) {
    const float f2[] = {0,        -0.0f,           1,        -1.5f,     65504, 0x1p-24f,
                        0x1p-14f, 0.333251953125f, INFINITY, -INFINITY, NAN};
    const float f4[] = {0, 1.5f, -2, 3.4028235e38f, 1e-45f, INFINITY};
    const double f8[] = {0.1, -1e300, 5e-324, NAN};
    check_f32("f2", f2, 11);
    check_f32("f2_big", f2, 11);
    check_f32("f4", f4, 6);
    check_f32("f4_big", f4, 6);
    const char *const names[] = {"f8", "f8_big"};
    for (int n = 0; n < 2; n++) {
        bal_npy_array array = read_golden(names[n]);
        assert_int_equal(array.tensor.dtype, BAL_F64);
        assert_int_equal(array.shape.dim[0], 4);
        for (int i = 0; i < 3; i++)
            assert_true(((double *)array.tensor.data)[i] == f8[i]);
        assert_true(isnan(((double *)array.tensor.data)[3]));
        bal_npy_release(&array);
    }
}

/* [lowest, 1, 77, highest] of each type, as i64. */
static void check_integers(const char *name, bal_dtype dtype, int64_t lowest, int64_t highest) {
    const int64_t wanted[] = {lowest, 1, 77, highest};
    bal_npy_array array = read_golden(name);
    bal_tensor tensor;
    assert_int_equal(array.tensor.dtype, dtype);
    assert_int_equal(bal_npy_to_i64(&array, &tensor, NULL), BAL_OK);
    assert_int_equal(tensor.dtype, BAL_I64);
    assert_true(bal_shape_equal(&tensor.shape, &array.shape));
    assert_memory_equal(tensor.data, wanted, sizeof wanted);
    bal_tensor_release(&tensor);
    bal_npy_release(&array);
}

static void test_integers(void **state) {
    check_integers("i1", BAL_I32, INT8_MIN, INT8_MAX);
    check_integers("i2", BAL_I32, INT16_MIN, INT16_MAX);
    check_integers("i2_big", BAL_I32, INT16_MIN, INT16_MAX);
    check_integers("i4", BAL_I32, INT32_MIN, INT32_MAX);
    check_integers("i4_big", BAL_I32, INT32_MIN, INT32_MAX);
    check_integers("i8", BAL_I64, INT64_MIN, INT64_MAX);
    check_integers("i8_big", BAL_I64, INT64_MIN, INT64_MAX);
    check_integers("u1", BAL_U8, 0, UINT8_MAX);
    check_integers("u2", BAL_I32, 0, UINT16_MAX);
    check_integers("u2_big", BAL_I32, 0, UINT16_MAX);
    check_integers("u4", BAL_I64, 0, UINT32_MAX);
    check_integers("u4_big", BAL_I64, 0, UINT32_MAX);
    check_integers("u8", BAL_I64, 0, INT64_MAX);
    check_integers("u8_big", BAL_I64, 0, INT64_MAX);

    bal_npy_array array = read_golden("b1");
    const uint8_t wanted[] = {1, 0, 1};
    assert_int_equal(array.tensor.dtype, BAL_U8);
    assert_string_equal(array.dtype, "|b1");
    assert_memory_equal(array.tensor.data, wanted, 3);
    bal_npy_release(&array);
}

static void check_counting(const char *name, bal_shape shape) {
    bal_npy_array array = read_golden(name);
    assert_int_equal(array.tensor.dtype, BAL_I32);
    assert_true(bal_shape_equal(&array.shape, &shape));
    assert_true(bal_shape_equal(&array.tensor.shape, &shape));
    for (int i = 0; i < bal_shape_count(&shape); i++)
        assert_int_equal(((int32_t *)array.tensor.data)[i], i);
    bal_npy_release(&array);
}

static void test_shapes_and_orders(void **state) {
    check_counting("six", (bal_shape){6, {1, 2, 3, 4, 5, 6}});
    check_counting("fortran", (bal_shape){3, {2, 3, 4}});
    check_counting("fortran_big", (bal_shape){3, {2, 3, 4}});
    const char *const names[] = {"version2", "version3"};
    for (int n = 0; n < 2; n++) {
        bal_npy_array array = read_golden(names[n]);
        for (int i = 0; i < 3; i++)
            assert_int_equal(((int64_t *)array.tensor.data)[i], i);
        bal_npy_release(&array);
    }
    bal_npy_array scalar = read_golden("scalar"), empty = read_golden("empty");
    assert_int_equal(scalar.shape.rank, 0);
    assert_true(*(double *)scalar.tensor.data == 2.5);
    assert_int_equal(empty.shape.dim[0], 0);
    assert_int_equal(empty.shape.dim[1], 3);
    assert_non_null(empty.tensor.data);
    bal_npy_release(&scalar);
    bal_npy_release(&empty);
}

/* --- text --- */

static const char *const words[] = {"", "a", "\u015f", "\u20acuro", "\U0001D11Ex", "nothing"};

static void test_text(void **state) {
    const char *const names[] = {"text", "text_big", "text_fortran", "bytes"};
    for (int n = 0; n < 4; n++) {
        bal_npy_array array = read_golden(names[n]);
        assert_null(array.tensor.data);
        assert_int_equal(bal_shape_count(&array.shape), 6);
        assert_int_equal(array.shape.rank, n == 2 ? 2 : 1);
        for (int i = 0; i < 6; i++)
            assert_string_equal(array.text[i], words[i]);
        bal_npy_release(&array);
    }
    bal_npy_array empty = read_golden("text_empty");
    assert_non_null(empty.text);
    assert_int_equal(empty.shape.dim[0], 0);
    bal_npy_release(&empty);
}

/* --- refusals --- */

static void refuse_golden(const char *name, bal_status wanted, const char *message) {
    char *path = golden(name), text[512];
    bal_npy_array array = {.dtype = "same"};
    bal_error err = {0};
    assert_int_equal(bal_npy_read(path, &array, &err), wanted);
    snprintf(text, sizeof text, "%s: %s", path, message);
    assert_string_equal(err.message, text);
    assert_string_equal(array.dtype, "same");
    free(path);
}

static void test_other_types_are_refused(void **state) {
    refuse_golden(
        "object", BAL_EUNSUPPORTED,
        "the array is of type '|O': Python objects, which only a pickle can hold cannot be "
        "read; save text with x.astype(str), numbers with x.astype('float32') instead");
    refuse_golden("fields", BAL_EUNSUPPORTED,
                  "the array has named fields; save each as an array of its own, as in "
                  "numpy.savez(path, a=x['a'], b=x['b'])");
    refuse_golden("complex", BAL_EUNSUPPORTED,
                  "the array is of type '<c16': complex numbers cannot be read; save x.real and "
                  "x.imag as two arrays instead");
    refuse_golden("date", BAL_EUNSUPPORTED,
                  "the array is of type '<M8[D]': dates cannot be read; save x.astype('int64') "
                  "instead");
    refuse_golden("void", BAL_EUNSUPPORTED,
                  "the array is of type '|V2': raw bytes (bfloat16 is stored so, too) cannot be "
                  "read; save x.astype('float32') instead");
    refuse_golden("seven", BAL_EUNSUPPORTED,
                  "the array has more than 6 dimensions; reshape it before saving");
}

static void test_values_without_a_place_are_refused(void **state) {
    refuse_golden("u8_large", BAL_EDATA,
                  "element 1 is 9223372036854775808, more than int64 holds; save x.astype('int64') "
                  "or x.astype('float64')");
    refuse_golden("bytes_latin1", BAL_EDATA,
                  "text element 1 is not UTF-8; correct it before saving");
    refuse_golden("text_nul", BAL_EDATA,
                  "text element 0 holds a NUL character; correct it before saving");
    refuse_golden("bytes_nul", BAL_EDATA,
                  "text element 1 holds a NUL character; correct it before saving");
    refuse_golden("text_surrogate", BAL_EDATA,
                  "text element 1 holds a number that is no Unicode character; correct it before "
                  "saving");
}

/* A version 1.0 file with this dictionary and data of zeros. */
static bal_status parse_dictionary(const char *dictionary, size_t data_bytes, bal_error *err) {
    bal_text file = {0};
    bal_npy_array array = {0};
    size_t length = strlen(dictionary);
    char low = (char)(length & 0xff), high = (char)(length >> 8);
    bal_text_append(&file, "\x93NUMPY\x01\0", 8);
    bal_text_append(&file, &low, 1);
    bal_text_append(&file, &high, 1);
    bal_text_puts(&file, dictionary);
    for (size_t i = 0; i < data_bytes; i++)
        bal_text_append(&file, "", 1);
    bal_status status = bal_npy_parse(file.data, file.length, "t.npy", &array, err);
    bal_npy_release(&array);
    bal_text_release(&file);
    return status;
}

static void test_dictionaries(void **state) {
    const char *const good[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n",
        "{\"shape\":(2,3,),\"fortran_order\":True,\"descr\":\"=f4\"}",
        " { 'shape' : ( 2L , 3L ) , 'descr' : '<i4' , 'fortran_order' : False , } \n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        bal_error err = {0};
        if (parse_dictionary(good[i], 24, &err) != BAL_OK) fail_msg("%s", err.message);
    }
}

static void test_bad_dictionaries_are_refused(void **state) {
    const struct {
        const char *dictionary, *message;
    } bad[] = {
        {"", "character 1: wanted '{', found the end"},
        {"[]", "character 1: wanted '{', found '['"},
        {"{,}", "character 2: wanted a string, found ','"},
        {"{'descr' '<f4'}", "character 10: wanted ':', found '''"},
        {"{'descr': '<f4'", "character 16: wanted ',' or '}', found the end"},
        {"{'descr': '<f4'}", "character 17: wanted 'descr', 'fortran_order' and 'shape' before the "
                             "end, found the end"},
        {"{'descr': '<f4', 'descr': '<f4'}",
         "character 18: wanted each of 'descr', 'fortran_order' "
         "and 'shape' once, found '''"},
        {"{'other': 1}", "character 2: wanted each of"},
        {"{'descr': 4}", "character 11: wanted a string, found '4'"},
        {"{'descr': '<f4", "character 15: wanted the end of a short string, found the end"},
        {"{'de\\x73cr': 1}", "character 5: wanted the end of a short string, found '\\'"},
        {"{'fortran_order': 0}", "character 19: wanted True or False, found '0'"},
        {"{'shape': 3}", "character 11: wanted '(', found '3'"},
        {"{'shape': (3)}", "character 14: wanted ',' before ')' in a tuple of one, found '}'"},
        {"{'shape': (,)}", "character 12: wanted a number, found ','"},
        {"{'shape': (3 4)}", "character 14: wanted ',' or ')', found '4'"},
        {"{'shape': (-3,)}", "character 12: wanted a number, found '-'"},
        {"{'shape': (9223372036854775808,)}", "character 12: wanted a number below 2^63"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x",
         "character 59: wanted nothing after '}', found 'x'"},
        {"{\x01}", "character 2: wanted a string, found byte 0x01"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char message[256];
        bal_error err = {0};
        assert_int_equal(parse_dictionary(bad[i].dictionary, 24, &err), BAL_EFORMAT);
        snprintf(message, sizeof message, "t.npy: npy header, %s", bad[i].message);
        if (strncmp(err.message, message, strlen(message)) != 0)
            fail_msg("wanted: %s\nfound:  %s", message, err.message);
    }
}

static void test_bad_types_are_refused(void **state) {
    const char *const types[] = {"f4", "<f3",  "<f16", "<i3", "<b2",          "<U0", "|S0",
                                 "<U", "<U-1", "<f4x", "?f4", "<U2147483648", "<x4", ""};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char dictionary[128], message[128];
        bal_error err = {0};
        snprintf(dictionary, sizeof dictionary,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (2, 3)}", types[i]);
        assert_int_equal(parse_dictionary(dictionary, 24, &err), BAL_EUNSUPPORTED);
        snprintf(message, sizeof message, "t.npy: the array is of type '%s': ", types[i]);
        assert_memory_equal(err.message, message, strlen(message));
    }
}

static void check_size_message(const char *type, const char *shape, const char *message) {
    char dictionary[256];
    bal_error err = {0};
    snprintf(dictionary, sizeof dictionary, "{'descr': '%s', 'fortran_order': False, 'shape': %s}",
             type, shape);
    assert_int_equal(parse_dictionary(dictionary, 24, &err), BAL_EFORMAT);
    assert_string_equal(err.message, message);
}

/* Claims are compared with the bytes of the file before anything is allocated. */
static void test_sizes_must_agree(void **state) {
    check_size_message(
        "<f4", "(2, 4)",
        "t.npy: shape [2,4] of type <f4 takes 32 bytes, found 24; the file is cut short");
    check_size_message(
        "<f8", "(2,)",
        "t.npy: shape [2] of type <f8 takes 16 bytes, found 24; the file is longer than "
        "its array");
    check_size_message("<f4", "(0, 5)",
                       "t.npy: shape [0,5] of type <f4 takes 0 bytes, found 24; the file is longer "
                       "than its array");
    check_size_message("<f4", "(4611686018427387904,)",
                       "t.npy: shape [4611686018427387904] of type <f4 is larger than any memory");
    check_size_message(
        "<f4", "(4611686018427387904, 4611686018427387904)",
        "t.npy: shape [4611686018427387904,4611686018427387904] of type <f4 is larger "
        "than any memory");
    check_size_message("<f4", "(0, 4611686018427387904, 4611686018427387904)",
                       "t.npy: shape [0,4611686018427387904,4611686018427387904] of type <f4 is "
                       "larger than any memory");
    check_size_message(
        "<U2000000000", "(1000000000000,)",
        "t.npy: shape [1000000000000] of type <U2000000000 is larger than any memory");
}

static void test_every_cut_is_refused(void **state) {
    const char *const names[] = {"f4", "text", "version2"};
    for (int n = 0; n < 3; n++) {
        char *path = golden(names[n]), *bytes;
        size_t size;
        assert_int_equal(bal_file_read(path, 1 << 20, &bytes, &size, NULL), BAL_OK);
        for (size_t cut = 0; cut < size; cut++) {
            bal_npy_array array = {0};
            assert_int_equal(bal_npy_parse(bytes, cut, "t.npy", &array, NULL), BAL_EFORMAT);
        }
        bal_free(bytes);
        free(path);
    }
}

static void test_other_versions_are_refused(void **state) {
    const char versions[][2] = {{0, 0}, {1, 1}, {4, 0}};
    for (int i = 0; i < 3; i++) {
        char bytes[12] = "\x93NUMPY";
        bal_npy_array array = {0};
        bal_error err = {0};
        memcpy(bytes + 6, versions[i], 2);
        assert_int_equal(bal_npy_parse(bytes, 12, "t.npy", &array, &err), BAL_EUNSUPPORTED);
        assert_non_null(strstr(err.message, "; versions 1.0, 2.0 and 3.0 can be read"));
    }
}

/* --- conversion --- */

static void check_f32_conversion(const char *name, const float *wanted, int64_t count) {
    bal_npy_array array = read_golden(name);
    bal_tensor tensor;
    assert_int_equal(bal_npy_to_f32(&array, &tensor, NULL), BAL_OK);
    assert_int_equal(tensor.dtype, BAL_F32);
    assert_int_equal(bal_tensor_count(&tensor), count);
    assert_memory_equal(tensor.data, wanted, (size_t)count * sizeof *wanted);
    bal_tensor_release(&tensor);
    bal_npy_release(&array);
}

static void test_to_f32(void **state) {
    const float f4[] = {0, 1.5f, -2, 3.4028235e38f, 1e-45f, INFINITY};
    const float scalar[] = {2.5f}, i4[] = {-0x1p31f, 1, 77, 0x1p31f}, b1[] = {1, 0, 1};
    const float i8[] = {-0x1p63f, 1, 77, 0x1p63f};
    check_f32_conversion("f4", f4, 6);
    check_f32_conversion("scalar", scalar, 1);
    check_f32_conversion("i4", i4, 4);
    check_f32_conversion("i8", i8, 4);
    check_f32_conversion("b1", b1, 3);
    bal_npy_array array = read_golden("f8");
    bal_tensor tensor = {.dtype = BAL_U8};
    bal_error err = {0};
    assert_int_equal(bal_npy_to_f32(&array, &tensor, &err), BAL_EDATA);
    assert_string_equal(err.message,
                        "element 1 is -1e+300, more than float32 holds; scale the data");
    ((double *)array.tensor.data)[1] = -INFINITY; /* infinity and NaN are f32, too */
    assert_int_equal(bal_npy_to_f32(&array, &tensor, NULL), BAL_OK);
    assert_true(((float *)tensor.data)[0] == 0.1f && ((float *)tensor.data)[1] == -INFINITY);
    bal_tensor_release(&tensor);
    bal_npy_release(&array);
}

static void check_not_whole(double value, const char *message) {
    double data[] = {-3, value};
    bal_npy_array array = {.dtype = "<f8", .shape = BAL_SHAPE1(2)};
    bal_tensor tensor = {0};
    bal_error err = {0};
    array.tensor = (bal_tensor){.dtype = BAL_F64, .shape = BAL_SHAPE1(2), .data = data};
    assert_int_equal(bal_npy_to_i64(&array, &tensor, &err), BAL_EDATA);
    assert_string_equal(err.message, message);
    assert_null(tensor.data);
}

static void test_to_i64(void **state) {
    check_not_whole(0.5, "element 1 is 0.5, wanted a whole number of 64 bits");
    check_not_whole(NAN, "element 1 is nan, wanted a whole number of 64 bits");
    check_not_whole(0x1p63, "element 1 is 9.22337e+18, wanted a whole number of 64 bits");
    check_not_whole(-INFINITY, "element 1 is -inf, wanted a whole number of 64 bits");
    float data[] = {-0x1p63f, 0x1p62f};
    bal_npy_array array = {.shape = BAL_SHAPE1(2)};
    bal_tensor tensor;
    array.tensor = (bal_tensor){.dtype = BAL_F32, .shape = BAL_SHAPE1(2), .data = data};
    assert_int_equal(bal_npy_to_i64(&array, &tensor, NULL), BAL_OK);
    assert_int_equal(((int64_t *)tensor.data)[0], INT64_MIN);
    assert_int_equal(((int64_t *)tensor.data)[1], INT64_C(1) << 62);
    bal_tensor_release(&tensor);
}

static void test_text_is_no_number(void **state) {
    bal_npy_array array = read_golden("text");
    bal_tensor tensor;
    bal_error err = {0};
    assert_int_equal(bal_npy_to_f32(&array, &tensor, &err), BAL_EDATA);
    assert_string_equal(err.message, "wanted an array of numbers, found one of text (<U7)");
    assert_int_equal(bal_npy_to_i64(&array, &tensor, &err), BAL_EDATA);
    bal_npy_release(&array);
}

/* --- writing --- */

/* What we write for an array must be what NumPy wrote. */
static void check_written(const char *name) {
    char *path = golden(name), *numpy;
    size_t size;
    bal_npy_array array = read_golden(name);
    bal_text ours = {0};
    bal_error err = {0};
    assert_int_equal(bal_file_read(path, 1 << 20, &numpy, &size, NULL), BAL_OK);
    bal_status status =
        array.text ? bal_npy_append_text(&ours, (const char *const *)array.text, &array.shape, &err)
                   : bal_npy_append(&ours, &array.tensor, &err);
    if (status != BAL_OK) fail_msg("%s", err.message);
    assert_int_equal(ours.length, size);
    assert_memory_equal(ours.data, numpy, size);
    bal_text_release(&ours);
    bal_npy_release(&array);
    bal_free(numpy);
    free(path);
}

static void test_bytes_are_numpys(void **state) {
    const char *const names[] = {"f4",     "f8",    "i4",   "i8",       "u1",        "six",
                                 "scalar", "empty", "text", "text_one", "text_wide", "long_header"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_written(names[i]);
}

/* Headers of many lengths, on both sides of the 64-byte borders. */
static void test_data_is_aligned(void **state) {
    for (int32_t rank = 1; rank <= BAL_RANK_MAX; rank++) {
        for (int64_t dimension = 1; dimension <= 1000; dimension *= 10) {
            bal_tensor tensor = {.dtype = BAL_U8, .shape = {rank, {0}}}; /* no data: 0 × … */
            for (int32_t i = 1; i < rank; i++)
                tensor.shape.dim[i] = dimension;
            bal_text out = {0};
            bal_npy_array array = {0};
            assert_int_equal(bal_npy_append(&out, &tensor, NULL), BAL_OK);
            assert_int_equal(out.length % 64, 0);
            assert_int_equal(out.data[out.length - 1], '\n');
            assert_int_equal(bal_npy_parse(out.data, out.length, "t.npy", &array, NULL), BAL_OK);
            assert_true(bal_shape_equal(&array.shape, &tensor.shape));
            bal_npy_release(&array);
            bal_text_release(&out);
        }
    }
    bal_text out = {0};
    bal_tensor tensor = {.dtype = BAL_F32, .shape = BAL_SHAPE2(INT64_MAX, INT64_MAX)};
    assert_int_equal(bal_npy_append(&out, &tensor, NULL), BAL_EINVAL);
}

static void test_files(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "a.npy");
    float values[] = {1, 2, 3, 4, 5, 6};
    bal_tensor tensor = {.dtype = BAL_F32, .shape = BAL_SHAPE2(3, 2), .data = values};
    bal_shape shape = BAL_SHAPE2(2, 3);
    bal_npy_array array = {0};
    assert_int_equal(bal_npy_write(path, &tensor, NULL), BAL_OK);
    assert_int_equal(bal_npy_read(path, &array, NULL), BAL_OK);
    assert_true(bal_shape_equal(&array.shape, &tensor.shape));
    assert_memory_equal(array.tensor.data, values, sizeof values);
    bal_npy_release(&array);
    bal_file_fail_after(0);
    assert_int_equal(bal_npy_write(path, &tensor, NULL), BAL_EIO);
    bal_file_fail_after(-1);

    assert_int_equal(bal_npy_write_text(path, words, &shape, NULL), BAL_OK);
    assert_int_equal(bal_npy_read(path, &array, NULL), BAL_OK);
    assert_true(bal_shape_equal(&array.shape, &shape));
    for (int i = 0; i < 6; i++)
        assert_string_equal(array.text[i], words[i]);
    bal_npy_release(&array);
    bal_free(path);
    scratch_free(folder);
}

static void test_text_to_write_is_checked(void **state) {
    const char *const text[] = {"ok", "caf\xe9"};
    const bal_shape shape = BAL_SHAPE1(2);
    bal_text out = {0};
    bal_error err = {0};
    assert_int_equal(bal_npy_append_text(&out, text, &shape, &err), BAL_EDATA);
    assert_string_equal(err.message, "text element 1 to be saved is not UTF-8");
    bal_text_release(&out);
}

/* --- memory --- */

typedef bal_status (*work_fn)(const char *argument, bal_error *err);

static bal_status read_one(const char *path, bal_error *err) {
    bal_npy_array array = {0};
    bal_tensor tensor = {0};
    bal_status status = bal_npy_read(path, &array, err);
    if (status == BAL_OK && array.tensor.data) status = bal_npy_to_f32(&array, &tensor, err);
    bal_tensor_release(&tensor);
    bal_npy_release(&array);
    return status;
}

static bal_status write_both(const char *path, bal_error *err) {
    float values[] = {1, 2};
    bal_tensor tensor = {.dtype = BAL_F32, .shape = BAL_SHAPE1(2), .data = values};
    const bal_shape shape = BAL_SHAPE1(6);
    bal_status status = bal_npy_write(path, &tensor, err);
    return status == BAL_OK ? bal_npy_write_text(path, words, &shape, err) : status;
}

static void fail_each_allocation(work_fn work, const char *argument, int64_t at_least) {
    int64_t failures = 0;
    for (;; failures++) {
        bal_error err = {0};
        bal_memory_fail_after(failures);
        bal_status status = work(argument, &err);
        bal_memory_fail_after(-1);
        if (status == BAL_OK) break;
        assert_int_equal(status, BAL_ENOMEM);
        assert_int_equal(err.status, BAL_ENOMEM);
    }
    assert_true(failures >= at_least);
}

static void test_every_allocation_may_fail(void **state) {
    const char *const names[] = {"f4", "fortran_big", "text_fortran", "f2_big"};
    for (int n = 0; n < 4; n++) {
        char *path = golden(names[n]);
        fail_each_allocation(read_one, path, 2);
        free(path);
    }
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "a.npy");
    fail_each_allocation(write_both, path, 6);
    bal_free(path);
    scratch_free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_shapes_and_orders),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_other_types_are_refused),
        cmocka_unit_test(test_values_without_a_place_are_refused),
        cmocka_unit_test(test_dictionaries),
        cmocka_unit_test(test_bad_dictionaries_are_refused),
        cmocka_unit_test(test_bad_types_are_refused),
        cmocka_unit_test(test_sizes_must_agree),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_other_versions_are_refused),
        cmocka_unit_test(test_to_f32),
        cmocka_unit_test(test_to_i64),
        cmocka_unit_test(test_text_is_no_number),
        cmocka_unit_test(test_bytes_are_numpys),
        cmocka_unit_test(test_data_is_aligned),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_text_to_write_is_checked),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
