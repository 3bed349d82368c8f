#!/bin/sh
# Run the example programs: test_examples.sh TRAIN PREDICT
set -eu
train=$(realpath "$1")
predict=$(realpath "$2")
recipe=$(cd "$(dirname "$0")" && pwd)/small.yaml
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

"$train" "$recipe" train.epochs=4 >log || fail "training: exit $?"
cat log
[ "$(grep -c '^epoch ' log)" -eq 4 ] || fail 'one line per epoch wanted'
grep -q '^4 evaluations, 0 incidents, 0 rollbacks$' log || fail 'no closing line'
model=$(sed -n 's/^model //p' log)
[ -f "$model" ] || fail "no model '$model'"

# Two rows of 126 numbers each.
awk 'BEGIN { for (i = 0; i < 252; i++) printf "%.3f%s", sin(i), (i % 126 == 125) ? "\n" : "," }' >rows
"$predict" "$model" <rows >answers || fail "predicting: exit $?"
cat answers
grep -q '^small: 126 features, head .label. with 4 classes$' answers || fail 'facts of the model'
[ "$(grep -c '^[12]: sign_00[0-3], probability [01]\.[0-9]*, entropy ' answers)" -eq 2 ] ||
    fail 'two answers wanted'

# Wrong use is told apart from failure.
status=0
head -c 20 rows | "$predict" "$model" >/dev/null 2>messages || status=$?
[ "$status" -eq 2 ] || fail "a broken row: exit $status"
status=0
"$predict" "$recipe" </dev/null >/dev/null 2>messages || status=$?
[ "$status" -eq 1 ] || fail "no model file: exit $status"
grep -q small.yaml messages || fail 'the message does not name the file'
