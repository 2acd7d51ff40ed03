#!/usr/bin/env bash
# Installs what a fresh Debian or openEuler lacks: for a build, a C compiler for linking, hwloc's
# headers and pkg-config; unless called as `setup.sh build`, also python3 with pip and environments for
# fetching the small model and clients, curl for the commands of the documentation, and a C++ compiler
# for llama.cpp and the fuzzers. Says what it does; does nothing where everything is there.
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

missing=()
need() { # command-or-test, debian package, openEuler package
    if ! eval "$1" >/dev/null 2>&1; then
        if command -v apt-get >/dev/null; then missing+=($2); else missing+=($3); fi
    fi
}
need "command -v cc" gcc gcc
need "command -v pkg-config" pkg-config pkgconf
need "pkg-config --exists hwloc" libhwloc-dev hwloc-devel
if [ "${1:-}" != build ]; then
    need "command -v c++" g++ gcc-c++
    need "command -v curl" curl curl
    need "command -v python3" python3 python3
    need "python3 -m pip --version" python3-pip python3-pip
    need "python3 -c 'import ensurepip'" python3-venv python3
fi

if [ ${#missing[@]} -gt 0 ]; then
    if command -v apt-get >/dev/null; then
        say "installing with apt-get: ${missing[*]}"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    elif command -v dnf >/dev/null; then
        say "installing with dnf: ${missing[*]}"
        as_root dnf install -y -q "${missing[@]}"
    else
        say "this system has neither apt-get nor dnf; install by hand: ${missing[*]}" >&2
        exit 1
    fi
fi

if ! pkg-config --exists 'hwloc >= 2.8.0 hwloc < 3'; then
    say "hwloc $(pkg-config --modversion hwloc) is here, 2.8 or later (below 3) is needed" >&2
    exit 1
fi

if ! command -v cargo >/dev/null; then
    say "no Rust toolchain found: install Rust 1.94 or later first (https://rustup.rs)" >&2
    exit 1
fi

# The hwlocality crate asks pkg-config for the static set of libraries, which on Debian names libudev
# although linking needs it only with libudev-dev's symlink. A copy of hwloc.pc without that line
# links against the shared libhwloc and nothing else; .cargo/config.toml points pkg-config at it.
mkdir -p .cargo/pkgconfig
folder=$(env -u PKG_CONFIG_PATH pkg-config --variable=pcfiledir hwloc || pkg-config --variable=pcfiledir hwloc)
grep -v '^Libs.private' "$folder/hwloc.pc" | sed 's/^Requires.private:.*/Requires.private:/' >.cargo/pkgconfig/hwloc.pc.new
if cmp -s .cargo/pkgconfig/hwloc.pc.new .cargo/pkgconfig/hwloc.pc; then
    rm .cargo/pkgconfig/hwloc.pc.new # unchanged: a new date would rebuild the crate
else
    mv .cargo/pkgconfig/hwloc.pc.new .cargo/pkgconfig/hwloc.pc
fi
