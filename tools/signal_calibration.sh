#!/bin/sh
# Is the verdict of `ballast signal` right? Asks it about data without and with signal, over many seeds.
#
#   tools/signal_calibration.sh [SEEDS] [KIND…]
#
# SEEDS: 20. KINDs: independent, weak, learnable (tables made here), memories (two series that know nothing of each
# other, each with a long memory), fair and regimes (simulated crash games). Prints a line per run and, per kind, how
# many verdicts were wrong; ends with 1 when any was. `weak` is counted but cannot be wrong: what it shows is power.
# BALLAST: the program (default: build/ballast of this checkout).
set -eu
export LC_ALL=C
root=$(cd "$(dirname "$0")/.." && pwd)
ballast=${BALLAST:-$root/build/ballast}
seeds=${1:-20}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- independent weak learnable memories fair regimes
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
wrong_in_all=0

# Four numbers and a label that the first of them carries with the given strength; with a memory, each number and
# the label remember their last value.
make_table() { # STRENGTH MEMORY SEED
    awk -v strength="$1" -v memory="$2" -v seed="$3" 'function normal() {
            return sqrt(-2 * log(1 - rand())) * cos(6.283185307179586 * rand())
        }
        BEGIN {
            srand(seed)
            print "a,b,c,d,label"
            for (row = 0; row < 4000; row++) {
                line = ""
                for (i = 0; i < 4; i++) {
                    x[i] = memory * x[i] + normal()
                    line = line sprintf("%.4f,", x[i])
                }
                own = memory * own + normal()
                chance = memory ? own : strength * x[0] + log(1 / rand() - 1)
                print line (chance > 0 ? "up" : "down")
            }
        }'
}

table_recipe() { # SPLIT
    cat <<END_OF_RECIPE
name: calibration
data: {kind: csv, path: table.csv, target: label, split: {kind: $1, train: 0.6, val: 0.2, test: 0.2}}
model: {kind: mlp, hidden: [32, 16]}
heads: [{name: label, kind: binary, class_weights: {kind: balanced, multiplier: 3}}]
optimizer: {kind: adam, lr: 1.0e-3}
train: {epochs: 20, batch_size: 32}
END_OF_RECIPE
}

# A simulated crash game, its next round from the last fifty.
series_recipe() { # SIMULATOR SEED
    cat <<END_OF_RECIPE
name: calibration
data:
  kind: sequence
  simulator: {name: $1, samples: 20000, seed: $2}
  window: 50
  features: [{lags: 10}, log, {rolling: [mean, std], over: [10, 50]}, {share: {below: 1.5}, over: [10, 50]}]
  split: {kind: sequential, train: 0.6, val: 0.2, test: 0.2}
model: {kind: mlp, hidden: [32, 16]}
heads: [{name: threshold, kind: binary, target: {at_least: 1.5}, class_weights: {kind: balanced, multiplier: 3}}]
optimizer: {kind: adam, lr: 1.0e-3}
train: {epochs: 10, batch_size: 64}
END_OF_RECIPE
}

prepare() { # KIND SEED
    case $1 in
    independent) make_table 0 0 "$2" >"$work/table.csv" && table_recipe stratified ;;
    weak) make_table 0.3 0 "$2" >"$work/table.csv" && table_recipe stratified ;;
    learnable) make_table 1 0 "$2" >"$work/table.csv" && table_recipe stratified ;;
    memories) make_table 0 0.95 "$2" >"$work/table.csv" && table_recipe sequential ;;
    fair) series_recipe crash_fair "$2" ;;
    regimes) series_recipe crash_regimes "$2" ;;
    *)
        echo "no kind '$1'" >&2
        exit 2
        ;;
    esac >"$work/recipe.yaml"
}

wanted() {
    case $1 in
    learnable | regimes) echo ok ;;
    weak) echo any ;;
    *) echo no_signal ;;
    esac
}

field() { sed -n "s/^{\(.*\)\"heads\".*/\1/; s/.*\"$1\": \(\[[^]]*\]\|[^,]*\).*/\1/p" "$work/out.json"; }

for kind; do
    seed=1
    wrong=0
    found=0
    while [ "$seed" -le "$seeds" ]; do
        prepare "$kind" "$seed"
        code=0
        "$ballast" signal "$work/recipe.yaml" seed="$seed" --json >"$work/out.json" 2>"$work/log" || code=$?
        case $code in
        0) verdict=ok && found=$((found + 1)) ;;
        8) verdict=no_signal ;;
        *)
            cat "$work/log" >&2
            exit 1
            ;;
        esac
        want=$(wanted "$kind")
        [ "$want" = any ] || [ "$want" = "$verdict" ] || wrong=$((wrong + 1))
        # shellcheck disable=SC2046
        printf '%-12s seed %-3s %-10s skill %8.5f  interval %8.5f … %8.5f  p %.4f\n' "$kind" "$seed" "$verdict" \
            "$(field skill)" $(field interval | tr -d '[],') "$(field p)"
        seed=$((seed + 1))
    done
    echo "$kind: $found of $seeds with signal, $wrong wrong"
    wrong_in_all=$((wrong_in_all + wrong))
done
[ "$wrong_in_all" = 0 ]
