/* The header of a .npy file: what the bytes behind it are. */
#ifndef BAL_FORMAT_NPY_HEADER_H
#define BAL_FORMAT_NPY_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "ballast/status.h"
#include "tensor/tensor.h"

typedef struct bal_npy_header {
    char dtype[16];   /* as written: "<f4" */
    char kind;        /* f i u b U S */
    size_t item_size; /* bytes of one element, > 0 */
    bool big_endian;
    bool fortran_order; /* first index fastest */
    bal_shape shape;
    size_t count;       /* elements */
    size_t data_offset; /* where they begin; count × item_size bytes, to the end of the file */
} bal_npy_header;

/** Read and check the header of a whole file, its data size included. */
BAL_WARN_UNUSED bal_status bal_npy_header_parse(const char *bytes, size_t size, const char *name,
                                                bal_npy_header *ret_header, bal_error *err);

#endif
