"""Answers: sent, streamed, stopped, retried, remembered, copied, and text whatever they hold."""

from scene import end_program, ready, send, served, shown, turn, until
from stand_in import HOLD

from check import check, same


@check("an answer: the question is sent, the text grows, the end has the server's counts")
def _():
    with served() as (page, server):
        ready(page)
        server.script = ["The sky", " is", HOLD, " blue", "."]
        send(page, "Why?")
        shown(page, ".turn .answer", "The sky is")
        same(page.locator(".turn").get_attribute("data-state"), "writing")
        same(page.input_value("#input"), "", "the input")
        same(page.locator("#empty").is_visible(), False, "the welcome")
        server.released.set()
        done = turn(page, "done")
        same(done.locator(".answer").inner_text(), "The sky is blue.")
        same(done.locator(".question").inner_text(), "Why?")
        figures = done.locator(".figures").inner_text()
        for wanted in ("4 tokens", "first after", "prompt 54", "32 of it cached"):
            assert wanted in figures, figures
        asked = server.asked[0]
        same(asked["messages"], [{"role": "user", "content": "Why?"}])
        same(asked["model"], "Qwen3-8B-Q4_0")
        same(asked["stream"], True)
        same(asked["stream_options"]["include_usage"], True)


@check("before the first token it says that the prompt is being read")
def _():
    with served() as (page, server):
        ready(page)
        server.script = [HOLD, "Yes"]
        send(page, "?")
        shown(page, ".turn .figures", "Reading the prompt")
        server.released.set()
        turn(page, "done")
        same(page.locator(".figures").get_by_text("Reading").is_visible(), False)


@check("Stop and Escape end an answer, keep its text, and the server learns of it")
def _():
    for how in ("button", "Escape"):
        with served() as (page, server):
            ready(page)
            server.script = ["Some", " text", HOLD, "never"]
            send(page, "Go")
            shown(page, ".turn .answer", "Some text")
            page.click("#stop") if how == "button" else page.keyboard.press("Escape")
            stopped = turn(page, "stopped")
            same(stopped.locator(".answer").inner_text(), "Some text", how)
            same(stopped.locator(".note").inner_text(), "Stopped.")
            same(server.left.get(timeout=60), 2, "tokens when the client left")
            same(page.evaluate("document.activeElement.id"), "input", "the focus")
            same(page.locator("#send").is_visible(), True)


@check("later questions come with what was said, without turns that have no answer")
def _():
    with served() as (page, server):
        ready(page)
        send(page, "one")
        turn(page, "done")
        server.script = []
        send(page, "two")
        page.wait_for_selector(".turn:nth-child(2)[data-state=done]")
        shown(page, ".turn:nth-child(2) .note", "without any text")
        server.script = ["Third"]
        send(page, "three")
        page.wait_for_selector(".turn:nth-child(3)[data-state=done]")
        said = [("user", "one"), ("assistant", "Hello there."), ("user", "three")]
        same([(message["role"], message["content"]) for message in server.asked[-1]["messages"]], said)
        page.click("#new")
        same(page.locator(".turn").count(), 0)
        same(page.locator("#empty").is_visible(), True)
        send(page, "four")
        turn(page, "done")
        same(len(server.asked[-1]["messages"]), 1, "messages of a new chat")


@check("Retry asks the last question again and puts the new answer in the place of the old one")
def _():
    with served() as (page, server):
        ready(page)
        send(page, "one")
        turn(page, "done")
        send(page, "two")
        page.wait_for_selector(".turn:nth-child(2)[data-state=done]")
        same(page.locator(".retry:visible").count(), 1, "turns that can be retried")
        server.script = ["Another"]
        page.click(".retry:visible")
        shown(page, ".turn:last-child .answer", "Another")
        turn(page, "done")
        same(page.locator(".turn").count(), 2)
        said = [message["content"] for message in server.asked[-1]["messages"]]
        same(said, ["one", "Hello there.", "two"])


@check("an answer that was cut at its limit says so")
def _():
    with served() as (page, server):
        ready(page)
        server.finish = "length"
        send(page, "?")
        shown(page, ".turn .note", "limit of tokens")


@check("thoughts are folded, apart from the answer, and not sent again")
def _():
    with served() as (page, server):
        ready(page)
        server.script = [{"reasoning_content": "Let me "}, {"reasoning_content": "think."}, HOLD, "42"]
        send(page, "?")
        shown(page, ".summary", "Thinking")
        same(page.locator(".thought-text").is_visible(), False)
        server.released.set()
        turn(page, "done")
        same(page.locator(".summary").inner_text(), "Thoughts")
        page.click(".summary")
        same(page.locator(".thought-text").inner_text(), "Let me think.")
        same(page.locator(".answer").inner_text(), "42")
        send(page, "and?")
        page.wait_for_selector(".turn:nth-child(2)[data-state=done]")
        assert "think" not in str(server.asked[-1]), server.asked[-1]


@check("code stands in blocks of its own, whatever pieces it comes in")
def _():
    text = "See:\n\n```python\nif a < b:\n    print('`')\n```\n\nand ``no`` block\n~~~\nopen\n``` \nstill\n"
    wanted = [("prose", "See:"), ("code", "if a < b:\n    print('`')"), ("prose", "and ``no`` block"), ("code", "open\n``` \nstill\n")]
    for size in (1, 2, 7, len(text)):
        with served() as (page, server):
            ready(page)
            server.script = [text[at : at + size] for at in range(0, len(text), size)]
            send(page, "?")
            turn(page, "done")
            found = page.eval_on_selector_all(
                ".turn .answer > *",
                "all => all.map(e => [e.className, (e.querySelector('code') ?? e).textContent])",
            )
            same([tuple(block) for block in found], wanted, f"in pieces of {size}")
            same(page.locator(".language").first.inner_text(), "python")
            font = page.eval_on_selector(".code code", "e => getComputedStyle(e).fontFamily")
            assert "monospace" in font, font


@check("what looks like markup is text, in answers, thoughts, questions, errors and names")
def _():
    bad = "<img src=x onerror=\"document.title='bad'\"><script>document.title='bad'</script>**b** &amp; <b>"
    with served() as (page, server):
        server.props["model_name"] = server.props["model"]["name"] = bad
        server.props["profile"] = {"path": bad, "trusted": False, "not_trusted_because": bad, "applied": False}
        server.props["rate"]["cause"] = bad
        ready(page)
        server.script = [{"reasoning_content": bad}, bad, "\n```" + bad.replace("`", "") + "\n" + bad + "\n```"]
        send(page, bad)
        turn(page, "done")
        page.click(".summary")
        for part in (".question", ".thought-text", ".answer > .prose", ".answer code"):
            same(page.locator(part).first.inner_text(), bad, part)
        server.script = ["x", {"message": bad, "code": "internal_error"}]
        send(page, "?")
        turn(page, "failed")
        same(page.locator(".turn:last-child .reason").inner_text(), bad)
        same(page.locator("#turns img, #turns script, #turns b, #panel img, header img").count(), 0)
        assert page.title() != "bad"


@check("copies an answer and its code, also where the browser has no clipboard for the page")
def _():
    for has_clipboard in (True, False):
        with served(permissions=["clipboard-read", "clipboard-write"]) as (page, server):
            ready(page)
            read = "navigator.clipboard.readText()"
            if not has_clipboard:
                page.evaluate("() => { window.held = navigator.clipboard; "
                              "Object.defineProperty(navigator, 'clipboard', { value: undefined }); }")
                read = "held.readText()"
            server.script = ["Take:\n```\nmake test\n```\n"]
            send(page, "?")
            turn(page, "done")
            page.click(".actions button:visible >> nth=0")
            shown(page, ".actions", "Copied")
            same(page.evaluate(read), "Take:\n```\nmake test\n```\n", "the clipboard")
            page.click("figcaption button")
            shown(page, "figcaption", "Copied")
            same(page.evaluate(read), "make test", "the clipboard")
            same(page.locator("body > textarea").count(), 0)


@check("settings go with the next message, and what cannot be is not sent")
def _():
    with served() as (page, server):
        ready(page)
        page.click("#settings-fold summary")
        same(page.get_attribute("#temperature", "placeholder"), "0.7", "the server's temperature")
        same(page.get_attribute("#max-tokens", "placeholder"), "4096", "the server's most tokens")
        page.fill("#system", "Be brief.")
        page.fill("#temperature", "0.25")
        page.fill("#max-tokens", "12")
        send(page, "?")
        turn(page, "done")
        asked = server.asked[0]
        same((asked["temperature"], asked["max_tokens"]), (0.25, 12))
        same(asked["messages"][0], {"role": "system", "content": "Be brief."})
        page.fill("#temperature", "2.5")
        send(page, "again")
        shown(page, "#notice", "out of range")
        same(page.evaluate("document.activeElement.id"), "temperature", "the focus")
        same(page.input_value("#input"), "again", "the input")
        same(len(server.asked), 1, "requests")
        page.fill("#temperature", "")
        page.fill("#max-tokens", "")
        page.press("#input", "Enter")
        page.wait_for_selector(".turn:nth-child(2)[data-state=done]")
        assert not {"temperature", "max_tokens"} & server.asked[-1].keys(), server.asked[-1]


@check("a rate is that of the tokens as they came: planted times")
def _():
    script = """async () => {
        const { Rate, threeDigits } = await import(new URL("page/rate.js", document.baseURI));
        const rate = new Rate(1000);
        const none = [rate.live(1500), rate.whole(), rate.firstTokenSeconds];
        // Two tokens after 2 s, then one each 100 ms for 10 s, then one each 50 ms for 10 s.
        rate.arrived(3000, 2);
        let tokens = 2, time = 3000;
        for (let i = 0; i < 100; i += 1) rate.arrived(time += 100, tokens += 1);
        const slow = rate.live(time);
        for (let i = 0; i < 200; i += 1) rate.arrived(time += 50, tokens += 1);
        rate.arrived(time + 10, tokens);
        const burst = new Rate(0);
        burst.arrived(10, 1); burst.arrived(11, 9);
        return {
            none, slow, fast: rate.live(time), between: rate.live(time + 900), whole: rate.whole(), first: rate.firstTokenSeconds, tokens: rate.tokens,
            silent: rate.live(time + 3000), burst: [burst.live(12), burst.whole()].map((value) => value === undefined),
            digits: [0.306, 9.994, 9.996, 23.44, 99.94, 99.96, 312.2].map(threeDigits), kept: rate.recent.length,
        };
    }"""
    with served() as (page, _):
        ready(page)
        found = page.evaluate(script)
        same(found["none"], [None, None, None], "of nothing")
        same(found["tokens"], 302)
        same(found["first"], 2)
        assert abs(found["slow"] - 10) < 0.01 and abs(found["fast"] - 20) < 0.01, found
        same(found["between"], found["fast"], "between two tokens")
        assert abs(found["whole"] - 15) < 0.01, found
        assert found["silent"] < 11, found
        same(found["burst"], [True, True], "what left together says nothing")
        same(found["digits"], ["0.31", "9.99", "10.0", "23.4", "99.9", "100", "312"])
        assert found["kept"] < 70, found


@check("the live rate and that of the whole answer are those of the stream")
def _():
    with served() as (page, server):
        ready(page)
        server.script = [step for _ in range(30) for step in ("word ", 0.05)]
        send(page, "?")
        until(lambda: page.inner_text("#rate") not in ("–", ""), "a live rate")
        same(page.inner_text("#rate-what"), "this answer, now")
        turn(page, "done")
        same(page.inner_text("#rate-what"), "last answer")
        rate = float(page.inner_text("#rate"))
        # A busy machine makes the stream slower, and never faster.
        assert 1 < rate <= 21, rate
        assert f"{page.inner_text('#rate')} tokens/s" in page.inner_text(".figures"), page.inner_text(".figures")
        assert page.get_attribute("#chart .line", "d").count("L") >= 1


@check("a reader who scrolls back is left there, one at the end sees what comes")
def _():
    with served() as (page, server):
        ready(page)
        end = "e => e.scrollHeight - e.scrollTop - e.clientHeight"
        server.script = ["line\n" * 60, HOLD, "more\n" * 60]
        send(page, "?")
        shown(page, ".turn .answer", "line")
        until(lambda: page.eval_on_selector("#conversation", end) < 5, "the end is in sight")
        page.eval_on_selector("#conversation", "e => { e.scrollTop = 100 }")
        page.wait_for_timeout(100)
        server.released.set()
        turn(page, "done")
        same(page.eval_on_selector("#conversation", "e => e.scrollTop"), 100, "where the reader was")


end_program()
