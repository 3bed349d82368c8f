/* Loading a recipe, see recipe_reader.h for the steps. */
#include "recipe/recipe.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "recipe/recipe_reader.h"

/* What the YAML reader refuses is a wrong recipe. */
static bal_status read_tree(bal_recipe_reader *r, bal_yaml_node **ret_root) {
    bal_error why = {0};
    const char *text = r->recipe->source;
    bal_yaml_node *root;
    bal_status status = bal_yaml_parse(r->arena, text, strlen(text), r->file, &root, &why);
    if (status == BAL_ENOMEM) return bal_recipe_fail_memory(r);
    if (status != BAL_OK) return bal_fail(r->err, BAL_ERECIPE, "%s", why.message);
    if (root->kind == BAL_YAML_NULL) {
        root = bal_recipe_keep_place(bal_yaml_new_map(r->arena), root);
        if (!root) return bal_recipe_fail_memory(r);
    }
    if (root->kind != BAL_YAML_MAPPING)
        return bal_recipe_fail(r, bal_recipe_place(root),
                               "wanted a mapping (name: …, data: …), found %s",
                               bal_yaml_describe(root));
    *ret_root = root;
    return BAL_OK;
}

static bal_status write_resolved(bal_recipe_reader *r) {
    bal_text text = {0};
    bal_status status = bal_yaml_write(r->root, &text, r->err);
    if (status == BAL_OK) {
        r->recipe->resolved = bal_arena_strdup(r->arena, text.data);
        if (!r->recipe->resolved) status = bal_recipe_fail_memory(r);
        /* Made by recipe_stage.c, const to everyone else. */
        for (int32_t i = 0; i < r->recipe->n_stages; i++)
            ((bal_recipe *)r->recipe->stages[i].recipe)->resolved = r->recipe->resolved;
    }
    bal_text_release(&text);
    return status;
}

static bal_status read_recipe(bal_recipe_reader *r, const char *const *overrides,
                              int32_t n_overrides) {
    bal_yaml_node *given;
    BAL_TRY(read_tree(r, &given));
    for (int32_t i = 0; i < n_overrides; i++)
        BAL_TRY(bal_recipe_override(r, given, overrides[i]));
    BAL_TRY(bal_recipe_expand(r, given));
    r->root = bal_yaml_new_map(r->arena);
    if (!r->root) return bal_recipe_fail_memory(r);
    const bal_recipe_field whole = {
        .where = "", .node = given, .base = r->recipe, .own = r->root, .applies = true};
    BAL_TRY(bal_recipe_read_section(r, "", &whole, r->root));
    BAL_TRY(bal_recipe_check(r));
    r->recipe->tree = r->root;
    BAL_TRY(bal_recipe_read_stages(r, given));
    return write_resolved(r);
}

/* With a real folder the same file has one path, whatever the recipe is loaded from later. */
static bal_status keep_names(bal_recipe_reader *r, const char *text, const char *path,
                             const char *folder) {
    bal_recipe *recipe = r->recipe;
    char real[PATH_MAX];
    const char *known = realpath(folder[0] ? folder : ".", real) ? real : folder;
    recipe->path = bal_arena_strdup(r->arena, path);
    recipe->folder = bal_arena_strdup(r->arena, known);
    recipe->source = bal_arena_strdup(r->arena, text);
    if (!recipe->path || !recipe->folder || !recipe->source) return bal_recipe_fail_memory(r);
    r->file = recipe->path[0] ? recipe->path : "recipe";
    r->folder = recipe->folder;
    return BAL_OK;
}

bal_status bal_recipe_parse(const char *text, const char *path, const char *folder,
                            const char *const *overrides, int32_t n_overrides,
                            bal_recipe **ret_recipe, bal_error *err) {
    bal_recipe *recipe = bal_calloc(1, sizeof *recipe);
    if (!recipe) return bal_fail_memory(err, sizeof *recipe);
    bal_recipe_reader reader = {.recipe = recipe, .arena = &recipe->arena, .err = err};
    bal_status status = keep_names(&reader, text, path, folder);
    if (status == BAL_OK) status = read_recipe(&reader, overrides, n_overrides);
    if (status == BAL_OK)
        *ret_recipe = recipe;
    else
        bal_recipe_free(recipe);
    return status;
}

/* Line breaks within the text are kept as they are; a NUL would hide what follows it. */
static bal_status read_file(const char *path, char **ret_text, bal_error *err) {
    bal_error why = {0};
    size_t size;
    bal_status status = bal_file_read(path, BAL_YAML_BYTES_MAX, ret_text, &size, &why);
    if (status == BAL_ENOMEM) return bal_fail_memory(err, BAL_YAML_BYTES_MAX);
    if (status == BAL_ENOTFOUND)
        return bal_fail(err, BAL_ERECIPE, "recipe %s does not exist; check the path", path);
    if (status != BAL_OK) return bal_fail(err, BAL_ERECIPE, "%s", why.message);
    if (strlen(*ret_text) == size) return BAL_OK;
    bal_free(*ret_text);
    return bal_fail(err, BAL_ERECIPE, "%s: a NUL byte; a recipe is YAML text", path);
}

bal_status bal_recipe_load(const char *path, const char *const *overrides, int32_t n_overrides,
                           bal_recipe **ret_recipe, bal_error *err) {
    char *text;
    BAL_TRY(read_file(path, &text, err));
    char *folder = bal_path_folder(path);
    bal_status status =
        folder ? bal_recipe_parse(text, path, folder, overrides, n_overrides, ret_recipe, err)
               : bal_fail_memory(err, strlen(path) + 1);
    bal_free(folder);
    bal_free(text);
    return status;
}

bal_loss_options bal_recipe_head_loss(const bal_recipe_head *head) {
    bal_loss_options loss = head->loss;
    if (strcmp(head->transform, "log") == 0) loss.threshold = log(loss.threshold);
    return loss;
}

void bal_recipe_free(bal_recipe *recipe) {
    if (!recipe) return;
    bal_arena_release(&recipe->arena);
    bal_free(recipe);
}
