/* Safetensors files: mapping, checking and writing. The format is that of
 * https://github.com/huggingface/safetensors ("Format" in its README; order of the tensors and the
 * list of types from its serializer); the parts of the header are taken apart in
 * safetensors_header.c.
 *
 * A file is mapped, not read: a large model costs only the pages that are used. Files of ours are
 * replaced by renaming, so a mapping never shrinks under its reader. */
#include "format/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "format/json_out.h"
#include "format/safetensors_header.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensor data is little-endian and handed out as it is"
#endif

enum { LENGTH_BYTES = 8, HEADER_ALIGN = 8, HEADER_BYTES_MAX = 100000000 };

struct bal_safetensors {
    bal_arena arena; /* names, metadata, copies of misaligned tensors */
    bal_safetensors_header header;
    const bal_safetensors_entry **by_name;
    void *map; /* the file, or */
    size_t map_bytes;
    unsigned char *copy; /* the data section of memory given by the caller */
};

/* ---- reading ---- */

static int compare_position(const void *left, const void *right) {
    const bal_safetensors_entry *a = left, *b = right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return strcmp(a->tensor.name, b->tensor.name);
}

static int compare_name(const void *left, const void *right) {
    const bal_safetensors_entry *const *a = left, *const *b = right;
    return strcmp((*a)->tensor.name, (*b)->tensor.name);
}

static int compare_key(const void *left, const void *right) {
    const bal_safetensors_pair *a = left, *b = right;
    return strcmp(a->key, b->key);
}

/* qsort must not be given NULL, which an empty array is. */
static void sort(void *items, size_t count, size_t size,
                 int (*compare)(const void *, const void *)) {
    if (count > 1) qsort(items, count, size, compare);
}

/* In the order of the data each tensor begins where the one before it ends, and the last ends with
 * the data. */
static bal_status check_coverage(const bal_safetensors_header *header, size_t data_bytes,
                                 const char *source, bal_error *err) {
    uint64_t covered = 0;
    for (size_t i = 0; i < header->entry_count; i++) {
        const bal_safetensors_entry *entry = &header->entries[i];
        if (entry->begin != covered)
            return bal_fail(err, BAL_EFORMAT, "%s: tensor '%s' begins at byte %llu of the data, %s",
                            source, entry->tensor.name, (unsigned long long)entry->begin,
                            entry->begin < covered ? "inside the one before it"
                                                   : "leaving a hole before it");
        covered = entry->end;
    }
    if (covered != data_bytes)
        return bal_fail(err, BAL_EFORMAT,
                        "%s: the tensors span %llu bytes of data, the file holds %zu%s", source,
                        (unsigned long long)covered, data_bytes,
                        covered > data_bytes ? "; it was cut short" : "");
    return BAL_OK;
}

static bal_status index_names(bal_safetensors *file, const char *source, bal_error *err) {
    bal_safetensors_header *header = &file->header;
    file->by_name = bal_calloc(header->entry_count, sizeof *file->by_name);
    if (!file->by_name) return bal_fail_memory(err, header->entry_count * sizeof *file->by_name);
    for (size_t i = 0; i < header->entry_count; i++)
        file->by_name[i] = &header->entries[i];
    sort(file->by_name, header->entry_count, sizeof *file->by_name, compare_name);
    for (size_t i = 1; i < header->entry_count; i++)
        if (compare_name(&file->by_name[i - 1], &file->by_name[i]) == 0)
            return bal_fail(err, BAL_EFORMAT, "%s: tensor '%s' comes twice", source,
                            file->by_name[i]->tensor.name);
    sort(header->pairs, header->pair_count, sizeof *header->pairs, compare_key);
    for (size_t i = 1; i < header->pair_count; i++)
        if (compare_key(&header->pairs[i - 1], &header->pairs[i]) == 0)
            return bal_fail(err, BAL_EFORMAT, "%s: metadata key '%s' comes twice", source,
                            header->pairs[i].key);
    return BAL_OK;
}

/* Other writers leave data at any address; C needs a float where a float may be. */
static bal_status place_tensor(bal_safetensors *file, bal_safetensors_entry *entry,
                               const unsigned char *data, bal_error *err) {
    bal_safetensor *tensor = &entry->tensor;
    const unsigned char *at = data + entry->begin;
    size_t align = (size_t)entry->bits / 8;
    tensor->data = at;
    if (align < 2 || (uintptr_t)at % align == 0) return BAL_OK;
    void *copy = bal_arena_alloc(&file->arena, tensor->bytes, 1);
    if (!copy) return bal_fail_memory(err, tensor->bytes);
    if (tensor->bytes > 0) memcpy(copy, at, tensor->bytes);
    tensor->data = copy;
    return BAL_OK;
}

static uint64_t header_bytes(const unsigned char *bytes) {
    uint64_t length = 0;
    memcpy(&length, bytes, LENGTH_BYTES);
    return length;
}

static bal_status check_header_length(const unsigned char *bytes, size_t size, const char *source,
                                      bal_error *err) {
    if (size < LENGTH_BYTES)
        return bal_fail(
            err, BAL_EFORMAT,
            "%s: %zu bytes are too few for a safetensors file; it begins with the 8-byte "
            "length of its header",
            source, size);
    unsigned long long length = header_bytes(bytes);
    if (length > HEADER_BYTES_MAX)
        return bal_fail(err, BAL_EFORMAT,
                        "%s: header of %llu bytes, at most %d are allowed; is this a safetensors "
                        "file?",
                        source, length, HEADER_BYTES_MAX);
    if (length > size - LENGTH_BYTES)
        return bal_fail(err, BAL_EFORMAT, "%s: header of %llu bytes, but only %zu bytes follow",
                        source, length, size - LENGTH_BYTES);
    return BAL_OK;
}

/* Everything but where the data lies. */
static bal_status read_header(bal_safetensors *file, const unsigned char *bytes, size_t size,
                              const char *source, bal_error *err) {
    BAL_TRY(check_header_length(bytes, size, source, err));
    size_t length = (size_t)header_bytes(bytes);
    bal_safetensors_header *header = &file->header;
    BAL_TRY(bal_safetensors_parse_header((const char *)bytes + LENGTH_BYTES, length, source,
                                         &file->arena, header, err));
    sort(header->entries, header->entry_count, sizeof *header->entries, compare_position);
    BAL_TRY(check_coverage(header, size - LENGTH_BYTES - length, source, err));
    return index_names(file, source, err);
}

static bal_status place_tensors(bal_safetensors *file, const unsigned char *data, bal_error *err) {
    for (size_t i = 0; i < file->header.entry_count; i++)
        BAL_TRY(place_tensor(file, &file->header.entries[i], data, err));
    return BAL_OK;
}

static bal_status fail_system(bal_error *err, const char *path) {
    int reason = errno;
    bool missing = reason == ENOENT || reason == ENOTDIR;
    return bal_fail(err, missing ? BAL_ENOTFOUND : BAL_EIO, "cannot read %s: %s", path,
                    strerror(reason));
}

static bal_status map_descriptor(bal_safetensors *file, int fd, const char *path, bal_error *err) {
    struct stat facts;
    if (fstat(fd, &facts) != 0) return fail_system(err, path);
    if (!S_ISREG(facts.st_mode)) return bal_fail(err, BAL_EIO, "%s is not a regular file", path);
    if (facts.st_size == 0) return BAL_OK; /* cannot be mapped; reported as too short */
    void *map = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return fail_system(err, path);
    file->map = map;
    file->map_bytes = (size_t)facts.st_size;
    return BAL_OK;
}

static bal_status open_mapped(bal_safetensors *file, const char *path, bal_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_system(err, path);
    bal_status status = map_descriptor(file, fd, path, err);
    close(fd);
    if (status != BAL_OK) return status;
    const unsigned char *bytes = file->map;
    BAL_TRY(read_header(file, bytes, file->map_bytes, path, err));
    return place_tensors(file, bytes + LENGTH_BYTES + header_bytes(bytes), err);
}

static bal_status open_copied(bal_safetensors *file, const unsigned char *bytes, size_t size,
                              const char *name, bal_error *err) {
    BAL_TRY(read_header(file, bytes, size, name, err));
    size_t before = LENGTH_BYTES + (size_t)header_bytes(bytes);
    file->copy = bal_calloc(size - before, 1);
    if (!file->copy) return bal_fail_memory(err, size - before);
    memcpy(file->copy, bytes + before, size - before);
    return place_tensors(file, file->copy, err);
}

static bal_status finish_open(bal_safetensors *file, bal_status status,
                              bal_safetensors **ret_file) {
    if (status == BAL_OK)
        *ret_file = file;
    else
        bal_safetensors_close(file);
    return status;
}

bal_status bal_safetensors_open(const char *path, bal_safetensors **ret_file, bal_error *err) {
    bal_safetensors *file = bal_calloc(1, sizeof *file);
    if (!file) return bal_fail_memory(err, sizeof *file);
    return finish_open(file, open_mapped(file, path, err), ret_file);
}

bal_status bal_safetensors_open_memory(const void *bytes, size_t size, const char *name,
                                       bal_safetensors **ret_file, bal_error *err) {
    bal_safetensors *file = bal_calloc(1, sizeof *file);
    if (!file) return bal_fail_memory(err, sizeof *file);
    return finish_open(file, open_copied(file, bytes, size, name, err), ret_file);
}

void bal_safetensors_close(bal_safetensors *file) {
    if (!file) return;
    if (file->map) munmap(file->map, file->map_bytes);
    bal_free(file->copy);
    bal_free(file->by_name);
    bal_safetensors_release_header(&file->header);
    bal_arena_release(&file->arena);
    bal_free(file);
}

size_t bal_safetensors_count(const bal_safetensors *file) {
    return file->header.entry_count;
}

const bal_safetensor *bal_safetensors_at(const bal_safetensors *file, size_t index) {
    return &file->header.entries[index].tensor;
}

const bal_safetensor *bal_safetensors_find(const bal_safetensors *file, const char *name) {
    bal_safetensors_entry wanted = {.tensor = {.name = name}};
    const bal_safetensors_entry *key = &wanted, **found = NULL;
    if (file->header.entry_count > 0)
        found = bsearch(&key, file->by_name, file->header.entry_count, sizeof *file->by_name,
                        compare_name);
    return found ? &(*found)->tensor : NULL;
}

const char *bal_safetensors_metadata(const bal_safetensors *file, const char *key) {
    bal_safetensors_pair wanted = {.key = key}, *found = NULL;
    if (file->header.pair_count > 0)
        found = bsearch(&wanted, file->header.pairs, file->header.pair_count,
                        sizeof *file->header.pairs, compare_key);
    return found ? found->value : NULL;
}

/* ---- writing ---- */

/* What is to be written, in file order. */
typedef struct plan {
    const bal_safetensor **tensors;
    size_t tensor_count;
    const bal_safetensors_pair **pairs;
    size_t pair_count;
    bal_text header; /* length field and padding included */
} plan;

/* Place in the list of types, which is in order of alignment. */
static int type_rank(bal_dtype dtype) {
    int rank = 0;
    while (bal_safetensors_types[rank].name && bal_safetensors_types[rank].ours != dtype)
        rank++;
    return rank;
}

static int compare_tensors(const void *left, const void *right) {
    const bal_safetensor *const *a = left, *const *b = right;
    int order = type_rank((*b)->dtype) - type_rank((*a)->dtype);
    return order ? order : strcmp((*a)->name, (*b)->name);
}

static int compare_tensor_names(const void *left, const void *right) {
    const bal_safetensor *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static int compare_pairs(const void *left, const void *right) {
    const bal_safetensors_pair *const *a = left, *const *b = right;
    return strcmp((*a)->key, (*b)->key);
}

static bool is_utf8(const char *text) {
    size_t length = strlen(text);
    return bal_text_utf8_valid(text, length) == length;
}

static bal_status check_tensor(const bal_safetensor *tensor, bal_error *err) {
    size_t bytes = 0;
    if (!is_utf8(tensor->name) || strcmp(tensor->name, "__metadata__") == 0)
        return bal_fail(err, BAL_EINVAL, "a tensor cannot be named '%s'", tensor->name);
    bool valid = (unsigned)tensor->dtype < BAL_DTYPE_COUNT &&
                 bal_shape_bytes(&tensor->shape, tensor->dtype, &bytes) && bytes == tensor->bytes;
    if (!valid)
        return bal_fail(err, BAL_EINVAL,
                        "tensor '%s': %zu bytes do not fit its shape and type (%zu wanted)",
                        tensor->name, tensor->bytes, bytes);
    return BAL_OK;
}

static bal_status plan_tensors(plan *p, const bal_safetensor *tensors, size_t count,
                               bal_error *err) {
    p->tensors = bal_calloc(count, sizeof *p->tensors);
    if (!p->tensors) return bal_fail_memory(err, count * sizeof *p->tensors);
    p->tensor_count = count;
    for (size_t i = 0; i < count; i++) {
        BAL_TRY(check_tensor(&tensors[i], err));
        p->tensors[i] = &tensors[i];
    }
    sort(p->tensors, count, sizeof *p->tensors, compare_tensor_names);
    for (size_t i = 1; i < count; i++)
        if (strcmp(p->tensors[i - 1]->name, p->tensors[i]->name) == 0)
            return bal_fail(err, BAL_EINVAL, "two tensors are named '%s'", p->tensors[i]->name);
    sort(p->tensors, count, sizeof *p->tensors, compare_tensors);
    return BAL_OK;
}

static bal_status plan_metadata(plan *p, const bal_safetensors_pair *pairs, size_t count,
                                bal_error *err) {
    p->pairs = bal_calloc(count, sizeof *p->pairs);
    if (!p->pairs) return bal_fail_memory(err, count * sizeof *p->pairs);
    p->pair_count = count;
    for (size_t i = 0; i < count; i++) {
        if (!is_utf8(pairs[i].key) || !is_utf8(pairs[i].value))
            return bal_fail(err, BAL_EINVAL, "metadata '%s' is not UTF-8", pairs[i].key);
        p->pairs[i] = &pairs[i];
    }
    sort(p->pairs, count, sizeof *p->pairs, compare_pairs);
    for (size_t i = 1; i < count; i++)
        if (strcmp(p->pairs[i - 1]->key, p->pairs[i]->key) == 0)
            return bal_fail(err, BAL_EINVAL, "two metadata entries have the key '%s'",
                            p->pairs[i]->key);
    return BAL_OK;
}

static void put_tensor(bal_json_out *out, const bal_safetensor *tensor, size_t begin) {
    bal_json_out_key(out, tensor->name);
    bal_json_out_object(out);
    bal_json_out_named_string(out, "dtype", bal_safetensors_types[type_rank(tensor->dtype)].name);
    bal_json_out_key(out, "shape");
    bal_json_out_array(out);
    for (int i = 0; i < tensor->shape.rank; i++)
        bal_json_out_integer(out, tensor->shape.dim[i]);
    bal_json_out_array_end(out);
    bal_json_out_key(out, "data_offsets");
    bal_json_out_array(out);
    bal_json_out_integer(out, (int64_t)begin);
    bal_json_out_integer(out, (int64_t)(begin + tensor->bytes));
    bal_json_out_array_end(out);
    bal_json_out_object_end(out);
}

static void put_metadata(bal_json_out *out, const plan *p) {
    if (p->pair_count == 0) return;
    bal_json_out_key(out, "__metadata__");
    bal_json_out_object(out);
    for (size_t i = 0; i < p->pair_count; i++)
        bal_json_out_named_string(out, p->pairs[i]->key, p->pairs[i]->value);
    bal_json_out_object_end(out);
}

static bal_status plan_header(plan *p, bal_error *err) {
    static const char spaces[] = "        ";
    bal_text *text = &p->header;
    bal_json_out out;
    size_t begin = 0, end = 0;
    bal_text_append(text, spaces, LENGTH_BYTES);
    bal_json_out_init(&out, text, BAL_JSON_TIGHT);
    bal_json_out_object(&out);
    put_metadata(&out, p);
    for (size_t i = 0; i < p->tensor_count; i++, begin = end) {
        if (!bal_size_add(begin, p->tensors[i]->bytes, &end) || end > INT64_MAX)
            return bal_fail(err, BAL_EOVERFLOW, "tensors of more than 2^63 bytes");
        put_tensor(&out, p->tensors[i], begin);
    }
    bal_json_out_object_end(&out);
    bal_text_append(text, spaces, (HEADER_ALIGN - text->length % HEADER_ALIGN) % HEADER_ALIGN);
    if (bal_text_failed(text)) return bal_fail_memory(err, text->length);
    uint64_t length = text->length - LENGTH_BYTES;
    if (length > HEADER_BYTES_MAX)
        return bal_fail(
            err, BAL_EOVERFLOW,
            "the header would take %llu bytes, at most %d are allowed; store less metadata",
            (unsigned long long)length, HEADER_BYTES_MAX);
    memcpy(text->data, &length, LENGTH_BYTES);
    return BAL_OK;
}

static bal_status write_plan(const plan *p, const char *path, bal_error *err) {
    bal_file_writer writer;
    BAL_TRY(bal_file_writer_open(&writer, path, err));
    bal_file_writer_put(&writer, p->header.data, p->header.length);
    for (size_t i = 0; i < p->tensor_count; i++)
        if (p->tensors[i]->bytes > 0)
            bal_file_writer_put(&writer, p->tensors[i]->data, p->tensors[i]->bytes);
    return bal_file_writer_commit(&writer, err);
}

bal_status bal_safetensors_write(const char *path, const bal_safetensor *tensors, size_t n_tensors,
                                 const bal_safetensors_pair *metadata, size_t n_metadata,
                                 bal_error *err) {
    plan p = {0};
    bal_status status;
    BAL_TRY_OUT(plan_tensors(&p, tensors, n_tensors, err));
    BAL_TRY_OUT(plan_metadata(&p, metadata, n_metadata, err));
    BAL_TRY_OUT(plan_header(&p, err));
    status = write_plan(&p, path, err);
out:
    bal_free(p.tensors);
    bal_free(p.pairs);
    bal_text_release(&p.header);
    return status;
}
