"""Where the blocks of a page run: a folder with small models under the names that the page has for them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import processes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

#: Variables of a user's shell that would change the programs under test.
OURS = re.compile(r"^(SYSINFER_|OMP_|GOMP_|HWLOC_|OPENAI_)")
#: Longest that a block may take, seconds.
PATIENCE = 120
#: The port that pages have; each page's blocks get a free one.
PORT = "7860"

QUESTION = '{"messages": [{"role": "user", "content": "Hello"}]}\n'
#: Texts that pages read: more than a window of 512 tokens, less than the small model's context of 1024.
TEXT = "A server has cores, and cores have memory that is near. " * 12


def made(block):
    """Model files that the block writes itself."""
    return set(re.findall(r"sysinfer-tune synth \S+ (\S+\.gguf)", block.text))


class Scene:
    """`with Scene(kit, folder, blocks) as scene: scene.run(block)`, in a folder of its own."""

    def __init__(self, kit, folder, blocks):
        self.kit, self.folder, self.work = kit, folder, folder / "work"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self.work.mkdir(parents=True)
        shutil.copytree(kit.tuned, self.work, dirs_exist_ok=True)
        for block in blocks:
            for name in set(re.findall(r"(?<![\w/.])[\w-]+\.gguf", block.text)) - made(block):
                shutil.copyfile(kit.model, self.work / name)
            for name in re.findall(r"[\w-]+\.txt", block.text):
                (self.work / name).write_text(TEXT)
        for name in ("before.toml", "after.toml"):
            shutil.copyfile(self.work / "sysinfer-profile.toml", self.work / name)
        (self.work / "questions.jsonl").write_text(QUESTION)
        (self.work / "hosts").symlink_to(ROOT / "hosts")
        self.environment = kit.environment(folder, self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        processes.stop(self.folder / "server.pid")

    def run(self, block):
        """Runs a block. Returns what went wrong, or `None`."""
        text = block.text.replace(PORT, self.port)
        return ended(["bash", "-euo", "pipefail", "-c", text], self.work, self.environment)


class Kit:
    """What all pages share: the programs, a small model, and what one tuning run with it left."""

    def __init__(self, programs, folder):
        self.programs, self.folder = programs, folder
        self.model, self.tuned = folder / "model.gguf", folder / "tuned"
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        (folder / "runs").mkdir()
        for name in ("sysinfer-tune", "sysinfer-server", "server"):
            stand_in = bin_folder / name
            stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "stand_in.py"}" {name} "$@"\n')
            stand_in.chmod(0o755)
        (folder / "kit").mkdir()
        environment = self.environment(folder / "kit", "0")
        wrong = ended([programs / "sysinfer-tune", "synth", "tiny", self.model], folder, environment)
        if not wrong:
            self.tuned.mkdir()
            shutil.copyfile(self.model, self.tuned / "model.gguf")
            wrong = ended(["sysinfer-tune", "model.gguf"], self.tuned, environment)
        if wrong:
            sys.exit(f"docs: nothing to run blocks with: {wrong}")

    def environment(self, scene, port):
        """Of a page's blocks."""
        kept = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        return {
            **kept,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "DOCS_PROGRAMS": str(self.programs),
            "DOCS_RUNS": str(self.folder / "runs"),
            "DOCS_SCENE": str(scene),
            "DOCS_PORT": port,
        }


def ended(command, folder, environment):
    """Runs a command, ends all that it started, and returns what went wrong, or `None`.

    A server of `stand_in.py` has a session of its own and goes on. What is said goes to a file, since a pipe would be
    open for as long as anything that the command left behind.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(PATIENCE)
            wrong = f"exit code {code}" if code else None
        except subprocess.TimeoutExpired:
            wrong = f"not done after {PATIENCE} seconds"
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        if not wrong:
            return None
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return "\n    ".join([wrong, *lines[-25:]])
