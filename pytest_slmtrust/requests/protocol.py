"""What answers requests, and what answering costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .answers import Failure
from .kinds import Classify, Edits, Perturb, Request


class Backend(Protocol):
    """What answers requests. ``fingerprint`` is the identity of the answers: everything that changes one
    changes it, and reading it loads no weights."""

    @property
    def name(self) -> str:
        """What a reader of the report calls it."""

    @property
    def answers(self) -> tuple[type[Request[Any]], ...]:
        """The kinds of request that it can answer."""

    @property
    def fingerprint(self) -> str: ...

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """Yield ``(index, answer or Failure)`` for every request, in any order, as batches end; for each of them once.

        What is yielded is checked (:mod:`pytest_slmtrust.engine.gatekeeper`): an answer of another type or out of range is a
        :class:`Failure` of its request, and so is one that is given twice.

        Raises:
            BackendError: nothing can be answered.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """JSON-able provenance for the report: identity, files with hashes, settings."""
        ...


#: Kinds of request that no model under audit answers.
BESIDE_MODEL: tuple[type[Request[Any]], ...] = (Classify, Perturb, Edits)


def asks_model(request: Request[Any]) -> bool:
    """Return whether a request is one to the model under audit."""
    return request.role == "target" and not isinstance(request, BESIDE_MODEL)


def model_answers(requests: Sequence[Request[Any]], answers: Sequence[Any]) -> bool:
    """Return whether one of these is an answer of the model under audit."""
    return any(asks_model(r) and not isinstance(a, Failure) for r, a in zip(requests, answers, strict=True))


@dataclass(slots=True)
class Counters:
    """What answering cost, summed over the session. Tokens are the target model's."""

    planned: int = 0
    unique: int = 0
    cached: int = 0
    failed: int = 0
    forwards: int = 0
    prefilled: int = 0
    shared: int = 0
    padded: int = 0
    generated: int = 0
    seconds: float = 0.0
    load_seconds: float = 0.0
    peak_bytes: int = 0
    extra: dict[str, float] = field(default_factory=dict)
