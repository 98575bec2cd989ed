"""A child process that answers lines of JSON with lines of JSON, under limits of memory and time.

The process imports nothing from the current folder, sees a bare environment and writes no file. It bounds itself with
:func:`limit` once its own imports are done.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The longest line that a child may answer, in bytes.
MAX_REPLY = 256 * 2**20
#: What a child may take beyond its own code and libraries, in bytes.
MEMORY = 768 * 2**20

_KEPT = ("PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "SYSTEMROOT")
_SET = {
    # without torch transformers is imported in a second
    "USE_TORCH": "0", "USE_TF": "0", "USE_FLAX": "0", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "critical",
    # the address space is bounded: no arenas or stacks for threads that a short run has no use for
    "MALLOC_ARENA_MAX": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip
#: The child gets this package as a bare namespace: its public names, and the libraries behind them, take longer to import than
#: most files take to read. It may have been found through the current folder, where the child does not look.
_FINDS_US = f"""import sys, types
us = sys.modules["pytest_slmtrust"] = types.ModuleType("pytest_slmtrust")
us.__path__ = [{str(Path(__file__).parents[2])!r}]
"""


def limit(memory: int = MEMORY) -> None:
    """Bound this process: ``memory`` bytes beyond what it holds now, no core, no byte written to a file.

    A system that knows no such limit leaves it out; the parent still ends a child that is late.
    """
    import resource

    _bound(resource.RLIMIT_AS, _address_space() + memory)
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_FSIZE, 0)


def limit_time(seconds: float) -> None:
    """End this process after so many seconds of processor time from now on; a later call replaces the limit."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    most = resource.getrlimit(resource.RLIMIT_CPU)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime + seconds), most))


def _bound(which: int, value: int) -> None:
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(which, (value, value))


def _address_space() -> int:
    """Bytes of address space in use; 8 GiB where the system does not say."""
    import resource

    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            return int(stream.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 2**33


@dataclass(slots=True)
class Child:
    """One Python process that runs ``code``; it starts at the first question, or at :meth:`begin`, and lives until :meth:`close`.

    ``status``: how it ended (a negative number is a signal); None if it did not.
    """

    code: str
    status: int | None = None
    _process: subprocess.Popen[bytes] | None = None
    _unread: bytes = b""

    @property
    def running(self) -> bool:
        """Whether the process was started and not closed."""
        return self._process is not None

    def begin(self) -> None:
        """Start the process before its first question, so that its imports go on meanwhile."""
        if self._process is None:
            self._start()

    def ask(self, question: Any, seconds: float) -> Any:
        """Send one line of JSON and return the one that comes back; a child that fails is closed.

        Raises:
            TimeoutError: no answer within ``seconds``.
            OSError, EOFError, ValueError: the process died, answered too much, or answered no JSON.
        """
        try:
            line = json.dumps(question).encode() + b"\n"
            answer, self._unread = _converse(self._process or self._start(), line, seconds, self._unread)
            return json.loads(answer)
        except (OSError, EOFError):  # its end is near, and its status tells why
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.status = self._process.wait(1.0) if self._process else None
            self.close()
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process, self._unread = self._process, None, b""
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:  # no name of a module: as the interpreter ends, modules are gone before this object
                    stream.close()
                except OSError:
                    continue

    def __del__(self) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        bare = {name: os.environ[name] for name in _KEPT if name in os.environ} | _SET
        # -P: nothing is imported from the current folder, which may be the model's
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-W", "ignore", "-c", _FINDS_US + self.code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=bare,
        )  # fmt: skip
        return self._process


def _converse(child: subprocess.Popen[bytes], line: bytes, seconds: float, unread: bytes) -> tuple[bytes, bytes]:
    """Write a line, and return the next one of the child, with what it wrote after that; ``unread``: what it wrote before."""
    assert child.stdin is not None
    assert child.stdout is not None
    end = time.monotonic() + seconds
    received, whole = bytearray(unread), b"\n" in unread
    out, back = child.stdin.fileno(), child.stdout.fileno()
    os.set_blocking(out, False)
    with selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_WRITE)
        selector.register(back, selectors.EVENT_READ)
        while line or not whole:
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if key.fd == out:
                    line = line[os.write(out, line[: 2**16]) :]
                    if not line:
                        selector.unregister(out)
                else:
                    chunk = os.read(back, 2**20)
                    received += chunk
                    whole = whole or b"\n" in chunk
                    if not chunk or len(received) > MAX_REPLY:
                        raise EOFError
    answer, _, rest = bytes(received).partition(b"\n")
    return answer, rest
