"""The script of the original's guide, guide/request.py, run unchanged: it has its own address in it.

It prints a delta for each chunk, and takes the first choice of every one.
"""

import subprocess
import sys
from pathlib import Path

from check import check, finish, same


@check("the script as it stands prints an answer")
def _():
    script = Path(__file__).parent / "guide" / "request.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300)
    same(done.returncode, 0, f"exit code ({done.stderr[-300:]})")
    first, *others = done.stdout.splitlines()
    assert first.startswith("ChoiceDelta(content=''") and "role='assistant'" in first, first
    assert any("content='" in line and "content=''" not in line for line in others), done.stdout[-300:]


finish()
