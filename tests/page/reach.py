"""Keyboard alone, screen readers, and the two languages."""

import re

from scene import end_program, files, opened, ready, send, served, shown, stand_in, turn, until
from stand_in import HOLD, LOADING

from check import check, same

#: The name of whatever has the focus.
FOCUS = """() => {
    const e = document.activeElement;
    return e.id || e.className || e.tagName.toLowerCase();
}"""

#: Puts the focus before everything else.
START = """() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
}"""


@check("Tab reaches everything in its order, and leaves nothing behind")
def _():
    with served() as (page, server):
        server.props["profile"] = None
        page.reload()
        ready(page)
        page.click("#settings-fold summary")
        server.script = ["```\ncode\n```"]
        send(page, "?")
        turn(page, "done")
        page.evaluate(START)
        wanted = ["skip", "new", "language", "conversation", "quiet", "pre", "quiet", "quiet retry", "input", "send",
                  "quiet", "summary", "system", "temperature", "max-tokens"]
        found = []
        for _ in wanted:
            page.keyboard.press("Tab")
            found.append(page.evaluate(FOCUS))
        same(found, wanted, "the order")


@check("the link that skips leads to the message, and whatever has the focus shows it")
def _():
    with served() as (page, _):
        ready(page)
        page.evaluate(START)
        page.keyboard.press("Tab")
        box = page.locator(".skip").bounding_box()
        assert box["y"] >= 0, box
        page.keyboard.press("Enter")
        same(page.evaluate(FOCUS), "input", "the focus")
        for selector in ("#new", "#language", "#input", "#conversation", "#settings-fold summary"):
            page.keyboard.press("Tab")  # A keyboard is used, so that the focus is to be seen.
            page.focus(selector)
            style = page.eval_on_selector(selector, "e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth")
            same(style, "solid2px", selector)


@check("Enter sends, Shift+Enter begins a line, and Enter within an input method does neither")
def _():
    with served() as (page, server):
        ready(page)
        same(page.evaluate(FOCUS), "input", "the focus at the start")
        page.keyboard.type("one")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("two")
        page.eval_on_selector(
            "#input",
            """e => { for (const more of [{ isComposing: true }, { keyCode: 229 }])
                e.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...more })) }""",
        )
        same(server.asked, [], "requests")
        page.keyboard.press("Enter")
        turn(page, "done")
        same(server.asked[0]["messages"][0]["content"], "one\ntwo")
        page.keyboard.press("Enter")
        page.keyboard.type("  ")
        page.keyboard.press("Enter")
        same(len(server.asked), 1, "requests: nothing is not sent")


@check("while an answer is written the next message can be typed, and waits")
def _():
    with served() as (page, server):
        ready(page)
        server.script = ["one", HOLD]
        send(page, "?")
        shown(page, ".turn .answer", "one")
        page.keyboard.type("next")
        page.keyboard.press("Enter")
        same(len(server.asked), 1, "requests")
        same(page.input_value("#input"), "next", "the input")
        server.released.set()
        turn(page, "done")
        same(page.input_value("#input"), "next", "the input")


@check("Stop by keyboard gives the focus back to the message, and Escape closes the panel of a phone")
def _():
    with served(size=(390, 844)) as (page, server):
        ready(page)
        server.script = ["one", HOLD]
        send(page, "?")
        shown(page, ".turn .answer", "one")
        page.keyboard.press("Tab")
        same(page.evaluate(FOCUS), "stop", "the focus")
        page.keyboard.press("Space")
        turn(page, "stopped")
        until(lambda: page.evaluate(FOCUS) == "input", "the focus is at the message")
        page.focus("#panel-button")
        page.keyboard.press("Enter")
        same(page.get_attribute("#panel-button", "aria-expanded"), "true")
        same(page.locator("#panel").is_visible(), True)
        same(page.locator("#conversation").is_visible(), False)
        page.keyboard.press("Escape")
        same(page.get_attribute("#panel-button", "aria-expanded"), "false")
        same(page.locator("#panel").is_visible(), False)
        same(page.evaluate(FOCUS), "panel-button", "the focus")


@check("screen readers hear that an answer begins and ends, and none of its tokens")
def _():
    with served(allowed=("503",)) as (page, server):
        ready(page)
        page.evaluate(
            """() => { window.heard = []; new MutationObserver(() => {
                const text = document.getElementById("announcer").textContent;
                if (text) window.heard.push(text);
            }).observe(document.getElementById("announcer"), { childList: true, characterData: true, subtree: true }) }"""
        )
        heard = lambda: page.evaluate("window.heard")
        server.script = [step for _ in range(20) for step in ("word ", 0.02)]
        send(page, "?")
        turn(page, "done")
        wanted = ["The answer has begun", "The answer is complete, 20 tokens"]
        until(lambda: len(heard()) >= 2, "both are said")
        same(heard(), wanted)
        live = page.eval_on_selector_all("[aria-live], [role=alert], [role=status], [role=log]", "all => all.map(e => e.id)")
        same(set(live), {"announcer", "notice"}, "what is read out")
        server.unavailable = LOADING
        page.wait_for_selector("[data-phase=loading]")
        server.unavailable = None
        ready(page)
        until(lambda: heard()[2:] == ["The model is being loaded…", "Ready"], "the server's state is said")


@check("the first language that the browser asks for and the page has is spoken; a choice is remembered")
def _():
    stand_in.reset()
    with stand_in:
        cases = [("zh-CN", "zh-CN", "发送"), ("zh-Hant-TW", "zh-CN", "发送"), ("en-GB", "en", "Send"), ("fr-FR", "en", "Send")]
        for asked, lang, words in cases:
            with opened(language=asked) as page:
                ready(page)
                same(page.get_attribute("html", "lang"), lang, asked)
                same(page.inner_text("#send"), words, asked)
        with opened(language="zh-CN") as page:
            ready(page)
            server = stand_in
            server.script = ["回答"]
            send(page, "问题")
            turn(page, "done")
            same(page.get_attribute("#language", "lang"), "en", "the language of the other's name")
            page.click("#language")
            same(page.get_attribute("html", "lang"), "en")
            # What was said stays, and what the page says of it changes.
            same(page.inner_text(".turn .answer"), "回答")
            assert "tokens" in page.inner_text(".figures") or "token" in page.inner_text(".figures")
            same(page.locator(".who").first.inner_text(), "You")
            same(page.get_attribute("#input", "placeholder"), "Write a message")
            same(page.get_attribute("#conversation", "aria-label"), "Conversation")
            page.reload()
            ready(page)
            same(page.get_attribute("html", "lang"), "en", "after a reload")


@check("both languages have the same words with the same values, and neither has words that are not used")
def _():
    with served() as (page, server):
        ready(page)
        words = page.evaluate(
            """async () => { const of = async (name) =>
                (await import(new URL(`page/words/${name}.js`, document.baseURI))).default;
                return [await of("en"), await of("zh")] }"""
        )
        values = lambda text: sorted(set(re.findall(r"\{\w+\}", text)))
        en, zh = words
        same(list(zh), list(en), "the names, in their order")
        for name in en:
            same(values(zh[name]), values(en[name]), name)
            assert name == "ownName" or en[name] != zh[name], f"{name} is not translated"
            assert not re.search(r"[\u4e00-\u9fff]", en[name]), name
        sources = " ".join(body.decode() for path, (_, body) in files().items() if "/words/" not in path)
        unused = [name for name in en if not re.search(rf"\b{name}\b", sources) and not name.startswith(("phase_", "notice_"))]
        same(unused, [], "words that nothing says")


@check("who wants less motion sees none")
def _():
    for motion, wanted in (("reduce", "none"), ("no-preference", "blink")):
        with served(reduced_motion=motion) as (page, server):
            ready(page)
            server.script = ["one", HOLD]
            send(page, "?")
            shown(page, ".turn .answer", "one")
            found = page.eval_on_selector(".answer > .prose", "e => getComputedStyle(e, '::after').animationName")
            same(found, wanted, motion)


end_program()
