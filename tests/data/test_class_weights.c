/* data/class_weights.c: against scikit-learn and the published formulas, the multiplier, and what
 * is said of classes and options that cannot be weighed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "data/class_weights.h"

typedef struct golden_case {
    const char *name;
    int32_t classes;
    const int64_t *counts;
    const double *balanced, *effective, *inverse;
} golden_case;

#include "../golden/class_weights_golden.h"

static const bal_class_weight_options plain = {.beta = BAL_CLASS_WEIGHT_BETA, .multiplier = 1};

static void assert_weights(const char *kind, const int64_t *counts, int32_t classes,
                           const bal_class_weight_options *options, const double *want) {
    double weights[16];
    bal_error err = {0};
    assert_in_range(classes, 1, 16);
    const bal_class_weighting *weighting = bal_class_weighting_find(kind);
    assert_non_null(weighting);
    bal_status status =
        bal_class_weights_compute(weighting, counts, classes, options, weights, &err);
    if (status != BAL_OK) fail_msg("%s", err.message);
    for (int32_t c = 0; c < classes; c++) {
        if (!(fabs(weights[c] - want[c]) <= 1e-12 * want[c]))
            fail_msg("%s, class %d: %.17g, wanted %.17g", kind, (int)c, weights[c], want[c]);
    }
}

static void published_values(void **state) {
    assert_true(BAL_CLASS_WEIGHT_BETA == GOLDEN_BETA);
    for (size_t i = 0; i < sizeof golden_cases / sizeof *golden_cases; i++) {
        const golden_case *c = &golden_cases[i];
        assert_weights("balanced", c->counts, c->classes, &plain, c->balanced);
        assert_weights("effective", c->counts, c->classes, &plain, c->effective);
        assert_weights("inverse", c->counts, c->classes, &plain, c->inverse);
    }
}

/* The project's own figures: bank segments ≈ .38/1.25/2.53/4.79. */
static void weights_stand_at_the_class_id(void **state) {
    const int64_t segments[] = {6495, 1994, 989, 522};
    const int64_t turned[] = {522, 989, 1994, 6495};
    double a[4], b[4];
    const bal_class_weighting *balanced = bal_class_weighting_find("balanced");
    assert_int_equal(bal_class_weights_compute(balanced, segments, 4, &plain, a, NULL), BAL_OK);
    assert_int_equal(bal_class_weights_compute(balanced, turned, 4, &plain, b, NULL), BAL_OK);
    const double on_record[] = {0.38, 1.25, 2.53, 4.79};
    for (int c = 0; c < 4; c++) {
        assert_true(fabs(a[c] - on_record[c]) < 0.01);
        assert_true(a[c] == b[3 - c]);
    }
}

static void none_and_explicit(void **state) {
    const int64_t counts[] = {5, 0, 15};
    const double ones[] = {1, 1, 1}, given[] = {0.5, 7, 2};
    bal_class_weight_options options = plain;
    assert_weights("none", counts, 3, &options, ones);
    options.weights = given;
    assert_weights("explicit", counts, 3, &options, given);
    /* The multiplier falls on classes below 20/3 rows, whatever the kind. */
    options.multiplier = 3;
    assert_weights("none", counts, 3, &options, (double[]){3, 3, 1});
    assert_weights("explicit", counts, 3, &options, (double[]){1.5, 21, 2});
}

static void multiplier(void **state) {
    bal_class_weight_options options = plain;
    options.multiplier = 5;
    /* N/(2·n_0) × multiplier for the minority; the majority keeps its weight. */
    assert_weights("balanced", (int64_t[]){20, 80}, 2, &options, (double[]){2.5 * 5, 0.625});
    /* Exactly the uniform share is not rare. */
    assert_weights("balanced", (int64_t[]){50, 50}, 2, &options, (double[]){1, 1});
    assert_weights("balanced", (int64_t[]){2, 3, 4}, 3, &options, (double[]){1.5 * 5, 1, 0.75});
    /* After the scaling to mean 1: 1/4 and 1/12 have mean 1/6. */
    assert_weights("inverse", (int64_t[]){4, 12}, 2, &options, (double[]){1.5 * 5, 0.5});
    options.multiplier = 0.5;
    assert_weights("balanced", (int64_t[]){20, 80}, 2, &options, (double[]){1.25, 0.625});
}

static void betas(void **state) {
    bal_class_weight_options options = plain;
    options.beta = 0; /* every class has one effective row */
    assert_weights("effective", (int64_t[]){3, 3000}, 2, &options, (double[]){1, 1});
    options.beta = nextafter(1, 0); /* the other end: inverse counts */
    double weights[2];
    assert_int_equal(bal_class_weights_compute(bal_class_weighting_find("effective"),
                                               (int64_t[]){10, 30}, 2, &options, weights, NULL),
                     BAL_OK);
    assert_true(fabs(weights[0] - 1.5) < 1e-9 && fabs(weights[1] - 0.5) < 1e-9);
}

static void huge_counts(void **state) {
    bal_class_weight_options options = plain;
    options.multiplier = 2;
    const int64_t half = INT64_MAX / 2;
    assert_weights("balanced", (int64_t[]){half, half}, 2, &options, (double[]){1, 1});
    assert_weights("balanced", (int64_t[]){half, 1}, 2, &options,
                   (double[]){0.5, (double)half / 2 * 2});
    double weights[2] = {7, 7};
    bal_error err = {0};
    assert_int_equal(bal_class_weights_compute(bal_class_weighting_find("none"),
                                               (int64_t[]){INT64_MAX, 1}, 2, &plain, weights, &err),
                     BAL_EINVAL);
    assert_true(weights[0] == 7 && weights[1] == 7);
}

/* ---- errors ---- */

static void refuses(const char *kind, const int64_t *counts, int32_t classes,
                    const bal_class_weight_options *options, bal_status want, const char *words) {
    double weights[4] = {7, 7, 7, 7};
    bal_error err = {0};
    const bal_class_weighting *weighting = bal_class_weighting_find(kind);
    assert_int_equal(bal_class_weights_compute(weighting, counts, classes, options, weights, &err),
                     want);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
    for (int i = 0; i < 4; i++)
        assert_true(weights[i] == 7);
    assert_int_equal(bal_class_weights_compute(weighting, counts, classes, options, weights, NULL),
                     want);
}

static void class_without_rows(void **state) {
    static const char *const names[] = {"P", "Q", "R", "S"};
    const int64_t one[] = {5, 0, 3, 1}, three[] = {0, 0, 3, 0};
    const char *kinds[] = {"balanced", "effective", "inverse"};
    bal_class_weight_options named = plain;
    named.class_names = names;
    for (int i = 0; i < 3; i++) {
        refuses(kinds[i], one, 4, &named, BAL_EDATA, "class 'Q' (id 1) has no training rows");
        refuses(kinds[i], one, 4, &named, BAL_EDATA, "use class_weights: none");
        refuses(kinds[i], one, 4, &plain, BAL_EDATA, "class id 1 has no training rows");
        refuses(kinds[i], three, 4, &named, BAL_EDATA, "class 'P' (id 0) (and 2 more)");
        refuses(kinds[i], one, 4, &named, BAL_EDATA, kinds[i]);
    }
}

static void bad_options(void **state) {
    const int64_t counts[] = {5, 2, 3, 1}, negative[] = {5, -2, 3, 1};
    const double weights[] = {1, 2, 0, 1}, infinite[] = {1, INFINITY, 1, 1};
    const double multipliers[] = {0, -1, NAN, INFINITY}, betas_out[] = {1, -0.1, NAN, 2};
    for (int i = 0; i < 4; i++) {
        bal_class_weight_options options = plain;
        options.multiplier = multipliers[i];
        refuses("none", counts, 4, &options, BAL_ERECIPE, "multiplier is");
        options = plain;
        options.beta = betas_out[i];
        refuses("effective", counts, 4, &options, BAL_ERECIPE, "beta is");
    }
    bal_class_weight_options options = plain;
    refuses("explicit", counts, 4, &options, BAL_ERECIPE, "no weights are given");
    options.weights = weights;
    refuses("explicit", counts, 4, &options, BAL_ERECIPE, "class id 2 has weight 0");
    options.weights = infinite;
    refuses("explicit", counts, 4, &options, BAL_ERECIPE, "class id 1 has weight inf");
    refuses("balanced", negative, 4, &plain, BAL_EINVAL, "class id 1 has -2 rows");
    refuses("balanced", counts, 0, &plain, BAL_EINVAL, "0 classes");
}

static void table_is_sound(void **state) {
    const char *names[] = {"none", "balanced", "effective", "inverse", "explicit"};
    for (size_t i = 0; i < 5; i++) {
        const bal_class_weighting *kind = bal_class_weighting_find(names[i]);
        assert_non_null(kind);
        assert_string_equal(kind->name, names[i]);
        assert_true(kind->summary && *kind->summary && kind->source);
    }
    assert_null(bal_class_weighting_table[5]);
    assert_null(bal_class_weighting_find("balance"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(weights_stand_at_the_class_id),
        cmocka_unit_test(none_and_explicit),
        cmocka_unit_test(multiplier),
        cmocka_unit_test(betas),
        cmocka_unit_test(huge_counts),
        cmocka_unit_test(class_without_rows),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
