/* The table of rules as the page docs/check.md. */
#include "check/check.h"

static const char opening[] =
    "# What `ballast check` finds\n"
    "\n"
    "`ballast check recipe.yaml` reads a recipe, its data once, and the machine, and tells what is "
    "well formed\n"
    "and yet goes wrong. `ballast train` does the same first: it prints warnings, one line each, "
    "and does not\n"
    "begin when there is an error. `check: off` in the recipe, or `check=off` on the command line, "
    "trains all\n"
    "the same. This page is written by `ballast check --markdown` from the table of rules.\n"
    "\n"
    "* **error**: cannot go right. **warning**: goes wrong in most cases. **note**: worth "
    "knowing.\n"
    "* Exit code 0: no error, warnings allowed. 2: an error, or a recipe that cannot be read. "
    "3: the data\n"
    "  cannot be read; rules that need no data have looked all the same.\n"
    "* `--json`: one object with `findings`, each with rule, severity, file, line, column, key, "
    "found and fix;\n"
    "  line 0 is what stands in no file, such as a value from the command line.\n"
    "* A finding stands where its key stands in the recipe, or, when the key is left to its "
    "default, where the\n"
    "  section around it stands.\n"
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
