/* The screen of a run: one row per evaluation that stays, one line below it that is redrawn.
 * Without a terminal the rows alone, with every column. */
#include "progress.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
    WIDTH_DEFAULT = 80,
    WIDTH_WIDE = 100, /* room for rate and time in every row; below it the live line has them */
    TITLES_EVERY = 40,
    TITLE_MAX = 48,
    BAR_MIN = 8,
    BAR_MAX = 30,
    NUMBER = 7,
    COUNT = 9,
    SIDE = 6,
    STABILITY = 9,
    SIDES = 3 * (2 + SIDE) + 2 + STABILITY
};

void bal_screen_init(bal_screen *screen, FILE *out, bool plain) {
    *screen = (bal_screen){.out = out, .style = {"", "", "", "", "", ""}};
    screen->live = !plain && bal_is_screen(out);
    if (screen->live) screen->style = bal_style_for(out);
}

static int screen_width(const bal_screen *screen) {
    struct winsize size;
    if (ioctl(fileno(screen->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return WIDTH_DEFAULT;
}

static bool is_wide(const bal_screen *screen) {
    return !screen->live || screen_width(screen) >= WIDTH_WIDE;
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
    fputs(screen->style.green, screen->out);
    for (int i = 0; i < units / 8; i++)
        fputs("█", screen->out);
    fprintf(screen->out, "%s%s%s", eighths[units % 8], screen->style.off, screen->style.dim);
    for (int i = (units + 7) / 8; i < width; i++)
        fputs("·", screen->out);
    fputs(screen->style.off, screen->out);
}

static void draw_live(bal_screen *screen, const bal_progress *progress) {
    char text[160], left[24];
    int width = screen_width(screen);
    double epochs = (double)progress->epoch + (double)progress->batch / (double)progress->batches;
    /* The epoch under way; after the last batch of the last one there is no next. */
    int64_t epoch = progress->epoch < progress->epochs ? progress->epoch + 1 : progress->epochs;
    bal_duration_text(progress->eta_seconds, left);
    int used =
        snprintf(text, sizeof text, " epoch %lld/%lld  loss %.4f  lr %.2g  %s left",
                 (long long)epoch, (long long)progress->epochs, progress->loss, progress->lr, left);
    if (used >= width) /* how long it takes is worth more than the rest */
        used = snprintf(text, sizeof text, " %lld/%lld  %s left", (long long)epoch,
                        (long long)progress->epochs, left);
    int bar = width - used - 1;
    fputs("\r\033[K", screen->out);
    if (bar >= BAR_MIN)
        draw_bar(screen, epochs / (double)progress->epochs, bar < BAR_MAX ? bar : BAR_MAX);
    fprintf(screen->out, "%.*s", width - 1, text);
    fflush(screen->out);
    screen->on_line = true;
}

/* ---- rows ---- */

/** The metric's own name: "macro_f1" of "val.label.macro_f1", "recall[A]" of "val.label.recall[A]";
 *  cut where the screen is narrow. Returns how many columns it takes. */
static int monitor_title(const bal_screen *screen, const char *path, char title[TITLE_MAX]) {
    bal_metric_path parsed;
    const char *name = path;
    if (bal_metric_path_parse(path, &parsed, NULL) == BAL_OK)
        name = path + strlen(parsed.split) + strlen(parsed.head) + 2;
    int most = is_wide(screen) ? TITLE_MAX - 8 : 10;
    snprintf(title, TITLE_MAX, "%.*s", most, name);
    int columns = bal_text_columns(title);
    return columns < NUMBER + 1 ? NUMBER + 1 : columns;
}

/** Columns of a row that there need not be. */
enum {
    SHOW_MARK = 1,
    SHOW_PREDICTED = 2,
    SHOW_VAL = 4,
    SHOW_TRAIN = 8,
    SHOW_ACCURACY = 16,
    SHOW_ENTROPY = 32,
    SHOW_MORE = 64,
    SHOW_SIDES = 128
};

/** Those that fit beside the epoch and the monitored metric, the most telling first. */
static int shown_columns(const bal_screen *screen, const bal_progress *progress, const char *title,
                         int used) {
    static const struct {
        int column, width;
        bool of_classes;
    } columns[] = {{SHOW_MARK, 12, false},
                   {SHOW_SIDES, SIDES, false},
                   {SHOW_PREDICTED, 2 + COUNT, true},
                   {SHOW_VAL, 2 + NUMBER, false},
                   {SHOW_TRAIN, 2 + NUMBER, false},
                   {SHOW_ACCURACY, 10, true},
                   {SHOW_ENTROPY, 2 + NUMBER, true}};
    int shown = is_wide(screen) ? SHOW_MORE : 0, width = screen->live ? screen_width(screen) : 0;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        bool repeats = columns[i].column == SHOW_ACCURACY && strcmp(title, "accuracy") == 0;
        if (repeats || (columns[i].of_classes && progress->classes == 0)) continue;
        if (columns[i].column == SHOW_SIDES && !progress->side_name[0]) continue;
        if (screen->live && used + columns[i].width > width) break;
        shown |= columns[i].column;
        used += columns[i].width;
    }
    return shown;
}

static int epoch_width(const bal_progress *progress) {
    char text[32];
    int width = 2 * snprintf(text, sizeof text, "%lld", (long long)progress->epochs) + 1;
    return width < NUMBER ? NUMBER : width;
}

/** A name in at most SIDE columns, cut at the end of a character, right-aligned. */
static void print_side_title(FILE *out, const char *name) {
    char cut[SIDE + 1];
    snprintf(cut, sizeof cut, "%s", name);
    cut[bal_text_utf8_valid(cut, strlen(cut))] = '\0';
    fprintf(out, "  %*s%s", SIDE - bal_text_columns(cut), "", cut);
}

/** Of a decision: how much of either class is recognised, what that risks, how steady it is. */
static void print_side_titles(FILE *out, const bal_progress *progress) {
    print_side_title(out, progress->side_name[0]);
    print_side_title(out, progress->side_name[1]);
    fprintf(out, "  %*s  %-*s", SIDE, "risk", STABILITY, "decision");
}

static void print_sides(const bal_screen *screen, const bal_progress *progress) {
    FILE *out = screen->out;
    const char *colour = strcmp(progress->stability, "steady") == 0 ? "" : screen->style.yellow;
    fprintf(out, "  %*.3f  %*.3f  %*.3f", SIDE, progress->side_recall[0], SIDE,
            progress->side_recall[1], SIDE, progress->risk);
    fprintf(out, "  %s%-*s%s", colour, STABILITY, progress->stability, screen->style.off);
}

static void print_titles(bal_screen *screen, const bal_progress *progress) {
    char title[TITLE_MAX];
    if (screen->titled && (!screen->live || screen->rows < TITLES_EVERY)) return;
    int width = monitor_title(screen, progress->monitor, title), first = epoch_width(progress);
    int shown = shown_columns(screen, progress, title, first + 2 + width);
    FILE *out = screen->out;
    fprintf(out, "%s%*s", screen->style.bold, first, "epoch");
    if (shown & SHOW_TRAIN) fprintf(out, "  %*s", NUMBER, "train");
    if (shown & SHOW_VAL) fprintf(out, "  %*s", NUMBER, "val");
    fprintf(out, "  %*s", width, title);
    if (shown & SHOW_SIDES) print_side_titles(out, progress);
    if (shown & SHOW_ACCURACY) fprintf(out, "  %8s", "accuracy");
    if (shown & SHOW_PREDICTED) fprintf(out, "  %*s", COUNT, "predicted");
    if (shown & SHOW_ENTROPY) fprintf(out, "  %*s", NUMBER, "entropy");
    if (shown & SHOW_MORE) fprintf(out, "  %*s  %*s", NUMBER, "lr", NUMBER, "time");
    fprintf(out, "%s\n", screen->style.off);
    screen->titled = true;
    screen->rows = 0;
}

static void print_loss(FILE *out, double loss) {
    fprintf(out, fabs(loss) < 1000 || !isfinite(loss) ? "  %*.4f" : "  %*.3g", NUMBER, loss);
}

static void print_row(bal_screen *screen, const bal_progress *progress) {
    char epoch[48], predicted[48], title[TITLE_MAX], spent[24];
    const char *colour = progress->improved   ? screen->style.green
                         : progress->eligible ? ""
                                              : screen->style.yellow;
    FILE *out = screen->out;
    print_titles(screen, progress);
    int width = monitor_title(screen, progress->monitor, title);
    int first = epoch_width(progress);
    int shown = shown_columns(screen, progress, title, first + 2 + width);
    snprintf(epoch, sizeof epoch, "%lld/%lld", (long long)progress->epoch,
             (long long)progress->epochs);
    snprintf(predicted, sizeof predicted, "%lld/%lld", (long long)progress->unique_predictions,
             (long long)progress->classes);
    fprintf(out, "%*s", first, epoch);
    if (shown & SHOW_TRAIN) print_loss(out, progress->loss);
    if (shown & SHOW_VAL) print_loss(out, progress->val_loss);
    fprintf(out, "  %s%*.4f%s", colour, width, progress->monitored, screen->style.off);
    if (shown & SHOW_SIDES) print_sides(screen, progress);
    if (shown & SHOW_ACCURACY) fprintf(out, "  %8.4f", progress->accuracy);
    if (shown & SHOW_PREDICTED) fprintf(out, "  %*s", COUNT, predicted);
    if (shown & SHOW_ENTROPY) fprintf(out, "  %*.4f", NUMBER, progress->normalized_entropy);
    if (shown & SHOW_MORE)
        fprintf(out, "  %*.2g  %*s", NUMBER, progress->lr, NUMBER,
                bal_duration_text(progress->seconds, spent));
    const char *mark = !(shown & SHOW_MARK) ? ""
                       : progress->improved ? "best"
                       : progress->eligible ? ""
                                            : "ineligible";
    fprintf(out, "%s%s%s%s\n", mark[0] ? "  " : "", colour, mark, screen->style.off);
    screen->rows++;
}

static void print_event(bal_screen *screen, const char *colour, const char *what, int64_t epoch,
                        const char *text) {
    char number[48];
    snprintf(number, sizeof number, "epoch %lld: ", (long long)epoch);
    fprintf(screen->out, "%s%s%s  %s", colour, what, screen->style.off, number);
    bal_print_wrapped(screen->out, text, bal_text_columns(what) + 2 + (int)strlen(number), 10);
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
        if (progress->stages > 0)
            fprintf(screen->out, "run %s, %d stages\n", progress->run, (int)progress->stages);
        else
            fprintf(screen->out, "run %s, best by %s%s\n", progress->run, progress->monitor,
                    progress->monitor_is_log ? " (log)" : "");
        break;
    case BAL_PROGRESS_STAGE:
        fprintf(screen->out, "%sstage %s%s (%d of %d), %lld epochs, best by %s%s\n",
                screen->style.bold, progress->stage, screen->style.off,
                (int)progress->stage_index + 1, (int)progress->stages, (long long)progress->epochs,
                progress->monitor, progress->monitor_is_log ? " (log)" : "");
        screen->titled = false; /* another metric, other columns */
        break;
    case BAL_PROGRESS_EVALUATION:
        print_row(screen, progress);
        break;
    case BAL_PROGRESS_INCIDENT:
        print_event(screen, screen->style.red, "incident", progress->epoch, progress->message);
        break;
    case BAL_PROGRESS_ROLLBACK: {
        char text[256];
        snprintf(text, sizeof text, "%s; remedy: %s",
                 progress->epoch == 0 && progress->batch == 0 ? "back to the start"
                                                              : "back to here",
                 progress->message);
        print_event(screen, screen->style.yellow, "rollback", progress->epoch, text);
        break;
    }
    default:
        break;
    }
    fflush(screen->out);
}

void bal_screen_log(void *user, bal_log_level level, const char *message) {
    bal_screen *screen = user;
    bal_screen_clear(screen);
    fputs(level >= BAL_LOG_WARN ? screen->style.yellow : screen->style.dim, screen->out);
    if (screen->live)
        bal_print_wrapped(screen->out, message, 0, 2);
    else
        fprintf(screen->out, "%s\n", message);
    fputs(screen->style.off, screen->out);
    fflush(screen->out);
}
