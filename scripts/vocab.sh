#!/usr/bin/env bash
# Fetches the vocabularies that llama.cpp tests its tokenizers with (ggml-vocab-*.gguf, some with texts
# and their ids beside them; MIT), and into the folder templates beside them the chat templates of public
# models that it tests its Jinja with: the source package of llama-cpp-python, a Python package, carries
# them. Keeps only those files (80 MB), in the user's cache directory. Prints the folder; exits with 1
# and a plain notice when they cannot be had.
set -eu

package=llama-cpp-python==0.3.36
cache="${XDG_CACHE_HOME:-$HOME/.cache}/sysinfer"
folder="$cache/vocab"

# A folder from before the templates were wanted is fetched again.
if [ -f "$folder/complete" ] && [ -d "$folder/templates" ]; then
    echo "$folder"
    exit 0
fi
mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "vocab: fetching vocabularies and chat templates (source of the Python package llama-cpp-python, 73 MB) into $folder" >&2
# Only this package as source: its build tools, which pip wants for its name and version, are not built.
if ! timeout 300 python3 -m pip download --quiet --no-deps --no-binary llama-cpp-python --dest "$work" "$package" >&2; then
    echo "vocab: the source package of llama-cpp-python cannot be fetched from here" >&2
    exit 1
fi
mkdir "$work/vocab"
tar -xzf "$work"/llama_cpp_python-*.tar.gz -C "$work/vocab" --strip-components=4 --wildcards '*/vendor/llama.cpp/models/ggml-vocab-*' '*/vendor/llama.cpp/models/templates/*.jinja'
if [ ! -f "$work/vocab/ggml-vocab-llama-bpe.gguf.out" ] || [ ! -f "$work/vocab/templates/Qwen-Qwen3-0.6B.jinja" ]; then
    echo "vocab: the package llama-cpp-python does not hold the files that were expected" >&2
    exit 1
fi
touch "$work/vocab/complete"
rm -rf "$folder"
mv "$work/vocab" "$folder"
echo "$folder"
