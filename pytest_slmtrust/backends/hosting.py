"""Children that host somebody else's engine and answer lines of JSON: they end with this process, and print into a file."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Bytes at the end of a child's log that are searched for an error.
_TAIL = 20_000


def start(code: str, env: Mapping[str, str] | None = None) -> tuple[subprocess.Popen[str], Any]:
    """Start a child that runs ``code``, in a session of processes apart; return it with its log, an open file."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the child
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-P", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        start_new_session=True, env=None if env is None else dict(env),
    )  # fmt: skip
    return child, log


def tell(child: subprocess.Popen[str], question: Mapping[str, Any]) -> bool:
    """Write one line to a child; return whether it could be written."""
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(question) + "\n")
        child.stdin.flush()
    except OSError:
        return False
    return True


def hear(child: subprocess.Popen[str], seconds: float | None = None) -> dict[str, Any]:
    """Return the next line of a child as JSON; empty if it ends, says nothing in time, or says something else.

    Lines that came together are read by calls without a limit in ``seconds``.
    """
    assert child.stdout is not None
    try:
        ready = seconds is None or select.select([child.stdout], [], [], seconds)[0]
        line = child.stdout.readline() if ready else ""
        found = json.loads(line) if line else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def last_error(log: Any, otherwise: bool = True) -> str:
    """Return the last error of a child's log; its last line where it holds none, unless that is not wanted ``otherwise``."""
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - _TAIL))
    lines = log.read().decode("utf-8", "replace").splitlines()
    errors = [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
    return " ".join((errors or (lines if otherwise else []) or [""])[-1].split())[:200]


def peak_bytes(pid: int) -> int | None:
    """Return the largest resident size of a process so far; None where the system does not say it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), "")
    return int(found) * 1024 if found.isdigit() else None


def end(child: subprocess.Popen[str], log: Any) -> None:
    """End a child with all that it started, and let go what belongs to it."""
    with suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for stream in (child.stdin, child.stdout, log):
        if stream is not None:
            with suppress(OSError):  # what was never read by the child cannot be flushed
                stream.close()
