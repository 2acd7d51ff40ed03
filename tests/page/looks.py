"""Light and dark, desktop and phone, English and Chinese: nothing to scroll sideways, and nothing that axe finds."""

import os
from pathlib import Path

from scene import DESKTOP, PHONE, axe, end_program, has_no_sideways_scroll, ready, send, served, shown, turn
from stand_in import HOLD

from check import check, same

#: Where pictures of all looks go, if they are wanted.
PICTURES = os.environ.get("SYSINFER_PAGE_PICTURES")

ANSWERS = {
    "en-US": "Air scatters short waves of light more than long ones: **Rayleigh scattering**. Its strength goes with the "
    "inverse fourth power of the wavelength.\n\n```python\ndef scattered(wavelength_nm: float) -> float:\n"
    "    return (700 / wavelength_nm) ** 4  # relative to red light of 700 nm, which is scattered least of all\n```\n\n"
    "So blue light of 450 nm is scattered 5.9 times as much. https://example.org/" + "long" * 40,
    "zh-CN": "空气对短波光的散射比对长波光强得多，这就是瑞利散射：散射强度与波长的四次方成反比。\n\n```python\n"
    "def scattered(wavelength_nm: float) -> float:\n    return (700 / wavelength_nm) ** 4  # 相对于 700 nm 的红光\n```\n\n"
    "因此 450 nm 的蓝光被散射的强度约为红光的 5.9 倍。" + "长" * 90,
}


def seen(page, look, state):
    where = f"{look}, {state}"
    has_no_sideways_scroll(page, where)
    axe(page, where)
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{look.replace(' ', '-')}-{state}.png"))


def states(size, scheme, language):
    look = f"{size[0]} {scheme} {language[:2]}"
    with served(size=size, scheme=scheme, language=language, allowed=("401", "400")) as (page, server):
        ready(page)
        seen(page, look, "empty")
        text = ANSWERS[language]
        server.script = [{"reasoning_content": "Light, air, waves."}, *text[:60], 0.3, *text[60:], HOLD]
        send(page, "Why is the sky blue?" if language == "en-US" else "为什么天空是蓝色的？")
        shown(page, ".turn .answer", text[-8:])
        seen(page, look, "streaming")
        server.released.set()
        turn(page, "done")
        page.click(".summary")
        seen(page, look, "done")
        server.refusal = 400, {"message": "the prompt is too long: it has " + "x" * 200, "code": "context_length_exceeded"}
        send(page, "?" * 300)
        page.wait_for_selector("#notice:visible")
        seen(page, look, "error")
        server.refusal, server.key = None, "sk-right"
        page.press("#input", "Enter")
        page.wait_for_selector("#key-form:visible")
        seen(page, look, "key")
        server.key = None
        page.click("#notice-close") if page.locator("#notice").is_visible() else None
        server.props["profile"] = {"path": "/etc/sysinfer/" + "p" * 60, "trusted": False, "applied": False,
                                   "not_trusted_because": "280 of 281 samples were disturbed"}
        server.props["rate"].update(share=0.6, cause="Other processes use the engine's CPUs (0-47): stop them.")
        page.fill("#key", "sk-right")
        page.press("#key", "Enter")
        ready(page)
        if size == PHONE:
            page.click("#panel-button")
        page.click("#settings-fold summary")
        page.fill("#temperature", "3")
        seen(page, look, "settings")


for size in (DESKTOP, PHONE):
    for scheme in ("light", "dark"):
        for language in ("en-US", "zh-CN"):
            name = f"{size[0]} px, {scheme}, {language}: no sideways scroll and nothing for axe, in six states"
            check(name)(lambda size=size, scheme=scheme, language=language: states(size, scheme, language))


@check("light is light and dark is dark")
def _():
    brightness = """() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3)
        .reduce((sum, part) => sum + Number(part), 0) / 3"""
    with served(scheme="light") as (page, _):
        assert page.evaluate(brightness) > 200
    with served(scheme="dark") as (page, _):
        assert page.evaluate(brightness) < 60
        same(page.eval_on_selector("html", "e => getComputedStyle(e).colorScheme"), "light dark")


@check("a panel of a narrow screen takes the place of the conversation, and a wide one shows both")
def _():
    with served(size=DESKTOP) as (page, _):
        same([page.locator(part).is_visible() for part in ("#panel", "#conversation", "#panel-button")], [True, True, False])
    with served(size=PHONE) as (page, _):
        same([page.locator(part).is_visible() for part in ("#panel", "#conversation", "#panel-button")], [False, True, True])
    for width in (320, 600, 859, 860, 861, 1920):
        with served(size=(width, 700)) as (page, _):
            ready(page)
            has_no_sideways_scroll(page, f"{width} px")


end_program()
