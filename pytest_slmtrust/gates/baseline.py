"""Where a baseline's answers come from: another model in the same run, or an audit that was written before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from ..audit.model import Audit, AuditError, ControlCheck, Finding, FloorCheck, GateResult
from ..audit.nodeids import VERSUS, gate_key
from ..requests import Backend, Request
from .asked import Asked, differences


class Reference(Protocol):
    """What a comparison asks of a baseline, by the id of the probe's own gate."""

    @property
    def name(self) -> str: ...

    @property
    def origin(self) -> str: ...

    def model(self) -> Mapping[str, Any]: ...

    def knows(self, gate_id: str) -> bool:
        """Return whether it was asked anything of this probe."""
        ...

    def rows(self, gate_id: str, cases: Collection[str]) -> list[Finding] | None:
        """Return the findings of these cases, by their node ids; None if it has not answered exactly these."""
        ...

    def floor(self, gate_id: str) -> FloorCheck | None: ...

    def controls(self, gate_id: str) -> ControlCheck | None: ...


@dataclass(frozen=True)
class Recorded:
    """The baseline of an audit file."""

    audit: Audit
    origin: str

    @property
    def name(self) -> str:
        return str(self.audit.model.get("name") or "baseline")

    def model(self) -> Mapping[str, Any]:
        return self.audit.model

    @cached_property
    def _gates(self) -> dict[str, GateResult]:
        return {gate_key(g.nodeid): g for g in self.audit.gates if not g.versus}

    @cached_property
    def _findings(self) -> dict[str, Finding]:
        return {f.nodeid: f for f in self.audit.findings}

    @cached_property
    def _asked(self) -> frozenset[str]:
        return frozenset(map(gate_key, self.audit.settings.get("rows_sha256", {})))

    def knows(self, gate_id: str) -> bool:
        return gate_key(gate_id) in self._asked

    def rows(self, gate_id: str, cases: Collection[str]) -> list[Finding] | None:
        gate = self._gates.get(gate_key(gate_id))
        if gate is not None and (gate.stopped is not None or gate.cases != len(cases)):
            return None
        return [self._findings[c] for c in cases] if all(c in self._findings for c in cases) else None

    def floor(self, gate_id: str) -> FloorCheck | None:
        gate = self._gates.get(gate_key(gate_id))
        return None if gate is None else gate.floor

    def controls(self, gate_id: str) -> ControlCheck | None:
        gate = self._gates.get(gate_key(gate_id))
        return None if gate is None else gate.controls


def noise_floor(audit: Audit, asked: Asked, fingerprints: Collection[Any]) -> dict[str, int]:
    """Flips in one direction, at most, that a model showed against itself, by gate.

    Raises:
        AuditError: not an audit of ``--slm-vs=self``, of another model than these, or one that was not asked the same.
    """
    if audit.baseline is None or not audit.baseline.model.get("again"):
        raise AuditError("not an audit of a model against itself (--slm-vs=self)")
    if audit.model.get("fingerprint") not in fingerprints:
        raise AuditError("an audit of another model than the two that are compared")
    found = differences(asked, Asked.of(audit), partly=True)
    if found:
        raise AuditError(f"not asked the same: {found[0]}")
    return {
        gate_key(g.nodeid).removesuffix(VERSUS): max(g.paired.judged.worse, g.paired.judged.better)
        for g in audit.gates
        if g.paired is not None
    }


@dataclass(slots=True)
class Again:
    """The same model once more, so that nothing it says comes from its first answers."""

    backend: Backend
    answers: tuple[type[Request[Any]], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.answers = self.backend.answers

    @property
    def name(self) -> str:
        return f"{self.backend.name}, once more"

    @property
    def fingerprint(self) -> str:
        return f"{self.backend.fingerprint}:again"

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        return self.backend.run(requests)

    def describe(self) -> dict[str, Any]:
        return {**self.backend.describe(), "name": self.name, "fingerprint": self.fingerprint, "again": True}

    def close(self) -> None:
        release(self.backend)


@dataclass(frozen=True, slots=True)
class Resting:
    """A reference model that lets the target go before it answers, and itself afterwards: one is in memory at a time."""

    backend: Backend
    target: Backend

    @property
    def answers(self) -> tuple[type[Request[Any]], ...]:
        return self.backend.answers

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def fingerprint(self) -> str:
        return self.backend.fingerprint

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        release(self.target)
        try:
            yield from self.backend.run(requests)
        finally:
            release(self.backend)

    def describe(self) -> dict[str, Any]:
        return self.backend.describe()


def release(backend: Backend | None) -> None:
    """Let the weights of a backend go, if it can: one model is in memory at a time."""
    close = getattr(backend, "close", None)
    if callable(close):
        close()
