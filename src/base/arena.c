/* Bump allocation in growing blocks.
 *
 * Blocks double from 4 KiB to 1 MiB, so that a small recipe costs one allocation and a large graph
 * few. A request that would leave most of the current block unused gets a block of its own, put
 * behind the current one. Memory is zeroed because blocks come from bal_calloc. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"

enum { ALIGNMENT = 16, BLOCK_MIN = 4096, BLOCK_MAX = 1024 * 1024 };

struct bal_arena_block {
    struct bal_arena_block *next;
    size_t used, capacity; /* bytes of data */
    alignas(ALIGNMENT) unsigned char data[];
};

static struct bal_arena_block *block_new(size_t capacity) {
    size_t bytes;
    if (!bal_size_add(capacity, sizeof(struct bal_arena_block), &bytes)) return NULL;
    struct bal_arena_block *block = bal_calloc(bytes, 1);
    if (block) block->capacity = capacity;
    return block;
}

/* A block with room for `bytes`; NULL when out of memory. */
static struct bal_arena_block *block_with_room(bal_arena *arena, size_t bytes) {
    struct bal_arena_block *head = arena->blocks;
    if (head && head->capacity - head->used >= bytes) return head;

    size_t capacity = head ? head->capacity * 2 : BLOCK_MIN;
    if (capacity > BLOCK_MAX) capacity = BLOCK_MAX;
    bool own = bytes > capacity / 4;
    struct bal_arena_block *block = block_new(own ? bytes : capacity);
    if (!block) return NULL;
    if (own && head) {
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        arena->blocks = block;
    }
    return block;
}

void *bal_arena_alloc(bal_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (!bal_size_mul(count, size, &bytes)) return NULL;
    if (!bal_size_align(bytes ? bytes : 1, ALIGNMENT, &bytes)) return NULL;
    struct bal_arena_block *block = block_with_room(arena, bytes);
    if (!block) return NULL;
    void *result = block->data + block->used;
    block->used += bytes;
    return result;
}

char *bal_arena_strdup(bal_arena *arena, const char *text) {
    return bal_arena_strndup(arena, text, strlen(text));
}

char *bal_arena_strndup(bal_arena *arena, const char *text, size_t length) {
    size_t bytes;
    if (!bal_size_add(length, 1, &bytes)) return NULL;
    char *copy = bal_arena_alloc(arena, bytes, 1);
    if (copy && length) memcpy(copy, text, length);
    return copy;
}

char *bal_arena_printf(bal_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : bal_arena_alloc(arena, (size_t)length + 1, 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void bal_arena_release(bal_arena *arena) {
    struct bal_arena_block *block = arena->blocks;
    while (block) {
        struct bal_arena_block *next = block->next;
        bal_free(block);
        block = next;
    }
    arena->blocks = NULL;
}
