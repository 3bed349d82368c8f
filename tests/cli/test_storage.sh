#!/bin/sh
# Storage that fails: exit 6, the checkpoint before stays whole, and the run goes on once there is
# room. What cannot be set up here (without root, without prlimit) is skipped.
. "$(dirname "$0")/harness.sh"

a_file_size_limit() {
    make_rows 200 >rows.csv
    make_recipe
    # The first checkpoint does not fit below 4 KiB (blocks of 512 bytes).
    code=0
    (ulimit -f 8 && exec "$program" train recipe.yaml --run run --threads 1) >out 2>err || code=$?
    [ "$code" -eq 6 ] || fail "exit $code, wanted 6"
    says err 'run/checkpoints'
}

# Train until there are some rows, then run WORDS… (which make storage fail), expect 6.
train_until_it_fails() {
    "$program" train recipe.yaml train.epochs=100000 --run "$1" --threads 1 >out 2>err &
    pid=$!
    shift
    until [ "$(cat */metrics.jsonl 2>/dev/null | wc -l)" -ge 3 ]; do
        kill -0 "$pid" 2>/dev/null || fail 'ended before storage failed'
        sleep 0.01
    done
    "$@"
    code=0
    wait "$pid" || code=$?
    [ "$code" -eq 6 ] || fail "exit $code, wanted 6"
    [ "$(wc -l <err)" -eq 1 ] || fail 'one line wanted'
}

goes_on() { # RUN: the last checkpoint is whole
    code=0
    "$program" resume "$1" --threads 1 >out 2>err &
    pid=$!
    rows=$(wc -l <"$1/metrics.jsonl")
    until [ "$(wc -l <"$1/metrics.jsonl")" -gt "$((rows + 3))" ]; do
        kill -0 "$pid" 2>/dev/null || fail 'the run does not go on'
        sleep 0.01
    done
    kill -s USR1 "$pid"
    wait "$pid" || code=$?
    [ "$code" -eq 75 ] || fail "resumed: exit $code, wanted 75"
}

a_limit_that_comes_later() {
    command -v prlimit >/dev/null || skip 'there is no prlimit'
    make_rows 200 >rows.csv
    make_recipe
    shrink() { prlimit --pid "$pid" --fsize=2000:2000; }
    train_until_it_fails run shrink
    goes_on run
}

a_full_disk() {
    [ "$(id -u)" -eq 0 ] || skip 'not root'
    mkdir small
    mount -t tmpfs -o size=512k none small 2>/dev/null || skip 'no tmpfs can be mounted'
    make_rows 200 >rows.csv
    make_recipe
    ln -s small/run run
    fill() { cat /dev/zero >small/ballast 2>/dev/null || true; }
    train_until_it_fails small/run fill
    says err 'No space left'
    rm small/ballast
    goes_on small/run
    umount small
}

a_folder_that_may_not_be_written() {
    make_rows 200 >rows.csv
    make_recipe
    mkdir locked
    chmod 555 locked
    if [ "$(id -u)" -ne 0 ]; then
        refused 6 'locked/run' train recipe.yaml --run locked/run
        return
    fi
    # Root may write anywhere, but not to a file system that is mounted read-only.
    mkdir small
    mount -t tmpfs -o size=64k,ro none small 2>/dev/null || skip 'no tmpfs can be mounted'
    refused 6 'small/run' train recipe.yaml --run small/run
    umount small
}

outputs_that_cannot_be_written() {
    make_run
    [ -c /dev/full ] || skip 'no /dev/full'
    for words in 'version' 'list ops' 'schema' 'show run' 'runs .' 'eval run --json' \
        'predict run rows.csv -o -' 'help' 'resume run --json'; do
        code=0
        "$program" $words >/dev/full 2>err || code=$?
        [ "$code" -eq 6 ] || fail "ballast $words: exit $code, wanted 6"
        says err 'standard output could not be written'
    done
}

a_closed_pipe() {
    make_run
    mkfifo pipe
    exec 3<>pipe 4>pipe 3<&-
    # Nobody reads any more.
    for words in 'list ops' 'predict run rows.csv -o -' 'train recipe.yaml --run again --threads 1'; do
        code=0
        "$program" $words >&4 2>err || code=$?
        [ "$code" -eq 6 ] || fail "ballast $words: exit $code, wanted 6"
    done
    [ -s again/model.safetensors ] || fail 'the run itself is complete'
}

a_prediction_that_does_not_fit() {
    make_run
    make_rows 5000 3 >many.csv
    echo before >out.csv
    code=0
    (ulimit -f 64 && exec "$program" predict run many.csv -o out.csv) >out 2>err || code=$?
    [ "$code" -eq 6 ] || fail "exit $code, wanted 6"
    grep -qx before out.csv || fail 'the old file is gone'
    [ "$(ls | grep -c out.csv)" -eq 1 ] || fail 'a temporary file was left behind'
}

run_cases a_file_size_limit a_limit_that_comes_later a_full_disk a_folder_that_may_not_be_written \
    outputs_that_cannot_be_written a_closed_pipe a_prediction_that_does_not_fit
