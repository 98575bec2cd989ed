"""What a probe's own functions say of its findings: its metric, and its other numbers. Whatever they do is kept in bounds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from .. import door
from ..audit.model import Estimate, Finding, Measure, MetricReading
from ..authoring.declarations import LARGEST_NUMBER, Criterion, Reading


def read_metric(criterion: Criterion | None, findings: Sequence[Finding]) -> MetricReading | None:
    """Return what a probe's own metric says of its findings; None where there is no metric or no finding.

    A metric that breaks must not take the whole audit with it.
    """
    if criterion is None or not callable(criterion.of) or not findings:
        return None
    try:
        made = criterion.of(findings)
    except Exception as error:
        return MetricReading(None, broken=f"the metric broke: {door.error(error)}")
    read = Reading(made) if isinstance(made, Estimate) else made
    if not isinstance(read, Reading) or not isinstance(read.estimate, Estimate):
        return MetricReading(None, broken=f"the metric gave {type(made).__name__}; it must give an Estimate")
    try:
        return MetricReading(_plain(read.estimate), str(read.note), str(read.void))
    except (TypeError, ValueError, OverflowError) as error:
        return MetricReading(None, broken=f"the metric gave no usable Estimate: {door.line(error)}")


def measures_of(give: Callable[[Sequence[Finding]], Iterable[Measure]], findings: Sequence[Finding]) -> tuple[Measure, ...]:
    """Return a probe's other numbers, made plain.

    Raises:
        TypeError, ValueError, OverflowError: a measure that is none, or two of one name and group.
    """
    made = []
    for one in give(findings):
        if not isinstance(one, Measure) or not isinstance(one.estimate, Estimate):
            raise TypeError(f"measures gave {type(one).__name__}; it must give Measures")
        made.append(Measure(str(one.name), _plain(one.estimate), str(one.group)))
    twice = [key for key, n in Counter((m.name, m.group) for m in made).items() if n > 1]
    if twice:
        raise ValueError(f"two measures are {twice[0]}")
    return tuple(made)


def _plain(estimate: Estimate) -> Estimate:
    """Return an Estimate of plain numbers that can be.

    Raises:
        TypeError, ValueError, OverflowError: numbers that are none, not finite, or out of order.
    """
    value, lower, upper, confidence = map(float, (estimate.value, estimate.lower, estimate.upper, estimate.confidence))
    if not (math.isfinite(lower) and math.isfinite(upper) and lower <= value <= upper):
        raise ValueError(f"{lower:g} <= {value:g} <= {upper:g} does not hold")
    if max(-lower, upper) > LARGEST_NUMBER:
        raise ValueError(f"{lower:g} to {upper:g} is beyond {LARGEST_NUMBER:g}")
    if not 0 < confidence < 1 or int(estimate.n) < 0:
        raise ValueError(f"confidence {confidence:g} must lie between 0 and 1, and n = {estimate.n} must not be negative")
    needed = None if estimate.needed is None else max(0, int(estimate.needed))
    return Estimate(value, lower, upper, int(estimate.n), str(estimate.method), confidence, needed)
