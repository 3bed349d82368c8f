/* What writing and reading checkpoints share: names inside the file, what is kept, the digest.
 * Private to checkpoint.c and checkpoint_read.c. */
#ifndef BAL_TRAIN_CHECKPOINT_H
#define BAL_TRAIN_CHECKPOINT_H

#include <string.h>

#include "format/safetensors.h"
#include "train/digest.h"
#include "train/file_digest.h"
#include "train/trainer.h"

#define BAL_CHECKPOINT_VERSION 3
#define BAL_CHECKPOINT_META "ballast_checkpoint" /* metadata: the state as JSON */
#define BAL_CHECKPOINT_HEALTHY "healthy/"        /* before names of the state to roll back to */
#define BAL_CHECKPOINT_MEMORY "guard.memory"
#define BAL_CHECKPOINT_LEDGER "guard.ledger"
#define BAL_CHECKPOINT_NAME 128 /* room for the name of a stage's file */

/** Entries of a store that belong in a file: scratch does not, and not moments when only the
 * weights are kept. */
static inline bool bal_checkpoint_keeps(const bal_store_entry *entry, bool weights_only) {
    if (entry->role == BAL_ROLE_SCRATCH) return false;
    return !weights_only || entry->role != BAL_ROLE_MOMENT;
}

/** Digest of all that a recipe says, defaults included. */
static inline uint64_t bal_checkpoint_recipe(const bal_recipe *recipe) {
    return bal_digest(recipe->resolved, strlen(recipe->resolved), 0);
}

/** Path of the checkpoint written `age` checkpoints ago; bal_free; NULL: no memory. */
char *bal_checkpoint_path(const bal_run_folder *folder, int age);

#endif
