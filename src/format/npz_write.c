/* Writing archives of arrays, with libzip; see npz.h.
 *
 * libzip writes zip files to a path of its own choosing or to memory. We let it write to memory and
 * put the bytes into place ourselves, so that one routine decides what survives a crash. Times are
 * those of NumPy's own archives (1 January 1980, midnight), which need no time zone. */
#include <string.h>
#include <zip.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/npz.h"

enum { DOS_DATE = 1 << 5 | 1, DOS_TIME = 0, REGULAR_FILE = 0100644, COPY_BYTES = 1 << 18 };

struct bal_npz_writer {
    char *path;
    bool compress;
    zip_t *zip;
    zip_source_t *archive; /* the bytes of the zip file, once closed */
    bal_text *members;     /* [count] what libzip reads at commit */
    size_t count, capacity;
};

static bal_status fail_write(const bal_npz_writer *writer, zip_error_t *error, bal_error *err) {
    bal_status status = zip_error_code_zip(error) == ZIP_ER_MEMORY ? BAL_ENOMEM : BAL_EIO;
    return bal_fail(err, status, "%s: the archive could not be put together: %s", writer->path,
                    zip_error_strerror(error));
}

static bal_status open_archive(bal_npz_writer *writer, bal_error *err) {
    zip_error_t error;
    zip_error_init(&error);
    bal_status status = BAL_OK;
    writer->archive = zip_source_buffer_create(NULL, 0, 0, &error);
    if (writer->archive) writer->zip = zip_open_from_source(writer->archive, ZIP_TRUNCATE, &error);
    if (writer->zip) {
        zip_source_keep(writer->archive); /* one reference is the zip's, one ours */
    } else {
        status = fail_write(writer, &error, err);
    }
    zip_error_fini(&error);
    return status;
}

bal_status bal_npz_writer_open(const char *path, bool compress, bal_npz_writer **ret_writer,
                               bal_error *err) {
    bal_npz_writer *writer = bal_calloc(1, sizeof *writer);
    if (!writer) return bal_fail_memory(err, sizeof *writer);
    writer->compress = compress;
    writer->path = bal_strdup(path);
    bal_status status =
        writer->path ? open_archive(writer, err) : bal_fail_memory(err, strlen(path));
    if (status != BAL_OK) {
        bal_npz_writer_abort(writer);
        return status;
    }
    *ret_writer = writer;
    return BAL_OK;
}

/* --- members --- */

/* Everything libzip would otherwise take from the clock, the time zone or its version. */
static bool set_facts(const bal_npz_writer *writer, zip_uint64_t index) {
    zip_int32_t method = writer->compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE;
    return zip_set_file_compression(writer->zip, index, method, 0) == 0 &&
           zip_file_set_dostime(writer->zip, index, DOS_TIME, DOS_DATE, 0) == 0 &&
           zip_file_set_external_attributes(writer->zip, index, 0, ZIP_OPSYS_UNIX,
                                            (zip_uint32_t)REGULAR_FILE << 16) == 0;
}

static bal_status fail_add(const bal_npz_writer *writer, const char *name, bal_error *err) {
    zip_error_t *error = zip_get_error(writer->zip);
    if (zip_error_code_zip(error) != ZIP_ER_EXISTS) return fail_write(writer, error, err);
    return bal_fail(err, BAL_EINVAL, "%s: there is an array '%s' already; names must differ",
                    writer->path, name);
}

static bal_status add_member(bal_npz_writer *writer, const char *name, const bal_text *bytes,
                             bal_error *err) {
    bal_text file_name = {0};
    bal_status status = BAL_OK;
    if (bal_text_utf8_valid(name, strlen(name)) < strlen(name))
        return bal_fail(err, BAL_EINVAL, "%s: the name of an array is not UTF-8", writer->path);
    bal_text_printf(&file_name, "%s.npy", name);
    if (bal_text_failed(&file_name)) return bal_fail_memory(err, strlen(name));
    zip_source_t *source = zip_source_buffer(writer->zip, bytes->data, bytes->length, 0);
    zip_int64_t index =
        source ? zip_file_add(writer->zip, file_name.data, source, ZIP_FL_ENC_UTF_8) : -1;
    if (index < 0 || !set_facts(writer, (zip_uint64_t)index)) status = fail_add(writer, name, err);
    if (index < 0) zip_source_free(source); /* otherwise the zip owns it */
    bal_text_release(&file_name);
    return status;
}

/* Keep the bytes of a member, which are taken over also on failure, and add it. */
static bal_status keep_member(bal_npz_writer *writer, const char *name, bal_text *bytes,
                              bal_error *err) {
    if (bal_text_failed(bytes) ||
        !bal_reserve(writer->members, writer->capacity, writer->count + 1)) {
        bal_status status = bal_fail_memory(err, bytes->length);
        bal_text_release(bytes);
        return status;
    }
    writer->members[writer->count++] = *bytes;
    return add_member(writer, name, bytes, err);
}

bal_status bal_npz_writer_add(bal_npz_writer *writer, const char *name, const bal_tensor *tensor,
                              bal_error *err) {
    bal_text bytes = {0};
    BAL_TRY(bal_npy_append(&bytes, tensor, err));
    return keep_member(writer, name, &bytes, err);
}

bal_status bal_npz_writer_add_text(bal_npz_writer *writer, const char *name,
                                   const char *const *text, const bal_shape *shape,
                                   bal_error *err) {
    bal_text bytes = {0};
    BAL_TRY(bal_npy_append_text(&bytes, text, shape, err));
    return keep_member(writer, name, &bytes, err);
}

/* --- the file --- */

/* Copy the finished archive from libzip's memory to the file. */
static bal_status copy_archive(bal_npz_writer *writer, bal_file_writer *file, bal_error *err) {
    if (zip_source_open(writer->archive) != 0)
        return fail_write(writer, zip_source_error(writer->archive), err);
    bal_status status = BAL_OK;
    char *piece = bal_calloc(COPY_BYTES, 1);
    zip_int64_t got = 1;
    if (!piece) status = bal_fail_memory(err, COPY_BYTES);
    while (status == BAL_OK && got > 0) {
        got = zip_source_read(writer->archive, piece, COPY_BYTES);
        if (got > 0) bal_file_writer_put(file, piece, (size_t)got);
        if (got < 0) status = fail_write(writer, zip_source_error(writer->archive), err);
    }
    zip_source_close(writer->archive);
    bal_free(piece);
    return status;
}

static bal_status commit(bal_npz_writer *writer, bal_error *err) {
    bal_file_writer file = {0};
    if (zip_close(writer->zip) != 0) return fail_write(writer, zip_get_error(writer->zip), err);
    writer->zip = NULL;
    BAL_TRY(bal_file_writer_open(&file, writer->path, err));
    bal_status status = copy_archive(writer, &file, err);
    if (status != BAL_OK) {
        bal_file_writer_abort(&file);
        return status;
    }
    return bal_file_writer_commit(&file, err);
}

bal_status bal_npz_writer_commit(bal_npz_writer *writer, bal_error *err) {
    bal_status status = BAL_OK;
    if (writer->count == 0) {
        status = bal_fail(err, BAL_EINVAL, "%s: an archive needs at least one array", writer->path);
    }
    if (status == BAL_OK) status = commit(writer, err);
    bal_npz_writer_abort(writer);
    return status;
}

void bal_npz_writer_abort(bal_npz_writer *writer) {
    if (!writer) return;
    if (writer->zip) zip_discard(writer->zip);
    if (writer->archive) zip_source_free(writer->archive);
    for (size_t i = 0; i < writer->count; i++)
        bal_text_release(&writer->members[i]);
    bal_free(writer->members);
    bal_free(writer->path);
    bal_free(writer);
}
