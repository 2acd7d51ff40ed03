"""What a client program of this folder says: a line for each check, and exit code 3 if one failed.

The runner (suite.py) starts the servers and names them in the environment; a program can be run alone against
any server: `SYSINFER_URL=http://127.0.0.1:7860 python langchain_client.py`.
"""

import os
import sys
import traceback

#: A server that accepts any key.
URL = os.environ.get("SYSINFER_URL", "http://127.0.0.1:7860")
#: One that answers one request at a time and lets one wait. Checks that need it are skipped without.
NARROW_URL = os.environ.get("SYSINFER_NARROW_URL")
#: One that demands KEY.
KEYED_URL = os.environ.get("SYSINFER_KEYED_URL")
KEY = "sk-of-the-suite"

#: The exit code of a program whose checks were all made, and not all passed.
CHECKS_FAILED = 3

_failed = []


class Skipped(Exception):
    """Raised by a check that cannot be made; its text says why."""


def check(name):
    """Runs the function that it decorates, now, and prints how that went."""

    def run(function):
        try:
            function()
        except Skipped as reason:
            print(f"SKIPPED {name}: {reason}", flush=True)
        except Exception as error:  # Whatever a client raises is a failed check, and the others go on.
            frame = traceback.extract_tb(error.__traceback__)[1:2]
            place = f" (line {frame[0].lineno})" if frame else ""
            text = " ".join(str(error).split()) or "an assertion"
            print(f"FAILED  {name}: {type(error).__name__}: {text[:300]}{place}", flush=True)
            _failed.append(name)
        else:
            print(f"ok      {name}", flush=True)

    return run


def needs(url, what):
    """The address, or the end of the check."""
    if url is None:
        raise Skipped(f"no {what} was named")
    return url


def same(found, wanted, what="it"):
    """As `assert found == wanted`, with both in the message."""
    assert found == wanted, f"{what} is {found!r}, not {wanted!r}"


def finish():
    """Ends the program."""
    sys.exit(CHECKS_FAILED if _failed else 0)
