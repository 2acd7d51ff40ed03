#!/usr/bin/env bash
# The acts of a user on a new host, with a small model: tune, serve, ask, look at the table, which is on the
# last screen. Everything it writes is under target/demo.
set -eu
cd "$(dirname "$0")/.."

out=target/demo
port="${SYSINFER_DEMO_PORT:-7860}"
mkdir -p "$out"

if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "demo: port $port is in use; choose another: SYSINFER_DEMO_PORT=7861 make demo" >&2
    exit 1
fi

if model=$(scripts/model.sh); then
    :
else
    model="$out/tiny.gguf"
    echo "demo: NOTE: using a synthetic model with random weights instead; its answer will be nonsense"
    target/release/sysinfer-tune synth tiny "$model"
fi

echo "demo: 1. tune this host for $(basename "$model")"
if ! target/release/sysinfer-tune "$model" --quick --output "$out/profile.toml" --report "$out/report" \
    >"$out/results.txt"; then
    cat "$out/results.txt"
    exit 1
fi

if grep -q '^trusted = false' "$out/profile.toml"; then
    echo
    echo "demo: NOTE: this host was too busy to be tuned, so the server runs its default plan; stop the other load and repeat"
fi

echo
echo "demo: 2. serve it with the profile"
target/release/sysinfer-server "$model" -t 0.0 -n 4096 --profile "$out/profile.toml" \
    --host 127.0.0.1 --port "$port" 2>"$out/server.log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
if ! python3 scripts/chat.py --port "$port" --wait "$server" "Why is the sky blue?"; then
    echo "demo: no answer; the server's log:" >&2
    tail -n 30 "$out/server.log" >&2
    exit 1
fi
echo
echo "demo: 3. what the tuner found"
cat "$out/results.txt"
