#!/bin/sh
# Install to a temporary place, then build and run the examples against what was installed, found by
# pkg-config: test_install.sh BUILD SOURCE…
set -eu
build=$1
shift
recipe=$(cd "$(dirname "$0")" && pwd)/small.yaml
command -v pkg-config >/dev/null || exit 77 # skipped
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

meson install -C "$build" --no-rebuild --destdir "$root" >"$root/log" 2>&1 ||
    { cat "$root/log" >&2; fail 'meson install'; }
pc=$(find "$root" -name ballast.pc)
[ -f "$pc" ] || fail 'no ballast.pc'
PKG_CONFIG_LIBDIR=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
prefix=$root$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=prefix ballast)
libdir=$root$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=libdir ballast)
[ -n "$(pkg-config --modversion ballast)" ] || fail 'pkg-config does not know a version'

for file in bin/ballast include/ballast/ballast.h include/ballast/status.h \
    share/ballast/recipes/sign-landmarks/recipe.yaml share/doc/ballast/RECIPE.md; do
    [ -f "$prefix/$file" ] || fail "not installed: $file"
done

export LD_LIBRARY_PATH="$libdir"
cd "$root"
for source in "$@"; do
    ${CC:-cc} -std=c11 -Wall -Wextra -Werror "$source" $(pkg-config --cflags --libs ballast) \
        -o "$root/$(basename "$source" .c)" || fail "building $source"
done
./train_with_callbacks "$recipe" train.epochs=1 >trained || fail 'train_with_callbacks'
model=$(sed -n 's/^model //p' trained)
awk 'BEGIN { for (i = 0; i < 126; i++) print sin(i) }' | ./predict_matrix "$model" >answers ||
    fail 'predict_matrix'
grep -q '^1: sign_' answers || fail 'no answer'

# The installed program needs nothing of the build folder.
"$prefix/bin/ballast" version | grep -qx "ballast $(pkg-config --modversion ballast)" ||
    fail 'the installed program is of another version'
