/* heads[].payoff: what each answer is worth, {true class: [gain of predicting the first class, of
 * the second, …]}. Names are looked up among the head's classes where the recipe lists them; else
 * the data's are known later (bal_recipe_payoff_place). */
#include <string.h>

#include "base/error.h"
#include "recipe/recipe_reader.h"

static bal_status read_gains(bal_recipe_reader *r, const bal_recipe_field *f,
                             const bal_yaml_node *row, double *gains, bal_yaml_node **ret_list) {
    bal_yaml_node *list = bal_recipe_keep_place(bal_yaml_new_seq(r->arena), row);
    if (!list) return bal_recipe_fail_memory(r);
    if (row->kind != BAL_YAML_SEQUENCE || row->count != f->node->count)
        return bal_recipe_fail(r, bal_recipe_place(row),
                               "%s: wanted a list of %zu gains for '%s', one per predicted class "
                               "in the order of the classes, and such a list for each class",
                               f->where, f->node->count, row->key);
    bal_yaml_each (item, row) {
        BAL_TRY(bal_recipe_read_number(r, f, item, gains));
        bal_yaml_node *gain = bal_recipe_keep_place(bal_yaml_new_number(r->arena, *gains++), item);
        if (!bal_yaml_append(list, gain)) return bal_recipe_fail_memory(r);
    }
    *ret_list = list;
    return BAL_OK;
}

bal_status bal_recipe_read_payoff(bal_recipe_reader *r, const bal_recipe_field *f,
                                  bal_yaml_node **ret_resolved) {
    size_t n = f->node->count;
    if (f->node->kind != BAL_YAML_MAPPING)
        return bal_recipe_fail_type(r, f, "{true class: [gain by predicted class]}");
    if (n > BAL_PAYOFF_CLASSES_MAX)
        return bal_recipe_fail(r, bal_recipe_place(f->node), "%s: at most %d classes are possible",
                               f->where, BAL_PAYOFF_CLASSES_MAX);
    const char **names = bal_arena_alloc(r->arena, n + 1, sizeof *names);
    double *gains = bal_arena_alloc(r->arena, n * n + 1, sizeof *gains);
    bal_yaml_node *map = bal_yaml_new_map(r->arena);
    if (!names || !gains || !map) return bal_recipe_fail_memory(r);
    bal_recipe_payoff payoff = {.names = names, .gains = gains, .place = bal_recipe_place(f->node)};
    bal_yaml_each (row, f->node) {
        bal_yaml_node *list = NULL;
        BAL_TRY(read_gains(r, f, row, gains + (size_t)payoff.n * n, &list));
        if (!bal_yaml_append(map, list)) return bal_recipe_fail_memory(r);
        list->key = names[payoff.n++] = row->key;
    }
    memcpy((char *)f->base + f->key->slot, &payoff, sizeof payoff);
    *ret_resolved = map;
    return BAL_OK;
}

static int32_t find(const char *const *names, int32_t n, const char *name) {
    for (int32_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

bal_status bal_recipe_payoff_place(const bal_recipe_head *head, const char *const *classes,
                                   int32_t n_classes, double *ret_table, bal_error *err) {
    const bal_recipe_payoff *payoff = &head->payoff;
    for (int32_t i = 0; i < payoff->n; i++)
        if (find(classes, n_classes, payoff->names[i]) < 0)
            return bal_place_fail(err, BAL_ERECIPE, &payoff->place,
                                  "payoff names '%s', which is not a class of head '%s'",
                                  payoff->names[i], head->name);
    for (int32_t c = 0; c < n_classes; c++) {
        int32_t row = find(payoff->names, payoff->n, classes[c]);
        if (row < 0)
            return bal_place_fail(err, BAL_ERECIPE, &payoff->place,
                                  "payoff says nothing of class '%s' of head '%s'; add "
                                  "'%s: [%d gains]'",
                                  classes[c], head->name, classes[c], (int)n_classes);
        if (ret_table)
            memcpy(ret_table + (size_t)c * (size_t)n_classes,
                   payoff->gains + (size_t)row * (size_t)n_classes,
                   (size_t)n_classes * sizeof *ret_table);
    }
    return BAL_OK;
}
