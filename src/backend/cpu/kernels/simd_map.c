/* Element-wise kernels: arithmetic, activations and their gradients. One loop for functions of one
 * operand and one for functions of two, inlined for each function. */
#include "backend/cpu/kernels/activation.h"
#include "backend/cpu/kernels/simd.h"

/* Lanes get whole cache lines, so that no two write the same one. */
enum { LANE_BLOCK = 64 };

/* `s` and `t` are the op's attributes. */
typedef vf (*map_fn)(vf x, float s, float t);
typedef vf (*map2_fn)(vf a, vf b, float s);

static float attr_float(const bal_cpu_task *task, int32_t index) {
    return index < task->args.node->op->n_attrs ? (float)task->args.node->attr[index].f : 0;
}

INLINE void map(const bal_cpu_task *task, bal_lane lane, map_fn f) {
    const float *x = task->args.in[0].data;
    float *y = task->args.out[0].data;
    float s = attr_float(task, 0), t = attr_float(task, 1);
    bal_range range = bal_lane_range(lane, operand_count(&task->args.out[0]), LANE_BLOCK);
    x += range.begin;
    y += range.begin;
    FOR_VECTORS(i, range.end - range.begin) STORE(y + i, f(LOAD(x + i), s, t));
}

/* One run of elements; b moves along, or stays when it is one number. */
INLINE void map2_run(const float *a, const float *b, float *y, int64_t count, float s, map2_fn f) {
    FOR_VECTORS(i, count) STORE(y + i, f(LOAD(a + i), LOAD(b + i), s));
}

INLINE void map2(const bal_cpu_task *task, bal_lane lane, map2_fn f) {
    const float *a = task->args.in[0].data, *b = task->args.in[1].data;
    float *y = task->args.out[0].data, s = attr_float(task, 0);
    int64_t count = operand_count(&task->args.out[0]), period = operand_count(&task->args.in[1]);
    if (period == count) {
        bal_range range = bal_lane_range(lane, count, LANE_BLOCK);
        map2_run(a + range.begin, b + range.begin, y + range.begin, range.end - range.begin, s, f);
    } else if (period == 1) {
        bal_range range = bal_lane_range(lane, count, LANE_BLOCK);
        vf one = vf_set(*b);
        FOR_VECTORS(i, range.end - range.begin)
        STORE(y + range.begin + i, f(LOAD(a + range.begin + i), one, s));
    } else if (period > 0) {
        bal_range rows = bal_lane_range(lane, count / period, 1);
        for (int64_t row = rows.begin; row < rows.end; row++)
            map2_run(a + row * period, b, y + row * period, period, s, f);
    }
}

#define MAP(name, ...)                                                                             \
    INLINE vf name##_of(vf x, float s, float t) {                                                  \
        return __VA_ARGS__;                                                                        \
    }                                                                                              \
    static void run_##name(const bal_cpu_task *task, int phase, bal_lane lane) {                   \
        map(task, lane, name##_of);                                                                \
    }
#define MAP2(name, ...)                                                                            \
    INLINE vf name##_of(vf a, vf b, float s) {                                                     \
        return __VA_ARGS__;                                                                        \
    }                                                                                              \
    static void run_##name(const bal_cpu_task *task, int phase, bal_lane lane) {                   \
        map2(task, lane, name##_of);                                                               \
    }

/* clang-format takes products in macro arguments for pointers. */
/* clang-format off */
MAP2(add, a + b)
MAP2(sub, a - b)
MAP2(mul, a * b)
MAP2(div, a / b)
MAP(neg, (vf)((vi)x ^ vi_set(INT32_MIN)))
MAP(scale, x * s + t)
MAP(exp, vf_exp(x))
MAP(log, vf_log(x))
MAP(sqrt, vf_sqrt(x))
MAP(square, x * x)
MAP(abs, vf_abs(x))
/* g with the sign of x; 0 at 0 */
MAP2(abs_grad,
     vf_select(vf_gt(b, (vf){0}), a,
               vf_select(vf_lt(b, (vf){0}), (vf){0} - a, vf_select(vf_eq(b, (vf){0}), (vf){0}, b))))

MAP(relu, vf_activate(BAL_ACT_RELU, 0, x))
MAP(leaky_relu, vf_activate(BAL_ACT_LEAKY_RELU, s, x))
MAP(gelu, vf_activate(BAL_ACT_GELU, 0, x))
MAP(sigmoid, vf_activate(BAL_ACT_SIGMOID, 0, x))
MAP(tanh, vf_activate(BAL_ACT_TANH, 0, x))
/* From the output, except gelu's, which is from the input. */
MAP2(relu_grad, vf_activate_grad(BAL_ACT_RELU, 0, a, b))
MAP2(leaky_relu_grad, vf_activate_grad(BAL_ACT_LEAKY_RELU, s, a, b))
MAP2(gelu_grad, vf_activate_grad(BAL_ACT_GELU, 0, a, b))
MAP2(sigmoid_grad, a * b * (1.0f - b))
MAP2(tanh_grad, a * (1.0f - b * b))
/* clang-format on */

#define ENTRY(op)                                                                                  \
    { #op, "map", 0, NULL, NULL, run_##op }

const bal_cpu_kernel ISA_NAME(bal_cpu_map)[] = {
    ENTRY(add),
    ENTRY(sub),
    ENTRY(mul),
    ENTRY(div),
    ENTRY(neg),
    ENTRY(scale),
    ENTRY(exp),
    ENTRY(log),
    ENTRY(sqrt),
    ENTRY(square),
    ENTRY(abs),
    ENTRY(abs_grad),
    ENTRY(relu),
    ENTRY(relu_grad),
    ENTRY(leaky_relu),
    ENTRY(leaky_relu_grad),
    ENTRY(gelu),
    ENTRY(gelu_grad),
    ENTRY(sigmoid),
    ENTRY(sigmoid_grad),
    ENTRY(tanh),
    ENTRY(tanh_grad),
    {0},
};
