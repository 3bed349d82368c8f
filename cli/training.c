/* Signals, summary and exit code of a training command. See training.h. */
#include "training.h"

#include <signal.h>
#include <unistd.h>

#include "format/json.h"
#include "report/report.h"
#include "run_view.h"
#include "summary.h"

/* ---- signals ---- */

/* What a signal handler may touch: which signal asked for the stop, and how often. */
static volatile sig_atomic_t asked_signal;
static volatile sig_atomic_t asked_times;

/** The first signal asks for a checkpoint; whoever asks three times does not want to wait for it.
 */
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

static int is_cancelled(void *user) {
    return (int)asked_signal;
}

bool bal_training_init(bal_training *training, const bal_command *command, bool json, bool plain,
                       const char *threads) {
    int n_threads;
    if (!bal_parse_threads(command, threads, &n_threads)) return false;
    *training = (bal_training){.json = json};
    bal_screen_init(&training->screen, json ? stderr : stdout, plain);
    training->options.threads = n_threads;
    training->options.hooks = (bal_train_hooks){
        .progress = bal_screen_progress,
        .cancel = is_cancelled,
        .user = &training->screen,
        .log = {.write = bal_screen_log, .user = &training->screen, .level = BAL_LOG_INFO},
    };
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGUSR1);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) /* nohup */
        catch_signal(SIGHUP);
    return true;
}

/* ---- the end ---- */

/** A report is worth having but not worth failing for: the run is complete without it. Who
 * interrupts a run waits for its end, so that one gets no pictures. */
static void write_report(bal_training *training, const bal_run_result *result, bool plots) {
    bal_error err = {0};
    bool pictures = plots && result->outcome != BAL_OUTCOME_INTERRUPTED;
    if (bal_report_run(result->folder, pictures, &training->options.hooks.log, &err) != BAL_OK)
        bal_log_printf(&training->options.hooks.log, BAL_LOG_WARN, "no report: %s", err.message);
}

static int print_words(const bal_run_result *result) {
    json_t *summary = NULL;
    bal_error err = {0};
    if (bal_run_view(result->folder, &summary, &err) != BAL_OK) return bal_report_error(&err);
    json_t *health = bal_run_json(result->folder, BAL_RUN_HEALTH);
    json_t *incidents = bal_run_lines(result->folder, BAL_RUN_INCIDENTS);
    fputs("\n", stdout);
    bal_print_summary(stdout, summary);
    bal_print_health(stdout, health, incidents);
    json_decref(incidents);
    json_decref(health);
    json_decref(summary);
    return EXIT_DONE;
}

static int print_summary(const bal_training *training, const bal_run_result *result) {
    if (!training->json) return print_words(result);
    fwrite(result->summary.data, 1, result->summary.length, stdout);
    return EXIT_DONE;
}

static int signal_code(int number) {
    switch (number) {
    case SIGINT:
        return EXIT_INTERRUPT;
    case SIGTERM:
        return EXIT_TERMINATE;
    case SIGHUP:
        return EXIT_HANGUP;
    default:
        return EXIT_AGAIN;
    }
}

static int exit_code(const bal_run_result *result) {
    switch (result->outcome) {
    case BAL_OUTCOME_INTERRUPTED:
        return signal_code(result->cancelled);
    case BAL_OUTCOME_STOPPED:
    case BAL_OUTCOME_COLLAPSED:
        return EXIT_COLLAPSED;
    default:
        return EXIT_DONE;
    }
}

int bal_training_end(bal_training *training, bal_run_result *result, bool plots) {
    bal_screen_clear(&training->screen);
    write_report(training, result, plots);
    int printed = print_summary(training, result);
    int code = exit_code(result);
    bal_run_result_release(result);
    return code == EXIT_DONE ? printed : code;
}

/** What went wrong, for whoever reads standard output. */
static void print_failure(const bal_training *training, const bal_error *err, int code) {
    bal_text text = {0};
    bal_json_out out;
    bal_json_out_init(&out, &text, BAL_JSON_LINE);
    bal_json_out_object(&out);
    bal_json_out_named_string(&out, "run", training->options.folder);
    bal_json_out_named_string(&out, "status", "failed");
    bal_json_out_named_integer(&out, "exit_code", code);
    bal_json_out_named_string(&out, "error", err->message);
    bal_json_out_object_end(&out);
    bal_text_puts(&text, "\n");
    bal_print_text(&text);
}

int bal_training_fail(bal_training *training, const bal_error *err) {
    bal_screen_clear(&training->screen);
    int code = bal_report_error(err);
    if (training->json) print_failure(training, err, code);
    return code;
}
