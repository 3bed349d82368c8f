/* The digest inside a file of ours (a checkpoint, a model): over its tensors, their names and one
 * entry of its metadata. safetensors has none of its own, and a bit that flips in a weight is a
 * number like any other. */
#ifndef BAL_TRAIN_FILE_DIGEST_H
#define BAL_TRAIN_FILE_DIGEST_H

#include "format/safetensors.h"

#define BAL_FILE_DIGEST "ballast_digest" /* metadata: 16 hexadecimal digits */

enum { BAL_FILE_DIGEST_TEXT = 20 };

/** The digest of what is to be written; of the tensors in any order, since theirs in the file is
 * the format's. */
void bal_file_digest(const bal_safetensor *tensors, size_t n, const char *description,
                     char ret_text[BAL_FILE_DIGEST_TEXT]);

/** Whether an open file is what was written. BAL_EFORMAT: it is damaged, or has no digest although
 *  it is `required`. */
BAL_WARN_UNUSED bal_status bal_file_check_digest(const bal_safetensors *file,
                                                 const char *description, bool required,
                                                 bal_error *err);

#endif
