"""`make test-docs`: runs the commands of the documentation.

    python3 run.py [--programs FOLDER] [--only WORD]

Every block marked `sh` in the READMEs, CONTRIBUTING and docs/ is run by bash with the programs of FOLDER and a small
model; one that says why it cannot run is SKIPPED, and its syntax is checked. Options of our programs are held against
their `--help`, in blocks of any language and in the text. Links within the repository have to lead somewhere, and a page
in two languages has to have the same commands. Needs bash, curl and Python 3.9 or later, nothing else.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import blocks
import links
from options import Options
from scene import ROOT, Kit, Scene

#: Pages whose blocks run at a time.
AT_ONCE = 3


def pages():
    """Pages that have commands, with what each has to agree with: its page in English, if it is in Chinese."""
    yield ROOT / "README.md", None
    yield ROOT / "README.zh-CN.md", ROOT / "README.md"
    yield ROOT / "CONTRIBUTING.md", None
    yield ROOT / "SECURITY.md", None
    for page in sorted((ROOT / "docs" / "en").glob("*.md")):
        yield page, None
    for page in sorted((ROOT / "docs" / "zh").glob("*.md")):
        sister = ROOT / "docs" / "en" / page.name
        yield page, sister if sister.exists() else None


def linked():
    """Pages whose links are followed."""
    yield from ROOT.glob("*.md")
    yield from (ROOT / "docs").rglob("*.md")
    yield from (ROOT / "reports").rglob("*.md")
    yield ROOT / "fuzz" / "README.md"


class Tally:
    """What passed, failed and was skipped, said as it happens."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def ok(self, what):
        self.passed += 1
        print(f"ok      {what}", flush=True)

    def fail(self, what, why):
        self.failed += 1
        print(f"FAILED  {what}: {why}", flush=True)

    def skip(self, what, why):
        self.skipped += 1
        print(f"SKIPPED {what}: {why}", flush=True)


def name(place):
    """A page or block, as seen from the repository's root."""
    return str(place).removeprefix(f"{ROOT}/")


def syntax(block):
    """What bash has against a block, or `None`."""
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr.strip() if done.returncode else None


def read(page, options, tally):
    """The blocks of a page, after what can be said without running them."""
    try:
        found = blocks.read(page)
    except blocks.BadBlock as wrong:
        tally.fail(name(page), wrong)
        return []
    for block in found:
        for wrong in options.wrong_in(block):
            tally.fail(name(block), wrong)
        if block.language == "python":
            try:
                compile(block.text, str(block), "exec")
            except SyntaxError as wrong:
                tally.fail(name(block), wrong)
    for line, wrong in options.wrong_in_words(page):
        tally.fail(f"{name(page)}:{line}", wrong)
    return [block for block in found if block.language == "sh"]


def run(kit, page, found, tally, stopping):
    """Runs the blocks of a page, in their order, until `stopping` is set."""
    to_run = [block for block in found if not block.skip]
    for block in found:
        if block.skip:
            wrong = syntax(block)
            tally.fail(name(block), wrong) if wrong else tally.skip(name(block), block.skip)
    if not to_run:
        return
    folder = kit.folder / "pages" / name(page).replace("/", "-")
    with Scene(kit, folder, to_run) as scene:
        for block in to_run:
            if stopping.is_set():
                break
            begun = time.monotonic()
            wrong = scene.run(block)
            took = f"{time.monotonic() - begun:.1f} s"
            tally.fail(name(block), wrong) if wrong else tally.ok(f"{name(block)} ({took})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, default=ROOT / "target" / "debug", help="[target/debug]")
    parser.add_argument("--only", metavar="WORD", default="", help="only pages whose names have it")
    asked = parser.parse_args()
    missing = [tool for tool in ("bash", "curl") if not shutil.which(tool)]
    if missing:
        sys.exit(f"docs: install {' and '.join(missing)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally, options = Tally(), Options(asked.programs.resolve())
    for page in sorted(set(linked())):
        for line, wrong in links.dead(page):
            tally.fail(f"{name(page)}:{line}", wrong)
    read_pages = {page: read(page, options, tally) for page, _ in pages()}
    work = []
    for page, sister in pages():
        if asked.only not in name(page):
            continue
        same = sister and [block.commands() for block in read_pages[page]] == [
            block.commands() for block in read_pages[sister]
        ]
        if sister and not same:
            tally.fail(name(page), f"its commands are not those of {name(sister)}")
        elif sister and read_pages[page]:
            tally.ok(f"{name(page)}: the commands of {name(sister)}")
        elif not sister:
            work.append(page)
    with tempfile.TemporaryDirectory(prefix="sysinfer-docs-") as folder:
        kit, stopping = Kit(asked.programs.resolve(), Path(folder)), threading.Event()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for _ in pool.map(lambda page: run(kit, page, read_pages[page], tally, stopping), work):
                    pass
            except BaseException:  # Ctrl-C too: blocks that run come to their end, and their servers are ended.
                stopping.set()
                raise
    print(f"docs: {tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    sys.exit(1 if tally.failed else 0)


if __name__ == "__main__":
    main()
