#!/bin/sh
# Does tidy.sh see what it should? A small clean tree passes every rule; then each kind of violation
# is planted alone and must be found, at its place, by its rule.
#   test_tidy.sh TIDY
set -u

tidy=$1
compiler=${CC:-cc}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/tree
failures=0

fresh_tree() {
    rm -rf "$tree"
    mkdir -p "$tree/src/base" "$tree/src/graph" "$tree/src/ops" "$tree/tests" \
        "$tree/include/ballast" "$tree/out"
    cat >"$tree/include/ballast/status.h" <<'END'
/* Public. */
#ifndef STATUS_H
#define STATUS_H
typedef enum bal_status { BAL_OK } bal_status;
#endif
END
    cat >"$tree/src/base/ground.h" <<'END'
/* Header. */
#ifndef GROUND_H
#define GROUND_H
#include "ballast/status.h"
bal_status bal_ground(const char *text);
#endif
END
    cat >"$tree/src/base/ground.c" <<'END'
/* Source: never calls printf("...") or exit(1); words in comments and strings do not count. */
#include "base/ground.h"

static int helper(void) { return '"' + '\''; }

bal_status bal_ground(const char *text) { // not exit(2) either
    const char *said = "do not abort() or \"sprintf(\" here";
    return text == said && helper() ? BAL_OK : BAL_OK;
}
END
    cat >"$tree/src/graph/node.h" <<'END'
/* Higher up: é counts as one column, in bytes this is too long ééééééééééééééééééééééééééééééé. */
#ifndef NODE_H
#define NODE_H
#include "base/ground.h"
typedef struct bal_node { bal_status status; } bal_node;
#endif
END
}

build_tree() {
    for file in "$tree"/src/*/*.c; do
        $compiler -w -I"$tree/include" -I"$tree/src" -c "$file" -o "$tree/out/one.o" || exit 2
    done
    ar rcs "$tree/out/libbal_base.a" "$tree/out/one.o"
}

# name of the case, rule, what the message must contain ('' for: must pass)
expect() {
    found=$("$tidy" "$2" "$tree" "$tree/out" 2>&1)
    status=$?
    if [ -z "$3" ]; then
        [ $status -eq 0 ] && return
        echo "FAILED: $1: rule $2 complains about a clean tree: $found"
    else
        case $found in
        *"$3"*) [ $status -eq 1 ] && return ;;
        esac
        echo "FAILED: $1: rule $2 gave status $status and: $found"
    fi
    failures=$((failures + 1))
}

# file, line to append after a fresh start; then as expect
plant() {
    fresh_tree
    printf '%s\n' "$2" >>"$tree/$1"
    expect "$2" "$3" "$4"
}

fresh_tree
build_tree
for rule in layers names size text calls headers symbols; do expect clean $rule ''; done

plant src/base/ground.c '#include "graph/node.h"' layers 'src/base/ground.c:10: src/base may not use graph/node.h'
plant src/graph/node.h '#include "ops/op.h"' layers 'src/graph may not use ops/op.h'
plant src/graph/node.h '#include "format/json.h"' layers 'src/graph may not use format/json.h'
plant src/graph/node.h '#include "node.h"' layers 'write "graph/node.h"'
plant src/graph/node.h '#include "attic/old.h"' layers 'no such layer: attic/old.h'
plant src/base/ground.c '#include "ballast/model.h"' layers 'only src/api may include ballast/model.h'
fresh_tree
mkdir "$tree/src/loss" "$tree/src/metric" "$tree/src/attic"
printf '/* x */\n#include "metric/metric.h"\n' >"$tree/src/loss/loss.c"
expect 'siblings' layers 'src/loss/loss.c:2: src/loss may not use metric/metric.h'
echo '/* x */' >"$tree/src/attic/old.c"
expect 'unknown folder' layers 'src/attic has no place'

fresh_tree
cp "$tree/src/base/ground.h" "$tree/src/ops/ground.h"
expect 'two of one name' names 'src/ops/ground.h:1: same name as src/base/ground.h'
fresh_tree
echo '/* x */' >"$tree/src/ops/CamelCase.c"
expect 'capital letters' names 'src/ops/CamelCase.c:1: file names are lower case'

fresh_tree
awk 'BEGIN { print "/* x */"; for (i = 0; i < 999; i++) print "" }' >"$tree/src/ops/long.c"
expect '1000 lines' size ''
echo >>"$tree/src/ops/long.c"
expect '1001 lines' size 'src/ops/long.c:1001: at most 1000 lines'
hundred=$(awk 'BEGIN { for (i = 0; i < 97; i++) printf "x"; print "é;" }')
plant src/base/ground.c "//$hundred" size 'src/base/ground.c:10: 101 columns'
plant src/base/ground.c "/$hundred" size ''

plant src/base/ground.c 'int x; ' text 'src/base/ground.c:10: white space at the end'
plant src/base/ground.c "$(printf '\tint x;')" text 'tab'
plant src/base/ground.c "/* TO""DO: later */" text 'src/base/ground.c:10: unfinished'
plant src/base/ground.h "/* FIX""ME */" text 'unfinished'
plant README.md "built in /wo""rk/main" text 'README.md:1: path of one particular machine'
plant tools.sh "cd /ro""ot" text 'path of one particular machine'
plant src/base/ground.c '/* see frame/work/a.c and net/work */' text ''
plant src/ops/bare.c 'int bal_x;' text 'src/ops/bare.c:1: should open with a comment'

for call in strcpy strcat sprintf gets atoi strtok printf fprintf puts exit abort malloc strdup; do
    plant src/base/ground.c "void bal_x(void) { $call(y); }" calls "src/base/ground.c:10: $call(): "
done
plant src/base/ground.c '    exit (1);' calls 'exit(): the library never ends the program'
plant src/base/ground.c 'void bal_x(void) { snprintf(y); bal_exit(1); p->exit(); q.abort(); }' calls ''
plant tests/test_x.c '/* x */ void f(void) { printf("fine here"); exit(0); }' calls ''
plant src/base/memory.c '/* the one place */ void *bal_x(void) { return malloc(1); }' calls ''

plant src/graph/node.h 'bal_status bal_node_use(size_t count);' headers 'src/graph/node.h:1: does not compile'
fresh_tree
printf '/* x */\ntypedef struct bal_twice { int x; } bal_twice;\n' >"$tree/src/ops/twice.h"
expect 'unguarded header' headers 'src/ops/twice.h:1: does not compile'
plant include/ballast/status.h '#include "base/ground.h"' headers 'include/ballast/status.h:1: does not compile'
if command -v g++ >/dev/null; then
    plant include/ballast/status.h 'int bal_new(int class);' headers 'does not compile on its own with g++'
fi

fresh_tree
echo 'int helper_made_global(void) { return 1; }' >>"$tree/src/base/ground.c"
build_tree
expect 'stray symbol' symbols 'global symbol helper_made_global does not start with bal_'
fresh_tree
expect 'nothing built' symbols 'build first'
rm -rf "$tree/src" "$tree/include"
"$tidy" size "$tree" >/dev/null 2>&1
[ $? -eq 2 ] || { echo 'FAILED: an empty tree passes'; failures=$((failures + 1)); }

echo "tidy: $failures case(s) failed"
[ $failures -eq 0 ]
