"""A browser, the stand-in server and what every look at the page has to keep: no error, and no request elsewhere.

The runner (run.py) names the browser, a running server of ours and axe in the environment.
"""

import os
import re
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from stand_in import StandIn

# How checks are made and told, which is as those of the clients.
sys.path.append(str(Path(__file__).resolve().parent.parent / "clients"))

CHROMIUM = os.environ["SYSINFER_CHROMIUM"]
#: A server of ours with the small model, from which the page comes.
URL = os.environ["SYSINFER_URL"]
AXE = Path(os.environ["SYSINFER_AXE"]).read_text()

DESKTOP, PHONE = (1280, 800), (390, 844)

#: Longest that something may take on a busy machine, seconds.
PATIENCE = 60

#: A refusal or a lost connection, of which the console tells whatever the page makes of it.
FAILED = re.compile(r"Failed to load resource: .*?(?:status of (\d+)|net::(ERR_\w+))")

# A proxy of the environment is not for this host.
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))

_playwright = sync_playwright().start()
# Root has no sandbox, as in containers.
_browser = _playwright.chromium.launch(
    executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else []
)


def end():
    _browser.close()
    _playwright.stop()


def files():
    """The page's files as the real server sends them: path to headers and body."""
    found, wanted = {}, ["/"]
    while wanted:
        path = wanted.pop()
        if path in found:
            continue
        with LOCAL.open(URL.rstrip("/") + path, timeout=30) as answer:
            body = answer.read()
            kept = ("Content-Type", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control")
            found[path] = ({name: answer.headers[name] for name in kept}, body)
        folder = path.rsplit("/", 1)[0]
        names = re.findall(r'(?: href| src|from)[ =]"(?:\./)?([^"#]+)"', body.decode())
        wanted += [f"{folder}/{name}" for name in names if not path.endswith(".svg")]
    assert len(found) > 10, found.keys()
    return found


#: Says what each check wants.
stand_in = StandIn(files())


@contextmanager
def opened(url=None, *, size=DESKTOP, scheme="light", language="en-US", allowed=(), **more):
    """The page in a browser of its own, ready, at the stand-in unless said otherwise.

    `allowed` are the statuses and network errors that the check brings about; any other error fails it.
    """
    url = url or stand_in.url
    context = _browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale=language, **more
    )
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    errors, requests = [], []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(f"{error.name}: {error.message}\n{error.stack}"))
    page.on("request", lambda request: requests.append(request.url))
    try:
        page.goto(url)
        yield page
        page.wait_for_timeout(50)
    finally:
        context.close()
    unwanted = [error for error in errors if not is_allowed(error, allowed)]
    assert not unwanted, f"the console has {unwanted}"
    assert len(requests) > 10, requests
    elsewhere = [request for request in requests if not request.startswith((url, "data:"))]
    assert not elsewhere, f"the page asks {elsewhere}"


@contextmanager
def elsewhere(url):
    """A page that is none of ours, in a browser of its own."""
    context = _browser.new_context()
    context.set_default_timeout(PATIENCE * 1000)
    try:
        page = context.new_page()
        page.goto(url)
        yield page
    finally:
        context.close()


def is_allowed(error, allowed):
    found = FAILED.match(error)
    return bool(found) and (found[1] or found[2]) in allowed


@contextmanager
def served(**opened_with):
    """The page at a stand-in that is as new, and the stand-in."""
    stand_in.reset()
    with stand_in, opened(**opened_with) as page:
        yield page, stand_in
        stand_in.released.set()


def ready(page):
    page.wait_for_selector("[data-phase=ready]")
    return page


def send(page, text, *, key="Enter"):
    page.fill("#input", text)
    page.press("#input", key)


def turn(page, state, nth=-1):
    """A turn once it is in this state."""
    page.wait_for_selector(f".turn:last-child[data-state={state}]")
    return page.locator(".turn").nth(nth)


def until(reached, what):
    """Waits until something is so, and returns what it found."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = reached()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"never so: {what}")


def shown(page, selector, text):
    """Waits until an element shows a text."""
    place = page.locator(selector)
    try:
        until(lambda: text in place.inner_text() or page.wait_for_timeout(20), text)
    except AssertionError:
        raise AssertionError(f"{selector} shows {place.inner_text()!r}, not {text!r}") from None


def axe(page, where):
    """What axe finds wrong, which is to be nothing."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"], "axe looked at nothing"
    wrong = [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found["violations"]]
    assert not wrong, f"{where}: {wrong}"


def has_no_sideways_scroll(page, where):
    wide = page.evaluate(
        """() => ["html", "body", "header", "main", "#chat", "#conversation", "#panel"]
            .map((name) => [name, document.querySelector(name)])
            .filter(([, place]) => place.scrollWidth > place.clientWidth)
            .map(([name, place]) => `${name}: ${place.scrollWidth} in ${place.clientWidth}`)"""
    )
    assert not wide, f"{where}: {wide}"


def end_program():
    """Ends the program with what its checks found."""
    import check

    end()
    check.finish()
