"""A baseline that is answered in this run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .. import door
from ..audit.model import ControlCheck, Finding, FloorCheck
from ..requests import Backend
from .describing import describe_engine, described
from .session import AuditSession, Suite


@dataclass(frozen=True)
class Live:
    """A baseline that is answered in this run, by its own session over the same suites."""

    session: AuditSession
    backend: Backend
    suites: Mapping[str, Suite]
    origin: str

    @property
    def name(self) -> str:
        return self.backend.name

    def model(self) -> Mapping[str, Any]:
        return described(self.backend)

    def knows(self, gate_id: str) -> bool:
        return gate_id in self.suites

    def rows(self, gate_id: str, cases: Collection[str]) -> list[Finding] | None:
        found = self.session.rows(self.suites[gate_id])
        return found if {f.nodeid for f in found} == set(cases) else None

    def controls(self, gate_id: str) -> ControlCheck | None:  # noqa: ARG002 (scripted: the same for every model)
        return None

    def floor(self, gate_id: str) -> FloorCheck | None:
        return self.session.floor(self.suites[gate_id])


def describe_baseline(reference: Any) -> dict[str, Any] | None:
    """Return model, origin and counters of what a run is compared with; None without it."""
    if reference is None:
        return None
    about = describe_engine(reference.session.engine) if isinstance(reference, Live) else {"model": reference.model()}
    return {"model": about["model"], "origin": door.line(reference.origin), "counters": about.get("counters", {})}
