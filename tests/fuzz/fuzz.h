/* The entry point that libFuzzer and replay.c call. A harness feeds the bytes to one reader, walks
 * all that was read, and calls abort() when a promise of the reader is broken. */
#ifndef BAL_TESTS_FUZZ_H
#define BAL_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
