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

# A misspelt key is no sabotage, a metric that nobody has no measure, a name that nobody has no scenario.
refuse() {
    code=0
    "$collapse" --seeds 1 --only "$1" "$ballast" "$scratch/bad.yaml" >/dev/null 2>"$scratch/err" || code=$?
    [ "$code" -eq "$2" ] && grep -q "$3" "$scratch/err" || { cat "$scratch/err"; exit 1; }
}
sed 's/optimizer={kind: sgd, lr: 50}/optimiser={kind: sgd, lr: 50}/' "$suite" >"$scratch/bad.yaml"
refuse 'descent at 50' 1 "'descent at 50' is refused.*optimiser"
sed 's/^metric: .*/metric: lable.accuracy/' "$suite" >"$scratch/bad.yaml"
refuse 'descent at 50' 1 'has no lable.accuracy'
refuse 'ascent at 50' 2 "no suite has a scenario 'ascent at 50'"

# What was seen before the onset is not what was done.
sed "/name: descent at 50/s/}\$/, onset: 20}/" "$suite" >"$scratch/late.yaml"
"$collapse" --seeds 1 --only 'descent at 50' "$ballast" "$scratch/late.yaml" >"$scratch/table"
grep -q '^| descent at 50 | 1 of 1 | 0 | ' "$scratch/table" || { cat "$scratch/table"; exit 1; }
