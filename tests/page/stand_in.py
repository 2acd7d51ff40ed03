"""A server that says what a check wants it to say: the page of the real one, and an API that can be busy, loading,
locked, slow or gone."""

import json
import queue
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROPS = {
    "model_name": "Qwen3-8B-Q4_0",
    "context_tokens": 8192,
    "default_temperature": 0.7,
    "max_tokens": 4096,
    "queue": {"waiting": 0, "limit": 64},
    "build": {"version": "0.1.0", "architecture": "aarch64"},
    "model": {
        "path": "/srv/models/Qwen3-8B-Q4_0.gguf",
        "name": "Qwen3 8B",
        "architecture": "qwen3",
        "quantisation": "Q4_0",
        "parameters": 8_190_735_360,
        "weight_bytes": 4_770_000_000,
    },
    "plan": {
        "decode": {"threads": 48, "map": "compact", "cpus": "0-47"},
        "prefill": {"threads": 48, "map": "spread", "cpus": "0-47"},
        "profile": "/etc/sysinfer/profile.toml",
    },
    "profile": {"path": "/etc/sysinfer/profile.toml", "trusted": True, "not_trusted_because": None, "applied": True},
    "serving": {"parallel": 16},
    "rate": {"decode_tokens_per_second": 24.1, "tuned_tokens_per_second": 25.3, "share": 0.953, "cause": None},
}

#: What the real server says in these states.
LOADING = "the model is being loaded"
STOPPING = "the server is stopping"


class StandIn:
    """`with StandIn(files) as server: server.url`. `files` are the page's: path to headers and body.

    Checks set what it does next; what a browser asked is in `asked`, and `left` counts answers that nobody waited for.
    """

    def __init__(self, files):
        self.files = files
        self.port = 0
        self.reset()

    def reset(self):
        """As a server that is ready, open and idle."""
        #: The key that is needed, if one is.
        self.key = None
        #: Why nothing is served, if so.
        self.unavailable = None
        #: How many requests are refused as too many, and what `Retry-After` they get.
        self.busy, self.retry_after = 0, "1"
        #: A refusal of the next chat: status and error object.
        self.refusal = None
        self.props = json.loads(json.dumps(PROPS))
        #: Pieces of the next answers: deltas or texts, seconds to wait, `CUT`, `END`, `HOLD` or an error object.
        self.script = ["Hello", " there", "."]
        self.finish = "stop"
        #: What lets an answer go on that is held.
        self.released = threading.Event()
        self.asked, self.left = [], queue.Queue()
        self.paths = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def start(self):
        """Listens, where it did before if it did."""
        server = _Listener(("127.0.0.1", self.port), _Handler)
        server.stand_in = self
        self.port = server.server_address[1]
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self):
        """Gone, in the middle of whatever it was doing."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()
        self._thread.join()


class Cut:
    """The connection ends here, without an end of the answer."""


class End:
    """The response ends here as if it were complete, which a proxy may make of a connection that was cut."""


class Hold:
    """Nothing comes until the check releases it."""


CUT, END, HOLD = Cut(), End(), Hold()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *arguments):
        self.connections = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_):
        """A browser that goes away is no fault."""

    def cut(self):
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # Its browser was first.


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """A check's output is its own."""

    @property
    def stand_in(self):
        return self.server.stand_in

    def do_GET(self):
        path = self.path
        self.stand_in.paths.append(path)
        if path in self.stand_in.files:
            headers, body = self.stand_in.files[path]
            self._send(200, body, headers)
        elif path == "/health":
            self._refuse_unavailable() or self._json(200, {"status": "ok", "waiting": 0})
        elif path == "/props":
            self._refuse_unavailable() or self._refuse_key() or self._json(200, self.stand_in.props)
        else:
            self._error(404, "not_found", f"there is no GET {path}")

    def do_POST(self):
        stand_in = self.stand_in
        stand_in.paths.append(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        stand_in.asked.append(body)
        if self._refuse_key() or self._refuse_unavailable():
            return
        if stand_in.busy > 0:
            stand_in.busy -= 1
            message = "64 requests are waiting already; try again later"
            self._error(429, "queue_full", message, {"Retry-After": stand_in.retry_after})
        elif stand_in.refusal:
            status, error = stand_in.refusal
            self._json(status, {"error": error})
        else:
            self._stream(body)

    def _stream(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        stand_in, tokens = self.stand_in, 0
        self.connection.setblocking(True)
        try:
            self._event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
            for step in stand_in.script:
                if step is CUT:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if step is END:
                    self._chunk(b"")
                    return
                if step is HOLD:
                    self._hold()
                elif isinstance(step, (int, float)):
                    time.sleep(step)
                elif isinstance(step, dict) and "message" in step:
                    self._event({"error": step})
                    self._chunk(b"")
                    return
                else:
                    tokens += 1
                    delta = step if isinstance(step, dict) else {"content": step}
                    choice = {"index": 0, "delta": delta, "finish_reason": None}
                    self._event({"choices": [choice], "usage": self._usage(tokens)})
            last = {"index": 0, "delta": {}, "finish_reason": stand_in.finish}
            self._event({"choices": [last], "usage": self._usage(tokens)})
            usage = self._usage(tokens) | {"prompt_tokens_details": {"cached_tokens": 32}}
            self._event({"choices": [], "usage": usage})
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")
        except OSError:
            self.close_connection = True
            stand_in.left.put(tokens)

    def _hold(self):
        """Waits as a server does that computes: with comments, by which it finds out whether anybody listens."""
        while not self.stand_in.released.wait(0.05):
            self._chunk(b": \n\n")

    def _usage(self, tokens):
        return {"prompt_tokens": 54, "completion_tokens": tokens, "total_tokens": 54 + tokens}

    def _event(self, data):
        self._chunk(b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n")

    def _chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _refuse_key(self):
        key = self.stand_in.key
        if key is None or self.headers.get("Authorization") == f"Bearer {key}":
            return False
        self._error(401, "invalid_api_key", "the API key is not accepted here")
        return True

    def _refuse_unavailable(self):
        if self.stand_in.unavailable is None:
            return False
        self._error(503, "unavailable", self.stand_in.unavailable, {"Retry-After": "5"})
        return True

    def _error(self, status, code, message, headers=None):
        self._json(status, {"error": {"message": message, "type": "x", "param": None, "code": code}}, headers)

    def _json(self, status, value, headers=None):
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
