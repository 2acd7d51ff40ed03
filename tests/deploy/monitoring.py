"""Prometheus' configuration and alerts, by promtool: the files are valid, the rules alert as rules_test.yml says, and
every metric that they read is one of the server's."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from check import Skipped, check, finish
from server import LOCAL, Server

FOLDER = Path(__file__).resolve().parent.parent.parent / "deploy" / "prometheus"


def promtool(*words):
    if not shutil.which("promtool"):
        raise Skipped("there is no promtool")
    done = subprocess.run(["promtool", *words], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@check("prometheus.yml is valid")
def _():
    promtool("check", "config", "prometheus.yml")


@check("rules.yml is valid, without a lint")
def _():
    promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yml")


@check("every alert fires when it should, and not before")
def _():
    said = promtool("test", "rules", "rules_test.yml")
    assert "SUCCESS" in said, said


@check("every alert has a test")
def _():
    alerts = set(re.findall(r"- alert: (\w+)", (FOLDER / "rules.yml").read_text()))
    tested = set(re.findall(r"alertname: (\w+)", (FOLDER / "rules_test.yml").read_text()))
    assert alerts and alerts == tested, alerts ^ tested


def expressions_of_alerts():
    return re.findall(r"expr: (?:\|\n(?:\s{10,}.*\n)+|.*)", (FOLDER / "rules.yml").read_text())


def expressions_of_panels():
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


@check("every panel of the dashboard asks what Prometheus understands, and no two lie on each other")
def _():
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions_of_panels())]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        # Of Grafana's variables only the one that stands for a time is none of PromQL; JSON is YAML.
        text = json.dumps({"groups": [{"name": "dashboard", "rules": rules}]})
        file.write(text.replace("$__rate_interval", "5m"))
        file.flush()
        promtool("check", "rules", file.name)
    taken = set()
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells


@check("every metric that is read is one of the server's")
def _():
    read = set(re.findall(r"\bsysinfer_[a-z_]+", "\n".join([*expressions_of_alerts(), *expressions_of_panels()])))
    assert read
    with Server(os.environ["SYSINFER_SERVER"], os.environ["SYSINFER_TEST_MODEL"], "--threads", "1", "--kv-memory", "256M") as server:
        request = urllib.request.Request(
            f"{server.url}/v1/completions", b'{"prompt": "a", "max_tokens": 4}', {"Content-Type": "application/json"}
        )
        LOCAL.open(request, timeout=60).read()
        try:
            text = LOCAL.open(f"{server.url}/metrics", timeout=10).read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise Skipped("this server has no /metrics") from error
            raise
    there = set(re.findall(r"^# TYPE (sysinfer_\w+)", text, re.M))
    there |= {f"{name}_{part}" for name in there for part in ("bucket", "sum", "count")}
    # These come only once there is something to compare with, as the server's documentation says.
    later = {"sysinfer_tuned_rate_share", "sysinfer_requests_refused_total"}
    assert read <= there | later, f"the server has no {', '.join(sorted(read - there - later))}"


finish()
