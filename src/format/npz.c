/* Reading archives of arrays, with libzip; see npz.h. Writing is in npz_write.c.
 *
 * libzip checks the directory and each member's CRC; what it leaves to its users is done here:
 * sizes are believed only within limits, member names must differ, and a member must end where it
 * said. */
#include "format/npz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

enum { DEFLATE_RATIO_MAX = 1032 }; /* 258 bytes from 2 bits (RFC 1951) */

static const size_t max_bytes_default = sizeof(size_t) > 4 ? (size_t)16 << 30 : SIZE_MAX / 2;

typedef struct member {
    const char *name; /* without .npy */
    zip_uint64_t index;
} member;

struct bal_npz {
    zip_t *zip;
    const char *name;
    size_t max_bytes;
    member *members;     /* [count], in the order of the file */
    const char **sorted; /* [count] names, and NULL */
    size_t count;
    bal_arena arena;
};

static bal_status status_of(int zip_code) {
    switch (zip_code) {
    case ZIP_ER_NOENT:
        return BAL_ENOTFOUND;
    case ZIP_ER_MEMORY:
        return BAL_ENOMEM;
    case ZIP_ER_OPEN:
    case ZIP_ER_READ:
    case ZIP_ER_SEEK:
        return BAL_EIO;
    case ZIP_ER_COMPNOTSUPP:
    case ZIP_ER_ENCRNOTSUPP:
        return BAL_EUNSUPPORTED;
    default:
        return BAL_EFORMAT;
    }
}

static bal_status fail_zip(const char *name, zip_error_t *error, bal_error *err) {
    bal_status status = status_of(zip_error_code_zip(error));
    return bal_fail(err, status, "%s: the archive cannot be read: %s%s", name,
                    zip_error_strerror(error),
                    status == BAL_EFORMAT ? "; is it a .npz file, fetched whole?" : "");
}

/* --- the directory --- */

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Note a member that is an array. */
static bal_status add_member(bal_npz *npz, zip_uint64_t index, bal_error *err) {
    const char *name = zip_get_name(npz->zip, index, ZIP_FL_ENC_GUESS);
    if (!name) return fail_zip(npz->name, zip_get_error(npz->zip), err);
    size_t length = strlen(name);
    if (length < 4 || memcmp(name + length - 4, ".npy", 4) != 0) return BAL_OK;
    const char *copy = bal_arena_strndup(&npz->arena, name, length - 4);
    if (!copy) return bal_fail_memory(err, length);
    npz->sorted[npz->count] = copy;
    npz->members[npz->count++] = (member){copy, index};
    return BAL_OK;
}

static bal_status list_members(bal_npz *npz, bal_error *err) {
    zip_int64_t entries = zip_get_num_entries(npz->zip, 0);
    if (entries < 0) entries = 0;
    npz->members = bal_calloc((size_t)entries, sizeof *npz->members);
    npz->sorted = bal_calloc((size_t)entries + 1, sizeof *npz->sorted);
    if (!npz->members || !npz->sorted)
        return bal_fail_memory(err, (size_t)entries * sizeof *npz->members);
    for (zip_uint64_t i = 0; i < (zip_uint64_t)entries; i++)
        BAL_TRY(add_member(npz, i, err));
    if (npz->count == 0) { /* also an empty file, which libzip takes for an empty archive */
        return bal_fail(err, BAL_EFORMAT,
                        "%s: wanted an archive of arrays (.npz), found none in it", npz->name);
    }
    qsort(npz->sorted, npz->count, sizeof *npz->sorted, compare_names);
    for (size_t i = 1; i < npz->count; i++) {
        if (strcmp(npz->sorted[i - 1], npz->sorted[i]) != 0) continue;
        return bal_fail(err, BAL_EFORMAT, "%s: two arrays are named '%s'; save it again", npz->name,
                        npz->sorted[i]);
    }
    return BAL_OK;
}

/* Takes over `zip`, also on failure. */
static bal_status open_zip(zip_t *zip, const char *name, size_t max_bytes, bal_npz **ret_npz,
                           bal_error *err) {
    bal_status status = BAL_OK;
    bal_npz *npz = bal_calloc(1, sizeof *npz);
    if (!npz) {
        zip_discard(zip);
        return bal_fail_memory(err, sizeof *npz);
    }
    npz->zip = zip;
    npz->max_bytes = max_bytes ? max_bytes : max_bytes_default;
    npz->name = bal_arena_strdup(&npz->arena, name);
    if (!npz->name) BAL_TRY_OUT(bal_fail_memory(err, strlen(name)));
    BAL_TRY_OUT(list_members(npz, err));
    *ret_npz = npz;
    return BAL_OK;
out:
    bal_npz_close(npz);
    return status;
}

bal_status bal_npz_open(const char *path, size_t max_bytes, bal_npz **ret_npz, bal_error *err) {
    int code = 0;
    if (bal_path_is_folder(path))
        return bal_fail(err, BAL_EIO, "%s: wanted an archive of arrays (.npz), found a folder",
                        path);
    zip_t *zip = zip_open(path, ZIP_RDONLY, &code);
    if (zip) return open_zip(zip, path, max_bytes, ret_npz, err);
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    bal_status status = fail_zip(path, &error, err);
    zip_error_fini(&error);
    return status;
}

bal_status bal_npz_open_memory(const void *bytes, size_t size, const char *name, size_t max_bytes,
                               bal_npz **ret_npz, bal_error *err) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    bal_status status = BAL_OK;
    if (!zip) {
        status = fail_zip(name, &error, err);
        zip_source_free(source);
    }
    zip_error_fini(&error);
    return zip ? open_zip(zip, name, max_bytes, ret_npz, err) : status;
}

void bal_npz_close(bal_npz *npz) {
    if (!npz) return;
    zip_discard(npz->zip);
    bal_free(npz->members);
    bal_free(npz->sorted);
    bal_arena_release(&npz->arena);
    bal_free(npz);
}

size_t bal_npz_count(const bal_npz *npz) {
    return npz->count;
}

const char *bal_npz_name(const bal_npz *npz, size_t index) {
    return npz->members[index].name;
}

/* --- one member --- */

static bal_status find_member(const bal_npz *npz, const char *name, zip_uint64_t *ret_index,
                              bal_error *err) {
    for (size_t i = 0; i < npz->count; i++) {
        if (strcmp(npz->members[i].name, name) != 0) continue;
        *ret_index = npz->members[i].index;
        return BAL_OK;
    }
    const char *nearest = bal_text_nearest(name, npz->sorted);
    if (nearest) {
        return bal_fail(err, BAL_EDATA, "%s: no array '%s'; did you mean '%s'?", npz->name, name,
                        nearest);
    }
    bal_text list = {0};
    for (size_t i = 0; i < npz->count && i < 12; i++)
        bal_text_printf(&list, "%s'%s'", i ? ", " : "", npz->members[i].name);
    bal_status status =
        bal_fail(err, BAL_EDATA, "%s: no array '%s'; it holds %s%s", npz->name, name,
                 list.data ? list.data : "others", npz->count > 12 ? ", …" : "");
    bal_text_release(&list);
    return status;
}

/* The size of a member, believed only when its compressed bytes can yield it. */
static bal_status check_member(const bal_npz *npz, zip_uint64_t index, const char *name,
                               size_t *ret_size, bal_error *err) {
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    zip_stat_t facts;
    zip_stat_init(&facts);
    if (zip_stat_index(npz->zip, index, 0, &facts) != 0 || (facts.valid & needed) != needed)
        return fail_zip(npz->name, zip_get_error(npz->zip), err);
    bool deflated = facts.comp_method == ZIP_CM_DEFLATE;
    bool encrypted = (facts.valid & ZIP_STAT_ENCRYPTION_METHOD) && facts.encryption_method != 0;
    if (encrypted || (!deflated && facts.comp_method != ZIP_CM_STORE)) {
        return bal_fail(err, BAL_EUNSUPPORTED,
                        "%s: array '%s' is %s; save it with numpy.savez or numpy.savez_compressed",
                        npz->name, name, encrypted ? "encrypted" : "compressed by another method");
    }
    if (facts.size > npz->max_bytes) {
        return bal_fail(err, BAL_EFORMAT,
                        "%s: array '%s' takes %" PRIu64 " bytes, more than the limit of %zu",
                        npz->name, name, (uint64_t)facts.size, npz->max_bytes);
    }
    zip_uint64_t ratio = deflated ? DEFLATE_RATIO_MAX : 1;
    if (facts.size / ratio > facts.comp_size) {
        return bal_fail(err, BAL_EFORMAT,
                        "%s: array '%s' claims %" PRIu64 " bytes from %" PRIu64
                        " compressed ones, which is impossible; the file is damaged",
                        npz->name, name, (uint64_t)facts.size, (uint64_t)facts.comp_size);
    }
    *ret_size = (size_t)facts.size;
    return BAL_OK;
}

/* Exactly `size` bytes; the read behind them makes libzip compare the CRC. */
static bal_status read_member(bal_npz *npz, zip_file_t *file, const char *name, char *bytes,
                              size_t size, bal_error *err) {
    char beyond;
    size_t done = 0;
    zip_int64_t got = 1;
    while (done < size && got > 0) {
        got = zip_fread(file, bytes + done, size - done);
        if (got > 0) done += (size_t)got;
    }
    if (done == size && got >= 0) got = zip_fread(file, &beyond, 1);
    if (done == size && got == 0) return BAL_OK;
    bal_status status = status_of(zip_error_code_zip(zip_file_get_error(file)));
    return bal_fail(err, status, "%s: array '%s' cannot be read: %s; fetch or save the file again",
                    npz->name, name,
                    got < 0 ? zip_file_strerror(file) : "its size is not the one it claims");
}

static bal_status load_member(bal_npz *npz, zip_uint64_t index, const char *name,
                              bal_npy_array *ret_array, bal_error *err) {
    size_t size = 0;
    BAL_TRY(check_member(npz, index, name, &size, err));
    zip_file_t *file = zip_fopen_index(npz->zip, index, 0);
    if (!file) return fail_zip(npz->name, zip_get_error(npz->zip), err);
    char *bytes = bal_calloc(size, 1);
    bal_status status =
        bytes ? read_member(npz, file, name, bytes, size, err) : bal_fail_memory(err, size);
    zip_fclose(file);
    if (status != BAL_OK) {
        bal_free(bytes);
        return status;
    }
    char place[sizeof err->message];
    snprintf(place, sizeof place, "%s: array '%s'", npz->name, name);
    return bal_npy_parse_block(bytes, size, place, ret_array, err);
}

bal_status bal_npz_load(bal_npz *npz, const char *name, bal_npy_array *ret_array, bal_error *err) {
    zip_uint64_t index = 0;
    BAL_TRY(find_member(npz, name, &index, err));
    return load_member(npz, index, name, ret_array, err);
}
