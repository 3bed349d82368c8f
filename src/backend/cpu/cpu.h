/* The CPU backend's entry in the table of backends. */
#ifndef BAL_BACKEND_CPU_CPU_H
#define BAL_BACKEND_CPU_CPU_H

#include "backend/backend.h"

extern const bal_backend_api bal_cpu_api;

/** Time spent per instruction, for the benchmark's profile. Off until asked for, since reading the
 *  clock around every instruction costs something. */
typedef struct bal_cpu_profile_row {
    const char *op;     /* op name */
    const char *kernel; /* kernel that runs it */
    int32_t node;
    double seconds; /* of the slowest lane, summed over the runs since profiling was switched on */
    double waiting; /* before it, for other lanes, mean of the lanes */
} bal_cpu_profile_row;

/** Switch profiling of a CPU program on (a row per instruction is allocated) or off. */
BAL_WARN_UNUSED bal_status bal_cpu_profile(bal_program *program, bool on, bal_error *err);
/** Row `index` of a program's profile; false past the last. */
bool bal_cpu_profile_at(const bal_program *program, size_t index, bal_cpu_profile_row *ret_row);

#endif
