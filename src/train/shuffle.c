/* Units of permutation and bootstrap. See train/shuffle.h. */
#include "train/shuffle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { LEAST_BLOCKS = 20 };

const char *bal_shuffle_name(bal_shuffle_kind kind) {
    static const char *const names[] = {"rows", "groups", "blocks"};
    return names[kind];
}

/* ---- making ---- */

typedef struct ranked {
    int64_t rank, position;
} ranked;

static int compare_ranked(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

/** Positions by rank, and where each rank begins. */
static bal_status sort_by_rank(bal_shuffle *shuffle, const int64_t *rank, bal_error *err) {
    size_t n = (size_t)shuffle->n;
    ranked *list = bal_calloc(n, sizeof *list);
    shuffle->order = bal_calloc(n, sizeof *shuffle->order);
    shuffle->start = bal_calloc(n + 1, sizeof *shuffle->start);
    if (!list || !shuffle->order || !shuffle->start) {
        bal_free(list);
        return bal_fail_memory(err, n * sizeof *list);
    }
    for (size_t i = 0; i < n; i++)
        list[i] = (ranked){rank[i], (int64_t)i};
    qsort(list, n, sizeof *list, compare_ranked);
    for (size_t i = 0; i < n; i++) {
        shuffle->order[i] = list[i].position;
        if (i == 0 || list[i].rank != list[i - 1].rank)
            shuffle->start[shuffle->units++] = (int64_t)i;
    }
    shuffle->start[shuffle->units] = shuffle->n;
    bal_free(list);
    return BAL_OK;
}

static bal_status fill(bal_shuffle *shuffle, const int64_t *rank, bal_error *err) {
    bool sorted = rank && shuffle->kind != BAL_SHUFFLE_ROWS;
    if (sorted) BAL_TRY(sort_by_rank(shuffle, rank, err));
    if (shuffle->kind != BAL_SHUFFLE_GROUPS) {
        bal_free(shuffle->start);
        shuffle->start = NULL;
    }
    if (!shuffle->start) shuffle->units = shuffle->n;
    shuffle->draw = bal_calloc((size_t)shuffle->n, sizeof *shuffle->draw);
    shuffle->source = bal_calloc((size_t)shuffle->n, sizeof *shuffle->source);
    if (!shuffle->draw || !shuffle->source)
        return bal_fail_memory(err, (size_t)shuffle->n * sizeof *shuffle->source);
    return BAL_OK;
}

bal_status bal_shuffle_init(bal_shuffle *shuffle, bal_shuffle_kind kind, const int64_t *rank,
                            int64_t n, bal_error *err) {
    *shuffle = (bal_shuffle){.kind = kind, .n = n, .block = 1};
    bal_status status = fill(shuffle, rank, err);
    if (status != BAL_OK) bal_shuffle_release(shuffle);
    return status;
}

void bal_shuffle_set_block(bal_shuffle *shuffle, int64_t block) {
    if (shuffle->kind != BAL_SHUFFLE_BLOCKS) return;
    shuffle->block = block < 1 ? 1 : block;
    shuffle->units = (shuffle->n + shuffle->block - 1) / shuffle->block;
}

void bal_shuffle_release(bal_shuffle *shuffle) {
    bal_free(shuffle->order);
    bal_free(shuffle->start);
    bal_free(shuffle->draw);
    bal_free(shuffle->source);
    *shuffle = (bal_shuffle){0};
}

/* ---- drawing ---- */

static int64_t unit_start(const bal_shuffle *shuffle, int64_t unit) {
    if (shuffle->start) return shuffle->start[unit];
    int64_t start = unit * shuffle->block;
    return start < shuffle->n ? start : shuffle->n;
}

static int64_t position(const bal_shuffle *shuffle, int64_t place) {
    return shuffle->order ? shuffle->order[place] : place;
}

void bal_shuffle_permute(bal_shuffle *shuffle, bal_random *random, int64_t *ret_source) {
    int64_t n = shuffle->n, at = 0, turn = 0;
    if (n == 0) return;
    if (shuffle->kind == BAL_SHUFFLE_BLOCKS && shuffle->block > 1)
        turn = (int64_t)bal_random_below(random, (uint64_t)n);
    bal_random_permutation(random, shuffle->draw, (size_t)shuffle->units);
    for (int64_t u = 0; u < shuffle->units; u++) {
        int64_t end = unit_start(shuffle, shuffle->draw[u] + 1);
        for (int64_t i = unit_start(shuffle, shuffle->draw[u]); i < end; i++)
            shuffle->source[at++] = i;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t to = i + turn, from = shuffle->source[i] + turn;
        if (to >= n) to -= n;
        if (from >= n) from -= n;
        ret_source[position(shuffle, to)] = position(shuffle, from);
    }
}

static void resample_blocks(bal_shuffle *shuffle, bal_random *random, uint32_t *weight) {
    int64_t n = shuffle->n;
    for (int64_t drawn = 0; drawn < n; drawn += shuffle->block) {
        int64_t from = (int64_t)bal_random_below(random, (uint64_t)n);
        for (int64_t i = 0; i < shuffle->block && drawn + i < n; i++) {
            weight[position(shuffle, from)]++;
            if (++from == n) from = 0;
        }
    }
}

void bal_shuffle_resample(bal_shuffle *shuffle, bal_random *random, uint32_t *ret_weight) {
    memset(ret_weight, 0, (size_t)shuffle->n * sizeof *ret_weight);
    if (shuffle->kind == BAL_SHUFFLE_BLOCKS) {
        resample_blocks(shuffle, random, ret_weight);
        return;
    }
    for (int64_t u = 0; u < shuffle->units; u++) {
        int64_t unit = (int64_t)bal_random_below(random, (uint64_t)shuffle->units);
        int64_t end = unit_start(shuffle, unit + 1);
        for (int64_t i = unit_start(shuffle, unit); i < end; i++)
            ret_weight[position(shuffle, i)]++;
    }
}

/* ---- block length ---- */

/** Column means of x [n, width], then Σ over rows and columns of (x_i − mean)(x_{i+lag} − mean). */
static double autocovariance(const float *x, int32_t width, int64_t n, int64_t lag) {
    double sum = 0;
    for (int32_t c = 0; c < width; c++) {
        double mean = 0;
        for (int64_t i = 0; i < n; i++)
            mean += (double)x[i * width + c];
        mean /= (double)n;
        for (int64_t i = 0; i + lag < n; i++)
            sum += ((double)x[i * width + c] - mean) * ((double)x[(i + lag) * width + c] - mean);
    }
    return sum;
}

int64_t bal_shuffle_block_length(const float *a, int32_t width_a, const float *b, int32_t width_b,
                                 int64_t n) {
    int64_t most = n / LEAST_BLOCKS, least = (int64_t)ceil(cbrt((double)n)), lag = 1;
    double noise = 2 / sqrt((double)n);
    double zero_a = autocovariance(a, width_a, n, 0);
    double zero_b = b ? autocovariance(b, width_b, n, 0) : 1;
    for (; 2 * lag <= most && zero_a > 0 && zero_b > 0; lag += 1 + lag / 8) {
        double rho = autocovariance(a, width_a, n, lag) / zero_a;
        if (b) rho *= autocovariance(b, width_b, n, lag) / zero_b;
        if (!(rho > noise)) break;
    }
    int64_t length = 2 * (lag - 1);
    if (length < least) length = least;
    if (length > most) length = most;
    return length < 1 ? 1 : length;
}
