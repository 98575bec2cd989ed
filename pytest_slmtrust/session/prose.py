"""A probe's own words as an audit may hold them: claim, detector, notes of its metric, names of its measures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .. import door
from ..audit.model import Estimate, Finding, Measure
from ..authoring.declarations import Reading
from ..authoring.probe import Probe


def shareable(probe: Probe) -> Probe:
    """Return the probe with its prose masked, before anything is made of it, so that all that quotes it agrees."""
    criterion, floor, measures = probe.criterion, probe.floor, probe.measures
    if criterion is not None and callable(criterion.of):
        criterion = replace(criterion, of=partial(_read, criterion.of))
    if floor is not None:
        floor = replace(floor, claim=door.line(floor.claim))
    if measures is not None:
        measures = partial(_measured, measures)
    return replace(probe, doc=door.lines(probe.doc), criterion=criterion, floor=floor, measures=measures,
                   detector=door.line(probe.detector), estimand=door.line(probe.estimand), metric=door.line(probe.metric),
                   paper=door.line(probe.paper),
                   unit=door.line(probe.unit), verb=door.line(probe.verb))  # fmt: skip


def _read(of: Any, findings: Sequence[Finding]) -> Any:
    made = of(findings)
    if isinstance(made, Estimate):
        return _estimate(made)
    if not isinstance(made, Reading):
        return made
    return replace(made, estimate=_estimate(made.estimate), note=door.line(made.note), void=door.line(made.void))


def _measured(give: Any, findings: Sequence[Finding]) -> Iterable[Any]:
    return [_measure(one) if isinstance(one, Measure) else one for one in give(findings)]


def _measure(one: Measure) -> Measure:
    return replace(one, name=door.line(one.name), group=door.line(one.group), estimate=_estimate(one.estimate))


def _estimate(estimate: Any) -> Any:
    return replace(estimate, method=door.line(estimate.method)) if isinstance(estimate, Estimate) else estimate
