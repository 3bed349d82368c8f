#!/bin/sh
# The house rules that a machine can check.
#   tidy.sh RULE SOURCE [BUILD]
# Prints 'file:line: what is wrong' per violation and fails when there is one.
set -u
export LC_ALL=C

rule=$1
source=$2
build=${3:-}
cd "$source" || exit 2

# Folders of src/, bottom to top. A folder uses those on lines above its own; those on one line do
# not use each other. 'not' lines: pairs that the order would allow.
layers='
base
tensor
format
graph
ops
backend
nn
loss metric optim
data
guard
recipe
train
check
report
api
'
not='graph:format ops:format backend:format nn:format'

# Files of the project (in a git checkout: also new ones, unless ignored), by shell pattern.
project_files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -co --exclude-standard
    else
        find . -name .git -prune -o -name 'build*' -type d -prune -o -path ./runs -prune -o \
            -type f -print | sed 's,^\./,,'
    fi | grep -E "$1" | while read -r file; do [ -f "$file" ] && echo "$file"; done | sort
}

sources='^(src|include|cli|tests|bench|examples)/.*\.[ch]$'
if [ -z "$(project_files "$sources")" ]; then
    echo "tidy.sh: no source files below $source" >&2
    exit 2
fi

# Comments, strings and character constants blanked out, lines kept: "file:line:text".
code_of() {
    awk '
    FNR == 1 { inside = 0 }
    {
        rest = $0; code = ""
        while (rest != "") {
            if (inside) {
                at = index(rest, "*/")
                if (!at) break
                rest = substr(rest, at + 2); inside = 0
                continue
            }
            if (!match(rest, /\/\*|\/\/|"|\047/)) { code = code rest; break }
            code = code substr(rest, 1, RSTART - 1) " "
            opener = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            if (opener == "//") break
            if (opener == "/*") { inside = 1; continue }
            pattern = opener == "\"" ? "^([^\"\\\\]|\\\\.)*\"" : "^([^\047\\\\]|\\\\.)*\047"
            if (!match(rest, pattern)) break
            rest = substr(rest, RLENGTH + 1)
        }
        if (code ~ /[^ ]/) print FILENAME ":" FNR ":" code
    }' "$@" /dev/null
}

check_layers() {
    awk -v layers="$layers" -v not="$not" '
    BEGIN {
        lines = split(layers, line, "\n")
        for (i = 1; i <= lines; i++) {
            count = split(line[i], name, " ")
            for (j = 1; j <= count; j++) level[name[j]] = i
        }
        count = split(not, pair, " ")
        for (i = 1; i <= count; i++) denied[pair[i]] = 1
    }
    function complain(text) { print FILENAME ":" FNR ": " text }
    FNR == 1 {
        split(FILENAME, part, "/"); own = part[2]
        if (!(own in level)) complain("folder src/" own " has no place among the layers of tidy.sh")
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        split($0, part, "\""); path = part[2]
        if (path ~ /^ballast\//) {
            if (own != "api" && path != "ballast/status.h") complain("only src/api may include " path)
            next
        }
        if (path !~ /\//) { complain("write \"" own "/" path "\", from src/"); next }
        used = path; sub(/\/.*/, "", used)
        if (used == own) next
        if (!(used in level)) complain("no such layer: " path)
        else if (level[used] >= level[own] || (own ":" used) in denied)
            complain("src/" own " may not use " path)
    }' $(project_files '^src/[a-z_]+/.*\.[ch]$') /dev/null
}

check_names() {
    project_files "$sources" | awk '
    {
        name = $0; sub(/.*\//, "", name)
        if (name in first) print $0 ":1: same name as " first[name]
        else first[name] = $0
        if ($0 !~ /^[a-z0-9_\/]+\.[ch]$/) print $0 ":1: file names are lower case letters, digits and _"
    }'
}

# tests/golden holds tables that scripts wrote; nobody reads those from top to bottom.
check_size() {
    awk '
    FNR == 1001 { print FILENAME ":1001: at most 1000 lines; make it two files" }
    {
        line = $0
        gsub(/[\200-\277]/, "", line) # count characters, not bytes
        if (length(line) > 100) print FILENAME ":" FNR ": " length(line) " columns (at most 100)"
    }' $(project_files "$sources" | grep -v '^tests/golden/') /dev/null
}

check_text() {
    # Brackets keep these patterns from finding themselves.
    awk '
    function complain(text) { print FILENAME ":" FNR ": " text }
    /[ \t]$/ { complain("white space at the end") }
    /(^|[^A-Za-z0-9_])(TO[D]O|FIX[M]E|X[X]X)([^A-Za-z0-9_]|$)/ { complain("unfinished") }
    /(^|[^A-Za-z0-9_.-])\/(w[o]rk|r[o]ot)(\/|[^A-Za-z0-9_\/-]|$)/ {
        complain("path of one particular machine")
    }
    FILENAME ~ /\.[ch]$/ {
        if (index($0, "\t")) complain("tab")
        if (FNR == 1 && $0 !~ /^\/\*/) complain("should open with a comment: what it is, why so")
    }' $(project_files '\.([ch]|sh|py|md|build)$|(^|/)Makefile$|^\.ci/run$' | grep -v '/corpus/') /dev/null
}

# $1: functions separated by |; $2: why not; standard input: files.
complain_about_calls() {
    files=$(cat)
    [ -n "$files" ] || return 0
    # The character before keeps my_printf() and thing->exit() out.
    code_of $files | grep -E "^[^:]*:[0-9]*:(.*[^A-Za-z0-9_.>])?($1)[ ]*\(" |
        sed -E "s/^([^:]*:[0-9]*):(.*[^A-Za-z0-9_.>])?($1)[ ]*\(.*/\1: \3(): $2/"
}

check_calls() {
    project_files "$sources" |
        complain_about_calls 'strcpy|stpcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|scanf' \
            'unsafe or without error reporting'
    project_files '^src/.*\.[ch]$' |
        complain_about_calls 'printf|vprintf|fprintf|vfprintf|puts|fputs|putchar|fputc|perror' \
            'the library never prints'
    project_files '^src/.*\.[ch]$' |
        complain_about_calls 'exit|_exit|_Exit|quick_exit|abort' \
            'the library never ends the program'
    project_files '^src/.*\.[ch]$' | grep -v '^src/base/memory\.c$' |
        complain_about_calls \
            'malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|vasprintf|aligned_alloc' \
            'allocate through base\/memory.h'
    project_files '^src/.*\.[ch]$' |
        complain_about_calls 'rand|srand|random|drand48|setlocale|system|popen' \
            'hidden global state or a shell'
}

# Where libraries that our headers include live.
packages=$(pkg-config --cflags cairo jansson 2>/dev/null || true)

# A header twice in a file of its own: it brings what it needs and is guarded.
compile_header() { # file, folder it is included from, compiler and flags
    header=${1#"$2/"}
    path=$1
    folder=$2
    shift 2
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        "$@" "-I$folder" $packages -fsyntax-only -Wall -Wextra -Wno-unused-parameter \
            -Wno-unused-function -Werror - >"$messages" 2>&1 && return
    echo "$path:1: does not compile on its own with $1"
    grep -m 3 'error' "$messages" | sed 's/^/    /'
}

check_headers() {
    messages=$(mktemp)
    trap 'rm -f "$messages"' EXIT
    for file in $(project_files '^src/.*\.h$'); do
        compile_header "$file" src ${CC:-cc} -x c -std=c11 -D_GNU_SOURCE -Iinclude
    done
    for file in $(project_files '^include/.*\.h$'); do
        compile_header "$file" include ${CC:-cc} -x c -std=c11 -Wpedantic
        if command -v g++ >/dev/null; then
            compile_header "$file" include g++ -x c++ -std=c++11 -Wpedantic
        fi
    done
}

# Every global symbol of the libraries. Names that start with __ belong to the compiler (sanitizers).
check_symbols() {
    libraries=$(find "$build" -path "$build/tests" -prune -o \
        \( -name 'libbal*.a' -o -name 'libballast*.so' \) -print | sort)
    if [ -z "$libraries" ]; then
        echo "$build:1: no libraries to look at; build first"
        return
    fi
    for library in $libraries; do
        case $library in *.so) table=-D ;; *) table= ;; esac
        nm $table -A -g --defined-only "$library" | awk '
        NF >= 3 && $NF !~ /^(bal_|__)/ {
            place = $1; sub(/:[^:]*$/, "", place)
            print place ":1: global symbol " $NF " does not start with bal_"
        }'
    done
}

case $rule in
layers | names | size | text | calls | headers | symbols) ;;
*)
    echo "tidy.sh: no rule '$rule'" >&2
    exit 2
    ;;
esac
violations=$("check_$rule")
[ -z "$violations" ] && exit 0
printf '%s\n' "$violations"
echo "tidy: $(printf '%s\n' "$violations" | grep -c '^[^ ]') violation(s) of rule '$rule'" >&2
exit 1
