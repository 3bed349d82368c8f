/* The detector table, and the search by name that recipes and reports use. */
#include "guard/detector_table.h"

#include <stddef.h>
#include <string.h>

#define DETECTOR_ENTRY(symbol) &symbol,
const bal_detector *const bal_detector_table[] = {BAL_DETECTOR_LIST(DETECTOR_ENTRY) NULL};
#undef DETECTOR_ENTRY

int32_t bal_detector_index(const char *name) {
    for (int32_t i = 0; bal_detector_table[i]; i++) {
        if (strcmp(bal_detector_table[i]->name, name) == 0) return i;
    }
    return -1;
}

const bal_detector *bal_detector_find(const char *name) {
    int32_t index = bal_detector_index(name);
    return index < 0 ? NULL : bal_detector_table[index];
}
