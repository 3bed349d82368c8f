#!/bin/sh
# Signals: a checkpoint, the exit code of the contract, and a resume that ends where an uninterrupted
# run does.
. "$(dirname "$0")/harness.sh"

as_by_default=

# Train in the background until there is a first row, then send a signal: interrupt SIGNAL CODE
interrupt() {
    make_rows 400 >rows.csv
    make_recipe
    $as_by_default "$program" train recipe.yaml train.epochs=300 --run run --threads 1 --json \
        >out 2>err &
    pid=$!
    until [ -s run/metrics.jsonl ]; do
        kill -0 "$pid" 2>/dev/null || fail 'ended before it was interrupted'
        sleep 0.01
    done
    kill -s "$1" "$pid"
    code=0
    wait "$pid" || code=$?
    [ "$code" -eq "$2" ] || fail "SIG$1: exit $code, wanted $2"
    json out 'o["status"] == "interrupted" and o["run"] == "run" and 0 < o["epochs"] < 300 and \
        {"name", "best_epoch", "monitor", "val", "test", "incidents", "rollbacks", "seconds"} <= set(o) and \
        0 < o["best_epoch"] <= o["epochs"] and 0 < o["monitor"]["value"] <= 1 and o["model"] is None'
    [ -s run/checkpoints/last.safetensors ] || fail 'no checkpoint'
    [ ! -e run/model.safetensors ] || fail 'a model of a run that has not ended'
    ballast 0 show run
    says out 'interrupted after'
    says out 'to go on: ballast resume run'
    ballast 0 show run --json
    json out 'o["status"] == "interrupted" and 0 < o["epochs"] < 300 and o["model"] is None'
    refused 2 'run has no model yet' eval run
    ballast 0 resume run --threads 1 --json
    json out 'o["status"] == "ok" and o["epochs"] == 300'
    ballast 0 train recipe.yaml train.epochs=300 --run whole --threads 1
    cmp -s run/model.safetensors whole/model.safetensors || fail 'resumed and whole run differ'
    cut -d, -f2- run/results.csv >one
    cut -d, -f2- whole/results.csv >other
    cmp -s one other || fail 'the results of the two runs differ'
}

interrupt_from_the_keyboard() { interrupt INT 130; }
termination() { interrupt TERM 143; }
a_closed_terminal() { # which nohup, and some who run tests, let programs ignore
    env --default-signal=HUP true 2>/dev/null || skip 'no env that restores signals'
    as_by_default='env --default-signal=HUP'
    interrupt HUP 129
}
preemption() { interrupt USR1 75; }

words_of_an_interrupted_run() {
    make_rows 400 >rows.csv
    make_recipe
    "$program" train recipe.yaml train.epochs=300 --run run --threads 1 >out 2>err &
    pid=$!
    until [ -s run/metrics.jsonl ]; do sleep 0.01; done
    kill -s INT "$pid"
    code=0
    wait "$pid" || code=$?
    [ "$code" -eq 130 ] || fail "exit $code"
    says out 'interrupted after'
    says out 'ballast resume run'
}

run_cases interrupt_from_the_keyboard termination a_closed_terminal preemption words_of_an_interrupted_run
