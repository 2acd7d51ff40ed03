"""Pages of other origins, which a browser lets ask only what the server allows."""

import json
import os
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from scene import elsewhere, end_program, until
from server import Server

from check import KEY, check, same

PROGRAM, MODEL = os.environ["SYSINFER_SERVER"], os.environ["SYSINFER_TEST_MODEL"]

#: Asks as a client in a page does, and says what came of it: status and text, or the error.
ASK = """async ([url, key]) => {
    const body = JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 4 });
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${key}` };
    try {
        const answer = await fetch(url + "/v1/chat/completions", { method: "POST", headers, body });
        return [answer.status, await answer.text()];
    } catch (error) {
        return [0, String(error)];
    }
}"""


class Empty(BaseHTTPRequestHandler):
    """A page without anything."""

    def do_GET(self):  # noqa: N802
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def other_origin():
    """The origin of an empty page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def served_to(origin, *options):
    """A server that pages of this origin may ask, and what its access log has: methods and statuses."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "access.log"
        with Server(PROGRAM, MODEL, "--cors-origin", origin, "--access-log", str(log), *options) as server:

            def asked():
                lines = map(json.loads, log.read_text().splitlines())
                return [(line["method"], line["status"]) for line in lines if line["path"] == "/v1/chat/completions"]

            yield server, asked


@check("a page of an allowed origin asks with a key, and reads answers and refusals")
def _():
    with other_origin() as origin, served_to(origin, "--api-key", KEY) as (server, asked):
        with elsewhere(origin) as page:
            status, text = page.evaluate(ASK, [server.url, KEY])
            same(status, 200, text)
            assert '"finish_reason"' in text, text
            status, text = page.evaluate(ASK, [server.url, "sk-other"])
            same(status, 401, text)
            assert '"invalid_api_key"' in text, text
        until(lambda: len(asked()) == 3, "the log has the preflight and both requests")
        same(asked(), [("OPTIONS", 200), ("POST", 200), ("POST", 401)], "the log")


@check("a page of another origin reads nothing, and its request does not come to be")
def _():
    with other_origin() as origin, served_to("https://chat.example.com") as (server, asked):
        with elsewhere(origin) as page:
            status, text = page.evaluate(ASK, [server.url, KEY])
            same(status, 0, text)
            assert "Failed to fetch" in text, text
        until(asked, "the log has the preflight")
        same(asked(), [("OPTIONS", 200)], "the log")


end_program()
