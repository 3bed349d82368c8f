/* Signals, summary and exit code of a training command. See training.h. */
#include "training.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "format/json.h"

/* What a signal handler may touch: which signal asked for the stop, and how often. */
static volatile sig_atomic_t asked_signal;
static volatile sig_atomic_t asked_times;

static void on_signal(int number) {
    asked_signal = number;
    if (++asked_times >= 3) _exit(128 + number);
}

static void catch_signal(int number) {
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, NULL);
}

static int is_cancelled(void *user) { return (int)asked_signal; }

bool bal_training_init(bal_training *training, const bal_command *command, bool json, bool plain,
                       const char *threads) {
    int64_t n_threads = 0;
    if (threads && (!bal_text_parse_i64(threads, strlen(threads), &n_threads) || n_threads < 1 ||
                    n_threads > 1024)) {
        bal_report_usage(command, "--threads wants a number from 1 to 1024, not '%s'", threads);
        return false;
    }
    *training = (bal_training){.json = json};
    bal_screen_init(&training->screen, json ? stderr : stdout, plain);
    training->options.threads = (int)n_threads;
    training->options.hooks = (bal_train_hooks){
        .progress = bal_screen_progress,
        .cancel = is_cancelled,
        .user = &training->screen,
        .log = {.write = bal_screen_log, .user = &training->screen, .level = BAL_LOG_INFO},
    };
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGUSR1);
    return true;
}

/* ---- summary ---- */

static double number_at(const json_t *object, const char *key) {
    double number = NAN;
    bal_json_number(json_object_get(object, key), &number);
    return number;
}

static void print_head(FILE *out, const char *split, const char *name, const json_t *head) {
    const json_t *prior = json_object_get(head, "prior");
    if (!json_object_get(head, "accuracy")) {
        fprintf(out, "  %-5s %s: rmse %.4g (prior %.4g), mae %.4g, r2 %.4f\n", split, name,
                number_at(head, "rmse"), number_at(prior, "rmse"), number_at(head, "mae"),
                number_at(head, "r2"));
        return;
    }
    fprintf(out, "  %-5s %s: accuracy %.4f (prior %.4f), macro F1 %.4f, balanced accuracy %.4f\n",
            split, name, number_at(head, "accuracy"), number_at(prior, "accuracy"),
            number_at(head, "macro_f1"), number_at(head, "balanced_accuracy"));
    fprintf(out, "        %.0f classes predicted, most common %.1f %%, normalised entropy %.4f\n",
            number_at(head, "unique_predictions"), 100 * number_at(head, "most_common_share"),
            number_at(head, "normalized_entropy"));
}

static void print_split(FILE *out, const json_t *summary, const char *split) {
    json_t *heads = json_object_get(summary, split), *head;
    const char *name;
    json_object_foreach(heads, name, head) print_head(out, split, name, head);
}

static void print_words(FILE *out, const json_t *summary) {
    const char *status = json_string_value(json_object_get(summary, "status"));
    const char *run = json_string_value(json_object_get(summary, "run"));
    const json_t *monitor = json_object_get(summary, "monitor");
    const char *monitored = json_string_value(json_object_get(monitor, "name"));
    const char *model = json_string_value(json_object_get(summary, "model"));
    char spent[24];
    if (strcmp(status, "interrupted") == 0) {
        fprintf(out, "stopped with a checkpoint; go on with: ballast resume %s\n", run);
        return;
    }
    bal_duration_text(number_at(summary, "seconds"), spent);
    fprintf(out, "%s after %.0f epochs in %s", status, number_at(summary, "epochs"), spent);
    if (number_at(summary, "best_epoch") > 0)
        fprintf(out, "; best %s %.4f at epoch %.0f", monitored, number_at(monitor, "value"),
                number_at(summary, "best_epoch"));
    fputs("\n", out);
    print_split(out, summary, "val");
    print_split(out, summary, "test");
    fprintf(out, "  %.0f incidents, %.0f rollbacks\n", number_at(summary, "incidents"),
            number_at(summary, "rollbacks"));
    if (model)
        fprintf(out, "model %s/%s\n", run, model);
    else
        fprintf(out, "no model: the run collapsed before any evaluation was worth keeping\n");
    fprintf(out, "what happened: %s/health.json, metrics.jsonl, plots/\n", run);
}

static void print_summary(const bal_training *training, const bal_run_result *result) {
    json_t *summary = NULL;
    if (training->json) {
        fwrite(result->summary.data, 1, result->summary.length, stdout);
        return;
    }
    if (bal_json_parse(result->summary.data, result->summary.length, "summary", &summary, NULL) ==
        BAL_OK)
        print_words(stdout, summary);
    json_decref(summary);
}

static int exit_code(const bal_run_result *result) {
    switch (result->outcome) {
    case BAL_OUTCOME_INTERRUPTED:
        return result->cancelled == SIGINT    ? EXIT_INTERRUPT
               : result->cancelled == SIGTERM ? EXIT_TERMINATE
                                              : EXIT_AGAIN;
    case BAL_OUTCOME_STOPPED:
    case BAL_OUTCOME_COLLAPSED:
        return EXIT_COLLAPSED;
    default:
        return EXIT_DONE;
    }
}

int bal_training_end(bal_training *training, bal_run_result *result, bool plots) {
    bal_screen_clear(&training->screen);
    print_summary(training, result);
    int code = exit_code(result);
    bal_run_result_release(result);
    return code;
}
