"""Refusals and failures: each says what is wrong and what to do, and nothing that was typed or had come is lost."""

import time

from scene import end_program, ready, send, served, shown, turn, until
from stand_in import CUT, END, HOLD, LOADING, STOPPING

from check import check, same


def held(page):
    return page.evaluate("document.activeElement.id")


@check("401: asks for a key, says that a wrong one is wrong, and goes on with the right one")
def _():
    with served(allowed=("401",)) as (page, server):
        ready(page)
        server.key = "sk-right"
        send(page, "Hello?")
        page.wait_for_selector("#key-form:visible")
        same(page.inner_text("#key-why"), "This server asks for an API key")
        same(page.input_value("#input"), "Hello?", "the input")
        until(lambda: held(page) == "key", "the focus is in the key's field")
        page.keyboard.type("sk-wrong")
        page.keyboard.press("Enter")
        shown(page, "#key-why", "does not accept")
        page.fill("#key", "sk-right")
        page.keyboard.press("Enter")
        ready(page)
        same(page.locator("#key-form").is_visible(), False)
        until(lambda: held(page) == "input", "the focus is back at the message")
        page.keyboard.press("Enter")
        turn(page, "done")
        # Kept by the tab, and nowhere else.
        same(page.evaluate("Object.values(sessionStorage)"), ["sk-right"])
        assert "sk-right" not in page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")
        page.reload()
        ready(page)
        same(page.locator("#key-form").is_visible(), False)
        page.click("#key-forget")
        page.wait_for_selector("#key-form:visible")
        same(page.evaluate("sessionStorage.length"), 0)


@check("a server that has keys from the start asks for one at once")
def _():
    with served(allowed=("401",)) as (page, server):
        server.key = "sk-right"
        page.reload()
        page.wait_for_selector("[data-phase=locked]")
        until(lambda: held(page) == "key", "the focus is in the key's field")


@check("503: says that the model is being loaded, asks /health with growing pauses, and goes on by itself")
def _():
    with served(allowed=("503",)) as (page, server):
        server.unavailable = LOADING
        page.reload()
        page.wait_for_selector("[data-phase=loading]")
        same(page.inner_text("#status-text"), "The model is being loaded…")
        server.paths.clear()
        send(page, "Ready?")
        shown(page, "#notice", "The model is being loaded. Your message is kept")
        same(page.input_value("#input"), "Ready?", "the input")
        until(lambda: server.paths.count("/health") >= 3, "it is asked again")
        # Pauses of 0.5, 0.8 and 1.3 s and more: what is asked grows slower than time.
        page.wait_for_timeout(4000)
        assert server.paths.count("/health") <= 9, server.paths
        server.unavailable = None
        ready(page)
        same(page.locator("#notice").is_visible(), False)
        same(held(page), "input", "the focus")
        page.keyboard.press("Enter")
        turn(page, "done")


@check("503: a server that stops says that it stops")
def _():
    with served(allowed=("503",)) as (page, server):
        ready(page)
        server.unavailable = STOPPING
        send(page, "?")
        page.wait_for_selector("[data-phase=stopping]")
        shown(page, "#notice", "stopping and takes no new requests")


@check("429: says to wait, waits as long as the server wants, and asks again")
def _():
    with served(allowed=("429",)) as (page, server):
        ready(page)
        server.busy, server.retry_after = 2, "2"
        began = time.monotonic()
        send(page, "Room?")
        shown(page, "#notice", "Trying again in")
        same(page.locator("#stop").is_visible(), True)
        turn(page, "done")
        assert time.monotonic() - began >= 3.9, "it did not wait twice for two seconds"
        same(len(server.asked), 3, "requests")
        same(page.locator("#notice").is_visible(), False)


@check("429: the wait can be given up, and the message stays")
def _():
    for how in ("#stop", "Escape"):
        with served(allowed=("429",)) as (page, server):
            ready(page)
            server.busy, server.retry_after = 100, "60"
            send(page, "Room?")
            shown(page, "#notice", "Trying again in")
            page.click(how) if how.startswith("#") else page.keyboard.press(how)
            page.wait_for_selector("#send:visible")
            same(page.input_value("#input"), "Room?", "the input")
            same(page.locator("#notice").is_visible(), False)
            same(len(server.asked), 1, "requests")


@check("429: a server that stays busy is not asked for ever")
def _():
    with served(allowed=("429",)) as (page, server):
        ready(page)
        server.busy, server.retry_after = 100, "0"
        send(page, "Room?")
        shown(page, "#notice", "still busy")
        same(len(server.asked), 10, "requests")
        same(page.input_value("#input"), "Room?", "the input")


@check("a conversation that does not fit says what to do, and a refusal of another kind what the server says")
def _():
    with served(allowed=("400", "413", "500", "404")) as (page, server):
        ready(page)
        cases = [
            (400, "context_length_exceeded", "do not fit the context of 8,192 tokens"),
            (413, "request_too_large", "too large for the server"),
            (400, None, "refused the request (status 400)"),
            (500, "internal_error", "refused the request (status 500)"),
            (404, "model_not_found", "refused the request (status 404)"),
        ]
        for status, code, words in cases:
            server.refusal = status, {"message": f"the server's words for {status}", "code": code}
            send(page, "Too much")
            shown(page, "#notice-text", words)
            same(page.inner_text("#notice-detail"), f"the server's words for {status}")
            same(page.input_value("#input"), "Too much", "the input")
            same(page.locator(".turn").count(), 0)
        server.refusal = None
        page.click("#notice-close")
        same(page.locator("#notice").is_visible(), False)
        send(page, "Less")
        turn(page, "done")


@check("a server that fails in the middle of an answer: what came stays, with its reason")
def _():
    with served() as (page, server):
        ready(page)
        server.script = ["Some", {"message": "the model's values are no numbers", "code": "logits_not_finite"}]
        send(page, "?")
        failed = turn(page, "failed")
        same(failed.locator(".answer").inner_text(), "Some")
        shown(page, ".reason", "the model's values are no numbers")


@check("a server that goes away in the middle of an answer: what came stays, and it goes on without a reload")
def _():
    lost = ("ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
    with served(allowed=lost) as (page, server):
        ready(page)
        page.evaluate("window.same = true")
        server.script = ["Half", " an", HOLD, " answer"]
        send(page, "?")
        shown(page, ".turn .answer", "Half an")
        server.stop()
        gone = turn(page, "lost")
        shown(page, ".turn .note", "connection to the server was lost")
        same(gone.locator(".answer").inner_text(), "Half an")
        same(page.get_attribute("body", "data-phase"), "lost", "what is known of the server at once")
        send(page, "Anybody?")
        shown(page, "#notice", "cannot be reached")
        same(page.input_value("#input"), "Anybody?", "the input")
        server.released.set()
        server.start()
        ready(page)
        same(page.locator("#notice").is_visible(), False)
        server.script = ["A whole answer"]
        page.click(".retry:visible")
        shown(page, ".turn .answer", "A whole answer")
        turn(page, "done")
        same(page.locator(".turn").count(), 1)
        page.press("#input", "Enter")
        page.wait_for_selector(".turn:nth-child(2)[data-state=done]")
        same(page.evaluate("window.same"), True, "whether it is the same page")


@check("an answer without an end is told from one that is complete")
def _():
    for end in (CUT, END):
        with served(allowed=("ERR_INCOMPLETE_CHUNKED_ENCODING",)) as (page, server):
            ready(page)
            server.script = ["Half", end]
            send(page, "?")
            turn(page, "lost")
            ready(page)


@check("an idle page notices that its server has gone, and that it is back")
def _():
    lost = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
    with served(allowed=lost) as (page, server):
        ready(page)
        server.stop()
        page.wait_for_selector("[data-phase=lost]")
        shown(page, "#status-text", "not reachable")
        server.start()
        ready(page)


end_program()
