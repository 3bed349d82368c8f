/* ${NAME} and ${NAME:-default} in the values of a recipe, so that one recipe runs on machines that
 * keep their data in different places.
 *
 * As in a shell the default counts when the variable is unset or empty, and $${NAME} is the text
 * ${NAME} itself. A value that was plain is read again after expansion, so that epochs: ${EPOCHS}
 * is a number. What a variable holds is text, not YAML: it cannot add keys. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "recipe/recipe_reader.h"

static size_t name_length(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    return text[0] && strchr(letters, text[0]) ? strspn(text, rest) : 0;
}

/* Append the value of the variable at text[at], which is "${…"; *ret_end is where it ends. */
static bal_status put_variable(bal_recipe_reader *r, const bal_yaml_node *node, size_t at,
                               bal_text *out, size_t *ret_end) {
    const char *start = node->text + at + 2;
    size_t length = name_length(start);
    const char *after = start + length;
    bool has_default = strncmp(after, ":-", 2) == 0;
    const char *fallback = after + 2;
    const char *end = strchr(after, '}');
    bal_place place = bal_recipe_place_inside(r, node, at);
    if (!end) return bal_recipe_fail(r, place, "'${' without a '}'; write $${ for the text ${");
    if (length == 0 || (!has_default && end != after))
        return bal_recipe_fail(r, place,
                               "'%.*s' is no variable; wanted ${NAME} or ${NAME:-default}",
                               (int)(end - start + 3 < 60 ? end - start + 3 : 60), start - 2);
    const char *name = bal_arena_strndup(r->arena, start, length);
    if (!name) return bal_recipe_fail_memory(r);
    const char *value = getenv(name);
    if (!value && !has_default)
        return bal_recipe_fail(
            r, place, "environment variable %s is not set; set it, or write ${%s:-default}", name,
            name);
    if (has_default && (!value || !value[0]))
        bal_text_append(out, fallback, (size_t)(end - fallback));
    else
        bal_text_puts(out, value);
    if (value && bal_text_utf8_valid(value, strlen(value)) != strlen(value))
        return bal_recipe_fail(r, place, "environment variable %s is not UTF-8 text", name);
    *ret_end = (size_t)(end - node->text) + 1;
    return BAL_OK;
}

static bal_status put_expanded(bal_recipe_reader *r, const bal_yaml_node *node, bal_text *out) {
    const char *text = node->text;
    for (size_t i = 0; text[i];) {
        if (strncmp(text + i, "$${", 3) == 0) {
            bal_text_puts(out, "${");
            i += 3;
        } else if (strncmp(text + i, "${", 2) == 0) {
            BAL_TRY(put_variable(r, node, i, out, &i));
        } else {
            bal_text_append(out, text + i++, 1);
        }
    }
    return bal_text_failed(out) ? bal_recipe_fail_memory(r) : BAL_OK;
}

static bal_status expand_scalar(bal_recipe_reader *r, bal_yaml_node *node) {
    bal_text out = {0};
    bal_text_puts(&out, "");
    bal_status status = put_expanded(r, node, &out);
    if (status == BAL_OK) {
        const char *text = bal_arena_strdup(r->arena, out.data);
        if (!text) status = bal_recipe_fail_memory(r);
        if (text) node->text = text;
    }
    bal_text_release(&out);
    return status;
}

bal_status bal_recipe_expand(bal_recipe_reader *r, bal_yaml_node *node) {
    if (node->kind == BAL_YAML_SCALAR && strstr(node->text, "${")) return expand_scalar(r, node);
    bal_yaml_each (child, node)
        BAL_TRY(bal_recipe_expand(r, child));
    return BAL_OK;
}

bal_yaml_node *bal_recipe_literal(bal_arena *arena, const char *text) {
    if (!strstr(text, "${")) return bal_yaml_new_text(arena, text);
    bal_text out = {0};
    for (const char *at = text; *at; at++) {
        if (strncmp(at, "${", 2) == 0) bal_text_puts(&out, "$");
        bal_text_append(&out, at, 1);
    }
    bal_yaml_node *node = bal_text_failed(&out) ? NULL : bal_yaml_new_text(arena, out.data);
    bal_text_release(&out);
    return node;
}
