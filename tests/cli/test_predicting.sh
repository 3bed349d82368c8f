#!/bin/sh
# eval and predict: they agree with each other, whatever form the rows come in.
. "$(dirname "$0")/harness.sh"

# Columns named on the command line, in their order: columns NAME… <FILE
columns() {
    awk -F, -v wanted="$*" 'BEGIN { n = split(wanted, name, " ") }
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
    { line = ""; for (i = 1; i <= n; i++) line = line (i > 1 ? "," : "") $at[name[i]]; print line }'
}

eval_of_a_run() {
    make_run --json
    cp out trained
    ballast 0 eval run --json
    json out 'o["split"] == "test" and o["run"] == "run" and o["rows"] == 20 and "label" in o["test"]'
    command -v python3 >/dev/null && { python3 -c 'import json
a, b = json.load(open("trained")), json.load(open("out"))
for name, value in a["test"]["label"].items():
    if isinstance(value, float) and abs(value - b["test"]["label"][name]) > 1e-4 * (1 + abs(value)):
        raise SystemExit(f"{name}: {value} while training, {b}")' || fail 'eval differs from training'; }
    ballast 0 eval run --split val --per-class --json
    json out 'set(o["val"]["label"]["per_class"]) == {"blue", "green", "red"}'
    ballast 0 eval run --split train --json
    json out 'o["rows"] == 160'
    ballast 0 eval run --split all
    says out 'run/model.safetensors, 200 rows (all) of'
    ballast 0 eval run --per-class
    says out 'precision'
    grep -q '^  green ' out || fail 'a line per class'
}

eval_of_a_model_file_and_of_other_rows() {
    make_run
    make_rows 300 7 >other.csv
    refused 2 'data.path=FILE' eval run/model.safetensors
    ballast 0 eval run/model.safetensors data.path=other.csv --json
    json out 'o["split"] == "all" and o["rows"] == 300 and o["all"]["label"]["accuracy"] > 0.6'
    cp out first
    ballast 0 eval run data.path=other.csv --json
    json out 'o["rows"] == 300 and o["split"] == "all"'
    command -v python3 >/dev/null && { python3 -c 'import json
a, b = json.load(open("first")), json.load(open("out"))
assert a["all"] == b["all"]' || fail 'run and model disagree'; }
    # Columns in another order, another name for the label, one class only: the model knows its own.
    columns label c b id a <other.csv | sed '1s/label/colour/' >turned.csv
    ballast 0 eval run/model.safetensors data.path=turned.csv data.target=colour \
        'heads.label.target=colour' --json
    json out 'o["rows"] == 300'
    { head -n 1 other.csv; grep red other.csv; } >red.csv
    ballast 0 eval run data.path=red.csv --json
    json out 'o["all"]["label"]["unique_predictions"] >= 1'
}

names_do_not_command_the_terminal() {
    escape=$(printf '\033')
    make_rows 200 | sed "s/red\$/$escape[31mred/" >rows.csv
    make_recipe
    ballast 0 train recipe.yaml --run run --threads 1
    ballast 0 eval run --per-class
    says out '?[31mred'
    never_says out "$escape"
    refused 2 'data.ignore=?[2J' train recipe.yaml "data.ignore=$escape[2J" --run other
}

eval_takes_files_of_any_name() {
    make_run
    for name in 'a: b.csv' 'a #b.csv' "it's.csv" '[a].csv' '~' 'null'; do
        cp rows.csv "$name"
        ballast 0 eval run "data.path=$name" --json
        json out 'o["rows"] == 200'
        ballast 0 eval run/model.safetensors "data.path=$PWD/$name" --json
    done
    ballast 0 eval run 'data.path="../rows.csv"' --json # YAML already: from the run's folder
    ballast 0 eval run 'data.path=${NOWHERE:-../rows.csv}' --json
}

eval_refuses_labels_it_does_not_know() {
    make_run
    sed '5s/[a-z]*$/violet/' rows.csv >strange.csv
    refused 3 'violet' eval run data.path=strange.csv
    says err 'row 4'
    says err 'label'
    ballast 0 eval run data.path=strange.csv data.unknown=skip --json
    json out 'o["all"]["label"]["rows"] == 199 and o["unknown_labels"] == 1'
}

predict_gives_the_classes_that_eval_counted() {
    make_run
    make_rows 300 7 >other.csv
    columns a b c <other.csv >bare.csv
    ballast 0 predict run bare.csv -o out.csv
    says out '300 rows, out.csv'
    head -n 1 out.csv | grep -qx 'row,class,confidence,entropy,p_blue,p_green,p_red' ||
        fail "columns: $(head -n 1 out.csv)"
    [ "$(wc -l <out.csv)" -eq 301 ] || fail 'a line per row'
    awk -F, 'NR > 1 && ($1 != NR - 1 || $5 + $6 + $7 < .99999 || $5 + $6 + $7 > 1.00001 ||
        $3 < $5 - 1e-9 || $3 < $6 - 1e-9 || $3 < $7 - 1e-9 || $4 < 0 || $4 > 1.0987) {
        print "line " NR ": " $0; exit 1 }' out.csv || fail 'rows, probabilities, entropy'
    columns label <other.csv >labels
    columns class <out.csv >classes
    right=$(paste -d, labels classes | awk -F, 'NR > 1 && $1 == $2' | wc -l)
    ballast 0 eval run data.path=other.csv --json
    json out "round(o['all']['label']['accuracy'] * 300) == $right"
    # The same classes row by row, as far as counts can tell: right ones of each, and given ones.
    ballast 0 eval run data.path=other.csv --per-class --json
    for name in blue green red; do
        right=$(paste -d, labels classes | grep -cx "$name,$name")
        given=$(grep -cx "$name" classes)
        json out "round(o['all']['label']['per_class']['$name']['precision'] * $given, 6) == $right"
        json out "round(o['all']['label']['per_class']['$name']['recall'] * \
            $(grep -cx "$name" labels), 6) == $right"
    done
    # And those that the run itself left behind for its test rows.
    command -v unzip >/dev/null || return 0
    unzip -q run/predictions.npz -d own
    rows=$(od -An -tu8 -v -w8 -j128 own/rows.npy)
    kept=$(od -An -td4 -v -w4 -j128 own/label.predictions.npy |
        sed 's/ *//; s/0/blue/; s/1/green/; s/2/red/')
    ballast 0 predict run rows.csv -o out.csv
    [ "$(for row in $rows; do sed -n "$((row + 2))p" out.csv | cut -d, -f2; done)" = "$kept" ] ||
        fail 'other classes than those of the run for its test rows'
}

predict_takes_rows_in_every_form() {
    make_run
    columns a b c <rows.csv >bare.csv
    ballast 0 predict run bare.csv -o wanted.csv
    # With labels beside, in another order, compressed, without a header, by position, to a pipe.
    ballast 0 predict run/model.safetensors rows.csv -o out.csv
    cmp -s wanted.csv out.csv || fail 'with the label beside'
    columns c a b <rows.csv | gzip >turned.csv.gz
    ballast 0 predict run turned.csv.gz -o out.csv
    cmp -s wanted.csv out.csv || fail 'turned and compressed'
    tail -n +2 bare.csv >headless.csv
    ballast 0 predict run headless.csv -o out.csv --header no
    cmp -s wanted.csv out.csv || fail 'without a header'
    sed '1s/.*/x,y,z/; s/,/;/g' bare.csv >renamed.csv
    refused 3 "'a'" predict run renamed.csv -o out.csv
    ballast 0 predict run renamed.csv -o out.csv --by-position --separator ';'
    cmp -s wanted.csv out.csv || fail 'by position'
    ballast 0 predict run bare.csv -o -
    cmp -s wanted.csv out || fail 'to standard output'
}

# Names that look like a row of numbers are a header all the same: the model knows its columns.
names_that_are_numbers() {
    make_rows 200 | sed '1s/.*/id,1,2,3,label/' >rows.csv
    make_recipe
    ballast 0 train recipe.yaml data.header=yes --run run --threads 1
    columns 1 2 3 <rows.csv >bare.csv
    ballast 0 predict run bare.csv -o out.csv
    [ "$(wc -l <out.csv)" -eq 201 ] || fail 'the names were taken for a row'
    ballast 0 predict run rows.csv -o other.csv --header yes
    cmp -s out.csv other.csv || fail 'other answers'
}

predict_writes_arrays_that_can_be_trained_on() {
    make_run
    ballast 0 predict run rows.csv -o answers.npz
    command -v unzip >/dev/null && { unzip -l answers.npz >members
        for name in predictions probabilities entropy classes; do says members "$name.npy"; done; }
    cat >second.yaml <<'END'
name: second
data: {kind: npz, path: answers.npz, features: probabilities, target: predictions}
model: {kind: mlp, hidden: [8]}
heads: [{name: label, kind: classes}]
optimizer: {kind: adam, lr: 2.0e-2}
train: {epochs: 10, batch_size: 16}
report: {plots: false}
END
    ballast 0 train second.yaml --threads 1 --run second --json
    json out 'o["test"]["label"]["accuracy"] > 0.7'
    ballast 0 predict second answers.npz -o second.csv
    head -n 1 second.csv | grep -qx 'row,class,confidence,entropy,p_0,p_1,p_2' || fail 'columns'
    ballast 0 eval second/model.safetensors data.path=answers.npz --json
    json out 'o["rows"] == 200'
}

several_heads_have_their_names_in_front() {
    make_rows 200 | awk -F, 'NR == 1 { print $0 ",big,sum"; next }
        { print $0 "," ($2 > .5 ? "yes" : "no") "," $2 + $3 }' >rows.csv
    cat >recipe.yaml <<'END'
name: heads
data: {kind: csv, path: rows.csv, target: label, ignore: [id, big, sum]}
model: {kind: mlp, hidden: [16]}
heads:
  - {name: colour, kind: classes}
  - {name: big, kind: binary, target: big}
  - {name: sum, kind: value, target: sum}
optimizer: {kind: adam, lr: 2.0e-2}
train: {epochs: 10, batch_size: 16}
report: {plots: false}
END
    ballast 0 train recipe.yaml --threads 1 --run run
    says out 'colour           accuracy'
    says out 'rmse'
    ballast 0 predict run rows.csv -o out.csv
    head -n 1 out.csv | tr , '\n' | tr '\n' ' ' >names
    says names 'row colour.class colour.confidence colour.entropy colour.p_blue'
    says names 'big.class big.confidence big.entropy big.p_no big.p_yes sum.value'
    ballast 0 eval run --json
    json out 'set(o["test"]) == {"colour", "big", "sum"} and "rmse" in o["test"]["sum"]'
}

missing_values_are_refused_or_filled() {
    make_run
    columns a b c <rows.csv | sed '4s/,[^,]*,/,,/' >holes.csv
    refused 3 "holes.csv:4: row 3, column 'b'" predict run holes.csv -o out.csv
    says err '--missing mean'
    [ ! -e out.csv ] || fail 'an output of a failed prediction'
    ballast 0 predict run holes.csv -o out.csv --missing mean
    [ "$(wc -l <out.csv)" -eq 201 ] || fail 'every row has an answer'
    refused 2 "did you mean 'mean'" predict run holes.csv -o out.csv --missing maen
}

predict_keeps_its_input() {
    make_run
    cp rows.csv before.csv
    ln -s rows.csv link.csv
    for output in rows.csv ./rows.csv link.csv; do
        refused 2 "-o $output would replace the input" predict run rows.csv -o "$output"
    done
    cmp -s rows.csv before.csv || fail 'the input was replaced'
    for separator in '"' '
'; do
        refused 2 '--separator wants' predict run rows.csv -o out.csv --separator "$separator"
    done
}

predict_refuses_what_does_not_fit() {
    make_run
    refused 3 'nowhere.csv' predict run nowhere.csv -o out.csv
    refused 2 'nowhere' predict run rows.csv -o nowhere/out.csv
    columns a b <rows.csv >narrow.csv
    refused 3 "'c'" predict run narrow.csv -o out.csv
    refused 3 'narrow.csv has 2 columns' predict run narrow.csv -o out.csv --by-position
    head -n 1 rows.csv >empty.csv
    refused 3 'empty.csv' predict run empty.csv -o out.csv
    sed '7s/^\([^,]*\),[^,]*/\1,many/' rows.csv >text.csv
    refused 3 'many' predict run text.csv -o out.csv
    says err 'row 6'
    says err "'a'"
    sed 's/^\([0-9]*\),[^,]*/\1,word/' rows.csv >words.csv
    refused 3 "words.csv:2: row 1, column 'a'" predict run words.csv -o out.csv
    never_says err 'data.ignore' # there is no recipe to write it into
    refused 3 "column 'label' holds text" predict run rows.csv -o out.csv --by-position
    says err 'take the column out of the file'
    never_says err 'data.'
    printf '\223NUMPY\001\000v\000' >rows.npy
    refused 3 'wanted csv or npz' predict run rows.npy -o out.csv
    says err 'numpy.savez("rows.npz", X=array)'
    refused 3 'rows.csv' predict rows.csv rows.csv -o out.csv
    head -c 1000 run/model.safetensors >cut.safetensors
    refused 3 'cut.safetensors' predict cut.safetensors rows.csv -o out.csv
    [ ! -e out.csv ] || fail 'an output of a failed prediction'
    rm run/model.safetensors
    refused 2 'run has no model' predict run rows.csv -o out.csv
}

# A value, classes and a binary head on the same rows.
make_run_of_three_heads() {
    make_rows 200 | awk -F, -v OFS=, 'NR == 1 { print $0, "side" }
        NR > 1 { print $0, ($2 > 0.35 ? "above" : "below") }' >rows.csv
    make_recipe 'monitor: val.side.expected_profit'
    sed -i -e 's/^data:.*/data: {kind: csv, path: rows.csv, features: [a, b]}/' \
        -e 's/^heads:.*/heads:/' recipe.yaml
    sed -i '/^heads:/r /dev/stdin' recipe.yaml <<'END'
  - {name: value, kind: value, target: c, loss: {kind: threshold_huber, threshold: 0.5}, weight: 0.6}
  - {name: colour, target: label, weight: 0.1}
  - name: side
    kind: binary
    target: side
    classes: [below, above]
    loss: {kind: focal, alpha: 0.75}
    payoff: {below: [0, -1], above: [0, 0.5]}
END
    ballast 0 train recipe.yaml --run run --threads 1
}

every_head_has_figures_of_its_own() {
    make_run_of_three_heads
    says out 'value                 mae       rmse         r2'
    says out 'colour           accuracy   balanced   macro F1'
    says out 'side             balanced rec. below rec. above     profit   accuracy'
    for title in Risk 'Expected profit'; do
        [ "$(grep -o "<span>$title</span>" run/report.html | wc -l)" -eq 1 ] || fail "$title in the report"
    done
    ballast 0 eval run --json
    json out 'set(o["test"]["side"]["recall"]) == {"below", "above"}'
    json out 'abs(1 - o["test"]["side"]["recall"]["below"] - o["test"]["side"]["risk"]) < 1e-12'
    json out 'o["test"]["side"]["prior"]["expected_profit"] is not None'
    json out '"expected_profit" not in o["test"]["colour"]'
    command -v python3 >/dev/null && { python3 -c 'import json
a, b = json.load(open("run/summary.json"))["test"], json.load(open("out"))["test"]
for head in a:
    assert abs(a[head]["loss"] - b[head]["loss"]) < 1e-4, (head, a[head]["loss"], b[head]["loss"])' ||
        fail 'a loss of eval is not that of the run'; }
    command -v python3 >/dev/null || return 0
    python3 -c 'import os; os.openpty()' 2>/dev/null || return 0 # no terminals here
    python3 - "$program" <<'END' || fail 'too wide for a terminal of 60 columns'
import fcntl, os, re, struct, subprocess, sys, termios
ours, theirs = os.openpty()
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
run = subprocess.Popen([sys.argv[1], "eval", "run"], stdout=theirs)
os.close(theirs)
text = b""
try:
    while part := os.read(ours, 4096):
        text += part
except OSError: # the end of a terminal
    pass
assert run.wait() == 0
table = re.sub(r"\x1b\[\d*m", "", text.decode()).replace("\r", "").split("\n")[2:]
assert any("rec. below" in line for line in table)
wide = [line for line in table if len(line) > 60]
sys.exit(f"{wide}" if wide else 0)
END
}

intervals_on_request() {
    make_run_of_three_heads
    ballast 0 eval run --bootstrap 100 --json
    json out 'o["bootstrap"]["resamples"] == 100 and o["bootstrap"]["level"] == 0.95'
    json out 'all(low <= o["test"]["value"]["mae"] <= high for low, high in [o["bootstrap"]["intervals"]["value"]["mae"]])'
    json out 'all(low < o["test"]["side"]["expected_profit"] < high for low, high in [o["bootstrap"]["intervals"]["side"]["expected_profit"]])'
    cp out first
    ballast 0 eval run --bootstrap 100 --json
    cmp -s first out || fail 'other intervals for the same rows'
    ballast 0 eval run --bootstrap 120
    says out 'side, 95 % intervals of 120 resamples'
    json first 'o["bootstrap"]["unit"] == "rows" and o["bootstrap"]["block"] == 1'
    grep -Eq '^  expected_profit +-?[0-9.]+   -?[0-9.]+ to -?[0-9.]+$' out || fail 'no interval'
    ballast 0 eval run
    grep -q resamples out && fail 'intervals that nobody asked for'
    refused 2 '--bootstrap wants a number from 100' eval run --bootstrap 99
    refused 2 '--block wants a number from 1' eval run --bootstrap 100 --block 0
    refused 2 'give --bootstrap' eval run --block 5
}

run_cases eval_of_a_run eval_of_a_model_file_and_of_other_rows eval_takes_files_of_any_name names_do_not_command_the_terminal \
    eval_refuses_labels_it_does_not_know \
    predict_gives_the_classes_that_eval_counted predict_takes_rows_in_every_form \
    names_that_are_numbers predict_writes_arrays_that_can_be_trained_on several_heads_have_their_names_in_front \
    every_head_has_figures_of_its_own intervals_on_request missing_values_are_refused_or_filled \
    predict_keeps_its_input predict_refuses_what_does_not_fit
