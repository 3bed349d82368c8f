#!/bin/sh
# A run that is killed again and again, at moments spread over all of it, and resumed each time ends
# with the bytes of a run that was left alone.
#
# The moments are pseudo-random, the same on every machine, and scaled to the time that a whole run
# takes here and now. Of eight, one hits the start, two the writing of some file, one the end. A
# failure shows them. Other moments, or more of them:
#
#     KILL_SEED=7 KILLS=1000 tests/cli/test_kill.sh build/cli/ballast
. "$(dirname "$0")/harness.sh"

seed=${KILL_SEED:-1}
kills=${KILLS:-50}

# Lines "KIND SECONDS" (Park and Miller's generator, exact in awk's doubles). Some come too late for
# what is left of a run, so there are more than kills.
make_moments() { # MILLISECONDS of a whole run
    awk -v ms="$1" -v count="$((20 * kills))" -v x="$((7919 * seed))" '
        function random() { x = (x * 16807) % 2147483647; return x / 2147483647 }
        BEGIN {
            split("start any write any end any write any", kind, " ")
            split("0.1 1 1 1 0.1 1 1 1", share, " ")
            for (i = 0; i < count; i++) {
                at = i % 8 + 1
                printf "%s %.4f\n", kind[at], share[at] * random() * ms / 1000
            }
        }' </dev/null
}

lost() {
    echo "    seed $seed; so far:" >&2
    sed 's/^/    /' story >&2
    fail "$*"
}

# ---- what two runs leave behind ----

# The data of a safetensors file without its header, which tells the time.
tensors() { # FILE
    header=$(od -An -tu8 -N8 "$1" | tr -d ' ')
    tail -c "+$((header + 9))" "$1"
}

timeless() { # FILE
    sed -E 's/"(seconds|run)": [^,}]*//g' "$1"
}

same_file() { # FILE
    case $1 in
    ./command.txt | ./env.json | ./report.html) ;; # when, where, how long
    ./checkpoints/previous*) ;; # which ones there are depends on where it was stopped
    ./checkpoints/*) tensors "whole/$1" >one && tensors "run/$1" >other && cmp -s one other ;;
    ./metrics.jsonl | ./summary.json)
        timeless "whole/$1" >one && timeless "run/$1" >other && cmp -s one other
        ;;
    *) cmp -s "whole/$1" "run/$1" ;;
    esac
}

same_runs() {
    (cd whole && find . -type f | sort) >wanted
    (cd run && find . -type f | sort) >found
    cmp -s wanted found || lost "other files than those of the whole run: $(diff wanted found)"
    while read -r file; do
        same_file "$file" || lost "$file is not that of the whole run"
    done <wanted
}

# ---- killing ----

# Begin, begin again or go on, as a user would.
launch() {
    if [ -e run/recipe.yaml ]; then
        set -- resume run
    else
        rm -rf run
        set -- train recipe.yaml --run run
    fi
    "$program" "$@" --threads "$threads" >out 2>err &
    pid=$!
}

# Until there is such a file or the program has ended; to notice that, the shell has to wait for
# another one now and then.
await() { # PATTERN…
    spins=0
    while kill -0 "$pid" 2>/dev/null; do
        for pattern in "$@"; do
            for file in $pattern; do [ ! -e "$file" ] || return 0; done
        done
        spins=$((spins + 1))
        [ $((spins % 40)) -ne 0 ] || sleep 0.001
    done
}

wait_for_moment() { # KIND SECONDS
    case $1 in
    write) sleep "$2" && await 'run/.*.tmp-*' 'run/*/.*.tmp-*' ;;
    end) await 'run/.model*.tmp-*' 'run/model.safetensors' && sleep "$2" ;;
    *) sleep "$2" ;;
    esac
}

phase() {
    if [ ! -e run/recipe.yaml ]; then
        echo 'before it began'
    elif [ ! -e run/checkpoints/last.safetensors ]; then
        echo 'before the first checkpoint'
    elif [ -e run/summary.json ]; then
        echo 'complete'
    elif [ -e run/model.safetensors ]; then
        echo 'finishing'
    else
        echo "after $(cat run/metrics.jsonl 2>/dev/null | wc -l) rows"
    fi
}

# A stop on request is not before there is something to go on with; a kill may be anywhere.
check_stop() { # SIGNAL CODE
    [ "$1" = KILL ] || [ ! -e run ] || [ -e run/checkpoints/last.safetensors ] ||
        lost "stopped by SIG$1 without a checkpoint"
    [ "$1" = KILL ] || [ -z "$(find . -name '.*.tmp-*')" ] || lost 'a half-written file was left'
}

# Launch, and send the signal; true when it came in time. Otherwise the run is complete.
hit() { # SIGNAL CODE KIND SECONDS
    launch
    wait_for_moment "$3" "$4"
    kill -s "$1" "$pid" 2>/dev/null
    code=0
    wait "$pid" 2>/dev/null || code=$?
    echo "$3 $4: exit $code, $(phase)" >>story
    [ "$code" -ne "$2" ] || return 0
    [ "$code" -eq 0 ] || lost "exit $code, wanted $2 or 0"
    return 1
}

# The recipe is in recipe.yaml; every run, whole or in pieces, must end well.
check_kills() { # SIGNAL CODE KILLS
    make_rows 2000 >rows.csv
    ballast 0 train recipe.yaml --run whole --threads "$threads"
    begun=$(date +%s%N)
    ballast 0 train recipe.yaml --run run --threads "$threads"
    make_moments $((($(date +%s%N) - begun) / 1000000)) >moments
    echo "left alone: exit 0" >story
    same_runs
    rm -rf run
    hits=0
    while [ "$hits" -lt "$3" ] && read -r kind delay; do
        if hit "$1" "$2" "$kind" "$delay"; then
            hits=$((hits + 1))
            check_stop "$1"
        else
            same_runs
            rm -rf run
        fi
    done <moments
    [ "$hits" -eq "$3" ] || lost "only $hits of $3 came in time"
    launch
    code=0
    wait "$pid" || code=$?
    echo "left alone: exit $code" >>story
    [ "$code" -eq 0 ] || lost "exit $code at the end"
    same_runs
}

# ---- recipes ----

# A hundred steps of an epoch take about as long as writing its checkpoint, so that either is hit.
recipe() { # EPOCHS LINES…
    epochs=$1
    shift
    make_recipe "$@"
    sed -i "s/epochs: 12/epochs: $epochs/" recipe.yaml
    sed -i 's/hidden: \[16\]/hidden: [64, 32], norm: batch, dropout: 0.2/' recipe.yaml
    threads=1
}

plain() { recipe 20 'stop: {patience: 18}' 'schedule: {kind: plateau, patience: 2}'; }

# Drawing takes longer than all the rest.
drawn() {
    recipe 2
    sed -i 's/plots: false/plots: true/' recipe.yaml
}

# The loss explodes in epoch 6, and with another batch size once more; both end an epoch.
rolled_back() {
    recipe 15 'schedule: {kind: step, at: {5: 800}}' 'guard:' '  policy: warn' \
        '  max_rollbacks: 3' '  rules: ["train.label.loss > 2 -> recover"]' \
        '  remedies: [{batch_size: 2.0}, {lr: 0.001}]'
}

# Steps overflow in the middle of an epoch, where there are checkpoints too; two threads and the one
# that gathers rows.
overflowing() {
    recipe 12 'schedule: {kind: step, at: {5: 1.0e30}}' 'guard:' '  policy: recover' \
        '  max_rollbacks: 3' '  remedies: [{batch_size: 2.0}, {clip_norm: 0.5}, {lr: 1.0e-31}]' \
        'checkpoint: {every_seconds: 0.002, keep: 3}'
    threads=2
}

# Short stages, so that many kills hit where one goes over to the next.
staged() {
    recipe 2 'stop: {patience: 3}' 'stages:' '  - {name: one}' \
        '  - {name: two, optimizer: {kind: momentum, lr: 0.01}, train: {batch_size: 64}}' \
        '  - {name: three, heads: {label: {class_weights: {kind: balanced, multiplier: 2}}}}' \
        '  - {name: four, init_from: two, model: {freeze: ["backbone.0.*"]}}' \
        '  - {name: five, train: {epochs: 4}, stop: {patience: 0}, schedule: {kind: plateau, patience: 1}}' \
        'checkpoint: {every_epochs: 2, keep: 3}'
}

rollbacks() { # COUNT, in the whole run
    grep -q "\"rollbacks\": $1," whole/summary.json || lost "$1 rollbacks wanted"
}

killed() { plain && check_kills KILL 137 "$kills"; }
terminated() { plain && check_kills TERM 143 $((kills / 2)); }
killed_drawing() { drawn && check_kills KILL 137 $((kills / 5)); }
killed_recovering() { rolled_back && check_kills KILL 137 $((kills / 2)) && rollbacks 2; }
terminated_recovering() { rolled_back && check_kills TERM 143 $((kills / 2)) && rollbacks 2; }
killed_in_stages() { staged && check_kills KILL 137 "$kills"; }
terminated_in_stages() { staged && check_kills TERM 143 $((kills / 2)); }
killed_on_two_threads() { overflowing && check_kills KILL 137 $((kills / 2)) && rollbacks 3; }

run_cases killed terminated killed_drawing killed_recovering terminated_recovering \
    killed_on_two_threads killed_in_stages terminated_in_stages
