"""How many items a number needs for an interval that informs: 20 points wide."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from .model import Estimate, GateResult
from .quantities import quantity_of

#: An estimate, or none where there is none.
Shown = TypeVar("Shown", Estimate, Estimate | None)


def with_needed(estimate: Shown) -> Shown:
    """Return an estimate that says how many items it needs, if its interval is wider than 20 points.

    An estimate whose maker worked the number out keeps it. A number whose ends lie outside [-1, 1] has no points.
    """
    if estimate is None or estimate.needed is not None or not estimate.n:
        return estimate
    if not -1 <= estimate.lower <= estimate.upper <= 1:
        return estimate
    from ..stats import root_items

    return replace(estimate, needed=root_items(estimate.n, estimate.upper - estimate.lower))


def informed(gate: GateResult) -> GateResult:
    """Return a gate whose numbers all say how many items they need."""
    return replace(
        gate,
        estimate=with_needed(gate.estimate),
        mean_score=with_needed(gate.mean_score),
        gap=with_needed(gate.gap),
        groups=tuple(replace(one, estimate=with_needed(one.estimate)) for one in gate.groups),
        measures=tuple(replace(one, estimate=with_needed(one.estimate)) for one in gate.measures),
    )


def wanting(gate: GateResult) -> Estimate | None:
    """Return the number of a measured gate whose interval is too wide to inform: its own, or that of its largest gap."""
    shown = quantity_of(gate).seen(gate)
    if shown is not None and shown.needed:
        return shown
    return gate.gap if gate.gap is not None and gate.gap.needed else None
