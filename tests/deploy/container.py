"""The container: the Containerfile and the compose file say what they should, and what they say runs.

What can be run here: podman builds the last stage with the programs that are there already, on a stand-in for
openEuler's image (engine.py), and runs it as operators would, without rights and without a writable file.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from check import Skipped, check, finish, same
from compose_spec import PyCompose
from dockerfile_parse import DockerfileParser
from engine import Container, base, limits, podman

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "deploy" / "container"
CONTAINERFILE = FOLDER / "Containerfile"
SERVER, MODEL = Path(os.environ["SYSINFER_SERVER"]), Path(os.environ["SYSINFER_TEST_MODEL"])
IMAGE = "localhost/sysinfer-test:latest"


def instructions():
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(CONTAINERFILE, Path(folder) / "Dockerfile")
        return DockerfileParser(folder).structure


def last(name):
    return [step["value"] for step in instructions() if step["instruction"] == name][-1]


@check("hadolint has nothing against the Containerfile")
def _():
    program = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([program, "--no-color", CONTAINERFILE], capture_output=True, text=True, timeout=60, check=False)
    same((done.returncode, done.stdout + done.stderr), (0, ""), "what it says")


@check("the image: nobody is root, the port, the signal and the health check are the server's")
def _():
    user = last("USER").split(":")
    assert all(part.isdigit() and int(part) > 0 for part in user), user
    same((last("EXPOSE"), last("STOPSIGNAL")), ("7860", "SIGTERM"), "port and signal")
    assert "healthcheck" in last("HEALTHCHECK") and "entrypoint" in last("ENTRYPOINT")
    labels = last("LABEL")
    for name in ("title", "description", "source", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels, name


@check("the image: what it copies is there, and its Rust is one that the workspace builds with")
def _():
    for step in instructions():
        for file in re.findall(r"deploy/container/\w+", step["value"]) if step["instruction"] == "RUN" else ():
            assert (ROOT / file).exists(), file
    image = next(step["value"] for step in instructions() if step["instruction"] == "ARG" and step["value"].startswith("RUST="))
    version = tuple(map(int, re.search(r"rust:([\d.]+)", image)[1].split(".")))
    wanted = re.search(r'^rust-version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    assert version >= tuple(map(int, wanted.split("."))), (version, wanted)
    ignored = (ROOT / ".containerignore").read_text().split()
    members = re.findall(r'"([^"]+)"', re.search(r"members = \[(.*?)\]", (ROOT / "Cargo.toml").read_text(), re.S)[1])
    assert not {member.split("/")[0] for member in members} & set(ignored), "a crate of the workspace is left out"
    same((ROOT / ".dockerignore").read_text(), (ROOT / ".containerignore").read_text(), ".dockerignore")


def compose(**variables):
    """The compose file as podman-compose reads it, with variables put in."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MODEL", "OPTIONS", "CPUS", "MEMORY")}
    program = Path(sys.executable).parent / "podman-compose"
    command = [program, "-f", FOLDER / "compose.yaml", "--profile", "numa", "config"]
    done = subprocess.run(command, env={**kept, **variables}, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def services():
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]


@check("compose: the file is one of the Compose Specification, with variables and without")
def _():
    if not shutil.which("podman"):
        raise Skipped("there is no podman, which podman-compose asks for")
    for variables in ({"MODEL": "a.gguf"}, {"MODEL": "a.gguf", "CPUS": "0-47", "MEMORY": "100g", "OPTIONS": "-n 8"}):
        code, text, error = compose(**variables)
        same(code, 0, f"exit code ({error[-300:]})")
        PyCompose.from_yaml(text).validate()
        assert all(service["command"][-1].endswith("/models/$MODEL $OPTIONS") for service in yaml.safe_load(text)["services"].values())
    code, _, error = compose()
    assert code != 0 and "the name of the model" in error, error
    try:
        PyCompose.from_yaml("services: {a: {image: b, stop_grace_period: soon}}").validate()
    except Exception:
        return
    raise AssertionError("the validator finds nothing")


@check("compose: every service is without rights, in whole cores, and has its time to stop")
def _():
    found = services()
    same(set(found), {"sysinfer", "node0", "node1"}, "services")
    ports = [port for name in ("node0", "node1") for port in found[name]["ports"]]
    same(len(ports), len(set(ports)), "different ports")
    for name, service in found.items():
        same((service["read_only"], service["cap_drop"]), (True, ["ALL"]), name)
        assert int(service["stop_grace_period"].removesuffix("s")) > 30 and "cpuset" in service and "mem_limit" in service
        assert all(volume["read_only"] for volume in service["volumes"])
        same(service.get("profiles"), None if name == "sysinfer" else ["numa"], f"profiles of {name}")


def image():
    """The Containerfile's last stage, with the programs that are there already in place of its build."""
    if image.made:
        return IMAGE
    stand_in = base()
    with tempfile.TemporaryDirectory(prefix="sysinfer-deploy-") as folder:
        folder = Path(folder)
        for program in ("sysinfer-server", "server", "sysinfer-tune"):
            built = SERVER.parent / program
            target = folder / "image/usr/bin" / program
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(built if built.exists() else SERVER, target)
        for program in ("entrypoint", "healthcheck"):
            target = folder / "image/usr/libexec/sysinfer" / program
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(FOLDER / program, target)
        for name in ("app", "models", "profiles"):
            (folder / "image" / name).mkdir()
        (folder / "image/app/server").symlink_to("/usr/bin/server")
        text = CONTAINERFILE.read_text()
        stage = text[text.rindex("FROM ${OPENEULER}") :]
        changed = stage.replace("COPY --from=build /image /", "COPY image/ /")
        assert changed != stage
        (folder / "Containerfile").write_text(f"ARG OPENEULER\n{changed}")
        podman("build", "--isolation=chroot", "--format=docker", "--quiet", f"--build-arg=OPENEULER={stand_in}", "--tag", IMAGE, folder)
    image.made = True
    return IMAGE


image.made = False

#: As an operator would: nothing writable, no rights, its own network.
BARE = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
MOUNTS = ("--volume", f"{MODEL.parent}:/models:ro", "--volume", f"{MODEL}:/app/model.gguf:ro")
SMALL = ("--threads", "1", "--kv-memory", "128M")


def eventually(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.3)


def healthy(container):
    return container.run("/usr/libexec/sysinfer/healthcheck", check=False).returncode == 0


def serving(container):
    def state():
        assert container.state()["Running"], container.log()[-800:]
        return healthy(container)

    eventually("the server answers", state)


WAYS = {
    "a model alone": [f"/models/{MODEL.name}", *SMALL],
    "the original's command line": ["./server", "/app/model.gguf", "-t", "0.0", "-n", "64", *SMALL],
}
for way, command in WAYS.items():

    @check(f"run, {way}: answers without a right and without a writable file, and stops with 0")
    def _(command=command):
        with Container(image(), *BARE, *MOUNTS, command=command) as container:
            serving(container)
            status = container.shell("cat /proc/1/status")
            for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
                assert line in status, line
            assert re.search(r"^Uid:\t10001\t10001", status, re.M), status
            assert "server" in container.shell("cat /proc/1/comm"), "the server is not the first process: signals would miss it"
            assert container.run("touch", "/models/x", check=False).returncode != 0
            body = json.dumps({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8})
            answer = container.run("curl", "-s", "-H", "Content-Type: application/json", "-d", body, "http://127.0.0.1:7860/v1/chat/completions")
            assert json.loads(answer)["choices"][0]["message"]["content"], answer
            podman("stop", "--time", "45", container.id)
            same(container.state()["ExitCode"], 0, "exit code")


@check("run: without CAP_SYS_NICE threads are pinned within the container's CPUs")
def _():
    cpu = str(max(os.sched_getaffinity(0)))
    with Container(image(), *BARE, *MOUNTS, f"--cpuset-cpus={cpu}", "--memory=2g", command=[f"/models/{MODEL.name}", "--kv-memory", "128M"]) as container:
        serving(container)
        allowed = set(container.shell("cat /proc/1/task/*/status | sed -n 's/^Cpus_allowed_list:\\s*//p'").split())
        same(allowed, {cpu}, "CPUs of the threads")
        assert "refused" not in container.log().lower(), container.log()


@check("run: the tuner and other programs by their names")
def _():
    for words, wanted in ((["sysinfer-tune", "--version"], "sysinfer-tune"), (["--help"], "Usage"), ([], "Usage"), (["sh", "-c", "echo of a shell"], "of a shell")):
        done = podman("run", "--rm", *limits(), *BARE, image(), *words)
        assert wanted in done, (words, done)


@check("run: a model that is not there is said in one line")
def _():
    done = podman("run", "--rm", *limits(), *BARE, image(), "/models/missing.gguf", check=False)
    assert done.returncode == 1 and "missing.gguf" in done.stderr, done.stderr


print("SKIPPED  the Containerfile's first two stages and openEuler's own packages: their images are in no registry that tests use", flush=True)

finish()
