#!/usr/bin/env bash
# `make bench-peers`: our decode and prompt rates, start and memory beside llama.cpp's on this machine.
# Makes a Python environment with llama-cpp-python built here for this CPU (once, about ten minutes, in
# the user's cache directory), then runs bench_peers.py, which makes the models and prints the table.
#
# ROUNDS=5          rounds, each with ours and theirs
# MODELS='a b'      only these (scripts/bench_peers.py --list shows all)
# WORK='a b'        only this: speed long sequences start
# THREADS=2         threads of both [all CPUs that may be used]
# PEER_PYTHON=FILE  a Python that has llama_cpp already, instead of building it
set -eu
cd "$(dirname "$0")/.."

package=llama-cpp-python==0.3.36
cache="${XDG_CACHE_HOME:-$HOME/.cache}/sysinfer"

say() { echo "bench-peers: $*" >&2; }

has_peer() { "$1" -c 'import llama_cpp' >/dev/null 2>&1; }

build_peer() {
    say "building $package for this CPU into $cache/peer (once, about ten minutes)"
    rm -rf "$cache/peer"
    mkdir -p "$cache"
    if ! python3 -m venv "$cache/peer"; then
        say "python3 cannot make environments here; install python3-venv"
        exit 1
    fi
    # From source, since only a build on this machine uses all that its CPU can do.
    CMAKE_ARGS=-DGGML_NATIVE=ON "$cache/peer/bin/python" -m pip install --quiet \
        --no-binary llama-cpp-python "$package" numpy
}

python="${PEER_PYTHON:-$cache/peer/bin/python}"
if [ -z "${PEER_PYTHON:-}" ] && ! has_peer "$python"; then
    build_peer
fi
if ! has_peer "$python"; then
    say "$python cannot import llama_cpp; unset PEER_PYTHON to build it"
    exit 1
fi
options=(--peer-python "$python" --cache "$cache/bench")
options+=(--rounds "${ROUNDS:-5}")
[ -z "${MODELS:-}" ] || options+=(--models "$MODELS")
[ -z "${WORK:-}" ] || options+=(--work "$WORK")
[ -z "${THREADS:-}" ] || options+=(--threads "$THREADS")
exec python3 scripts/bench_peers.py "${options[@]}"
