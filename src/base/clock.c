/* Time from the kernel; see clock.h. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double bal_clock_seconds(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return 0.0;
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Field 22 of /proc/self/stat is the start in clock ticks since boot (proc(5)). The second field is
 * the program's name in parentheses and may hold anything, so counting starts after the last one.
 */
double bal_clock_since_exec(void) {
    char line[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file) return -1.0;
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';

    const char *field = strrchr(line, ')');
    for (int number = 2; field && number < 22; number++) {
        field = strchr(field + 1, ' ');
    }
    unsigned long long ticks;
    long per_second = sysconf(_SC_CLK_TCK);
    struct timespec now;
    if (!field || sscanf(field, "%llu", &ticks) != 1 || per_second <= 0) return -1.0;
    if (clock_gettime(CLOCK_BOOTTIME, &now) != 0) return -1.0;
    double elapsed =
        (double)now.tv_sec + (double)now.tv_nsec * 1e-9 - (double)ticks / (double)per_second;
    return elapsed < 0.0 ? 0.0 : elapsed;
}

void bal_clock_stamp(char *buffer, size_t size) {
    if (size == 0) return;
    time_t now = time(NULL);
    struct tm local;
    if (!localtime_r(&now, &local) || !strftime(buffer, size, "%Y-%m-%dT%H:%M:%S%z", &local))
        buffer[0] = '\0';
}
