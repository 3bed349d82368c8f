/* Recipes in tests: read from text as "t.yaml", refused with a message that begins as it should. */
#ifndef BAL_TESTS_RECIPE_TEXT_H
#define BAL_TESTS_RECIPE_TEXT_H

#include <string.h>

#include "recipe/recipe.h"

/* cmocka.h must be included before this file. */

/* The least that a recipe needs; what is appended begins on line 3. */
#define MINIMAL "name: a\ndata: {kind: csv, path: a.csv, target: y}\n"

static inline bal_status parse_with(const char *text, const char *override, bal_recipe **ret_recipe,
                                    bal_error *err) {
    return bal_recipe_parse(text, "t.yaml", "/data", &override, override ? 1 : 0, ret_recipe, err);
}

/* With an override, or NULL. The caller frees it. */
static inline bal_recipe *accept_with(const char *text, const char *override) {
    bal_recipe *recipe = NULL;
    bal_error err = {0};
    if (parse_with(text, override, &recipe, &err) != BAL_OK)
        fail_msg("%s\nin\n%s", err.message, text);
    return recipe;
}

static inline bal_recipe *accept(const char *text) {
    return accept_with(text, NULL);
}

static inline void refuse_with(const char *text, const char *override, const char *beginning) {
    bal_error err = {0};
    bal_recipe *untouched = (bal_recipe *)&err, *recipe = untouched;
    assert_int_equal(parse_with(text, override, &recipe, &err), BAL_ERECIPE);
    assert_int_equal(err.status, BAL_ERECIPE);
    assert_ptr_equal(recipe, untouched);
    if (strncmp(err.message, beginning, strlen(beginning)) != 0)
        fail_msg("wanted: %s\ngot:    %s\nin\n%s", beginning, err.message, text);
}

static inline void refuse(const char *text, const char *beginning) {
    refuse_with(text, NULL, beginning);
}

#endif
