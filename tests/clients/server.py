"""A server of ours: started on a free loopback port, waited for, ended for sure."""

import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request

#: Variables of a user's shell that would change the server under test.
FOREIGN = ("OMP_NUM_THREADS", "GOMP_CPU_AFFINITY", "OMP_PROC_BIND", "SYSINFER_API_KEY", "SYSINFER_LOG")

#: Longest that a small model may take to load on a busy machine, seconds.
PATIENCE = 120

# A proxy of the environment is not for this host.
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServerFailed(Exception):
    """It ended, or was never healthy; with its log."""


class Server:
    """`with Server(binary, model, "--queue", "1") as server: server.url`"""

    def __init__(self, binary, model, *options, port=0):
        environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        command = [binary, model, "--host", "127.0.0.1", "--port", str(port), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        self.log = []
        self.url = None
        self._listens = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        """Keeps the log, so that the pipe never fills, and finds the address in it."""
        for line in self.process.stderr:
            line = line.decode("utf-8", "replace").rstrip()
            self.log.append(line)
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found and self.url is None:
                self.url = f"http://127.0.0.1:{found[1]}"
                self._listens.set()
        self._listens.set()

    def __enter__(self):
        deadline = time.monotonic() + PATIENCE
        try:
            self._listens.wait(PATIENCE)
            while not self._healthy():
                if self.process.poll() is not None or time.monotonic() > deadline:
                    code = self.process.poll()
                    why = "it was never healthy" if code is None else f"exit code {code}"
                    raise ServerFailed("\n".join([why, *self.log[-20:]]))
                time.sleep(0.1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()

    def _healthy(self):
        if self.url is None:
            return False
        try:
            with LOCAL.open(f"{self.url}/health", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False
