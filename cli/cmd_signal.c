/* ballast signal: is there anything to learn? */
#include "train/signal.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "training.h"

enum {
    MOST_RUNS = 100000,
    MOST_EPOCHS = 1000000,
    FEWEST_PERMUTATIONS = 100,
    NAME_COLUMNS = 14,
    FEW_RUNS = 20
};

typedef struct request {
    const char *folder;
    bool json;
    bal_training training; /* screen, signals, threads */
    bal_signal_options options;
} request;

/* ---- progress ---- */

static const char *plural(int64_t n) {
    return n == 1 ? "" : "s";
}

static void print_plan(const bal_screen *screen, const bal_signal_progress *progress) {
    char time[24];
    fprintf(screen->out, "%lld epoch%s as the recipe is", (long long)progress->epochs,
            plural(progress->epochs));
    if (progress->runs > 0)
        fprintf(screen->out, ", and %d time%s on shuffled labels (%s change places)",
                (int)progress->runs, plural(progress->runs), progress->unit);
    fprintf(screen->out, "; about %s\n", bal_duration_text(progress->estimate, time));
    fflush(screen->out);
}

static void draw_live(bal_screen *screen, const bal_signal_progress *progress) {
    char left[24];
    double per_run = (double)progress->epochs;
    double done = (double)progress->run * per_run + (double)progress->epoch;
    double all = ((double)progress->runs + 1) * per_run;
    bal_duration_text(done > 0 ? progress->seconds / done * (all - done) : progress->estimate,
                      left);
    fprintf(screen->out, "\r\033[K run %d/%d  epoch %lld/%lld  %s left", (int)progress->run + 1,
            (int)progress->runs + 1, (long long)progress->epoch, (long long)progress->epochs, left);
    fflush(screen->out);
    screen->on_line = true;
}

static void print_run(const bal_screen *screen, const bal_signal_progress *progress) {
    char what[48];
    if (progress->runs > FEW_RUNS && progress->run % 10 != 0) return;
    if (progress->run == 0)
        snprintf(what, sizeof what, "labels as they are");
    else
        snprintf(what, sizeof what, "shuffled %d/%d", (int)progress->run, (int)progress->runs);
    fprintf(screen->out, "  %-20s skill %8.4f\n", what, progress->skill);
    fflush(screen->out);
}

static void show_progress(void *user, const bal_signal_progress *progress) {
    request *asked = user;
    bal_screen *screen = &asked->training.screen;
    bal_screen_clear(screen);
    if (progress->starting)
        print_plan(screen, progress);
    else if (progress->finished)
        print_run(screen, progress);
    else if (screen->live)
        draw_live(screen, progress);
}

static int ask_cancel(void *user) {
    const request *asked = user;
    return asked->training.options.hooks.cancel(NULL);
}

/* ---- the answer ---- */

static void print_row(const bal_signal *signal, const bal_signal_head *head) {
    char interval[48], accuracy[24], prior[24], most[24] = "–";
    double best = -INFINITY;
    for (int32_t run = 0; run < signal->runs; run++)
        if (head->shuffled[run] > best) best = head->shuffled[run];
    if (signal->runs > 0) snprintf(most, sizeof most, "%.4f", best);
    snprintf(interval, sizeof interval, "%.4f … %.4f", head->low, head->high);
    printf("  ");
    bal_print_padded(stdout, head->name, NAME_COLUMNS);
    printf(" %8lld  %8.4f  ", (long long)head->rows, head->skill);
    bal_print_padded(stdout, interval, -19);
    printf("  %7.4f  ", head->p);
    bal_print_padded(stdout, bal_score_text(head->balanced_accuracy, accuracy), -8);
    bal_print_padded(stdout, bal_score_text(head->prior_balanced_accuracy, prior), -8);
    bal_print_padded(stdout, most, -10);
    printf("  %s\n", head->signal ? "signal" : head->trained ? "none" : "none (weight 0)");
}

static void print_table(const bal_signal *signal) {
    printf("\n  %-*s %8s  %8s  %19s  %7s  %8s%8s%10s\n", NAME_COLUMNS, "head", "rows", "skill",
           "99 % interval", "p", "bal.acc", "prior", "shuffled");
    for (int32_t h = 0; h < signal->n_heads; h++)
        print_row(signal, &signal->heads[h]);
}

static void say_found(const bal_signal_head *head, bal_text *words) {
    bal_text_printf(words,
                    "There is something to learn: head '%s' removes %.2g %% of the prior's "
                    "loss on rows it was not trained on (p = %.2g).",
                    head->name, 100 * head->skill, head->p);
}

static void say_none(const bal_signal *signal, const bal_signal_head *head, bal_text *words) {
    bal_text_printf(words,
                    "Nothing beats the prior: what the recipe learns about head '%s' in %lld "
                    "epoch%s is no more than chance (skill %.4f, 99 %% interval %.4f to %.4f, "
                    "p = %.2g). Better training cannot help where there is nothing to learn; "
                    "other features, or more rows, might.",
                    head->name, (long long)signal->epochs, plural(signal->epochs), head->skill,
                    head->low, head->high, head->p);
}

static void say_too_few(const bal_signal_head *head, bal_text *words) {
    bal_text_printf(words,
                    "Too few rows to tell: head '%s' shows nothing for sure on %lld test rows "
                    "(skill %.4f, p = %.2g), and hardly could. Ask again with more of them.",
                    head->name, (long long)head->rows, head->skill, head->p);
}

static void say_unsure(const bal_signal_head *head, bal_text *words) {
    if (head->low > 0)
        bal_text_printf(words,
                        "Not shown: head '%s' does better than the prior (skill %.4f, 99 %% "
                        "interval %.4f to %.4f), but not surely better than by chance (p = %.2g, "
                        "wanted below %g).",
                        head->name, head->skill, head->low, head->high, head->p, BAL_SIGNAL_ALPHA);
    else
        bal_text_printf(words,
                        "Not shown: head '%s' does better than by chance (p = %.2g), but not "
                        "surely better than the prior (skill %.4f, 99 %% interval %.4f to %.4f).",
                        head->name, head->p, head->skill, head->low, head->high);
    bal_text_puts(words, " More rows, or a recipe that overfits less, may decide.");
}

static void say_shuffled(const bal_signal *signal, const bal_signal_head *head, bal_text *words) {
    bal_text_printf(words,
                    "Not shown: head '%s' does better than the prior (skill %.4f, 99 %% interval "
                    "%.4f to %.4f), but so it does by chance: %d of %d runs on shuffled labels "
                    "reached that skill.",
                    head->name, head->skill, head->low, head->high, (int)head->reached,
                    (int)signal->runs);
    if (head->p < BAL_SIGNAL_ALPHA)
        bal_text_printf(words, " p = %.2g says only that this net knows these rows.", head->p);
    bal_text_puts(words, " More rows may decide, or more runs (--runs).");
}

static void print_verdict(const bal_signal *signal) {
    const bal_signal_head *head = &signal->heads[signal->judged];
    bal_text words = {0};
    switch (head->verdict) {
    case BAL_SIGNAL_FOUND:
        say_found(head, &words);
        break;
    case BAL_SIGNAL_TOO_FEW_ROWS:
        say_too_few(head, &words);
        break;
    case BAL_SIGNAL_UNSURE:
        say_unsure(head, &words);
        break;
    case BAL_SIGNAL_SHUFFLED:
        say_shuffled(signal, head, &words);
        break;
    default:
        say_none(signal, head, &words);
    }
    if (!head->signal && head->detectable < BAL_SIGNAL_TOO_FEW)
        bal_text_printf(&words,
                        " With %lld test rows an edge below a skill of about %.2g would not have "
                        "been seen.",
                        (long long)head->rows, head->detectable);
    if (!head->signal && signal->epochs < signal->recipe_epochs)
        bal_text_printf(&words, " The recipe asks for %lld epochs; --full takes them all.",
                        (long long)signal->recipe_epochs);
    fputs("\n", stdout);
    if (!bal_text_failed(&words)) bal_print_wrapped(stdout, words.data, 0, 0);
    bal_text_release(&words);
}

/* ---- files ---- */

static bal_status put_file(const char *folder, const char *name, const char *bytes, size_t size,
                           bal_error *err) {
    char *path = bal_path_join(folder, name);
    if (!path) {
        err->status = BAL_ENOMEM;
        return BAL_ENOMEM;
    }
    bal_status status = bal_file_replace(path, bytes, size, err);
    bal_free(path);
    return status;
}

/** signal.json and the recipe with every default filled in, for whoever asks later. */
static bal_status write_folder(const char *folder, const bal_recipe *recipe,
                               const bal_signal *signal, bal_error *err) {
    bal_text text = {0};
    bal_signal_json(signal, 2, &text);
    bal_status status = bal_text_failed(&text) ? BAL_ENOMEM : BAL_OK;
    if (status == BAL_OK) status = put_file(folder, "signal.json", text.data, text.length, err);
    if (status == BAL_OK)
        status =
            put_file(folder, BAL_RUN_RESOLVED, recipe->resolved, strlen(recipe->resolved), err);
    bal_text_release(&text);
    if (status == BAL_ENOMEM) err->status = BAL_ENOMEM;
    return status;
}

/** The folder must be new, as of a run; claimed before the work begins. */
static bal_status claim_folder(const char *folder, bal_error *err) {
    if (!folder) return BAL_OK;
    bool created = false;
    char *parent = bal_path_folder(folder);
    if (!parent) {
        err->status = BAL_ENOMEM;
        return BAL_ENOMEM;
    }
    bal_status status = bal_folder_make(parent, err);
    bal_free(parent);
    if (status == BAL_OK) status = bal_folder_claim(folder, &created, err);
    if (status == BAL_OK && !created) {
        err->status = BAL_ERECIPE;
        snprintf(err->message, sizeof err->message, "%s exists; --run wants a new folder", folder);
        return BAL_ERECIPE;
    }
    return status;
}

/* ---- the command ---- */

static int fail(request *asked, const bal_error *err) {
    bal_screen_clear(&asked->training.screen);
    int number = asked->training.options.hooks.cancel(NULL);
    if (err->status == BAL_ECANCELED && number) {
        fputs("ballast: cancelled; nothing was decided\n", stderr);
        return 128 + number;
    }
    return bal_training_fail(&asked->training, err);
}

static int answer(request *asked, const bal_recipe *recipe, const bal_signal *signal) {
    bal_error err = {0};
    bal_text text = {0};
    bool found = signal->heads[signal->judged].signal;
    if (asked->folder && write_folder(asked->folder, recipe, signal, &err) != BAL_OK)
        return fail(asked, &err);
    if (asked->json) {
        bal_signal_json(signal, BAL_JSON_LINE, &text);
        int code = bal_print_text(&text);
        if (code != EXIT_DONE) return code;
    } else {
        print_table(signal);
        print_verdict(signal);
    }
    return found ? EXIT_DONE : EXIT_NO_SIGNAL;
}

static int ask(request *asked, int argc, char **argv) {
    bal_error err = {0};
    bal_recipe *recipe = NULL;
    bal_signal signal;
    int code;
    bal_status status =
        bal_recipe_load(argv[1], (const char *const *)argv + 2, argc - 2, &recipe, &err);
    if (status == BAL_OK) status = claim_folder(asked->folder, &err);
    bool claimed = status == BAL_OK && asked->folder;
    if (status == BAL_OK) status = bal_signal_test(recipe, &asked->options, &signal, &err);
    /* Without an answer the folder is empty, and would stand in the way when asked again. */
    if (status != BAL_OK && claimed) rmdir(asked->folder);
    if (status == BAL_OK) {
        bal_screen_clear(&asked->training.screen);
        code = answer(asked, recipe, &signal);
        bal_signal_release(&signal);
    } else {
        code = fail(asked, &err);
    }
    bal_recipe_free(recipe);
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
    bal_report_usage(&bal_command_signal, "%s wants a number from %lld to %lld, not '%s'", option,
                     (long long)least, (long long)most, text);
    return false;
}

static int run(int argc, char **argv) {
    const char *threads = NULL, *epochs = NULL, *runs = NULL, *permutations = NULL;
    bool plain = false, full = false;
    request asked = {0};
    const bal_option options[] = {
        {"--epochs", &epochs, NULL},    {"--runs", &runs, NULL},
        {"--full", NULL, &full},        {"--permutations", &permutations, NULL},
        {"--run", &asked.folder, NULL}, {"--threads", &threads, NULL},
        {"--json", NULL, &asked.json},  {"--plain", NULL, &plain},
    };
    int n = bal_parse_options(&bal_command_signal, argc, argv, options,
                              sizeof options / sizeof *options);
    if (n < 0) return EXIT_USAGE;
    if (n < 2) return bal_report_usage(&bal_command_signal, "which recipe?");
    if (full && epochs)
        return bal_report_usage(&bal_command_signal, "--full and --epochs exclude each other");
    if (runs && permutations)
        return bal_report_usage(&bal_command_signal,
                                "--runs and --permutations exclude each other");
    int64_t n_runs = -1, n_permutations = 0, n_epochs = 0;
    if (!take_number("--epochs", epochs, 1, MOST_EPOCHS, &n_epochs) ||
        !take_number("--runs", runs, 0, MOST_RUNS, &n_runs) ||
        /* With fewer, p could not come below 0.01. */
        !take_number("--permutations", permutations, FEWEST_PERMUTATIONS, MOST_RUNS,
                     &n_permutations) ||
        !bal_training_init(&asked.training, &bal_command_signal, asked.json, plain, threads))
        return EXIT_USAGE;
    asked.options = (bal_signal_options){
        .epochs = n_epochs,
        .full = full,
        .runs = (int32_t)n_runs,
        .permutations = (int32_t)n_permutations,
        .threads = asked.training.options.threads,
        .progress = show_progress,
        .cancel = ask_cancel,
        .user = &asked,
        .log = asked.training.options.hooks.log,
    };
    asked.options.log.user = &asked.training.screen;
    asked.training.options.folder = asked.folder;
    return ask(&asked, n, argv);
}

const bal_command bal_command_signal = {
    .name = "signal",
    .arguments = "RECIPE [key=value …] [--epochs N | --full] [--runs K | --permutations N] "
                 "[--run DIR] [--json] [--plain] [--threads N]",
    .summary = "Whether there is anything to learn",
    .help = "Trains the recipe on a small budget, and as long on shuffled labels; then asks\n"
            "whether the test rows are predicted better than by the class frequencies (or\n"
            "the mean) of the training rows, by more than chance. Writes no files\n"
            "without --run.\n\n"
            "key=value         overrides any key of the recipe\n"
            "--epochs N        of every run (default: what fits in about a minute, at most\n"
            "                  the recipe's)\n"
            "--full            the recipe's epochs\n"
            "--runs K          runs on shuffled labels (default: 5)\n"
            "--permutations N  full permutation test: p from N runs on shuffled labels, 100\n"
            "                  or more; takes long\n"
            "--run DIR         a new folder for signal.json and recipe.resolved.yaml\n"
            "--json            one JSON object on standard output, all else on standard error\n"
            "--plain           no colour, no live line\n"
            "--threads N       how many threads (default: all processors of this process)\n\n"
            "skill: 1 - loss / loss of the prior; 0: nothing learned, 1: all. shuffled: the\n"
            "best skill of a run on shuffled labels. docs/signal.md says what is tested.\n"
            "Exit codes: 0 there is signal, 8 there is none to be seen (why not: verdict in\n"
            "--json, no_signal, too_few_rows, unsure or shuffled_as_good), 130, 143 and 129\n"
            "interrupted; else as `ballast train`.\n",
    .run = run,
};
