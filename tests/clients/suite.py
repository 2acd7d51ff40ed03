"""`make test-clients`: real clients against the server and the small real model.

    python suite.py [--server BINARY] [--model FILE] [--only WORD]

Prints a line for each client and check. What cannot be installed says SKIPPED and why. Exit code 1 if a check
failed. Needs nothing but Python 3.9 or later and the registries; the server is SYSINFER_SERVER, or
target/release/sysinfer-server.
"""

import argparse
import os
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import environments
from check import CHECKS_FAILED, KEY
from server import Server, ServerFailed

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

#: The oldest version of the client that is asked for, one that EulerCopilot pins, and one that is current.
OPENAI = ("1.91.0", "2.3.0", "3.57.0")

#: The port of the original, which its guide's script has in it.
GUIDE_PORT = 7860

#: Longest that a client may take for all its checks, seconds.
PATIENCE = 900


class Skip(Exception):
    """A client that is not run; its text says why."""


@contextmanager
def of_python(program, *packages):
    yield [str(environments.python(*packages)), *program], HERE


@contextmanager
def of_node(program):
    node, folder = environments.node(HERE / "node")
    yield [str(node), program], folder


@contextmanager
def guide(binary, model):
    """The script of the original's guide, against a server that is started as there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", GUIDE_PORT))
        except OSError as error:
            raise Skip(f"port {GUIDE_PORT} is in use: {error}") from error
    interpreter = environments.python(f"openai=={OPENAI[0]}")
    with Server(binary, model, "-t", "0.0", "-n", "64", port=GUIDE_PORT):
        yield [str(interpreter), "guide.py"], HERE


def clients(binary, model):
    """Name of each client, and a context that prepares it: its command, and the folder to run that in."""
    for version in OPENAI:
        yield f"openai {version} (Python)", of_python(["-m", "openai_python"], f"openai=={version}")
    yield "openai 7.59.0 (Node)", of_node("openai.mjs")
    yield "@ai-sdk/openai-compatible 3.0.92", of_node("ai_sdk.mjs")
    yield "langchain-openai 1.7.4", of_python(["langchain_client.py"], "langchain-openai==1.7.4")
    yield "litellm 1.110.2", of_python(["litellm_client.py"], "litellm==1.110.2")
    yield "ollama 0.6.3", of_python(["ollama_client.py"], "ollama==0.6.3")
    yield "EulerCopilot's requests", of_python(["eulercopilot.py"], f"openai=={OPENAI[1]}", "jsonschema==4.25.1")
    yield "the guide's script", guide(binary, model)


def run(name, prepared, environment):
    """Runs one client and prints what it says. Returns whether all is well, and how many checks were made; `None`
    if it was skipped."""
    try:
        with prepared as (command, folder):
            code, said, complaints = ended(command, folder, environment)
    except (Skip, environments.NotInstalled) as reason:
        print(f"{name}: SKIPPED: {reason}", flush=True)
        return True, None
    except ServerFailed as error:
        code, said, complaints = None, "", f"its server does not start: {error}"
    lines = said.splitlines()
    for line in lines:
        print(f"{name}: {line}", flush=True)
    checks = sum(line.startswith(("ok ", "FAILED ")) for line in lines)
    well = code == 0 and checks > 0
    if code not in (0, CHECKS_FAILED) or checks == 0:
        last = "\n    ".join(complaints.strip().splitlines()[-5:])
        print(f"{name}: FAILED  to run: exit code {code}\n    {last}", flush=True)
    return well, checks


def ended(command, folder, environment):
    """Exit code, output and errors of a command."""
    # A proxy of the environment is not for this host.
    environment = {**os.environ, **environment, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode("utf-8", "replace")
        return None, said, f"it was not done after {PATIENCE} seconds"
    return done.returncode, done.stdout, done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default=os.environ.get("SYSINFER_SERVER", str(ROOT / "target/release/sysinfer-server")))
    parser.add_argument("--model", default=os.environ.get("SYSINFER_TEST_MODEL"), help="a chat model [SYSINFER_TEST_MODEL]")
    parser.add_argument("--only", metavar="WORD", default="", help="only clients whose names have it")
    options = parser.parse_args()
    if not options.model:
        parser.error("name a model: --model FILE, or SYSINFER_TEST_MODEL; scripts/model.sh fetches a small one")
    chosen = [client for client in clients(options.server, options.model) if options.only in client[0]]
    if not chosen:
        parser.error(f"no client has {options.only!r} in its name")
    failed, checks, skipped = [], 0, 0
    with ExitStack() as stack:
        try:
            start = lambda *more: stack.enter_context(Server(options.server, options.model, *more)).url
            environment = {
                "SYSINFER_URL": start(),
                "SYSINFER_NARROW_URL": start("--parallel", "1", "--queue", "1"),
                "SYSINFER_KEYED_URL": start("--api-key", KEY),
            }
        except (OSError, ServerFailed) as error:
            sys.exit(f"the server does not start: {error}")
        for name, prepared in chosen:
            well, count = run(name, prepared, environment)
            checks += count or 0
            skipped += count is None
            failed += [] if well else [name]
    print(f"clients: {checks} checks, {skipped} clients SKIPPED; " + (f"FAILED: {', '.join(failed)}" if failed else "none failed"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
