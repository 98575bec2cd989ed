"""Children that read a model's files or render its template, forked from one process that has imported what they import.

Each such child is a Python that imports transformers or tokenizers for a second, and nearly every test of a backend starts two. A
forked one runs the same code under the same limits and environment. Tests of the children themselves start real ones.
"""

from __future__ import annotations

import array
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pytest_slmtrust.backends.untrusted import child as product

#: Imports what children import, and forks one for each message: its code, folder, environment and two streams.
_SOURCE = r"""
import array, gc, json, os, selectors, signal, socket, sys
import tokenizers
import transformers.utils.chat_template_utils
import pytest_slmtrust.backends.untrusted.worker

def become(asked, streams):
    for number, stream in enumerate([*streams, os.open(os.devnull, os.O_WRONLY)]):
        os.dup2(stream, number)
    os.closerange(3, 256)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["-c"]
    code = 1
    try:
        exec(compile(asked["code"], "<string>", "exec"), {"__name__": "__main__"})
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else error.code is not None
    finally:
        sys.stdout.flush()
        os._exit(code)

def answer(connection):
    message, parts, *_ = connection.recvmsg(2**18, socket.CMSG_SPACE(8))
    if not message:
        return False
    asked = json.loads(message)
    if "wait" in asked:
        pid, status = os.waitpid(asked["wait"], os.WNOHANG)
        connection.send(json.dumps(os.waitstatus_to_exitcode(status) if pid else None).encode())
        return True
    streams = array.array("i", [stream for _, _, data in parts for stream in array.array("i", data)])
    pid = os.fork()
    if not pid:
        become(asked, streams)
    for stream in streams:
        os.close(stream)
    connection.send(json.dumps(pid).encode())
    return True

server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.bind(sys.argv[1])
server.listen()
gc.freeze()
print(flush=True)
chosen = selectors.DefaultSelector()
chosen.register(server, selectors.EVENT_READ)
chosen.register(0, selectors.EVENT_READ)  # ends with the process that started this one
while True:
    for key, _ in chosen.select():
        if key.fileobj == 0:
            os._exit(0)
        elif key.fileobj is server:
            chosen.register(server.accept()[0], selectors.EVENT_READ)
        elif not answer(key.fileobj):
            chosen.unregister(key.fileobj)
            key.fileobj.close()
"""


class Forked:
    """What the product uses of ``subprocess.Popen``."""

    def __init__(self, source: Source, pid: int, stdin: BinaryIO, stdout: BinaryIO) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self.returncode: int | None = None
        self._source = source

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                self.returncode = self._source.ask({"wait": self.pid})
            except OSError:  # as this process ends: the source has ended, and a child without an asker ends
                self.returncode = -signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float = 600.0) -> int:
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("a forked reader", timeout)
            time.sleep(0.001)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


@dataclass
class Source:
    """The process that forks; it starts at the first question and ends with the process that started it.

    ``address``: where it listens; ``early``: what its environment set before its first import.
    """

    address: str = ""
    early: dict[str, str] = field(default_factory=dict)

    def start(self, code: str) -> Forked | None:
        """Return a child that runs ``code``; None where the environment asks for imports of its own."""
        if not self.address:
            self._begin()
        environment = {name: os.environ[name] for name in product._KEPT if name in os.environ} | product._SET
        if _early(environment) != self.early:
            return None
        (reads, stdin), (stdout, writes) = os.pipe(), os.pipe()
        asked = {"code": product._FINDS_US + code, "folder": os.getcwd(), "environment": environment}
        pid = self.ask(asked, (reads, writes))
        for end in (reads, writes):
            os.close(end)
        return Forked(self, pid, os.fdopen(stdin, "wb", 0), os.fdopen(stdout, "rb", 0))

    def ask(self, question: dict[str, Any], streams: tuple[int, ...] = ()) -> Any:
        """Send a question and return its answer; by a connection of its own, since the end of an object may ask at any time."""
        parts = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))] if streams else []
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(self.address)
            connection.sendmsg([json.dumps(question).encode()], parts)
            return json.loads(connection.recv(64))

    def _begin(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="readers-")
        address = str(Path(folder.name, "address"))
        environment = {name: os.environ[name] for name in product._KEPT if name in os.environ} | product._SET
        process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-c", product._FINDS_US + _SOURCE, address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        self.address, self.early = address, _early(environment)
        atexit.register(_end, process, folder)


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    process.communicate()
    folder.cleanup()


def _early(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what decides which modules a process finds."""
    return {name: value for name, value in environment.items() if name in ("PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")}


SOURCE = Source()
_REAL = product.Child._start


def start(child: product.Child) -> Any:
    """Start a child, in place of ``Child._start``."""
    child._process = SOURCE.start(child.code) or _REAL(child)  # type: ignore[assignment]
    return child._process


def use(source: Source) -> None:
    """Fork from here on, in a process that another one started."""
    global SOURCE
    SOURCE = source
    product.Child._start = start  # type: ignore[assignment,method-assign]


def in_use() -> Source | None:
    """Return what a run in another process forks from: nothing where the test starts real children, or none was forked yet."""
    forks = product.Child._start is start and SOURCE.address
    return Source(SOURCE.address, SOURCE.early) if forks else None
