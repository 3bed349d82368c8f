/* ballast doctor: what this machine has, and whether training works on it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "command.h"
#include "format/json.h"
#include "self_test.h"
#include "style.h"
#include "versions.h"

static const double gib = 1024.0 * 1024.0 * 1024.0;
static const double disk_low = 1.0; /* GiB: a run with checkpoints may need as much */
static const double memory_low = 0.5;

typedef struct doctor {
    bal_style style;
    int problems, warnings;
} doctor;

static void say(const char *what, const char *text) {
    printf("  %-14s %s\n", what, text);
}

static void judge(doctor *d, bool good, bool serious, const char *what, const char *text) {
    const char *colour = good ? d->style.green : serious ? d->style.red : d->style.yellow;
    const char *word = good ? "ok" : serious ? "problem" : "look";
    printf("  %-14s %s%s%s  %s\n", what, colour, word, d->style.off, text);
    if (good) return;
    d->problems += serious;
    d->warnings += !serious;
}

static void show_machine(doctor *d) {
    bal_backend *backend = NULL;
    bal_device_facts facts;
    bal_error err = {0};
    char text[160];
    if (bal_backend_open(NULL, NULL, &backend, &err) != BAL_OK) {
        judge(d, false, true, "device", err.message);
        return;
    }
    bal_backend_facts(backend, &facts);
    bal_backend_close(backend);
    say("device", facts.description);
    snprintf(text, sizeof text, "%d of %ld processors", facts.threads,
             sysconf(_SC_NPROCESSORS_ONLN));
    say("threads", text);
    double free_memory = (double)facts.memory_bytes / gib;
    snprintf(text, sizeof text, "%.1f GiB available to this process", free_memory);
    judge(d, free_memory >= memory_low, false, "memory", text);
}

/** "always [madvise] never": the word in brackets. */
static void show_huge_pages(doctor *d) {
    static const char path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    char *data = NULL, text[160];
    size_t size;
    if (bal_file_read(path, 4096, &data, &size, NULL) != BAL_OK) {
        say("huge pages", "unknown to this kernel; training is a little slower");
        return;
    }
    const char *from = strchr(data, '['), *to = from ? strchr(from, ']') : NULL;
    snprintf(text, sizeof text, "%.*s", to ? (int)(to - from - 1) : 7, to ? from + 1 : "unknown");
    bool off = strcmp(text, "never") == 0;
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s",
             off ? "; `madvise` makes training a little faster" : "");
    judge(d, !off, false, "huge pages", text);
    bal_free(data);
}

static void show_disk(doctor *d) {
    struct statvfs facts;
    char text[160];
    if (statvfs(".", &facts) != 0) {
        judge(d, false, true, "disk", "this folder cannot be looked at");
        return;
    }
    double room = (double)facts.f_bavail * (double)facts.f_frsize / gib;
    snprintf(text, sizeof text, "%.1f GiB free here", room);
    judge(d, room >= disk_low, false, "disk", text);
    judge(d, access(".", W_OK) == 0, false, "runs",
          access(".", W_OK) == 0 ? "can be written here" : "cannot be written here; use --run DIR");
}

static void show_libraries(void) {
    char text[160];
    for (const bal_library *library = bal_library_table; library->name; library++) {
        snprintf(text, sizeof text, "%s (%s)", library->version(), library->purpose);
        say(library->name, text);
    }
}

static void show_self_test(doctor *d) {
    bal_text report = {0};
    bal_error err = {0};
    bool good = bal_self_test(&report, &err) == BAL_OK && !bal_text_failed(&report);
    judge(d, good, true, "self-test", good ? report.data : err.message);
    bal_text_release(&report);
}

static int run(int argc, char **argv) {
    doctor d = {.style = bal_style_for(stdout)};
    int n = bal_parse_options(&bal_command_doctor, argc, argv, NULL, 0);
    if (n < 0) return EXIT_USAGE;
    if (n > 1) return bal_report_usage(&bal_command_doctor, "what is '%s'?", argv[1]);
    printf("ballast %s, %s\n\nmachine\n", BAL_PROGRAM_VERSION, bal_compiler_text());
    show_machine(&d);
    show_huge_pages(&d);
    show_disk(&d);
    printf("\nlibraries\n");
    show_libraries();
    printf("\ntraining\n");
    fflush(stdout);
    show_self_test(&d);
    if (d.problems)
        printf("\n%d problem%s\n", d.problems, d.problems == 1 ? "" : "s");
    else if (d.warnings)
        printf("\neverything works; %d thing%s to look at\n", d.warnings,
               d.warnings == 1 ? "" : "s");
    else
        printf("\neverything works\n");
    return d.problems ? EXIT_FAILED : EXIT_DONE;
}

const bal_command bal_command_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "What this machine has, and whether training works on it",
    .help = "Ends with a small training in a temporary folder: trained, stopped, resumed\n"
            "and compared. Exit code 1 on a problem.\n",
    .run = run,
};
