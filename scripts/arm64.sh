#!/usr/bin/env bash
# Builds and tests for arm64 on an x86-64 host: scripts/arm64.sh build | test | kernels
#
#   build     the release binaries, in target/arm64/aarch64-unknown-linux-gnu/release
#   kernels   every kernel of arm64 against the oracle, on emulated CPUs of three kinds
#   test      kernels, then the tests of the engine's logits with a whole model
#
# Rust for arm64 comes from rustup (rustup target add aarch64-unknown-linux-gnu) where that has it, else
# from Debian's packages rustc-web and libstd-rust-web-dev. Debian has the linker, the arm64 libhwloc and
# the emulator too: packages for this host are installed, those of arm64 are unpacked into the cache.
# On an arm64 host none of this is needed: make build, make test.
# Ends with 3, and a plain notice, where the tools cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-gnu
gnu=aarch64-linux-gnu
cache="${XDG_CACHE_HOME:-$HOME/.cache}/sysinfer/arm64"

say() { echo "arm64: $*" >&2; }
cannot() { say "SKIPPED: $*"; exit 3; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
quietly() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o APT::Sandbox::User=root "$@" >/dev/null; }

# Unpacks the given packages into a folder.
unpack() { # folder, package...
    local folder=$1 work
    shift
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$@" >/dev/null) \
        || { rm -rf "$work"; cannot "the packages $* cannot be fetched from here"; }
    mkdir -p "$folder"
    for package in "$work"/*.deb; do
        dpkg -x "$package" "$folder" || { rm -rf "$work"; cannot "$package cannot be unpacked into $folder"; }
    done
    rm -rf "$work"
}

candidate() { apt-cache policy "$1" | sed -n 's/^  Candidate: //p'; }

# The compiler and its standard library for both architectures, of one version.
debian_rust() {
    local rust=$cache/rust version std llvm
    version=$(candidate rustc-web)
    [[ "$version" == [0-9]* ]] \
        || cannot "neither rustup nor Debian (package rustc-web) has Rust for arm64; rustup target add $target"
    if [ "$(cat "$rust/version" 2>/dev/null)" != "$version" ]; then
        say "unpacking Debian's Rust $version for arm64 into $rust (600 MB)"
        rm -rf "$rust"
        std=$(apt-cache depends libstd-rust-web-dev | sed -n 's/^ *|\?Depends: \(libstd-rust-web-[0-9.]*\)$/\1/p' | head -n 1)
        llvm=$(apt-cache depends "$std" | sed -n 's/^ *|\?Depends: \(libllvm[0-9]*\)$/\1/p' | head -n 1)
        unpack "$rust" rustc-web libstd-rust-web-dev libstd-rust-web-dev:arm64 "$std" "$llvm"
        mkdir -p "$rust/bin"
        for name in rustc rustdoc; do
            printf '#!/bin/sh\nLD_LIBRARY_PATH=%s/usr/lib/x86_64-linux-gnu exec %s/usr/bin/%s "$@"\n' \
                "$rust" "$rust" "$name" >"$rust/bin/$name"
            chmod +x "$rust/bin/$name"
        done
        echo "$version" >"$rust/version"
    fi
    export RUSTC=$rust/bin/rustc RUSTDOC=$rust/bin/rustdoc
}

prepare() {
    [ "$(uname -m)" = x86_64 ] || cannot "this is for x86-64 hosts; on arm64: make build, make test"
    command -v apt-get >/dev/null || cannot "cross-building is set up from Debian's packages, and this is no Debian"
    mkdir -p "$cache"
    local packages=() package
    for package in gcc-$gnu libc6-dev-arm64-cross qemu-user-static pkg-config libedit2 libz3-4 libxml2 libffi8; do
        dpkg -s "$package" >/dev/null 2>&1 || packages+=("$package")
    done
    if ! dpkg --print-foreign-architectures | grep -qx arm64; then
        as_root dpkg --add-architecture arm64 || cannot "the architecture arm64 cannot be added to dpkg"
        quietly update || cannot "the lists of Debian's arm64 packages cannot be fetched"
    fi
    if [ ${#packages[@]} -gt 0 ]; then
        say "installing with apt-get: ${packages[*]}"
        quietly update || true
        quietly install -y --no-install-recommends --no-upgrade "${packages[@]}" \
            || cannot "the packages ${packages[*]} cannot be installed"
    fi
    [[ "$(candidate libhwloc-dev:arm64)" == [0-9]* ]] || quietly update || true
    local root=$cache/root
    if [ ! -e "$root/complete" ]; then
        rm -rf "$root"
        unpack "$root" libhwloc-dev:arm64 libhwloc15:arm64 libudev1:arm64 libudev-dev:arm64
        touch "$root/complete"
    fi
    if ! { command -v rustup && rustup target list --installed | grep -qx $target; } >/dev/null 2>&1; then
        debian_rust
    fi
    # Another compiler's work lies apart, or each would build all anew.
    export CARGO_TARGET_DIR=$PWD/target/arm64
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Clink-arg=-Wl,-rpath-link,$root/usr/lib/$gnu"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L /usr/$gnu -E LD_LIBRARY_PATH=$root/usr/lib/$gnu"
    export PKG_CONFIG_ALLOW_CROSS_aarch64_unknown_linux_gnu=1
    export PKG_CONFIG_SYSROOT_DIR_aarch64_unknown_linux_gnu=$root
    export PKG_CONFIG_LIBDIR_aarch64_unknown_linux_gnu=$root/usr/lib/$gnu/pkgconfig
}

# Kernels on a CPU that is named, which must have the instruction sets that are named.
kernels_on() { # emulated CPU, instruction sets
    say "kernels on an emulated $1: $2"
    QEMU_CPU=$1 SYSINFER_EXPECT_ISA=$2 \
        cargo test --locked -q -p sysinfer-kernels --target $target --tests
}

kernels() {
    # Armv8.2 with sdot, as Kunpeng 920 and Neoverse N1; Armv8.0; all that the emulator has.
    kernels_on neoverse-n1 neon,dotprod
    kernels_on cortex-a72 neon
    kernels_on max neon,dotprod
}

case "${1:-}" in
build)
    prepare
    cargo build --release --locked --bins --target $target
    say "in target/arm64/$target/release"
    ;;
kernels)
    prepare
    kernels
    ;;
test)
    prepare
    kernels
    say "logits of whole models on an emulated neoverse-n1"
    QEMU_CPU=neoverse-n1 cargo test --locked -q -p sysinfer-conformance --target $target \
        --test logits --test lookup --test alibi --test stored_forms
    ;;
*)
    sed -n '2,/^[^#]/{/^#/s/^# \?//p}' "$0" >&2
    exit 2
    ;;
esac
