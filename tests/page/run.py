"""`make test-page`: the page of the server in a real browser.

    python run.py [--server BINARY] [--model FILE] [--only WORD] [--pictures FOLDER]

Prints a line for each check, and exits with 1 if one failed. The page comes from the server that is named, with the
small model. What a real server is hard to bring to is played by a stand-in (stand_in.py). Playwright and axe are
installed once into the user's cache; the browser is the system's Chromium.
"""

import argparse
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.append(str(HERE.parent / "clients"))

import environments  # noqa: E402
from server import Server, ServerFailed  # noqa: E402
from suite import run  # noqa: E402

PLAYWRIGHT = "playwright==1.65.2"
PROGRAMS = ("answers", "refusals", "facts", "reach", "looks", "real", "origins")
#: Names of Chromium's program, by systems.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def prepared(program, interpreter):
    yield [str(interpreter), f"{program}.py"], HERE


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default=str(ROOT / "target/release/sysinfer-server"))
    parser.add_argument("--model", default=os.environ.get("SYSINFER_TEST_MODEL"), help="a chat model [SYSINFER_TEST_MODEL]")
    parser.add_argument("--only", metavar="WORD", default="", help=f"only programs whose names have it: {', '.join(PROGRAMS)}")
    parser.add_argument("--pictures", metavar="FOLDER", help="writes pictures of all looks there")
    options = parser.parse_args()
    if not options.model:
        parser.error("name a model: --model FILE, or SYSINFER_TEST_MODEL; scripts/model.sh fetches a small one")
    chosen = [program for program in PROGRAMS if options.only in program]
    if not chosen:
        parser.error(f"no program has {options.only!r} in its name")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("page: SKIPPED: there is no Chromium; install the system's package chromium")
        return
    try:
        interpreter = environments.python(PLAYWRIGHT)
        _, folder = environments.node(HERE / "axe", "axe")
    except environments.NotInstalled as reason:
        print(f"page: SKIPPED: what drives the browser cannot be installed: {reason}")
        return
    environment = {
        "SYSINFER_CHROMIUM": browser,
        "SYSINFER_AXE": str(folder / "node_modules/axe-core/axe.min.js"),
        "SYSINFER_SERVER": str(Path(options.server).resolve()),
        "SYSINFER_TEST_MODEL": str(Path(options.model).resolve()),
    }
    if options.pictures:
        Path(options.pictures).mkdir(parents=True, exist_ok=True)
        environment["SYSINFER_PAGE_PICTURES"] = str(Path(options.pictures).resolve())
    failed, checks = [], 0
    try:
        with Server(environment["SYSINFER_SERVER"], environment["SYSINFER_TEST_MODEL"]) as server:
            environment["SYSINFER_URL"] = server.url
            for program in chosen:
                well, count = run(program, prepared(program, interpreter), environment)
                checks += count or 0
                failed += [] if well else [program]
    except (OSError, ServerFailed) as error:
        sys.exit(f"the server does not start: {error}")
    print(f"page: {checks} checks; " + (f"FAILED: {', '.join(failed)}" if failed else "none failed"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
