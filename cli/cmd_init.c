/* ballast init: a recipe to start from. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "command.h"
#include "templates.h"

static const char placeholder[] = "@DATA@";

typedef struct wish {
    const char *kind, *data, *path;
    bool force;
} wish;

static const bal_template *find(const char *kind) {
    for (const bal_template *entry = bal_template_table; entry->kind; entry++)
        if (strcmp(entry->kind, kind) == 0) return entry;
    return NULL;
}

static int report_kind(const char *kind) {
    const char *names[16] = {0};
    for (int i = 0; bal_template_table[i].kind && i < 15; i++)
        names[i] = bal_template_table[i].kind;
    return bal_report_unknown(&bal_command_init, "kind", kind, names);
}

/** The path as a recipe would have it written: `${` would be an environment variable. */
static bal_status write_path(const char *path, bal_text *text, bal_error *err) {
    bal_text plain = {0};
    for (const char *at = path; *at; at++) {
        if (strncmp(at, "${", 2) == 0) bal_text_puts(&plain, "$");
        bal_text_append(&plain, at, 1);
    }
    bal_status status = bal_text_failed(&plain) ? bal_fail_memory(err, plain.length)
                                                : bal_write_yaml_word(plain.data, text, err);
    bal_text_release(&plain);
    return status;
}

static bal_status fill(const bal_template *from, const char *data, bal_text *text, bal_error *err) {
    const char *hole = strstr(from->text, placeholder);
    if (!hole) {
        bal_text_puts(text, from->text);
    } else {
        bal_text_append(text, from->text, (size_t)(hole - from->text));
        BAL_TRY(write_path(data, text, err));
        bal_text_puts(text, hole + sizeof placeholder - 1);
    }
    return bal_text_failed(text) ? bal_fail_memory(err, text->length) : BAL_OK;
}

static int init(const wish *wanted) {
    const bal_template *from = find(wanted->kind);
    bal_text text = {0};
    bal_error err = {0};
    char name[64];
    if (!from) return report_kind(wanted->kind);
    if (wanted->data && !strstr(from->text, placeholder))
        return bal_report_usage(&bal_command_init, "%s needs no data file", wanted->kind);
    if (!wanted->force && bal_path_exists(wanted->path)) {
        fprintf(stderr, "ballast: %s exists; --force replaces it, -o FILE writes elsewhere\n",
                wanted->path);
        return EXIT_USAGE;
    }
    snprintf(name, sizeof name, "data.%s", wanted->kind);
    bal_status status = fill(from, wanted->data ? wanted->data : name, &text, &err);
    if (status == BAL_OK) status = bal_file_replace(wanted->path, text.data, text.length, &err);
    bal_text_release(&text);
    if (status != BAL_OK) return bal_report_error(&err);
    printf("%s written; next: ballast train %s\n", wanted->path, wanted->path);
    return EXIT_DONE;
}

static int run(int argc, char **argv) {
    wish wanted = {0};
    const bal_option options[] = {
        {"-o", &wanted.path, NULL},
        {"--force", NULL, &wanted.force},
    };
    int n =
        bal_parse_options(&bal_command_init, argc, argv, options, sizeof options / sizeof *options);
    if (n < 0) return EXIT_USAGE;
    if (n < 2 || n > 3)
        return bal_report_usage(&bal_command_init, "wanted a kind: csv, npz or demo");
    wanted.kind = argv[1];
    wanted.data = n == 3 ? argv[2] : NULL;
    if (!wanted.path) wanted.path = "recipe.yaml";
    return init(&wanted);
}

const bal_command bal_command_init = {
    .name = "init",
    .arguments = "KIND [DATA] [-o FILE] [--force]",
    .summary = "Write a recipe to start from",
    .help = "KIND is csv (a table), npz (arrays), or demo (simulated hands, 197 classes,\n"
            "needs no data). DATA is the data file to name in the recipe, relative to it.\n\n"
            "-o FILE       where to (default: recipe.yaml)\n"
            "--force       replace a file that is there\n",
    .run = run,
};
