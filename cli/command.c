/* What all commands share: options, exit codes, reports. */
#include "command.h"

#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "format/yaml.h"

enum { OPTIONS_MAX = 32, THREADS_MAX = 1024 };

int bal_exit_code(bal_status status) {
    switch (status) {
    case BAL_OK:
        return EXIT_DONE;
    case BAL_ERECIPE:
    case BAL_ENOTFOUND: /* whatever is looked for was named on the command line; data files are
                           BAL_EDATA */
        return EXIT_USAGE;
    case BAL_EDATA:
    case BAL_EFORMAT:
    case BAL_EOVERFLOW:
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
    const char *message = err->message[0] ? err->message : bal_status_text(err->status);
    fprintf(stderr, "ballast: %s\n", message);
    return bal_exit_code(err->status);
}

int bal_report_usage(const bal_command *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "ballast %s: ", command->name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\nusage: ballast %s%s%s\n", command->name, command->arguments[0] ? " " : "",
            command->arguments);
    va_end(arguments);
    return EXIT_USAGE;
}

int bal_report_unknown(const bal_command *command, const char *what, const char *word,
                       const char *const *names) {
    const char *nearest = bal_text_nearest(word, names);
    if (nearest)
        return bal_report_usage(command, "no %s '%s'; did you mean '%s'?", what, word, nearest);
    bal_text list = {0};
    for (int i = 0; names[i]; i++)
        bal_text_printf(&list, "%s%s", i ? ", " : "", names[i]);
    int code = bal_report_usage(command, "no %s '%s'; there is %s", what, word,
                                bal_text_failed(&list) || !list.data ? "none" : list.data);
    bal_text_release(&list);
    return code;
}

/* ---- options ---- */

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

static void report_option(const bal_command *command, const char *word, const bal_option *options,
                          int n_options) {
    const char *names[OPTIONS_MAX + 2] = {0};
    int n = n_options < OPTIONS_MAX ? n_options : OPTIONS_MAX;
    char name[64];
    for (int i = 0; i < n; i++)
        names[i] = options[i].name;
    names[n] = "--help";
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    bal_report_unknown(command, "option", name, names);
}

/** Note an option's value, the next word where it needs one. False after reporting. */
static bool take(const bal_command *command, const bal_option *option, const char *value,
                 const char *next, bool *ret_used_next) {
    *ret_used_next = false;
    if (option->flag) {
        if (value) bal_report_usage(command, "%s takes no value", option->name);
        *option->flag = true;
        return !value;
    }
    if (*option->text) {
        bal_report_usage(command, "%s is given twice", option->name);
        return false;
    }
    if (!value && next) {
        value = next;
        *ret_used_next = true;
    }
    if (!value || !value[0]) {
        bal_report_usage(command, "%s needs a value", option->name);
        return false;
    }
    *option->text = value;
    return true;
}

int bal_parse_options(const bal_command *command, int argc, char **argv, const bal_option *options,
                      int n_options) {
    int kept = 1;
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        bool is_option = !ended && argv[i][0] == '-' && argv[i][1] != '\0', used_next;
        const char *value = NULL;
        if (!is_option) {
            argv[kept++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            ended = true;
            continue;
        }
        const bal_option *option = match(argv[i], options, n_options, &value);
        if (!option) {
            report_option(command, argv[i], options, n_options);
            return -1;
        }
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (!take(command, option, value, next, &used_next)) return -1;
        i += used_next;
    }
    return kept;
}

bool bal_parse_threads(const bal_command *command, const char *text, int *ret_threads) {
    int64_t threads = 0;
    if (text && (!bal_text_parse_i64(text, strlen(text), &threads) || threads < 1 ||
                 threads > THREADS_MAX)) {
        bal_report_usage(command, "--threads wants a number from 1 to %d, not '%s'", THREADS_MAX,
                         text);
        return false;
    }
    *ret_threads = (int)threads;
    return true;
}

/* ---- output ---- */

int bal_finish_output(int code) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fputs("ballast: standard output could not be written\n", stderr);
    return code == EXIT_DONE ? EXIT_STORAGE : code;
}

int bal_print_text(bal_text *text) {
    int code = bal_text_failed(text) ? EXIT_MEMORY : EXIT_DONE;
    if (code == EXIT_DONE)
        fwrite(text->data, 1, text->length, stdout);
    else
        fputs("ballast: out of memory\n", stderr);
    bal_text_release(text);
    return code;
}

void bal_quote_word(const char *word, bal_text *out) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./=:,+@%";
    if (word[0] && strspn(word, plain) == strlen(word)) {
        bal_text_puts(out, word);
        return;
    }
    bal_text_puts(out, "'");
    for (const char *at = word; *at; at++) {
        if (*at == '\'')
            bal_text_puts(out, "'\\''");
        else
            bal_text_append(out, at, 1);
    }
    bal_text_puts(out, "'");
}

bal_status bal_write_yaml_word(const char *word, bal_text *out, bal_error *err) {
    bal_arena arena = {0};
    bal_yaml_node *node = bal_yaml_new_text(&arena, word);
    bal_text written = {0};
    bal_status status = node ? bal_yaml_write(node, &written, err) : bal_fail_memory(err, 0);
    if (status == BAL_OK && bal_text_failed(&written))
        status = bal_fail_memory(err, written.length);
    if (status == BAL_OK) bal_text_append(out, written.data, strcspn(written.data, "\n"));
    bal_text_release(&written);
    bal_arena_release(&arena);
    return status;
}

static void print_log(void *user, bal_log_level level, const char *message) {
    fprintf(stderr, "ballast: %s\n", message);
}

bal_log_sink bal_stderr_log(void) {
    return (bal_log_sink){.write = print_log, .level = BAL_LOG_WARN};
}
