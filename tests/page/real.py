"""The real server with the small model: an answer, a stop that it sees, a key, loading, and a restart."""

import os
import socket

from scene import URL, end_program, opened, ready, send, shown, turn, until
from server import Server

from check import KEY, check, same

PROGRAM, MODEL = os.environ["SYSINFER_SERVER"], os.environ["SYSINFER_TEST_MODEL"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@check("an answer comes piece by piece and ends with its figures")
def _():
    with opened(URL + "/") as page:
        ready(page)
        page.click("#settings-fold summary")
        page.fill("#max-tokens", "60")
        page.fill("#temperature", "0")
        send(page, "Write a short story about a lighthouse.")
        lengths = set()
        place = page.locator(".turn .answer")

        def watched():
            lengths.add(len(place.inner_text()) if place.count() else 0)
            return page.locator(".turn[data-state=done]").count()

        until(watched, "the answer is complete")
        assert len(lengths - {0}) >= 3, f"the text had the lengths {sorted(lengths)}"
        figures = page.inner_text(".figures")
        assert "tokens/s" in figures and "prompt" in figures, figures
        facts = page.inner_text("#facts")
        for wanted in ("llama", "Q4_1", "threads"):
            assert wanted in facts, facts
        shown(page, "#untuned-why", "Untuned")
        send(page, "Go on.")
        page.wait_for_selector(".turn:nth-child(2)[data-state=done]")
        assert "cached" in page.inner_text(".turn:nth-child(2) .figures"), page.inner_text("#turns")


@check("a stop ends the computing: the server's log says that the client left")
def _():
    with Server(PROGRAM, MODEL, "--parallel", "1") as server, opened(server.url + "/") as page:
        ready(page)
        send(page, "Count from one to a thousand, in words.")
        until(lambda: page.locator(".turn .answer").count() and page.inner_text(".turn .answer"), "text")
        page.keyboard.press("Escape")
        turn(page, "stopped")
        until(lambda: any("the client left" in line for line in server.log), "the log says so")
        # With one place, the next answer begins only where the first one has ended.
        page.click("#settings-fold summary")
        page.fill("#max-tokens", "4")
        send(page, "Hello")
        page.wait_for_selector(".turn:nth-child(2)[data-state=done]")


@check("a server that has keys gives the page to everybody and answers to those who have one")
def _():
    with Server(PROGRAM, MODEL, "--api-key", KEY) as server:
        with opened(server.url + "/", allowed=("401",)) as page:
            page.wait_for_selector("[data-phase=locked]")
            page.fill("#key", "sk-other")
            page.press("#key", "Enter")
            shown(page, "#key-why", "does not accept")
            page.fill("#key", KEY)
            page.press("#key", "Enter")
            ready(page)
            page.click("#settings-fold summary")
            page.fill("#max-tokens", "8")
            send(page, "Hello")
            turn(page, "done")


@check("a restart in the middle of an answer: its text stays, and the page goes on")
def _():
    port = free_port()
    # What the browser finds depends on the moment: a connection that ends, or nobody there, or a model that loads.
    allowed = ("503", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
    first = Server(PROGRAM, MODEL, port=port).__enter__()
    try:
        with opened(f"http://127.0.0.1:{port}/", allowed=allowed) as page:
            ready(page)
            send(page, "Count from one to a thousand, in words.")
            until(lambda: page.locator(".turn .answer").count() and page.inner_text(".turn .answer"), "text")
            first.process.kill()
            turn(page, "lost")
            kept = page.inner_text(".turn .answer")
            assert kept
            page.wait_for_selector("[data-phase=lost]")
            with Server(PROGRAM, MODEL, port=port):
                ready(page)
                same(page.inner_text(".turn .answer"), kept)
                page.click("#settings-fold summary")
                page.fill("#max-tokens", "8")
                page.click(".retry:visible")
                turn(page, "done")
    finally:
        first.__exit__()


@check("a conversation that does not fit is refused in the page's words")
def _():
    with Server(PROGRAM, MODEL, "--context", "256") as server, opened(server.url + "/", allowed=("400",)) as page:
        ready(page)
        send(page, "word " * 2000)
        shown(page, "#notice-text", "do not fit the context of 256 tokens")
        assert "too long" in page.inner_text("#notice-detail"), page.inner_text("#notice-detail")


end_program()
