/* ballast version: which Ballast this is, and how it was built. */
#include "command.h"

#include "backend/backend.h"
#include "base/thread.h"
#include "format/json_out.h"
#include "versions.h"

static int print_json(void) {
    bal_text text = {0};
    bal_json_out out;
    bal_json_out_init(&out, &text, BAL_JSON_LINE);
    bal_json_out_object(&out);
    bal_json_out_named_string(&out, "ballast", BAL_PROGRAM_VERSION);
    bal_json_out_named_string(&out, "compiler", bal_compiler_text());
    bal_json_out_key(&out, "libraries");
    bal_json_out_object(&out);
    for (const bal_library *library = bal_library_table; library->name; library++)
        bal_json_out_named_string(&out, library->name, library->version());
    bal_json_out_object_end(&out);
    bal_json_out_object_end(&out);
    bal_text_puts(&text, "\n");
    return bal_print_text(&text);
}

static int run(int argc, char **argv) {
    bool json = false;
    const bal_option options[] = {{"--json", NULL, &json}};
    int n = bal_parse_options(&bal_command_version, argc, argv, options, 1);
    if (n < 0) return EXIT_USAGE;
    if (n > 1) return bal_report_usage(&bal_command_version, "what is '%s'?", argv[1]);
    if (json) return print_json();
    printf("ballast %s\n", BAL_PROGRAM_VERSION);
    return EXIT_DONE;
}

const bal_command bal_command_version = {
    .name = "version",
    .arguments = "[--json]",
    .summary = "Which Ballast this is",
    .help = "--json        with the compiler and the libraries it runs on, as one JSON object\n",
    .run = run,
};
