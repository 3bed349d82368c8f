/* The recipes that tests start from: those of recipes/ and those of tests/recipe/valid. Tests run
 * in the project's folder. */
#ifndef BAL_TESTS_RECIPE_FILES_H
#define BAL_TESTS_RECIPE_FILES_H

static const char *const recipe_files[] = {
    "recipes/leaf-species/recipe.yaml",
    "recipes/letter/recipe.yaml",
    "recipes/sign-landmarks/broken/guard-off.yaml",
    "recipes/sign-landmarks/broken/guard-on.yaml",
    "recipes/sign-landmarks/recipe.yaml",
    "recipes/sign-letters/recipe.yaml",
    "tests/recipe/valid/residual.yaml",
    "tests/recipe/valid/series.yaml",
    "tests/recipe/valid/several_heads.yaml",
    "tests/recipe/valid/simulated.yaml",
    "tests/recipe/valid/stages.yaml",
};

enum { RECIPE_FILES = sizeof recipe_files / sizeof *recipe_files };

#endif
