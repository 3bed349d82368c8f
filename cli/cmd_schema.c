/* ballast schema: what a recipe may say, for editors and for people. */
#include "command.h"

#include "recipe/recipe.h"

static int run(int argc, char **argv) {
    bool markdown = false;
    bal_text text = {0};
    const bal_option options[] = {{"--markdown", NULL, &markdown}};
    int n = bal_parse_options(&bal_command_schema, argc, argv, options, 1);
    if (n < 0) return EXIT_USAGE;
    if (n > 1) return bal_report_usage(&bal_command_schema, "what is '%s'?", argv[1]);
    if (markdown)
        bal_recipe_schema_markdown(&text);
    else
        bal_recipe_schema_json(&text);
    return bal_print_text(&text);
}

const bal_command bal_command_schema = {
    .name = "schema",
    .arguments = "[--markdown]",
    .summary = "Print what a recipe may say",
    .help = "A JSON Schema (draft 2020-12), for editors that check and complete YAML;\n"
            "save it and begin a recipe with the line\n"
            "  # yaml-language-server: $schema=./ballast.schema.json\n\n"
            "--markdown    the same as a page to read\n",
    .run = run,
};
