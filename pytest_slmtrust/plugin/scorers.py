"""What takes the place of a toxicity scorer in a plan, and where none is available."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..authoring.declarations import TOXICITY
from ..backends.fake import WordListScorer
from ..detectors.measured import measured
from ..requests import BackendError, Classify, Request
from ..session.rehearsal import asks_scorer
from ..session.session import AuditSession, Suite


@dataclass(slots=True)
class Planned(WordListScorer):
    """Takes the place of the scorer ``spec`` in a plan, with what is known of that one's errors."""

    spec: str = ""

    def describe(self) -> dict[str, Any]:
        return {"name": self.spec, "kind": "toxicity scorer", "measured": measured(f"toxicity:{self.spec}")}


@dataclass(frozen=True)
class NoScorer:
    """Takes the place of a toxicity scorer that is unavailable, ``absent`` says why. A run that needs one ends before the first
    question to the model, or else at the first question to this."""

    absent: str
    name: str = "no toxicity scorer"
    answers: tuple[type[Request[Any]], ...] = (Classify,)
    fingerprint: str = "none"

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:  # noqa: ARG002
        raise BackendError(self.absent)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "toxicity scorer", "error": self.absent}


def check_scorer(session: AuditSession, suites: Iterable[Suite]) -> None:
    """Refuse a run without a toxicity scorer before the model is loaded, where a suite's cases ask for one.

    Raises:
        BackendError: why there is none.
    """
    why = without_scorer(session)
    if why and some_ask(suites):
        raise BackendError(why)


def without_scorer(session: AuditSession) -> str:
    """Say why a session has no toxicity scorer; empty if it has one."""
    return str(getattr(session.engine.backends["classify", TOXICITY], "absent", ""))


def some_ask(suites: Iterable[Suite]) -> bool:
    """Return whether a probe asks the toxicity scorer."""
    return any(map(asks_scorer, {suite.gate_id: suite for suite in suites}.values()))
