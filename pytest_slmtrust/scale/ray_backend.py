"""The backend of ``--slm-ray``: it hands a wave to engines that are actors of Ray, and gives their answers back as they come.

An engine that dies loses nothing: what it had under way goes to the others, and it is started again a few times. Each wait for
Ray has a limit.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..backends.transformers.runtime import choose_threads
from ..escaping import said
from ..requests import Backend, BackendError, Counters, Failure, Request
from .chunks import DEATHS, Chunks
from .ray_cluster import LOCAL, Place, connect, is_there, places_of, shut_down
from .ray_worker import LARGEST, SUMMED, Hello, Report, Worker

#: How often an engine that died is started again.
RESTARTS = 3
#: Namespace of the actors' names in Ray.
NAMESPACE = "slmtrust"


@dataclass(slots=True)
class Engine:
    """One engine, as the driver sees it. ``actor`` is Ray's handle and ``pid`` its process, None and 0 where it is gone.

    ``open``: places of the requests under way that have no answer yet; ``chunk``: all of the chunk.
    """

    number: int
    place: Place
    actor: Any = None
    pid: int = 0
    starts: int = 0
    ready: bool = False
    chunk: tuple[int, ...] = ()
    open: set[int] = field(default_factory=set)
    call: Any = None
    called: float = 0.0


@dataclass(slots=True)
class RayBackend:
    """Answers what its model answers, on the engines at an address: ``local``, ``local:N``, ``auto`` or ``HOST:PORT``.

    ``inner`` is the same model in this process: its identity is read, and its weights are not loaded. ``engines`` is empty before
    the first question. ``silence`` is how many seconds an engine at work may say nothing, ``patience`` how many it may take
    to start; it counts as dead afterwards.
    """

    spec: Any
    inner: Backend
    address: str
    note: Callable[[str], None] | None = None
    silence: float = 180.0
    patience: float = 900.0
    engines: list[Engine] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)
    #: How many times an engine died.
    lost: int = 0
    _own: bool = False
    _why: str = ""
    _met: bool = False
    _answered: bool = False
    _about: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """That of the model."""
        return self.inner.name

    @property
    def answers(self) -> tuple[type[Request[Any]], ...]:
        """The kinds of requests that the model answers."""
        return self.inner.answers

    @property
    def fingerprint(self) -> str:
        """That of the model in one process: an answer does not depend on the engine that gave it."""
        return self.inner.fingerprint

    @property
    def lacks(self) -> Any:
        """Why the model cannot answer some forms of requests."""
        return getattr(self.inner, "lacks", {})

    def refusal(self, request: Request[Any]) -> str:
        """Say why the model cannot answer a request; empty if it can."""
        ask = getattr(self.inner, "refusal", None)
        return str(ask(request)) if callable(ask) else ""

    def make(self) -> None:
        """Find out what the model answers, where that is known only once it is made."""
        make = getattr(self.inner, "make", None)
        if make is not None:
            make()

    def disk_bytes(self) -> int | None:
        """Return the bytes of the model's files."""
        ask = getattr(self.inner, "disk_bytes", None)
        return ask() if callable(ask) else None

    def describe(self) -> dict[str, Any]:
        """JSON-able provenance: what an engine says of the model, and how many engines there were."""
        about = self._about if self._about is not None else self.inner.describe()
        return {**about, "ray": {"engines": len(self.engines), "lost": self.lost}}

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """See :class:`pytest_slmtrust.requests.Backend`.

        Raises:
            BackendError: there is no cluster, or none of its engines can answer anything.
        """
        started = time.monotonic()
        self._start()
        import ray  # after the start, which sets what Ray reads as it is imported

        work = Chunks(requests, len(self.engines))
        for engine in self.engines:
            engine.chunk, engine.open = (), set()  # of a wave that was not read to its end
        try:
            while work or any(engine.open for engine in self.engines):
                self._hand_out(work, requests)
                called = {engine.call: engine for engine in self.engines if engine.call is not None}
                if not called:
                    yield from self._given_up(work)
                    break
                ready, _ = ray.wait(list(called), num_returns=1, timeout=1.0)
                for call in ready:
                    yield from self._heard(called[call], call, work)
                yield from self._silent(work)
        except ray.exceptions.RayError as error:
            raise BackendError(f"{self._where}: {said(error)[:300]}; the answers that came are stored") from None
        finally:
            self.counters.seconds += time.monotonic() - started
        self._learn()

    def close(self) -> None:
        """Let the engines go, and a cluster that was started for them."""
        if self.engines:
            import ray

            for engine in self.engines:
                if engine.actor is not None and ray.is_initialized():
                    ray.kill(engine.actor)
            self.engines = []
            if self._own:
                shut_down()

    @property
    def _where(self) -> str:
        return f"--slm-ray={self.address}"

    def _start(self) -> None:
        """Ask Ray for an engine at each place; which of them answers first is seen later."""
        if self.engines:
            return
        self._own = connect(self.address, self._say)
        local = LOCAL.match(self.address)
        places = places_of(self.address, choose_threads(self.spec.threads) if local else 0)
        if not places:
            raise BackendError(f"{self._where}: this cluster has no node with a GPU or a CPU for an engine")
        self._why, self._met, self._answered, self.lost = "", False, False, 0
        self.engines = [Engine(number, place) for number, place in enumerate(places, 1)]
        for engine in self.engines:
            self._begin(engine)
        self._say(f"engines that start on {self.address}: {len(places)}")

    def _begin(self, engine: Engine) -> None:
        import ray

        engine.starts += 1
        options = engine.place.options() | {
            "name": f"{NAMESPACE}-{os.getpid()}-{engine.number}-{engine.starts}", "namespace": NAMESPACE, "max_restarts": 0,
        }  # fmt: skip
        spec = replace(self.spec, key="", threads=engine.place.threads or self.spec.threads)
        engine.actor = ray.remote(Worker).options(**options).remote()
        self._call(engine, engine.actor.begin.remote(spec, [place for place in sys.path if place]))

    @staticmethod
    def _call(engine: Engine, call: Any) -> None:
        engine.call, engine.called = call, time.monotonic()

    def _hand_out(self, work: Chunks, requests: Sequence[Request[Any]]) -> None:
        for engine in self.engines:
            if engine.ready and engine.call is None and work:
                engine.chunk = work.take()
                engine.open = set(engine.chunk)
                self._call(engine, engine.actor.work.remote([requests[i] for i in engine.chunk]))

    def _heard(self, engine: Engine, call: Any, work: Chunks) -> Iterator[tuple[int, Any]]:
        """Take what a call brought: an engine's first words, its report, or the news of its death."""
        import ray

        try:
            found = ray.get(call, timeout=60)
        except ray.exceptions.RayError as error:
            yield from self._died(engine, _short(error), work)
            return
        engine.call = None
        if isinstance(found, Hello):
            self._greet(engine, found, work)
            return
        self._count(found)
        for place, answer in found.answers:
            if place < len(engine.chunk):  # a second answer is for the engine's checks, as in one process
                engine.open.discard(engine.chunk[place])
                self._answered = True
                yield engine.chunk[place], answer
        if not found.ended:
            self._call(engine, engine.actor.work.remote(None))
        elif engine.open:
            yield from self._unanswered(engine, found, work)

    def _greet(self, engine: Engine, hello: Hello, work: Chunks) -> None:
        engine.pid = hello.pid
        if hello.error:
            self._leave_out(engine, f"cannot load the model: {hello.error}", work)
        elif hello.fingerprint != self.fingerprint:
            self._leave_out(engine, "has another device, other files or other library versions than this process", work)
        else:
            engine.ready = self._met = True

    def _unanswered(self, engine: Engine, report: Report, work: Chunks) -> Iterator[tuple[int, Any]]:
        """A chunk came to its end with requests that have no answer. One that broke it alone fails, as in one process."""
        left, engine.open = sorted(engine.open), set()
        if report.fatal:
            work.put_back(left)
            self._leave_out(engine, report.error, work)
        elif not report.error or len(left) == 1:
            yield from ((i, Failure(report.error or f"{self.name} gave no answer")) for i in left)
        else:
            for i in left:
                work.put_back([i])

    def _died(self, engine: Engine, why: str, work: Chunks) -> Iterator[tuple[int, Any]]:
        import ray

        ray.kill(engine.actor)  # what broke in it may have left it alive
        left, engine.open = sorted(engine.open), set()
        engine.call, engine.ready, self._why = None, False, f"engine {engine.number} died: {why}"
        self.lost += 1
        yield from ((i, Failure(f"the engine died {DEATHS} times while it was asked this")) for i in work.died(left))
        if engine.starts <= RESTARTS and is_there(engine.place):
            self._begin(engine)
            self._say(f"{self._why}; it is started again")
        else:
            self._leave_out(engine, f"died: {why}", work)

    def _leave_out(self, engine: Engine, why: str, work: Chunks) -> None:
        import ray

        if engine.actor is not None:
            ray.kill(engine.actor)
        work.put_back(sorted(engine.open))
        engine.actor, engine.pid, engine.ready, engine.call, engine.open = None, 0, False, None, set()
        self._why = f"engine {engine.number} {why}"
        self._say(f"{self._why}; engines left: {sum(one.actor is not None for one in self.engines)}")

    def _silent(self, work: Chunks) -> Iterator[tuple[int, Any]]:
        """Count an engine as dead that says nothing for too long."""
        now = time.monotonic()
        for engine in self.engines:
            limit = self.silence if engine.ready else self.patience
            if engine.call is not None and now - engine.called > limit:
                yield from self._died(engine, f"it said nothing for {limit:.0f} s", work)

    def _given_up(self, work: Chunks) -> Iterator[tuple[int, Any]]:
        """No engine is left. None that answered, or died while it did, means that there was nothing to ask at all."""
        if not self._met or not (self._answered or self.lost):
            raise BackendError(f"{self._where}: no engine can answer ({self._why})")
        self._say(f"no engine is left: {self._why}")
        yield from ((i, Failure(f"{self._where}: no engine is left to answer this ({self._why})")) for i in work.rest())

    def _learn(self) -> None:
        """Ask an engine what it says of the loaded model."""
        import ray

        engine = next((one for one in self.engines if one.ready and one.call is None), None)
        if engine is not None:
            try:
                self._about = ray.get(engine.actor.describe.remote(), timeout=60)
            except ray.exceptions.RayError:
                return  # the files say the rest

    def _count(self, report: Report) -> None:
        for name, value in report.counted:
            now = getattr(self.counters, name)
            if name in SUMMED:
                setattr(self.counters, name, now + int(value))
            elif name in LARGEST:
                setattr(self.counters, name, max(now, value))

    def _say(self, text: str) -> None:
        if self.note is not None:
            self.note(f"ray: {text}")


def _short(error: BaseException) -> str:
    """Return the line of Ray's long message that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Exit)\b", line)]
    return (named[-1] if named else lines[0] if lines else type(error).__name__)[:200]
