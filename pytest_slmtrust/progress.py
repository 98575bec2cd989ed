"""Progress of the answering phase: a line rewritten on a terminal, a line every 30 s elsewhere."""

from __future__ import annotations

import sys
import time

import pytest

_EVERY = 30.0
_REDRAW = 0.5


class ProgressLine:
    """Called after every answer; writes past pytest's capture, to standard error."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.terminal = sys.stderr.isatty()
        self.started = self.last = time.monotonic()
        self.wave = 0
        self.drawn = False

    def __call__(self, done: int, total: int, wave: int) -> None:
        now = time.monotonic()
        if wave != self.wave:
            self.wave, self.started = wave, now
        if now - self.last < (_REDRAW if self.terminal else _EVERY):
            return
        self.last = now
        left = (now - self.started) / max(done, 1) * (total - done)
        self._write(f"slm: wave {wave}: {done} of {total} requests, about {left:.0f} s left")

    def note(self, text: str) -> None:
        """A line of its own: a download, a conversion."""
        self._write(f"slm: {text}", end="\n")

    def close(self) -> None:
        """End the line on a terminal."""
        if self.drawn and self.terminal:
            self._write("", end="\r")
        self.drawn = False

    def _write(self, text: str, end: str = "") -> None:
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        if capture is not None:
            capture.suspend_global_capture(in_=False)
        try:
            sys.stderr.write(f"\r\x1b[K{text}{end}" if self.terminal else f"{text}\n")
            sys.stderr.flush()
            self.drawn = True
        finally:
            if capture is not None:
                capture.resume_global_capture()
