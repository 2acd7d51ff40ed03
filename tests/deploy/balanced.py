"""Three servers behind a balancer: chats stay where their earlier turns are cached, one server is killed and one is
drained under load, and clients see nothing of it that had not begun.

    balanced.py haproxy | sglang-router

Clients are those of the package openai with the retries that it has by default.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import openai
from check import check, finish, same
from server import LOCAL, Server

ROOT = Path(__file__).resolve().parent.parent.parent
SERVER, MODEL = os.environ["SYSINFER_SERVER"], os.environ["SYSINFER_TEST_MODEL"]
#: Little memory and one thread each: three share this host.
SMALL = ("--threads", "1", "--parallel", "4", "--queue", "32", "--context", "2048", "--kv-memory", "512M", "-n", "256")
#: Clients at once, and how long they go on, seconds.
CLIENTS, LOAD = 6, 24
#: What users talk about, each with a system prompt that all share.
TOPICS = ["rivers", "trains", "bread", "clocks", "kites", "ships", "chess", "maps"]
SYSTEM = "You are a patient assistant who answers in one short sentence. " * 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status_of(url):
    try:
        with LOCAL.open(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def eventually(what, seconds, condition):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.05)


class Balancer:
    """HAProxy or sglang-router as deploy/ has it, in front of the servers at these addresses."""

    def __init__(self, kind, folder, addresses):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        if kind == "haproxy":
            config = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
            environment.update({f"SERVER_{number}": address for number, address in enumerate(addresses, 1)})
            environment.update(LISTEN=f"127.0.0.1:{self.port}", STATS=f"127.0.0.1:{free_port()}")
            command = ["haproxy", "-W", "-db", "-f", config]
        else:
            environment.update(LISTEN=f"127.0.0.1:{self.port}", METRICS=f"127.0.0.1:{free_port()}", PYTHON=sys.executable)
            command = [ROOT / "deploy" / "sglang-router" / "launch.sh", *(f"http://{address}" for address in addresses)]
        self.log = folder / f"{kind}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)

    def __enter__(self):
        try:
            eventually("the balancer finds its servers", 60, lambda: self.process.poll() is not None or self.serves())
            assert self.process.poll() is None, "it ended"
        except BaseException:
            self.__exit__()
            print(self.log.read_text(errors="replace")[-3000:], file=sys.stderr)
            raise
        return self

    def __exit__(self, *_):
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def serves(self):
        return status_of(f"{self.url}/v1/models") == 200


def client(url, **options):
    return openai.OpenAI(base_url=f"{url}/v1", api_key="sk-any", timeout=120, **options)


def ask(talk, url, tokens=16, **fields):
    return client(url).chat.completions.create(model="model", messages=talk, max_tokens=tokens, temperature=0, **fields)


def answered(server):
    """Answers that a server has logged."""
    return sum("answered" in line for line in list(server.log))


def at_work(address):
    """Connections that a server has; more than one are requests and not only a check of its health."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return sum(field[1].endswith(port) and field[3] == "01" for field in fields)


def shares(servers, before, total):
    """How many of `total` answers since `before` each server has logged, once all have: a line may be later than what
    it is about."""
    now = lambda: [answered(server) - count for server, count in zip(servers, before)]
    eventually(f"{total} answers are logged", 20, lambda: sum(now()) >= total)
    same(sum(now()), total, "answers")
    return now()


class Load:
    """Clients that ask until they are told to stop, half of them for streams, and what became of each request."""

    def __init__(self, url):
        self.url, self.stopped = url, threading.Event()
        self.outcomes, self.errors = Counter(), []
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, number):
        streamed, turn = number % 2 == 0, 0
        while not self.stopped.is_set():
            turn += 1
            talk = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"Question {turn} of client {number}: what is time?"}]
            try:
                answer = ask(talk, self.url, tokens=32, stream=streamed, extra_body={"ignore_eos": True})
            except openai.OpenAIError as error:
                self.count("failed before it began", error)
                continue
            try:
                if streamed:
                    ends = [chunk.choices[0].finish_reason for chunk in answer if chunk.choices]
                    self.count("streamed" if ends and ends[-1] == "length" else "cut off", None)
                else:
                    self.count("whole" if answer.choices[0].finish_reason == "length" else "cut off", None)
            except Exception as error:  # httpx' own, where a connection breaks within a stream.
                self.count("broken within a stream", error)

    def count(self, outcome, error):
        self.outcomes[outcome] += 1
        if error:
            self.errors.append(f"{outcome}: {type(error).__name__}: {error}"[:200])


def chats_stay(balancer, servers):
    before = [answered(server) for server in servers]
    turns = [[], [], []]
    for topic in TOPICS:
        talk = [{"role": "system", "content": f"{SYSTEM}"}, {"role": "user", "content": f"Tell me about {topic}, which I like a lot, please."}]
        for turn in range(3):
            answer = ask(talk, balancer.url)
            details = answer.usage.prompt_tokens_details
            turns[turn].append((details.cached_tokens if details else 0, answer.usage.prompt_tokens))
            talk += [{"role": "assistant", "content": answer.choices[0].message.content}, {"role": "user", "content": "Go on."}]
    # The system prompt alone is on every server soon; the turns before this one are on one only.
    for turn in (1, 2):
        for (cached, _), (_, before_it) in zip(turns[turn], turns[turn - 1]):
            assert cached >= before_it - 16, f"turn {turn + 1}: {cached} tokens were cached, the turn before had {before_it}: {turns}"
    found = shares(servers, before, 3 * len(TOPICS))
    print(f"ok      shares of {sum(found)} answers: {found}", flush=True)
    return found


def main(kind):
    if kind == "haproxy" and not shutil.which("haproxy"):
        print("SKIPPED  all: there is no haproxy", flush=True)
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sysinfer-deploy-")))
        servers = [stack.enter_context(Server(SERVER, MODEL, *SMALL)) for _ in range(3)]
        addresses = [server.url.removeprefix("http://") for server in servers]
        balancer = stack.enter_context(Balancer(kind, folder, addresses))

        @check("chats stay where their earlier turns are cached")
        def _():
            found = chats_stay(balancer, servers)
            if kind == "haproxy":
                assert sum(share > 0 for share in found) > 1, f"all on one server: {found}"

        if kind == "haproxy":

            @check("a chat is known by its session, else its prompt_cache_key, wherever it begins")
            def _():
                for name, fields in (
                    ("X-Session-Id", lambda value: {"extra_headers": {"X-Session-Id": value}}),
                    ("prompt_cache_key", lambda value: {"extra_body": {"prompt_cache_key": value}}),
                ):
                    for value in ("a", "b", "c"):
                        before = [answered(server) for server in servers]
                        for number in range(3):
                            ask([{"role": "user", "content": f"{number}: something else each time"}], balancer.url, tokens=1, **fields(value))
                        found = shares(servers, before, 3)
                        assert 3 in found, f"{name} {value} went to several: {found}"

        @check("pieces of a stream pass as they come, and a client that leaves is noticed")
        def _():
            stream = ask([{"role": "user", "content": "Count."}], balancer.url, tokens=256, stream=True, extra_body={"ignore_eos": True})
            for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    break
            stream.close()
            # Were the stream held back until its end, the server would have finished it.
            eventually("a server logs that the client left", 20, lambda: any("the client left" in line for server in servers for line in list(server.log)))

        killed, drained, kept = servers
        with Load(balancer.url) as load:
            time.sleep(LOAD / 4)
            eventually("the server that is killed has work", 60, lambda: at_work(addresses[0]) > 1)
            killed.process.send_signal(signal.SIGKILL)
            time.sleep(LOAD / 4)
            eventually("the server that is drained has work", 60, lambda: at_work(addresses[1]) > 1)
            drained.process.send_signal(signal.SIGTERM)
            time.sleep(LOAD / 4)
            late = answered(kept)
            time.sleep(LOAD / 4)
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(load.outcomes.items()))

        @check(f"one killed, one drained, under load ({counted}): nothing failed before it began")
        def _():
            same(load.outcomes["failed before it began"], 0, f"failures ({load.errors})")
            assert load.outcomes["whole"] > 1 and load.outcomes["streamed"] > 1, load.outcomes

        @check("only streams of the server that was killed broke")
        def _():
            # It had at most as many as there are clients that stream.
            assert load.outcomes["broken within a stream"] <= CLIENTS // 2, (load.outcomes, load.errors)
            same(load.outcomes["cut off"], 0, "cut off")

        @check("the drained server finished its answers and ended well")
        def _():
            same(drained.process.wait(40), 0, "exit code")
            assert not any("cut off" in line for line in drained.log), drained.log[-5:]

        @check("the server that was left took all")
        def _():
            assert answered(kept) > late, "it answered nothing at the end"

        @check("a server that comes back is used again")
        def _():
            port = int(addresses[0].rpartition(":")[2])
            back = stack.enter_context(Server(SERVER, MODEL, *SMALL, port=port))

            def used():
                for number in range(12):
                    talk = [{"role": "user", "content": f"{time.monotonic()} {number}"}]
                    ask(talk, balancer.url, tokens=1)
                if kind == "sglang-router":  # It sends all to one until that has more to do than another.
                    with Load(balancer.url):
                        time.sleep(2)
                return answered(back) > 0

            eventually("the server that came back answers", 60, used)

    finish()


if __name__ == "__main__":
    main(sys.argv[1])
