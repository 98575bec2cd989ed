"""What takes the place of a toxicity scorer in a plan, and where none is available."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..backends.fake import WordListScorer
from ..detectors.measured import measured
from ..requests import BackendError, Classify, Request


@dataclass(slots=True)
class Planned(WordListScorer):
    """Takes the place of the scorer ``spec`` in a plan, with what is known of that one's errors."""

    spec: str = ""

    def describe(self) -> dict[str, Any]:
        return {"name": self.spec, "kind": "toxicity scorer", "measured": measured(f"toxicity:{self.spec}")}


@dataclass(frozen=True)
class NoScorer:
    """Takes the place of a toxicity scorer that is unavailable; the first question to it ends the run with the reason."""

    reason: str
    name: str = "no toxicity scorer"
    answers: tuple[type[Request[Any]], ...] = (Classify,)
    fingerprint: str = "none"

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:  # noqa: ARG002
        raise BackendError(self.reason)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "toxicity scorer", "error": self.reason}
