/* A folder of its own for a test that writes files: `char *folder = scratch_new()` … use paths
 * below it … `scratch_free(folder)` removes it with all it holds. Fails the test when the disk
 * refuses. */
#ifndef BAL_TESTS_SCRATCH_H
#define BAL_TESTS_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* cmocka.h must be included before this file. */

static inline char *scratch_new(void) {
    const char *base = getenv("TMPDIR");
    char *folder = NULL;
    int length = asprintf(&folder, "%s/ballast-test-XXXXXX", base && *base ? base : "/tmp");
    assert_true(length > 0);
    assert_non_null(mkdtemp(folder));
    return folder;
}

static inline int scratch_remove_one(const char *path, const struct stat *facts, int kind,
                                     struct FTW *place) {
    (void)facts;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void scratch_free(char *folder) {
    assert_int_equal(nftw(folder, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(folder);
}

#endif
