"""Bounds of what a gate holds to a limit: a rate, a mean, a gap between groups, a metric of the probe's own.

Every bound is one-sided at ``1 - alpha``, with what could not be judged counted against the claim on its own side, so that a PASS
and a FAIL each need it least (Manski 1990).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .counting import Items, by_group, by_source, count_items, item_scores
from .model import Estimate, Finding, MetricReading, Status


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
    """The mean score over source items, by betting; an item without a score may have had any in [0, 1]."""
    from ..stats import mean_interval

    means, lost = [], 0
    for cases in by_source(findings).values():
        scores = [c.score for c in cases if c.score is not None and c.outcome not in ("unscored", "error")]
        if len(scores) == len(cases):
            means.append(sum(scores) / len(scores))
        else:
            lost += 1
    if any(not 0 <= m <= 1 for m in means):
        return Bounds(None, -math.inf, math.inf, "scores outside [0, 1] have no exact bound")
    if not means:
        return Bounds(None, 0.0, 1.0, "no item has a score")
    confidence = 1 - 2 * alpha
    shown = mean_interval(means, confidence)
    low = mean_interval([*means, *[0.0] * lost], confidence).lower
    high = mean_interval([*means, *[1.0] * lost], confidence).upper
    method = "betting interval of a bounded mean"
    estimate = Estimate(sum(means) / len(means), shown.lower, shown.upper, len(means), method, confidence)
    return Bounds(estimate, low, high)


def gap_bounds(findings: Sequence[Finding], alpha: float) -> Bounds:
    """The largest difference of failing rates between groups, with simultaneous exact intervals of the groups' rates."""
    from ..stats import worst_case_interval

    counts = {group: count_items(own, decides=True) for group, own in by_group(findings).items()}
    if len(counts) < 2:
        return Bounds(None, 0.0, 1.0, f"a gap needs two groups, found {len(counts)}")
    # what broke before it named a group may belong to any of them, or to one of which nothing else is known
    stray = count_items([f for f in findings if not f.group], decides=True)
    if stray.total > stray.unscored:
        return Bounds(None, 0.0, 1.0, f"{stray.total - stray.unscored} judged items name no group")
    each = 1 - alpha / len(counts)
    lost = stray.total
    ends = [worst_case_interval(c.failed, c.unscored + lost, c.total + lost, each) for c in counts.values()]
    if lost and lost >= min(c.total for c in counts.values()):
        return Bounds(rate_gap_estimate(counts, 1 - alpha), 0.0, 1.0, f"{lost} items could not be judged and name no group")
    least = max(0.0, max(e.lower for e in ends) - min(e.upper for e in ends))
    most = max(e.upper for e in ends) - min(e.lower for e in ends)
    return Bounds(rate_gap_estimate(counts, 1 - alpha), least, most)


def rate_gap_estimate(counts: Mapping[str, Items], confidence: float) -> Estimate | None:
    """The largest gap between the failing rates of groups, among what could be judged; None with fewer than two."""
    from ..stats import rate_gap

    judged = {g: (c.failed, c.total - c.unscored) for g, c in counts.items() if c.total > c.unscored}
    if len(judged) < 2:
        return None
    gap = rate_gap(judged, confidence)
    n = sum(n for _, n in judged.values())
    return Estimate(gap.value, gap.interval.lower, gap.interval.upper, n, gap.method, confidence)


def group_gap(findings: Sequence[Finding], judges: bool) -> Estimate | None:
    """The largest gap between groups as it is shown: of failing rates, or of mean scores in [0, 1] where nothing fails."""
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
    """The interval of what a probe's own metric said; none holds if it broke or if a case could not be judged."""
    estimate = read.estimate
    if estimate is None:
        return Bounds(None, -math.inf, math.inf, read.broken)
    if read.void:
        return Bounds(estimate, -math.inf, math.inf, "; ".join(filter(None, (read.void, read.note))), read.void)
    lost = sum(f.outcome in ("unscored", "error") for f in findings)
    if lost:  # nobody knows what these would have made of it
        return Bounds(estimate, -math.inf, math.inf, f"{lost} cases could not be judged, and a metric has no bound for them")
    if estimate.confidence < 1 - 2 * alpha - 1e-9:
        return Bounds(estimate, -math.inf, math.inf, f"its interval holds at {estimate.confidence:.0%} only")
    return Bounds(estimate, estimate.lower, estimate.upper, read.note)


def rate_bounds(items: Items, alpha: float) -> tuple[float, float]:
    """Exact one-sided bounds of the rate of failing items."""
    from ..stats import lower_bound, upper_bound

    return lower_bound(items.failed, items.total, alpha), upper_bound(items.worst, items.total, alpha)
