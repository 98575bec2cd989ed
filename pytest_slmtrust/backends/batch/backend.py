"""The backend for a model that is asked by batches: what the store does not hold is open."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...requests import Counters, Failure, Generate, Request
from ...thinking import LIMIT
from ..endpoint.dialect import Dialect
from . import PREFIX

#: Counted into the fingerprint: a change to how a batch is asked or read bumps it.
FORMAT = 1
_OPEN = "no batch has answered this yet (slmtrust batch write, then slmtrust batch read)"
_NO_TIME = "a batch is answered later, so no reply has a time"
_NO_SCORES = "a batch gives no log-probabilities of prompts"


@dataclass(slots=True)
class BatchBackend:
    """Answers nothing, and keeps each :class:`Generate` that it is asked in ``open``, by its key.

    ``model``: the name that the requests bear. The answers' identity is this name alone: nobody sees which weights answered.
    """

    model: str
    thinking: str = "auto"
    thought_tokens: int = LIMIT
    answers: tuple[type[Request[Any]], ...] = (Generate,)
    counters: Counters = field(default_factory=Counters)
    open: dict[str, Request[Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.model} by batch"

    @property
    def fingerprint(self) -> str:
        told = ["batch", FORMAT, self.model, self.thinking, self.thought_tokens]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    @property
    def dialect(self) -> Dialect:
        """How its requests are written and its replies read. Vendors refuse entries that they do not know: only a choice about
        thinking adds one."""
        switch = {"on": {"enable_thinking": True}, "off": {"enable_thinking": False}}.get(self.thinking)
        return Dialect(self.model, thought=self.thought_tokens if self.thinking == "on" else 0, switch=switch)

    @property
    def lacks(self) -> Mapping[str, str]:
        """Why forms of requests cannot be answered, by the form."""
        return {"scores": _NO_SCORES}

    @property
    def untimed(self) -> str:
        """Why its replies have no time."""
        return _NO_TIME

    def refusal(self, request: Request[Any]) -> str:
        """Say why a request cannot be answered; empty if it can."""
        return "" if isinstance(request, Generate) else _NO_SCORES

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """See :class:`pytest_slmtrust.requests.Backend`."""
        for index, request in enumerate(requests):
            why = self.refusal(request)
            if not why:
                self.open[request.key] = request
            yield index, Failure(why or _OPEN)

    def describe(self) -> dict[str, Any]:
        """JSON-able provenance: a name, and how it is asked."""
        return {
            "name": self.name, "kind": "batch", "spec": f"{PREFIX}{self.model}", "model": self.model,
            "fingerprint": self.fingerprint, "chat_template": "server", "thinking": self.thinking,
            "thought_tokens": self.thought_tokens, "lacks": dict(self.lacks),
        }  # fmt: skip
