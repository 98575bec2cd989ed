"""SIGTERM, which CI systems send to a run that takes too long: the run ends as after Ctrl-C, in one line and with its record."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType

SAID = "it was stopped by SIGTERM"


class Stopped(KeyboardInterrupt):
    """The run was asked to end: whatever catches every error lets this one through."""


class Terminator:
    """Turns SIGTERM into :class:`Stopped` in the process that writes the record; a second one ends it at once."""

    def __init__(self) -> None:
        self.came = self.ours = False
        self.process = os.getpid()
        with suppress(ValueError):  # not the main thread
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, self._end)
                self.ours = True

    def _end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal calls it
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != self.process:  # a fork of ours ends as it would without us
            os.kill(os.getpid(), signal.SIGTERM)
            return
        self.came = True
        raise Stopped(f"{SAID}: what was answered is kept, and the same command goes on from there")

    def close(self) -> None:
        """Give the signal back."""
        if self.ours:
            with suppress(ValueError):
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
