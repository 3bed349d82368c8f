"""Golden class weights: writes class_weights_golden.h beside it.

    python3 tests/golden/make_class_weights.py

`balanced` comes from scikit-learn's compute_class_weight (last run: 1.9.1), `effective` and `inverse`
from their formulas with mpmath's 40 digits.
"""

import os

import mpmath
import numpy as np
from sklearn.utils.class_weight import compute_class_weight

mpmath.mp.dps = 40
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "class_weights_golden.h")
BETA = 0.999

CASES = [
    ("two even", [50, 50]),
    ("two uneven", [99, 1]),
    ("segments", [6495, 1994, 989, 522]),
    ("long tail", [2000, 700, 233, 77, 26, 9, 3, 1]),
    ("one of each", [1, 1, 1, 1, 1]),
    ("a million", [1000000, 10, 1000]),
]


def mean_one(values):
    mean = mpmath.fsum(values) / len(values)
    return [float(v / mean) for v in values]


def array(name, ctype, values):
    return f"static const {ctype} {name}[] = {{{', '.join(repr(v) for v in values)}}};"


def main():
    lines = ["/* Written by make_class_weights.py; do not edit. */",
             "#ifndef BAL_GOLDEN_CLASS_WEIGHTS_GOLDEN_H", "#define BAL_GOLDEN_CLASS_WEIGHTS_GOLDEN_H",
             "", "/* clang-format off */", f"#define GOLDEN_BETA {BETA}"]
    table = []
    for i, (name, counts) in enumerate(CASES):
        ids = np.arange(len(counts))
        balanced = compute_class_weight("balanced", classes=ids, y=np.repeat(ids, counts))
        beta = mpmath.mpf(BETA)
        effective = mean_one([(1 - beta) / (1 - beta ** n) for n in counts])
        inverse = mean_one([1 / mpmath.mpf(n) for n in counts])
        lines += [array(f"counts_{i}", "int64_t", counts),
                  array(f"balanced_{i}", "double", [float(v) for v in balanced]),
                  array(f"effective_{i}", "double", effective),
                  array(f"inverse_{i}", "double", inverse)]
        table.append(f'    {{"{name}", {len(counts)}, counts_{i}, balanced_{i}, effective_{i}, '
                     f'inverse_{i}}},')
    lines += ["static const golden_case golden_cases[] = {", *table, "};", "/* clang-format on */", "",
              "#endif"]
    with open(OUT, "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
