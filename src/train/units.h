/* Which rows of a data set depend on each other, as its split says: what permutations and bootstrap
 * samples must keep together (train/shuffle.h). */
#ifndef BAL_TRAIN_UNITS_H
#define BAL_TRAIN_UNITS_H

#include "data/table.h"
#include "recipe/recipe.h"
#include "train/shuffle.h"

/** Groups for a split by group; blocks of neighbours for one in order and for sequences; rows. */
bal_shuffle_kind bal_units_of(const bal_recipe *recipe);

/** Ranks of the table's rows by a column that the table has, equal for equal cells: of the groups,
 *  or in time. NULL, with BAL_OK, without such a column ("": none): rows are as they come.
 *  bal_free it. */
BAL_WARN_UNUSED bal_status bal_units_rank(const bal_table *table, const char *column,
                                          int64_t **ret_rank, bal_error *err);

#endif
