"""Golden values of losses, normalisations and parameter updates: writes ops_golden.h beside it.

    python3 tests/golden/make_ops.py

Everything is computed in double precision by PyTorch (last run: 2.15.0), except where it has no
equal of ours:
  - focal losses: the formula of Lin et al. 2017 and its derivative by mpmath with 60 digits;
  - clipping: torch.nn.utils.clip_grad_norm_ multiplies by clip / (norm + 1e-6), ours by clip /
    norm; the gradients are scaled by the latter here and handed to PyTorch's optimiser;
  - dropout masks: the draw rule of src/ops/draw.h over a Philox written out here;
  - decoupled decay with SGD: written out below from the formula in src/ops/ops.h;
  - an average over nothing: PyTorch says NaN, ours is 0 with gradient 0.
The numbers come from a fixed generator, so running this again changes nothing.
"""

import math
import os

import mpmath
import numpy as np
import torch
import torch.nn.functional as F

mpmath.mp.dps = 60
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ops_golden.h")
rng = np.random.default_rng(20240607)
lines = []
arrays = {}  # (type, numbers as text) → name


def number(x):
    x = float(x)
    if math.isnan(x):
        return "NAN"
    if math.isinf(x):
        return "INFINITY" if x > 0 else "-INFINITY"
    return repr(x)


def emit_array(values, ctype="double"):
    """Name of a static array of these numbers, NULL for None; equal arrays are written once."""
    if values is None:
        return "NULL"
    flat = list(np.asarray(values).reshape(-1))
    text = tuple(str(int(v)) if ctype == "int32_t" else number(v) for v in flat)
    if (ctype, text) in arrays:
        return arrays[ctype, text]
    name = arrays[ctype, text] = f"a{len(arrays)}"
    lines.append(f"static const {ctype} {name}[{len(text)}] = {{")
    row = "   "
    for item in text:
        if len(row) + len(item) + 2 > 100:
            lines.append(row)
            row = "   "
        row += f" {item},"
    lines.append(row)
    lines.append("};")
    return name


def single(values):
    """Rounded to float32, so that both precisions of the test start from the same inputs."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def normal(*shape, scale=1.0, mean=0.0):
    return single(mean + scale * rng.standard_normal(shape))


def uniform(*shape, low=0.0, high=1.0):
    return single(rng.uniform(low, high, shape))


# ---- losses ------------------------------------------------------------------------------------

losses = []


def add_loss(name, op, prediction, labels, target, weight, option, result):
    loss, weight_sum, gradient = result
    rows, columns = prediction.shape
    n_weight = 0 if weight is None else len(weight)
    names = [emit_array(prediction), emit_array(labels, "int32_t"), emit_array(target),
             emit_array(weight)]
    losses.append(
        f'    {{"{name}", "{op}", {rows}, {columns}, {", ".join(names)}, {n_weight},\n'
        f"     {number(option)}, {number(loss)}, {number(weight_sum)}, {emit_array(gradient)}}},"
    )


def tensor(x, grad=False):
    return None if x is None else torch.tensor(x, dtype=torch.float64, requires_grad=grad)


def cross_entropy(logits, labels, weight, smoothing):
    valid = labels >= 0
    weight_sum = valid.sum() if weight is None else weight[labels[valid]].sum()
    if weight_sum == 0:
        return 0.0, 0.0, np.zeros_like(logits)
    x = tensor(logits, True)
    loss = F.cross_entropy(x, torch.tensor(labels, dtype=torch.int64), tensor(weight),
                           ignore_index=-1, label_smoothing=smoothing)
    loss.backward()
    return loss.item(), weight_sum, x.grad.numpy()


def binary_cross_entropy(logits, target, weight):
    valid = ~np.isnan(target)
    t = np.where(valid, target, 0.0)
    pair = np.array([1.0, 1.0]) if weight is None else weight
    w = np.where(valid, t * pair[1] + (1 - t) * pair[0], 0.0)
    if w.sum() == 0:
        return 0.0, 0.0, np.zeros_like(logits)
    x = tensor(logits, True)
    total = F.binary_cross_entropy_with_logits(x, tensor(t), weight=tensor(w), reduction="sum")
    loss = total / w.sum()
    loss.backward()
    return loss.item(), w.sum(), x.grad.numpy()


def softmax_focal(logits, labels, alpha, gamma):
    """Loss and gradient from f(z) = −α(1−p)^γ log p with p = e^{z_y}/Σe^z, 60 digits; the
    derivative is taken through p: df/dp · p(δ − p_c)."""
    loss, count, gradient = mpmath.mpf(0), 0, np.zeros_like(logits)
    rows = []
    for z, y in zip(logits, labels):
        rows.append(None)
        if y < 0:
            continue
        count += 1
        e = [mpmath.exp(mpmath.mpf(v)) for v in z]
        total = sum(e)
        p, q = e[y] / total, sum(v for c, v in enumerate(e) if c != y) / total
        a = mpmath.mpf(1 if alpha is None else alpha[y])
        g = mpmath.mpf(gamma)
        power = mpmath.mpf(1) if gamma == 0 else q**g
        loss += -a * power * mpmath.log(p)
        slope = -a * power / p  # df/dp
        if gamma != 0 and q > 0:
            slope += a * g * q ** (g - 1) * mpmath.log(p)
        rows[-1] = [slope * p * ((q if c == y else -e[c] / total)) for c in range(len(z))]
    for i, row in enumerate(rows):
        if row is not None:
            gradient[i] = [float(v / count) for v in row]
    return (float(loss / count) if count else 0.0), count, gradient


def sigmoid_focal(logits, target, alpha, gamma):
    loss, count, gradient = mpmath.mpf(0), 0, np.zeros_like(logits)
    g = mpmath.mpf(gamma)
    a0, a1 = (1, 1) if alpha is None else (mpmath.mpf(alpha[0]), mpmath.mpf(alpha[1]))

    def side(x):  # −(1−p)^γ log p and its derivative at logit x, p = sigmoid(x)
        p, q = 1 / (1 + mpmath.exp(-x)), 1 / (1 + mpmath.exp(x))
        return -(q**g) * mpmath.log(p), g * p * q**g * mpmath.log(p) - q ** (g + 1)

    for index in np.ndindex(logits.shape):
        t = target[index]
        if np.isnan(t):
            continue
        count += 1
        x, t = mpmath.mpf(logits[index]), mpmath.mpf(t)
        f1, d1 = side(x)
        f0, d0 = side(-x)
        loss += t * a1 * f1 + (1 - t) * a0 * f0
        gradient[index] = float(t * a1 * d1 - (1 - t) * a0 * d0)
    if count:
        gradient /= count
    return (float(loss / count) if count else 0.0), count, gradient


THRESHOLD, MARGIN, BELOW, ABOVE = 0.25, 0.5, 3.0, 1.5  # as in test_losses.c


def threshold_huber(x, t, delta):
    """Huber, and a Huberised hinge towards the target's side: relu and huber_loss of PyTorch."""
    below = t < THRESHOLD
    line = torch.where(below, t.clamp(min=THRESHOLD - MARGIN), t.clamp(max=THRESHOLD + MARGIN))
    past = torch.where(below, F.relu(x - line), F.relu(line - x))
    weight = torch.where(below, BELOW, ABOVE)
    none = torch.zeros_like(past)
    return (F.huber_loss(x, t, delta=delta, reduction="none")
            + weight * F.huber_loss(past, none, delta=delta, reduction="none")).mean()


def regression(kind, prediction, target, delta=None):
    valid = ~np.isnan(target)
    if not valid.any():
        return 0.0, 0.0, np.zeros_like(prediction)
    x = tensor(prediction, True)
    mask = torch.tensor(valid)
    a, b = x[mask], tensor(target)[mask]
    if kind == "squared_error":
        loss = F.mse_loss(a, b)
    elif kind == "huber":
        loss = F.huber_loss(a, b, delta=delta)
    else:
        loss = threshold_huber(a, b, delta)
    loss.backward()
    return loss.item(), valid.sum(), x.grad.numpy()


def loss_cases():
    logits, labels = normal(5, 4, scale=2), np.array([2, 0, 3, 3, 1])
    some = np.array([2, -1, 3, -1, 1])
    weight = np.array([0.5, 2.0, 1.25, 4.0])
    huge = np.array([[1e4, -1e4, 0, 3], [-1e4, -1e4, 1e4, 1e4], [1e4, 1e4, 1e4, 1e4]])
    huge_labels = np.array([0, 1, 2])
    one_class, one_label = normal(3, 1), np.array([0, 0, -1])
    nothing = np.array([-1] * 5)
    for name, x, y, w, s in [
        ("plain", logits, labels, None, 0.0),
        ("weighted", logits, labels, weight, 0.0),
        ("ignored", logits, some, None, 0.0),
        ("ignored_weighted", logits, some, weight, 0.0),
        ("smoothed", logits, labels, None, 0.1),
        ("smoothed_weighted_ignored", logits, some, weight, 0.25),
        ("huge", huge, huge_labels, None, 0.0),
        ("huge_smoothed", huge, huge_labels, weight, 0.1),
        ("one_class", one_class, one_label, None, 0.1),
        ("one_row", logits[:1], labels[:1], weight, 0.0),
        ("nothing", logits, nothing, weight, 0.0),
        ("zero_weight", logits, np.array([2] * 5), np.array([1.0, 1.0, 0.0, 1.0]), 0.0),
    ]:
        add_loss("cross_entropy_" + name, "cross_entropy", x, y, None, w, s,
                 cross_entropy(x, y, w, s))
    for name, x, y, w, g in [
        ("plain", logits, labels, None, 2.0),
        ("alpha", logits, labels, weight, 2.0),
        ("ignored_alpha", logits, some, weight, 1.5),
        ("gamma_zero", logits, labels, None, 0.0),
        ("gamma_half", logits, labels, weight, 0.5),
        ("huge", huge, huge_labels, None, 2.0),
        ("huge_gamma_half", huge, huge_labels, weight, 0.5),
        ("one_class", one_class, one_label, None, 2.0),
        ("one_row", logits[:1], labels[:1], None, 2.0),
        ("nothing", logits, nothing, None, 2.0),
    ]:
        add_loss("focal_" + name, "focal", x, y, None, w, g, softmax_focal(x, y, w, g))

    x = normal(4, 3, scale=2)
    hard = rng.integers(0, 2, (4, 3)).astype(np.float64)
    soft = uniform(4, 3)
    holes = hard.copy()
    holes[0, 1] = holes[2, 0] = holes[3, 2] = np.nan
    empty = np.full((4, 3), np.nan)
    pair = np.array([0.5, 3.0])
    far = np.array([[1e4, -1e4, 1e4, -1e4, 0.0, 50.0]])
    far_target = np.array([[1.0, 1.0, 0.0, 0.0, 0.5, 0.25]])
    binary = [
        ("hard", x, hard, None), ("hard_weighted", x, hard, pair), ("soft", x, soft, None),
        ("soft_weighted", x, soft, pair), ("holes", x, holes, None),
        ("holes_weighted", x, holes, pair), ("huge", far, far_target, pair),
        ("one", x[:1, :1], hard[:1, :1], None), ("nothing", x, empty, pair),
    ]
    for name, a, t, w in binary:
        add_loss("binary_cross_entropy_" + name, "binary_cross_entropy", a, None, t, w, 0.0,
                 binary_cross_entropy(a, t, w))
    for name, a, t, w in binary:
        for label, g in [("", 2.0), ("_gamma_half", 0.5)]:
            if label == "" or name in ("soft_weighted", "huge"):
                add_loss("binary_focal_" + name + label, "binary_focal", a, None, t, w, g,
                         sigmoid_focal(a, t, w, g))

    prediction, value = normal(4, 3, scale=3), normal(4, 3)
    value_holes = value.copy()
    value_holes[1, 1] = value_holes[3, 0] = np.nan
    for name, t in [("plain", value), ("holes", value_holes), ("nothing", empty)]:
        add_loss("squared_error_" + name, "squared_error", prediction, None, t, None, 0.0,
                 regression("squared_error", prediction, t))
        for label, delta in [("", 1.0), ("_wide", 2.5)]:
            add_loss("huber_" + name + label, "huber", prediction, None, t, None, delta,
                     regression("huber", prediction, t, delta))

    # Targets: on the threshold, within the margin on either side, far from it; predictions on both
    # sides of each line, on it, and beyond the quadratic part.
    sided = np.array([[0.25, 0.25, 0.25, 0.5], [0.0, 0.0, -0.25, -0.25], [-3.0, -3.0, 2.0, 2.0]])
    landed = np.array([[0.25, 0.0, 1.0, -5.0], [0.0, 0.125, -0.25, 3.0], [-0.25, 0.25, 0.75, 0.25]])
    for name, t in [("lines", sided), ("holes", np.where(sided == 2.0, np.nan, sided)),
                    ("nothing", empty)]:
        add_loss("threshold_huber_" + name, "threshold_huber", landed, None, t, None, 1.0,
                 regression("threshold_huber", landed, t, 1.0))
    add_loss("threshold_huber_random", "threshold_huber", prediction, None, value_holes, None, 0.75,
             regression("threshold_huber", prediction, value_holes, 0.75))

    lines.append("")
    lines.append("static const golden_loss golden_losses[] = {")
    lines.extend(losses)
    lines.append("};")


# ---- normalisations and gelu ---------------------------------------------------------------------


norms = []


def norm_case(name, x, gamma, beta, dy, y, epsilon, statistics=(None, None), running=None):
    """One golden_norm entry; gradients by autograd of `y`."""
    inputs = [t for t in (x, gamma, beta) if t is not None]
    grads = torch.autograd.grad(y, inputs, tensor(dy), retain_graph=True)
    gradients = dict(zip([id(t) for t in inputs], grads))
    pick = lambda t: None if t is None else t.detach().numpy()
    grad = lambda t: None if t is None else gradients[id(t)].numpy()
    before, after = running if running else ((None, None), (None, None))
    fields = [pick(x), pick(gamma), pick(beta), dy, pick(y), pick(statistics[0]),
              pick(statistics[1]), grad(x), grad(gamma), grad(beta), *before, *after]
    names = [emit_array(field) for field in fields]
    rows, columns = x.shape
    norms.append(f'    {{"{name}", {rows}, {columns}, {number(epsilon)},\n'
                 f'     {", ".join(names)}}},')


def norm_cases():
    B, D, epsilon, momentum = 6, 3, 1e-5, 0.1
    x = tensor(normal(B, D, scale=2, mean=1), True)
    gamma, beta = tensor(uniform(D, low=0.5, high=1.5), True), tensor(normal(D), True)
    dy = normal(B, D)
    mean_before, variance_before = normal(D), uniform(D, low=0.5, high=2)
    mean, variance = tensor(mean_before), tensor(variance_before)
    y = F.batch_norm(x, mean, variance, gamma, beta, True, momentum, epsilon)
    norm_case("batch_norm", x, gamma, beta, dy, y, epsilon,
              (x.mean(0), x.var(0, unbiased=False)),
              ((mean_before, variance_before), (mean.numpy(), variance.numpy())))
    y = F.batch_norm(x, tensor(mean_before), tensor(variance_before), gamma, beta, False,
                     momentum, epsilon)
    norm_case("batch_norm_inference", x, gamma, beta, dy, y, epsilon,
              running=((mean_before, variance_before), (None, None)))
    # A common offset 1000 times the spread: a one-pass variance in float would lose it.
    far = tensor(normal(B, D, mean=1000), True)
    y = F.batch_norm(far, None, None, gamma, beta, True, momentum, epsilon)
    norm_case("batch_norm_offset", far, gamma, beta, dy, y, epsilon,
              (far.mean(0), far.var(0, unbiased=False)))
    pre = F.batch_norm(x, None, None, gamma, beta, True, momentum, epsilon)
    for name, y in [("relu", F.relu(pre)), ("leaky_relu", F.leaky_relu(pre, 0.1)),
                    ("gelu", F.gelu(pre)), ("sigmoid", torch.sigmoid(pre)),
                    ("tanh", torch.tanh(pre))]:
        norm_case("norm_" + name, x, gamma, beta, dy, y, epsilon,
                  (x.mean(0), x.var(0, unbiased=False)))
    gamma, beta = tensor(uniform(D, low=0.5, high=1.5), True), tensor(normal(D), True)
    y = F.layer_norm(x, (D,), gamma, beta, epsilon)
    norm_case("layer_norm", x, gamma, beta, dy, y, epsilon,
              (x.mean(1), (x.var(1, unbiased=False) + epsilon).rsqrt()))
    rows = normal(B, D)
    rows[2] = 0
    rows = tensor(rows, True)
    y = F.normalize(rows, dim=1, eps=1e-3)
    norm_case("l2_normalize", rows, None, None, dy, y, 1e-3, (rows.norm(dim=1), None))
    wide = tensor(single([[-30, -6, -3], [-1, -0.5, -1e-3], [0, 1e-3, 0.5], [1, 3, 30]]), True)
    norm_case("gelu", wide, None, None, dy[:4], F.gelu(wide), 0.0)
    lines.append("")
    lines.append("static const golden_norm golden_norms[] = {")
    lines.extend(norms)
    lines.append("};")


# ---- dropout -------------------------------------------------------------------------------------


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011) on whole numbers."""
    c, k, word = list(counter), list(key), 2**32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 // word) ^ c[1] ^ k[0], p1 % word, (p0 // word) ^ c[3] ^ k[1], p0 % word]
        k = [(k[0] + 0x9E3779B9) % word, (k[1] + 0xBB67AE85) % word]
    return c


def mask_cases():
    # The known answer of the Random123 distribution for all-ones input.
    assert philox([2**32 - 1] * 4, [2**32 - 1] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6,
                                                        0x6D5451FD]
    masks = []
    for seed, step, stream, rate, count in [
        (1, 0, 0, 0.5, 33), (1, 1, 0, 0.5, 33), (1, 1, 2, 0.5, 33),
        (0x123456789ABCDEF0, 0x0FEDCBA987654321, 4000000000, 0.3, 42), (7, 3, 1, 0.0, 5),
    ]:
        key = [seed % 2**32, (seed >> 32) ^ (step >> 32)]
        limit = round(rate * 2**32)
        mask = [philox([e // 4, 0, stream, step % 2**32], key)[e % 4] >= limit
                for e in range(count)]
        masks.append(f"    {{{seed}, {step}, {stream}, {number(rate)}, {count}, "
                     f"{emit_array(np.array(mask, dtype=np.float64))}}},")
    lines.append("")
    lines.append("static const golden_mask golden_masks[] = {")
    lines.extend(masks)
    lines.append("};")


# ---- updates -------------------------------------------------------------------------------------

STEPS, COUNT = 4, 8  # steps of each case; elements of the two parameters, 5 and 3
updates = []


class DecoupledSgd:
    """v ← momentum·v + g; p ← p − lr·v − lr·decay·p (SGDW, Loshchilov & Hutter 2019)."""

    def __init__(self, params, lr, momentum, decay):
        self.params, self.lr, self.momentum, self.decay = params, lr, momentum, decay
        self.velocity = [torch.zeros_like(p) for p in params]

    def step(self):
        with torch.no_grad():
            for p, v in zip(self.params, self.velocity):
                v.mul_(self.momentum).add_(p.grad)
                p.sub_(self.lr * v + self.lr * self.decay * p)


def update_case(name, op, make, start, gradients, options, clip=0.0):
    """options: momentum, nesterov, beta1, beta2, epsilon, l2, decay as our op takes them."""
    lr = 0.05
    params = [tensor(start[:5].copy(), True), tensor(start[5:].copy(), True)]
    optimizer = make(params, lr)
    after = []
    for step in range(STEPS):
        g = gradients[step]
        norm = np.sqrt((g**2).sum())
        factor = min(1.0, clip / norm) if clip > 0 else 1.0
        params[0].grad, params[1].grad = tensor(g[:5] * factor), tensor(g[5:] * factor)
        optimizer.step()
        after.append(np.concatenate([p.detach().numpy() for p in params]))
    full = dict(momentum=0.0, nesterov=0, beta1=0.0, beta2=0.0, epsilon=0.0, l2=0.0, decay=0.0)
    full.update(options)
    values = ", ".join(str(v) if k == "nesterov" else number(v) for k, v in full.items())
    updates.append("    {" + f'"{name}", "{op}", {number(lr)}, {number(clip)}, {values},\n     '
                   + emit_array(np.stack(after)) + "},")


def update_cases():
    start, gradients = normal(COUNT), normal(STEPS, COUNT)
    lines.append(f"#define golden_update_start {emit_array(start)}")
    lines.append(f"#define golden_update_gradients {emit_array(gradients)}")
    sgd = lambda **k: lambda p, lr: torch.optim.SGD(p, lr=lr, **k)
    adam = lambda **k: lambda p, lr: torch.optim.Adam(p, lr=lr, **k)
    adamw = lambda **k: lambda p, lr: torch.optim.AdamW(p, lr=lr, **k)
    base = dict(beta1=0.9, beta2=0.999, epsilon=1e-8)
    for name, op, make, options, clip in [
        ("sgd", "sgd", sgd(), {}, 0.0),
        ("sgd_l2", "sgd", sgd(weight_decay=0.1), dict(l2=0.1), 0.0),
        ("sgd_momentum", "sgd", sgd(momentum=0.9), dict(momentum=0.9), 0.0),
        ("sgd_nesterov", "sgd", sgd(momentum=0.8, nesterov=True, weight_decay=0.02),
         dict(momentum=0.8, nesterov=1, l2=0.02), 0.0),
        ("sgd_clipped", "sgd", sgd(momentum=0.9), dict(momentum=0.9), 1.5),
        ("sgd_decoupled", "sgd", lambda p, lr: DecoupledSgd(p, lr, 0.9, 0.1),
         dict(momentum=0.9, decay=0.1), 0.0),
        ("adam", "adam", adam(), base, 0.0),
        ("adam_l2", "adam", adam(weight_decay=0.1), base | dict(l2=0.1), 0.0),
        ("adam_other", "adam", adam(betas=(0.8, 0.95), eps=1e-3),
         dict(beta1=0.8, beta2=0.95, epsilon=1e-3), 0.0),
        ("adamw", "adam", adamw(weight_decay=0.1), base | dict(decay=0.1), 0.0),
        ("adamw_clipped", "adam", adamw(weight_decay=0.01, eps=1e-2),
         dict(beta1=0.9, beta2=0.999, epsilon=1e-2, decay=0.01), 2.0),
    ]:
        update_case(name, op, make, start, gradients, options, clip)
    lines.append("")
    lines.append("static const golden_update golden_updates[] = {")
    lines.extend(updates)
    lines.append("};")


HEADER = """\
/* Golden values for losses, normalisations, dropout and updates. Generated by make_ops.py (which
 * says how each was computed); do not edit. Input numbers are exact in single precision. */
#ifndef BAL_TESTS_GOLDEN_OPS_GOLDEN_H
#define BAL_TESTS_GOLDEN_OPS_GOLDEN_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/** One loss: op by name, prediction [rows, columns], labels or target, optional weight (class
 *  weights or alpha), option (label smoothing, gamma or delta); what is expected. */
typedef struct golden_loss {
    const char *name, *op;
    int64_t rows, columns;
    const double *prediction;
    const int32_t *labels;
    const double *target;
    const double *weight;
    int64_t n_weight;
    double option;
    double loss, weight_sum;
    const double *gradient;
} golden_loss;

/** One normalisation (or gelu) with the gradients of Σ dy·y; NULL where it has no such part. first
 *  and second are the op's further outputs; running statistics before and after, momentum 0.1. */
typedef struct golden_norm {
    const char *name;
    int64_t rows, columns;
    double epsilon;
    const double *x, *gamma, *beta, *dy;
    const double *y, *first, *second;
    const double *dx, *dgamma, *dbeta;
    const double *mean_before, *variance_before, *mean_after, *variance_after;
} golden_norm;

/** One dropout mask. */
typedef struct golden_mask {
    int64_t seed, step, stream;
    double rate;
    int64_t count;
    const double *mask;
} golden_mask;

/** One optimiser over two parameters of 5 and 3 elements; after holds them behind each step. */
#define GOLDEN_UPDATE_STEPS 4
#define GOLDEN_UPDATE_FIRST 5
#define GOLDEN_UPDATE_SECOND 3
#define GOLDEN_UPDATE_COUNT 8
typedef struct golden_update {
    const char *name, *op;
    double lr, clip;
    double momentum;
    int nesterov;
    double beta1, beta2, epsilon, l2, decay;
    const double *after;
} golden_update;

"""


def main():
    loss_cases()
    lines.append("")
    norm_cases()
    lines.append("")
    mask_cases()
    lines.append("")
    update_cases()
    with open(OUT, "w") as f:
        f.write(HEADER + "\n".join(lines) + "\n\n#endif\n")


if __name__ == "__main__":
    main()
