/* Train a recipe and watch: one line per evaluation, what the guard sees, Ctrl-C for a checkpoint.
 *
 *     train_with_callbacks RECIPE [key=value …]
 *
 * Built against an installed Ballast:
 *     cc train_with_callbacks.c $(pkg-config --cflags --libs ballast) -o train_with_callbacks */
#include <signal.h>
#include <stdio.h>

#include <ballast/ballast.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    interrupted = number;
}

static int should_stop(void *user) {
    (void)user;
    return interrupted;
}

static void on_event(void *user, const bal_event *event) {
    int *evaluations = user;
    switch (event->kind) {
    case BAL_EVENT_START:
        printf("run %s, best by %s\n", event->run, event->monitor);
        break;
    case BAL_EVENT_EVALUATION:
        ++*evaluations;
        printf("epoch %lld of %lld: loss %.4f, validation %.4f, %s %.4f%s\n",
               (long long)event->epoch, (long long)event->epochs, event->loss, event->val_loss,
               event->monitor, event->monitored, event->improved ? ", the best so far" : "");
        break;
    case BAL_EVENT_INCIDENT:
        printf("the guard: %s\n", event->message);
        break;
    case BAL_EVENT_ROLLBACK:
        printf("back to epoch %lld, with %s\n", (long long)event->epoch, event->message);
        break;
    default:
        break;
    }
}

static void on_message(void *user, bal_message_level level, const char *message) {
    (void)user;
    if (level >= BAL_MESSAGE_WARNING) fprintf(stderr, "%s\n", message);
}

static int report(const bal_result *result, int evaluations) {
    printf("%d evaluations, %lld incidents, %lld rollbacks\n", evaluations,
           (long long)bal_result_incidents(result), (long long)bal_result_rollbacks(result));
    switch (bal_result_ending(result)) {
    case BAL_ENDING_INTERRUPTED:
        printf("stopped; to go on: ballast resume %s\n", bal_result_run(result));
        return 0;
    case BAL_ENDING_DONE:
        printf("test accuracy %.4f\n", bal_result_metric(result, "test.label.accuracy"));
        printf("model %s\n", bal_result_model(result));
        return 0;
    default:
        printf("it went wrong: see %s/health.json\n", bal_result_run(result));
        return 4;
    }
}

int main(int argc, char **argv) {
    bal_error err = {BAL_OK, ""};
    bal_experiment *experiment = NULL;
    bal_result *result = NULL;
    int evaluations = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: %s RECIPE [key=value ...]\n", argv[0]);
        return 2;
    }
    signal(SIGINT, on_interrupt);

    bal_train_options options = bal_train_options_make();
    options.user = &evaluations;
    options.on_event = on_event;
    options.on_message = on_message;
    options.should_stop = should_stop;

    bal_status status = bal_experiment_load(argv[1], (const char *const *)argv + 2,
                                            (size_t)argc - 2, &experiment, &err);
    if (status == BAL_OK) status = bal_train(experiment, &options, &result, &err);
    int code = status == BAL_OK ? report(result, evaluations) : 1;
    if (status != BAL_OK) fprintf(stderr, "%s\n", err.message);
    bal_result_free(result);
    bal_experiment_free(experiment);
    return code;
}
