"""Models with known times, and what their envelopes are measured and judged with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_slmtrust import Completion, Generate, Loglikelihood
from pytest_slmtrust.audit.model import GateResult, Status
from pytest_slmtrust.envelope.meters import Meters
from pytest_slmtrust.requests import Request


@dataclass
class Timed:
    """A model with a clock of its own: seconds to read a prompt, and for each token, are those of the functions."""

    read: Callable[[int], float] = lambda n: 0.1
    token: Callable[[int], float] = lambda n: 0.01
    tokens: Callable[[int], int] = lambda n: 10**6
    name: str = "timed"
    fingerprint: str = "timed:1"
    answers: tuple[type[Request[Any]], ...] = (Generate, Loglikelihood)
    now: float = 0.0
    asked: list[Generate] = field(default_factory=list)
    disk: int | None = 90_000_000

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        for index, one in enumerate(requests):
            assert isinstance(one, Generate)
            self.asked.append(one)
            n = len(self.asked)
            made = min(one.max_new_tokens, self.tokens(n))
            self.now += self.read(n) + self.token(n) * (made - 1)
            yield index, Completion("word " * made, made)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "scripted", "device": "cpu"}

    def disk_bytes(self) -> int | None:
        return self.disk


def meters(model: Timed, root: Path, peak: int = 400_000_000) -> Meters:
    return Meters(lambda: model.now, root, lambda: peak)


def gate(status: Status, blocking: bool = True) -> GateResult:
    return GateResult("slm::privacy::gate[p]", "p", "privacy", "c", status, blocking, "r", items=1)
