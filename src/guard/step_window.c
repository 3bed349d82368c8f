/* A sliding window with order statistics. See step_window.h. */
#include "guard/step_window.h"

#include <string.h>

bool bal_step_window_init(bal_step_window *window, bal_arena *arena, int32_t capacity) {
    *window = (bal_step_window){.capacity = capacity};
    window->ring = bal_arena_alloc(arena, (size_t)capacity, sizeof *window->ring);
    window->sorted = bal_arena_alloc(arena, (size_t)capacity, sizeof *window->sorted);
    return window->ring && window->sorted;
}

void bal_step_window_reset(bal_step_window *window) {
    window->count = window->next = 0;
    memset(window->ring, 0, (size_t)window->capacity * sizeof *window->ring);
}

/* Number of sorted values below `value`. */
static int32_t rank_of(const bal_step_window *window, double value) {
    int32_t low = 0, high = window->count;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (window->sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(bal_step_window *window, double value) {
    int32_t at = rank_of(window, value);
    memmove(window->sorted + at + 1, window->sorted + at,
            (size_t)(window->count - at) * sizeof *window->sorted);
    window->sorted[at] = value;
    window->count++;
}

static void remove_one(bal_step_window *window, double value) {
    int32_t at = rank_of(window, value);
    window->count--;
    memmove(window->sorted + at, window->sorted + at + 1,
            (size_t)(window->count - at) * sizeof *window->sorted);
}

void bal_step_window_push(bal_step_window *window, double value) {
    if (window->count == window->capacity) remove_one(window, window->ring[window->next]);
    insert(window, value);
    window->ring[window->next] = value;
    window->next = (window->next + 1) % window->capacity;
}

double bal_step_window_median(const bal_step_window *window) {
    return window->sorted[(window->count - 1) / 2];
}

/* Distances from the median grow outwards on both sides: merge the two sides until half are seen.
 */
double bal_step_window_mad(const bal_step_window *window) {
    int32_t middle = (window->count - 1) / 2, below = middle, above = middle + 1;
    double median = window->sorted[middle], distance = 0;
    for (int32_t seen = 0; seen <= middle; seen++) {
        bool has_below = below >= 0, has_above = above < window->count;
        double down = has_below ? median - window->sorted[below] : 0;
        double up = has_above ? window->sorted[above] - median : 0;
        if (has_below && (!has_above || down <= up)) {
            distance = down;
            below--;
        } else {
            distance = up;
            above++;
        }
    }
    return distance;
}

/* Both counters in one number, so that no two of them can disagree: below the capacity the window
 * is filling up, and holds as many; from there on it is full, and the rest is where the next one
 * goes. */
void bal_step_window_visit(bal_step_window *window, bal_state_stream *stream) {
    bool full = window->count == window->capacity;
    int32_t place = full ? window->capacity + window->next : window->count;
    bal_stream_i32(stream, &place, 0, 2 * window->capacity - 1);
    for (int32_t i = 0; i < window->capacity; i++)
        bal_stream_finite(stream, &window->ring[i]);
    if (stream->mode != BAL_STREAM_LOAD) return;
    int32_t count = place < window->capacity ? place : window->capacity;
    window->next = place % window->capacity;
    window->count = 0;
    for (int32_t i = 0; i < count; i++)
        insert(window, window->ring[i]);
}
