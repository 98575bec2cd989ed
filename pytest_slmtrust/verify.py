"""Recompute an audit from its own findings: every count, bound, status and the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .assemble import overall
from .audit import Audit, AuditError, Finding, GateResult, Status
from .compare import READINGS, count, paired_status, test_pairs
from .items import Items, count_items, item_outcomes
from .limits import gap_bounds, mean_bounds, status_of
from .quality import advice, corrected
from .stopping import sequences

#: Statuses that rest on counts of items; the others say that no conclusion was drawn.
_COUNTED = (Status.PASS, Status.FAIL, Status.INCONCLUSIVE, Status.UNEARNED)
_CLOSE = 1e-9


def read_verified(path: Path) -> Audit:
    """An audit from its file, if it follows from its own findings.

    Raises:
        AuditError: it cannot be read, or a number in it is not what its findings say.
    """
    from .files import read_audit

    audit = read_audit(path)
    wrong = problems(audit)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise AuditError(f"{path}: does not follow from its own findings: {wrong[0]}{more}")
    return audit


def problems(audit: Audit) -> list[str]:
    """What does not follow from the findings, one line each; empty if everything does."""
    found = [f"{gate.nodeid}: {what}" for gate in audit.gates for what in _gate(gate, audit)]
    verdict = overall(audit.gates)
    if audit.verdict is not verdict:
        found.append(f"the verdict is {audit.verdict}; the gates say {verdict}")
    if not audit.sentence.startswith(str(audit.verdict)):
        found.append("the sentence names another verdict")
    return found


def _gate(gate: GateResult, audit: Audit) -> Iterator[str]:
    own = findings_of(gate, audit.findings)
    yield from _blocks(gate)
    if gate.waiver is not None and gate.waiver not in audit.waivers:
        yield "a waiver that the audit does not list"
    if gate.quantity == "paired":
        yield from _paired(gate, own, audit)
        return
    if gate.cases:
        items = count_items(own, gate.tolerance is not None and gate.quantity in ("rate", "gap"))
        counted = (items.total, len(own), items.failed, items.unscored)
        if counted != (gate.items, gate.cases, gate.failures, gate.unscored):
            yield f"items, cases, failed and unscored are {counted} by the findings, not what the gate says"
    if gate.status in _COUNTED and gate.items:
        yield from _decision(gate, own)
    if gate.measured is not None and gate.corrected is not None:
        yield from _corrected(gate)


def _blocks(gate: GateResult) -> Iterator[str]:
    """A gate that decides blocks, unless its detector does not allow it."""
    if gate.status not in _COUNTED:
        return
    if gate.blocking == bool(gate.advisory):
        yield "it decides, and neither blocks nor says why it does not" if not gate.blocking else "an advisory gate that blocks"
    if gate.quantity == "rate" and gate.tolerance is not None:
        items = Items(gate.items, gate.failures, gate.unscored, 0)
        said = advice(gate.status, items, gate.measured, gate.corrected is not None, gate.tolerance, gate.alpha)
        if said != gate.advisory:
            yield "whether it blocks does not follow from the errors of its detector"
    elif gate.advisory and not (gate.quantity == "metric" and gate.lower is None and gate.upper is None):
        yield "only a rate can be advisory for its detector, and a metric that decides nothing"


def findings_of(gate: GateResult, findings: Iterable[Finding]) -> list[Finding]:
    """The findings of a gate's rows."""
    prefix = gate.nodeid.rpartition("::")[0]
    return [f for f in findings if f.probe == gate.probe and f.nodeid.startswith(f"{prefix}::")]


def _decision(gate: GateResult, own: Sequence[Finding]) -> Iterator[str]:
    if gate.tolerance is None:
        yield f"{gate.status} without a tolerance"
        return
    lower, upper = _bounds(gate, own)
    for name, made, said in (("lower", lower, gate.lower), ("upper", upper, gate.upper)):
        if made is not None and not (said is None if math.isinf(made) else _close(made, said)):
            yield f"the {name} bound is {made:.4f} by the findings, not {said}"
    ends = (gate.lower if lower is None else lower, gate.upper if upper is None else upper)
    low, high = (-math.inf if ends[0] is None else ends[0]), (math.inf if ends[1] is None else ends[1])
    yield from _status(gate, status_of(low, high, gate.tolerance, gate.side))


def _bounds(gate: GateResult, own: Sequence[Finding]) -> tuple[float | None, float | None]:
    """What the findings say; None for a metric of the probe's own, whose code is not in the audit."""
    from .stats import lower_bound, upper_bound, watch

    if gate.quantity == "metric":
        return None, None
    if gate.quantity in ("mean", "gap"):
        bounds = (mean_bounds if gate.quantity == "mean" else gap_bounds)(own, gate.alpha)
        return bounds.lower, bounds.upper
    if gate.stopped is not None:
        outcomes = item_outcomes(own, decides=True)
        if set(outcomes) != set(gate.stopped.order) or gate.tolerance is None:
            return -math.inf, math.inf
        seen = watch(*sequences(gate.stopped.order, outcomes), gate.tolerance, gate.stopped.planned, gate.alpha)
        return seen.lower, seen.upper
    worst = gate.failures + gate.unscored
    return lower_bound(gate.failures, gate.items, gate.alpha), upper_bound(worst, gate.items, gate.alpha)


def _status(gate: GateResult, said: Status) -> Iterator[str]:
    earned = gate.floor is None or gate.floor.met
    if said is not Status.FAIL and not earned:
        said = Status.UNEARNED
    if gate.controls is not None and gate.controls.wrong:
        said = Status.INVALID
    if gate.status is not said:
        yield f"the status is {gate.status}; the counts say {said}"


def _corrected(gate: GateResult) -> Iterator[str]:
    assert gate.measured is not None
    made = corrected(Items(gate.items, gate.failures, gate.unscored, 0), gate.measured, gate.alpha)
    if made is None or gate.corrected is None or not _close(made.value, gate.corrected.value):
        yield "the corrected rate does not follow from the counts"


def _paired(gate: GateResult, own: Sequence[Finding], audit: Audit) -> Iterator[str]:
    if gate.paired is None:
        if gate.status in _COUNTED:
            yield f"{gate.status} without a baseline's counts"
        return
    theirs = findings_of(gate, audit.baseline.findings if audit.baseline else ())
    mine, other = item_outcomes(own), item_outcomes(theirs)
    if mine.keys() != other.keys():
        yield "the baseline's findings are of other items"
        return
    for reading in READINGS:
        if count(mine, other, reading) != getattr(gate.paired, reading):
            yield f"the {reading} counts of pairs do not follow from the findings"
    if gate.tolerance is None or gate.status not in _COUNTED:
        return
    made = test_pairs({r: getattr(gate.paired, r) for r in READINGS}, gate.tolerance, gate.alpha)
    if not all(_close(made[name], getattr(gate.paired, name)) for name in made):
        yield "the p-values do not follow from the counts of pairs"
    yield from _status(gate, paired_status(gate.paired, gate.alpha))


def _close(one: float | None, two: float | None) -> bool:
    return one is two if one is None or two is None else math.isclose(one, two, rel_tol=1e-6, abs_tol=_CLOSE)
