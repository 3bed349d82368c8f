/* The last values of a step signal, with their median and spread: the baseline of spike detectors.
 * The values are kept in order of arrival and in order of size, so that a new one costs one search
 * and one move instead of a sort. */
#ifndef BAL_GUARD_STEP_WINDOW_H
#define BAL_GUARD_STEP_WINDOW_H

#include "base/arena.h"
#include "guard/state_stream.h"

typedef struct bal_step_window {
    int32_t capacity, count, next;
    double *ring;   /* [capacity] in order of arrival; next: where the next one goes */
    double *sorted; /* [count] of the capacity */
} bal_step_window;

/** False when out of memory. */
bool bal_step_window_init(bal_step_window *window, bal_arena *arena, int32_t capacity);
void bal_step_window_reset(bal_step_window *window);
/** Add a finite value; the oldest one leaves a full window. */
void bal_step_window_push(bal_step_window *window, double value);
/** Middle value (the lower one of two), and the median distance from it; needs a value. */
double bal_step_window_median(const bal_step_window *window);
double bal_step_window_mad(const bal_step_window *window);
void bal_step_window_visit(bal_step_window *window, bal_state_stream *stream);

#endif
