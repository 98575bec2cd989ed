"""The engine: answers requests from the store or in bulk, and drives cases in lock-step waves.

Batching is an optimisation, never a semantic: a case gives the same verdict alone, in a wave with thousands of others,
in another process, or replayed from the store.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ..authoring.declarations import Verdict
from ..authoring.probe import Case
from ..escaping import one_line
from ..requests import (
    Backend,
    Completion,
    Counters,
    Failure,
    Request,
    Steps,
    ThoughtUnfinished,
    check_asked,
    model_answers,
)  # fmt: skip
from ..thinking import refused, thoughts_of, with_thoughts
from .admission import admitted
from .costs import Ledger
from .gatekeeper import MOST_ROUNDS, VerdictError, accept, check_verdict, endless
from .open_questions import OpenQuestions
from .store import Store, digest_of, refusal_in, store_key
from .work_estimate import Progress

#: Replies that are held in memory for cases that run again in their test.
_HELD = 50_000


@dataclass(slots=True)
class _Active:
    case: Case
    steps: Steps[Verdict]
    wave: Sequence[Request[Any]] = ()
    thoughts: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    heard: bool = False  # whether the model under audit answered something
    rounds: int = 0


class Engine:
    """Answers requests with one backend for each (kind, role)."""

    def __init__(self, backends: Mapping[tuple[str, str], Backend], store: Store, progress: Progress | None = None) -> None:
        behind = {id(b): admitted(b) for b in backends.values()}
        self.backends: Mapping[tuple[str, str], Backend] = {key: behind[id(b)] for key, b in backends.items()}
        self.store = store
        self.progress = progress
        self.counters = Counters()
        self.ledger = Ledger()
        self.alive: set[str] = set()  # fingerprints of backends that have answered something, now or in an earlier run
        self.thoughts: dict[str, bool] = {}  # whether the thought before an answer came to its end, by the answer's key
        self.routes: dict[str, str] = {}  # which model of a composed system answered, by the answer's key
        self.digests: dict[str, str] = {}  # of every answer's text, by its key in the store
        self.first: dict[Case, list[str]] = {}  # keys of the first questions of each case that was asked
        self.verdicts: dict[
            tuple[str, ...], tuple[Verdict, list[str]]
        ] = {}  # of built-in cases that ended while their questions were answered
        self._held: dict[str, Completion] = {}  # replies to cases that run again in their test, by their keys in the store

    @property
    def model(self) -> Backend | None:
        """The model under audit."""
        return self.backends.get(("generate", "target")) or self.backends.get(("loglikelihood", "target"))

    def backend(self, request: Request[Any]) -> Backend | None:
        return self.backends.get((request.kind, request.role))

    def answer(self, requests: Sequence[Request[Any]], wave: int = 1) -> list[Any]:
        """Return one answer or :class:`Failure` for each request, in order; each distinct one is answered once.

        Raises:
            BackendError: a backend can answer nothing.
        """
        return self._answer(self._keys(requests), requests, wave)

    def _answer(self, keys: Sequence[str], requests: Sequence[Request[Any]], wave: int = 1) -> list[Any]:
        unique = dict(zip(keys, requests, strict=True))
        found = self._lookup(unique)
        self.counters.planned += len(requests)
        self.counters.unique += len(unique)
        self.counters.failed += sum(isinstance(a, Failure) and a.lasting for a in found.values())
        if len(found) < len(unique):
            with self.store.lock():  # another process may have answered meanwhile
                found |= self._lookup({k: r for k, r in unique.items() if k not in found})
                self.counters.cached += len(found)
                self.ledger.stored(list(found))
                missing = {k: r for k, r in unique.items() if k not in found}
                found |= self._ask(missing, wave)
        else:
            self.counters.cached += len(found)
            self.ledger.stored(list(unique))
        self._noted(found)
        return [found[key] for key in keys]

    def answered(self, keys: Iterable[str]) -> dict[str, str]:
        """Digests of the answers to a case's requests by the digests of their keys, without those that failed."""
        return {digest_of(key, self.store.salt): self.digests[key] for key in keys if key in self.digests}

    def answered_by(self, keys: Iterable[str]) -> str:
        """Return the routes of a composed system that answered these; empty of a single model."""
        return ", ".join(sorted({self.routes[key] for key in keys if key in self.routes}))

    def _noted(self, found: Mapping[str, Any]) -> None:
        """Keep what an audit says of replies: whether a thought came to its end, and which model of a system answered."""
        for key, one in found.items():
            if isinstance(one, Completion):
                if one.thought or not one.thought_finished:
                    self.thoughts[key] = one.thought_finished
                if one.route:
                    self.routes[key] = one.route

    def run(self, case: Case, asked: list[str] | None = None) -> Verdict:
        """Return the verdict of one case: the one that :meth:`prefetch` came to, or by its steps. ``asked`` takes its keys in the
        store.

        Raises:
            RequestFailed: a request of it could not be answered.
            ThoughtUnfinished: a reply is an unfinished thought.
            ProbeError: it asks without end.
            Exception: whatever the probe's own code raises.
        """
        asked = [] if asked is None else asked
        known = self.verdicts.pop(_name(case), None)
        if known is not None:
            asked += known[1]
            return known[0]
        steps, thoughts, heard = case.steps(), list[str](), False
        try:
            wave = _wave(next(steps))
            for _ in range(MOST_ROUNDS):
                keys = self._keys(wave)
                self.ledger.own(case.probe, keys)
                asked += keys
                answers = self._recall(keys, wave)
                thoughts += thoughts_of(answers)
                heard = heard or model_answers(wave, answers)
                wave = _wave(_advance(steps, answers))
        except StopIteration as stop:
            return _with(_checked(case, stop.value, heard), thoughts)
        except ThoughtUnfinished as error:
            error.thoughts = thoughts or error.thoughts
            raise
        raise endless(case.probe.name)

    def prefetch(self, cases: Sequence[Case]) -> None:
        """Answer everything that these cases ask, wave by wave. What a probe raises is shown when its case runs."""
        started = time.monotonic()
        active = [a for a in map(self._begin, cases) if a is not None]
        with self.store.lock():
            number = 0
            while active:
                number += 1
                requests = [r for a in active for r in a.wave]
                keys = self._keys(requests)
                each = iter(keys)
                for one in active:
                    mine = [next(each) for _ in one.wave]
                    self.ledger.own(one.case.probe, mine)
                    one.keys += mine
                answers = iter(self._answer(keys, requests, number))
                active = [a for a in active if self._step(a, self._hold(a, [next(answers) for _ in a.wave]))]
        self.counters.seconds += time.monotonic() - started

    def _hold(self, active: _Active, answers: list[Any]) -> list[Any]:
        """Hold the replies to a user's own case, which no probe can change: the store need not be read for them again."""
        if not active.case.probe.packed and len(self._held) < _HELD:
            asked = active.keys[len(active.keys) - len(answers) :]
            self._held.update((key, one) for key, one in zip(asked, answers, strict=True) if type(one) is Completion)
        return answers

    def _begin(self, case: Case) -> _Active | None:
        self.first[case] = []
        try:
            active = _Active(case, case.steps())
            try:
                active.wave = _wave(next(active.steps))
            except StopIteration as stop:
                self._keep(active, stop.value)
                return None
            self.first[case] = [request.key for request in active.wave]
            return active
        except KeyboardInterrupt:
            raise
        except BaseException:  # the case's own run shows it; SystemExit or a skip ends no other case
            return None

    def _step(self, active: _Active, answers: list[Any]) -> bool:
        active.thoughts += thoughts_of(answers)
        active.heard = active.heard or model_answers(active.wave, answers)
        active.rounds += 1
        try:
            active.wave = _wave(_advance(active.steps, answers))
        except StopIteration as stop:
            self._keep(active, stop.value)
            return False
        except KeyboardInterrupt:
            raise
        except BaseException:  # the case's own run shows it; SystemExit or a skip ends no other case
            return False
        return active.rounds < MOST_ROUNDS  # the case's own run says so

    def _keep(self, ended: _Active, verdict: Any) -> None:
        """An author's own probe runs again in its test: what it prints there, and where it stops in a debugger, is theirs."""
        case = ended.case
        if case.probe.packed:
            with suppress(VerdictError):  # the case's own run says so
                self.verdicts[_name(case)] = _with(_checked(case, verdict, ended.heard), ended.thoughts), list(ended.keys)

    def _recall(self, keys: Sequence[str], requests: Sequence[Request[Any]]) -> list[Any]:
        """Answers that are there already, uncounted: a replay costs nothing. What is not there is asked."""
        if all(key in self._held for key in keys):
            return [self._held[key] for key in keys]
        found = self._lookup(dict(zip(keys, requests, strict=True)))
        self._noted(found)
        return [found[k] for k in keys] if all(k in found for k in keys) else self._answer(keys, requests)

    def _keys(self, requests: Sequence[Request[Any]]) -> list[str]:
        """Return where the answers of requests are kept. A backend is asked for its fingerprint once: a wave may be large."""
        known = self._fingerprints(requests)
        return [store_key(known[r.kind, r.role], r.key) for r in requests]

    def _fingerprints(self, requests: Iterable[Request[Any]]) -> dict[tuple[str, str], str]:
        """Return the identity of what answers requests, by their kinds and roles."""
        wanted = {(r.kind, r.role) for r in requests}
        behind = {place: self.backends.get(place) for place in wanted}
        return {(kind, role): b.fingerprint if b else f"none:{role}" for (kind, role), b in behind.items()}

    def _lookup(self, wanted: Mapping[str, Request[Any]]) -> dict[str, Any]:
        keys, kinds = list(wanted), set[tuple[str, str]]()
        found: dict[str, Any] = {key: Failure(message) for key, message in self.store.failures(keys).items()}
        for key, text in self.store.get(keys).items():
            request = wanted[key]
            if (refused := refusal_in(text)) is not None:
                found.setdefault(key, Failure(one_line(refused), lasting=True))
                continue
            try:
                answer = accept(request, request.decode(text))
            except Exception:  # noqa: S112 - written by something else, or changed since: ask again
                continue
            found[key], self.digests[key] = answer, digest_of(text, self.store.salt)
            kinds.add((request.kind, request.role))
        self.alive |= {backend.fingerprint for place in kinds if (backend := self.backends.get(place)) is not None}
        return found

    def _ask(self, missing: Mapping[str, Request[Any]], wave: int) -> dict[str, Any]:
        """Group by backend and ask each one once, in bulk."""
        answered: dict[str, Any] = {}
        groups: dict[int, tuple[Backend, list[str]]] = {}
        for key, request in missing.items():
            backend = self.backend(request)
            if backend is None:
                answered[key] = Failure(f"nothing in this session answers {request.kind!r} for {request.role!r}")
            else:
                groups.setdefault(id(backend), (backend, []))[1].append(key)
        batch = OpenQuestions(self, missing, answered, wave)
        if self.progress is not None and groups:
            self.progress(batch.wave)
        for backend, keys in groups.values():
            batch.ask(backend, keys)
        self.counters.failed += sum(isinstance(a, Failure) for a in answered.values())
        return answered


def _name(case: Case) -> tuple[str, ...]:
    """Return one case of all of a session's built-in ones."""
    return case.probe.dimension, case.probe.name, case.kind, case.id


def _advance(steps: Steps[Verdict], answers: list[Any]) -> Sequence[Request[Any]]:
    error = refused(answers)
    return steps.send(answers) if error is None else steps.throw(error)


def _with(verdict: Verdict, thoughts: Sequence[str]) -> Verdict:
    """Return a verdict with the thoughts before its answers as evidence."""
    return replace(verdict, evidence=with_thoughts(verdict.evidence, thoughts)) if thoughts else verdict


def first_wave(case: Case) -> Sequence[Request[Any]]:
    """Return what a case asks first; nothing if it breaks, which its own run shows."""
    try:
        steps = case.steps()
        wave = _wave(next(steps))
        steps.close()
        return wave
    except KeyboardInterrupt:
        raise
    except BaseException:  # a case that ends at once, too
        return ()


def _wave(asked: Any) -> Sequence[Request[Any]]:
    """Return what a probe yielded, if it is a list of requests that can be asked."""
    wave = check_asked(asked)
    for request in wave:
        _ = request.key  # a field that has no JSON form fails here, in its own case
    return wave


def _checked(case: Case, verdict: Any, heard: bool) -> Verdict:
    """Return a verdict that can be used. ``heard``: the model under audit answered; a script answers in its place."""
    return check_verdict(verdict, case.probe.name, heard or case.script is not None)
