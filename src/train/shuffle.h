/* Permutations and bootstrap samples that respect how rows depend on each other.
 *
 * A permutation test is exact when, under the null hypothesis, the permuted units are exchangeable;
 * a bootstrap is right when its units are independent. Single rows often are neither: rows of one
 * group share what is behind the group, neighbours of a series share what came before. So units are
 * rows, whole groups, or blocks of neighbours:
 *
 *  rows    permuted one by one (Fisher 1935); Efron's bootstrap (1979).
 *  groups  rows lie sorted by group; the groups change places as wholes, and their labels are laid
 *          end to end (whole-block exchangeability, Winkler et al. 2015; exact where groups are
 *          of one size). The bootstrap draws groups.
 *  blocks  the series is a circle, cut into blocks of one length from a random point on; the blocks
 *          change places, so that dependence within a block stays (a block permutation; Künsch 1989
 *          for the idea). A circular shift alone would keep more, but every small shift of a series
 *          with long regimes leaves it nearly in place, and p could never become small. The
 *          bootstrap is the circular block bootstrap (Politis & Romano 1992).
 *
 * A shuffle owns what it holds. */
#ifndef BAL_TRAIN_SHUFFLE_H
#define BAL_TRAIN_SHUFFLE_H

#include <stdbool.h>
#include <stdint.h>

#include "ballast/status.h"
#include "base/random.h"

typedef enum bal_shuffle_kind {
    BAL_SHUFFLE_ROWS,
    BAL_SHUFFLE_GROUPS,
    BAL_SHUFFLE_BLOCKS
} bal_shuffle_kind;

/** "rows", "groups", "blocks". */
const char *bal_shuffle_name(bal_shuffle_kind kind);

typedef struct bal_shuffle {
    bal_shuffle_kind kind;
    int64_t n;       /* positions */
    int64_t *order;  /* [n] positions, sorted by rank; NULL: as they are */
    int64_t units;   /* rows, groups, or blocks (the last one may be shorter) */
    int64_t block;   /* length, for blocks; else 1 */
    int64_t *start;  /* [units + 1] in `order`, for groups; NULL: multiples of block */
    int64_t *draw;   /* [n] scratch */
    int64_t *source; /* [n] scratch */
} bal_shuffle;

/** rank [n]: groups: equal for rows of one group; blocks: the place in time; NULL: as they come,
 *  each row a group of its own. Blocks are of one row until bal_shuffle_set_block. */
BAL_WARN_UNUSED bal_status bal_shuffle_init(bal_shuffle *shuffle, bal_shuffle_kind kind,
                                            const int64_t *rank, int64_t n, bal_error *err);
/** Length of blocks from now on; not looked at for other kinds. */
void bal_shuffle_set_block(bal_shuffle *shuffle, int64_t block);
void bal_shuffle_release(bal_shuffle *shuffle);

/** A permutation: position i takes over what was at ret_source[i]. */
void bal_shuffle_permute(bal_shuffle *shuffle, bal_random *random, int64_t *ret_source);

/** A bootstrap sample: position i counts ret_weight[i] times. */
void bal_shuffle_resample(bal_shuffle *shuffle, bal_random *random, uint32_t *ret_weight);

/** How long blocks should be so that what depends on each other stays together: at least n^(1/3),
 *  the rate of Künsch (1989) and Hall, Horowitz & Jing (1995), and twice the longest lag up to
 * which the rows' autocorrelations ρ_a(k)·ρ_b(k) stay above 2/√n without a break. A sum of products
 * of two series that know nothing of each other varies as those products say (Bartlett 1935). At
 * most n/20, so that there are blocks to permute. Shapes  a [n, width_a] and b [n, width_b], rows
 * in order of time; b NULL: ρ_b = 1. */
int64_t bal_shuffle_block_length(const float *a, int32_t width_a, const float *b, int32_t width_b,
                                 int64_t n);

#endif
