/* The schema table as the reference page docs/RECIPE.md. */
#include <string.h>

#include "recipe/recipe.h"
#include "recipe/schema.h"

static const char opening[] =
    "# Recipes\n"
    "\n"
    "A recipe is a YAML file that says what to train. This page is written by\n"
    "`ballast schema --markdown` from the table that recipes are read with; `ballast schema` "
    "writes the\n"
    "same as JSON Schema, for editors.\n"
    "\n"
    "* A key that is not listed here is an error, and so is one that the chosen kind has no use "
    "for.\n"
    "  Messages say `file:line:column`, what was wanted, and the nearest key.\n"
    "* Every key can be given on the command line instead: `ballast train recipe.yaml "
    "train.epochs=3\n"
    "  heads[0].loss.gamma=2 heads.label.weight=0.5`. Entries of a list go by number from 0, heads "
    "also by\n"
    "  name; values are YAML; an empty value (`optimizer.l2=`) puts a key back to its default.\n"
    "* Paths are relative to the recipe's folder.\n"
    "* `${NAME}` in a value is an environment variable, `${NAME:-default}` has a default for one "
    "that is\n"
    "  unset or empty, and `$${` is the text `${`. Quote such values inside `{…}` and `[…]`.\n"
    "* Where a section has a kind and nothing else is to be said, the kind alone will do:\n"
    "  `loss: focal`, `schedule: cosine`, `guard: off`.\n"
    "* Without `heads` there is one, `{name: label, kind: classes}`, whose target is "
    "`data.target`.\n"
    "* A run keeps its recipe as given (`recipe.yaml`) and with every default filled in\n"
    "  (`recipe.resolved.yaml`); both can be trained again.\n"
    "\n"
    "A small recipe:\n"
    "\n"
    "```yaml\n"
    "name: leaf-species\n"
    "data: {kind: csv, path: leaves.csv, target: species, ignore: id}\n"
    "model: {kind: mlp, hidden: [512, 256], norm: batch, dropout: 0.3}\n"
    "train: {epochs: 100, batch_size: 64}\n"
    "```\n";

static const char *const type_words[BAL_SCHEMA_TYPE_COUNT] = {
    [BAL_SCHEMA_TEXT] = "text",
    [BAL_SCHEMA_PATH] = "path",
    [BAL_SCHEMA_METRIC] = "metric",
    [BAL_SCHEMA_BOOL] = "true or false",
    [BAL_SCHEMA_INTEGER] = "integer",
    [BAL_SCHEMA_NUMBER] = "number",
    [BAL_SCHEMA_TEXTS] = "text or list",
    [BAL_SCHEMA_INTEGERS] = "integer or list",
    [BAL_SCHEMA_NUMBERS] = "number or list",
    [BAL_SCHEMA_FEATURES] = "text or list",
    [BAL_SCHEMA_TARGET] = "text or mapping",
    [BAL_SCHEMA_EPOCH_TABLE] = "{epoch: number}",
    [BAL_SCHEMA_CLASS_VALUES] = "{class: number} or list",
    [BAL_SCHEMA_PAYOFF] = "{class: list of numbers}",
    [BAL_SCHEMA_DETECTORS] = "mapping",
    [BAL_SCHEMA_RULES] = "list of rules",
    [BAL_SCHEMA_REMEDIES] = "list of {remedy: value}",
    [BAL_SCHEMA_STAGES] = "list of stages",
    [BAL_SCHEMA_SECTION] = "mapping",
};

/* In a table's cell a bar would end the cell, in code too. */
static void put_code(bal_text *out, const char *code) {
    bal_text_puts(out, "`");
    for (; *code; code++) {
        if (*code == '|') bal_text_puts(out, "\\");
        bal_text_append(out, code, 1);
    }
    bal_text_puts(out, "`");
}

static void put_names(bal_text *out, const char *const *names) {
    for (int i = 0; names[i]; i++) {
        if (i > 0) bal_text_puts(out, ", ");
        put_code(out, names[i]);
    }
}

/* Bounds that only keep arithmetic in range say nothing to a reader. */
static void put_range(bal_text *out, bal_schema_range range) {
    range.has_most = range.has_most && range.most <= 1e5;
    if (!range.has_least && !range.has_most) return;
    bal_text_puts(out, ", ");
    bal_schema_put_range(out, &range);
}

static void put_value(bal_text *out, const bal_schema_key *key) {
    if (key->names) {
        bal_schema_names names = bal_schema_names_of(key->names);
        put_names(out, names.name);
        return;
    }
    bal_text_puts(out, type_words[key->type]);
    put_range(out, key->range);
}

static void put_default(bal_text *out, const bal_schema_key *key) {
    if (key->derived)
        bal_text_puts(out, key->derived);
    else if (!key->fallback)
        bal_text_puts(out, "must be given");
    else
        put_code(out, key->fallback[0] ? key->fallback : "\"\"");
}

static void put_only(bal_text *out, const bal_schema_key *key) {
    if (!key->only_key) return;
    bal_text_printf(out, " Only with %s ", key->only_key);
    put_names(out, key->only_values);
    bal_text_puts(out, ".");
}

static bool is_section(const bal_schema_key *key) {
    return key->type == BAL_SCHEMA_SECTION || key->type == BAL_SCHEMA_SECTIONS;
}

static void put_rows(bal_text *out, const char *section) {
    const bal_schema_key *key = NULL;
    bal_text_puts(out, "\n| key | value | default | meaning |\n|---|---|---|---|\n");
    while ((key = bal_schema_next(section, key))) {
        if (is_section(key)) continue;
        bal_text_printf(out, "| `%s` | ", bal_schema_name(key));
        put_value(out, key);
        bal_text_puts(out, " | ");
        put_default(out, key);
        bal_text_printf(out, " | %s", key->help);
        put_only(out, key);
        bal_text_puts(out, " |\n");
    }
}

/* What the names of a key stand for. */
static void put_summaries(bal_text *out, bal_schema_name_fn *names) {
    bal_text_puts(out, "\n");
    for (int i = 0; names(i); i++) {
        bal_text_puts(out, "* ");
        put_code(out, names(i));
        bal_text_printf(out, ": %s\n", bal_schema_summary(names, names(i)));
    }
}

static void put_described(bal_text *out, const char *section) {
    const bal_schema_key *key = NULL;
    while ((key = bal_schema_next(section, key)))
        if (key->described) put_summaries(out, key->names);
}

static void put_remedy(bal_text *out, const bal_schema_key *key) {
    bal_text_printf(out, "| `%s` | ", key->path + strlen("guard.remedies[]."));
    put_value(out, key);
    bal_text_printf(out, " | %s |\n", key->help);
    const bal_schema_key *inner = NULL;
    while (key->type == BAL_SCHEMA_SECTION && (inner = bal_schema_next(key->path, inner)))
        put_remedy(out, inner);
}

static void put_remedies(bal_text *out) {
    bal_text_puts(out, "\n### Remedies\n\nEntries of `guard.remedies`, one key each.\n");
    bal_text_puts(out, "\n| remedy | value | meaning |\n|---|---|---|\n");
    const bal_schema_key *key = NULL;
    while ((key = bal_schema_next("guard.remedies[]", key)))
        put_remedy(out, key);
}

static void put_option(bal_text *out, const bal_detector_option *option) {
    const bal_schema_range range = {
        .has_least = true, .least = option->min, .has_most = true, .most = option->max};
    char value[32];
    bal_text_format_double(option->value, value);
    bal_text_printf(out, "| | `%s` | %s", option->name, option->whole ? "integer" : "number");
    put_range(out, range);
    bal_text_printf(out, " | `%s` | %s |\n", value, option->meaning);
}

static void put_detectors(bal_text *out) {
    bal_text_puts(out, "\n### Detectors\n\nEntries of `guard.detectors` and their options.\n");
    bal_text_puts(out,
                  "\n| detector | option | value | default | meaning |\n|---|---|---|---|---|\n");
    for (int i = 0; bal_schema_detectors(i); i++) {
        const bal_detector *detector = bal_detector_find(bal_schema_detectors(i));
        bal_text_printf(out, "| `%s` | | | | %s |\n", detector->name, detector->summary);
        for (const bal_detector_option *option = detector->options; option->name; option++)
            put_option(out, option);
    }
}

static void put_rules(bal_text *out) {
    bal_text_puts(
        out,
        "\n### Rules\n"
        "\n"
        "`METRIC COMPARISON NUMBER [after N] [-> POLICY]`: the metric is written as for "
        "`monitor`,\n"
        "the comparison is one of `<` `<=` `>` `>=` `==` `!=`, the first `N` evaluations do not\n"
        "count, and `POLICY` (`warn`, `stop`, `recover`) stands in for `guard.policy`.\n");
}

static void put_series(bal_text *out) {
    bal_text_puts(
        out,
        "\n### Features of a series\n"
        "\n"
        "Entries of `data.features` with `kind: sequence`. A row stands before a value and sees "
        "the\n"
        "`data.window` values before it, never the value itself or a later one. There is a row "
        "for\n"
        "every value that has as many before it.\n"
        "\n"
        "| entry | features | meaning |\n|---|---|---|\n"
        "| `{lags: 3}` | `lag_1`, `lag_2`, `lag_3` | the last values, the latest first |\n"
        "| `{rolling: [mean, q95], over: [5, 50]}` | `mean_5`, `mean_50`, `q95_5`, `q95_50` | "
        "`mean`, `std`, `min`, `max`, `median` or a quantile (`q05`, of 5 %) of the last values |\n"
        "| `{since: {below: 1.5}}` | `since_below_1.5` | how many values ago one was below 1.5: 1 "
        "is the last, window + 1 is none |\n"
        "| `{streak: {below: 1.5}}` | `streak_below_1.5` | how many of the last values in a row "
        "are below 1.5 |\n"
        "| `{share: {below: 1.5}, over: 10}` | `share_below_1.5_10` | share of the last 10 values "
        "that are below 1.5 |\n"
        "| `log` | | lags and statistics are of the logarithms of the values |\n"
        "\n"
        "`above` in place of `below` is at least that value. A feature may also be given by its\n"
        "name, as in `[lag_1, mean_50]`. Simulated series, with what can be known of them:\n"
        "[crash-processes.md](crash-processes.md).\n");
}

/* What a stage is, and which keys of the recipe it may give again. */
static void put_stages(bal_text *out) {
    bal_arena arena = {0};
    bal_text_puts(
        out,
        "\n## stages[]\n"
        "\n"
        "Stages are trained one after the other on the same data, in one run. A stage is the\n"
        "recipe with some keys changed; what it does not mention stays as the recipe says. Each "
        "starts\n"
        "from the best eligible weights of the stage before, with a fresh optimizer, its own "
        "epochs,\n"
        "schedule, early stopping and best epoch, and with the guard's baselines forgotten; "
        "`guard.max_rollbacks`\n"
        "counts over the run, and what remedies changed stays in force. The best of each stage "
        "is kept as\n"
        "`checkpoints/stage-NAME.safetensors`; the model is the best of the last stage that had an "
        "eligible\n"
        "evaluation. A stage that collapses, or is stopped by the guard or a rule, ends the "
        "run.\n");
    put_rows(out, "stages[]");
    bal_text_puts(out, "\nBeside these a stage may give");
    const char *comma = " ";
    for (const bal_schema_key *key = bal_schema_table; key->path; key++) {
        const char *name = key->staged ? bal_schema_staged_name(key, &arena) : NULL;
        if (key->staged && !name) out->failed = true;
        if (!name) continue;
        bal_text_puts(out, comma);
        put_code(out, name);
        comma = ", ";
    }
    bal_text_puts(
        out,
        ".\nHeads go by name: `heads: {label: {weight: 0.5}}`. Sections are merged key by key; "
        "a list, an\nepoch table and class weights by class replace the recipe's. With another "
        "`kind`, keys that the\nrecipe gives for its own kind are left behind.\n"
        "\n"
        "```yaml\n"
        "stages:\n"
        "  - name: foundation\n"
        "    train: {epochs: 100}\n"
        "    schedule: {kind: step, at: {50: 0.5}}\n"
        "  - name: focus\n"
        "    train: {epochs: 40, batch_size: 16}\n"
        "    optimizer: {lr: 1.0e-4}\n"
        "    heads: {label: {class_weights: {kind: balanced, multiplier: 2}}}\n"
        "    model: {freeze: [\"backbone.0.*\"]}\n"
        "```\n"
        "\nOn a command line: `stages.focus.train.epochs=20`, or `stages[1].train.epochs=20`.\n");
    bal_arena_release(&arena);
}

static void put_metrics(bal_text *out) {
    bal_text_puts(out,
                  "\n## Metrics\n"
                  "\n"
                  "`SPLIT.HEAD.METRIC`, such as `val.label.macro_f1`; those of one class name it:\n"
                  "`val.label.recall[A]`. Beside these there is `loss`, without class weights.\n");
    put_summaries(out, bal_schema_metrics);
}

static void put_section(bal_text *out, const bal_schema_key *key, const char *level) {
    char inside[128];
    size_t length = strlen(key->path);
    memcpy(inside, key->path, length + 1);
    if (key->type == BAL_SCHEMA_SECTIONS) memcpy(inside + length, "[]", 3);
    bal_text_printf(out, "\n%s %s\n\n%s", level, inside, key->help);
    put_only(out, key);
    if (!key->fallback) bal_text_puts(out, " Must be given.");
    if (key->short_key) bal_text_printf(out, " A scalar is its `%s`.", key->short_key);
    bal_text_puts(out, "\n");
    put_rows(out, inside);
    put_described(out, inside);
    const bal_schema_key *child = NULL;
    while ((child = bal_schema_next(inside, child)))
        if (is_section(child)) put_section(out, child, "###");
}

void bal_recipe_schema_markdown(bal_text *out) {
    const bal_schema_key *key = NULL;
    bal_text_puts(out, opening);
    bal_text_puts(out, "\n## The recipe\n");
    put_rows(out, "");
    while ((key = bal_schema_next("", key))) {
        if (key->type == BAL_SCHEMA_STAGES) put_stages(out);
        if (!is_section(key)) continue;
        put_section(out, key, "##");
        if (strcmp(key->path, "data") == 0) put_series(out);
        if (strcmp(key->path, "guard") != 0) continue;
        put_rules(out);
        put_remedies(out);
        put_detectors(out);
    }
    put_metrics(out);
}
