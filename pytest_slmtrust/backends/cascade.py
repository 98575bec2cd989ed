"""Two models as one system: the small one answers, and the large one where the small one is unsure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..requests import Backend, Completion, Failure, Generate, Request

#: From a request and the small model's reply to whether the large one must answer.
Unsure = Callable[[Generate, Completion], bool]


@dataclass(slots=True)
class Cascade:
    """A backend of two others, audited as one system. Each completion says in ``route`` which of them answered.

    ``unsure`` decides on what the small model said; a request that it could not answer goes to the large one too. ``rule`` names
    that decision and its version in the audit: answers of another rule are other answers. It answers :class:`Generate` only:
    a system of two models has no log-likelihoods.
    """

    small: Backend
    large: Backend
    unsure: Unsure
    rule: str
    names: tuple[str, str] = ("small", "large")
    answers: tuple[type[Request[Any]], ...] = field(default=(Generate,), init=False)

    @property
    def name(self) -> str:
        """Both models, in the order in which they are asked."""
        return f"{self.small.name} then {self.large.name}"

    @property
    def fingerprint(self) -> str:
        """sha256 over both models, the rule and the names of the routes."""
        told = ["cascade", self.small.fingerprint, self.large.fingerprint, self.rule, *self.names]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """See :class:`pytest_slmtrust.requests.Backend`."""
        left: list[int] = []
        for index, answer in self.small.run(requests):
            request = requests[index]
            sure = isinstance(request, Generate) and isinstance(answer, Completion) and not self.unsure(request, answer)
            if sure:
                yield index, replace(answer, route=self.names[0])
            else:
                left.append(index)
        if left:
            for place, answer in self.large.run([requests[index] for index in left]):
                found = replace(answer, route=self.names[1]) if isinstance(answer, Completion) else answer
                yield left[place], found if isinstance(found, (Completion, Failure)) else Failure("no completion")

    def describe(self) -> dict[str, Any]:
        """JSON-able provenance: the parts in the order in which they are asked, and the rule."""
        parts = {name: one.describe() for name, one in zip(self.names, (self.small, self.large), strict=True)}
        return {
            "name": self.name, "kind": "cascade", "fingerprint": self.fingerprint, "rule": self.rule,
            "routes": list(self.names), "parts": parts,
        }  # fmt: skip

    def close(self) -> None:
        """Let go what the parts can."""
        for one in (self.small, self.large):
            close = getattr(one, "close", None)
            if callable(close):
                close()
