/* The table of rules as the page docs/check.md. */
#include "check/check.h"

static const char opening[] =
    "# What `ballast check` finds\n"
    "\n"
    "`ballast check recipe.yaml` looks at a recipe, its data and the memory of this machine, and "
    "finds what is well\n"
    "formed and yet goes wrong; it trains nothing and writes nothing. `ballast train` looks first, "
    "too: it prints\n"
    "warnings, one line each, and does not begin when there is an error. `check: off` in the "
    "recipe, or `check=off`\n"
    "on the command line, trains all the same. This page is written by `ballast check --markdown` "
    "from the table of\n"
    "rules.\n"
    "\n"
    "* **error**: cannot go right. **warning**: goes wrong in most cases. **note**: worth knowing, "
    "and may be meant.\n"
    "  A rule is listed with its gravest finding; where it has milder ones, it says when.\n"
    "* Rules that look at the data are silent where the data cannot be read; the others have "
    "looked all the same.\n"
    "* Exit code 0: no error, warnings allowed. 2: an error, or a recipe that cannot be read. "
    "3: data that cannot be\n"
    "  read.\n"
    "* A finding stands where its key stands in the recipe, or, when the key is left to its "
    "default, where the\n"
    "  section around it stands. What a stage adds is told with the stage's name; what stages have "
    "in common, once.\n"
    "* `--json`: one object with `findings`, each with rule, severity, file, line, column, key, "
    "found and fix;\n"
    "  line 0 is what stands in no file, such as a value from the command line.\n"
    "\n"
    "| rule | severity | what it says |\n"
    "|---|---|---|\n";

static const char closing[] =
    "\n## What has no rule\n"
    "\n"
    "* Scaling fitted on all rows: it cannot happen. The scaler is fitted on the training rows, "
    "always.\n"
    "* Weights on the wrong classes: explicit weights are placed by class name or class id, and "
    "`class_weights.json`\n"
    "  of every run says which class got which.\n"
    "* No learnable signal: a note here (`no-telling-feature`) at most; the verdict needs training "
    "and is given by\n"
    "  `ballast signal`.\n"
    "* Images (Dice without a cross-entropy term) and tokenizers (sizes of tokenizer and embedding "
    "that disagree):\n"
    "  what they are about does not exist in Ballast yet.\n";

void bal_check_markdown(bal_text *out) {
    bal_text_puts(out, opening);
    for (int i = 0; bal_check_table[i]; i++) {
        const bal_check_rule *rule = bal_check_table[i];
        bal_text_printf(out, "| [`%s`](#%s) | %s | %s |\n", rule->id, rule->id,
                        bal_check_severity_name(rule->severity), rule->summary);
    }
    for (int i = 0; bal_check_table[i]; i++) {
        const bal_check_rule *rule = bal_check_table[i];
        bal_text_printf(out, "\n## %s\n\n%s (%s%s)\n\n%s\n\n**What to do.** %s\n", rule->id,
                        rule->summary, bal_check_severity_name(rule->severity),
                        rule->needs_data ? ", looks at the data" : "", rule->why, rule->fix);
    }
    bal_text_puts(out, closing);
}
