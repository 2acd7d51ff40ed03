#!/usr/bin/env bash
# Several servers behind sglang-router 0.3.2 (PyPI: sglang-router), which knows what each has read before: it sends a prompt
# to the server that has most of it in its cache, unless that has much more to do than another.
#
#   pip install sglang-router==0.3.2
#   launch.sh http://10.0.0.11:7860 http://10.0.0.12:7860 http://10.0.0.13:7860
#
# LISTEN=ADDRESS:PORT   where clients ask            [127.0.0.1:8000]
# METRICS=ADDRESS:PORT  the router's own metrics     [127.0.0.1:29000]
# API_KEY_FILE=FILE     a key that the servers take; clients then have to send it too
# PYTHON=PROGRAM        a Python that has the router [python3]
#
# Of a server it needs GET /ready (200 or 503) and the API. It also asks once for /server_info, /get_server_info, /model_info
# and /get_model_info, which are SGLang's own; that they are not there changes nothing but what it shows of a server.
set -euo pipefail

if [ $# = 0 ]; then
    echo "usage: launch.sh http://SERVER:7860 ..." >&2
    exit 64
fi
listen=${LISTEN:-127.0.0.1:8000}
metrics=${METRICS:-127.0.0.1:29000}

options=(
    --worker-urls "$@"
    --host "${listen%:*}" --port "${listen##*:}"
    --prometheus-host "${metrics%:*}" --prometheus-port "${metrics##*:}"
    # From 30 % of a prompt in a server's cache on, that counts more than its load: prompts that share a long beginning,
    # such as a system prompt, go to one server, until it has more than three requests more than another (and half as many
    # again). The router's own figure is 64, for GPUs; on CPUs each request of a step costs the others time.
    --policy cache_aware
    --cache-threshold 0.3
    --balance-abs-threshold 3
    --balance-rel-threshold 1.5
    # A server is out when it is not ready once, and back when it is.
    --health-check-endpoint /ready
    --health-check-interval-secs 2
    --health-check-timeout-secs 5
    --health-failure-threshold 1
    --health-success-threshold 1
    --worker-startup-timeout-secs 1800
    --worker-startup-check-interval 2
    # What fails before its answer has begun (no connection, 408, 429, 5xx) is tried again, on another server if one is up.
    --retry-max-retries 4
    --retry-initial-backoff-ms 100
    --retry-max-backoff-ms 5000
    --cb-failure-threshold 10
    --cb-success-threshold 1
    --cb-timeout-duration-secs 10
    # An answer of 4,096 tokens may take minutes.
    --request-timeout-secs 1800
    --shutdown-grace-period-secs 60
    --log-level info
)
if [ -n "${API_KEY_FILE:-}" ]; then
    options+=(--api-key "$(grep -v '^[[:space:]]*\(#\|$\)' "$API_KEY_FILE" | head -n 1)")
fi
exec "${PYTHON:-python3}" -m sglang_router.launch_router "${options[@]}"
