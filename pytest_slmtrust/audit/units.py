"""What of a gate's items is independent: items that share a part count for less than as many that share nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .counting import Items, by_group, by_source, count_items, item_outcomes, rate_estimate, score_estimate
from .model import Estimate, Finding, GroupRate, LeftOut

if TYPE_CHECKING:
    from ..stats import Grouping


def grouping_of(parts: Mapping[str, Mapping[str, str]]) -> Grouping:
    """Return how source items share parts, in the order of their names, whatever the order of the mapping."""
    from ..stats import Grouping

    return Grouping.of([parts[source] for source in sorted(parts)])


def shared(findings: Iterable[Finding]) -> Grouping | None:
    """Return how the items of all rows share parts, as it is known before they are asked; None if they share none."""
    parts = {one.source: one.parts for one in findings}
    grouping = grouping_of(parts) if any(parts.values()) else None
    return None if grouping is None or grouping.independent else grouping


@dataclass(frozen=True)
class Units:
    """Source items with the parts that they were made from; ``failed`` those that failed, ``worst`` these and the unscored;
    ``groups`` the kind of each."""

    parts: Mapping[str, Mapping[str, str]]
    failed: frozenset[str]
    worst: frozenset[str]
    groups: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, findings: Iterable[Finding], decides: bool = False) -> Units:
        own = list(findings)
        outcomes = item_outcomes(own, decides)
        sources = by_source(own)
        parts = {source: cases[0].parts for source, cases in sources.items()}
        groups = {source: cases[0].group or "" for source, cases in sources.items()}
        failed = frozenset(s for s, outcome in outcomes.items() if outcome == "failed")
        return cls(parts, failed, failed | {s for s, outcome in outcomes.items() if outcome == "unscored"}, groups)

    @cached_property
    def grouping(self) -> Grouping:
        return grouping_of(self.parts)

    @property
    def independent(self) -> bool:
        """Whether no two items share a part, so that their number says everything."""
        return not any(self.parts.values()) or self.grouping.independent

    @property
    def shared(self) -> Grouping | None:
        """How items share parts; None if they share none."""
        return None if self.independent else self.grouping

    def bounds(self, alpha: float) -> tuple[float, float]:
        """One-sided bounds of the rate of failing items, each at ``1 - alpha``; unscored items count against either claim."""
        from ..stats import lower_bound, mean_lower, mean_upper, upper_bound

        if self.independent:
            n = len(self.parts)
            return lower_bound(len(self.failed), n, alpha), upper_bound(len(self.worst), n, alpha)
        low, high = self._values(self.failed), self._values(self.worst)
        return mean_lower(low, self.grouping, alpha), mean_upper(high, self.grouping, alpha)

    def excess(self, tolerance: float) -> float:
        """Return the p-value of a rate within the tolerance; unscored items count as passed."""
        from ..stats import excess_chance, excess_p_value

        if self.independent:
            return excess_p_value(len(self.failed), len(self.parts), tolerance)
        return float(excess_chance(1 - self._values(self.failed), self.grouping, 1 - tolerance)[0])

    def effective(self, upper: float, alpha: float) -> float:
        """Return the number of independent items that would give this upper bound at the same rate, to one decimal."""
        from ..stats import effective_n

        n = len(self.parts)
        return float(n) if self.independent else round(effective_n(len(self.worst) / n, upper, n, alpha), 1)

    def left_out(self) -> LeftOut | None:
        """Return the range of the failing rate as each shared part in turn is left out, or each kind of item where no part is
        shared; None where there is neither."""
        kinds = {source: {"kind": group} for source, group in self.groups.items() if group}
        holders: dict[tuple[str, str], set[str]] = {}
        for source, parts in (kinds if self.independent else self.parts).items():
            for part in parts.items():
                holders.setdefault(part, set()).add(source)
        n, k = len(self.parts), len(self.failed)
        rates = {p: (k - len(h & self.failed)) / (n - len(h)) for p, h in sorted(holders.items()) if len(h) < n}
        if not rates:
            return None
        furthest = max(rates, key=lambda part: abs(rates[part] - k / n))
        return LeftOut(min(rates.values()), max(rates.values()), ": ".join(furthest))

    def estimate(self, items: Items) -> Estimate | None:
        """Return the share of failing items among those that were scored, with its two-sided 95 % interval."""
        scored = {source: parts for source, parts in self.parts.items() if source not in self.worst - self.failed}
        judged = Units(scored, self.failed, self.failed)
        if not scored or items.measured or judged.independent:
            return rate_estimate(items)
        lower, upper = judged.bounds(0.025)
        share = len(self.failed) / len(scored)
        return Estimate(share, min(lower, share), max(upper, share), len(scored), "Gaffke's bounds over parts, two-sided")

    def _values(self, which: frozenset[str]) -> Any:
        import numpy as np

        return np.array([float(source in which) for source in sorted(self.parts)])


def group_rates(findings: Sequence[Finding], decides: bool = False) -> tuple[GroupRate, ...]:
    """Return each group's rate (of a probe that only measures, its mean score), in the order of their names."""
    measured = count_items(findings, decides).measured > 0
    rates = []
    for group, own in by_group(findings).items():
        estimate = score_estimate(own) if measured else Units.of(own, decides).estimate(count_items(own, decides))
        if estimate is not None:
            rates.append(GroupRate(group, estimate))
    return tuple(rates)


def supported_tolerance(n: int, grouping: Grouping | None, least: float, alpha: float, power: float) -> float | None:
    """Return the smallest tolerance from ``least`` on that the items show with enough power; None if there is none."""
    from ..stats import blocking_n, part_tolerance, smallest_tolerance

    if grouping is not None:
        return part_tolerance(grouping, least, alpha, power)
    if n >= blocking_n(least, alpha, power):
        return least
    return smallest_tolerance(n, alpha, power) if n else None
