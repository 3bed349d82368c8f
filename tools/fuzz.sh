#!/bin/sh
# Fuzz the readers of outside formats with libFuzzer, AddressSanitizer and UBSan (needs clang).
#
#   tools/fuzz.sh                       every reader, 5,000,000 inputs each
#   tools/fuzz.sh -runs=100000 npy csv  these readers, so many inputs each
#
# Everything is kept in build-fuzz/: the programs, the corpus grown so far (seeded from
# tests/fuzz/corpus) and, after a failure, the input that failed. Prints each run's last lines and
# ends with status 1 when a reader failed. A failing input that has been understood belongs into
# tests/fuzz/corpus/READER, where the normal tests replay it.
set -eu

cd "$(dirname "$0")/.."
runs=5000000
readers=
for argument in "$@"; do
    case $argument in
    -runs=*) runs=${argument#-runs=} ;;
    -*)
        echo "usage: tools/fuzz.sh [-runs=N] [READER ...]" >&2
        exit 2
        ;;
    *) readers="$readers $argument" ;;
    esac
done
if [ -z "$readers" ]; then
    for harness in tests/fuzz/fuzz_*.c; do
        reader=${harness#tests/fuzz/fuzz_}
        readers="$readers ${reader%.c}"
    done
fi

if [ ! -f build-fuzz/build.ninja ]; then
    CC=clang meson setup build-fuzz -Dfuzz=true -Db_lundef=false >build-fuzz.log 2>&1 || {
        cat build-fuzz.log >&2
        exit 1
    }
    rm -f build-fuzz.log
fi

failed=0
for reader in $readers; do
    ninja -C build-fuzz "tests/fuzz/fuzz_$reader" >build-fuzz/ninja.log || {
        cat build-fuzz/ninja.log >&2
        exit 1
    }
    corpus=build-fuzz/corpus/$reader
    log=build-fuzz/fuzz_$reader.log
    longest=512
    [ "$reader" != model ] || longest=4096 # the smallest model has a thousand bytes
    mkdir -p "$corpus"
    echo "== $reader"
    "build-fuzz/tests/fuzz/fuzz_$reader" -runs="$runs" -max_len="$longest" -timeout=10 \
        -close_fd_mask=3 -artifact_prefix="build-fuzz/$reader-" \
        "$corpus" "tests/fuzz/corpus/$reader" \
        >"$log" 2>&1 || failed=1
    grep -E '^(#[0-9]+[[:space:]]+DONE|Done |==[0-9]+==|SUMMARY|artifact_prefix)' "$log" || tail -5 "$log"
done
exit $failed
