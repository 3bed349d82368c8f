/* base/sink.c: what reaches the caller's callback, and in which form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/sink.h"
#include "base/text.h"

typedef struct written {
    int count;
    bal_log_level level;
    char message[4096];
} written;

static void keep(void *user, bal_log_level level, const char *message) {
    written *all = user;
    all->count++;
    all->level = level;
    snprintf(all->message, sizeof all->message, "%s", message);
}

static void messages_arrive_formatted(void **state) {
    written all = {0};
    const bal_log_sink log = {.write = keep, .user = &all, .level = BAL_LOG_INFO};
    bal_log_printf(&log, BAL_LOG_WARN, "%d of %s", 3, "five");
    assert_int_equal(all.count, 1);
    assert_int_equal(all.level, BAL_LOG_WARN);
    assert_string_equal(all.message, "3 of five");
    bal_log_printf(&log, BAL_LOG_WARN, "class \033[31m");
    assert_string_equal(all.message, "class ?[31m");
    all.count--;
    bal_log_printf(&log, BAL_LOG_INFO, "%s", "");
    assert_int_equal(all.count, 2);
    assert_string_equal(all.message, "");
}

static void lower_levels_and_silent_sinks_are_dropped(void **state) {
    written all = {0};
    const bal_log_sink log = {.write = keep, .user = &all, .level = BAL_LOG_WARN};
    bal_log_printf(&log, BAL_LOG_DEBUG, "no");
    bal_log_printf(&log, BAL_LOG_INFO, "no");
    assert_int_equal(all.count, 0);
    bal_log_printf(&log, BAL_LOG_ERROR, "yes");
    assert_int_equal(all.count, 1);
    bal_log_printf(&(bal_log_sink){0}, BAL_LOG_ERROR, "nowhere");
    bal_log_printf(NULL, BAL_LOG_ERROR, "nowhere");
}

/* Long messages are cut, never inside a character, wherever the cut falls. */
static void cuts_spare_characters(void **state) {
    written all = {0};
    const bal_log_sink log = {.write = keep, .user = &all};
    char text[2000];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t at = shift; at < 1500; at += 3)
            memcpy(text + at, "\u20ac", 4); /* three bytes and a NUL */
        bal_log_printf(&log, BAL_LOG_INFO, "%s", text);
        size_t length = strlen(all.message);
        assert_in_range(length, 1020, 1023);
        assert_int_equal(bal_text_utf8_valid(all.message, length), length);
        assert_memory_equal(all.message, text, length);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_formatted),
        cmocka_unit_test(lower_levels_and_silent_sinks_are_dropped),
        cmocka_unit_test(cuts_spare_characters),
    };
    return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
