"""Two models as one system: the small one answers, and the large one where the small one is unsure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from ..audit.routes import MIXED
from ..escaping import blank, said
from ..requests import Backend, Completion, Failure, Generate, Request

#: From a request and the small model's reply to whether the large one must answer.
Unsure = Callable[[Generate, Completion], bool]


@dataclass(slots=True)
class Cascade:
    """A backend of two others, audited as one system. Each completion says in ``route`` which of them answered.

    ``unsure`` decides on what the small model said; a request that it could not answer goes to the large one too. Where it says
    neither True nor False, the request has no answer. ``rule`` names that decision and its version in the audit: answers of
    another rule are other answers. It answers :class:`Generate` only: a system of two models has no log-likelihoods.

    Raises:
        ValueError: names of routes that look alike, a rule without a name, or a model that writes no texts.
    """

    small: Backend
    large: Backend
    unsure: Unsure
    rule: str
    names: tuple[str, str] = ("small", "large")
    answers: tuple[type[Request[Any]], ...] = field(default=(Generate,), init=False)

    def __post_init__(self) -> None:
        if len(set(self.names)) != 2 or any(map(blank, self.names)) or MIXED in self.names or "," in "".join(self.names):
            raise ValueError(
                f"names of a cascade are {self.names!r}; expected two without a comma, other than each other and {MIXED!r}"
            )
        if blank(self.rule):
            raise ValueError("rule of a cascade is empty; expected a name and a version of what unsure decides by")
        for name, one in zip(self.names, (self.small, self.large), strict=True):
            if Generate not in one.answers:
                raise ValueError(f"the {name} model of a cascade answers no Generate")

    @property
    def lacks(self) -> Mapping[str, str]:
        """Why forms of requests cannot be answered, by the form: each may end at the large model."""
        return dict(getattr(self.large, "lacks", None) or {})

    def refusal(self, request: Request[Any]) -> str:
        """Say why a request cannot be answered; empty if it can."""
        refuses = getattr(self.large, "refusal", None)
        return str(refuses(request)) if callable(refuses) else ""

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
        left, seen = dict.fromkeys(range(len(requests))), set[int]()
        for index, answer in self.small.run(requests):
            request = _at(requests, index, self.small)
            wrong, sure = ("the small model answered it twice", False) if index in seen else self._is_sure(request, answer)
            seen.add(index)
            if wrong or sure:
                left.pop(index, None)
                yield index, Failure(wrong) if wrong else replace(answer, route=self.names[0])
        places = list(left)
        if places:
            for place, answer in self.large.run([requests[index] for index in places]):
                found = replace(answer, route=self.names[1]) if isinstance(answer, Completion) else answer
                if not isinstance(found, Completion):  # nothing lasting: another time the small model may answer
                    found = Failure(found.message if isinstance(found, Failure) else "no completion")
                yield _at(places, place, self.large), found

    def _is_sure(self, request: Request[Any], answer: Any) -> tuple[str, bool]:
        """Return why the rule decided nothing, and whether the small model is sure."""
        if not isinstance(request, Generate) or not isinstance(answer, Completion):
            return "", False
        try:
            found = self.unsure(request, answer)
        except Exception as error:
            return f"unsure broke: {said(error)}", False
        if type(found).__name__ not in ("bool", "bool_"):  # NumPy has its own
            return f"unsure gave {type(found).__name__}; expected True or False", False
        return "", not found

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


def _at(given: Sequence[Any], index: int, backend: Backend) -> Any:
    """Return what an index of a part's answers stands for.

    Raises:
        ValueError: nothing; the answers before it may belong to other requests.
    """
    if not 0 <= index < len(given):
        raise ValueError(f"{backend.name} answered request {index} of {len(given)}")
    return given[index]
