#!/usr/bin/env bash
# `make docs`: the book in English and the one in Chinese, in target/site/docs. Needs mdBook and no network; where it
# is missing, says how to get it. What the pages show can be read from disk: no fonts, scripts or figures from elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.5.4
home="${XDG_CACHE_HOME:-$HOME/.cache}/sysinfer/docs/mdbook-$version"

if [ -x "$home/bin/mdbook" ]; then
    mdbook=$home/bin/mdbook
elif command -v mdbook >/dev/null; then
    mdbook=mdbook
else
    echo "docs: mdBook is not here; get it once, in some minutes:" >&2
    echo "  cargo install --locked --no-track --no-default-features --features search --root $home mdbook@$version" >&2
    exit 2
fi

rm -rf target/site
for language in en zh; do
    "$mdbook" build "docs/$language"
    rm -f "target/site/docs/$language/book.toml" # mdBook copies what is beside the pages
done

# A page that fetches from elsewhere tells others who reads it, and has holes without a network.
if grep -rEno --include='*.html' --include='*.css' '(src|href)="https?://[^"]*\.(js|css|woff2?|ttf|svg|png)[^"]*"|url\(["'"'"']?https?:[^)]*\)|@import[^;]*https?:[^;]*' target/site; then
    echo "docs: these would be fetched from elsewhere" >&2
    exit 1
fi
echo "docs: target/site/docs/en/index.html and target/site/docs/zh/index.html"
