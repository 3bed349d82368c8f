/* Versions of the program and of what it stands on, for `version` and `doctor`. */
#ifndef BAL_CLI_VERSIONS_H
#define BAL_CLI_VERSIONS_H

/* BAL_PROGRAM_VERSION comes from the build. */

typedef struct bal_library {
    const char *name;
    const char *purpose;
    const char *(*version)(void); /* of the library in use, not of its header */
} bal_library;

/** Ends with an entry without a name. */
extern const bal_library bal_library_table[];

/** "gcc 12.2.0, x86_64". */
const char *bal_compiler_text(void);

#endif
