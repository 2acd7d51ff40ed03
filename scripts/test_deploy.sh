#!/usr/bin/env bash
# `make test-deploy`: what is in deploy/ against the release server and the small real model.
# Installs the programs that it is for (Debian's packages, as root), then runs tests/deploy/suite.py, which prints a line
# for each check, says SKIPPED with the reason where something cannot be tested, and fails if a check does.
#
# SYSINFER_SERVER=FILE  this server, instead of building one
# ONLY=WORD             only parts whose names have it, for example ONLY=haproxy
set -eu
cd "$(dirname "$0")/.."

# Command, and Debian's package that has it. podman and runc run containers; mmdebstrap makes an image to start from.
needed="haproxy:haproxy promtool:prometheus systemd-analyze:systemd podman:podman runc:runc mmdebstrap:mmdebstrap"
missing=
for pair in $needed; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "deploy: installing with apt-get:$missing" >&2
        # A package that brings a service must not start it.
        policy=/usr/sbin/policy-rc.d
        [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; trap 'rm -f $policy' EXIT; }
        # shellcheck disable=SC2086
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null \
            || echo "deploy: some of$missing cannot be installed; what needs them says SKIPPED or FAILED" >&2
    else
        echo "deploy: install$missing; what needs them says SKIPPED or FAILED" >&2
    fi
fi

server="${SYSINFER_SERVER:-}"
if [ -z "$server" ]; then
    cargo build --release --locked --bin sysinfer-server --bin server --bin sysinfer-tune
    server=target/release/sysinfer-server
fi
if ! model=$(scripts/model.sh); then
    echo "deploy: SKIPPED: it needs the small real model, which cannot be had"
    exit 0
fi
python3 tests/deploy/suite.py --server "$(realpath "$server")" --model "$model" --only "${ONLY:-}"
