"""Progress of the answering phase: a line rewritten on a terminal, a line every 30 s elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from .. import door
from ..engine.work_estimate import Wave, pace, seconds_left

_EVERY = 30.0
_REDRAW = 0.5
_CELLS = 20
_ENOUGH = 0.05  # of the work: before that, loading and the first batch are all that is known


class ProgressLine:
    """Called as a wave begins and after every answer; writes past pytest's capture, to standard error.

    The time since the call before is that of the kind that was answered: a backend answers one kind after the other. Before the
    first answer of a wave a model may be loaded: no time left is said until answers have come for as long as that took.
    """

    def __init__(self, config: pytest.Config, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.terminal = sys.stderr.isatty()
        self.clock = clock
        self.told = self.before = self.begun = self.first = clock()
        self.spent: dict[str, float] = {}
        self.known: dict[str, float] = {}
        self.drawn = False
        #: As it is while pytest is configured: a backend may turn sys.stderr away as it converts a model.
        self.stream = sys.stderr

    def __call__(self, wave: Wave) -> None:
        now = self.clock()
        if not wave.done:
            self.spent, self.begun, self.first = {}, now, now
        else:
            self.first = self.first if self.spent else now
            self.spent[wave.kind] = self.spent.get(wave.kind, 0.0) + now - self.before
        self.before = now
        if wave.done == wave.total:
            self.known |= pace(wave, self.spent)
        if now - self.told >= (_REDRAW if self.terminal else _EVERY):
            self.told = now
            self._write(self.line(wave))

    def line(self, wave: Wave) -> str:
        """Return how far a wave is, and how long it may still take."""
        done, still_open = (sum(units.values()) for units in wave.units())
        left, beside = seconds_left(wave, self.spent, self.known)
        share = done / max(done + still_open, 1e-9)
        bar = f"[{'#' * int(share * _CELLS):<{_CELLS}}] " if self.terminal else ""
        then = f", then {' and '.join(beside)}" if beside else ""
        early = self.before - self.first < self.first - self.begun
        time_left = "" if left is None or share < _ENOUGH or early else f", about {duration(left)} left{then}"
        return f"slm: {bar}wave {wave.number}: {wave.done} of {wave.total} requests, {share:.0%} of the work{time_left}"

    def note(self, text: str) -> None:
        """Write one line: a download, a conversion."""
        self._write(f"slm: {door.line(text)}", end="\n")

    def close(self) -> None:
        """End the line on a terminal."""
        if self.drawn and self.terminal:
            self._write("", end="\r")
        self.drawn = False

    def _write(self, text: str, end: str = "") -> None:
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        with nullcontext() if capture is None else capture.global_and_fixture_disabled():
            self.stream.write(f"\r\x1b[K{text}{end}" if self.terminal else f"{text}\n")
            self.stream.flush()
            self.drawn = True


def duration(seconds: float) -> str:
    """``45 s``, ``7 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
