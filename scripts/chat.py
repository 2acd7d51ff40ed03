#!/usr/bin/env python3
"""Asks a running server one question and prints the answer as it streams in. Standard library only.

usage: chat.py [--port 7860] [--wait PID] QUESTION
--wait PID: until the server is healthy, or fail as soon as that process is gone.
"""
import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("question")
parser.add_argument("--port", type=int, default=7860)
parser.add_argument("--wait", type=int, metavar="PID")
options = parser.parse_args()
base = f"http://127.0.0.1:{options.port}"
# A proxy of the environment is not for this host.
local = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def healthy():
    try:
        with local.open(f"{base}/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


while options.wait and not healthy():
    try:
        os.kill(options.wait, 0)
    except ProcessLookupError:
        sys.exit("the server ended before it was ready")
    time.sleep(0.2)

print(f"> {options.question}")
body = {"messages": [{"role": "user", "content": options.question}], "stream": True, "max_tokens": 64}
request = urllib.request.Request(
    f"{base}/v1/chat/completions",
    data=json.dumps(body).encode(),
    headers={"Content-Type": "application/json", "Authorization": "Bearer any"},
)
pieces = 0
with local.open(request, timeout=300) as answer:
    for line in answer:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        event = json.loads(line[6:])
        if "error" in event:
            sys.exit(f"the server reports: {event['error']['message']}")
        for choice in event["choices"]:
            text = choice["delta"].get("content") or ""
            pieces += bool(text)
            print(text, end="", flush=True)
print()
sys.exit(0 if pieces else "the answer was empty")
