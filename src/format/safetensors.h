/* Safetensors files: named tensors and a string-to-string map, in one file without code in it.
 *
 * Layout (format specification of the safetensors project): 8 bytes little-endian header length, a
 * JSON header that begins with '{' and may be padded with spaces, then the bytes of all tensors
 * without holes. The reader accepts canonical files only: no duplicate keys, no overlap, no holes,
 * offsets within the file and equal to shape × type, the whole buffer covered, header at most 100
 * MB. The writer orders tensors as the reference implementation does (alignment descending, then
 * name), so the same content gives the same bytes.
 *
 * Types: f32, f64, i32, i64, u8 of bal_dtype; files may hold others (F16, BF16, …), which are
 * listed but whose data is handed out as bytes only (dtype BAL_DTYPE_COUNT). */
#ifndef BAL_FORMAT_SAFETENSORS_H
#define BAL_FORMAT_SAFETENSORS_H

#include <stddef.h>

#include "ballast/status.h"
#include "tensor/tensor.h"

/** One tensor; when writing, borrowed by the caller's choice; when read, pointing into the file's
 * buffer. */
typedef struct bal_safetensor {
    const char *name;
    bal_dtype dtype; /* BAL_DTYPE_COUNT: a type we do not have; see type_name */
    bal_shape shape;
    const void *data;
    size_t bytes;
    const char *type_name; /* as in the file: "F32"; ignored when writing */
} bal_safetensor;

/** One entry of __metadata__. */
typedef struct bal_safetensors_pair {
    const char *key;
    const char *value;
} bal_safetensors_pair;

/** Write a file, crash-safely. Names must be unique, not "__metadata__"; order is free.
 *  Errors  BAL_EINVAL duplicate or reserved name or key, text that is not UTF-8, bytes that do not
 * fit shape and type; BAL_EOVERFLOW header beyond 100 MB; BAL_EIO; BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_safetensors_write(const char *path, const bal_safetensor *tensors,
                                                 size_t n_tensors,
                                                 const bal_safetensors_pair *metadata,
                                                 size_t n_metadata, bal_error *err);

typedef struct bal_safetensors bal_safetensors;

/** Read a file (or a copy of memory; `name` stands for it in messages). A file is mapped, so that
 * only what is used is read; it must not be cut short while it is open. Each tensor's data is
 * aligned to its element. Errors  BAL_ENOTFOUND, BAL_EIO, BAL_ENOMEM; BAL_EFORMAT with what is
 * wrong. */
BAL_WARN_UNUSED bal_status bal_safetensors_open(const char *path, bal_safetensors **ret_file,
                                                bal_error *err);
BAL_WARN_UNUSED bal_status bal_safetensors_open_memory(const void *bytes, size_t size,
                                                       const char *name, bal_safetensors **ret_file,
                                                       bal_error *err);
void bal_safetensors_close(bal_safetensors *file);

size_t bal_safetensors_count(const bal_safetensors *file);
/** In the order of the data. Valid until close. */
const bal_safetensor *bal_safetensors_at(const bal_safetensors *file, size_t index);
/** By name; NULL when there is none. */
const bal_safetensor *bal_safetensors_find(const bal_safetensors *file, const char *name);
/** Metadata value by key; NULL when there is none. */
const char *bal_safetensors_metadata(const bal_safetensors *file, const char *key);

#endif
