"""The systemd units under a real systemd, which runs in a container: start, rights, reload, watchdog, stop; and one
server for each of two simulated NUMA nodes."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from check import Skipped, check, finish, same
from engine import Container, base

ROOT = Path(__file__).resolve().parent.parent.parent
UNITS = ROOT / "deploy" / "systemd"
SERVER, MODEL = Path(os.environ["SYSINFER_SERVER"]), Path(os.environ["SYSINFER_TEST_MODEL"])
#: As the packages install it.
FILES = {
    UNITS / "sysinfer-server.service": "/usr/lib/systemd/system/sysinfer-server.service",
    UNITS / "sysinfer-server@.service": "/usr/lib/systemd/system/sysinfer-server@.service",
    UNITS / "sysinfer-service": "/usr/libexec/sysinfer/sysinfer-service",
    SERVER: "/usr/bin/sysinfer-server",
    MODEL: "/srv/models/model.gguf",
}
OPTIONS = "--threads 1 --kv-memory 128M -n 512"
ASK = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


def eventually(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.3)


class Host(Container):
    """A container that systemd boots, with the units installed."""

    def __init__(self):
        help_text = subprocess.run([SERVER, "--help"], capture_output=True, text=True, check=True).stdout
        if "--api-key-file" not in help_text:
            raise Skipped("this server is older than the units: it has no --api-key-file, and tells systemd nothing")
        mounts = [f"--volume={source}:{target}:ro" for source, target in FILES.items()]
        super().__init__(base(), "--privileged", "--systemd=always", "--network=none", *mounts, command=["/usr/lib/systemd/systemd"])
        try:
            eventually("systemd has booted", lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"))
        except AssertionError as error:
            self.__exit__()
            raise Skipped(f"systemd does not boot in a container here: {error}") from error
        self.run("mkdir", "-p", "/etc/sysinfer")
        self.write("/etc/sysinfer/sysinfer-server.env", (UNITS / "sysinfer-server.env").read_text().replace("\nOPTIONS=\n", f"\nOPTIONS={OPTIONS}\n"))

    def write(self, file, text, mode="644"):
        self.shell(f"mkdir -p {Path(file).parent} && cat > {file} <<'END'\n{text}\nEND\nchmod {mode} {file}")

    def systemctl(self, *words):
        done = self.run("systemctl", *words, check=False)
        assert done.returncode == 0, f"systemctl {' '.join(words)}: {done.stderr}{self.journal(words[-1])}"

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "-n", "15", "-u", unit, check=False).stdout

    def property(self, name, unit="sysinfer-server"):
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def status(self, path, *words, port=7860):
        return self.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *words, f"http://127.0.0.1:{port}{path}", check=False).stdout

    def answer(self, *words, port=7860):
        words = ["-H", "Content-Type: application/json", "-d", json.dumps(ASK), *words]
        return self.status("/v1/chat/completions", *words, port=port)


@contextmanager
def started(unit="sysinfer-server"):
    HOST.systemctl("start", unit)
    try:
        yield HOST.property("MainPID", unit)
    finally:
        HOST.run("systemctl", "stop", unit, check=False)
        HOST.run("systemctl", "reset-failed", check=False)


try:
    HOST = Host()
except Skipped as reason:
    print(f"SKIPPED  all: {reason}", flush=True)
    sys.exit(0)

with HOST:

    @check("started means that the model is loaded")
    def _():
        with started():
            same((HOST.status("/ready"), HOST.answer()), ("200", "200"), "statuses")

    @check("it runs as a user of its own, without a right, under a filter of calls, and threads are pinned")
    def _():
        with started() as pid:
            status = HOST.shell(f"cat /proc/{pid}/status")
            for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
                assert line in status, line
            assert not re.search(r"^Uid:\t0\t", status, re.M), status
            log = HOST.journal("sysinfer-server")
            assert "Operation not permitted" not in log, log
            same(HOST.run("cat", f"/proc/{pid}/comm").strip(), "sysinfer-server", "the service's process")

    @check("keys that only root may read are used, and a reload reads them again")
    def _():
        HOST.write("/etc/sysinfer/api-keys", "# of the test\nfirst", mode="600")
        try:
            with started() as pid:
                key = lambda name: HOST.answer("-H", f"Authorization: Bearer {name}")
                same((key("first"), key("second"), HOST.answer()), ("200", "401", "401"), "statuses")
                HOST.write("/etc/sysinfer/api-keys", "second", mode="600")
                HOST.systemctl("reload", "sysinfer-server")
                eventually("the new key is accepted", lambda: key("second") == "200", 15)
                same((key("first"), HOST.property("MainPID")), ("401", pid), "the old key, and the process")
                folder = HOST.run("stat", "--dereference", "--format", "%a", "/run/sysinfer-server").strip()
                same(folder, "700", "mode of the folder with the copies")
                log = HOST.journal("sysinfer-server")
                assert "can read these API keys" not in log, log
        finally:
            HOST.run("rm", "/etc/sysinfer/api-keys")

    @check("answers that run are finished when it stops")
    def _():
        with started():
            body = json.dumps({**ASK, "max_tokens": 300, "stream": True, "ignore_eos": True})
            HOST.shell(f"curl -sN -H 'Content-Type: application/json' -d '{body}' http://127.0.0.1:7860/v1/chat/completions > /tmp/answer 2>&1 &")
            eventually("it streams", lambda: "content" in HOST.run("tail", "-c", "200", "/tmp/answer"))
            HOST.systemctl("stop", "sysinfer-server")
            assert HOST.run("tail", "-n", "3", "/tmp/answer").strip().endswith("data: [DONE]"), "the answer was cut off"
            same((HOST.property("Result"), HOST.property("ExecMainStatus")), ("success", "0"), "result")

    @check("one that hangs is ended by the watchdog, and started again")
    def _():
        HOST.write("/etc/systemd/system/sysinfer-server.service.d/fast.conf", "[Service]\nWatchdogSec=3s\nRestartSec=1s\n")
        HOST.systemctl("daemon-reload")
        with started() as pid:
            time.sleep(5)
            same(HOST.property("MainPID"), pid, "one that is well, after more than its watchdog's time")
            HOST.run("kill", "-STOP", pid)
            eventually("another process is there", lambda: HOST.property("MainPID") not in (pid, "0") and HOST.property("ActiveState") == "active")
            same(HOST.status("/ready"), "200", "status")
        HOST.run("rm", "-r", "/etc/systemd/system/sysinfer-server.service.d")
        HOST.systemctl("daemon-reload")

    @check("a model that is not there does not restart for ever")
    def _():
        HOST.write("/etc/systemd/system/sysinfer-server.service.d/fast.conf", "[Service]\nRestartSec=100ms\nEnvironment=MODEL=/srv/missing.gguf\nEnvironmentFile=\n")
        HOST.systemctl("daemon-reload")
        try:
            HOST.run("systemctl", "start", "--no-block", "sysinfer-server")
            eventually("it is given up", lambda: HOST.property("ActiveState") == "failed", 30)
            assert "missing.gguf" in HOST.journal("sysinfer-server")
        finally:
            HOST.run("rm", "-r", "/etc/systemd/system/sysinfer-server.service.d")
            HOST.systemctl("daemon-reload")
            HOST.run("systemctl", "reset-failed", check=False)

    @check("one server per node, on two simulated ones: both run, on CPUs and ports of their own")
    def _():
        cpus = sorted(os.sched_getaffinity(0))[:2]
        if len(cpus) < 2:
            raise Skipped("two nodes need two CPUs")
        for number, cpu in enumerate(cpus):
            HOST.write(f"/opt/nodes/node{number}/cpulist", str(cpu))
            HOST.write(f"/opt/nodes/node{number}/cpumap", f"{1 << cpu:x}")
            HOST.shell(f"sed 's/Node 0/Node {number}/' /sys/devices/system/node/node0/meminfo > /opt/nodes/node{number}/meminfo")
        for file in ("online", "possible", "has_cpu", "has_memory", "has_normal_memory"):
            HOST.write(f"/opt/nodes/{file}", "0-1")
        # Of one thread each, since OPTIONS has --threads 1.
        HOST.write("/etc/systemd/system/sysinfer-server@.service.d/nodes.conf", "[Service]\nBindReadOnlyPaths=/opt/nodes:/sys/devices/system/node\nAllowedMemoryNodes=\n")
        HOST.systemctl("daemon-reload")
        with started("sysinfer-server@0") as first, started("sysinfer-server@1") as second:
            for pid, cpu, port in ((first, cpus[0], 7860), (second, cpus[1], 7861)):
                same(HOST.answer(port=port), "200", f"status at {port}")
                allowed = set(HOST.shell(f"cat /proc/{pid}/task/*/status | sed -n 's/^Cpus_allowed_list:\\s*//p'").split())
                same(allowed, {str(cpu)}, f"CPUs of the threads at {port}")


print("SKIPPED  openEuler's own systemd, and AllowedMemoryNodes on a host with several nodes: neither is here", flush=True)
finish()
