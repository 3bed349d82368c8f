# What the tests of the program share; read by each with `. harness.sh`.
#
# A test is a list of functions; each runs in a subshell in an empty folder of its own, with the
# program at hand as `ballast CODE WORDS…`. The last line is one that tools/test.sh counts.
set -u
export LC_ALL=C.UTF-8 TERM=dumb
unset NO_COLOR BALLAST_DATA

program=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
recipes=$(realpath "$here/../../recipes")
scratch=$(mktemp -d)
trap 'cd /; umount "$scratch"/*/small 2>/dev/null; rm -rf "$scratch"' EXIT

show() { # FILE: what it holds, as part of a failure
    [ -s "$1" ] && sed "s/^/    $1| /" "$1" | head -n 20 >&2
}

fail() {
    echo "    $*" >&2
    show out
    show err
    exit 1
}

skip() {
    echo "    skipped: $*" >&2
    exit 77
}

# Run the program; its exit code must be CODE. Output goes to the files out and err.
ballast() { # CODE WORDS…
    wanted=$1
    shift
    code=0
    "$program" "$@" >out 2>err || code=$?
    [ "$code" -eq "$wanted" ] || fail "ballast $*: exit $code, wanted $wanted"
}

# A failure is told in one line on standard error, with nothing on standard output.
refused() { # CODE TEXT WORDS…
    wanted=$1
    text=$2
    shift 2
    ballast "$wanted" "$@"
    says err "$text"
    grep -c '^ballast' err | grep -qx 1 || fail "ballast $*: one line beginning with 'ballast' wanted"
}

says() { # FILE TEXT, to the letter
    grep -qF -e "$2" "$1" || fail "$1 does not say: $2"
}

never_says() {
    ! grep -qF -e "$2" "$1" || fail "$1 says: $2"
}

# The file is one JSON object in one line; PYTHON, over the object as `o`, must be true (where there
# is a Python; elsewhere only the outline is looked at).
json() { # FILE PYTHON
    [ "$(wc -l <"$1")" -eq 1 ] && grep -q '^{.*}$' "$1" || fail "$1 is not one JSON object"
    command -v python3 >/dev/null || return 0
    python3 -c 'import json, math, re, sys
o = json.load(open(sys.argv[1]))
if not eval(sys.argv[2]):
    sys.exit("not so: " + sys.argv[2])' "$1" "$2" || fail "$1 is not as expected"
}

# Rows that are easy to tell apart: the class is where the largest of three numbers stands.
make_rows() { # ROWS [SEED]: CSV on standard output
    awk -v rows="$1" -v seed="${2:-1}" 'BEGIN {
        srand(seed)
        print "id,a,b,c,label"
        for (row = 1; row <= rows; row++) {
            a = rand(); b = rand(); c = rand()
            label = a > b ? (a > c ? "red" : "blue") : (b > c ? "green" : "blue")
            printf "%d,%.4f,%.4f,%.4f,%s\n", row, a, b, c, label
        }
    }'
}

make_recipe() { # [LINES for the end]: recipe.yaml for rows.csv
    cat >recipe.yaml <<'END'
name: small
data: {kind: csv, path: rows.csv, target: label, ignore: id}
model: {kind: mlp, hidden: [16]}
heads: [{name: label, kind: classes}]
optimizer: {kind: adam, lr: 2.0e-2}
train: {epochs: 12, batch_size: 16}
report: {plots: false}
END
    for line in "$@"; do echo "$line" >>recipe.yaml; done
}

# A run to look at, in the folder `run`.
make_run() { # WORDS for train…
    make_rows 200 >rows.csv
    make_recipe
    ballast 0 train recipe.yaml --run run --threads 1 "$@"
}

run_cases() { # NAMES…
    passed=0 failed=0 skipped=0
    for name in "$@"; do
        mkdir -p "$scratch/$name"
        status=0
        (cd "$scratch/$name" && "$name") || status=$?
        case $status in
        0) passed=$((passed + 1)) && echo "ok       $name" ;;
        77) skipped=$((skipped + 1)) && echo "skipped  $name" ;;
        *) failed=$((failed + 1)) && echo "FAILED   $name" ;;
        esac
    done
    echo "[  PASSED  ] $passed test(s)."
    [ "$skipped" -eq 0 ] || echo "[  SKIPPED ] $skipped test(s)."
    [ "$failed" -eq 0 ] || echo "[  FAILED  ] $failed test(s)."
    [ "$failed" -eq 0 ]
}
