"""What the report shows, computed from an audit: numbers as text, bars in per cent, rows that a clause maps to. No markup."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from fnmatch import fnmatchcase
from typing import Any

from .audit import Audit, Estimate, Finding, GateResult, NotTested, Status

DIMENSIONS = ("robustness", "privacy", "toxicity", "hallucination", "fairness")
#: From worst to best; a dimension is as good as its worst gate that counts.
_ORDER = (
    Status.FAIL, Status.INVALID, Status.UNEARNED, Status.INCONCLUSIVE, Status.NOT_RUN, Status.NOT_TESTED,
    Status.NOT_DECIDABLE, Status.PASS, Status.MEASURED,
)  # fmt: skip
#: Red whether or not the gate blocks: its numbers cannot be trusted.
_ALWAYS = (Status.INVALID,)
_SILENT = (Status.NOT_TESTED, Status.NOT_RUN)
_ROUNDING = {"near": ROUND_HALF_EVEN, "up": ROUND_CEILING, "down": ROUND_FLOOR}
#: More words than this on one side are shown without marks: the comparison is quadratic.
_DIFF_WORDS = 400


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a bar is drawn on the axis from 0 to 100; ``band`` is the range that unscored items leave open."""

    low: float
    high: float
    point: float
    tolerance: float | None
    band: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class GateView:
    """One gate as it is shown. ``counts`` holds its findings by outcome; ``scorers`` those that measured its detector."""

    gate: GateResult
    anchor: str
    observed: str
    interval: str
    kind: str
    bar: Bar | None
    summary: str
    counts: Mapping[str, int]
    scorers: tuple[Mapping[str, Any], ...]
    groups: tuple[tuple[str, Estimate, Bar | None], ...]


@dataclass(frozen=True, slots=True)
class DimensionView:
    """One dimension: its status, how many of its blocking gates pass, and what of it was not tested."""

    name: str
    anchor: str
    status: Status
    passed: int
    blocking: int
    gates: tuple[GateView, ...]
    not_tested: tuple[NotTested, ...]


@dataclass(frozen=True, slots=True)
class ClauseView:
    """One row of the clause map with the gates that give evidence towards it, by status."""

    row: Mapping[str, Any]
    tested: bool
    statuses: tuple[tuple[Status, int], ...]
    gates: tuple[GateView, ...]


def anchor(prefix: str, name: str) -> str:
    """A fragment that is safe in an attribute: the name itself if it is plain, else a digest of it."""
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,60}", name):
        return f"{prefix}-{name}"
    return f"{prefix}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def finding_anchor(finding: Finding) -> str:
    """The deep link of a finding: the same as long as its node id is."""
    return "finding-" + hashlib.sha256(finding.nodeid.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def percent(value: float | None, rounding: str = "near") -> str:
    """A fraction as text: one decimal from 1 %, two below; upper bounds go ``up``, lower bounds ``down``."""
    if value is None or not math.isfinite(value):
        return "–"
    exact = Decimal(repr(value)) * 100
    places = Decimal("0.01") if abs(exact) < 1 else Decimal("0.1")
    rounded = exact.quantize(places, _ROUNDING[rounding])
    return f"{rounded.normalize():f}\u00a0%" if rounded in (0, 100) else f"{rounded}\u00a0%"


def number(value: float | int | None) -> str:
    """Whole numbers with thin groups of three, others with three significant digits."""
    if value is None:
        return "–"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.1f}".replace(",", "\u202f")
    return f"{int(value):,}".replace(",", "\u202f")


def size(count: float | int) -> str:
    """Bytes for people."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= scale:
            return f"{count / scale:.1f}\u00a0{unit}"
    return f"{int(count)}\u00a0bytes"


def status_of(gates: Sequence[GateResult]) -> Status:
    """The status of a dimension: its worst gate that counts; without a blocking gate, what its other gates say."""
    counting = [g.status for g in gates if g.blocking or g.status in _ALWAYS]
    if counting:
        return min(counting, key=_ORDER.index)
    for status in (Status.NOT_DECIDABLE, Status.MEASURED):
        if any(g.status is status for g in gates):
            return status
    return min((g.status for g in gates), key=_ORDER.index, default=Status.NOT_TESTED)


def dimension_views(audit: Audit) -> tuple[DimensionView, ...]:
    """The five dimensions in their order, then any other that the audit names."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for f in audit.findings:
        own = counts.setdefault((f.dimension, f.probe), {})
        own[f.outcome] = own.get(f.outcome, 0) + 1
    named = list(dict.fromkeys([*DIMENSIONS, *(g.dimension for g in audit.gates)]))
    views = []
    for name in named:
        gates = [g for g in audit.gates if g.dimension == name]
        blocking = [g for g in gates if g.blocking]
        views.append(
            DimensionView(
                name, anchor("dimension", name), status_of(gates), sum(g.status is Status.PASS for g in blocking), len(blocking),
                tuple(gate_view(g, counts.get((name, g.probe), {}), audit.scorers) for g in gates),
                tuple(n for n in audit.not_tested if n.dimension == name),
            )
        )  # fmt: skip
    return tuple(views)


def gate_view(gate: GateResult, counts: Mapping[str, int], scorers: Sequence[Mapping[str, Any]]) -> GateView:
    """Texts and bar of one gate: the exact bounds where it has them, else its estimate."""
    sure = f"{1 - gate.alpha:.0%}".replace("%", "\u00a0%")
    bar, observed, interval, kind = None, "–", "–", ""
    if gate.worst is not None and gate.lower is not None and gate.upper is not None:
        observed = percent(gate.worst)
        interval = f"{percent(gate.lower, 'down')} – {percent(gate.upper, 'up')}"
        kind = f"exact one-sided bounds, each {sure}"
        band = (gate.best * 100, gate.worst * 100) if gate.best is not None and gate.best < gate.worst else None
        bar = Bar(gate.lower * 100, gate.upper * 100, gate.worst * 100, _times(gate.tolerance), band)
    elif (shown := gate.estimate or gate.mean_score) is not None:
        observed, interval, kind = number(shown.value), f"{number(shown.lower)} – {number(shown.upper)}", method(shown)
        bar = _estimate_bar(shown, gate.tolerance)
    return GateView(
        gate, anchor("probe", f"{gate.dimension}-{gate.probe}"), observed, interval, kind, bar,
        _summary(gate, observed, interval, kind), counts, tuple(s for s in scorers if _measures(s, gate.detector)),
        tuple((g.group, g.estimate, _estimate_bar(g.estimate, None)) for g in gate.groups),
    )  # fmt: skip


def method(estimate: Estimate) -> str:
    """``DeLong, 95 %``: how an interval was made and at which confidence."""
    return f"{estimate.method}, {estimate.confidence * 100:.3g}\u00a0%"


def _times(value: float | None) -> float | None:
    return None if value is None else value * 100


def _estimate_bar(estimate: Estimate, tolerance: float | None) -> Bar | None:
    """None for a number that is no share of one: the axis would lie."""
    if not 0 <= estimate.lower <= estimate.value <= estimate.upper <= 1:
        return None
    return Bar(estimate.lower * 100, estimate.upper * 100, estimate.value * 100, _times(tolerance), None)


def _summary(gate: GateResult, observed: str, interval: str, kind: str) -> str:
    if gate.status in _SILENT or observed == "–":
        return f"{gate.status}: {gate.reason}"
    limit = f"; tolerance {percent(gate.tolerance)}" if gate.tolerance is not None else "; no tolerance"
    return f"{gate.status}: {observed} observed over {gate.items} source items, {interval} ({kind}){limit}."


def _measures(scorer: Mapping[str, Any], detector: str) -> bool:
    names = [str(scorer.get(key, "")).strip().lower() for key in ("detector", "name", "labels")]
    return any(name and name in detector.lower() for name in names)


def clause_views(framework: Mapping[str, Any], gates: Iterable[GateView]) -> list[ClauseView]:
    """The rows of one framework. A gate that was not tested or not run is no evidence."""
    every = list(gates)
    views = []
    for row in framework["clause"]:
        fit = [g for g in every if _fits(row, g.gate)]
        tested = [g for g in fit if g.gate.status not in _SILENT]
        found = {status: sum(g.gate.status is status for g in tested) for status in _ORDER}
        views.append(ClauseView(row, bool(tested), tuple((s, n) for s, n in found.items() if n), tuple(fit)))
    return views


def _fits(row: Mapping[str, Any], gate: GateResult) -> bool:
    patterns = row.get("probes", ())
    in_dimension = gate.dimension in row.get("dimensions", DIMENSIONS if patterns else ())
    return in_dimension and (not patterns or any(fnmatchcase(gate.probe, p) for p in patterns))


def word_changes(before: str, after: str) -> list[tuple[str, str]]:
    """Pieces of two texts in reading order, each ``same``, ``removed`` or ``added``, compared word by word."""
    old, new = re.findall(r"\s+|\S+", before), re.findall(r"\s+|\S+", after)
    if max(len(old), len(new)) > _DIFF_WORDS * 2:
        return [("removed", before), ("added", after)]
    pieces: list[tuple[str, str]] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(("same", "".join(old[i:j])))
            continue
        pieces += [(kind, "".join(words)) for kind, words in (("removed", old[i:j]), ("added", new[k:m])) if words]
    return pieces


def pairs(evidence: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """``(label, original, perturbed)`` for each text that has a perturbed twin: ``original_reply`` and ``perturbed_reply``."""
    found = []
    for key, value in evidence.items():
        twin = evidence.get(key.replace("original", "perturbed", 1)) if key.startswith("original") else None
        if isinstance(value, str) and isinstance(twin, str):
            found.append((key.removeprefix("original").strip("_") or "text", value, twin))
    return found
