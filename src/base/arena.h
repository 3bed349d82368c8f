/* Bump allocator for things that live and die together (a graph's nodes, a parsed recipe). */
#ifndef BAL_BASE_ARENA_H
#define BAL_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "ballast/status.h"

typedef struct bal_arena {
    struct bal_arena_block *blocks; /* newest first */
} bal_arena;

/** A zeroed bal_arena is empty and ready. */

/** Zeroed, 16-byte aligned memory that lives until release; NULL when out of memory. */
void *bal_arena_alloc(bal_arena *arena, size_t count, size_t size);
char *bal_arena_strdup(bal_arena *arena, const char *text);
char *bal_arena_strndup(bal_arena *arena, const char *text, size_t length);
char *bal_arena_printf(bal_arena *arena, const char *format, ...) BAL_PRINTF(2, 3);

/** Give all memory back; the arena is empty and ready again. */
void bal_arena_release(bal_arena *arena);

#endif
