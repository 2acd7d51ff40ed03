#!/usr/bin/env bash
# `make test-page`: the server's page in a real browser, with the small real model and with a stand-in for what a
# server is hard to bring to. Installs the system's Chromium and a Chinese font where they are missing, and Playwright
# and axe into the user's cache directory; then runs tests/page/run.py, which prints a line for each check and fails if
# one does.
#
# SYSINFER_SERVER=FILE  this server, instead of building one
# ONLY=WORD             only programs whose names have it, for example ONLY=refusals
# PICTURES=FOLDER       writes pictures of all looks there
set -eu
cd "$(dirname "$0")/.."

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

missing=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
if [ "$(fc-list :lang=zh 2>/dev/null | wc -l)" = 0 ]; then
    if command -v apt-get >/dev/null; then missing+=(fontconfig fonts-wqy-microhei); else missing+=(fontconfig wqy-microhei-fonts); fi
fi
if [ ${#missing[@]} -gt 0 ]; then
    echo "page: installing ${missing[*]}" >&2
    if command -v apt-get >/dev/null; then
        as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        as_root dnf install -y -q "${missing[@]}"
    fi || echo "page: NOTE: ${missing[*]} cannot be installed" >&2
fi

server="${SYSINFER_SERVER:-}"
if [ -z "$server" ]; then
    cargo build --release --locked --bin sysinfer-server
    server=target/release/sysinfer-server
fi
if ! model=$(scripts/model.sh); then
    echo "page: SKIPPED: it needs the small real model, which cannot be had"
    exit 0
fi
exec python3 tests/page/run.py --server "$(realpath "$server")" --model "$model" --only "${ONLY:-}" \
    ${PICTURES:+--pictures "$PICTURES"}
