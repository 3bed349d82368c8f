/* Arrays in NumPy's .npy format, versions 1 to 3: numbers become a bal_tensor, text becomes UTF-8.
 *
 * Numbers keep their type where we have it and otherwise get the nearest one that holds all values:
 *
 *     file                      here        file                      here
 *     float16, float32          f32         bool, uint8               u8
 *     float64                   f64         int8, int16, int32        i32
 *     uint16                    i32         uint32, int64, uint64     i64 (larger values refused)
 *
 * Either byte order and either memory order is read; here it is always row-major. <U and S arrays
 * are text. Object arrays are refused, because reading them means running a Python pickle; so is
 * whatever is neither number nor text, each with a word on how to save it instead.
 *
 * A bal_npy_array owns its memory; release it. `name` stands for the file in messages. */
#ifndef BAL_FORMAT_NPY_H
#define BAL_FORMAT_NPY_H

#include <stddef.h>

#include "ballast/status.h"
#include "base/text.h"
#include "tensor/tensor.h"

typedef struct bal_npy_array {
    char dtype[16]; /* as the file says: "<f4", "|b1", "<U8" */
    bal_shape shape;
    bal_tensor tensor; /* numbers, of the same shape; its data is NULL for text */
    char **text;       /* text: [count] strings, row-major; NULL for numbers */
    char *pool;        /* what they point into */
} bal_npy_array;

/** Read a file.
 *  Errors  BAL_ENOTFOUND, BAL_EIO; BAL_EFORMAT damaged; BAL_EUNSUPPORTED a type or rank we do not
 *  have; BAL_EDATA a value that fits no type (a text with NUL or that is not Unicode, uint64). */
BAL_WARN_UNUSED bal_status bal_npy_read(const char *path, bal_npy_array *ret_array, bal_error *err);

/** Read from memory. */
BAL_WARN_UNUSED bal_status bal_npy_parse(const void *bytes, size_t size, const char *name,
                                         bal_npy_array *ret_array, bal_error *err);

/** Read from a block of bal_calloc, which the array takes over or, on failure, frees. Spares a copy
 *  where the file holds what we keep. */
BAL_WARN_UNUSED bal_status bal_npy_parse_block(char *block, size_t size, const char *name,
                                               bal_npy_array *ret_array, bal_error *err);

void bal_npy_release(bal_npy_array *array);

/** A copy as f32, rounded; BAL_EDATA for text or for finite values beyond f32's range. */
BAL_WARN_UNUSED bal_status bal_npy_to_f32(const bal_npy_array *array, bal_tensor *ret_tensor,
                                          bal_error *err);

/** A copy as i64; BAL_EDATA for text or for numbers that are not whole or do not fit. */
BAL_WARN_UNUSED bal_status bal_npy_to_i64(const bal_npy_array *array, bal_tensor *ret_tensor,
                                          bal_error *err);

/** Append the bytes of a .npy file, the same that numpy.save writes. Running out of memory sticks
 * to `out`. */
BAL_WARN_UNUSED bal_status bal_npy_append(bal_text *out, const bal_tensor *tensor, bal_error *err);

/** The same for text [count], as <U of the longest one's width; BAL_EDATA when one is not UTF-8. */
BAL_WARN_UNUSED bal_status bal_npy_append_text(bal_text *out, const char *const *text,
                                               const bal_shape *shape, bal_error *err);

/** Write a file, crash-safely. */
BAL_WARN_UNUSED bal_status bal_npy_write(const char *path, const bal_tensor *tensor,
                                         bal_error *err);
BAL_WARN_UNUSED bal_status bal_npy_write_text(const char *path, const char *const *text,
                                              const bal_shape *shape, bal_error *err);

#endif
