"""Has schemathesis make up requests from a running server's description of itself, valid ones and others.

    python hostile.py [--url http://127.0.0.1:7860] [--seconds 300] [--seed 1]

Start the server with few tokens to an answer (`-n 8`): what counts is that it answers at all. No answer may be a
5xx, have a status or a type of content that is not described, or another form than its schema says; a method that
there is not gets 405. Exit code 1 if any does, and 0 with the word SKIPPED where schemathesis is not installed.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    beside = Path(sys.executable).parent / "schemathesis"
    program = str(beside) if beside.exists() else shutil.which("schemathesis")
    if program is None:
        print("SKIPPED: schemathesis is not installed (pip install schemathesis)")
        return 0
    command = [program, "run", f"{asked.url}/openapi.json", "--url", asked.url]
    command += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"]
    command += ["--max-time", str(asked.seconds), "--seed", str(asked.seed)]
    command += ["--request-timeout", "60", "--continue-on-failure", "--suppress-health-check", "all"]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
