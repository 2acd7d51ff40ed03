"""The systemd units: systemd understands them, what they let through is little, and the program that they start does
what it says, on a simulated host of two NUMA nodes too."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from check import Skipped, check, finish, same

ROOT = Path(__file__).resolve().parent.parent.parent
UNITS = ROOT / "deploy" / "systemd"
SERVICE = UNITS / "sysinfer-service"
NAMES = ["sysinfer-server.service", "sysinfer-server@.service"]
#: systemd's own measure of what a unit may do, 0 (nothing) to 10 (everything). A service with no settings has 9.6.
MOST_EXPOSED = 2.0
#: Calls without which threads are not pinned and memory is not placed.
NEEDED_CALLS = {"sched_setaffinity", "sched_getaffinity", "mbind", "move_pages", "madvise", "setrlimit", "prlimit64"}


def settings(name):
    """Assignments of a unit, each with all its values."""
    found = {}
    for line in (UNITS / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|min)", text).groups()
    return int(number) * {"s": 1, "min": 60}[unit]


def analyze(*words):
    if not shutil.which("systemd-analyze"):
        raise Skipped("there is no systemd-analyze")
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def expanded(group):
    """Calls of a group of systemd's, groups within it too."""
    _, text = analyze("syscall-filter", group)
    words = [line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(expanded(word) if word.startswith("@") else {word} for word in words))


with tempfile.TemporaryDirectory(prefix="sysinfer-deploy-") as folder:
    folder = Path(folder)

    @check("systemd understands every line of the units")
    def _():
        # The program's path after installation is not there yet.
        for name in NAMES:
            text = (UNITS / name).read_text().replace("/usr/libexec/sysinfer/sysinfer-service", str(SERVICE))
            (folder / name.replace("@.", "@0.")).write_text(text)
        code, said = analyze("verify", "--man=no", *(folder / name.replace("@.", "@0.") for name in NAMES))
        same((code, said), (0, ""), "what it says")

    @check("systemd would say so if it did not")
    def _():
        broken = folder / "broken.service"
        broken.write_text((folder / NAMES[0]).read_text().replace("ProtectHome=yes", "ProtectHouse=yes"))
        assert "ProtectHouse" in analyze("verify", "--man=no", broken)[1]

    for name in NAMES:

        @check(f"{name}: the system refuses what the server never does")
        def _(name=name):
            unit = folder / name.replace("@.", "@0.")
            code, said = analyze("security", "--offline=true", "--no-pager", unit)
            found = re.search(r"exposure level for \S+: ([\d.]+)", said)
            assert found, said
            print(f"ok      {name}: exposure {found[1]} of 10", flush=True)
            assert float(found[1]) <= MOST_EXPOSED, said


@check("threads can be pinned and memory placed")
def _():
    for name in NAMES:
        allowed = set()
        for words in settings(name)["SystemCallFilter"]:
            calls = set().union(*(expanded(word) for word in words.removeprefix("~").split()))
            allowed = allowed - calls if words.startswith("~") else allowed | calls
        assert NEEDED_CALLS <= allowed, NEEDED_CALLS - allowed
        assert not {"mount", "ptrace", "reboot", "setuid", "init_module", "bpf"} & allowed


@check("answers have the server's own time to finish, and the two units differ in nothing else than nodes")
def _():
    one, many = map(settings, NAMES)
    for unit in (one, many):
        assert seconds(unit["TimeoutStopSec"][0]) > 30 + 5, "the server's --drain-timeout is 30 s by default"
        assert seconds(unit["TimeoutStartSec"][0]) >= 600, "large models take minutes to load"
    differ = {key for key in one | many if one.get(key) != many.get(key)}
    same(differ, {"Description", "EnvironmentFile", "ExecStart", "AllowedMemoryNodes"}, "settings that differ")


@check("the environment file is one, and every variable in it is read")
def _():
    text = (UNITS / "sysinfer-server.env").read_text()
    for line in text.splitlines():
        assert not line or line.startswith("#") or re.fullmatch(r"[A-Z_]+=\S*", line), line
    set_there = set(re.findall(r"^#?([A-Z_]+)=", text, re.M))
    script = SERVICE.read_text()
    help_text = subprocess.run([os.environ["SYSINFER_SERVER"], "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"{{{name}:-}}" in script or f"${name}" in script or name in help_text for name in set_there), set_there


@check("the packages install what the units name, and keep what the site has changed")
def _():
    staged = (ROOT / "scripts" / "dist.sh").read_text()
    packages = (ROOT / "dist" / "packages.toml").read_text()
    deb, rpm = packages.split("[package.metadata.generate-rpm]")
    named = {word for unit in map(settings, NAMES) for key in ("ExecStart", "ExecStartPre", "EnvironmentFile") for word in unit[key]}
    named = {word.split()[0].lstrip("+-") for word in named}
    for file in sorted(named):
        if "%i" in file:
            continue  # Of the site, if there is one.
        folder, at = Path(file).parent, str(Path(file).parent).removeprefix("/usr")
        assert f'"$root{at}"' in staged, f"{folder} is not staged"
        assert f'["root{at}/*", "{str(folder).lstrip("/")}/"' in deb, f"{folder} is not in the .deb"
        assert f'source = "root{at}/*", dest = "{folder}/"' in rpm, f"{folder} is not in the .rpm"
    assert '["root/lib/systemd/system/*", "usr/lib/systemd/system/"' in deb and 'dest = "/usr/lib/systemd/system/"' in rpm
    # Debian's tools take all of /etc for that.
    assert re.search(r'dest = "/etc/sysinfer/".*config = "noreplace"', rpm)


class Host:
    """A host with /etc/sysinfer and a folder of the service, and NUMA nodes as told (cpulists) if any are."""

    def __init__(self, folder, nodes=None, server=None):
        self.folder = Path(folder)
        self.etc, self.run = self.folder / "etc", self.folder / "run"
        self.etc.mkdir()
        self.run.mkdir()
        self.server = server or self.stand_in()
        self.nodes = self.simulate(nodes) if nodes is not None else None

    def stand_in(self):
        """A program that says how it was called."""
        program = self.folder / "server"
        program.write_text('#!/bin/sh\ntaskset -pc $$ | sed "s/.*: //"\nprintf "%s\\n" "$@"\n')
        program.chmod(0o755)
        return program

    def simulate(self, nodes):
        folder = self.folder / "nodes"
        for number, cpus in enumerate(nodes):
            node = folder / f"node{number}"
            node.mkdir(parents=True)
            (node / "cpulist").write_text(f"{cpus}\n")
            (node / "cpumap").write_text(f"{mask(cpus):x}\n")
            (node / "meminfo").write_text(Path("/sys/devices/system/node/node0/meminfo").read_text().replace("Node 0", f"Node {number}"))
            (node / "distance").write_text(" ".join("10" if other == number else "20" for other in range(len(nodes))) + "\n")
        for file in ("online", "possible", "has_cpu", "has_memory", "has_normal_memory"):
            (folder / file).write_text(f"0-{len(nodes) - 1}\n")
        return folder

    def command(self, *words):
        """The program of the units, within the simulated nodes."""
        words = [str(SERVICE), *map(str, words)]
        if self.nodes is None:
            return words
        mounted = 'mount --bind "$1" /sys/devices/system/node && shift && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", mounted, "sh", str(self.nodes), *words]

    def program(self, node):
        """The service of a node as a program that is given a model and takes its address from its node."""
        settings = {"SYSINFER_ETC": self.etc, "SYSINFER_SERVER": self.server, "OPTIONS": "--host 127.0.0.1 --kv-memory 128M"}
        words = ["exec", "env", *(f"{name}={value}" for name, value in settings.items())]
        program = self.folder / f"node-{node}"
        program.write_text(f'#!/bin/sh\nexport MODEL="$1"\n{shlex.join(words)} {shlex.join(self.command("serve", self.run, node))}\n')
        program.chmod(0o755)
        return program

    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if name not in ("MODEL", "OPTIONS")}
        return {**kept, "SYSINFER_ETC": str(self.etc), "SYSINFER_SERVER": str(self.server), **more}

    def said(self, *words, **environment):
        done = subprocess.run(
            self.command(*words), env=self.environment(**environment), capture_output=True, text=True, timeout=30, check=False
        )
        return done.returncode, done.stdout.splitlines(), done.stderr.strip()


def mask(cpus):
    found = 0
    for part in filter(None, cpus.split(",")):
        first, _, last = part.partition("-")
        for cpu in range(int(first), int(last or first) + 1):
            found |= 1 << cpu
    return found


def simulated(nodes, **options):
    if os.getuid() != 0:
        raise Skipped("NUMA nodes are simulated by a mount, which only root may make")
    folder = tempfile.TemporaryDirectory(prefix="sysinfer-deploy-")
    return folder, Host(folder.name, nodes, **options)


@check("the service: options are words, and what is in /etc/sysinfer is used")
def _():
    with tempfile.TemporaryDirectory() as folder:
        host = Host(folder)
        serve = lambda **more: host.said("serve", host.run, **{"MODEL": "/m/a model.gguf", **more})
        code, words, _ = serve(OPTIONS="-t 0.0 --model-name *")
        same((code, words[1:]), (0, ["/m/a model.gguf", "-t", "0.0", "--model-name", "*"]), "words")
        for file in ("profile.toml", "api-keys", "tls.crt", "tls.key", "unknown"):
            (host.etc / file).write_text(f"{file}\n")
            (host.etc / file).chmod(0o600)
        same(host.said("secrets", host.run)[0], 0, "exit code")
        same(sorted(file.name for file in host.run.iterdir()), ["api-keys", "tls.crt", "tls.key"], "copies")
        assert all(file.stat().st_mode & 0o777 == 0o400 for file in host.run.iterdir()), "others may read the copies"
        code, words, _ = serve()
        wanted = ["--profile", host.etc / "profile.toml", "--api-key-file", host.run / "api-keys"]
        wanted += ["--tls-cert", host.run / "tls.crt", "--tls-key", host.run / "tls.key"]
        same(words[2:], [str(word) for word in wanted], "words")
        (host.etc / "api-keys").unlink()
        host.said("secrets", host.run)
        assert not (host.run / "api-keys").exists(), "a key that was taken away is still there"


@check("the service: what its folder holds is not followed when root writes there")
def _():
    with tempfile.TemporaryDirectory() as folder:
        host = Host(folder)
        (host.etc / "api-keys").write_text("secret\n")
        victim = host.folder / "victim"
        for link in (".api-keys.new", "api-keys"):
            victim.mkdir()
            (host.run / "api-keys").unlink(missing_ok=True)
            (host.run / link).symlink_to(victim)
            same(host.said("secrets", host.run)[0], 0, "exit code")
            same(list(victim.iterdir()), [], "what was written elsewhere")
            same((host.run / "api-keys").read_text(), "secret\n", "copy")
            shutil.rmtree(victim)


@check("the service: every option that it gives is one of the server's")
def _():
    help_text = subprocess.run([os.environ["SYSINFER_SERVER"], "--help"], capture_output=True, text=True, check=True).stdout
    given = set(re.findall(r"(?<=set -- \"\$@\" )--[\w-]+|--tls-key", SERVICE.read_text()))
    assert len(given) == 5, given
    unknown = {name for name in given if not re.search(rf"(?<![\w-]){name}(?![\w-])", help_text)}
    assert not unknown, f"the server has no {', '.join(sorted(unknown))}"


@check("one server per node: CPUs, port and profile of each, on two simulated nodes")
def _():
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skipped("two nodes need two CPUs")
    folder, host = simulated([str(cpus[0]), str(cpus[1])])
    with folder:
        (host.etc / "profile.toml").write_text("")
        (host.etc / "profile-node1.toml").write_text("")
        first = host.said("serve", host.run, "0", MODEL="m.gguf")
        same(first[:2], (0, [str(cpus[0]), "m.gguf", "--port", "7860"]), "node 0")
        second = host.said("serve", host.run, "1", MODEL="m.gguf", OPTIONS="-n 9")
        wanted = [str(cpus[1]), "m.gguf", "--port", "7861", "--profile", str(host.etc / "profile-node1.toml"), "-n", "9"]
        same(second[:2], (0, wanted), "node 1")


@check("one server per node: what is no node is refused by its name")
def _():
    folder, host = simulated(["0", ""])
    with folder:
        for node, word in (("7", "no NUMA node 7"), ("x", "not 'x'"), ("-1", "not '-1'"), ("1", "memory only")):
            code, _, error = host.said("serve", host.run, node, MODEL="m.gguf")
            same(code, 64, "exit code")
            assert word in error, error
        code, _, error = host.said("serve", host.run, "0")
        assert code == 64 and "set MODEL" in error, error


@check("one server per node: two real servers on two simulated nodes take disjoint CPUs, and both answer")
def _():
    from server import LOCAL, Server

    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skipped("two nodes need two CPUs")
    folder, host = simulated([str(cpus[0]), str(cpus[1])], server=os.environ["SYSINFER_SERVER"])
    with folder:
        taken, model = [], os.environ["SYSINFER_TEST_MODEL"]
        first, second = (Server(host.program(node), model) for node in ("0", "1"))
        with first, second:
            for server, port in ((first, 7860), (second, 7861)):
                assert server.url.endswith(f":{port}"), server.url
                with LOCAL.open(f"{server.url}/v1/models", timeout=10) as answer:
                    same(answer.status, 200, "status")
                pinned = set()
                for task in Path(f"/proc/{server.process.pid}/task").iterdir():
                    allowed = re.search(r"Cpus_allowed_list:\s+(\S+)", (task / "status").read_text())
                    pinned.add(allowed[1])
                taken.append(pinned)
    same(taken, [{str(cpus[0])}, {str(cpus[1])}], "CPUs of the threads")


print("SKIPPED  memory of the simulated nodes: this kernel has one node, so where memory lies cannot be seen here", flush=True)

finish()
