/* data/simulate_hands.c: deterministic, the counts asked for, and a ceiling that is true. The
 * strongest of these tests undoes the kinematics: it reads the joint angles off the landmarks,
 * learns every sign's mean from one half of the rows and names the nearest in the other. What it
 * reaches with nothing but landmarks and labels is what the simulator says can be reached. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "data/simulator.h"

enum { POINTS = 21, FEATURES = 126, HAND_LATENTS = 13, LATENTS = 26 };

static const bal_simulator *hands;

static bal_table *make(const bal_simulator_options *options) {
    bal_table *table = NULL;
    bal_error err = {0};
    if (hands->make(options, &table, &err) != BAL_OK) fail_msg("%s", err.message);
    return table;
}

static double ceiling(const bal_simulator_options *options, double *ret_error) {
    double accuracy = -1, error = -1;
    bal_error err = {0};
    if (hands->ceiling(options, &accuracy, &error, &err) != BAL_OK) fail_msg("%s", err.message);
    if (ret_error) *ret_error = error;
    return accuracy;
}

static int32_t class_of(const bal_table *table, int64_t row) {
    int id = -1;
    assert_int_equal(sscanf(table->columns[0].text[row], "sign_%d", &id), 1);
    return id;
}

static void count_classes(const bal_table *table, int32_t classes, int64_t *ret_counts) {
    memset(ret_counts, 0, (size_t)classes * sizeof *ret_counts);
    for (int64_t row = 0; row < table->rows; row++) {
        assert_in_range(class_of(table, row), 0, classes - 1);
        ret_counts[class_of(table, row)]++;
    }
}

/* ---- the table ---- */

static void the_list(void **state) {
    assert_ptr_equal(bal_simulator_table[0], hands);
    assert_null(bal_simulator_find("hands"));
    assert_int_equal(hands->defaults.classes, 197);
}

static void shape_and_names(void **state) {
    bal_simulator_options options = hands->defaults;
    options.samples = 300;
    bal_table *table = make(&options);
    assert_int_equal(table->rows, 300);
    assert_int_equal(table->features, FEATURES);
    assert_string_equal(table->source, "simulated:hand_landmarks");
    assert_string_equal(table->feature_names[0], "right_00_x");
    assert_string_equal(table->feature_names[64], "left_00_y");
    assert_string_equal(table->feature_names[125], "left_20_z");
    assert_int_equal(table->n_columns, 1);
    assert_string_equal(table->columns[0].name, "label");
    for (int i = 0; i < 300 * FEATURES; i++)
        assert_true(isfinite(table->x[i]) && fabsf(table->x[i]) < 2);
    bal_table_free(table);
}

static void determined_by_the_options(void **state) {
    bal_simulator_options options = hands->defaults;
    options.samples = 500;
    bal_table *a = make(&options), *b = make(&options);
    size_t bytes = (size_t)a->rows * FEATURES * sizeof *a->x;
    assert_memory_equal(a->x, b->x, bytes);
    for (int i = 0; i < 500; i++)
        assert_string_equal(a->columns[0].text[i], b->columns[0].text[i]);
    bal_table_free(b);
    options.seed++;
    b = make(&options);
    assert_memory_not_equal(a->x, b->x, bytes);
    assert_true(ceiling(&options, NULL) == ceiling(&options, NULL));
    bal_table_free(a);
    bal_table_free(b);
}

/* Rows are in random order: the first half holds every common sign. */
static void shuffled(void **state) {
    bal_simulator_options options = hands->defaults;
    options.samples = 8000;
    bal_table *table = make(&options);
    int64_t half[197], all[197];
    count_classes(table, 197, all);
    table->rows = 4000;
    count_classes(table, 197, half);
    table->rows = 8000;
    for (int k = 0; k < 197; k++)
        assert_true(fabs((double)half[k] - (double)all[k] / 2) < 5 * sqrt((double)all[k] / 4) + 1);
    bal_table_free(table);
}

static void counts(void **state) {
    const struct {
        int64_t samples;
        int32_t classes;
        double imbalance;
    } cases[] = {{60000, 197, 4}, {1000, 10, 1},   {997, 10, 3},    {50, 50, 9},
                 {500, 60, 1000}, {10000, 2, 100}, {10000, 3, 100}, {12345, 74, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_simulator_options options = hands->defaults;
        options.samples = cases[i].samples;
        options.classes = cases[i].classes;
        options.imbalance = cases[i].imbalance;
        int32_t n = options.classes;
        int64_t *count = malloc((size_t)n * sizeof *count), sum = 0, least, most;
        bal_table *table = make(&options);
        count_classes(table, n, count);
        least = most = count[0];
        for (int32_t k = 0; k < n; k++) {
            sum += count[k];
            if (count[k] < least) least = count[k];
            if (count[k] > most) most = count[k];
            assert_true(count[k] >= 1);
            if (k % 2) assert_in_range(count[k] - count[k - 1] + 1, 0, 2); /* partners */
        }
        assert_int_equal(sum, options.samples);
        double wanted = n > 2 ? options.imbalance : 1;
        if (least > 20) assert_true(fabs((double)most / (double)least / wanted - 1) < .06);
        /* Rounding leaves some rows over; otherwise nothing is larger than asked. */
        assert_true((double)most <= (double)least * wanted * 1.06 + 2);
        bal_table_free(table);
        free(count);
    }
}

/* ---- the ceiling ---- */

static void about_ninety_percent(void **state) {
    double error, accuracy = ceiling(&hands->defaults, &error);
    assert_true(accuracy > .88 && accuracy < .92);
    assert_true(error > 0 && error < .001);
    bal_simulator_options options = hands->defaults;
    for (options.seed = 2; options.seed < 4; options.seed++)
        assert_true(fabs(ceiling(&options, NULL) - accuracy) < .005);
}

/* Two signs of equal frequency are Phi(distance / 2 sigma) apart, whatever their poses. */
static void two_signs_by_formula(void **state) {
    const double noise[] = {0, .5, 1, 2, 10};
    for (int i = 0; i < 5; i++) {
        bal_simulator_options options = hands->defaults;
        options.classes = 2;
        options.noise = noise[i]; /* 0 is the default, 1 */
        double error, accuracy = ceiling(&options, &error);
        double distance = 2.55 / (noise[i] > 0 ? noise[i] : 1);
        double wanted = .5 * erfc(-distance / 2 / sqrt(2));
        if (fabs(accuracy - wanted) > 4 * error) fail_msg("%g, not %g", accuracy, wanted);
    }
}

static void falls_with_noise(void **state) {
    double last = 1;
    for (double noise = .25; noise < 9; noise *= 2) {
        bal_simulator_options options = hands->defaults;
        options.classes = 30;
        options.noise = noise;
        double accuracy = ceiling(&options, NULL);
        assert_true(accuracy < last);
        last = accuracy;
    }
    assert_true(last < .25);
}

/* ---- angles from landmarks ---- */

typedef struct vec3 {
    double x, y, z;
} vec3;

static vec3 minus(vec3 a, vec3 b) {
    return (vec3){a.x - b.x, a.y - b.y, a.z - b.z};
}

static double dot(vec3 a, vec3 b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static vec3 cross(vec3 a, vec3 b) {
    return (vec3){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static vec3 scaled(vec3 a, double by) {
    return (vec3){a.x * by, a.y * by, a.z * by};
}

/* Where the knuckles are in the palm, and how fingers rest: anatomy, the same for all. */
static const double knuckle[5][2] = {{-.22, .15}, {-.13, .48}, {0, .5}, {.11, .47}, {.21, .41}};
static const double resting[5] = {.75, .10, 0, -.08, -.18};

/* The palm's axes, times the size of the hand: least squares over the knuckles. */
static void palm_axes(const vec3 *points, vec3 *ret_x, vec3 *ret_y) {
    double xx = 0, xy = 0, yy = 0;
    vec3 bx = {0, 0, 0}, by = {0, 0, 0};
    for (int f = 0; f < 5; f++) {
        double kx = knuckle[f][0], ky = knuckle[f][1];
        vec3 p = minus(points[1 + 4 * f], points[0]);
        xx += kx * kx;
        xy += kx * ky;
        yy += ky * ky;
        bx = minus(bx, scaled(p, -kx));
        by = minus(by, scaled(p, -ky));
    }
    double det = xx * yy - xy * xy;
    *ret_x = scaled(minus(scaled(bx, yy), scaled(by, xy)), 1 / det);
    *ret_y = scaled(minus(scaled(by, xx), scaled(bx, xy)), 1 / det);
}

static void read_hand(const float *row, double mirror, double *angles) {
    vec3 points[POINTS], x, y;
    for (int i = 0; i < POINTS; i++)
        points[i] =
            (vec3){mirror * (double)row[3 * i], -(double)row[3 * i + 1], (double)row[3 * i + 2]};
    palm_axes(points, &x, &y);
    x = scaled(x, 1 / sqrt(dot(x, x)));
    y = scaled(y, 1 / sqrt(dot(y, y)));
    vec3 z = cross(x, y);
    /* Columns x, y, z of yaw(y) · pitch(x) · roll(z). */
    angles[10] = atan2(z.x, z.z);
    angles[11] = -asin(z.y);
    angles[12] = atan2(x.y, y.y);
    for (int f = 0; f < 5; f++) {
        vec3 bone = minus(points[2 + 4 * f], points[1 + 4 * f]);
        double across = dot(bone, x), along = dot(bone, y), up = dot(bone, z);
        /* Fingers spread less than a right angle: one that points back is bent beyond it. */
        double lean = atan2(-across, along) - resting[f], flat = hypot(across, along);
        if (cos(lean) < 0) {
            lean = atan2(across, -along) - resting[f];
            flat = -flat;
        }
        angles[2 * f] = atan2(up, flat);
        angles[2 * f + 1] = lean;
    }
}

static double *read_angles(const bal_table *table) {
    double *angles = malloc((size_t)table->rows * LATENTS * sizeof *angles);
    for (int64_t row = 0; row < table->rows; row++) {
        const float *x = table->x + row * FEATURES;
        read_hand(x, 1, angles + row * LATENTS);
        read_hand(x + 63, -1, angles + row * LATENTS + HAND_LATENTS);
    }
    return angles;
}

/* The two of a pair differ in one angle only: let them share the others. */
static void share_within_pairs(double *means, const double *share) {
    for (int k = 0; k + 1 < 197; k += 2) {
        double *a = means + k * LATENTS, *b = a + LATENTS;
        int differs = 0;
        for (int i = 1; i < LATENTS; i++)
            if (fabs(a[i] - b[i]) > fabs(a[differs] - b[differs])) differs = i;
        for (int i = 0; i < LATENTS; i++)
            if (i != differs)
                a[i] = b[i] = (share[k] * a[i] + share[k + 1] * b[i]) / (share[k] + share[k + 1]);
    }
}

/* Mean angles per class over the even rows; returns the spread around them, over all angles. */
static double learn_signs(const bal_table *table, const double *angles, double *means,
                          double *share) {
    double squares = 0;
    memset(means, 0, 197 * LATENTS * sizeof *means);
    memset(share, 0, 197 * sizeof *share);
    for (int64_t row = 0; row < table->rows; row += 2) {
        int32_t k = class_of(table, row);
        share[k]++;
        for (int i = 0; i < LATENTS; i++)
            means[k * LATENTS + i] += angles[row * LATENTS + i];
    }
    for (int k = 0; k < 197; k++)
        for (int i = 0; i < LATENTS; i++)
            means[k * LATENTS + i] /= share[k];
    for (int64_t row = 0; row < table->rows; row += 2)
        for (int i = 0; i < LATENTS; i++)
            squares +=
                pow(angles[row * LATENTS + i] - means[class_of(table, row) * LATENTS + i], 2);
    return sqrt(squares / ((double)table->rows / 2 - 197) / LATENTS);
}

static double try_signs(const bal_table *table, const double *angles, const double *means,
                        const double *share, double sigma) {
    int64_t right = 0;
    for (int64_t row = 1; row < table->rows; row += 2) {
        const double *z = angles + row * LATENTS;
        double most = -INFINITY;
        int named = -1;
        for (int k = 0; k < 197; k++) {
            double score = 2 * sigma * sigma * log(share[k]);
            for (int i = 0; i < LATENTS; i++)
                score -= (z[i] - means[k * LATENTS + i]) * (z[i] - means[k * LATENTS + i]);
            if (score <= most) continue;
            most = score;
            named = k;
        }
        right += named == class_of(table, row);
    }
    return (double)right / ((double)table->rows / 2);
}

static void reached_from_landmarks_alone(void **state) {
    static double means[197 * LATENTS], share[197];
    bal_simulator_options options = hands->defaults;
    options.samples = 40000;
    for (int i = 0; i < 2; i++, options.noise = 1.5) {
        bal_table *table = make(&options);
        double *angles = read_angles(table);
        double sigma = learn_signs(table, angles, means, share);
        assert_true(fabs(sigma / (.12 * options.noise) - 1) < .005);
        share_within_pairs(means, share);
        double reached = try_signs(table, angles, means, share, sigma);
        double best = ceiling(&options, NULL);
        /* 20,000 rows: a standard error of .0021 to .0028; signs are known from 100 rows each. */
        if (reached < best - .012 || reached > best + .007)
            fail_msg("reached %g of %g at noise %g", reached, best, options.noise);
        free(angles);
        bal_table_free(table);
    }
}

/* ---- refusals ---- */

static void refusals(void **state) {
    const struct {
        bal_simulator_options options;
        const char *words;
    } cases[] = {
        {{10, 1, 1, 1, 0}, "1 classes and 10 samples"},
        {{4, 5, 1, 1, 0}, "5 classes and 4 samples"},
        {{10, 5, -1, 1, 0}, "noise -1"},
        {{10, 5, NAN, 1, 0}, "noise nan"},
        {{10, 5, INFINITY, 1, 0}, "noise inf"},
        {{10, 5, 1, .5, 0}, "imbalance 0.5"},
        {{10, 5, 1, INFINITY, 0}, "imbalance inf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bal_table *table = NULL;
        double accuracy = -1, error = -1;
        bal_error err = {0};
        assert_int_equal(hands->make(&cases[i].options, &table, &err), BAL_EDATA);
        if (!strstr(err.message, cases[i].words)) fail_msg("%s", err.message);
        assert_null(table);
        assert_int_equal(hands->ceiling(&cases[i].options, &accuracy, &error, NULL), BAL_EDATA);
        assert_true(accuracy == -1 && error == -1);
    }
}

static void failing_memory(void **state) {
    const bal_simulator_options options = {20, 4, 1, 2, 1};
    for (int call = 0; call < 2; call++) {
        bal_status status = BAL_ENOMEM;
        for (int n = 0; status != BAL_OK; n++) {
            bal_table *table = NULL;
            double accuracy = -1, error = -1;
            assert_true(n < 300);
            bal_memory_fail_after(n);
            status = call ? hands->ceiling(&options, &accuracy, &error, NULL)
                          : hands->make(&options, &table, NULL);
            bal_memory_fail_after(-1);
            if (status != BAL_OK) {
                assert_int_equal(status, BAL_ENOMEM);
                assert_true(accuracy == -1);
                assert_null(table);
            }
            bal_table_free(table);
        }
    }
}

int main(void) {
    hands = bal_simulator_find("hand_landmarks");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list),
        cmocka_unit_test(shape_and_names),
        cmocka_unit_test(determined_by_the_options),
        cmocka_unit_test(shuffled),
        cmocka_unit_test(counts),
        cmocka_unit_test(about_ninety_percent),
        cmocka_unit_test(two_signs_by_formula),
        cmocka_unit_test(falls_with_noise),
        cmocka_unit_test(reached_from_landmarks_alone),
        cmocka_unit_test(refusals),
        cmocka_unit_test(failing_memory),
    };
    return cmocka_run_group_tests_name("simulator", tests, NULL, NULL);
}
