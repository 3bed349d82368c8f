/* How weights start: Kaiming (He et al. 2015, arXiv 1502.01852) and Xavier (Glorot & Bengio,
 * AISTATS 2010), uniform and normal.
 *
 * Each tensor draws from its own stream, keyed by the run's seed and the tensor's name, so that
 * adding a head does not change how the trunk starts. A large net has tens of millions of weights
 * and the first step should not wait for them: blocks of Philox are made sixteen at a time in a
 * form that compilers turn into vector code. */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "nn/net.h"

static const char *const names[BAL_INIT_COUNT] = {
    [BAL_INIT_ZERO] = "zero",
    [BAL_INIT_ONE] = "one",
    [BAL_INIT_KAIMING_UNIFORM] = "kaiming_uniform",
    [BAL_INIT_KAIMING_NORMAL] = "kaiming_normal",
    [BAL_INIT_XAVIER_UNIFORM] = "xavier_uniform",
    [BAL_INIT_XAVIER_NORMAL] = "xavier_normal",
};

const char *bal_init_name(bal_init_kind kind) {
    return kind >= 0 && kind < BAL_INIT_COUNT ? names[kind] : "unknown";
}

bal_init_kind bal_init_find(const char *name) {
    for (int kind = 0; kind < BAL_INIT_COUNT; kind++)
        if (strcmp(names[kind], name) == 0) return (bal_init_kind)kind;
    return BAL_INIT_COUNT;
}

double bal_init_gain(bal_activation activation, double slope) {
    switch (activation) {
    case BAL_ACT_RELU:
    case BAL_ACT_GELU:
        return sqrt(2.0);
    case BAL_ACT_LEAKY_RELU:
        return sqrt(2.0 / (1.0 + slope * slope));
    case BAL_ACT_TANH:
        return 5.0 / 3.0;
    default:
        return 1.0;
    }
}

enum { LANES = 16, BLOCK = 4 * LANES };
_Static_assert(BLOCK == BAL_INIT_BLOCK, "told to those who fill in parts");

/** Words of the blocks first .. first + LANES − 1 of a stream; the same words as bal_philox gives.
 */
static void philox_lanes(const bal_random *random, uint64_t first, uint32_t ret_words[4][LANES]) {
    uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        c0[lane] = (uint32_t)(first + (uint64_t)lane);
        c1[lane] = (uint32_t)((first + (uint64_t)lane) >> 32);
        c2[lane] = random->counter[2];
        c3[lane] = random->counter[3];
    }
    uint32_t k0 = random->key[0], k1 = random->key[1];
    for (int round = 0; round < 10; round++) {
        for (int lane = 0; lane < LANES; lane++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[lane];
            uint64_t p1 = (uint64_t)0xCD9E8D57u * c2[lane];
            c0[lane] = (uint32_t)(p1 >> 32) ^ c1[lane] ^ k0;
            c2[lane] = (uint32_t)(p0 >> 32) ^ c3[lane] ^ k1;
            c1[lane] = (uint32_t)p1;
            c3[lane] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(ret_words[0], c0, sizeof c0);
    memcpy(ret_words[1], c1, sizeof c1);
    memcpy(ret_words[2], c2, sizeof c2);
    memcpy(ret_words[3], c3, sizeof c3);
}

/** Values of one block from its words: one each. */
typedef void convert_fn(uint32_t words[4][LANES], double size, float ret_block[BLOCK]);

/** Uniform in [−size, size]. */
static void convert_uniform(uint32_t words[4][LANES], double size, float ret_block[BLOCK]) {
    const float scale = (float)(size * 0x1p-31);
    for (int w = 0; w < 4; w++)
        for (int lane = 0; lane < LANES; lane++)
            ret_block[w * LANES + lane] = (float)(int32_t)words[w][lane] * scale;
}

/** Normal with standard deviation `size`: Box & Muller 1958, both of each pair. 32 random bits
 * reach 6.7 deviations out, more than a weight should start at. */
static void convert_normal(uint32_t words[4][LANES], double size, float ret_block[BLOCK]) {
    for (int w = 0; w < 4; w += 2) {
        for (int lane = 0; lane < LANES; lane++) {
            double radius = size * sqrt(-2 * log(((double)words[w][lane] + 1) * 0x1p-32));
            double angle = 2 * M_PI * 0x1p-32 * (double)words[w + 1][lane];
            ret_block[w * LANES + lane] = (float)(radius * cos(angle));
            ret_block[(w + 1) * LANES + lane] = (float)(radius * sin(angle));
        }
    }
}

static void fill_random(float *values, bal_init_part part, convert_fn *convert, double size,
                        const bal_random *random) {
    for (int64_t start = 0; start < part.count; start += BLOCK) {
        uint32_t words[4][LANES];
        float block[BLOCK];
        philox_lanes(random, (uint64_t)(part.begin + start) / 4, words);
        convert(words, size, block);
        int64_t left = part.count - start < BLOCK ? part.count - start : BLOCK;
        memcpy(values + start, block, (size_t)left * sizeof *values);
    }
}

static void fill_constant(float *values, int64_t count, float value) {
    for (int64_t i = 0; i < count; i++)
        values[i] = value;
}

void bal_init_fill_part(bal_init_spec spec, const bal_shape *shape, const char *name, uint64_t seed,
                        bal_init_part part, float *ret_values) {
    bal_random random;
    bal_random_init(&random, seed, bal_hash_name(name));
    double fan_out = (double)shape->dim[0];
    double fan_in = shape->rank > 1 ? (double)bal_shape_count(shape) / fan_out : 1;
    double kaiming = spec.gain / sqrt(fan_in);
    double xavier = spec.gain * sqrt(2 / (fan_in + fan_out));
    const double widen = sqrt(3.0); /* uniform in ±b has deviation b/√3 */

    switch (spec.kind) {
    case BAL_INIT_KAIMING_UNIFORM:
        fill_random(ret_values, part, convert_uniform, widen * kaiming, &random);
        break;
    case BAL_INIT_XAVIER_UNIFORM:
        fill_random(ret_values, part, convert_uniform, widen * xavier, &random);
        break;
    case BAL_INIT_KAIMING_NORMAL:
        fill_random(ret_values, part, convert_normal, kaiming, &random);
        break;
    case BAL_INIT_XAVIER_NORMAL:
        fill_random(ret_values, part, convert_normal, xavier, &random);
        break;
    case BAL_INIT_ONE:
        fill_constant(ret_values, part.count, 1);
        break;
    default:
        fill_constant(ret_values, part.count, 0);
    }
}

void bal_init_fill(bal_init_spec spec, const bal_shape *shape, const char *name, uint64_t seed,
                   float *ret_values) {
    bal_init_part whole = {0, bal_shape_count(shape)};
    bal_init_fill_part(spec, shape, name, seed, whole, ret_values);
}
