"""Golden values of a training step of a network with three heads: writes multi_output_golden.h
beside it.

    python3 tests/golden/make_multi_output.py

A trunk 4 → 6 (relu), and on it a head for a value (threshold_huber, share 0.6), one for three
classes (class-weighted cross-entropy, share 0.1) and a binary one (focal, gamma 2, alpha 0.75,
class weights; share 0.3). Some rows lack the truth of one head or another. Two steps of Adam on all rows.
PyTorch computes in double precision; everything given is exact in single precision. Adam's epsilon
is large enough that no update is the sign of a rounding error. torchvision's sigmoid_focal_loss, as
published, is written out, since it has neither class weights nor unknown rows.
"""

import os

import numpy as np
import torch
import torch.nn.functional as F

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "multi_output_golden.h")
ROWS, FEATURES, WIDTH, CLASSES, STEPS = 24, 4, 6, 3, 2
SHARES = (0.6, 0.1, 0.3)
THRESHOLD, DELTA, MARGIN, BELOW, ABOVE = 0.25, 0.75, 0.125, 3.0, 1.5
CLASS_WEIGHTS = torch.tensor([1.0, 2.5, 0.5], dtype=torch.float64)
SIDE_WEIGHTS = torch.tensor([1.5, 0.75], dtype=torch.float64)
GAMMA, ALPHA = 2.0, 0.75
LR, BETAS, EPSILON = 0.02, (0.9, 0.999), 1e-3
rng = np.random.default_rng(20251120)


def grid(shape, spread):
    """Multiples of 1/256."""
    return np.round(rng.uniform(-spread, spread, shape) * 256) / 256


x = grid((ROWS, FEATURES), 2)
value = grid(ROWS, 2)
value[5] = THRESHOLD
value[6] = THRESHOLD - MARGIN / 2
category = rng.integers(0, CLASSES, ROWS)
side = rng.integers(0, 2, ROWS)
value_known, category_known, side_known = (np.ones(ROWS, bool) for _ in range(3))
value_known[[3, 17]] = False
category_known[[0, 17, 20]] = False
side_known[[8]] = False
assert len(set(category[category_known])) == CLASSES and len(set(side[side_known])) == 2

shapes = [
    ("backbone.0.linear.weight", (WIDTH, FEATURES)), ("backbone.0.linear.bias", (WIDTH,)),
    ("head.value.output.weight", (1, WIDTH)), ("head.value.output.bias", (1,)),
    ("head.category.output.weight", (CLASSES, WIDTH)), ("head.category.output.bias", (CLASSES,)),
    ("head.side.output.weight", (1, WIDTH)), ("head.side.output.bias", (1,)),
]
params = {name: torch.tensor(grid(shape, 1), requires_grad=True) for name, shape in shapes}


def value_loss(out):
    out, t = out[torch.tensor(value_known), 0], torch.tensor(value[value_known])
    below = t < THRESHOLD
    line = torch.where(below, t.clamp(min=THRESHOLD - MARGIN), t.clamp(max=THRESHOLD + MARGIN))
    past = torch.where(below, F.relu(out - line), F.relu(line - out))
    weight = torch.where(below, BELOW, ABOVE).double()
    return F.huber_loss(out, t, delta=DELTA) + (
        weight * F.huber_loss(past, torch.zeros_like(past), delta=DELTA, reduction="none")).mean()


def category_loss(out, weight):
    y = torch.tensor(np.where(category_known, category, -100))
    return F.cross_entropy(out, y, weight=weight)


def side_loss(out, weight, alpha):
    out, t = out[torch.tensor(side_known), 0], torch.tensor(side[side_known].astype(float))
    p = torch.sigmoid(out)
    p_t = p * t + (1 - p) * (1 - t)
    loss = F.binary_cross_entropy_with_logits(out, t, reduction="none") * (1 - p_t) ** GAMMA
    if alpha is not None:
        loss = loss * (alpha * t + (1 - alpha) * (1 - t))
    if weight is not None:
        loss = loss * weight[t.long()]
    return loss.mean()


def heads(features):
    h = F.relu(F.linear(features, params["backbone.0.linear.weight"],
                        params["backbone.0.linear.bias"]))
    return [F.linear(h, params[f"head.{name}.output.weight"], params[f"head.{name}.output.bias"])
            for name in ("value", "category", "side")]


lines = []


def emit(ctype, name, values):
    lines.append(f"static const {ctype} {name}[{len(values)}] = {{")
    row = "   "
    for v in values:
        item = f" {int(v)}," if ctype != "double" else f" {float(v)!r},"
        if len(row) + len(item) > 100:
            lines.append(row)
            row = "   "
        row += item
    lines.extend([row, "};"])


emit("double", "golden_x", x.reshape(-1))
emit("double", "golden_value", value)
emit("int", "golden_category", category)
emit("int", "golden_side", side)
emit("int", "golden_known", value_known * 1 + category_known * 2 + side_known * 4)
for i, (name, _) in enumerate(shapes):
    emit("double", f"golden_start_{i}", params[name].detach().numpy().reshape(-1))

optimizer = torch.optim.Adam(params.values(), lr=LR, betas=BETAS, eps=EPSILON)
for step in range(STEPS):
    optimizer.zero_grad()
    out = heads(torch.tensor(x))
    losses = [value_loss(out[0]), category_loss(out[1], CLASS_WEIGHTS),
              side_loss(out[2], SIDE_WEIGHTS, ALPHA)]
    raw = [losses[0], category_loss(out[1], None), side_loss(out[2], None, None)]
    total = sum(share * loss for share, loss in zip(SHARES, losses))
    total.backward()
    emit("double", f"golden_losses_{step}", [loss.item() for loss in losses + raw] + [total.item()])
    for i, (name, _) in enumerate(shapes):
        emit("double", f"golden_gradient_{step}_{i}", params[name].grad.numpy().reshape(-1))
    optimizer.step()
    for i, (name, _) in enumerate(shapes):
        emit("double", f"golden_param_{step}_{i}", params[name].detach().numpy().reshape(-1))

head = f"""/* Written by make_multi_output.py; do not edit. */
#ifndef BAL_TESTS_GOLDEN_MULTI_OUTPUT_GOLDEN_H
#define BAL_TESTS_GOLDEN_MULTI_OUTPUT_GOLDEN_H

/* clang-format off */
enum {{
    GOLDEN_ROWS = {ROWS},
    GOLDEN_FEATURES = {FEATURES},
    GOLDEN_STEPS = {STEPS},
    GOLDEN_PARAMS = {len(shapes)}
}};
/* golden_known: 1 the value is known, 2 the category, 4 the side. golden_losses: of value, category
 * and side as trained, the same raw (no class weights, no alpha), and the total. */
"""
tail = [f"""static const struct {{
    const char *name;
    int count;
    const double *start;
    const double *gradient[GOLDEN_STEPS], *after[GOLDEN_STEPS];
}} golden_params[GOLDEN_PARAMS] = {{"""]
for i, (name, shape) in enumerate(shapes):
    gradients, after = (", ".join(f"golden_{what}_{s}_{i}" for s in range(STEPS))
                        for what in ("gradient", "param"))
    tail.append(f'    {{"{name}", {int(np.prod(shape))}, golden_start_{i},')
    tail.append(f"     {{{gradients}}}, {{{after}}}}},")
tail.append("};")
tail.append("static const double *const golden_losses[GOLDEN_STEPS] = {"
            + ", ".join(f"golden_losses_{s}" for s in range(STEPS)) + "};")
with open(OUT, "w") as f:
    f.write(head + "\n".join(lines + tail) + "\n/* clang-format on */\n\n#endif\n")
