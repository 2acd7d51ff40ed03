"""A server whose answers take times that are known: what a load tool reports of it is right or wrong. It only
sleeps, so that a busy machine disturbs it little; what the tools themselves take stays in their figures.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Seconds to the first token, and from token to token.
FIRST, GAP = 0.5, 0.02


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.whole({"object": "list", "data": [{"id": "model", "object": "model", "created": 1, "owned_by": "nobody"}]})

    def do_POST(self):
        came = time.monotonic()
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tokens = asked.get("max_completion_tokens") or asked["max_tokens"]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.event({"role": "assistant", "content": ""})
        for number in range(tokens):
            # By the clock, so that lateness does not add up.
            time.sleep(max(0, came + FIRST + number * GAP - time.monotonic()))
            self.event({"content": "x "})
        self.event({}, finish_reason="length")
        usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": 1 + tokens}
        self.data(json.dumps({**self.head(), "choices": [], "usage": usage}))
        self.data("[DONE]")

    def head(self):
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "model"}

    def event(self, delta, finish_reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        self.data(json.dumps({**self.head(), "choices": [choice], "usage": None}))

    def data(self, text):
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()

    def whole(self, answer):
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Planted:
    """`with Planted() as server: server.url`"""

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def truth(output_tokens, concurrency):
    """What is to be reported: times in ms, and tokens/s."""
    whole = FIRST + (output_tokens - 1) * GAP
    return [1000 * FIRST, 1000 * GAP, 1000 * whole, concurrency * output_tokens / whole]
