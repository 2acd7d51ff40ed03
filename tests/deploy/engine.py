"""A container engine (podman with runc), and an image to start from where openEuler's cannot be had.

The stand-in is Debian with the libraries that the server needs, systemd, and a `dnf` that knows the names of
openEuler's packages: so the Containerfile's steps run as they are written. What openEuler itself has is not tested.
"""

import json
import os
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from check import Skipped

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sysinfer" / "deploy"
BASE = "localhost/sysinfer-stand-in:bookworm"
#: Debian's packages of the stand-in.
PACKAGES = "systemd,dbus,libhwloc15,curl,util-linux,procps"
#: What the Containerfile installs, by openEuler's name, and what the stand-in has for it.
DNF = """#!/bin/sh
# Stands for openEuler's dnf: nothing is installed, but what is asked for has to be here under Debian's name.
set -eu
[ "$1" = install ] || exit 0
shift
for name in "$@"; do
    case $name in
    -*) continue ;;
    hwloc) name=libhwloc15 ;;
    curl) ;;
    *) echo "dnf: the stand-in has nothing for $name" >&2; exit 1 ;;
    esac
    dpkg -s "$name" >/dev/null
done
"""


def podman(*words, check=True, **options):
    """Runs podman with its files in our cache. Returns what it printed."""
    environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(storage())}
    command = ["podman", "--log-level=error", *(["--runtime", runc()] if runc() else []), *map(str, words)]
    options = {"timeout": 300, "capture_output": True, "text": True, **options}
    done = subprocess.run(command, env=environment, check=False, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"podman {words[0]}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout if check else done


@lru_cache(maxsize=None)
def storage():
    """Where images are: layers if the system can lay them over each other, else copies, which take minutes."""
    for driver in ("overlay", "vfs"):
        file, folder = CACHE / f"{driver}.conf", CACHE / driver
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(f'[storage]\ndriver = "{driver}"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/images"\n')
        environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(file)}
        done = subprocess.run(["podman", "info"], env=environment, capture_output=True, timeout=60, check=False)
        if done.returncode == 0:
            break
    return file


def runc():
    return shutil.which("runc", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def limits():
    """A container asks for more open files than an unprivileged host may give: what this process has is enough."""
    import resource

    words = []
    for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            words += ["--ulimit", f"{name}={min(hard, 20000)}:{min(hard, 20000)}"]
    return words


def base():
    """The image to start from, made once.

    Raises Skipped where there is no engine, or no Debian to make it of.
    """
    if os.getuid() != 0:
        raise Skipped("containers are run as root here")
    for tool in ("podman", "mmdebstrap"):
        if not shutil.which(tool):
            raise Skipped(f"there is no {tool}")
    try:
        if podman("image", "exists", BASE, check=False).returncode == 0:
            return BASE
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Skipped(f"podman does not run: {error}") from error
    with tempfile.TemporaryDirectory(prefix="sysinfer-deploy-") as folder:
        root = Path(folder) / "root.tar"
        print(f"making {BASE} of Debian's packages", flush=True)
        done = subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", root],
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise Skipped(f"Debian's packages cannot be had: {done.stderr.strip()[-200:]}")
        (Path(folder) / "dnf").write_text(DNF)
        (Path(folder) / "Containerfile").write_text("FROM scratch\nADD root.tar /\nCOPY --chmod=755 dnf /usr/bin/dnf\n")
        podman("build", "--isolation=chroot", "--quiet", "--tag", BASE, folder, timeout=600)
    return BASE


class Container:
    """`with Container(image, "--read-only", command=[...]) as container: container.run("id")`, gone at the end."""

    def __init__(self, image, *options, command=()):
        self.id = podman("run", "--detach", *limits(), *options, image, *command).strip().splitlines()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        podman("rm", "--force", "--time", "1", self.id, check=False)

    def run(self, *words, check=True):
        """Runs a command in it. Returns its output."""
        return podman("exec", self.id, *words, check=check)

    def shell(self, text):
        return self.run("sh", "-c", text)

    def log(self):
        done = podman("logs", self.id, check=False)
        return done.stdout + done.stderr

    def state(self):
        return json.loads(podman("inspect", self.id))[0]["State"]
