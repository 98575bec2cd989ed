"""A gate as an audit itself tells of it, where this package does not know its probe: what decided, recounted where it can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..audit.dimension import Dimension
from ..audit.model import DetectorCheck, Estimate, Finding, FloorCheck, GateResult, Stopped
from ..audit.quantities import AT_LEAST, QUANTITIES
from ..audit.units import shared
from ..authoring.declarations import Criterion, Judge, Profile
from ..authoring.probe import Probe, stable_order
from ..gates.detector_errors import checked
from ..gates.gate import Gate
from ..requests import Steps

#: A run that asks more of one gate is none of ours.
_MOST_PLANNED = 100_000


def shadow(gate: GateResult, asked: Mapping[str, Any], own: Sequence[Finding]) -> Gate:
    """Return the gate that decided, as far as its result says what it was."""
    limit = 0.0 if gate.tolerance is None else gate.tolerance  # nothing is held to it then
    quantity, criterion = QUANTITIES[gate.quantity], None
    most, least = (None, limit) if gate.side == AT_LEAST else (limit, None)
    if not quantity.counted:  # the code of a metric is not in the audit: its reading is taken as it is
        criterion = Criterion(_not_called if quantity.reads else quantity.name, most, least)
    probe = Probe(
        gate.probe, Dimension(gate.dimension), _nothing, (), gate.claim, criterion=criterion, detector=gate.detector,
        estimand=gate.estimand, metric=gate.metric, paper=gate.paper, judge=Judge(gate.judge) if gate.judge else None,
        measures=(lambda _: gate.measures) if gate.measures else None, unit=gate.unit, verb=gate.verb,
    )  # fmt: skip
    profile = Profile(str(asked.get("name", "")), 0, 0, 0, 0.05, gate.alpha, bool(asked.get("decides", True)))
    return Gate(probe, profile, gate.items, gate.tolerance, gate.note, shared(own))


def floor_of(gate: GateResult) -> FloorCheck | None:
    return gate.floor and recounted(gate.floor, gate.alpha)


def recounted(floor: FloorCheck, alpha: float) -> FloorCheck:
    from ..stats import lower_bound

    return replace(floor, lower=lower_bound(floor.passed, floor.total, alpha) if floor.total else 0.0)


def measured_of(gate: GateResult) -> DetectorCheck | None:
    m = gate.measured
    if m is None:
        return None
    tolerance = gate.tolerance if gate.tolerance is not None and QUANTITIES[gate.quantity].counted else None
    made = checked(m.name, m.data, (m.tp, m.fn, m.tn, m.fp), tolerance or 0.05, gate.alpha, m.single, m.labelled, m.outside)
    return made if tolerance is not None else replace(made, good=m.good)  # nothing depends on it


def stopped_of(gate: GateResult, own: Sequence[Finding]) -> Stopped | None:
    """Return where a gate stopped, if it asked the items that it would ask: the first ones in its order, and each once."""
    s = gate.stopped
    if s is None:
        return None
    if not 0 < len(s.order) <= s.planned <= _MOST_PLANNED:
        raise ValueError(f"{len(s.order)} of {s.planned} items asked")
    if list(s.order) != stable_order(gate.probe, {f.source for f in own}):
        raise ValueError("its items are not those of its findings, in the order of their hashes")
    return s


def _nothing() -> Steps[Any]:
    yield []


def _not_called(_: Sequence[Finding]) -> Estimate:
    raise TypeError("a metric without a reading")
