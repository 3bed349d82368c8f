#!/bin/sh
# Input that cannot be used: one clear line each, 2 for recipes, 3 for data, no run left behind.
. "$(dirname "$0")/harness.sh"

setup() {
    make_rows 120 >rows.csv
    make_recipe
}

refused_data() { # TEXT…: all of them in the message
    refused 3 "$1" train recipe.yaml --run run --threads 1
    for text in "$@"; do says err "$text"; done
    [ ! -e run ] || fail 'a run folder was claimed for nothing'
}

text_among_numbers() {
    setup
    sed -i '17s/^\([^,]*\),[^,]*/\1,0.5x/' rows.csv
    refused_data 'rows.csv:17' 'row 16' "'a'" '0.5x'
}

text_in_a_column_of_text() {
    setup
    sed -i 's/^\([0-9]*\),[^,]*/\1,word/' rows.csv
    refused_data "'a'" 'word' 'data.ignore'
}

decimal_commas() {
    setup
    sed -i -e 's/,/;/g' -e 's/\./,/g' rows.csv
    refused_data "rows.csv:2: row 1, column 'a'" '120 of 120 cells' 'write decimal fractions with a point'
}

missing_and_infinite_features() {
    setup
    sed '9s/^\([^,]*\),[^,]*/\1,/' rows.csv >holes.csv
    for cell in '' nan NaN NA inf -inf 1e99; do
        sed "9s/^\\([^,]*\\),[^,]*/\\1,$cell/" rows.csv >broken.csv
        refused 3 'broken.csv:9: row 8' train recipe.yaml data.path=broken.csv --run run
        says err "'a'"
    done
    ballast 0 train recipe.yaml data.path=holes.csv data.missing=mean --run run --threads 1
}

one_class_only() {
    setup
    { head -n 1 rows.csv; grep red rows.csv; } >red.csv && mv red.csv rows.csv
    refused_data 'one class' "'label'"
}

# Sorted by class and split in order: the training rows lack what the others hold.
classes_without_training_rows() {
    setup
    { head -n 1 rows.csv && tail -n +2 rows.csv | sort -t, -k5,5; } >sorted.csv
    mv sorted.csv rows.csv
    split='{kind: sequential, train: 0.2, val: 0.4}'
    sed -i "s/target: label,/target: label, split: $split,/" recipe.yaml
    refused_data "head 'label'" 'the training rows hold one class only'
    sed -i 's/train: 0.2, val: 0.4/train: 0.5, val: 0.25/' recipe.yaml
    sed -i 's/kind: classes}/kind: classes, class_weights: balanced}/' recipe.yaml
    refused_data "class 'red' (id 2) has no training rows"
}

labels_that_are_not_in_the_list() {
    setup
    line=$(grep -n -m 1 blue rows.csv | cut -d: -f1)
    sed -i 's/kind: classes}/kind: classes, classes: [red, green]}/' recipe.yaml
    refused_data "rows.csv:$line: row $((line - 1)), column 'label'" "'blue'" 'data.unknown: skip'
    ballast 0 train recipe.yaml data.unknown=skip --run run --threads 1
}

no_rows() {
    setup
    head -n 1 rows.csv >none.csv && mv none.csv rows.csv
    refused_data 'rows.csv' 'no rows'
    : >rows.csv
    refused_data 'rows.csv'
}

too_few_rows() {
    setup
    head -n 2 rows.csv >few.csv && mv few.csv rows.csv
    refused_data 'class'
}

duplicate_names() {
    setup
    sed -i '1s/b/a/' rows.csv
    refused_data 'rows.csv:1' "'a'"
}

columns_that_are_not_there() {
    setup
    refused 3 "did you mean 'label'" train recipe.yaml data.target=labels --run run
    sed 's/ignore: id}/ignore: id, split: {train: 1, val: 0, test: 0}}/' recipe.yaml >unwatched.yaml
    refused 2 'unwatched.yaml:2:69: data.split.val is 0' train unwatched.yaml --run run
    refused 3 "did you mean 'id'" train recipe.yaml data.ignore=idd --run run
    refused 3 "'nonsense'" train recipe.yaml 'data.features=[a, nonsense]' --run run
}

rows_of_different_length() {
    setup
    echo '1,2,3' >>rows.csv
    refused_data 'rows.csv:122'
}

labels_that_are_no_classes() {
    setup
    sed -i '2,$s/,[a-z]*$/,1.5/' rows.csv
    refused_data '1.5'
}

files_that_are_something_else() {
    setup
    head -c 4096 /dev/urandom >rows.csv
    refused_data 'rows.csv'
    printf 'PK\003\004 broken' >rows.npz
    refused 3 'rows.npz' train recipe.yaml data.kind=npz data.path=rows.npz data.features=X \
        data.ignore= --run run
    rm rows.csv
    refused_data 'rows.csv does not exist'
    mkdir rows.csv
    refused_data 'rows.csv'
}

misspelt_keys() {
    setup
    sed -i 's/train: {epochs/train: {epocs/' recipe.yaml
    refused 2 'recipe.yaml:6:9' train recipe.yaml --run run
    says err 'epocs'
    says err "did you mean 'epochs'"
    setup
    sed -i 's/kind: mlp/kind: mpl/' recipe.yaml
    refused 2 "did you mean 'mlp'" train recipe.yaml --run run
    says err 'recipe.yaml:3:'
    setup
    refused 2 "did you mean 'lr'" train recipe.yaml optimizer.lrr=1 --run run
    says err 'command line: optimizer.lrr=1'
    refused 2 'KEY=VALUE' train recipe.yaml epochs --run run
    [ ! -e run ] || fail 'a run folder was claimed for nothing'
}

recipes_that_make_no_sense() {
    setup
    refused 2 'epochs' train recipe.yaml train.epochs=0 --run run
    refused 2 'batch_size' train recipe.yaml train.batch_size=half --run run
    refused 2 'monitor' train recipe.yaml monitor=val.nobody.macro_f1 --run run
    refused 2 'split' train recipe.yaml data.split.train=0.9 data.split.val=0.9 --run run
    echo 'data: [' >broken.yaml
    refused 2 'broken.yaml:' train broken.yaml
    : >empty.yaml
    refused 2 'empty.yaml' train empty.yaml
    head -c 1000 /dev/urandom >noise.yaml
    refused 2 'noise.yaml' train noise.yaml
    refused 2 '.' train .
}

weights_for_no_class() {
    setup
    refused 2 'violet' train recipe.yaml --run run \
        'heads.label.class_weights={kind: explicit, values: {violet: 2.0}}'
    says err 'violet: 2.0}}: class_weights of head'
}

# Which classes and weights there are shows only when the data are read; the place is told all the same.
names_that_only_the_data_know() {
    setup
    printf '%s\n' 'guard:' '  rules: ["val.label.recall[violet] < 0.1 -> stop"]' >>recipe.yaml
    refused 2 "recipe.yaml:9:11: guard.rules: head 'label' has no class 'violet'" \
        train recipe.yaml --run run
    make_recipe 'monitor: val.label.recall[violet]'
    refused 2 "recipe.yaml:8:10: monitor: head 'label' has no class 'violet'" train recipe.yaml --run run
    make_recipe 'schedule: {kind: plateau, monitor: "val.label.recall[violet]"}'
    refused 2 'recipe.yaml:8:11: schedule.monitor' train recipe.yaml --run run
    make_recipe
    sed -i 's/ignore: id}/ignore: id, drop_classes: [red, violet]}/' recipe.yaml
    refused 2 'recipe.yaml:2:76: data.drop_classes' train recipe.yaml --run run
    make_recipe
    sed -i 's/hidden: .16./&, freeze: ["trunk.*"]/' recipe.yaml
    refused 2 'recipe.yaml:3:42: model.freeze' train recipe.yaml --run run
    make_recipe
    sed -i 's/hidden: .16./&, init_from: nowhere/' recipe.yaml
    refused 2 'recipe.yaml:3:45: model.init_from' train recipe.yaml --run run
    make_recipe
    sed -i 's/lr: 2.0e-2/&, groups: [{match: "trunk.*", lr: 1.0}]/' recipe.yaml
    refused 2 'recipe.yaml:5:46: optimizer.groups' train recipe.yaml --run run
    [ ! -e run ] || fail 'a run folder was claimed for nothing'
}

targets_that_are_no_numbers() {
    setup
    make_recipe
    sed -i -e 's/target: label/target: c/' -e 's/kind: classes/kind: value/' -e 's/ignore: id/ignore: [id, label]/' \
        recipe.yaml
    cp rows.csv whole.csv
    for cell in inf 1e39 1e300 -inf; do
        sed "9s/^\\([^,]*,[^,]*,[^,]*\\),[^,]*/\\1,$cell/" whole.csv >rows.csv
        refused_data 'rows.csv:9: row 8' "column 'c'" 'too large'
    done
    sed '9s/^\([^,]*,[^,]*,[^,]*\),[^,]*/\1,many/' whole.csv >rows.csv
    refused_data 'rows.csv:9: row 8' "column 'c'" "'many'"
}

rows_without_a_label_are_told() {
    setup
    sed -i '2,11s/,[a-z]*$/,/' rows.csv
    ballast 0 train recipe.yaml train.epochs=1 --run run --threads 1
    says out "head 'label': 10 of 120 rows have no label"
}

run_cases text_among_numbers text_in_a_column_of_text decimal_commas \
    missing_and_infinite_features one_class_only \
    classes_without_training_rows labels_that_are_not_in_the_list no_rows too_few_rows \
    duplicate_names columns_that_are_not_there rows_of_different_length \
    labels_that_are_no_classes files_that_are_something_else misspelt_keys \
    recipes_that_make_no_sense weights_for_no_class names_that_only_the_data_know \
    targets_that_are_no_numbers rows_without_a_label_are_told
