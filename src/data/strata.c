/* The arithmetic of stratified splits.
 *
 * Rounding each class by itself is what goes wrong in splits of many classes: with 99 classes of 10
 * and a tenth to validate on, rounding down leaves nothing, rounding up leaves no test. So a count
 * is the class's exact share rounded up or down, and which of the two is decided by what the
 * classes before have left over or owe (error diffusion, as in dithering): a part's total is never
 * more than about a row from its fraction. Classes of which a part must get a row although its
 * share is less go first, so that the others can make up for them.
 *
 * See data/strata.h. */
#include "data/strata.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/** Shares this close to a whole number are that number: .1 · 30 is not exactly 3. */
static const double rounding = 1e-6;

bal_status bal_strata_init(bal_strata *strata, const int32_t *labels, int64_t rows, int32_t classes,
                           bal_error *err) {
    bal_strata made = {
        .classes = classes,
        .rows = bal_calloc((size_t)rows, sizeof *made.rows),
        .start = bal_calloc((size_t)classes + 3, sizeof *made.start),
    };
    if (!made.rows || !made.start) {
        bal_strata_release(&made);
        return bal_fail_memory(err, (size_t)rows * sizeof *made.rows);
    }
    /* Counting sort: counts two places on, then starts one place on, which placing moves back. */
    for (int64_t row = 0; row < rows; row++)
        made.start[(labels && labels[row] >= 0 ? labels[row] : classes) + 2]++;
    for (int32_t c = 0; c <= classes; c++)
        made.start[c + 2] += made.start[c + 1];
    for (int64_t row = 0; row < rows; row++)
        made.rows[made.start[(labels && labels[row] >= 0 ? labels[row] : classes) + 1]++] = row;
    *strata = made;
    return BAL_OK;
}

void bal_strata_release(bal_strata *strata) {
    bal_free(strata->rows);
    bal_free(strata->start);
    *strata = (bal_strata){0};
}

void bal_apportion(const double fraction[BAL_SPLIT_COUNT], int64_t n,
                   int64_t ret_count[BAL_SPLIT_COUNT]) {
    double sum = 0, rest[BAL_SPLIT_COUNT];
    int64_t given = 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        double share = fraction[p] * (double)n;
        ret_count[p] = (int64_t)floor(share + rounding);
        rest[p] = share - (double)ret_count[p];
        sum += share;
        given += ret_count[p];
    }
    int64_t total = llround(sum) < n ? llround(sum) : n;
    for (; given < total; given++) {
        int most = 0;
        for (int p = 1; p < BAL_SPLIT_COUNT; p++)
            if (rest[p] > rest[most] + rounding) most = p;
        ret_count[most]++;
        rest[most] -= 1;
    }
}

bool bal_strata_too_small(const double fraction[BAL_SPLIT_COUNT], int64_t n) {
    int wanted = 0;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++)
        wanted += fraction[p] > 0;
    return n < wanted;
}

/* ---- counts per class and part ---- */

/** The parts, and as a last one the rows that no part gets (fractions may sum to less than 1). */
enum { LEFT_OUT = BAL_SPLIT_COUNT, PLACES };

/** One class being shared out. */
typedef struct sharing {
    double share[PLACES]; /* exact */
    int64_t count[PLACES];
    bool may_grow[PLACES]; /* rounded down so far */
} sharing;

/** Every share rounded down, but one row for each part wanted; what is too much then comes from
 *  where most is to spare. */
static void round_down(sharing *of, int64_t n, bool one_each) {
    int64_t least[PLACES], given = 0;
    for (int p = 0; p < PLACES; p++) {
        of->count[p] = (int64_t)floor(of->share[p] + rounding);
        of->may_grow[p] =
            of->share[p] - (double)of->count[p] > rounding || (p == LEFT_OUT && of->share[p] > 0);
        least[p] = one_each && p != LEFT_OUT && of->share[p] > 0;
        if (of->count[p] < least[p]) {
            of->count[p] = least[p];
            of->may_grow[p] = false;
        }
        given += of->count[p];
    }
    for (; given > n; given--) {
        int spare = 0;
        for (int p = 1; p < PLACES; p++)
            if (of->count[p] - least[p] >= of->count[spare] - least[spare]) spare = p;
        of->count[spare]--;
    }
}

/** Give the rows still free to the parts that are owed most. Parts get one more at most and come
 *  before the rows left out, which take whatever nobody should have. */
static void round_up(sharing *of, int64_t n, const double owed[PLACES]) {
    int64_t given = 0;
    for (int p = 0; p < PLACES; p++)
        given += of->count[p];
    for (; given < n; given++) {
        int next = -1;
        double most = -INFINITY;
        for (int p = 0; p < PLACES; p++) {
            double lacking = owed[p] + of->share[p] - (double)of->count[p];
            if (p == LEFT_OUT) lacking = fmin(lacking, 1);
            if (!of->may_grow[p] || lacking <= most + rounding) continue;
            most = lacking;
            next = p;
        }
        if (next < 0) next = BAL_SPLIT_TRAIN; /* lost to rounding of the shares */
        of->count[next]++;
        of->may_grow[next] = next == LEFT_OUT;
    }
}

static void share_class(const double fraction[PLACES], int64_t n, bool one_each,
                        double owed[PLACES], int64_t ret_count[BAL_SPLIT_COUNT]) {
    sharing of;
    for (int p = 0; p < PLACES; p++)
        of.share[p] = fraction[p] * (double)n;
    round_down(&of, n, one_each);
    round_up(&of, n, owed);
    for (int p = 0; p < PLACES; p++)
        owed[p] += of.share[p] - (double)of.count[p];
    memcpy(ret_count, of.count, BAL_SPLIT_COUNT * sizeof *ret_count);
}

static void share_small_class(const double fraction[PLACES], int64_t n, double owed[PLACES],
                              int64_t ret_count[BAL_SPLIT_COUNT]) {
    int64_t left = n;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        ret_count[p] = fraction[p] > 0 && left > 0;
        left -= ret_count[p];
        owed[p] += fraction[p] * (double)n - (double)ret_count[p];
    }
    owed[LEFT_OUT] += fraction[LEFT_OUT] * (double)n;
}

/** Whether a part wanted has less than one row of the class by right. */
static bool needs_help(const double fraction[PLACES], int64_t n) {
    for (int p = 0; p < BAL_SPLIT_COUNT; p++)
        if (fraction[p] > 0 && fraction[p] * (double)n < 1 - rounding) return true;
    return false;
}

void bal_strata_apportion(const bal_strata *strata, const double fraction[BAL_SPLIT_COUNT],
                          int64_t (*ret_count)[BAL_SPLIT_COUNT]) {
    double shares[PLACES], owed[PLACES] = {0};
    shares[LEFT_OUT] = 1;
    for (int p = 0; p < BAL_SPLIT_COUNT; p++) {
        shares[p] = fraction[p];
        shares[LEFT_OUT] -= fraction[p];
    }
    if (shares[LEFT_OUT] < rounding) shares[LEFT_OUT] = 0;
    for (int helped = 1; helped >= 0; helped--) {
        for (int32_t c = 0; c <= strata->classes; c++) {
            int64_t n = bal_strata_size(strata, c);
            bool labelled = c < strata->classes;
            if ((labelled && needs_help(shares, n)) != (bool)helped) continue;
            if (labelled && bal_strata_too_small(fraction, n))
                share_small_class(shares, n, owed, ret_count[c]);
            else
                share_class(shares, n, labelled, owed, ret_count[c]);
        }
    }
}

/* ---- a sample ---- */

typedef struct class_size {
    int32_t class_id;
    int64_t size;
} class_size;

static int smaller_first(const void *a, const void *b) {
    const class_size *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return (x->class_id > y->class_id) - (x->class_id < y->class_id);
}

/** Classes, smallest first. Those whose share is below one row get one, and the others share what
 * is left: by the rounded running total, so that the sum is exact. */
static void sample_sorted(const class_size *sorted, int32_t n, int64_t rows, int64_t wanted,
                          bool one_each, int64_t *ret_count) {
    int32_t i = 0;
    for (; one_each && i < n && sorted[i].size * wanted < rows; i++) {
        ret_count[sorted[i].class_id] = 1;
        rows -= sorted[i].size;
        wanted--;
    }
    int64_t seen = 0, given = 0;
    for (; i < n; i++) {
        seen += sorted[i].size;
        int64_t due = llround((double)seen / (double)rows * (double)wanted);
        ret_count[sorted[i].class_id] = due - given;
        given = due;
    }
}

bal_status bal_strata_sample(const bal_strata *strata, int64_t wanted, int64_t *ret_count,
                             bal_error *err) {
    size_t n_all = (size_t)strata->classes + 1;
    class_size *sorted = bal_calloc(n_all, sizeof *sorted);
    if (!sorted) return bal_fail_memory(err, n_all * sizeof *sorted);
    int64_t rows = 0;
    int32_t n = 0;
    memset(ret_count, 0, n_all * sizeof *ret_count);
    for (int32_t c = 0; c <= strata->classes; c++) {
        int64_t size = bal_strata_size(strata, c);
        if (size > 0) sorted[n++] = (class_size){c, size};
        rows += size;
    }
    qsort(sorted, (size_t)n, sizeof *sorted, smaller_first);
    sample_sorted(sorted, n, rows, wanted < rows ? wanted : rows, wanted >= n, ret_count);
    bal_free(sorted);
    return BAL_OK;
}
