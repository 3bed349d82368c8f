#!/bin/sh
# Commands that need no run: help, version, list, schema, init, doctor; and words nobody knows.
. "$(dirname "$0")/harness.sh"

overview() {
    ballast 0 help
    for command in signal train resume eval predict show runs list schema doctor init version; do
        grep -q "^  $command  *[A-Z]" out || fail "help does not name $command"
    done
    for words in --help -h 'help --help'; do
        ballast 0 $words
        says out 'ballast init demo'
    done
    ballast 2
    says err 'ballast init demo'
}

help_of_every_command() {
    ballast 0 list commands
    awk '{print $1}' out >commands
    [ "$(wc -l <commands)" -eq 13 ] || fail 'thirteen commands wanted'
    while read -r command; do
        ballast 0 help "$command"
        says out "usage: ballast $command"
        mv out first
        ballast 0 "$command" --help
        cmp -s first out || fail "help $command and $command --help differ"
        grep -oE '^ *--[a-z]+' out | while read -r option; do
            sed '/^$/,$d' out | grep -qF -e "$option" || fail "usage of $command lacks $option"
        done || exit 1
        if grep -qE '\[[^]]*$' out; then fail "usage of $command is broken within brackets"; fi
        if grep -qE ' $|…\.\.?$' out; then fail "help $command: a space or dots too many"; fi
        awk 'length($0) > 80 {exit 1}' out || fail "help $command is wider than 80 columns"
    done <commands
}

unknown_words() {
    refused 2 "no command 'trian'; did you mean 'train'?" trian
    refused 2 "no command 'xyzzy'" xyzzy
    refused 2 "no command 'shwo'; did you mean 'show'?" help shwo
    refused 2 "no option '--jsn'; did you mean '--json'?" show --jsn run
    refused 2 "no option '--thread'; did you mean '--threads'?" train r.yaml --thread=3
    refused 2 "no kind 'losess'; did you mean 'losses'?" list losess
    refused 2 "no kind 'cvs'; did you mean 'csv'?" init cvs
    refused 2 "no split 'tets'; did you mean 'test'?" eval run --split tets
    says err 'usage: ballast eval'
}

wrong_use() {
    refused 2 'no option' doctor --jsn
    if grep -q ' $' err; then fail 'a space too many'; fi
    refused 2 'which recipe?' train
    refused 2 'which run?' resume
    refused 2 'which run?' show
    refused 2 'which run or model?' eval
    refused 2 'a model and an input' predict model
    refused 2 'Say -o FILE' predict model rows.csv
    refused 2 'ending in .csv or .npz' predict model rows.csv -o x.parquet
    refused 2 "--threads wants a number from 1 to 1024, not 'many'" train r.yaml --threads many
    refused 2 "--threads wants" train r.yaml --threads 0
    refused 2 '--run needs a value' train r.yaml --run
    refused 2 '--json takes no value' train r.yaml --json=yes
    refused 2 '--run is given twice' train r.yaml --run a --run b
    refused 2 'one run at a time' show a b
    refused 2 'one kind at a time' list losses metrics
}

things_that_are_not_there() {
    refused 2 'nowhere.yaml' train nowhere.yaml
    refused 2 'nowhere' show nowhere
    refused 2 'nowhere' resume nowhere
    refused 2 'nowhere' eval nowhere
    refused 2 'nowhere' runs nowhere
    refused 2 'nowhere' predict nowhere rows.csv -o out.csv
    mkdir empty
    refused 2 'empty is not a run' show empty
    refused 2 'empty is not a run' eval empty
    refused 2 'empty is not a run' resume empty
    echo 'name: a' >file.yaml
    refused 2 'file.yaml is a file; wanted the folder of a run' resume file.yaml
    refused 2 'file.yaml is a file; wanted the folder of a run' show file.yaml
    ballast 0 runs
    says out 'no runs here yet'
    ballast 0 runs --json
    json out 'o == {"runs": []}'
}

version() {
    ballast 0 version
    grep -qE '^ballast [0-9]+\.[0-9]+\.[0-9]+$' out || fail 'not a version'
    mv out first
    ballast 0 --version
    cmp -s first out || fail '--version differs from version'
    ballast 0 version --json
    json out '{"ballast", "compiler", "libraries"} <= set(o) and \
        set(o["libraries"]) == {"cairo", "jansson", "libfyaml", "libzip", "nettle", "sqlite3", "zlib"} and \
        all(re.match(r"\d+\.\d+", v.lstrip("v")) for v in o["libraries"].values())'
}

lists() {
    ballast 0 list
    awk '{print $1}' out >kinds
    for kind in models losses metrics optimizers schedules detectors remedies simulators ops \
        initialisers splits class-weights commands activations heads policies; do
        grep -qx -e "$kind" kinds || fail "there is no kind $kind"
    done
    while read -r kind; do
        ballast 0 list "$kind"
        [ -s out ] || fail "list $kind is empty"
        awk 'NF < 2 {exit 1}' out || fail "list $kind has a line without a summary"
        [ "$(awk '{print $1}' out | sort | uniq -d)" = '' ] || fail "list $kind repeats a name"
    done <kinds
    ballast 0 list losses
    says out cross_entropy
    ballast 0 list remedies
    says out clip_norm
    ballast 0 list ops
    [ "$(wc -l <out)" -ge 40 ] || fail 'few ops'
}

schema() {
    ballast 0 schema
    if command -v python3 >/dev/null; then
        python3 -c 'import json; o = json.load(open("out"))
assert o["$schema"].endswith("2020-12/schema") and "heads" in o["properties"]' ||
            fail 'not a JSON schema'
    fi
    ballast 0 schema --markdown
    says out 'train.epochs'
}

init_writes_recipes_that_are_right() {
    for kind in csv npz demo; do
        ballast 0 init "$kind" -o "$kind.yaml"
        says out "ballast train $kind.yaml"
        [ -s "$kind.yaml" ] || fail "no $kind.yaml"
        grep -q '^#' "$kind.yaml" || fail 'a recipe to start from explains itself'
    done
    cmp -s demo.yaml "$recipes/sign-landmarks/recipe.yaml" || fail 'the demo is not the sample recipe'
    # The data is not there, but the recipe is read first: 3, not 2.
    refused 3 'data.csv' train csv.yaml
    refused 3 'data.npz' train npz.yaml
    make_rows 120 >'my rows: 1.csv'
    ballast 0 init csv 'my rows: 1.csv'
    ballast 0 train recipe.yaml --threads 1 --run run data.ignore=id train.epochs=2 report.plots=false
    refused 2 'needs no data file' init demo x.csv
    mv 'my rows: 1.csv' '${rows}.csv'
    ballast 0 init csv '${rows}.csv' -o dollar.yaml
    ballast 0 train dollar.yaml --threads 1 --run dollar data.ignore=id train.epochs=1 report.plots=false
}

init_keeps_what_is_there() {
    echo precious >recipe.yaml
    refused 2 'recipe.yaml exists' init demo
    says recipe.yaml precious
    ballast 0 init demo --force
    never_says recipe.yaml precious
}

doctor() {
    ballast 0 doctor
    says out 'everything works'
    says out 'resumed bit-exactly'
    grep -qE '^  sqlite3 +[0-9]+\.[0-9]+' out || fail 'no version of sqlite3'
    grep -qE '^  nettle +[0-9]+\.[0-9]+' out || fail 'no version of nettle'
    TMPDIR=/nowhere
    export TMPDIR
    ballast 1 doctor
    says out 'problem'
}

words_after_two_dashes_are_no_options() {
    refused 2 '--json' show -- --json
}

run_cases overview help_of_every_command unknown_words wrong_use things_that_are_not_there version \
    lists schema init_writes_recipes_that_are_right init_keeps_what_is_there doctor \
    words_after_two_dashes_are_no_options
