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
    ballast 0 eval run --bootstrap 20 --threads 1
    says out 'value (metrics of its logarithm), 95 % intervals'
    ballast 0 eval run --json --threads 1
    json out 'o["test"]["value"]["transform"] == "log" and "transform" not in o["test"]["up"]'
    ballast 0 train recipe.yaml --run plain heads.value.transform=none check=off --threads 1
    never_says out '(log)'
    never_says plain/summary.json 'transform'
    never_says plain/report.html '(log)'
    ballast 0 eval plain --bootstrap 20 --threads 1
    never_says out '(metrics of'
}

a_damaged_database_is_said_to_be_one() {
    make_series_recipe
    printf 'SQLite format 3' >series.db
    ballast 3 train recipe.yaml data.path=series.db
    says err 'not a SQLite database, or a damaged one'
}

run_cases a_series_in_and_the_next_value_out figures_of_logarithms_say_so a_damaged_database_is_said_to_be_one
