"""Processes that outlive the block that started them: whether they run, and their end."""

import os
import signal
import time
from pathlib import Path


def runs(pid):
    """Whether a process runs; one that waits for somebody to ask for its exit code does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def ends(pid, seconds):
    """Whether a process has ended within so many seconds."""
    deadline = time.monotonic() + seconds
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not runs(pid)


def stop(file):
    """Ends the process whose number is in a file, if there is one."""
    if not file.exists():
        return
    pid = int(file.read_text())
    file.unlink()
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        if ends(pid, 10):
            return
