"""What the page says of the server: its facts, its speed beside the tuned one, and what to do where it is not tuned."""

from scene import end_program, ready, send, served, shown, turn, until
from stand_in import HOLD

from check import check, same


def facts(page):
    rows = page.eval_on_selector_all("#facts > div", "all => all.map(e => [...e.children].map(c => c.textContent))")
    return dict(map(tuple, rows))


@check("model, quantisation, context, plan, profile, load and version are those of /props")
def _():
    with served() as (page, server):
        ready(page)
        same(
            facts(page),
            {
                "Model": "Qwen3 8B (qwen3, 8.19 B)",
                "Quantisation": "Q4_0, 4.77 GB",
                "Context": "8,192 tokens",
                "Decode": "48 threads, CPUs 0-47, compact",
                "Prefill": "48 threads, CPUs 0-47, spread",
                "Profile": "/etc/sysinfer/profile.toml",
                "Trusted": "yes",
                "Applied": "yes",
                "Waiting": "0 of at most 64",
                "At once": "up to 16 requests",
                "Version": "0.1.0, aarch64",
            },
        )
        same(page.title(), "Qwen3-8B-Q4_0 · sysInfer", "the title")
        server.props["queue"]["waiting"] = 3
        server.props["plan"]["decode"] = server.props["plan"]["prefill"] = {"threads": 2, "map": "unpinned", "cpus": ""}
        until(lambda: facts(page)["Waiting"] == "3 of at most 64", "waiting requests are shown as they change")
        found = facts(page)
        same(found["Plan"], "2 threads, not pinned")
        same({"Decode", "Prefill"} & found.keys(), set())
        same(list(found).index("Plan"), 3, "the place of the plan")


@check("the share of the tuned rate is shown with its cause, and nothing where the server does not say")
def _():
    rates = [
        ({"decode_tokens_per_second": 24.1, "tuned_tokens_per_second": 25.3, "share": 0.953, "cause": None}, "95 %", "good"),
        ({"decode_tokens_per_second": 23.3, "tuned_tokens_per_second": 25.3, "share": 0.92, "cause": None}, "92 %", "good"),
        ({"decode_tokens_per_second": 20.1, "tuned_tokens_per_second": 25.3, "share": 0.79, "cause": "A quota."}, "79 %", "fair"),
        ({"decode_tokens_per_second": 9.53, "tuned_tokens_per_second": 25.3, "share": 0.375, "cause": "Busy CPUs."}, "38 %", "poor"),
        ({"decode_tokens_per_second": 26.9, "tuned_tokens_per_second": 25.3, "share": 1.064, "cause": None}, "106 %", "good"),
    ]
    for rate, share, level in rates:
        with served() as (page, server):
            server.props["rate"] = rate
            page.reload()
            ready(page)
            shown(page, "#share-text", f"{share} of the tuned rate")
            same(page.get_attribute("#share-bar", "data-level"), level)
            assert int(page.get_attribute("#share-bar", "aria-valuenow")) <= 100
            shown(page, "#rate-now", f"{rate['decode_tokens_per_second']} tokens/s")
            shown(page, "#rate-tuned", "25.3 tokens/s")
            same(page.inner_text("#cause") if rate["cause"] else None, rate["cause"])
            same(page.locator("#cause").is_visible(), rate["cause"] is not None)
    nothing = {"decode_tokens_per_second": None, "tuned_tokens_per_second": None, "share": None, "cause": None}
    for rate in (None, nothing, "absent"):
        with served() as (page, server):
            server.props["rate"] = rate
            if rate == "absent":
                del server.props["rate"]
            page.reload()
            ready(page)
            same(page.locator("#share, #cause").filter(visible=True).count(), 0, rate)
            same((page.inner_text("#rate-now"), page.inner_text("#rate-tuned")), ("–", "–"))
            send(page, "?")
            turn(page, "done")


@check("an untuned server has the command that tunes it; so has one whose profile is set aside")
def _():
    with served() as (page, server):
        server.props["profile"] = None
        server.props["model"]["path"] = "/srv/my models/it's.gguf"
        page.reload()
        ready(page)
        shown(page, "#untuned-why", "Untuned: the default plan runs")
        same(page.inner_text("#untuned-command"), "sysinfer-tune '/srv/my models/it'\\''s.gguf'")
        same(facts(page)["Profile"], "none")
        same({"Trusted", "Applied"} & facts(page).keys(), set())
    with served() as (page, server):
        server.props["profile"] = {
            "path": "p.toml", "trusted": False, "not_trusted_because": "280 samples were disturbed", "applied": False,
        }
        page.reload()
        ready(page)
        shown(page, "#untuned-why", "not to be trusted")
        same(page.inner_text("#untuned-command"), "sysinfer-tune /srv/models/Qwen3-8B-Q4_0.gguf")
        same(facts(page)["Trusted"], "no: 280 samples were disturbed")
        same(facts(page)["Applied"], "no, the default plan runs")
    with served() as (page, server):
        ready(page)
        same(page.locator("#untuned").is_visible(), False)


@check("a server that says next to nothing of itself can be talked to")
def _():
    with served() as (page, server):
        server.props = {}
        page.reload()
        ready(page)
        same(facts(page), {})
        send(page, "?")
        turn(page, "done")
        assert "model" not in server.asked[0], server.asked[0]


@check("/props is asked again while nothing happens, and more often while an answer is written")
def _():
    with served() as (page, server):
        ready(page)
        server.script = [HOLD]
        server.paths.clear()
        until(lambda: "/props" in server.paths, "it is asked while nothing happens")
        send(page, "?")
        turn(page, "reading")
        server.paths.clear()
        page.wait_for_timeout(6500)
        count = server.paths.count("/props")
        assert 2 <= count <= 5, f"{count} times in 6.5 s"


end_program()
