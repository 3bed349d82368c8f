/* Archives of named arrays: NumPy's .npz, which is a zip file of .npy members.
 *
 * Reading: stored and deflated members, listed by name without ".npy", loaded one by one. An
 * archive with two members of one name is refused. A member may claim at most as many bytes as its
 * limit and as its compressed bytes can yield, so that a small file cannot fill the machine.
 *
 * Writing: the same arrays give the same bytes on every day and in every time zone; the file
 * appears as one step at commit. */
#ifndef BAL_FORMAT_NPZ_H
#define BAL_FORMAT_NPZ_H

#include <stdbool.h>
#include <stddef.h>

#include "ballast/status.h"
#include "format/npy.h"

typedef struct bal_npz bal_npz;

/** Open an archive; max_bytes limits one array (0: 16 GiB).
 *  Errors  BAL_ENOTFOUND, BAL_EIO, BAL_ENOMEM; BAL_EFORMAT not an archive. */
BAL_WARN_UNUSED bal_status bal_npz_open(const char *path, size_t max_bytes, bal_npz **ret_npz,
                                        bal_error *err);

/** Open an archive in memory; the bytes must stay until close. `name` stands for it in messages. */
BAL_WARN_UNUSED bal_status bal_npz_open_memory(const void *bytes, size_t size, const char *name,
                                               size_t max_bytes, bal_npz **ret_npz, bal_error *err);

void bal_npz_close(bal_npz *npz);

/** The arrays inside, in the order of the file. Other members of the zip file are not counted. */
size_t bal_npz_count(const bal_npz *npz);
const char *bal_npz_name(const bal_npz *npz, size_t index);

/** Load an array by its name.
 *  Errors  BAL_EDATA no such array (with the nearest name); BAL_EUNSUPPORTED compressed or
 * encrypted in a way we do not read; BAL_EFORMAT damaged; and those of bal_npy_read. */
BAL_WARN_UNUSED bal_status bal_npz_load(bal_npz *npz, const char *name, bal_npy_array *ret_array,
                                        bal_error *err);

/** An archive being written, in memory until commit. */
typedef struct bal_npz_writer bal_npz_writer;

BAL_WARN_UNUSED bal_status bal_npz_writer_open(const char *path, bool compress,
                                               bal_npz_writer **ret_writer, bal_error *err);
/** Add an array under a name not used yet. */
BAL_WARN_UNUSED bal_status bal_npz_writer_add(bal_npz_writer *writer, const char *name,
                                              const bal_tensor *tensor, bal_error *err);
BAL_WARN_UNUSED bal_status bal_npz_writer_add_text(bal_npz_writer *writer, const char *name,
                                                   const char *const *text, const bal_shape *shape,
                                                   bal_error *err);
/** Write the file and release the writer. On failure the old file is intact. */
BAL_WARN_UNUSED bal_status bal_npz_writer_commit(bal_npz_writer *writer, bal_error *err);
/** Give up and release the writer; NULL is fine. */
void bal_npz_writer_abort(bal_npz_writer *writer);

#endif
