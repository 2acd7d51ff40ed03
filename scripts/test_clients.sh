#!/usr/bin/env bash
# `make test-clients`: real clients of many makers against the release server and the small real model.
# Installs each client once, in an environment of its own in the user's cache directory, then runs
# tests/clients/suite.py, which prints a line for each client and check and fails if one does.
#
# SYSINFER_SERVER=FILE  this server, instead of building one
# ONLY=WORD             only clients whose names have it, for example ONLY=langchain
set -eu
cd "$(dirname "$0")/.."

server="${SYSINFER_SERVER:-}"
if [ -z "$server" ]; then
    cargo build --release --locked --bin sysinfer-server
    server=target/release/sysinfer-server
fi
if ! model=$(scripts/model.sh); then
    echo "clients: SKIPPED: they need the small real model, which cannot be had"
    exit 0
fi
exec python3 tests/clients/suite.py --server "$(realpath "$server")" --model "$model" --only "${ONLY:-}"
