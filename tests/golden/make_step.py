"""Golden values of three full training steps: writes step_golden.h beside it.

    python3 tests/golden/make_step.py

The net is the sign-landmark classifier's: 126 → 512 → 256 → 128 → 197, linear without bias, batch
norm and relu for the hidden layers, linear with bias at the end, class-weighted cross-entropy, Adam
with L2. Each step sees another batch of 16. PyTorch runs it in double and in single precision.

Data and initial weights come from a formula in whole-number arithmetic that both sides compute
exactly (`unit` here, unit in tests/ops/step_net.c), so the file holds results only: losses, and for
every parameter the norm of its gradient and of its total change, and sampled entries of the
gradient and of the parameter after one and after three steps.

Adam's first step is lr·sign(g) wherever |g| is well above ε: an entry whose gradient is rounding
noise moves by ±lr at random. Entries are therefore sampled among those with a clear gradient in
every step; the norms cover the rest. The script stops if PyTorch's own two precisions do not agree
to 1e-5.
"""

import os

import numpy as np
import torch
import torch.nn.functional as F

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "step_golden.h")
B, STEPS, SAMPLES = 16, 3, 32
SIZES = [126, 512, 256, 128, 197]
LR, BETAS, EPS, L2 = 1e-3, (0.9, 0.999), 1e-8, 1e-4
BN_EPS, BN_MOMENTUM = 1e-5, 0.1
CLEAR = 0.02  # smallest sampled gradient, relative to the tensor's largest


def unit(tensor, count):
    """count numbers in [-1, 1), multiples of 2^-23: a hash of (tensor, position)."""
    with np.errstate(over="ignore"):
        h = (np.uint64(tensor) << np.uint64(32)) + np.arange(1, count + 1, dtype=np.uint64)
        h *= np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(32)
        h *= np.uint64(0xD6E8FEB86659FD93)
        h ^= h >> np.uint64(32)
    return (h >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


def single(x):
    return x.astype(np.float32).astype(np.float64)


def layout():
    """(name, shape, offset, spread) of each parameter; its initial value is offset + spread·unit,
    in single precision."""
    rows = []
    for i in range(3):
        fan_in, width = SIZES[i], SIZES[i + 1]
        rows.append((f"layer{i}.weight", (width, fan_in), 0.0, (6 / fan_in) ** 0.5))
        rows.append((f"layer{i}.gamma", (width,), 1.0, 0.25))
        rows.append((f"layer{i}.beta", (width,), 0.0, 0.25))
    rows.append(("head.weight", (197, 128), 0.0, (6 / 128) ** 0.5))
    rows.append(("head.bias", (197,), 0.0, 0.25))
    return rows


def initial():
    return [single(offset + spread * unit(k, int(np.prod(shape)))).reshape(shape)
            for k, (_, shape, offset, spread) in enumerate(layout())]


def batch(step):
    x = single(1.75 * unit(100 + step, B * 126)).reshape(B, 126)
    labels = np.array([(37 * b + 11 * step) % 197 for b in range(B)])
    return x, labels


def class_weights():
    return np.array([0.5 + 0.25 * (c % 5) for c in range(197)])


def train(dtype):
    """Losses, gradients of each step, parameters after each step, running statistics at the end."""
    params = [torch.tensor(p, dtype=dtype, requires_grad=True) for p in initial()]
    means = [torch.zeros(n, dtype=dtype) for n in SIZES[1:4]]
    variances = [torch.ones(n, dtype=dtype) for n in SIZES[1:4]]
    weights = torch.tensor(class_weights(), dtype=dtype)
    adam = torch.optim.Adam(params, lr=LR, betas=BETAS, eps=EPS, weight_decay=L2)
    losses, grads, after = [], [], []
    for step in range(STEPS):
        x, labels = batch(step)
        h = torch.tensor(x, dtype=dtype)
        for i in range(3):
            weight, gamma, beta = params[3 * i:3 * i + 3]
            h = F.batch_norm(h @ weight.T, means[i], variances[i], gamma, beta, True, BN_MOMENTUM,
                             BN_EPS)
            h = F.relu(h)
        loss = F.cross_entropy(F.linear(h, params[9], params[10]), torch.tensor(labels), weights)
        adam.zero_grad()
        loss.backward()
        losses.append(loss.item())
        grads.append([p.grad.double().numpy().copy() for p in params])
        adam.step()
        after.append([p.detach().double().numpy().copy() for p in params])
    running = [t.double().numpy() for pair in zip(means, variances) for t in pair]
    return losses, grads, after, running


def pick(grads, params):
    """SAMPLES positions with a clear gradient in every step, spread over the tensor."""
    clear = np.ones(params[0].size, dtype=bool)
    for g, p in zip(grads, params):
        total = g.reshape(-1) + L2 * p.reshape(-1)
        clear &= np.abs(total) >= CLEAR * np.abs(total).max()
    positions = np.flatnonzero(clear)
    assert len(positions) >= SAMPLES, len(positions)
    return positions[np.linspace(0, len(positions) - 1, SAMPLES).astype(int)]


def agree(a, b, scale, what):
    worst = np.max(np.abs(np.asarray(a) - np.asarray(b))) / scale
    assert worst < 1e-5, f"{what}: the precisions differ by {worst:.2g}"
    return worst


def pair(double, float32):
    return f"{{{double:.15g}, {float32:.9g}}}"


HEADER = """\
/* Golden values of three training steps of the net 126-512-256-128-197. Generated by make_step.py
 * (which says how); do not edit. Pairs are {double, single} precision of PyTorch. */
#ifndef BAL_TESTS_GOLDEN_STEP_GOLDEN_H
#define BAL_TESTS_GOLDEN_STEP_GOLDEN_H

#include <stdint.h>

enum { GOLDEN_STEPS = %d, GOLDEN_STEP_BATCH = %d, GOLDEN_STEP_SAMPLES = %d };

#define GOLDEN_STEP_LR %r
#define GOLDEN_STEP_BETA1 %r
#define GOLDEN_STEP_BETA2 %r
#define GOLDEN_STEP_EPSILON %r
#define GOLDEN_STEP_L2 %r
#define GOLDEN_STEP_NORM_EPSILON %r
#define GOLDEN_STEP_NORM_MOMENTUM %r

/** One element of a parameter: its gradient in the first step, itself after one and all steps. */
typedef struct golden_step_sample {
    int64_t index;
    double grad[2], after_one[2], after_all[2];
} golden_step_sample;

/** A parameter: initial values are offset + spread·unit. The largest magnitudes are what
 *  differences are relative to; change_norm is ‖after all steps − initial‖. */
typedef struct golden_step_tensor {
    const char *name;
    int64_t rows, columns; /* columns 0: a vector */
    double offset, spread;
    double grad_norm[2], change_norm[2];
    double grad_max, param_max;
    golden_step_sample samples[GOLDEN_STEP_SAMPLES];
} golden_step_tensor;

"""

RUNNING = """\
/** Running mean and variance of each norm after all steps, the first columns; differences of means
 *  are relative to the largest deviation, of variances to the largest variance. */
typedef struct golden_step_running {
    double scale;
    double values[GOLDEN_STEP_SAMPLES][2];
} golden_step_running;

static const golden_step_running golden_step_statistics[] = {
"""


def main():
    wide, narrow = train(torch.float64), train(torch.float32)
    start = initial()
    text = HEADER % (STEPS, B, SAMPLES, LR, *BETAS, EPS, L2, BN_EPS, BN_MOMENTUM)
    text += "static const double golden_step_losses[GOLDEN_STEPS][2] = {\n"
    for a, b in zip(wide[0], narrow[0]):
        agree(a, b, abs(a), "loss")
        text += f"    {pair(a, b)},\n"
    text += "};\n\nstatic const golden_step_tensor golden_step_tensors[] = {\n"
    for k, (name, shape, offset, spread) in enumerate(layout()):
        g, g32 = wide[1][0][k].reshape(-1), narrow[1][0][k].reshape(-1)
        one, one32 = wide[2][0][k].reshape(-1), narrow[2][0][k].reshape(-1)
        end, end32 = wide[2][-1][k].reshape(-1), narrow[2][-1][k].reshape(-1)
        before = start[k].reshape(-1)
        change = np.linalg.norm(end - before), np.linalg.norm(end32 - before)
        at = pick([grads[k] for grads in wide[1]], [start[k]] + [p[k] for p in wide[2]])
        g_max, p_max = np.abs(g).max(), np.abs(end).max()
        report = [agree(g, g32, g_max, name + " gradient"),
                  agree(one[at], one32[at], p_max, name + " after one step"),
                  agree(end[at], end32[at], p_max, name + " after all"),
                  agree(*change, change[0], name + " change")]
        print(f"{name:16} single from double: " + " ".join(f"{r:.1e}" for r in report))
        columns = shape[1] if len(shape) == 2 else 0
        text += (f'    {{"{name}", {shape[0]}, {columns}, {offset!r}, {spread!r},\n'
                 f"     {pair(np.linalg.norm(g), np.linalg.norm(g32))}, {pair(*change)},\n"
                 f"     {g_max:.15g}, {p_max:.15g},\n     {{\n")
        for i in at:
            text += (f"      {{{i}, {pair(g[i], g32[i])}, {pair(one[i], one32[i])},\n"
                     f"       {pair(end[i], end32[i])}}},\n")
        text += "     }},\n"
    text += "};\n\n" + RUNNING
    for k, (a, b) in enumerate(zip(wide[3], narrow[3])):
        variance = wide[3][k | 1].max()
        scale = variance if k % 2 else variance**0.5
        agree(a[:SAMPLES], b[:SAMPLES], scale, "running statistics")
        entries = [pair(a[i], b[i]) for i in range(SAMPLES)]
        text += f"    {{{scale:.15g},\n     {{"
        text += ",\n      ".join(", ".join(entries[i:i + 2]) for i in range(0, SAMPLES, 2))
        text += "}},\n"
    text += "};\n\n#endif\n"
    with open(OUT, "w") as f:
        f.write(text)


if __name__ == "__main__":
    main()
