/* Backends that are nothing but memory, for tests that need buffers and no programs: one whose
 * buffers the host can address, as the CPU's, and one that is reached by uploads and downloads
 * only, as a device of its own. Buffers come from base/memory.h, so that failing allocations hit
 * them. */
#ifndef BAL_TESTS_FAKE_BACKEND_H
#define BAL_TESTS_FAKE_BACKEND_H

#include "backend/backend.h"

extern bal_backend fake_host, fake_device;

/** Let the next `countdown` uploads succeed and all after them fail with BAL_EDEVICE, "the device
 *  went away" (countdown < 0: never). */
void fake_backend_fail_after(int countdown);

/** Uploads so far. */
int fake_backend_uploads(void);

#endif
