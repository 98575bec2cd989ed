"""A command of our own as a child that does not outlive us."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import Any


def run(command: Sequence[str], **options: Any) -> int:
    """Run a command without a shell and return its exit status; ``options`` are those of :func:`subprocess.run`.

    SIGTERM, which CI systems send, ends this process as Ctrl-C does, and so the child as well.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main one may take signals
        return subprocess.run(command, check=False, **options).returncode  # noqa: S603
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return subprocess.run(command, check=False, **options).returncode  # noqa: S603
    finally:
        signal.signal(signal.SIGTERM, before)
