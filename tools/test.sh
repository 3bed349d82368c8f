#!/bin/sh
# Run the tests and end with a line 'N passed, N failed' (and ', N skipped' when some were).
#   tools/test.sh BUILD [options of meson test]
# Where a test program is a cmocka group its cases are counted one by one, else it counts as one.
# The last line is also kept in BUILD/test-summary.txt. Exit status 0 only when nothing failed.
set -u

build=$1
shift
log=$build/meson-logs/testlog.json
rm -f "$log" "$build/test-summary.txt"

meson test -C "$build" --no-rebuild --print-errorlogs --timeout-multiplier 4 "$@"
status=$?
if [ ! -f "$log" ]; then
    echo '0 passed, 1 failed' | tee "$build/test-summary.txt"
    exit 1
fi

# One line of JSON per test program. cmocka closes a group with "[  PASSED  ] 7 test(s)"; a program
# that crashed or was stopped closes nothing, and then its result says that it failed.
LC_ALL=C awk '
    function closing(word,    rest, sum) {
        rest = $0
        while (match(rest, "\\[  " word " *\\] [0-9]+ test")) {
            sum += substr(rest, RSTART + 13, RLENGTH - 18)
            rest = substr(rest, RSTART + RLENGTH)
        }
        return sum + 0
    }
    function result(wanted) {
        return index($0, "\"result\": \"" wanted "\"") > 0
    }
    {
        good = result("OK") || result("EXPECTEDFAIL")
        left_out = result("SKIP")
        p = closing("PASSED"); f = closing("FAILED"); s = closing("SKIPPED")
        if (good && f > 0) { p += f; f = 0 } # a group that is meant to fail
        if (good && p + s == 0) p = 1
        if (left_out && s == 0) s = 1
        if (!good && !left_out && f == 0) f = 1
        passed += p; failed += f; skipped += s
    }
    END {
        printf "%d passed, %d failed", passed, failed
        if (skipped) printf ", %d skipped", skipped
        print ""
        exit failed > 0
    }' "$log" >"$build/test-summary.txt" || status=1
cat "$build/test-summary.txt"
[ "$status" -eq 0 ]
