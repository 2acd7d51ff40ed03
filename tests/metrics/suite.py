"""`make test-metrics`: what /metrics says, against what clients measure and what is done to the host.

    python3 suite.py --server FILE --tuner FILE --model MODEL.gguf [--only WORD] [--profile PROFILE.toml]

Tunes the host with the small model first, unless a profile is named: once for all CPUs, and once for all but the last,
which then has the clients, so that they take no time from the engine that is measured. What cannot be done here is
SKIPPED, aloud. Needs a quiet host, Python 3.9 or later, and promtool (Debian: prometheus) for one check.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))

import burdens  # noqa: E402
import streams  # noqa: E402
from exposition import Histogram, chosen, read, text, value  # noqa: E402
from server import LOCAL, Server  # noqa: E402

#: How far a client's figures and ours may be from each other.
TOLERANCE = 0.05
#: Lengths that the profile has, tokens.
LENGTHS = "32,64,128,256,512"
#: Tokens of an answer: with their question they are within these lengths.
TOKENS = 200
#: Streams at once.
STREAMS = 8
#: The share is of the last ten seconds.
WINDOW = 10

QUESTIONS = [
    f"Tell me, in your own words and at length, what people of town number {number} like about their river."
    for number in range(STREAMS)
]


class Skipped(Exception):
    """Its text says why."""


class Suite:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.failed = []

    def server(self, *options):
        """An engine on all CPUs."""
        return self.serving(self.arguments.profile or self.tuned("all"), *options)

    def server_apart(self):
        """An engine on all CPUs but that of the clients."""
        cpus = sorted(os.sched_getaffinity(0))[:-1]
        if self.arguments.profile:
            return self.server()
        if not cpus:
            raise Skipped("there is one CPU, and clients take time from the engine")
        return self.serving(self.tuned("apart", "--threads", str(len(cpus)), "--cpus", ",".join(map(str, cpus))))

    def serving(self, profile, *options):
        """Without drafts: steps with them are not compared."""
        return Server(self.arguments.server, self.arguments.model, "--profile", str(profile), "--lookup", "off", *options)

    def tuned(self, name, *options):
        """A profile of this host, from a quick run."""
        profile = self.folder / f"{name}.toml"
        if not profile.exists():
            command = [self.arguments.tuner, self.arguments.model, "--quick", "--lengths", LENGTHS,
                       "--sequences", "1,2,4,8", "--output", str(profile), "--report", str(self.folder / name), *options]
            done = subprocess.run(command, capture_output=True, text=True, timeout=900)
            assert done.returncode == 0, done.stderr[-2000:]
            if "trusted = false" in profile.read_text():
                print("NOTE: other load disturbed the tuning, and its profile is not to be trusted: checks of rates may fail")
        return profile

    def check(self, check):
        name = check.__name__.replace("_", " ")
        if self.arguments.only and self.arguments.only not in name:
            return
        began = time.monotonic()
        try:
            said = check(self)
        except Skipped as why:
            print(f"SKIPPED {name}: {why}", flush=True)
        except Exception as error:  # Whatever goes wrong is a failed check, and the others go on.
            self.failed.append(name)
            print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
        else:
            print(f"ok      {name}: {said} ({time.monotonic() - began:.0f} s)", flush=True)


def near(found, wanted, what):
    """Whether they are within the tolerance; says how far apart they are."""
    part = found / wanted - 1
    line = f"{what} {found * 1000:.2f} of {wanted * 1000:.2f} ms ({100 * part:+.1f} %)"
    assert abs(part) <= TOLERANCE, line
    return line


def same_quantile(ours, client, what):
    """Whether the client's median is in the bucket of ours, which is all that a histogram knows."""
    low, high, between = ours.quantile(0.5)
    median = statistics.median_low(client)
    line = f"{what} {between * 1000:.2f} of {median * 1000:.2f} ms ({100 * (between / median - 1):+.1f} %)"
    assert low * (1 - TOLERANCE) <= median <= high * (1 + TOLERANCE), f"{line}, in {low} to {high}"
    return line


def promtool_has_no_remark_but_on_colons(suite):
    if not shutil.which("promtool"):
        raise Skipped("there is no promtool (Debian: apt-get install prometheus)")
    with suite.server() as server:
        streams.run(server.url, QUESTIONS[:2], 20)
        exported = text(server.url)

    def remarks(exported):
        done = subprocess.run(["promtool", "check", "metrics"], input=exported, capture_output=True, text=True)
        return done.returncode, [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]

    code, found = remarks(exported)
    others = [line for line in found if not (line.startswith("vllm:") and line.endswith("should not contain ':'"))]
    assert not others, others
    ours = []
    for line in exported.splitlines():
        words = line.split()
        name = words[2] if line.startswith("#") else line
        if not name.startswith("vllm:"):
            ours.append(line)
    assert remarks("\n".join(ours) + "\n") == (0, []), remarks("\n".join(ours) + "\n")
    return f"{len(exported.splitlines())} lines; {len(found)} names of vLLM's have colons (exit code {code} for these)"


def clients_measure_the_same(suite):
    said = []
    with suite.server_apart() as server, burdens.aside():
        streams.run(server.url, QUESTIONS, 20)
        before = read(server.url)
        done = []
        for _ in range(3):
            done += streams.run(server.url, QUESTIONS, TOKENS)
        after = read(server.url)
        assert all(stream.tokens() == TOKENS for stream in done), [stream.tokens() for stream in done]
        first = [stream.first_token() for stream in done]
        tokens = [gap for stream in done for gap in stream.inter_token()]
        for name, client in ("time_to_first_token", first), ("inter_token_latency", tokens):
            ours = Histogram(before, after, f"sysinfer_{name}_seconds")
            # What the client reads at once with the first token counts for ours only.
            assert 0 <= ours.count - len(client) <= TOLERANCE * ours.count, (name, ours.count, len(client))
            said.append(near(ours.mean(), statistics.mean(client), f"{name} mean"))
            said.append(same_quantile(ours, client, f"{name} p50"))
        grown = value(after, "sysinfer_generation_tokens_total") - value(before, "sysinfer_generation_tokens_total")
        assert grown == len(done) * TOKENS, grown
    return "; ".join(said)


def decode_for(server, seconds, count=4):
    """Keeps so many streams going."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        streams.run(server.url, QUESTIONS[:count], TOKENS)


@contextmanager
def looked_at(server, seconds, count=4):
    """What is exported while streams go on, and have for so long."""
    decode_for(server, seconds, count)
    yield read(server.url)


def share(values):
    found = value(values, "sysinfer_tuned_rate_share")
    assert found is not None, "no share is exported"
    return found


def cause_sentence(server):
    with LOCAL.open(f"{server.url}/props", timeout=10) as answer:
        return json.load(answer)["rate"]["cause"]


def a_quiet_host_is_as_fast_as_tuned(suite):
    said = []
    with suite.server_apart() as server, burdens.aside():
        for count in (1, 4, 8):
            with looked_at(server, WINDOW + 3, count) as values:
                found = share(values)
                rate = value(values, "sysinfer_decode_tokens_per_second")
                said.append(f"{count} streams: {found:.3f} ({rate:.1f} tokens/s, {chosen(values, 'sysinfer_tuned_rate_cause', 'cause')})")
                assert 0.9 <= found <= 1.1, said
    return "; ".join(said)


def cpus_of(server):
    """The CPUs of the decode team; all that we may use where it is not pinned."""
    with LOCAL.open(f"{server.url}/props", timeout=10) as answer:
        listed = json.load(answer)["plan"]["decode"]["cpus"]
    cpus = set()
    for part in filter(None, listed.split(",")):
        first, _, last = part.partition("-")
        cpus |= set(range(int(first), int(last or first) + 1))
    return sorted(cpus or os.sched_getaffinity(0))


def a_busy_loop_on_its_cpus_is_found(suite):
    with suite.server() as server, burdens.busy(cpus_of(server)):
        with looked_at(server, WINDOW + 3) as values:
            found, causes = share(values), chosen(values, "sysinfer_tuned_rate_cause", "cause")
            sentence = cause_sentence(server)
            assert found < 0.8 and causes == ["busy_cpus"], (found, causes, sentence)
    return f"{found:.2f}: {sentence}"


def a_quota_is_found(suite):
    with suite.server() as server:
        try:
            with burdens.quota(server.process.pid, 0.5 * len(cpus_of(server))):
                with looked_at(server, WINDOW + 3) as values:
                    found, causes = share(values), chosen(values, "sysinfer_tuned_rate_cause", "cause")
                    sentence = cause_sentence(server)
                    assert found < 0.8 and causes == ["cpu_quota"], (found, causes, sentence)
        except burdens.Impossible as why:
            raise Skipped(str(why)) from why
    return f"{found:.2f}: {sentence}"


def another_map_is_found(suite):
    with suite.server("--threads", "1") as server:
        if len(cpus_of(server)) != 1:
            raise Skipped("the profile does not pin")
        with looked_at(server, WINDOW + 3) as values:
            found, causes = share(values), chosen(values, "sysinfer_tuned_rate_cause", "cause")
            sentence = cause_sentence(server)
            if found >= 0.9:
                raise Skipped(f"one thread is as fast here as those of the profile: {found:.2f}")
            assert causes == ["other_map"], (found, causes, sentence)
    return f"{found:.2f}: {sentence}"


def a_low_share_is_in_the_log(suite):
    with suite.server() as server, burdens.busy(cpus_of(server)):
        decode_for(server, WINDOW + 35)
        found = [line for line in server.log if "of the tuned rate for 30 seconds" in line]
        assert len(found) == 1, found
    return found[0]


CHECKS = [
    promtool_has_no_remark_but_on_colons,
    clients_measure_the_same,
    a_quiet_host_is_as_fast_as_tuned,
    a_busy_loop_on_its_cpus_is_found,
    a_quota_is_found,
    another_map_is_found,
    a_low_share_is_in_the_log,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("server", "tuner", "model"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--profile")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sysinfer-metrics-") as folder:
        suite = Suite(arguments, Path(folder))
        for check in CHECKS:
            suite.check(check)
    if suite.failed:
        sys.exit(f"{len(suite.failed)} failed: {', '.join(suite.failed)}")


if __name__ == "__main__":
    main()
