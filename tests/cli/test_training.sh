#!/bin/sh
# train, resume, show and runs: what they print, what they leave, how they end.
. "$(dirname "$0")/harness.sh"

contract='set(o) >= {"run", "status", "epochs", "best_epoch", "monitor", "val", "test", "incidents",
    "rollbacks", "seconds"} and set(o["monitor"]) == {"name", "value"}'

train_leaves_what_the_contract_names() {
    make_run
    for file in recipe.yaml recipe.resolved.yaml command.txt env.json metrics.jsonl results.csv \
        incidents.jsonl health.json training_log.json class_weights.json diversity_history.json \
        feature_mean.npy feature_std.npy checkpoints/last.safetensors checkpoints/best.safetensors \
        model.safetensors predictions.npz; do
        [ -e "run/$file" ] || fail "there is no run/$file"
    done
    cmp -s recipe.yaml run/recipe.yaml || fail 'the recipe was changed on the way'
    [ "$(wc -l <run/metrics.jsonl)" -eq 12 ] || fail 'one line per evaluation wanted'
    [ "$(wc -l <run/results.csv)" -eq 13 ] || fail 'one row per evaluation wanted'
    grep -qx 'ballast train recipe.yaml --run run --threads 1' run/command.txt || fail command.txt
}

train_prints_rows_and_a_summary() {
    make_run
    [ ! -s err ] || fail 'nothing wanted on standard error'
    [ "$(grep -cE '^ +[0-9]+/12 ' out)" -eq 12 ] || fail 'one row per evaluation wanted'
    [ "$(grep -c 'macro_f1  accuracy  predicted  entropy' out)" -eq 1 ] || fail 'titles once'
    grep -q 'done after 12 epochs in .*; best val.label.macro_f1 [01]\.[0-9]* at epoch' out ||
        fail 'no closing line'
    says out 'guard    0 incidents, 0 rollbacks'
    says out 'model    run/model.safetensors'
    for line in '  val ' '  test ' '    prior'; do says out "$line"; done
    if grep -q "$(printf '\033')" out; then fail 'colour without a terminal'; fi
    grep -v rows.csv out | awk 'length($0) > 100 {exit 1}' || fail 'wider than 100 columns'
}

train_json_is_one_object() {
    make_run --json
    json out "$contract and o['status'] == 'ok' and o['epochs'] == 12 and o['run'] == 'run'"
    json out '0.6 < o["test"]["label"]["accuracy"] <= 1 and o["val"]["label"]["macro_f1"] > 0.6'
    json out '{"unique_predictions", "balanced_accuracy", "prior"} <= set(o["val"]["label"])'
    grep -qE '^ +12/12 ' err || fail 'everything else goes to standard error'
    cp out first
    ballast 0 show --json run
    json out "$contract"
    cmp -s first out || fail 'show --json and train --json differ'
}

stages_are_shown_one_after_the_other() {
    make_rows 200 >rows.csv
    make_recipe 'stages:' '  - {name: broad, train: {epochs: 3}}' \
        '  - {name: fine, train: {epochs: 2}, monitor: val.label.accuracy}'
    ballast 0 train recipe.yaml stages.fine.train.epochs=4 --run run --threads 1
    says out 'run run, 2 stages'
    says out 'stage broad (1 of 2), 3 epochs, best by val.label.macro_f1'
    says out 'stage fine (2 of 2), 4 epochs, best by val.label.accuracy'
    [ "$(grep -cE '^ +[123]/3 ' out)" -eq 3 ] || fail 'epochs of the first stage'
    [ "$(grep -cE '^ +[1234]/4 ' out)" -eq 4 ] || fail 'epochs of the second stage'
    says out 'done after 7 epochs'
    json run/summary.json '[s["name"] for s in o["stages"]] == ["broad", "fine"]'
    json run/summary.json 'o["monitor"] == o["stages"][1]["monitor"] and o["epochs"] == 7'
    for file in stage-broad stage-fine; do
        [ -e "run/checkpoints/$file.safetensors" ] || fail "there is no $file"
    done
    says run/report.html '>fine<'
    ballast 0 train run/recipe.resolved.yaml --run again --threads 1
    cmp -s run/model.safetensors again/model.safetensors || fail 'the resolved recipe says else'
    refused 2 "a stage cannot change seed" train recipe.yaml stages.fine.seed=2 --run other
}

a_stage_that_is_stopped_ends_the_run_with_4() {
    make_rows 200 >rows.csv
    make_recipe 'stages:' '  - {name: broad, train: {epochs: 3}}' '  - name: fine' \
        '    guard: {rules: ["val.label.loss > 0 after 1 -> stop"]}' '  - {name: never}'
    ballast 4 train recipe.yaml --run run --threads 1
    json run/summary.json 'o["status"] == "stopped" and len(o["stages"]) == 2 and o["epochs"] == 5'
    never_says out 'stage never'
    says out 'rule: stage fine, epoch 5, '
    tail -n 1 run/incidents.jsonl >last
    json last 'o["stage"] == "fine" and o["epoch"] == 5'
    ballast 0 show run
    says out 'rule: stage fine, epoch 5, '
    says run/report.html 'stage ‘fine’, epoch 5, step'
}

incidents_name_their_stages() {
    make_rows 200 >rows.csv
    make_recipe 'guard: {policy: warn, rules: ["val.label.loss > 0 after 2"]}' 'stages:' \
        '  - {name: broad, train: {epochs: 3}}' '  - {name: fine, train: {epochs: 4}}'
    ballast 0 train recipe.yaml --run run --threads 1
    says out 'rule: stages broad, fine, epoch 3, '
    ballast 0 show run
    says out 'rule: stages broad, fine, epoch 3, '
    make_recipe 'guard: {policy: warn, rules: ["val.label.loss > 0 after 2"]}'
    ballast 0 train recipe.yaml --run plain --threads 1
    says out 'rule: epoch 3, '
    never_says plain/incidents.jsonl '"stage"'
    never_says plain/report.html 'stage ‘'
}

overrides_and_quotes() {
    make_rows 100 >rows.csv
    make_recipe
    ballast 0 train recipe.yaml 'train.epochs=2' "name=it" model.hidden='[8, 4]' --threads=1 --run 'a b'
    grep -qF "ballast train recipe.yaml train.epochs=2 name=it 'model.hidden=[8, 4]' --threads=1 --run 'a b'" \
        'a b/command.txt' || fail "$(cat 'a b/command.txt')"
    grep -q 'epochs: 2' 'a b/recipe.resolved.yaml' || fail 'the override did not arrive'
    says out '2/2'
}

run_folders_are_numbered_and_never_overwritten() {
    make_rows 100 >rows.csv
    make_recipe
    for number in 1 2; do
        ballast 0 train recipe.yaml train.epochs=1 --threads 1
        says out "runs/small-00$number"
    done
    refused 2 'runs/small-001 exists' train recipe.yaml --run runs/small-001
}

folders_of_any_name() {
    make_rows 100 >rows.csv
    make_recipe
    odd=$(printf 'odd \377')
    ballast 0 train recipe.yaml train.epochs=1 --threads 1 --run "$odd"
    says out 'done after 1 epoch'
    ballast 0 show "$odd" --json
    json out 'o["run"] == "odd \ufffd" and o["status"] == "ok"'
    rm "$odd/summary.json"
    ballast 0 show "$odd" --json
    json out 'o["run"] == "odd \ufffd" and o["status"] == "interrupted"'
    ballast 0 runs . --json
    json out 'len(o["runs"]) == 1'
    refused 2 'rows.csv exists and is no folder' train recipe.yaml --run rows.csv
    refused 2 '. is not a run: it has no recipe.resolved.yaml' resume .
    refused 2 '. is not a run: it has no recipe.resolved.yaml' show .
}

# On a terminal of COLUMNS columns: no line is wider, and the more there is room for the more is told.
on_a_terminal() { # COLUMNS
    rm -rf run
    TERM=xterm script -qec "stty cols $1; '$program' train recipe.yaml train.epochs=3 --run run --threads 1" \
        /dev/null >raw </dev/null || fail "on $1 columns: $(cat raw)"
    esc=$(printf '\033')
    tr '\r' '\n' <raw | sed "s/$esc\[[0-9;]*[mK]//g" >out
    grep -E '^ +(epoch|[0-9]/3) ' out >rows
    [ "$(wc -l <rows)" -eq 4 ] || fail "on $1 columns: titles and three rows wanted"
    awk -v most="$1" 'length($0) > most {exit 1}' rows || fail "wider than $1 columns"
    says rows macro_f1
}

narrow_terminals() {
    script -qec true /dev/null >/dev/null 2>&1 || skip 'no terminal can be made with script'
    make_rows 100 >rows.csv
    make_recipe
    on_a_terminal 40
    says rows predicted
    never_says rows accuracy
    on_a_terminal 80
    for title in train val accuracy predicted entropy; do says rows "$title"; done
    on_a_terminal 120
    says rows time
}

closed_files_are_no_files_to_write_to() {
    make_rows 100 >rows.csv
    make_recipe
    code=0
    "$program" train recipe.yaml train.epochs=1 --run run --threads 1 <&- >&- 2>&- || code=$?
    [ "$code" -eq 6 ] || fail "exit $code with standard output closed"
    ballast 0 show run
    says out 'done after 1 epoch'
    code=0
    "$program" predict run rows.csv -o p.csv >&- 2>&- || code=$?
    [ "$code" -eq 6 ] || fail "exit $code with standard output closed"
    [ "$(wc -l <p.csv)" -eq 101 ] || fail 'predictions wanted'
}

show_tells_what_happened() {
    make_run
    ballast 0 show run
    says out 'small'
    says out 'done after 12 epochs'
    says out 'model    run/model.safetensors'
    mv run elsewhere
    ballast 0 show elsewhere --json
    json out 'o["run"] == "elsewhere"'
}

runs_come_best_first() {
    make_rows 200 >rows.csv
    make_recipe
    ballast 0 train recipe.yaml train.epochs=12 --threads 1 --run runs/good
    ballast 0 train recipe.yaml train.epochs=1 optimizer.lr=1.0e-6 --threads 1 --run runs/bad
    ballast 0 train recipe.yaml train.epochs=2 monitor=val.label.loss --threads 1 --run runs/other
    mkdir runs/none
    echo text >runs/file
    ballast 0 runs
    grep -n '^runs/' out >lines
    [ "$(wc -l <lines)" -eq 3 ] || fail 'three runs wanted'
    good=$(sed -n 's/:runs.good.*//p' lines)
    bad=$(sed -n 's/:runs.bad.*//p' lines)
    [ "$good" -lt "$bad" ] || fail 'best first'
    says out val.label.macro_f1
    says out val.label.loss
    ballast 0 runs runs --json
    json out 'len(o["runs"]) == 3 and all("monitor" in run for run in o["runs"])'
    (cd runs && "$program" runs . >../inside 2>&1) || fail 'runs .'
    grep -q good inside || fail 'runs of a named folder'
}

resume_of_a_complete_run_gives_its_summary_again() {
    make_run --json
    cp out first
    ballast 0 resume run --json
    cmp -s first out || fail 'another summary than before'
}

a_guard_that_stops_ends_with_4() {
    make_rows 200 >rows.csv
    make_recipe 'guard: {policy: stop, rules: ["val.label.recall[red] >= 0 after 2"]}'
    ballast 4 train recipe.yaml --threads 1 --run run
    says out 'stopped by the guard after'
    says out 'incident'
    says out 'seen'
    ballast 0 show run
    says out 'stopped by the guard'
    ballast 0 show run --json
    json out 'o["status"] == "stopped" and o["incidents"] >= 1'
    ballast 4 resume run --json --threads 1
    json out 'o["status"] == "stopped"'
}

a_collapse_that_is_not_recovered_ends_with_4() {
    make_rows 200 >rows.csv
    make_recipe 'guard:' '  rules: ["val.label.recall[red] >= 0 after 1"]' \
        '  remedies: [{lr: 0.5}]' '  max_rollbacks: 1'
    ballast 4 train recipe.yaml --threads 1 --run run --json
    json out 'o["status"] == "collapsed" and o["rollbacks"] == 1'
    says err 'rollback'
    ballast 0 show run
    says out 'collapsed, not recovered'
    says out 'tried'
}

a_guard_that_warns_lets_it_go_on() {
    make_rows 200 >rows.csv
    make_recipe 'guard: {policy: warn, rules: ["val.label.recall[red] >= 0 after 2"]}'
    ballast 0 train recipe.yaml --threads 1 --run run --json
    json out 'o["status"] == "ok" and o["incidents"] >= 1 and o["rollbacks"] == 0'
    grep -qF "went through with 1 warning." run/health.json || fail "$(grep summary run/health.json)"
}

a_failure_is_json_too() {
    make_rows 100 >rows.csv
    make_recipe
    refused 3 'nowhere.csv' train recipe.yaml data.path=nowhere.csv --json --run run
    json out 'o["status"] == "failed" and o["exit_code"] == 3 and "nowhere.csv" in o["error"]'
    refused 2 'epocs' train recipe.yaml train.epocs=1 --json
    json out 'o["status"] == "failed" and o["exit_code"] == 2 and o["run"] is None'
    refused 2 'nowhere' resume nowhere --json
    json out 'o["status"] == "failed" and o["run"] == "nowhere"'
}

idle='heads=[{name: label}, {name: idle, target: label, weight: 0}]' # never learns

checked_before_training() {
    make_rows 100 >rows.csv
    make_recipe
    refused 2 '[head-not-trained]' train recipe.yaml "$idle" --run run
    [ ! -e run ] || fail 'a folder for a run that never began'
    ballast 0 train recipe.yaml train.epochs=1 'monitor=val.label.recall[red]' --run run
    says out '[monitor-one-class]'
    ballast 0 train recipe.yaml train.epochs=1 'monitor=val.label.recall[red]' check=off --run off
    never_says out '[monitor-one-class]'
    ballast 0 resume run
    never_says out '[monitor-one-class]'
}

check_tells() {
    make_rows 100 >rows.csv
    make_recipe
    ballast 0 check recipe.yaml 'monitor=val.label.recall[red]'
    says out 'Warnings'
    says out 'monitor-one-class'
    ballast 2 check recipe.yaml "$idle"
    says out 'Errors'
    ballast 2 check recipe.yaml "$idle" --json
    json out 'o["errors"] == 1 and o["findings"][0]["rule"] == "head-not-trained"'
    ballast 2 check recipe.yaml 'model.freeze=["nothing.*"]'
    says out 'start-refused'
    says out "no weight is called 'nothing.*'"
    says out '    → Change what the sentence names'
    ballast 3 check recipe.yaml data.path=nowhere.csv 'monitor=val.label.recall[red]'
    says out '1 warning, 0 notes, without the rules that look at the data'
    says out 'monitor-one-class'
    says err 'nowhere.csv'
    ballast 3 check recipe.yaml data.path=nowhere.csv --json
    json out 'not o["data"] and "nowhere.csv" in o["data_error"]'
    ballast 2 check
    ballast 2 check nowhere.yaml
    ballast 0 check --markdown
    says out '## patience-too-long'
}

more_memory_than_there_is() {
    make_rows 100 >rows.csv
    make_recipe
    wide='model.hidden=[1000000, 1000000, 1000000]'
    refused 2 '[memory]' train recipe.yaml "$wide" --threads 1
    refused 5 'memory' train recipe.yaml "$wide" check=off --threads 1
}

plots_are_drawn() {
    make_run report.plots=true
    for name in loss metrics confusion; do
        [ -s "$(ls run/plots/*"$name.png")" ] || fail "no picture of $name"
    done
    says run/report.html '<h1>small</h1>'
    rm -r run/plots
    ballast 0 resume run
    [ -d run/plots ] || fail 'resuming a complete run draws them again'
}

a_run_that_trains_is_not_called_interrupted() {
    make_rows 400 >rows.csv
    make_recipe
    timeout 60 "$program" train recipe.yaml train.epochs=100000 --run all/run --threads 1 >log 2>&1 &
    pid=$!
    until [ -s all/run/metrics.jsonl ]; do
        kill -0 "$pid" 2>/dev/null || fail 'ended before it was looked at'
        sleep 0.01
    done
    ballast 0 show all/run
    says out 'running after'
    never_says out 'resume'
    ballast 0 show all/run --json
    json out 'o["status"] == "running" and o["epochs"] > 0 and o["model"] is None'
    ballast 0 runs all
    says out 'running'
    kill -0 "$pid" 2>/dev/null || fail 'ended by being looked at'
    kill -s TERM "$pid"
    wait "$pid"
    ballast 0 show all/run
    says out 'interrupted after'
    says out 'ballast resume all/run'
}

run_cases train_leaves_what_the_contract_names train_prints_rows_and_a_summary \
    train_json_is_one_object stages_are_shown_one_after_the_other \
    a_stage_that_is_stopped_ends_the_run_with_4 incidents_name_their_stages overrides_and_quotes run_folders_are_numbered_and_never_overwritten \
    folders_of_any_name narrow_terminals closed_files_are_no_files_to_write_to show_tells_what_happened \
    runs_come_best_first a_run_that_trains_is_not_called_interrupted \
    resume_of_a_complete_run_gives_its_summary_again a_guard_that_stops_ends_with_4 \
    a_collapse_that_is_not_recovered_ends_with_4 a_guard_that_warns_lets_it_go_on \
    a_failure_is_json_too checked_before_training check_tells more_memory_than_there_is plots_are_drawn
