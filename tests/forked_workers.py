"""Workers of xdist, forked before a run begins from its process, which has imported what they import.

xdist starts each worker as a new Python, whose imports take longer than most runs of a test. A forked one waits, takes over the
folder and the environment that the run has when it starts its workers, and then does what a started one does.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

from execnet import gateway_base, gateway_io


class Worker:
    """What execnet uses of ``subprocess.Popen``."""

    def __init__(self) -> None:
        (reads, stdin), (stdout, writes) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(stdin)  # or it would not see its end
            _become(reads, writes)
        os.close(reads)
        os.close(writes)
        self.stdin: BinaryIO = os.fdopen(stdin, "wb")
        self.stdout: BinaryIO = os.fdopen(stdout, "rb")

    def begin(self) -> None:
        place = json.dumps([os.getcwd(), dict(os.environ)]).encode()
        self.stdin.write(b"%d\n%s" % (len(place), place))
        self.stdin.flush()

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def _become(reads: int, writes: int) -> None:
    """Be a worker, as ``python -u -c`` with execnet's first line is one; end where nobody asks for it."""
    for number, stream in enumerate((reads, writes)):
        os.dup2(stream, number)
        os.close(stream)
    size = b""
    while not size.endswith(b"\n"):
        size += os.read(0, 1) or os._exit(0)
    place = b""
    while len(place) < int(size):
        place += os.read(0, int(size) - len(place)) or os._exit(0)
    folder, environment = json.loads(place)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c"]
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    try:
        exec(eval(sys.stdin.readline()), {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()
        os._exit(0)


def fork(arguments: Sequence[str]) -> None:
    """Fork the workers that the arguments of pytest ask for; what xdist starts beyond these is started."""
    ready = [Worker() for _ in range(_asked(arguments))]
    start: Any = gateway_io.Popen2IOMaster.__init__

    def begin(io: Any, args: Any, execmodel: Any) -> None:
        if not ready:
            start(io, args, execmodel)
            return
        io.popen = ready.pop(0)
        io.popen.begin()
        gateway_base.Popen2IO.__init__(io, io.popen.stdin, io.popen.stdout, execmodel=execmodel)

    gateway_io.Popen2IOMaster.__init__ = begin  # type: ignore[assignment,method-assign]


def _asked(arguments: Sequence[str]) -> int:
    """Return the number after ``-n``, which stands alone or with it."""
    for word, after in zip(arguments, [*arguments[1:], ""], strict=True):
        number = after if word == "-n" else word[2:] if word.startswith("-n") else ""
        if number.isdigit():
            return int(number)
    return 0
