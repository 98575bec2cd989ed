"""The open questions of a wave: each backend is asked once, in bulk, and its answers are kept as they come."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..escaping import said
from ..requests import Backend, BackendError, Counters, Failure, Request
from .store import digest_of, kept_refusal
from .work_estimate import begin

if TYPE_CHECKING:
    from .engine import Engine

_COMMIT_SECONDS = 0.5
_GIVE_UP_AFTER = 3


class OpenQuestions:
    """One wave's open questions; commits answers as they come."""

    def __init__(self, engine: Engine, requests: Mapping[str, Request[Any]], answered: dict[str, Any], wave: int) -> None:
        self.engine, self.requests, self.answered = engine, requests, answered
        self.wave, self.units = begin(wave, {k: r for k, r in requests.items() if k not in answered})
        self.unsaved: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.void: set[str] = set()
        self.saved_at = time.monotonic()
        self.backend: Backend | None = None
        self.written_before = 0

    def ask(self, backend: Backend, keys: Sequence[str]) -> None:
        self.backend = backend
        self.written_before = self._written() - self.wave.written
        started, read_before = time.monotonic(), self._read()
        try:
            self._run(backend, keys)
        except (BackendError, KeyboardInterrupt):
            raise
        except BaseException:  # SystemExit, or a panic of a compiled library, is one backend's trouble too
            self._one_by_one(backend, [k for k in keys if k not in self.answered])
        finally:
            self._save()
        for key in keys:
            if key not in self.answered:
                self._take(key, Failure(f"{backend.name} gave no answer"))
        self._save()
        asked = {key: self.requests[key] for key in keys}
        self.engine.ledger.answered(asked, self.answered, self.units, self._read() - read_before, time.monotonic() - started)

    def _one_by_one(self, backend: Backend, keys: Sequence[str]) -> None:
        """A request that breaks its batch must not take the others with it; a backend that only breaks ends the session."""
        broken = 0
        for number, key in enumerate(keys, start=1):
            try:
                self._run(backend, [key])
            except (BackendError, KeyboardInterrupt):
                raise
            except BaseException as error:
                broken += 1
                if key not in self.answered:
                    self._take(key, Failure(said(error)))
                if number == broken == _GIVE_UP_AFTER and backend.fingerprint not in self.engine.alive:
                    raise BackendError(f"{backend.name} fails on every request: {said(error)}") from None

    def _run(self, backend: Backend, keys: Sequence[str]) -> None:
        fingerprint = backend.fingerprint
        for index, answer in backend.run([self.requests[k] for k in keys]):
            self._take(keys[index], answer)
            if not isinstance(answer, Failure):
                self.engine.alive.add(fingerprint)
            if time.monotonic() - self.saved_at > _COMMIT_SECONDS:
                self._save()

    def _take(self, key: str, answer: Any) -> None:
        """Keep an answer. A Failure that follows one for the same request voids it."""
        self.unsaved.pop(key, None)
        if isinstance(answer, Failure):
            self.failed[key] = answer.message
            if key in self.answered:
                self.void.add(key)
                self.engine.digests.pop(key, None)
            elif answer.lasting:
                self.unsaved[key] = kept_refusal(answer.message)
        else:
            # what a probe sees is what the store gives back, in the first run too
            self.unsaved[key] = self.requests[key].encode(answer)
            answer = self.requests[key].decode(self.unsaved[key])
            self.engine.digests[key] = digest_of(self.unsaved[key], self.engine.store.salt)
        if key not in self.answered:
            self.wave.book(self.requests[key], self.units[key], answer, self._written() - self.written_before)
        self.answered[key] = answer
        if self.engine.progress is not None:
            self.engine.progress(self.wave)

    def _written(self) -> int:
        """Tokens that the backend has written in all, where it counts them."""
        counters = getattr(self.backend, "counters", None)
        return counters.generated if isinstance(counters, Counters) else 0

    def _read(self) -> int:
        """Tokens that the backend has read in all, shared beginnings once, where it counts them."""
        counters = getattr(self.backend, "counters", None)
        return counters.prefilled if isinstance(counters, Counters) else 0

    def _save(self) -> None:
        self.engine.store.forget(self.void)
        self.engine.store.put(self.unsaved.items())
        self.engine.store.put_failures(self.failed.items())
        self.unsaved, self.failed, self.void = {}, {}, set()
        self.saved_at = time.monotonic()
