#!/usr/bin/env bash
# Makes what is installed on servers, in target/dist: scripts/dist.sh [x86_64 | arm64]
#
# A tarball, a .deb and a .rpm, each with both programs, man pages, completions and documents
# (docs/en/packages.md). Without an architecture it is this host's; arm64 is built on x86-64 Debian too
# (scripts/arm64.sh). cargo-deb and cargo-generate-rpm write the packages, so that Debian can make those of
# openEuler and openEuler those of Debian; they are built once, into the cache, by the versions named here.
# Ends with 3, and a plain notice, where the tools for the other architecture cannot be had.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

cargo_deb=3.8.0
cargo_generate_rpm=0.21.1

say() { echo "dist: $*" >&2; }
fail() { say "$*"; exit 2; }

case "${1:-$(uname -m)}" in
x86_64 | amd64) arch=x86_64 ;;
aarch64 | arm64) arch=aarch64 ;;
*) fail "there are packages for x86_64 and arm64, not for $1" ;;
esac

# A tool of that version, built where nothing else of the user's is.
tool() { # name, version
    local folder="${XDG_CACHE_HOME:-$HOME/.cache}/sysinfer/dist/$1-$2"
    if [ ! -x "$folder/bin/$1" ]; then
        say "building $1 $2 into $folder"
        cargo install -q --locked --no-track --root "$folder" "$1@$2" >&2
    fi
    echo "$folder/bin/$1"
}

deb=$(tool cargo-deb $cargo_deb)
rpm=$(tool cargo-generate-rpm $cargo_generate_rpm)

# What is packaged, and the program that writes what goes with it.
build=(--bin sysinfer-server --bin sysinfer-tune --bin sysinfer-dist)
scripts/setup.sh build
if [ "$(uname -m)" = "$arch" ]; then
    cargo build --release --locked "${build[@]}"
    built=${CARGO_TARGET_DIR:-target}/release
    run=()
    strip=strip
elif [ "$arch" = aarch64 ]; then
    scripts/arm64.sh build "${build[@]}"
    built=target/arm64/aarch64-unknown-linux-gnu/release
    run=(scripts/arm64.sh run)
    strip=aarch64-linux-gnu-strip
else
    fail "packages for $arch are made on $arch"
fi

out=$PWD/target/dist
version=$("${run[@]}" "$built/sysinfer-dist" --version)
version=${version##* }
name=sysinfer-$version-linux-$arch
stage=$out/$arch
rm -rf "$stage"
mkdir -p "$stage/$name"
root=$stage/$name
ln -s "$name" "$stage/root" # the name that dist/packages.toml knows

# Of the tables for debuggers only names of functions are kept: what a panic prints, in a fifth of the size.
for program in sysinfer-server sysinfer-tune; do
    install -D -m 755 "$built/$program" "$root/bin/$program"
    "$strip" --strip-debug "$root/bin/$program"
done
cargo metadata --locked --format-version 1 --filter-platform $arch-unknown-linux-gnu >"$stage/crates.json"
"${run[@]}" "$built/sysinfer-dist" "$root" --crates "$stage/crates.json"
gzip -9 -n "$root"/share/man/man1/*.1
doc=$root/share/doc/sysinfer
install -D -m 644 -t "$doc" README.md README.zh-CN.md CHANGELOG.md SECURITY.md LICENSE
for language in en zh; do
    install -D -m 644 -t "$doc/docs/$language" "docs/$language"/*.md
done
install -D -m 644 -t "$doc/hosts" hosts/*.toml
install -D -m 644 -t "$root/lib/systemd/system" deploy/systemd/*.service
install -D -m 755 -t "$root/libexec/sysinfer" deploy/systemd/sysinfer-service
install -D -m 644 -t "$root/etc/sysinfer" deploy/systemd/sysinfer-server.env

# What the programs need, measured. Each library has to be one whose package is named in dist/packages.toml.
needed=$(printf '%s\n' "$root"/bin/* | scripts/needed_libraries.sh)
known='^(libc|libm|libgcc_s|libhwloc|ld-linux-x86-64|ld-linux-aarch64)\.so\.[0-9]+\('
if unknown=$(grep -Ev "$known" <<<"$needed"); then
    fail "no package is known for ${unknown//$'\n'/ }: name it in dist/packages.toml and here"
fi
glibc=$(grep -o 'GLIBC_[0-9.]*' <<<"$needed" | sed 's/GLIBC_//' | sort -V | tail -n 1)
say "the programs need glibc $glibc"
sed -e "s/@VERSION@/$version/" -e "s/@GLIBC@/$glibc/" dist/packages.toml >"$stage/Cargo.toml"

# The same files at the same commit are the same packages, to the byte.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
find "$root" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +

tar --create --sort=name --owner=0 --group=0 --numeric-owner --directory "$stage" "$name" \
    | gzip -9 -n >"$out/$name.tar.gz"
"$deb" --no-build --no-strip --quiet --target "$arch-unknown-linux-gnu" \
    --manifest-path "$stage/Cargo.toml" --output "$out/"
needs=$PWD/scripts/needed_libraries.sh
(cd "$stage" && "$rpm" --arch "$arch" --auto-req "$needs" --output "$out/")
(cd "$out" && sha256sum -- *.tar.gz *.deb *.rpm >SHA256SUMS && ls -l -- *.tar.gz *.deb *.rpm) >&2
