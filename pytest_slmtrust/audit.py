"""The audit as plain data: findings, gate results and what surrounds them, to and from JSON.

The report is rendered from this JSON and from nothing else; its schema is ``reports/audit.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

#: Number of the layout of ``audit.json``.
FORMAT = 1


class AuditError(ValueError):
    """An audit file that cannot be read; one line that says why."""


class Status(StrEnum):
    """What a gate, a dimension or the audit says."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    UNEARNED = "UNEARNED"
    INVALID = "INVALID"
    NOT_TESTED = "NOT TESTED"
    NOT_DECIDABLE = "NOT DECIDABLE"
    NOT_RUN = "NOT RUN"
    MEASURED = "MEASURED"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its two-sided interval at ``confidence`` and the method that made it. ``n`` counts source items."""

    value: float
    lower: float
    upper: float
    n: int
    method: str
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one case. ``evidence`` holds what a reader needs: usually ``prompt`` and ``reply``."""

    nodeid: str
    probe: str
    dimension: str
    case: str
    source: str
    outcome: str
    score: float | None = None
    group: str | None = None
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ControlCheck:
    """How many scripted controls there were, and those that did not come out as labelled."""

    total: int
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FloorCheck:
    """The competence floor: rows passed, the exact lower bound of that rate, and what it must reach."""

    claim: str
    passed: int
    total: int
    lower: float
    at_least: float

    @property
    def met(self) -> bool:
        return self.lower >= self.at_least


@dataclass(frozen=True, slots=True)
class GroupRate:
    """One group's share of failing (or mean of measured) source items."""

    group: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one probe's rows say together.

    Counts are of source items, but for ``cases`` and ``errors``: an item fails if any of its cases fails, else it is unscored if
    any could not be judged. ``lower`` is the one-sided exact bound at ``1 - alpha`` with unscored items counted as passed,
    ``upper`` the one with all of them counted as failed; ``best`` and ``worst`` are the observed rates so counted (Manski 1990).
    """

    nodeid: str
    probe: str
    dimension: str
    claim: str
    status: Status
    blocking: bool
    reason: str
    items: int = 0
    cases: int = 0
    failures: int = 0
    unscored: int = 0
    errors: int = 0
    tolerance: float | None = None
    alpha: float = 0.05
    lower: float | None = None
    upper: float | None = None
    best: float | None = None
    worst: float | None = None
    estimate: Estimate | None = None
    mean_score: Estimate | None = None
    largest_pass: int | None = None
    smallest_fail: int | None = None
    power: float | None = None
    needed: int | None = None
    metric: str = ""
    estimand: str = ""
    detector: str = ""
    paper: str = ""
    controls: ControlCheck | None = None
    floor: FloorCheck | None = None
    groups: tuple[GroupRate, ...] = ()


@dataclass(frozen=True, slots=True)
class NotTested:
    """Something this audit did not test, and why."""

    what: str
    dimension: str
    reason: str


@dataclass(frozen=True, slots=True)
class Audit:
    """One whole audit. ``model``, ``scorers``, ``settings``, ``resources`` and ``provenance`` are what their makers describe."""

    verdict: Status
    sentence: str
    profile: str
    gates: tuple[GateResult, ...]
    findings: tuple[Finding, ...]
    not_tested: tuple[NotTested, ...]
    model: Mapping[str, Any]
    scorers: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    format: int = FORMAT

    def to_json(self) -> str:
        """Canonical JSON text: sorted keys, ASCII; what has no JSON form becomes text.

        Raises:
            ValueError: a number that is not finite.
        """
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False, default=str) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Audit:
        """Read what :meth:`to_json` wrote.

        Raises:
            AuditError: not JSON, another format number, or a field that is missing or unknown.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise AuditError(f"not JSON: {error}") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, dict) else type(data).__name__
            raise AuditError(f"not an audit of format {FORMAT}: found {found!r}")
        try:
            return cls(
                **{
                    **data,
                    "verdict": Status(data["verdict"]),
                    "gates": tuple(_gate(g) for g in data["gates"]),
                    "findings": tuple(Finding(**f) for f in data["findings"]),
                    "not_tested": tuple(NotTested(**n) for n in data["not_tested"]),
                    "notes": tuple(data.get("notes", ())),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise AuditError(f"not an audit: {error}") from None


def gate_from_json(data: Mapping[str, Any]) -> GateResult:
    """One gate from its JSON form."""
    return _gate(data)


def _gate(data: Mapping[str, Any]) -> GateResult:
    floor, controls = data.get("floor"), data.get("controls")
    return GateResult(
        **{
            **data,
            "status": Status(data["status"]),
            "estimate": _estimate(data.get("estimate")),
            "mean_score": _estimate(data.get("mean_score")),
            "controls": controls and ControlCheck(controls["total"], tuple(controls["wrong"])),
            "floor": floor and FloorCheck(**floor),
            "groups": tuple(GroupRate(g["group"], Estimate(**g["estimate"])) for g in data.get("groups", ())),
        }
    )


def _estimate(data: Mapping[str, Any] | None) -> Estimate | None:
    return None if data is None else Estimate(**data)
