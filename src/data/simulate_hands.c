/* Simulated sign-language landmarks: 21 points × 3 coordinates × 2 hands, with a best possible
 * accuracy that is known.
 *
 * A sign is a pose: bend and spread of ten fingers and the orientation of both hands, LATENTS
 * numbers in all. Signs come in minimal pairs, as in real sign languages: the partner differs in
 * the bend of one finger of the dominant hand. A performance of sign k is its pose plus independent
 * Gaussian variation, z ~ N(mu_k, sigma² I). Forward kinematics (finger segments bent joint by
 * joint, then size, turn and place of the signer's hands) make landmarks of z; size and place say
 * nothing about the sign. Every step can be undone, so landmarks and z carry the same information,
 * and the Bayes rule on z, argmax_k pi_k N(z; mu_k, sigma² I), is the best that any classifier of
 * landmarks can do. Its accuracy is the ceiling.
 *
 * Nearly all of the loss is within pairs, pair_distance apart: Phi(2.55 / 2) = .899 at noise 1.
 *
 * Frequencies fall geometrically from the most to the least common pair. Partners are equally
 * common, so that the rule for balanced class weights (all pi equal) and the one above agree within
 * pairs, and training with balanced weights can reach the ceiling. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/simulators.h"
#include "data/table_source.h"

enum {
    POINTS = 21,
    AXES = 3,
    HANDS = 2,
    FEATURES = POINTS * AXES * HANDS,
    FINGERS = 5,
    HAND_LATENTS = 2 * FINGERS + 3, /* bend and spread per finger; yaw, pitch, roll */
    LATENTS = HANDS * HAND_LATENTS,
    CEILING_DRAWS = 40000
};

static const double sigma_default = 0.12; /* radians: how much a performance varies */
static const double pair_distance = 2.55; /* between the two of a pair, in default sigmas */

/* Streams of the process' own seed. */
enum { STREAM_POSES = 1, STREAM_ROWS, STREAM_ORDER, STREAM_CEILING, STREAM_SHARES };

typedef struct hand_process {
    int32_t classes;
    double sigma;
    double *pose;   /* [classes, LATENTS] */
    int64_t *count; /* [classes] rows */
    double *share;  /* [classes] of the rows */
} hand_process;

/* ---- the signs ---- */

static double uniform(bal_random *random, double low, double high) {
    return low + (high - low) * bal_random_uniform(random);
}

/** A pose somewhere in the comfortable range of every joint. */
static void draw_pose(bal_random *random, double *pose) {
    for (int hand = 0; hand < HANDS; hand++) {
        double *of = pose + hand * HAND_LATENTS;
        for (int finger = 0; finger < FINGERS; finger++) {
            of[2 * finger] = uniform(random, 0.3, 1.1);
            of[2 * finger + 1] = uniform(random, -0.25, 0.25);
        }
        for (int axis = 0; axis < 3; axis++)
            of[2 * FINGERS + axis] = uniform(random, -0.7, 0.7);
    }
}

static void draw_poses(hand_process *process, uint64_t seed) {
    bal_random random;
    bal_random_init(&random, seed, STREAM_POSES);
    for (int32_t k = 0; k < process->classes; k++) {
        double *pose = process->pose + (size_t)k * LATENTS;
        if (k % 2 == 0) {
            draw_pose(&random, pose);
            continue;
        }
        memcpy(pose, pose - LATENTS, LATENTS * sizeof *pose);
        int finger = (int)bal_random_below(&random, FINGERS);
        double sign = pose[2 * finger] < 0.7 ? 1 : -1;
        pose[2 * finger] += sign * pair_distance * sigma_default;
    }
}

/** Bring the counts, each at least 1, to their sum. */
static void settle_counts(int64_t *count, int32_t classes, int64_t sum) {
    int64_t given = 0;
    for (int32_t k = 0; k < classes; k++)
        given += count[k];
    for (int32_t k = 0; given != sum; k = (k + 1) % classes) {
        int step = given < sum ? 1 : count[k] > 1 ? -1 : 0;
        count[k] += step;
        given += step;
    }
}

/** Rows per class: pairs in random order of frequency, imbalance^-rank, rank from 0 to 1. */
static bal_status share_rows(hand_process *process, const bal_simulator_options *options,
                             bal_error *err) {
    int32_t classes = process->classes, pairs = (classes + 1) / 2;
    int64_t *rank = bal_calloc((size_t)pairs, sizeof *rank);
    if (!rank) return bal_fail_memory(err, (size_t)pairs * sizeof *rank);
    bal_random random;
    bal_random_init(&random, options->seed, STREAM_SHARES);
    bal_random_permutation(&random, rank, (size_t)pairs);
    double sum = 0;
    for (int32_t k = 0; k < classes; k++) {
        double place = pairs > 1 ? (double)rank[k / 2] / (pairs - 1) : 0;
        process->share[k] = pow(options->imbalance, -place);
        sum += process->share[k];
    }
    bal_free(rank);
    for (int32_t k = 0; k < classes; k++) {
        process->count[k] = (int64_t)(process->share[k] / sum * (double)options->samples);
        if (process->count[k] < 1) process->count[k] = 1;
    }
    settle_counts(process->count, classes, options->samples);
    for (int32_t k = 0; k < classes; k++)
        process->share[k] = (double)process->count[k] / (double)options->samples;
    return BAL_OK;
}

static void process_release(hand_process *process) {
    bal_free(process->pose);
    bal_free(process->share);
    bal_free(process->count);
}

static bal_status check_options(const bal_simulator_options *options, bal_error *err) {
    if (options->classes < 2 || options->samples < options->classes)
        return bal_fail(err, BAL_EDATA,
                        "simulated hands: %d classes and %" PRId64 " samples were asked for; at "
                        "least two classes and one sample per class are needed",
                        (int)options->classes, options->samples);
    if (!(options->noise >= 0) || !isfinite(options->noise) || !(options->imbalance >= 1) ||
        !isfinite(options->imbalance))
        return bal_fail(err, BAL_EDATA,
                        "simulated hands: noise %g and imbalance %g were asked for; noise is "
                        "positive, imbalance (largest class / smallest) at least 1",
                        options->noise, options->imbalance);
    return BAL_OK;
}

static bal_status process_init(hand_process *process, const bal_simulator_options *options,
                               bal_error *err) {
    BAL_TRY(check_options(options, err));
    size_t n = (size_t)options->classes;
    hand_process made = {
        .classes = options->classes,
        .sigma = sigma_default * (options->noise > 0 ? options->noise : 1),
        .pose = bal_calloc(n, LATENTS * sizeof(double)),
        .share = bal_calloc(n, sizeof(double)),
        .count = bal_calloc(n, sizeof(int64_t)),
    };
    bal_status status = made.pose && made.share && made.count
                            ? share_rows(&made, options, err)
                            : bal_fail_memory(err, n * LATENTS * sizeof(double));
    if (status != BAL_OK) {
        process_release(&made);
        return status;
    }
    draw_poses(&made, options->seed);
    *process = made;
    return BAL_OK;
}

static void draw_latents(const hand_process *process, int32_t k, bal_random *random, double *z) {
    const double *pose = process->pose + (size_t)k * LATENTS;
    for (int i = 0; i < LATENTS; i++)
        z[i] = pose[i] + process->sigma * bal_random_normal(random);
}

/* ---- forward kinematics ---- */

typedef struct vec3 {
    double x, y, z;
} vec3;

/** Row-major rotation: roll about z, then pitch about x, then yaw about y. */
typedef struct turn {
    vec3 x, y, z;
} turn;

static turn turn_of(double yaw, double pitch, double roll) {
    double sy = sin(yaw), cy = cos(yaw), sp = sin(pitch), cp = cos(pitch);
    double sr = sin(roll), cr = cos(roll);
    return (turn){
        {cy * cr + sy * sp * sr, sy * sp * cr - cy * sr, sy * cp},
        {cp * sr, cp * cr, -sp},
        {cy * sp * sr - sy * cr, sy * sr + cy * sp * cr, cy * cp},
    };
}

static double dot(vec3 a, vec3 b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

/* Palm frame, in hand lengths: wrist at the origin, fingers along +y, palm facing +z. */
static const struct {
    vec3 knuckle;
    double angle; /* the finger's resting direction in the plane of the palm, from +y */
    double segment[3];
} finger_shape[FINGERS] = {
    {{-0.22, 0.15, 0}, 0.75, {0.18, 0.16, 0.13}}, {{-0.13, 0.48, 0}, 0.10, {0.20, 0.13, 0.10}},
    {{0.00, 0.50, 0}, 0.00, {0.22, 0.15, 0.11}},  {{0.11, 0.47, 0}, -0.08, {0.20, 0.14, 0.10}},
    {{0.21, 0.41, 0}, -0.18, {0.16, 0.10, 0.09}},
};

/** Wrist, then four points per finger from knuckle to tip, in the palm frame. */
static void bend_fingers(const double *latents, vec3 *ret_points) {
    *ret_points++ = (vec3){0, 0, 0};
    for (int finger = 0; finger < FINGERS; finger++) {
        double direction = finger_shape[finger].angle + latents[2 * finger + 1];
        double along_x = -sin(direction), along_y = cos(direction), bent = 0;
        vec3 joint = finger_shape[finger].knuckle;
        *ret_points++ = joint;
        for (int s = 0; s < 3; s++) {
            bent += latents[2 * finger] * (s == 0 ? 1.0 : 0.8);
            double reach = finger_shape[finger].segment[s];
            double forward = cos(bent) * reach;
            joint.x += along_x * forward;
            joint.y += along_y * forward;
            joint.z += sin(bent) * reach;
            *ret_points++ = joint;
        }
    }
}

/** The 21 points of one hand; mirror −1 for the left one. */
static void place_hand(const double *latents, double mirror, double size, vec3 at, float *points) {
    const double *angles = latents + 2 * FINGERS;
    turn turned = turn_of(angles[0] * mirror, angles[1], angles[2] * mirror);
    vec3 local[POINTS];
    bend_fingers(latents, local);
    for (int i = 0; i < POINTS; i++) {
        vec3 p = {local[i].x * mirror, local[i].y, local[i].z};
        points[AXES * i] = (float)(at.x + size * dot(turned.x, p));
        /* image coordinates: y grows downwards */
        points[AXES * i + 1] = (float)(at.y - size * dot(turned.y, p));
        points[AXES * i + 2] = (float)(at.z + size * dot(turned.z, p));
    }
}

static void place_hands(const double *z, bal_random *random, float *row) {
    double size = uniform(random, 0.20, 0.28);
    for (int hand = 0; hand < HANDS; hand++) {
        vec3 at;
        at.x = (hand == 0 ? 0.35 : 0.65) + uniform(random, -0.05, 0.05);
        at.y = 0.6 + uniform(random, -0.05, 0.05);
        at.z = uniform(random, -0.05, 0.05);
        place_hand(z + hand * HAND_LATENTS, hand == 0 ? 1 : -1, size, at,
                   row + hand * POINTS * AXES);
    }
}

/* ---- table ---- */

static bal_status name_features(bal_table *table, bal_error *err) {
    static const char *const hands[HANDS] = {"right", "left"};
    for (int i = 0; i < FEATURES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_%02d_%c", hands[i / (POINTS * AXES)], i / AXES % POINTS,
                 "xyz"[i % AXES]);
        if (!(table->feature_names[i] = bal_strdup(name))) return bal_fail_memory(err, sizeof name);
    }
    return BAL_OK;
}

/** Labels share one pool with a name per class. */
static bal_status label_column(bal_table *table, const hand_process *process, const int32_t *label,
                               bal_error *err) {
    enum { NAME = 24 };
    bal_column *column = table->columns;
    column->is_text = true;
    column->name = bal_strdup("label");
    column->text = bal_calloc((size_t)table->rows, sizeof *column->text);
    column->text_pool = bal_calloc((size_t)process->classes, NAME);
    if (!column->name || !column->text || !column->text_pool)
        return bal_fail_memory(err, (size_t)table->rows * sizeof *column->text);
    for (int32_t k = 0; k < process->classes; k++)
        snprintf(column->text_pool + (size_t)k * NAME, NAME, "sign_%03d", (int)k);
    for (int64_t row = 0; row < table->rows; row++)
        column->text[row] = column->text_pool + (size_t)label[row] * NAME;
    return BAL_OK;
}

/** Which sign each row is: the counts of the process, shuffled. */
static void order_labels(const hand_process *process, uint64_t seed, int64_t rows, int32_t *label) {
    int64_t at = 0;
    for (int32_t k = 0; k < process->classes; k++)
        for (int64_t i = 0; i < process->count[k]; i++)
            label[at++] = k;
    bal_random random;
    bal_random_init(&random, seed, STREAM_ORDER);
    for (int64_t i = rows - 1; i > 0; i--) {
        int64_t j = (int64_t)bal_random_below(&random, (uint64_t)i + 1);
        int32_t kept = label[i];
        label[i] = label[j];
        label[j] = kept;
    }
}

static bal_status fill_table(bal_table *table, const hand_process *process,
                             const bal_simulator_options *options, bal_error *err) {
    size_t rows = (size_t)options->samples;
    BAL_TRY(
        bal_table_allocate(table, "simulated:hand_landmarks", options->samples, FEATURES, 1, err));
    BAL_TRY(name_features(table, err));
    int32_t *label = bal_calloc(rows, sizeof *label);
    if (!label) return bal_fail_memory(err, rows * sizeof *label);
    order_labels(process, options->seed, options->samples, label);
    bal_random random;
    bal_random_init(&random, options->seed, STREAM_ROWS);
    for (size_t row = 0; row < rows; row++) {
        double z[LATENTS];
        draw_latents(process, label[row], &random, z);
        place_hands(z, &random, table->x + row * FEATURES);
    }
    bal_status status = label_column(table, process, label, err);
    bal_free(label);
    return status;
}

static bal_status make(const bal_simulator_options *options, bal_table **ret_table,
                       bal_error *err) {
    hand_process process;
    BAL_TRY(process_init(&process, options, err));
    bal_table *table = bal_calloc(1, sizeof *table);
    bal_status status =
        table ? fill_table(table, &process, options, err) : bal_fail_memory(err, sizeof *table);
    process_release(&process);
    if (status == BAL_OK)
        *ret_table = table;
    else
        bal_table_free(table);
    return status;
}

/* ---- the best possible accuracy ---- */

/** Posterior of the most likely class given z: how often the Bayes rule is right at this z. */
static double best_posterior(const hand_process *process, const double *log_share, const double *z,
                             double *log_joint) {
    double most = -INFINITY, sum = 0;
    for (int32_t k = 0; k < process->classes; k++) {
        const double *pose = process->pose + (size_t)k * LATENTS;
        double squared = 0;
        for (int i = 0; i < LATENTS; i++)
            squared += (z[i] - pose[i]) * (z[i] - pose[i]);
        log_joint[k] = log_share[k] - squared / (2 * process->sigma * process->sigma);
        if (log_joint[k] > most) most = log_joint[k];
    }
    for (int32_t k = 0; k < process->classes; k++)
        sum += exp(log_joint[k] - most);
    return 1 / sum;
}

/** Mean of the best posterior over draws from the process. Its spread is smaller than that of being
 *  right or wrong, which it is the expectation of. */
static bal_status ceiling(const bal_simulator_options *options, double *ret_accuracy,
                          double *ret_error, bal_error *err) {
    hand_process process;
    BAL_TRY(process_init(&process, options, err));
    size_t n = (size_t)process.classes;
    double *block = bal_calloc(n, 2 * sizeof *block);
    if (!block) {
        process_release(&process);
        return bal_fail_memory(err, n * 2 * sizeof *block);
    }
    double *log_share = block, *log_joint = block + n;
    for (size_t k = 0; k < n; k++)
        log_share[k] = log(process.share[k]);
    bal_random random;
    bal_random_init(&random, options->seed, STREAM_CEILING);
    double sum = 0, squares = 0;
    for (int i = 0; i < CEILING_DRAWS; i++) {
        double u = bal_random_uniform(&random), z[LATENTS];
        int32_t k = 0;
        for (; k + 1 < process.classes && u >= process.share[k]; k++)
            u -= process.share[k];
        draw_latents(&process, k, &random, z);
        double right = best_posterior(&process, log_share, z, log_joint);
        sum += right;
        squares += right * right;
    }
    bal_free(block);
    process_release(&process);
    double mean = sum / CEILING_DRAWS;
    *ret_accuracy = mean;
    *ret_error = sqrt((squares / CEILING_DRAWS - mean * mean) / CEILING_DRAWS);
    return BAL_OK;
}

const bal_simulator bal_simulator_hands = {
    .name = "hand_landmarks",
    .summary = "Sign-language poses of two hands, 21 points each, in minimal pairs, long-tailed",
    .defaults = {.samples = 60000, .classes = 197, .noise = 1, .imbalance = 4, .seed = 1},
    .make = make,
    .ceiling = ceiling,
};
