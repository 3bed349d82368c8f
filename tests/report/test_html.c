/* report/html.c and report/figures.c: escaping, nesting, embedded data, figures in any locale,
 * failing memory. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "report/figures.h"
#include "report/html.h"

static bal_text text;
static bal_html html;

static int set_up(void **state) {
    text = (bal_text){0};
    bal_html_init(&html, &text);
    return 0;
}

static int tear_down(void **state) {
    bal_text_release(&text);
    return 0;
}

/* ---- html ---- */

static void elements_nest(void **state) {
    bal_html_open(&html, "table", "figures");
    bal_html_open(&html, "td", NULL);
    bal_html_attribute(&html, "colspan", "2");
    bal_html_say(&html, "a");
    bal_html_element(&html, "b", NULL, "");
    bal_html_close(&html);
    bal_html_open(&html, "img", NULL);
    bal_html_attribute(&html, "alt", "x");
    bal_html_close(&html);
    bal_html_close(&html);
    assert_string_equal(text.data, "<table class=\"figures\"><td colspan=\"2\">a<b></b></td>"
                                   "<img alt=\"x\"></table>\n");
    assert_int_equal(html.depth, 0);
}

static void text_and_attributes_are_escaped(void **state) {
    bal_html_open(&html, "p", "\"><script>");
    bal_html_say(&html, "<b>&amp; 'x' \"y\"");
    bal_html_printf(&html, "%s %d", "</p>", 7);
    bal_html_close(&html);
    assert_string_equal(text.data,
                        "<p class=\"&quot;&gt;&lt;script&gt;\">&lt;b&gt;&amp;amp; &#39;x&#39; "
                        "&quot;y&quot;&lt;/p&gt; 7</p>\n");
}

static void what_no_page_may_hold_is_replaced(void **state) {
    bal_html_say(&html, "ä\xff\xc3|\x01\x1b\x7f|\t\n\xed\xa0\x80|\xe2\x82");
    assert_string_equal(text.data, "ä\uFFFD\uFFFD|\uFFFD\uFFFD\uFFFD|\t\n\uFFFD\uFFFD\uFFFD|"
                                   "\uFFFD\uFFFD");
}

/* RFC 4648, section 10. */
static void data_is_base64(void **state) {
    static const char *const known[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char wanted[64];
        bal_text_clear(&text);
        bal_html_open(&html, "img", NULL);
        bal_html_data(&html, "image/png", known[i][0], strlen(known[i][0]));
        bal_html_close(&html);
        snprintf(wanted, sizeof wanted, "<img src=\"data:image/png;base64,%s\">", known[i][1]);
        assert_string_equal(text.data, wanted);
    }
    bal_text_clear(&text);
    bal_html_open(&html, "img", NULL);
    bal_html_data(&html, "x", "\xfb\xef\xff\x00\x10\x83", 6);
    assert_string_equal(text.data, "<img src=\"data:x;base64,++//ABCD\"");
}

static void a_failed_allocation_sticks(void **state) {
    for (int64_t n = 0; n < 3; n++) {
        bal_text_release(&text);
        bal_html_init(&html, &text);
        bal_memory_fail_after(n);
        bal_html_open(&html, "p", NULL);
        bal_html_printf(&html, "%0500d", 1);
        bal_html_close(&html);
        bal_memory_fail_after(-1);
        assert_true(bal_text_failed(&text));
    }
}

/* ---- figures ---- */

#define SHOWS(figure, wanted) assert_string_equal((figure).text, wanted)

static void figures(void **state) {
    SHOWS(bal_figure_fixed(0.89166, 4), "0.8917");
    SHOWS(bal_figure_fixed(-0.5, 4), "-0.5000");
    SHOWS(bal_figure_fixed(-0.00001, 4), "0.0000");
    SHOWS(bal_figure_fixed(12.5, 0), "13");
    SHOWS(bal_figure_fixed(0.05, 1), "0.1");
    SHOWS(bal_figure_fixed(1e300, 4), "1e+300");
    SHOWS(bal_figure_short(0.00492 / 100), "4.92e-05");
    SHOWS(bal_figure_short(1.3733757), "1.373");
    SHOWS(bal_figure_short(100000), "100000");
    SHOWS(bal_figure_short(-2), "-2");
    SHOWS(bal_figure_loss(13.312436), "13.3124");
    SHOWS(bal_figure_loss(3.5e-6), "3.5e-06");
    SHOWS(bal_figure_loss(0), "0");
    SHOWS(bal_figure_share(0.0104), "1.0\u00a0%");
    SHOWS(bal_figure_count(255557), "255\u202f557");
    SHOWS(bal_figure_count(-1234567), "-1\u202f234\u202f567");
    SHOWS(bal_figure_count(-123), "-123");
    SHOWS(bal_figure_count(0), "0");
    SHOWS(bal_figure_duration(0.04), "0.0 s");
    SHOWS(bal_figure_duration(9.96), "10 s");
    SHOWS(bal_figure_duration(59.4), "59 s");
    SHOWS(bal_figure_duration(59.6), "1 min 00 s");
    SHOWS(bal_figure_duration(7530), "2 h 05 min");
    SHOWS(bal_figure_duration(273600), "3 d 4 h");
    SHOWS(bal_figure_duration(-1), "0.0 s");
}

static void figures_that_are_none(void **state) {
    bal_figure (*const forms[])(double) = {bal_figure_short, bal_figure_loss, bal_figure_share,
                                           bal_figure_count, bal_figure_duration};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        SHOWS(forms[i](NAN), "–");
        SHOWS(forms[i](INFINITY), "∞");
        SHOWS(forms[i](-INFINITY), "-∞");
        assert_true(strlen(forms[i](1.7976931348623157e308).text) < 24);
    }
}

/** A decimal comma of the program must not show. */
static void figures_know_no_locale(void **state) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8"};
    const char *set = NULL;
    for (size_t i = 0; !set && i < 4; i++)
        set = setlocale(LC_NUMERIC, names[i]);
    SHOWS(bal_figure_short(1.3733757), "1.373");
    SHOWS(bal_figure_fixed(1.5, 2), "1.50");
    setlocale(LC_NUMERIC, "C");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(elements_nest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text_and_attributes_are_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_page_may_hold_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(data_is_base64, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_allocation_sticks, set_up, tear_down),
        cmocka_unit_test(figures),
        cmocka_unit_test(figures_that_are_none),
        cmocka_unit_test(figures_know_no_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
