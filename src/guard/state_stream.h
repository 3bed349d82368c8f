/* One list of fields for saving, checking and loading a state: a JSON array of numbers.
 *
 * A state's `visit` function hands its fields over in a fixed order. Saving appends them; checking
 * reads the array against the ranges without storing anything; loading stores. Loading follows a
 * check that succeeded, so it cannot fail half way. Numbers survive exactly (format/json_out.h). */
#ifndef BAL_GUARD_STATE_STREAM_H
#define BAL_GUARD_STATE_STREAM_H

#include "format/json.h"

typedef enum bal_stream_mode { BAL_STREAM_SAVE, BAL_STREAM_CHECK, BAL_STREAM_LOAD } bal_stream_mode;

typedef struct bal_state_stream {
    bal_stream_mode mode;
    bal_json_out *out;   /* SAVE */
    const json_t *list;  /* CHECK, LOAD */
    size_t next;         /* items read so far */
    const char *problem; /* CHECK: what is wrong with item next − 1; NULL: nothing yet */
} bal_state_stream;

void bal_stream_i64(bal_state_stream *stream, int64_t *value, int64_t min, int64_t max);
void bal_stream_i32(bal_state_stream *stream, int32_t *value, int32_t min, int32_t max);
void bal_stream_flag(bal_state_stream *stream, bool *value);
/** Any double, NaN and infinities included. */
void bal_stream_double(bal_state_stream *stream, double *value);
void bal_stream_finite(bal_state_stream *stream, double *value);

#endif
