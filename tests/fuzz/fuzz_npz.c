/* The archive reader: list all members, load each under a low limit, ask for one that is not there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/npz.h"
#include "fuzz.h"

enum { MEMBER_BYTES_MAX = 1 << 20 };

static void require(bool promise) {
    if (!promise) abort();
}

static void load_member(bal_npz *npz, const char *name) {
    bal_npy_array array;
    bal_error err = {0};
    if (bal_npz_load(npz, name, &array, &err) != BAL_OK) {
        require(err.status != BAL_OK && err.message[0] != '\0');
        return;
    }
    require((array.text != NULL) != (array.tensor.data != NULL));
    bal_npy_release(&array);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bal_npz *npz;
    bal_npy_array array;
    bal_error err = {0};
    if (bal_npz_open_memory(data, size, "fuzz", MEMBER_BYTES_MAX, &npz, &err) != BAL_OK) {
        require(err.status != BAL_OK && err.message[0] != '\0');
        return 0;
    }
    require(bal_npz_count(npz) > 0);
    for (size_t i = 0; i < bal_npz_count(npz); i++)
        load_member(npz, bal_npz_name(npz, i));
    require(bal_npz_load(npz, "\x01 not there \x01", &array, &err) == BAL_EDATA);
    bal_npz_close(npz);
    return 0;
}
