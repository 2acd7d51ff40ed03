#!/usr/bin/env bash
# Builds and tests for arm64 on an x86-64 host: scripts/arm64.sh build | run | kernels | goldens | test
#
#   build     the release binaries, in target/arm64/aarch64-unknown-linux-gnu/release; after it, cargo's
#             options say which: build --bin NAME
#   run       a program of arm64 by the emulator: run PROGRAM ARGUMENT...
#   kernels   every kernel of arm64 against the oracle, on emulated CPUs of each kind
#   goldens   kernels, then whole models against known logits
#   test      kernels, then all tests of the workspace, programs included
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
    local rust=$cache/rust version std llvm name
    version=$(candidate rustc-web)
    [[ "$version" == [0-9]* ]] \
        || cannot "neither rustup nor Debian (package rustc-web) has Rust for arm64; rustup target add $target"
    if [ "$(cat "$rust/version" 2>/dev/null)" != "$version" ]; then
        say "unpacking Debian's Rust $version for arm64 into $rust (600 MB)"
        rm -rf "$rust"
        std=$(apt-cache depends libstd-rust-web-dev | sed -n 's/^ *|\?Depends: \(libstd-rust-web-[0-9.]*\)$/\1/p' | head -n 1)
        llvm=$(apt-cache depends "$std" | sed -n 's/^ *|\?Depends: \(libllvm[0-9]*\)$/\1/p' | head -n 1)
        unpack "$rust" rustc-web libstd-rust-web-dev libstd-rust-web-dev:arm64 "$std" "$llvm"
        echo "$version" >"$rust/version"
    fi
    # By bash: sh drops variables that have a hyphen in their names, as cargo's with paths of programs.
    mkdir -p "$rust/bin"
    for name in rustc rustdoc; do
        printf '#!/bin/bash\nLD_LIBRARY_PATH=%s/usr/lib/x86_64-linux-gnu exec %s/usr/bin/%s "$@"\n' \
            "$rust" "$rust" "$name" >"$rust/bin/$name.new"
        chmod +x "$rust/bin/$name.new"
        mv "$rust/bin/$name.new" "$rust/bin/$name" # another run may be using it
    done
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
    # cargo starts tests by the emulator, and these what they start themselves.
    export SYSINFER_RUNNER="qemu-aarch64-static -L /usr/$gnu -E LD_LIBRARY_PATH=$root/usr/lib/$gnu"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$SYSINFER_RUNNER
    export PKG_CONFIG_ALLOW_CROSS_aarch64_unknown_linux_gnu=1
    # For every target: by this one alone cargo's pkg-config knows the system's folders, and from others it
    # links libraries statically. Programs here are to need libhwloc as those for this host do.
    export PKG_CONFIG_SYSROOT_DIR=$root
    export PKG_CONFIG_LIBDIR_aarch64_unknown_linux_gnu=$root/usr/lib/$gnu/pkgconfig
    # Over the path of .cargo/config.toml, which has this host's hwloc.
    export PKG_CONFIG_PATH_aarch64_unknown_linux_gnu=$root/usr/lib/$gnu/pkgconfig
}

# Everything is built by one selection of packages, since another one changes their features, and the
# workspace would be compiled again.
selected=()
cargo_test() { cargo test --profile emulated --locked --target $target "${selected[@]}" "$@"; }

# Builds tests, and finds those of the kernels: their unit tests, the battery, attention.
kernel_tests=()
build_tests() { # what to build...
    say "building tests"
    local built
    built=$(cargo_test -q --no-run --message-format=json-render-diagnostics "$@" \
        | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
    mapfile -t kernel_tests < <(grep -E '/(sysinfer_kernels|battery|attention)-[0-9a-f]+$' <<<"$built")
    [ ${#kernel_tests[@]} = 3 ] || { say "these are not the kernels' tests: ${kernel_tests[*]}"; exit 1; }
}

# Kernels on a CPU that is named, which must have the instruction sets that are named.
kernels_on() { # emulated CPU, instruction sets
    say "kernels on an emulated $1: $2"
    local program
    for program in "${kernel_tests[@]}"; do
        (cd engine/kernels && QEMU_CPU=$1 SYSINFER_EXPECT_ISA=$2 $SYSINFER_RUNNER "$program" --quiet)
    done
}

# The CPU of all other tests, nearest to Kunpeng 920: Armv8.2 with sdot.
cpu=neoverse-n1
isa=neon,dotprod

kernels() {
    kernels_on $cpu $isa
    kernels_on cortex-a72 neon # Armv8.0
    # All that the emulator has, with vectors of every length that servers have.
    local all=neon,dotprod,i8mm
    kernels_on max,sve=off $all
    kernels_on max,sve-max-vq=1 $all # 128 bits: Neoverse V2, N2
    kernels_on max,sve-max-vq=2 $all # 256 bits: Neoverse V1
    kernels_on max,sve-max-vq=4 $all # 512 bits: A64FX
}

# What tests are left out is said, and why.
skips=()
skip() { # test, reason
    say "SKIPPED $1: $2"
    skips+=(--skip "$1")
}

run_tests() { # which...
    QEMU_CPU=$cpu SYSINFER_EXPECT_ISA=$isa cargo_test -q --no-fail-fast "$@" -- "${skips[@]}"
}

case "${1:-}" in
build)
    prepare
    [ $# -gt 1 ] && selected=("${@:2}") || selected=(--bin sysinfer-server --bin server --bin sysinfer-tune)
    cargo build --release --locked --target $target "${selected[@]}"
    say "in target/arm64/$target/release"
    ;;
run)
    prepare
    $SYSINFER_RUNNER "${@:2}"
    ;;
kernels)
    prepare
    selected=(-p sysinfer-kernels)
    build_tests --tests
    kernels
    ;;
goldens)
    prepare
    selected=(-p sysinfer-kernels -p sysinfer-conformance)
    models=(--test logits --test alibi --test stored_forms)
    build_tests --lib --test battery --test attention "${models[@]}"
    kernels
    say "logits of whole models on an emulated $cpu"
    skip the_programs_take_a_part_for_the_whole "it starts programs, which only \`$0 test\` builds"
    skip the_real_model_says_the_same_under_every_plan "it takes minutes; \`$0 test\` runs it"
    run_tests "${models[@]}"
    ;;
test)
    prepare
    selected=(--workspace)
    build_tests --tests
    kernels
    say "all tests of the workspace on an emulated $cpu"
    run_tests --tests
    ;;
*)
    sed -n '2,/^[^#]/{/^#/s/^# \?//p}' "$0" >&2
    exit 2
    ;;
esac
