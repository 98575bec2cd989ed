"""What runs in an actor of Ray: one backend, loaded once, that answers chunks of requests.

The backend works in a thread of its process. Each call returns within a second, with the answers since the last one: a call that
does not return is the sign of a process that hangs.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..engine.admission import admitted
from ..escaping import said
from ..requests import Backend, BackendError, Counters, Request

#: Seconds between two reports of an engine that is at work.
REPORT = 0.5
SUMMED = ("forwards", "prefilled", "shared", "padded", "generated", "failed")
LARGEST = ("load_seconds", "peak_bytes")


@dataclass(frozen=True, slots=True)
class Hello:
    """An engine's first words: the identity of its answers and its process, or why it cannot answer."""

    fingerprint: str = ""
    pid: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Answers by their places in the chunk, what the backend counted meanwhile, and whether the chunk is at its end.

    ``error``: what broke it; ``fatal``: the backend can answer nothing at all.
    """

    answers: tuple[tuple[int, Any], ...] = ()
    counted: tuple[tuple[str, float], ...] = ()
    ended: bool = False
    error: str = ""
    fatal: bool = False


class Worker:
    """An engine in a process of its own."""

    def __init__(self) -> None:
        self.backend: Backend | None = None
        self.tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.found: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.before = Counters()
        threading.Thread(target=self._serve, name="slmtrust-engine", daemon=True).start()

    def begin(self, spec: Any, places: Sequence[str]) -> Hello:
        """Make the backend of a spec. ``places``: where the driver finds modules; those that are here are searched last."""
        sys.path += [place for place in places if place not in sys.path and os.path.isdir(place)]
        self.tasks.put(spec)
        made: Hello = self.found.get()
        return made

    def work(self, requests: Sequence[Request[Any]] | None) -> Report:
        """Begin a chunk, or go on with the last one where None is given; return what came within :data:`REPORT` seconds."""
        if requests is not None:
            self.tasks.put(list(requests))
        answers, until = list[tuple[int, Any]](), time.monotonic() + REPORT
        while (left := until - time.monotonic()) > 0:
            try:
                one = self.found.get(timeout=left)
            except queue.Empty:
                break
            if isinstance(one, Report):
                return replace(one, answers=tuple(answers), counted=self._counted())
            answers.append(one)
        return Report(tuple(answers), self._counted())

    def describe(self) -> dict[str, Any]:
        """Return what the backend says of itself."""
        assert self.backend is not None
        return self.backend.describe()

    def _serve(self) -> None:
        while True:
            task = self.tasks.get()
            if isinstance(task, list):
                self._answer(task)
            else:
                self.found.put(self._made(task))

    def _made(self, spec: Any) -> Hello:
        from ..backends.load import load_backend

        try:
            inner = load_backend(spec)
            make = getattr(inner, "make", None)
            if make is not None:
                make()
            self.backend = admitted(inner)
            return Hello(self.backend.fingerprint, os.getpid())
        except BaseException as error:  # SystemExit too: a factory that ends the process would leave no word
            return Hello(error=said(error), pid=os.getpid())

    def _answer(self, requests: Sequence[Request[Any]]) -> None:
        assert self.backend is not None
        try:
            for pair in self.backend.run(requests):
                self.found.put(pair)
            self.found.put(Report(ended=True))
        except BaseException as error:
            self.found.put(Report(ended=True, error=said(error), fatal=isinstance(error, BackendError)))

    def _counted(self) -> tuple[tuple[str, float], ...]:
        now = getattr(self.backend, "counters", None)
        if not isinstance(now, Counters):
            return ()
        new = [(name, getattr(now, name) - getattr(self.before, name)) for name in SUMMED]
        self.before = replace(now)
        return (*new, *((name, getattr(now, name)) for name in LARGEST))
