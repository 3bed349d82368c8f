/* The op table: every op of the library in the order of BAL_OP_LIST, and the search by name that
 * model files, dumps and the command line use. A linear search is enough: a graph looks an op up
 * once per node when it is read from a file, never while it runs. */
#include "ops/op_table.h"

#include <string.h>

#include "ops/ops.h"

#define BAL_OP_ENTRY(symbol) &symbol,
const bal_op *const bal_op_table[] = {BAL_OP_LIST(BAL_OP_ENTRY) NULL};
#undef BAL_OP_ENTRY

const bal_op *bal_op_find(const char *name) {
    for (size_t i = 0; bal_op_table[i]; i++) {
        if (strcmp(bal_op_table[i]->name, name) == 0) return bal_op_table[i];
    }
    return NULL;
}
