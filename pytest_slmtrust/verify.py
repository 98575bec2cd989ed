"""Recompute an audit from its own findings: every count, bound, status and the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .assemble import overall
from .audit import Audit, Finding, GateResult, Status
from .gates import count_items

#: Statuses that rest on counts of items; the others say that no conclusion was drawn.
_COUNTED = (Status.PASS, Status.FAIL, Status.INCONCLUSIVE, Status.UNEARNED)
_CLOSE = 1e-9


def problems(audit: Audit) -> list[str]:
    """What does not follow from the findings, one line each; empty if everything does."""
    found = [f"{gate.nodeid}: {what}" for gate in audit.gates for what in _gate(gate, audit.findings)]
    verdict = overall(audit.gates)
    if audit.verdict is not verdict:
        found.append(f"the verdict is {audit.verdict}; the gates say {verdict}")
    if not audit.sentence.startswith(str(audit.verdict)):
        found.append("the sentence names another verdict")
    return found


def _gate(gate: GateResult, findings: tuple[Finding, ...]) -> Iterator[str]:
    prefix = gate.nodeid.rpartition("::")[0]
    own = [f for f in findings if f.probe == gate.probe and f.nodeid.startswith(f"{prefix}::")]
    if gate.cases:
        items = count_items(own, gate.tolerance is not None)
        counted = (items.total, len(own), items.failed, items.unscored)
        if counted != (gate.items, gate.cases, gate.failures, gate.unscored):
            yield f"items, cases, failed and unscored are {counted} by the findings, not what the gate says"
    if gate.status in _COUNTED and gate.items:
        yield from _decision(gate)


def _decision(gate: GateResult) -> Iterator[str]:
    from .stats import lower_bound, upper_bound

    if gate.tolerance is None or gate.lower is None or gate.upper is None:
        yield f"{gate.status} without a tolerance or bounds"
        return
    lower = lower_bound(gate.failures, gate.items, gate.alpha)
    upper = upper_bound(gate.failures + gate.unscored, gate.items, gate.alpha)
    if not (math.isclose(lower, gate.lower, abs_tol=_CLOSE) and math.isclose(upper, gate.upper, abs_tol=_CLOSE)):
        yield f"the bounds are {lower:.4f} and {upper:.4f} by the counts, not {gate.lower:.4f} and {gate.upper:.4f}"
    said = Status.FAIL if lower > gate.tolerance else Status.PASS if upper <= gate.tolerance else Status.INCONCLUSIVE
    earned = gate.floor is None or gate.floor.met
    if said is not Status.FAIL and not earned:
        said = Status.UNEARNED
    if gate.controls is not None and gate.controls.wrong:
        said = Status.INVALID
    if gate.status is not said:
        yield f"the status is {gate.status}; the counts say {said}"
