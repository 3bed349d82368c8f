/* What all commands share: options, exit codes, reports. */
#include "command.h"

#include <stdarg.h>
#include <string.h>

#include "base/text.h"

enum { OPTIONS_MAX = 32 };

int bal_exit_code(bal_status status) {
    switch (status) {
    case BAL_OK:
        return EXIT_DONE;
    case BAL_ERECIPE:
        return EXIT_USAGE;
    case BAL_EDATA:
    case BAL_EFORMAT:
        return EXIT_DATA;
    case BAL_ECOLLAPSED:
        return EXIT_COLLAPSED;
    case BAL_ENOMEM:
        return EXIT_MEMORY;
    case BAL_EIO:
        return EXIT_STORAGE;
    default:
        return EXIT_FAILED;
    }
}

int bal_report_error(const bal_error *err) {
    fprintf(stderr, "ballast: %s\n", err->message[0] ? err->message : bal_status_text(err->status));
    return bal_exit_code(err->status);
}

int bal_report_usage(const bal_command *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "ballast %s: ", command->name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\nusage: ballast %s %s\n", command->name, command->arguments);
    va_end(arguments);
    return EXIT_USAGE;
}

/** The option a word names: "--x" or "--x=value". */
static const bal_option *match(const char *word, const bal_option *options, int n_options,
                               const char **ret_value) {
    for (int i = 0; i < n_options; i++) {
        size_t length = strlen(options[i].name);
        if (strncmp(word, options[i].name, length) != 0) continue;
        if (word[length] != '\0' && word[length] != '=') continue;
        *ret_value = word[length] == '=' ? word + length + 1 : NULL;
        return &options[i];
    }
    return NULL;
}

static int unknown_option(const bal_command *command, const char *word, const bal_option *options,
                          int n_options) {
    const char *names[OPTIONS_MAX + 1] = {0};
    for (int i = 0; i < n_options && i < OPTIONS_MAX; i++)
        names[i] = options[i].name;
    const char *nearest = bal_text_nearest(word, names);
    if (nearest)
        bal_report_usage(command, "no option '%s'; did you mean '%s'?", word, nearest);
    else
        bal_report_usage(command, "no option '%s'", word);
    return -1;
}

int bal_parse_options(const bal_command *command, int argc, char **argv,
                      const bal_option *options, int n_options) {
    int kept = 1;
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        const char *value = NULL;
        bool is_option = !ended && argv[i][0] == '-' && argv[i][1] != '\0';
        if (is_option && strcmp(argv[i], "--") == 0) {
            ended = true;
            continue;
        }
        if (!is_option) {
            argv[kept++] = argv[i];
            continue;
        }
        const bal_option *option = match(argv[i], options, n_options, &value);
        if (!option) return unknown_option(command, argv[i], options, n_options);
        if (option->flag && value) {
            bal_report_usage(command, "%s takes no value", option->name);
            return -1;
        }
        if (option->flag) {
            *option->flag = true;
            continue;
        }
        if (!value && i + 1 < argc) value = argv[++i];
        if (!value) {
            bal_report_usage(command, "%s needs a value", option->name);
            return -1;
        }
        *option->text = value;
    }
    return kept;
}

int bal_finish_output(int code) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fputs("ballast: standard output could not be written\n", stderr);
    return code == EXIT_DONE ? EXIT_STORAGE : code;
}
