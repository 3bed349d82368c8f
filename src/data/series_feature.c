/* Names of series features, both ways. See data/series_feature.h. */
#include "data/series_feature.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char *const words[BAL_SERIES_MEASURE_COUNT] = {
    [BAL_SERIES_LAG] = "lag",     [BAL_SERIES_MEAN] = "mean",   [BAL_SERIES_STD] = "std",
    [BAL_SERIES_MIN] = "min",     [BAL_SERIES_MAX] = "max",     [BAL_SERIES_MEDIAN] = "median",
    [BAL_SERIES_QUANTILE] = "q",  [BAL_SERIES_SINCE] = "since", [BAL_SERIES_STREAK] = "streak",
    [BAL_SERIES_SHARE] = "share",
};

bool bal_series_measure_is_scaled(bal_series_measure measure) {
    return measure < BAL_SERIES_SINCE;
}

char *bal_series_feature_name(const bal_series_feature *feature, char buffer[BAL_SERIES_NAME_MAX]) {
    const char *word = words[feature->measure];
    const char *side = feature->below ? "below" : "above";
    char level[32];
    bal_text_format_double(feature->level, level);
    switch (feature->measure) {
    case BAL_SERIES_QUANTILE:
        snprintf(buffer, BAL_SERIES_NAME_MAX, "q%02d_%d", (int)lround(feature->level * 100),
                 (int)feature->length);
        break;
    case BAL_SERIES_SINCE:
    case BAL_SERIES_STREAK:
        snprintf(buffer, BAL_SERIES_NAME_MAX, "%s_%s_%s", word, side, level);
        break;
    case BAL_SERIES_SHARE:
        snprintf(buffer, BAL_SERIES_NAME_MAX, "%s_%s_%s_%d", word, side, level,
                 (int)feature->length);
        break;
    default:
        snprintf(buffer, BAL_SERIES_NAME_MAX, "%s_%d", word, (int)feature->length);
    }
    return buffer;
}

/* "q05": two digits, so that every quantile has one name. */
static bool parse_quantile(const char *word, double *ret_level) {
    int64_t percent;
    if (word[0] != 'q' || strlen(word) != 3 || !bal_text_parse_i64(word + 1, 2, &percent) ||
        percent < 1 || percent > 99)
        return false;
    *ret_level = (double)percent / 100;
    return true;
}

bool bal_series_statistic_parse(const char *word, bal_series_measure *ret_measure,
                                double *ret_level) {
    for (int m = BAL_SERIES_MEAN; m <= BAL_SERIES_MEDIAN; m++) {
        if (strcmp(words[m], word) != 0) continue;
        *ret_measure = (bal_series_measure)m;
        *ret_level = 0;
        return true;
    }
    if (!parse_quantile(word, ret_level)) return false;
    *ret_measure = BAL_SERIES_QUANTILE;
    return true;
}

static bool parse_length(const char *text, int32_t *ret_length) {
    int64_t length;
    if (!bal_text_parse_i64(text, strlen(text), &length) || length < 1 || length > INT32_MAX)
        return false;
    *ret_length = (int32_t)length;
    return true;
}

/* "below_1.5" or, of shares, "below_1.5_10". */
static bool parse_side(const char *text, bool with_length, bal_series_feature *feature) {
    const char *level = strchr(text, '_');
    const char *end = with_length ? strrchr(text, '_') : text + strlen(text);
    if (!level || end <= level) return false;
    feature->below = strncmp(text, "below_", 6) == 0;
    if (!feature->below && strncmp(text, "above_", 6) != 0) return false;
    level++;
    return bal_text_parse_double(level, (size_t)(end - level), &feature->level) &&
           isfinite(feature->level) && (!with_length || parse_length(end + 1, &feature->length));
}

bool bal_series_feature_parse(const char *name, bal_series_feature *ret_feature) {
    bal_series_feature feature = {.name = name};
    char word[16], canonical[BAL_SERIES_NAME_MAX];
    const char *rest = strchr(name, '_');
    if (!rest || (size_t)(rest - name) >= sizeof word) return false;
    memcpy(word, name, (size_t)(rest - name));
    word[rest++ - name] = '\0';
    bool good;
    if (strcmp(word, "lag") == 0 ||
        bal_series_statistic_parse(word, &feature.measure, &feature.level)) {
        good = parse_length(rest, &feature.length);
    } else {
        int m = BAL_SERIES_SINCE;
        while (m < BAL_SERIES_MEASURE_COUNT && strcmp(words[m], word) != 0)
            m++;
        feature.measure = (bal_series_measure)m;
        good = m < BAL_SERIES_MEASURE_COUNT && parse_side(rest, m == BAL_SERIES_SHARE, &feature);
    }
    /* One spelling each: a name that means a feature is the name of that feature. */
    if (!good || strcmp(bal_series_feature_name(&feature, canonical), name) != 0) return false;
    *ret_feature = feature;
    return true;
}
