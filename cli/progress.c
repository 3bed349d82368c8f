/* The screen of a run: one row per evaluation that stays, one line below it that is redrawn. Without a terminal
 * the rows alone. */
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_DEFAULT = 80, TITLES_EVERY = 40 };

#define DIM "\033[2m"
#define BOLD "\033[1m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define RESET "\033[0m"

void bal_screen_init(bal_screen *screen, FILE *out, bool plain) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool dumb = term && strcmp(term, "dumb") == 0;
    *screen = (bal_screen){.out = out};
    screen->live = !plain && !dumb && isatty(fileno(out));
    screen->colour = screen->live && !(no_color && no_color[0]);
}

static const char *paint(const bal_screen *screen, const char *code) {
    return screen->colour ? code : "";
}

static int screen_width(const bal_screen *screen) {
    struct winsize size;
    if (ioctl(fileno(screen->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return WIDTH_DEFAULT;
}

void bal_duration_text(double seconds, char buffer[24]) {
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e8) {
        snprintf(buffer, 24, "?");
        return;
    }
    long whole = lround(seconds);
    if (seconds < 10)
        snprintf(buffer, 24, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(buffer, 24, "%ld s", whole);
    else if (whole < 3600)
        snprintf(buffer, 24, "%ld:%02ld", whole / 60, whole % 60);
    else
        snprintf(buffer, 24, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
}

void bal_screen_clear(bal_screen *screen) {
    if (!screen->on_line) return;
    fputs("\r\033[K", screen->out);
    fflush(screen->out);
    screen->on_line = false;
}

/* ---- the live line ---- */

static void draw_bar(const bal_screen *screen, double done, int width) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int units = (int)lround(done * width * 8);
    if (units < 0) units = 0;
    if (units > width * 8) units = width * 8;
    fputs(paint(screen, GREEN), screen->out);
    for (int i = 0; i < units / 8; i++)
        fputs("█", screen->out);
    fputs(eighths[units % 8], screen->out);
    fputs(paint(screen, RESET), screen->out);
    fputs(paint(screen, DIM), screen->out);
    for (int i = (units + 7) / 8; i < width; i++)
        fputs("·", screen->out);
    fputs(paint(screen, RESET), screen->out);
}

static void draw_live(bal_screen *screen, const bal_progress *progress) {
    char text[160], left[24];
    double epochs = (double)progress->epoch + (double)progress->batch / (double)progress->batches;
    bal_duration_text(progress->eta_seconds, left);
    int used = snprintf(text, sizeof text, " epoch %lld/%lld  loss %.4f  lr %.2g  at most %s left",
                        (long long)progress->epoch + 1, (long long)progress->epochs, progress->loss,
                        progress->lr, left);
    int bar = screen_width(screen) - used - 1;
    fputs("\r\033[K", screen->out);
    if (bar >= 8) draw_bar(screen, epochs / (double)progress->epochs, bar < 30 ? bar : 30);
    fprintf(screen->out, "%.*s", screen_width(screen) - 1, text);
    fflush(screen->out);
    screen->on_line = true;
}

/* ---- rows ---- */

static void print_titles(bal_screen *screen, const bal_progress *progress) {
    if (screen->header && (!screen->live || screen->rows < TITLES_EVERY)) return;
    fprintf(screen->out, "%s%9s  %10s  %9s  %-22s", paint(screen, BOLD), "epoch", "train loss",
            "val loss", progress->monitor);
    if (progress->classes > 0) fprintf(screen->out, "  %8s  %9s  %7s", "accuracy", "predicted", "entropy");
    fprintf(screen->out, "  %8s  %8s%s\n", "lr", "time", paint(screen, RESET));
    screen->header = true;
    screen->rows = 0;
}

static const char *mark_of(const bal_progress *progress) {
    return progress->improved ? "best" : progress->eligible ? "" : "not eligible";
}

static void print_row(bal_screen *screen, const bal_progress *progress) {
    char epoch[32], predicted[32], spent[24];
    const char *mark = mark_of(progress);
    const char *code = progress->improved ? GREEN : progress->eligible ? "" : YELLOW;
    print_titles(screen, progress);
    bal_duration_text(progress->seconds, spent);
    snprintf(epoch, sizeof epoch, "%lld/%lld", (long long)progress->epoch,
             (long long)progress->epochs);
    fprintf(screen->out, "%9s  %10.4f  %9.4f  %s%-8.4f %-13s%s", epoch, progress->loss,
            progress->val_loss, paint(screen, code), progress->monitored, mark,
            paint(screen, RESET));
    if (progress->classes > 0) {
        snprintf(predicted, sizeof predicted, "%lld/%lld", (long long)progress->unique_predictions,
                 (long long)progress->classes);
        fprintf(screen->out, "  %8.4f  %9s  %7.4f", progress->accuracy, predicted,
                progress->normalized_entropy);
    }
    fprintf(screen->out, "  %8.2g  %8s\n", progress->lr, spent);
    fflush(screen->out);
    screen->rows++;
}

void bal_screen_progress(void *user, const bal_progress *progress) {
    bal_screen *screen = user;
    if (progress->kind == BAL_PROGRESS_STEP) {
        if (screen->live) draw_live(screen, progress);
        return;
    }
    bal_screen_clear(screen);
    switch (progress->kind) {
    case BAL_PROGRESS_START:
        fprintf(screen->out, "run %s\n", progress->run);
        break;
    case BAL_PROGRESS_EVALUATION:
        print_row(screen, progress);
        break;
    case BAL_PROGRESS_INCIDENT:
        fprintf(screen->out, "%sincident%s  %s\n", paint(screen, RED), paint(screen, RESET),
                progress->message);
        break;
    case BAL_PROGRESS_ROLLBACK:
        fprintf(screen->out, "%srollback%s  to epoch %lld; remedy: %s\n", paint(screen, YELLOW),
                paint(screen, RESET), (long long)progress->epoch, progress->message);
        break;
    default:
        break;
    }
    fflush(screen->out);
}

void bal_screen_log(void *user, bal_log_level level, const char *message) {
    bal_screen *screen = user;
    bal_screen_clear(screen);
    fprintf(screen->out, "%s%s%s\n", paint(screen, level >= BAL_LOG_WARN ? YELLOW : DIM), message,
            paint(screen, RESET));
    fflush(screen->out);
}
