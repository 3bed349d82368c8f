/* ballast: the program. Finds the command and runs it; everything else is in the commands' own
 * files. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "style.h"

const bal_command *const bal_command_table[] = {
    &bal_command_check,   &bal_command_signal,
    &bal_command_train,   &bal_command_resume,
    &bal_command_eval,    &bal_command_predict,
    &bal_command_show,    &bal_command_runs,
    &bal_command_list,    &bal_command_schema,
    &bal_command_doctor,  &bal_command_init,
    &bal_command_version, NULL,
};
enum { COMMANDS = sizeof bal_command_table / sizeof *bal_command_table - 1 };

static const bal_command *find(const char *name) {
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(bal_command_table[i]->name, name) == 0) return bal_command_table[i];
    return NULL;
}

static void print_overview(FILE *out) {
    fputs("ballast: a training engine that keeps models upright\n\n", out);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s %s\n", bal_command_table[i]->name, bal_command_table[i]->summary);
    fputs("\n`ballast help COMMAND` says more. To see it work:\n\n"
          "  ballast init demo\n"
          "  ballast train recipe.yaml\n",
          out);
}

static void print_help(const bal_command *command) {
    int indent = printf("usage: ballast %s", command->name) + 1;
    if (command->arguments[0]) fputs(" ", stdout);
    bal_print_wrapped(stdout, command->arguments, indent, indent);
    printf("\n%s.\n", command->summary);
    if (command->help[0]) printf("\n%s", command->help);
}

static int unknown(const char *name) {
    const char *names[COMMANDS + 2] = {0};
    for (int i = 0; i < COMMANDS; i++)
        names[i] = bal_command_table[i]->name;
    names[COMMANDS] = "help";
    const char *nearest = bal_text_nearest(name, names);
    fprintf(stderr, "ballast: no command '%s'", name);
    if (nearest) fprintf(stderr, "; did you mean '%s'?", nearest);
    fputs("\n`ballast help` lists them\n", stderr);
    return EXIT_USAGE;
}

static bool is_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int help(const char *name) {
    if (!name || is_help(name)) {
        print_overview(stdout);
        return bal_finish_output(EXIT_DONE);
    }
    const bal_command *command = find(name);
    if (!command) return unknown(name);
    print_help(command);
    return bal_finish_output(EXIT_DONE);
}

/** Descriptors 0 to 2 that are closed would be given to the next files opened, and what is printed
 *  would end up in them. What is put there instead fails to read or write, as a closed one does. */
static void occupy_standard_files(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv) {
    occupy_standard_files();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, reported as such */
    signal(SIGXFSZ, SIG_IGN); /* so is a file-size limit */
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) return help(argc > 2 ? argv[2] : NULL);
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    const bal_command *command = find(name);
    if (!command) return unknown(name);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i])) return help(command->name);
    return bal_finish_output(command->run(argc - 1, argv + 1));
}
