#!/usr/bin/env bash
# `make test-metrics`: what /metrics says, with the release programs and the small real model: against what a client of
# eight streams measures, on a quiet host, beside a busy loop, under a CPU quota and on another map. Takes some nine
# minutes of a quiet host, half of it for tuning. tests/metrics/suite.py prints a line for each check and fails if one
# does.
#
# SYSINFER_SERVER=FILE, SYSINFER_TUNE=FILE  these programs, instead of building them
# SYSINFER_PROFILE=FILE                     this profile, instead of tuning
# ONLY=WORD                                 only checks whose names have it, for example ONLY=quota
set -eu
cd "$(dirname "$0")/.."

server="${SYSINFER_SERVER:-}"
tuner="${SYSINFER_TUNE:-}"
if [ -z "$server" ] || [ -z "$tuner" ]; then
    cargo build --release --locked --bin sysinfer-server --bin sysinfer-tune
    server="${server:-target/release/sysinfer-server}"
    tuner="${tuner:-target/release/sysinfer-tune}"
fi
if ! model=$(scripts/model.sh); then
    echo "metrics: SKIPPED: the checks need the small real model, which cannot be had"
    exit 0
fi
exec python3 tests/metrics/suite.py --server "$(realpath "$server")" --tuner "$(realpath "$tuner")" \
    --model "$model" --only "${ONLY:-}" ${SYSINFER_PROFILE:+--profile "$SYSINFER_PROFILE"}
