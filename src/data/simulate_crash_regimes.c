/* A crash game with moods: multipliers whose distribution depends on a hidden regime, with best
 * possible predictions that are known.
 *
 * Every round, with probability .04, a regime is drawn anew (.35 cold, .15 even, .50 hot; perhaps
 * the same again); otherwise the last one stays. Given its regime a multiplier is independent of
 * all others and log-logistic above 1, rounded down to whole hundredths:
 *
 *   P(X >= m) = S(m) = 1 / (1 + ((m − 1) / scale)^shape)
 *
 * The even regime (1, 1) is 1 / m, a fair game; the tails are heavy as in a real one: over all
 * regimes P(X >= 1.5) is .650, one round in a hundred is above 65, one in a thousand above 350.
 *
 * What can be known before a round is the probability of each regime given the values so far. The
 * forward filter computes it exactly: times the probability of the value seen, normalised; then
 * mixed with the shares by the probability of a new draw. From it follows p = P(X >= threshold |
 * past). Naming the likelier side has the best accuracy, E max(p, 1 − p). Balanced accuracy gives a
 * round below 1 / (1 − P) and one above 1 / P (P the share of those), so that its best rule says
 * "above" when p > P, with recalls E[p; p > P] / P and E[1 − p; p <= P] / (1 − P). A predictor that
 * sees a window only is the same filter started from the shares at the window's begin. The
 * expectations are means over simulated series, of probabilities and not of hits, which has the
 * smaller error (Rao-Blackwell); errors come from the spread between independent series. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/series_simulators.h"

enum {
    REGIMES = 3,
    CEILING_SERIES = 96,
    CEILING_LENGTH = 5000,
    CEILING_WARM_UP = 500, /* after which the filter has forgotten that it knew nothing */
    WINDOW_MAX = 500,      /* longer ones know what the whole past knows: .96^500 = 1e-9 */
};

static const char name[] = "crash_regimes";
static const double draw_default = .04;

static const struct {
    double share, scale, shape;
} regimes[REGIMES] = {{.35, .2, 1.5}, {.15, 1, 1}, {.5, 4, 1.5}};

enum { STREAM_VALUES = 1, STREAM_CEILING = 1000 };

/** The probability per round that a regime is drawn. */
static double draw_probability(const bal_series_options *options) {
    return fmin(1, draw_default * (options->noise > 0 ? options->noise : 1));
}

/* ---- the process ---- */

typedef struct mood_game {
    bal_random random;
    double draw;
    int regime;
} mood_game;

static int draw_regime(bal_random *random) {
    double at = bal_random_uniform(random);
    int k = 0;
    while (k < REGIMES - 1 && at >= regimes[k].share)
        at -= regimes[k++].share;
    return k;
}

static void game_init(mood_game *game, const bal_series_options *options, uint64_t stream) {
    bal_random_init(&game->random, options->seed, stream);
    game->draw = draw_probability(options);
    game->regime = draw_regime(&game->random);
}

static double next_value(mood_game *game) {
    if (bal_random_uniform(&game->random) < game->draw) game->regime = draw_regime(&game->random);
    int k = game->regime;
    double u = bal_random_uniform(&game->random);
    double value = 1 + regimes[k].scale * pow(u / (1 - u), 1 / regimes[k].shape);
    return floor(value * 100) / 100;
}

static bal_status make(const bal_series_options *options, double *ret_values, bal_error *err) {
    BAL_TRY(bal_series_check_options(name, options, err));
    mood_game game;
    game_init(&game, options, STREAM_VALUES);
    for (int64_t i = 0; i < options->samples; i++)
        ret_values[i] = next_value(&game);
    return BAL_OK;
}

/* ---- the filter ---- */

/** P(X >= hundredths / 100) in regime k. */
static double survival(int k, double hundredths) {
    double above_one = (hundredths - 100) / 100;
    return 1 / (1 + pow(above_one / regimes[k].scale, regimes[k].shape));
}

/** P(value shown) in every regime, S(value) − S(value + .01), up to a common factor. With t the
 * odds against reaching, 1 / (1 + t) − 1 / (1 + t') = (t' − t) / ((1 + t)(1 + t')); far out t' − t
 * would cancel and is t · expm1(shape · log1p(step)). */
static void weigh_value(double value, double *ret_weights) {
    double from = floor(value * 100 + .5) / 100 - 1;
    double sum = 0;
    for (int k = 0; k < REGIMES; k++) {
        double scale = regimes[k].scale, shape = regimes[k].shape;
        double here = pow(from / scale, shape), next = pow((from + .01) / scale, shape);
        double step = from > 0 ? here * expm1(shape * log1p(.01 / from)) : next;
        ret_weights[k] = step / ((1 + here) * (1 + next));
        sum += ret_weights[k];
    }
    for (int k = 0; k < REGIMES; k++)
        ret_weights[k] /= sum;
}

/** From the probabilities of the regimes before a round to those before the next. */
static void filter_step(double draw, const double *weights, double *belief) {
    double sum = 0;
    for (int k = 0; k < REGIMES; k++)
        sum += belief[k] *= weights[k];
    for (int k = 0; k < REGIMES; k++)
        belief[k] = (1 - draw) * belief[k] / sum + draw * regimes[k].share;
}

static void start_belief(double *belief) {
    for (int k = 0; k < REGIMES; k++)
        belief[k] = regimes[k].share;
}

/* ---- the ceiling ---- */

/** What one series adds up to. */
typedef struct tally {
    double rounds, above, below;           /* sums of 1, p, 1 − p */
    double best, right_above, right_below; /* sums of max(p, 1 − p), p where p > P, else 1 − p */
} tally;

typedef struct estimator {
    double draw, share_above;
    double reach[REGIMES]; /* P(X >= threshold) in each regime */
    int32_t window;        /* 0: all */
    double (*weights)[REGIMES];
} estimator;

static void count_round(const estimator *of, const double *belief, tally *sums) {
    double p = 0;
    for (int k = 0; k < REGIMES; k++)
        p += belief[k] * of->reach[k];
    sums->rounds += 1;
    sums->above += p;
    sums->below += 1 - p;
    sums->best += fmax(p, 1 - p);
    if (p > of->share_above)
        sums->right_above += p;
    else
        sums->right_below += 1 - p;
}

static tally follow_series(const estimator *of) {
    tally sums = {0};
    double belief[REGIMES];
    start_belief(belief);
    for (int t = 0; t < CEILING_LENGTH; t++) {
        if (of->window > 0) {
            start_belief(belief);
            for (int s = t < of->window ? 0 : t - of->window; s < t; s++)
                filter_step(of->draw, of->weights[s], belief);
        }
        if (t >= CEILING_WARM_UP) count_round(of, belief, &sums);
        if (of->window == 0) filter_step(of->draw, of->weights[t], belief);
    }
    return sums;
}

/** Σ hits / Σ rounds of a kind, and each series' part in its error (the ratio linearised). */
static double ratio(const double *hits, const double *rounds, double *ret_parts) {
    double sum_hits = 0, sum_rounds = 0;
    for (int i = 0; i < CEILING_SERIES; i++) {
        sum_hits += hits[i];
        sum_rounds += rounds[i];
    }
    for (int i = 0; i < CEILING_SERIES; i++)
        ret_parts[i] = (hits[i] - sum_hits / sum_rounds * rounds[i]) * CEILING_SERIES / sum_rounds;
    return sum_hits / sum_rounds;
}

/** Standard error of a mean over the series from each one's part; the parts sum to 0. */
static double error_of(const double *parts) {
    double squares = 0;
    for (int i = 0; i < CEILING_SERIES; i++)
        squares += parts[i] * parts[i];
    return sqrt(squares / CEILING_SERIES / (CEILING_SERIES - 1));
}

static void summarise(const tally *sums, bal_series_ceiling *ceiling) {
    double hits[3][CEILING_SERIES], rounds[3][CEILING_SERIES], parts[3][CEILING_SERIES];
    for (int i = 0; i < CEILING_SERIES; i++) {
        hits[0][i] = sums[i].best;
        rounds[0][i] = sums[i].rounds;
        hits[1][i] = sums[i].right_below;
        rounds[1][i] = sums[i].below;
        hits[2][i] = sums[i].right_above;
        rounds[2][i] = sums[i].above;
    }
    ceiling->accuracy = ratio(hits[0], rounds[0], parts[0]);
    ceiling->recall_below = ratio(hits[1], rounds[1], parts[1]);
    ceiling->recall_above = ratio(hits[2], rounds[2], parts[2]);
    ceiling->balanced = (ceiling->recall_below + ceiling->recall_above) / 2;
    ceiling->accuracy_error = error_of(parts[0]);
    ceiling->recall_below_error = error_of(parts[1]);
    ceiling->recall_above_error = error_of(parts[2]);
    for (int i = 0; i < CEILING_SERIES; i++)
        parts[0][i] = (parts[1][i] + parts[2][i]) / 2;
    ceiling->balanced_error = error_of(parts[0]);
}

static bal_status ceiling(const bal_series_options *options, double threshold, int32_t window,
                          bal_series_ceiling *ret_ceiling, bal_error *err) {
    int64_t hundredths;
    BAL_TRY(bal_series_check_options(name, options, err));
    BAL_TRY(bal_crash_hundredths(name, threshold, &hundredths, err));
    estimator of = {.draw = draw_probability(options)};
    if (window > 0 && window < WINDOW_MAX) of.window = window;
    for (int k = 0; k < REGIMES; k++) {
        of.reach[k] = survival(k, (double)hundredths);
        of.share_above += regimes[k].share * of.reach[k];
    }
    if (of.draw >= 1) {
        *ret_ceiling = bal_series_ceiling_independent(of.share_above);
        return BAL_OK;
    }
    of.weights = bal_calloc(CEILING_LENGTH, sizeof *of.weights);
    if (!of.weights) return bal_fail_memory(err, CEILING_LENGTH * sizeof *of.weights);
    tally sums[CEILING_SERIES];
    for (int i = 0; i < CEILING_SERIES; i++) {
        mood_game game;
        game_init(&game, options, STREAM_CEILING + (uint64_t)i);
        for (int t = 0; t < CEILING_LENGTH; t++)
            weigh_value(next_value(&game), of.weights[t]);
        sums[i] = follow_series(&of);
    }
    bal_free(of.weights);
    bal_series_ceiling found = {.above = of.share_above};
    summarise(sums, &found);
    *ret_ceiling = found;
    return BAL_OK;
}

const bal_series_simulator bal_series_simulator_crash_regimes = {
    .name = "crash_regimes",
    .summary = "Multipliers of a crash game with hidden moods: much can be predicted, and how much "
               "is known",
    .defaults = {.samples = 60000, .noise = 1, .seed = 1},
    .make = make,
    .ceiling = ceiling,
};
