/* What only a series has: features of the values before a row, targets made from the value after
 * them, and what the keys of a sequence have to do with each other.
 *
 * A list of features is short in a recipe and long in a model ({lags: 10} is ten of them), so it is
 * spelt out here: the typed recipe holds one bal_series_feature for every column of the table. */
#include <string.h>

#include "base/error.h"
#include "data/series_simulator.h"
#include "recipe/recipe_reader.h"

enum { FEATURES_MAX = 100000, BINS_MAX = 1000 };

enum { STD_VALUES_MIN = 2 }; /* the spread of one value is 0 whatever it is */

static bool is_sequence(const bal_recipe *recipe) {
    return strcmp(recipe->data.kind, "sequence") == 0;
}

/* ---- the list of features ---- */

typedef struct feature_list {
    bal_recipe_reader *r;
    bal_series_feature *items;
    size_t n, capacity;
    bool log;
    int32_t window;
} feature_list;

/* One entry of the list, as written. */
typedef struct feature_entry {
    const char *where; /* data.features[2] */
    const bal_yaml_node *node;
} feature_entry;

static const char *const entry_forms[] = {"log",
                                          "{lags: N}",
                                          "{rolling: […], over: […]}",
                                          "{since: {below: X}}",
                                          "{streak: {below: X}}",
                                          "{share: {below: X}, over: […]}",
                                          NULL};
static const char *const statistics[] = {"mean", "std", "min", "max", "median", "q05", "q95", NULL};

/* Old items stay in the arena, at most as many again. */
static bal_status grow(feature_list *list) {
    size_t capacity = list->capacity ? list->capacity * 2 : 32;
    bal_series_feature *items = bal_arena_alloc(list->r->arena, capacity, sizeof *items);
    if (!items) return bal_recipe_fail_memory(list->r);
    if (list->n > 0) memcpy(items, list->items, list->n * sizeof *items);
    list->items = items;
    list->capacity = capacity;
    return BAL_OK;
}

static bal_status add(feature_list *list, const bal_yaml_node *at, const char *where,
                      bal_series_feature feature) {
    char name[BAL_SERIES_NAME_MAX];
    if (feature.length > list->window)
        return bal_recipe_fail(list->r, bal_recipe_place(at),
                               "%s: %d is more than data.window, %d: a row sees no more values "
                               "than that",
                               where, (int)feature.length, (int)list->window);
    if (list->n >= FEATURES_MAX)
        return bal_recipe_fail(list->r, bal_recipe_place(at),
                               "%s: more than %d features are not possible", where, FEATURES_MAX);
    if (list->n == list->capacity) BAL_TRY(grow(list));
    feature.name = bal_arena_strdup(list->r->arena, bal_series_feature_name(&feature, name));
    if (!feature.name) return bal_recipe_fail_memory(list->r);
    list->items[list->n++] = feature;
    return BAL_OK;
}

static const char *inside(bal_recipe_reader *r, const char *where, const char *key) {
    const char *path = bal_arena_printf(r->arena, "%s.%s", where, key);
    return path ? path : where;
}

static bal_status fail_wanted(const feature_list *list, const char *where,
                              const bal_yaml_node *node, const char *wanted) {
    const bal_recipe_field field = {.where = where, .node = node};
    return bal_recipe_fail_type(list->r, &field, wanted);
}

static bal_status read_length(const feature_list *list, const char *where,
                              const bal_yaml_node *node, int64_t least, int32_t *ret_length) {
    int64_t length;
    if (!bal_yaml_i64(node, &length)) return fail_wanted(list, where, node, "an integer");
    if (length < least || length > INT32_MAX)
        return bal_recipe_fail(list->r, bal_recipe_place(node), "%s is %s; wanted at least %lld",
                               where, node->text, (long long)least);
    *ret_length = (int32_t)length;
    return BAL_OK;
}

/* A scalar, or the items of a list, one after the other. */
static const bal_yaml_node *items_of(const bal_yaml_node *node) {
    return node->kind == BAL_YAML_SEQUENCE ? node->first : node;
}

static const bal_yaml_node *item_after(const bal_yaml_node *list, const bal_yaml_node *item) {
    return list->kind == BAL_YAML_SEQUENCE ? item->next : NULL;
}

static const bal_yaml_node *need_over(const feature_list *list, const feature_entry *entry,
                                      bal_status *ret_status) {
    const bal_yaml_node *over = bal_yaml_get(entry->node, "over");
    *ret_status = BAL_OK;
    if (!over || (over->kind == BAL_YAML_SEQUENCE && over->count == 0))
        *ret_status = bal_recipe_fail(list->r, bal_recipe_place(over ? over : entry->node),
                                      "%s needs 'over': how many values, such as over: [10, 50]",
                                      entry->where);
    return over;
}

/* The same feature over every length that `over` lists. */
static bal_status add_over(feature_list *list, const feature_entry *entry, int64_t least,
                           bal_series_feature feature) {
    bal_status status;
    const bal_yaml_node *over = need_over(list, entry, &status);
    BAL_TRY(status);
    const char *where = inside(list->r, entry->where, "over");
    for (const bal_yaml_node *node = items_of(over); node; node = item_after(over, node)) {
        BAL_TRY(read_length(list, where, node, least, &feature.length));
        BAL_TRY(add(list, node, where, feature));
    }
    return BAL_OK;
}

static bal_status read_lags(feature_list *list, const feature_entry *entry,
                            const bal_yaml_node *value) {
    const char *where = inside(list->r, entry->where, "lags");
    int32_t lags;
    BAL_TRY(read_length(list, where, value, 1, &lags));
    if (lags > list->window) /* said of the number as written */
        return add(list, value, where, (bal_series_feature){.length = lags});
    for (int32_t lag = 1; lag <= lags; lag++)
        BAL_TRY(add(list, value, where,
                    (bal_series_feature){.measure = BAL_SERIES_LAG, .length = lag}));
    return BAL_OK;
}

static bal_status read_rolling(feature_list *list, const feature_entry *entry,
                               const bal_yaml_node *value) {
    const char *where = inside(list->r, entry->where, "rolling");
    if (value->kind == BAL_YAML_SEQUENCE && value->count == 0)
        return fail_wanted(list, where, value, "at least one statistic");
    for (const bal_yaml_node *node = items_of(value); node; node = item_after(value, node)) {
        bal_series_feature feature = {0};
        const char *word;
        if (!bal_yaml_text(node, &word))
            return fail_wanted(list, where, node, "a statistic such as mean");
        if (!bal_series_statistic_parse(word, &feature.measure, &feature.level))
            return bal_recipe_fail_name(list->r, bal_recipe_place(node), where, word, statistics);
        BAL_TRY(add_over(list, entry, feature.measure == BAL_SERIES_STD ? STD_VALUES_MIN : 1,
                         feature));
    }
    return BAL_OK;
}

/* {below: 1.5} or {above: 1.5} */
static bal_status read_side(feature_list *list, const char *where, const bal_yaml_node *value,
                            bal_series_feature *feature) {
    static const char *const sides[] = {"below", "above", NULL};
    const bal_yaml_node *side = value->kind == BAL_YAML_MAPPING ? value->first : NULL;
    if (!side || side->next) return fail_wanted(list, where, value, "{below: X} or {above: X}");
    feature->below = strcmp(side->key, "below") == 0;
    if (!feature->below && strcmp(side->key, "above") != 0)
        return bal_recipe_fail_name(list->r, bal_recipe_key_place(side), where, side->key, sides);
    const bal_recipe_field field = {
        .key = bal_schema_find("data.features"), .where = where, .node = side};
    return bal_recipe_read_number(list->r, &field, side, &feature->level);
}

static bal_status read_since(feature_list *list, const feature_entry *entry,
                             const bal_yaml_node *value) {
    bal_series_feature feature = {.measure = BAL_SERIES_SINCE};
    BAL_TRY(read_side(list, inside(list->r, entry->where, "since"), value, &feature));
    return add(list, value, entry->where, feature);
}

static bal_status read_streak(feature_list *list, const feature_entry *entry,
                              const bal_yaml_node *value) {
    bal_series_feature feature = {.measure = BAL_SERIES_STREAK};
    BAL_TRY(read_side(list, inside(list->r, entry->where, "streak"), value, &feature));
    return add(list, value, entry->where, feature);
}

static bal_status read_share(feature_list *list, const feature_entry *entry,
                             const bal_yaml_node *value) {
    bal_series_feature feature = {.measure = BAL_SERIES_SHARE};
    BAL_TRY(read_side(list, inside(list->r, entry->where, "share"), value, &feature));
    return add_over(list, entry, 1, feature);
}

/* Keys of an entry; `over` goes with those that say so. */
static const struct {
    const char *key;
    bool with_over;
    bal_status (*read)(feature_list *list, const feature_entry *entry, const bal_yaml_node *value);
} entry_kinds[] = {
    {"lags", false, read_lags},     {"rolling", true, read_rolling}, {"since", false, read_since},
    {"streak", false, read_streak}, {"share", true, read_share},
};

enum { ENTRY_KINDS = sizeof entry_kinds / sizeof *entry_kinds };

static int find_kind(const char *key) {
    for (int i = 0; i < ENTRY_KINDS; i++)
        if (strcmp(entry_kinds[i].key, key) == 0) return i;
    return -1;
}

static bal_status fail_entry_key(const feature_list *list, const feature_entry *entry,
                                 const bal_yaml_node *child) {
    const char *names[ENTRY_KINDS + 2] = {[ENTRY_KINDS] = "over"};
    for (int i = 0; i < ENTRY_KINDS; i++)
        names[i] = entry_kinds[i].key;
    return bal_recipe_fail_name(list->r, bal_recipe_key_place(child), entry->where, child->key,
                                names);
}

static bal_status read_mapping(feature_list *list, const feature_entry *entry) {
    const bal_yaml_node *main = NULL, *over = bal_yaml_get(entry->node, "over");
    bal_yaml_each (child, entry->node) {
        if (child == over) continue;
        if (find_kind(child->key) < 0) return fail_entry_key(list, entry, child);
        if (main)
            return bal_recipe_fail(list->r, bal_recipe_key_place(child),
                                   "%s has '%s' and '%s'; wanted one kind of feature per entry",
                                   entry->where, main->key, child->key);
        main = child;
    }
    if (!main)
        return bal_recipe_fail(list->r, bal_recipe_place(entry->node),
                               "%s says no feature; possible are %s", entry->where,
                               bal_recipe_listing(list->r->arena, entry_forms));
    int kind = find_kind(main->key);
    if (over && !entry_kinds[kind].with_over)
        return bal_recipe_fail(list->r, bal_recipe_key_place(over),
                               "%s: 'over' has no meaning with %s", entry->where, main->key);
    return entry_kinds[kind].read(list, entry, main);
}

static bal_status read_entry(feature_list *list, const feature_entry *entry) {
    bal_series_feature feature;
    const char *word;
    if (entry->node->kind == BAL_YAML_MAPPING) return read_mapping(list, entry);
    if (!bal_yaml_text(entry->node, &word))
        return fail_wanted(list, entry->where, entry->node, "a feature such as {lags: 10}");
    if (strcmp(word, "log") == 0) {
        list->log = true;
        return BAL_OK;
    }
    if (bal_series_feature_parse(word, &feature)) {
        if (feature.measure == BAL_SERIES_STD && feature.length < STD_VALUES_MIN)
            return bal_recipe_fail(list->r, bal_recipe_place(entry->node),
                                   "%s: %s is over %d value; wanted at least %d", entry->where,
                                   word, (int)feature.length, STD_VALUES_MIN);
        return add(list, entry->node, entry->where, feature);
    }
    return bal_recipe_fail_name(list->r, bal_recipe_place(entry->node), entry->where, word,
                                entry_forms);
}

static bal_status fail_twice(const feature_list *list, const bal_recipe_field *f) {
    for (size_t i = 1; i < list->n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(list->items[i].name, list->items[k].name) == 0)
                return bal_recipe_fail(list->r, bal_recipe_place(f->node), "%s: '%s' comes twice",
                                       f->where, list->items[i].name);
    return BAL_OK;
}

bal_status bal_recipe_read_series(bal_recipe_reader *r, const bal_recipe_field *f,
                                  bal_yaml_node **ret_resolved) {
    feature_list list = {.r = r, .window = r->recipe->data.window};
    size_t index = 0;
    if (f->node->kind != BAL_YAML_SEQUENCE)
        return bal_recipe_fail_type(r, f, "a list of features such as [{lags: 10}]");
    bal_yaml_each (node, f->node) {
        const feature_entry entry = {bal_arena_printf(r->arena, "%s[%zu]", f->where, index++),
                                     node};
        if (!entry.where) return bal_recipe_fail_memory(r);
        BAL_TRY(read_entry(&list, &entry));
    }
    if (list.n == 0)
        return bal_recipe_fail(r, bal_recipe_place(f->node), "%s lists no feature; possible are %s",
                               f->where, bal_recipe_listing(r->arena, entry_forms));
    if (list.n <= 1000) BAL_TRY(fail_twice(&list, f)); /* n², for what people write by hand */
    bal_recipe_data *data = &r->recipe->data;
    data->series = list.items;
    data->n_series = (int32_t)list.n;
    data->series_log = list.log;
    *ret_resolved = bal_yaml_copy(r->arena, f->node);
    return *ret_resolved ? BAL_OK : bal_recipe_fail_memory(r);
}

/* ---- targets ---- */

static bal_status read_bins(bal_recipe_reader *r, const bal_recipe_field *f,
                            const bal_yaml_node *value, bal_recipe_head *head) {
    size_t n = value->kind == BAL_YAML_SEQUENCE ? value->count : 1, i = 0;
    if (value->kind == BAL_YAML_MAPPING || n < 1 || n > BINS_MAX) {
        const bal_recipe_field field = {.where = f->where, .node = value};
        return bal_recipe_fail_type(r, &field, "1 to 1000 bounds such as {bins: [1.2, 2, 5]}");
    }
    double *bins = bal_arena_alloc(r->arena, n, sizeof *bins);
    if (!bins) return bal_recipe_fail_memory(r);
    for (const bal_yaml_node *node = items_of(value); node; node = item_after(value, node), i++) {
        BAL_TRY(bal_recipe_read_number(r, f, node, &bins[i]));
        if (i > 0 && !(bins[i] > bins[i - 1]))
            return bal_recipe_fail(r, bal_recipe_place(node),
                                   "%s: bounds must rise, but %g follows %g", f->where, bins[i],
                                   bins[i - 1]);
    }
    head->target_kind = BAL_TARGET_BINS;
    head->bins = bins;
    head->n_bins = (int32_t)n;
    return BAL_OK;
}

/* The name of the target: flow YAML that reads back as the same target. */
static bal_status name_target(bal_recipe_reader *r, bal_recipe_head *head) {
    char number[32];
    const char *text;
    if (head->target_kind == BAL_TARGET_AT_LEAST) {
        bal_text_format_double(head->at_least, number);
        text = bal_arena_printf(r->arena, "{at_least: %s}", number);
    } else {
        text = "{bins: [";
        for (int32_t i = 0; i < head->n_bins && text; i++) {
            bal_text_format_double(head->bins[i], number);
            text = bal_arena_printf(r->arena, "%s%s%s", text, i > 0 ? ", " : "", number);
        }
        if (text) text = bal_arena_printf(r->arena, "%s]}", text);
    }
    if (!text) return bal_recipe_fail_memory(r);
    head->target = text;
    return BAL_OK;
}

static bal_status read_derived(bal_recipe_reader *r, const bal_recipe_field *f,
                               bal_recipe_head *head) {
    static const char *const kinds[] = {"bins", "at_least", NULL};
    const bal_yaml_node *value = f->node->first;
    if (!value || value->next)
        return bal_recipe_fail_type(r, f, "a column, next, {bins: […]} or {at_least: X}");
    if (!is_sequence(r->recipe))
        return bal_recipe_fail(r, bal_recipe_place(f->node),
                               "%s: {%s: …} is made from a series; with data.kind: %s name a "
                               "column",
                               f->where, value->key, r->recipe->data.kind);
    if (strcmp(value->key, "bins") == 0) {
        BAL_TRY(read_bins(r, f, value, head));
    } else if (strcmp(value->key, "at_least") == 0) {
        BAL_TRY(bal_recipe_read_number(r, f, value, &head->at_least));
        head->target_kind = BAL_TARGET_AT_LEAST;
    } else {
        return bal_recipe_fail_name(r, bal_recipe_key_place(value), f->where, value->key, kinds);
    }
    return name_target(r, head);
}

bal_status bal_recipe_read_target(bal_recipe_reader *r, const bal_recipe_field *f,
                                  bal_yaml_node **ret_resolved) {
    static const char *const series_targets[] = {"next", "{bins: […]}", "{at_least: X}", NULL};
    bal_recipe_head *head = f->base;
    const char *text;
    if (f->node->kind == BAL_YAML_MAPPING) {
        BAL_TRY(read_derived(r, f, head));
        *ret_resolved = bal_yaml_copy(r->arena, f->node);
        return *ret_resolved ? BAL_OK : bal_recipe_fail_memory(r);
    }
    if (!bal_yaml_text(f->node, &text)) return bal_recipe_fail_type(r, f, "text");
    if (is_sequence(r->recipe) && text[0]) {
        if (strcmp(text, "next") != 0)
            return bal_recipe_fail_name(r, bal_recipe_place(f->node), f->where, text,
                                        series_targets);
        head->target_kind = BAL_TARGET_NEXT;
    }
    head->target = text;
    *ret_resolved = bal_recipe_literal(r->arena, text);
    return *ret_resolved ? BAL_OK : bal_recipe_fail_memory(r);
}

/* ---- checks ---- */

static bal_place place_in(const bal_yaml_node *section, const char *key) {
    bal_place place = bal_recipe_place(bal_yaml_get(section, key));
    return place.file[0] ? place : bal_recipe_place(section);
}

/* "<1.2", "1.2-1.5", …, ">=20" */
static bal_status name_bins(bal_recipe_reader *r, bal_recipe_head *head) {
    size_t n = (size_t)head->n_bins + 1;
    const char **names = bal_arena_alloc(r->arena, n, sizeof *names);
    if (!names) return bal_recipe_fail_memory(r);
    char low[32] = "", high[32];
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n) bal_text_format_double(head->bins[i], high);
        if (i == 0)
            names[i] = bal_arena_printf(r->arena, "<%s", high);
        else if (i + 1 == n)
            names[i] = bal_arena_printf(r->arena, ">=%s", low);
        else
            names[i] = bal_arena_printf(r->arena, "%s-%s", low, high);
        if (!names[i]) return bal_recipe_fail_memory(r);
        memcpy(low, high, sizeof low);
    }
    head->classes = names;
    head->n_classes = (int32_t)n;
    return BAL_OK;
}

static bal_status check_target(bal_recipe_reader *r, bal_recipe_head *head,
                               const bal_yaml_node *node) {
    static const struct {
        bal_head_kind kind;
        const char *target;
    } wanted[] = {
        [BAL_TARGET_NEXT] = {BAL_HEAD_VALUE, "next"},
        [BAL_TARGET_BINS] = {BAL_HEAD_CLASSES, "{bins: […]}"},
        [BAL_TARGET_AT_LEAST] = {BAL_HEAD_BINARY, "{at_least: X}"},
    };
    static const char *const sides[] = {"below", "above"};
    if (head->target_kind == BAL_TARGET_COLUMN)
        return bal_recipe_fail(r, place_in(node, "name"),
                               "head '%s' has no target; with data.kind: sequence it is next, "
                               "{bins: […]} or {at_least: X}",
                               head->name);
    bal_head_kind kind = wanted[head->target_kind].kind;
    if (head->kind != kind)
        return bal_recipe_fail(r, place_in(node, "kind"),
                               "head '%s' is of kind %s, but its target %s is for heads of kind %s",
                               head->name, bal_head_kind_name(head->kind),
                               wanted[head->target_kind].target, bal_head_kind_name(kind));
    if (kind == BAL_HEAD_VALUE) return BAL_OK;
    int32_t classes = head->target_kind == BAL_TARGET_BINS ? head->n_bins + 1 : 2;
    if (head->n_classes > 0 && head->n_classes != classes)
        return bal_recipe_fail(r, place_in(node, "classes"),
                               "head '%s' lists %d classes, but its target makes %d", head->name,
                               (int)head->n_classes, (int)classes);
    if (head->n_classes > 0) return BAL_OK;
    if (head->target_kind == BAL_TARGET_BINS) return name_bins(r, head);
    head->classes = sides;
    head->n_classes = 2;
    return BAL_OK;
}

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

static bal_status check_missing(const bal_recipe_reader *r, const bal_yaml_node *data) {
    static const char *const table_words[] = {"error", "mean", NULL};
    static const char *const series_words[] = {"error", "skip", "previous", NULL};
    const char *word = r->recipe->data.missing;
    const char *const *words = is_sequence(r->recipe) ? series_words : table_words;
    for (int i = 0; words[i]; i++)
        if (is(words[i], word)) return BAL_OK;
    return bal_recipe_fail(r, place_in(data, "missing"),
                           "data.missing: %s has no meaning with data.kind: %s; possible are %s",
                           word, r->recipe->data.kind, bal_recipe_listing(r->arena, words));
}

static bal_status check_split(const bal_recipe_reader *r, const bal_yaml_node *data) {
    const bal_recipe_split *split = &r->recipe->data.split;
    const bal_yaml_node *node = bal_yaml_get(data, "split");
    bool in_order = is(split->kind, "sequential") || is(split->kind, "time");
    if (split->embargo > 0 && !in_order)
        return bal_recipe_fail(r, place_in(node, "embargo"),
                               "data.split.embargo has no meaning with kind: %s, only with "
                               "sequential and time: rows at random have no gap between parts",
                               split->kind);
    if (is_sequence(r->recipe) && split->column[0])
        return bal_recipe_fail(r, place_in(node, "kind"),
                               "data.split.kind: %s needs a column, which rows of a series do not "
                               "have; they are in order already: use sequential",
                               split->kind);
    return BAL_OK;
}

static bal_status check_source(const bal_recipe_reader *r, const bal_yaml_node *data) {
    const bal_recipe_data *wanted = &r->recipe->data;
    bool file = wanted->path[0], simulated = wanted->simulator.name[0];
    if (file && simulated)
        return bal_recipe_fail(r, place_in(data, "simulator"),
                               "data has both a path and a simulator; wanted one of them");
    if (!file && !simulated)
        return bal_recipe_fail(r, bal_recipe_place(data),
                               "data needs 'path' or 'simulator' with kind: sequence");
    return BAL_OK;
}

static bal_status check_simulator(const bal_recipe_reader *r, const bal_yaml_node *data) {
    const char *name = r->recipe->data.simulator.name;
    if (!name[0]) return BAL_OK;
    bool series = bal_series_simulator_find(name) != NULL;
    if (series == is_sequence(r->recipe)) return BAL_OK;
    return bal_recipe_fail(r, place_in(bal_yaml_get(data, "simulator"), "name"),
                           "data.simulator.name: %s makes a %s; it goes with data.kind: %s", name,
                           series ? "series" : "table", series ? "sequence" : "simulated");
}

bal_status bal_recipe_check_series(bal_recipe_reader *r) {
    const bal_yaml_node *data = bal_yaml_get(r->root, "data");
    BAL_TRY(check_missing(r, data));
    BAL_TRY(check_split(r, data));
    BAL_TRY(check_simulator(r, data));
    if (!is_sequence(r->recipe)) return BAL_OK;
    BAL_TRY(check_source(r, data));
    int32_t h = 0;
    bal_yaml_each (node, bal_yaml_get(r->root, "heads"))
        BAL_TRY(check_target(r, (bal_recipe_head *)&r->recipe->heads[h++], node));
    return BAL_OK;
}
