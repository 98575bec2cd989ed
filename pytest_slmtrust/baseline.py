"""Where a baseline's answers come from: another model in the same run, or an audit that was written before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from .audit import Audit, Finding, FloorCheck
from .compare import gate_key
from .requests import Backend, Request


class Reference(Protocol):
    """What a comparison asks of a baseline. ``None`` for findings: it has none of these cases."""

    @property
    def name(self) -> str: ...

    @property
    def origin(self) -> str: ...

    def model(self) -> Mapping[str, Any]: ...

    def rows(self, gate_id: str) -> list[Finding] | None: ...

    def floor(self, gate_id: str) -> FloorCheck | None: ...


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
    def _gates(self) -> dict[str, Any]:
        return {gate_key(g.nodeid): g for g in self.audit.gates if g.paired is None and g.quantity != "paired"}

    def rows(self, gate_id: str) -> list[Finding] | None:
        """The findings of the gate's rows; None if the audit has no such gate or not all of its cases."""
        gate = self._gates.get(gate_key(gate_id))
        if gate is None:
            return None
        prefix, probe = gate.nodeid.rpartition("::")[0], gate.probe
        own = [f for f in self.audit.findings if f.probe == probe and f.nodeid.startswith(f"{prefix}::")]
        return own if gate.cases and len(own) == gate.cases else None

    def floor(self, gate_id: str) -> FloorCheck | None:
        gate = self._gates.get(gate_key(gate_id))
        return None if gate is None else gate.floor


def noise_floor(audit: Audit) -> dict[str, int]:
    """Flips in one direction, at most, that a model showed against itself, by probe."""
    found: dict[str, int] = {}
    for gate in audit.gates:
        if gate.paired is not None:
            counts = gate.paired.judged
            found[gate.probe] = max(found.get(gate.probe, 0), counts.worse, counts.better)
    return found


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


def release(backend: Backend | None) -> None:
    """Let the weights of a backend go, if it can: one model is in memory at a time."""
    close = getattr(backend, "close", None)
    if callable(close):
        close()
