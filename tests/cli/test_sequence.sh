#!/bin/sh
# A model of a series: trained, evaluated and asked about the series itself.
. "$(dirname "$0")/harness.sh"

make_series() { # VALUES
    awk -v n="$1" 'BEGIN { srand(3); print "id,value"; for (i = 1; i <= n; i++) print i "," 1 + rand() }'
}

make_series_recipe() {
    cat >recipe.yaml <<'END'
name: series
data: {kind: sequence, path: series.csv, order: id, window: 5, features: [{lags: 3}, log, mean_5]}
model: {hidden: [4]}
heads:
  - {name: value, kind: value, target: next, transform: log}
  - {name: up, kind: binary, target: {at_least: 1.5}}
train: {epochs: 2}
guard: off
END
}

a_series_in_and_the_next_value_out() {
    make_series 300 >series.csv
    make_series_recipe
    ballast 0 train recipe.yaml --run run --plain --threads 1
    ballast 0 eval run/model.safetensors data.path=series.csv --threads 1
    says out '295 rows (all)'
    says out 'mae (log) rmse (log)'
    ballast 0 predict run series.csv -o out.csv --threads 1
    [ "$(wc -l <out.csv)" -eq 297 ] || fail 'wanted 295 rows, the next one and a header'
    awk -F, 'NR > 1 && $2 <= 0 { exit 1 }' out.csv || fail 'values wanted, not logarithms'
}

figures_of_logarithms_say_so() {
    awk 'BEGIN { print "id,value"; for (i = 1; i <= 300; i++) print i "," 1.2 + i % 2 }' >series.csv
    make_series_recipe
    ballast 0 train recipe.yaml --run run monitor=val.value.mae train.epochs=20 \
        optimizer.lr=0.02 check=off --threads 1
    says out 'run run, best by val.value.mae (log)'
    says out '; best val.value.mae (log) '
    says out 'mae (log) rmse (log)   r2 (log) cor. (log)'
    says run/report.html '>MAE (log)<'
    says run/report.html 'Loss and metrics are of natural logarithms'
    ballast 0 eval run --bootstrap 100 --threads 1
    says out 'value (metrics of its logarithm), 95 % intervals'
    ballast 0 eval run --json --threads 1
    json out 'o["test"]["value"]["transform"] == "log" and "transform" not in o["test"]["up"]'
    ballast 0 train recipe.yaml --run plain heads.value.transform=none check=off --threads 1
    never_says out '(log)'
    never_says plain/summary.json 'transform'
    never_says plain/report.html '(log)'
    ballast 0 eval plain --bootstrap 100 --threads 1
    never_says out '(metrics of'
}

a_damaged_database_is_said_to_be_one() {
    make_series_recipe
    printf 'SQLite format 3' >series.db
    ballast 3 train recipe.yaml data.path=series.db
    says err 'not a SQLite database, or a damaged one'
}

# Its message says whose values they are, and what to do.
a_series_too_short_for_its_gaps() {
    make_series 15 >series.csv
    make_series_recipe
    refused 3 'series.csv: 5 rows between each part' train recipe.yaml
    says err 'make data.window (5) smaller'
    make_series 17 >series.csv
    refused 3 'make data.window (5) smaller' train recipe.yaml
    says err 'series.csv: the sequential split of 12 rows leaves none for'
}

# Values that stay high or low for forty rounds: forty rows say what one does.
intervals_of_a_series_are_of_blocks() {
    awk 'BEGIN { srand(5); print "id,value"; for (i = 0; i < 3000; i++) {
        if (i % 40 == 0) level = 1 + int(2 * rand()); print i "," level + rand() / 10 } }' >series.csv
    make_series_recipe
    sed -i 's/features: .*/features: [lag_5]}/; s/{epochs: 2}/{epochs: 1}/' recipe.yaml
    ballast 0 train recipe.yaml --run run --plain --threads 1
    ballast 0 eval run --split all --bootstrap 200 --json
    json out 'o["bootstrap"]["unit"] == "blocks" and 40 <= o["bootstrap"]["block"] <= 150'
    cp out blocks
    ballast 0 eval run/model.safetensors data.path=series.csv --bootstrap 200 --json
    json out 'o["bootstrap"]["unit"] == "blocks" and 40 <= o["bootstrap"]["block"] <= 150'
    ballast 0 eval run --split all --bootstrap 200 --block 1 --json
    json out 'o["bootstrap"]["unit"] == "rows" and o["bootstrap"]["block"] == 1'
    command -v python3 >/dev/null && { python3 -c 'import json
blocks, rows = (json.load(open(f))["bootstrap"]["intervals"]["up"]["log_loss"] for f in ("blocks", "out"))
assert blocks[1] - blocks[0] > 3 * (rows[1] - rows[0]), (blocks, rows)' || fail 'blocks say no more than rows'; }
    ballast 0 eval run --bootstrap 100 --block 7
    says out '100 resamples in blocks of 7 rows'
}

run_cases a_series_too_short_for_its_gaps intervals_of_a_series_are_of_blocks a_series_in_and_the_next_value_out \
    figures_of_logarithms_say_so a_damaged_database_is_said_to_be_one
