"""llama.cpp's own server, out of xllamacpp, in a process of its own: started on loopback, killed, and started again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_CODE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.n_parallel = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
params.n_ctx = int(sys.argv[3]) * int(sys.argv[5])
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[4])
params.hostnames, params.n_gpu_layers = ["127.0.0.1"], 0
params.cache_ram_mib, params.warmup, params.ui = 0, False, False
server = xllamacpp.Server(params)
sys.stdin.read()
"""
_DONE = re.compile(rb"slot +release")


@dataclass
class Server:
    """One server of a GGUF file. ``slots``: requests in one batch; ``context``: tokens of each."""

    file: Path
    folder: Path
    slots: int = 1
    threads: int = 1
    context: int = 1024
    port: int = 0
    child: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def finished(self) -> int:
        """Requests that were answered since the first start."""
        return sum(len(_DONE.findall(log.read_bytes())) for log in self.folder.glob(f"{self.port}-*.log"))

    def start(self, seconds: float = 180.0) -> None:
        """Start it, on the same port each time, and wait until it answers."""
        self.port = self.port or _free_port()
        self.starts += 1
        words = [str(self.file), self.port, self.slots, self.threads, self.context]
        with (self.folder / f"{self.port}-{self.starts}.log").open("wb") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-c", _CODE, *map(str, words)], stdin=subprocess.PIPE, stdout=log, stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": str(self.threads)},
            )  # fmt: skip
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.child.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as reply:
                if reply.status == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError("llama.cpp's server did not start")

    def kill(self) -> None:
        """kill -9."""
        if self.child is not None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
            assert self.child.stdin is not None
            self.child.stdin.close()
            self.child = None


@contextmanager
def serving_file(server: Server) -> Iterator[Server]:
    """Serve a file for a while."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def killed(server: Server, after: int, again: bool) -> Iterator[list[int]]:
    """Kill a server once it finished so many requests more, and start it ``again``; yields at how many that was."""
    seen: list[int] = []
    end = threading.Event()
    begun = server.finished

    def watch() -> None:
        while not end.wait(0.02):
            if server.finished - begun >= after:
                server.kill()
                seen.append(server.finished - begun)
                if again:
                    server.start()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        end.set()
        thread.join()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
