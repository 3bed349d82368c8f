/* See file_digest.h. */
#include "train/file_digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "train/digest.h"

static uint64_t digest_of(const bal_safetensor *tensor) {
    return bal_digest(tensor->data, tensor->bytes,
                      bal_digest(tensor->name, strlen(tensor->name), 0));
}

static void write(uint64_t sum, char ret_text[BAL_FILE_DIGEST_TEXT]) {
    snprintf(ret_text, BAL_FILE_DIGEST_TEXT, "%016" PRIx64, sum);
}

void bal_file_digest(const bal_safetensor *tensors, size_t n, const char *description,
                     char ret_text[BAL_FILE_DIGEST_TEXT]) {
    uint64_t sum = bal_digest(description, strlen(description), 0);
    for (size_t i = 0; i < n; i++)
        sum += digest_of(&tensors[i]);
    write(sum, ret_text);
}

bal_status bal_file_check_digest(const bal_safetensors *file, const char *description,
                                 bool required, bal_error *err) {
    const char *wanted = bal_safetensors_metadata(file, BAL_FILE_DIGEST);
    char found[BAL_FILE_DIGEST_TEXT];
    if (!wanted && !required) return BAL_OK;
    uint64_t sum = bal_digest(description, strlen(description), 0);
    for (size_t i = 0; i < bal_safetensors_count(file); i++)
        sum += digest_of(bal_safetensors_at(file, i));
    write(sum, found);
    if (wanted && strcmp(wanted, found) == 0) return BAL_OK;
    return bal_fail(err, BAL_EFORMAT, "it is damaged: its digest is %s, and should be %s", found,
                    wanted ? wanted : "there");
}
