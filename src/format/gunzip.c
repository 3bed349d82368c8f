/* Decompression of gzip bytes in memory (RFC 1952), with zlib.
 *
 * The output grows as it is produced, so a lying size field costs nothing, and stops at the
 * caller's cap, so a bomb of zeros does not fill the machine. Files made by `cat a.gz b.gz` have
 * several members; all are read. zlib's own memory comes from ours, so that tests can make it fail.
 */
#include "format/gunzip.h"

#include <limits.h>
#include <zlib.h>

#include "base/error.h"
#include "base/memory.h"

enum { FIRST_ROOM = 1 << 16, GZIP_ONLY = 16 };

bool bal_gunzip_wanted(const char *bytes, size_t size) {
    return size >= 2 && (unsigned char)bytes[0] == 0x1f && (unsigned char)bytes[1] == 0x8b;
}

static voidpf zlib_alloc(voidpf unused, uInt items, uInt size) {
    return bal_calloc(items, size);
}

static void zlib_free(voidpf unused, voidpf block) {
    bal_free(block);
}

typedef struct output {
    char *text;
    size_t size;
    size_t capacity;
    size_t max_bytes;
} output;

static uInt clamp(size_t size) {
    return size < UINT_MAX ? (uInt)size : UINT_MAX;
}

/* Run zlib once over what is left of the input and the room that is left in the output. One byte of
 * room beyond max_bytes tells a text of exactly that size from a longer one. */
static bal_status inflate_some(z_stream *stream, const char *end, output *out, int *ret_code,
                               bal_error *err) {
    size_t limit = out->max_bytes < SIZE_MAX - 1 ? out->max_bytes + 1 : SIZE_MAX - 1;
    if (out->size == out->capacity) {
        size_t wanted = out->capacity ? out->capacity / 2 * 3 : FIRST_ROOM;
        if (wanted > limit) wanted = limit;
        char *grown = bal_realloc_array(out->text, wanted + 1, 1);
        if (!grown) return bal_fail_memory(err, wanted);
        out->text = grown;
        out->capacity = wanted;
    }
    uInt room = clamp(out->capacity - out->size);
    stream->next_out = (Bytef *)out->text + out->size;
    stream->avail_out = room;
    stream->avail_in = clamp((size_t)(end - (const char *)stream->next_in));
    *ret_code = inflate(stream, Z_NO_FLUSH);
    out->size += room - stream->avail_out;
    return BAL_OK;
}

static bal_status fail_damaged(const z_stream *stream, const char *name, bal_error *err) {
    return bal_fail(err, BAL_EFORMAT, "%s: the gzip data is damaged (%s); fetch the file again",
                    name, stream->msg ? stream->msg : "it ends too early");
}

static bal_status inflate_all(z_stream *stream, const char *end, const char *name, output *out,
                              bal_error *err) {
    for (;;) {
        int code = Z_OK;
        BAL_TRY(inflate_some(stream, end, out, &code, err));
        if (code == Z_MEM_ERROR) return bal_fail_memory(err, 1 << MAX_WBITS);
        if (out->size > out->max_bytes) {
            return bal_fail(err, BAL_EFORMAT,
                            "%s: holds more than %zu bytes when decompressed; raise the limit or "
                            "split the file",
                            name, out->max_bytes);
        }
        if (code == Z_STREAM_END) {
            if ((const char *)stream->next_in == end) return BAL_OK;
            if (inflateReset(stream) != Z_OK) return fail_damaged(stream, name, err);
        } else if (code != Z_OK) { /* Z_BUF_ERROR: no more input, yet no end */
            return fail_damaged(stream, name, err);
        }
    }
}

bal_status bal_gunzip(const char *bytes, size_t size, size_t max_bytes, const char *name,
                      char **ret_text, size_t *ret_size, bal_error *err) {
    z_stream stream = {.zalloc = zlib_alloc, .zfree = zlib_free};
    output out = {.max_bytes = max_bytes};
    stream.next_in = (z_const Bytef *)bytes;
    if (inflateInit2(&stream, MAX_WBITS + GZIP_ONLY) != Z_OK)
        return bal_fail_memory(err, 1 << MAX_WBITS);
    bal_status status = inflate_all(&stream, bytes + size, name, &out, err);
    (void)inflateEnd(&stream);
    if (status != BAL_OK) {
        bal_free(out.text);
        return status;
    }
    out.text[out.size] = '\0';
    *ret_text = out.text;
    *ret_size = out.size;
    return BAL_OK;
}
