/* Recipes to start from, embedded at build time: cli/templates/ and the sample recipe. */
#ifndef BAL_CLI_TEMPLATES_H
#define BAL_CLI_TEMPLATES_H

typedef struct bal_template {
    const char *kind;
    const char *text;
} bal_template;

/** Ends with an entry without a kind. */
extern const bal_template bal_template_table[];

#endif
