"""What makes a server slow on purpose, and is gone afterwards: a busy loop on its CPUs, a CPU quota. And what does not:
a client that keeps to a CPU of its own."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

SPIN = "while True: pass"

CGROUP = Path("/sys/fs/cgroup")


class Impossible(Exception):
    """It cannot be done here; the text says why."""


@contextlib.contextmanager
def aside():
    """This thread runs on the last CPU that it may use."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextlib.contextmanager
def busy(cpus):
    """A busy loop on each of the CPUs."""
    loops = []
    try:
        for cpu in cpus:
            pinned = lambda cpu=cpu: os.sched_setaffinity(0, {cpu})
            loops.append(subprocess.Popen([sys.executable, "-c", SPIN], preexec_fn=pinned))
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@contextlib.contextmanager
def quota(process, cpus):
    """The process gets so many CPUs' time, by a control group of its own, version 2 or 1."""
    name = f"sysinfer-test-{process}"
    period = 100_000
    second, first = CGROUP / "cgroup.controllers", CGROUP / "cpu"
    if second.exists():
        if "cpu" not in second.read_text().split():
            raise Impossible("the control group has no cpu controller")
        folder, limits = CGROUP / name, {"cpu.max": f"{int(cpus * period)} {period}"}
    elif (first / "cpu.cfs_quota_us").exists() or (first / "cgroup.procs").exists():
        folder, limits = first / name, {"cpu.cfs_period_us": str(period), "cpu.cfs_quota_us": str(int(cpus * period))}
    else:
        raise Impossible("there is no control group of CPUs below /sys/fs/cgroup")
    try:
        before = membership(process)
        folder.mkdir()
    except OSError as error:
        raise Impossible(f"{folder} cannot be made: {error}") from error
    try:
        try:
            for file, text in limits.items():
                (folder / file).write_text(text)
            (folder / "cgroup.procs").write_text(str(process))
        except OSError as error:
            raise Impossible(f"{error}") from error
        yield
    finally:
        # A folder with a process in it cannot go.
        with contextlib.suppress(OSError):
            (folder.parent / before.lstrip("/") / "cgroup.procs").write_text(str(process))
        with contextlib.suppress(OSError):
            folder.rmdir()


def membership(process):
    """The process' own group in the hierarchy of CPUs."""
    lines = Path(f"/proc/{process}/cgroup").read_text().splitlines()
    fields = [line.split(":", 2) for line in lines]
    cpu = [path for _, controllers, path in fields if "cpu" in controllers.split(",")]
    return (cpu or [path for number, _, path in fields if number == "0"])[0]
