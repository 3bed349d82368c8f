/* See suite.h. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

static bal_status want_text(const bal_yaml_node *map, const char *key, const char **ret_text,
                            bal_error *err) {
    const bal_yaml_node *node = bal_yaml_get(map, key);
    if (!node) return bal_yaml_fail(err, BAL_EFORMAT, map, false, "wanted a key '%s'", key);
    if (bal_yaml_text(node, ret_text)) return BAL_OK;
    return bal_yaml_fail(err, BAL_EFORMAT, node, false, "%s: wanted text, found %s", key,
                         bal_yaml_describe(node));
}

static bal_status read_set(suite *s, scenario *sc, const bal_yaml_node *list, bal_error *err) {
    if (!list) return BAL_OK;
    if (list->kind != BAL_YAML_SEQUENCE)
        return bal_yaml_fail(err, BAL_EFORMAT, list, false, "set: wanted a list of KEY=VALUE");
    sc->set = bal_arena_alloc(&s->arena, list->count + 1, sizeof *sc->set);
    if (!sc->set) return bal_fail_memory(err, list->count * sizeof *sc->set);
    bal_yaml_each (item, list) {
        if (!bal_yaml_text(item, &sc->set[sc->n_set]) || !strchr(sc->set[sc->n_set], '='))
            return bal_yaml_fail(err, BAL_EFORMAT, item, false, "wanted KEY=VALUE");
        sc->n_set++;
    }
    return BAL_OK;
}

static bal_status read_scenario(suite *s, const field_options *base, const bal_yaml_node *node,
                                scenario *sc, bal_error *err) {
    const char *kind;
    int64_t onset = 1;
    BAL_TRY(want_text(node, "name", &sc->name, err));
    BAL_TRY(want_text(node, "kind", &kind, err));
    BAL_TRY(want_text(node, "about", &sc->about, err));
    sc->sabotage = strcmp(kind, "sabotage") == 0;
    if (!sc->sabotage && strcmp(kind, "control") != 0)
        return bal_yaml_fail(err, BAL_EFORMAT, bal_yaml_get(node, "kind"), false,
                             "kind: wanted sabotage or control, found '%s'", kind);
    BAL_TRY(read_set(s, sc, bal_yaml_get(node, "set"), err));
    const bal_yaml_node *data = bal_yaml_get(node, "data"), *at = bal_yaml_get(node, "onset"),
                        *refused = bal_yaml_get(node, "refused");
    sc->field = *base;
    if (data && !s->has_field)
        return bal_yaml_fail(err, BAL_EFORMAT, data, true, "this suite has no data of its own");
    if (data) BAL_TRY(field_read(&sc->field, data, err));
    if (at && (!bal_yaml_i64(at, &onset) || onset < 1 || onset > 1000000))
        return bal_yaml_fail(err, BAL_EFORMAT, at, false, "onset: wanted an evaluation, from 1");
    sc->onset = (int)onset;
    if (refused && !bal_yaml_bool(refused, &sc->refused))
        return bal_yaml_fail(err, BAL_EFORMAT, refused, false, "refused: wanted true or false");
    return BAL_OK;
}

static bal_status read_scenarios(suite *s, const field_options *base, const bal_yaml_node *list,
                                 const bal_yaml_node *root, bal_error *err) {
    if (!list || list->kind != BAL_YAML_SEQUENCE)
        return bal_yaml_fail(err, BAL_EFORMAT, list ? list : root, false,
                             "scenarios: wanted a list");
    s->scenarios = bal_arena_alloc(&s->arena, list->count + 1, sizeof *s->scenarios);
    if (!s->scenarios) return bal_fail_memory(err, list->count * sizeof *s->scenarios);
    bal_yaml_each (node, list)
        BAL_TRY(read_scenario(s, base, node, &s->scenarios[s->n_scenarios++], err));
    return BAL_OK;
}

static bal_status split_metric(suite *s, const bal_yaml_node *root, bal_error *err) {
    const char *metric;
    BAL_TRY(want_text(root, "metric", &metric, err));
    const char *dot = strchr(metric, '.');
    if (!dot)
        return bal_yaml_fail(err, BAL_EFORMAT, bal_yaml_get(root, "metric"), false,
                             "metric: wanted HEAD.METRIC, found '%s'", metric);
    s->head = bal_arena_printf(&s->arena, "%.*s", (int)(dot - metric), metric);
    s->metric = dot + 1;
    return s->head ? BAL_OK : bal_fail_memory(err, strlen(metric));
}

static bal_status name_suite(suite *s, const char *path, bal_error *err) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    s->name =
        bal_arena_printf(&s->arena, "%.*s", dot ? (int)(dot - name) : (int)strlen(name), name);
    return s->name ? BAL_OK : bal_fail_memory(err, strlen(path));
}

bal_status suite_read(suite *ret_suite, const char *path, bal_error *err) {
    suite s = {0};
    field_options base = {.rows = 1000, .features = 8, .classes = 3, .imbalance = 1, .spread = 1};
    bal_yaml_node *root;
    bal_status status;
    BAL_TRY_OUT(bal_yaml_read(&s.arena, path, 0, &root, err));
    BAL_TRY_OUT(name_suite(&s, path, err));
    BAL_TRY_OUT(want_text(root, "about", &s.about, err));
    BAL_TRY_OUT(split_metric(&s, root, err));
    s.recipe = bal_yaml_get(root, "recipe");
    if (!s.recipe || s.recipe->kind != BAL_YAML_MAPPING) {
        status = bal_yaml_fail(err, BAL_EFORMAT, root, false, "recipe: wanted a mapping");
        goto out;
    }
    const bal_yaml_node *data = bal_yaml_get(root, "data");
    s.has_field = data != NULL;
    if (data) BAL_TRY_OUT(field_read(&base, data, err));
    BAL_TRY_OUT(read_scenarios(&s, &base, bal_yaml_get(root, "scenarios"), root, err));
    *ret_suite = s;
    return BAL_OK;
out:
    bal_arena_release(&s.arena);
    return status;
}

void suite_release(suite *s) {
    bal_arena_release(&s->arena);
}
