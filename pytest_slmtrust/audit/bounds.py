"""Bounds of what a gate holds to a limit: a rate, a mean, a gap between groups, a metric of the probe's own.

Every bound is one-sided at ``1 - alpha``, with what could not be judged counted against the claim on its own side, so that a PASS
and a FAIL each need it least (Manski 1990).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .counting import Items, by_group, by_source, count_items, item_scores
from .model import Estimate, Finding, MetricReading, Status
from .units import Units, grouping_of

#: Share of items that put the same questions as others from which on a metric, which counts them all, decides nothing: below it
#: an interval is a twentieth too narrow at most.
MOST_ALIKE = 0.1


@dataclass(frozen=True, slots=True)
class Bounds:
    """The quantity observed among what could be judged, its bounds, what else a reader must know, and why it decides nothing."""

    estimate: Estimate | None
    lower: float
    upper: float
    note: str = ""
    void: str = ""


def status_of(lower: float, upper: float, limit: float, side: str = "at most") -> Status:
    """PASS if even the bound on the bad side keeps the limit, FAIL if even the other one breaks it, else INCONCLUSIVE."""
    if side == "at most":
        return Status.PASS if upper <= limit else Status.FAIL if lower > limit else Status.INCONCLUSIVE
    return Status.PASS if lower >= limit else Status.FAIL if upper < limit else Status.INCONCLUSIVE


def mean_bounds(findings: Sequence[Finding], alpha: float) -> Bounds:
    """Return the mean score over source items, whose parts are the units; an item without a score may have had any in [0, 1]."""
    import numpy as np

    from ..stats import mean_lower, mean_upper

    items, means = by_source(findings), dict[str, float]()
    for source, cases in items.items():
        scores = [c.score for c in cases if c.score is not None and c.outcome not in ("unscored", "error")]
        if len(scores) == len(cases):
            means[source] = sum(scores) / len(scores)
    if any(not 0 <= m <= 1 for m in means.values()):
        return Bounds(None, -math.inf, math.inf, "scores outside [0, 1] have no exact bound")
    if not means:
        return Bounds(None, 0.0, 1.0, "no item has a score")
    parts = {source: cases[0].parts for source, cases in items.items()}
    grouping, names, scored = grouping_of(parts), sorted(items), sorted(means)
    low = mean_lower(np.array([means.get(s, 0.0) for s in names]), grouping, alpha)
    high = mean_upper(np.array([means.get(s, 1.0) for s in names]), grouping, alpha)
    own, judged = np.array([means[s] for s in scored]), grouping_of({s: parts[s] for s in scored})
    value = float(own.mean())
    ends = min(value, mean_lower(own, judged, alpha)), max(value, mean_upper(own, judged, alpha))
    estimate = Estimate(value, *ends, len(means), "Gaffke's bounds of a bounded mean", 1 - 2 * alpha)
    return Bounds(estimate, low, high)


def gap_bounds(findings: Sequence[Finding], alpha: float) -> Bounds:
    """The largest difference of failing rates between groups; the parts that items share are the units of each rate."""
    import numpy as np

    from ..stats import gap_ends

    groups = by_group(findings)
    counts = {group: count_items(own, decides=True) for group, own in groups.items()}
    if len(counts) < 2:
        return Bounds(None, 0.0, 1.0, f"a gap needs two groups, found {len(counts)}")
    # what broke before it named a group may belong to any of them, or to one of which nothing else is known
    unnamed = [f for f in findings if not f.group]
    stray = count_items(unnamed, decides=True)
    if stray.total > stray.unscored:
        return Bounds(None, 0.0, 1.0, f"{stray.total - stray.unscored} judged items name no group")
    lost = stray.total
    if lost and lost >= min(c.total for c in counts.values()):
        return Bounds(rate_gap_estimate(counts, 1 - alpha), 0.0, 1.0, f"{lost} items could not be judged and name no group")
    units = [Units.of([*own, *unnamed], decides=True) for own in groups.values()]

    def at(level: float) -> tuple[Any, Any]:
        found = [unit.bounds(1 - level) for unit in units]
        return np.array([low for low, _ in found]), np.array([high for _, high in found])

    most, least = (np.array([len(some) / len(u.parts) for u, some in zip(units, sets, strict=True)]) for sets in (
        [u.worst for u in units], [u.failed for u in units]))  # fmt: skip
    lower, upper = gap_ends(len(units), at, most, least, alpha)
    return Bounds(rate_gap_estimate(counts, 1 - alpha), lower, min(1.0, upper))


def rate_gap_estimate(counts: Mapping[str, Items], confidence: float) -> Estimate | None:
    """Return the largest gap between the failing rates of groups, among what could be judged; None with fewer than two."""
    from ..stats import gap_items, rate_gap

    judged = {g: (c.failed, c.total - c.unscored) for g, c in counts.items() if c.total > c.unscored}
    if len(judged) < 2:
        return None
    gap = rate_gap(judged, confidence)
    n, ends = sum(n for _, n in judged.values()), gap.interval
    return Estimate(gap.value, ends.lower, ends.upper, n, gap.method, confidence, gap_items(judged, confidence))


def group_gap(findings: Sequence[Finding], judges: bool) -> Estimate | None:
    """Return the largest gap between groups as it is shown: of failing rates, or of mean scores in [0, 1] where nothing fails."""
    from ..stats import mean_gap

    groups = by_group(findings)
    counts = {group: count_items(own, judges) for group, own in groups.items()}
    if not any(c.measured for c in counts.values()):
        return rate_gap_estimate(counts, 0.95)
    scores = {group: item_scores(own) for group, own in groups.items()}
    scores = {group: values for group, values in scores.items() if values}
    if len(scores) < 2 or any(not 0 <= v <= 1 for values in scores.values() for v in values):
        return None
    gap = mean_gap(scores, 0.95)
    return Estimate(gap.value, gap.interval.lower, gap.interval.upper, sum(map(len, scores.values())), gap.method)


def metric_bounds(read: MetricReading, findings: Sequence[Finding], alpha: float) -> Bounds:
    """Return the interval of what a probe's own metric said; none holds if it broke, if a case could not be judged,
    or if many items put the same questions."""
    estimate = read.estimate
    if estimate is None:
        return Bounds(None, -math.inf, math.inf, read.broken)
    if read.void:
        return Bounds(estimate, -math.inf, math.inf, "; ".join(filter(None, (read.void, read.note))), read.void)
    lost = sum(f.outcome in ("unscored", "error") for f in findings)
    if lost:  # nobody knows what these would have made of it
        return Bounds(estimate, -math.inf, math.inf, f"{lost} cases could not be judged, and a metric has no bound for them")
    rows = len({f.source for f in findings})
    alike = rows - len(by_source(findings))
    if alike > MOST_ALIKE * rows:
        said = f"{alike} of {rows} items put the same questions as others, and a metric counts them all"
        return Bounds(estimate, -math.inf, math.inf, said)
    if estimate.confidence < 1 - 2 * alpha - 1e-9:
        return Bounds(estimate, -math.inf, math.inf, f"its interval holds at {estimate.confidence:.0%} only")
    return Bounds(estimate, estimate.lower, estimate.upper, read.note)
