"""The verdict of an audit, its sentence, and what it does not cover."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from .dimension import Dimension
from .model import GateResult, NotTested, Status
from .nodeids import VERSUS

#: The worst first: what the whole says when its gates disagree.
SEVERITY = (Status.INVALID, Status.FAIL, Status.UNEARNED, Status.INCONCLUSIVE, Status.NOT_RUN)


def overall(gates: Sequence[GateResult]) -> Status:
    """PASS when every blocking gate passes (an intersection-union test: each at alpha, the whole at alpha).

    With red gates that somebody took upon themselves, and no other, it is WAIVED, which is no PASS."""
    blocking = [g.status for g in gates if g.blocking and not g.waived]
    for status in SEVERITY:
        if status in blocking:
            return status
    if any(g.blocking and g.waived for g in gates):
        return Status.WAIVED
    if Status.PASS in blocking:
        return Status.PASS
    if any(g.status is Status.INVALID for g in gates):
        return Status.INVALID
    if any(g.status is Status.NOT_DECIDABLE for g in gates):
        return Status.NOT_DECIDABLE
    measured = any(g.status is Status.MEASURED or g.advisory for g in gates)
    return Status.MEASURED if measured else Status.NOT_TESTED


def dimension_status(gates: Sequence[GateResult], dimension: str) -> Status:
    """What the gates of one dimension say together; one that could not be tested keeps it from a PASS."""
    own = [g for g in gates if g.dimension == dimension]
    missing = any(g.blocking and g.status is Status.NOT_TESTED for g in own)
    status = overall(own)
    return Status.NOT_TESTED if missing and status is Status.PASS else status


def sentence(verdict: Status, gates: Sequence[GateResult]) -> str:
    """One sentence for a reader who reads no other."""
    blocking = [g for g in gates if g.blocking]
    measured = sum(g.status is Status.MEASURED for g in gates)
    if not blocking:
        advisory = sum(bool(g.advisory) for g in gates)
        aside = f", {advisory} are advisory" if advisory else ""
        return f"{verdict}: no gate blocks in this run{aside}; {measured} probes were measured."
    passed = sum(g.status is Status.PASS for g in blocking)
    open_ones = [g for g in blocking if not g.waived]
    others = [f"{n} {s}" for s in (*SEVERITY, Status.NOT_TESTED) if (n := sum(g.status is s for g in open_ones))]
    others += [f"{n} WAIVED" for n in [len(blocking) - len(open_ones)] if n]
    advisory = sum(bool(g.advisory) for g in gates)
    others += [f"{advisory} advisory"] if advisory else []
    tail = f"; {', '.join(others)}" if others else ""
    return f"{verdict}: {passed} of {len(blocking)} blocking gates pass{tail}; {measured} probes are only measured."


def adjusted(gates: Sequence[GateResult]) -> list[GateResult]:
    """The p-values of all gates that have one adjusted together (Holm 1979): which of those called FAIL hold as a list.

    Advisory gates are among them: whether one is may depend on its outcome."""
    tested = {g.nodeid: g.p_fail for g in gates if g.p_fail is not None}
    if not tested:
        return list(gates)
    from ..stats import holm

    values = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [replace(g, p_holm=values.get(g.nodeid)) for g in gates]


def not_tested(gates: Sequence[GateResult], found: Set[str]) -> tuple[NotTested, ...]:
    """What this run does not speak of; ``found`` are the dimensions that have findings, with a gate or without."""
    silent = [g for g in gates if g.status in (Status.NOT_TESTED, Status.NOT_RUN)]
    rows = [NotTested(f"{g.probe}{VERSUS}" if g.quantity == "paired" else g.probe, g.dimension, g.reason) for g in silent]
    tested = found | {g.dimension for g in gates if g.status not in (Status.NOT_TESTED, Status.NOT_RUN)}
    rows += [NotTested("the whole dimension", d, "no probe of it ran") for d in Dimension if d not in tested]
    return tuple(rows)
