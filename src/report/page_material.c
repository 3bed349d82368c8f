/* What a run folder says, read with indulgence: a run that was killed, or a disk that lost a line,
 * must not cost the rest of the report. Every file is read on its own; what cannot be used is noted
 * as a problem with its place and left out. Only lack of memory ends the reading. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "recipe/recipe.h"
#include "report/page_parts.h"
#include "train/evaluate.h"
#include "train/run_folder.h"

enum { TEXT_MAX = 4 << 20 }; /* bytes of a recipe or command */

/* ---- helpers of all parts ---- */

double bal_page_number(const json_t *object, const char *key) {
    double number = NAN;
    bal_json_number(json_object_get(object, key), &number);
    return number;
}

const char *bal_page_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

const char *bal_page_printf(bal_page *page, const char *format, ...) {
    bal_text text = {0};
    va_list args;
    va_start(args, format);
    bal_text_vprintf(&text, format, args);
    va_end(args);
    char *kept = text.data ? bal_arena_strdup(&page->arena, text.data) : NULL;
    if (!kept) page->no_memory = true;
    bal_text_release(&text);
    return kept ? kept : "";
}

void bal_page_problem(bal_page *page, const char *format, ...) {
    bal_text text = {0};
    va_list args;
    va_start(args, format);
    bal_text_vprintf(&text, format, args);
    va_end(args);
    size_t valid = text.data ? bal_text_utf8_valid(text.data, text.length) : 0;
    if (bal_text_failed(&text) ||
        json_array_append_new(page->problems, json_stringn(text.data, valid)) != 0)
        page->no_memory = true;
    bal_text_release(&text);
}

bool bal_page_has_failed(const bal_page *page) {
    return page->no_memory || bal_text_failed(&page->body);
}

/* ---- files ---- */

/** Errors that a report goes on after are told on the page. */
static bal_status forgive(bal_page *page, const char *name, bal_status status, const bal_error *why,
                          bal_error *err) {
    if (status == BAL_ENOMEM) return bal_fail(err, status, "%s", why->message);
    if (status != BAL_OK && status != BAL_ENOTFOUND)
        bal_page_problem(page, "%s could not be used: %s", name, why->message);
    return BAL_OK;
}

bal_status bal_page_read(bal_page *page, const char *name, size_t bytes_max, char **ret_data,
                         size_t *ret_size, bal_error *err) {
    bal_error why = {0};
    char *data = NULL;
    size_t size = 0;
    char *path = bal_path_join(page->folder, name);
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = bal_file_read(path, bytes_max, &data, &size, &why);
    bal_free(path);
    BAL_TRY(forgive(page, name, status, &why, err));
    *ret_data = data;
    *ret_size = size;
    return BAL_OK;
}

static bal_status read_text(bal_page *page, const char *name, const char **ret_text,
                            bal_error *err) {
    char *data;
    size_t size;
    BAL_TRY(bal_page_read(page, name, TEXT_MAX, &data, &size, err));
    if (!data) return BAL_OK;
    *ret_text = bal_arena_strdup(&page->arena, data);
    bal_free(data);
    return *ret_text ? BAL_OK : bal_fail_memory(err, size + 1);
}

/** A file that holds one JSON object. */
static bal_status read_object(bal_page *page, const char *name, json_t **ret_object,
                              bal_error *err) {
    bal_error why = {0};
    char *data;
    size_t size;
    json_t *value = NULL;
    BAL_TRY(bal_page_read(page, name, BAL_JSON_BYTES_MAX, &data, &size, err));
    if (!data) return BAL_OK;
    bal_status status = bal_json_parse(data, size, name, &value, &why);
    bal_free(data);
    if (status == BAL_OK && !json_is_object(value)) {
        json_decref(value);
        value = NULL;
        status = bal_fail(&why, BAL_EFORMAT, "wanted a JSON object");
    }
    BAL_TRY(forgive(page, name, status, &why, err));
    *ret_object = value;
    return BAL_OK;
}

/** Lines of a log that had to be left out. */
typedef struct damage {
    size_t lines, first;
    bal_error why; /* the first is no use */
} damage;

/** One line of a log: an object is kept, anything else counted. */
static bal_status take_line(const char *bytes, size_t length, size_t line, json_t *rows,
                            damage *damaged, bal_error *err) {
    bal_error why = {0};
    json_t *row = NULL;
    bal_status status = bal_json_parse(bytes, length, "line", &row, &why);
    if (status == BAL_OK && !json_is_object(row)) {
        json_decref(row);
        status = bal_fail(&why, BAL_EFORMAT, "wanted a JSON object");
    }
    if (status == BAL_OK)
        return json_array_append_new(rows, row) == 0 ? BAL_OK : bal_fail_memory(err, length);
    if (status == BAL_ENOMEM) return bal_fail(err, status, "%s", why.message);
    if (damaged->lines++ == 0) {
        damaged->first = line;
        damaged->why = why;
    }
    return BAL_OK;
}

/** A file with one JSON object per line. */
static bal_status read_lines(bal_page *page, const char *name, json_t *rows, bal_error *err) {
    damage damaged = {0};
    char *data;
    size_t size, line = 1;
    bal_status status = bal_page_read(page, name, BAL_JSON_BYTES_MAX, &data, &size, err);
    if (status != BAL_OK || !data) return status;
    for (size_t at = 0; status == BAL_OK && at < size; line++) {
        const char *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at;
        status = take_line(data + at, length, line, rows, &damaged, err);
        at += length + 1;
    }
    bal_free(data);
    if (status == BAL_OK && damaged.lines > 0)
        bal_page_problem(page, "%s: %zu line%s left out as damaged, first line %zu (%s)", name,
                         damaged.lines, damaged.lines == 1 ? "" : "s", damaged.first,
                         damaged.why.message);
    return status;
}

/* ---- what follows from the files ---- */

static bal_status read_transforms(bal_page *page, const bal_recipe *recipe, bal_error *err) {
    page->transforms = json_object();
    if (!page->transforms) return bal_fail_memory(err, 0);
    for (int32_t h = 0; h < recipe->n_heads; h++) {
        const bal_recipe_head *head = &recipe->heads[h];
        if (json_object_set_new(page->transforms, head->name, json_string(head->transform)) != 0)
            return bal_fail_memory(err, strlen(head->name));
    }
    return BAL_OK;
}

static bal_status read_plans(bal_page *page, const bal_recipe *recipe, bal_error *err) {
    size_t n = (size_t)recipe->n_stages;
    page->plans = bal_arena_alloc(&page->arena, n, sizeof *page->plans);
    if (!page->plans) return bal_fail_memory(err, n * sizeof *page->plans);
    for (; page->n_plans < n; page->n_plans++) {
        const bal_recipe_stage *stage = &recipe->stages[page->n_plans];
        page->plans[page->n_plans] = (bal_page_plan){
            .name = bal_page_printf(page, "%s", stage->name),
            .monitor = bal_page_printf(page, "%s", stage->recipe->monitor),
            .from_stage = stage->from < 0 ? "" : page->plans[stage->from].name,
            .from_file = bal_page_printf(page, "%s", stage->recipe->model.init_from),
            .epochs = stage->recipe->train.epochs,
            .patience = stage->recipe->stop.patience,
        };
        page->epochs_planned += stage->recipe->train.epochs;
    }
    return BAL_OK;
}

static bal_status read_recipe(bal_page *page, bal_error *err) {
    bal_error why = {0};
    bal_recipe *recipe = NULL;
    page->name = page->monitor = "";
    BAL_TRY(read_text(page, BAL_RUN_RECIPE, &page->recipe, err));
    BAL_TRY(read_text(page, BAL_RUN_RESOLVED, &page->resolved, err));
    if (!page->resolved) return BAL_OK;
    bal_status status =
        bal_recipe_parse(page->resolved, BAL_RUN_RESOLVED, page->folder, NULL, 0, &recipe, &why);
    if (status != BAL_OK) return forgive(page, BAL_RUN_RESOLVED, status, &why, err);
    page->name = bal_page_printf(page, "%s", recipe->name);
    page->monitor = bal_page_printf(page, "%s", recipe->monitor);
    page->epochs_planned = recipe->n_stages > 0 ? 0 : recipe->train.epochs;
    status = read_plans(page, recipe, err);
    if (status == BAL_OK) status = read_transforms(page, recipe, err);
    bal_recipe_free(recipe);
    return status;
}

/** Wherever heads are named: in the figures of the end, in the last row of the log, or, before the
 *  first evaluation, among the class weights. */
static json_t *named_heads(const bal_page *page) {
    size_t n = json_array_size(page->rows);
    json_t *heads = json_object_get(page->summary, "val");
    if (json_object_size(heads) == 0) heads = json_object_get(page->summary, "test");
    if (json_object_size(heads) == 0 && n > 0)
        heads = json_object_get(json_array_get(page->rows, n - 1), "val");
    return json_object_size(heads) > 0 ? heads : page->weights;
}

static bal_status find_heads(bal_page *page, bal_error *err) {
    json_t *heads = named_heads(page), *figures;
    const char *name;
    size_t n = json_object_size(heads);
    page->heads = bal_arena_alloc(&page->arena, n, sizeof *page->heads);
    if (!page->heads) return bal_fail_memory(err, n * sizeof *page->heads);
    json_object_foreach(heads, name, figures) {
        bool classes = json_object_get(figures, "accuracy") || heads == page->weights;
        const char *transform = bal_page_text(figures, "transform");
        if (!transform[0]) transform = bal_page_text(page->transforms, name);
        page->heads[page->n_heads++] = (bal_page_head){
            .name = name, .has_classes = classes, .is_log = strcmp(transform, "log") == 0};
    }
    return BAL_OK;
}

/** The best eligible one of rows [first, end), the first of equals, as the trainer has it. */
static const json_t *best_of(const bal_page *page, const char *monitor, size_t first, size_t end) {
    bal_metric_path path;
    if (bal_metric_path_parse(monitor, &path, NULL) != BAL_OK) return NULL;
    int better = bal_metric_path_better(&path) > 0 ? 1 : -1;
    const json_t *found = NULL;
    double best = NAN;
    for (size_t i = first; i < end; i++) {
        const json_t *row = json_array_get(page->rows, i);
        double value = bal_page_number(row, "monitor");
        if (!json_is_true(json_object_get(row, "eligible")) || isnan(value)) continue;
        if (!isnan(best) && better * value <= better * best) continue;
        best = value;
        found = row;
    }
    return found;
}

/** The row that the model is from: of the last stage that has one. Stages may watch different
 *  metrics, whose values do not compare. */
static void find_best(bal_page *page) {
    if (page->n_stages == 0)
        page->best = best_of(page, page->monitor, 0, json_array_size(page->rows));
    for (size_t i = 0; i < page->n_stages; i++) {
        bal_page_stage *stage = &page->stages[i];
        stage->best = best_of(page, stage->monitor, stage->first, stage->end);
        if (!stage->best) continue;
        page->best = stage->best;
        page->monitor = stage->monitor;
    }
}

static void name_run(bal_page *page) {
    const char *name = bal_page_text(page->summary, "name");
    const char *monitor = bal_page_text(json_object_get(page->summary, "monitor"), "name");
    size_t length = strlen(page->folder);
    while (length > 1 && page->folder[length - 1] == '/')
        length--;
    page->place = bal_path_name(bal_page_printf(page, "%.*s", (int)length, page->folder));
    if (name[0]) page->name = name;
    if (monitor[0]) page->monitor = monitor;
    if (!page->name[0]) page->name = page->place;
}

/* ---- all ---- */

/** Files that a run of this state ought to have. */
static void miss_files(bal_page *page) {
    const struct {
        const char *name;
        bool wanted;
    } files[] = {
        {BAL_RUN_RECIPE, true},
        {BAL_RUN_RESOLVED, true},
        {BAL_RUN_ENV, true},
        {BAL_RUN_CLASS_WEIGHTS, true},
        {BAL_RUN_INCIDENTS, true},
        {BAL_RUN_METRICS, page->ended},
        {BAL_RUN_HEALTH, page->ended},
        {BAL_RUN_RESPONSE, json_is_string(json_object_get(page->summary, "model"))},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!files[i].wanted) continue;
        char *path = bal_path_join(page->folder, files[i].name);
        if (!path) page->no_memory = true;
        if (path && !bal_path_exists(path))
            bal_page_problem(page, "%s is not in the folder", files[i].name);
        bal_free(path);
    }
}

static bal_status find_end(bal_page *page, bal_error *err) {
    char *path = bal_path_join(page->folder, BAL_RUN_SUMMARY);
    if (!path) return bal_fail_memory(err, 0);
    page->ended = bal_path_exists(path);
    bal_free(path);
    return BAL_OK;
}

bal_status bal_page_open(bal_page *page, const char *folder, bal_error *err) {
    *page = (bal_page){.folder = folder, .name = "", .monitor = ""};
    bal_html_init(&page->html, &page->body);
    bal_json_setup();
    page->problems = json_array();
    page->rows = json_array();
    page->incidents = json_array();
    if (!page->problems || !page->rows || !page->incidents) return bal_fail_memory(err, 0);
    BAL_TRY(find_end(page, err));
    BAL_TRY(read_recipe(page, err));
    BAL_TRY(read_text(page, BAL_RUN_COMMAND, &page->command, err));
    BAL_TRY(read_object(page, BAL_RUN_SUMMARY, &page->summary, err));
    BAL_TRY(read_object(page, BAL_RUN_HEALTH, &page->health, err));
    BAL_TRY(read_object(page, BAL_RUN_RESPONSE, &page->response, err));
    BAL_TRY(read_object(page, BAL_RUN_CLASS_WEIGHTS, &page->weights, err));
    BAL_TRY(read_object(page, BAL_RUN_ENV, &page->env, err));
    BAL_TRY(read_lines(page, BAL_RUN_METRICS, page->rows, err));
    BAL_TRY(read_lines(page, BAL_RUN_INCIDENTS, page->incidents, err));
    name_run(page);
    BAL_TRY(find_heads(page, err));
    BAL_TRY(bal_page_find_stages(page, err));
    find_best(page);
    miss_files(page);
    return page->no_memory ? bal_fail_memory(err, 0) : BAL_OK;
}

void bal_page_release(bal_page *page) {
    json_decref(page->summary);
    json_decref(page->health);
    json_decref(page->response);
    json_decref(page->weights);
    json_decref(page->env);
    json_decref(page->rows);
    json_decref(page->incidents);
    json_decref(page->problems);
    json_decref(page->transforms);
    bal_text_release(&page->body);
    bal_arena_release(&page->arena);
    *page = (bal_page){0};
}
