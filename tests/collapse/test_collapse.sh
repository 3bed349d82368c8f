#!/bin/sh
# The suite itself: a sabotage is found, a base is not, and broken suites are refused with their place.
#   test_collapse.sh COLLAPSE BALLAST SUITE
set -eu
collapse=$1 ballast=$2 suite=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

"$collapse" --seeds 1 --only 'descent at 50' "$ballast" "$suite" >"$scratch/table"
grep -q '^| descent at 50 | 1 of 1 | 1 | ' "$scratch/table" || { cat "$scratch/table"; exit 1; }
grep -q '^| base | 0 of 1 | 0 | ' "$scratch/table" || { cat "$scratch/table"; exit 1; }
grep -q '^\* controls with an alarm while training: 0 of 1 ' "$scratch/table" || { cat "$scratch/table"; exit 1; }

sed 's/kind: control/kind: contol/' "$suite" >"$scratch/bad.yaml"
code=0
"$collapse" "$ballast" "$scratch/bad.yaml" >/dev/null 2>"$scratch/err" || code=$?
[ "$code" -eq 2 ] || exit 1
grep -q "bad.yaml:[0-9]*:[0-9]*: kind: wanted sabotage or control, found 'contol'" "$scratch/err"
