/* ballast: the program. Finds the command and runs it; everything else is in the commands' own files. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "command.h"

static const bal_command *const commands[] = {
    &bal_command_train,  &bal_command_resume, &bal_command_eval,   &bal_command_predict,
    &bal_command_show,   &bal_command_runs,   &bal_command_list,   &bal_command_schema,
    &bal_command_doctor, &bal_command_init,   &bal_command_version,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const bal_command *find(const char *name) {
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static void print_overview(FILE *out) {
    fputs("ballast: a training engine that keeps models upright\n\n", out);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nballast help COMMAND says more. Recipes: docs/RECIPE.md. Start here:\n"
          "  ballast init classifier && ballast train recipe.yaml\n", out);
}

static int help(const char *name) {
    const bal_command *command = name ? find(name) : NULL;
    if (!command) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    printf("ballast %s %s\n\n%s.\n%s%s", command->name, command->arguments, command->summary,
           command->help[0] ? "\n" : "", command->help);
    return EXIT_DONE;
}

static int unknown(const char *name) {
    const char *names[COMMANDS + 1] = {0};
    for (int i = 0; i < COMMANDS; i++)
        names[i] = commands[i]->name;
    const char *nearest = bal_text_nearest(name, names);
    fprintf(stderr, "ballast: no command '%s'", name);
    if (nearest) fprintf(stderr, "; did you mean '%s'?", nearest);
    fputs("\nballast help lists them\n", stderr);
    return EXIT_USAGE;
}

static bool is_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, reported as such */
    signal(SIGXFSZ, SIG_IGN); /* so is a file-size limit */
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0)
        return bal_finish_output(help(argc > 2 ? argv[2] : NULL));
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    const bal_command *command = find(name);
    if (!command) return unknown(name);
    for (int i = 2; i < argc; i++)
        if (is_help(argv[i])) return bal_finish_output(help(command->name));
    return bal_finish_output(command->run(argc - 1, argv + 1));
}
