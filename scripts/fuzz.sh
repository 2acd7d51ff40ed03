#!/usr/bin/env bash
# Fuzzes the given targets one after another: scripts/fuzz.sh SECONDS TARGET...
#
# Starts from the corpus in the repository and keeps what it grows in fuzz/grown, so that the next run
# goes on from there. Ends with an error at the first input that breaks a promise, takes more than a
# second or more than 2 GB, and names the file in fuzz/artifacts. fuzz/README.md says more.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$1
shift

# The sanitizers are unstable flags; the stable compiler has them under this variable.
export RUSTC_BOOTSTRAP=1

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "installing cargo-fuzz"
    cargo install --locked cargo-fuzz
fi
# Chat templates are rendered by the server's own program.
cargo build --locked -q -p sysinfer-server --bin sysinfer-server
export SYSINFER_FUZZ_SERVER=$PWD/target/debug/sysinfer-server
# libhwloc loses some bytes on bad descriptions of topologies.
export LSAN_OPTIONS=suppressions=$PWD/fuzz/leaks.txt:print_suppressions=0
cargo run --locked -q -p sysinfer-conformance --bin fuzz-seeds fuzz/seeds

for target in "$@"; do
    mkdir -p "fuzz/grown/$target"
    folders=("fuzz/grown/$target" "fuzz/corpus/$target")
    [ ! -d "fuzz/seeds/$target" ] || folders+=("fuzz/seeds/$target")
    log=fuzz/grown/$target.log
    echo "== $target: $seconds s, log in $log"
    status=0
    cargo fuzz run "$target" "${folders[@]}" -- \
        -max_total_time="$seconds" -timeout=1 -rss_limit_mb=2048 -malloc_limit_mb=1024 \
        -max_len=65536 -len_control=20 -dict="fuzz/dictionaries/$target" -print_final_stats=1 \
        >"$log" 2>&1 || status=$?
    grep -E 'INITED|ERROR|SUMMARY|panicked|Test unit written' "$log" || true
    grep MEMORY "$log" | tail -n 1 || true
    grep -E '^#[0-9]+' "$log" | tail -n 1 || true
    grep -E 'stat::' "$log" | sort -u || true
    if [ "$status" -ne 0 ]; then
        echo "error: $target broke a promise, see $log"
        exit 1
    fi
done
