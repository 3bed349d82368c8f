/* format/safetensors*.c: files of the reference implementation read and written to the byte, every
 * rule of the format broken once by a hand-made file, alignment, failing memory and storage. */
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
#include "base/text.h"
#include "format/safetensors.h"
#include "scratch.h"

#define GOLDEN(name) GOLDEN_FOLDER "/safetensors/" name ".safetensors"

static bal_safetensors *open_file(const char *path) {
    bal_safetensors *file = NULL;
    bal_error err = {0};
    if (bal_safetensors_open(path, &file, &err) != BAL_OK) fail_msg("%s", err.message);
    return file;
}

/* Length, header, and `data_bytes` bytes 0, 1, 2, … */
static bal_text make_file(const char *header, size_t data_bytes) {
    bal_text text = {0};
    uint64_t length = strlen(header);
    bal_text_append(&text, (const char *)&length, sizeof length);
    bal_text_puts(&text, header);
    for (size_t i = 0; i < data_bytes; i++)
        bal_text_append(&text, (const char[]){(char)i}, 1);
    assert_false(bal_text_failed(&text));
    return text;
}

static bal_status open_made(const char *header, size_t data_bytes, bal_safetensors **ret_file,
                            bal_error *err) {
    bal_text text = make_file(header, data_bytes);
    bal_status status = bal_safetensors_open_memory(text.data, text.length, "m", ret_file, err);
    bal_text_release(&text);
    return status;
}

static void assert_refused(const char *header, size_t data_bytes, const char *message) {
    bal_safetensors *file = (bal_safetensors *)&header;
    bal_error err = {0};
    assert_int_equal(open_made(header, data_bytes, &file, &err), BAL_EFORMAT);
    assert_ptr_equal(file, &header);
    if (strcmp(err.message, message) != 0)
        print_error("wanted: %s\nfound:  %s\n", message, err.message);
    assert_string_equal(err.message, message);
}

static const bal_safetensor *assert_tensor(const bal_safetensors *file, const char *name,
                                           const char *type, bal_dtype dtype, bal_shape shape,
                                           size_t bytes) {
    const bal_safetensor *tensor = bal_safetensors_find(file, name);
    assert_non_null(tensor);
    assert_string_equal(tensor->name, name);
    assert_string_equal(tensor->type_name, type);
    assert_int_equal(tensor->dtype, dtype);
    assert_true(bal_shape_equal(&tensor->shape, &shape));
    assert_int_equal(tensor->bytes, bytes);
    assert_non_null(tensor->data);
    return tensor;
}

static void reference_file_is_read(void **state) {
    bal_safetensors *file = open_file(GOLDEN("types"));
    assert_int_equal(bal_safetensors_count(file), 8);
    const bal_safetensor *t = assert_tensor(file, "b.weight", "F32", BAL_F32, BAL_SHAPE2(2, 3), 24);
    for (int i = 0; i < 6; i++)
        assert_true(((const float *)t->data)[i] == (float)i / 4);
    t = assert_tensor(file, "B.weight", "F32", BAL_F32, BAL_SHAPE1(3), 12);
    assert_true(((const float *)t->data)[0] == 1e-45f);
    assert_true(signbit(((const float *)t->data)[1]) && isinf(((const float *)t->data)[2]));
    t = assert_tensor(file, "a.mean", "F64", BAL_F64, BAL_SHAPE1(2), 16);
    assert_true(((const double *)t->data)[0] == 0.1 && ((const double *)t->data)[1] == 1e300);
    t = assert_tensor(file, "count", "I64", BAL_I64, (bal_shape){0}, 8);
    assert_int_equal(*(const int64_t *)t->data, 7);
    t = assert_tensor(file, "labels", "I32", BAL_I32, BAL_SHAPE3(2, 2, 1), 16);
    assert_int_equal(((const int32_t *)t->data)[3], -4);
    t = assert_tensor(file, "bytes", "U8", BAL_U8, BAL_SHAPE1(5), 5);
    assert_memory_equal(t->data, "hello", 5);
    assert_tensor(file, "none", "F32", BAL_F32, BAL_SHAPE2(0, 4), 0);
    assert_tensor(file, "g\xc3\xbc\"\\\n\x01", "I64", BAL_I64, BAL_SHAPE1(1), 8);
    assert_string_equal(bal_safetensors_at(file, 0)->name, "count");
    assert_string_equal(bal_safetensors_at(file, 7)->name, "bytes");
    assert_null(bal_safetensors_find(file, "weight"));
    assert_null(bal_safetensors_find(file, "__metadata__"));
    assert_string_equal(bal_safetensors_metadata(file, "state"),
                        "{\"epoch\": 3, \"note\": \"g\xc3\xbc \xe2\x82\xac\t/\x7f\"}");
    assert_null(bal_safetensors_metadata(file, "stat"));
    bal_safetensors_close(file);
}

static void foreign_types_are_listed(void **state) {
    bal_safetensors *file = open_file(GOLDEN("foreign"));
    assert_int_equal(bal_safetensors_count(file), 5);
    const bal_safetensor *half =
        assert_tensor(file, "half", "F16", BAL_DTYPE_COUNT, BAL_SHAPE1(2), 4);
    assert_memory_equal(half->data, "\x00\x3c\x00\xc0", 4);
    assert_tensor(file, "brain", "BF16", BAL_DTYPE_COUNT, BAL_SHAPE2(3, 1), 6);
    assert_tensor(file, "flag", "BOOL", BAL_DTYPE_COUNT, BAL_SHAPE1(3), 3);
    assert_tensor(file, "eighth", "F8_E4M3", BAL_DTYPE_COUNT, BAL_SHAPE1(2), 2);
    bal_safetensors_close(file);
}

static void empty_files(void **state) {
    bal_safetensors *file = open_file(GOLDEN("empty"));
    assert_int_equal(bal_safetensors_count(file), 0);
    assert_null(bal_safetensors_find(file, ""));
    assert_null(bal_safetensors_metadata(file, ""));
    bal_safetensors_close(file);
}

/* Written in another order than it was read in, the reference's file comes out to the byte. */
static void reference_file_is_written(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "m.safetensors");
    static const char *const names[] = {"types", "empty"};
    for (int which = 0; which < 2; which++) {
        const char *golden = which == 0 ? GOLDEN("types") : GOLDEN("empty");
        bal_safetensors *file = open_file(golden);
        bal_safetensor tensors[8];
        size_t count = bal_safetensors_count(file);
        for (size_t i = 0; i < count; i++)
            tensors[count - 1 - i] = *bal_safetensors_at(file, i);
        bal_safetensors_pair pair = {"state", bal_safetensors_metadata(file, "state")};
        assert_int_equal(bal_safetensors_write(path, tensors, count, &pair, which == 0, NULL),
                         BAL_OK);
        char *wanted, *found;
        size_t wanted_size, found_size;
        assert_int_equal(bal_file_read(golden, 1 << 20, &wanted, &wanted_size, NULL), BAL_OK);
        assert_int_equal(bal_file_read(path, 1 << 20, &found, &found_size, NULL), BAL_OK);
        assert_int_equal(found_size, wanted_size);
        if (memcmp(wanted, found, wanted_size) != 0) fail_msg("%s differs", names[which]);
        bal_free(wanted);
        bal_free(found);
        bal_safetensors_close(file);
    }
    bal_free(path);
    scratch_free(folder);
}

static void metadata_is_sorted(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "m.safetensors"), *bytes;
    size_t size;
    const bal_safetensors_pair pairs[] = {{"b", "2"}, {"a", "1"}, {"", ""}};
    assert_int_equal(bal_safetensors_write(path, NULL, 0, pairs, 3, NULL), BAL_OK);
    assert_int_equal(bal_file_read(path, 1 << 20, &bytes, &size, NULL), BAL_OK);
    assert_string_equal(bytes + 8, "{\"__metadata__\":{\"\":\"\",\"a\":\"1\",\"b\":\"2\"}}");
    assert_int_equal(size % 8, 0);
    bal_safetensors *file = open_file(path);
    assert_string_equal(bal_safetensors_metadata(file, ""), "");
    assert_string_equal(bal_safetensors_metadata(file, "b"), "2");
    bal_safetensors_close(file);
    bal_free(bytes);
    bal_free(path);
    scratch_free(folder);
}

static void lengths(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {"", 0,
         "m: 0 bytes are too few for a safetensors file; it begins with the 8-byte length of "
         "its header"},
        {"\2\0\0\0\0\0\0", 7,
         "m: 7 bytes are too few for a safetensors file; it begins with the "
         "8-byte length of its header"},
        {"\3\0\0\0\0\0\0\0{}", 10, "m: header of 3 bytes, but only 2 bytes follow"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff{}", 10,
         "m: header of 18446744073709551615 bytes, at most 100000000 are allowed; is this a "
         "safetensors file?"},
        {"\x01\xe1\xf5\x05\0\0\0\0{}", 10,
         "m: header of 100000001 bytes, at most 100000000 are allowed; is this a safetensors "
         "file?"},
        {"\x00\xe1\xf5\x05\0\0\0\0{}", 10, "m: header of 100000000 bytes, but only 2 bytes follow"},
        {"\0\0\0\0\0\0\0\0", 8, "m: header byte 0: the header does not begin with '{'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_safetensors *file = NULL;
        bal_error err = {0};
        assert_int_equal(
            bal_safetensors_open_memory(cases[i].bytes, cases[i].size, "m", &file, &err),
            BAL_EFORMAT);
        assert_string_equal(err.message, cases[i].message);
    }
}

#define ONE(shape, offsets)                                                                        \
    "{\"a\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define A(begin, end, n)                                                                           \
    "\"a\":{\"dtype\":\"U8\",\"shape\":[" n "],\"data_offsets\":[" begin "," end "]}"
#define B(begin, end, n)                                                                           \
    "\"b\":{\"dtype\":\"U8\",\"shape\":[" n "],\"data_offsets\":[" begin "," end "]}"

static void grammar(void **state) {
    assert_refused(" {}", 0, "m: header byte 0: the header does not begin with '{'");
    assert_refused("[]", 0, "m: header byte 0: the header does not begin with '{'");
    assert_refused("{", 0, "m: header byte 1: wanted '\"', found the end of the header");
    assert_refused("{} {", 0,
                   "m: header byte 3: something other than spaces follows the header's '}'");
    assert_refused("{}\n", 0,
                   "m: header byte 2: something other than spaces follows the header's '}'");
    assert_refused("{\"a\" 1}", 0, "m: header byte 5: wanted ':', found byte 0x31");
    assert_refused("{\"a\":1}", 0, "m: header byte 5: wanted '{', found byte 0x31");
    assert_refused("{\"a\":{}}", 0, "m: header byte 6: wanted '\"', found byte 0x7D");
    assert_refused("{\"\xff\":1}", 0, "m: header byte 2: byte 0xFF is not UTF-8");
    assert_refused("{\"a\nb\":1}", 0, "m: header byte 4: control character 0x0A in a string");
    assert_refused("{\"a", 0, "m: header byte 3: a string does not end");
    assert_refused("{\"a\\", 0, "m: header byte 4: a string does not end");
    assert_refused("{\"a\\x\":1}", 0, "m: header byte 5: unknown escape in a string (byte 0x78)");
    assert_refused("{\"\\u00g0\":1}", 0,
                   "m: header byte 6: four hexadecimal digits must follow \\u");
    assert_refused("{\"\\u0000\":1}", 0, "m: header byte 8: a string holds the character NUL");
    assert_refused("{\"\\ud800\":1}", 0,
                   "m: header byte 8: a string holds half a character (\\ud800)");
    assert_refused("{\"\\udc00\\ud800\":1}", 0,
                   "m: header byte 8: a string holds half a character (\\udc00)");
    assert_refused("{\"\\ud800\\u0041\":1}", 0,
                   "m: header byte 14: a string holds half a character (\\ud800)");
    assert_refused("{" A("0", "1", "1") ","
                                        "}",
                   1, "m: header byte 53: wanted '\"', found byte 0x7D");
    assert_refused("{\"__metadata__\":null}", 0, "m: header byte 16: wanted '{', found byte 0x6E");
    assert_refused("{\"__metadata__\":{\"a\":1}}", 0,
                   "m: header byte 21: wanted '\"', found byte 0x31");
    assert_refused("{\"__metadata__\":{\"a\":\"1\",}}", 0,
                   "m: header byte 25: wanted '\"', found byte 0x7D");
}

static void entries(void **state) {
    assert_refused("{\"a\":{\"dtype\":\"F33\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
                   "m: header byte 19: tensor 'a' has the unknown dtype 'F33'");
    assert_refused("{\"a\":{\"dtype\":\"f32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
                   "m: header byte 19: tensor 'a' has the unknown dtype 'f32'");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 0,
                   "m: header byte 31: tensor 'a' lacks dtype, shape or data_offsets");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"size\":4}}", 0,
                   "m: header byte 26: tensor 'a' has the unknown key 'size'");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0,
                   "m: header byte 27: tensor 'a' has the key 'dtype' twice");
    assert_refused(ONE("[-1]", "[0,4]"), 4, "m: header byte 29: wanted a non-negative integer");
    assert_refused(ONE("[1.0]", "[0,4]"), 4,
                   "m: header byte 30: a number is not written as a plain integer");
    assert_refused(ONE("[1e0]", "[0,4]"), 4,
                   "m: header byte 30: a number is not written as a plain integer");
    assert_refused(ONE("[01]", "[0,4]"), 4,
                   "m: header byte 31: a number is not written as a plain integer");
    assert_refused(ONE("[1,]", "[0,4]"), 4, "m: header byte 31: wanted a non-negative integer");
    assert_refused(ONE("[1", "[0,4]"), 4, "m: header byte 31: wanted a non-negative integer");
    assert_refused(ONE("[9223372036854775808]", "[0,4]"), 4,
                   "m: header byte 47: a number does not fit 63 bits");
    assert_refused(ONE("[1,1,1,1,1,1,1]", "[0,4]"), 4,
                   "m: header byte 42: tensor 'a' has more than 6 dimensions");
    assert_refused(ONE("[1]", "[4,0]"), 4,
                   "m: header byte 53: tensor 'a' ends before it begins (4, 0)");
    assert_refused(ONE("[1]", "[0]"), 4, "m: header byte 49: wanted ',', found byte 0x5D");
    assert_refused(ONE("[1]", "[0,4,4]"), 4, "m: header byte 51: wanted ']', found byte 0x2C");
    assert_refused(ONE("[2]", "[0,4]"), 4,
                   "m: header byte 53: tensor 'a': shape and dtype make 8 bytes, "
                   "data_offsets span 4");
    assert_refused(ONE("[4611686018427387904,4611686018427387904]", "[0,0]"), 0,
                   "m: header byte 91: tensor 'a' has a shape whose size overflows");
    assert_refused("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2,
                   "m: header byte 52: tensor 'a' of F4 does not end at a whole byte");
}

static void tensors_against_each_other(void **state) {
    assert_refused("{" A("0", "2", "2") "," B("1", "3", "2") "}", 3,
                   "m: tensor 'b' begins at byte 1 of the data, inside the one before it");
    assert_refused("{" A("0", "2", "2") "," B("3", "4", "1") "}", 4,
                   "m: tensor 'b' begins at byte 3 of the data, leaving a hole before it");
    assert_refused("{" A("1", "3", "2") "}", 3,
                   "m: tensor 'a' begins at byte 1 of the data, leaving a hole before it");
    assert_refused("{" A("0", "2", "2") "}", 3,
                   "m: the tensors span 2 bytes of data, the file holds 3");
    assert_refused("{" A("0", "2", "2") "}", 1,
                   "m: the tensors span 2 bytes of data, the file holds 1; it was cut short");
    assert_refused("{}", 1, "m: the tensors span 0 bytes of data, the file holds 1");
    assert_refused("{" A("0", "1", "1") "," A("1", "2", "1") "}", 2, "m: tensor 'a' comes twice");
    assert_refused(
        "{" A("0", "1",
              "1") ",\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
        2, "m: tensor 'a' comes twice");
    assert_refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0,
                   "m: metadata key 'k' comes twice");
    assert_refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0,
                   "m: header byte 34: the key '__metadata__' comes twice");
}

/* Spaces, escapes, any order of members and tensors, empty tensors between others, no padding. */
static void unusual_but_valid(void **state) {
    bal_safetensors *file = NULL;
    bal_error err = {0};
    const char *header =
        "{ \"\\u00fc\\ud83d\\ude00\\n\\/\" :\t{\"shape\":[ 2 ,1],\r\n\"data_offsets\":[2,6],"
        "\"dtype\":\"I16\"}," A("0", "2", "2") "," B("2", "2", "0") "}  ";
    if (open_made(header, 6, &file, &err) != BAL_OK) fail_msg("%s", err.message);
    assert_int_equal(bal_safetensors_count(file), 3);
    assert_string_equal(bal_safetensors_at(file, 0)->name, "a");
    assert_string_equal(bal_safetensors_at(file, 1)->name, "b");
    assert_tensor(file, "\xc3\xbc\xf0\x9f\x98\x80\n/", "I16", BAL_DTYPE_COUNT, BAL_SHAPE2(2, 1), 4);
    bal_safetensors_close(file);
}

/* Eight header lengths and an odd tensor in front: each double lies wherever, and is read right. */
static void data_is_aligned(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "m.safetensors");
    for (int spaces = 0; spaces < 8; spaces++) {
        char header[256];
        snprintf(header, sizeof header,
                 "{" A("0", "3",
                       "3") ",\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[3,19]}}%*s",
                 spaces, "");
        bal_text text = make_file(header, 19);
        assert_int_equal(bal_file_replace(path, text.data, text.length, NULL), BAL_OK);
        bal_safetensors *files[2] = {open_file(path), NULL};
        assert_int_equal(bal_safetensors_open_memory(text.data, text.length, "m", &files[1], NULL),
                         BAL_OK);
        for (int i = 0; i < 2; i++) {
            const bal_safetensor *tensor =
                assert_tensor(files[i], "d", "F64", BAL_F64, BAL_SHAPE1(2), 16);
            assert_int_equal((uintptr_t)tensor->data % 8, 0);
            assert_memory_equal(tensor->data, text.data + text.length - 16, 16);
            bal_safetensors_close(files[i]);
        }
        bal_text_release(&text);
    }
    bal_free(path);
    scratch_free(folder);
}

static void unwritable_content(void **state) {
    static const float values[2] = {1, 2};
    bal_safetensor t[2] = {
        {.name = "a", .dtype = BAL_F32, .shape = BAL_SHAPE1(2), .data = values, .bytes = 8},
        {.name = "b", .dtype = BAL_F32, .shape = BAL_SHAPE1(2), .data = values, .bytes = 8}};
    bal_safetensors_pair pairs[2] = {{"k", "1"}, {"l", "2"}};
    const char *path = "/nonexistent/folder/m.safetensors";
    bal_error err = {0};
    assert_int_equal(bal_safetensors_write(path, t, 2, pairs, 2, &err), BAL_ENOTFOUND);
    t[1].name = "a";
    bal_error_clear(&err);
    assert_int_equal(bal_safetensors_write(path, t, 2, pairs, 2, &err), BAL_EINVAL);
    assert_string_equal(err.message, "two tensors are named 'a'");
    t[1].name = "__metadata__";
    assert_int_equal(bal_safetensors_write(path, t, 2, pairs, 2, NULL), BAL_EINVAL);
    t[1].name = "\xff";
    assert_int_equal(bal_safetensors_write(path, t, 2, pairs, 2, NULL), BAL_EINVAL);
    t[1].name = "b";
    t[1].bytes = 7;
    bal_error_clear(&err);
    assert_int_equal(bal_safetensors_write(path, t, 2, pairs, 2, &err), BAL_EINVAL);
    assert_string_equal(err.message,
                        "tensor 'b': 7 bytes do not fit its shape and type (8 wanted)");
    t[1].bytes = 8;
    t[1].shape.dim[0] = -2;
    assert_int_equal(bal_safetensors_write(path, t, 2, pairs, 2, NULL), BAL_EINVAL);
    t[1].shape.dim[0] = 2;
    t[1].dtype = BAL_DTYPE_COUNT;
    assert_int_equal(bal_safetensors_write(path, t, 2, pairs, 2, NULL), BAL_EINVAL);
    t[1].dtype = BAL_F32;
    pairs[1].key = "k";
    assert_int_equal(bal_safetensors_write(path, t, 2, pairs, 2, NULL), BAL_EINVAL);
    pairs[1] = (bal_safetensors_pair){"l", "\xc3"};
    assert_int_equal(bal_safetensors_write(path, t, 2, pairs, 2, NULL), BAL_EINVAL);
}

static void places_that_are_no_files(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "none");
    bal_safetensors *file = NULL;
    bal_error err = {0};
    assert_int_equal(bal_safetensors_open(path, &file, &err), BAL_ENOTFOUND);
    assert_non_null(strstr(err.message, path));
    bal_error_clear(&err);
    assert_int_equal(bal_safetensors_open(folder, &file, &err), BAL_EIO);
    assert_int_equal(bal_file_replace(path, "", 0, NULL), BAL_OK);
    bal_error_clear(&err);
    assert_int_equal(bal_safetensors_open(path, &file, &err), BAL_EFORMAT);
    assert_non_null(strstr(err.message, "none: 0 bytes are too few"));
    bal_free(path);
    scratch_free(folder);
}

/* Storage that fails at any call leaves the old file, or from the rename on the new one: never
 * half. */
static void file_is_whole_on_failing_storage(void **state) {
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "m.safetensors");
    static unsigned char values[300000];
    bal_safetensor tensor = {.name = "a",
                             .dtype = BAL_U8,
                             .shape = BAL_SHAPE1(sizeof values),
                             .data = values,
                             .bytes = sizeof values};
    assert_int_equal(bal_safetensors_write(path, &tensor, 1, NULL, 0, NULL), BAL_OK);
    int failures = 0, before = 0;
    for (;; failures++) {
        bal_error err = {0};
        memset(values, failures + 1, sizeof values);
        bal_file_fail_after(failures);
        bal_status status = bal_safetensors_write(path, &tensor, 1, NULL, 0, &err);
        bal_file_fail_after(-1);
        bal_safetensors *file = open_file(path);
        const unsigned char *kept = bal_safetensors_at(file, 0)->data;
        assert_true(kept[0] == (status == BAL_OK ? failures + 1 : before) ||
                    kept[0] == failures + 1);
        assert_int_equal(kept[sizeof values - 1], kept[0]);
        if (failures == 0) assert_int_equal(kept[0], 0);
        before = kept[0];
        bal_safetensors_close(file);
        if (status == BAL_OK) break;
        assert_int_equal(status, BAL_EIO);
    }
    assert_true(failures >= 3);
    bal_free(path);
    scratch_free(folder);
}

static bal_status read_and_write(const char *path, bal_error *err) {
    bal_safetensors *file = NULL;
    bal_status status = bal_safetensors_open(GOLDEN("types"), &file, err);
    if (status == BAL_OK) {
        const bal_safetensors_pair pairs[2] = {{"a", "1"}, {"b", "2"}};
        const bal_safetensor tensors[2] = {*bal_safetensors_at(file, 3),
                                           *bal_safetensors_at(file, 1)};
        status = bal_safetensors_write(path, tensors, 2, pairs, 2, err);
    }
    bal_safetensors_close(file);
    return status;
}

static bal_status read_misaligned(const char *path, bal_error *err) {
    static const char header[] =
        "{" A("0", "1", "1") ",\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[1,9]}}";
    static char bytes[sizeof header - 1 + 17] = {(char)(sizeof header - 1)};
    memcpy(bytes + 8, header, sizeof header - 1);
    bal_safetensors *file = NULL;
    bal_status status = bal_safetensors_open_memory(bytes, sizeof bytes, "m", &file, err);
    bal_safetensors_close(file);
    return status;
}

static void every_allocation_fails_once(void **state) {
    bal_status (*const works[])(const char *, bal_error *) = {read_and_write, read_misaligned};
    char *folder = scratch_new();
    char *path = bal_path_join(folder, "m.safetensors");
    for (int i = 0; i < 2; i++) {
        int failures = 0;
        for (;; failures++) {
            bal_error err = {0};
            bal_memory_fail_after(failures);
            bal_status status = works[i](path, &err);
            bal_memory_fail_after(-1);
            if (status == BAL_OK) break;
            if (status != BAL_ENOMEM) print_error("%s\n", err.message);
            assert_int_equal(status, BAL_ENOMEM);
            assert_int_equal(err.status, BAL_ENOMEM);
        }
        assert_true(failures >= 5);
    }
    bal_free(path);
    scratch_free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_file_is_read),
        cmocka_unit_test(foreign_types_are_listed),
        cmocka_unit_test(empty_files),
        cmocka_unit_test(reference_file_is_written),
        cmocka_unit_test(metadata_is_sorted),
        cmocka_unit_test(lengths),
        cmocka_unit_test(grammar),
        cmocka_unit_test(entries),
        cmocka_unit_test(tensors_against_each_other),
        cmocka_unit_test(unusual_but_valid),
        cmocka_unit_test(data_is_aligned),
        cmocka_unit_test(unwritable_content),
        cmocka_unit_test(places_that_are_no_files),
        cmocka_unit_test(file_is_whole_on_failing_storage),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
