/* What is accepted can be written out in full and is then read back as the same; what is not is
 * refused as a wrong recipe, with the file or the command line in front. Opening comments
 * "#=KEY=VALUE" are overrides, so that a seed is a recipe and tries those too. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"
#include "recipe/recipe.h"

enum { OVERRIDES_MAX = 4 };

static int32_t take_overrides(const char *text, char *overrides[OVERRIDES_MAX]) {
    int32_t n = 0;
    for (; n < OVERRIDES_MAX && strncmp(text, "#=", 2) == 0; n++) {
        size_t length = strcspn(text + 2, "\n");
        overrides[n] = bal_strndup(text + 2, length);
        if (!overrides[n]) break;
        text += 2 + length;
        text += *text == '\n';
    }
    return n;
}

static void check_strings(const bal_recipe *recipe) {
    size_t length = strlen(recipe->name) + strlen(recipe->data.path) + strlen(recipe->monitor) +
                    strlen(recipe->data.split.column) + strlen(recipe->data.simulator.name) +
                    strlen(recipe->schedule.monitor) + strlen(recipe->model.init_from);
    for (int32_t h = 0; h < recipe->n_heads; h++) {
        const bal_recipe_head *head = &recipe->heads[h];
        length += strlen(head->name) + strlen(head->target) + strlen(head->loss.kind);
        length += strlen(head->class_weights.kind);
        for (int32_t i = 0; i < head->n_classes; i++)
            length += strlen(head->classes[i]);
    }
    if (length == 0 || recipe->n_heads < 1 || recipe->model.n_dropout < 0) abort();
}

static void read_again(const bal_recipe *recipe) {
    bal_recipe *again = NULL;
    if (bal_recipe_parse(recipe->resolved, "r", "/", NULL, 0, &again, NULL) != BAL_OK) abort();
    if (strcmp(recipe->resolved, again->resolved) != 0) abort();
    bal_recipe_free(again);
}

static bool begins(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *overrides[OVERRIDES_MAX];
    bal_recipe *recipe = NULL;
    bal_error err = {0};
    char *text = bal_strndup((const char *)data, size);
    if (!text) return 0;
    int32_t n = take_overrides(text, overrides);
    bal_status status =
        bal_recipe_parse(text, "f", "/d", (const char *const *)overrides, n, &recipe, &err);
    if (status == BAL_OK) {
        check_strings(recipe);
        read_again(recipe);
    } else if (status != BAL_ERECIPE || recipe || err.status != status ||
               !(begins(err.message, "f:") || begins(err.message, "command line: "))) {
        abort();
    }
    for (int32_t i = 0; i < n; i++)
        bal_free(overrides[i]);
    bal_recipe_free(recipe);
    bal_free(text);
    return 0;
}
