/* A command of the program: parse, call, print. One file per command, one line in main.c's table.
 */
#ifndef BAL_CLI_COMMAND_H
#define BAL_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "ballast/status.h"
#include "base/sink.h"
#include "base/text.h"

/** Exit codes; docs/ARCHITECTURE.md is their contract. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2, /* command line or recipe */
    EXIT_DATA = 3,
    EXIT_COLLAPSED = 4,
    EXIT_MEMORY = 5,
    EXIT_STORAGE = 6,
    EXIT_PEER = 7,
    EXIT_NO_SIGNAL = 8,
    EXIT_AGAIN = 75,      /* stopped with a checkpoint: run again to go on */
    EXIT_HANGUP = 129,    /* SIGHUP, after a checkpoint */
    EXIT_INTERRUPT = 130, /* SIGINT, after a checkpoint */
    EXIT_TERMINATE = 143  /* SIGTERM, after a checkpoint */
};

typedef struct bal_command {
    const char *name;
    const char *arguments;             /* "RECIPE [key=value …] [--run DIR]" */
    const char *summary;               /* one line */
    const char *help;                  /* what `ballast help NAME` adds */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
} bal_command;

extern const bal_command bal_command_check, bal_command_train, bal_command_resume, bal_command_eval,
    bal_command_predict, bal_command_signal, bal_command_show, bal_command_runs, bal_command_list,
    bal_command_schema, bal_command_doctor, bal_command_init, bal_command_version;

/** All of them, NULL-terminated, in the order of the overview. */
extern const bal_command *const bal_command_table[];

/* ---- failures ---- */

/** Exit code of a failure. */
int bal_exit_code(bal_status status);

/** Print "ballast: MESSAGE" on standard error and return the exit code. */
int bal_report_error(const bal_error *err);

/** Print a usage error for a command, with its arguments, and return EXIT_USAGE. */
int bal_report_usage(const bal_command *command, const char *format, ...) BAL_PRINTF(2, 3);

/** The same for a word that is none of `names` (NULL-terminated): suggests the nearest, or lists
 *  them. `what` is "option", "kind", … */
int bal_report_unknown(const bal_command *command, const char *what, const char *word,
                       const char *const *names);

/* ---- options ---- */

typedef struct bal_option {
    const char *name;  /* "--run" */
    const char **text; /* where an option with an argument puts it, or NULL */
    bool *flag;        /* where an option without one is noted, or NULL */
} bal_option;

/** Split argv into options (anywhere, "--x V" or "--x=V"; "--" ends them) and the rest, kept in
 *  order in argv[1..]. Returns how many remain, argv[0] included, or −1 after reporting an option
 *  that is unknown (with the nearest known), given twice or without its value. */
int bal_parse_options(const bal_command *command, int argc, char **argv, const bal_option *options,
                      int n_options);

/** Value of --threads (NULL: 0, all). False after reporting what is wrong with it. */
bool bal_parse_threads(const bal_command *command, const char *text, int *ret_threads);

/* ---- output ---- */

/** Standard output was flushed without an error; otherwise reports and returns EXIT_STORAGE. */
int bal_finish_output(int code);

/** Print a text on standard output and release it. The exit code: EXIT_MEMORY when it failed. */
int bal_print_text(bal_text *text);

/** "a", "two words" as a shell would have to be given them, appended to `out`. */
void bal_quote_word(const char *word, bal_text *out);

/** A word as YAML would have to be given it, appended to `out`, whose failure the caller sees. */
BAL_WARN_UNUSED bal_status bal_write_yaml_word(const char *word, bal_text *out, bal_error *err);

/** A log sink that prints warnings and worse on standard error, one line each. */
bal_log_sink bal_stderr_log(void);

#endif
