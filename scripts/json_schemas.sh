#!/usr/bin/env bash
# Fetches the JSON Schema Test Suite (MIT), schemas with instances that are valid and that are not, which the source
# package of the Python package jsonschema carries. Keeps only its tests (3 MB), in the user's cache directory. Prints
# the folder; exits with 1 and a plain notice when they cannot be had.
set -eu

package=jsonschema==4.26.0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/sysinfer"
folder="$cache/json-schemas"

if [ -f "$folder/complete" ]; then
    echo "$folder"
    exit 0
fi
mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "json_schemas: fetching the JSON Schema Test Suite (source of the Python package jsonschema, 0.4 MB) into $folder" >&2
if ! timeout 300 python3 -m pip download --quiet --no-deps --no-binary jsonschema --dest "$work" "$package" >&2; then
    echo "json_schemas: the source package of jsonschema cannot be fetched from here" >&2
    exit 1
fi
mkdir "$work/suite"
tar -xzf "$work"/jsonschema-*.tar.gz -C "$work/suite" --strip-components=3 --wildcards '*/json/tests/*'
if [ ! -f "$work/suite/draft2020-12/ref.json" ] || [ ! -f "$work/suite/draft7/ref.json" ]; then
    echo "json_schemas: the package jsonschema does not hold the files that were expected" >&2
    exit 1
fi
touch "$work/suite/complete"
rm -rf "$folder"
mv "$work/suite" "$folder"
echo "$folder"
