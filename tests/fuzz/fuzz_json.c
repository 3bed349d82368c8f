/* What is read can be written in every layout, and reads back as an equal value. */
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "fuzz.h"

static void check_layout(const json_t *value, int indent) {
    bal_text text = {0};
    json_t *again = NULL;
    if (bal_json_write(value, indent, &text, NULL) != BAL_OK) abort();
    if (bal_json_parse(text.data, text.length, "w", &again, NULL) != BAL_OK) abort();
    if (!json_equal(value, again)) abort();
    json_decref(again);
    bal_text_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bal_error err = {0};
    json_t *value = NULL;
    bal_status status = bal_json_parse(size ? (const char *)data : "", size, "f", &value, &err);
    if (status == BAL_OK) {
        check_layout(value, BAL_JSON_TIGHT);
        check_layout(value, BAL_JSON_LINE);
        check_layout(value, 2);
        json_decref(value);
    } else if (status != BAL_EFORMAT || strncmp(err.message, "f:", 2) != 0) {
        abort();
    }
    return 0;
}
