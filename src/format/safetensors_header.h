/* The JSON header of a safetensors file, taken apart; shared by safetensors.c and
 * safetensors_header.c.
 *
 * Why not jansson: a header may be 100 MB, and a tree of it would be dozens of times that. The
 * grammar is small and every value has one type, so one pass over the text is enough. */
#ifndef BAL_FORMAT_SAFETENSORS_HEADER_H
#define BAL_FORMAT_SAFETENSORS_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "format/safetensors.h"

/** A type name of the format. bits per element; ours is BAL_DTYPE_COUNT where we have none. */
typedef struct bal_safetensors_type {
    const char *name;
    int bits;
    bal_dtype ours;
} bal_safetensors_type;

/** All types of the format, alignment ascending as in the reference implementation; ends with a
 * NULL name. */
extern const bal_safetensors_type bal_safetensors_types[];

typedef struct bal_safetensors_entry {
    bal_safetensor tensor; /* data stays NULL here */
    uint64_t begin, end;   /* offsets in the data section */
    int bits;
} bal_safetensors_entry;

typedef struct bal_safetensors_header {
    bal_safetensors_entry *entries;
    size_t entry_count, entry_capacity;
    bal_safetensors_pair *pairs;
    size_t pair_count, pair_capacity;
} bal_safetensors_header;

/** Parse the header's text; strings go to the arena. Checks the grammar and each entry by itself
 * (type, shape, offsets in order and of the right size), not duplicates and not the entries against
 * each other. Release also after a failure. Errors  BAL_EFORMAT ("source: header byte N: …"),
 * BAL_ENOMEM. */
BAL_WARN_UNUSED bal_status bal_safetensors_parse_header(const char *text, size_t length,
                                                        const char *source, bal_arena *arena,
                                                        bal_safetensors_header *header,
                                                        bal_error *err);
void bal_safetensors_release_header(bal_safetensors_header *header);

#endif
