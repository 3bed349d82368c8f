/* HTML that is well formed by construction: elements nest, and text and attribute values are
 * escaped, because class names, messages and recipes come from outside.
 *
 * `open` starts an element, `attribute` adds to the one just opened, `say` adds text, `close` ends
 * the innermost element. Unbalanced calls are bugs of the caller and asserted. Void elements (meta,
 * img) are opened and closed like others.
 *
 * Escaping: & < > " ' become entities; bytes that are not UTF-8 and control characters other than
 * tab and newline, which no HTML page may hold, become U+FFFD.
 *
 * Ownership: the text is the caller's. A failed allocation sticks to it (bal_text_failed). */
#ifndef BAL_REPORT_HTML_H
#define BAL_REPORT_HTML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

enum { BAL_HTML_DEPTH_MAX = 32 };

typedef struct bal_html {
    bal_text *text;
    const char *tag[BAL_HTML_DEPTH_MAX]; /* open elements */
    int depth;
    bool in_tag; /* the innermost one may still get attributes */
} bal_html;

void bal_html_init(bal_html *html, bal_text *text);

/** Start an element, of a class when class_name is not NULL. The tag must live until its end. */
void bal_html_open(bal_html *html, const char *tag, const char *class_name);
void bal_html_attribute(bal_html *html, const char *name, const char *value);
void bal_html_close(bal_html *html);

void bal_html_say(bal_html *html, const char *string);
void bal_html_printf(bal_html *html, const char *format, ...) BAL_PRINTF(2, 3);

/** An element that holds nothing but text. */
void bal_html_element(bal_html *html, const char *tag, const char *class_name, const char *string);

/** Text of ours that goes in as it is: the style sheet, the doctype. */
void bal_html_raw(bal_html *html, const char *markup);

/** src="data:TYPE;base64,…" for the element just opened (RFC 2397, RFC 4648). */
void bal_html_data(bal_html *html, const char *type, const void *bytes, size_t size);

#endif
