/* Regression without a fuzzer: run a harness on every file of its corpus and on deterministic
 * mutations of them. It finds what fuzzing has found once and is found again when it comes back, in
 * every compiler and sanitizer the tests are built with. Usage: replay FOLDER [MUTATIONS]. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "fuzz.h"

enum { SEED_BYTES_MAX = 1 << 16, INPUT_BYTES_MAX = 1 << 13, SEEDS_MAX = 512, MUTATIONS = 4000 };

typedef struct seed {
    char *bytes;
    size_t size;
} seed;

typedef struct seed_list {
    seed seeds[SEEDS_MAX];
    size_t count;
} seed_list;

static int is_seed(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* Sorted by name, so that the mutations are the same on every machine. */
static bool load_corpus(const char *folder, seed_list *corpus) {
    struct dirent **entries;
    int found = scandir(folder, &entries, is_seed, alphasort);
    bool ok = found > 0 && found <= SEEDS_MAX;
    if (!ok)
        fprintf(stderr, "%s: wanted 1 to %d corpus files, found %d\n", folder, SEEDS_MAX, found);
    for (int i = 0; i < found; i++) {
        bal_error err = {0};
        char *path = ok ? bal_path_join(folder, entries[i]->d_name) : NULL;
        if (ok) {
            seed *next = &corpus->seeds[corpus->count];
            ok = path &&
                 bal_file_read(path, SEED_BYTES_MAX, &next->bytes, &next->size, &err) == BAL_OK;
            if (ok) corpus->count++;
            if (!ok) fprintf(stderr, "%s\n", err.message);
        }
        bal_free(path);
        free(entries[i]);
    }
    if (found >= 0) free(entries);
    return ok;
}

static size_t below(bal_random *random, size_t bound) {
    return (size_t)bal_random_below(random, bound);
}

/* Sizes and counts are what readers trip over: write one at a random place, either byte order. */
static void put_number(bal_random *random, unsigned char *input, size_t size) {
    static const uint64_t numbers[] = {0,          1,          0x7f,       0x80,
                                       0xff,       0x100,      0x7fff,     0xffff,
                                       0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
                                       UINT64_MAX};
    uint64_t number = numbers[below(random, sizeof numbers / sizeof *numbers)];
    size_t width = (size_t)1 << below(random, 4);
    bool big_endian = below(random, 2);
    if (size < width) return;
    size_t at = below(random, size - width + 1);
    for (size_t i = 0; i < width; i++) {
        input[at + i] = (unsigned char)(number >> 8 * (big_endian ? width - 1 - i : i));
    }
}

/* Replace a random range by bytes of another seed: covers cutting, repeating and splicing. */
static size_t splice(bal_random *random, unsigned char *input, size_t size, const seed *donor) {
    size_t at = below(random, size + 1);
    size_t cut = below(random, size - at + 1);
    size_t from = below(random, donor->size + 1);
    size_t length = below(random, donor->size - from + 1);
    if (below(random, 4) == 0) length = 0;
    if (length > INPUT_BYTES_MAX - (size - cut)) length = INPUT_BYTES_MAX - (size - cut);
    memmove(input + at + length, input + at + cut, size - at - cut);
    memcpy(input + at, donor->bytes + from, length);
    return size - cut + length;
}

static size_t mutate(bal_random *random, unsigned char *input, size_t size,
                     const seed_list *corpus) {
    static const char marks[] = "\0\"\\,;\t\r\n{}[]()':-+.eE0129 \x80\xff";
    size_t steps = 1 + below(random, 8);
    for (size_t step = 0; step < steps; step++) {
        size_t kind = below(random, 6);
        size_t at = below(random, size ? size : 1);
        if (kind == 0) {
            size = splice(random, input, size, &corpus->seeds[below(random, corpus->count)]);
        } else if (size == 0) {
            continue;
        } else if (kind == 1) {
            put_number(random, input, size);
        } else if (kind == 2) {
            input[at] ^= (unsigned char)(1u << below(random, 8));
        } else if (kind == 3) {
            input[at] = (unsigned char)below(random, 256);
        } else if (kind == 4) {
            input[at] = (unsigned char)marks[below(random, sizeof marks - 1)];
        } else {
            size -= below(random, size < 16 ? size : 16);
        }
    }
    return size;
}

/* A block of exactly `size` bytes, so that AddressSanitizer sees a read past the end. */
static bool run_input(const void *bytes, size_t size) {
    uint8_t *copy = bal_calloc(size, 1);
    if (!copy) return false;
    if (size) memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    bal_free(copy);
    return true;
}

static bool replay(const seed_list *corpus, size_t mutations) {
    static unsigned char input[INPUT_BYTES_MAX];
    bal_random random;
    bool ok = true;
    bal_random_init(&random, 1, bal_hash_name("replay"));
    for (size_t i = 0; i < corpus->count && ok; i++) {
        ok = run_input(corpus->seeds[i].bytes, corpus->seeds[i].size);
    }
    for (size_t i = 0; i < mutations && ok; i++) {
        const seed *parent = &corpus->seeds[i % corpus->count];
        size_t size = parent->size < INPUT_BYTES_MAX ? parent->size : INPUT_BYTES_MAX;
        memcpy(input, parent->bytes, size);
        size = mutate(&random, input, size, corpus);
        ok = run_input(input, size);
    }
    return ok;
}

int main(int argc, char **argv) {
    static seed_list corpus;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s FOLDER [MUTATIONS]\n", argv[0]);
        return 2;
    }
    size_t mutations = argc == 3 ? (size_t)strtoull(argv[2], NULL, 10) : MUTATIONS;
    bool ok = load_corpus(argv[1], &corpus) && replay(&corpus, mutations);
    printf("%zu seeds, %zu mutations\n", corpus.count, mutations);
    for (size_t i = 0; i < corpus.count; i++)
        bal_free(corpus.seeds[i].bytes);
    return ok ? 0 : 1;
}
