#!/bin/sh
# signal: the verdict on rows with and without something to learn, and how it is told.
. "$(dirname "$0")/harness.sh"

contract='{"status", "verdict", "skill", "interval", "p", "prior", "loss", "balanced_accuracy", "rows", "unit", "epochs",
    "runs", "shuffled", "head", "heads", "detectable", "level"} <= set(o)'

# The label is drawn without looking at the features.
make_noise() { # ROWS [SEED]
    make_rows "$1" | awk -F, -v OFS=, -v seed="${2:-1}" 'BEGIN { srand(seed + 1000) }
        NR > 1 { draw = rand(); $5 = draw < 0.5 ? "red" : draw < 0.8 ? "green" : "blue" } { print }'
}

something_to_learn_ends_with_0() {
    make_rows 400 >rows.csv
    make_recipe
    ballast 0 signal recipe.yaml --threads 1
    says out '12 epochs as the recipe is, and 5 times on shuffled labels (rows change places); about'
    [ "$(grep -c '^  shuffled ./5 ' out)" -eq 5 ] || fail 'one line per run wanted'
    says out 'There is something to learn'
    [ ! -s err ] || fail 'nothing wanted on standard error'
    awk 'length($0) > 130 {exit 1}' out || fail 'too wide'
    [ "$(ls)" = "$(printf 'err\nout\nrecipe.yaml\nrows.csv')" ] || fail "files were written: $(ls)"
}

nothing_to_learn_ends_with_8() {
    make_noise 400 >rows.csv
    make_recipe
    ballast 8 signal recipe.yaml --threads 1 --runs 2
    says out 'Nothing beats the prior'
    says out 'would not have'
    never_says out 'There is something to learn'
}

few_rows_cannot_tell() {
    make_noise 60 >rows.csv
    make_recipe
    ballast 8 signal recipe.yaml --threads 1 --runs 2 data.split='{train: 0.7, val: 0.2, test: 0.1}'
    says out 'Too few rows to tell'
    never_says out 'Better training cannot help'
    ballast 8 signal recipe.yaml --threads 1 --runs 2 data.split='{train: 0.7, val: 0.2, test: 0.1}' --json
    json out 'o["status"] == "no_signal" and o["verdict"] == o["heads"]["label"]["verdict"] == "too_few_rows"'
}

# Labels that a carries a little; drawn without awk's rand(), whose numbers differ from awk to awk.
make_faint() { # SEED
    awk -v seed="$1" 'function draw() { seed = seed * 16807 % 2147483647; return seed / 2147483647 }
        BEGIN {
            print "id,a,b,c,label"
            for (row = 1; row <= 400; row++) {
                a = draw(); b = draw(); c = draw()
                printf "%d,%.4f,%.4f,%.4f,%s\n", row, a, b, c, draw() < 0.2 + 0.6 * a ? "up" : "down"
            }
        }'
}

# The interval lies above the prior and p is small: it may not be said that they do not.
shuffled_runs_that_do_as_well_are_named() {
    make_faint 316760 >rows.csv
    make_recipe
    ballast 8 signal recipe.yaml --threads 1 --runs 12 model.hidden='[4]' optimizer.lr=0.01 train.batch_size=64 \
        heads='[{name: label, kind: binary}]' data.split='{kind: random, train: 0.3, val: 0.2, test: 0.5}'
    tr '\n' ' ' <out >line
    says line 'Not shown: head'
    says line '3 of 12 runs on shuffled labels reached that skill'
    never_says line 'not surely better than the prior'
    never_says line 'Nothing beats the prior'
    ballast 8 signal recipe.yaml --threads 1 --runs 12 model.hidden='[4]' optimizer.lr=0.01 train.batch_size=64 \
        heads='[{name: label, kind: binary}]' data.split='{kind: random, train: 0.3, val: 0.2, test: 0.5}' --json
    json out 'o["verdict"] == "shuffled_as_good" and o["shuffled_reached"] == 3'
}

json_is_one_object() {
    make_rows 400 >rows.csv
    make_recipe
    ballast 0 signal recipe.yaml --threads 1 --runs 2 --json
    json out "$contract and o['status'] == 'ok' and o['verdict'] == 'signal' and 0 < o['interval'][0] < o['skill'] < o['interval'][1]"
    json out 'o["p"] < 0.01 and o["head"] == "label" and len(o["shuffled"]) == 2'
    json out 'o["heads"]["label"]["skill"] == o["skill"] and o["level"] == 0.99'
    says err 'on shuffled labels'
    make_noise 400 >rows.csv
    ballast 8 signal recipe.yaml --threads 1 --runs 2 --json
    json out "$contract and o['status'] == o['verdict'] == 'no_signal' and o['interval'][0] <= 0"
}

a_folder_is_written_where_asked_for() {
    make_rows 200 >rows.csv
    make_recipe
    ballast 0 signal recipe.yaml --threads 1 --runs 0 --epochs 5 --run there/answer
    [ "$(ls there/answer)" = "$(printf 'recipe.resolved.yaml\nsignal.json')" ] || fail "$(ls there/answer)"
    tr -d '\n' <there/answer/signal.json >line && echo >>line
    json line "$contract and o['epochs'] == 5 and o['runs'] == 0 and o['shuffled'] == []"
    refused 2 'exists' signal recipe.yaml --threads 1 --run there/answer
}

permutations_refit() {
    make_rows 400 >rows.csv
    make_recipe
    ballast 0 signal recipe.yaml --threads 1 --epochs 4 --permutations 100 --json \
        data.split='{train: 0.5, val: 0.25, test: 0.25}'
    json out 'o["refits"] and len(o["shuffled"]) == 100 and o["permutations"] == 100'
    json out 'abs(o["p"] - (1 + sum(s >= o["skill"] for s in o["shuffled"])) / 101) < 1e-12'
}

words_it_does_not_know() {
    make_rows 100 >rows.csv
    make_recipe
    refused 2 'which recipe?' signal
    refused 2 '--permutations wants a number from 100' signal recipe.yaml --permutations 20
    refused 2 '--epochs wants a number from 1' signal recipe.yaml --epochs 0
    refused 2 'exclude each other' signal recipe.yaml --full --epochs 3
    refused 2 'exclude each other' signal recipe.yaml --runs 3 --permutations 100
    refused 2 'no option' signal recipe.yaml --run=there --epoch 3
    refused 2 'nowhere.yaml' signal nowhere.yaml
    refused 3 'no test rows' signal recipe.yaml data.split='{train: 0.8, val: 0.2, test: 0}'
}

an_interrupt_ends_it() {
    make_rows 2000 >rows.csv
    make_recipe
    "$program" signal recipe.yaml --threads 1 --epochs 100000 --run there >out 2>err &
    process=$!
    for _ in $(seq 100); do grep -q 'shuffled labels' out && break; sleep 0.05; done
    kill -TERM $process
    code=0
    wait $process || code=$?
    [ "$code" -eq 143 ] || fail "exit $code, wanted 143"
    says err 'nothing was decided'
    [ ! -e there ] || fail 'the empty folder stands in the way of asking again'
}

run_cases something_to_learn_ends_with_0 nothing_to_learn_ends_with_8 few_rows_cannot_tell \
    shuffled_runs_that_do_as_well_are_named json_is_one_object \
    a_folder_is_written_where_asked_for permutations_refit words_it_does_not_know an_interrupt_ends_it
