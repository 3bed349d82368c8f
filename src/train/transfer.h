/* Starting from weights that are there already: model.init_from. */
#ifndef BAL_TRAIN_TRANSFER_H
#define BAL_TRAIN_TRANSFER_H

#include "base/sink.h"
#include "train/network.h"

/** What was taken over. */
typedef struct bal_transfer {
    int64_t tensors, tensors_taken; /* parameters and statistics */
    int64_t weights, weights_taken; /* numbers in them */
} bal_transfer;

/** Take over parameters and running statistics from a run (its model, else its best, else its last
 *  checkpoint) or from a safetensors file: every tensor that has the name, type and shape of one of
 *  the network's. The others keep their start, and are named in the log. Moments are not taken: the
 *  optimiser begins afresh.
 *  Errors  BAL_ERECIPE when there is nothing at `from`, or nothing in it fits; BAL_EFORMAT,
 * BAL_EIO. */
BAL_WARN_UNUSED bal_status bal_network_transfer(bal_network *network, const char *from,
                                                const bal_log_sink *log, bal_transfer *ret_transfer,
                                                bal_error *err);

#endif
