/* Versions of the libraries, asked from the libraries themselves. */
#include "versions.h"

#include <cairo.h>
#include <jansson.h>
#include <libfyaml.h>
#include <nettle/version.h>
#include <sqlite3.h>
#include <stdio.h>
#include <zip.h>
#include <zlib.h>

/** nettle tells numbers only. */
static const char *nettle_version(void) {
    static _Thread_local char text[32];
    snprintf(text, sizeof text, "%d.%d", nettle_version_major(), nettle_version_minor());
    return text;
}

const bal_library bal_library_table[] = {
    {"cairo", "plots", cairo_version_string},
    {"jansson", "JSON", jansson_version_str},
    {"libfyaml", "recipes", fy_library_version},
    {"libzip", "npz archives", zip_libzip_version},
    {"nettle", "digests", nettle_version},
    {"sqlite3", "databases of series", sqlite3_libversion},
    {"zlib", "compression", zlibVersion},
    {0},
};

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown compiler"
#endif

#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "other machine"
#endif

const char *bal_compiler_text(void) {
    return COMPILER ", " MACHINE;
}
