/* What a row of a series is described by: features of the values before it, each with a name that
 * says all there is to say, so that a model file needs no more than names to compute them again.
 *
 *   lag_3                 the value three before the one to be predicted
 *   mean_25               of the last 25 values; also std (population), min, max, median, and q05
 *                         for the 5 % quantile (linear between order statistics)
 *   since_below_1.5       how many values ago one was below 1.5: 1 is the last one, window + 1 none
 *   streak_below_1.5      how many of the last values in a row are below 1.5, at most the window
 *   share_below_1.5_10    share of the last 10 values that are below 1.5
 *
 * "above" is "not below": a value of exactly 1.5 is above 1.5, as it is for the target at_least. */
#ifndef BAL_DATA_SERIES_FEATURE_H
#define BAL_DATA_SERIES_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum bal_series_measure {
    BAL_SERIES_LAG,
    BAL_SERIES_MEAN,
    BAL_SERIES_STD,
    BAL_SERIES_MIN,
    BAL_SERIES_MAX,
    BAL_SERIES_MEDIAN,
    BAL_SERIES_QUANTILE,
    BAL_SERIES_SINCE,
    BAL_SERIES_STREAK,
    BAL_SERIES_SHARE,
    BAL_SERIES_MEASURE_COUNT
} bal_series_measure;

typedef struct bal_series_feature {
    const char *name; /* as bal_series_feature_name writes it */
    bal_series_measure measure;
    int32_t length; /* lag: how far back; rolling, share: how many values; since, streak: 0 */
    bool below;     /* since, streak, share: below `level`, else at least `level` */
    double level;   /* of these; quantile: the share below it, 0.01 … 0.99 */
} bal_series_feature;

/** Room for the longest name. */
#define BAL_SERIES_NAME_MAX 96

/** The name of a feature, from its other members. Returns buffer. */
char *bal_series_feature_name(const bal_series_feature *feature, char buffer[BAL_SERIES_NAME_MAX]);

/** The feature of a name; false when it is none. ret_feature->name is `name` itself. */
bool bal_series_feature_parse(const char *name, bal_series_feature *ret_feature);

/** Statistics of the last values: "mean", "q95"; false when there is none of that name. */
bool bal_series_statistic_parse(const char *word, bal_series_measure *ret_measure,
                                double *ret_level);

/** Features that look at values as logarithms when a recipe says `log`: lags and statistics. */
bool bal_series_measure_is_scaled(bal_series_measure measure);

#endif
