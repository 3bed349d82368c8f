#!/bin/sh
# Do healthy runs stay silent? Trains recipes with many seeds and counts the guard's incidents.
#
#   tools/healthy_seeds.sh [SEEDS] [RECIPE…]      default: 20 seeds of four recipes, defaults of the guard
#
# Prints one line per run (recipe, seed, status, monitored value, incidents) and the totals; ends with 1 when any
# run had an incident. Recipes on real data need BALLAST_DATA. Runs are deleted again.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
seeds=${1:-20}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- sign-landmarks sign-letters leaf-species letter
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
total=0
alarms=0
field() { sed -n "s/.*\"$2\": *\"\{0,1\}\([^,\"}]*\).*/\1/p" "$1" | head -n 1; }
for recipe; do
    seed=1
    while [ "$seed" -le "$seeds" ]; do
        "$root/build/ballast" train "$root/recipes/$recipe/recipe.yaml" seed="$seed" report.plots=false \
            checkpoint.every_epochs=1000 --run "$work/run" --json >"$work/out.json" 2>"$work/log" || {
            cat "$work/log" >&2
            exit 1
        }
        incidents=$(field "$work/out.json" incidents)
        value=$(sed -n 's/.*"monitor": {"name": "[^"]*", "value": \([^}]*\)}.*/\1/p' "$work/out.json")
        printf '%-16s seed %-3s %-10s %s  incidents %s\n' "$recipe" "$seed" \
            "$(field "$work/out.json" status)" "$value" "$incidents"
        total=$((total + 1))
        if [ "$incidents" != 0 ]; then
            alarms=$((alarms + 1))
            cat "$work/run/incidents.jsonl"
        fi
        rm -rf "$work/run"
        seed=$((seed + 1))
    done
done
echo "$total healthy runs, $alarms with an incident"
[ "$alarms" = 0 ]
