/* Rankings: rows by falling probability of a class, for ROC-AUC, average precision and lift.
 *
 * Sorted once per class and kept, because three metrics and every bootstrap resample ask for the
 * same order. A radix sort on the bits of the key: 197 sorts of 20,000 rows are then tens of
 * milliseconds, and equal keys stay in row order, so that the result is one and the same
 * everywhere. */
#include <string.h>

#include "base/memory.h"
#include "metric/scores.h"

typedef struct ranked_row {
    uint64_t key; /* rises as the probability falls */
    uint32_t row;
} ranked_row;

enum { DIGIT_BITS = 8, DIGITS = 8, BUCKETS = 1 << DIGIT_BITS };

double bal_scores_rank_key(const bal_scores *scores, int64_t row, int32_t class_id) {
    if (!scores->outputs) return 0; /* the prior predictor says the same of every row */
    if (scores->prediction[row] < 0) return -INFINITY;
    if (scores->kind == BAL_HEAD_BINARY) return scores->outputs[row]; /* of class 1 */
    const float *z = scores->outputs + row * scores->classes;
    return (double)z[class_id] - (double)z[scores->prediction[row]] - scores->row[row].log_sum;
}

/* Bits that order like the number, turned round for a falling order: the sign bit flipped for
 * positive numbers, all bits for negative ones. −0 comes right after +0, so equals stay together.
 */
static uint64_t falling_bits(double key) {
    uint64_t bits;
    memcpy(&bits, &key, sizeof bits);
    uint64_t sign = UINT64_C(1) << 63;
    return ~(bits & sign ? ~bits : bits | sign);
}

static unsigned digit_of(uint64_t key, int digit) {
    return (unsigned)(key >> (digit * DIGIT_BITS)) & (BUCKETS - 1);
}

/* Least significant digit first; returns which of the two arrays holds the result. A digit that all
 * keys share is skipped. */
static ranked_row *radix_sort(ranked_row *from, ranked_row *to, size_t rows) {
    uint32_t count[DIGITS][BUCKETS] = {{0}};
    for (size_t i = 0; i < rows; i++) {
        for (int digit = 0; digit < DIGITS; digit++)
            count[digit][digit_of(from[i].key, digit)]++;
    }
    for (int digit = 0; digit < DIGITS; digit++) {
        if (count[digit][digit_of(from[0].key, digit)] == rows) continue;
        uint32_t start = 0;
        for (int bucket = 0; bucket < BUCKETS; bucket++) {
            uint32_t here = count[digit][bucket];
            count[digit][bucket] = start;
            start += here;
        }
        for (size_t i = 0; i < rows; i++)
            to[count[digit][digit_of(from[i].key, digit)]++] = from[i];
        ranked_row *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

const uint32_t *bal_scores_order(const bal_scores *scores, int32_t class_id) {
    uint32_t **kept = &scores->ranks->order[class_id];
    if (*kept || scores->rows == 0) return *kept;

    size_t rows = (size_t)scores->rows;
    uint32_t *order = bal_calloc(rows, sizeof *order);
    ranked_row *work = bal_calloc(rows, 2 * sizeof *work);
    if (order && work) {
        for (size_t i = 0; i < rows; i++) {
            double key = bal_scores_rank_key(scores, (int64_t)i, class_id);
            work[i] = (ranked_row){falling_bits(key), (uint32_t)i};
        }
        const ranked_row *sorted = radix_sort(work, work + rows, rows);
        for (size_t i = 0; i < rows; i++)
            order[i] = sorted[i].row;
        *kept = order;
        order = NULL;
    }
    bal_free(order);
    bal_free(work);
    return *kept;
}
