/* Simulated sign-language landmarks: 21 points × 3 coordinates × 2 hands, with a best possible accuracy that
 * is known.
 *
 * A sign is a pose: bend and spread of ten fingers, and the orientation of both hands, LATENTS numbers in all.
 * Signs come in minimal pairs, as in real sign languages: the partner differs in the bend of one finger of
 * the dominant hand. A performance of sign k is its pose plus independent Gaussian variation,
 * z ~ N(mu_k, sigma² I). Forward kinematics (finger segments bent joint by joint, then size, rotation and
 * position of the signer's hands, which say nothing about the sign) turn z into landmarks. Every step is
 * invertible, so landmarks and z carry the same information, and the Bayes rule on z,
 * argmax_k pi_k N(z; mu_k, sigma² I), is the best any classifier of landmarks can do. Its accuracy is the
 * ceiling, computed by sampling from the process itself.
 *
 * Frequencies fall geometrically from the most to the least common sign. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/simulators.h"

enum {
    POINTS = 21,
    HANDS = 2,
    FEATURES = POINTS * 3 * HANDS,
    FINGERS = 5,
    HAND_LATENTS = 2 * FINGERS + 3, /* bend and spread per finger; yaw, pitch, roll */
    LATENTS = HANDS * HAND_LATENTS,
    CEILING_DRAWS = 40000
};

static const double sigma_default = 0.12;   /* radians: how much a performance varies */
static const double pair_distance = 2.55;   /* between minimal pairs, in default sigmas */

/* Streams of the process' own seed. */
enum { STREAM_POSES = 1, STREAM_ROWS, STREAM_ORDER, STREAM_CEILING };

typedef struct hand_process {
    int32_t classes;
    double sigma;
    double *pose;  /* [classes, LATENTS] */
    double *share; /* [classes] */
    int64_t *count; /* [classes] rows */
} hand_process;

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

/** Rows per class: shares fall geometrically, every class has at least one row, the sum is exact. */
static void share_rows(hand_process *process, const bal_simulator_options *options) {
    int32_t classes = process->classes;
    double sum = 0;
    for (int32_t k = 0; k < classes; k++) {
        /* Ranks are spread over the ids so that partners differ in frequency too. */
        double rank = (double)((int64_t)k * 89 % classes) / (double)(classes > 1 ? classes - 1 : 1);
        process->share[k] = pow(options->imbalance, -rank);
        sum += process->share[k];
    }
    int64_t given = 0;
    for (int32_t k = 0; k < classes; k++) {
        process->share[k] /= sum;
        process->count[k] = (int64_t)floor(process->share[k] * (double)options->samples);
        if (process->count[k] < 1) process->count[k] = 1;
        given += process->count[k];
    }
    for (int32_t k = 0; given != options->samples; k = (k + 1) % classes) {
        int step = given < options->samples ? 1 : process->count[k] > 1 ? -1 : 0;
        process->count[k] += step;
        given += step;
    }
    for (int32_t k = 0; k < classes; k++)
        process->share[k] = (double)process->count[k] / (double)options->samples;
}

static void process_release(hand_process *process) {
    bal_free(process->pose);
    bal_free(process->share);
    bal_free(process->count);
}

static bal_status process_init(hand_process *process, const bal_simulator_options *options,
                               bal_error *err) {
    if (options->classes < 2 || options->samples < options->classes)
        return bal_fail(err, BAL_EDATA,
                        "simulated hands: %d classes and %lld samples; at least two classes and one "
                        "sample per class are needed",
                        (int)options->classes, (long long)options->samples);
    size_t n = (size_t)options->classes;
    *process = (hand_process){
        .classes = options->classes,
        .sigma = sigma_default * (options->noise > 0 ? options->noise : 1),
        .pose = bal_calloc(n * LATENTS, sizeof(double)),
        .share = bal_calloc(n, sizeof(double)),
        .count = bal_calloc(n, sizeof(int64_t)),
    };
    if (!process->pose || !process->share || !process->count) {
        process_release(process);
        return bal_fail_memory(err, n * LATENTS * sizeof(double));
    }
    draw_poses(process, options->seed);
    share_rows(process, options);
    return BAL_OK;
}

static void draw_latents(const hand_process *process, int32_t k, bal_random *random, double *z) {
    for (int i = 0; i < LATENTS; i++)
        z[i] = process->pose[(size_t)k * LATENTS + (size_t)i] +
               process->sigma * bal_random_normal(random);
}

/* ---- forward kinematics ---- */

typedef struct vec3 {
    double x, y, z;
} vec3;

static vec3 rotate(vec3 p, double yaw, double pitch, double roll) {
    vec3 a = {p.x * cos(roll) - p.y * sin(roll), p.x * sin(roll) + p.y * cos(roll), p.z};
    vec3 b = {a.x, a.y * cos(pitch) - a.z * sin(pitch), a.y * sin(pitch) + a.z * cos(pitch)};
    return (vec3){b.x * cos(yaw) + b.z * sin(yaw), b.y, -b.x * sin(yaw) + b.z * cos(yaw)};
}

/* Palm frame, in hand lengths: wrist at the origin, fingers along +y, palm facing +z. */
static const struct {
    double base_x, base_y, angle; /* knuckle, and the finger's resting direction in the palm's plane */
    double segment[3];
} finger_shape[FINGERS] = {
    {-0.22, 0.15, 0.75, {0.18, 0.16, 0.13}}, {-0.13, 0.48, 0.10, {0.20, 0.13, 0.10}},
    {0.00, 0.50, 0.00, {0.22, 0.15, 0.11}},  {0.11, 0.47, -0.08, {0.20, 0.14, 0.10}},
    {0.21, 0.41, -0.18, {0.16, 0.10, 0.09}},
};

/** The 21 points of one hand; mirror −1 for the left one. */
static void place_hand(const double *latents, double mirror, double size, vec3 at, float *points) {
    const double *turn = latents + 2 * FINGERS;
    vec3 local[POINTS] = {{0, 0, 0}};
    int n = 1;
    for (int finger = 0; finger < FINGERS; finger++) {
        double direction = finger_shape[finger].angle + latents[2 * finger + 1];
        double bent = 0;
        vec3 joint = {finger_shape[finger].base_x, finger_shape[finger].base_y, 0};
        local[n++] = joint;
        for (int s = 0; s < 3; s++) {
            bent += latents[2 * finger] * (s == 0 ? 1.0 : 0.8);
            double reach = finger_shape[finger].segment[s];
            joint.x += -sin(direction) * cos(bent) * reach;
            joint.y += cos(direction) * cos(bent) * reach;
            joint.z += sin(bent) * reach;
            local[n++] = joint;
        }
    }
    for (int i = 0; i < POINTS; i++) {
        vec3 p = {local[i].x * mirror, local[i].y, local[i].z};
        p = rotate(p, turn[0] * mirror, turn[1], turn[2] * mirror);
        points[3 * i] = (float)(at.x + size * p.x);
        points[3 * i + 1] = (float)(at.y - size * p.y); /* image coordinates: y grows downwards */
        points[3 * i + 2] = (float)(at.z + size * p.z);
    }
}

static void place_hands(const double *z, bal_random *random, float *row) {
    double size = uniform(random, 0.20, 0.28);
    for (int hand = 0; hand < HANDS; hand++) {
        vec3 at = {(hand == 0 ? 0.35 : 0.65) + uniform(random, -0.05, 0.05),
                   0.6 + uniform(random, -0.05, 0.05), uniform(random, -0.05, 0.05)};
        place_hand(z + hand * HAND_LATENTS, hand == 0 ? 1 : -1, size, at,
                   row + hand * POINTS * 3);
    }
}

/* ---- table ---- */

static bal_status name_features(bal_table *table, bal_error *err) {
    static const char *const hands[HANDS] = {"right", "left"};
    for (int i = 0; i < FEATURES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_%02d_%c", hands[i / (POINTS * 3)], i / 3 % POINTS,
                 "xyz"[i % 3]);
        if (!(table->feature_names[i] = bal_strdup(name))) return bal_fail_memory(err, 32);
    }
    return BAL_OK;
}

/** Labels share one pool with a name per class. */
static bal_status label_column(bal_table *table, const hand_process *process, const int32_t *label,
                               bal_error *err) {
    enum { NAME = 16 };
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

static bal_status fill_table(bal_table *table, const hand_process *process,
                             const bal_simulator_options *options, bal_error *err) {
    size_t rows = (size_t)options->samples;
    table->rows = options->samples;
    table->features = FEATURES;
    table->n_columns = 1;
    table->source = bal_strdup("simulated:hand_landmarks");
    table->x = bal_calloc(rows * FEATURES, sizeof *table->x);
    table->feature_names = bal_calloc(FEATURES, sizeof *table->feature_names);
    table->columns = bal_calloc(1, sizeof *table->columns);
    int32_t *label = bal_calloc(rows, sizeof *label);
    bal_status status = BAL_OK;
    if (!table->source || !table->x || !table->feature_names || !table->columns || !label) {
        status = bal_fail_memory(err, rows * FEATURES * sizeof *table->x);
        goto out;
    }
    size_t at = 0;
    for (int32_t k = 0; k < process->classes; k++)
        for (int64_t i = 0; i < process->count[k]; i++)
            label[at++] = k;
    bal_random random;
    bal_random_init(&random, options->seed, STREAM_ORDER);
    for (size_t i = rows - 1; i > 0; i--) {
        size_t j = (size_t)bal_random_below(&random, i + 1);
        int32_t kept = label[i];
        label[i] = label[j];
        label[j] = kept;
    }
    bal_random_init(&random, options->seed, STREAM_ROWS);
    for (size_t row = 0; row < rows; row++) {
        double z[LATENTS];
        draw_latents(process, label[row], &random, z);
        place_hands(z, &random, table->x + row * FEATURES);
    }
    BAL_TRY_OUT(name_features(table, err));
    status = label_column(table, process, label, err);
out:
    bal_free(label);
    return status;
}

static bal_status make(const bal_simulator_options *options, bal_table **ret_table,
                       bal_error *err) {
    hand_process process;
    BAL_TRY(process_init(&process, options, err));
    bal_table *table = bal_calloc(1, sizeof *table);
    bal_status status = table ? fill_table(table, &process, options, err)
                              : bal_fail_memory(err, sizeof *table);
    process_release(&process);
    if (status == BAL_OK)
        *ret_table = table;
    else
        bal_table_free(table);
    return status;
}

/* ---- the best possible accuracy ---- */

/** Posterior of the most likely class given z: what the Bayes rule is right with at this z. */
static double best_posterior(const hand_process *process, const double *z, double *log_joint) {
    double most = -INFINITY, sum = 0;
    for (int32_t k = 0; k < process->classes; k++) {
        const double *pose = process->pose + (size_t)k * LATENTS;
        double squared = 0;
        for (int i = 0; i < LATENTS; i++)
            squared += (z[i] - pose[i]) * (z[i] - pose[i]);
        log_joint[k] = log(process->share[k]) - squared / (2 * process->sigma * process->sigma);
        if (log_joint[k] > most) most = log_joint[k];
    }
    for (int32_t k = 0; k < process->classes; k++)
        sum += exp(log_joint[k] - most);
    return 1 / sum;
}

static bal_status ceiling(const bal_simulator_options *options, double *ret_accuracy,
                          double *ret_error, bal_error *err) {
    hand_process process;
    BAL_TRY(process_init(&process, options, err));
    double *log_joint = bal_calloc((size_t)process.classes, sizeof *log_joint);
    if (!log_joint) {
        process_release(&process);
        return bal_fail_memory(err, (size_t)process.classes * sizeof *log_joint);
    }
    bal_random random;
    bal_random_init(&random, options->seed, STREAM_CEILING);
    double sum = 0, squares = 0;
    for (int i = 0; i < CEILING_DRAWS; i++) {
        double u = bal_random_uniform(&random), z[LATENTS];
        int32_t k = 0;
        for (; k + 1 < process.classes && u >= process.share[k]; k++)
            u -= process.share[k];
        draw_latents(&process, k, &random, z);
        double right = best_posterior(&process, z, log_joint);
        sum += right;
        squares += right * right;
    }
    bal_free(log_joint);
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
