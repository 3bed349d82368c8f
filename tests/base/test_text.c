/* base/text.c and base/number.c. Numbers are compared bit for bit with the C library's. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"

/* --- growable text --- */

static void text_grows(void **state) {
    bal_text text = {0};
    bal_text_puts(&text, "{");
    for (int i = 0; i < 1000; i++)
        bal_text_printf(&text, "\"%d\":%d,", i, i * i);
    bal_text_append(&text, "\0}", 2);
    assert_false(bal_text_failed(&text));
    assert_memory_equal(text.data, "{\"0\":0,\"1\":1,", 13);
    assert_memory_equal(text.data + text.length - 2, "\0}", 3);
    assert_int_equal(text.length, 1 + 1000 * 4 + 2890 + 5537 + 2);

    bal_text_clear(&text);
    assert_string_equal(text.data, "");
    bal_text_printf(&text, "%0500d", 5);
    assert_int_equal(text.length, 500);
    assert_int_equal(strlen(text.data), 500);
    bal_text_release(&text);
    assert_null(text.data);
    bal_text_append(&text, NULL, 0);
    assert_string_equal(text.data, "");
    bal_text_release(&text);
}

/* Fail every allocation in turn: the failure sticks, what was there stays a valid string. */
static void text_failure_sticks(void **state) {
    for (int fail = 0;; fail++) {
        bal_text text = {0};
        bal_memory_fail_after(fail);
        for (int i = 0; i < 50; i++) {
            bal_text_puts(&text, "word ");
            bal_text_printf(&text, "%d ", 1000000 + i);
        }
        bal_memory_fail_after(-1);
        bool failed = bal_text_failed(&text);
        size_t before = text.length;
        if (failed) {
            bal_text_puts(&text, "ignored");
            bal_text_printf(&text, "%s", "ignored");
            assert_int_equal(text.length, before);
        }
        if (text.data) assert_int_equal(strlen(text.data), text.length);
        bal_text_release(&text);
        if (!failed) {
            assert_true(fail > 2);
            return;
        }
    }
}

/* --- names --- */

static void distances(void **state) {
    assert_int_equal(bal_text_distance("", ""), 0);
    assert_int_equal(bal_text_distance("", "abc"), 3);
    assert_int_equal(bal_text_distance("kitten", "sitting"), 3);
    assert_int_equal(bal_text_distance("sitting", "kitten"), 3);
    assert_int_equal(bal_text_distance("dropuot", "dropout"), 1);
    assert_int_equal(bal_text_distance("ab", "ba"), 1);
    assert_int_equal(bal_text_distance("abcdef", "badcfe"), 3);
    assert_int_equal(bal_text_distance("ca", "abc"), 3); /* no part is edited twice */
}

static void suggestions(void **state) {
    static const char *const names[] = {"learning_rate", "lr",     "dropout",
                                        "weight_decay",  "warmup", NULL};
    assert_string_equal(bal_text_nearest("droput", names), "dropout");
    assert_string_equal(bal_text_nearest("learing_rat", names), "learning_rate");
    assert_string_equal(bal_text_nearest("lr", names), "lr");
    assert_string_equal(bal_text_nearest("l", names), "lr");
    assert_null(bal_text_nearest("wd", names)); /* two edits, but of two letters */
    assert_null(bal_text_nearest("batch_size", names));
    assert_string_equal(bal_text_nearest("LR", names), "lr"); /* letter case alone is no distance */
    assert_null(bal_text_nearest("x", (const char *const[]){NULL}));
    bal_memory_fail_after(0); /* without memory: no suggestion, no crash */
    assert_null(bal_text_nearest("droput", (const char *const[]){"dropout", NULL}));
    bal_memory_fail_after(-1);
}

static void globs(void **state) {
    assert_true(bal_text_glob("*", ""));
    assert_true(bal_text_glob("*", "anything"));
    assert_true(bal_text_glob("block.*.weight", "block.3.weight"));
    assert_true(bal_text_glob("a*b*c", "a-b-b-c"));
    assert_true(bal_text_glob("*ab", "aaab"));
    assert_true(bal_text_glob("?a?", "xax"));
    assert_true(bal_text_glob("", ""));
    assert_true(bal_text_glob("x**", "x"));
    assert_true(bal_text_glob("[a]", "[a]"));
    assert_false(bal_text_glob("", "a"));
    assert_false(bal_text_glob("?", ""));
    assert_false(bal_text_glob("a*b", "a-b-c"));
    assert_false(bal_text_glob("block.*.weight", "block.3.bias"));
    assert_false(bal_text_glob("abc", "ab"));
}

static void utf8(void **state) {
    static const struct {
        const char *bytes;
        size_t valid;
    } cases[] = {
        {"plain", 5},
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9},
        {"a\x80", 1},             /* stray continuation */
        {"a\xC0\xAF", 1},         /* overlong '/' */
        {"a\xE0\x9F\xBF", 1},     /* overlong, three bytes */
        {"a\xED\xA0\x80", 1},     /* surrogate */
        {"a\xED\x9F\xBF", 4},     /* last before the surrogates */
        {"a\xF0\x8F\xBF\xBF", 1}, /* overlong, four bytes */
        {"a\xF4\x90\x80\x80", 1}, /* above U+10FFFF */
        {"a\xF4\x8F\xBF\xBF", 5},
        {"a\xE2\x82", 1}, /* cut */
        {"a\xE2\x82x", 1},
        {"a\xFF", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(bal_text_utf8_valid(cases[i].bytes, strlen(cases[i].bytes)),
                         cases[i].valid);
    assert_int_equal(bal_text_utf8_valid("a\0b", 3), 3);
}

/* --- numbers --- */

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void expect_double(const char *text, double wanted) {
    double got = 12345;
    if (!bal_text_parse_double(text, strlen(text), &got)) fail_msg("\"%s\" was refused", text);
    if (isnan(wanted) ? !isnan(got) : bits_of(got) != bits_of(wanted))
        fail_msg("\"%s\" gave %.17g, not %.17g", text, got, wanted);
}

static void expect_as_library(const char *text) {
    expect_double(text, strtod(text, NULL));
}

static void parses_what_it_should(void **state) {
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "+1",
        ".5",
        "5.",
        "00012.500",
        "1e5",
        "1E+05",
        "1.5e-3",
        "123456789012345678",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "9007199254740993e0",
        "0.53471231460571289",
        "1e22",
        "1e23",
        "3e-22",
        "7e-23",
        "8.5e22",
        "1e308",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "1e309",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "4.9e-324",
        "2.4703282292062328e-324",
        "2.4703282292062327e-324",
        "1e-400",
        "0e999999999999",
        "1e999999999999",
        "1e-999999999999",
        "0.000000000000000000000001",
        "18446744073709551615",
        "18446744073709551616",
        "184467440737095516159",
        "100000000000000000000000",
        "inf",
        "-inf",
        "INF",
        "Infinity",
        "-iNFINITY",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_as_library(texts[i]);
    expect_double("nan", NAN);
    expect_double("-NaN", NAN);
}

static void refuses_what_it_should(void **state) {
    static const char *const texts[] = {
        "",      " 1",   "1 ",   "+",   "-",        ".",    "1e",     "1e+",  "e5",
        "1.2.3", "1,5",  "0x10", "--1", "+-1",      "1e5.", "nan(1)", "infx", "in",
        "1_000", "NaNs", "1f",   "1\n", "infinite", "1ee5", ".e5",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double value = 7;
        if (bal_text_parse_double(texts[i], strlen(texts[i]), &value))
            fail_msg("\"%s\" was accepted", texts[i]);
        assert_true(value == 7);
    }
    double value = 7;
    assert_false(bal_text_parse_double("1\0", 2, &value));
    assert_true(bal_text_parse_double("12345", 2, &value)); /* the length rules, not a NUL */
    assert_true(value == 12);
}

/* More digits than any double needs: 1 + 2^-53 is a tie that a digit beyond the 770th decides. */
static void parses_very_long_digits(void **state) {
    char text[4096];
    const char *tie = "1.00000000000000011102230246251565404236316680908203125";
    memset(text, '0', sizeof text);
    memcpy(text, tie, strlen(tie));
    text[3000] = '\0';
    expect_double(text, 1.0);
    text[2999] = '1';
    expect_double(text, nextafter(1.0, 2.0));

    memset(text, '0', sizeof text); /* leading zeros are not significant */
    text[1] = '.';
    memcpy(text + 2000, "123e2000", 9);
    expect_double(text, 12.3);

    memset(text, '7', 1500);
    memcpy(text + 1500, "e-1499", 7);
    expect_as_library(text);
}

/* Random doubles of all magnitudes, written with 1 to 20 digits, and plain decimals as in CSV
 * files: the same bits as strtod. */
static void agrees_with_strtod(void **state) {
    bal_random random;
    bal_random_init(&random, 5, 0);
    char text[64];
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = bal_random_u64(&random);
        double value;
        memcpy(&value, &bits, sizeof value);
        int digits = (int)bal_random_below(&random, 20) + 1;
        if (!isfinite(value)) continue;
        snprintf(text, sizeof text, "%.*e", digits, value);
        expect_as_library(text);
        value = bal_random_normal(&random) * pow(10, (double)bal_random_below(&random, 12) - 6);
        snprintf(text, sizeof text, "%.*f", digits, value);
        expect_as_library(text);
        snprintf(text, sizeof text, "0.%019llu",
                 (unsigned long long)bal_random_below(&random, UINT64_C(10000000000000000000)));
        expect_as_library(text);
    }
}

/* The hard cases of rounding: halfway between two neighbouring doubles of 51 to 53 whole bits,
 * written exactly and one unit of the last place beside. */
static void rounds_halves_to_even(void **state) {
    bal_random random;
    bal_random_init(&random, 7, 0);
    char text[128];
    for (int i = 0; i < 20000; i++) {
        /* an odd number of 54 bits over a power of two small enough for 19 decimal digits */
        uint64_t odd = bal_random_u64(&random) >> 10 | UINT64_C(1) << 53 | 1;
        int shift = (int)bal_random_below(&random, 3) + 1;
        uint64_t whole = odd >> shift, part = odd & ((UINT64_C(1) << shift) - 1);
        unsigned thousandths = (unsigned)(part * 1000 >> shift);
        for (int beside = -1; beside <= 1; beside++) {
            snprintf(text, sizeof text, "%llu.%03u", (unsigned long long)whole,
                     thousandths + (unsigned)beside);
            expect_as_library(text);
        }
        snprintf(text, sizeof text, "%llu", (unsigned long long)odd);
        expect_as_library(text);
    }
}

static void formats_shortest(void **state) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {1.0, "1"},
        {0.1, "0.1"},
        {1e-5, "1e-05"},
        {100000.0, "100000"},
        {1e21, "1e+21"},
        {NAN, "nan"},
        {-NAN, "nan"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {123456789.25, "123456789.25"},
        {5e-324, "5e-324"},
        {2.2250738585072011e-308, "2.225073858507201e-308"},
        {-1.7976931348623157e308, "-1.7976931348623157e+308"},
    };
    char buffer[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_text_format_double(cases[i].value, buffer);
        assert_string_equal(buffer, cases[i].text);
    }
    bal_random random;
    bal_random_init(&random, 6, 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = bal_random_u64(&random);
        double value;
        memcpy(&value, &bits, sizeof value);
        bal_text_format_double(value, buffer);
        assert_true(strlen(buffer) < 32);
        expect_double(buffer, value);
    }
}

static void integers(void **state) {
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"+42", true, 42},
        {"007", true, 7},
        {"-17", true, -17},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"1.0", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
        {"1e3", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 99;
        assert_int_equal(bal_text_parse_i64(cases[i].text, strlen(cases[i].text), &value),
                         cases[i].good);
        assert_true(value == (cases[i].good ? cases[i].value : 99));
    }
}

/* Where a locale with a decimal comma is installed, it must not show. */
static void locale_does_not_matter(void **state) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "pl_PL.UTF-8"};
    const char *found = NULL;
    for (int i = 0; i < 4 && !found; i++)
        found = setlocale(LC_ALL, names[i]);
    if (!found) skip();
    char comma[8], buffer[32];
    snprintf(comma, sizeof comma, "%.1f", 0.5);
    double value = 0;
    bool parsed = bal_text_parse_double("0.53471231460571289", 19, &value);
    bool refused = !bal_text_parse_double("0,5", 3, &value);
    bal_text_format_double(0.25, buffer);
    char after[8];
    snprintf(after, sizeof after, "%.1f", 0.5);
    setlocale(LC_ALL, "C");
    assert_string_equal(comma, "0,5"); /* the locale does have a comma */
    assert_string_equal(after, "0,5"); /* and is still the caller's */
    assert_true(parsed && refused);
    assert_true(value == 0.53471231460571289);
    assert_string_equal(buffer, "0.25");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows),
        cmocka_unit_test(text_failure_sticks),
        cmocka_unit_test(distances),
        cmocka_unit_test(suggestions),
        cmocka_unit_test(globs),
        cmocka_unit_test(utf8),
        cmocka_unit_test(parses_what_it_should),
        cmocka_unit_test(refuses_what_it_should),
        cmocka_unit_test(parses_very_long_digits),
        cmocka_unit_test(agrees_with_strtod),
        cmocka_unit_test(rounds_halves_to_even),
        cmocka_unit_test(formats_shortest),
        cmocka_unit_test(integers),
        cmocka_unit_test(locale_does_not_matter),
    };
    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
