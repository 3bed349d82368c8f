/* Well-formed HTML. See html.h. */
#include "report/html.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

void bal_html_init(bal_html *html, bal_text *text) {
    *html = (bal_html){.text = text};
}

static bool is_one_of(const char *tag, const char *const *tags) {
    for (; *tags; tags++)
        if (strcmp(tag, *tags) == 0) return true;
    return false;
}

static void end_tag(bal_html *html) {
    if (html->in_tag) bal_text_puts(html->text, ">");
    html->in_tag = false;
}

/* ---- escaping ---- */

static const char *entity_of(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return ((unsigned char)c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? "\uFFFD" : NULL;
    }
}

/** Bytes of valid UTF-8. */
static void escape_valid(bal_text *text, const char *bytes, size_t length) {
    size_t done = 0;
    for (size_t i = 0; i < length; i++) {
        const char *entity = entity_of(bytes[i]);
        if (!entity) continue;
        bal_text_append(text, bytes + done, i - done);
        bal_text_puts(text, entity);
        done = i + 1;
    }
    bal_text_append(text, bytes + done, length - done);
}

static void escape(bal_text *text, const char *string) {
    size_t length = strlen(string);
    while (length > 0) {
        size_t valid = bal_text_utf8_valid(string, length);
        escape_valid(text, string, valid);
        if (valid == length) return;
        bal_text_puts(text, "\uFFFD");
        string += valid + 1;
        length -= valid + 1;
    }
}

/* ---- elements ---- */

void bal_html_open(bal_html *html, const char *tag, const char *class_name) {
    assert(html->depth < BAL_HTML_DEPTH_MAX);
    end_tag(html);
    bal_text_printf(html->text, "<%s", tag);
    html->tag[html->depth++] = tag;
    html->in_tag = true;
    if (class_name) bal_html_attribute(html, "class", class_name);
}

void bal_html_attribute(bal_html *html, const char *name, const char *value) {
    assert(html->in_tag);
    bal_text_printf(html->text, " %s=\"", name);
    escape(html->text, value);
    bal_text_puts(html->text, "\"");
}

void bal_html_close(bal_html *html) {
    static const char *const empty[] = {"meta", "img", NULL};
    static const char *const blocks[] = {
        "html",    "head",    "meta",  "title", "style",      "body", "header",  "nav", "main",
        "section", "footer",  "div",   "h1",    "h2",         "h3",   "h4",      "p",   "ol",
        "ul",      "li",      "table", "thead", "tbody",      "tr",   "caption", "pre", "figure",
        "details", "summary", "dl",    "dd",    "figcaption", NULL};
    assert(html->depth > 0);
    const char *tag = html->tag[--html->depth];
    end_tag(html);
    if (!is_one_of(tag, empty)) bal_text_printf(html->text, "</%s>", tag);
    if (is_one_of(tag, blocks)) bal_text_puts(html->text, "\n");
}

void bal_html_say(bal_html *html, const char *string) {
    end_tag(html);
    escape(html->text, string);
}

void bal_html_printf(bal_html *html, const char *format, ...) {
    bal_text said = {0};
    va_list args;
    va_start(args, format);
    bal_text_vprintf(&said, format, args);
    va_end(args);
    bal_html_say(html, said.data ? said.data : "");
    if (bal_text_failed(&said)) html->text->failed = true;
    bal_text_release(&said);
}

void bal_html_element(bal_html *html, const char *tag, const char *class_name, const char *string) {
    bal_html_open(html, tag, class_name);
    bal_html_say(html, string);
    bal_html_close(html);
}

void bal_html_raw(bal_html *html, const char *markup) {
    end_tag(html);
    bal_text_puts(html->text, markup);
}

/* ---- pictures ---- */

static void append_base64(bal_text *text, const unsigned char *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0u);
        char out[4] = {digits[group >> 18], digits[group >> 12 & 63],
                       left > 1 ? digits[group >> 6 & 63] : '=',
                       left > 2 ? digits[group & 63] : '='};
        bal_text_append(text, out, sizeof out);
    }
}

void bal_html_data(bal_html *html, const char *type, const void *bytes, size_t size) {
    assert(html->in_tag);
    bal_text_printf(html->text, " src=\"data:%s;base64,", type);
    append_base64(html->text, bytes, size);
    bal_text_puts(html->text, "\"");
}
