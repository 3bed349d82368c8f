/* ballast eval: how good a model is on labelled rows. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "command.h"
#include "format/json.h"
#include "summary.h"
#include "target.h"
#include "train/model_eval.h"
#include "train/run.h"

typedef struct question {
    const char *target, *split, *threads;
    bool json, per_class;
    int64_t resamples; /* 0: no intervals */
    int64_t block;     /* rows of a block that is drawn; 0: as the data asks */
    char **overrides;  /* owned: data.path absolute and quoted */
    int32_t n_overrides;
    const char *path; /* data.path as given, NULL when it was not */
} question;

static const char data_path[] = "data.path=";

/* Intervals always come from the same draws, so that the same rows have the same ones. */
enum { RESAMPLES_MIN = 100, RESAMPLES_MAX = 1000000, BLOCK_MAX = 1000000, INTERVAL_SEED = 1 };
#define INTERVAL_LEVEL 0.95

/* ---- overrides ---- */

/** data.path=FILE as the user means it: relative to where the command is given, not to the run, and
 *  a name whatever YAML would make of its characters. One in quotes, or that begins with a
 * variable, is YAML already. */
static bal_status plain_override(const char *word, char **ret_word, bal_error *err) {
    const char *file = word + sizeof data_path - 1;
    char folder[4096];
    bal_text path = {0}, text = {0};
    bool plain = file[0] && file[0] != '$' && file[0] != '"' && file[0] != '\'';
    if (plain && file[0] != '/' && realpath(".", folder)) bal_text_printf(&path, "%s/", folder);
    bal_text_puts(&path, file);
    bal_text_puts(&text, data_path);
    if (!plain) bal_text_puts(&text, file);
    bal_status status = bal_text_failed(&path) ? bal_fail_memory(err, path.length) : BAL_OK;
    if (status == BAL_OK && plain) status = bal_write_yaml_word(path.data, &text, err);
    if (status == BAL_OK && bal_text_failed(&text)) status = bal_fail_memory(err, text.length);
    bal_text_release(&path);
    if (status == BAL_OK)
        *ret_word = text.data;
    else
        bal_text_release(&text);
    return status;
}

static bal_status take_overrides(question *asked, int argc, char **argv, bal_error *err) {
    asked->overrides = bal_calloc((size_t)argc, sizeof *asked->overrides);
    if (!asked->overrides) return bal_fail_memory(err, (size_t)argc * sizeof *asked->overrides);
    for (int i = 2; i < argc; i++) {
        char **word = &asked->overrides[asked->n_overrides];
        bool is_path = strncmp(argv[i], data_path, sizeof data_path - 1) == 0;
        if (is_path)
            BAL_TRY(plain_override(argv[i], word, err));
        else if (!(*word = bal_strdup(argv[i])))
            return bal_fail_memory(err, strlen(argv[i]) + 1);
        asked->n_overrides++;
        if (is_path) asked->path = argv[i] + sizeof data_path - 1;
    }
    return BAL_OK;
}

static void release(question *asked) {
    for (int32_t i = 0; asked->overrides && i < asked->n_overrides; i++)
        bal_free(asked->overrides[i]);
    bal_free(asked->overrides);
}

/* ---- rows ---- */

static bool names_data(const question *asked) {
    for (int32_t i = 0; i < asked->n_overrides; i++)
        if (strncmp(asked->overrides[i], "data.", 5) == 0) return true;
    return false;
}

static bal_status load_recipe(const question *asked, const bal_target *target,
                              bal_recipe **ret_recipe, bal_error *err) {
    const char *const *overrides = (const char *const *)asked->overrides;
    if (!target->run && !names_data(asked))
        return bal_fail(err, BAL_ERECIPE,
                        "a model file does not know its rows; give them with data.path=FILE");
    if (!target->run)
        return bal_model_eval_recipe(target->predictor, asked->path, overrides, asked->n_overrides,
                                     ret_recipe, err);
    char *path = bal_path_join(target->run, BAL_RUN_RESOLVED);
    if (!path) return bal_fail_memory(err, 0);
    bal_status status = bal_recipe_load(path, overrides, asked->n_overrides, ret_recipe, err);
    bal_free(path);
    return status;
}

/** Rows of another file were in no split; a run's own rows are those it kept for the end. */
static const char *split_of(const question *asked, const bal_target *target) {
    if (asked->split) return asked->split;
    return asked->path || !target->run ? "all" : "test";
}

/* ---- answers ---- */

static bal_status write_intervals(const question *asked, const bal_model_eval *eval,
                                  bal_json_out *out, bal_error *err) {
    bal_interval_options options = {
        .resamples = (int)asked->resamples,
        .level = INTERVAL_LEVEL,
        .seed = INTERVAL_SEED,
        .unit = asked->block > 1   ? BAL_SHUFFLE_BLOCKS
                : asked->block > 0 ? BAL_SHUFFLE_ROWS
                                   : eval->unit,
        .rank = eval->rank,
        .block = asked->block,
    };
    if (asked->block == 0) BAL_TRY(bal_eval_set_block(&eval->set, &options, &options.block, err));
    bal_json_out_key(out, "bootstrap");
    bal_json_out_object(out);
    bal_json_out_named_integer(out, "resamples", asked->resamples);
    bal_json_out_named_number(out, "level", options.level);
    bal_json_out_named_integer(out, "seed", INTERVAL_SEED);
    bal_json_out_named_string(out, "unit", bal_shuffle_name(options.unit));
    bal_json_out_named_integer(out, "block", options.block);
    bal_json_out_key(out, "intervals");
    BAL_TRY(bal_eval_set_intervals_json(&eval->set, &options, out, err));
    bal_json_out_object_end(out);
    return BAL_OK;
}

static bal_status write_json(const question *asked, const bal_target *target,
                             const bal_model_eval *eval, bal_text *text, bal_error *err) {
    const char *split = split_of(asked, target);
    bal_json_out out;
    bal_json_out_init(&out, text, BAL_JSON_LINE);
    bal_json_out_object(&out);
    if (target->run) bal_json_out_named_string(&out, "run", target->run);
    bal_json_out_named_string(&out, "model", target->model);
    bal_json_out_named_string(&out, "data", eval->dataset->table->source);
    bal_json_out_named_string(&out, "split", split);
    bal_json_out_named_integer(&out, "rows", eval->set.n_rows);
    bal_json_out_named_integer(&out, "unknown_labels", eval->dataset->unknown_labels);
    bal_json_out_key(&out, split);
    bal_eval_set_json(&eval->set, asked->per_class, &out);
    if (asked->resamples > 0) BAL_TRY(write_intervals(asked, eval, &out, err));
    bal_json_out_object_end(&out);
    bal_text_puts(text, "\n");
    return BAL_OK;
}

static int print_words(const question *asked, const bal_target *target, const bal_model_eval *eval,
                       const bal_text *text) {
    json_t *answer = NULL;
    const char *split = split_of(asked, target);
    const char *const splits[] = {split, NULL};
    bal_error err = {0};
    if (bal_json_parse(text->data, text->length, "evaluation", &answer, &err) != BAL_OK)
        return bal_report_error(&err);
    printf("%s, %lld rows (%s) of %s\n\n", target->model, (long long)eval->set.n_rows, split,
           eval->dataset->table->source);
    bal_print_metrics(stdout, answer, splits);
    if (asked->resamples > 0) bal_print_intervals(stdout, answer, split);
    if (asked->per_class) bal_print_classes(stdout, json_object_get(answer, split));
    json_decref(answer);
    return EXIT_DONE;
}

static int answer(const question *asked, const bal_target *target, const bal_model_eval *eval) {
    bal_text text = {0};
    bal_error err = {0};
    if (write_json(asked, target, eval, &text, &err) != BAL_OK) {
        bal_text_release(&text);
        return bal_report_error(&err);
    }
    if (asked->json || bal_text_failed(&text)) return bal_print_text(&text);
    int code = print_words(asked, target, eval, &text);
    bal_text_release(&text);
    return code;
}

static int evaluate(question *asked, int threads, int argc, char **argv) {
    bal_target target = {0};
    bal_recipe *recipe = NULL;
    bal_model_eval eval;
    bal_error err = {0};
    bal_log_sink log = bal_stderr_log();
    int code;
    bal_status status = take_overrides(asked, argc, argv, &err);
    if (status == BAL_OK) status = bal_target_open(&target, asked->target, threads, &err);
    if (status == BAL_OK) status = load_recipe(asked, &target, &recipe, &err);
    if (status == BAL_OK)
        status = bal_model_eval_init(&eval, target.predictor, recipe, split_of(asked, &target),
                                     &log, &err);
    if (status == BAL_OK) {
        code = answer(asked, &target, &eval);
        bal_model_eval_release(&eval);
    } else {
        code = bal_report_error(&err);
    }
    bal_recipe_free(recipe);
    bal_target_close(&target);
    release(asked);
    return code;
}

/** A whole number from least to most; `ret` is left as it is when there is no text. */
static bool take_number(const char *option, const char *text, int64_t least, int64_t most,
                        int64_t *ret) {
    int64_t number;
    if (!text) return true;
    if (bal_text_parse_i64(text, strlen(text), &number) && number >= least && number <= most) {
        *ret = number;
        return true;
    }
    bal_report_usage(&bal_command_eval, "%s wants a number from %lld to %lld, not '%s'", option,
                     (long long)least, (long long)most, text);
    return false;
}

static int run(int argc, char **argv) {
    static const char *const splits[] = {"train", "val", "test", "all", NULL};
    question asked = {0};
    const char *resamples = NULL, *block = NULL;
    int threads, known = 0;
    const bal_option options[] = {
        {"--split", &asked.split, NULL},         {"--bootstrap", &resamples, NULL},
        {"--threads", &asked.threads, NULL},     {"--json", NULL, &asked.json},
        {"--per-class", NULL, &asked.per_class}, {"--block", &block, NULL},
    };
    int n =
        bal_parse_options(&bal_command_eval, argc, argv, options, sizeof options / sizeof *options);
    if (n < 0) return EXIT_USAGE;
    if (n < 2) return bal_report_usage(&bal_command_eval, "which run or model?");
    while (asked.split && splits[known] && strcmp(splits[known], asked.split) != 0)
        known++;
    if (!splits[known]) return bal_report_unknown(&bal_command_eval, "split", asked.split, splits);
    if (!bal_parse_threads(&bal_command_eval, asked.threads, &threads)) return EXIT_USAGE;
    if (!take_number("--bootstrap", resamples, RESAMPLES_MIN, RESAMPLES_MAX, &asked.resamples) ||
        !take_number("--block", block, 1, BLOCK_MAX, &asked.block))
        return EXIT_USAGE;
    if (block && !resamples)
        return bal_report_usage(&bal_command_eval, "--block is about intervals: give --bootstrap");
    asked.target = argv[1];
    return evaluate(&asked, threads, n, argv);
}

const bal_command bal_command_eval = {
    .name = "eval",
    .arguments = "RUN|MODEL [data.path=FILE …] [--split SPLIT] [--per-class] "
                 "[--bootstrap N [--block B]] [--json] [--threads N]",
    .summary = "How good a model is on labelled rows",
    .help = "Of a run, its own test rows, or those of another file given with data.path;\n"
            "of a model file, those of data.path. Other data keys work too:\n"
            "data.target=y, data.header=no, data.unknown=skip (leave out rows whose label\n"
            "the model does not know).\n\n"
            "--split S     train, val, test or all (default: test; all for another file)\n"
            "--per-class   precision, recall, F1 and rows of every class, worst first\n"
            "--bootstrap N 95 % intervals of the metrics from N resamples, 100 or more: of\n"
            "              rows, of groups for a split by group, of blocks of neighbours for\n"
            "              a series and a split by time or in order\n"
            "--block B     blocks of B rows (default: as long as labels and errors depend on\n"
            "              those before them); 1: single rows\n"
            "--json        one JSON object on standard output\n"
            "--threads N   how many threads (default: all processors of this process)\n",
    .run = run,
};
