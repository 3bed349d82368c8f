/* Numbers out and in, one after the other. See state_stream.h. */
#include "guard/state_stream.h"

#include <math.h>

/* The next item; NULL with the problem noted when there is none. */
static const json_t *take(bal_state_stream *stream) {
    if (stream->problem) return NULL;
    const json_t *item = json_array_get(stream->list, stream->next++);
    if (!item) stream->problem = "is missing";
    return item;
}

void bal_stream_i64(bal_state_stream *stream, int64_t *value, int64_t min, int64_t max) {
    if (stream->mode == BAL_STREAM_SAVE) {
        bal_json_out_integer(stream->out, *value);
        return;
    }
    const json_t *item = take(stream);
    if (!item) return;
    int64_t found = json_integer_value(item);
    if (!json_is_integer(item))
        stream->problem = "is not a whole number";
    else if (found < min || found > max)
        stream->problem = "is out of range";
    else if (stream->mode == BAL_STREAM_LOAD)
        *value = found;
}

void bal_stream_i32(bal_state_stream *stream, int32_t *value, int32_t min, int32_t max) {
    int64_t wide = *value;
    bal_stream_i64(stream, &wide, min, max);
    *value = (int32_t)wide;
}

void bal_stream_flag(bal_state_stream *stream, bool *value) {
    int64_t wide = *value;
    bal_stream_i64(stream, &wide, 0, 1);
    *value = wide != 0;
}

static void stream_real(bal_state_stream *stream, double *value, bool finite) {
    if (stream->mode == BAL_STREAM_SAVE) {
        bal_json_out_number(stream->out, *value);
        return;
    }
    const json_t *item = take(stream);
    double found;
    if (!item) return;
    if (!bal_json_number(item, &found))
        stream->problem = "is not a number";
    else if (finite && !isfinite(found))
        stream->problem = "is not finite";
    else if (stream->mode == BAL_STREAM_LOAD)
        *value = found;
}

void bal_stream_double(bal_state_stream *stream, double *value) {
    stream_real(stream, value, false);
}

void bal_stream_finite(bal_state_stream *stream, double *value) {
    stream_real(stream, value, true);
}
