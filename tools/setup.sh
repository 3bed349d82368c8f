#!/bin/sh
# Install the Debian packages that building and testing need; `setup.sh bench` also what the benchmark
# compares with. Says what it installs; does nothing, quickly, when all are there. What each package
# is for: docs/DEPENDENCIES.md.
set -eu

packages="gcc g++ libc6-dev meson ninja-build pkg-config
libfyaml-dev libjansson-dev zlib1g-dev libzip-dev nettle-dev libsqlite3-dev
libcairo2-dev libcmocka-dev"
[ "${1-}" != bench ] || packages="$packages libdnnl2"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "setup: not a Debian system; nothing installed. Needed are what Debian calls:" $packages >&2
    exit 0
fi

# dpkg-query fails when a package is unknown to it, which only means that it is missing.
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>/dev/null |
    sed -n 's/ installed$//p') || true
missing=
for package in $packages; do
    echo "$installed" | grep -qx -- "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "setup: installing$missing"
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
    [ -t 0 ] || as_root='sudo -n' # nobody there to type a password
else
    echo "setup: neither root nor sudo; run this as root:" >&2
    echo "    apt-get update && apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"
}

# Package lists are fetched only when those at hand do not do: none yet, or too old.
if ! apt install -y --no-install-recommends $missing >"$log" 2>&1; then
    if ! { apt update && apt install -y --no-install-recommends $missing; } >"$log" 2>&1; then
        cat "$log" >&2
        echo "setup: could not install$missing; the messages above say why" >&2
        exit 1
    fi
fi
echo "setup: done"
