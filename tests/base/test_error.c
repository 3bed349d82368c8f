/* base/error.c: the first failure wins, text is cut at characters, NULL is allowed everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"

static void names_and_sentences(void **state) {
    assert_string_equal(bal_status_name(BAL_OK), "BAL_OK");
    assert_string_equal(bal_status_name(BAL_ECOLLAPSED), "BAL_ECOLLAPSED");
    assert_string_equal(bal_status_name((bal_status)7), "BAL_UNKNOWN");
    assert_string_equal(bal_status_text(BAL_EINVAL), "invalid argument");
    assert_string_equal(bal_status_text((bal_status)-99), "unknown status");
#define CHECK_ENTRY(code, value, text)                                                             \
    assert_int_equal(code, value);                                                                 \
    assert_string_equal(bal_status_name(code), #code);                                             \
    assert_string_equal(bal_status_text(code), text);
    BAL_STATUS_LIST(CHECK_ENTRY)
#undef CHECK_ENTRY
}

static void first_failure_wins(void **state) {
    bal_error err = {0};
    assert_int_equal(bal_fail(&err, BAL_EDATA, "row %d is empty", 7), BAL_EDATA);
    assert_int_equal(bal_fail(&err, BAL_EIO, "later"), BAL_EIO);
    assert_int_equal(err.status, BAL_EDATA);
    assert_string_equal(err.message, "row 7 is empty");

    bal_error_clear(&err);
    assert_int_equal(err.status, BAL_OK);
    assert_string_equal(err.message, "");
    assert_int_equal(bal_fail_memory(&err, 3 << 20), BAL_ENOMEM);
    assert_non_null(strstr(err.message, "3145728 bytes (3.0 MiB)"));
}

static void null_is_fine(void **state) {
    assert_int_equal(bal_fail(NULL, BAL_EIO, "%s", "x"), BAL_EIO);
    assert_int_equal(bal_fail_memory(NULL, 1), BAL_ENOMEM);
    bal_error_prefix(NULL, "x");
    bal_error_clear(NULL);
}

static void prefixes_pile_up(void **state) {
    bal_error err = {0};
    bal_error_prefix(&err, "no failure yet");
    assert_string_equal(err.message, "");
    bal_fail(&err, BAL_EFORMAT, "bad cell");
    bal_error_prefix(&err, "row %d", 3);
    bal_error_prefix(&err, "train.csv");
    assert_string_equal(err.message, "train.csv: row 3: bad cell");
    assert_int_equal(err.status, BAL_EFORMAT);
}

/* Whatever the length, what is left is whole characters and is as long as possible. */
static void cuts_between_characters(void **state) {
    static const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t kind = 0; kind < 4; kind++) {
        size_t width = strlen(characters[kind]);
        for (int lead = 0; lead < 8; lead++) {
            char text[2048] = "aaaaaaaa";
            for (size_t end = (size_t)lead; end < 1500; end += width)
                memcpy(text + end, characters[kind], width + 1);

            bal_error err = {0};
            bal_fail(&err, BAL_EIO, "%s", text);
            size_t length = strlen(err.message);
            assert_int_equal(bal_text_utf8_valid(err.message, length), length);
            assert_true(length > sizeof err.message - 1 - width);

            /* a prefix pushes the end out, or is itself too long */
            for (size_t skip = 0; skip < 1200; skip += 600) {
                bal_error prefixed = {0};
                bal_fail(&prefixed, BAL_EIO, "%s", text + lead);
                bal_error_prefix(&prefixed, "%s", text + lead + skip / width * width);
                length = strlen(prefixed.message);
                assert_int_equal(bal_text_utf8_valid(prefixed.message, length), length);
                assert_true(length > sizeof err.message - 1 - width);
            }
        }
    }
    bal_error err = {0};
    bal_fail(&err, BAL_EIO, "short \xE2\x82\xAC");
    assert_string_equal(err.message, "short \xE2\x82\xAC"); /* nothing was cut */
}

/* A file named ESC [2J must not clear the screen of who is told about it. */
static void terminals_are_not_commanded(void **state) {
    bal_error err = {0};
    bal_fail(&err, BAL_EDATA, "no \033[2J\r\a\x7f here\n\tbut \u00fc");
    assert_string_equal(err.message, "no ?[2J??? here\n\tbut \u00fc");
    bal_error_prefix(&err, "\033c");
    assert_string_equal(err.message, "?c: no ?[2J??? here\n\tbut \u00fc");
}

static bal_status forward(bal_status inner, int *ret_reached) {
    BAL_TRY(inner);
    *ret_reached = 1;
    return BAL_OK;
}

static bal_status forward_out(bal_status inner, int *ret_cleaned) {
    bal_status status = BAL_OK;
    BAL_TRY_OUT(inner);
out:
    *ret_cleaned = 1;
    return status;
}

static void forwarding(void **state) {
    int reached = 0, cleaned = 0;
    assert_int_equal(forward(BAL_EDATA, &reached), BAL_EDATA);
    assert_int_equal(reached, 0);
    assert_int_equal(forward(BAL_OK, &reached), BAL_OK);
    assert_int_equal(reached, 1);
    assert_int_equal(forward_out(BAL_EIO, &cleaned), BAL_EIO);
    assert_int_equal(cleaned, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_sentences),
        cmocka_unit_test(first_failure_wins),
        cmocka_unit_test(null_is_fine),
        cmocka_unit_test(prefixes_pile_up),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(terminals_are_not_commanded),
        cmocka_unit_test(forwarding),
    };
    return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
