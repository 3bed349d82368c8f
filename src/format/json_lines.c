/* JSON lines: one document per line, as the logs of a run are written (jsonlines.org). */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"

static bal_status parse_lines(const char *data, size_t size, const char *source, json_t *rows,
                              bal_error *err) {
    long line = 1;
    for (size_t at = 0; at < size; line++) {
        const char *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at;
        json_t *row = NULL;
        bal_error why = {0};
        bal_status status = bal_json_parse(data + at, length, source, &row, &why);
        if (status != BAL_OK) return bal_fail(err, status, "line %ld of %s", line, why.message);
        if (json_array_append_new(rows, row) != 0) return bal_fail_memory(err, length);
        at += length + 1;
    }
    return BAL_OK;
}

bal_status bal_json_read_lines(const char *path, json_t **ret_rows, bal_error *err) {
    char *data = NULL;
    size_t size = 0;
    bal_json_setup();
    json_t *rows = json_array();
    bal_status status = rows ? BAL_OK : bal_fail_memory(err, 0);
    if (status == BAL_OK && bal_path_exists(path))
        status = bal_file_read(path, BAL_JSON_BYTES_MAX, &data, &size, err);
    if (status == BAL_OK) status = parse_lines(data, size, path, rows, err);
    bal_free(data);
    if (status == BAL_OK)
        *ret_rows = rows;
    else
        json_decref(rows);
    return status;
}
