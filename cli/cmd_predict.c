/* ballast predict: what a model says about rows without labels. */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "command.h"
#include "format/sqlite.h"
#include "predictions.h"
#include "target.h"

typedef struct request {
    const char *target, *input, *output;
    const char *missing, *header, *separator, *threads;
    bool by_position;
} request;

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* ---- rows ---- */

static bal_status check_width(const bal_table *table, const bal_predictor *predictor,
                              bal_error *err) {
    int32_t wanted = bal_predictor_features(predictor);
    if (table->features == wanted) return BAL_OK;
    return bal_fail(err, BAL_EDATA, "%s has %d columns; the model wants %d features", table->source,
                    (int)table->features, (int)wanted);
}

static bal_status check_missing(const bal_table *table, bal_error *err) {
    char place[512];
    for (int64_t row = 0; row < table->rows; row++)
        for (int32_t j = 0; j < table->features; j++) {
            if (!isnan(table->x[row * table->features + j])) continue;
            return bal_fail(err, BAL_EDATA,
                            "%s, column '%s': no value; give one, or say --missing mean to have "
                            "the training mean filled in",
                            bal_table_place(table, row, place, sizeof place),
                            table->feature_names[j]);
        }
    return BAL_OK;
}

/* A series is read as it was for training; its rows are the model's features by definition. */
static void use_series(const bal_predictor *predictor, bal_table_options *options) {
    const bal_model_series *series = bal_predictor_series(predictor);
    options->kind = "sequence";
    options->missing = series->missing;
    options->table = bal_sqlite_is(options->path) ? series->table : "";
    options->series_column = series->column;
    options->series_order = series->order;
    options->series_window = series->window;
    options->series_features = series->features;
    options->n_series_features = bal_predictor_features(predictor);
    options->series_log = series->log;
    options->series_ahead = 1;
}

/** One array without a name is what NumPy users have first; the csv reader would find it no text.
 */
static bal_status refuse_npy(const char *input, const bal_predictor *predictor, bal_error *err) {
    int32_t n;
    const char *const *arrays = bal_predictor_arrays(predictor, &n);
    return bal_fail(err, BAL_EDATA,
                    "%s is a single array; wanted csv or npz: save it in Python with "
                    "numpy.savez(\"%.*s.npz\", %s=array)",
                    input, (int)strlen(input) - 4, input, n > 0 ? arrays[0] : "X");
}

static bal_status load(const request *asked, const bal_predictor *predictor, bal_table **ret_table,
                       bal_error *err) {
    bal_log_sink log = bal_stderr_log();
    bal_table_options options = {
        .kind = ends_with(asked->input, ".npz") ? "npz" : "csv",
        .path = asked->input,
        .header = asked->header,
        .separator = asked->separator,
        .missing = "mean", /* found here, where the advice can name our option */
    };
    if (!bal_path_exists(asked->input))
        return bal_fail(err, BAL_EDATA, "there is no file %s", asked->input);
    if (ends_with(asked->input, ".npy")) return refuse_npy(asked->input, predictor, err);
    if (strcmp(options.kind, "npz") == 0)
        options.features = bal_predictor_arrays(predictor, &options.n_features);
    bool series = bal_predictor_series(predictor) && strcmp(options.kind, "csv") == 0;
    if (series) use_series(predictor, &options);
    options.by_position = asked->by_position;
    if (!series && !asked->by_position) {
        options.expected_features = bal_predictor_feature_names(predictor);
        options.n_expected = bal_predictor_features(predictor);
    }
    bal_table *table;
    BAL_TRY(bal_table_load(&options, &log, &table, err));
    bal_status status = check_width(table, predictor, err);
    if (status == BAL_OK && strcmp(asked->missing, "mean") != 0) status = check_missing(table, err);
    if (status == BAL_OK)
        *ret_table = table;
    else
        bal_table_free(table);
    return status;
}

/* ---- answers ---- */

static bal_status write(const request *asked, const bal_predictions *predictions, bal_error *err) {
    return ends_with(asked->output, ".npz")
               ? bal_predictions_write_npz(predictions, asked->output, err)
               : bal_predictions_write_csv(predictions, asked->output, err);
}

static int predict(const request *asked, int threads) {
    bal_target target = {0};
    bal_table *table = NULL;
    bal_predictions predictions = {0};
    bal_error err = {0};
    bal_status status = bal_target_open(&target, asked->target, threads, &err);
    if (status == BAL_OK) status = load(asked, target.predictor, &table, &err);
    if (status == BAL_OK)
        status = bal_predictions_make(&predictions, target.predictor, table, &err);
    if (status == BAL_OK) status = write(asked, &predictions, &err);
    int code = status == BAL_OK ? EXIT_DONE : bal_report_error(&err);
    if (status == BAL_OK && strcmp(asked->output, "-") != 0)
        printf("%lld rows, %s\n", (long long)predictions.rows, asked->output);
    bal_predictions_release(&predictions);
    bal_table_free(table);
    bal_target_close(&target);
    return code;
}

/* ---- the command line ---- */

static bool is_one_of(const char *option, const char *word, const char *const *words) {
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0) return true;
    bal_report_unknown(&bal_command_predict, option, word, words);
    return false;
}

/** Two names of one file. */
static bool is_same_file(const char *a, const char *b) {
    struct stat left, right;
    return stat(a, &left) == 0 && stat(b, &right) == 0 && S_ISREG(left.st_mode) &&
           left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

static bool check_words(const request *asked) {
    static const char *const missing[] = {"error", "mean", NULL};
    static const char *const header[] = {"auto", "yes", "no", NULL};
    if (!is_one_of("--missing", asked->missing, missing) ||
        !is_one_of("--header", asked->header, header))
        return false;
    bool cuts = strlen(asked->separator) == 1 && !strchr("\"\r\n", asked->separator[0]);
    if (!cuts && strcmp(asked->separator, "auto") != 0 && strcmp(asked->separator, "tab") != 0) {
        bal_report_usage(&bal_command_predict,
                         "--separator wants auto, tab or one character, not '%s'",
                         asked->separator);
        return false;
    }
    if (is_same_file(asked->input, asked->output)) {
        bal_report_usage(&bal_command_predict, "-o %s would replace the input; name another file",
                         asked->output);
        return false;
    }
    if (strcmp(asked->output, "-") == 0 || ends_with(asked->output, ".csv") ||
        ends_with(asked->output, ".npz"))
        return true;
    bal_report_usage(&bal_command_predict, "-o wants a file ending in .csv or .npz, or -, not '%s'",
                     asked->output);
    return false;
}

static int run(int argc, char **argv) {
    request asked = {0};
    int threads;
    const bal_option options[] = {
        {"-o", &asked.output, NULL},         {"--missing", &asked.missing, NULL},
        {"--header", &asked.header, NULL},   {"--separator", &asked.separator, NULL},
        {"--threads", &asked.threads, NULL}, {"--by-position", NULL, &asked.by_position},
    };
    int n = bal_parse_options(&bal_command_predict, argc, argv, options,
                              sizeof options / sizeof *options);
    if (n < 0) return EXIT_USAGE;
    if (n != 3) return bal_report_usage(&bal_command_predict, "wanted a model and an input file");
    if (!asked.output)
        return bal_report_usage(&bal_command_predict, "where to? Say -o FILE or -o -");
    asked.target = argv[1];
    asked.input = argv[2];
    if (!asked.missing) asked.missing = "error";
    if (!asked.header) asked.header = "auto";
    if (!asked.separator) asked.separator = "auto";
    if (!check_words(&asked)) return EXIT_USAGE;
    if (!bal_parse_threads(&bal_command_predict, asked.threads, &threads)) return EXIT_USAGE;
    return predict(&asked, threads);
}

const bal_command bal_command_predict = {
    .name = "predict",
    .arguments = "MODEL|RUN INPUT -o OUT [--missing error|mean] [--by-position] [--header W] "
                 "[--separator C] [--threads N]",
    .summary = "What a model says about rows: class, probabilities, entropy",
    .help = "INPUT is csv, csv.gz or npz; labels may be there and are not looked at.\n"
            "Columns of a csv with a header are found by the names that the model was\n"
            "trained on. Of a model of a series it is the series, csv or a SQLite\n"
            "database, read as for training: row 1 of the answers is about the first value\n"
            "with a whole window before it, the last row about the one that comes next.\n\n"
            "-o OUT        .csv: row,class,confidence,entropy,p_CLASS… with rows counted\n"
            "              from 1; .npz: predictions, probabilities, entropy, classes;\n"
            "              -: csv on standard output. With several heads each name begins\n"
            "              with HEAD and a dot.\n"
            "--missing W   a feature without a value: error (default), or mean, the mean of\n"
            "              the training rows\n"
            "--by-position columns in the model's order, whatever they are called\n"
            "--header W    whether the first row of a csv has the names: auto, yes, no\n"
            "--separator C of a csv: auto, tab, or the character\n"
            "--threads N   how many threads (default: all processors of this process)\n",
    .run = run,
};
