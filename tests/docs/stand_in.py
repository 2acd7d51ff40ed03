"""Stands for one of our programs in a block: the same program, with less work, and servers that do not block.

    stand_in.py PROGRAM WORD...

What would take minutes is bounded (`bounds.py`), and said on standard error. A server is started, waited for until it
answers, and left running for the blocks that follow on the page; the next one takes its place, and `scene.py` ends the
last.
"""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import bounds
import processes

PROGRAMS = Path(os.environ["DOCS_PROGRAMS"])
SCENE = Path(os.environ["DOCS_SCENE"])
PORT = os.environ["DOCS_PORT"]
#: Tuning runs that were made before, by their words.
RUNS = Path(os.environ["DOCS_RUNS"])

#: Longest that a small model may take to load on a busy machine, seconds.
PATIENCE = 60
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def tune(words):
    """Runs the tuner, and returns its exit code."""
    asked, searches = bounds.tuner(words)
    if searches and "--resume" not in asked:
        return once(asked)
    code, said = real("sysinfer-tune", asked)
    # Whether a profile holds is the host's to say; that it was measured is what the page promises.
    return 0 if words[:1] == ["verify"] and code == 1 and "now / recorded" in said else code


def once(words):
    """A tuning run, or what the same one left before: its profile and report."""
    profile = bounds.value(words, "-o") or "sysinfer-profile.toml"
    kept = RUNS / "".join(c if c.isalnum() else "-" for c in " ".join(words))
    if "--reports" in words or not kept.exists():
        code, _ = real("sysinfer-tune", words)
        if code or "--reports" in words:
            return code
        report = Path(profile).stem + "-report"
        part = kept.with_suffix(f".{os.getpid()}")
        shutil.copytree(report, part / report)
        shutil.copy(profile, part / profile)
        try:
            part.rename(kept)
        except OSError:
            pass  # Another page was first.
    else:
        print(f"test: as it was before: {' '.join(words)}", file=sys.stderr)
        shutil.copytree(kept, ".", dirs_exist_ok=True)
    return 0


def real(program, words):
    """Runs a program and passes on what it writes. Returns its exit code and its standard output."""
    print(f"test: {program} {' '.join(words)}", file=sys.stderr, flush=True)
    done = subprocess.run([PROGRAMS / program, *words], stdout=subprocess.PIPE, check=False)
    sys.stdout.buffer.write(done.stdout)
    sys.stdout.flush()
    return done.returncode, done.stdout.decode("utf-8", "replace")


def serve(program, words):
    """Starts a server in place of the one before, and waits until it answers."""
    if {"--help", "--version", "-h", "-V"} & set(words):
        return real(program, words)[0]
    pid = SCENE / "server.pid"
    processes.stop(pid)
    words = bounds.server(words, PORT, os.environ)
    print(f"test: {program} {' '.join(words)} &", file=sys.stderr)
    log = SCENE / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [PROGRAMS / program, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    pid.write_text(str(process.pid))
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with LOCAL.open(f"http://127.0.0.1:{PORT}/health", timeout=5) as answer:
                if answer.status == 200:
                    return 0
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    print(f"test: the server does not answer:\n{log.read_text(errors='replace')}", file=sys.stderr)
    processes.stop(pid)
    return 1


if __name__ == "__main__":
    name, *given = sys.argv[1:]
    sys.exit(tune(given) if name == "sysinfer-tune" else serve(name, given))
