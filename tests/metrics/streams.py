"""Several streams at once, measured by one thread that hardly takes time from the server."""

import json
import selectors
import socket
import time
from urllib.parse import urlsplit

#: Longest time without a byte, seconds.
PATIENCE = 60


class Stream:
    """One chat; `arrivals` has the time of each read and the tokens that it brought."""

    def __init__(self, url, question, tokens):
        place = urlsplit(url)
        body = json.dumps({
            "messages": [{"role": "user", "content": question}],
            "stream": True, "max_tokens": tokens, "min_tokens": tokens, "ignore_eos": True, "temperature": 0,
        }).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        self.arrivals = []
        self.rest = b""
        self.socket = socket.create_connection((place.hostname, place.port))
        self.began = time.perf_counter()
        self.socket.sendall(head + body)
        self.socket.setblocking(False)

    def read(self):
        """Takes what has come; whether the stream goes on."""
        data = self.socket.recv(1 << 16)
        now = time.perf_counter()
        if not data:
            return False
        *lines, self.rest = (self.rest + data).split(b"\n")
        tokens = 0
        for line in lines:
            # Pieces of the answer, not its head: that one has the role. A token may complete no character.
            if line.startswith(b"data: {") and b'"delta":{"content"' in line:
                tokens += 1
        if tokens:
            self.arrivals.append((now, tokens))
        return True

    def first_token(self):
        return self.arrivals[0][0] - self.began

    def tokens(self):
        return sum(tokens for _, tokens in self.arrivals)

    def inter_token(self):
        """The time of each token behind those that came first: a part of the time since the ones before."""
        pairs = zip(self.arrivals, self.arrivals[1:])
        return [(now - before) / tokens for (before, _), (now, tokens) in pairs for _ in range(tokens)]


def run(url, questions, tokens):
    """Answers all at once; returns the streams when they are over."""
    selector = selectors.DefaultSelector()
    streams = [Stream(url, question, tokens) for question in questions]
    for stream in streams:
        selector.register(stream.socket, selectors.EVENT_READ, stream)
    left = len(streams)
    while left:
        ready = selector.select(PATIENCE)
        assert ready, f"nothing came for {PATIENCE} s"
        for key, _ in ready:
            if not key.data.read():
                selector.unregister(key.fileobj)
                key.fileobj.close()
                left -= 1
    return streams
