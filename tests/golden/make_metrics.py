"""Golden values of the metrics: writes metrics_golden.h beside it.

    python3 tests/golden/make_metrics.py

Values come from scikit-learn (last run: 1.9.1). Where it has no equal (calibration error, lift, skill,
entropies, correlation) they are written out below from their definitions with numpy, in another way
than the library computes them. Where scikit-learn answers 0 or 1 for something undefined, ours is NaN;
`undefined` marks those places.

Inputs are not in the header: both sides draw them from the same integer generator (`word`), so that
the header stays small at 197 classes. Every number drawn is exact in float32.
"""

import math
import os
import warnings

import numpy as np
from sklearn import metrics as sk
from sklearn.dummy import DummyClassifier, DummyRegressor

warnings.simplefilter("ignore")
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "metrics_golden.h")
MASK = (1 << 64) - 1
undefined = math.nan


# ---- inputs: the same in tests/metric/test_metrics_golden.c ----


def word(seed, index):
    """splitmix64 (Steele, Lea & Flood 2014) of a counter."""
    z = (seed * 0xD1342543DE82EF95 + (index + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def grid(bits, levels):
    """One of `levels` numbers evenly spread over [-4, 4)."""
    return ((bits >> 32) % levels - levels // 2) * (8.0 / levels)


def skewed(bits, skew, classes):
    """A class id; the larger the skew, the more often a small one."""
    u = bits & 0xFFFF
    for i in range(1, skew):
        u = (u * ((bits >> (16 * i)) & 0xFFFF)) >> 16
    return (u * classes) >> 16


def class_inputs(c):
    rows, columns = c["rows"], 1 if c["kind"] == "BINARY" else c["classes"]
    logits = np.zeros((rows, columns))
    labels = np.zeros(rows, dtype=int)
    for r in range(rows):
        base = r % c["distinct"]
        hint = skewed(word(c["seed"] + 1, base), c["skew"], c["present"])
        for k in range(columns):
            logits[r, k] = grid(word(c["seed"], base * 1000 + k), c["levels"])
        if columns == 1:
            logits[r, 0] += 1.5 if hint else -1.5
        else:
            logits[r, hint] += 3
        logits[r, columns - 1] += c["bias"]
        labels[r] = hint
        if word(c["seed"] + 2, r) % 4 == 0:
            labels[r] = skewed(word(c["seed"] + 3, r), c["skew"], c["present"])
        if c["unknown"] and word(c["seed"] + 4, r) % c["unknown"] == 0:
            labels[r] = -1
    return logits, labels


def value_inputs(c):
    rows, columns = c["rows"], c["classes"]
    outputs = np.zeros((rows, columns))
    targets = np.zeros((rows, columns))
    for r in range(rows):
        for k in range(columns):
            outputs[r, k] = grid(word(c["seed"], r * 1000 + k), c["levels"])
            noise = grid(word(c["seed"] + 1, r * 1000 + k), c["levels"])
            targets[r, k] = outputs[r, k] * 0.75 + noise * 0.5 + 1000 * k
            if c["unknown"] and word(c["seed"] + 4, r * 1000 + k) % c["unknown"] == 0:
                targets[r, k] = math.nan
    return outputs, targets


# ---- expected values ----


def probabilities(logits):
    if logits.shape[1] == 1:
        z = logits[:, 0]
        return np.stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], axis=1)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def entropy(p):
    p = np.asarray(p, dtype=float)
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def ranking(c, y, p, of):
    """Class 1 of a binary head; otherwise the mean of one class against the rest."""
    ids = [1] if c["kind"] == "BINARY" else range(c["classes"])
    values = [of(y == i, p[:, i]) for i in ids if 0 < (y == i).sum() < len(y)]
    return float(np.mean(values)) if values else undefined


def calibration_error(y, p):
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    bins = np.digitize(confidence, np.linspace(0, 1, 16), right=True)
    total = 0.0
    for b in np.unique(bins):
        here = bins == b
        total += here.mean() * abs(right[here].mean() - confidence[here].mean())
    return float(total)


def lift(y, p):
    """Each row stands for the mean label of the rows it is tied with."""
    if y.min() == y.max():
        return undefined
    expected = np.array([y[p == v].mean() for v in p])
    order = np.argsort(-p, kind="stable")
    top = order[: math.ceil(len(y) / 10)]
    return float(expected[top].mean() / y.mean())


def payoff(C):
    """Gain by truth and prediction; the same in tests/metric/test_metrics_golden.c."""
    return np.array([[1 + 0.5 * t if t == p else -0.25 * (p + 1) for p in range(C)]
                     for t in range(C)])


def class_metrics(c, y, p, predicted, prior):
    C = c["classes"]
    out = []
    every = list(range(C))
    one_class = len(set(y)) == 1
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        y, predicted, labels=every, zero_division=np.nan)
    macro = sk.precision_recall_fscore_support(y, predicted, average="macro", zero_division=0)
    histogram = np.bincount(predicted, minlength=C)
    nll = sk.log_loss(y, p, labels=every)
    nll_prior = sk.log_loss(y, np.tile(prior, (len(y), 1)), labels=every)
    if C == 2:
        brier = sk.brier_score_loss(y, p[:, 1], pos_label=1)
    else:
        brier = sk.brier_score_loss(y, p, labels=every)
    auc = ranking(c, y, p, sk.roc_auc_score)
    if C > 2 and len(set(y)) == C:
        assert abs(auc - sk.roc_auc_score(y, p, multi_class="ovr")) < 1e-12

    whole = {
        "accuracy": sk.accuracy_score(y, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
        "mcc": undefined if one_class else sk.matthews_corrcoef(y, predicted),
        "macro_precision": macro[0],
        "macro_recall": macro[1],
        "macro_f1": macro[2],
        "weighted_f1": sk.f1_score(y, predicted, average="weighted"),
        "micro_f1": sk.f1_score(y, predicted, average="micro"),
        "absent_classes": C - len(set(y) | set(predicted)),
        "log_loss": nll,
        "skill": 1 - nll / nll_prior,
        "brier": brier,
        "ece": calibration_error(y, p),
        "roc_auc": auc,
        "average_precision": ranking(c, y, p, sk.average_precision_score),
        "lift": lift(y, p[:, 1]) if c["kind"] == "BINARY" else undefined,
        "unique_predictions": (histogram > 0).sum(),
        "most_common_share": histogram.max() / len(y),
        "normalized_entropy": entropy(histogram / len(y)) / math.log(C),
        "prior_entropy_ratio": entropy(histogram / len(y)) / entropy(prior),
        "mutual_information": entropy(p.mean(axis=0)) - np.mean([entropy(row) for row in p]),
    }
    out += [(name, 0, float(value)) for name, value in whole.items()]
    counts = sk.confusion_matrix(y, predicted, labels=every)
    out.append(("expected_profit", -1, float((counts * payoff(C)).sum() / len(y))))
    if c["kind"] == "BINARY":
        out.append(("risk", -1, 1 - recall[0]))
    for i in list(range(C))[:6]:
        out.append(("precision", i, precision[i]))
        out.append(("recall", i, recall[i]))
        out.append(("f1", i, f1[i]))
        out.append(("support", i, support[i]))
        out.append(("risk", i, 1 - recall[i]))
    return out


def classes_case(c):
    logits, labels = class_inputs(c)
    logits, y = logits[labels >= 0], labels[labels >= 0]
    C = c["classes"]
    train = np.repeat(np.arange(C), np.arange(1, C + 1))
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((len(train), 1)), train)
    prior = dummy.class_prior_
    p = probabilities(logits)
    binary = c["kind"] == "BINARY"
    predicted = (p[:, 1] >= c["threshold"]).astype(int) if binary else p.argmax(axis=1)
    p_prior = dummy.predict_proba(np.zeros((len(y), 1)))
    if binary:
        predicted_prior = (p_prior[:, 1] >= c["threshold"]).astype(int)
    else:
        predicted_prior = dummy.predict(np.zeros((len(y), 1)))
    return (len(y), class_metrics(c, y, p, predicted, prior),
            class_metrics(c, y, p_prior, predicted_prior, prior))


def value_metrics(outputs, targets):
    per = {"mae": [], "mse": [], "rmse": [], "r2": [], "correlation": []}
    for k in range(targets.shape[1]):
        known = ~np.isnan(targets[:, k])
        t, o = targets[known, k], outputs[known, k]
        per["mae"].append(sk.mean_absolute_error(t, o))
        per["mse"].append(sk.mean_squared_error(t, o))
        per["rmse"].append(sk.root_mean_squared_error(t, o))
        per["r2"].append(sk.r2_score(t, o))
        per["correlation"].append(undefined if o.min() == o.max() else np.corrcoef(t, o)[0, 1])
    if not np.isnan(targets).any():
        assert np.isclose(np.mean(per["r2"]), sk.r2_score(targets, outputs), rtol=1e-12)
        assert np.isclose(np.mean(per["rmse"]), sk.root_mean_squared_error(targets, outputs))
    return [(name, 0, float(np.mean(values))) for name, values in per.items()]


def value_case(c):
    outputs, targets = value_inputs(c)
    known = ~np.isnan(targets).all(axis=1)
    means = [0.5 * k for k in range(c["classes"])]
    constant = DummyRegressor(strategy="constant", constant=means)
    constant.fit(np.zeros((2, 1)), np.zeros((2, c["classes"])))
    prior = constant.predict(np.zeros((len(targets), 1))).reshape(len(targets), -1)
    return (int(known.sum()), value_metrics(outputs[known], targets[known]),
            value_metrics(prior[known], targets[known]))


def case(name, kind, rows, classes, **options):
    c = dict(name=name, kind=kind, rows=rows, classes=classes, seed=0, distinct=rows, levels=4096,
             skew=1, present=classes, unknown=0, bias=0, threshold=0.5)
    c.update(options)
    return c


CASES = [
    case("binary", "BINARY", 303, 2, seed=11),
    case("binary ties", "BINARY", 300, 2, seed=12, levels=16),
    case("binary imbalanced", "BINARY", 400, 2, seed=13, skew=4),
    case("binary, threshold .3", "BINARY", 200, 2, seed=14, threshold=0.3),
    case("binary, unlabelled rows", "BINARY", 300, 2, seed=15, unknown=3),
    case("binary, single class", "BINARY", 60, 2, seed=16, present=1),
    case("binary, all tied", "BINARY", 50, 2, seed=17, distinct=1),
    case("two classes", "CLASSES", 250, 2, seed=21),
    case("three classes", "CLASSES", 300, 3, seed=22),
    case("imbalanced", "CLASSES", 500, 6, seed=23, skew=3),
    case("missing classes", "CLASSES", 200, 9, seed=24, present=4),
    case("ties", "CLASSES", 210, 4, seed=25, distinct=7),
    case("single class", "CLASSES", 80, 4, seed=26, present=1),
    case("collapsed", "CLASSES", 200, 5, seed=27, bias=16),
    case("unlabelled rows", "CLASSES", 300, 5, seed=28, unknown=2),
    case("few rows of many classes", "CLASSES", 30, 20, seed=29),
    case("197 classes", "CLASSES", 1200, 197, seed=30, skew=2),
    case("one value", "VALUE", 300, 1, seed=41),
    case("three values", "VALUE", 200, 3, seed=42),
    case("unknown targets", "VALUE", 200, 3, seed=43, unknown=2),
]


def number(value):
    return "NAN" if math.isnan(value) else repr(float(value))


def emit_values(lines, array, values):
    lines.append(f"static const golden_value {array}[] = {{")
    for name, class_id, value in values:
        lines.append(f'    {{"{name}", {class_id}, {number(value)}}},')
    lines.append("};")


def main():
    lines = ["/* Written by make_metrics.py; do not edit. */", "#ifndef BAL_GOLDEN_METRICS_GOLDEN_H",
             "#define BAL_GOLDEN_METRICS_GOLDEN_H", "", "#include <math.h>", "",
             "/* clang-format off */"]
    table = []
    for i, c in enumerate(CASES):
        rows, values, prior = (value_case if c["kind"] == "VALUE" else classes_case)(c)
        emit_values(lines, f"values_{i}", values)
        emit_values(lines, f"prior_values_{i}", prior)
        table.append(
            f'    {{"{c["name"]}", BAL_HEAD_{c["kind"]}, {c["rows"]}, {c["classes"]}, {c["seed"]}, '
            f'{c["distinct"]}, {c["levels"]}, {c["skew"]}, {c["present"]}, {c["unknown"]}, '
            f'{c["bias"]}, {c["threshold"]}, {rows},\n     values_{i}, {len(values)}, '
            f'prior_values_{i}, {len(prior)}}},')
    lines.append("static const golden_case golden_cases[] = {")
    lines += table
    lines += ["};", "/* clang-format on */", "", "#endif"]
    with open(OUT, "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
